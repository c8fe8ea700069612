/*
 * What this machine can do at best, to read a result against.
 */
#ifndef INGOT_CLI_BENCH_MACHINE_H
#define INGOT_CLI_BENCH_MACHINE_H

#include <ingot/types.h>

struct bench_machine {
    uint32_t processors;
    double ed25519_verifies_per_s; /* one processor, 128-byte messages */
    double ed25519_signs_per_s;
    double synced_commits_per_s;       /* LMDB: one put of 1 KiB, synced, at a time */
    double loopback_round_trips_per_s; /* TCP, 128 bytes there and back, one at a time */
};

/*
 * Measures for about two seconds. The store is made in `folder` and removed. False, with a
 * sentence in `why`, when something cannot be done.
 */
bool bench_machine_measure(const char *folder, struct bench_machine *machine, char *why,
                           size_t why_size);

#endif

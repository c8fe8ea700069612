/*
 * The transactions that are submitted; the bodies of requests that do so with JSON-RPC calls, and
 * what their answers say. No socket, no time.
 */
#ifndef INGOT_CLI_BENCH_CALLS_H
#define INGOT_CLI_BENCH_CALLS_H

#include "cli/bench.h"

/* The calls that a node takes in one batch. */
#define BENCH_CALLS_MAX 256
/* A node's limit, less the head. */
#define BENCH_BODY_BYTES_MAX (2 * 1024 * 1024 - 4096)

#define BENCH_TX_BYTES_MIN_NULL 16
#define BENCH_TX_BYTES_MIN_KV 26
#define BENCH_TX_BYTES_SIGNING 34
#define BENCH_TX_BYTES_MAX (1024 * 1024)

enum bench_app { BENCH_APP_NULL, BENCH_APP_KV, BENCH_APP_SIGNING };

/* Where transactions come from: each is different from all others, of this run and of others. */
struct bench_source {
    enum bench_app app;
    bool waits_for_attestation; /* calls are broadcast_tx_attest, not broadcast_tx_commit */
    uint32_t tx_bytes;          /* signing: BENCH_TX_BYTES_SIGNING */
    uint32_t keys;              /* kv */
    uint64_t seed;              /* random, of the run */
    uint64_t counter;           /* transactions made; 0 at first */
};

/*
 * Writes the next transaction, tx_bytes long. kv: `k<8 digits>=<16 digits><padding>`, null: the
 * same without the key. The 16 digits are the transaction's own. signing: a digest, as
 * proto/signing.proto has it, that begins with the 16 digits.
 */
void bench_source_next(struct bench_source *source, uint8_t *transaction);

/* How many calls of this size one body may have, BENCH_CALLS_MAX at most. */
uint32_t bench_calls_max(uint32_t tx_bytes);

/* Appends a request with `count` new transactions: one call, or a batch of them. */
void bench_calls_make(struct bench_source *source, uint32_t count, struct ingot_buffer *body);

/*
 * Counts what became of the `count` transactions of a request. Answers that are missing or not
 * understood count as BENCH_LOST, and so do those without the attestation that the source waits
 * for. `why`, if it is still empty, gets the first unexpected text.
 */
void bench_calls_read(const struct bench_source *source, struct ingot_slice answer, uint32_t count,
                      uint32_t outcomes[BENCH_OUTCOME_COUNT], char *why, size_t why_size);

#endif

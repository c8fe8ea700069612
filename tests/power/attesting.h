/*
 * The attestor beside a replica, in the recorded world and in trials of images: it signs what
 * transactions of the kv App ask for, and keeps the signatures file in the data folder.
 */
#ifndef INGOT_TESTS_POWER_ATTESTING_H
#define INGOT_TESTS_POWER_ATTESTING_H

#include "node/attestor.h"
#include "power/record.h"

struct power_node;

/* All zero: there is none. What it puts out goes where the replica's output goes. */
struct attesting {
    struct attestor *attestor; /* or NULL */
    struct replica *replica;
    struct replica_output output;
    uint64_t due_ms; /* when it wants a tick */
    /* A statement is attested; NULL: nobody listens. */
    void (*told)(void *context, uint64_t height, const struct statement_id *id);
};

/* set_app_init, and where the workload attests, every transaction of a client asks for it. */
void attesting_app(const struct power_node *node, struct ingot_app *app);

/* Opens it, if the workload attests, once replica, output and `told` are filled in; they stay where
 * they are. As attestor_open. */
enum ingot_error attesting_open(struct attesting *attesting, const struct power_node *node,
                                const struct ingot_app *app, const char *folder, char *why,
                                size_t why_size);
void attesting_close(struct attesting *attesting);

/* These do nothing where there is none; the frame is a share then, or false is returned. */
bool attesting_receive(const struct attesting *attesting, uint32_t peer, struct ingot_slice frame);
void attesting_committed(const struct attesting *attesting, const struct block *block,
                         const struct execution *execution);
void attesting_connected(const struct attesting *attesting, uint32_t peer, bool is_connected);
void attesting_flush(const struct attesting *attesting);
void attesting_tick(struct attesting *attesting, uint64_t now_ms);

/* NULL, or what is wrong: what was told of before the operation `at` is there, and the file is as
 * it should be. */
const char *attesting_judge(const struct attesting *attesting, const struct record *record,
                            uint32_t at, const char *folder);

#endif

/*
 * A small network of replicas in one process and in simulated time, each with an LMDB store and its
 * journal in a folder of its own whose writes are recorded. The journal's thread is not started:
 * the world does its part, at moments that chance draws. Everything follows from the workload and
 * the seed.
 */
#ifndef INGOT_TESTS_POWER_WORLD_H
#define INGOT_TESTS_POWER_WORLD_H

#include "lib/prng.h"
#include "lib/set_app.h"
#include "node/replica.h"
#include "power/attesting.h"
#include "power/record.h"

#define WORLD_NODES_MAX 5

/* Parts are of a million. */
struct workload {
    const char *name;
    uint32_t height;           /* it ends when all that are up have committed so much */
    uint32_t joiners;          /* nodes besides genesis' four, which join in time */
    uint32_t loss;             /* of frames */
    uint32_t submit;           /* every 20 ms, the chance of a transaction */
    uint32_t transaction_size; /* at most */
    uint32_t restart;          /* every 20 ms, the chance that a node is stopped and started */
    uint32_t die;              /* or that its process dies in the middle of something */
    uint32_t lose_power;       /* or its machine */
    uint32_t change;           /* or that a change of the set is asked for */
    uint64_t away_until;       /* node 3 is away until the others are at this height */
    uint32_t replay_window;    /* 0: 64 */
    uint64_t retain_blocks;
    uint32_t apply;      /* every 20 ms, that a node's journal goes half a way on; 0: 300000 */
    bool attests;        /* clients' transactions ask for attestations */
    bool is_broadcast;   /* quorum broadcast instead of the log (lines.h); `height` rounds of it */
    bool cannot_reserve; /* the file system gives no room ahead */
};

struct power_world;

struct power_node {
    struct power_world *world;
    uint32_t index;
    char parent[64];
    char folder[80];
    struct record record;
    struct crypto_secret_key secret;
    struct ingot_store *store;
    struct ingot_app app;
    struct replica *replica; /* NULL: down */
    struct attesting attesting;
    uint64_t tick_at_us;
    uint64_t start_at_us;
    bool is_woken;
    bool loses_power; /* with the death that is planned */
    bool has_stopped;
    bool has_failed; /* for another reason than a death that was planned */
    char why[256];
};

struct world_frame {
    uint64_t at_us;
    uint32_t from;
    uint32_t to;
    struct ingot_buffer bytes;
};

struct power_world {
    const struct workload *workload;
    uint64_t seed;
    const struct crypto_scheme *scheme;
    struct prng prng;
    struct set_app_keys keys;
    struct validator_set *set; /* of genesis */
    struct block *genesis;
    struct power_node nodes[WORLD_NODES_MAX];
    uint32_t node_count;
    uint32_t member_count; /* of genesis */
    struct world_frame *frames;
    uint32_t frame_count;
    uint32_t frame_capacity;
    uint64_t now_us;
    uint32_t changes;
    uint64_t committed; /* the greatest height */
};

/* Runs to its end. `folder` is there. False, with a sentence in `why`: it did not come so far. */
bool world_run(struct power_world *world, const struct workload *workload, uint64_t seed,
               const char *folder, char *why, size_t why_size);
void world_deinit(struct power_world *world);

/* What a node's replica is opened with, whoever listens to it. */
struct replica_options world_replica_options(const struct power_node *node,
                                             struct ingot_store *store, const struct ingot_app *app,
                                             const struct replica_output *output);
/* A store in a folder, as each node opens its own; with a small journal. */
enum ingot_error world_open_store(const char *folder, struct ingot_store **store, char *why,
                                  size_t why_size);

#endif

/*
 * A few attestors against each other in memory: each on a ledger of its own over a store in memory,
 * with a signatures file of its own on disk. The test makes the blocks and says who commits them;
 * frames get lost where the test says so, and time passes when it says so. With real ed25519.
 *
 * The App: a transaction "d:TEXT" asks for its text's digest, "p:TEXT" for its text as payload,
 * anything else for nothing. A node that declines does not sign what has an "x" in it.
 */
#ifndef INGOT_TESTS_ATTESTOR_CLUSTER_H
#define INGOT_TESTS_ATTESTOR_CLUSTER_H

#include "lib/prng.h"
#include "lib/wire_samples.h"
#include "node/attestor.h"

#define ATTESTOR_NODES_MAX 8
#define ATTESTOR_BLOCKS_MAX 4096

struct attestor_cluster;

struct attestor_node {
    struct attestor_cluster *cluster;
    uint32_t number; /* node i is validator i; beyond the set: an observer */
    struct ingot_app app;
    struct ingot_store *store;
    struct ledger *ledger;
    struct attestor *attestor; /* NULL: it is down */
    char file[96];
    bool declines;
    bool is_keyless; /* has no validator key when it is opened */
    bool is_woken;
    uint64_t armed_ms;
    enum replica_stop stop;
    uint32_t attested; /* reports since it was opened */
    uint32_t refused;
    uint64_t reported_bytes; /* of their lines */
    char why[400];
};

struct attestor_frame {
    uint32_t from;
    uint32_t to;
    struct ingot_buffer bytes;
};

struct attestor_cluster {
    struct samples samples; /* epoch 0 */
    struct samples next;    /* epoch 1: the same without the last validator */
    struct block *genesis;
    uint8_t genesis_sha256[32];
    struct attestor_limits limits;
    uint32_t count;
    struct attestor_node nodes[ATTESTOR_NODES_MAX];
    struct ledger_entry blocks[ATTESTOR_BLOCKS_MAX]; /* by height; [0] is genesis */
    uint64_t height;
    bool has_changed; /* blocks are of epoch 1 now */
    char folder[64];

    uint64_t now_ms;
    struct prng prng;
    uint32_t loss;                                       /* frames in a million */
    bool is_cut[ATTESTOR_NODES_MAX][ATTESTOR_NODES_MAX]; /* from, to; nobody notices */
    uint32_t queue_frames; /* for which there is room from one to another; 0: any number */
    uint64_t frames_sent;
    bool is_full; /* no queue has room for a frame */
    uint64_t frames_refused;
    struct attestor_frame *frames; /* under way, in order */
    uint32_t frame_count;
    uint32_t frame_capacity;
};

/* `validators` members, and observers besides; all are up and connected. */
struct attestor_cluster *attestor_cluster_new(uint32_t validators, uint32_t observers);
void attestor_cluster_free(struct attestor_cluster *cluster);

/* The next block of the chain, of these transactions (NULL-terminated); its height. */
uint64_t attestor_cluster_block(struct attestor_cluster *cluster, const char *const *transactions);
/* One of a single transaction. */
uint64_t attestor_cluster_one(struct attestor_cluster *cluster, const char *transaction);
/* The same with a block that opens epoch 1. */
void attestor_cluster_change_set(struct attestor_cluster *cluster);

/* Commits, up to a height or up to the last block; as replica and node do. */
void attestor_node_commit(struct attestor_node *node, uint64_t height);
void attestor_cluster_commit(struct attestor_cluster *cluster);

/* Delivers the frames that are under way; what they lead to comes later. False: there were none. */
bool attestor_cluster_deliver(struct attestor_cluster *cluster);
/* Delivers frames and lets nodes take their turns until nothing happens. */
void attestor_cluster_run(struct attestor_cluster *cluster);
/* Lets time pass, with ticks where they are asked for. */
void attestor_cluster_wait(struct attestor_cluster *cluster, uint64_t ms);

/* A connection goes, with what is under way on it; or it comes up. */
void attestor_cluster_disconnect(struct attestor_cluster *cluster, uint32_t a, uint32_t b);
void attestor_cluster_connect(struct attestor_cluster *cluster, uint32_t a, uint32_t b);

/* Only what is durable stays. */
void attestor_node_crash(struct attestor_node *node);
/* Opens what a crash left; `why` says what was wrong. */
enum ingot_error attestor_node_open(struct attestor_node *node);
/* That must succeed; it is connected to all that are up. */
void attestor_node_restart(struct attestor_node *node);

struct attestor_status attestor_node_status(const struct attestor_node *node);
/* How many lines its file has; each one verifies, and no id is there twice. */
uint32_t attestor_node_lines(const struct attestor_node *node);
/* The number of signers of one statement, by its transaction. */
uint32_t attestor_node_signers(struct attestor_node *node, uint64_t height,
                               const char *transaction);
/* How many members have spoken, for good, about a block: as the table has it durably. */
uint32_t attestor_node_shares(const struct attestor_node *node, uint64_t height);
enum attest_state attestor_node_state(struct attestor_node *node, uint64_t height,
                                      const char *transaction);

#endif

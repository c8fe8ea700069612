/*
 * The cluster's own state, shared by its files.
 */
#ifndef INGOT_TESTS_CLUSTER_STATE_H
#define INGOT_TESTS_CLUSTER_STATE_H

#include <ingot/apps.h>

#include "lib/cluster.h"

/* Bytes on their way; a broadcast shares them. */
struct frame {
    uint32_t references;
    size_t size;
    uint8_t bytes[];
};

struct delivery {
    uint64_t at_us;
    uint64_t sequence; /* the order of sending, where times are equal */
    uint32_t from;
    uint32_t to;
    struct frame *frame; /* owned reference */
    bool is_corrupt;
};

struct cluster_node {
    struct cluster *cluster;
    uint32_t index;
    struct crypto_secret_key secret;
    struct wire_signer signer;
    struct byzantine byzantine;
    struct replica *replica;   /* NULL: down */
    struct ingot_store *store; /* while down: what a start will find; NULL: a new node */
    struct ingot_app app;
    uint64_t clock_start_us; /* what its monotonic clock shows at time 0 */
    uint64_t clock_us;       /* what its monotonic clock showed */
    uint64_t clock_read_us;  /* at this time; it runs from there at its rate */
    int32_t clock_rate;      /* parts of a million above or below true time */
    uint64_t wall_offset_ms;
    uint64_t deadline_us; /* of its timer, by its own clock */
    uint64_t tick_at_us;  /* UINT64_MAX: not armed */
    uint64_t flush_at_us; /* UINT64_MAX: nothing to do */
    uint64_t busy_until_us;
    bool wants_wake;
    uint32_t disk_min_us;
    uint32_t disk_max_us;

    bool has_crash_planned;
    uint32_t sends_before_crash;
    struct ingot_store *crashed_store; /* not NULL: it has crashed within this flush */
    bool has_stopped;

    enum store_memory_fault write_fault; /* what was planned last */
    uint64_t full_until_us;              /* its disk has no space before; 0: it has */
    struct ingot_store *pristine;        /* not NULL: `store` is this, with a record spoilt */
    struct ingot_store *copy;            /* that somebody made of its disk; or NULL */
    bool has_lost_key;
    uint64_t corrupt_received; /* frames, in this life */

    uint64_t commits_seen;    /* of the store's counter, when `disk` was read */
    struct core_safety disk;  /* what the disk holds */
    uint64_t send_at_us;      /* of the flush that runs: after its durable write */
    uint64_t timeouts_before; /* in earlier lives */
};

struct cluster {
    struct cluster_options options;
    struct validator_set *set; /* of genesis */
    struct set_app_keys keys;  /* of all nodes */
    uint32_t changes_made;
    struct block *genesis;
    struct checks *checks;
    struct kv_model model;
    struct prng network_prng;
    struct prng test_prng;
    struct cluster_node nodes[CHECKS_NODES_MAX];
    bool has_liars; /* or frames that a test made up */
    struct cluster_link links[CHECKS_NODES_MAX][CHECKS_NODES_MAX];
    uint64_t link_busy_until_us[CHECKS_NODES_MAX][CHECKS_NODES_MAX];
    uint64_t link_arrived[CHECKS_NODES_MAX][CHECKS_NODES_MAX]; /* the latest that was sent */
    cluster_intercept *intercept;
    void *intercept_context;

    uint64_t now_us;
    uint64_t sequence;
    uint64_t frames;
    uint64_t bytes_sent;
    uint64_t compact_proposals;
    uint64_t marks[CLUSTER_FAULTS];
    uint64_t joined;
    struct position frontier;  /* the highest that any replica has entered */
    uint64_t frontier_entered; /* how often that rose */
    struct delivery *queue;    /* a binary heap */
    uint32_t queue_count;
    uint32_t queue_capacity;
    struct crypto_hasher trace;
};

/* cluster_network.c */
void network_deinit(struct cluster *cluster);
void network_transmit(struct cluster *cluster, uint32_t from, uint32_t to, uint64_t at_us,
                      struct frame *frame);
struct frame *network_frame(struct ingot_slice bytes);
void network_unref(struct frame *frame);
/* The next delivery, or NULL. */
const struct delivery *network_peek(const struct cluster *cluster);
/* Takes it off the queue; the reference is the caller's. */
struct delivery network_take(struct cluster *cluster);
/* Puts a delivery back, for later. */
void network_postpone(struct cluster *cluster, const struct delivery *delivery, uint64_t at_us);

/* It reaches its node: has anything that was sent later been there before? */
void network_arrived(struct cluster *cluster, const struct delivery *delivery);

/* cluster_node.c: one replica's life, and what it hands to the network. */
void node_init(struct cluster *cluster, uint32_t index);
void node_deinit(struct cluster_node *node);
void node_open(struct cluster_node *node);
void node_flush(struct cluster_node *node);
void node_tick(struct cluster_node *node);
void node_receive(struct cluster_node *node, const struct delivery *delivery);
void node_crash(struct cluster_node *node);
void node_wants_flush(struct cluster_node *node);
/* Of a cluster_node: does anybody wait for its commits now? cluster_end.c */
bool node_is_awaited(void *context);
/* It has died in the middle of what it does, and nothing of that is seen any more. */
bool node_is_gone(struct cluster_node *node);
/* What its clock shows. */
uint64_t node_clock_us(const struct cluster_node *node);
/* Its timer, when the rate of its clock has changed. */
void node_set_timer(struct cluster_node *node);

/* cluster_disk.c: what a node's disk holds, and what happens to it. */
/* Reads back the safety record, if there was a write since. */
void disk_read(struct cluster_node *node);
/* The block that opens an epoch is committed, so the epoch's set must be durable. */
void disk_check_set(struct cluster_node *node, uint64_t epoch);
/* After a flush: it is in no epoch before the commit that opens it is durable. */
void disk_check_epoch(struct cluster_node *node);
/* What is told to be committed is durable. */
void disk_check_commit(struct cluster_node *node, const struct block *block);
/* Space comes back when it is time. */
void disk_settle(struct cluster_node *node);
/* What a write that failed, or a crash beside one, was due to. */
void disk_mark_failure(struct cluster_node *node);
/* A start was refused, and rightly so. */
bool disk_explains_refusal(struct cluster_node *node, enum ingot_error error, const char *why);

/* What happens goes into the trace's hash, and where wanted is printed. */
void cluster_trace(struct cluster *cluster, const char *what, uint32_t node, uint64_t a,
                   uint64_t b);
void cluster_trace_bytes(struct cluster *cluster, const void *bytes, size_t size);

#endif

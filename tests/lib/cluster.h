/*
 * A cluster of real replicas in one process and in simulated time: core, ledger, executor,
 * mempool, wire encoding and memory store are the real ones, the network, the clocks and the
 * signatures are not. Everything that happens follows from the seed and from what the test asks
 * for.
 *
 * Every message and every commit goes past the checkers (checks.h). Once they have seen a
 * violation, time stands still.
 */
#ifndef INGOT_TESTS_CLUSTER_H
#define INGOT_TESTS_CLUSTER_H

#include <stdio.h>

#include "lib/byzantine.h"
#include "lib/checks.h"
#include "lib/cluster_faults.h"
#include "lib/prng.h"
#include "node/replica.h"
#include "storage/memory.h"

struct cluster;

struct cluster_options {
    uint64_t seed;
    uint32_t validators;    /* of genesis; 1 to CHECKS_NODES_MAX */
    const uint64_t *powers; /* of those; NULL: 1 each */
    uint32_t observers;     /* nodes besides: with keys, and outside genesis' set */
    uint32_t leader_tenure;
    uint32_t base_timeout_ms;
    uint32_t empty_block_interval_ms;
    uint32_t timeout_resend_ms;
    uint32_t advertise_interval_ms;
    uint32_t fetch_timeout_ms;
    uint32_t replay_window_blocks;
    uint32_t block_payload_bytes_max;
    uint32_t mempool_bytes_max;
    uint32_t compact_payload_bytes_min;
    uint32_t transaction_bytes_max;     /* 0: what the model makes fits */
    uint32_t verify_threads;            /* of each node; what happens is the same with any number */
    bool awaits_few;                    /* commits; else somebody waits for each, everywhere */
    const struct crypto_scheme *scheme; /* NULL: the fast stand-in */
    FILE *trace;                        /* or NULL: what happens, a line each */
};

/* Four validators, tenure 4, base timeout 500 ms, a quick network. */
struct cluster_options cluster_default_options(void);

/* One direction between two nodes. Parts are of a million. */
struct cluster_link {
    uint32_t delay_min_us;
    uint32_t delay_max_us;
    uint32_t loss;
    uint32_t duplicate;
    uint32_t late; /* so many arrive up to late_us later, after others that were sent after them */
    uint32_t late_us;
    uint32_t corrupt;          /* so many arrive changed */
    uint32_t bytes_per_ms;     /* 0: as many as there are; else frames wait behind one another */
    uint32_t queue_us_max;     /* what would wait longer is dropped */
    uint64_t clogged_until_us; /* nothing moves before */
    bool is_cut;
};

/* Drops a message on its way (true). */
typedef bool cluster_intercept(void *context, uint32_t from, uint32_t to,
                               const struct message *message);

struct cluster *cluster_new(const struct cluster_options *options);
void cluster_free(struct cluster *cluster);

/*
 * Nodes are numbered as in the validator set of genesis, then come the observers, so that one of
 * genesis' members has the number of its index. All are down at first; one that is started for
 * the first time later than others joins with an empty disk.
 */
void cluster_start(struct cluster *cluster, uint32_t node);
void cluster_start_all(struct cluster *cluster);
/* Before its first start: a node with these habits (BYZANTINE_BIT) is not honest. */
void cluster_set_byzantine(struct cluster *cluster, uint32_t node, uint64_t habits);
/* Adds how often each habit was really done, by whomever. */
void cluster_add_habits(const struct cluster *cluster, uint64_t done[BYZANTINE_HABITS]);
bool cluster_is_honest(const struct cluster *cluster, uint32_t node);
/* What is not durable is gone. */
void cluster_crash(struct cluster *cluster, uint32_t node);
/* Crashes in the middle of what it sends, after so many more frames. */
void cluster_crash_after_sends(struct cluster *cluster, uint32_t node, uint32_t frames);
/* Its nth durable write from now fails, and it stops; or it crashes there. */
void cluster_fail_write(struct cluster *cluster, uint32_t node, uint64_t nth,
                        enum store_memory_fault fault);
/* No write succeeds until then; it stops at the first, and at the first after each start. */
void cluster_fill_disk(struct cluster *cluster, uint32_t node, uint64_t duration_ms);
/* Takes back the three above. */
void cluster_cancel_faults(struct cluster *cluster, uint32_t node);
/* Each durable write takes so long. */
void cluster_set_disk(struct cluster *cluster, uint32_t node, uint32_t min_us, uint32_t max_us);

/*
 * Its calendar jumps, forwards or backwards; its monotonic clock does not. And both clocks run so
 * many parts of a million faster than they should, or slower.
 */
void cluster_shift_wall(struct cluster *cluster, uint32_t node, int64_t by_ms);
void cluster_set_clock_rate(struct cluster *cluster, uint32_t node, int32_t parts_per_million);
/* Stands still for so long, as a stopped process does, and then finds all that has come. */
void cluster_pause(struct cluster *cluster, uint32_t node, uint64_t duration_ms);

/*
 * Spoils a record that every start reads, while the node is down: the next start must be refused,
 * with a reason, and if it is not that is a violation. Until then the node counts as down, and
 * after it one of the two below is due. False: the disk is empty, or was spoilt before.
 */
bool cluster_damage(struct cluster *cluster, uint32_t node);
/* The disk is what it was. */
void cluster_repair(struct cluster *cluster, uint32_t node);
/* The disk is gone: the node comes back with an empty one, as an observer, without its key. */
void cluster_lose_disk(struct cluster *cluster, uint32_t node);
/* Whoever runs the node copies its disk; the next copy replaces the last. False: nothing there. */
bool cluster_copy_disk(struct cluster *cluster, uint32_t node);
/*
 * Puts the copy in the place of the disk of a node that is down; false if there is none. As it is,
 * which makes the node Byzantine, or as `ingot backup` does it, with the watermark's record.
 */
bool cluster_restore_copy(struct cluster *cluster, uint32_t node);
bool cluster_restore_backup(struct cluster *cluster, uint32_t node);
/* Batches that this node's store was told to be bulk, since its disk was last replaced. */
uint64_t cluster_bulk_batches(const struct cluster *cluster, uint32_t node);
/* It has run before, and its disk is there. */
bool cluster_has_disk(const struct cluster *cluster, uint32_t node);
/* It waits for its watermark. */
bool cluster_is_withheld(struct cluster *cluster, uint32_t node);

struct cluster_link *cluster_link(struct cluster *cluster, uint32_t from, uint32_t to);
void cluster_set_all_links(struct cluster *cluster, const struct cluster_link *link);
void cluster_set_intercept(struct cluster *cluster, cluster_intercept *intercept, void *context);
/* Brings a frame to a node as if `from` had sent it. */
void cluster_inject(struct cluster *cluster, uint32_t from, uint32_t to,
                    const struct message *message);
/* Gives a client's transaction to a node. */
enum ingot_error cluster_submit(struct cluster *cluster, uint32_t node,
                                struct ingot_slice transaction);
/* Makes one and gives it to a node. */
void cluster_submit_any(struct cluster *cluster, uint32_t node);
/* A client that is not sure says an earlier one again, to whatever node. */
void cluster_submit_again(struct cluster *cluster, uint32_t node);

/*
 * Asks for another validator set, through a node: whoever has power 0 is out. The change is made
 * from the set of the last epoch that is open; if that is another one by the time of the block,
 * nothing happens.
 */
enum ingot_error cluster_submit_change(struct cluster *cluster, uint32_t node,
                                       const struct set_app_powers *powers);

/* One event. False: nothing left to happen, or a violation was seen. */
bool cluster_step(struct cluster *cluster);
/* Until this time; false on a violation. */
bool cluster_run_until(struct cluster *cluster, uint64_t until_us);
bool cluster_run_ms(struct cluster *cluster, uint64_t duration_ms);
/* Until the condition holds; false on a violation or after limit_ms. */
typedef bool cluster_condition(void *context, struct cluster *cluster);
bool cluster_run_while_not(struct cluster *cluster, uint64_t limit_ms, cluster_condition *condition,
                           void *context);

uint64_t cluster_now_us(const struct cluster *cluster);
uint32_t cluster_count(const struct cluster *cluster);
bool cluster_is_up(const struct cluster *cluster, uint32_t node);
struct replica *cluster_replica(struct cluster *cluster, uint32_t node); /* NULL: down */
/* The node must be up. */
struct core_status cluster_status(struct cluster *cluster, uint32_t node);
/* Durable and reported; 0 if it is down and never was up. */
uint64_t cluster_committed(const struct cluster *cluster, uint32_t node);
uint64_t cluster_max_view(struct cluster *cluster);
/* How many views the foremost replicas have entered, skipped ones not counted. */
uint64_t cluster_views_passed(const struct cluster *cluster);
uint64_t cluster_timeouts(struct cluster *cluster, uint32_t node);
uint64_t cluster_timeouts_of_all(struct cluster *cluster);
struct checks *cluster_checks(struct cluster *cluster);
struct kv_model *cluster_model(struct cluster *cluster);
struct validator_set *cluster_set(struct cluster *cluster); /* of genesis */
/* How many epochs the chain has opened, the first one not counted; and the powers of the last. */
uint64_t cluster_epoch(const struct cluster *cluster);
struct set_app_powers cluster_powers(const struct cluster *cluster);
struct block *cluster_genesis(struct cluster *cluster);
struct wire_signer *cluster_signer(struct cluster *cluster, uint32_t node);
/* For what the test draws: another stream than that of the network. */
struct prng *cluster_prng(struct cluster *cluster);
uint64_t cluster_frames(const struct cluster *cluster);
/* Of all frames that were handed to the network, with the four of each one's length. */
uint64_t cluster_bytes_sent(const struct cluster *cluster);
/* That named transactions, by whomever. */
uint64_t cluster_compact_proposals(const struct cluster *cluster);
/* How often this has hit so far. */
uint64_t cluster_marked(const struct cluster *cluster, enum cluster_fault fault);
void cluster_mark(struct cluster *cluster, enum cluster_fault fault);
/* Nodes that were started with an empty disk when others had committed something. */
uint64_t cluster_joined(const struct cluster *cluster);
/* Of all that has happened so far. */
void cluster_trace_hash(const struct cluster *cluster, struct ingot_hash *hash);
/* The kv state of each node that is up is the model's; only once all have committed the same. */
bool cluster_states_are_equal(struct cluster *cluster);
/* All that it has committed is durable and told, but for what waits for a sync that may wait. */
bool cluster_has_told(struct cluster *cluster, uint32_t node);
/* That is made up for, as where a client asks. */
void cluster_settle(struct cluster *cluster);

#endif

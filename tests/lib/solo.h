/*
 * One core of four, alone: the test plays its peers, its App, its disk and its clock. Certificates
 * bear no signatures, since the core looks at none, and hashes are made up.
 */
#ifndef INGOT_TESTS_SOLO_H
#define INGOT_TESTS_SOLO_H

#include "core/core.h"

#define SOLO_VALIDATORS 4

#define SOLO_BLOCKS_MAX (INGOT_TREE_BLOCKS_MAX + 1) /* on the disk */
#define SOLO_CHANGES_MAX 8

/* A block that changes the set, as the App would find when it executes it. */
struct solo_change {
    struct block *block;
    struct validator_set *next_set;
};

/* What a crash leaves beside the safety record. All owned. */
struct solo_disk {
    struct block *last_committed;
    struct block *blocks[SOLO_BLOCKS_MAX]; /* uncommitted, each after its parent */
    uint32_t block_count;
    struct validator_set *sets[SOLO_CHANGES_MAX + 1];
    uint32_t set_count;
};

struct solo {
    struct core_config config;
    struct core *core;
    struct block *genesis;
    struct validator_set *set; /* of epoch 0 */
    struct core_safety safety; /* as last persisted: what a restart would find */
    struct solo_disk disk;
    struct solo_change changes[SOLO_CHANGES_MAX];
    uint32_t change_count;
    struct validator_set *next_set;      /* that of the block of solo_make_change; borrowed */
    struct block *made[SOLO_BLOCKS_MAX]; /* by solo_make; owned */
    uint32_t made_count;
    struct core_effects effects; /* of the last event */
    uint64_t now_ms;
    uint32_t me;
    uint32_t blocks_made;
};

/*
 * All four have power 1, tenures are of four views, deadlines of 1000 ms. Validator i has the key
 * of bytes i + 1; `me` may be 4 or more: then the core is of a node outside the first set.
 */
void solo_init(struct solo *solo, uint32_t me);
/* An idle leader waits so long before an empty block. */
void solo_init_idle(struct solo *solo, uint32_t me, uint32_t empty_block_interval_ms);
/* Without a key, and with deadlines so long that only fetching is timed. */
void solo_init_observer(struct solo *solo);
void solo_deinit(struct solo *solo);
/* A crash: the safety record comes back, with these uncommitted blocks; nothing is committed. */
void solo_restart(struct solo *solo, struct block *const *blocks, uint32_t count);
/* A crash after which all comes back that was persisted. */
void solo_crash(struct solo *solo);

/* A child of a block, justified by solo_qc. New references. */
struct block *solo_block(struct solo *solo, const struct block *parent, uint64_t view);
/* The same, and solo keeps the reference. */
struct block *solo_make(struct solo *solo, const struct block *parent, uint64_t view);
/* One that opens an epoch, whose set has the validators of these numbers. New reference. */
struct block *solo_changing_block(struct solo *solo, const struct block *parent, uint64_t view,
                                  const uint8_t *members, uint32_t count);
/* One that opens an epoch with the same members; solo keeps the reference. */
struct block *solo_make_change(struct solo *solo, const struct block *parent, uint64_t view);
/* The QC that a child needs: Generic, or the Commit QC where the block changes the set. */
struct qc *solo_qc(const struct solo *solo, const struct block *block);
struct qc *solo_phase_qc(const struct solo *solo, const struct block *block, enum phase phase,
                         uint64_t view);
/* A TC of the QC's epoch; takes the QC. */
struct tc *solo_tc(const struct solo *solo, uint64_t view, struct qc *high_qc);

/* Every step checks the core's invariants. The effects are those of the step alone. */
enum reject solo_step(struct solo *solo, struct core_event event);
void solo_tick(struct solo *solo, uint64_t after_ms);
/* Takes the message; it comes by the channel `peer`. */
enum reject solo_receive(struct solo *solo, uint32_t peer, struct message *message);
/* The leader of the block's view proposes it; the App has not answered yet. `tc` is taken. */
enum reject solo_propose(struct solo *solo, struct block *block, struct tc *tc);
enum reject solo_validated(struct solo *solo, struct block *block, bool is_valid);
/* Proposed, and found valid at once. */
void solo_accept(struct solo *solo, struct block *block, struct tc *tc);
/* Made and accepted; the view is entered by a TC where the parent is not of the view before. */
struct block *solo_accept_next(struct solo *solo, const struct block *parent, uint64_t view);
enum reject solo_vote(struct solo *solo, uint32_t voter, const struct block *block);
enum reject solo_phase_vote(struct solo *solo, uint32_t voter, const struct block *block,
                            enum phase phase, uint64_t view);
/* The leader of a view of the justify's epoch nudges; takes both. */
enum reject solo_nudge(struct solo *solo, uint64_t view, struct qc *justify, struct tc *tc);
enum reject solo_show_qc(struct solo *solo, struct qc *qc);
enum reject solo_show_tc(struct solo *solo, struct tc *tc);
/* A Timeout of the QC's epoch; takes both. */
enum reject solo_timeout(struct solo *solo, uint32_t voter, uint64_t view, struct qc *high_qc,
                         struct tc *tc);

/* Of the last step: how many effects of a kind, and the nth of them. */
uint32_t solo_count(const struct solo *solo, enum core_effect_kind kind);
const struct core_effect *solo_effect(const struct solo *solo, enum core_effect_kind kind,
                                      uint32_t nth);
/* The vote that the last step sent, or NULL; own proposals and nudges count. */
const struct vote *solo_sent_vote(const struct solo *solo);
/* The last step's broadcast of a certificate, or NULL. */
const struct certificate *solo_sent_certificate(const struct solo *solo);
struct core_status solo_status(const struct solo *solo);
/* In the current epoch's set. */
uint32_t solo_leader(const struct solo *solo, uint64_t view);

#endif

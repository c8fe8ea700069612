/*
 * One core of four, alone: the test plays its peers, its App and its clock. Certificates bear no
 * signatures, since the core looks at none, and hashes are made up.
 */
#ifndef INGOT_TESTS_SOLO_H
#define INGOT_TESTS_SOLO_H

#include "core/core.h"

#define SOLO_VALIDATORS 4

#define SOLO_BLOCKS_MAX 64 /* that a restart brings back, and that solo_make makes */

struct solo {
    struct core_config config;
    struct core *core;
    struct block *genesis;
    struct validator_set *set;
    struct validator_set *next_set; /* the same members in epoch 1; its first view is that of the
                                       last solo_make_change */
    struct block *made[SOLO_BLOCKS_MAX]; /* by solo_make; owned */
    uint32_t made_count;
    struct core_safety safety;   /* as last persisted: what a restart would find */
    struct core_effects effects; /* of the last event */
    uint64_t now_ms;
    uint32_t me;
    uint32_t blocks_made;
};

/* All four have power 1, tenures are of four views, deadlines of 1000 ms. */
void solo_init(struct solo *solo, uint32_t me);
/* An idle leader waits so long before an empty block. */
void solo_init_idle(struct solo *solo, uint32_t me, uint32_t empty_block_interval_ms);
/* Without a key, and with deadlines so long that only fetching is timed. */
void solo_init_observer(struct solo *solo);
void solo_deinit(struct solo *solo);
/* A crash: what was persisted comes back, with these uncommitted blocks; nothing is committed. */
void solo_restart(struct solo *solo, struct block *const *blocks, uint32_t count);

/* A child of a block, justified by its Generic QC. New references. */
struct block *solo_block(struct solo *solo, const struct block *parent, uint64_t view);
struct qc *solo_qc(const struct solo *solo, const struct block *block);
/* The same, and solo keeps the reference. */
struct block *solo_make(struct solo *solo, const struct block *parent, uint64_t view);
/* A child that opens epoch 1. One for each solo; solo keeps the reference. */
struct block *solo_make_change(struct solo *solo, const struct block *parent, uint64_t view);
/* A child of the set-changing block in epoch 1, justified by its Commit QC; solo keeps it. */
struct block *solo_make_first(struct solo *solo, const struct block *change, uint64_t view);
/* Of a set-changing block; Generic QCs are for others. */
struct qc *solo_phase_qc(const struct solo *solo, const struct block *block, enum phase phase,
                         uint64_t view);
/* A TC of epoch 0; takes the QC. */
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
/* The leader of the view, in epoch 0, brings a set-changing block again; takes both. */
enum reject solo_nudge(struct solo *solo, uint64_t view, struct qc *justify, struct tc *tc);
enum reject solo_vote(struct solo *solo, uint32_t voter, const struct block *block);
enum reject solo_show_qc(struct solo *solo, struct qc *qc);
enum reject solo_show_tc(struct solo *solo, struct tc *tc);
/* A Timeout of epoch 0; takes both. */
enum reject solo_timeout(struct solo *solo, uint32_t voter, uint64_t view, struct qc *high_qc,
                         struct tc *tc);

/* Of the last step: how many effects of a kind, and the nth of them. */
uint32_t solo_count(const struct solo *solo, enum core_effect_kind kind);
const struct core_effect *solo_effect(const struct solo *solo, enum core_effect_kind kind,
                                      uint32_t nth);
/* The vote that the last step sent, or NULL; own proposals count. */
const struct vote *solo_sent_vote(const struct solo *solo);
struct core_status solo_status(const struct solo *solo);
uint32_t solo_leader(const struct solo *solo, uint64_t view);

#endif

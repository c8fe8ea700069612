/*
 * A small validator set with its secret keys, and properly signed votes, certificates, blocks and
 * messages of it, for tests that then spoil one thing.
 */
#ifndef INGOT_TESTS_WIRE_SAMPLES_H
#define INGOT_TESTS_WIRE_SAMPLES_H

#include "core/message.h"
#include "wire/preimage.h"

#define SAMPLES_VALIDATORS_MAX 16
/* Every validator of the set signs. */
#define SAMPLES_ALL UINT32_MAX

struct samples {
    const struct crypto_scheme *scheme;
    struct ingot_hash chain;
    struct validator_set *set;
    struct crypto_secret_key secrets[SAMPLES_VALIDATORS_MAX]; /* in the set's order */
};

/* `count` validators of power 1 in `epoch`. Another `key_seed` gives other keys. */
void samples_init(struct samples *samples, const struct crypto_scheme *scheme, uint32_t count,
                  uint64_t epoch, uint8_t key_seed);
/* Gives validator i of the set's order powers[i], before anything is signed. */
void samples_weigh(struct samples *samples, const uint64_t *powers);
void samples_deinit(struct samples *samples);

/* 32 bytes of `fill`. */
struct ingot_hash samples_hash(uint8_t fill);

struct vote samples_vote(const struct samples *samples, uint32_t voter, uint64_t view,
                         const struct ingot_hash *block, enum phase phase);
/* Signed by validator i for each bit i of `who`. */
struct qc *samples_qc(const struct samples *samples, uint32_t who, uint64_t view,
                      uint64_t block_view, const struct ingot_hash *block, enum phase phase);
/*
 * All claims stand at high_qc, but for that of the first signer, which is `first_claim`. Takes the
 * reference.
 */
struct tc *samples_tc(const struct samples *samples, uint32_t who, uint64_t view,
                      uint64_t first_claim, struct qc *high_qc);
/*
 * A block on `justify` (takes the reference) with `count` transactions of `size` bytes, proposed
 * by validator 0 and sealed.
 */
struct block *samples_block(const struct samples *samples, struct qc *justify, uint64_t height,
                            uint64_t view, uint32_t count, uint32_t size);
/* The proposer's message for a block; takes both references. */
struct message *samples_propose(const struct samples *samples, struct block *block, struct tc *tc);
/* The same with the first of every `name_each` transactions named, and the others' bytes. */
struct message *samples_compact(const struct samples *samples, struct block *block, struct tc *tc,
                                uint32_t name_each);
/*
 * The nudge of `voter` in `view` on `justify`, for the phase that follows from it; takes both
 * references.
 */
struct message *samples_nudge(const struct samples *samples, uint32_t voter, uint64_t view,
                              struct qc *justify, struct tc *tc);
/* Takes both references. */
struct message *samples_timeout(const struct samples *samples, uint32_t voter, uint64_t view,
                                struct qc *high_qc, struct tc *tc);
/* `count` blocks from height 1 and view 1 on, with their tail QC. */
struct message *samples_sync_response(const struct samples *samples, uint32_t count);
/* A valid message of a kind; `variant` 0 or 1: with or without what is optional. */
struct message *samples_message(const struct samples *samples, enum message_kind kind,
                                unsigned variant);

#endif

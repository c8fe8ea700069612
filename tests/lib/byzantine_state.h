/*
 * What the files of a liar share: byzantine.c remembers and chooses, byzantine_blocks.c proposes,
 * byzantine_forge.c makes certificates and byzantine_show.c brings them among people,
 * byzantine_compact.c names transactions, byzantine_votes.c votes and gives up, byzantine_sets.c is
 * for sets that change and for those that catch up.
 */
#ifndef INGOT_TESTS_BYZANTINE_STATE_H
#define INGOT_TESTS_BYZANTINE_STATE_H

#include "lib/byzantine.h"

#define MILLION 1000000u

/* Where a lie goes. */
struct outlet {
    uint32_t to;
    byzantine_emit *emit;
    void *context;
};

static inline bool byzantine_has(const struct byzantine *byzantine, enum byzantine_habit habit)
{
    return (byzantine->habits & BYZANTINE_BIT(habit)) != 0;
}

static inline bool byzantine_does(struct byzantine *byzantine, enum byzantine_habit habit,
                                  uint32_t parts_per_million)
{
    return byzantine_has(byzantine, habit) && prng_chance(&byzantine->prng, parts_per_million);
}

static inline void byzantine_mark(struct byzantine *byzantine, enum byzantine_habit habit)
{
    byzantine->done[habit]++;
}

/* byzantine.c */
void byzantine_say(struct message *message, const struct outlet *outlet);
/* False where it is no member. */
bool byzantine_sign_vote(struct byzantine *byzantine, struct vote *vote);
bool byzantine_sign_timeout(struct byzantine *byzantine, struct timeout *timeout);
/* A reference. */
struct qc *byzantine_oldest_qc(const struct byzantine *byzantine);
/* One of those that it remembers, or NULL; borrowed. */
struct qc *byzantine_any_qc(struct byzantine *byzantine);
struct tc *byzantine_any_tc(struct byzantine *byzantine);
/* The epoch that it speaks in. */
uint64_t byzantine_epoch(const struct byzantine *byzantine);
enum phase byzantine_first_phase(const struct block *block);

/* byzantine_blocks.c */
struct block *byzantine_copy_block(const struct block *block);
/* NULL where it is no member of the block's set. Takes over the block. */
struct message *byzantine_sign_propose(struct byzantine *byzantine, struct block *block,
                                       struct tc *tc);
/* The same where the block is sealed, whatever its payload. */
struct message *byzantine_sign_sealed(struct byzantine *byzantine, struct block *block,
                                      struct tc *tc);
void byzantine_propose(struct byzantine *byzantine, const struct outlet *outlet,
                       struct message *message, struct ingot_slice frame);

/* byzantine_compact.c: a CompactPropose with nothing but names. */
struct message *byzantine_name_all(const struct propose *propose);
/* The same of a block of its own; NULL as byzantine_sign_propose. */
struct message *byzantine_name_unknown(struct byzantine *byzantine, const struct propose *propose);
/* Its own proposal. True if it has sent it in another way. */
bool byzantine_name(struct byzantine *byzantine, const struct outlet *outlet,
                    struct message *message);
void byzantine_hear_request(struct byzantine *byzantine, struct message *message);
/* Is it what its replica answers, and better kept? */
bool byzantine_keeps(const struct byzantine *byzantine, const struct message *message);
void byzantine_answer_falsely(struct byzantine *byzantine, const struct outlet *outlet);
void byzantine_ask_transactions(struct byzantine *byzantine, const struct outlet *outlet);

/* byzantine_votes.c: beside its vote or Timeout. True if it has said something else instead. */
bool byzantine_vote(struct byzantine *byzantine, const struct outlet *outlet,
                    const struct vote *vote);
bool byzantine_timeout(struct byzantine *byzantine, const struct outlet *outlet,
                       const struct timeout *timeout);

/* byzantine_forge.c: NULL where what it takes is not at hand. */
struct qc *byzantine_forge_qc(struct byzantine *byzantine, enum byzantine_habit habit);
struct tc *byzantine_forge_tc(struct byzantine *byzantine, enum byzantine_habit habit);
/* Its own signature for everybody's. */
struct qc *byzantine_one_signature(struct byzantine *byzantine, struct vote vote);
struct tc *byzantine_one_timeout(struct byzantine *byzantine, uint64_t view);

/* byzantine_show.c: one of its forgeries, on its way. */
void byzantine_forge(struct byzantine *byzantine, const struct outlet *outlet);

/* byzantine_sets.c: true if it has said something else instead, or nothing. */
bool byzantine_change(struct byzantine *byzantine, const struct outlet *outlet,
                      const struct message *message);
bool byzantine_answer(struct byzantine *byzantine, const struct outlet *outlet,
                      const struct sync_response *response);

#endif

/*
 * When a copy of a validator's data may sign again.
 *
 * The copy does not know what the original has signed since it was made, so it must not sign in any
 * view that the original may have voted in or given up, nor with a lower lock. It finds a bound for
 * those views, the watermark, by what the others do after it has started, that is, after the
 * original has stopped:
 *
 *   heard      A member of the set has shown, on a channel to us, the highest certificate that it
 *              has. The first such position of each member is kept.
 *   certified  A Generic QC of view y arrives whose block is justified by the QC of view y-1. Who
 *              signed it had that justify first; so a signer that was heard below it has signed
 *              *after* it was heard. Once such signers are a quorum, the watermark is (epoch, y+K).
 *   committed  We have ourselves committed a block above the watermark: signing is allowed again.
 *
 * Why this is sound. Let (e, v) be the original's last vote or Timeout. It entered v by a QC of
 * v-1, or by a TC of a view of the tenure before: either way a quorum had been in view v-K or later
 * while the original lived. That quorum and the fresh signers share an honest member, and views do
 * not fall, so y >= v-K, and (e, y+K) is at or above all that the original has signed. Had the
 * original been in a later epoch, a quorum would have voted to commit its opening block, and would
 * sign no Generic QC of the epoch before. A commit above the watermark means a lock above it, and
 * the original's lock was below its last vote.
 *
 * The highest certificates that are heard would not do as a bound by themselves: Timeouts carry
 * views far above the highest QC that anybody has.
 *
 * Nothing here reads a store or a clock.
 */
#ifndef INGOT_NODE_WATERMARK_H
#define INGOT_NODE_WATERMARK_H

#include "core/types.h"

struct watermark_heard {
    struct ingot_public_key key;
    struct position position;
};

struct watermark {
    uint32_t leader_tenure; /* K */
    bool has_mark;
    struct position mark;
    uint32_t heard_count;
    struct watermark_heard heard[INGOT_PEERS_MAX]; /* one for each key, the first that it showed */
};

/* `mark` may be NULL: not known yet. It holds for ever once it is known. */
void watermark_init(struct watermark *watermark, uint32_t leader_tenure,
                    const struct position *mark);

/* A verified certificate at this position is the highest that this validator says it has. */
void watermark_heard(struct watermark *watermark, const struct ingot_public_key *key,
                     struct position position);

/*
 * A verified QC with its block; `set` is that of its epoch. True when this gives the watermark,
 * which must then be made durable: later calls change nothing.
 */
bool watermark_certified(struct watermark *watermark, const struct validator_set *set,
                         const struct qc *qc, const struct block *block);

/* Does a block that we have committed at this position end the wait? */
bool watermark_is_passed(const struct watermark *watermark, struct position committed);

#endif

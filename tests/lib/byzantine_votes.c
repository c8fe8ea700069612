/*
 * How a liar votes and gives up.
 */
#include "lib/byzantine_state.h"

static void vote_for(struct byzantine *byzantine, const struct outlet *outlet,
                     const struct block *block, const struct ingot_hash *hash)
{
    struct message *message = message_new(MESSAGE_VOTE);
    message->vote = (struct vote){.epoch = block_epoch(block),
                                  .view = block->view,
                                  .block = *hash,
                                  .phase = byzantine_first_phase(block)};
    if (byzantine_sign_vote(byzantine, &message->vote)) {
        byzantine_say(message, outlet);
    }
    message_unref(message);
}

/* Where the leader has shown one block alone, the other is made up. */
static void vote_twice(struct byzantine *byzantine, const struct outlet *outlet)
{
    if (byzantine->seen[0] == NULL) {
        return;
    }
    const struct block *block = byzantine->seen[0]->propose.block;
    struct ingot_hash other = block->hash;
    if (byzantine->seen[1] != NULL) {
        other = byzantine->seen[1]->propose.block->hash;
    } else {
        other.bytes[0] ^= 1;
    }
    vote_for(byzantine, outlet, block, &block->hash);
    vote_for(byzantine, outlet, block, &other);
    byzantine_mark(byzantine, BYZANTINE_VOTES_TWICE);
}

/* Well-formed, in the name of each of the others, and signed by itself. */
static void vote_for_others(struct byzantine *byzantine, const struct outlet *outlet,
                            const struct vote *vote)
{
    const struct validator_set *set = checks_set(byzantine->checks, vote->epoch);
    struct message *message = message_new(MESSAGE_VOTE);
    message->vote = *vote;
    for (uint32_t i = 0; set != NULL && i < set->count; i++) {
        if (i != vote->voter) {
            message->vote.voter = i;
            byzantine_say(message, outlet);
        }
    }
    message_unref(message);
    byzantine_mark(byzantine, BYZANTINE_VOTES_FOR_OTHERS);
}

static void flood(struct byzantine *byzantine, const struct outlet *outlet, const struct vote *vote)
{
    struct message *message = message_new(MESSAGE_VOTE);
    message->vote = *vote;
    for (uint32_t i = 0; i < 8; i++) {
        message->vote.block.bytes[prng_below(&byzantine->prng, INGOT_HASH_BYTES)] ^= 1;
        message->vote.view = vote->view + i / 4;
        if (byzantine_sign_vote(byzantine, &message->vote)) {
            byzantine_say(message, outlet);
        }
    }
    message_unref(message);
    byzantine_mark(byzantine, BYZANTINE_FLOODS_VOTES);
}

/* The view that it votes in, with what entered it; valid but for its haste. */
static void give_up_early(struct byzantine *byzantine, const struct outlet *outlet,
                          const struct vote *vote)
{
    const struct checks_block *voted = checks_find_block(byzantine->checks, &vote->block);
    if (voted == NULL || voted->block->justify == NULL || voted->block->view != vote->view) {
        return;
    }
    struct message *message = message_new(MESSAGE_TIMEOUT);
    struct timeout *timeout = &message->timeout;
    timeout->epoch = vote->epoch;
    timeout->view = vote->view;
    timeout->high_qc = qc_ref(voted->block->justify);
    if (byzantine_sign_timeout(byzantine, timeout)) {
        byzantine_say(message, outlet);
        byzantine_mark(byzantine, BYZANTINE_GIVES_UP_EARLY);
    }
    message_unref(message);
}

bool byzantine_vote(struct byzantine *byzantine, const struct outlet *outlet,
                    const struct vote *vote)
{
    if (!byzantine->has_victim) {
        byzantine->has_victim = true;
        byzantine->victim = (uint32_t)prng_below(&byzantine->prng, byzantine->checks->keys->count);
    }
    if (byzantine_does(byzantine, BYZANTINE_VOTES_TWICE, 700000)) {
        vote_twice(byzantine, outlet);
    }
    if (byzantine_does(byzantine, BYZANTINE_VOTES_FOR_OTHERS, 300000)) {
        vote_for_others(byzantine, outlet, vote);
    }
    if (byzantine_does(byzantine, BYZANTINE_FLOODS_VOTES, 100000)) {
        flood(byzantine, outlet, vote);
    }
    if (byzantine_does(byzantine, BYZANTINE_GIVES_UP_EARLY, 300000)) {
        give_up_early(byzantine, outlet, vote);
    }
    if (byzantine_has(byzantine, BYZANTINE_VOTES_NOT_FOR_ONE) && outlet->to == byzantine->victim) {
        byzantine_mark(byzantine, BYZANTINE_VOTES_NOT_FOR_ONE);
        return true;
    }
    return false;
}

/* --- Giving up. --- */

static struct message *copy_timeout(const struct timeout *timeout, struct qc *high_qc)
{
    struct message *message = message_new(MESSAGE_TIMEOUT);
    message->timeout = *timeout;
    message->timeout.high_qc = high_qc;
    if (message->timeout.tc != NULL) {
        tc_ref(message->timeout.tc);
    }
    return message;
}

static void give_up_for_others(struct byzantine *byzantine, const struct outlet *outlet,
                               const struct timeout *timeout)
{
    const struct validator_set *set = checks_set(byzantine->checks, timeout->epoch);
    struct message *message = copy_timeout(timeout, qc_ref(timeout->high_qc));
    for (uint32_t i = 0; set != NULL && i < set->count; i++) {
        if (i != timeout->voter) {
            message->timeout.voter = i;
            byzantine_say(message, outlet);
        }
    }
    message_unref(message);
    byzantine_mark(byzantine, BYZANTINE_GIVES_UP_FOR_OTHERS);
}

bool byzantine_timeout(struct byzantine *byzantine, const struct outlet *outlet,
                       const struct timeout *timeout)
{
    if (byzantine_does(byzantine, BYZANTINE_GIVES_UP_FOR_OTHERS, 300000)) {
        give_up_for_others(byzantine, outlet, timeout);
    }
    if (!byzantine_does(byzantine, BYZANTINE_CLAIMS_LITTLE, 700000)) {
        return false;
    }
    struct message *message = copy_timeout(timeout, byzantine_oldest_qc(byzantine));
    if (byzantine_sign_timeout(byzantine, &message->timeout)) {
        byzantine_say(message, outlet);
        byzantine_mark(byzantine, BYZANTINE_CLAIMS_LITTLE);
    }
    message_unref(message);
    return true;
}

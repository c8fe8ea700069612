/*
 * What a liar proposes. Its replica's own block is the model; what it makes of it is drawn once for
 * each block, and then shown to some or to all.
 */
#include <string.h>

#include "base/assert.h"
#include "lib/byzantine_state.h"

struct message *byzantine_sign_propose(struct byzantine *byzantine, struct block *block,
                                       struct tc *tc)
{
    wire_seal_block(block);
    return byzantine_sign_sealed(byzantine, block, tc);
}

struct message *byzantine_sign_sealed(struct byzantine *byzantine, struct block *block,
                                      struct tc *tc)
{
    struct message *message = message_new(MESSAGE_PROPOSE);
    message->propose.block = block;
    message->propose.tc = tc == NULL ? NULL : tc_ref(tc);
    message->propose.vote = (struct vote){.epoch = block_epoch(block),
                                          .view = block->view,
                                          .block = block->hash,
                                          .phase = byzantine_first_phase(block)};
    if (!byzantine_sign_vote(byzantine, &message->propose.vote)) {
        message_unref(message);
        return NULL;
    }
    return message;
}

struct block *byzantine_copy_block(const struct block *block)
{
    struct block *copy = block_new();
    const uint32_t references = copy->references;
    *copy = *block;
    copy->references = references;
    copy->payload = (struct ingot_buffer){0};
    copy->digests = NULL;
    ingot_buffer_append_slice(&copy->payload, ingot_buffer_slice(&block->payload));
    qc_ref(copy->justify);
    return copy;
}

/* The same block at another time of day. */
static struct message *make_twin(struct byzantine *byzantine, const struct propose *propose)
{
    struct block *block = byzantine_copy_block(propose->block);
    block->time_ms += 1 + prng_below(&byzantine->prng, 1000);
    return byzantine_sign_propose(byzantine, block, propose->tc);
}

/* An empty block on another certificate, right in every other way. Takes over the reference. */
static struct message *make_empty_on(struct byzantine *byzantine, const struct propose *propose,
                                     struct qc *justify, uint64_t height)
{
    struct block *block = byzantine_copy_block(propose->block);
    qc_unref(block->justify);
    block->justify = justify;
    block->parent = justify->block;
    block->height = height;
    block->updates_hash = byzantine->empty;
    block->next_validators_hash = block->validators_hash;
    block->transaction_count = 0;
    ingot_buffer_clear(&block->payload);
    return byzantine_sign_propose(byzantine, block, propose->tc);
}

/*
 * Beside the block before: on the certificate that this one stands on, or on what the TC of its
 * entry can vouch for, so that the block is dropped by whoever is not locked on it.
 */
static struct message *make_tail_fork(struct byzantine *byzantine, const struct propose *propose)
{
    const struct checks_block *parent =
        checks_find_block(byzantine->checks, &propose->block->parent);
    if (parent == NULL || parent->block->justify == NULL || !byzantine->has_empty) {
        return NULL;
    }
    struct qc *below = parent->block->justify;
    if (propose->tc != NULL && checks_compare(checks_position(propose->tc->high_qc),
                                              checks_position(propose->block->justify)) < 0) {
        below = propose->tc->high_qc;
    }
    const struct checks_block *base = checks_find_block(byzantine->checks, &below->block);
    if (base == NULL || block_changes_set(base->block)) {
        return NULL;
    }
    return make_empty_on(byzantine, propose, qc_ref(below), base->block->height + 1);
}

/* One field that no honest member may vote for. */
static struct message *make_wrong(struct byzantine *byzantine, const struct propose *propose)
{
    struct block *block = byzantine_copy_block(propose->block);
    const struct checks_block *parent = checks_find_block(byzantine->checks, &block->parent);
    const uint64_t kind = prng_below(&byzantine->prng, 7);
    if (kind == 0) {
        block->height += prng_between(&byzantine->prng, 1, 3);
    } else if (kind == 1 && parent != NULL && parent->block->time_ms > 0) {
        block->time_ms = parent->block->time_ms - 1;
    } else if (kind == 2) {
        block->parent.bytes[0] ^= 1;
    } else if (kind == 3) {
        block->validators_hash.bytes[0] ^= 1;
        block->next_validators_hash.bytes[0] ^= 1;
    } else if (kind == 4) {
        block->next_validators_hash.bytes[0] ^= 1;
    } else if (kind == 5) {
        block->chain.bytes[0] ^= 1;
    } else {
        block->proposer =
            byzantine->checks->keys->of[(byzantine->index + 1) % byzantine->checks->keys->count];
    }
    return byzantine_sign_propose(byzantine, block, propose->tc);
}

static struct message *make_wrong_execution(struct byzantine *byzantine,
                                            const struct propose *propose)
{
    struct block *block = byzantine_copy_block(propose->block);
    block->updates_hash.bytes[prng_below(&byzantine->prng, INGOT_HASH_BYTES)] ^= 1;
    return byzantine_sign_propose(byzantine, block, propose->tc);
}

/* Most operations come to the same whenever they are executed, so it is right but for being old. */
static struct message *make_repetition(struct byzantine *byzantine, const struct propose *propose)
{
    const struct block *old = byzantine->repeat;
    if (old == NULL) {
        return NULL;
    }
    struct block *block = byzantine_copy_block(propose->block);
    block->updates_hash = old->updates_hash;
    block->next_validators_hash = block->validators_hash;
    block->transaction_count = old->transaction_count;
    ingot_buffer_clear(&block->payload);
    ingot_buffer_append_slice(&block->payload, ingot_buffer_slice(&old->payload));
    return byzantine_sign_propose(byzantine, block, propose->tc);
}

struct kind_of_twin {
    enum byzantine_habit habit;
    uint32_t chance;
    bool is_wrong; /* no honest member may vote for it */
};

static struct message *make(struct byzantine *byzantine, enum byzantine_habit habit,
                            const struct propose *propose)
{
    if (habit == BYZANTINE_EQUIVOCATES) {
        return make_twin(byzantine, propose);
    }
    if (habit == BYZANTINE_BUILDS_LOW) {
        return byzantine->has_empty
                   ? make_empty_on(byzantine, propose, byzantine_oldest_qc(byzantine),
                                   byzantine->old_height + 1)
                   : NULL;
    }
    if (habit == BYZANTINE_TAIL_FORKS) {
        return make_tail_fork(byzantine, propose);
    }
    if (habit == BYZANTINE_BUILDS_WRONGLY) {
        return make_wrong(byzantine, propose);
    }
    if (habit == BYZANTINE_EXECUTES_WRONGLY) {
        return make_wrong_execution(byzantine, propose);
    }
    if (habit == BYZANTINE_NAMES_UNKNOWN) {
        return byzantine_name_unknown(byzantine, propose);
    }
    return make_repetition(byzantine, propose);
}

static void choose_twin(struct byzantine *byzantine, const struct propose *propose)
{
    static const struct kind_of_twin kinds[] = {
        {BYZANTINE_BUILDS_WRONGLY, 200000, true}, {BYZANTINE_EXECUTES_WRONGLY, 300000, true},
        {BYZANTINE_NAMES_UNKNOWN, 500000, true},  {BYZANTINE_REPEATS_TRANSACTIONS, 300000, false},
        {BYZANTINE_TAIL_FORKS, 500000, false},    {BYZANTINE_BUILDS_LOW, 300000, false},
        {BYZANTINE_EQUIVOCATES, 700000, false},
    };
    byzantine->twin_share = prng_chance(&byzantine->prng, MILLION / 2) ? MILLION / 2 : MILLION;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && byzantine->twin == NULL; i++) {
        if (!byzantine_does(byzantine, kinds[i].habit, kinds[i].chance)) {
            continue;
        }
        byzantine->twin = make(byzantine, kinds[i].habit, propose);
        if (byzantine->twin == NULL) {
            continue;
        }
        byzantine_mark(byzantine, kinds[i].habit);
        if (kinds[i].is_wrong) {
            checks_forbid(byzantine->checks, byzantine->twin->propose.block);
        }
        if (kinds[i].habit == BYZANTINE_EQUIVOCATES) {
            byzantine->twin_share = MILLION / 2;
        }
    }
}

/* Nodes that will not get its new block. */
static uint32_t choose_victims(struct byzantine *byzantine)
{
    if (!byzantine_does(byzantine, BYZANTINE_WITHHOLDS_BLOCKS, 500000)) {
        return 0;
    }
    return (uint32_t)prng_below(&byzantine->prng, UINT64_C(1) << byzantine->checks->keys->count);
}

static void begin_block(struct byzantine *byzantine, struct message *message)
{
    byzantine->twin_of = message->propose.block->hash;
    message_unref(byzantine->twin);
    byzantine->twin = NULL;
    choose_twin(byzantine, &message->propose);
    byzantine->withheld_from = choose_victims(byzantine);
    /* What it votes twice for. */
    message_unref(byzantine->seen[0]);
    message_unref(byzantine->seen[1]);
    byzantine->seen[0] = message_ref(message);
    byzantine->seen[1] = byzantine->twin == NULL ? NULL : message_ref(byzantine->twin);
}

void byzantine_propose(struct byzantine *byzantine, const struct outlet *outlet,
                       struct message *message, struct ingot_slice frame)
{
    const struct block *block = message->propose.block;
    if (memcmp(byzantine->twin_of.bytes, block->hash.bytes, INGOT_HASH_BYTES) != 0) {
        begin_block(byzantine, message);
    }
    if ((byzantine->withheld_from >> outlet->to & 1U) != 0) {
        byzantine_mark(byzantine, BYZANTINE_WITHHOLDS_BLOCKS);
        return;
    }
    const bool is_twin =
        byzantine->twin != NULL && prng_chance(&byzantine->prng, byzantine->twin_share);
    if (is_twin) {
        byzantine_say(byzantine->twin, outlet);
    }
    const bool says_it = !is_twin || prng_chance(&byzantine->prng, MILLION / 4);
    if (says_it && !byzantine_name(byzantine, outlet, message)) {
        outlet->emit(outlet->context, outlet->to, message, frame);
    }
}

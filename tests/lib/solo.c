/*
 * One core, alone. See solo.h.
 */
#include "lib/solo.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

static struct qc *genesis_qc(const struct solo *solo)
{
    struct qc *qc = qc_new(0);
    qc->block = solo->genesis->hash;
    return qc;
}

/* --- The disk. --- */

static void take_safety(struct solo *solo, const struct core_safety *safety)
{
    struct core_safety taken = *safety;
    qc_ref(taken.high_qc);
    if (taken.high_tc != NULL) {
        tc_ref(taken.high_tc);
    }
    core_safety_deinit(&solo->safety);
    solo->safety = taken;
}

static void take_block(struct solo_disk *disk, struct block *block)
{
    INGOT_ASSERT(disk->block_count < SOLO_BLOCKS_MAX);
    disk->blocks[disk->block_count++] = block_ref(block);
}

static void drop_block(struct solo_disk *disk, const struct block *block)
{
    for (uint32_t i = 0; i < disk->block_count; i++) {
        if (disk->blocks[i] == block) {
            block_unref(disk->blocks[i]);
            disk->block_count--;
            memmove(&disk->blocks[i], &disk->blocks[i + 1],
                    (disk->block_count - i) * sizeof(struct block *));
            return;
        }
    }
}

static void take_commit(struct solo_disk *disk, const struct core_effect *effect)
{
    block_unref(disk->last_committed);
    disk->last_committed = block_ref(effect->block);
    drop_block(disk, effect->block);
    if (effect->next_set != NULL) {
        INGOT_ASSERT(disk->set_count <= SOLO_CHANGES_MAX);
        disk->sets[disk->set_count++] = validator_set_ref(effect->next_set);
    }
}

static void take_effects(struct solo *solo)
{
    for (uint32_t i = 0; i < solo->effects.count; i++) {
        const struct core_effect *effect = &solo->effects.items[i];
        if (effect->kind == CORE_PERSIST_SAFETY) {
            take_safety(solo, &effect->safety);
        } else if (effect->kind == CORE_PERSIST_BLOCK) {
            take_block(&solo->disk, effect->block);
        } else if (effect->kind == CORE_ABANDON) {
            drop_block(&solo->disk, effect->block);
        } else if (effect->kind == CORE_COMMIT) {
            take_commit(&solo->disk, effect);
        }
    }
}

static void disk_deinit(struct solo_disk *disk)
{
    block_unref(disk->last_committed);
    for (uint32_t i = 0; i < disk->block_count; i++) {
        block_unref(disk->blocks[i]);
    }
    for (uint32_t i = 0; i < disk->set_count; i++) {
        validator_set_unref(disk->sets[i]);
    }
}

/* --- Life. --- */

static struct validator_set *make_set(uint64_t epoch, const uint8_t *numbers, uint32_t count)
{
    struct ingot_validator members[INGOT_VALIDATORS_MAX] = {0};
    for (uint32_t i = 0; i < count; i++) {
        members[i].power = 1;
        memset(members[i].key.bytes, numbers[i] + 1, sizeof members[i].key.bytes);
    }
    const char *why = NULL;
    struct validator_set *set = validator_set_new(epoch, members, count, &why);
    INGOT_ASSERT(set != NULL);
    return set;
}

/* The set, the genesis block and a configuration; the core does not run yet. */
static void prepare(struct solo *solo, uint32_t me)
{
    *solo = (struct solo){.me = me};
    solo->set = make_set(0, (const uint8_t[]){0, 1, 2, 3}, SOLO_VALIDATORS);
    solo->genesis = block_new();
    memset(solo->genesis->hash.bytes, 0xff, INGOT_HASH_BYTES);
    struct qc *qc = genesis_qc(solo);
    solo->safety = core_safety_at_genesis(qc);
    solo->disk.last_committed = block_ref(solo->genesis);
    solo->disk.sets[solo->disk.set_count++] = validator_set_ref(solo->set);
    qc_unref(qc);
    solo->config = (struct core_config){.genesis = solo->genesis,
                                        .has_key = true,
                                        .leader_tenure = 4,
                                        .base_timeout_ms = 1000,
                                        .timeout_resend_ms = 500,
                                        .advertise_interval_ms = 100000};
    memset(solo->config.key.bytes, (int)me + 1, sizeof solo->config.key.bytes);
}

static struct validator_set *next_set_of(const struct solo *solo, const struct block *block)
{
    for (uint32_t i = 0; i < solo->change_count; i++) {
        if (solo->changes[i].block == block) {
            return solo->changes[i].next_set;
        }
    }
    return NULL;
}

static void start(struct solo *solo, struct block *last_committed, struct block *const *blocks,
                  uint32_t count)
{
    struct validator_set *next_sets[SOLO_BLOCKS_MAX] = {NULL};
    INGOT_ASSERT(count <= SOLO_BLOCKS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        next_sets[i] = next_set_of(solo, blocks[i]);
    }
    core_free(solo->core);
    const char *why = NULL;
    const struct core_restored restored = {.safety = &solo->safety,
                                           .last_committed = last_committed,
                                           .blocks = blocks,
                                           .next_sets = next_sets,
                                           .block_count = count,
                                           .sets = solo->disk.sets,
                                           .set_count = solo->disk.set_count};
    solo->core = core_new(&solo->config, &restored, &why);
    INGOT_ASSERT(solo->core != NULL);
    (void)solo_step(solo, (struct core_event){.kind = CORE_START});
}

void solo_restart(struct solo *solo, struct block *const *blocks, uint32_t count)
{
    start(solo, solo->genesis, blocks, count);
}

void solo_crash(struct solo *solo)
{
    start(solo, solo->disk.last_committed, solo->disk.blocks, solo->disk.block_count);
}

void solo_init(struct solo *solo, uint32_t me)
{
    prepare(solo, me);
    solo_restart(solo, NULL, 0);
}

void solo_init_idle(struct solo *solo, uint32_t me, uint32_t empty_block_interval_ms)
{
    prepare(solo, me);
    solo->config.empty_block_interval_ms = empty_block_interval_ms;
    solo_restart(solo, NULL, 0);
}

void solo_init_observer(struct solo *solo)
{
    prepare(solo, 0);
    solo->config.has_key = false;
    solo->config.base_timeout_ms = 60000;
    solo->config.timeout_resend_ms = 60000;
    solo->config.advertise_interval_ms = 600000;
    solo_restart(solo, NULL, 0);
}

void solo_deinit(struct solo *solo)
{
    core_free(solo->core);
    core_effects_deinit(&solo->effects);
    core_safety_deinit(&solo->safety);
    disk_deinit(&solo->disk);
    for (uint32_t i = 0; i < solo->made_count; i++) {
        block_unref(solo->made[i]);
    }
    for (uint32_t i = 0; i < solo->change_count; i++) {
        block_unref(solo->changes[i].block);
        validator_set_unref(solo->changes[i].next_set);
    }
    block_unref(solo->genesis);
    validator_set_unref(solo->set);
}

/* --- Blocks and certificates. --- */

/* A quorum of the others: what bears our signature, and we did not say, is another story. */
static void sign_by_others(const struct solo *solo, uint64_t epoch, struct signers *signers)
{
    const struct validator_set *set = core_find_set(solo->core, epoch);
    const uint32_t own = set == NULL ? solo->me : validator_set_find(set, &solo->config.key);
    for (uint32_t i = 0; i < SOLO_VALIDATORS && signers_count(signers) < 3; i++) {
        if (i != own) {
            signers_add(signers, i);
        }
    }
}

struct qc *solo_phase_qc(const struct solo *solo, const struct block *block, enum phase phase,
                         uint64_t view)
{
    struct qc *qc = qc_new(3);
    qc->phase = phase;
    qc->epoch = block_epoch(block);
    qc->view = view;
    qc->block_view = block->view;
    qc->block = block->hash;
    qc->validator_count = SOLO_VALIDATORS;
    sign_by_others(solo, qc->epoch, &qc->signers);
    return qc;
}

struct qc *solo_qc(const struct solo *solo, const struct block *block)
{
    if (block->height == 0) {
        return genesis_qc(solo);
    }
    return block_changes_set(block) ? solo_phase_qc(solo, block, PHASE_COMMIT, block->view + 2)
                                    : solo_phase_qc(solo, block, PHASE_GENERIC, block->view);
}

struct block *solo_block(struct solo *solo, const struct block *parent, uint64_t view)
{
    struct block *block = block_new();
    solo->blocks_made++;
    memcpy(block->hash.bytes, &solo->blocks_made, sizeof solo->blocks_made);
    block->chain = solo->genesis->hash;
    block->parent = parent->hash;
    block->height = parent->height + 1;
    block->view = view;
    block->justify = solo_qc(solo, parent);
    block->validators_hash = parent->next_validators_hash;
    block->next_validators_hash = parent->next_validators_hash;
    return block;
}

struct block *solo_changing_block(struct solo *solo, const struct block *parent, uint64_t view,
                                  const uint8_t *members, uint32_t count)
{
    struct block *block = solo_block(solo, parent, view);
    struct validator_set *set = make_set(block_epoch(block) + 1, members, count);
    set->first_view = epoch_first_view(view);
    memcpy(set->hash.bytes, &solo->blocks_made, sizeof solo->blocks_made);
    block->next_validators_hash = set->hash;
    INGOT_ASSERT(solo->change_count < SOLO_CHANGES_MAX);
    solo->changes[solo->change_count++] =
        (struct solo_change){.block = block_ref(block), .next_set = set};
    return block;
}

struct block *solo_make(struct solo *solo, const struct block *parent, uint64_t view)
{
    INGOT_ASSERT(solo->made_count < SOLO_BLOCKS_MAX);
    struct block *block = solo_block(solo, parent, view);
    solo->made[solo->made_count++] = block;
    return block;
}

struct block *solo_make_change(struct solo *solo, const struct block *parent, uint64_t view)
{
    INGOT_ASSERT(solo->made_count < SOLO_BLOCKS_MAX);
    struct block *block =
        solo_changing_block(solo, parent, view, (uint8_t[]){0, 1, 2, 3}, SOLO_VALIDATORS);
    solo->next_set = solo->changes[solo->change_count - 1].next_set;
    solo->made[solo->made_count++] = block;
    return block;
}

struct tc *solo_tc(const struct solo *solo, uint64_t view, struct qc *high_qc)
{
    struct tc *tc = tc_new(3);
    tc->validator_count = SOLO_VALIDATORS;
    tc->epoch = qc_position(high_qc).epoch;
    tc->view = view;
    tc->high_qc = high_qc;
    for (uint32_t i = 0; i < 3; i++) {
        tc->claims[i].view = qc_position(high_qc).view;
    }
    sign_by_others(solo, tc->epoch, &tc->signers);
    return tc;
}

/* --- Events. --- */

enum reject solo_step(struct solo *solo, struct core_event event)
{
    event.now_ms = solo->now_ms;
    core_effects_clear(&solo->effects);
    const enum reject reject = core_step(solo->core, &event, &solo->effects);
    const char *why = NULL;
    INGOT_ASSERT(core_check_invariants(solo->core, &why) == 0);
    take_effects(solo);
    return reject;
}

void solo_tick(struct solo *solo, uint64_t after_ms)
{
    solo->now_ms += after_ms;
    (void)solo_step(solo, (struct core_event){.kind = CORE_TICK});
}

enum reject solo_receive(struct solo *solo, uint32_t peer, struct message *message)
{
    const enum reject reject = solo_step(
        solo, (struct core_event){.kind = CORE_MESSAGE, .peer = peer, .message = message});
    message_unref(message);
    return reject;
}

enum reject solo_propose(struct solo *solo, struct block *block, struct tc *tc)
{
    const uint32_t leader = solo_leader(solo, block->view);
    struct message *message = message_new(MESSAGE_PROPOSE);
    message->propose.block = block_ref(block);
    message->propose.tc = tc;
    message->propose.vote =
        (struct vote){.epoch = block_epoch(block),
                      .view = block->view,
                      .block = block->hash,
                      .phase = block_changes_set(block) ? PHASE_PREPARE : PHASE_GENERIC,
                      .voter = leader};
    return solo_receive(solo, leader, message);
}

enum reject solo_validated(struct solo *solo, struct block *block, bool is_valid)
{
    return solo_step(solo, (struct core_event){.kind = CORE_VALIDATED,
                                               .block = block,
                                               .next_set = next_set_of(solo, block),
                                               .valid = is_valid});
}

void solo_accept(struct solo *solo, struct block *block, struct tc *tc)
{
    const enum reject reject = solo_propose(solo, block, tc);
    INGOT_ASSERT(reject == REJECT_NONE);
    INGOT_ASSERT(solo_count(solo, CORE_ASK_VALIDATE) == 1);
    (void)solo_validated(solo, block, true);
}

struct block *solo_accept_next(struct solo *solo, const struct block *parent, uint64_t view)
{
    struct block *block = solo_make(solo, parent, view);
    solo_accept(solo, block,
                parent->view + 1 == view ? NULL : solo_tc(solo, view - 1, solo_qc(solo, parent)));
    return block;
}

enum reject solo_phase_vote(struct solo *solo, uint32_t voter, const struct block *block,
                            enum phase phase, uint64_t view)
{
    struct message *message = message_new(MESSAGE_VOTE);
    message->vote = (struct vote){.epoch = block_epoch(block),
                                  .view = view,
                                  .block = block->hash,
                                  .phase = phase,
                                  .voter = voter};
    return solo_receive(solo, voter, message);
}

enum reject solo_vote(struct solo *solo, uint32_t voter, const struct block *block)
{
    return solo_phase_vote(solo, voter, block, PHASE_GENERIC, block->view);
}

enum reject solo_nudge(struct solo *solo, uint64_t view, struct qc *justify, struct tc *tc)
{
    const struct validator_set *set = core_find_set(solo->core, justify->epoch);
    const uint32_t leader = leader_of_view(set, view, solo->config.leader_tenure);
    struct message *message = message_new(MESSAGE_NUDGE);
    message->nudge = (struct nudge){.epoch = justify->epoch,
                                    .view = view,
                                    .justify = justify,
                                    .vote = {.epoch = justify->epoch,
                                             .view = view,
                                             .block = justify->block,
                                             .phase = nudge_phase(justify, view),
                                             .voter = leader},
                                    .tc = tc};
    return solo_receive(solo, leader, message);
}

enum reject solo_show_qc(struct solo *solo, struct qc *qc)
{
    struct message *message = message_new(MESSAGE_CERTIFICATE);
    message->certificate.qc = qc;
    return solo_receive(solo, (solo->me + 1) % SOLO_VALIDATORS, message);
}

enum reject solo_show_tc(struct solo *solo, struct tc *tc)
{
    struct message *message = message_new(MESSAGE_CERTIFICATE);
    message->certificate.tc = tc;
    return solo_receive(solo, (solo->me + 1) % SOLO_VALIDATORS, message);
}

enum reject solo_timeout(struct solo *solo, uint32_t voter, uint64_t view, struct qc *high_qc,
                         struct tc *tc)
{
    struct message *message = message_new(MESSAGE_TIMEOUT);
    message->timeout = (struct timeout){.epoch = qc_position(high_qc).epoch,
                                        .view = view,
                                        .voter = voter,
                                        .high_qc = high_qc,
                                        .tc = tc};
    return solo_receive(solo, voter, message);
}

/* --- Effects. --- */

uint32_t solo_count(const struct solo *solo, enum core_effect_kind kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < solo->effects.count; i++) {
        count += solo->effects.items[i].kind == kind;
    }
    return count;
}

const struct core_effect *solo_effect(const struct solo *solo, enum core_effect_kind kind,
                                      uint32_t nth)
{
    for (uint32_t i = 0; i < solo->effects.count; i++) {
        if (solo->effects.items[i].kind == kind && nth-- == 0) {
            return &solo->effects.items[i];
        }
    }
    return NULL;
}

const struct vote *solo_sent_vote(const struct solo *solo)
{
    for (uint32_t i = 0; i < solo->effects.count; i++) {
        const struct message *message = solo->effects.items[i].message;
        if (message != NULL && message->kind == MESSAGE_VOTE) {
            return &message->vote;
        }
        if (message != NULL && message->kind == MESSAGE_PROPOSE) {
            return &message->propose.vote;
        }
        if (message != NULL && message->kind == MESSAGE_NUDGE) {
            return &message->nudge.vote;
        }
    }
    return NULL;
}

const struct certificate *solo_sent_certificate(const struct solo *solo)
{
    for (uint32_t i = 0; i < solo->effects.count; i++) {
        const struct core_effect *effect = &solo->effects.items[i];
        if (effect->kind == CORE_BROADCAST && effect->message->kind == MESSAGE_CERTIFICATE) {
            return &effect->message->certificate;
        }
    }
    return NULL;
}

struct core_status solo_status(const struct solo *solo)
{
    struct core_status status;
    core_get_status(solo->core, &status);
    return status;
}

uint32_t solo_leader(const struct solo *solo, uint64_t view)
{
    const struct core_status status = solo_status(solo);
    return leader_of_view(status.set, view, solo->config.leader_tenure);
}

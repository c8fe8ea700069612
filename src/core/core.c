/*
 * The core as a whole: made from what is durable, stepped by events. Each rule lives in the file
 * that is named for it; here is only who is called when.
 */
#include "core/core.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "core/state.h"

struct core_safety core_safety_at_genesis(struct qc *genesis_qc)
{
    return (struct core_safety){.current = {0, 1}, .high_qc = qc_ref(genesis_qc)};
}

void core_safety_deinit(struct core_safety *safety)
{
    qc_unref(safety->high_qc);
    tc_unref(safety->high_tc);
    *safety = (struct core_safety){0};
}

struct validator_set *core_set(const struct core *core)
{
    INGOT_ASSERT(core->safety.current.epoch < core->set_count);
    return core->sets[core->safety.current.epoch];
}

uint32_t core_member(const struct core *core)
{
    const uint32_t member = core->config.has_key
                                ? validator_set_find(core_set(core), &core->config.key)
                                : VALIDATOR_NONE;
    return MUTANT(OBSERVER_SIGNS) && member == VALIDATOR_NONE ? 0 : member;
}

bool core_may_sign(const struct core *core)
{
    return !core->has_stopped_signing && !core->config.withholds_signing &&
           core_member(core) != VALIDATOR_NONE;
}

bool core_is_own_key(const struct core *core, uint32_t member)
{
    return core_member(core) == member;
}

struct peer_state *core_peer(struct core *core, uint32_t peer)
{
    INGOT_ASSERT(peer < INGOT_PEERS_MAX);
    if (peer >= core->peer_count) {
        core->peers = alloc_resize(core->peers, peer + 1, sizeof *core->peers);
        memset(&core->peers[core->peer_count], 0,
               (peer + 1 - core->peer_count) * sizeof *core->peers);
        core->peer_count = peer + 1;
    }
    return &core->peers[peer];
}

struct tree_node *core_high_node(const struct core *core)
{
    struct tree_node *node = tree_find(&core->tree, &core->safety.high_qc->block);
    INGOT_ASSERT(node != NULL);
    return node;
}

void core_tree_take(struct core *core, struct block *block, struct validator_set *next_set)
{
    tree_insert(&core->tree, block, next_set);
    core->tree_has_grown = true;
    effect_persist_block(core, block);
}

static void abandon(void *context, struct block *block)
{
    effect_abandon(context, block);
}

/* Blocks that lost their view pile up while nothing commits; our own branch always stays. */
static void tree_bound(struct core *core)
{
    const struct tree_node *voted =
        core->safety.has_vote ? tree_find(&core->tree, &core->safety.vote.block) : NULL;
    tree_evict(&core->tree, MUTANT(TREE_UNBOUNDED) ? UINT32_MAX : INGOT_TREE_BLOCKS_MAX,
               MUTANT(TREE_UNBOUNDED) ? SIZE_MAX : INGOT_TREE_BYTES_MAX, core_high_node(core),
               voted, abandon, core);
}

static enum reject validated(struct core *core, const struct core_event *event)
{
    struct block *block = event->block;
    const bool is_candidate =
        core->candidate != NULL && memcmp(core->candidate->propose.block->hash.bytes,
                                          block->hash.bytes, INGOT_HASH_BYTES) == 0;
    if (!event->valid && fetch_is_certified(core, block) && !MUTANT(DIFFERENCE_IGNORED)) {
        effect_halt(core, block, "a certified block does not execute here as its hash says");
        return REJECT_INVALID_BLOCK;
    }
    bool is_in_tree = tree_find(&core->tree, &block->hash) != NULL;
    if (event->valid && !is_in_tree) {
        if (tree_find(&core->tree, &block->parent) != NULL) {
            core_tree_take(core, block, event->next_set);
            is_in_tree = true;
        } else if (block->height > tree_root(&core->tree)->block->height) {
            effect_abandon(core, block); /* never one that may have been committed meanwhile */
        }
    }
    fetch_validated(core, block, is_in_tree);
    enum reject reject = event->valid ? REJECT_NONE : REJECT_INVALID_BLOCK;
    if (is_candidate && is_in_tree) {
        reject = vote_on_candidate(core, block);
    } else if (is_candidate) {
        message_unref(core->candidate);
        core->candidate = NULL;
    }
    tree_bound(core);
    return reject;
}

static enum reject receive(struct core *core, uint32_t peer, struct message *message)
{
    switch (message->kind) {
    case MESSAGE_PROPOSE:
        return propose_receive(core, peer, message);
    case MESSAGE_VOTE:
        return collect_vote(core, peer, &message->vote);
    case MESSAGE_TIMEOUT:
        return timeout_receive(core, peer, message);
    case MESSAGE_CERTIFICATE:
        return message->certificate.tc != NULL ? certify_tc(core, peer, message->certificate.tc)
                                               : certify_qc(core, peer, message->certificate.qc);
    case MESSAGE_ADVERTISE:
        return answer_advertise(core, peer, &message->advertise);
    case MESSAGE_SYNC_RESPONSE:
        return fetch_receive(core, peer, message);
    case MESSAGE_NUDGE:
        return nudge_receive(core, peer, message);
    case MESSAGE_SYNC_REQUEST: /* the driver's: it has the store */
    case MESSAGE_TRANSACTIONS: /* the driver's: it has the mempool, and makes compact ones whole */
    case MESSAGE_COMPACT_PROPOSE:
    case MESSAGE_TRANSACTIONS_REQUEST:
    case MESSAGE_TRANSACTIONS_RESPONSE:
        break;
    }
    INGOT_ASSERT(false);
    return REJECT_NONE;
}

/* After a restart the saved vote goes out again: the crash may have come before the send. */
static void start(struct core *core)
{
    core->advertise_at_ms = core->now_ms;
    vote_resend(core);
}

/* What withheld it has passed `position`; a vote at or below it may have been cast elsewhere. */
static void allow_signing(struct core *core, struct position position)
{
    struct core_safety *safety = &core->safety;
    INGOT_ASSERT(position_compare(position, safety->current) <= 0);
    core->config.withholds_signing = false;
    if (position_compare(position, safety->last_voted) > 0) {
        safety->last_voted = position;
        safety->has_vote = false;
        core->safety_is_dirty = true;
    }
}

/* Lets everything that was waiting for this step's news take its turn, until nothing moves. */
static void settle(struct core *core)
{
    bool has_changed = true;
    while (has_changed) {
        const uint64_t views = core->views_entered;
        const struct position high = qc_position(core->safety.high_qc);
        certify_waiting(core);
        if (core->tree_has_grown) {
            core->tree_has_grown = false;
            collect_retry(core);
        }
        has_changed = orphan_retry(core);
        has_changed = fetch_advance(core) || has_changed;
        timeout_count(core);
        has_changed = has_changed || core->tree_has_grown || core->views_entered != views ||
                      position_compare(qc_position(core->safety.high_qc), high) != 0;
    }
    timeout_if_due(core);
    propose_if_due(core);
    answer_if_due(core);
    effect_flush_safety(core);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_deadline(const struct core *core)
{
    uint64_t next = core->advertise_at_ms;
    if (core_may_sign(core)) {
        next = earlier(next, core->has_timed_out ? core->resend_at_ms : core->deadline_ms);
        if (core->propose_at_ms > core->now_ms) {
            next = earlier(next, core->propose_at_ms);
        }
    }
    return next;
}

enum reject core_step(struct core *core, const struct core_event *event,
                      struct core_effects *effects)
{
    INGOT_ASSERT(event->now_ms >= core->now_ms);
    enum reject reject = REJECT_NONE;
    core->out = effects;
    core->now_ms = event->now_ms;
    switch (event->kind) {
    case CORE_START:
        view_enter(core, core->safety.current, core->entry);
        start(core);
        break;
    case CORE_TICK:
        /* The timer has run out, perhaps a moment early: it is armed again in any case. */
        core->armed_ms = UINT64_MAX;
        core->timeout_floor_ms = event->timeout_floor_ms;
        break;
    case CORE_MESSAGE:
        reject = receive(core, event->peer, event->message);
        break;
    case CORE_BUILT:
        propose_built(core, event);
        break;
    case CORE_VALIDATED:
        reject = validated(core, event);
        break;
    case CORE_PAYLOAD:
        view_payload(core, event->available);
        break;
    case CORE_CONNECTED:
        answer_connected(core, event->peer);
        break;
    case CORE_BEHIND:
        answer_with_ours(core, event->peer);
        break;
    case CORE_ALLOW_SIGNING:
        allow_signing(core, event->position);
        break;
    }
    settle(core);
    const uint64_t deadline_ms = next_deadline(core);
    if (deadline_ms != core->armed_ms) {
        core->armed_ms = deadline_ms;
        effect_arm(core, deadline_ms);
    }
    core->out = NULL;
#ifdef INGOT_DEBUG_CHECKS
    const char *why = NULL;
    INGOT_ASSERT(core_check_invariants(core, &why) == 0);
#endif
    return reject;
}

static void take_restored(struct core *core, const struct core_restored *restored)
{
    core->set_count = restored->set_count;
    core->sets = alloc_zeroed(restored->set_count, sizeof(struct validator_set *));
    for (uint32_t i = 0; i < restored->set_count; i++) {
        core->sets[i] = validator_set_ref(restored->sets[i]);
    }
    core->safety = *restored->safety;
    qc_ref(core->safety.high_qc);
    if (core->safety.high_tc != NULL) {
        tc_ref(core->safety.high_tc);
    }
    tree_init(&core->tree, restored->last_committed);
}

static bool take_blocks(struct core *core, const struct core_restored *restored)
{
    for (uint32_t i = 0; i < restored->block_count; i++) {
        struct block *block = restored->blocks[i];
        const struct tree_node *parent = tree_find(&core->tree, &block->parent);
        if (parent == NULL || block->height != parent->block->height + 1) {
            return false;
        }
        tree_insert(&core->tree, block, restored->next_sets[i]);
    }
    return true;
}

/* How the restored view was entered; view_enter takes it over at CORE_START. */
static enum entry restored_entry(const struct core *core)
{
    const struct position high = qc_position(core->safety.high_qc);
    if (qc_is_genesis(core->safety.high_qc)) {
        return ENTRY_FIRST;
    }
    if (position_compare(view_next(high), core->safety.current) != 0) {
        return ENTRY_TC;
    }
    return core->safety.high_qc->phase == PHASE_COMMIT ? ENTRY_EPOCH : ENTRY_QC;
}

struct core *core_new(const struct core_config *config, const struct core_restored *restored,
                      const char **why)
{
    INGOT_ASSERT(config->leader_tenure >= 1);
    INGOT_ASSERT(config->base_timeout_ms >= 1);
    INGOT_ASSERT(restored->set_count >= 1);
    if (restored->safety->current.epoch >= restored->set_count) {
        *why = "the safety record is of an epoch whose validator set is not stored";
        return NULL;
    }
    struct core *core = alloc_zeroed(1, sizeof *core);
    core->config = *config;
    core->config.genesis = block_ref(config->genesis);
    core->armed_ms = UINT64_MAX;
    core->pace_ms = config->base_timeout_ms; /* nothing is known to be quicker */
    take_restored(core, restored);
    core->slots = alloc_zeroed(core_set(core)->count, sizeof *core->slots);
    witness_begin(core);
    if (!take_blocks(core, restored)) {
        *why = "a stored block does not descend from the last committed one";
        core_free(core);
        return NULL;
    }
    if (core_check_invariants(core, why) != 0) {
        core_free(core);
        return NULL;
    }
    witness_qc(core, core->safety.high_qc);
    core->entry = restored_entry(core);
    return core;
}

void core_free(struct core *core)
{
    if (core == NULL) {
        return;
    }
    const uint32_t slot_count = core_set(core)->count;
    for (uint32_t i = 0; i < slot_count; i++) {
        message_unref(core->slots[i].timeout);
    }
    free(core->slots);
    free(core->witnessed);
    for (uint32_t i = 0; i < core->peer_count; i++) {
        orphan_forget(&core->peers[i]);
    }
    free(core->peers);
    for (uint32_t i = 0; i < core->set_count; i++) {
        validator_set_unref(core->sets[i]);
    }
    free(core->sets);
    message_unref(core->candidate);
    message_unref(core->proposal);
    message_unref(core->fetched.response);
    qc_unref(core->waiting_qc);
    core_safety_deinit(&core->safety);
    tree_deinit(&core->tree);
    block_unref(core->config.genesis);
    free(core);
}

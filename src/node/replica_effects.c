/*
 * Performing the core's effects. A round takes all that are there: what must be durable goes into
 * the ledger's batch, what the App is asked is answered at once (its answers join the same round),
 * what others will see waits in the outbox. Then one sync, then the outbox in order. A round of
 * which nothing waits for the sync but the reports of commits that nobody awaits leaves it to the
 * next one.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/mutant.h"
#include "node/evidence.h"
#include "node/ledger_evidence.h"
#include "node/replica_state.h"

/* A lone validator certifies its own blocks; the event loop must get its turn all the same. */
#define ROUNDS_MAX 16
/* How much later than it could be something is durable that nobody waits for. */
#define SYNC_WAIT_MS 20

/* --- Taking effects: nothing here is seen by others. --- */

static void take_safety(struct replica *replica, const struct core_effect *effect)
{
    /* We have formed them of verified votes, or have verified them as a whole. */
    verifier_remember_qc(&replica->verifier, effect->safety.high_qc);
    if (effect->safety.high_tc != NULL) {
        verifier_remember_tc(&replica->verifier, effect->safety.high_tc);
    }
    ledger_put_safety(replica->ledger, &effect->safety);
}

static void take_commit(struct replica *replica, const struct core_effect *effect)
{
    struct execution *execution = executor_find(replica->executor, &effect->block->hash);
    INGOT_ASSERT(execution != NULL);
    ledger_commit_block(replica->ledger, effect->block, execution, effect->next_set);
    executor_committed(replica->executor, effect->block);
    pool_committed(replica, effect->block);
    signing_committed(replica, effect->block);
}

static void take_abandon(struct replica *replica, const struct core_effect *effect)
{
    pool_abandoned(replica, effect->block);
    executor_abandoned(replica->executor, &effect->block->hash);
    if (!MUTANT(ABANDONED_STORED)) {
        ledger_delete_block(replica->ledger, effect->block);
    }
}

static void ask_validate(struct replica *replica, struct block *block)
{
    const char *reason = "";
    const enum ingot_error error = executor_validate(replica->executor, block, &reason);
    if (error != INGOT_OK && error != INGOT_ERROR_REJECTED && error != INGOT_ERROR_NOT_FOUND) {
        replica_stop_now(replica, replica_stop_of_read(error),
                         "reading the state to execute a block failed");
        return;
    }
    if (error != INGOT_OK) {
        LOG(LOG_WARN, "a block is invalid", log_u64("height", block->height),
            log_u64("view", block->view), log_text("reason", reason),
            log_hex("proposer", block->proposer.bytes, sizeof block->proposer.bytes));
    }
    const bool is_valid = error == INGOT_OK;
    struct core_event event = {
        .kind = CORE_VALIDATED,
        .block = block,
        .valid = is_valid,
        .next_set = is_valid ? executor_next_set(replica->executor, &block->hash) : NULL};
    (void)replica_step(replica, &event);
    sync_give_way(replica);
}

static void ask_propose(struct replica *replica, const struct core_effect *effect)
{
    if (!core_wants_block(replica->core, effect->position)) {
        return;
    }
    struct block *block = pool_build(replica, effect);
    struct core_event event = {
        .kind = CORE_BUILT,
        .block = block,
        .position = effect->position,
        .next_set = block != NULL ? executor_next_set(replica->executor, &block->hash) : NULL};
    if (replica->stop == REPLICA_RUNS) {
        (void)replica_step(replica, &event);
    }
    block_unref(block);
}

/*
 * The proof is checked here again, whatever the core has been told: an accusation is for ever, and
 * stands on its own bytes. What is beyond what is kept is counted; it comes at will, so the log has
 * no line for it.
 */
static void take_evidence(struct replica *replica, const struct core_effect *effect)
{
    const struct vote *votes = effect->evidence;
    const struct validator_set *set = core_find_set(replica->core, votes[0].epoch);
    struct ingot_evidence evidence;
    if (set == NULL || !evidence_make(&replica->options.genesis->hash, set, replica->options.scheme,
                                      replica->options.leader_tenure, votes, &evidence)) {
        LOG(LOG_ERROR, "what should be two votes in one view does not prove it",
            log_u64("epoch", votes[0].epoch), log_u64("view", votes[0].view),
            log_u64("voter", votes[0].voter));
        return;
    }
    replica->metrics.evidence++;
    evidence.height = ledger_committed_height(replica->ledger);
    if (ledger_put_evidence(replica->ledger, &evidence) != LEDGER_EVIDENCE_NEW) {
        return;
    }
    if (!MUTANT(EVIDENCE_SYNCED_LATER)) {
        replica->sync_by_ms = 0; /* it may not be seen again */
    }
    LOG(LOG_WARN, "a validator voted twice in one view",
        log_hex("validator", evidence.validator.bytes, INGOT_PUBLIC_KEY_BYTES),
        log_text("as", evidence.is_leader ? "leader" : "voter"), log_u64("epoch", evidence.epoch),
        log_u64("view", evidence.view),
        log_hex("first", evidence.votes[0].block.bytes, INGOT_HASH_BYTES),
        log_hex("first_signature", evidence.votes[0].signature.bytes, INGOT_SIGNATURE_BYTES),
        log_hex("second", evidence.votes[1].block.bytes, INGOT_HASH_BYTES),
        log_hex("second_signature", evidence.votes[1].signature.bytes, INGOT_SIGNATURE_BYTES));
}

/* Where our execution differs from what a quorum has certified, operators compare the two. */
static void halt(struct replica *replica, const struct core_effect *effect)
{
    const struct block *block = effect->block;
    char why[400];
    int size = snprintf(why, sizeof why, "%s (height %llu, view %llu)", effect->reason,
                        (unsigned long long)block->height, (unsigned long long)block->view);
    const struct ingot_hash *ours = executor_differing(replica->executor, &block->hash);
    if (ours != NULL && size > 0 && (size_t)size < sizeof why) {
        /* The log cuts long texts short. */
        LOG(LOG_ERROR, "a certified block executes differently here",
            log_u64("height", block->height),
            log_hex("certified", block->updates_hash.bytes, INGOT_HASH_BYTES),
            log_hex("ours", ours->bytes, INGOT_HASH_BYTES));
        char found[2 * INGOT_HASH_BYTES + 1];
        char certified[2 * INGOT_HASH_BYTES + 1];
        hex_encode_lower(ours->bytes, INGOT_HASH_BYTES, found);
        hex_encode_lower(block->updates_hash.bytes, INGOT_HASH_BYTES, certified);
        (void)snprintf(why + size, sizeof why - (size_t)size, ": certified %s, ours %s", certified,
                       found);
    }
    replica_stop_now(replica, REPLICA_STOP_SAFETY, why);
}

/* True if the effect is done with; false if it belongs in the outbox. */
static bool take(struct replica *replica, const struct core_effect *effect)
{
    switch (effect->kind) {
    case CORE_PERSIST_BLOCK:
        ledger_put_block(replica->ledger, effect->block,
                         executor_find(replica->executor, &effect->block->hash));
        return true;
    case CORE_PERSIST_SAFETY:
        take_safety(replica, effect);
        return true;
    case CORE_COMMIT:
        take_commit(replica, effect);
        return false;
    case CORE_ABANDON:
        take_abandon(replica, effect);
        return true;
    case CORE_ASK_PROPOSE:
        ask_propose(replica, effect);
        return true;
    case CORE_ASK_VALIDATE:
        ask_validate(replica, effect->block);
        return true;
    case CORE_EVIDENCE:
        take_evidence(replica, effect);
        return true;
    case CORE_ARM:
        sync_arm_for_core(replica, effect->deadline_ms);
        return true;
    case CORE_STOP_SIGNING:
        LOG(LOG_ERROR, "ALARM: this node signs no more", log_text("reason", effect->reason));
        return true;
    case CORE_HALT:
        halt(replica, effect);
        return true;
    case CORE_SEND:
    case CORE_BROADCAST:
    case CORE_ANSWER:
        return false;
    }
    INGOT_ASSERT(false);
    return true;
}

static void push(struct replica *replica, const struct core_effect *effect)
{
    struct outbox *outbox = &replica->outbox;
    if (outbox->count == outbox->capacity) {
        outbox->capacity = outbox->capacity == 0 ? 16 : 2 * outbox->capacity;
        outbox->items = alloc_resize(outbox->items, outbox->capacity, sizeof *outbox->items);
    }
    struct outbox_item *item = &outbox->items[outbox->count++];
    *item = (struct outbox_item){.effect = *effect};
    if (effect->kind == CORE_COMMIT) {
        /* The sync may apply the block, and the executor forget what it did. */
        item->execution = execution_ref(executor_find(replica->executor, &effect->block->hash));
    }
}

void replica_clear_outbox(struct replica *replica)
{
    for (uint32_t i = 0; i < replica->outbox.count; i++) {
        core_effect_deinit(&replica->outbox.items[i].effect);
        execution_unref(replica->outbox.items[i].execution);
    }
    replica->outbox.count = 0;
}

static void take_all(struct replica *replica)
{
    /* By index and by value: the App's answers append to the list while it is walked. */
    for (uint32_t i = 0; i < replica->effects.count && replica->stop == REPLICA_RUNS; i++) {
        struct core_effect effect = replica->effects.items[i];
        replica->effects.items[i] = (struct core_effect){.kind = effect.kind};
        if (take(replica, &effect)) {
            core_effect_deinit(&effect);
        } else {
            push(replica, &effect);
        }
        pool_notice(replica);
    }
    core_effects_clear(&replica->effects);
}

/* --- The sync. --- */

static void sync_now(struct replica *replica)
{
    const struct replica_output *output = &replica->options.output;
    replica->sync_by_ms = UINT64_MAX;
    if (!ledger_has_changes(replica->ledger)) {
        return;
    }
    if (sync_is_bulk(replica)) {
        ledger_set_bulk(replica->ledger);
    }
    const uint64_t begin_us = output->monotonic_us(output->context);
    const enum ingot_error error = ledger_sync(replica->ledger);
    const uint64_t took_us = output->monotonic_us(output->context) - begin_us;
    metrics_observe(&replica->metrics.sync, took_us);
    replica->slowest_sync_us -= replica->slowest_sync_us / 64;
    if (took_us > replica->slowest_sync_us) {
        replica->slowest_sync_us = took_us;
    }
    if (error != INGOT_OK && !MUTANT(FAILED_WRITE_IGNORED)) {
        char why[160];
        (void)snprintf(why, sizeof why, "a durable write failed: %s", ingot_error_text(error));
        replica_stop_now(replica, REPLICA_STOP_WRITE, why);
        return;
    }
    executor_applied(replica->executor, ledger_applied_height(replica->ledger));
}

/*
 * What broke safety may have been found in the very step that stops us. The rest of that step stays
 * undone.
 */
static void keep_evidence(struct replica *replica)
{
    const enum ingot_error error = ledger_keep_evidence_alone(replica->ledger);
    if (error != INGOT_OK) {
        LOG(LOG_ERROR, "the evidence of the last step is in this log alone",
            log_text("error", ingot_error_text(error)));
    }
}

/* Between flushes. What waited for it is told in the next one. */
static void sync_between(struct replica *replica)
{
    INGOT_ASSERT(replica->outbox.count == 0 || replica->sync_by_ms != UINT64_MAX);
    if (replica->stop == REPLICA_RUNS) {
        sync_now(replica);
    }
    if (replica->outbox.count > 0) {
        replica->sync_by_ms = 0;
        replica->options.output.wake(replica->options.output.context);
    }
}

bool replica_sync(struct replica *replica)
{
    sync_between(replica);
    return replica->stop == REPLICA_RUNS;
}

void replica_settle(struct replica *replica)
{
    if (MUTANT(SHOWN_BEFORE_SYNC)) {
        return;
    }
    if (replica->sync_by_ms != UINT64_MAX) {
        sync_between(replica);
    }
    if (replica->effects.count > 0) {
        replica->sync_by_ms = 0; /* the core shows what these bring; the flush that is due syncs */
    }
}

/* --- The outbox. --- */

static void log_set_change(const struct replica *replica, const struct block *block,
                           const struct validator_set *set)
{
    const bool is_member = replica->options.has_key &&
                           validator_set_find(set, &replica->options.key) != VALIDATOR_NONE;
    LOG(LOG_INFO, "the validator set changes", log_u64("height", block->height),
        log_u64("epoch", set->epoch), log_u64("members", set->count),
        log_u64("total_power", set->total_power),
        log_text("this_node_is_member", is_member ? "yes" : "no"));
}

static void report_commit(struct replica *replica, const struct outbox_item *item)
{
    struct replica_output *output = &replica->options.output;
    struct block *block = item->effect.block;
    for (uint32_t i = 0; i < SEEN_BLOCKS; i++) {
        if (crypto_hash_equal(&replica->seen[i].hash, &block->hash)) {
            metrics_observe(&replica->metrics.commit_latency,
                            output->monotonic_us(output->context) - replica->seen[i].seen_us);
            break;
        }
    }
    replica->metrics.committed_blocks++;
    replica->metrics.committed_transactions += block->transaction_count;
    if (item->effect.next_set != NULL) {
        log_set_change(replica, block, item->effect.next_set);
    }
    if (replica->options.app->committed != NULL) {
        const struct ingot_block_info info = executor_block_info(block);
        replica->options.app->committed(replica->options.app->context, &info);
    }
    output->committed(output->context, block, item->execution);
}

static void release(struct replica *replica, struct outbox_item *item)
{
    struct core_effect *effect = &item->effect;
    switch (effect->kind) {
    case CORE_COMMIT:
        report_commit(replica, item);
        break;
    case CORE_SEND:
        transmit_send(replica, effect);
        break;
    case CORE_BROADCAST:
        transmit_broadcast(replica, effect);
        break;
    case CORE_ANSWER:
        transmit_answer(replica, effect);
        break;
    case CORE_PERSIST_BLOCK:
    case CORE_PERSIST_SAFETY:
    case CORE_ABANDON:
    case CORE_ASK_PROPOSE:
    case CORE_ASK_VALIDATE:
    case CORE_EVIDENCE:
    case CORE_ARM:
    case CORE_STOP_SIGNING:
    case CORE_HALT:
        INGOT_ASSERT(false);
        break;
    }
}

/* --- A sync that may wait. --- */

/*
 * A certificate says what others have signed, and proves it; our own part in it was durable before
 * it was counted. So it promises nothing that our disk would have to keep.
 */
static bool proves_itself(const struct core_effect *effect)
{
    if (effect->kind == CORE_COMMIT) {
        return MUTANT(COMMIT_TOLD_EARLY);
    }
    const enum message_kind kind = effect->message->kind;
    return kind == MESSAGE_CERTIFICATE ||
           (kind == MESSAGE_VOTE && MUTANT(VOTE_WITH_CERTIFICATES)) ||
           (kind == MESSAGE_TIMEOUT && MUTANT(TIMEOUT_WITH_CERTIFICATES)) ||
           (kind == MESSAGE_ADVERTISE && MUTANT(ADVERTISED_WITH_CERTIFICATES));
}

/* Of what was taken, can this leave before the sync, or be told some time after it? */
static bool is_patient(const struct core_effect *effect)
{
    const bool opens_epoch = effect->next_set != NULL && !MUTANT(EPOCH_SYNCED_LATER);
    return (effect->kind == CORE_COMMIT && !opens_epoch) || proves_itself(effect);
}

/*
 * Where nobody waits for what was taken, and nothing of it leaves but certificates, the next sync
 * makes it durable too: that of the vote that follows. An idle chain has none, so there is a limit.
 */
static bool sync_may_wait(struct replica *replica)
{
    const struct replica_output *output = &replica->options.output;
    if (!ledger_has_changes(replica->ledger) || output->is_awaited == NULL ||
        (output->is_awaited(output->context) && !MUTANT(WAITERS_KEPT)) ||
        sync_needs_durable(replica)) {
        return false;
    }
    for (uint32_t i = 0; i < replica->outbox.count; i++) {
        if (!is_patient(&replica->outbox.items[i].effect)) {
            return false;
        }
    }
    const uint64_t now_ms = replica_now_ms(replica);
    if (replica->sync_by_ms == UINT64_MAX) {
        replica->sync_by_ms = now_ms + SYNC_WAIT_MS;
    }
    return now_ms < replica->sync_by_ms || MUTANT(UNASKED_SYNC_FORGOTTEN);
}

/* The others keep their order and wait. */
static void release_certificates(struct replica *replica)
{
    struct outbox *outbox = &replica->outbox;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < outbox->count; i++) {
        struct outbox_item *item = &outbox->items[i];
        if (proves_itself(&item->effect)) {
            release(replica, item);
            core_effect_deinit(&item->effect);
            execution_unref(item->execution);
        } else {
            outbox->items[kept++] = *item;
        }
    }
    outbox->count = kept;
}

static void sync_and_release(struct replica *replica)
{
    if (!MUTANT(SENT_BEFORE_SYNC)) {
        sync_now(replica);
    }
    for (uint32_t i = 0; i < replica->outbox.count && replica->stop == REPLICA_RUNS; i++) {
        release(replica, &replica->outbox.items[i]);
    }
    replica_clear_outbox(replica);
    if (MUTANT(SENT_BEFORE_SYNC)) {
        sync_now(replica);
    }
}

/* Something waits for the next sync, and can no longer. */
static bool sync_is_due(const struct replica *replica)
{
    return replica->sync_by_ms != UINT64_MAX && !MUTANT(UNASKED_SYNC_FORGOTTEN) &&
           (replica_now_ms(replica) >= replica->sync_by_ms || sync_needs_durable(replica));
}

void replica_flush(struct replica *replica)
{
    uint32_t rounds = 0;
    if (replica->stop == REPLICA_RUNS) {
        compact_turn(replica);
    }
    while (replica->stop == REPLICA_RUNS && (replica->effects.count > 0 || sync_is_due(replica))) {
        if (rounds++ == ROUNDS_MAX) {
            replica->options.output.wake(replica->options.output.context);
            sync_turn_between(replica);
            return;
        }
        take_all(replica);
        if (replica->stop == REPLICA_STOP_SAFETY) {
            keep_evidence(replica);
        }
        if (replica->stop == REPLICA_RUNS && sync_may_wait(replica)) {
            release_certificates(replica);
        } else if (replica->stop == REPLICA_RUNS) {
            sync_and_release(replica);
        } else {
            replica_clear_outbox(replica);
        }
        held_retry(replica);
        pool_release_failed(replica);
    }
    if (replica->stop == REPLICA_RUNS) {
        pool_forward(replica);
        sync_turn(replica);
    }
}

/*
 * The replica's life, and what comes in: frames, time, transactions. What goes out is
 * replica_effects.c.
 */
#include "node/replica.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/mutant.h"
#include "node/ledger_evidence.h"
#include "node/replica_state.h"

uint64_t replica_now_ms(const struct replica *replica)
{
    return replica->options.output.monotonic_us(replica->options.output.context) / 1000;
}

enum reject replica_step(struct replica *replica, struct core_event *event)
{
    event->now_ms = replica_now_ms(replica);
    const enum reject reject = core_step(replica->core, event, &replica->effects);
    const bool is_ours = event->kind == CORE_MESSAGE && event->peer == CORE_SELF;
    replica->metrics.rejects[reject] += reject != REJECT_NONE && !is_ours;
    signing_look(replica);
    return reject;
}

void replica_stop_now(struct replica *replica, enum replica_stop stop, const char *why)
{
    if (replica->stop != REPLICA_RUNS) {
        return;
    }
    replica->stop = stop;
    LOG(LOG_ERROR, "the replica stops", log_text("reason", why));
    replica->options.output.stopped(replica->options.output.context, stop, why);
}

enum replica_stop replica_stop_of_read(enum ingot_error error)
{
    return error == INGOT_ERROR_IO ? REPLICA_STOP_WRITE : REPLICA_STOP_DAMAGED;
}

void replica_fail(struct replica *replica, enum replica_stop stop, const char *why)
{
    replica_stop_now(replica, stop, why);
}

void replica_saw_block(struct replica *replica, const struct block *block)
{
    replica->seen[replica->seen_next] = (struct seen_block){
        .hash = block->hash,
        .seen_us = replica->options.output.monotonic_us(replica->options.output.context)};
    replica->seen_next = (replica->seen_next + 1) % SEEN_BLOCKS;
}

static struct validator_set *find_set(void *context, uint64_t epoch)
{
    const struct replica *replica = context;
    return core_find_set(replica->core, epoch);
}

static struct core_config core_config_of(const struct replica_options *options)
{
    return (struct core_config){.genesis = options->genesis,
                                .has_key = options->has_key,
                                .key = options->key,
                                .leader_tenure = options->leader_tenure,
                                .base_timeout_ms = options->base_timeout_ms,
                                .empty_block_interval_ms = options->empty_block_interval_ms,
                                .timeout_resend_ms = options->timeout_resend_ms,
                                .advertise_interval_ms = options->advertise_interval_ms};
}

static enum ingot_error open_core(struct replica *replica, const struct ledger_start *start,
                                  char *why, size_t why_size)
{
    const uint32_t count = start->uncommitted_count;
    struct block **blocks = alloc_zeroed(count + 1, sizeof(struct block *));
    struct validator_set **next_sets = alloc_zeroed(count + 1, sizeof(struct validator_set *));
    for (uint32_t i = 0; i < count; i++) {
        blocks[i] = start->uncommitted[i].block;
        next_sets[i] = executor_next_set(replica->executor, &blocks[i]->hash);
    }
    struct core_config config = core_config_of(&replica->options);
    config.withholds_signing = replica->watermark != NULL;
    const struct core_restored restored = {.safety = &start->safety,
                                           .last_committed = start->last_committed.block,
                                           .blocks = blocks,
                                           .next_sets = next_sets,
                                           .block_count = count,
                                           .sets = start->sets,
                                           .set_count = start->set_count};
    const char *reason = NULL;
    replica->core = core_new(&config, &restored, &reason);
    free(blocks);
    free(next_sets);
    if (replica->core == NULL) {
        (void)snprintf(why, why_size, "the safety record does not fit its chain: %s", reason);
        return INGOT_ERROR_CORRUPT;
    }
    return INGOT_OK;
}

static enum ingot_error open_parts(struct replica *replica, char *why, size_t why_size)
{
    const struct replica_options *options = &replica->options;
    const struct ledger_options ledger_options = {.genesis = options->genesis,
                                                  .genesis_set = options->genesis_set,
                                                  .index_transactions = options->index_transactions,
                                                  .retain_blocks = options->retain_blocks};
    INGOT_ASSERT(options->retain_blocks == 0 ||
                 options->retain_blocks > options->replay_window_blocks);
    enum ingot_error error =
        ledger_open(options->store, &ledger_options, &replica->ledger, why, why_size);
    if (error != INGOT_OK) {
        return error;
    }
    error = signing_open(replica, why, why_size);
    if (error != INGOT_OK) {
        return error;
    }
    struct ledger_start start;
    error = ledger_load(replica->ledger, &start, why, why_size);
    if (error != INGOT_OK) {
        return error;
    }
    const struct executor_options executor_options = {
        .app = options->app,
        .ledger = replica->ledger,
        .scheme = options->scheme,
        .chain = options->genesis->hash,
        .replay_window_blocks = options->replay_window_blocks,
        .block_payload_bytes_max = options->block_payload_bytes_max,
        .transaction_bytes_max = options->transaction_bytes_max};
    replica->executor = executor_new(&executor_options);
    error = executor_restore(replica->executor, &start);
    if (error != INGOT_OK) {
        (void)snprintf(why, why_size, "reading the replay window: %s", ingot_error_text(error));
    } else {
        error = open_core(replica, &start, why, why_size);
    }
    ledger_start_deinit(&start);
    return error;
}

enum ingot_error replica_open(const struct replica_options *options, struct replica **replica,
                              char *why, size_t why_size)
{
    struct replica *opened = alloc_zeroed(1, sizeof *opened);
    opened->options = *options;
    block_ref(opened->options.genesis);
    validator_set_ref(opened->options.genesis_set);
    opened->mempool = mempool_new(options->mempool_bytes_max);
    opened->signatures = signature_memo_new();
    opened->signer = (struct wire_signer){.scheme = options->scheme,
                                          .secret = &opened->options.secret,
                                          .key = options->key,
                                          .chain = options->genesis->hash,
                                          .signatures = opened->signatures};
    const enum ingot_error error = open_parts(opened, why, why_size);
    if (error != INGOT_OK) {
        replica_free(opened);
        return error;
    }
    verifier_init(&opened->verifier, &options->genesis->hash, options->scheme, find_set, opened);
    opened->verifier.signatures = opened->signatures;
    opened->verifier.between = sync_give_way;
    sync_open(opened);
    *replica = opened;
    return INGOT_OK;
}

void replica_free(struct replica *replica)
{
    if (replica == NULL) {
        return;
    }
    sync_close(replica);
    core_effects_deinit(&replica->effects);
    replica_clear_outbox(replica);
    free(replica->outbox.items);
    core_free(replica->core);
    executor_free(replica->executor);
    mempool_free(replica->mempool);
    signature_memo_free(replica->signatures);
    ledger_free(replica->ledger);
    ingot_buffer_deinit(&replica->frame);
    block_unref(replica->options.genesis);
    validator_set_unref(replica->options.genesis_set);
    crypto_wipe(&replica->options.secret, sizeof replica->options.secret);
    for (uint32_t i = 0; i < replica->peer_count; i++) {
        held_clear(&replica->peers[i]);
        compact_forget(&replica->peers[i]);
    }
    free(replica->peers);
    block_unref(replica->withheld);
    ingot_buffer_deinit(&replica->missing);
    free(replica->candidates);
    free(replica->candidate_digests);
    free(replica->watermark);
    free(replica);
}

static struct replica_peer *peer_at(struct replica *replica, uint32_t peer)
{
    INGOT_ASSERT(peer < INGOT_PEERS_MAX);
    if (peer >= replica->peer_count) {
        replica->peers = alloc_resize(replica->peers, peer + 1, sizeof *replica->peers);
        memset(&replica->peers[replica->peer_count], 0,
               (peer + 1 - replica->peer_count) * sizeof *replica->peers);
        replica->peer_count = peer + 1;
    }
    return &replica->peers[peer];
}

void replica_set_peer(struct replica *replica, uint32_t peer, bool has_key,
                      const struct ingot_public_key *key)
{
    struct replica_peer *entry = peer_at(replica, peer);
    entry->has_key = has_key;
    if (has_key) {
        entry->key = *key;
    }
}

void replica_set_connected(struct replica *replica, uint32_t peer, bool is_connected)
{
    peer_at(replica, peer)->is_connected = is_connected;
    peer_at(replica, peer)->was_warned_of = false;
    sync_connected(replica, peer, is_connected);
    if (!is_connected) {
        compact_forget(peer_at(replica, peer));
    }
    if (is_connected && replica->has_started && replica->stop == REPLICA_RUNS) {
        struct core_event event = {.kind = CORE_CONNECTED, .peer = peer};
        (void)replica_step(replica, &event);
    }
}

void replica_remove_peer(struct replica *replica, uint32_t peer)
{
    replica_set_connected(replica, peer, false);
    sync_forget(replica, peer);
    held_clear(peer_at(replica, peer));
    *peer_at(replica, peer) = (struct replica_peer){0};
}

void replica_start(struct replica *replica)
{
    replica->has_started = true;
    struct core_event event = {.kind = CORE_START};
    (void)replica_step(replica, &event);
}

/*
 * Views must outlast the disk: a deadline below a few of its slowest recent syncs would make
 * timeouts of a healthy network (eight: proposer and voter sync in turn, and queues form).
 */
#define SYNCS_IN_A_VIEW 8

/* A process that was stopped in the middle of a sync must not wait for hours afterwards. */
static uint32_t timeout_floor_ms(const struct replica *replica)
{
    const uint64_t floor_ms = replica->slowest_sync_us * SYNCS_IN_A_VIEW / 1000;
    return floor_ms < INGOT_BASE_TIMEOUT_MS_MAX ? (uint32_t)floor_ms : INGOT_BASE_TIMEOUT_MS_MAX;
}

void replica_tick(struct replica *replica)
{
    struct core_event event = {.kind = CORE_TICK, .timeout_floor_ms = timeout_floor_ms(replica)};
    if (replica->stop == REPLICA_RUNS) {
        (void)replica_step(replica, &event);
    }
}

/* What claims to be ours: if it is, and we did not say it, the core has to know. */
static bool claims_our_key(const struct replica *replica, uint64_t epoch, uint32_t voter)
{
    const struct validator_set *set = core_find_set(replica->core, epoch);
    return replica->options.has_key && set != NULL && voter < set->count &&
           crypto_key_equal(&set->validators[voter].key, &replica->options.key);
}

/*
 * Proposals and timeouts of views that have ended are dear to verify, with their certificates, and
 * come whenever somebody has been away. Whoever sends them learns where we are all the same.
 */
static enum reject filter_leftover(struct replica *replica, uint32_t peer,
                                   const struct message *message, uint64_t epoch, uint32_t voter)
{
    if (claims_our_key(replica, epoch, voter) || !core_is_leftover(replica->core, message)) {
        return REJECT_NONE;
    }
    struct core_event event = {.kind = CORE_BEHIND, .peer = peer};
    (void)replica_step(replica, &event);
    return REJECT_PAST;
}

/* What can be told without a signature check, so that repeats and leftovers cost little. */
static enum reject filter(struct replica *replica, uint32_t peer, const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_VOTE:
        return core_wants_vote(replica->core, vote_position(&message->vote)) ||
                       (core_is_contradicted(replica->core, &message->vote) &&
                        !MUTANT(LATE_VOTES_UNSEEN)) ||
                       claims_our_key(replica, message->vote.epoch, message->vote.voter)
                   ? REJECT_NONE
                   : REJECT_PAST;
    case MESSAGE_PROPOSE:
    case MESSAGE_COMPACT_PROPOSE:
        return filter_leftover(replica, peer, message, message->propose.vote.epoch,
                               message->propose.vote.voter);
    case MESSAGE_NUDGE:
        return filter_leftover(replica, peer, message, message->nudge.epoch,
                               message->nudge.vote.voter);
    case MESSAGE_TIMEOUT:
        return filter_leftover(replica, peer, message, message->timeout.epoch,
                               message->timeout.voter);
    case MESSAGE_CERTIFICATE:
    case MESSAGE_ADVERTISE:
    case MESSAGE_SYNC_REQUEST:
    case MESSAGE_SYNC_RESPONSE:
    case MESSAGE_TRANSACTIONS:
    case MESSAGE_TRANSACTIONS_REQUEST:
    case MESSAGE_TRANSACTIONS_RESPONSE:
        return REJECT_NONE;
    }
    INGOT_ASSERT(false);
    return REJECT_NONE;
}

void replica_count_reject(struct replica *replica, uint32_t peer, const struct message *message,
                          enum reject reject)
{
    if (reject != REJECT_NONE) {
        replica->metrics.rejects[reject]++;
        LOG(LOG_DEBUG, "rejected", log_text("kind", message_kind_text(message->kind)),
            log_text("reason", reject_text(reject)), log_u64("peer", peer));
    }
}

/* What is not the core's. False: it is. */
static bool receive_for_others(struct replica *replica, uint32_t peer, struct message *message,
                               size_t size)
{
    if (message->kind == MESSAGE_TRANSACTIONS) {
        replica_count_reject(replica, peer, message, pool_receive(replica, &message->transactions));
        return true;
    }
    if (message->kind == MESSAGE_SYNC_REQUEST) {
        replica_count_reject(replica, peer, message,
                             sync_request(replica, peer, &message->sync_request));
        return true;
    }
    if (message->kind == MESSAGE_SYNC_RESPONSE) {
        replica_count_reject(replica, peer, message, sync_receive(replica, peer, message, size));
        return true;
    }
    if (message->kind == MESSAGE_TRANSACTIONS_REQUEST) {
        replica_count_reject(replica, peer, message,
                             compact_request(replica, peer, &message->transactions_request));
        return true;
    }
    if (message->kind == MESSAGE_TRANSACTIONS_RESPONSE) {
        replica_count_reject(replica, peer, message,
                             compact_response(replica, peer, &message->transactions_response));
        return true;
    }
    if (message->kind == MESSAGE_ADVERTISE) {
        sync_claim(replica, peer, message->advertise.committed_height);
    }
    return false;
}

void replica_receive_message(struct replica *replica, uint32_t peer, struct message *message)
{
    enum reject reject = filter(replica, peer, message);
    if (reject == REJECT_NONE) {
        reject = verify_message(&replica->verifier, message);
    }
    if (reject == REJECT_UNKNOWN_EPOCH) {
        reject = held_take(replica, peer, message);
    }
    if (reject == REJECT_UNKNOWN_EPOCH) {
        sync_hint(replica, peer);
    }
    replica_count_reject(replica, peer, message, reject);
    if (reject != REJECT_NONE) {
        return;
    }
    if (message->kind == MESSAGE_PROPOSE || message->kind == MESSAGE_COMPACT_PROPOSE) {
        replica_saw_block(replica, message->propose.block);
    }
    if (message->kind == MESSAGE_COMPACT_PROPOSE) {
        compact_receive(replica, peer, message);
        return;
    }
    if (message->kind == MESSAGE_ADVERTISE) {
        signing_heard(replica, peer, message->advertise.high_qc);
    }
    struct core_event event = {.kind = CORE_MESSAGE, .peer = peer, .message = message};
    (void)replica_step(replica, &event);
}

void replica_receive(struct replica *replica, uint32_t peer, struct ingot_slice frame)
{
    if (replica->stop != REPLICA_RUNS) {
        return;
    }
    INGOT_ASSERT(peer < replica->peer_count);
    if (!sync_admits(replica, peer, frame)) {
        replica->metrics.rejects[REJECT_UNREQUESTED]++;
        return;
    }
    struct message *message = NULL;
    const enum reject reject = wire_decode(frame, &message);
    if (reject != REJECT_NONE) {
        replica->metrics.rejects[reject]++;
        /* Once for each connection: what a peer can repeat at will must not fill the disk. */
        LOG(replica->peers[peer].was_warned_of ? LOG_DEBUG : LOG_WARN, "a frame does not decode",
            log_text("reason", reject_text(reject)), log_u64("peer", peer),
            log_u64("bytes", frame.size));
        replica->peers[peer].was_warned_of = true;
        sync_receive_garbled(replica, peer, frame);
        return;
    }
    if (!receive_for_others(replica, peer, message, frame.size)) {
        replica_receive_message(replica, peer, message);
    }
    message_unref(message);
}

void replica_get_status(const struct replica *replica, struct core_status *status)
{
    core_get_status(replica->core, status);
}

bool replica_is_catching_up(const struct replica *replica)
{
    return sync_is_catching_up(replica);
}

bool replica_watermark(const struct replica *replica, struct position *mark)
{
    if (replica->watermark != NULL) {
        *mark = replica->watermark->mark;
    }
    return replica->watermark != NULL && replica->watermark->has_mark;
}

struct metrics *replica_metrics(struct replica *replica)
{
    struct core_status status;
    core_get_status(replica->core, &status);
    struct metrics *metrics = &replica->metrics;
    metrics->height = ledger_committed_height(replica->ledger);
    metrics->height_lowest = ledger_lowest_height(replica->ledger);
    metrics->view = status.current.view;
    metrics->epoch = status.current.epoch;
    metrics->is_leader = status.is_leader;
    metrics->is_member = status.is_member;
    metrics->has_stopped_signing = status.has_stopped_signing;
    metrics->withholds_signing = status.withholds_signing;
    sync_metrics(replica, metrics);
    metrics->leader = status.leader;
    metrics->mempool_transactions = mempool_count(replica->mempool);
    metrics->mempool_bytes = mempool_bytes(replica->mempool);
    metrics->uncommitted_blocks = status.tree_blocks;
    uint32_t evidence_kept = 0;
    (void)ledger_evidence(replica->ledger, &evidence_kept);
    metrics->evidence_kept = evidence_kept;
    metrics->pending_bytes = status.pending_bytes;
    for (uint32_t i = 0; i < replica->peer_count; i++) {
        metrics->pending_bytes += compact_incomplete_bytes(&replica->peers[i]);
    }
    metrics->timeouts = status.timeouts;
    metrics->views_entered = status.views_entered;
    metrics->signatures = replica->signer.counters.signatures;
    metrics->verifications =
        replica->verifier.counters.verifications + metrics->verifications_ahead;
    return metrics;
}

struct ledger *replica_ledger(struct replica *replica)
{
    return replica->ledger;
}

const struct core *replica_core(const struct replica *replica)
{
    return replica->core;
}

void replica_query(struct replica *replica, struct ingot_slice path, struct ingot_slice data,
                   struct ingot_query_response *response, uint64_t *height)
{
    replica_settle(replica); /* a crash must not take back what a client has read */
    executor_query(replica->executor, path, data, response, height);
}

uint32_t replica_mempool_count(const struct replica *replica)
{
    return mempool_count(replica->mempool);
}

/*
 * The attestor's life, and the order in which things are done in a turn. attestor.h has the map of
 * its files.
 */
#include "node/attestor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "node/attestor_state.h"

#define TURN_SIGNATURES 64
#define MEMORY_BYTES ((size_t)64 * 1024 * 1024)
#define VOTER_BYTES ((size_t)8 * 1024 * 1024)
#define VOTER_SHARES 512
#define HEIGHTS_AHEAD 512

/* What was put is durable in this time, also when the chain stands still. */
#define DIRTY_MS 50
/* Complete attestations wait so many turns for others to share their sync. */
#define TURNS_MAX 8
/* At the start, blocks that are entered for one sync. */
#define ENTER_BLOCKS 64

/* --- What the files share. --- */

void attest_look_at_clock(struct attestor *attestor)
{
    const struct attestor_output *output = &attestor->options.output;
    attestor->now_ms = output->monotonic_ms(output->context);
}

void attest_fail(struct attestor *attestor, enum replica_stop stop, const char *what,
                 enum ingot_error error)
{
    const struct attestor_output *output = &attestor->options.output;
    char why[200];
    if (attestor->has_stopped) {
        return;
    }
    attestor->has_stopped = true;
    if (stop == REPLICA_STOP_DAMAGED) {
        stop = replica_stop_of_read(error);
    }
    (void)snprintf(why, sizeof why, "attestations: %s: %s", what, ingot_error_text(error));
    output->stopped(output->context, stop, why);
}

static void has_put(struct attestor *attestor)
{
    const uint64_t batch = ledger_batch_number(attestor->options.ledger);
    if (attestor->dirty_ms == 0 || attestor->put_batch < batch) {
        attestor->dirty_ms = attestor->now_ms + DIRTY_MS;
    }
    attestor->put_batch = batch;
}

void attest_put(struct attestor *attestor, const struct attest_key *key,
                const struct ingot_buffer *content)
{
    ledger_put_attest(attestor->options.ledger, attest_key_slice(key), ingot_buffer_slice(content));
    has_put(attestor);
}

void attest_delete(struct attestor *attestor, const struct attest_key *key)
{
    ledger_delete_attest(attestor->options.ledger, attest_key_slice(key));
    has_put(attestor);
}

void attest_put_meta(struct attestor *attestor)
{
    const struct attest_key key = attest_key_meta();
    struct ingot_buffer content = {0};
    attest_meta_encode(&attestor->meta, &content);
    attest_put(attestor, &key, &content);
    ingot_buffer_deinit(&content);
}

enum ingot_error attest_get(struct attestor *attestor, const struct attest_key *key,
                            struct ingot_slice *content)
{
    return ledger_get_attest(attestor->options.ledger, attest_key_slice(key), content);
}

/* --- Opening. --- */

/* Where there is no record yet, it begins with the oldest block that is there. */
static enum ingot_error read_meta(struct attestor *attestor)
{
    const struct ingot_public_key *own = &attestor->options.key;
    const struct attest_key key = attest_key_meta();
    const uint64_t lowest = ledger_lowest_height(attestor->options.ledger);
    struct ingot_slice content;
    const enum ingot_error error = attest_get(attestor, &key, &content);
    if (error == INGOT_ERROR_NOT_FOUND) {
        attestor->meta = (struct attest_meta){.next = lowest > 0 ? lowest : 1, .key = *own};
        attestor->meta.own = attestor->meta.next;
        return INGOT_OK;
    }
    if (error != INGOT_OK) {
        return error;
    }
    if (!attest_meta_decode(content, &attestor->meta)) {
        return INGOT_ERROR_CORRUPT;
    }
    if (attestor->meta.next < lowest) { /* they were not held back while the App asked for none */
        LOG(LOG_WARN, "blocks that were not looked at for attestations have been pruned",
            log_u64("from", attestor->meta.next), log_u64("to", lowest - 1));
        attestor->meta.next = lowest;
    }
    if (!crypto_key_equal(&attestor->meta.key, own)) { /* what is due of this one is to be made */
        attestor->meta.key = *own;
        attestor->meta.own = attestor->options.has_key ? 0 : attestor->meta.next;
    }
    return INGOT_OK;
}

/* The last blocks before a crash, whose records were not durable; or all, at first. */
static enum ingot_error enter_missing(struct attestor *attestor)
{
    struct ledger *ledger = attestor->options.ledger;
    enum ingot_error error = INGOT_OK;
    const uint64_t committed = ledger_committed_height(ledger);
    while (attestor->meta.next <= committed && error == INGOT_OK) {
        struct ledger_entry entry;
        const uint64_t height = attestor->meta.next;
        error = ledger_read_block(ledger, height, &entry);
        if (error != INGOT_OK) {
            return error;
        }
        (void)attest_block_enter(attestor, entry.block, entry.execution);
        ledger_entry_deinit(&entry);
        if (height % ENTER_BLOCKS == 0 || height == committed) {
            error = ledger_sync(ledger);
            attest_block_free_all(attestor);
        }
    }
    return error;
}

static enum ingot_error take_up(struct attestor *attestor, char *why, size_t why_size)
{
    enum ingot_error error = read_meta(attestor);
    if (error == INGOT_OK) {
        ledger_hold_blocks(attestor->options.ledger, attestor->meta.next);
        error = enter_missing(attestor);
    }
    if (error != INGOT_OK) {
        (void)snprintf(why, why_size, "%s: the table of attestations: %s",
                       error == INGOT_ERROR_CORRUPT ? "damaged data" : "the store failed",
                       ingot_error_text(error));
        return error;
    }
    error = attest_file_open(attestor, why, why_size);
    if (error == INGOT_OK) {
        attest_block_free_all(attestor); /* all is durable; what is pending is found again */
        attestor->dirty_ms = 0;
        attestor->is_open = true;
        attest_repair_open(attestor);
    }
    return error;
}

static struct attestor_limits limits_of(const struct attestor_limits *asked)
{
    struct attestor_limits limits = *asked;
    limits.turn_signatures = asked->turn_signatures > 0 ? asked->turn_signatures : TURN_SIGNATURES;
    limits.memory_bytes = asked->memory_bytes > 0 ? asked->memory_bytes : MEMORY_BYTES;
    limits.voter_bytes = asked->voter_bytes > 0 ? asked->voter_bytes : VOTER_BYTES;
    limits.voter_shares = asked->voter_shares > 0 ? asked->voter_shares : VOTER_SHARES;
    limits.heights_ahead = asked->heights_ahead > 0 ? asked->heights_ahead : HEIGHTS_AHEAD;
    return limits;
}

enum ingot_error attestor_open(const struct attestor_options *options, struct attestor **attestor,
                               char *why, size_t why_size)
{
    INGOT_ASSERT(options->app->attest != NULL);
    struct attestor *opened = alloc_zeroed(1, sizeof *opened);
    opened->options = *options;
    opened->options.limits = limits_of(&options->limits);
    opened->chain_id = alloc_text(options->chain_id);
    opened->file_path = alloc_text(options->file_path);
    opened->signer = (struct wire_signer){.scheme = options->scheme,
                                          .secret = &opened->options.secret,
                                          .key = options->key,
                                          .chain = options->chain};
    attest_queues_init(opened);
    attest_look_at_clock(opened);
    const enum ingot_error error = take_up(opened, why, why_size);
    if (error != INGOT_OK) {
        attestor_free(opened);
        return error;
    }
    *attestor = opened;
    return INGOT_OK;
}

void attestor_free(struct attestor *attestor)
{
    if (attestor == NULL) {
        return;
    }
    signatures_file_close(attestor->file);
    attest_queues_deinit(attestor);
    attest_block_free_all(attestor);
    gossip_filter_deinit(&attestor->filter);
    crypto_wipe(&attestor->options.secret, sizeof attestor->options.secret);
    ingot_buffer_deinit(&attestor->text);
    ingot_buffer_deinit(&attestor->frame);
    ingot_buffer_deinit(&attestor->content);
    free(attestor->lines);
    free(attestor->peers);
    free(attestor->chain_id);
    free(attestor->file_path);
    free(attestor);
}

/* --- What happens. --- */

void attestor_committed(struct attestor *attestor, const struct block *block,
                        const struct execution *execution)
{
    if (attestor->has_stopped) {
        return;
    }
    attest_look_at_clock(attestor);
    struct attest_block *entered = attest_block_enter(attestor, block, execution);
    if (entered != NULL) {
        attest_sign_soon(attestor, entered);
        attest_repair_entered(attestor, block->height);
    }
    attest_block_is_here(attestor, block->height);
}

void attestor_connected(struct attestor *attestor, uint32_t peer, bool is_connected)
{
    attest_look_at_clock(attestor);
    struct attest_peer *entry = attest_peer_at(attestor, peer);
    entry->is_connected = is_connected;
    entry->is_asking = false;
    if (is_connected) {
        attest_own_connected(attestor, entry);
        attest_repair_soon(attestor);
        attest_late_connected(attestor, peer);
    }
}

void attestor_tick(struct attestor *attestor)
{
    attest_look_at_clock(attestor);
    attestor->armed_ms = 0;
}

/* What nobody else's sync has made durable in time. */
static void sync_if_due(struct attestor *attestor)
{
    const struct attestor_output *output = &attestor->options.output;
    if (attestor->put_batch < ledger_batch_number(attestor->options.ledger)) {
        attestor->dirty_ms = 0;
    }
    if (attestor->dirty_ms != 0 && attestor->now_ms >= attestor->dirty_ms) {
        attestor->dirty_ms = 0;
        attestor->has_stopped = !output->sync(output->context);
    }
}

static void arm(struct attestor *attestor)
{
    const struct attestor_output *output = &attestor->options.output;
    const uint64_t own_ms = attest_own_deadline(attestor);
    const uint64_t late_ms = attest_late_deadline(attestor);
    uint64_t deadline_ms = attest_repair_deadline(attestor);
    if (own_ms < deadline_ms) {
        deadline_ms = own_ms;
    }
    if (late_ms < deadline_ms) {
        deadline_ms = late_ms;
    }
    if (attestor->dirty_ms != 0 && attestor->dirty_ms < deadline_ms) {
        deadline_ms = attestor->dirty_ms;
    }
    if (attestor->is_full && attestor->retry_ms < deadline_ms) {
        deadline_ms = attestor->retry_ms;
    }
    if (deadline_ms != UINT64_MAX && deadline_ms != attestor->armed_ms) {
        attestor->armed_ms = deadline_ms;
        output->arm(output->context, deadline_ms);
    }
}

void attestor_flush(struct attestor *attestor)
{
    const struct attestor_output *output = &attestor->options.output;
    if (attestor->has_stopped) {
        return;
    }
    attest_look_at_clock(attestor);
    bool has_more = attest_work(attestor);
    const bool is_busy = attestor->own.count > 0 || attestor->urgent.count > 0;
    if (!is_busy || ++attestor->turns >= TURNS_MAX) {
        attestor->turns = 0;
        has_more = attest_file_turn(attestor) || has_more;
    }
    if (!attestor->has_stopped) {
        attest_repair_turn(attestor);
        attest_own_turn(attestor);
        attest_late_turn(attestor);
    }
    if (!attestor->has_stopped) {
        sync_if_due(attestor);
        attest_block_evict(attestor);
    }
    if (attestor->has_stopped) {
        return;
    }
    if (has_more || attestor->own.count > 0) {
        output->wake(output->context);
    }
    arm(attestor);
}

void attestor_get_status(const struct attestor *attestor, struct attestor_status *status)
{
    *status = attestor->status;
    status->attested = attestor->meta.attested;
    status->pending = attestor->meta.pending;
    status->refused = attestor->meta.refused;
    status->held_bytes = attestor->held_bytes;
    status->memory_bytes = attestor->block_bytes;
    status->signatures += attestor->signer.counters.signatures;
    status->verifications = attestor->counters.verifications;
}

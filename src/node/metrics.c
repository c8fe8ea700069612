/*
 * Prometheus' text format, version 0.0.4: for each metric a HELP line, a TYPE line, its samples.
 */
#include "node/metrics.h"

#include <inttypes.h>

#include "base/hex.h"
#include "wire/crypto.h"

static const uint64_t bucket_bounds_us[METRICS_BUCKET_COUNT] = {
    100,    200,    500,    1000,    2000,    5000,    10000,    20000,    50000,
    100000, 200000, 500000, 1000000, 2000000, 5000000, 10000000, 20000000, 50000000};

void metrics_observe(struct metrics_histogram *histogram, uint64_t duration_us)
{
    uint32_t bucket = 0;
    while (bucket < METRICS_BUCKET_COUNT && duration_us > bucket_bounds_us[bucket]) {
        bucket++;
    }
    histogram->buckets[bucket]++;
    histogram->count++;
    histogram->sum_us += duration_us;
}

static void describe(struct ingot_buffer *text, const char *name, const char *type,
                     const char *help)
{
    ingot_buffer_format(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void gauge(struct ingot_buffer *text, const char *name, const char *help, uint64_t value)
{
    describe(text, name, "gauge", help);
    ingot_buffer_format(text, "%s %" PRIu64 "\n", name, value);
}

static void counter(struct ingot_buffer *text, const char *name, const char *help, uint64_t value)
{
    describe(text, name, "counter", help);
    ingot_buffer_format(text, "%s %" PRIu64 "\n", name, value);
}

/* A label's value: backslash, quote and newline are escaped, as the format says. */
static void label(struct ingot_buffer *text, const char *name, const char *value)
{
    ingot_buffer_format(text, "%s=\"", name);
    for (const char *byte = value == NULL ? "" : value; *byte != '\0'; byte++) {
        if (*byte == '\n') {
            ingot_buffer_format(text, "\\n");
            continue;
        }
        if (*byte == '\\' || *byte == '"') {
            ingot_buffer_append_u8(text, '\\');
        }
        ingot_buffer_append_u8(text, (uint8_t)*byte);
    }
    ingot_buffer_format(text, "\"");
}

/* Microseconds as seconds, without the rounding of a float and without trailing zeros. */
static void seconds(struct ingot_buffer *text, uint64_t time_us)
{
    uint64_t fraction = time_us % 1000000;
    int digits = 6;
    ingot_buffer_format(text, "%" PRIu64, time_us / 1000000);
    if (fraction == 0) {
        return;
    }
    while (fraction % 10 == 0) {
        fraction /= 10;
        digits--;
    }
    ingot_buffer_format(text, ".%0*" PRIu64, digits, fraction);
}

static void render_histogram(struct ingot_buffer *text, const char *name, const char *help,
                             const struct metrics_histogram *histogram)
{
    uint64_t below = 0;
    describe(text, name, "histogram", help);
    for (uint32_t i = 0; i < METRICS_BUCKET_COUNT; i++) {
        below += histogram->buckets[i];
        ingot_buffer_format(text, "%s_bucket{le=\"", name);
        seconds(text, bucket_bounds_us[i]);
        ingot_buffer_format(text, "\"} %" PRIu64 "\n", below);
    }
    ingot_buffer_format(text, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum ", name, histogram->count,
                        name);
    seconds(text, histogram->sum_us);
    ingot_buffer_format(text, "\n%s_count %" PRIu64 "\n", name, histogram->count);
}

static void render_build(const struct metrics *metrics, struct ingot_buffer *text)
{
    describe(text, "ingot_build_info", "gauge", "What runs here; always 1.");
    ingot_buffer_format(text, "ingot_build_info{");
    label(text, "version", metrics->version);
    ingot_buffer_format(text, ",");
    label(text, "chain_id", metrics->chain_id);
    ingot_buffer_format(text, ",");
    label(text, "app", metrics->app_name);
    ingot_buffer_format(text, ",");
    label(text, "moniker", metrics->moniker);
    ingot_buffer_format(text, "} 1\n");
}

static void render_leader(const struct metrics *metrics, struct ingot_buffer *text)
{
    uint8_t address[INGOT_ADDRESS_BYTES];
    char hex[2 * INGOT_ADDRESS_BYTES + 1];
    crypto_address(&metrics->leader, address);
    hex_encode_upper(address, sizeof address, hex);
    describe(text, "ingot_leader_info", "gauge",
             "The leader of the current view, by address; always 1.");
    ingot_buffer_format(text, "ingot_leader_info{");
    label(text, "leader", hex);
    ingot_buffer_format(text, "} 1\n");
}

static void render_chain(const struct metrics *metrics, struct ingot_buffer *text)
{
    render_leader(metrics, text);
    gauge(text, "ingot_height", "Height of the last committed block.", metrics->height);
    gauge(text, "ingot_height_lowest", "Height of the oldest block that is kept.",
          metrics->height_lowest);
    gauge(text, "ingot_view", "Current view.", metrics->view);
    gauge(text, "ingot_epoch", "Current epoch.", metrics->epoch);
    gauge(text, "ingot_is_leader", "1 while this node leads the current view.", metrics->is_leader);
    gauge(text, "ingot_is_member", "1 while this node is in the current validator set.",
          metrics->is_member);
    gauge(text, "ingot_signing_stopped",
          "1 after this node has seen its own key used elsewhere and ended all signing.",
          metrics->has_stopped_signing);
    gauge(text, "ingot_signing_withheld",
          "1 while this node, on a copy of its data, waits for the chain to pass a watermark.",
          metrics->withholds_signing);
    gauge(text, "ingot_catching_up", "1 while others are known to be well ahead of this node.",
          metrics->catching_up);
    gauge(text, "ingot_uncommitted_blocks", "Blocks held above the last committed one.",
          metrics->uncommitted_blocks);
    gauge(text, "ingot_pending_bytes", "Bytes of messages held for later.", metrics->pending_bytes);
    counter(text, "ingot_views_entered_total", "Views entered.", metrics->views_entered);
    counter(text, "ingot_timeouts_total", "Views that ended by this node's own deadline.",
            metrics->timeouts);
    counter(text, "ingot_proposals_total", "Blocks that this node built.", metrics->proposals);
    counter(text, "ingot_compact_proposals_total",
            "Of these, proposals that named transactions which the others hold.",
            metrics->compact_proposals);
    counter(text, "ingot_compact_received_total", "Proposals of others that named transactions.",
            metrics->compact_received);
    counter(text, "ingot_compact_incomplete_total",
            "Of these, proposals that named transactions which were not here.",
            metrics->compact_incomplete);
    counter(text, "ingot_transactions_requested_total",
            "Transactions that were named and had to be asked for.",
            metrics->transactions_requested);
    counter(text, "ingot_transactions_answered_total",
            "Transactions of own proposals that others asked for.", metrics->transactions_answered);
    counter(text, "ingot_committed_blocks_total", "Blocks committed.", metrics->committed_blocks);
    counter(text, "ingot_committed_transactions_total", "Transactions committed.",
            metrics->committed_transactions);
    counter(text, "ingot_evidence_total", "Validators caught with two votes in one view.",
            metrics->evidence);
    gauge(text, "ingot_evidence_kept", "Proofs of two votes in one view that the store keeps.",
          metrics->evidence_kept);
    counter(text, "ingot_signatures_total", "Signatures made.", metrics->signatures);
    counter(text, "ingot_verifications_total", "Signatures verified.", metrics->verifications);
    counter(text, "ingot_verifications_ahead_total",
            "Of these, on other threads, of fetched blocks that waited for their turn.",
            metrics->verifications_ahead);
    render_histogram(text, "ingot_commit_latency_seconds",
                     "Time from a block's proposal to its commit.", &metrics->commit_latency);
    counter(text, "ingot_sync_commits_total", "Durable commits of the store.", metrics->sync.count);
    render_histogram(text, "ingot_sync_seconds", "Time that a durable commit of the store took.",
                     &metrics->sync);
}

static void render_sync(const struct metrics *metrics, struct ingot_buffer *text)
{
    const struct sync_client_status *client = &metrics->sync_client;
    const struct sync_server_status *server = &metrics->sync_server;
    gauge(text, "ingot_sync_height", "Height up to which this node has blocks.", client->height);
    gauge(text, "ingot_sync_target_height", "Height that peers are believed to have.",
          client->target);
    gauge(text, "ingot_sync_blocks_per_second", "Blocks fetched and executed, in the last second.",
          client->blocks_per_second);
    gauge(text, "ingot_sync_held_bytes", "Bytes of fetched blocks that wait to be executed.",
          client->held_bytes);
    counter(text, "ingot_sync_blocks_total", "Blocks fetched and executed.", client->blocks);
    counter(text, "ingot_sync_requests_total", "Requests for blocks that were sent.",
            client->requests);
    describe(text, "ingot_sync_penalties_total", "counter",
             "Faults of peers that were asked for blocks.");
    for (int i = 0; i < SYNC_FAULT_COUNT; i++) {
        ingot_buffer_format(text, "ingot_sync_penalties_total{reason=\"%s\"} %" PRIu64 "\n",
                            sync_fault_text((enum sync_fault)i), client->penalties[i]);
    }
    gauge(text, "ingot_sync_requests_waiting", "Requests of peers that wait for their turn.",
          server->waiting);
    counter(text, "ingot_sync_answers_total", "Answers to requests for blocks.", server->answers);
    counter(text, "ingot_sync_blocks_served_total", "Blocks in these answers.", server->blocks);
    counter(text, "ingot_sync_bytes_served_total", "Bytes of these answers.", server->bytes);
}

static void render_attest(const struct attestor_status *attest, struct ingot_buffer *text)
{
    gauge(text, "ingot_attested", "Statements with an attestation.", attest->attested);
    gauge(text, "ingot_attest_pending", "Statements that wait for a quorum of signatures.",
          attest->pending);
    gauge(text, "ingot_attest_refused", "Statements that too many validators have declined.",
          attest->refused);
    gauge(text, "ingot_attest_held_bytes", "Bytes of shares that wait for their turn.",
          attest->held_bytes);
    gauge(text, "ingot_attest_memory_bytes", "Bytes of blocks with statements held in memory.",
          attest->memory_bytes);
    counter(text, "ingot_attest_signatures_total", "Signatures made for attestations.",
            attest->signatures);
    counter(text, "ingot_attest_verifications_total", "Signatures verified for attestations.",
            attest->verifications);
    counter(text, "ingot_attest_shares_received_total", "Shares of validators that were used.",
            attest->shares_received);
    counter(text, "ingot_attest_shares_sent_total", "Shares sent, ours and answers.",
            attest->shares_sent);
    counter(text, "ingot_attest_requests_sent_total", "Requests for missing shares.",
            attest->requests_sent);
    counter(text, "ingot_attest_requests_total", "Requests for shares that peers made.",
            attest->requests_answered);
    counter(text, "ingot_attest_file_retries_total",
            "Times that the signatures file had no room on its disk.", attest->file_retries);
    describe(text, "ingot_attest_rejects_total", "counter", "Shares and requests not used.");
    for (int i = ATTEST_REJECT_NONE + 1; i < ATTEST_REJECT_COUNT; i++) {
        ingot_buffer_format(text, "ingot_attest_rejects_total{reason=\"%s\"} %" PRIu64 "\n",
                            attest_reject_text((enum attest_reject)i), attest->rejected[i]);
    }
}

static void render_mempool(const struct metrics *metrics, struct ingot_buffer *text)
{
    gauge(text, "ingot_mempool_transactions", "Transactions that wait for a block.",
          metrics->mempool_transactions);
    gauge(text, "ingot_mempool_bytes", "Bytes of the transactions that wait for a block.",
          metrics->mempool_bytes);
    counter(text, "ingot_mempool_admitted_total", "Transactions admitted to the mempool.",
            metrics->mempool_admitted);
    counter(text, "ingot_mempool_refused_total",
            "Transactions refused: duplicates, no room, refused by the App.",
            metrics->mempool_refused);
}

/* Reasons that never occurred are left out: their series would all be zero. */
static void render_closes(struct ingot_buffer *text, const char *name, const char *help,
                          const uint64_t counts[INGOT_CLOSE_REASONS])
{
    describe(text, name, "counter", help);
    for (int i = 0; i < INGOT_CLOSE_REASONS; i++) {
        if (counts[i] > 0) {
            ingot_buffer_format(text, "%s{reason=\"%s\"} %" PRIu64 "\n", name,
                                ingot_close_reason_text((enum ingot_close_reason)i), counts[i]);
        }
    }
}

static void render_network(const struct metrics *metrics, struct ingot_buffer *text)
{
    const struct ingot_network_stats *network = &metrics->network;
    gauge(text, "ingot_peers", "Peers connected.", network->peers_connected);
    gauge(text, "ingot_peer_handshakes_pending", "Handshakes under way.",
          network->handshakes_pending);
    counter(text, "ingot_peer_accepted_total", "Connections taken from the peers' listener.",
            network->accepted);
    counter(text, "ingot_peer_accept_errors_total", "Failed accepts.", network->accept_errors);
    counter(text, "ingot_peer_bytes_received_total", "Bytes of frames from peers.",
            network->bytes_received);
    counter(text, "ingot_peer_bytes_sent_total", "Bytes of frames queued for peers.",
            network->bytes_sent);
    counter(text, "ingot_peer_frames_received_total", "Frames from peers.",
            network->frames_received);
    counter(text, "ingot_peer_frames_sent_total", "Frames queued for peers.", network->frames_sent);
    counter(text, "ingot_peer_bulk_refused_total", "Bulk frames refused: a peer's queue was full.",
            network->bulk_refused);
    render_closes(text, "ingot_peer_refused_total", "Connections that never became ready.",
                  network->refused);
    render_closes(text, "ingot_peer_disconnected_total", "Connections that ended.",
                  network->disconnected);

    describe(text, "ingot_rejects_total", "counter", "Messages of peers that were not used.");
    for (int i = REJECT_NONE + 1; i < REJECT_COUNT; i++) {
        ingot_buffer_format(text, "ingot_rejects_total{reason=\"%s\"} %" PRIu64 "\n",
                            reject_text((enum reject)i), metrics->rejects[i]);
    }
}

static void render_store(const struct store_lmdb_stats *store, struct ingot_buffer *text)
{
    gauge(text, "ingot_store_used_bytes", "Bytes of the store's file that are in use.",
          store->used_bytes);
    gauge(text, "ingot_store_reserved_bytes",
          "Bytes of the store's file that have room on the disk; 0 where the disk cannot reserve.",
          store->reserved_bytes);
    gauge(text, "ingot_store_limit_bytes", "Bytes beyond which the store does not grow.",
          store->map_bytes);
    gauge(text, "ingot_store_readers", "Reads of the store that are open.", store->snapshots_open);
    describe(text, "ingot_store_reader_age_seconds", "gauge",
             "Age of the oldest open read; the file grows while one stays open.");
    ingot_buffer_format(text, "ingot_store_reader_age_seconds ");
    seconds(text, store->snapshot_age_max_ms * 1000);
    ingot_buffer_append_u8(text, '\n');
    counter(text, "ingot_store_old_readers_total", "Reads that stayed open for over a minute.",
            store->snapshots_old_total);
    counter(text, "ingot_store_stale_readers_total",
            "Slots cleared that processes left which died in the middle of a read.",
            store->stale_readers_cleared);
}

static void render_journal(const struct store_journal_stats *journal, struct ingot_buffer *text)
{
    counter(text, "ingot_journal_records_total", "Durable batches: one write and one sync each.",
            journal->records_total);
    counter(text, "ingot_journal_bytes_total", "Bytes of them in the journal.",
            journal->record_bytes_total);
    counter(text, "ingot_journal_direct_total",
            "Durable batches that went past the journal: of a node that catches up, large ones, "
            "the first.",
            journal->direct_total);
    counter(text, "ingot_journal_waits_total",
            "Durable batches that waited because the journal was full.", journal->waits_total);
    gauge(text, "ingot_journal_waiting_bytes", "Bytes in the journal that data.mdb lacks.",
          journal->waiting_bytes);
    counter(text, "ingot_journal_applied_total", "Times that data.mdb was brought up to date.",
            journal->applied_total);
    describe(text, "ingot_journal_apply_seconds_total", "counter", "How long that took.");
    ingot_buffer_format(text, "ingot_journal_apply_seconds_total ");
    seconds(text, journal->apply_us_total);
    ingot_buffer_append_u8(text, '\n');
    describe(text, "ingot_journal_apply_seconds", "gauge", "How long it took the last time.");
    ingot_buffer_format(text, "ingot_journal_apply_seconds ");
    seconds(text, journal->apply_us_last);
    ingot_buffer_append_u8(text, '\n');
}

static void render_rpc(const struct metrics_rpc *rpc, struct ingot_buffer *text)
{
    gauge(text, "ingot_rpc_connections", "Connections of clients.", rpc->connections);
    gauge(text, "ingot_rpc_waiters", "Calls of broadcast_tx_commit that wait.", rpc->waiters);
    gauge(text, "ingot_rpc_awaited_transactions",
          "Transactions of POST /transactions that wait for their commit.", rpc->awaited);
    gauge(text, "ingot_rpc_output_bytes", "Bytes of answers that clients have not read yet.",
          rpc->output_bytes);
    counter(text, "ingot_rpc_accepted_total", "Connections accepted from clients.", rpc->accepted);
    counter(text, "ingot_rpc_requests_total", "HTTP requests read in full.", rpc->requests);
    counter(text, "ingot_rpc_calls_total", "Method calls.", rpc->calls);
    counter(text, "ingot_rpc_call_errors_total", "Method calls answered with an error.",
            rpc->call_errors);
    counter(text, "ingot_rpc_submitted_transactions_total",
            "Transactions that came with POST /transactions.", rpc->submitted);
    counter(text, "ingot_rpc_bad_requests_total", "Requests refused before a method was called.",
            rpc->bad_requests);
    counter(text, "ingot_rpc_timeouts_total", "Connections closed because the client was too slow.",
            rpc->timeouts);
}

static void render_broadcast(const struct metrics *metrics, struct ingot_buffer *text)
{
    const struct metrics_broadcast *broadcast = metrics->broadcast;
    const struct broadcast_stats *stats = &broadcast->stats;
    describe(text, "ingot_broadcast_info", "gauge", "The protocol that runs here; always 1.");
    ingot_buffer_format(text, "ingot_broadcast_info{");
    label(text, "protocol", broadcast->protocol);
    ingot_buffer_format(text, "} 1\n");
    gauge(text, "ingot_is_member", "1 while this node is in the current validator set.",
          metrics->is_member);
    counter(text, "ingot_broadcast_deliveries_total", "Payloads delivered.", stats->delivered);
    counter(text, "ingot_broadcast_timed_out_total", "Rounds given up.", stats->timed_out);
    gauge(text, "ingot_broadcast_open", "Rounds in flight, or own messages being said again.",
          stats->open);
    gauge(text, "ingot_broadcast_finished", "Delivered rounds that can be shown to others.",
          stats->finished);
    gauge(text, "ingot_broadcast_remembered", "Older rounds and messages that are remembered.",
          stats->remembered);
    gauge(text, "ingot_broadcast_bytes", "Bytes of the payloads that are held.", stats->bytes);
    describe(text, "ingot_broadcast_rejects_total", "counter",
             "Messages, starts and callbacks that the protocol did not go along with.");
    for (int i = BROADCAST_REJECT_NONE + 1; i < BROADCAST_REJECT_COUNT; i++) {
        ingot_buffer_format(text, "ingot_broadcast_rejects_total{reason=\"%s\"} %" PRIu64 "\n",
                            broadcast_reject_text((enum broadcast_reject)i), stats->rejected[i]);
    }
    gauge(text, "ingot_attestation_records", "Attestations in the signatures file.",
          broadcast->records);
    gauge(text, "ingot_attestation_file_bytes", "Bytes of the signatures file.",
          broadcast->records_bytes);
    gauge(text, "ingot_attestation_records_waiting", "Attestations that wait for room on the disk.",
          broadcast->records_pending);
    counter(text, "ingot_signatures_total", "Signatures made.", metrics->signatures);
    counter(text, "ingot_verifications_total", "Signatures verified.", metrics->verifications);
}

static void render_log(const struct metrics *metrics, struct ingot_buffer *text)
{
    render_chain(metrics, text);
    render_sync(metrics, text);
    if (metrics->has_attest) {
        render_attest(&metrics->attest, text);
    }
    render_mempool(metrics, text);
    render_store(&metrics->store, text);
    render_journal(&metrics->journal, text);
}

void metrics_render(const struct metrics *metrics, const struct metrics_rpc *rpc,
                    struct ingot_buffer *text)
{
    render_build(metrics, text);
    if (metrics->broadcast != NULL) {
        render_broadcast(metrics, text);
    } else {
        render_log(metrics, text);
    }
    render_network(metrics, text);
    if (rpc != NULL) {
        render_rpc(rpc, text);
    }
}

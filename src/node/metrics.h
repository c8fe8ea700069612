/*
 * What the node counts, and how Prometheus is shown it. Plain numbers in a plain struct: whoever
 * does something adds to its field. Rendering reads nothing but the struct.
 */
#ifndef INGOT_NODE_METRICS_H
#define INGOT_NODE_METRICS_H

#include <ingot/network.h>

#include "broadcast/protocol.h"
#include "core/reject.h"
#include "node/attestor_status.h"
#include "node/sync_client.h"
#include "node/sync_server.h"
#include "storage/journal.h"
#include "storage/lmdb.h"

/* Upper bounds in a 1-2-5 series from 100 us to 50 s; one more bucket takes the rest. */
#define METRICS_BUCKET_COUNT 18

struct metrics_histogram {
    uint64_t buckets[METRICS_BUCKET_COUNT + 1]; /* not cumulative */
    uint64_t count;
    uint64_t sum_us;
};

void metrics_observe(struct metrics_histogram *histogram, uint64_t duration_us);

/* Of a node that broadcasts payloads without a chain. */
struct metrics_broadcast {
    const char *protocol; /* static */
    struct broadcast_stats stats;
    uint64_t records;         /* attestations in the signatures file */
    uint64_t records_bytes;   /* of that file */
    uint64_t records_pending; /* that wait for room on the disk */
};

struct metrics {
    const struct metrics_broadcast *broadcast; /* NULL: the node has a chain */

    /* Static text, borrowed; the labels of ingot_build_info. */
    const char *version;
    const char *chain_id;
    const char *app_name;
    const char *moniker;

    /* Gauges: the node sets them just before rendering. */
    uint64_t height;
    uint64_t height_lowest;
    uint64_t view;
    uint64_t epoch;
    bool is_leader;
    bool is_member;
    bool has_stopped_signing; /* somebody else signs with our key */
    bool withholds_signing;   /* the data is a copy, and the chain has not passed its watermark */
    bool catching_up;
    struct ingot_public_key leader; /* shown by its address */
    uint64_t mempool_transactions;
    uint64_t mempool_bytes;
    uint64_t uncommitted_blocks;
    uint64_t pending_bytes; /* messages held for later */
    uint64_t evidence_kept; /* in the store, of earlier processes too */

    /* Counters, since the start of the process. */
    uint64_t timeouts;
    uint64_t views_entered;
    uint64_t committed_blocks;
    uint64_t committed_transactions;
    uint64_t mempool_admitted;
    uint64_t mempool_refused;        /* duplicates, no room, refused by the App */
    uint64_t proposals;              /* blocks of our own */
    uint64_t compact_proposals;      /* of these, that named transactions */
    uint64_t compact_received;       /* proposals of others that named transactions */
    uint64_t compact_incomplete;     /* of these, that named what was not here */
    uint64_t transactions_requested; /* of their proposers */
    uint64_t transactions_answered;  /* to those who asked us */
    uint64_t signatures;
    uint64_t verifications;       /* by all threads */
    uint64_t verifications_ahead; /* of these, by workers (verify_ahead.h) */
    uint64_t evidence;            /* two different votes of one validator */
    uint64_t rejects[REJECT_COUNT];

    struct ingot_network_stats network; /* as ingot_network_stats fills it */
    struct store_lmdb_stats store;      /* as store_lmdb_get_stats fills it */
    struct store_journal_stats journal; /* as store_journal_get_stats fills it */

    struct sync_client_status sync_client;
    struct sync_server_status sync_server;

    bool has_attest; /* the App asks for attestations */
    struct attestor_status attest;

    struct metrics_histogram commit_latency; /* from a block's proposal to its commit */
    struct metrics_histogram sync;           /* durable commits of the store */
};

/* What the listener for clients counts. */
struct metrics_rpc {
    uint64_t connections;  /* open now */
    uint64_t waiters;      /* broadcast_tx_commit calls that wait now */
    uint64_t awaited;      /* transactions of POST /transactions that wait for their commit now */
    uint64_t output_bytes; /* answers that clients have not read yet */
    uint64_t accepted;     /* connections */
    uint64_t requests;     /* HTTP requests that were read in full */
    uint64_t calls;        /* method calls, each of a batch counted */
    uint64_t call_errors;  /* those answered with an error */
    uint64_t submitted;    /* transactions that came with POST /transactions */
    uint64_t bad_requests; /* refused before any method was called */
    uint64_t timeouts;     /* connections closed because the client was too slow */
};

/* Appends Prometheus' text format, version 0.0.4. `rpc` may be NULL. */
void metrics_render(const struct metrics *metrics, const struct metrics_rpc *rpc,
                    struct ingot_buffer *text);

#endif

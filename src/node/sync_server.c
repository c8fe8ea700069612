/*
 * Who is served next, and what goes into an answer. See sync_server.h.
 */
#include "node/sync_server.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/mutant.h"
#include "wire/crypto.h"
#include "wire/sync_frame.h"
#include "wire/wire.h"

/*
 * A peer may ask for so much and no more: a bucket of bytes that fills with time. Every request
 * costs something, so that many small ones are no cheaper than one large one.
 */
#define SERVE_BYTES_PER_US 64
#define SERVE_CREDIT_MAX (4 * INGOT_SYNC_BYTES_MAX)
#define SERVE_REQUEST_BYTES (64 * 1024)

struct asker {
    bool is_waiting;
    struct sync_request request;
    int64_t credit;       /* as of credited_us */
    uint64_t credited_us; /* 0: never asked before, so the bucket is full */
};

struct sync_server {
    struct sync_server_options options;
    struct asker *askers;
    uint32_t asker_count;
    uint32_t next; /* whose turn it is */
    struct sync_server_status status;
    struct wire_sync_frame frame;
    struct ingot_buffer scratch;
    bool has_logged; /* that stored blocks cannot be read */
};

/* The uncommitted blocks from the last committed one up to a tip. */
struct branch {
    struct block **blocks; /* oldest first; borrowed blocks */
    uint32_t count;
    uint64_t committed_height;
};

/* One answer while it is put together. */
struct answer {
    struct sync_server *server;
    struct ledger_reader *reader;
    struct branch branch;
    struct qc *high_qc;
    uint64_t first;
    uint64_t last;  /* no block above this height goes in */
    uint32_t count; /* blocks added */
};

struct sync_server *sync_server_new(const struct sync_server_options *options)
{
    struct sync_server *server = alloc_zeroed(1, sizeof *server);
    server->options = *options;
    return server;
}

void sync_server_free(struct sync_server *server)
{
    if (server == NULL) {
        return;
    }
    free(server->askers);
    wire_sync_frame_deinit(&server->frame);
    ingot_buffer_deinit(&server->scratch);
    free(server);
}

/* --- Whose turn it is. --- */

static struct asker *asker_at(struct sync_server *server, uint32_t peer)
{
    INGOT_ASSERT(peer < INGOT_PEERS_MAX);
    if (peer >= server->asker_count) {
        server->askers = alloc_resize(server->askers, peer + 1, sizeof *server->askers);
        memset(&server->askers[server->asker_count], 0,
               (peer + 1 - server->asker_count) * sizeof *server->askers);
        server->asker_count = peer + 1;
    }
    return &server->askers[peer];
}

enum reject sync_server_request(struct sync_server *server, uint32_t peer,
                                const struct sync_request *request)
{
    struct asker *asker = asker_at(server, peer);
    const bool was_waiting = asker->is_waiting;
    asker->is_waiting = true;
    asker->request = *request;
    server->status.waiting += !was_waiting;
    return was_waiting ? REJECT_RATE_LIMITED : REJECT_NONE;
}

static void stop_waiting(struct sync_server *server, struct asker *asker)
{
    server->status.waiting -= asker->is_waiting;
    asker->is_waiting = false;
}

void sync_server_disconnected(struct sync_server *server, uint32_t peer)
{
    stop_waiting(server, asker_at(server, peer));
}

void sync_server_forget(struct sync_server *server, uint32_t peer)
{
    sync_server_disconnected(server, peer);
    *asker_at(server, peer) = (struct asker){0};
}

static void refill(struct asker *asker, uint64_t now_us)
{
    const uint64_t idle_us = now_us - asker->credited_us;
    const bool is_full = asker->credited_us == 0 || idle_us > 2 * (uint64_t)SERVE_CREDIT_MAX;
    asker->credit += is_full ? 0 : (int64_t)(idle_us * SERVE_BYTES_PER_US);
    if (is_full || asker->credit > SERVE_CREDIT_MAX) {
        asker->credit = SERVE_CREDIT_MAX;
    }
    asker->credited_us = now_us;
}

static uint64_t due_us(const struct asker *asker)
{
    return asker->credit >= 0
               ? 0
               : asker->credited_us + (uint64_t)-asker->credit / SERVE_BYTES_PER_US + 1;
}

uint64_t sync_server_due_us(const struct sync_server *server)
{
    uint64_t due = UINT64_MAX;
    for (uint32_t i = 0; i < server->asker_count && server->status.waiting > 0; i++) {
        const struct asker *asker = &server->askers[i];
        if (asker->is_waiting && due_us(asker) < due) {
            due = due_us(asker);
        }
    }
    return due;
}

/* The first that waits and may be served, from the one whose turn it is; or asker_count. */
static uint32_t choose(const struct sync_server *server, uint64_t now_us)
{
    for (uint32_t i = 0; i < server->asker_count; i++) {
        const uint32_t peer = (server->next + i) % server->asker_count;
        const struct asker *asker = &server->askers[peer];
        if (asker->is_waiting && due_us(asker) <= now_us) {
            return peer;
        }
    }
    return server->asker_count;
}

/* --- What goes into an answer. --- */

static void find_branch(struct answer *answer, const struct block *committed,
                        const struct ingot_hash *target)
{
    const struct sync_server_options *options = &answer->server->options;
    struct branch *branch = &answer->branch;
    branch->committed_height = ledger_reader_committed_height(answer->reader);
    if (committed == NULL) {
        return;
    }
    struct block *tip = options->find_block(options->context, target);
    if (tip == NULL) {
        tip = options->find_block(options->context, &answer->high_qc->block);
    }
    INGOT_ASSERT(committed->height == branch->committed_height);
    INGOT_ASSERT(tip != NULL && tip->height >= committed->height);
    branch->count = (uint32_t)(tip->height - committed->height);
    branch->blocks = alloc_zeroed((size_t)branch->count + 1, sizeof(struct block *));
    for (uint32_t i = branch->count; i > 0; i--) {
        branch->blocks[i - 1] = tip;
        tip = options->find_block(options->context, &tip->parent);
    }
}

static struct block *in_branch(const struct branch *branch, uint64_t height)
{
    const uint64_t index = height - branch->committed_height - 1;
    return height > branch->committed_height && index < branch->count ? branch->blocks[index]
                                                                      : NULL;
}

static bool has_block(const struct answer *answer, uint64_t height, const struct ingot_hash *hash)
{
    const struct block *block = in_branch(&answer->branch, height);
    if (block != NULL) {
        return crypto_hash_equal(&block->hash, hash);
    }
    struct ingot_hash ours;
    return ledger_reader_hash(answer->reader, height, &ours) == INGOT_OK &&
           crypto_hash_equal(&ours, hash);
}

static bool names_no_base(const struct sync_request *request)
{
    static const struct ingot_hash zero;
    return crypto_hash_equal(&request->base, &zero);
}

static uint64_t first_height(const struct answer *answer, const struct sync_request *request)
{
    return names_no_base(request) || has_block(answer, request->base_height, &request->base)
               ? request->base_height + 1
               : request->committed_height + 1;
}

/* Without the tree there is no certificate of the last committed block. */
static uint64_t last_height(const struct answer *answer, const struct sync_request *request)
{
    const uint64_t committed = answer->branch.committed_height;
    if (answer->high_qc == NULL) {
        return committed > 0 ? committed - 1 : 0;
    }
    return names_no_base(request) ? committed : UINT64_MAX;
}

/* The encoded block of a height; false where there is none for this answer. */
static bool block_bytes(struct answer *answer, uint64_t height, struct ingot_slice *bytes)
{
    struct sync_server *server = answer->server;
    const struct block *block = in_branch(&answer->branch, height);
    if (block != NULL) {
        ingot_buffer_clear(&server->scratch);
        wire_encode_block(block, &server->scratch);
        *bytes = ingot_buffer_slice(&server->scratch);
        return true;
    }
    const enum ingot_error error = ledger_reader_block(answer->reader, height, bytes);
    if (error != INGOT_OK && error != INGOT_ERROR_NOT_FOUND && !server->has_logged) {
        server->has_logged = true;
        LOG(LOG_ERROR, "a stored block cannot be served", log_u64("height", height),
            log_text("why", ingot_error_text(error)));
    }
    return error == INGOT_OK;
}

static void add_blocks(struct answer *answer, const struct sync_request *request)
{
    const uint32_t blocks_max =
        request->blocks_max < INGOT_SYNC_BLOCKS_MAX ? request->blocks_max : INGOT_SYNC_BLOCKS_MAX;
    const size_t bytes_max =
        request->bytes_max < INGOT_SYNC_BYTES_MAX ? request->bytes_max : INGOT_SYNC_BYTES_MAX;
    size_t bytes = 0;
    struct ingot_slice block;
    while (answer->count < blocks_max && answer->first + answer->count <= answer->last &&
           block_bytes(answer, answer->first + answer->count, &block)) {
        bytes += block.size;
        /* One block goes in any case, or a large one would stop everybody behind it. */
        if (bytes > bytes_max && answer->count > 0 && !MUTANT(SERVED_OVERSIZE)) {
            break;
        }
        wire_sync_frame_add(&answer->server->frame, block);
        answer->count++;
    }
}

/*
 * What certifies the last block: without it the asker cannot tell it from an invention. Empty if
 * there is none.
 */
static struct ingot_slice tail_qc(struct answer *answer)
{
    struct sync_server *server = answer->server;
    const uint64_t last = answer->first + answer->count - 1;
    struct ingot_slice next;
    struct ingot_slice justify = {0};
    if (answer->count == 0 || MUTANT(SERVED_WITHOUT_TAIL)) {
        return justify;
    }
    if (block_bytes(answer, last + 1, &next)) {
        return wire_block_justify(next, &justify) ? justify : ingot_slice_of(NULL, 0);
    }
    if (answer->high_qc != NULL && has_block(answer, last, &answer->high_qc->block)) {
        ingot_buffer_clear(&server->scratch);
        wire_encode_qc(answer->high_qc, &server->scratch);
        justify = ingot_buffer_slice(&server->scratch);
    }
    return justify;
}

static struct ingot_slice put_together(struct answer *answer, const struct sync_request *request)
{
    struct wire_sync_frame *frame = &answer->server->frame;
    const uint64_t lowest = ledger_reader_lowest_height(answer->reader);
    wire_sync_frame_begin(frame, answer->branch.committed_height);
    answer->first = first_height(answer, request);
    answer->last = last_height(answer, request);
    add_blocks(answer, request);
    return wire_sync_frame_end(frame, tail_qc(answer), lowest);
}

void sync_server_turn(struct sync_server *server, uint64_t now_us, const struct block *committed,
                      struct qc *high_qc)
{
    if (server->status.waiting == 0) {
        return;
    }
    const uint32_t peer = choose(server, now_us);
    if (peer == server->asker_count) {
        return;
    }
    struct asker *asker = &server->askers[peer];
    struct answer answer = {.server = server, .high_qc = high_qc};
    stop_waiting(server, asker);
    refill(asker, now_us);
    server->next = peer + 1;
    if (ledger_reader_begin(server->options.ledger, &answer.reader) != INGOT_OK) {
        return; /* it will ask somebody else */
    }
    find_branch(&answer, committed, &asker->request.target);
    const struct ingot_slice frame = put_together(&answer, &asker->request);
    ledger_reader_end(answer.reader);
    free(answer.branch.blocks);
    asker->credit -= SERVE_REQUEST_BYTES + (MUTANT(SERVED_CHEAPLY) ? 0 : (int64_t)frame.size);
    server->status.answers++;
    server->status.blocks += answer.count;
    server->status.bytes += frame.size;
    server->options.send(server->options.context, peer, frame);
}

void sync_server_get_status(const struct sync_server *server, struct sync_server_status *status)
{
    *status = server->status;
}

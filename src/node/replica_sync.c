/*
 * Serving blocks to those that are behind: consecutive blocks above one that the asker has, from
 * the ledger and the tree. What the asker wishes is only ever a lower limit than ours.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "node/replica_state.h"

/* The uncommitted blocks from the last committed one up to a tip, found from the tip down. */
struct branch {
    struct block **blocks; /* oldest first; borrowed blocks */
    uint32_t count;
    uint64_t committed_height;
};

static bool hash_equal(const struct ingot_hash *a, const struct ingot_hash *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static struct branch find_branch(const struct replica *replica, const struct core_status *status,
                                 const struct ingot_hash *target)
{
    struct branch branch = {.committed_height = status->last_committed->height};
    struct block *tip = core_find_block(replica->core, target);
    if (tip == NULL) {
        tip = core_find_block(replica->core, &status->high_qc->block);
    }
    branch.count = (uint32_t)(tip->height - branch.committed_height);
    branch.blocks = alloc_zeroed(branch.count + 1, sizeof(struct block *));
    for (uint32_t i = branch.count; i > 0; i--) {
        branch.blocks[i - 1] = tip;
        tip = core_find_block(replica->core, &tip->parent);
    }
    return branch;
}

/* A block of the branch or of the committed chain; a reference for the caller, or NULL. */
static struct block *block_at(struct replica *replica, const struct branch *branch, uint64_t height)
{
    if (height > branch->committed_height) {
        const uint64_t index = height - branch->committed_height - 1;
        return index < branch->count ? block_ref(branch->blocks[index]) : NULL;
    }
    struct ledger_entry entry = {0};
    if (ledger_read_block(replica->ledger, height, &entry) != INGOT_OK) {
        return NULL;
    }
    struct block *block = block_ref(entry.block);
    ledger_entry_deinit(&entry);
    return block;
}

static uint64_t first_height(struct replica *replica, const struct branch *branch,
                             const struct sync_request *request)
{
    struct block *base = block_at(replica, branch, request->base_height);
    const bool is_shared = base != NULL && hash_equal(&base->hash, &request->base);
    block_unref(base);
    return (is_shared ? request->base_height : request->committed_height) + 1;
}

static void fill(struct replica *replica, const struct branch *branch,
                 const struct sync_request *request, struct sync_response *response)
{
    const uint32_t blocks_max =
        request->blocks_max < INGOT_SYNC_BLOCKS_MAX ? request->blocks_max : INGOT_SYNC_BLOCKS_MAX;
    const size_t bytes_max =
        request->bytes_max < INGOT_SYNC_BYTES_MAX ? request->bytes_max : INGOT_SYNC_BYTES_MAX;
    size_t bytes = 0;
    response->blocks = alloc_zeroed((size_t)blocks_max + 1, sizeof(struct block *));
    for (uint64_t height = first_height(replica, branch, request);
         response->block_count < blocks_max; height++) {
        struct block *block = block_at(replica, branch, height);
        if (block == NULL) {
            break;
        }
        bytes += block_size_bytes(block);
        if (bytes > bytes_max) {
            block_unref(block);
            break;
        }
        response->blocks[response->block_count++] = block;
    }
}

/*
 * What certifies the last block: without it the asker cannot tell it from an invention, and drops
 * it. A reference for the caller, or NULL.
 */
static struct qc *find_tail_qc(struct replica *replica, const struct branch *branch,
                               const struct core_status *status,
                               const struct sync_response *response)
{
    if (response->block_count == 0) {
        return NULL;
    }
    const struct block *last = response->blocks[response->block_count - 1];
    if (hash_equal(&last->hash, &status->high_qc->block)) {
        return qc_ref(status->high_qc);
    }
    struct block *next = block_at(replica, branch, last->height + 1);
    struct qc *qc = next == NULL ? NULL : qc_ref(next->justify);
    block_unref(next);
    return qc;
}

/*
 * A peer may ask for so much and no more: a bucket of bytes that fills with time. Every request
 * costs something, so that many small ones are no cheaper than one large one.
 */
#define SERVE_BYTES_PER_US 64
#define SERVE_CREDIT_MAX (4 * INGOT_SYNC_BYTES_MAX)
#define SERVE_REQUEST_BYTES (64 * 1024)

static bool may_be_served(struct replica *replica, struct replica_peer *peer)
{
    const uint64_t now_us = replica->options.output.monotonic_us(replica->options.output.context);
    const uint64_t idle_us = now_us - peer->served_us;
    const uint64_t refill =
        idle_us < SERVE_CREDIT_MAX ? idle_us * SERVE_BYTES_PER_US : (uint64_t)SERVE_CREDIT_MAX;
    peer->served_us = now_us;
    peer->serve_credit += (int64_t)refill;
    if (peer->serve_credit > SERVE_CREDIT_MAX) {
        peer->serve_credit = SERVE_CREDIT_MAX;
    }
    return peer->serve_credit >= 0;
}

void sync_serve(struct replica *replica, uint32_t peer, const struct sync_request *request)
{
    struct replica_peer *asker = &replica->peers[peer];
    if (!may_be_served(replica, asker)) {
        replica->metrics.rejects[REJECT_RATE_LIMITED]++;
        return;
    }
    struct core_status status;
    core_get_status(replica->core, &status);
    const struct branch branch = find_branch(replica, &status, &request->target);
    struct message *message = message_new(MESSAGE_SYNC_RESPONSE);
    struct sync_response *response = &message->sync_response;
    response->committed_height = status.last_committed->height;
    fill(replica, &branch, request, response);
    response->tail_qc = find_tail_qc(replica, &branch, &status, response);
    ingot_buffer_clear(&replica->frame);
    wire_encode(message, &replica->frame);
    asker->serve_credit -= (int64_t)replica->frame.size + SERVE_REQUEST_BYTES;
    replica->options.output.send(replica->options.output.context, peer, INGOT_FRAME_BULK,
                                 ingot_buffer_slice(&replica->frame));
    message_unref(message);
    free(branch.blocks);
}

/*
 * Our own shares. Those of new blocks are made at once; whatever else is due is made in the order
 * of heights, from where the table says that all are made, so that a validator signs every block of
 * its epochs, however far behind it was and however often it starts.
 *
 * On their way to each peer, one that is new goes out at once; where there is no room, where many
 * blocks come at a time, and after a connection has come up, the peer is *owed* ours from a height
 * on, and gets them a part at a time, as far as all are made. So a validator that was away adds its
 * signatures also where a quorum has come together without it. What is lost with a connection is
 * said again as far as it may still have been on its way; what is lost otherwise is asked for
 * (attestor_late.c).
 */
#include "node/attestor_state.h"

/* What a new connection is owed: more heights than were on their way when the last one ended. */
#define AGAIN_HEIGHTS 64
/* A block that is further behind is not new: we are catching up. */
#define NEW_HEIGHTS 8
/* What a peer gets in one part, so that it can verify that before the next, and looks at most. */
#define PART_BYTES ((size_t)8 * 1024)
#define PART_HEIGHTS 64
#define PART_GAP_MS 20

void attest_own_next(struct attestor *attestor, uint32_t *heights)
{
    struct attest_meta *meta = &attestor->meta;
    const uint64_t before = meta->own;
    for (; *heights > 0 && meta->own < meta->next; (*heights)--, meta->own++) {
        struct attest_block *block = NULL;
        const enum ingot_error error = attest_block_find(attestor, meta->own, &block);
        if (error != INGOT_OK && error != INGOT_ERROR_NOT_FOUND) {
            attest_fail(attestor, REPLICA_STOP_DAMAGED, "an entered block cannot be read back",
                        error);
            return;
        }
        if (block != NULL && attest_lacks_own(block)) {
            attest_sign_in_order(attestor, block);
        }
        if (block != NULL && block->own != VALIDATOR_NONE &&
            !block->shares[block->own].is_whole) { /* it waits now, or did before */
            break;
        }
    }
    if (meta->own != before) {
        attest_put_meta(attestor);
    }
}

void attest_own_connected(struct attestor *attestor, struct attest_peer *peer)
{
    const uint64_t next = attestor->meta.next;
    const uint64_t from = peer->own_next < next ? peer->own_next : next;
    peer->own_next = from > AGAIN_HEIGHTS ? from - AGAIN_HEIGHTS : 0;
    peer->own_due_ms = attestor->now_ms;
}

/* Is there anything that it is owed, and that is made? */
static bool is_owed(const struct attestor *attestor, const struct attest_peer *peer)
{
    return peer->is_connected && peer->own_next < attestor->meta.own;
}

void attest_own_made(struct attestor *attestor, uint64_t height, struct ingot_slice frame)
{
    const struct attestor_output *output = &attestor->options.output;
    const bool is_new = height + NEW_HEIGHTS >= attestor->meta.next;
    for (uint32_t i = 0; i < attestor->peer_count; i++) {
        struct attest_peer *peer = &attestor->peers[i];
        if (!peer->is_connected) {
            continue;
        }
        if (is_new && output->send(output->context, i, frame)) {
            peer->own_next += peer->own_next == height;
        } else if (height < peer->own_next) {
            peer->own_next = height;
        }
    }
}

/* Ours of one block, if it has any. False: there was no room, or the table failed. */
static bool send_one(struct attestor *attestor, uint32_t peer, uint64_t height, size_t *bytes)
{
    struct attest_block *block = NULL;
    struct attest_share_record share;
    enum ingot_error error = attest_block_find(attestor, height, &block);
    if (error == INGOT_ERROR_NOT_FOUND) {
        return true;
    }
    if (error == INGOT_OK) {
        if (block->own == VALIDATOR_NONE) {
            return true;
        }
        error = attest_share_read(attestor, block, block->own, &share);
    }
    if (error != INGOT_OK) {
        attest_fail(attestor, REPLICA_STOP_DAMAGED, "an own share cannot be read back", error);
        return false;
    }
    *bytes += share.signatures.size;
    return attest_send_share(attestor, peer, block, block->own, &share);
}

static void send_part(struct attestor *attestor, uint32_t number)
{
    struct attest_peer *peer = &attestor->peers[number];
    size_t bytes = 0;
    for (uint32_t i = 0; i < PART_HEIGHTS && bytes < PART_BYTES && is_owed(attestor, peer); i++) {
        if (!send_one(attestor, number, peer->own_next, &bytes)) {
            break;
        }
        peer->own_next++;
    }
    if (peer->own_next >= attestor->meta.next) {
        peer->own_next = UINT64_MAX;
    }
    peer->own_due_ms = attestor->now_ms + PART_GAP_MS;
}

void attest_own_turn(struct attestor *attestor)
{
    for (uint32_t i = 0; i < attestor->peer_count && !attestor->has_stopped; i++) {
        const struct attest_peer *peer = &attestor->peers[i];
        if (is_owed(attestor, peer) && attestor->now_ms >= peer->own_due_ms) {
            send_part(attestor, i);
        }
    }
}

uint64_t attest_own_deadline(const struct attestor *attestor)
{
    uint64_t deadline_ms = UINT64_MAX;
    for (uint32_t i = 0; i < attestor->peer_count; i++) {
        const struct attest_peer *peer = &attestor->peers[i];
        if (is_owed(attestor, peer) && peer->own_due_ms < deadline_ms) {
            deadline_ms = peer->own_due_ms;
        }
    }
    return deadline_ms;
}

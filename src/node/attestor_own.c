/*
 * Our own shares on their way to each peer. One that is new goes out at once; where there is no
 * room, where many blocks come at a time, and after a connection has come up, the peer is *owed*
 * ours from a height on, and gets them a part at a time. So a validator that was away adds its
 * signatures also where a quorum has come together without it, and nobody asks for them; and what
 * was lost with a connection, or with the process, is said again.
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

void attest_own_connected(struct attestor *attestor, struct attest_peer *peer)
{
    const uint64_t next = attestor->meta.next;
    peer->own_next = next > AGAIN_HEIGHTS ? next - AGAIN_HEIGHTS : 0;
    peer->own_due_ms = attestor->now_ms;
}

/* Is there anything that it is owed? */
static bool is_owed(const struct attestor *attestor, const struct attest_peer *peer)
{
    return peer->is_connected && peer->own_next < attestor->meta.next;
}

void attest_own_made(struct attestor *attestor, uint64_t height, struct ingot_slice frame)
{
    const struct attestor_output *output = &attestor->options.output;
    const bool is_new = height + NEW_HEIGHTS >= attestor->meta.next;
    for (uint32_t i = 0; i < attestor->peer_count; i++) {
        struct attest_peer *peer = &attestor->peers[i];
        if (peer->is_connected && height < peer->own_next &&
            (!is_new || !output->send(output->context, i, frame))) {
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
        attest_sign_later(attestor, block);
        if (block->own == VALIDATOR_NONE || !block->shares[block->own].is_whole) {
            return true; /* once it is made, it finds its way */
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
    if (!is_owed(attestor, peer)) {
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

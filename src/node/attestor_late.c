/*
 * Late shares: those of blocks that are done without them. Nothing waits for them, but in the end
 * every node is to have every member's. They come by themselves (attestor_own.c); what had no room
 * here, or was lost with a connection or a process, is asked for, in passes over the blocks that
 * the table has as late, the newest first. A pass is made with one peer: when its connection has
 * come up, and when it has shown to have more than we know. Without a late block it costs nothing;
 * where a member is gone for good, a pass is bounded, slow, and not repeated unless something came
 * of it.
 *
 * A request names the members whose shares are lacking. What a peer knows is not known here, so an
 * answer is over once all has come or nothing has for a while.
 */
#include <string.h>

#include "node/attestor_state.h"

/* What one pass looks at, and one turn of it. */
#define PASS_BLOCKS 65536
#define TURN_BLOCKS 64
/* Nothing of an answer has come for so long: there is no more of it. */
#define QUIET_MS 250
/* Where there was no room for the request. */
#define RETRY_MS 20
/* Before a pass; doubled by each that brings nothing. */
#define GAP_MS_MIN 1000
#define GAP_MS_MAX 3600000
/* What is verified of a block that was entered so long ago is not just slow. */
#define OLD_MS 5000

/* Of a pass that has not begun. */
#define FROM_NEWEST UINT64_MAX

/* --- When there is a pass. --- */

static void plan(struct attestor *attestor, struct attest_peer *peer)
{
    peer->late_again = false;
    peer->late_has_asked = false;
    peer->late_has_gained = false;
    peer->late_left = PASS_BLOCKS;
    peer->late_idle = 0;
    peer->late_next = FROM_NEWEST;
    peer->late_ms = attestor->now_ms + peer->late_gap_ms;
}

void attest_late_want(struct attestor *attestor, uint32_t number)
{
    struct attest_peer *peer = attest_peer_at(attestor, number);
    if (peer->late_next == 0 && peer->is_connected) {
        plan(attestor, peer);
    } else if (peer->late_next == FROM_NEWEST) {
        const uint64_t wanted_ms = attestor->now_ms + peer->late_gap_ms;
        peer->late_ms = wanted_ms < peer->late_ms ? wanted_ms : peer->late_ms;
    } else {
        peer->late_again = peer->late_next > 0;
    }
}

void attest_late_want_all(struct attestor *attestor)
{
    for (uint32_t i = 0; i < attestor->peer_count; i++) {
        attest_late_want(attestor, i);
    }
}

/* A pass that a connection has ended goes on where it was. */
void attest_late_connected(struct attestor *attestor, uint32_t number)
{
    struct attest_peer *peer = attest_peer_at(attestor, number);
    peer->late_idle = 0;
    peer->late_gap_ms = GAP_MS_MIN;
    peer->late_ms = attestor->now_ms + GAP_MS_MIN;
    attest_late_want(attestor, number);
}

static void end(struct attestor *attestor, struct attest_peer *peer)
{
    if (peer->late_has_asked && !peer->late_has_gained) {
        peer->late_gap_ms = 2 * peer->late_gap_ms < GAP_MS_MAX ? 2 * peer->late_gap_ms : GAP_MS_MAX;
    }
    peer->late_next = 0;
    if (peer->late_again) {
        plan(attestor, peer);
    }
}

/* --- What comes. --- */

static bool is_asked(const struct attestor *attestor, uint64_t height)
{
    const struct attest_late *late = &attestor->late_shares;
    return late->is_waiting && height >= late->from_height && height - late->from_height < 64 &&
           (late->heights >> (height - late->from_height) & 1U) != 0;
}

void attest_late_came(struct attestor *attestor, const struct attest_block *block,
                      const struct attest_item *item)
{
    struct attest_late *late = &attestor->late_shares;
    const bool is_old = block->entered_ms == 0 || attestor->now_ms - block->entered_ms >= OLD_MS;
    bool is_answer = false;
    if (is_asked(attestor, block->height) && attest_bit(late->members, item->voter)) {
        is_answer = item->peer == late->peer;
        late->lacking -= late->lacking > 0;
        late->has_come = true;
        late->deadline_ms = attestor->now_ms + QUIET_MS;
    }
    if (is_answer || (block->open == 0 && is_old)) {
        struct attest_peer *peer = attest_peer_at(attestor, item->peer);
        peer->late_has_gained = true;
        peer->late_gap_ms = GAP_MS_MIN;
        attest_late_want(attestor, item->peer);
    }
}

bool attest_late_holds_back(struct attestor *attestor, uint32_t peer, uint64_t height)
{
    struct attest_late *late = &attestor->late_shares;
    const bool is_answer = late->peer == peer && is_asked(attestor, height);
    const bool is_hint = is_answer && !late->has_hinted; /* whoever lacks it learns of the rest */
    late->has_hinted = late->has_hinted || is_hint;
    return is_answer && !is_hint;
}

/* --- Asking. --- */

/* Adds the members whose shares are lacking; how many. */
static uint32_t add_members(struct attest_late *late, const struct attest_block *block)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < block->set->count; i++) {
        const struct attest_share *share = &block->shares[i];
        if (i == block->own || share->is_whole || share->has_lied) {
            continue;
        }
        attest_bit_set(late->members, i);
        late->member_bytes = i / 8 + 1 > late->member_bytes ? i / 8 + 1 : late->member_bytes;
        count++;
    }
    return count;
}

/* The next late block from `*height` on, downwards; NULL: there is none, or the table failed. */
static struct attest_block *find_late(struct attestor *attestor, uint64_t *height)
{
    const struct attest_key key = attest_key_late(*height);
    struct attest_block *block = NULL;
    struct ingot_slice found;
    struct ingot_slice content;
    enum ingot_error error =
        ledger_seek_attest(attestor->options.ledger, attest_key_slice(&key), &found, &content);
    if (error == INGOT_ERROR_NOT_FOUND ||
        (error == INGOT_OK && !attest_key_late_height(found, height))) {
        return NULL;
    }
    if (error == INGOT_OK) {
        error = attest_block_find(attestor, *height, &block);
    }
    if (error != INGOT_OK) {
        attest_fail(attestor, REPLICA_STOP_DAMAGED, "a late block cannot be read back", error);
        return NULL;
    }
    return block;
}

/* Collects the peer's next request: blocks of one epoch, of no more than 64 heights. */
static void gather(struct attestor *attestor, struct attest_peer *peer)
{
    struct attest_late *late = &attestor->late_shares;
    const uint32_t shares_max = attestor->options.limits.voter_shares;
    uint64_t epoch = 0;
    uint32_t blocks = 0;
    *late = (struct attest_late){.peer = late->peer};
    for (uint32_t i = 0; i < TURN_BLOCKS && peer->late_next > 0 && blocks < shares_max; i++) {
        uint64_t height = peer->late_next;
        const struct attest_block *block =
            peer->late_left == 0 ? NULL : find_late(attestor, &height);
        if (block == NULL) {
            peer->late_next = 0;
            return;
        }
        if (blocks > 0 && (block->epoch != epoch || height < late->from_height)) {
            return;
        }
        peer->late_next = height - 1;
        peer->late_left--;
        if (attest_is_young(attestor, block)) {
            continue;
        }
        const uint32_t lacking = add_members(late, block);
        if (lacking > 0) {
            late->from_height =
                blocks > 0 ? late->from_height : height - (height < 63 ? height : 63);
            late->heights |= UINT64_C(1) << (height - late->from_height);
            late->lacking += lacking;
            epoch = block->epoch;
            blocks++;
        }
    }
}

static void ask(struct attestor *attestor, uint32_t number)
{
    struct attest_late *late = &attestor->late_shares;
    struct attest_peer *peer = &attestor->peers[number];
    const uint64_t next = peer->late_next;
    const uint32_t left = peer->late_left;
    late->peer = number;
    gather(attestor, peer);
    if (attestor->has_stopped) {
        return;
    }
    if (late->heights == 0) {
        peer->late_ms = attestor->now_ms + 1;
    } else if (attest_send_request(attestor, number, late->from_height, late->heights,
                                   ingot_slice_of(late->members, late->member_bytes))) {
        peer->late_has_asked = true;
        late->is_waiting = true;
        late->deadline_ms = attestor->now_ms + QUIET_MS;
        return;
    } else {
        peer->late_next = next;
        peer->late_left = left;
        peer->late_ms = attestor->now_ms + RETRY_MS;
    }
    if (peer->late_next == 0) {
        end(attestor, peer);
    }
}

/* Is the answer that we wait for over? */
static bool is_answered(const struct attestor *attestor)
{
    const struct attest_late *late = &attestor->late_shares;
    return late->lacking == 0 || attestor->now_ms >= late->deadline_ms ||
           !attestor->peers[late->peer].is_connected;
}

/* Of the peers that are due one that has brought something before those that have not, and each in
 * turn. BROADCAST_NONE: there is none. */
static uint32_t next_peer(const struct attestor *attestor)
{
    uint32_t best = BROADCAST_NONE;
    for (uint32_t i = 1; i <= attestor->peer_count; i++) {
        const uint32_t number = (attestor->late_shares.peer + i) % attestor->peer_count;
        const struct attest_peer *peer = &attestor->peers[number];
        if (peer->is_connected && peer->late_next > 0 && attestor->now_ms >= peer->late_ms &&
            (best == BROADCAST_NONE || peer->late_idle < attestor->peers[best].late_idle)) {
            best = number;
        }
    }
    return best;
}

void attest_late_turn(struct attestor *attestor)
{
    struct attest_late *late = &attestor->late_shares;
    if (late->is_waiting && is_answered(attestor)) {
        struct attest_peer *peer = &attestor->peers[late->peer];
        late->is_waiting = false;
        peer->late_idle = late->has_come ? 0 : peer->late_idle + 1;
        if (peer->late_next == 0) {
            end(attestor, peer);
        }
    }
    /* What others wait for is asked for before, and what has come is verified before more does. */
    if (late->is_waiting || attestor->repair.is_waiting || attestor->late.count > 0) {
        return;
    }
    const uint32_t peer = next_peer(attestor);
    if (peer != BROADCAST_NONE) {
        ask(attestor, peer);
    }
}

uint64_t attest_late_deadline(const struct attestor *attestor)
{
    uint64_t deadline_ms = UINT64_MAX;
    if (attestor->late_shares.is_waiting) {
        return attestor->late_shares.deadline_ms;
    }
    if (attestor->repair.is_waiting || attestor->late.count > 0) { /* they bring the next turn */
        return UINT64_MAX;
    }
    for (uint32_t i = 0; i < attestor->peer_count; i++) {
        const struct attest_peer *peer = &attestor->peers[i];
        if (peer->is_connected && peer->late_next > 0 && peer->late_ms < deadline_ms) {
            deadline_ms = peer->late_ms;
        }
    }
    return deadline_ms;
}

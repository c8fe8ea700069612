/*
 * Repair: what is pending for longer than a share takes is asked for, of one peer after the other,
 * the oldest first, up to 64 heights in one request. So a node that lost messages, was away, or has
 * joined late gets all attestations in the end, whatever it has room for at once.
 *
 * The answer to a request are the shares as their validators signed them, a part in each turn,
 * while the peer has room for them.
 */
#include <string.h>

#include "node/attestor_state.h"

/* A block gets its shares by gossip in this time, or is asked for. */
#define AGE_MS 250
#define INTERVAL_MS_MIN 250
#define INTERVAL_MS_MAX 4000
/* For an answer to be whole. */
#define ANSWER_MS 1000
/* What one peer is answered in one turn, and when it is tried again where there was no room. */
#define ANSWER_BYTES ((size_t)256 * 1024)
#define ANSWER_RETRY_MS 20
/* Between two answers to one peer. */
#define ANSWER_GAP_MS 5
#define NEVER UINT64_MAX

/* --- Answering. --- */

enum attest_reject attest_repair_request(struct attestor *attestor, uint32_t peer,
                                         const struct broadcast_message *message)
{
    struct attest_peer *entry = attest_peer_at(attestor, peer);
    const struct ingot_buffer *members = &message->attachment;
    if (entry->is_asking && !entry->is_asking_late) { /* late shares can be asked for again */
        return ATTEST_REJECT_TOO_OFTEN;
    }
    INGOT_ASSERT(members->size <= sizeof entry->members); /* by decoding */
    memset(entry->members, 0, sizeof entry->members);
    for (size_t i = 0; i < members->size; i++) {
        entry->members[i] = members->data[i];
    }
    entry->is_asking_late = members->size > 0;
    entry->is_asking = true;
    entry->due_ms = attestor->now_ms;
    if (entry->due_ms < entry->answered_ms + ANSWER_GAP_MS) {
        entry->due_ms = entry->answered_ms + ANSWER_GAP_MS;
    }
    entry->from_height = message->from_height;
    entry->heights = message->heights;
    entry->voter = 0;
    attestor->status.requests_answered++;
    return ATTEST_REJECT_NONE;
}

/* Sends what is known of a block, from the peer's next voter on. False: the turn, or the room, is
 * used up. */
static bool answer_block(struct attestor *attestor, uint32_t peer, const struct attest_block *block,
                         size_t *bytes)
{
    struct attest_peer *entry = &attestor->peers[peer];
    for (; entry->voter < block->set->count; entry->voter++) {
        struct attest_share_record share;
        if (!block->shares[entry->voter].is_whole ||
            (entry->is_asking_late && !attest_bit(entry->members, entry->voter))) {
            continue;
        }
        if (*bytes >= ANSWER_BYTES) {
            return false;
        }
        const enum ingot_error error = attest_share_read(attestor, block, entry->voter, &share);
        if (error != INGOT_OK) {
            attest_fail(attestor, REPLICA_STOP_DAMAGED, "a share cannot be read back", error);
            return false;
        }
        if (attest_is_zero(share.message, INGOT_SIGNATURE_BYTES)) {
            continue;
        }
        if (!attest_send_share(attestor, peer, block, entry->voter, &share)) {
            entry->due_ms = attestor->now_ms + ANSWER_RETRY_MS;
            return false;
        }
        *bytes += share.signatures.size;
    }
    return true;
}

static void answer(struct attestor *attestor, uint32_t peer)
{
    size_t bytes = 0;
    for (;;) {
        struct attest_peer *entry = &attestor->peers[peer];
        if (entry->heights == 0) {
            entry->is_asking = false;
            entry->answered_ms = attestor->now_ms;
            return;
        }
        const unsigned bit = (unsigned)__builtin_ctzll(entry->heights);
        const uint64_t height = entry->from_height + bit;
        struct attest_block *block = NULL;
        const enum ingot_error error = height < entry->from_height
                                           ? INGOT_ERROR_NOT_FOUND
                                           : attest_block_find(attestor, height, &block);
        if (error != INGOT_OK && error != INGOT_ERROR_NOT_FOUND) {
            attest_fail(attestor, REPLICA_STOP_DAMAGED, "an entered block cannot be read back",
                        error);
            return;
        }
        if (block != NULL && !answer_block(attestor, peer, block, &bytes)) {
            return;
        }
        entry->heights &= entry->heights - 1;
        entry->voter = 0;
    }
}

/* --- Asking. --- */

void attest_repair_open(struct attestor *attestor)
{
    attestor->repair = (struct attest_repair){.interval_ms = INTERVAL_MS_MIN};
}

void attest_repair_soon(struct attestor *attestor)
{
    struct attest_repair *repair = &attestor->repair;
    repair->interval_ms = INTERVAL_MS_MIN;
    if (repair->next_ms > attestor->now_ms + INTERVAL_MS_MIN) {
        repair->next_ms = attestor->now_ms + INTERVAL_MS_MIN;
    }
}

void attest_repair_entered(struct attestor *attestor, uint64_t height)
{
    struct attest_repair *repair = &attestor->repair;
    if (!repair->has_fresh) {
        repair->has_fresh = true;
        repair->fresh_from = height;
        repair->fresh_ms = attestor->now_ms + AGE_MS;
    }
}

bool attest_repair_has_asked(const struct attestor *attestor, uint32_t peer, uint64_t height)
{
    const struct attest_repair *repair = &attestor->repair;
    return repair->is_waiting && repair->peer == peer && height >= repair->from_height &&
           height - repair->from_height < 64 &&
           (repair->heights >> (height - repair->from_height) & 1U) != 0;
}

/* The next peer that is connected, or BROADCAST_NONE. */
static uint32_t next_peer(const struct attestor *attestor)
{
    for (uint32_t i = 1; i <= attestor->peer_count; i++) {
        const uint32_t peer = (attestor->repair.peer + i) % attestor->peer_count;
        if (attestor->peers[peer].is_connected) {
            return peer;
        }
    }
    return BROADCAST_NONE;
}

/* The next pending height at or after the cursor; false: there is none, or the table failed. */
static bool next_pending(struct attestor *attestor, uint64_t *height)
{
    const struct attest_key key = attest_key_pending(*height);
    struct ingot_slice found;
    struct ingot_slice content;
    const enum ingot_error error =
        ledger_seek_attest(attestor->options.ledger, attest_key_slice(&key), &found, &content);
    if (error != INGOT_OK && error != INGOT_ERROR_NOT_FOUND) {
        attest_fail(attestor, REPLICA_STOP_DAMAGED, "what is pending cannot be read", error);
    }
    return error == INGOT_OK && attest_key_height(found, &key, height);
}

bool attest_is_young(const struct attestor *attestor, const struct attest_block *block)
{
    return block->entered_ms > 0 && attestor->now_ms - block->entered_ms < AGE_MS;
}

/* The next pending heights from the cursor on, as a request; false: the end is reached. */
static bool gather(struct attestor *attestor, uint64_t *from_height, uint64_t *heights)
{
    struct attest_repair *repair = &attestor->repair;
    uint64_t height = repair->cursor;
    *heights = 0;
    while (!attestor->has_stopped && next_pending(attestor, &height)) {
        if (*heights != 0 && height - *from_height >= INGOT_SHARE_REQUEST_HEIGHTS_MAX) {
            break;
        }
        const struct attest_block *block = attest_block_in_memory(attestor, height);
        if (block != NULL && attest_is_young(attestor, block)) {
            attest_repair_entered(attestor, height);
        } else {
            if (*heights == 0) {
                *from_height = height;
            }
            *heights |= UINT64_C(1) << (height - *from_height);
        }
        height++;
        repair->cursor = height;
    }
    return *heights != 0;
}

/*
 * A pass has come to its end. The next over all that is pending begins the later the longer nothing
 * has come of it.
 */
static void rest(struct attestor *attestor)
{
    struct attest_repair *repair = &attestor->repair;
    const bool was_fresh = repair->is_fresh;
    if (repair->has_asked && (repair->has_progress || was_fresh)) {
        attest_repair_soon(attestor);
    }
    if (repair->has_asked && repair->has_progress) { /* not all that we asked knew all */
        attest_late_want_all(attestor);
    }
    if (!was_fresh) {
        if (repair->has_asked && !repair->has_progress) {
            repair->interval_ms *= 2;
        }
        if (repair->interval_ms > INTERVAL_MS_MAX) {
            repair->interval_ms = INTERVAL_MS_MAX;
        }
        repair->next_ms = attestor->now_ms + repair->interval_ms;
    }
    repair->is_passing = false;
}

static void begin(struct attestor *attestor, bool is_fresh)
{
    struct attest_repair *repair = &attestor->repair;
    repair->is_passing = true;
    repair->is_fresh = is_fresh;
    repair->has_asked = false;
    repair->has_progress = false;
    repair->cursor = is_fresh ? repair->fresh_from : 0;
    repair->has_fresh = false;
}

static void ask(struct attestor *attestor)
{
    struct attest_repair *repair = &attestor->repair;
    const uint32_t peer = next_peer(attestor);
    uint64_t from_height = 0;
    uint64_t heights = 0;
    if (peer == BROADCAST_NONE || !gather(attestor, &from_height, &heights)) {
        rest(attestor);
        return;
    }
    repair->has_asked = true;
    repair->retry_ms = attestor->now_ms + ANSWER_RETRY_MS;
    repair->peer = peer;
    if (!attest_send_request(attestor, peer, from_height, heights, (struct ingot_slice){0})) {
        repair->cursor = from_height;
        return;
    }
    repair->is_waiting = true;
    repair->from_height = from_height;
    repair->heights = heights;
    repair->deadline_ms = attestor->now_ms + ANSWER_MS;
}

static bool is_pending(struct attestor *attestor, uint64_t height)
{
    const struct attest_block *block = attest_block_in_memory(attestor, height);
    const struct attest_key key = attest_key_pending(height);
    struct ingot_slice content;
    return block != NULL ? block->open > 0
                         : attest_get(attestor, &key, &content) != INGOT_ERROR_NOT_FOUND;
}

/* Strikes out what is not pending any more. */
static void look_at_answer(struct attestor *attestor)
{
    struct attest_repair *repair = &attestor->repair;
    for (uint64_t left = repair->heights; left != 0; left &= left - 1) {
        const unsigned bit = (unsigned)__builtin_ctzll(left);
        if (!is_pending(attestor, repair->from_height + bit)) {
            repair->heights &= ~(UINT64_C(1) << bit);
            repair->deadline_ms = attestor->now_ms + ANSWER_MS;
        }
    }
    if (repair->heights == 0 ||
        (attestor->now_ms >= repair->deadline_ms && attestor->urgent.count == 0)) {
        repair->is_waiting = false;
        repair->retry_ms = attestor->now_ms;
    }
}

/* When there is something to do next, if nothing is awaited. */
static uint64_t due_ms(const struct attest_repair *repair)
{
    if (repair->is_passing) {
        return repair->retry_ms;
    }
    return repair->has_fresh && repair->fresh_ms < repair->next_ms ? repair->fresh_ms
                                                                   : repair->next_ms;
}

void attest_repair_turn(struct attestor *attestor)
{
    struct attest_repair *repair = &attestor->repair;
    for (uint32_t i = 0; i < attestor->peer_count && !attestor->has_stopped; i++) {
        if (attestor->peers[i].is_asking && attestor->now_ms >= attestor->peers[i].due_ms) {
            answer(attestor, i);
        }
    }
    if (repair->is_waiting) {
        look_at_answer(attestor);
    }
    if (repair->is_waiting || attestor->meta.pending == 0 || attestor->has_stopped ||
        attestor->now_ms < due_ms(repair)) {
        return;
    }
    if (!repair->is_passing) {
        begin(attestor, attestor->now_ms < repair->next_ms);
    }
    ask(attestor);
}

uint64_t attest_repair_deadline(const struct attestor *attestor)
{
    const struct attest_repair *repair = &attestor->repair;
    uint64_t deadline_ms = NEVER;
    for (uint32_t i = 0; i < attestor->peer_count; i++) {
        if (attestor->peers[i].is_asking) {
            deadline_ms = attestor->now_ms + ANSWER_RETRY_MS;
        }
    }
    uint64_t wanted_ms = NEVER;
    if (repair->is_waiting) {
        wanted_ms = repair->deadline_ms;
    } else if (attestor->meta.pending > 0) {
        wanted_ms = due_ms(repair);
    }
    return wanted_ms < deadline_ms ? wanted_ms : deadline_ms;
}

/*
 * Taking answers in: is it what was asked for, and which range does it fill? Nothing is verified
 * here; an answer is held by reference until its turn comes.
 */
#include <string.h>

#include "base/mutant.h"
#include "node/sync_client_state.h"

/* --- Ranges. --- */

static uint64_t range_last(const struct sync_range *range)
{
    return range->first + range->count - 1;
}

/* The range that an answer with these heights fills, or the number of ranges. */
static uint32_t find_range(const struct sync_client *client, uint64_t first, uint64_t last)
{
    uint32_t i = 0;
    while (i < client->range_count &&
           (client->ranges[i].state == RANGE_HELD || client->ranges[i].first < first ||
            client->ranges[i].first > last)) {
        i++;
    }
    return i;
}

/* What a partial answer leaves of its range is a range of its own, for whoever is asked next. */
static void split(struct sync_client *client, uint32_t index, uint64_t last)
{
    struct sync_range *range = &client->ranges[index];
    const uint64_t range_end = range_last(range);
    range->count = (uint32_t)(last - range->first + 1);
    if (last >= range_end || index + 1 == client->range_count) {
        return;
    }
    if (client->range_count == SYNC_RANGES_MAX) {
        sync_range_clear(client, &client->ranges[--client->range_count]);
    }
    if (index + 1 == client->range_count) {
        return;
    }
    memmove(&client->ranges[index + 2], &client->ranges[index + 1],
            (client->range_count - index - 1) * sizeof client->ranges[0]);
    client->ranges[index + 1] =
        (struct sync_range){.first = last + 1, .count = (uint32_t)(range_end - last)};
    client->range_count++;
}

static void keep(struct sync_client *client, struct sync_range *range, uint32_t peer,
                 const struct sync_ask *ask, struct message *message, size_t size)
{
    range->state = RANGE_HELD;
    range->target = ask->target;
    range->committed_height = ask->committed_height;
    range->peer = peer;
    range->answer = message_ref(message);
    range->bytes = size;
    client->held_bytes += size;
}

static enum reject hold(struct sync_client *client, uint32_t peer, const struct sync_ask *ask,
                        struct message *message, size_t size)
{
    const struct sync_response *response = &message->sync_response;
    const uint64_t first = response->blocks[0]->height;
    const uint64_t last = first + response->block_count - 1;
    if (first != ask->first) {
        /* Our block is on no branch of this peer's: it begins where all agree. */
        sync_ranges_clear(client);
        client->from_committed = true;
        client->ranges[0] = (struct sync_range){.first = first, .count = response->block_count};
        client->range_count = 1;
        keep(client, &client->ranges[0], peer, ask, message, size);
        return REJECT_NONE;
    }
    const uint32_t index = find_range(client, first, last);
    if (index == client->range_count) {
        return REJECT_PAST;
    }
    if (index > 0 && client->held_bytes + size > SYNC_HELD_BYTES_MAX && !MUTANT(HELD_UNBOUNDED)) {
        client->ranges[index].refused_bytes = size;
        return REJECT_PAST;
    }
    split(client, index, last);
    keep(client, &client->ranges[index], peer, ask, message, size);
    return REJECT_NONE;
}

/* --- Is it what was asked for? --- */

static bool is_consecutive(const struct sync_response *response)
{
    for (uint32_t i = 1; i < response->block_count; i++) {
        if (response->blocks[i]->height != response->blocks[0]->height + i) {
            return false;
        }
    }
    return true;
}

static bool begins_as_asked(const struct sync_ask *ask, const struct sync_response *response)
{
    const uint64_t first = response->blocks[0]->height;
    return first == ask->first || (ask->has_base && first == ask->committed_height + 1);
}

static bool is_as_asked(const struct sync_ask *ask, const struct sync_response *response,
                        size_t size)
{
    if (MUTANT(ANSWER_UNBOUNDED)) {
        return true;
    }
    if (response->block_count > ask->blocks ||
        (response->block_count > 1 && size > ask->bytes + SYNC_ANSWER_EXTRA_BYTES)) {
        return false;
    }
    return response->block_count == 0 ||
           (begins_as_asked(ask, response) && is_consecutive(response));
}

static bool is_meagre(const struct sync_ask *ask, const struct sync_response *response, size_t size)
{
    return response->block_count > 0 && response->block_count < ask->blocks / 8 &&
           size < ask->bytes / 8 &&
           response->committed_height >= response->blocks[0]->height + ask->blocks;
}

/* No fault in it, if this is the request that it answers. */
static bool suits(const struct sync_ask *ask, const struct sync_response *response, size_t size)
{
    return is_as_asked(ask, response, size) && !is_meagre(ask, response, size);
}

/* An earlier request that an answer suits: one that began where the open one does, or elsewhere. */
static const struct sync_ask *find_past(const struct sync_peer *peer,
                                        const struct sync_response *response, size_t size,
                                        bool begins_alike)
{
    for (uint32_t i = 0; i < SYNC_PAST_ASKS; i++) {
        const struct sync_ask *past = &peer->past[i];
        if (past->blocks > 0 && (past->first == peer->ask.first) == begins_alike &&
            suits(past, response, size)) {
            return past;
        }
    }
    return NULL;
}

/*
 * The answer to an earlier request, or a second one to it: what a lost connection or a slow link
 * may bring. It changes nothing, and is no fault. Answers do not say which request they are to:
 * one that may be to several is to the one that it suits.
 */
static bool is_late(const struct sync_peer *peer, const struct sync_response *response, size_t size)
{
    if (response->block_count == 0) {
        return peer->abandoned > 0;
    }
    if (peer->ask.is_open && begins_as_asked(&peer->ask, response)) {
        return !suits(&peer->ask, response, size) && find_past(peer, response, size, false) != NULL;
    }
    for (uint32_t i = 0; i < SYNC_PAST_ASKS; i++) {
        const struct sync_ask *past = &peer->past[i];
        if (past->blocks > 0 && begins_as_asked(past, response)) {
            return true;
        }
    }
    return peer->abandoned > 0;
}

/*
 * Nothing came. Whoever says that it has the block and that it kept it, lies. Whoever had claimed
 * it and says now that it has less, may have been overtaken by its own claim, but only once.
 */
static void judge_empty(struct sync_client *client, uint64_t now_ms, uint32_t peer,
                        const struct sync_ask *ask, const struct sync_response *response)
{
    struct sync_peer *from = sync_peer_at(client, peer);
    const uint64_t needed = ask->has_base ? ask->committed_height + 1 : ask->first;
    if (response->lowest_height > needed) {
        return; /* it says itself that it no longer has it */
    }
    from->nothing_ms = now_ms + client->options.request_timeout_ms / 8 + 1;
    const bool has_claimed = ask->claim >= ask->first;
    if (response->committed_height >= ask->first || (has_claimed && from->is_boaster)) {
        from->claim = ask->first - 1;
        sync_peer_fault(client, now_ms, peer, SYNC_FAULT_HEIGHT);
    }
    from->is_boaster = from->is_boaster || has_claimed;
}

/* The range that this peer was asked for is free for others, unless the answer fills it. */
static void release_range(struct sync_client *client, uint32_t peer)
{
    for (uint32_t i = 0; i < client->range_count; i++) {
        struct sync_range *range = &client->ranges[i];
        if (range->state == RANGE_ASKED && range->peer == peer) {
            range->state = RANGE_WANTED;
        }
    }
}

/*
 * The block that a request has named and that comes last, be it in an answer to another request:
 * it may come without a certificate.
 */
static struct ingot_hash target_of(const struct sync_peer *from, const struct sync_ask *ask,
                                   const struct sync_response *response)
{
    const struct ingot_hash *last = &response->blocks[response->block_count - 1]->hash;
    for (uint32_t i = 0; i < SYNC_PAST_ASKS; i++) {
        if (memcmp(from->past[i].target.bytes, last->bytes, INGOT_HASH_BYTES) == 0) {
            return *last;
        }
    }
    return ask->target;
}

/*
 * The request that an answer is to: the open one, or one for the same blocks, and for more or fewer
 * of them, which was given up because its answer took so long. On a slow link that is the one to
 * take; the answer to the open one is late then.
 */
static struct sync_ask ask_of(const struct sync_peer *from, const struct sync_response *response,
                              size_t size)
{
    const struct sync_ask *past =
        suits(&from->ask, response, size) ? NULL : find_past(from, response, size, true);
    struct sync_ask ask = past != NULL ? *past : from->ask;
    if (response->block_count > 0) {
        ask.target = target_of(from, &ask, response);
    }
    return ask;
}

enum reject sync_client_receive(struct sync_client *client, uint64_t now_ms, uint32_t peer,
                                struct message *message, size_t size)
{
    struct sync_peer *from = sync_peer_at(client, peer);
    const struct sync_response *response = &message->sync_response;
    const enum reject reject = sync_client_admit(client, now_ms, peer);
    if (reject != REJECT_NONE) {
        return reject;
    }
    if (is_late(from, response, size) && !MUTANT(LATE_ANSWERS_BLAMED)) {
        from->abandoned -= from->abandoned > 0;
        return REJECT_PAST;
    }
    if (!from->ask.is_open) {
        return REJECT_PAST; /* only late ones were expected */
    }
    const struct sync_ask ask = ask_of(from, response, size);
    from->ask.is_open = false;
    from->may_repeat = true;
    from->is_ahead = false;
    release_range(client, peer);
    if (!is_as_asked(&ask, response, size)) {
        sync_peer_fault(client, now_ms, peer, SYNC_FAULT_NOT_ASKED);
        return REJECT_UNREQUESTED;
    }
    from->lowest = response->lowest_height;
    if (response->committed_height > from->claim) {
        from->claim = response->committed_height;
    }
    if (response->block_count == 0) {
        judge_empty(client, now_ms, peer, &ask, response);
        return REJECT_NONE;
    }
    if (is_meagre(&ask, response, size)) {
        sync_peer_fault(client, now_ms, peer, SYNC_FAULT_MEAGRE);
    }
    return hold(client, peer, &ask, message, size);
}

void sync_client_receive_garbled(struct sync_client *client, uint64_t now_ms, uint32_t peer)
{
    struct sync_peer *from = sync_peer_at(client, peer);
    from->ask.is_open = false;
    from->abandoned = 0;
    release_range(client, peer);
    sync_peer_fault(client, now_ms, peer, SYNC_FAULT_INVALID);
}

enum reject sync_client_admit(struct sync_client *client, uint64_t now_ms, uint32_t peer)
{
    struct sync_peer *from = sync_peer_at(client, peer);
    if (from->ask.is_open || from->abandoned > 0 || MUTANT(UNREQUESTED_TAKEN)) {
        return REJECT_NONE;
    }
    if (!from->may_repeat) {
        sync_peer_fault(client, now_ms, peer, SYNC_FAULT_UNREQUESTED);
    }
    from->may_repeat = false;
    return REJECT_UNREQUESTED;
}

void sync_client_set_connected(struct sync_client *client, uint32_t peer, bool is_connected)
{
    struct sync_peer *at = sync_peer_at(client, peer);
    release_range(client, peer);
    *at = (struct sync_peer){.is_connected = is_connected,
                             .stalls = at->stalls,
                             .strikes = at->strikes,
                             .is_boaster = at->is_boaster,
                             .warned_of = at->warned_of,
                             .paused_ms = at->paused_ms,
                             .served = at->served};
}

void sync_client_forget(struct sync_client *client, uint32_t peer)
{
    release_range(client, peer);
    *sync_peer_at(client, peer) = (struct sync_peer){0};
}

void sync_client_claim(struct sync_client *client, uint32_t peer, uint64_t height)
{
    sync_peer_at(client, peer)->claim = height;
}

void sync_client_hint(struct sync_client *client, uint32_t peer)
{
    sync_peer_at(client, peer)->is_ahead = true;
}

/*
 * Peers as sources of blocks: who may be asked, who is asked first, and what they did wrong. A
 * fault makes a peer wait, longer each time, but never for ever: the next answer may be good.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/mutant.h"
#include "node/sync_client_state.h"

/* Pauses double from the first to the last. */
#define PAUSE_MS_MIN 500
#define PAUSE_MS_MAX 60000
/* Slow is not false: it only goes behind the others. */
#define PAUSE_SLOW_MS_MAX 2000
#define STRIKES_MAX 16
#define STALLS_MAX 5
/* It may be the only one that can be asked, and then we stand still for so long: */
#define GIVE_UP_DOUBLINGS_MAX 4

#define SYNC_FAULT_TEXT(name, text) [SYNC_FAULT_##name] = (text),
static const char *const fault_texts[SYNC_FAULT_COUNT] = {SYNC_FAULT_LIST(SYNC_FAULT_TEXT)};

const char *sync_fault_text(enum sync_fault fault)
{
    INGOT_ASSERT(fault < SYNC_FAULT_COUNT);
    return fault_texts[fault];
}

struct sync_peer *sync_peer_at(struct sync_client *client, uint32_t peer)
{
    INGOT_ASSERT(peer < INGOT_PEERS_MAX);
    if (peer >= client->peer_count) {
        client->peers = alloc_resize(client->peers, peer + 1, sizeof *client->peers);
        memset(&client->peers[client->peer_count], 0,
               (peer + 1 - client->peer_count) * sizeof *client->peers);
        client->peer_count = peer + 1;
    }
    return &client->peers[peer];
}

static uint64_t pause_ms(enum sync_fault fault, uint32_t strikes)
{
    const uint64_t max = fault == SYNC_FAULT_MEAGRE || fault == SYNC_FAULT_STALLED
                             ? PAUSE_SLOW_MS_MAX
                             : PAUSE_MS_MAX;
    const uint64_t pause = (uint64_t)PAUSE_MS_MIN << (strikes - 1);
    return pause < max ? pause : max;
}

void sync_peer_fault(struct sync_client *client, uint64_t now_ms, uint32_t peer,
                     enum sync_fault fault)
{
    struct sync_peer *at = sync_peer_at(client, peer);
    if (MUTANT(LIARS_UNBLAMED)) {
        return;
    }
    client->penalties[fault]++;
    at->strikes += at->strikes < STRIKES_MAX;
    at->is_boaster = at->is_boaster || fault == SYNC_FAULT_HEIGHT || fault == SYNC_FAULT_INVALID;
    at->is_proven = at->is_proven && fault == SYNC_FAULT_STALLED;
    if (fault == SYNC_FAULT_STALLED) {
        at->stalls += at->stalls < STALLS_MAX;
    } else {
        at->paused_ms = now_ms + pause_ms(fault, at->strikes);
    }
    const uint32_t bit = UINT32_C(1) << fault;
    LOG((at->warned_of & bit) != 0 || fault == SYNC_FAULT_STALLED ? LOG_DEBUG : LOG_WARN,
        "a peer serves blocks badly", log_u64("peer", peer),
        log_text("fault", sync_fault_text(fault)), log_u64("faults", at->strikes));
    at->warned_of |= bit;
}

void sync_peer_praise(struct sync_client *client, uint32_t peer)
{
    struct sync_peer *at = sync_peer_at(client, peer);
    at->strikes -= at->strikes > 0;
    at->stalls /= 2;
    at->is_proven = true;
    at->is_boaster = false;
}

bool sync_peer_claims(const struct sync_peer *peer, uint64_t height)
{
    return peer->is_connected && peer->claim >= height && peer->lowest <= height;
}

static bool may_be_asked(const struct sync_peer *peer, uint64_t now_ms, uint64_t first)
{
    return peer->is_connected && !peer->ask.is_open && peer->paused_ms <= now_ms &&
           peer->nothing_ms <= now_ms && peer->lowest <= first;
}

/* Fewer faults first, then whoever has been idle longest. */
static bool is_better(const struct sync_peer *a, const struct sync_peer *b)
{
    const uint32_t faults_a = a->strikes + a->stalls;
    const uint32_t faults_b = b->strikes + b->stalls;
    return faults_a != faults_b ? faults_a < faults_b : a->served < b->served;
}

uint32_t sync_peer_choose(const struct sync_client *client, uint64_t now_ms, uint64_t first,
                          bool by_claim, uint32_t waiting_peer)
{
    uint32_t best = SYNC_PEER_NONE;
    for (uint32_t i = 0; i < client->peer_count; i++) {
        const struct sync_peer *peer = &client->peers[i];
        if (!may_be_asked(peer, now_ms, first) ||
            (by_claim && !sync_peer_claims(peer, first) && !peer->is_ahead)) {
            continue;
        }
        if (i == waiting_peer) {
            return i;
        }
        if (best == SYNC_PEER_NONE || is_better(peer, &client->peers[best])) {
            best = i;
        }
    }
    return best;
}

/* An answer that is late may still come; a peer is asked again only after a longer wait. */
static uint64_t give_up_ms(const struct sync_client *client, const struct sync_peer *peer)
{
    const uint32_t doublings =
        peer->stalls + 1 < GIVE_UP_DOUBLINGS_MAX ? peer->stalls + 1 : GIVE_UP_DOUBLINGS_MAX;
    return peer->ask.asked_ms + ((uint64_t)client->options.request_timeout_ms << doublings);
}

void sync_peers_expire(struct sync_client *client, uint64_t now_ms)
{
    for (uint32_t i = 0; i < client->peer_count; i++) {
        struct sync_peer *peer = &client->peers[i];
        if (peer->ask.is_open && give_up_ms(client, peer) <= now_ms) {
            peer->ask.is_open = false;
            peer->abandoned++;
        }
    }
}

uint64_t sync_peers_deadline_ms(const struct sync_client *client, uint64_t now_ms)
{
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < client->peer_count; i++) {
        const struct sync_peer *peer = &client->peers[i];
        if (!peer->is_connected) {
            continue;
        }
        const uint64_t times[] = {peer->ask.is_open ? give_up_ms(client, peer) : 0, peer->paused_ms,
                                  peer->nothing_ms};
        for (size_t at = 0; at < sizeof times / sizeof times[0]; at++) {
            if (times[at] > now_ms && times[at] < next) {
                next = times[at];
            }
        }
    }
    return next;
}

uint64_t sync_peers_claim(const struct sync_client *client)
{
    uint64_t highest = 0;
    for (uint32_t i = 0; i < client->peer_count; i++) {
        const struct sync_peer *peer = &client->peers[i];
        if (peer->is_connected && peer->claim > highest) {
            highest = peer->claim;
        }
    }
    return highest;
}

uint64_t sync_peers_target(const struct sync_client *client)
{
    uint64_t highest = 0;
    uint64_t second = 0;
    uint64_t proven = 0;
    uint32_t connected = 0;
    for (uint32_t i = 0; i < client->peer_count; i++) {
        const struct sync_peer *peer = &client->peers[i];
        connected += peer->is_connected;
        if (!peer->is_connected || peer->is_boaster) {
            continue;
        }
        if (peer->is_proven && peer->claim > proven) {
            proven = peer->claim;
        }
        if (peer->claim > highest) {
            second = highest;
            highest = peer->claim;
        } else if (peer->claim > second) {
            second = peer->claim;
        }
    }
    const uint64_t claimed = connected == 1 ? highest : second;
    return claimed > proven ? claimed : proven;
}

bool sync_peers_pruned(const struct sync_client *client, uint64_t height)
{
    bool has_pruned = false;
    for (uint32_t i = 0; i < client->peer_count; i++) {
        const struct sync_peer *peer = &client->peers[i];
        if (!peer->is_connected || peer->is_boaster || peer->claim < height) {
            continue;
        }
        if (peer->lowest <= height) {
            return false;
        }
        has_pruned = true;
    }
    return has_pruned;
}

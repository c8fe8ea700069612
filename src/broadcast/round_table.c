/*
 * Where rounds are kept, and how many: each originator has lists of its own, so that its junk uses
 * up and pushes out nothing but its own rounds. It knows nothing of votes beyond freeing them.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "broadcast/round.h"

/* --- Finding. Each originator has a table of its own: ids that were chosen to collide slow down
 * the search for rounds of whoever chose them. --- */

#define FIRST_BUCKETS 16

/* FNV-1a. */
static uint32_t hash_id(const struct broadcast_id *id)
{
    uint32_t hash = UINT32_C(2166136261);
    for (uint32_t i = 0; i < id->size; i++) {
        hash = (hash ^ id->bytes[i]) * UINT32_C(16777619);
    }
    return hash;
}

static struct round **bucket_of(const struct account *account, const struct broadcast_id *id)
{
    return &account->buckets[hash_id(id) % account->bucket_count];
}

struct round *round_find(const struct quorum_broadcast *broadcast, uint32_t originator,
                         const struct broadcast_id *id)
{
    const struct account *account = &broadcast->accounts[originator];
    struct round *round = account->bucket_count == 0 ? NULL : *bucket_of(account, id);
    while (round != NULL && !broadcast_id_equal(&round->id, id)) {
        round = round->next_in_bucket;
    }
    return round;
}

static void insert(struct account *account, struct round *round)
{
    struct round **bucket = bucket_of(account, &round->id);
    round->next_in_bucket = *bucket;
    *bucket = round;
}

static void table_add(struct account *account, struct round *round)
{
    if (account->round_count == account->bucket_count) {
        struct round **old = account->buckets;
        const uint32_t old_count = account->bucket_count;
        account->bucket_count = old_count == 0 ? FIRST_BUCKETS : 2 * old_count;
        account->buckets = alloc_zeroed(account->bucket_count, sizeof(struct round *));
        for (uint32_t i = 0; i < old_count; i++) {
            for (struct round *at = old[i]; at != NULL;) {
                struct round *next = at->next_in_bucket;
                insert(account, at);
                at = next;
            }
        }
        free(old);
    }
    insert(account, round);
    account->round_count++;
}

static void table_remove(struct account *account, struct round *round)
{
    struct round **at = bucket_of(account, &round->id);
    while (*at != round) {
        at = &(*at)->next_in_bucket;
    }
    *at = round->next_in_bucket;
    account->round_count--;
}

/* --- The lists. --- */

static void list_add(struct round_list *list, struct round *round)
{
    round->earlier = list->last;
    round->later = NULL;
    if (list->last == NULL) {
        list->first = round;
    } else {
        list->last->later = round;
    }
    list->last = round;
    list->count++;
}

static void list_remove(struct round_list *list, struct round *round)
{
    if (round->earlier == NULL) {
        list->first = round->later;
    } else {
        round->earlier->later = round->later;
    }
    if (round->later == NULL) {
        list->last = round->earlier;
    } else {
        round->later->earlier = round->earlier;
    }
    list->count--;
}

/* The number of rounds in such a place, for the metrics. */
static uint32_t *stat_of(struct quorum_broadcast *broadcast, enum round_place place)
{
    struct broadcast_stats *stats = &broadcast->base.stats;
    switch (place) {
    case ROUND_OPEN:
    case ROUND_REOPENED:
    case ROUND_BY_VOTE:
        return &stats->open;
    case ROUND_FINISHED:
        return &stats->finished;
    case ROUND_REMEMBERED:
        return &stats->remembered;
    }
    INGOT_ASSERT(false);
    return NULL;
}

static struct round_list *list_of(struct quorum_broadcast *broadcast, const struct round *round)
{
    return &broadcast->accounts[round->account].lists[round->place];
}

static void take_out(struct quorum_broadcast *broadcast, struct round *round)
{
    struct round_list *list = list_of(broadcast, round);
    list_remove(list, round);
    list->bytes -= round->bytes;
    broadcast->base.stats.bytes -= round->bytes;
    (*stat_of(broadcast, round->place))--;
}

static void put_in(struct quorum_broadcast *broadcast, struct round *round, enum round_place place,
                   uint32_t account, size_t bytes)
{
    round->place = place;
    round->account = account;
    round->bytes = bytes;
    struct round_list *list = list_of(broadcast, round);
    list_add(list, round);
    list->bytes += bytes;
    broadcast->base.stats.bytes += bytes;
    (*stat_of(broadcast, place))++;
}

/* --- A round's life. --- */

static void free_votes(const struct quorum_broadcast *broadcast, struct live_round *live)
{
    if (live->prepares == NULL) {
        return;
    }
    for (uint32_t i = 0; i < broadcast->config.member_count; i++) {
        broadcast_message_unref(live->prepares[i]);
        broadcast_message_unref(live->commits[i]);
    }
    free(live->prepares);
    free(live->commits);
    live->prepares = NULL;
    live->commits = NULL;
}

static void free_live(const struct quorum_broadcast *broadcast, struct round *round)
{
    if (round->live != NULL) {
        free_votes(broadcast, round->live);
        broadcast_message_unref(round->live->pre_prepare);
        broadcast_message_unref(round->live->own_prepare);
        broadcast_message_unref(round->live->own_commit);
        free(round->live);
        round->live = NULL;
    }
}

bool round_is_open(const struct round *round)
{
    return round->place <= ROUND_BY_VOTE;
}

static enum round_place open_place(const struct round *round)
{
    return round != NULL && round->was_given_up ? ROUND_REOPENED : ROUND_OPEN;
}

enum broadcast_reject round_has_room(const struct quorum_broadcast *broadcast, uint32_t originator,
                                     const struct round *round, size_t payload_bytes)
{
    const struct round_list *list = &broadcast->accounts[originator].lists[open_place(round)];
    const uint32_t count = MUTANT(QUOTA_OF_ALL) ? broadcast->base.stats.open : list->count;
    if (count >= broadcast->config.open_rounds_max && !MUTANT(JUNK_EVICTS)) {
        return BROADCAST_REJECT_QUOTA_ROUNDS;
    }
    return list->bytes + payload_bytes > broadcast->config.open_bytes_max
               ? BROADCAST_REJECT_QUOTA_BYTES
               : BROADCAST_REJECT_NONE;
}

enum broadcast_reject round_has_room_by_vote(const struct quorum_broadcast *broadcast,
                                             uint32_t voter)
{
    return broadcast->accounts[voter].lists[ROUND_BY_VOTE].count >=
                   broadcast->config.open_rounds_max
               ? BROADCAST_REJECT_QUOTA_ROUNDS
               : BROADCAST_REJECT_NONE;
}

/* A deliberate mistake: room is made at the cost of whoever is there. */
static void evict_any(struct quorum_broadcast *broadcast)
{
    for (uint32_t i = 0; i < broadcast->config.member_count; i++) {
        if (broadcast->accounts[i].lists[ROUND_OPEN].first != NULL) {
            round_remember(broadcast, broadcast->accounts[i].lists[ROUND_OPEN].first);
            return;
        }
    }
}

static struct round *open_at(struct quorum_broadcast *broadcast, uint32_t originator,
                             const struct broadcast_id *id, struct round *round,
                             enum round_place place, uint32_t account, size_t bytes)
{
    const uint32_t count = broadcast->config.member_count;
    if (MUTANT(JUNK_EVICTS) && broadcast->base.stats.open >= broadcast->config.open_rounds_max) {
        evict_any(broadcast);
    }
    if (round == NULL) {
        round = alloc_zeroed(1, sizeof *round);
        round->originator = originator;
        round->id = *id;
        table_add(&broadcast->accounts[originator], round);
    } else {
        take_out(broadcast, round);
    }
    if (round->live == NULL) {
        round->live = alloc_zeroed(1, sizeof *round->live);
        round->live->prepares = alloc_zeroed(count, sizeof(struct broadcast_message *));
        round->live->commits = alloc_zeroed(count, sizeof(struct broadcast_message *));
    }
    put_in(broadcast, round, place, account, bytes);
    round_begin_repeats(broadcast, round);
    return round;
}

struct round *round_open(struct quorum_broadcast *broadcast, uint32_t originator,
                         const struct broadcast_id *id, struct round *round, size_t payload_bytes)
{
    INGOT_ASSERT(round == NULL || round->place == ROUND_BY_VOTE ||
                 round->place == ROUND_REMEMBERED);
    return open_at(broadcast, originator, id, round, open_place(round), originator, payload_bytes);
}

struct round *round_open_by_vote(struct quorum_broadcast *broadcast, uint32_t originator,
                                 const struct broadcast_id *id, struct round *round, uint32_t voter)
{
    INGOT_ASSERT(round == NULL || round->place == ROUND_REMEMBERED);
    return open_at(broadcast, originator, id, round, ROUND_BY_VOTE, voter, 0);
}

void round_charge(struct quorum_broadcast *broadcast, struct round *round, size_t payload_bytes)
{
    struct round_list *list = list_of(broadcast, round);
    struct broadcast_stats *stats = &broadcast->base.stats;
    list->bytes = list->bytes - round->bytes + payload_bytes;
    stats->bytes = stats->bytes - round->bytes + payload_bytes;
    round->bytes = payload_bytes;
}

/* Oldest first, until the originator's finished rounds are within its quota. */
static void trim_finished(struct quorum_broadcast *broadcast, uint32_t originator)
{
    const struct round_list *finished = &broadcast->accounts[originator].lists[ROUND_FINISHED];
    while (finished->count > broadcast->config.finished_rounds_max ||
           finished->bytes > broadcast->config.open_bytes_max) {
        round_remember(broadcast, finished->first);
    }
}

void round_finish(struct quorum_broadcast *broadcast, struct round *round)
{
    struct live_round *live = round->live;
    const uint32_t own = broadcast->config.own;
    take_out(broadcast, round);
    for (uint32_t i = 0; i < broadcast->config.member_count; i++) {
        if (tally_has_payload(round, i, &round->delivered.digest)) {
            member_add(&live->prepared, i);
        }
        if (live->commits[i] != NULL &&
            broadcast_digest_equal(&live->commits[i]->digest, &round->delivered.digest)) {
            member_add(&live->committed, i);
        }
    }
    if (own != BROADCAST_NONE && live->prepares[own] != NULL &&
        broadcast_digest_equal(&live->prepares[own]->digest, &round->delivered.digest)) {
        live->own_prepare = broadcast_message_ref(live->prepares[own]);
    }
    if (own != BROADCAST_NONE && member_has(&live->committed, own)) {
        live->own_commit = broadcast_message_ref(live->commits[own]);
    }
    free_votes(broadcast, live);
    round->is_started = false;
    put_in(broadcast, round, ROUND_FINISHED, round->originator, round->bytes);
    round_begin_repeats(broadcast, round);
    trim_finished(broadcast, round->originator);
}

static void forget(struct quorum_broadcast *broadcast, struct round *round)
{
    take_out(broadcast, round);
    table_remove(&broadcast->accounts[round->originator], round);
    free_live(broadcast, round);
    free(round);
}

void round_remember(struct quorum_broadcast *broadcast, struct round *round)
{
    if (!round->prepare.is_made && !round->commit.is_made && !round->delivered.is_made &&
        round->done == 0) {
        forget(broadcast, round);
        return;
    }
    take_out(broadcast, round);
    free_live(broadcast, round);
    put_in(broadcast, round, ROUND_REMEMBERED, round->originator, 0);
    const struct round_list *remembered =
        &broadcast->accounts[round->originator].lists[ROUND_REMEMBERED];
    while (remembered->count > broadcast->config.remembered_max) {
        forget(broadcast, remembered->first);
    }
}

void round_table_deinit(struct quorum_broadcast *broadcast)
{
    for (uint32_t i = 0; i < broadcast->config.member_count; i++) {
        struct account *account = &broadcast->accounts[i];
        for (uint32_t at = 0; at < account->bucket_count; at++) {
            while (account->buckets[at] != NULL) {
                struct round *round = account->buckets[at];
                account->buckets[at] = round->next_in_bucket;
                free_live(broadcast, round);
                free(round);
            }
        }
        free(account->buckets);
    }
    free(broadcast->accounts);
}

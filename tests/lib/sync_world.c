/*
 * Peers with habits, a core that executes marks, and the clock between them. See sync_world.h.
 */
#include "lib/sync_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"

/* --- A chain of marks. --- */

static struct ingot_hash hash_of(uint64_t height, uint8_t mark)
{
    struct ingot_hash hash = {{0}};
    memcpy(hash.bytes, &height, sizeof height);
    hash.bytes[30] = height == 0 ? MARK_CHAIN : mark;
    hash.bytes[31] = 1;
    return hash;
}

static bool changes_set(const struct sync_world *world, uint64_t height)
{
    return world->set_change_every > 0 && height > 0 && height % world->set_change_every == 0;
}

static uint64_t epoch_at(const struct sync_world *world, uint64_t height)
{
    return world->set_change_every == 0 || height == 0 ? 0 : (height - 1) / world->set_change_every;
}

struct qc *sync_world_qc(const struct sync_world *world, uint64_t height, uint8_t mark)
{
    struct qc *qc = qc_new(0);
    qc->block = hash_of(height, mark);
    qc->epoch = epoch_at(world, height);
    qc->block_view = height;
    qc->view = changes_set(world, height) ? height + 2 : height;
    qc->phase = changes_set(world, height) ? PHASE_COMMIT : PHASE_GENERIC;
    qc->signature_count = 0;
    return qc;
}

static struct block *make_block(const struct sync_world *world, uint64_t height, uint8_t mark,
                                uint8_t parent_mark)
{
    struct block *block = block_new();
    block->height = height;
    block->view = height;
    block->hash = hash_of(height, mark);
    if (height > 0) {
        block->parent = hash_of(height - 1, parent_mark);
        block->justify = sync_world_qc(world, height - 1, parent_mark);
    }
    return block;
}

struct sync_world *sync_world_new(uint64_t chain_height, uint64_t set_change_every)
{
    struct sync_world *world = alloc_zeroed(1, sizeof *world);
    world->now_ms = 1000;
    world->chain_height = chain_height;
    world->block_bytes = SYNC_WORLD_BLOCK_BYTES;
    world->set_change_every = set_change_every;
    for (uint64_t height = 0; height <= chain_height; height++) {
        world->chain[height] = make_block(world, height, MARK_CHAIN, MARK_CHAIN);
    }
    for (uint64_t height = FORK_FIRST; height <= FORK_LAST && height <= chain_height; height++) {
        world->fork[height] =
            make_block(world, height, MARK_FORK, height == FORK_FIRST ? MARK_CHAIN : MARK_FORK);
    }
    world->tree[0][MARK_CHAIN] = world->chain[0];
    log_configure(LOG_PLAIN, LOG_NONE);
    return world;
}

void sync_world_free(struct sync_world *world)
{
    sync_client_free(world->client);
    assert_int_equal(world->shown_count, 0);
    message_unref(world->taken);
    for (uint32_t i = 0; i < world->event_count; i++) {
        message_unref(world->events[i].answer);
    }
    for (uint64_t height = 0; height <= world->chain_height; height++) {
        block_unref(world->chain[height]);
        block_unref(world->fork[height]);
    }
    free(world);
}

/* --- What the client reaches. --- */

static struct block *find_block(void *context, const struct ingot_hash *hash)
{
    struct sync_world *world = context;
    uint64_t height;
    memcpy(&height, hash->bytes, sizeof height);
    return height > world->chain_height || hash->bytes[30] > MARK_FORK
               ? NULL
               : world->tree[height][hash->bytes[30]];
}

static bool is_genuine(const struct qc *qc)
{
    return qc->block.bytes[30] != MARK_FORGED;
}

/* The place of an answer among those that wait for their turn, or their number. */
static uint32_t find_shown(const struct sync_world *world, const struct message *answer)
{
    uint32_t i = 0;
    while (i < world->shown_count && world->shown[i] != answer) {
        i++;
    }
    return i;
}

static void held(void *context, struct message *answer)
{
    struct sync_world *world = context;
    const uint32_t place = find_shown(world, answer);
    assert_in_range(place, 0, SYNC_WORLD_SHOWN_MAX - 1);
    world->shown[place] = answer;
    world->shown_count += place == world->shown_count;
    if (world->shown_count > world->shown_most) {
        world->shown_most = world->shown_count;
    }
}

/* It may go before it was ever shown. */
static void released(void *context, const struct message *answer)
{
    struct sync_world *world = context;
    const uint32_t place = find_shown(world, answer);
    if (place < world->shown_count) {
        world->shown[place] = world->shown[--world->shown_count];
    }
}

static enum reject verify(void *context, const struct block *parent, const struct message *answer,
                          uint32_t first, const struct sync_response *response, uint32_t *count)
{
    const struct sync_world *world = context;
    assert_in_range(find_shown(world, answer) + 1, 1, world->shown_count);
    assert_in_range(first + response->block_count, 1, answer->sync_response.block_count);
    *count = 0;
    for (uint32_t i = 0; i < response->block_count; i++) {
        const struct block *block = response->blocks[i];
        const struct block *before = i == 0 ? parent : response->blocks[i - 1];
        assert_ptr_equal(block, answer->sync_response.blocks[first + i]);
        const struct qc *qc =
            i + 1 < response->block_count ? response->blocks[i + 1]->justify : response->tail_qc;
        if (memcmp(&block->parent, &before->hash, INGOT_HASH_BYTES) != 0 ||
            block->hash.bytes[30] == MARK_FORGED) {
            return REJECT_BINDING;
        }
        if (qc == NULL || qc->epoch > world->known_epoch) {
            return REJECT_NONE;
        }
        if (!is_genuine(qc) || memcmp(&qc->block, &block->hash, INGOT_HASH_BYTES) != 0) {
            return REJECT_BAD_SIGNATURE;
        }
        *count = i + 1;
    }
    return REJECT_NONE;
}

static enum reject take(void *context, uint32_t peer, struct message *message)
{
    struct sync_world *world = context;
    (void)peer;
    if (message->kind == MESSAGE_CERTIFICATE) {
        if (!is_genuine(message->certificate.qc)) {
            return REJECT_BAD_SIGNATURE;
        }
        world->certificates++;
    }
    assert_null(world->taken);
    world->taken = message_ref(message);
    return REJECT_NONE;
}

static void answer_later(struct sync_world *world, uint32_t peer, uint32_t delay_ms,
                         struct message *answer)
{
    assert_in_range(world->event_count, 0, SYNC_WORLD_EVENTS_MAX - 1);
    world->events[world->event_count++] = (struct sync_world_event){
        .at_ms = world->now_ms + delay_ms, .peer = peer, .answer = answer};
}

static void add(struct sync_response *response, struct block *block)
{
    response->blocks[response->block_count++] = block_ref(block);
}

/* What an honest server does, but for `has` and `lowest`, which are the peer's. */
static void fill(const struct sync_world *world, const struct sync_world_peer *peer, uint64_t first,
                 uint32_t limit, struct sync_response *response)
{
    response->blocks = alloc_zeroed((size_t)limit + 1, sizeof(struct block *));
    if (first < peer->lowest) {
        return;
    }
    for (uint64_t height = first; height <= peer->has && response->block_count < limit; height++) {
        add(response, world->chain[height]);
    }
    if (response->block_count > 0) {
        const struct block *last = response->blocks[response->block_count - 1];
        response->tail_qc = sync_world_qc(world, last->height, MARK_CHAIN);
    }
}

static void forge(struct sync_world *world, struct sync_response *response)
{
    const uint32_t middle = response->block_count / 2;
    if (response->block_count > 0) {
        const uint64_t height = response->blocks[middle]->height;
        block_unref(response->blocks[middle]);
        response->blocks[middle] = make_block(world, height, MARK_FORGED, MARK_CHAIN);
    }
}

static void fork_answer(struct sync_world *world, uint64_t first, uint32_t limit,
                        struct sync_response *response)
{
    for (uint64_t height = first; height <= FORK_LAST && response->block_count < limit; height++) {
        add(response, height < FORK_FIRST ? world->chain[height] : world->fork[height]);
    }
    const struct block *last = response->blocks[response->block_count - 1];
    qc_unref(response->tail_qc);
    response->tail_qc = sync_world_qc(world, last->height, last->hash.bytes[30]);
}

static void clear(struct sync_response *response)
{
    while (response->block_count > 0) {
        block_unref(response->blocks[--response->block_count]);
    }
    qc_unref(response->tail_qc);
    response->tail_qc = NULL;
}

static void spoil(struct sync_world *world, const struct sync_world_peer *peer,
                  const struct sync_request *request, uint64_t first, uint32_t limit,
                  struct sync_response *response)
{
    switch (peer->habit) {
    case FORGES:
        forge(world, response);
        break;
    case FORKS:
        if (first <= FORK_LAST) {
            clear(response);
            fork_answer(world, first, limit, response);
        }
        break;
    case BOASTS:
        response->committed_height = world->chain_height + 1000000;
        if (first > peer->has) {
            clear(response);
        }
        break;
    case HIDES:
        clear(response);
        break;
    case UNCERTIFIED:
        if (response->block_count > 0 && memcmp(&response->blocks[response->block_count - 1]->hash,
                                                &request->target, INGOT_HASH_BYTES) == 0) {
            qc_unref(response->tail_qc);
            response->tail_qc = NULL;
        }
        break;
    case STRAYS:
        clear(response);
        free(response->blocks);
        fill(world, peer, request->base_height + 3, limit, response);
        break;
    case HONEST:
    case SILENT:
    case SLOW:
    case GARBLES:
    case OVERFILLS:
    case DRIPS:
    case HALVES:
        break;
    }
}

static uint32_t limit_of(const struct sync_world *world, const struct sync_world_peer *peer,
                         const struct sync_request *request)
{
    uint32_t limit = request->blocks_max;
    if (limit > request->bytes_max / world->block_bytes) {
        limit = (uint32_t)(request->bytes_max / world->block_bytes);
    }
    limit = limit > 0 ? limit : 1;
    switch (peer->habit) {
    case OVERFILLS:
        return request->blocks_max + 1;
    case DRIPS:
        return 1;
    case HALVES:
        return limit / 2 + 1;
    case HONEST:
    case SILENT:
    case SLOW:
    case FORGES:
    case FORKS:
    case BOASTS:
    case HIDES:
    case STRAYS:
    case GARBLES:
    case UNCERTIFIED:
        return limit;
    }
    return limit;
}

static void on_request(void *context, uint32_t number, const struct sync_request *request)
{
    struct sync_world *world = context;
    struct sync_world_peer *peer = &world->peers[number];
    const struct ingot_hash base = hash_of(request->base_height, MARK_CHAIN);
    const bool has_base = request->base.bytes[31] != 0;
    const bool shares = memcmp(&base, &request->base, sizeof base) == 0;
    const uint64_t first =
        1 + (has_base && !shares ? request->committed_height : request->base_height);
    peer->asked++;
    peer->asked_by_number += !has_base;
    peer->asked_from_committed += has_base && request->committed_height > 0 &&
                                  request->base_height == request->committed_height;
    assert_in_range(request->blocks_max, 1, INGOT_SYNC_BLOCKS_MAX);
    if (peer->habit == SILENT) {
        return;
    }
    struct message *message = message_new(MESSAGE_SYNC_RESPONSE);
    struct sync_response *response = &message->sync_response;
    response->committed_height = peer->has;
    response->lowest_height = peer->lowest;
    const uint32_t limit = limit_of(world, peer, request);
    fill(world, peer, first, limit, response);
    spoil(world, peer, request, first, limit, response);
    answer_later(world, number, peer->habit == SLOW ? 4500 : peer->delay_ms, message);
}

/* --- Running. --- */

static void begin(struct sync_world *world)
{
    const struct sync_client_options options = {.request_timeout_ms = SYNC_WORLD_TIMEOUT_MS,
                                                .context = world,
                                                .request = on_request,
                                                .find_block = find_block,
                                                .held = held,
                                                .released = released,
                                                .verify = verify,
                                                .take = take};
    world->client = sync_client_new(&options);
}

void sync_world_say_heights(struct sync_world *world)
{
    for (uint32_t i = 0; i < world->peer_count; i++) {
        const struct sync_world_peer *peer = &world->peers[i];
        sync_client_claim(world->client, i, peer->has + (peer->habit == BOASTS ? 1000000 : 0));
    }
}

void sync_world_add_peer(struct sync_world *world, enum sync_habit habit, uint64_t has,
                         uint64_t lowest)
{
    if (world->client == NULL) {
        begin(world);
    }
    world->peers[world->peer_count] = (struct sync_world_peer){
        .habit = habit, .has = has, .lowest = lowest, .delay_ms = 3 + world->peer_count};
    sync_client_set_connected(world->client, world->peer_count, true);
    world->peer_count++;
    sync_world_say_heights(world);
}

void sync_world_follow_fork(struct sync_world *world)
{
    world->high = FORK_FIRST - 1;
    for (uint64_t height = 1; height <= world->high; height++) {
        world->tree[height][MARK_CHAIN] = world->chain[height];
    }
    for (uint64_t height = FORK_FIRST; height <= FORK_LAST; height++) {
        world->tree[height][MARK_FORK] = world->fork[height];
    }
}

/* The core and the App: executes what was taken. */
static void flush(struct sync_world *world)
{
    if (world->taken == NULL) {
        return;
    }
    struct message *message = world->taken;
    world->taken = NULL;
    if (message->kind == MESSAGE_CERTIFICATE) {
        const struct qc *qc = message->certificate.qc;
        const bool opens = qc->phase == PHASE_COMMIT && find_block(world, &qc->block) != NULL;
        world->known_epoch = opens ? qc->epoch + 1 : world->known_epoch;
        message_unref(message);
        return;
    }
    const struct sync_response *run = &message->sync_response;
    world->runs++;
    world->run_longest =
        run->block_count > world->run_longest ? run->block_count : world->run_longest;
    for (uint32_t i = 0; i < run->block_count; i++) {
        struct block *block = run->blocks[i];
        const struct qc *qc = i + 1 < run->block_count ? run->blocks[i + 1]->justify : run->tail_qc;
        const uint8_t mark = block->hash.bytes[30];
        assert_int_not_equal(mark, MARK_FORGED);
        assert_non_null(find_block(world, &block->parent));
        world->tree[block->height][mark] =
            mark == MARK_CHAIN ? world->chain[block->height] : world->fork[block->height];
        if (qc->phase == PHASE_COMMIT) {
            world->known_epoch = qc->epoch + 1;
        }
    }
    while (world->high < world->chain_height && world->tree[world->high + 1][MARK_CHAIN] != NULL) {
        world->high++;
    }
    message_unref(message);
}

/* Of two branches the core follows the one with the higher certificate, committed or not. */
static const struct block *high_block(const struct sync_world *world)
{
    for (uint64_t height = FORK_LAST; height > world->high && height >= FORK_FIRST; height--) {
        if (world->tree[height][MARK_FORK] != NULL) {
            return world->fork[height];
        }
    }
    return world->chain[world->high];
}

static struct sync_chain chain_of(struct sync_world *world)
{
    const uint64_t committed = world->high > 2 ? world->high - 2 : 0;
    const struct block *high = high_block(world);
    return (struct sync_chain){.now_ms = world->now_ms,
                               .committed = world->chain[committed],
                               .high = high,
                               .high_position = {world->known_epoch, high->height},
                               .waiting_qc = world->waiting_qc,
                               .waiting_peer = 0};
}

void sync_world_step(struct sync_world *world)
{
    bool has_more = true;
    while (has_more) {
        flush(world);
        const struct sync_chain chain = chain_of(world);
        has_more = sync_client_step(world->client, &chain);
        struct sync_client_status status;
        sync_client_get_status(world->client, &status);
        world->held_most =
            status.held_bytes > world->held_most ? status.held_bytes : world->held_most;
    }
}

static void deliver(struct sync_world *world, uint32_t index)
{
    struct sync_world_event event = world->events[index];
    world->events[index] = world->events[--world->event_count];
    if (world->peers[event.peer].habit == GARBLES) {
        sync_client_receive_garbled(world->client, world->now_ms, event.peer);
    } else {
        (void)sync_client_receive(world->client, world->now_ms, event.peer, event.answer,
                                  (size_t)event.answer->sync_response.block_count *
                                      world->block_bytes);
    }
    message_unref(event.answer);
}

bool sync_world_run(struct sync_world *world, uint64_t until_ms, bool stops_when_complete)
{
    uint32_t turns = 0;
    sync_world_step(world);
    while (world->now_ms < until_ms &&
           !(stops_when_complete && world->high == world->chain_height)) {
        uint64_t next_ms = sync_client_deadline_ms(world->client);
        uint32_t first = SYNC_WORLD_EVENTS_MAX;
        for (uint32_t i = 0; i < world->event_count; i++) {
            if (world->events[i].at_ms < next_ms) {
                next_ms = world->events[i].at_ms;
                first = i;
            }
        }
        assert_true(turns++ < 100000);
        world->now_ms = next_ms < until_ms ? next_ms : until_ms;
        if (first < SYNC_WORLD_EVENTS_MAX && world->events[first].at_ms <= world->now_ms) {
            deliver(world, first);
        }
        sync_world_step(world);
    }
    return world->high == world->chain_height;
}

bool sync_world_completes(struct sync_world *world, uint64_t limit_ms)
{
    return sync_world_run(world, world->now_ms + limit_ms, true);
}

struct sync_client_status sync_world_status(const struct sync_world *world)
{
    struct sync_client_status status;
    sync_client_get_status(world->client, &status);
    return status;
}

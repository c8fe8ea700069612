/*
 * The driver of the broadcast protocols. See broadcast_node.h.
 */
#include "node/broadcast_node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/signatures_file.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "broadcast/gossip.h"
#include "broadcast/quorum_broadcast.h"
#include "wire/broadcast.h"

#define REPORT_INTERVAL_US 1000000
/* While the disk is full. */
#define SYNC_RETRY_MS 1000
/* Of a payload that comes with no id of its own. */
#define RANDOM_ID_BYTES 16

struct broadcast_node *broadcast_node_of(struct node_driver *driver)
{
    return (struct broadcast_node *)driver;
}

uint64_t broadcast_node_now_ms(void)
{
    return clock_monotonic_us() / 1000;
}

/* --- Names of rounds. --- */

uint32_t broadcast_rounds_find(const struct broadcast_rounds *rounds, const struct broadcast_id *id,
                               const struct broadcast_digest *digest)
{
    for (uint32_t i = 0; i < rounds->count; i++) {
        const struct broadcast_round_name *name = &rounds->items[i];
        if (broadcast_id_equal(&name->id, id) &&
            (digest == NULL || broadcast_digest_equal(&name->digest, digest))) {
            return i;
        }
    }
    return UINT32_MAX;
}

void broadcast_rounds_add(struct broadcast_rounds *rounds, const struct broadcast_id *id,
                          const struct broadcast_digest *digest)
{
    if (rounds->count == rounds->capacity) {
        rounds->capacity = 2 * rounds->capacity + 16;
        rounds->items = alloc_resize(rounds->items, rounds->capacity, sizeof *rounds->items);
    }
    rounds->items[rounds->count++] = (struct broadcast_round_name){.id = *id, .digest = *digest};
}

static void remove_at(struct broadcast_rounds *rounds, uint32_t place)
{
    if (place != UINT32_MAX) {
        rounds->items[place] = rounds->items[--rounds->count];
    }
}

/* --- Effects. --- */

static void step(struct broadcast_node *driver, struct broadcast_event *event)
{
    event->now_ms = broadcast_node_now_ms();
    (void)broadcast_handle(driver->protocol, event, &driver->effects);
}

/* What carries a payload may be refused for want of room, and is said again; votes go first. */
static enum ingot_frame_class class_of(const struct broadcast_message *message)
{
    return message->kind == BROADCAST_GOSSIP || message->kind == BROADCAST_PRE_PREPARE
               ? INGOT_FRAME_BULK
               : INGOT_FRAME_CONSENSUS;
}

/* A member whose channel is not known may be behind any that the peers file gives no member. */
static uint32_t channel_of(const struct broadcast_node *driver, uint32_t member)
{
    for (uint32_t i = 0; i < INGOT_PEERS_MAX; i++) {
        if (driver->peers[i].is_connected && driver->peers[i].member == member) {
            return member;
        }
    }
    return BROADCAST_NONE;
}

static bool is_target(const struct broadcast_node *driver, const struct broadcast_effect *effect,
                      uint32_t peer)
{
    switch (effect->target) {
    case BROADCAST_TO_ALL:
        return true;
    case BROADCAST_TO_ALL_BUT:
        return peer != effect->peer;
    case BROADCAST_TO_PEER:
        return peer == effect->peer;
    case BROADCAST_TO_MEMBER:
        return driver->peers[peer].member == channel_of(driver, effect->member);
    }
    return false;
}

/* What we sign binds us for ever: it leaves when the store has it. */
static void hold(struct broadcast_node *driver, struct broadcast_message *message)
{
    struct broadcast_messages *held = &driver->held;
    if (held->count == held->capacity) {
        held->capacity = 2 * held->capacity + 16;
        held->items = alloc_resize(held->items, held->capacity, sizeof(*held->items));
    }
    held->items[held->count++] = broadcast_message_ref(message);
}

static void send_message(struct broadcast_node *driver, const struct broadcast_effect *effect)
{
    struct broadcast_message *message = effect->message;
    const bool is_new = !message->is_signed;
    if (is_new) {
        const bool is_signed =
            wire_broadcast_sign(&driver->signer, driver->node->genesis.set, message);
        INGOT_ASSERT(is_signed);
    }
    ingot_buffer_clear(&driver->frame);
    wire_broadcast_encode(message, &driver->frame);
    for (uint32_t i = 0; i < INGOT_PEERS_MAX; i++) {
        if (driver->peers[i].is_connected && is_target(driver, effect, i)) {
            node_send(driver->node, i, class_of(message), ingot_buffer_slice(&driver->frame));
        }
    }
    if (is_new) {
        struct broadcast_event event = {
            .kind = BROADCAST_MESSAGE, .peer = BROADCAST_SELF, .message = message};
        step(driver, &event);
    }
}

static void end_round(struct broadcast_node *driver, const struct broadcast_round_name *name)
{
    const struct broadcast_round_name ended = *name;
    rpc_broadcast_ended(driver->node->rpc, &ended.id, &ended.digest);
    remove_at(&driver->started, broadcast_rounds_find(&driver->started, &ended.id, &ended.digest));
}

static void report(struct broadcast_node *driver, const struct broadcast_round_name *name)
{
    const uint64_t now_us = clock_monotonic_us();
    driver->reported_deliveries++;
    if (now_us - driver->reported_us < REPORT_INTERVAL_US) {
        return;
    }
    LOG(LOG_INFO, "delivered", log_hex("id", name->id.bytes, name->id.size),
        log_hex("digest", name->digest.bytes, sizeof name->digest.bytes),
        log_u64("deliveries", driver->reported_deliveries));
    driver->reported_us = now_us;
    driver->reported_deliveries = 0;
}

static void deliver(struct broadcast_node *driver, struct broadcast_message *message)
{
    if (driver->signing == NULL) {
        gossip_deliveries_add(&driver->deliveries, message);
    }
    broadcast_rounds_add(&driver->delivered, &message->id, &message->digest);
}

static void time_out(struct broadcast_node *driver, const struct broadcast_id *id)
{
    const uint32_t place = broadcast_rounds_find(&driver->started, id, NULL);
    LOG(LOG_WARN, "a broadcast was given up", log_hex("id", id->bytes, id->size));
    if (place != UINT32_MAX) {
        driver->started.items[place].has_timed_out = true;
        end_round(driver, &driver->started.items[place]);
    }
}

static void perform(struct broadcast_node *driver, struct broadcast_effect *effect)
{
    switch (effect->kind) {
    case BROADCAST_SEND:
        if (effect->message->kind == BROADCAST_COMMIT && !effect->message->is_signed) {
            hold(driver, effect->message);
        } else {
            send_message(driver, effect);
        }
        break;
    case BROADCAST_DELIVER:
        deliver(driver, effect->message);
        break;
    case BROADCAST_REFUSED:
        break; /* whoever started it has been told */
    case BROADCAST_TIMED_OUT:
        time_out(driver, &effect->id);
        break;
    case BROADCAST_ARM:
        driver->has_deadline = true;
        driver->deadline_ms = effect->deadline_ms;
        break;
    }
}

/* False: not durable yet, or the node ends. */
static bool make_durable(struct broadcast_node *driver)
{
    if (driver->signing == NULL) {
        return true;
    }
    const bool was_full = driver->is_full;
    const enum ingot_error error = quorum_signing_sync(driver->signing);
    driver->is_full = error == INGOT_ERROR_NO_SPACE;
    if (driver->is_full != was_full) {
        LOG(driver->is_full ? LOG_ERROR : LOG_INFO,
            driver->is_full ? "the disk is full: signing and deliveries wait for room"
                            : "the disk has room again",
            log_text("folder", driver->node->home.data_folder));
    }
    if (error == INGOT_OK || driver->is_full) {
        return error == INGOT_OK;
    }
    LOG(LOG_ERROR, "a durable write failed", log_text("folder", driver->node->home.data_folder),
        log_text("error", ingot_error_text(error)));
    node_fail(driver->node, home_ledger_exit(error));
    return false;
}

/* What waited to be durable: deliveries are told of, and our COMMITs leave. */
static void release(struct broadcast_node *driver)
{
    for (uint32_t i = 0; i < driver->delivered.count; i++) {
        report(driver, &driver->delivered.items[i]);
        end_round(driver, &driver->delivered.items[i]);
    }
    driver->delivered.count = 0;
    for (uint32_t i = 0; i < driver->held.count; i++) {
        const struct broadcast_effect effect = {
            .kind = BROADCAST_SEND, .target = BROADCAST_TO_ALL, .message = driver->held.items[i]};
        send_message(driver, &effect);
        broadcast_message_unref(effect.message);
    }
    driver->held.count = 0;
}

static void arm(struct broadcast_node *driver)
{
    const uint64_t retry_ms = broadcast_node_now_ms() + SYNC_RETRY_MS;
    const bool is_later = !driver->has_deadline || driver->deadline_ms > retry_ms;
    if (driver->is_full && is_later) {
        node_arm(driver->node, retry_ms);
    } else if (driver->has_deadline) {
        node_arm(driver->node, driver->deadline_ms);
    }
}

/* One sync serves all that has come since the last flush, and one more the deliveries that our own
 * COMMITs complete. */
static void flush(struct node_driver *base)
{
    struct broadcast_node *driver = broadcast_node_of(base);
    bool is_durable = true;
    do {
        while (driver->effects.count > 0) {
            struct broadcast_effects taken = driver->effects;
            driver->effects = (struct broadcast_effects){0};
            for (uint32_t i = 0; i < taken.count; i++) {
                perform(driver, &taken.items[i]);
            }
            broadcast_effects_deinit(&taken);
        }
        is_durable = make_durable(driver);
        if (is_durable) {
            release(driver);
        }
    } while (is_durable && driver->effects.count > 0);
    arm(driver);
}

/* --- Events. --- */

static void tick(struct node_driver *base)
{
    struct broadcast_node *driver = broadcast_node_of(base);
    struct broadcast_event event = {.kind = BROADCAST_TICK};
    if (driver->has_deadline && driver->deadline_ms <= broadcast_node_now_ms()) {
        driver->has_deadline = false;
    }
    step(driver, &event);
}

/* Once for each connection: what a peer can repeat at will must not fill the disk. */
static void reject_frame(struct broadcast_node *driver, uint32_t peer, enum reject reject,
                         size_t size)
{
    struct broadcast_peer *from = &driver->peers[peer];
    driver->metrics.rejects[reject]++;
    LOG(from->was_warned_of ? LOG_DEBUG : LOG_WARN, "a frame is not used",
        log_text("reason", reject_text(reject)), log_u64("peer", peer), log_u64("bytes", size));
    from->was_warned_of = true;
}

static void receive(struct node_driver *base, uint32_t peer, struct ingot_slice frame)
{
    struct broadcast_node *driver = broadcast_node_of(base);
    const struct ingot_node *node = driver->node;
    struct broadcast_message *message = NULL;
    enum reject reject = REJECT_OTHER_PROTOCOL;
    if (wire_is_broadcast(frame)) {
        reject = wire_broadcast_decode(frame, &message);
    }
    if (reject == REJECT_NONE) {
        reject = wire_broadcast_verify(&crypto_ed25519, &node->home.genesis.hash, node->genesis.set,
                                       message, &driver->signer.counters);
    }
    if (reject == REJECT_NONE) {
        struct broadcast_event event = {
            .kind = BROADCAST_MESSAGE, .peer = peer, .message = message};
        step(driver, &event);
    } else {
        reject_frame(driver, peer, reject, frame.size);
    }
    broadcast_message_unref(message);
}

static void set_peer(struct node_driver *base, uint32_t peer, bool has_key,
                     const struct ingot_public_key *key)
{
    struct broadcast_node *driver = broadcast_node_of(base);
    const uint32_t member =
        has_key ? validator_set_find(driver->node->genesis.set, key) : VALIDATOR_NONE;
    driver->peers[peer].member = member == VALIDATOR_NONE ? BROADCAST_NONE : member;
}

static void remove_peer(struct node_driver *base, uint32_t peer)
{
    broadcast_node_of(base)->peers[peer] = (struct broadcast_peer){.member = BROADCAST_NONE};
}

static void set_connected(struct node_driver *base, uint32_t peer, bool is_connected)
{
    struct broadcast_node *driver = broadcast_node_of(base);
    struct broadcast_peer *channel = &driver->peers[peer];
    channel->is_connected = is_connected;
    channel->was_warned_of = false;
    if (is_connected) {
        struct broadcast_event event = {
            .kind = BROADCAST_CONNECTED, .peer = peer, .member = channel->member};
        step(driver, &event);
    }
}

enum broadcast_reject broadcast_node_start(struct broadcast_node *driver,
                                           const struct broadcast_id *id,
                                           struct ingot_slice payload)
{
    struct broadcast_event event = {.kind = BROADCAST_START,
                                    .now_ms = broadcast_node_now_ms(),
                                    .id = broadcast_id_slice(id),
                                    .payload = payload};
    const enum broadcast_reject reject =
        broadcast_handle(driver->protocol, &event, &driver->effects);
    if (reject == BROADCAST_REJECT_NONE) {
        struct broadcast_digest digest;
        wire_broadcast_digest(payload, &digest);
        broadcast_rounds_add(&driver->started, id, &digest);
    }
    node_schedule_flush(driver->node);
    return reject;
}

static enum ingot_error submit(struct node_driver *base, struct ingot_slice payload)
{
    uint8_t random[CRYPTO_SEED_BYTES];
    struct broadcast_id id;
    crypto_random_seed(random);
    const bool is_id = broadcast_id_from(ingot_slice_of(random, RANDOM_ID_BYTES), &id);
    INGOT_ASSERT(is_id);
    const enum broadcast_reject reject =
        broadcast_node_start(broadcast_node_of(base), &id, payload);
    if (reject == BROADCAST_REJECT_NONE) {
        return INGOT_OK;
    }
    if (reject == BROADCAST_REJECT_OVERSIZE) {
        return INGOT_ERROR_TOO_LARGE;
    }
    const bool is_full =
        reject == BROADCAST_REJECT_QUOTA_ROUNDS || reject == BROADCAST_REJECT_QUOTA_BYTES;
    return is_full ? INGOT_ERROR_FULL : INGOT_ERROR_REJECTED;
}

static void start(struct node_driver *base)
{
    (void)base; /* channels and clients begin everything */
}

static void get_status(struct node_driver *base, struct ingot_node_status *status)
{
    *status =
        (struct ingot_node_status){.is_member = broadcast_node_of(base)->own != BROADCAST_NONE};
}

/* --- Opening. --- */

static bool is_quorum(const struct broadcast_node *driver)
{
    return driver->node->home.settings.protocol == SETTINGS_PROTOCOL_QUORUM_BROADCAST;
}

static enum ingot_exit open_folder(struct broadcast_node *driver, char *why, size_t why_size)
{
    const struct node_home *home = &driver->node->home;
    if (is_quorum(driver)) {
        const struct ingot_store_lmdb_options options = {
            .folder = home->data_folder,
            .tables = quorum_store_tables,
            .table_count = QUORUM_STORE_TABLE_COUNT,
            .map_size_initial = home->settings.storage_map_size_initial,
            .map_size_max = home->settings.storage_map_size_max};
        return home_ledger_exit(ingot_store_lmdb_open(&options, &driver->store, why, why_size));
    }
    const struct store_why reason = {.text = why, .size = why_size};
    return home_ledger_exit(store_folder_open(&driver->folder, home->data_folder, false, reason));
}

static enum ingot_exit open_key(struct broadcast_node *driver, char *why, size_t why_size)
{
    const struct node_home *home = &driver->node->home;
    struct ingot_public_key key;
    (void)why;
    (void)why_size;
    driver->own = BROADCAST_NONE;
    if (!home->is_validator) {
        return INGOT_EXIT_OK;
    }
    crypto_ed25519.key_from_seed(home->validator_key.seed, &driver->secret, &key);
    driver->own = validator_set_find(driver->node->genesis.set, &key);
    INGOT_ASSERT(driver->own != VALIDATOR_NONE);
    driver->signer = (struct wire_signer){.scheme = &crypto_ed25519,
                                          .secret = &driver->secret,
                                          .key = key,
                                          .chain = home->genesis.hash};
    return INGOT_EXIT_OK;
}

static void open_gossip(struct broadcast_node *driver)
{
    const struct validator_set *set = driver->node->genesis.set;
    const struct gossip_config config = {.members = set->validators,
                                         .member_count = set->count,
                                         .own = driver->own,
                                         .digest = wire_broadcast_digest,
                                         .resend_ms = GOSSIP_RESEND_MS,
                                         .resends_max = GOSSIP_RESENDS_MAX};
    driver->protocol = gossip_new(&config);
}

static enum ingot_exit open_quorum(struct broadcast_node *driver, char *why, size_t why_size)
{
    const struct ingot_node *node = driver->node;
    const struct validator_set *set = node->genesis.set;
    char *path = path_join(node->home.data_folder, SIGNATURES_FILE_NAME);
    const struct quorum_signing_options options = {
        .path = path,
        .store = driver->store,
        .genesis = &node->home.genesis,
        .set = set,
        .scheme = &crypto_ed25519,
        .secret = driver->own == BROADCAST_NONE ? NULL : &driver->secret,
        .payload_bytes_max = node->home.settings.signing_payload_bytes_max};
    const enum ingot_error error = quorum_signing_open(&options, &driver->signing, why, why_size);
    free(path);
    if (error != INGOT_OK) {
        return home_ledger_exit(error);
    }
    struct quorum_broadcast_config config = {.members = set->validators,
                                             .member_count = set->count,
                                             .own = driver->own,
                                             .digest = wire_broadcast_digest,
                                             .callbacks =
                                                 quorum_signing_callbacks(driver->signing)};
    quorum_broadcast_config_defaults(&config, set->count);
    driver->protocol = quorum_broadcast_new(&config);
    return INGOT_EXIT_OK;
}

static enum ingot_exit open_protocol(struct broadcast_node *driver, char *why, size_t why_size)
{
    if (is_quorum(driver)) {
        return open_quorum(driver, why, why_size);
    }
    open_gossip(driver);
    return INGOT_EXIT_OK;
}

static enum ingot_exit open_driver(struct ingot_node *node, struct node_driver **base, char *why,
                                   size_t why_size)
{
    static enum ingot_exit (*const steps[])(struct broadcast_node *, char *,
                                            size_t) = {open_folder, open_key, open_protocol};
    struct broadcast_node *driver = alloc_zeroed(1, sizeof *driver);
    driver->driver = (struct node_driver){&broadcast_node, "none"};
    driver->node = node;
    for (uint32_t i = 0; i < INGOT_PEERS_MAX; i++) {
        driver->peers[i].member = BROADCAST_NONE;
    }
    *base = &driver->driver;
    enum ingot_exit result = INGOT_EXIT_OK;
    for (size_t i = 0; result == INGOT_EXIT_OK && i < sizeof steps / sizeof steps[0]; i++) {
        result = steps[i](driver, why, why_size);
    }
    return result;
}

static void free_driver(struct node_driver *base)
{
    struct broadcast_node *driver = broadcast_node_of(base);
    broadcast_free(driver->protocol);
    broadcast_effects_deinit(&driver->effects);
    for (uint32_t i = 0; i < driver->held.count; i++) {
        broadcast_message_unref(driver->held.items[i]);
    }
    free(driver->held.items);
    quorum_signing_close(driver->signing);
    ingot_store_close(driver->store);
    gossip_deliveries_deinit(&driver->deliveries);
    if (driver->folder.path != NULL) {
        store_folder_close(&driver->folder);
    }
    crypto_wipe(&driver->secret, sizeof driver->secret);
    ingot_buffer_deinit(&driver->frame);
    free(driver->started.items);
    free(driver->delivered.items);
    free(driver);
}

const struct node_driver_operations broadcast_node = {.open = open_driver,
                                                      .free = free_driver,
                                                      .set_peer = set_peer,
                                                      .remove_peer = remove_peer,
                                                      .set_connected = set_connected,
                                                      .start = start,
                                                      .receive = receive,
                                                      .tick = tick,
                                                      .flush = flush,
                                                      .submit = submit,
                                                      .get_status = get_status,
                                                      .describe = broadcast_node_describe};

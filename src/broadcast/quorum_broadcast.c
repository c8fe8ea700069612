/*
 * Quorum consensus broadcast as a protocol: making it, handing each event to the file that knows
 * what it means, and writing down its state. The model and the map of the files are in round.h.
 */
#include "broadcast/quorum_broadcast.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "broadcast/effect.h"
#include "broadcast/round.h"

static enum broadcast_reject handle(struct broadcast_protocol *protocol,
                                    const struct broadcast_event *event,
                                    struct broadcast_effects *effects)
{
    struct quorum_broadcast *broadcast = (struct quorum_broadcast *)protocol;
    enum broadcast_reject reject = BROADCAST_REJECT_NONE;
    INGOT_ASSERT(event->now_ms >= broadcast->now_ms);
    broadcast->now_ms = event->now_ms;
    broadcast->out = effects;
    switch (event->kind) {
    case BROADCAST_START:
        reject = round_start(broadcast, event);
        break;
    case BROADCAST_MESSAGE:
        reject = round_receive(broadcast, event);
        break;
    case BROADCAST_TICK:
        round_tick(broadcast);
        break;
    case BROADCAST_CONNECTED:
        round_connected(broadcast, event->member);
        break;
    }
    round_arm(broadcast);
    broadcast->out = NULL;
    return reject;
}

/* --- The state in writing. --- */

static void dump_choice(const struct choice *choice, struct ingot_buffer *out)
{
    ingot_buffer_append_u8(out, choice->is_made);
    if (choice->is_made) {
        ingot_buffer_append(out, choice->digest.bytes, sizeof choice->digest.bytes);
    }
}

static void dump_live(const struct quorum_broadcast *broadcast, const struct round *round,
                      struct ingot_buffer *out)
{
    const struct live_round *live = round->live;
    broadcast_dump_message(live->pre_prepare, out);
    if (round_is_open(round)) {
        for (uint32_t i = 0; i < broadcast->config.member_count; i++) {
            broadcast_dump_message(live->prepares[i], out);
            broadcast_dump_message(live->commits[i], out);
        }
    } else {
        broadcast_dump_message(live->own_prepare, out);
        broadcast_dump_message(live->own_commit, out);
        ingot_buffer_append(out, live->prepared.bits, sizeof live->prepared.bits);
        ingot_buffer_append(out, live->committed.bits, sizeof live->committed.bits);
    }
    ingot_buffer_append(out, live->returned.bits, sizeof live->returned.bits);
    ingot_buffer_append_u8(out, live->said_prepare);
    ingot_buffer_append_u8(out, live->said_commit);
    ingot_buffer_append_u8(out, live->failed);
    broadcast_dump_time(live->give_up_ms, broadcast->now_ms, out);
    ingot_buffer_append_u64(out, live->interval_ms);
    broadcast_dump_time(live->repeat_at_ms, broadcast->now_ms, out);
    ingot_buffer_append(out, live->answered, sizeof live->answered);
}

static void dump_list(const struct quorum_broadcast *broadcast, const struct round_list *list,
                      struct ingot_buffer *out)
{
    ingot_buffer_append_u32(out, list->count);
    for (const struct round *round = list->first; round != NULL; round = round->later) {
        ingot_buffer_append_u32(out, round->originator);
        ingot_buffer_append_u8(out, round->id.size);
        ingot_buffer_append_slice(out, broadcast_id_slice(&round->id));
        ingot_buffer_append_u64(out, round->bytes);
        ingot_buffer_append_u8(out, round->was_given_up);
        ingot_buffer_append_u8(out, round->is_started);
        dump_choice(&round->started, out);
        dump_choice(&round->prepare, out);
        dump_choice(&round->commit, out);
        dump_choice(&round->delivered, out);
        ingot_buffer_append_u8(out, round->done);
        if (round->live != NULL) {
            dump_live(broadcast, round, out);
        }
    }
}

static void dump(const struct broadcast_protocol *protocol, struct ingot_buffer *out)
{
    const struct quorum_broadcast *broadcast = (const struct quorum_broadcast *)protocol;
    for (uint32_t i = 0; i < broadcast->config.member_count; i++) {
        const struct account *account = &broadcast->accounts[i];
        for (unsigned place = 0; place < ROUND_PLACE_COUNT; place++) {
            dump_list(broadcast, &account->lists[place], out);
        }
    }
    for (uint32_t i = 0; i < INGOT_PEERS_MAX; i++) {
        if (broadcast->answered_bytes[i] > 0) {
            ingot_buffer_append_u32(out, i);
            ingot_buffer_append_u64(out, broadcast->answered_bytes[i]);
        }
    }
    ingot_buffer_append_u8(out, broadcast->needs_tick);
    ingot_buffer_append_u8(out, broadcast->is_armed);
    broadcast_dump_time(broadcast->armed_ms, broadcast->now_ms, out);
}

/* --- Its life. --- */

static void quorum_broadcast_free(struct broadcast_protocol *protocol)
{
    struct quorum_broadcast *broadcast = (struct quorum_broadcast *)protocol;
    round_table_deinit(broadcast);
    free(broadcast->members);
    free(broadcast);
}

void quorum_broadcast_config_defaults(struct quorum_broadcast_config *config, uint32_t member_count)
{
    INGOT_ASSERT(member_count >= 1);
    INGOT_ASSERT(member_count <= INGOT_VALIDATORS_MAX);
    config->resend_ms = QUORUM_BROADCAST_RESEND_MS;
    config->resend_ms_max = QUORUM_BROADCAST_RESEND_MS_MAX;
    config->timeout_ms = QUORUM_BROADCAST_TIMEOUT_MS;
    config->open_rounds_max = INGOT_BROADCAST_ROUNDS_MAX / member_count;
    config->open_bytes_max = INGOT_BROADCAST_BYTES_MAX / member_count;
    config->finished_rounds_max = INGOT_BROADCAST_ROUNDS_MAX / member_count;
    config->remembered_max = INGOT_BROADCAST_REMEMBERED_MAX / member_count;
    config->repeat_bytes_max = QUORUM_BROADCAST_REPEAT_BYTES_MAX;
}

struct broadcast_protocol *quorum_broadcast_new(const struct quorum_broadcast_config *config)
{
    static const struct broadcast_operations operations = {
        .name = "quorum-broadcast", .handle = handle, .dump = dump, .free = quorum_broadcast_free};
    const uint32_t count = config->member_count;
    INGOT_ASSERT(count >= 1);
    INGOT_ASSERT(count <= INGOT_VALIDATORS_MAX);
    INGOT_ASSERT(config->own < count || config->own == BROADCAST_NONE);
    INGOT_ASSERT(config->digest != NULL);
    INGOT_ASSERT(config->resend_ms >= 1);
    INGOT_ASSERT(config->remembered_max >= 1); /* a round outlives the event that ends it */
    struct quorum_broadcast *broadcast = alloc_zeroed(1, sizeof *broadcast);
    broadcast->base.operations = &operations;
    broadcast->config = *config;
    broadcast->members = alloc_copy(config->members, count * sizeof *config->members);
    broadcast->config.members = broadcast->members;
    broadcast->accounts = alloc_zeroed(count, sizeof *broadcast->accounts);
    uint64_t total_power = 0;
    for (uint32_t i = 0; i < count; i++) {
        total_power += config->members[i].power;
    }
    broadcast->quorum_power = ingot_quorum_power(total_power) - MUTANT(SMALL_QUORUM);
    broadcast->one_honest_power = MUTANT(ONE_COMMIT) ? 1 : ingot_one_honest_power(total_power);
    return &broadcast->base;
}

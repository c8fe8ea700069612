/*
 * The list of effects: what leaves a protocol, in order.
 */
#include "broadcast/effect.h"

#include <stdlib.h>

#include "base/alloc.h"

static struct broadcast_effect *append(struct broadcast_effects *effects,
                                       enum broadcast_effect_kind kind)
{
    if (effects->count == effects->capacity) {
        effects->capacity = effects->capacity == 0 ? 16 : 2 * effects->capacity;
        effects->items = alloc_resize(effects->items, effects->capacity, sizeof *effects->items);
    }
    struct broadcast_effect *effect = &effects->items[effects->count++];
    *effect = (struct broadcast_effect){.kind = kind};
    return effect;
}

void broadcast_effects_clear(struct broadcast_effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        struct broadcast_effect *effect = &effects->items[i];
        for (uint32_t at = 0; at < effect->commit_count; at++) {
            broadcast_message_unref(effect->commits[at]);
        }
        free(effect->commits);
        broadcast_message_unref(effect->message);
    }
    effects->count = 0;
}

void broadcast_effects_deinit(struct broadcast_effects *effects)
{
    broadcast_effects_clear(effects);
    free(effects->items);
    *effects = (struct broadcast_effects){0};
}

void broadcast_effect_send(struct broadcast_effects *effects, enum broadcast_target target,
                           uint32_t to, struct broadcast_message *message)
{
    struct broadcast_effect *effect = append(effects, BROADCAST_SEND);
    effect->target = target;
    if (target == BROADCAST_TO_MEMBER) {
        effect->member = to;
    } else {
        effect->peer = to;
    }
    effect->message = broadcast_message_ref(message);
}

void broadcast_effect_deliver(struct broadcast_effects *effects, struct broadcast_message *message,
                              struct broadcast_message *const *commits, uint32_t commit_count)
{
    struct broadcast_effect *effect = append(effects, BROADCAST_DELIVER);
    effect->message = broadcast_message_ref(message);
    if (commit_count > 0) {
        effect->commits = alloc_zeroed(commit_count, sizeof(struct broadcast_message *));
        effect->commit_count = commit_count;
        for (uint32_t i = 0; i < commit_count; i++) {
            effect->commits[i] = broadcast_message_ref(commits[i]);
        }
    }
}

enum broadcast_reject broadcast_effect_refused(struct broadcast_effects *effects,
                                               struct ingot_slice id, enum broadcast_reject reason)
{
    struct broadcast_effect *effect = append(effects, BROADCAST_REFUSED);
    if (!broadcast_id_from(id, &effect->id)) {
        effect->id = (struct broadcast_id){0};
    }
    effect->reason = reason;
    return reason;
}

void broadcast_effect_timed_out(struct broadcast_effects *effects, const struct broadcast_id *id)
{
    append(effects, BROADCAST_TIMED_OUT)->id = *id;
}

void broadcast_effect_arm(struct broadcast_effects *effects, uint64_t deadline_ms)
{
    append(effects, BROADCAST_ARM)->deadline_ms = deadline_ms;
}

void broadcast_dump_time(uint64_t time_ms, uint64_t now_ms, struct ingot_buffer *out)
{
    ingot_buffer_append_u64(out, time_ms > now_ms ? time_ms - now_ms : 0);
}

void broadcast_dump_message(const struct broadcast_message *message, struct ingot_buffer *out)
{
    ingot_buffer_append_u8(out, message != NULL);
    if (message == NULL) {
        return;
    }
    ingot_buffer_append_u8(out, (uint8_t)message->kind);
    ingot_buffer_append_u32(out, message->sender);
    ingot_buffer_append_u32(out, message->originator);
    ingot_buffer_append_u8(out, (uint8_t)message->topic);
    ingot_buffer_append_u8(out, message->id.size);
    ingot_buffer_append_slice(out, broadcast_id_slice(&message->id));
    ingot_buffer_append(out, message->digest.bytes, sizeof message->digest.bytes);
    ingot_buffer_append_u64(out, message->attachment.size);
    ingot_buffer_append_slice(out, ingot_buffer_slice(&message->attachment));
    ingot_buffer_append_u8(out, message->is_signed);
    if (message->is_signed) {
        ingot_buffer_append(out, message->signature.bytes, sizeof message->signature.bytes);
    }
}

/*
 * What leaves the core, in order. The rule "durable before sent" lives here and nowhere else:
 * whatever another party may come to depend on is preceded by the safety state as it now is.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "core/state.h"

static struct core_effect *append(struct core_effects *effects, enum core_effect_kind kind)
{
    if (effects->count == effects->capacity) {
        effects->capacity = effects->capacity == 0 ? 16 : 2 * effects->capacity;
        effects->items = alloc_resize(effects->items, effects->capacity, sizeof *effects->items);
    }
    struct core_effect *effect = &effects->items[effects->count++];
    *effect = (struct core_effect){.kind = kind};
    return effect;
}

void core_effect_deinit(struct core_effect *effect)
{
    block_unref(effect->block);
    validator_set_unref(effect->next_set);
    message_unref(effect->message);
    qc_unref(effect->justify);
    core_safety_deinit(&effect->safety);
}

void core_effects_clear(struct core_effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        core_effect_deinit(&effects->items[i]);
    }
    effects->count = 0;
}

void core_effects_deinit(struct core_effects *effects)
{
    core_effects_clear(effects);
    free(effects->items);
    *effects = (struct core_effects){0};
}

void effect_flush_safety(struct core *core)
{
    if (!core->safety_is_dirty) {
        return;
    }
    struct core_effect *effect = append(core->out, CORE_PERSIST_SAFETY);
    effect->safety = core->safety;
    qc_ref(effect->safety.high_qc);
    if (effect->safety.high_tc != NULL) {
        tc_ref(effect->safety.high_tc);
    }
    core->safety_is_dirty = false;
}

void effect_persist_block(struct core *core, struct block *block)
{
    append(core->out, CORE_PERSIST_BLOCK)->block = block_ref(block);
}

void effect_commit(struct core *core, const struct tree_node *node)
{
    effect_flush_safety(core);
    struct core_effect *effect = append(core->out, CORE_COMMIT);
    effect->block = block_ref(node->block);
    effect->next_set = node->next_set == NULL ? NULL : validator_set_ref(node->next_set);
}

void effect_abandon(struct core *core, struct block *block)
{
    append(core->out, CORE_ABANDON)->block = block_ref(block);
}

void effect_broadcast(struct core *core, struct message *message)
{
    effect_flush_safety(core);
    append(core->out, CORE_BROADCAST)->message = message;
}

void effect_answer(struct core *core, uint32_t peer, struct message *message)
{
    effect_flush_safety(core);
    struct core_effect *effect = append(core->out, CORE_ANSWER);
    effect->message = message;
    effect->peer = peer;
}

void effect_send(struct core *core, const struct ingot_public_key *keys, uint32_t count,
                 struct message *message)
{
    INGOT_ASSERT(count <= CORE_RECIPIENTS_MAX);
    effect_flush_safety(core);
    struct core_effect *effect = append(core->out, CORE_SEND);
    effect->message = message;
    for (uint32_t i = 0; i < count; i++) {
        bool is_repeated = false;
        for (uint32_t j = 0; j < effect->recipient_count; j++) {
            is_repeated =
                is_repeated || memcmp(&effect->recipients[j], &keys[i], sizeof *keys) == 0;
        }
        if (!is_repeated) {
            effect->recipients[effect->recipient_count++] = keys[i];
        }
    }
}

void effect_ask_propose(struct core *core, struct block *parent)
{
    struct core_effect *effect = append(core->out, CORE_ASK_PROPOSE);
    effect->block = block_ref(parent);
    effect->justify = qc_ref(core->safety.high_qc);
    effect->position = core->safety.current;
}

void effect_ask_validate(struct core *core, struct block *block)
{
    append(core->out, CORE_ASK_VALIDATE)->block = block_ref(block);
}

void effect_evidence(struct core *core, const struct vote *first, const struct vote *second)
{
    struct core_effect *effect = append(core->out, CORE_EVIDENCE);
    effect->evidence[0] = *first;
    effect->evidence[1] = *second;
}

void effect_arm(struct core *core, uint64_t deadline_ms)
{
    append(core->out, CORE_ARM)->deadline_ms = deadline_ms;
}

void effect_stop_signing(struct core *core, const char *reason)
{
    append(core->out, CORE_STOP_SIGNING)->reason = reason;
}

void effect_halt(struct core *core, struct block *block, const char *reason)
{
    struct core_effect *effect = append(core->out, CORE_HALT);
    effect->block = block_ref(block);
    effect->reason = reason;
}

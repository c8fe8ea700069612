/*
 * One instance of a play: the core with a driver around it that does what src/node/replica*.c
 * does, and nothing that takes time. See play.h.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "twins/play_state.h"
#include "twins/seams.h"

#define BASE_TIMEOUT_MS 1000
#define TIMEOUT_RESEND_MS 500
#define ADVERTISE_INTERVAL_MS 2000

static const char *const names = "a123b";

/* --- The disk. --- */

static void take_safety(struct player *player, uint32_t number, const struct core_safety *safety)
{
    struct instance *instance = &player->instances[number];
    const struct position before = instance->safety.current;
    core_safety_deinit(&instance->safety);
    instance->safety = *safety; /* with its references */
    judge_disk(&player->judge, number, &instance->safety);
    if (before.epoch != safety->current.epoch || before.view != safety->current.view) {
        instance->has_asked = false;
        player->is_whole = player->is_whole || safety->current.view > player->scenario->view_count;
        for (uint32_t i = 0; i < INSTANCES; i++) {
            player->instances[i].timeouts_said = 0;
        }
        if (player->trace != NULL) {
            (void)fprintf(player->trace, "%6u ms  %c is in view %u\n", (unsigned)player->now_ms,
                          names[number], (unsigned)safety->current.view);
        }
    }
}

static void drop_block(struct instance *instance, uint32_t block)
{
    for (uint32_t i = 0; i < instance->tree_count; i++) {
        if (instance->tree[i] == block) {
            instance->tree_count--;
            memmove(&instance->tree[i], &instance->tree[i + 1],
                    (instance->tree_count - i) * sizeof instance->tree[0]);
            return;
        }
    }
}

static void take_block(struct instance *instance, uint32_t block)
{
    instance->tree[instance->tree_count++] = block;
    instance->has[block / 64] |= UINT64_C(1) << block % 64;
}

static void take_commit(struct player *player, uint32_t number, const struct core_effect *effect)
{
    struct instance *instance = &player->instances[number];
    const uint32_t block = blocks_number(&player->blocks, &effect->block->hash);
    drop_block(instance, block);
    instance->last_committed = block;
    if (effect->next_set != NULL) {
        INGOT_ASSERT(instance->set_count < EPOCHS_MAX);
        instance->sets[instance->set_count++] = player->blocks.made[block].next_set;
    }
    judge_commit(&player->judge, number, effect->block);
    if (player->trace != NULL) {
        (void)fprintf(player->trace, "%6u ms  %c commits block %u of view %u\n",
                      (unsigned)player->now_ms, names[number], block,
                      (unsigned)effect->block->view);
    }
}

/* --- What leaves. --- */

/* For the tally: a phase that did not follow at once, and a view in which both twins propose. */
static void note_proposal(struct player *player, uint32_t number, const struct message *message)
{
    player->one.prepared_again +=
        message->kind == MESSAGE_NUDGE && message->nudge.vote.phase == PHASE_PREPARE;
    if (message->kind != MESSAGE_PROPOSE || validator_of_instance(number) != 0) {
        return;
    }
    const struct position position = block_position(message->propose.block);
    if (position.epoch != player->proposed_at.epoch || position.view != player->proposed_at.view) {
        player->proposed[0] = false;
        player->proposed[1] = false;
        player->proposed_at = position;
    }
    player->proposed[number == TWIN_B] = true;
    player->one.both_proposed += player->proposed[0] && player->proposed[1];
}

static void step(struct player *player, uint32_t number, struct core_event event)
{
    seams_set_instance(number);
    event.now_ms = player->now_ms;
    (void)core_step(player->instances[number].core, &event, &player->effects);
}

static void give_back(struct player *player, uint32_t number, struct message *message)
{
    step(player, number,
         (struct core_event){.kind = CORE_MESSAGE, .peer = CORE_SELF, .message = message});
}

static void broadcast(struct player *player, uint32_t number, struct message *message)
{
    note_proposal(player, number, message);
    judge_send(&player->judge, number, message);
    network_broadcast(player, number, message);
    if (message->kind == MESSAGE_PROPOSE || message->kind == MESSAGE_NUDGE ||
        message->kind == MESSAGE_TIMEOUT) {
        give_back(player, number, message);
    }
}

static void send(struct player *player, uint32_t number, const struct core_effect *effect)
{
    const struct ingot_public_key own = validator_key(validator_of_instance(number));
    bool is_for_us = false;
    judge_send(&player->judge, number, effect->message);
    for (uint32_t i = 0; i < effect->recipient_count; i++) {
        is_for_us = is_for_us || memcmp(&own, &effect->recipients[i], sizeof own) == 0;
        network_send(player, number, &effect->recipients[i], effect->message);
    }
    if (is_for_us) {
        give_back(player, number, effect->message);
    }
}

/* --- The App answers at once. --- */

static void build(struct player *player, uint32_t number, const struct core_effect *effect)
{
    struct core_event event = {.kind = CORE_BUILT, .position = effect->position};
    if (blocks_are_full(&player->blocks)) {
        judge_fail(&player->judge, JUDGE_LIVENESS, "%u blocks and no end", BLOCKS_MAX);
    } else {
        const uint32_t block =
            blocks_make(&player->blocks, number, effect->justify, effect->position);
        event.block = player->blocks.made[block].block;
        event.next_set = player->blocks.made[block].next_set;
    }
    step(player, number, event);
}

static void validate(struct player *player, uint32_t number, struct block *block)
{
    const uint32_t made = blocks_number(&player->blocks, &block->hash);
    step(player, number,
         (struct core_event){.kind = CORE_VALIDATED,
                             .block = block,
                             .next_set = player->blocks.made[made].next_set,
                             .valid = true});
}

/* Evidence against anybody but validator 0 accuses an honest one. */
static void accuse(struct player *player, const struct vote *vote)
{
    if (validator_of_member(player->scenario, vote->epoch, vote->voter) != 0) {
        judge_fail(&player->judge, JUDGE_STOPPED, "an honest validator is accused in view %u",
                   (unsigned)vote->view);
    }
    player->one.accused++;
}

/* Takes over what the effect holds, or leaves it to be freed. */
static void perform(struct player *player, uint32_t number, struct core_effect *effect)
{
    struct instance *instance = &player->instances[number];
    switch (effect->kind) {
    case CORE_PERSIST_BLOCK:
        take_block(instance, blocks_number(&player->blocks, &effect->block->hash));
        break;
    case CORE_PERSIST_SAFETY:
        take_safety(player, number, &effect->safety);
        effect->safety = (struct core_safety){0};
        break;
    case CORE_COMMIT:
        take_commit(player, number, effect);
        break;
    case CORE_ABANDON:
        drop_block(instance, blocks_number(&player->blocks, &effect->block->hash));
        break;
    case CORE_SEND:
        send(player, number, effect);
        break;
    case CORE_BROADCAST:
        broadcast(player, number, effect->message);
        break;
    case CORE_ANSWER:
        judge_send(&player->judge, number, effect->message);
        network_answer(player, number, effect->peer, effect->message);
        break;
    case CORE_ASK_PROPOSE:
        build(player, number, effect);
        break;
    case CORE_ASK_VALIDATE:
        validate(player, number, effect->block);
        break;
    case CORE_EVIDENCE:
        accuse(player, &effect->evidence[0]);
        break;
    case CORE_ARM:
        instance->armed_ms = effect->deadline_ms;
        break;
    case CORE_STOP_SIGNING:
    case CORE_HALT:
        judge_fail(&player->judge, JUDGE_STOPPED, "%c: %s", names[number], effect->reason);
        break;
    }
}

static void release_held(struct player *player, uint32_t number)
{
    struct instance *instance = &player->instances[number];
    const uint32_t count = instance->held_count;
    struct envelope held[HELD_MAX];
    memcpy(held, instance->held, sizeof held);
    instance->held_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        instance_receive(player, &held[i]);
        message_unref(held[i].message);
    }
}

void instance_step(struct player *player, uint32_t number, struct core_event event)
{
    struct instance *instance = &player->instances[number];
    const uint64_t epoch = instance->safety.current.epoch;
    const uint32_t committed = instance->last_committed;
    step(player, number, event);
    while (player->effects.count > 0) {
        /* The other list takes what the answers to these bring. */
        struct core_effects performed = player->effects;
        player->effects = player->spare_effects;
        for (uint32_t i = 0; i < performed.count; i++) {
            perform(player, number, &performed.items[i]);
        }
        core_effects_clear(&performed);
        player->spare_effects = performed;
    }
    if (instance->last_committed != committed) {
        judge_committed(&player->judge, number);
    }
    if (instance->safety.current.epoch != epoch) {
        release_held(player, number);
    }
    instance_fetch(player, number);
}

/* --- What comes. --- */

/* The epoch without whose set it cannot be verified. */
static uint64_t epoch_of(const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_PROPOSE:
        return message->propose.vote.epoch;
    case MESSAGE_NUDGE:
        return message->nudge.epoch;
    case MESSAGE_VOTE:
        return message->vote.epoch;
    case MESSAGE_TIMEOUT:
        return message->timeout.epoch;
    case MESSAGE_CERTIFICATE:
        return message->certificate.tc != NULL ? message->certificate.tc->epoch
                                               : message->certificate.qc->epoch;
    case MESSAGE_ADVERTISE:
        return message->advertise.high_qc->epoch;
    case MESSAGE_SYNC_REQUEST:
    case MESSAGE_SYNC_RESPONSE:
    case MESSAGE_TRANSACTIONS:
    case MESSAGE_COMPACT_PROPOSE:
    case MESSAGE_TRANSACTIONS_REQUEST:
    case MESSAGE_TRANSACTIONS_RESPONSE:
        break;
    }
    return 0;
}

/* The certificate in it that may be of an epoch that is known. */
static struct qc *shown_qc(const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_PROPOSE:
        return message->propose.block->justify;
    case MESSAGE_NUDGE:
        return message->nudge.justify;
    case MESSAGE_TIMEOUT:
        return message->timeout.high_qc;
    case MESSAGE_CERTIFICATE:
        return message->certificate.tc != NULL ? message->certificate.tc->high_qc : NULL;
    case MESSAGE_VOTE:
    case MESSAGE_ADVERTISE:
    case MESSAGE_SYNC_REQUEST:
    case MESSAGE_SYNC_RESPONSE:
    case MESSAGE_TRANSACTIONS:
    case MESSAGE_COMPACT_PROPOSE:
    case MESSAGE_TRANSACTIONS_REQUEST:
    case MESSAGE_TRANSACTIONS_RESPONSE:
        break;
    }
    return NULL;
}

/* All blocks of `of` above the last committed one of `to`, up to its highest certified. */
static struct message *make_response(struct player *player, uint32_t of, uint32_t to,
                                     uint32_t target, struct qc *tail_qc)
{
    const struct core *core = player->instances[to].core;
    uint32_t path[BLOCKS_MAX];
    uint32_t count = 0;
    for (uint32_t block = target;
         core_find_block(core, &player->blocks.made[block].block->hash) == NULL;
         block = player->blocks.made[block].parent) {
        if (block == 0) {
            return NULL; /* what it asks for is below what it has committed */
        }
        path[count++] = block;
    }
    if (count == 0) {
        return NULL;
    }
    struct message *message = message_new(MESSAGE_SYNC_RESPONSE);
    struct sync_response *response = &message->sync_response;
    response->committed_height =
        player->blocks.made[player->instances[of].last_committed].block->height;
    response->block_count = count;
    response->blocks = alloc_zeroed(count, sizeof(struct block *));
    for (uint32_t i = 0; i < count; i++) {
        response->blocks[i] = block_ref(player->blocks.made[path[count - 1 - i]].block);
    }
    response->tail_qc = qc_ref(tail_qc);
    return message;
}

static bool fetch_from(struct player *player, uint32_t number, uint32_t peer, struct qc *qc)
{
    const uint32_t target = blocks_number(&player->blocks, &qc->block);
    if (peer == number || !network_is_connected(player, number, peer) ||
        (player->instances[peer].has[target / 64] >> target % 64 & 1) == 0) {
        return false;
    }
    struct message *response = make_response(player, peer, number, target, qc);
    if (response == NULL) {
        return false;
    }
    network_answer(player, peer, number, response);
    player->one.fetched++;
    message_unref(response);
    return true;
}

void instance_fetch(struct player *player, uint32_t number)
{
    struct instance *instance = &player->instances[number];
    struct core_status status;
    core_get_status(instance->core, &status);
    if (status.waiting_qc == NULL) {
        return;
    }
    judge_qc(&player->judge, status.waiting_qc); /* it may commit something and never be shown */
    if (status.taking_blocks ||
        (instance->has_asked &&
         memcmp(&instance->asked, &status.waiting_qc->block, sizeof instance->asked) == 0)) {
        return;
    }
    bool has_found = fetch_from(player, number, status.waiting_peer, status.waiting_qc);
    for (uint32_t peer = 0; peer < INSTANCES && !has_found; peer++) {
        has_found = fetch_from(player, number, peer, status.waiting_qc);
    }
    instance->asked = status.waiting_qc->block;
    instance->has_asked = has_found;
}

/* Of an epoch whose set it does not know: it asks whoever speaks of it for what it lacks. */
static void hold(struct player *player, const struct envelope *envelope)
{
    struct instance *instance = &player->instances[envelope->to];
    struct qc *qc = shown_qc(envelope->message);
    if (qc != NULL && qc->epoch <= instance->safety.current.epoch) {
        struct message *message = message_new(MESSAGE_CERTIFICATE);
        message->certificate.qc = qc_ref(qc);
        instance_step(
            player, envelope->to,
            (struct core_event){.kind = CORE_MESSAGE, .peer = envelope->from, .message = message});
        message_unref(message);
    }
    if (epoch_of(envelope->message) <= instance->safety.current.epoch) {
        instance_receive(player, envelope);
        return;
    }
    if (instance->held_count < HELD_MAX) {
        instance->held[instance->held_count++] = (struct envelope){
            .from = envelope->from, .to = envelope->to, .message = message_ref(envelope->message)};
    }
    struct qc *high_qc = player->instances[envelope->from].safety.high_qc;
    if (!instance->has_asked) {
        instance->asked = high_qc->block;
        instance->has_asked = fetch_from(player, envelope->to, envelope->from, high_qc);
    }
}

static bool is_leftover(struct player *player, const struct envelope *envelope)
{
    struct core *core = player->instances[envelope->to].core;
    if (envelope->message->kind == MESSAGE_VOTE) {
        return !core_wants_vote(core, vote_position(&envelope->message->vote));
    }
    if (!core_is_leftover(core, envelope->message)) {
        return false;
    }
    instance_step(player, envelope->to,
                  (struct core_event){.kind = CORE_BEHIND, .peer = envelope->from});
    return true;
}

void instance_receive(struct player *player, const struct envelope *envelope)
{
    if (epoch_of(envelope->message) > player->instances[envelope->to].safety.current.epoch) {
        hold(player, envelope);
    } else if (!is_leftover(player, envelope)) {
        instance_step(player, envelope->to,
                      (struct core_event){.kind = CORE_MESSAGE,
                                          .peer = envelope->from,
                                          .message = envelope->message});
    }
}

/* --- Life. --- */

static void forget_held(struct instance *instance)
{
    for (uint32_t i = 0; i < instance->held_count; i++) {
        message_unref(instance->held[i].message);
    }
    instance->held_count = 0;
}

static void boot(struct player *player, uint32_t number)
{
    struct instance *instance = &player->instances[number];
    struct block *blocks[BLOCKS_MAX];
    struct validator_set *next_sets[BLOCKS_MAX];
    for (uint32_t i = 0; i < instance->tree_count; i++) {
        blocks[i] = player->blocks.made[instance->tree[i]].block;
        next_sets[i] = player->blocks.made[instance->tree[i]].next_set;
    }
    const struct core_config config = {.genesis = player->blocks.made[0].block,
                                       .has_key = true,
                                       .key = validator_key(validator_of_instance(number)),
                                       .leader_tenure = player->scenario->tenure,
                                       .base_timeout_ms = BASE_TIMEOUT_MS,
                                       .timeout_resend_ms = TIMEOUT_RESEND_MS,
                                       .advertise_interval_ms = ADVERTISE_INTERVAL_MS};
    const struct core_restored restored = {.safety = &instance->safety,
                                           .last_committed =
                                               player->blocks.made[instance->last_committed].block,
                                           .blocks = blocks,
                                           .next_sets = next_sets,
                                           .block_count = instance->tree_count,
                                           .sets = instance->sets,
                                           .set_count = instance->set_count};
    const char *why = NULL;
    instance->core = core_new(&config, &restored, &why);
    INGOT_ASSERT(instance->core != NULL);
    instance->armed_ms = UINT64_MAX;
    instance->has_asked = false;
    instance_step(player, number, (struct core_event){.kind = CORE_START});
}

void instance_start(struct player *player, uint32_t number)
{
    struct instance *instance = &player->instances[number];
    instance->safety = core_safety_at_genesis(player->blocks.genesis_qc);
    instance->last_committed = 0;
    instance->tree_count = 0;
    instance->sets[0] = player->blocks.first_set;
    instance->set_count = 1;
    memset(instance->has, 0, sizeof instance->has);
    instance->timeouts_said = 0;
    instance->held_count = 0;
    boot(player, number);
}

void instance_deinit(struct instance *instance)
{
    forget_held(instance);
    core_free(instance->core);
    core_safety_deinit(&instance->safety);
    instance->core = NULL;
}

void instance_crash(struct player *player, uint32_t number)
{
    struct instance *instance = &player->instances[number];
    forget_held(instance);
    core_free(instance->core);
    network_forget(player, number);
    if (player->trace != NULL) {
        (void)fprintf(player->trace, "%6u ms  %c crashes and comes back\n",
                      (unsigned)player->now_ms, names[number]);
    }
    boot(player, number);
    for (uint32_t i = 0; i < INSTANCES; i++) {
        if (i != number && network_is_connected(player, number, i)) {
            instance_step(player, number, (struct core_event){.kind = CORE_CONNECTED, .peer = i});
            instance_step(player, i, (struct core_event){.kind = CORE_CONNECTED, .peer = number});
        }
    }
}

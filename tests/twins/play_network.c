/*
 * The network of one play: who hears what, and in which order. See play.h.
 */
#include <string.h>

#include "base/alloc.h"
#include "twins/play_state.h"

#include <stdlib.h>

static const char *const names = "a123b";

/* --- Trace. --- */

static void print_qc(const struct player *player, const struct qc *qc)
{
    static const char *const phases[PHASE_COUNT] = {"", " prepare", " precommit", " commit"};
    (void)fprintf(player->trace, " qc(block %u, view %u%s)",
                  blocks_number(&player->blocks, &qc->block), (unsigned)qc->view,
                  phases[qc->phase]);
}

static void print_content(const struct player *player, const struct message *message)
{
    FILE *out = player->trace;
    switch (message->kind) {
    case MESSAGE_PROPOSE:
        (void)fprintf(out, " block %u of view %u",
                      blocks_number(&player->blocks, &message->propose.block->hash),
                      (unsigned)message->propose.block->view);
        print_qc(player, message->propose.block->justify);
        break;
    case MESSAGE_VOTE:
        (void)fprintf(out, " block %u in view %u phase %d",
                      blocks_number(&player->blocks, &message->vote.block),
                      (unsigned)message->vote.view, (int)message->vote.phase);
        break;
    case MESSAGE_NUDGE:
        (void)fprintf(out, " view %u phase %d", (unsigned)message->nudge.view,
                      (int)message->nudge.vote.phase);
        print_qc(player, message->nudge.justify);
        break;
    case MESSAGE_TIMEOUT:
        (void)fprintf(out, " view %u", (unsigned)message->timeout.view);
        print_qc(player, message->timeout.high_qc);
        break;
    case MESSAGE_CERTIFICATE:
        if (message->certificate.tc != NULL) {
            (void)fprintf(out, " tc(view %u)", (unsigned)message->certificate.tc->view);
            print_qc(player, message->certificate.tc->high_qc);
        } else {
            print_qc(player, message->certificate.qc);
        }
        break;
    case MESSAGE_ADVERTISE:
        print_qc(player, message->advertise.high_qc);
        break;
    case MESSAGE_SYNC_RESPONSE:
        (void)fprintf(out, " %u blocks", message->sync_response.block_count);
        break;
    case MESSAGE_SYNC_REQUEST:
    case MESSAGE_TRANSACTIONS:
    case MESSAGE_COMPACT_PROPOSE:
    case MESSAGE_TRANSACTIONS_REQUEST:
    case MESSAGE_TRANSACTIONS_RESPONSE:
        break;
    }
}

void network_trace(const struct player *player, const char *verb, uint32_t from, uint32_t to,
                   const struct message *message)
{
    if (player->trace == NULL) {
        return;
    }
    (void)fprintf(player->trace, "%6u ms  %c %s %c: %s", (unsigned)player->now_ms, names[from],
                  verb, names[to], message_kind_text(message->kind));
    print_content(player, message);
    (void)fprintf(player->trace, "\n");
}

/* --- What is under way. --- */

static void put(struct player *player, uint32_t from, uint32_t to, struct message *message)
{
    if (player->queue_end == player->queue_capacity) {
        player->queue_capacity = player->queue_capacity == 0 ? 256 : 2 * player->queue_capacity;
        player->queue = alloc_resize(player->queue, player->queue_capacity, sizeof *player->queue);
    }
    player->queue[player->queue_end++] = (struct envelope){
        .from = (uint8_t)from, .to = (uint8_t)to, .message = message_ref(message)};
}

bool network_take(struct player *player, struct envelope *envelope)
{
    const uint32_t count = player->queue_end - player->queue_head;
    if (count == 0) {
        player->queue_head = 0;
        player->queue_end = 0;
        return false;
    }
    struct envelope *next = &player->queue[player->queue_head++];
    if (player->scenario->order != 0) {
        struct envelope *drawn = next + prng_below(&player->prng, count);
        *envelope = *drawn;
        *drawn = *next;
    } else {
        *envelope = *next;
    }
    return true;
}

void network_forget(struct player *player, uint32_t to)
{
    uint32_t kept = player->queue_head;
    for (uint32_t i = player->queue_head; i < player->queue_end; i++) {
        if (player->queue[i].to == to) {
            message_unref(player->queue[i].message);
        } else {
            player->queue[kept++] = player->queue[i];
        }
    }
    player->queue_end = kept;
}

void network_clear(struct player *player)
{
    for (uint32_t i = player->queue_head; i < player->queue_end; i++) {
        message_unref(player->queue[i].message);
    }
    player->queue_head = 0;
    player->queue_end = 0;
}

/* --- Who hears it. --- */

bool network_is_connected(const struct player *player, uint32_t from, uint32_t to)
{
    const uint64_t view = player->instances[from].safety.current.view;
    const uint64_t other = player->instances[to].safety.current.view;
    return player->is_whole || player->is_lifted ||
           scenario_is_connected(player->scenario, view > other ? view : other, from, to);
}

/* Everybody has given up on its view, has said so again, and nobody has moved. */
static bool is_stuck(const struct player *player)
{
    for (uint32_t i = 0; i < INSTANCES; i++) {
        if (player->instances[i].timeouts_said < 2) {
            struct core_status status;
            core_get_status(player->instances[i].core, &status);
            if (status.is_member) {
                return false;
            }
        }
    }
    return true;
}

/* What says nothing to anybody: that the sender knows of no certificate. */
static bool is_empty(const struct message *message)
{
    return message->kind == MESSAGE_ADVERTISE && qc_is_genesis(message->advertise.high_qc);
}

static void carry(struct player *player, uint32_t from, uint32_t to, struct message *message)
{
    put(player, from, to, message);
    network_trace(player, "->", from, to, message);
}

void network_answer(struct player *player, uint32_t from, uint32_t to, struct message *message)
{
    if (from != to && network_is_connected(player, from, to)) {
        carry(player, from, to, message);
    }
}

void network_send(struct player *player, uint32_t from, const struct ingot_public_key *key,
                  struct message *message)
{
    for (uint32_t to = 0; to < INSTANCES; to++) {
        const struct ingot_public_key of = validator_key(validator_of_instance(to));
        if (memcmp(&of, key, sizeof of) == 0) {
            network_answer(player, from, to, message);
        }
    }
}

void network_broadcast(struct player *player, uint32_t from, struct message *message)
{
    if (is_empty(message)) {
        return;
    }
    if (message->kind == MESSAGE_TIMEOUT) {
        player->instances[from].timeouts_said++;
        player->is_lifted = player->is_lifted || is_stuck(player);
        player->one.lifted += player->is_lifted;
    }
    for (uint32_t to = 0; to < INSTANCES; to++) {
        network_answer(player, from, to, message);
    }
}

/*
 * What follows from a round as it is, whatever came last: PREPARE once there is a payload, COMMIT
 * once a quorum is prepared, delivery once a quorum is committed. Each is tested again after every
 * input. Nothing here looks at a message or at the time.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "broadcast/effect.h"
#include "broadcast/round.h"

static struct broadcast_round_view view_of(const struct round *round)
{
    const struct broadcast_message *pre_prepare = round->live->pre_prepare;
    return (struct broadcast_round_view){.originator = round->originator,
                                         .id = round->id,
                                         .digest = pre_prepare->digest,
                                         .payload = ingot_buffer_slice(&pre_prepare->payload)};
}

/* May it be called: it has not had its last word, and has not failed since the last tick? */
static bool is_due(const struct round *round, enum round_callback callback)
{
    return ((round->done | round->live->failed) & (unsigned)callback) == 0;
}

/* Books what a callback said. True: on with it. */
static bool settle(struct quorum_broadcast *broadcast, struct round *round,
                   enum round_callback callback, enum broadcast_verdict verdict)
{
    switch (verdict) {
    case BROADCAST_GO:
        return true;
    case BROADCAST_VETO:
        broadcast->base.stats.rejected[BROADCAST_REJECT_VETOED]++;
        round->done = (uint8_t)(round->done | (unsigned)callback);
        return false;
    case BROADCAST_FAIL:
        break;
    }
    broadcast->base.stats.rejected[BROADCAST_REJECT_CALLBACK_ERROR]++;
    round->live->failed = (uint8_t)(round->live->failed | (unsigned)callback);
    return false;
}

static enum broadcast_verdict
ask_attachment(const struct quorum_broadcast *broadcast, const struct round *round,
               enum broadcast_verdict (*callback)(void *, const struct broadcast_round_view *,
                                                  struct ingot_buffer *),
               struct ingot_buffer *attachment)
{
    if (callback == NULL) {
        return BROADCAST_GO;
    }
    const struct broadcast_round_view view = view_of(round);
    const enum broadcast_verdict verdict =
        callback(broadcast->config.callbacks.context, &view, attachment);
    return verdict == BROADCAST_GO && attachment->size > INGOT_BROADCAST_ATTACHMENT_BYTES_MAX
               ? BROADCAST_FAIL
               : verdict;
}

/* Unsigned, to everybody; it counts when it comes back. Takes the attachment. */
static void say(struct quorum_broadcast *broadcast, const struct round *round,
                enum broadcast_kind kind, struct ingot_buffer attachment)
{
    struct broadcast_message *message = broadcast_message_new(kind);
    message->sender = broadcast->config.own;
    message->originator = round->originator;
    message->id = round->id;
    message->digest = round->live->pre_prepare->digest;
    message->attachment = attachment;
    broadcast_effect_send(broadcast->out, BROADCAST_TO_ALL, 0, message);
    broadcast_message_unref(message);
}

/* We never choose otherwise than we did before. */
static bool can_choose(const struct choice *choice, const struct broadcast_digest *digest)
{
    return !choice->is_made || broadcast_digest_equal(&choice->digest, digest);
}

static void say_prepare(struct quorum_broadcast *broadcast, struct round *round)
{
    struct live_round *live = round->live;
    const struct broadcast_digest *digest = &live->pre_prepare->digest;
    if (MUTANT(TWO_PREPARES) && !can_choose(&round->prepare, digest)) {
        round->prepare.is_made = false;
        live->said_prepare = false;
        broadcast_message_unref(live->prepares[broadcast->config.own]);
        live->prepares[broadcast->config.own] = NULL;
    }
    if (broadcast->config.own == BROADCAST_NONE || live->said_prepare ||
        live->prepares[broadcast->config.own] != NULL || !can_choose(&round->prepare, digest) ||
        !is_due(round, CALLBACK_PREPARE)) {
        return;
    }
    struct ingot_buffer attachment = {0};
    const enum broadcast_verdict verdict =
        ask_attachment(broadcast, round, broadcast->config.callbacks.prepare, &attachment);
    if (!settle(broadcast, round, CALLBACK_PREPARE, verdict)) {
        ingot_buffer_deinit(&attachment);
        return;
    }
    round->prepare = (struct choice){.is_made = true, .digest = *digest};
    live->said_prepare = true;
    say(broadcast, round, BROADCAST_PREPARE, attachment);
}

/* Calls `prepared`, once. True if it has been called with success. */
static bool tell_prepared(struct quorum_broadcast *broadcast, struct round *round)
{
    const struct broadcast_callbacks *callbacks = &broadcast->config.callbacks;
    if ((round->done & CALLBACK_PREPARED) != 0) {
        return true;
    }
    if (!is_due(round, CALLBACK_PREPARED)) {
        return false;
    }
    if (callbacks->prepared != NULL) {
        const struct broadcast_round_view view = view_of(round);
        if (callbacks->prepared(callbacks->context, &view) == BROADCAST_FAIL) {
            return settle(broadcast, round, CALLBACK_PREPARED, BROADCAST_FAIL);
        }
    }
    round->done = (uint8_t)(round->done | CALLBACK_PREPARED);
    return true;
}

static void say_commit(struct quorum_broadcast *broadcast, struct round *round)
{
    struct live_round *live = round->live;
    const struct broadcast_digest *digest = &live->pre_prepare->digest;
    if (broadcast->config.own == BROADCAST_NONE || live->said_commit ||
        live->commits[broadcast->config.own] != NULL || !can_choose(&round->commit, digest) ||
        !is_due(round, CALLBACK_COMMIT)) {
        return;
    }
    struct ingot_buffer attachment = {0};
    const enum broadcast_verdict verdict =
        ask_attachment(broadcast, round, broadcast->config.callbacks.commit, &attachment);
    if (!settle(broadcast, round, CALLBACK_COMMIT, verdict)) {
        ingot_buffer_deinit(&attachment);
        return;
    }
    round->commit = (struct choice){.is_made = true, .digest = *digest};
    live->said_commit = true;
    say(broadcast, round, BROADCAST_COMMIT, attachment);
}

/* Calls `committed`. True once it has been called with success. */
static bool tell_committed(struct quorum_broadcast *broadcast, struct round *round,
                           struct broadcast_message *const *commits, uint32_t count)
{
    const struct broadcast_callbacks *callbacks = &broadcast->config.callbacks;
    if (!is_due(round, CALLBACK_COMMITTED)) {
        return false;
    }
    if (callbacks->committed != NULL) {
        const struct broadcast_round_view view = view_of(round);
        if (callbacks->committed(callbacks->context, &view, commits, count) == BROADCAST_FAIL) {
            return settle(broadcast, round, CALLBACK_COMMITTED, BROADCAST_FAIL);
        }
    }
    return true;
}

static void deliver(struct quorum_broadcast *broadcast, struct round *round)
{
    const struct broadcast_digest *digest = &round->live->pre_prepare->digest;
    const uint32_t member_count = broadcast->config.member_count;
    struct broadcast_message **commits =
        alloc_zeroed(member_count, sizeof(struct broadcast_message *));
    uint32_t count = 0;
    for (uint32_t i = 0; i < member_count; i++) {
        struct broadcast_message *commit = round->live->commits[i];
        if (commit != NULL && broadcast_digest_equal(&commit->digest, digest)) {
            commits[count++] = commit;
        }
    }
    if (tell_committed(broadcast, round, commits, count)) {
        round->delivered = (struct choice){.is_made = true, .digest = *digest};
        broadcast->base.stats.delivered++;
        broadcast_effect_deliver(broadcast->out, round->live->pre_prepare, commits, count);
        if (!MUTANT(DELIVERED_TWICE)) {
            round_finish(broadcast, round);
        }
    }
    free(commits);
}

void round_advance(struct quorum_broadcast *broadcast, struct round *round)
{
    const struct broadcast_message *pre_prepare = round->live->pre_prepare;
    if (pre_prepare == NULL) {
        return;
    }
    say_prepare(broadcast, round);
    if (MUTANT(VETO_ENDS_ROUND) && (round->done & (CALLBACK_PREPARE | CALLBACK_COMMIT)) != 0) {
        return;
    }
    if (!tally_is_prepared(broadcast, round, &pre_prepare->digest) ||
        !tell_prepared(broadcast, round)) {
        return;
    }
    say_commit(broadcast, round);
    if (tally_is_committed(broadcast, round, &pre_prepare->digest)) {
        deliver(broadcast, round);
    }
}

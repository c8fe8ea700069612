/*
 * What a verified message adds to a round, if anything. What follows from it is advance.c's.
 */
#include "broadcast/round.h"

static enum broadcast_reject check_form(const struct quorum_broadcast *broadcast,
                                        const struct broadcast_message *message)
{
    if (message->kind != BROADCAST_PRE_PREPARE && message->kind != BROADCAST_PREPARE &&
        message->kind != BROADCAST_COMMIT) {
        return BROADCAST_REJECT_UNEXPECTED;
    }
    if (message->sender >= broadcast->config.member_count ||
        message->originator >= broadcast->config.member_count) {
        return BROADCAST_REJECT_NOT_A_MEMBER;
    }
    if (message->kind == BROADCAST_PRE_PREPARE && message->sender != message->originator &&
        !MUTANT(ANY_ORIGINATOR)) {
        return BROADCAST_REJECT_NOT_ORIGINATOR;
    }
    if (message->id.size == 0 || message->id.size > INGOT_BROADCAST_ID_BYTES_MAX) {
        return BROADCAST_REJECT_BAD_ID;
    }
    return message->payload.size > INGOT_BROADCAST_PAYLOAD_BYTES_MAX ||
                   message->attachment.size > INGOT_BROADCAST_ATTACHMENT_BYTES_MAX
               ? BROADCAST_REJECT_OVERSIZE
               : BROADCAST_REJECT_NONE;
}

/* The application's own look, last of all checks because it may cost a signature's. */
static enum broadcast_reject check_attachment(const struct quorum_broadcast *broadcast,
                                              const struct broadcast_event *event)
{
    const struct broadcast_callbacks *callbacks = &broadcast->config.callbacks;
    return event->peer == BROADCAST_SELF || callbacks->check == NULL ||
                   callbacks->check(callbacks->context, event->message)
               ? BROADCAST_REJECT_NONE
               : BROADCAST_REJECT_BAD_ATTACHMENT;
}

/* Who says again what we have had asks for an answer. */
static enum broadcast_reject refuse(struct quorum_broadcast *broadcast, struct round *round,
                                    const struct broadcast_event *event,
                                    enum broadcast_reject reject)
{
    if (reject == BROADCAST_REJECT_DUPLICATE) {
        round_answer(broadcast, round, event->peer, event->message);
    }
    return reject;
}

/* --- PRE-PREPARE: `round` is NULL, remembered or open. --- */

/*
 * The first payload is the one that we go by. It gives way to another only when that one alone can
 * still win; the same rule lets in a payload that an earlier PREPARE of ours speaks against.
 */
static enum broadcast_reject check_choice(const struct quorum_broadcast *broadcast,
                                          const struct round *round,
                                          const struct broadcast_message *message)
{
    if (round == NULL) {
        return BROADCAST_REJECT_NONE;
    }
    const bool is_open = round_is_open(round);
    const struct broadcast_message *present = is_open ? round->live->pre_prepare : NULL;
    if (present != NULL && broadcast_digest_equal(&present->digest, &message->digest)) {
        return BROADCAST_REJECT_DUPLICATE;
    }
    const bool chose_other =
        round->prepare.is_made && !broadcast_digest_equal(&round->prepare.digest, &message->digest);
    if (present == NULL && !chose_other) {
        return BROADCAST_REJECT_NONE;
    }
    if (MUTANT(TWO_PREPARES)) {
        return BROADCAST_REJECT_NONE;
    }
    const bool is_decided =
        present != NULL && tally_is_prepared(broadcast, round, &present->digest);
    return is_open && !is_decided && tally_is_prepared(broadcast, round, &message->digest)
               ? BROADCAST_REJECT_NONE
               : BROADCAST_REJECT_EQUIVOCATION;
}

/*
 * Is it within the quota of its originator? What a start has made room for is; and what others are
 * prepared for is let in whatever else the originator keeps open here, or it could keep one of us
 * from delivering what the others do.
 */
static enum broadcast_reject check_room(const struct quorum_broadcast *broadcast,
                                        const struct round *round,
                                        const struct broadcast_message *message)
{
    const bool is_open = round != NULL && round_is_open(round);
    if (is_open &&
        (round->place != ROUND_BY_VOTE || tally_is_prepared(broadcast, round, &message->digest))) {
        return BROADCAST_REJECT_NONE;
    }
    return round_has_room(broadcast, message->originator, round, message->payload.size);
}

static enum broadcast_reject take_pre_prepare(struct quorum_broadcast *broadcast,
                                              struct round *round,
                                              const struct broadcast_event *event)
{
    struct broadcast_message *message = event->message;
    enum broadcast_reject reject = check_choice(broadcast, round, message);
    if (reject == BROADCAST_REJECT_NONE) {
        reject = check_room(broadcast, round, message);
    }
    if (reject == BROADCAST_REJECT_NONE) {
        reject = check_attachment(broadcast, event);
    }
    if (reject != BROADCAST_REJECT_NONE) {
        return refuse(broadcast, round, event, reject);
    }
    if (round == NULL || !round_is_open(round) || round->place == ROUND_BY_VOTE) {
        round =
            round_open(broadcast, message->originator, &message->id, round, message->payload.size);
    } else {
        round_charge(broadcast, round, message->payload.size);
    }
    broadcast_message_unref(round->live->pre_prepare);
    round->live->pre_prepare = broadcast_message_ref(message);
    round_advance(broadcast, round);
    return BROADCAST_REJECT_NONE;
}

/* --- PREPARE and COMMIT: `round` is NULL, remembered or open. --- */

static enum broadcast_reject check_vote(const struct quorum_broadcast *broadcast,
                                        const struct round *round,
                                        const struct broadcast_message *message)
{
    if (round == NULL || !round_is_open(round)) {
        return round_has_room_by_vote(broadcast, message->sender);
    }
    const struct broadcast_message *present = message->kind == BROADCAST_PREPARE
                                                  ? round->live->prepares[message->sender]
                                                  : round->live->commits[message->sender];
    if (present == NULL || MUTANT(VOTES_ADD_UP)) {
        return BROADCAST_REJECT_NONE;
    }
    return broadcast_digest_equal(&present->digest, &message->digest)
               ? BROADCAST_REJECT_DUPLICATE
               : BROADCAST_REJECT_EQUIVOCATION;
}

/*
 * A vote of our own that we did not just say: from before a restart. It binds us. One that
 * contradicts what we know of ourselves was made by somebody else with our key.
 */
static enum broadcast_reject check_own_choice(const struct quorum_broadcast *broadcast,
                                              struct round *round,
                                              const struct broadcast_message *message)
{
    if (round == NULL || message->sender != broadcast->config.own) {
        return BROADCAST_REJECT_NONE;
    }
    const struct choice *choice =
        message->kind == BROADCAST_PREPARE ? &round->prepare : &round->commit;
    return choice->is_made && !broadcast_digest_equal(&choice->digest, &message->digest)
               ? BROADCAST_REJECT_EQUIVOCATION
               : BROADCAST_REJECT_NONE;
}

static void count_vote(const struct quorum_broadcast *broadcast, struct round *round,
                       struct broadcast_message *message)
{
    const bool is_prepare = message->kind == BROADCAST_PREPARE;
    struct broadcast_message **votes = is_prepare ? round->live->prepares : round->live->commits;
    uint32_t slot = message->sender;
    while (MUTANT(VOTES_ADD_UP) && votes[slot] != NULL &&
           slot + 1 < broadcast->config.member_count) {
        slot++;
    }
    votes[slot] = broadcast_message_ref(message);
    if (message->sender == broadcast->config.own) {
        struct choice *choice = is_prepare ? &round->prepare : &round->commit;
        *choice = (struct choice){.is_made = true, .digest = message->digest};
    }
}

static enum broadcast_reject take_vote(struct quorum_broadcast *broadcast, struct round *round,
                                       const struct broadcast_event *event)
{
    struct broadcast_message *message = event->message;
    enum broadcast_reject reject = check_vote(broadcast, round, message);
    if (reject == BROADCAST_REJECT_NONE) {
        reject = check_own_choice(broadcast, round, message);
    }
    if (reject == BROADCAST_REJECT_NONE) {
        reject = check_attachment(broadcast, event);
    }
    if (reject != BROADCAST_REJECT_NONE) {
        return refuse(broadcast, round, event, reject);
    }
    if (round == NULL || !round_is_open(round)) {
        round = round_open_by_vote(broadcast, message->originator, &message->id, round,
                                   message->sender);
    }
    count_vote(broadcast, round, message);
    round_advance(broadcast, round);
    return BROADCAST_REJECT_NONE;
}

/* --- For a finished round nothing counts any more, but who repeats itself may lack something. ---
 */

static enum broadcast_reject take_late(struct quorum_broadcast *broadcast, struct round *round,
                                       const struct broadcast_event *event)
{
    struct broadcast_message *message = event->message;
    struct live_round *live = round->live;
    struct member_bits *seen =
        message->kind == BROADCAST_COMMIT ? &live->committed : &live->prepared;
    if (message->kind == BROADCAST_PRE_PREPARE || member_has(seen, message->sender) ||
        !broadcast_digest_equal(&message->digest, &round->delivered.digest)) {
        round_answer(broadcast, round, event->peer, message);
        return BROADCAST_REJECT_DELIVERED;
    }
    member_add(seen, message->sender);
    member_add(&live->prepared, message->sender);
    if (message->kind == BROADCAST_COMMIT && message->sender == broadcast->config.own) {
        live->own_commit = broadcast_message_ref(message);
    }
    return BROADCAST_REJECT_NONE;
}

enum broadcast_reject round_receive(struct quorum_broadcast *broadcast,
                                    const struct broadcast_event *event)
{
    const struct broadcast_message *message = event->message;
    const enum broadcast_reject reject = check_form(broadcast, message);
    if (reject != BROADCAST_REJECT_NONE) {
        return reject;
    }
    struct round *round = round_find(broadcast, message->originator, &message->id);
    if (round != NULL && round->place != ROUND_REMEMBERED && message->kind == BROADCAST_COMMIT) {
        member_remove(&round->live->returned, message->sender);
    }
    if (round != NULL && round->place == ROUND_FINISHED) {
        return take_late(broadcast, round, event);
    }
    if (round != NULL && round->delivered.is_made) {
        return BROADCAST_REJECT_DELIVERED;
    }
    return message->kind == BROADCAST_PRE_PREPARE ? take_pre_prepare(broadcast, round, event)
                                                  : take_vote(broadcast, round, event);
}

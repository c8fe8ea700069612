/*
 * What was lost is said again: to members whose COMMIT we lack, on ticks, and to peers that repeat
 * themselves, as an answer. Also when a round is given up, and when the next tick is.
 *
 * Whoever lacks our COMMIT repeats itself until it has it, delivered or not; so it is enough to say
 * things again to those whose COMMIT we lack, and to answer what we have heard before. Who has not
 * voted for the digest is shown the payload along with it.
 */
#include "base/assert.h"
#include "broadcast/effect.h"
#include "broadcast/round.h"

void round_begin_repeats(const struct quorum_broadcast *broadcast, struct round *round)
{
    struct live_round *live = round->live;
    live->give_up_ms = broadcast->now_ms + broadcast->config.timeout_ms;
    live->interval_ms = broadcast->config.resend_ms;
    live->repeat_at_ms = broadcast->now_ms + live->interval_ms;
}

/* --- What we have to show. --- */

/*
 * Our votes, as they were signed. Returns their number. Of a finished round the COMMIT does, but
 * for who knows nothing of the round: should others have lost their memory too, then PREPAREs are
 * what their COMMITs begin with again.
 */
static uint32_t own_votes(const struct quorum_broadcast *broadcast, const struct round *round,
                          bool is_anew, struct broadcast_message *votes[2])
{
    const struct live_round *live = round->live;
    const uint32_t own = broadcast->config.own;
    uint32_t count = 0;
    if (round->place == ROUND_FINISHED) {
        if (live->own_prepare != NULL && is_anew) {
            votes[count++] = live->own_prepare;
        }
        if (live->own_commit != NULL) {
            votes[count++] = live->own_commit;
        }
    } else if (own != BROADCAST_NONE) {
        if (live->prepares[own] != NULL) {
            votes[count++] = live->prepares[own];
        }
        if (live->commits[own] != NULL) {
            votes[count++] = live->commits[own];
        }
    }
    return count;
}

/* What a message costs, going by what is in it. */
static size_t weight(const struct broadcast_message *message)
{
    return sizeof *message + message->payload.size + message->attachment.size;
}

/* Everything of ours, and the payload if it is wanted. Returns what it costs. */
static size_t show(struct quorum_broadcast *broadcast, const struct round *round,
                   enum broadcast_target target, uint32_t to, bool with_payload)
{
    const bool is_anew = target == BROADCAST_TO_MEMBER && member_has(&round->live->returned, to);
    struct broadcast_message *votes[2];
    size_t bytes = 0;
    if (with_payload && round->live->pre_prepare != NULL) {
        bytes += weight(round->live->pre_prepare);
        broadcast_effect_send(broadcast->out, target, to, round->live->pre_prepare);
    }
    const uint32_t count = own_votes(broadcast, round, is_anew, votes);
    for (uint32_t i = 0; i < count; i++) {
        bytes += weight(votes[i]);
        broadcast_effect_send(broadcast->out, target, to, votes[i]);
    }
    return bytes;
}

/* --- Answers: one for each round, peer and tick. --- */

void round_answer(struct quorum_broadcast *broadcast, struct round *round, uint32_t peer,
                  const struct broadcast_message *message)
{
    struct live_round *live = round->live;
    if (peer >= INGOT_PEERS_MAX || (live->answered[peer / 8] >> (peer % 8) & 1) != 0) {
        return;
    }
    live->answered[peer / 8] = (uint8_t)(live->answered[peer / 8] | 1U << (peer % 8));
    broadcast->needs_tick = !MUTANT(ANSWERED_FOR_GOOD);
    /* A small message may draw a large one, so each peer has a part of what a tick allows. */
    const bool lacks_payload =
        live->pre_prepare != NULL &&
        !broadcast_digest_equal(&message->digest, &live->pre_prepare->digest);
    const bool with_payload =
        lacks_payload && broadcast->answered_bytes[peer] <
                             broadcast->config.repeat_bytes_max / broadcast->config.member_count;
    broadcast->answered_bytes[peer] +=
        show(broadcast, round, BROADCAST_TO_PEER, peer, with_payload);
}

/* --- Repeats. --- */

/* Is there a member whose COMMIT we lack? */
static bool is_wanting(const struct quorum_broadcast *broadcast, const struct round *round)
{
    for (uint32_t i = 0; i < broadcast->config.member_count; i++) {
        if (i != broadcast->config.own && !tally_has_commit(round, i)) {
            return true;
        }
    }
    return false;
}

static bool is_repeated(const struct quorum_broadcast *broadcast, const struct round *round)
{
    return (round_is_open(round) || broadcast->now_ms < round->live->give_up_ms) &&
           is_wanting(broadcast, round) && !MUTANT(NOT_SAID_AGAIN);
}

/* Returns what it cost. */
static size_t repeat(struct quorum_broadcast *broadcast, struct round *round)
{
    struct live_round *live = round->live;
    size_t bytes = 0;
    for (uint32_t i = 0; i < broadcast->config.member_count; i++) {
        if (i == broadcast->config.own || tally_has_commit(round, i)) {
            continue;
        }
        const bool lacks_payload =
            live->pre_prepare != NULL && !tally_has_payload(round, i, &live->pre_prepare->digest);
        bytes += show(broadcast, round, BROADCAST_TO_MEMBER, i, lacks_payload);
    }
    const uint64_t doubled_ms = 2 * live->interval_ms;
    live->interval_ms =
        doubled_ms < broadcast->config.resend_ms_max ? doubled_ms : broadcast->config.resend_ms_max;
    live->repeat_at_ms = broadcast->now_ms + live->interval_ms;
    return bytes;
}

/* --- Ticks. --- */

static void begin_tick(struct live_round *live)
{
    live->failed = 0;
    for (uint32_t i = 0; i < sizeof live->answered; i++) {
        live->answered[i] = 0;
    }
}

/*
 * Delivered by a quorum, and it only waits for a callback that fails here: such a round is kept,
 * however long the disk stays full.
 */
static bool waits_for_callback(const struct quorum_broadcast *broadcast, const struct round *round)
{
    const struct broadcast_message *pre_prepare = round->live->pre_prepare;
    return pre_prepare != NULL && tally_is_committed(broadcast, round, &pre_prepare->digest);
}

static void give_up(struct quorum_broadcast *broadcast, struct round *round)
{
    if (round->is_started) {
        round->is_started = false;
        broadcast_effect_timed_out(broadcast->out, &round->id);
    }
    broadcast->base.stats.timed_out++;
    round->was_given_up = true;
    round_remember(broadcast, round);
}

/* Says again what is due in a list, while this originator's part of the tick lasts. */
static void tick_list(struct quorum_broadcast *broadcast, const struct round_list *list,
                      size_t *bytes_left)
{
    for (struct round *round = list->first, *later; round != NULL; round = later) {
        later = round->later; /* the round may move to another list or be gone */
        begin_tick(round->live);
        if (round_is_open(round)) {
            round_advance(broadcast, round);
        }
        if (round_is_open(round) && broadcast->now_ms >= round->live->give_up_ms &&
            !waits_for_callback(broadcast, round)) {
            give_up(broadcast, round);
            continue;
        }
        if (round->live == NULL || !is_repeated(broadcast, round)) {
            continue;
        }
        broadcast->needs_tick = true;
        if (broadcast->now_ms >= round->live->repeat_at_ms && *bytes_left > 0) {
            const size_t bytes = repeat(broadcast, round);
            *bytes_left -= bytes < *bytes_left ? bytes : *bytes_left;
        }
    }
}

void round_tick(struct quorum_broadcast *broadcast)
{
    broadcast->is_armed = false;
    broadcast->needs_tick = false;
    for (uint32_t i = 0; i < INGOT_PEERS_MAX; i++) {
        broadcast->answered_bytes[i] = 0;
    }
    for (uint32_t i = 0; i < broadcast->config.member_count; i++) {
        struct account *account = &broadcast->accounts[i];
        size_t bytes_left = broadcast->config.repeat_bytes_max / broadcast->config.member_count;
        for (unsigned place = ROUND_OPEN; place <= ROUND_FINISHED; place++) {
            tick_list(broadcast, &account->lists[place], &bytes_left);
        }
    }
}

/*
 * --- A peer is back: what it lacks is due at once, for as long as if it had just happened. Of
 * rounds that are still said again it may lack all, whatever it has said before: it may have lost
 * its memory, and then it does not know that it could ask. ---
 */

static bool make_due(struct quorum_broadcast *broadcast, const struct round_list *list,
                     uint32_t member)
{
    bool is_any = false;
    for (struct round *round = list->first; round != NULL; round = round->later) {
        struct live_round *live = round->live;
        const uint64_t give_up_ms = live->give_up_ms;
        const bool had_commit = member != BROADCAST_NONE && tally_has_commit(round, member);
        if (member != BROADCAST_NONE && broadcast->now_ms < give_up_ms &&
            !MUTANT(MEMORY_TAKEN_FOR_GOOD)) {
            member_add(&live->returned, member);
        }
        const bool concerns = member == BROADCAST_NONE ? is_wanting(broadcast, round)
                                                       : !tally_has_commit(round, member);
        if (concerns) {
            round_begin_repeats(broadcast, round);
            live->repeat_at_ms = broadcast->now_ms;
            if (round_is_open(round) || had_commit) {
                live->give_up_ms = give_up_ms;
            }
            is_any = true;
        }
    }
    return is_any;
}

static void arm_at(struct quorum_broadcast *broadcast, uint64_t deadline_ms)
{
    if (!broadcast->is_armed || deadline_ms < broadcast->armed_ms) {
        broadcast->is_armed = true;
        broadcast->armed_ms = deadline_ms;
        broadcast_effect_arm(broadcast->out, deadline_ms);
    }
}

void round_connected(struct quorum_broadcast *broadcast, uint32_t member)
{
    bool is_any = false;
    if (member != BROADCAST_NONE && member >= broadcast->config.member_count) {
        member = BROADCAST_NONE;
    }
    for (uint32_t i = 0; i < broadcast->config.member_count; i++) {
        struct account *account = &broadcast->accounts[i];
        for (unsigned place = ROUND_OPEN; place <= ROUND_FINISHED; place++) {
            is_any = make_due(broadcast, &account->lists[place], member) || is_any;
        }
    }
    if (is_any) {
        arm_at(broadcast, broadcast->now_ms);
    }
}

void round_arm(struct quorum_broadcast *broadcast)
{
    if (broadcast->base.stats.open > 0 || broadcast->needs_tick) {
        arm_at(broadcast, broadcast->now_ms + broadcast->config.resend_ms);
    }
}

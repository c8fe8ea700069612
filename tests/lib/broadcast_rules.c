/*
 * The rules of quorum broadcast, told again for the tests. See broadcast_rules.h.
 */
#include "lib/broadcast_rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

#define NOTHING BROADCAST_RULES_NOTHING

void broadcast_rules_init(struct broadcast_rules *rules, const struct validator_set *set,
                          uint32_t own)
{
    *rules = (struct broadcast_rules){.set = set, .own = own};
}

void broadcast_rules_deinit(struct broadcast_rules *rules)
{
    free(rules->rounds);
}

__attribute__((format(printf, 2, 3))) static void violates(struct broadcast_rules *rules,
                                                           const char *format, ...)
{
    if (rules->violation[0] != '\0') {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(rules->violation, sizeof rules->violation, format, arguments);
    va_end(arguments);
}

uint64_t broadcast_rules_power(const struct validator_set *set, uint32_t members)
{
    uint64_t power = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        power += (members >> i & 1) != 0 ? set->validators[i].power : 0;
    }
    return power;
}

static struct broadcast_round *round_of(struct broadcast_rules *rules, uint32_t originator,
                                        const struct broadcast_id *id)
{
    for (uint32_t i = 0; i < rules->round_count; i++) {
        struct broadcast_round *round = &rules->rounds[i];
        if (round->originator == originator && broadcast_id_equal(&round->id, id)) {
            return round;
        }
    }
    if (rules->round_count == rules->round_capacity) {
        rules->round_capacity = rules->round_capacity == 0 ? 4 : 2 * rules->round_capacity;
        rules->rounds = alloc_resize(rules->rounds, rules->round_capacity, sizeof *rules->rounds);
    }
    struct broadcast_round *round = &rules->rounds[rules->round_count++];
    *round = (struct broadcast_round){.originator = originator,
                                      .id = *id,
                                      .originated = NOTHING,
                                      .first_shown = NOTHING,
                                      .prepared = NOTHING,
                                      .committed = NOTHING,
                                      .delivered = NOTHING};
    return round;
}

/* The place of a payload among those known in a round; payloads beyond the room are not looked at
 * (NOTHING). */
static uint32_t place_of(struct broadcast_round *round, const struct broadcast_digest *digest)
{
    for (uint32_t i = 0; i < round->known_count; i++) {
        if (broadcast_digest_equal(&round->known[i].digest, digest)) {
            return i;
        }
    }
    if (round->known_count == BROADCAST_RULES_DIGESTS_MAX) {
        return NOTHING;
    }
    round->known[round->known_count] = (struct broadcast_known){.digest = *digest};
    return round->known_count++;
}

/* Has this member said the same kind of thing of another payload? */
static void notes_lie(struct broadcast_round *round, uint32_t place,
                      const struct broadcast_message *message)
{
    for (uint32_t i = 0; i < round->known_count; i++) {
        const struct broadcast_known *other = &round->known[i];
        const uint32_t votes =
            message->kind == BROADCAST_PREPARE ? other->prepares : other->commits;
        if (i == place) {
            continue;
        }
        round->is_lied_about |= message->kind == BROADCAST_PRE_PREPARE
                                    ? other->is_shown
                                    : (votes >> message->sender & 1) != 0;
    }
}

void broadcast_rules_hears(struct broadcast_rules *rules, const struct broadcast_message *message)
{
    const bool is_show = message->kind == BROADCAST_PRE_PREPARE;
    if ((!is_show && message->kind != BROADCAST_PREPARE && message->kind != BROADCAST_COMMIT) ||
        (is_show && message->sender != message->originator)) {
        return;
    }
    struct broadcast_round *round = round_of(rules, message->originator, &message->id);
    const uint32_t place = place_of(round, &message->digest);
    if (place == NOTHING) {
        round->is_lied_about = true;
        return;
    }
    notes_lie(round, place, message);
    struct broadcast_known *known = &round->known[place];
    if (is_show) {
        known->is_shown = true;
        round->first_shown = round->first_shown == NOTHING ? place : round->first_shown;
    } else if (message->kind == BROADCAST_PREPARE) {
        known->prepares |= UINT32_C(1) << message->sender;
    } else {
        known->commits |= UINT32_C(1) << message->sender;
    }
}

/* More than two thirds; and a third cannot all be liars. */
static bool is_quorum(const struct broadcast_rules *rules, uint64_t power)
{
    return 3 * power > 2 * rules->set->total_power;
}

static bool may_commit(const struct broadcast_rules *rules, const struct broadcast_known *known)
{
    const uint64_t prepares = broadcast_rules_power(rules->set, known->prepares);
    const uint64_t commits = broadcast_rules_power(rules->set, known->commits);
    return is_quorum(rules, prepares) || 3 * commits >= rules->set->total_power;
}

static bool may_deliver(const struct broadcast_rules *rules, const struct broadcast_known *known)
{
    return is_quorum(rules, broadcast_rules_power(rules->set, known->commits));
}

/* A round that was given up may begin again, with the same choice. */
static bool is_said_twice(const struct broadcast_rules *rules, uint32_t before, uint32_t now)
{
    return before != NOTHING && (rules->is_prompt || before != now);
}

static void says_prepare(struct broadcast_rules *rules, struct broadcast_round *round,
                         uint32_t place)
{
    if (is_said_twice(rules, round->prepared, place)) {
        violates(rules, "it says PREPARE twice");
    } else if (round->first_shown == NOTHING || place != round->first_shown) {
        violates(rules, "it says PREPARE for what is not the first payload that it was shown");
    }
    round->prepared = place;
}

static void says_commit(struct broadcast_rules *rules, struct broadcast_round *round,
                        uint32_t place)
{
    if (is_said_twice(rules, round->committed, place)) {
        violates(rules, "it says COMMIT twice");
    } else if (place == NOTHING || !may_commit(rules, &round->known[place])) {
        violates(rules, "it says COMMIT without a quorum of PREPAREs or one honest COMMIT");
    }
    round->committed = place;
}

void broadcast_rules_says(struct broadcast_rules *rules, const struct broadcast_message *message)
{
    if (message->sender != rules->own) {
        violates(rules, "it speaks for member %u", message->sender);
    }
    if (message->kind == BROADCAST_PRE_PREPARE && message->originator != rules->own) {
        violates(rules, "it originates for member %u", message->originator);
    }
    struct broadcast_round *round = round_of(rules, message->originator, &message->id);
    const uint32_t place = place_of(round, &message->digest);
    if (message->kind == BROADCAST_PREPARE) {
        says_prepare(rules, round, place);
    } else if (message->kind == BROADCAST_COMMIT) {
        says_commit(rules, round, place);
    } else {
        if (round->originated != NOTHING && round->originated != place) {
            violates(rules, "it originates two payloads under one id");
        }
        round->originated = place;
    }
}

static void check_certificate(struct broadcast_rules *rules, const struct broadcast_effect *effect)
{
    uint32_t signers = 0;
    for (uint32_t i = 0; i < effect->commit_count; i++) {
        const struct broadcast_message *commit = effect->commits[i];
        if (commit->kind != BROADCAST_COMMIT || commit->originator != effect->message->originator ||
            !broadcast_id_equal(&commit->id, &effect->message->id) ||
            !broadcast_digest_equal(&commit->digest, &effect->message->digest)) {
            violates(rules, "a certificate holds what is no COMMIT for what is delivered");
            return;
        }
        if (i > 0 && effect->commits[i - 1]->sender >= commit->sender) {
            violates(rules, "a certificate's COMMITs are not in order of sender, once each");
        }
        signers |= UINT32_C(1) << commit->sender;
    }
    if (!is_quorum(rules, broadcast_rules_power(rules->set, signers))) {
        violates(rules, "a certificate has less power than a quorum");
    }
}

void broadcast_rules_delivers(struct broadcast_rules *rules, const struct broadcast_effect *effect)
{
    const struct broadcast_message *message = effect->message;
    struct broadcast_round *round = round_of(rules, message->originator, &message->id);
    const uint32_t place = place_of(round, &message->digest);
    if (round->delivered != NOTHING) {
        violates(rules, "it delivers twice");
    } else if (place == NOTHING || !may_deliver(rules, &round->known[place])) {
        violates(rules, "it delivers without a quorum of COMMITs");
    } else if (!round->known[place].is_shown) {
        violates(rules, "it delivers what the originator never showed it");
    } else if (round->committed_calls != 1) {
        violates(rules, "it delivers after %u calls of committed", round->committed_calls);
    }
    round->delivered = place;
    check_certificate(rules, effect);
}

void broadcast_rules_calls_prepared(struct broadcast_rules *rules,
                                    const struct broadcast_round_view *round)
{
    struct broadcast_round *own = round_of(rules, round->originator, &round->id);
    const uint32_t place = place_of(own, &round->digest);
    if (++own->prepared_calls > 1) {
        violates(rules, "prepared is called twice");
    } else if (place == NOTHING || !may_commit(rules, &own->known[place])) {
        violates(rules, "prepared is called without a quorum of PREPAREs or one honest COMMIT");
    }
}

void broadcast_rules_calls_committed(struct broadcast_rules *rules,
                                     const struct broadcast_round_view *round)
{
    struct broadcast_round *own = round_of(rules, round->originator, &round->id);
    const uint32_t place = place_of(own, &round->digest);
    if (++own->committed_calls > 1) {
        violates(rules, "committed is called twice");
    } else if (place == NOTHING || !may_deliver(rules, &own->known[place])) {
        violates(rules, "committed is called without a quorum of COMMITs");
    } else if (own->prepared_calls != 1) {
        violates(rules, "committed is called before prepared");
    }
}

/* Nothing that could be done is left for later. */
static void check_prompt(struct broadcast_rules *rules, const struct broadcast_round *round)
{
    if (round->is_lied_about || round->first_shown == NOTHING) {
        return;
    }
    const struct broadcast_known *known = &round->known[round->first_shown];
    const bool speaks = rules->own != BROADCAST_NONE;
    if (may_deliver(rules, known) && round->delivered == NOTHING) {
        violates(rules, "a quorum of COMMITs is there, and it does not deliver");
    } else if (speaks && round->delivered == NOTHING && round->prepared == NOTHING) {
        violates(rules, "a payload was shown, and it says no PREPARE");
    } else if (speaks && may_commit(rules, known) && round->committed == NOTHING) {
        violates(rules, "the payload is prepared, and it says no COMMIT");
    }
}

void broadcast_rules_rests(struct broadcast_rules *rules)
{
    for (uint32_t i = 0; rules->is_prompt && i < rules->round_count; i++) {
        check_prompt(rules, &rules->rounds[i]);
    }
}

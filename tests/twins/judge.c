/*
 * The rules, derived again. See judge.h.
 */
#include "twins/judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names = "a123b";

const char *judge_rule_text(enum judge_rule rule)
{
#define JUDGE_TEXT(name, text) [JUDGE_##name] = (text),
    static const char *const texts[JUDGE_RULE_COUNT] = {JUDGE_RULES(JUDGE_TEXT)};
#undef JUDGE_TEXT
    return texts[rule];
}

void judge_fail(struct judge *judge, enum judge_rule rule, const char *format, ...)
{
    const bool counts = rule == JUDGE_AGREEMENT || !judge->forks_only;
    judge->is_over = judge->is_over || counts || rule == JUDGE_STOPPED || rule == JUDGE_LIVENESS;
    if (!counts || judge->violated != JUDGE_NONE) {
        return;
    }
    judge->violated = rule;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(judge->violation, sizeof judge->violation, format, arguments);
    va_end(arguments);
}

void judge_begin(struct judge *judge, const struct scenario *scenario, const struct blocks *blocks)
{
    for (uint32_t epoch = 0; epoch < EPOCHS_MAX; epoch++) {
        memset(judge->positions[epoch], 0,
               (judge->highest_view + 1) * sizeof judge->positions[epoch][0]);
    }
    memset(judge->instances, 0, sizeof judge->instances);
    judge->scenario = scenario;
    judge->blocks = blocks;
    judge->highest_view = 0;
    judge->committed[0] = 0;
    judge->committed_height = 0;
    judge->is_over = false;
    judge->violated = JUDGE_NONE;
    judge->violation[0] = '\0';
}

/* --- Positions, without the core's functions for them. --- */

static int compare(struct position a, struct position b)
{
    if (a.epoch != b.epoch) {
        return a.epoch < b.epoch ? -1 : 1;
    }
    return a.view == b.view ? 0 : a.view < b.view ? -1 : 1;
}

static const struct block *block_of(const struct judge *judge, uint32_t number)
{
    return judge->blocks->made[number].block;
}

static struct position position_of(const struct judge *judge, const struct qc *qc)
{
    const struct block *block = block_of(judge, blocks_number(judge->blocks, &qc->block));
    return qc->phase == PHASE_COMMIT ? (struct position){qc->epoch + 1, block->view + 2}
                                     : (struct position){qc->epoch, qc->view};
}

static bool changes_set(const struct judge *judge, uint32_t number)
{
    return judge->blocks->made[number].next_set != NULL;
}

static struct position lock_of(const struct judge *judge, const struct qc *qc)
{
    const struct block *block = block_of(judge, blocks_number(judge->blocks, &qc->block));
    if (block->justify == NULL) {
        return (struct position){0, 0};
    }
    switch (qc->phase) {
    case PHASE_GENERIC:
    case PHASE_PREPARE:
        break;
    case PHASE_PRECOMMIT:
        return (struct position){qc->epoch, qc->view - 1};
    case PHASE_COMMIT:
        return position_of(judge, qc);
    }
    return position_of(judge, block->justify);
}

/* NULL, and a violation: beyond all that a scenario comes to. */
static struct judge_position *at(struct judge *judge, uint64_t epoch, uint64_t view)
{
    if (epoch >= EPOCHS_MAX || view >= JUDGE_VIEWS_MAX) {
        judge_fail(judge, JUDGE_LIVENESS, "view %u of epoch %u is reached", (unsigned)view,
                   (unsigned)epoch);
        return NULL;
    }
    if (view > judge->highest_view) {
        judge->highest_view = view;
    }
    return &judge->positions[epoch][view];
}

static uint64_t quorum(const struct judge *judge, uint64_t epoch)
{
    return 2 * (uint64_t)total_power(judge->scenario, epoch) / 3 + 1;
}

/* --- Certificates. --- */

static bool same(struct judge_choice a, struct judge_choice b)
{
    return a.is_set && b.is_set && a.block == b.block && a.phase == b.phase;
}

/* Has one of the validator's instances cast this vote? */
static bool has_voted(const struct judge_position *position, uint32_t validator,
                      struct judge_choice choice)
{
    return same(position->votes[validator], choice) ||
           (validator == 0 && same(position->votes[TWIN_B], choice));
}

void judge_qc(struct judge *judge, const struct qc *qc)
{
    if (qc->epoch == 0 && qc->view == 0) {
        return;
    }
    struct judge_position *position = at(judge, qc->epoch, qc->view);
    if (position == NULL) {
        return;
    }
    const struct judge_choice choice = {.is_set = true,
                                        .phase = (uint8_t)qc->phase,
                                        .block =
                                            (uint16_t)blocks_number(judge->blocks, &qc->block)};
    if (position->certificate.is_set && !same(position->certificate, choice)) {
        judge_fail(judge, JUDGE_ONE_CERTIFICATE, "view %u has certificates for blocks %u and %u",
                   (unsigned)qc->view, position->certificate.block, choice.block);
    }
    position->certificate = choice;
    uint64_t power = 0;
    uint32_t signatures = 0;
    for (uint32_t i = 0; i < qc->validator_count; i++) {
        if (!signers_has(&qc->signers, i)) {
            continue;
        }
        const uint32_t validator = validator_of_member(judge->scenario, qc->epoch, i);
        if (validator == VALIDATORS || !has_voted(position, validator, choice)) {
            judge_fail(judge, JUDGE_REAL_QUORUM, "the certificate of view %u bears a vote of %u",
                       (unsigned)qc->view, validator);
            return;
        }
        power += validator_power(judge->scenario, qc->epoch, validator);
        signatures++;
    }
    if (power < quorum(judge, qc->epoch) || signatures != qc->signature_count) {
        judge_fail(judge, JUDGE_REAL_QUORUM, "the certificate of view %u has a power of %u",
                   (unsigned)qc->view, (unsigned)power);
    }
}

static bool has_claimed(const struct judge_position *position, uint32_t validator, uint64_t view)
{
    const uint64_t claims =
        position->claims[validator] | (validator == 0 ? position->claims[TWIN_B] : 0);
    return view < 64 && (claims >> view & 1) != 0;
}

static void judge_tc(struct judge *judge, const struct tc *tc)
{
    if (tc == NULL) {
        return;
    }
    judge_qc(judge, tc->high_qc);
    struct judge_position *position = at(judge, tc->epoch, tc->view);
    if (position == NULL) {
        return;
    }
    uint64_t power = 0;
    uint64_t highest = 0;
    uint32_t claims = 0;
    for (uint32_t i = 0; i < tc->validator_count; i++) {
        if (!signers_has(&tc->signers, i)) {
            continue;
        }
        const uint64_t claim = tc->claims[claims++].view;
        const uint32_t validator = validator_of_member(judge->scenario, tc->epoch, i);
        if (validator == VALIDATORS || !has_claimed(position, validator, claim)) {
            judge_fail(judge, JUDGE_REAL_QUORUM,
                       "the TC of view %u bears a claim of %u that it "
                       "has not made",
                       (unsigned)tc->view, validator);
            return;
        }
        highest = claim > highest ? claim : highest;
        power += validator_power(judge->scenario, tc->epoch, validator);
    }
    if (power < quorum(judge, tc->epoch) || claims != tc->claim_count) {
        judge_fail(judge, JUDGE_REAL_QUORUM, "the TC of view %u has a power of %u",
                   (unsigned)tc->view, (unsigned)power);
    }
    if (compare(position_of(judge, tc->high_qc), (struct position){tc->epoch, highest}) != 0 &&
        highest != 0) {
        judge_fail(judge, JUDGE_TC_CLAIM, "the TC of view %u claims %u and carries %u",
                   (unsigned)tc->view, (unsigned)highest,
                   (unsigned)position_of(judge, tc->high_qc).view);
    }
    if (!position->has_tc || highest < position->lowest_tc_claim) {
        position->lowest_tc_claim = (uint8_t)highest;
    }
    position->has_tc = true;
}

/* --- Votes. --- */

/* By a certificate of the view before, or by a TC that leads here and claims no more than it. */
static bool proves_entry(struct judge *judge, struct position position, struct position justify)
{
    if (justify.epoch != position.epoch) {
        return false;
    }
    if (justify.view + 1 == position.view) {
        return true;
    }
    const uint32_t tenure = judge->scenario->tenure;
    if ((position.view - 1) % tenure != 0) {
        return false;
    }
    for (uint64_t view = position.view - 1; view >= 1 && view + tenure >= position.view; view--) {
        const struct judge_position *tc = &judge->positions[position.epoch][view];
        if (tc->has_tc && tc->lowest_tc_claim <= justify.view) {
            return true;
        }
    }
    return false;
}

/* By the definition, with 128-bit arithmetic. */
static uint32_t product_leader(const struct judge *judge, uint64_t epoch, uint64_t view)
{
    const uint64_t tenure = (view - 1) / judge->scenario->tenure;
    const uint64_t fraction = tenure * UINT64_C(0x9E3779B97F4A7C15);
    __extension__ typedef unsigned __int128 wide;
    const uint64_t point = (uint64_t)((wide)fraction * total_power(judge->scenario, epoch) >> 64);
    uint64_t below = 0;
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        below += validator_power(judge->scenario, epoch, i);
        if (point < below) {
            return i;
        }
    }
    return VALIDATORS;
}

static uint32_t leader(const struct judge *judge, uint64_t epoch, uint64_t view)
{
    return judge->scenario->has_product_leaders ? product_leader(judge, epoch, view)
                                                : leader_of_turn(judge->scenario, epoch, view);
}

/* For a block in its own view. */
static const char *find_wrong_with_block(struct judge *judge, const struct judge_instance *voter,
                                         struct position position, uint32_t number)
{
    const struct made_block *made = &judge->blocks->made[number];
    const struct block *parent = block_of(judge, made->parent);
    const struct qc *justify = made->block->justify;
    const struct position stands_on = position_of(judge, justify);
    if (validator_of_instance(made->maker) != leader(judge, position.epoch, position.view)) {
        return "its block is not the leader's";
    }
    if (memcmp(justify->block.bytes, parent->hash.bytes, INGOT_HASH_BYTES) != 0 ||
        made->block->height != parent->height + 1 ||
        justify->phase != (changes_set(judge, made->parent) ? PHASE_COMMIT : PHASE_GENERIC)) {
        return "its block does not follow its parent";
    }
    if (!proves_entry(judge, position, stands_on)) {
        return "its view was not entered";
    }
    return compare(stands_on, voter->floor) < 0 ? "its block is below the lock" : NULL;
}

/* In a later view, or for a later phase. */
static const char *find_wrong_with_nudge(struct judge *judge, const struct judge_instance *voter,
                                         struct position position, struct judge_choice choice)
{
    const struct judge_position *here = &judge->positions[position.epoch][position.view];
    for (uint32_t i = 0; i < here->nudge_count; i++) {
        const struct judge_nudge *nudge = &here->nudges[i];
        const bool is_adjacent = nudge->justify.view + 1 == position.view;
        const enum phase phase =
            !is_adjacent ? PHASE_PREPARE
                         : (nudge->justify_phase == PHASE_PREPARE ? PHASE_PRECOMMIT : PHASE_COMMIT);
        if (nudge->block == choice.block && phase == (enum phase)choice.phase &&
            proves_entry(judge, position, nudge->justify) &&
            compare(nudge->justify, voter->floor) >= 0) {
            return NULL;
        }
    }
    return "no nudge asks for it";
}

static const char *find_wrong(struct judge *judge, uint32_t instance, struct position position,
                              struct judge_choice choice)
{
    const struct judge_instance *voter = &judge->instances[instance];
    if (validator_power(judge->scenario, position.epoch, validator_of_instance(instance)) == 0) {
        return "its voter is no member";
    }
    if (compare(position, voter->timed_out) <= 0) {
        return "its voter has given up on the view";
    }
    const struct block *block = block_of(judge, choice.block);
    const bool is_new = block->view == position.view;
    if (choice.phase == (changes_set(judge, choice.block) ? PHASE_PREPARE : PHASE_GENERIC) &&
        is_new) {
        return find_wrong_with_block(judge, voter, position, choice.block);
    }
    return changes_set(judge, choice.block) ? find_wrong_with_nudge(judge, voter, position, choice)
                                            : "its block is not of its view";
}

static void raise(struct position *floor, struct position to)
{
    *floor = compare(to, *floor) > 0 ? to : *floor;
}

static void judge_vote(struct judge *judge, uint32_t instance, const struct vote *vote)
{
    const struct position at_view = {vote->epoch, vote->view};
    struct judge_position *position = at(judge, vote->epoch, vote->view);
    if (position == NULL) {
        return;
    }
    struct judge_instance *voter = &judge->instances[instance];
    const struct judge_choice choice = {.is_set = true,
                                        .phase = (uint8_t)vote->phase,
                                        .block =
                                            (uint16_t)blocks_number(judge->blocks, &vote->block)};
    if (!voter->has_vote || compare(voter->voted, at_view) != 0 || !same(voter->vote, choice)) {
        judge_fail(judge, JUDGE_DURABLE_FIRST, "%c sends a vote of view %u that is not on its disk",
                   names[instance], (unsigned)vote->view);
        return;
    }
    if (position->votes[instance].is_set) {
        if (!same(position->votes[instance], choice)) {
            judge_fail(judge, JUDGE_ONE_VOTE, "%c votes twice in view %u", names[instance],
                       (unsigned)vote->view);
        }
        return; /* the same vote again */
    }
    const char *wrong = find_wrong(judge, instance, at_view, choice);
    if (wrong != NULL) {
        judge_fail(judge, JUDGE_VOTE_RULE, "the vote of %c in view %u: %s", names[instance],
                   (unsigned)vote->view, wrong);
    }
    position->votes[instance] = choice;
    if (choice.phase == PHASE_GENERIC) {
        raise(&voter->floor, lock_of(judge, block_of(judge, choice.block)->justify));
    }
}

/* --- What an instance shows. --- */

void judge_disk(struct judge *judge, uint32_t instance, const struct core_safety *safety)
{
    struct judge_instance *disk = &judge->instances[instance];
    if (compare(safety->current, disk->current) < 0 ||
        compare(safety->last_voted, disk->voted) < 0 || compare(safety->locked, disk->locked) < 0) {
        judge_fail(judge, JUDGE_DISK_MONOTONIC, "on the disk of %c in view %u", names[instance],
                   (unsigned)safety->current.view);
    }
    disk->current = safety->current;
    disk->voted = safety->last_voted;
    disk->locked = safety->locked;
    disk->has_vote = safety->has_vote;
    if (safety->has_vote) {
        disk->vote = (struct judge_choice){
            .is_set = true,
            .phase = (uint8_t)safety->vote.phase,
            .block = (uint16_t)blocks_number(judge->blocks, &safety->vote.block)};
    }
    judge_qc(judge, safety->high_qc);
    raise(&disk->floor, lock_of(judge, safety->high_qc));
    if (compare(disk->locked, disk->floor) < 0) {
        judge_fail(judge, JUDGE_LOCK, "%c in view %u: locked at %u instead of %u", names[instance],
                   (unsigned)disk->current.view, (unsigned)disk->locked.view,
                   (unsigned)disk->floor.view);
    }
}

static void judge_timeout(struct judge *judge, uint32_t instance, const struct timeout *timeout)
{
    struct judge_instance *from = &judge->instances[instance];
    const struct position given_up = {timeout->epoch, timeout->view};
    judge_qc(judge, timeout->high_qc);
    judge_tc(judge, timeout->tc);
    struct judge_position *position = at(judge, timeout->epoch, timeout->view);
    if (position == NULL) {
        return;
    }
    if (compare(from->voted, given_up) < 0) {
        judge_fail(judge, JUDGE_DURABLE_FIRST, "%c gives up on view %u, and its disk knows nothing",
                   names[instance], (unsigned)timeout->view);
    }
    position->claims[instance] |= UINT64_C(1) << position_of(judge, timeout->high_qc).view % 64;
    raise(&from->timed_out, given_up);
}

static void judge_nudge(struct judge *judge, uint32_t instance, const struct nudge *nudge)
{
    judge_qc(judge, nudge->justify);
    judge_tc(judge, nudge->tc);
    struct judge_position *position = at(judge, nudge->epoch, nudge->view);
    if (position == NULL) {
        return;
    }
    if (validator_of_instance(instance) != leader(judge, nudge->epoch, nudge->view)) {
        judge_fail(judge, JUDGE_VOTE_RULE, "%c nudges and does not lead", names[instance]);
    }
    if (position->nudge_count < JUDGE_NUDGES_MAX) {
        position->nudges[position->nudge_count++] = (struct judge_nudge){
            .justify = position_of(judge, nudge->justify),
            .justify_phase = (uint8_t)nudge->justify->phase,
            .block = (uint16_t)blocks_number(judge->blocks, &nudge->justify->block)};
    }
    judge_vote(judge, instance, &nudge->vote);
}

void judge_send(struct judge *judge, uint32_t instance, const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_PROPOSE:
        judge_qc(judge, message->propose.block->justify);
        judge_tc(judge, message->propose.tc);
        judge_vote(judge, instance, &message->propose.vote);
        break;
    case MESSAGE_NUDGE:
        judge_nudge(judge, instance, &message->nudge);
        break;
    case MESSAGE_VOTE:
        judge_vote(judge, instance, &message->vote);
        break;
    case MESSAGE_TIMEOUT:
        judge_timeout(judge, instance, &message->timeout);
        break;
    case MESSAGE_CERTIFICATE:
        judge_tc(judge, message->certificate.tc);
        if (message->certificate.qc != NULL) {
            judge_qc(judge, message->certificate.qc);
        }
        break;
    case MESSAGE_ADVERTISE:
        judge_qc(judge, message->advertise.high_qc);
        break;
    case MESSAGE_SYNC_REQUEST:
    case MESSAGE_SYNC_RESPONSE:
    case MESSAGE_TRANSACTIONS:
    case MESSAGE_COMPACT_PROPOSE:
    case MESSAGE_TRANSACTIONS_REQUEST:
    case MESSAGE_TRANSACTIONS_RESPONSE:
        break;
    }
}

/* --- Commits. --- */

void judge_commit(struct judge *judge, uint32_t instance, const struct block *block)
{
    struct judge_instance *of = &judge->instances[instance];
    const uint32_t number = blocks_number(judge->blocks, &block->hash);
    if (block->height != of->height + 1 ||
        judge->blocks->made[number].parent != of->last_committed) {
        judge_fail(judge, JUDGE_COMMIT_CHAIN, "%c commits block %u on block %u", names[instance],
                   number, of->last_committed);
    }
    of->height = block->height;
    of->last_committed = (uint16_t)number;
    if (block->height > judge->committed_height) {
        judge->committed_height = block->height;
        judge->committed[block->height] = (uint16_t)number;
    } else if (judge->committed[block->height] != number) {
        judge_fail(judge, JUDGE_AGREEMENT, "%c commits block %u where another has committed %u",
                   names[instance], number, judge->committed[block->height]);
    }
}

/* The block that this view's certificate of the phase is for, or BLOCKS_MAX. */
static uint32_t certified(const struct judge *judge, uint64_t epoch, uint64_t view)
{
    const struct judge_choice *certificate = &judge->positions[epoch][view].certificate;
    return view < JUDGE_VIEWS_MAX && certificate->is_set ? certificate->block : BLOCKS_MAX;
}

static bool is_final_by_phases(const struct judge *judge, uint64_t epoch, uint32_t number)
{
    const uint64_t first = block_of(judge, number)->view;
    for (uint64_t view = first; view + 2 <= judge->highest_view; view++) {
        const struct judge_position *from = &judge->positions[epoch][view];
        bool is_chain = true;
        for (uint32_t i = 0; i < 3; i++) {
            const struct judge_choice needed = {
                .is_set = true, .phase = (uint8_t)(PHASE_PREPARE + i), .block = (uint16_t)number};
            is_chain = is_chain && same(from[i].certificate, needed);
        }
        if (is_chain) {
            return true;
        }
    }
    return false;
}

/* Three blocks in adjacent views, each the next one's parent, all certified. */
static bool is_final(const struct judge *judge, uint32_t number)
{
    const struct block *block = block_of(judge, number);
    const uint64_t epoch = position_of(judge, block->justify).epoch;
    if (epoch >= EPOCHS_MAX || block->view + 2 > judge->highest_view) {
        return false;
    }
    if (changes_set(judge, number)) {
        return is_final_by_phases(judge, epoch, number);
    }
    const uint32_t child = certified(judge, epoch, block->view + 1);
    const uint32_t grandchild = certified(judge, epoch, block->view + 2);
    return certified(judge, epoch, block->view) == number && child != BLOCKS_MAX &&
           grandchild != BLOCKS_MAX && judge->blocks->made[child].parent == number &&
           judge->blocks->made[grandchild].parent == child;
}

void judge_committed(struct judge *judge, uint32_t instance)
{
    const uint32_t last = judge->instances[instance].last_committed;
    if (last != 0 && !is_final(judge, last)) {
        judge_fail(judge, JUDGE_COMMIT_CHAIN, "%c commits block %u without its certified chain",
                   names[instance], last);
    }
}

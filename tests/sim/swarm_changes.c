/*
 * Changes of the validator set in a simulated run: which are asked for, and what interrupts them.
 * Whatever is asked for leaves less than a third of the power to those who are dead for good or
 * lie, since nothing is promised beyond that. See swarm.h.
 */
#include <string.h>

#include "sim/swarm_state.h"

#define TEXT(name, text) [SWARM_##name] = (text),
const char *const swarm_change_texts[SWARM_CHANGES] = {SWARM_CHANGE_LIST(TEXT)};
const char *const swarm_step_texts[SWARM_STEPS] = {SWARM_STEP_LIST(TEXT)};
#undef TEXT

/* Runs stop asking long before the checkers run out of epochs. */
#define EPOCHS_MAX 200
#define TRIES_MAX 32

/* Those who come with the healing alone count as dead until then, or runs would stand still. */
static bool is_faulty(const struct swarm *swarm, uint32_t node)
{
    const bool is_absent =
        swarm->plan.joins_at_healing[node] && !cluster_is_up(swarm->cluster, node);
    return swarm->plan.is_dead[node] || swarm->plan.habits[node] != 0 ||
           disks_is_victim(swarm, node) || is_absent;
}

/* Some of those outside are dead or lie too; what they may become is up to is_bearable. */
static void draw_faulty_observers(struct swarm *swarm)
{
    struct plan *plan = &swarm->plan;
    uint64_t habits = 0;
    for (uint32_t i = 0; i < plan->cluster.validators; i++) {
        habits |= plan->habits[i];
    }
    for (uint32_t i = plan->cluster.validators; i < cluster_count(swarm->cluster); i++) {
        const uint64_t lot = prng_below(&swarm->prng, 8);
        if (swarm->options->no_faults) {
            continue;
        }
        if (lot == 0 && !swarm_is_without(swarm->options, FAULT_DEAD)) {
            plan->is_dead[i] = true;
            plan->dead_count++;
        } else if (lot == 2 && !swarm_is_without(swarm->options, FAULT_LOST_DISK)) {
            plan->victim[i] = FAULT_LOST_DISK;
            plan->victim_count++;
        } else if (lot == 1 && habits != 0) {
            plan->habits[i] = habits;
            plan->byzantine_count++;
            cluster_set_byzantine(swarm->cluster, i, habits);
        }
    }
}

void changes_plan(struct swarm *swarm)
{
    struct plan *plan = &swarm->plan;
    struct prng *prng = &swarm->prng;
    plan->change_interval_ms = draw(prng, 20, 1500);
    /* Without it a lone validator passes tens of thousands of views while others pass one. */
    plan->disk_us = 500;
    draw_faulty_observers(swarm);
    if (!swarm->options->no_faults) {
        plan->interrupt = draw_class(prng, 500, 60000);
    }
    for (uint32_t i = plan->cluster.validators; i < cluster_count(swarm->cluster); i++) {
        const uint64_t lot = prng_below(prng, 3);
        const uint64_t at_us = 1000 * prng_between(prng, 1, 20000);
        if (lot == 0 && !plan->is_dead[i]) {
            swarm->start_at_us[i] = at_us;
        }
        plan->joins_at_healing[i] = lot == 1;
    }
}

/* --- What is asked for. --- */

static uint32_t count_of(const struct set_app_powers *powers)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < CHECKS_NODES_MAX; i++) {
        count += powers->of[i] > 0;
    }
    return count;
}

static bool is_bearable(const struct swarm *swarm, const struct set_app_powers *powers)
{
    uint64_t total = 0;
    uint64_t faulty = 0;
    for (uint32_t i = 0; i < cluster_count(swarm->cluster); i++) {
        total += powers->of[i];
        faulty += is_faulty(swarm, i) ? powers->of[i] : 0;
    }
    /* A lone validator that never waits leaves no moment at which others have all that it has. */
    const uint32_t least = swarm->plan.cluster.empty_block_interval_ms == 0 ? 2 : 1;
    const uint32_t count = count_of(powers);
    return 3 * faulty < total && count >= least && count <= SWARM_MEMBERS_MAX;
}

static uint64_t draw_power(struct swarm *swarm)
{
    return swarm->plan.has_unequal_powers ? prng_between(&swarm->prng, 1, 9) : 1;
}

/* So many who are in leave, or who are out come. */
static void move(struct swarm *swarm, struct set_app_powers *powers, bool come, uint32_t count)
{
    for (uint32_t tries = 0; tries < TRIES_MAX && count > 0; tries++) {
        const uint32_t node = draw(&swarm->prng, 0, cluster_count(swarm->cluster) - 1);
        const uint64_t power = draw_power(swarm);
        if ((powers->of[node] > 0) != come) {
            powers->of[node] = come ? power : 0;
            count--;
        }
    }
}

/* All who are in leave, for as many as there are of the others. */
static void replace_all(struct swarm *swarm, struct set_app_powers *powers)
{
    const uint32_t wanted = draw(&swarm->prng, 1, SWARM_MEMBERS_MAX);
    uint32_t come = 0;
    for (uint32_t i = 0; i < cluster_count(swarm->cluster); i++) {
        const uint64_t power = draw_power(swarm);
        const bool was_in = powers->of[i] > 0;
        powers->of[i] = was_in || come == wanted ? 0 : power;
        come += powers->of[i] > 0;
    }
}

static void change_powers(struct swarm *swarm, struct set_app_powers *powers)
{
    for (uint32_t i = 0; i < cluster_count(swarm->cluster); i++) {
        const uint64_t power = prng_between(&swarm->prng, 1, 9);
        const bool is_changed = prng_chance(&swarm->prng, MILLION / 2);
        if (powers->of[i] > 0 && is_changed) {
            powers->of[i] = power;
        }
    }
}

static void go_back(struct swarm *swarm, struct set_app_powers *powers)
{
    const struct checks *checks = cluster_checks(swarm->cluster);
    const uint64_t epoch = prng_below(&swarm->prng, checks->set_count);
    *powers = checks_powers(checks, checks_set(checks, epoch));
}

static void draw_target(struct swarm *swarm, struct set_app_powers *powers)
{
    struct prng *prng = &swarm->prng;
    const uint64_t kind = prng_below(prng, 7);
    const uint32_t few = draw(prng, 1, 3);
    const uint32_t many = draw(prng, 1, SWARM_MEMBERS_MAX);
    switch (kind) {
    case 0:
        move(swarm, powers, true, few);
        break;
    case 1:
        move(swarm, powers, false, few);
        break;
    case 2:
        move(swarm, powers, true, few);
        move(swarm, powers, false, few);
        break;
    case 3:
        replace_all(swarm, powers);
        break;
    case 4:
        change_powers(swarm, powers);
        break;
    case 5:
        go_back(swarm, powers);
        break;
    default:
        move(swarm, powers, true, many);
        break;
    }
}

bool changes_submit(struct swarm *swarm)
{
    struct cluster *cluster = swarm->cluster;
    const struct set_app_powers now = cluster_powers(cluster);
    for (uint32_t tries = 0; tries < TRIES_MAX; tries++) {
        struct set_app_powers powers = now;
        draw_target(swarm, &powers);
        const uint32_t node = draw(&swarm->prng, 0, cluster_count(cluster) - 1);
        if (cluster_epoch(cluster) < EPOCHS_MAX && is_bearable(swarm, &powers) &&
            cluster_is_up(cluster, node) && cluster_is_honest(cluster, node) &&
            memcmp(&powers, &now, sizeof now) != 0) {
            return cluster_submit_change(cluster, node, &powers) == INGOT_OK;
        }
    }
    return false;
}

/* --- What interrupts a change. --- */

static enum swarm_step step_of_qc(const struct qc *qc)
{
    switch (qc->phase) {
    case PHASE_PREPARE:
        return SWARM_PREPARE_QC;
    case PHASE_PRECOMMIT:
        return SWARM_PRECOMMIT_QC;
    case PHASE_COMMIT:
        return SWARM_COMMIT_QC;
    case PHASE_GENERIC:
        break;
    }
    return SWARM_STEPS;
}

static enum swarm_step step_of_vote(const struct vote *vote)
{
    switch (vote->phase) {
    case PHASE_PREPARE:
        return SWARM_PREPARE_VOTE;
    case PHASE_PRECOMMIT:
        return SWARM_PRECOMMIT_VOTE;
    case PHASE_COMMIT:
        return SWARM_COMMIT_VOTE;
    case PHASE_GENERIC:
        break;
    }
    return SWARM_STEPS;
}

static enum swarm_step step_of_propose(const struct block *block)
{
    if (block->justify->phase == PHASE_COMMIT) {
        return SWARM_FIRST_PROPOSAL;
    }
    return block_changes_set(block) ? SWARM_PROPOSAL : SWARM_STEPS;
}

/* SWARM_STEPS: the message has nothing to do with a change. */
static enum swarm_step step_of(const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_PROPOSE:
        return step_of_propose(message->propose.block);
    case MESSAGE_VOTE:
        return step_of_vote(&message->vote);
    case MESSAGE_NUDGE:
        return step_of_qc(message->nudge.justify);
    case MESSAGE_CERTIFICATE:
        return message->certificate.qc == NULL ? SWARM_STEPS : step_of_qc(message->certificate.qc);
    case MESSAGE_SYNC_RESPONSE:
        return SWARM_SYNC;
    case MESSAGE_TIMEOUT:
    case MESSAGE_ADVERTISE:
    case MESSAGE_SYNC_REQUEST:
    case MESSAGE_TRANSACTIONS:
    case MESSAGE_COMPACT_PROPOSE:
    case MESSAGE_TRANSACTIONS_REQUEST:
    case MESSAGE_TRANSACTIONS_RESPONSE:
        break;
    }
    return SWARM_STEPS;
}

/* Members of the last set on one side, everybody else on the other. */
static void part_sets(struct swarm *swarm)
{
    const struct set_app_powers powers = cluster_powers(swarm->cluster);
    bool side[CHECKS_NODES_MAX];
    for (uint32_t i = 0; i < CHECKS_NODES_MAX; i++) {
        side[i] = powers.of[i] > 0;
    }
    swarm_cut(swarm, side);
}

/* True: the message is lost. */
static bool interrupt(void *context, uint32_t from, uint32_t to, const struct message *message)
{
    struct swarm *swarm = context;
    const enum swarm_step step = step_of(message);
    if (step == SWARM_STEPS || !prng_chance(&swarm->prng, swarm->plan.interrupt)) {
        return false;
    }
    swarm->result->interrupted[step]++;
    const uint64_t way = prng_below(&swarm->prng, 6);
    const uint32_t frames = draw(&swarm->prng, 0, 4);
    switch (way) {
    case 0:
        return true;
    case 1:
        cluster_crash_after_sends(swarm->cluster, from, frames);
        return false;
    case 2:
        cluster_crash_after_sends(swarm->cluster, to, frames);
        return false;
    case 3:
        cluster_crash_after_sends(swarm->cluster, from, frames);
        return true;
    case 4:
        part_sets(swarm);
        return false;
    default:
        for (uint32_t i = 0; i < cluster_count(swarm->cluster); i++) {
            cluster_crash_after_sends(swarm->cluster, i, frames);
        }
        return false;
    }
}

void changes_watch(struct swarm *swarm, bool is_watched)
{
    if (swarm->plan.interrupt > 0) {
        cluster_set_intercept(swarm->cluster, is_watched ? interrupt : NULL, swarm);
    }
}

/* --- What came of it. --- */

static enum swarm_change kind_of(const struct set_app_powers *before,
                                 const struct set_app_powers *after)
{
    uint32_t stayed = 0;
    uint32_t left = 0;
    uint32_t came = 0;
    for (uint32_t i = 0; i < CHECKS_NODES_MAX; i++) {
        stayed += before->of[i] > 0 && after->of[i] > 0;
        left += before->of[i] > 0 && after->of[i] == 0;
        came += before->of[i] == 0 && after->of[i] > 0;
    }
    if (stayed == 0) {
        return SWARM_SWAPS_ALL;
    }
    if (left > 0) {
        return came > 0 ? SWARM_SWAPS_SOME : SWARM_SHRINKS;
    }
    return came > 0 ? SWARM_GROWS : SWARM_POWERS;
}

static bool was_before(const struct checks *checks, uint64_t epoch)
{
    const struct set_app_powers powers = checks_powers(checks, checks_set(checks, epoch));
    for (uint64_t i = 0; i < epoch; i++) {
        const struct set_app_powers earlier = checks_powers(checks, checks_set(checks, i));
        if (memcmp(&earlier, &powers, sizeof powers) == 0) {
            return true;
        }
    }
    return false;
}

void changes_summarize(struct swarm *swarm)
{
    struct swarm_result *result = swarm->result;
    const struct checks *checks = cluster_checks(swarm->cluster);
    result->members_min = CHECKS_NODES_MAX;
    for (uint64_t epoch = 0; epoch < checks->set_count; epoch++) {
        const struct validator_set *set = checks_set(checks, epoch);
        result->members_min = set->count < result->members_min ? set->count : result->members_min;
        result->members_max = set->count > result->members_max ? set->count : result->members_max;
        if (epoch > 0) {
            const struct set_app_powers before =
                checks_powers(checks, checks_set(checks, epoch - 1));
            const struct set_app_powers after = checks_powers(checks, set);
            result->changes[kind_of(&before, &after)]++;
            result->changes[SWARM_RETURNS] += was_before(checks, epoch);
        }
    }
}

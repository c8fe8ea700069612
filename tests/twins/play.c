/*
 * The course of one play: what is delivered when, when timers fire, and when it is over. See
 * play.h.
 */
#include "twins/play.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "twins/play_state.h"
#include "twins/seams.h"

/* Far more than any scenario takes. */
#define EVENTS_MAX 100000
/*
 * Views beyond the scenario's until all honest instances have committed a block of one of them.
 * With tenures of four a TC skips to the next tenure.
 */
#define HEAL_VIEWS_MAX 16
#define HEAL_VIEWS_TENURES_MAX 24

struct player *player_new(bool forks_only)
{
    struct player *player = alloc_zeroed(1, sizeof *player);
    player->judge.forks_only = forks_only;
    return player;
}

void player_free(struct player *player)
{
    if (player != NULL) {
        core_effects_deinit(&player->effects);
        core_effects_deinit(&player->spare_effects);
        free(player->queue);
        free(player);
    }
}

const struct judge *player_judge(const struct player *player)
{
    return &player->judge;
}

/* --- Time. --- */

static void tick(struct player *player, uint32_t number)
{
    struct instance *instance = &player->instances[number];
    instance->armed_ms = UINT64_MAX;
    instance->has_asked = false;
    instance_step(player, number, (struct core_event){.kind = CORE_TICK});
}

/* To the earliest deadline: of one instance that has it, or of all. */
static void pass_time(struct player *player, bool is_hasty)
{
    uint64_t earliest = UINT64_MAX;
    for (uint32_t i = 0; i < INSTANCES; i++) {
        const uint64_t armed_ms = player->instances[i].armed_ms;
        earliest = armed_ms < earliest ? armed_ms : earliest;
    }
    if (earliest > player->now_ms) {
        player->now_ms = earliest;
    }
    for (uint32_t i = 0; i < INSTANCES; i++) {
        if (player->instances[i].armed_ms <= player->now_ms) {
            tick(player, i);
            if (is_hasty) {
                return;
            }
        }
    }
}

static void deliver_next(struct player *player)
{
    struct envelope envelope;
    const bool is_hasty = player->scenario->has_hasty_timers && !player->is_whole &&
                          prng_chance(&player->prng, 10000);
    if (is_hasty || !network_take(player, &envelope)) {
        pass_time(player, is_hasty);
        return;
    }
    player->one.deliveries++;
    network_trace(player, "=>", envelope.from, envelope.to, envelope.message);
    instance_receive(player, &envelope);
    message_unref(envelope.message);
}

/* --- The end. --- */

static uint64_t highest_view(const struct player *player)
{
    uint64_t highest = 0;
    for (uint32_t i = 0; i < INSTANCES; i++) {
        const uint64_t view = player->instances[i].safety.current.view;
        highest = view > highest ? view : highest;
    }
    return highest;
}

static bool is_healed(const struct player *player)
{
    for (uint32_t i = 1; i < VALIDATORS; i++) {
        const uint32_t last = player->instances[i].last_committed;
        if (player->blocks.made[last].block->view <= player->scenario->view_count) {
            return false;
        }
    }
    return true;
}

static void restart_if_due(struct player *player)
{
    const uint32_t number = player->scenario->restart;
    if (number != 0 && !player->has_restarted &&
        player->instances[number].safety.current.view >= player->scenario->restart_view) {
        player->has_restarted = true;
        player->one.restarts++;
        instance_crash(player, number);
    }
}

static void check_end(struct player *player)
{
    for (uint32_t i = 0; i < INSTANCES; i++) {
        const char *why = NULL;
        if (core_check_invariants(player->instances[i].core, &why) != 0) {
            judge_fail(&player->judge, JUDGE_INVARIANT, "instance %u: %s", i, why);
        }
    }
}

static void run(struct player *player)
{
    const struct scenario *scenario = player->scenario;
    const uint64_t bound =
        scenario->view_count + (scenario->tenure == 1 ? HEAL_VIEWS_MAX : HEAL_VIEWS_TENURES_MAX);
    for (uint32_t events = 0; !player->judge.is_over && !is_healed(player); events++) {
        deliver_next(player);
        restart_if_due(player);
        const uint64_t highest = highest_view(player);
        if (!player->is_whole) {
            player->one.commits_early = player->judge.committed_height;
        }
        if (highest > bound || events == EVENTS_MAX) {
            judge_fail(&player->judge, JUDGE_LIVENESS, "view %u, and height %u is the last",
                       (unsigned)highest, (unsigned)player->judge.committed_height);
        }
    }
    check_end(player);
}

/* --- Together. --- */

static void add_up(const struct player *player, struct tally *tally)
{
    const struct tally *one = &player->one;
    const uint64_t highest = highest_view(player);
    uint32_t *heal_max = &tally->heal_views_max[player->scenario->tenure != 1];
    if (highest > player->scenario->view_count + *heal_max) {
        *heal_max = (uint32_t)(highest - player->scenario->view_count);
    }
    tally->plays++;
    tally->deliveries += one->deliveries;
    tally->views += highest;
    tally->blocks_committed += player->judge.committed_height;
    tally->both_proposed += one->both_proposed > 0;
    tally->commits_early += one->commits_early > 0;
    tally->lifted += one->lifted > 0;
    tally->accused += one->accused > 0;
    tally->fetched += one->fetched > 0;
    tally->prepared_again += one->prepared_again > 0;
    tally->restarts += one->restarts;
    bool has_changed = false;
    for (uint32_t i = 1; i < VALIDATORS; i++) {
        struct core_status status;
        core_get_status(player->instances[i].core, &status);
        tally->timeouts += status.timeouts;
        has_changed = has_changed || status.current.epoch > 0;
    }
    tally->set_changes += has_changed;
}

bool player_play(struct player *player, const struct scenario *scenario, FILE *trace,
                 struct tally *tally)
{
    player->scenario = scenario;
    player->trace = trace;
    player->now_ms = 1;
    player->is_whole = false;
    player->is_lifted = false;
    player->has_restarted = false;
    player->proposed[0] = false;
    player->proposed[1] = false;
    player->one = (struct tally){0};
    prng_init(&player->prng, scenario->order, 1);
    seams_set_scenario(scenario);
    blocks_init(&player->blocks, scenario);
    judge_begin(&player->judge, scenario, &player->blocks);
    for (uint32_t i = 0; i < INSTANCES; i++) {
        player->instances[i].safety.current = (struct position){0, 1};
    }
    for (uint32_t i = 0; i < INSTANCES; i++) {
        instance_start(player, i);
    }
    run(player);
    add_up(player, tally);
    network_clear(player);
    for (uint32_t i = 0; i < INSTANCES; i++) {
        instance_deinit(&player->instances[i]);
    }
    blocks_deinit(&player->blocks);
    return player->judge.violated == JUDGE_NONE;
}

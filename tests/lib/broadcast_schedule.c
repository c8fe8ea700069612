/*
 * Random schedules of a broadcast network. See broadcast_schedule.h.
 */
#include "lib/broadcast_schedule.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/broadcast_liar.h"
#include "wire/broadcast.h"

#define ROUNDS_MAX 4
/* So much time passes at most until the faults end, and after that. Rounds are not given up before
 * both are over. */
#define TROUBLE_MS 6000
#define CALM_MS 22000
#define CALM_GOSSIP_MS 40000

/* A round of a member that does not lie. */
struct asked {
    uint32_t originator;
    const char *id;
    bool is_started;
    bool asks_again; /* its originator has come back, and so has its client */
};

struct run {
    const struct broadcast_schedule *schedule;
    struct broadcast_schedule_result *result;
    struct broadcast_world world;
    struct prng prng;
    uint64_t powers[BROADCAST_NODES_MAX];
    bool is_faulty[BROADCAST_NODES_MAX];
    bool forgets[BROADCAST_NODES_MAX]; /* it was correct until it came back without its choices */
    bool has_liars;
    struct asked asked[ROUNDS_MAX];
    uint32_t asked_count;
    uint64_t until_ms;
    uint32_t loss; /* parts of a million, of this schedule */
    uint32_t repetition;
};

const char *broadcast_trouble_text(enum broadcast_trouble trouble)
{
    switch (trouble) {
    case BROADCAST_TROUBLE_LOSS:
        return "loss";
    case BROADCAST_TROUBLE_CRASHES:
        return "crashes";
    case BROADCAST_TROUBLE_LIES:
        return "lies";
    case BROADCAST_TROUBLE_RESTARTS:
        return "restarts";
    case BROADCAST_TROUBLE_FORGETS:
        return "forgets";
    }
    return "?";
}

/* --- What the seed says. --- */

static void draw_powers(struct run *run)
{
    const bool are_equal = prng_chance(&run->prng, 500000);
    for (uint32_t i = 0; i < run->schedule->members; i++) {
        run->powers[i] = are_equal ? 1 : prng_between(&run->prng, 1, 6);
    }
}

/* As many as less than a third of the power allows, beginning anywhere. */
static void draw_faulty(struct run *run)
{
    const uint32_t members = run->schedule->members;
    uint64_t total = 0;
    for (uint32_t i = 0; i < members; i++) {
        total += run->powers[i];
    }
    uint64_t power = 0;
    const uint32_t first = (uint32_t)prng_below(&run->prng, members);
    for (uint32_t i = 0; i < members; i++) {
        const uint32_t member = (first + i) % members;
        if (3 * (power + run->powers[member]) < total) {
            power += run->powers[member];
            run->is_faulty[member] = true;
        }
    }
}

static void draw(struct run *run)
{
    const struct broadcast_schedule *schedule = run->schedule;
    const enum broadcast_trouble trouble = schedule->trouble;
    prng_init(&run->prng, schedule->seed,
              schedule->members * 100 + (uint64_t)trouble * 10 + (schedule->is_gossip ? 1 : 0));
    draw_powers(run);
    run->has_liars = trouble == BROADCAST_TROUBLE_LIES ||
                     (trouble == BROADCAST_TROUBLE_RESTARTS && prng_chance(&run->prng, 500000));
    if (run->has_liars || trouble == BROADCAST_TROUBLE_CRASHES ||
        trouble == BROADCAST_TROUBLE_FORGETS) {
        draw_faulty(run);
    }
    run->loss = (uint32_t)prng_below(&run->prng, 400000);
    run->repetition = (uint32_t)prng_below(&run->prng, 200000);
    const bool restarts =
        trouble == BROADCAST_TROUBLE_RESTARTS || trouble == BROADCAST_TROUBLE_FORGETS;
    /* Nobody waits for what an observer says, so what it has missed is shown to it when it connects
     * and not on ticks. */
    const bool has_observer = prng_chance(&run->prng, 200000) && !run->has_liars && !restarts;
    const struct broadcast_world_options options = {
        .members = schedule->members,
        .powers = run->powers,
        .observers = has_observer,
        .is_gossip = schedule->is_gossip,
        .own_later = prng_chance(&run->prng, 500000),
        .encodes = prng_chance(&run->prng, 100000),
        .not_prompt = restarts,
        .trace = schedule->trace,
    };
    broadcast_world_init(&run->world, &options);
    run->until_ms = run->world.now_ms + TROUBLE_MS;
    for (uint32_t i = 0; i < schedule->members && run->has_liars; i++) {
        if (run->is_faulty[i]) {
            broadcast_world_make_liar(&run->world, i);
        }
    }
}

static void draw_rounds(struct run *run)
{
    const uint32_t count = 1 + (uint32_t)prng_below(&run->prng, 2);
    for (uint32_t i = 0; i < count; i++) {
        const struct asked asked = {.originator =
                                        (uint32_t)prng_below(&run->prng, run->schedule->members),
                                    .id = broadcast_liar_ids[i]};
        if (!run->world.nodes[asked.originator].is_liar) {
            run->asked[run->asked_count++] = asked;
        }
    }
}

/* --- What happens. --- */

static void start(struct run *run, struct asked *asked)
{
    if (broadcast_world_is_up(&run->world, asked->originator)) {
        (void)broadcast_world_start(&run->world, asked->originator, asked->id,
                                    broadcast_liar_payloads[0]);
        asked->is_started = true;
        asked->asks_again = false;
    }
}

static void something_flies(struct run *run)
{
    struct broadcast_world *world = &run->world;
    if (world->flying.count == 0) {
        return;
    }
    /* Mostly the first few, so that a round gets somewhere; sometimes any. */
    const bool is_near = prng_chance(&run->prng, 500000);
    const uint32_t bound = is_near && world->flying.count > 4 ? 4 : world->flying.count;
    const uint32_t place = (uint32_t)prng_below(&run->prng, bound);
    const bool may_be_lost = world->flying.items[place].to < run->schedule->members;
    if (may_be_lost && prng_chance(&run->prng, run->loss)) {
        broadcast_world_lose(world, place);
        run->result->losses++;
    } else if (prng_chance(&run->prng, run->repetition)) {
        broadcast_world_repeat(world, place);
        run->result->repetitions++;
    } else {
        broadcast_world_arrive(world, place);
        run->result->arrivals++;
    }
}

static void comes_back(struct run *run, uint32_t node)
{
    const bool forgets = run->schedule->trouble == BROADCAST_TROUBLE_FORGETS;
    run->forgets[node] = run->forgets[node] || forgets;
    broadcast_world_restart(&run->world, node, forgets);
    run->result->restarts++;
    for (uint32_t i = 0; i < run->asked_count; i++) {
        run->asked[i].asks_again |= run->asked[i].originator == node;
    }
}

/* Somebody who may goes down, or comes back. */
static void fate(struct run *run)
{
    struct broadcast_world *world = &run->world;
    const uint32_t node = (uint32_t)prng_below(&run->prng, run->schedule->members);
    const enum broadcast_trouble trouble = run->schedule->trouble;
    const bool may = trouble == BROADCAST_TROUBLE_RESTARTS
                         ? !world->nodes[node].is_liar
                         : run->is_faulty[node] && (trouble == BROADCAST_TROUBLE_CRASHES ||
                                                    trouble == BROADCAST_TROUBLE_FORGETS);
    if (!may) {
        return;
    }
    if (broadcast_world_is_up(world, node)) {
        broadcast_world_crash(world, node);
    } else if (trouble != BROADCAST_TROUBLE_CRASHES) {
        comes_back(run, node);
    }
}

static void lie(struct run *run)
{
    const uint32_t node = (uint32_t)prng_below(&run->prng, run->schedule->members);
    if (run->world.nodes[node].is_liar) {
        broadcast_liar_lies(&run->world, node, &run->prng);
        run->result->lies++;
    }
}

static void step(struct run *run)
{
    struct broadcast_world *world = &run->world;
    const uint64_t dice = prng_below(&run->prng, 100);
    if (dice < 70) {
        something_flies(run);
    } else if (dice < 80) {
        (void)broadcast_world_own_back(world,
                                       (uint32_t)prng_below(&run->prng, world->network.nodes));
    } else if (dice < 85) {
        struct asked *asked = &run->asked[prng_below(&run->prng, ROUNDS_MAX)];
        if (asked < run->asked + run->asked_count && !asked->is_started) {
            start(run, asked);
        }
    } else if (dice < 90) {
        const uint64_t ms = prng_below(&run->prng, 600);
        broadcast_world_pass(world, world->now_ms + ms < run->until_ms ? ms : 0);
    } else if (dice < 93) {
        fate(run);
    } else if (run->has_liars) {
        lie(run);
    }
}

static void end_of_trouble(struct run *run)
{
    struct broadcast_world *world = &run->world;
    for (uint32_t i = 0; i < run->schedule->members; i++) {
        if (!broadcast_world_is_up(world, i) && !world->nodes[i].is_liar &&
            run->schedule->trouble != BROADCAST_TROUBLE_CRASHES) {
            comes_back(run, i);
        }
    }
    for (uint32_t i = 0; i < run->asked_count; i++) {
        if (!run->asked[i].is_started || run->asked[i].asks_again) {
            start(run, &run->asked[i]);
        }
    }
    broadcast_world_settle(world, run->schedule->is_gossip ? CALM_GOSSIP_MS : CALM_MS);
}

/* --- What has to be true at the end. --- */

__attribute__((format(printf, 2, 3))) static void violate(struct run *run, const char *format, ...)
{
    if (run->result->violation[0] != '\0') {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(run->result->violation, sizeof run->result->violation, format, arguments);
    va_end(arguments);
}

static bool is_correct(const struct run *run, uint32_t node)
{
    return broadcast_world_is_up(&run->world, node) && !run->forgets[node];
}

/*
 * What a correct node has delivered, and not in a former life, all correct nodes have. Of gossip
 * that is promised for correct originators alone. And where members lose their memory, an
 * originator that lies can show them another payload: then they say nothing, and the others are too
 * few.
 */
static void check_totality(struct run *run, uint32_t originator, const char *id)
{
    uint32_t with = BROADCAST_NONE;
    uint32_t without = BROADCAST_NONE;
    for (uint32_t i = 0; i < run->world.network.nodes; i++) {
        if (is_correct(run, i)) {
            const bool has = broadcast_world_delivered(&run->world, i, originator, id) != NULL;
            with = broadcast_world_remembers(&run->world, i, originator, id) ? i : with;
            without = has ? without : i;
        }
    }
    if (with != BROADCAST_NONE && without != BROADCAST_NONE) {
        violate(run, "node %u delivers \"%s\" of member %u, node %u never does", with, id,
                originator, without);
    }
}

static void check_asked(struct run *run, const struct asked *asked)
{
    struct broadcast_digest digest;
    wire_broadcast_digest(ingot_slice_of_text(broadcast_liar_payloads[0]), &digest);
    for (uint32_t i = 0; i < run->world.network.nodes; i++) {
        const struct broadcast_delivery *delivery =
            broadcast_world_delivered(&run->world, i, asked->originator, asked->id);
        if (!is_correct(run, i)) {
            continue;
        }
        if (delivery == NULL) {
            violate(run, "node %u does not deliver \"%s\" of member %u", i, asked->id,
                    asked->originator);
        } else if (!broadcast_digest_equal(&delivery->digest, &digest)) {
            violate(run, "node %u delivers another payload than member %u has sent", i,
                    asked->originator);
        }
    }
}

static void check_end(struct run *run)
{
    const bool is_promised =
        !run->schedule->is_gossip &&
        (run->schedule->trouble != BROADCAST_TROUBLE_RESTARTS || !run->has_liars);
    for (uint32_t i = 0; i < run->schedule->members && is_promised; i++) {
        for (uint32_t k = 0; k < BROADCAST_LIAR_IDS; k++) {
            check_totality(run, i, broadcast_liar_ids[k]);
        }
    }
    for (uint32_t i = 0; i < run->asked_count; i++) {
        if (run->asked[i].is_started && is_correct(run, run->asked[i].originator)) {
            check_asked(run, &run->asked[i]);
        }
    }
}

void broadcast_schedule_run(const struct broadcast_schedule *schedule,
                            struct broadcast_schedule_result *result)
{
    struct run run = {.schedule = schedule, .result = result};
    draw(&run);
    draw_rounds(&run);
    const uint64_t steps = 40 + prng_below(&run.prng, 60 * (uint64_t)schedule->members);
    for (uint64_t i = 0; i < steps && run.world.violation[0] == '\0'; i++) {
        step(&run);
    }
    end_of_trouble(&run);
    if (run.world.violation[0] != '\0') {
        violate(&run, "%s", run.world.violation);
    }
    check_end(&run);
    for (uint32_t i = 0; i < run.world.network.nodes; i++) {
        result->delivered += run.world.nodes[i].delivered.count;
        if (run.world.nodes[i].member != NULL) {
            result->forgeries += run.world.nodes[i].member->forged;
        }
    }
    broadcast_world_deinit(&run.world);
}

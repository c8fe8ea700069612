/*
 * Replicas under a script: each input, whatever its bytes are, says what happens to four real
 * replicas (and two nodes that may become validators) in simulated time. Frames wait until the
 * script delivers, loses, repeats or spoils them; time passes when it says so; nodes crash, their
 * writes fail, clients submit, the validator set changes, one member lies. The checkers of the
 * simulator look on, and so does every assertion. A script may end with healing: then all the
 * honest must commit something new.
 *
 * The first three bytes say who lies, how long it may last and whether it ends with healing, and
 * the length of tenures. Each step is a byte and its operands; what is missing at the end is zero.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "lib/cluster_state.h"
#include "wire/wire.h"

#define VALIDATORS 4
#define OBSERVERS 2
#define NODES (VALIDATORS + OBSERVERS)
#define ANY NODES
#define NEVER UINT64_MAX
/* A script is over when it has had so much, so that none takes long. */
#define DELIVERIES_MAX 150
#define DELIVERIES_MAX_LONG 800
/* What waits at the most; the oldest is lost. */
#define WAITING_MAX 128
#define OLD_FRAMES 32
#define WARM_ROUNDS 4
#define HEALING_MS 60000

struct script {
    struct cluster *cluster;
    struct ingot_slice rest;
    uint32_t liar; /* ANY: all are honest */
    uint32_t deliveries;
    uint32_t deliveries_max;
    uint32_t turns;
    struct delivery waiting[WAITING_MAX]; /* in the order of sending; owned references */
    uint32_t waiting_count;
    struct delivery old[OLD_FRAMES]; /* delivered lately; owned references */
    uint32_t old_next;
};

static uint32_t operand(struct script *script, uint32_t bound)
{
    uint8_t byte = 0;
    (void)ingot_slice_take_u8(&script->rest, &byte);
    return byte % bound;
}

static struct cluster_node *node_of(struct script *script, uint32_t node)
{
    return &script->cluster->nodes[node];
}

static bool is_over(const struct script *script)
{
    return script->cluster->checks->violated != CHECK_NONE ||
           script->deliveries >= script->deliveries_max ||
           script->turns >= 3 * script->deliveries_max;
}

/* --- Turns and deliveries. --- */

static struct delivery take_waiting(struct script *script, uint32_t at)
{
    const struct delivery taken = script->waiting[at];
    script->waiting_count--;
    memmove(&script->waiting[at], &script->waiting[at + 1],
            (script->waiting_count - at) * sizeof taken);
    return taken;
}

/* Whatever was sent waits for the script. */
static void collect(struct script *script)
{
    while (network_peek(script->cluster) != NULL) {
        if (script->waiting_count == WAITING_MAX) {
            network_unref(take_waiting(script, 0).frame);
        }
        script->waiting[script->waiting_count++] = network_take(script->cluster);
    }
}

/* Every replica does what it has to do now. */
static void settle(struct script *script)
{
    struct cluster *cluster = script->cluster;
    for (uint32_t i = 0; i < NODES && !is_over(script);) {
        struct cluster_node *node = node_of(script, i);
        if (node->flush_at_us == NEVER) {
            i++;
            continue;
        }
        if (node->flush_at_us > cluster->now_us) {
            cluster->now_us = node->flush_at_us;
        }
        script->turns++;
        node_flush(node);
        i = 0;
    }
    collect(script);
}

static void let_pass(struct script *script, uint64_t duration_ms)
{
    struct cluster *cluster = script->cluster;
    const uint64_t until_us = cluster->now_us + duration_ms * 1000;
    while (!is_over(script)) {
        struct cluster_node *next = NULL;
        for (uint32_t i = 0; i < NODES; i++) {
            struct cluster_node *node = node_of(script, i);
            if (node->tick_at_us <= until_us &&
                (next == NULL || node->tick_at_us < next->tick_at_us)) {
                next = node;
            }
        }
        if (next == NULL) {
            break;
        }
        if (next->tick_at_us > cluster->now_us) {
            cluster->now_us = next->tick_at_us;
        }
        script->turns++;
        node_tick(next);
        settle(script);
    }
    if (cluster->now_us < until_us) {
        cluster->now_us = until_us;
    }
}

/* The replica hears it, and has not acted on it yet. Takes over the reference. */
static void hand_over(struct script *script, struct delivery delivery)
{
    struct cluster_node *node = node_of(script, delivery.to);
    struct delivery *slot = &script->old[script->old_next++ % OLD_FRAMES];
    if (node->replica != NULL && delivery.from != delivery.to && !is_over(script)) {
        script->deliveries++;
        node_receive(node, &delivery);
    }
    network_unref(slot->frame);
    *slot = delivery;
}

static void deliver(struct script *script, struct delivery delivery)
{
    hand_over(script, delivery);
    settle(script);
}

/* In the order of sending; what is sent meanwhile is not among them. */
static void deliver_some(struct script *script, uint32_t from, uint32_t to, uint32_t count)
{
    const uint64_t before = script->cluster->sequence;
    for (uint32_t at = 0; count > 0 && at < script->waiting_count && !is_over(script);) {
        const struct delivery *delivery = &script->waiting[at];
        if (delivery->sequence < before && (from == ANY || delivery->from == from) &&
            (to == ANY || delivery->to == to)) {
            deliver(script, take_waiting(script, at));
            count--;
        } else {
            at++;
        }
    }
}

static void lose_some(struct script *script, uint32_t from, uint32_t to)
{
    for (uint32_t at = 0; at < script->waiting_count;) {
        const struct delivery *delivery = &script->waiting[at];
        if ((from == ANY || delivery->from == from) && (to == ANY || delivery->to == to)) {
            network_unref(take_waiting(script, at).frame);
        } else {
            at++;
        }
    }
}

/*
 * What the liar has said comes to somebody, with some bytes changed; another transaction, which may
 * be as good as one that a client made, does not.
 */
static void spoil(struct script *script, const struct delivery *delivery)
{
    struct delivery spoilt = {
        .from = delivery->from, .to = operand(script, NODES), .is_corrupt = true};
    const uint32_t flips = operand(script, 4);
    spoilt.frame = network_frame(ingot_slice_of(delivery->frame->bytes, delivery->frame->size));
    for (uint32_t i = 0; i < flips; i++) {
        const uint32_t at = operand(script, 256) << 8 | operand(script, 256);
        spoilt.frame->bytes[at % spoilt.frame->size] ^= (uint8_t)operand(script, 256);
    }
    struct message *message = NULL;
    if (wire_decode(ingot_slice_of(spoilt.frame->bytes, spoilt.frame->size), &message) ==
        REJECT_NONE) {
        checks_learn(script->cluster->checks, message);
    }
    message_unref(message);
    deliver(script, spoilt);
}

/* --- Steps. --- */

/* All that waits is heard before anybody acts on it. */
static void run_round(struct script *script)
{
    for (uint32_t count = script->waiting_count; count > 0; count--) {
        hand_over(script, take_waiting(script, 0));
    }
    settle(script);
}

static void run_rounds(struct script *script)
{
    for (uint32_t rounds = operand(script, 8) + 1; rounds > 0; rounds--) {
        run_round(script);
    }
}

static void deliver_oldest(struct script *script)
{
    deliver_some(script, ANY, ANY, operand(script, 16) + 1);
}

static void deliver_to(struct script *script)
{
    deliver_some(script, ANY, operand(script, NODES), WAITING_MAX);
}

static void deliver_from(struct script *script)
{
    deliver_some(script, operand(script, NODES), ANY, WAITING_MAX);
}

static void deliver_between(struct script *script)
{
    const uint32_t from = operand(script, NODES);
    deliver_some(script, from, operand(script, NODES), WAITING_MAX);
}

static void deliver_one(struct script *script)
{
    if (script->waiting_count > 0) {
        deliver(script, take_waiting(script, operand(script, script->waiting_count)));
    }
}

static void lose_one(struct script *script)
{
    if (script->waiting_count > 0) {
        network_unref(take_waiting(script, operand(script, script->waiting_count)).frame);
    }
}

static void lose_to(struct script *script)
{
    lose_some(script, ANY, operand(script, NODES + 1));
}

static void lose_between(struct script *script)
{
    const uint32_t from = operand(script, NODES);
    lose_some(script, from, operand(script, NODES));
}

static void repeat_one(struct script *script)
{
    if (script->waiting_count > 0) {
        const struct delivery *delivery = &script->waiting[operand(script, script->waiting_count)];
        struct delivery again = *delivery;
        again.frame->references++;
        deliver(script, again);
    }
}

/* Links keep what is old for as long as they like; only the liar tells it to others. */
static void say_again(struct script *script)
{
    const struct delivery *old = &script->old[operand(script, OLD_FRAMES)];
    const uint32_t to = operand(script, NODES);
    if (old->frame != NULL) {
        struct delivery again = *old;
        again.to = old->from == script->liar ? to : old->to;
        again.frame->references++;
        deliver(script, again);
    }
}

static void spoil_one(struct script *script)
{
    for (uint32_t at = operand(script, WAITING_MAX); at < script->waiting_count; at++) {
        if (script->waiting[at].from == script->liar) {
            const struct delivery taken = take_waiting(script, at);
            spoil(script, &taken);
            network_unref(taken.frame);
            return;
        }
    }
}

static void wait_a_little(struct script *script)
{
    let_pass(script, 1 + operand(script, 128));
}

static void wait_long(struct script *script)
{
    let_pass(script, 100 * (1 + (uint64_t)operand(script, 32)));
}

static void crash(struct script *script)
{
    cluster_crash(script->cluster, operand(script, NODES));
    settle(script);
}

static void start(struct script *script)
{
    const uint32_t node = operand(script, NODES);
    if (!cluster_is_up(script->cluster, node)) {
        cluster_start(script->cluster, node);
    }
    settle(script);
}

static void restart(struct script *script)
{
    const uint32_t node = operand(script, NODES);
    cluster_crash(script->cluster, node);
    cluster_start(script->cluster, node);
    settle(script);
}

static void crash_soon(struct script *script)
{
    const uint32_t node = operand(script, NODES);
    cluster_crash_after_sends(script->cluster, node, operand(script, 8));
}

static void fail_write(struct script *script)
{
    static const enum store_memory_fault faults[] = {
        STORE_MEMORY_NO_SPACE, STORE_MEMORY_FAILED_LOST, STORE_MEMORY_FAILED_APPLIED};
    const uint32_t node = operand(script, NODES);
    const uint32_t nth = 1 + operand(script, 4);
    const uint32_t fault = operand(script, 3);
    if (cluster_is_up(script->cluster, node)) {
        cluster_fail_write(script->cluster, node, nth, faults[fault]);
    }
}

static void submit(struct script *script)
{
    const uint32_t node = operand(script, NODES);
    if (cluster_is_up(script->cluster, node)) {
        cluster_submit_any(script->cluster, node);
        settle(script);
    }
}

static void submit_again(struct script *script)
{
    const uint32_t node = operand(script, NODES);
    if (cluster_is_up(script->cluster, node)) {
        cluster_submit_again(script->cluster, node);
        settle(script);
    }
}

/* At least four members, so that one may lie. */
static void change_set(struct script *script)
{
    const uint32_t node = operand(script, NODES);
    uint32_t members = operand(script, 1U << NODES);
    struct set_app_powers powers = {{0}};
    if (__builtin_popcount(members) < VALIDATORS) {
        members |= (1U << VALIDATORS) - 1;
    }
    for (uint32_t i = 0; i < NODES; i++) {
        powers.of[i] = members >> i & 1U;
    }
    if (cluster_is_up(script->cluster, node) &&
        script->cluster->checks->set_count < CHECKS_EPOCHS_MAX) {
        (void)cluster_submit_change(script->cluster, node, &powers);
        settle(script);
    }
}

static void turn_link(struct script *script)
{
    const uint32_t from = operand(script, NODES);
    struct cluster_link *link = cluster_link(script->cluster, from, operand(script, NODES));
    link->is_cut = !link->is_cut;
}

/* Two sides do not hear of each other. */
static void part(struct script *script)
{
    const uint32_t side = operand(script, 1U << NODES);
    for (uint32_t from = 0; from < NODES; from++) {
        for (uint32_t to = 0; to < NODES; to++) {
            cluster_link(script->cluster, from, to)->is_cut =
                ((side >> from ^ side >> to) & 1U) != 0;
        }
    }
}

static void take_habit(struct script *script)
{
    const uint32_t habit = operand(script, BYZANTINE_HABITS);
    if (script->liar != ANY) {
        node_of(script, script->liar)->byzantine.habits = BYZANTINE_BIT(habit);
    }
}

static void shift_calendar(struct script *script)
{
    const uint32_t node = operand(script, NODES);
    cluster_shift_wall(script->cluster, node, 1000 * ((int64_t)operand(script, 256) - 64));
}

/* --- The script as a whole. --- */

static void (*const steps[])(struct script *script) = {
    run_rounds,    deliver_oldest, deliver_to,     deliver_from, deliver_between, deliver_one,
    lose_one,      lose_to,        lose_between,   repeat_one,   say_again,       spoil_one,
    wait_a_little, wait_long,      crash,          start,        restart,         crash_soon,
    fail_write,    submit,         submit_again,   change_set,   turn_link,       part,
    take_habit,    shift_calendar, deliver_oldest, run_rounds,   wait_long,       take_habit,
    deliver_to,    deliver_one,
};
#define STEPS (sizeof steps / sizeof steps[0])

static bool has_new_commit(void *context, struct cluster *cluster)
{
    const uint64_t *height = context;
    return cluster->checks->committed_count - 1 > *height;
}

/* The faults stop, the liar leaves, and the others commit something that nobody had proposed. */
static void heal(struct script *script)
{
    static const struct cluster_link good = {.delay_min_us = 1000, .delay_max_us = 1000};
    struct cluster *cluster = script->cluster;
    cluster_set_all_links(cluster, &good);
    for (uint32_t i = 0; i < script->waiting_count; i++) {
        network_postpone(cluster, &script->waiting[i], cluster->now_us + 1000);
    }
    script->waiting_count = 0;
    for (uint32_t i = 0; i < NODES; i++) {
        struct cluster_node *node = node_of(script, i);
        /* A script that had enough may have left it behind the time. */
        if (node->flush_at_us < cluster->now_us) {
            node->flush_at_us = cluster->now_us;
        }
        cluster_cancel_faults(cluster, i);
        if (i == script->liar) {
            cluster_crash(cluster, i);
        } else if (!cluster_is_up(cluster, i)) {
            cluster_start(cluster, i);
        }
    }
    uint64_t height = cluster->checks->highest_block;
    if (!cluster_run_while_not(cluster, HEALING_MS, has_new_commit, &height)) {
        checks_fail(cluster->checks, CHECK_LIVENESS, "no commit above height %" PRIu64, height);
    }
}

static void report(const struct script *script)
{
    const struct checks *checks = script->cluster->checks;
    if (checks->violated != CHECK_NONE) {
        (void)fprintf(stderr, "violation: %s: %s\n", check_text(checks->violated),
                      checks->violation);
        abort();
    }
}

static void script_deinit(struct script *script)
{
    lose_some(script, ANY, ANY);
    for (uint32_t i = 0; i < OLD_FRAMES; i++) {
        network_unref(script->old[i].frame);
    }
    cluster_free(script->cluster);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct cluster_link at_once = {0};
    struct script script = {.rest = {data, size}, .liar = ANY};
    struct cluster_options options = cluster_default_options();
    const uint32_t who = operand(&script, 2 * VALIDATORS);
    const uint32_t how = operand(&script, 64);
    const bool heals = how % 8 == 0;
    script.deliveries_max = how / 8 == 0 ? DELIVERIES_MAX_LONG : DELIVERIES_MAX;
    options.leader_tenure = 1 + operand(&script, 4);
    options.observers = OBSERVERS;
    options.empty_block_interval_ms = 20;
    options.compact_payload_bytes_min = 0; /* names whatever it can */
    options.trace = getenv("FUZZ_TRACE") != NULL ? stderr : NULL;
    script.cluster = cluster_new(&options);
    cluster_set_all_links(script.cluster, &at_once);
    if (who < VALIDATORS) {
        script.liar = who;
        cluster_set_byzantine(script.cluster, who, BYZANTINE_BIT(BYZANTINE_REPLAYS));
    }
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        cluster_start(script.cluster, i);
    }
    settle(&script);
    for (uint32_t i = 0; i < WARM_ROUNDS; i++) {
        run_round(&script);
    }
    while (script.rest.size > 0 && !is_over(&script)) {
        steps[operand(&script, STEPS)](&script);
    }
    if (heals && script.cluster->checks->violated == CHECK_NONE) {
        heal(&script);
    }
    report(&script);
    script_deinit(&script);
    return 0;
}

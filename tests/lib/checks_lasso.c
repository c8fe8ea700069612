/*
 * Livelock. See checks_lasso.h.
 */
#include "lib/checks_lasso.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/state.h"

/* Deadlines are the same from so many tenures without a certificate on (docs/protocol.md). */
#define TENURES_STRETCHED 9

struct foremost {
    struct position current;
    struct position lock;
    struct position high;
    uint64_t height;
};

static void raise(struct position *highest, struct position position)
{
    if (checks_compare(position, *highest) > 0) {
        *highest = position;
    }
}

static bool is_watched(const struct cluster *cluster, uint32_t node)
{
    return cluster_is_up(cluster, node) && cluster_is_honest(cluster, node);
}

/* Who has lost its disk or its right to sign lets its tenures pass. */
static bool can_lead(struct cluster *cluster, uint32_t node)
{
    return is_watched(cluster, node) && core_may_sign(replica_core(cluster_replica(cluster, node)));
}

static struct foremost find_foremost(struct cluster *cluster)
{
    struct foremost foremost = {0};
    for (uint32_t i = 0; i < cluster_count(cluster); i++) {
        if (is_watched(cluster, i)) {
            const struct core_status status = cluster_status(cluster, i);
            raise(&foremost.current, status.current);
            raise(&foremost.lock, status.locked);
            raise(&foremost.high, status.high);
            const uint64_t height = cluster_committed(cluster, i);
            foremost.height = height > foremost.height ? height : foremost.height;
        }
    }
    return foremost;
}

/* From one position to a higher one, in views; an epoch is further than any view. */
static uint32_t distance(struct position low, struct position high)
{
    const uint64_t views = high.view > low.view ? high.view - low.view : low.view - high.view;
    return high.epoch == low.epoch && views < UINT32_MAX ? (uint32_t)views : UINT32_MAX;
}

static struct lasso_state look(struct cluster *cluster, const struct foremost *foremost)
{
    const struct checks *checks = cluster_checks(cluster);
    const uint32_t tenure = checks->leader_tenure;
    const uint32_t leader = checks_leader_at(checks, foremost->current);
    struct lasso_state state = {.phase = (uint32_t)((foremost->current.view - 1) % tenure)};
    state.is_led = leader != CHECKS_NOBODY && can_lead(cluster, leader) && state.phase == 0;
    state.stretched = distance(foremost->high, foremost->current);
    if (state.stretched > TENURES_STRETCHED * tenure) {
        state.stretched = TENURES_STRETCHED * tenure;
    }
    state.unlocked = distance(foremost->lock, foremost->high);
    for (uint32_t i = 0; i < cluster_count(cluster); i++) {
        if (is_watched(cluster, i)) {
            const struct core_status status = cluster_status(cluster, i);
            state.nodes[i] = (struct lasso_node){
                .epoch = (uint32_t)(foremost->current.epoch - status.current.epoch),
                .view = distance(status.current, foremost->current),
                .lock = distance(status.locked, foremost->lock),
                .high = distance(status.high, foremost->high),
                .height = (uint32_t)(foremost->height - cluster_committed(cluster, i))};
        }
    }
    return state;
}

static void push(struct lasso *lasso, const struct lasso_state *state, uint64_t view)
{
    if (lasso->count == LASSO_LOOKS) {
        lasso->count--;
        memmove(&lasso->states[0], &lasso->states[1], lasso->count * sizeof lasso->states[0]);
        memmove(&lasso->views[0], &lasso->views[1], lasso->count * sizeof lasso->views[0]);
    }
    lasso->views[lasso->count] = view;
    lasso->states[lasso->count++] = *state;
}

static bool is_same(const struct lasso_state *a, const struct lasso_state *b)
{
    return a->is_standing == b->is_standing && a->is_led == b->is_led && a->phase == b->phase &&
           a->stretched == b->stretched && a->unlocked == b->unlocked &&
           memcmp(a->nodes, b->nodes, sizeof a->nodes) == 0;
}

/* Are the last looks so many, three times over? */
static bool goes_round(const struct lasso *lasso, uint32_t length)
{
    const uint32_t needed = length * LASSO_ROUNDS;
    if (needed > lasso->count) {
        return false;
    }
    bool is_led = false;
    for (uint32_t i = lasso->count - needed; i < lasso->count; i++) {
        const struct lasso_state *state = &lasso->states[i];
        is_led = is_led || state->is_led || state->is_standing;
        if (i + length < lasso->count && !is_same(state, &lasso->states[i + length])) {
            return false;
        }
    }
    return is_led;
}

uint32_t lasso_cycle(const struct lasso *lasso)
{
    for (uint32_t length = 1; length <= LASSO_LOOKS / LASSO_ROUNDS; length++) {
        if (goes_round(lasso, length)) {
            return length;
        }
    }
    return 0;
}

static void report(const struct lasso *lasso, struct cluster *cluster, uint32_t length)
{
    const uint32_t first = lasso->count - length * LASSO_ROUNDS;
    const struct lasso_state *last = &lasso->states[lasso->count - 1];
    char text[300] = "";
    size_t size = 0;
    for (uint32_t i = 0; i < cluster_count(cluster) && size < sizeof text; i++) {
        if (is_watched(cluster, i)) {
            const struct lasso_node *node = &last->nodes[i];
            const int added = snprintf(text + size, sizeof text - size,
                                       "; %u: view -%u, QC -%u, lock -%u, height -%u", i,
                                       node->view, node->high, node->lock, node->height);
            size += added > 0 ? (size_t)added : 0;
        }
    }
    checks_fail(cluster_checks(cluster), CHECK_LIVELOCK,
                "%s from view %" PRIu64 " to view %" PRIu64
                ", three times the same %u looks without a commit, highest QC %u views back%s",
                last->is_standing ? "nothing moves" : "round and round", lasso->views[first],
                lasso->views[lasso->count - 1], length, last->stretched, text);
}

void lasso_init(struct lasso *lasso, uint64_t still_ms)
{
    memset(lasso, 0, sizeof *lasso);
    lasso->still_ms = still_ms;
}

void lasso_look(struct lasso *lasso, struct cluster *cluster)
{
    const uint64_t height = cluster_checks(cluster)->committed_count;
    const uint64_t views_passed = cluster_views_passed(cluster);
    const uint64_t now_us = cluster_now_us(cluster);
    if (height != lasso->height) {
        lasso->height = height;
        lasso->count = 0;
        lasso->views_passed = views_passed;
        lasso->looked_us = now_us;
        return;
    }
    const bool is_standing = views_passed == lasso->views_passed;
    if (is_standing && now_us - lasso->looked_us < lasso->still_ms * 1000) {
        return;
    }
    lasso->views_passed = views_passed;
    lasso->looked_us = now_us;
    const struct foremost foremost = find_foremost(cluster);
    struct lasso_state state = look(cluster, &foremost);
    state.is_standing = is_standing;
    push(lasso, &state, foremost.current.view);
    const uint32_t length = lasso_cycle(lasso);
    if (length > 0) {
        report(lasso, cluster, length);
    }
}

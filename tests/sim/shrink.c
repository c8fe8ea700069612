/*
 * A failing run made smaller. See shrink.h.
 *
 * A seed with fewer replicas is another story, so there it is luck whether the same check fails; a
 * class that is switched off leaves all draws of the plan as they were.
 */
#include "sim/shrink.h"

#include "sim/many.h"

#define RUN_SECONDS_MAX 60

struct shrinking {
    struct swarm_options options; /* of the smallest so far */
    struct outcome outcome;
    uint32_t runs;
    double begin;
};

static bool is_same_failure(const struct outcome *a, const struct outcome *b)
{
    return outcome_has_failed(a) && a->has_died == b->has_died &&
           a->result.violated == b->result.violated;
}

/* Takes these options if the run fails with them as it did. */
static bool try_smaller(struct shrinking *shrinking, const struct swarm_options *options)
{
    const bool has_budget = shrinking->runs < SHRINK_RUNS_MAX &&
                            many_seconds_now() - shrinking->begin < SHRINK_SECONDS_MAX;
    struct outcome outcome;
    if (!has_budget) {
        return false;
    }
    shrinking->runs++;
    if (!many_run_apart(options, RUN_SECONDS_MAX, &outcome) ||
        !is_same_failure(&outcome, &shrinking->outcome)) {
        return false;
    }
    shrinking->options = *options;
    shrinking->outcome = outcome;
    return true;
}

static bool shrink_roughly(struct shrinking *shrinking)
{
    bool is_smaller = false;
    struct swarm_options options = shrinking->options;
    if (!options.no_byzantine) {
        options.no_byzantine = true;
        is_smaller = try_smaller(shrinking, &options);
    }
    options = shrinking->options;
    if (!options.no_faults) {
        options.no_faults = true;
        is_smaller = try_smaller(shrinking, &options) || is_smaller;
    }
    return is_smaller;
}

static bool shrink_replicas(struct shrinking *shrinking)
{
    const uint32_t members = shrinking->outcome.result.validators;
    for (uint32_t fewer = 1; fewer < members; fewer++) {
        struct swarm_options options = shrinking->options;
        options.validators = fewer;
        if (try_smaller(shrinking, &options)) {
            return true;
        }
    }
    return false;
}

/* All that left no mark at once, then the others one by one. */
static bool shrink_classes(struct shrinking *shrinking)
{
    bool is_smaller = false;
    struct swarm_options options = shrinking->options;
    for (uint32_t i = 0; i < CLUSTER_FAULTS && !shrinking->outcome.has_died; i++) {
        const bool is_unused = shrinking->outcome.result.marks[i] == 0;
        options.without |= is_unused ? UINT64_C(1) << i : 0;
    }
    if (options.without != shrinking->options.without) {
        is_smaller = try_smaller(shrinking, &options);
    }
    for (uint32_t i = 0; i < CLUSTER_FAULTS; i++) {
        options = shrinking->options;
        options.without |= UINT64_C(1) << i;
        if (options.without != shrinking->options.without) {
            is_smaller = try_smaller(shrinking, &options) || is_smaller;
        }
    }
    for (uint32_t i = 0; i < BYZANTINE_HABITS && !shrinking->options.no_byzantine; i++) {
        options = shrinking->options;
        options.without_habits |= BYZANTINE_BIT(i);
        const bool has_it = shrinking->outcome.has_died || shrinking->outcome.result.habits[i] > 0;
        if (has_it && options.without_habits != shrinking->options.without_habits) {
            is_smaller = try_smaller(shrinking, &options) || is_smaller;
        }
    }
    return is_smaller;
}

static bool shrink_views(struct shrinking *shrinking)
{
    bool is_smaller = false;
    for (uint64_t cut = 2; cut <= 8; cut *= 2) {
        struct swarm_options options = shrinking->options;
        options.views -= options.views / cut;
        while (options.views >= 1 && options.views < shrinking->options.views &&
               try_smaller(shrinking, &options)) {
            is_smaller = true;
            options.views -= options.views / cut;
        }
    }
    return is_smaller;
}

bool shrink(struct swarm_options *options, struct outcome *outcome)
{
    struct shrinking shrinking = {
        .options = *options, .outcome = *outcome, .begin = many_seconds_now()};
    if (!try_smaller(&shrinking, options)) {
        return false;
    }
    bool is_smaller = true;
    while (is_smaller) {
        is_smaller = shrink_roughly(&shrinking);
        is_smaller = shrink_replicas(&shrinking) || is_smaller;
        is_smaller = shrink_views(&shrinking) || is_smaller;
        is_smaller = shrink_classes(&shrinking) || is_smaller;
    }
    *options = shrinking.options;
    *outcome = shrinking.outcome;
    return true;
}

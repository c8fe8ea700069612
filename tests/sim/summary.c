/*
 * What many runs come to. See summary.h.
 */
#include "sim/summary.h"

#include <inttypes.h>

#include "base/hex.h"
#include "sim/options.h"

bool outcome_has_failed(const struct outcome *outcome)
{
    return outcome->has_died || outcome->result.violated != CHECK_NONE;
}

static void print_result(FILE *out, const struct swarm_options *options,
                         const struct swarm_result *result)
{
    char hash[2 * INGOT_HASH_BYTES + 1];
    hex_encode_lower(result->trace_hash.bytes, INGOT_HASH_BYTES, hash);
    if (result->violated != CHECK_NONE) {
        (void)fprintf(out, "seed %" PRIu64 ": VIOLATED: %s\n  %s\n", options->seed,
                      check_text(result->violated), result->violation);
    }
    (void)fprintf(
        out,
        "seed %" PRIu64 ": %u validators, %u dead, %u Byzantine, views %" PRIu64 ", height %" PRIu64
        ", transactions %" PRIu64 ", frames %" PRIu64 ", timeouts %" PRIu64 ", crashes %" PRIu64
        ", %" PRIu64 " ms, new block %" PRIu64 " views after healing (at most %" PRIu64 ")\n",
        options->seed, result->validators, result->dead, result->byzantine, result->views,
        result->height, result->transactions, result->frames, result->timeouts, result->crashes,
        result->simulated_ms, result->views_after_healing, result->views_bound);
    if (options->changes) {
        uint64_t changes = 0;
        for (uint32_t i = 0; i < SWARM_RETURNS; i++) {
            changes += result->changes[i];
        }
        (void)fprintf(out,
                      "  %" PRIu64 " changes of the set, %u to %u members, %u observers at first\n",
                      changes, result->members_min, result->members_max, result->observers);
    }
    (void)fprintf(out, "trace %s\n", hash);
}

void outcome_print(FILE *out, const struct swarm_options *options, const struct outcome *outcome)
{
    if (outcome->has_died) {
        (void)fprintf(out, "seed %" PRIu64 ": DIED: its process has ended, by signal %d\n",
                      options->seed, outcome->signal);
    } else {
        print_result(out, options, &outcome->result);
    }
    if (outcome_has_failed(outcome)) {
        (void)fprintf(out, "to see it again: ./dev sim");
        options_print(out, options);
        (void)fprintf(out, "\n");
    }
    (void)fflush(out);
}

static uint64_t minimum(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t maximum(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void summary_add(struct summary *summary, const struct outcome *outcome)
{
    const struct swarm_result *result = &outcome->result;
    summary->seeds++;
    summary->failures += outcome_has_failed(outcome);
    if (outcome->has_died) {
        return;
    }
    summary->views += result->views;
    summary->blocks += result->height;
    summary->transactions += result->transactions;
    summary->crashes += result->crashes;
    summary->joined += result->joined;
    summary->bearing_seeds += result->validators >= 4;
    summary->byzantine_seeds += result->byzantine > 0;
    summary->bearing_byzantine_seeds += result->byzantine > 0 && result->validators >= 4;
    for (uint32_t i = 0; i < CLUSTER_FAULTS; i++) {
        summary->marks[i] += result->marks[i];
        summary->marked_seeds[i] += result->marks[i] > 0;
    }
    for (uint32_t i = 0; i < BYZANTINE_HABITS; i++) {
        summary->habits[i] += result->habits[i];
        summary->habit_seeds[i] += result->habits[i] > 0;
    }
    for (uint32_t i = 0; i < SWARM_CHANGES; i++) {
        summary->changes[i] += result->changes[i];
    }
    for (uint32_t i = 0; i < SWARM_STEPS; i++) {
        summary->interrupted[i] += result->interrupted[i];
    }
    summary->views_after_healing_max =
        maximum(summary->views_after_healing_max, result->views_after_healing);
    summary->members_min = summary->seeds == 1 ? result->members_min
                                               : minimum(summary->members_min, result->members_min);
    summary->members_max = maximum(summary->members_max, result->members_max);
}

static void print_changes(const struct summary *summary)
{
    uint64_t changes = 0;
    for (uint32_t i = 0; i < SWARM_RETURNS; i++) {
        changes += summary->changes[i];
    }
    printf("%" PRIu64 " changes of the set committed, %" PRIu64 " to %" PRIu64 " members:", changes,
           summary->members_min, summary->members_max);
    for (uint32_t i = 0; i < SWARM_CHANGES; i++) {
        printf("%s %s %" PRIu64, i == 0 ? "" : ",", swarm_change_texts[i], summary->changes[i]);
    }
    printf("\n%" PRIu64 " nodes joined with empty disks; interrupted at:", summary->joined);
    for (uint32_t i = 0; i < SWARM_STEPS; i++) {
        printf("%s %s %" PRIu64, i == 0 ? "" : ",", swarm_step_texts[i], summary->interrupted[i]);
    }
    printf("\n");
}

/* The share is in thousandths, for whole numbers print alike everywhere. */
static void print_marks(const struct summary *summary)
{
    const uint64_t bearing = maximum(summary->bearing_seeds, 1);
    printf("liars in %" PRIu64 " of %" PRIu64 " seeds with four validators or more (%" PRIu64
           ".%" PRIu64 " %%)\nby fault class: name hits (seeds):",
           summary->bearing_byzantine_seeds, summary->bearing_seeds,
           100 * summary->bearing_byzantine_seeds / bearing,
           1000 * summary->bearing_byzantine_seeds / bearing % 10);
    for (uint32_t i = 0; i < CLUSTER_FAULTS; i++) {
        printf("%s %s %" PRIu64 " (%" PRIu64 ")", i == 0 ? "" : ",", cluster_fault_texts[i],
               summary->marks[i], summary->marked_seeds[i]);
    }
    printf("\nby habit of liars: name hits (seeds):");
    for (uint32_t i = 0; i < BYZANTINE_HABITS; i++) {
        char name[OPTIONS_NAME_MAX];
        options_habit_name((enum byzantine_habit)i, name);
        printf("%s %s %" PRIu64 " (%" PRIu64 ")", i == 0 ? "" : ",", name, summary->habits[i],
               summary->habit_seeds[i]);
    }
    printf("\n");
}

void summary_print(const struct summary *summary, bool changes, double seconds)
{
    printf("%" PRIu64 " seeds, %" PRIu64 " to %" PRIu64 " validators, %" PRIu64 " failed: %" PRIu64
           " views, %" PRIu64 " blocks and %" PRIu64 " transactions committed, %" PRIu64
           " crashes; a new block at most %" PRIu64 " views after healing; %.1f s, %.0f views/s\n",
           summary->seeds, summary->members_min, summary->members_max, summary->failures,
           summary->views, summary->blocks, summary->transactions, summary->crashes,
           summary->views_after_healing_max, seconds, (double)summary->views / seconds);
    print_marks(summary);
    if (changes) {
        print_changes(summary);
    }
}

void summary_print_json(const struct summary *summary, double seconds)
{
    printf("{\"torture\":\"sim\",\"seeds\":%" PRIu64 ",\"views\":%" PRIu64
           ",\"byzantine_seeds\":%" PRIu64 ",\"real_crypto_seeds\":%" PRIu64
           ",\"seconds\":%.1f,\"violations\":%" PRIu64 ",\"marks\":{",
           summary->seeds, summary->views, summary->byzantine_seeds,
           summary->marked_seeds[FAULT_REAL_CRYPTO], seconds, summary->failures);
    for (uint32_t i = 0; i < CLUSTER_FAULTS; i++) {
        printf("%s\"%s\":%" PRIu64, i == 0 ? "" : ",", cluster_fault_texts[i], summary->marks[i]);
    }
    for (uint32_t i = 0; i < BYZANTINE_HABITS; i++) {
        char name[OPTIONS_NAME_MAX];
        options_habit_name((enum byzantine_habit)i, name);
        printf(",\"liar-%s\":%" PRIu64, name, summary->habits[i]);
    }
    printf("}}\n");
}

uint32_t summary_print_missing(const struct summary *summary, bool changes)
{
    uint32_t missing = 0;
    if (2 * summary->bearing_byzantine_seeds < summary->bearing_seeds) {
        printf("too few seeds have liars\n");
        missing++;
    }
    for (uint32_t i = 0; i < CLUSTER_FAULTS; i++) {
        if (summary->marks[i] == 0) {
            printf("no seed has seen %s\n", cluster_fault_texts[i]);
            missing++;
        }
    }
    const uint32_t habits = changes ? BYZANTINE_HABITS : (uint32_t)BYZANTINE_CHANGES_FIRST;
    for (uint32_t i = 0; i < habits; i++) {
        if (summary->habits[i] == 0) {
            char name[OPTIONS_NAME_MAX];
            options_habit_name((enum byzantine_habit)i, name);
            printf("no seed has seen a liar do this: %s\n", name);
            missing++;
        }
    }
    for (uint32_t i = 0; changes && i < SWARM_CHANGES; i++) {
        if (summary->changes[i] == 0) {
            printf("no seed has seen this change: %s\n", swarm_change_texts[i]);
            missing++;
        }
    }
    for (uint32_t i = 0; changes && i < SWARM_STEPS; i++) {
        if (summary->interrupted[i] == 0) {
            printf("no change was interrupted here: %s\n", swarm_step_texts[i]);
            missing++;
        }
    }
    return missing;
}

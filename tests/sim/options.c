/*
 * What a run is, as words. See options.h.
 */
#include "sim/options.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define VIEWS_DEFAULT 100

struct swarm_options options_default(void)
{
    return (struct swarm_options){.seed = 1, .views = VIEWS_DEFAULT, .dead = SWARM_DEAD_DRAWN};
}

bool options_number(const char *text, uint64_t low, uint64_t high, uint64_t *number)
{
    char *end = NULL;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || value < low || value > high) {
        return false;
    }
    *number = value;
    return true;
}

void options_habit_name(enum byzantine_habit habit, char name[OPTIONS_NAME_MAX])
{
#define HABIT_NAME(name, text) [BYZANTINE_##name] = #name,
    static const char *const names[BYZANTINE_HABITS] = {BYZANTINE_LIST(HABIT_NAME)};
#undef HABIT_NAME
    size_t i = 0;
    for (const char *from = names[habit]; *from != '\0' && i + 1 < OPTIONS_NAME_MAX; from++) {
        name[i++] = *from == '_' ? '-' : (char)tolower((unsigned char)*from);
    }
    name[i] = '\0';
}

/* One class, by its name. */
static bool switch_off(struct swarm_options *options, const char *name, size_t size)
{
    for (uint32_t i = 0; i < CLUSTER_FAULTS; i++) {
        const char *text = cluster_fault_texts[i];
        if (strlen(text) == size && memcmp(text, name, size) == 0) {
            options->without |= UINT64_C(1) << i;
            return true;
        }
    }
    for (uint32_t i = 0; i < BYZANTINE_HABITS; i++) {
        char habit[OPTIONS_NAME_MAX];
        options_habit_name((enum byzantine_habit)i, habit);
        if (strlen(habit) == size && memcmp(habit, name, size) == 0) {
            options->without_habits |= BYZANTINE_BIT(i);
            return true;
        }
    }
    return false;
}

static bool switch_off_all(struct swarm_options *options, const char *list)
{
    for (const char *at = list;;) {
        const size_t size = strcspn(at, ",");
        if (!switch_off(options, at, size)) {
            return false;
        }
        if (at[size] == '\0') {
            return true;
        }
        at += size + 1;
    }
}

static bool take_flag(struct swarm_options *options, const char *name)
{
    bool *flag = strcmp(name, "--no-faults") == 0      ? &options->no_faults
                 : strcmp(name, "--no-byzantine") == 0 ? &options->no_byzantine
                 : strcmp(name, "--changes") == 0      ? &options->changes
                                                       : NULL;
    if (flag != NULL) {
        *flag = true;
    }
    return flag != NULL;
}

static bool take_value(struct swarm_options *options, const char *name, const char *value)
{
    uint64_t number = 0;
    bool is_right = false;
    if (strcmp(name, "--seed") == 0) {
        is_right = options_number(value, 0, UINT64_MAX - 1, &options->seed);
    } else if (strcmp(name, "--validators") == 0) {
        is_right = options_number(value, 1, CHECKS_NODES_MAX, &number);
        options->validators = (uint32_t)number;
    } else if (strcmp(name, "--views") == 0) {
        is_right = options_number(value, 1, 100000000, &options->views);
    } else if (strcmp(name, "--dead") == 0) {
        is_right = options_number(value, 0, CHECKS_NODES_MAX, &number);
        options->dead = (uint32_t)number;
    } else if (strcmp(name, "--without") == 0) {
        is_right = switch_off_all(options, value);
    }
    return is_right;
}

int options_take(struct swarm_options *options, const char *name, const char *value)
{
    if (take_flag(options, name)) {
        return 1;
    }
    return value != NULL && take_value(options, name, value) ? 2 : 0;
}

static void print_without(FILE *out, const struct swarm_options *options)
{
    const char *before = " --without ";
    for (uint32_t i = 0; i < CLUSTER_FAULTS; i++) {
        if ((options->without >> i & 1) != 0) {
            (void)fprintf(out, "%s%s", before, cluster_fault_texts[i]);
            before = ",";
        }
    }
    for (uint32_t i = 0; i < BYZANTINE_HABITS; i++) {
        if ((options->without_habits >> i & 1) != 0) {
            char name[OPTIONS_NAME_MAX];
            options_habit_name((enum byzantine_habit)i, name);
            (void)fprintf(out, "%s%s", before, name);
            before = ",";
        }
    }
}

void options_print(FILE *out, const struct swarm_options *options)
{
    (void)fprintf(out, " --seed %" PRIu64, options->seed);
    if (options->views != VIEWS_DEFAULT) {
        (void)fprintf(out, " --views %" PRIu64, options->views);
    }
    if (options->changes) {
        (void)fprintf(out, " --changes");
    }
    if (options->validators != 0) {
        (void)fprintf(out, " --validators %u", options->validators);
    }
    if (options->dead != SWARM_DEAD_DRAWN) {
        (void)fprintf(out, " --dead %u", options->dead);
    }
    (void)fprintf(out, "%s%s", options->no_faults ? " --no-faults" : "",
                  options->no_byzantine ? " --no-byzantine" : "");
    print_without(out, options);
}

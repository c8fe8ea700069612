/*
 * Runs that have found something. See kept.h. A file is lines of "name: text"; what counts is
 *
 *     options: --seed 7 --views 50 --without loss,crash
 *
 * and what begins with # is for people.
 */
#include "sim/kept.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sim/many.h"
#include "sim/options.h"

#define PATH_MAX_BYTES 1024
#define LINE_MAX_BYTES 4096
#define SUFFIX ".seed"
#define OPTIONS "options:"
#define RUN_SECONDS_MAX 600

bool kept_write(const char *folder, const struct swarm_options *options,
                const struct outcome *outcome)
{
    char path[PATH_MAX_BYTES];
    char members[32] = "";
    if (options->validators != 0) {
        (void)snprintf(members, sizeof members, "_of_%u", options->validators);
    }
    (void)snprintf(path, sizeof path, "%s/seed_%" PRIu64 "%s%s" SUFFIX, folder, options->seed,
                   members, options->changes ? "_changes" : "");
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        return false;
    }
    (void)fprintf(file, "check: %s\n",
                  outcome->has_died ? "none: the process ended"
                                    : check_text(outcome->result.violated));
    (void)fprintf(file, "reason: %s\n",
                  outcome->has_died ? "see what it said" : outcome->result.violation);
    (void)fprintf(file, OPTIONS);
    options_print(file, options);
    (void)fprintf(file, "\n");
    if (fclose(file) != 0) {
        return false;
    }
    printf("kept in %s\n", path);
    return true;
}

/* The line's words; false: one of them is no option of a run. */
static bool read_options(char *line, struct swarm_options *options)
{
    char *rest = NULL;
    char *name = strtok_r(line + strlen(OPTIONS), " \n", &rest);
    while (name != NULL) {
        char *value = strtok_r(NULL, " \n", &rest);
        const int taken = options_take(options, name, value);
        if (taken == 0) {
            return false;
        }
        name = taken == 1 ? value : strtok_r(NULL, " \n", &rest);
    }
    return true;
}

static bool read_file(const char *path, struct swarm_options *options)
{
    char line[LINE_MAX_BYTES];
    bool is_read = false;
    FILE *file = fopen(path, "r");
    *options = options_default();
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, OPTIONS, strlen(OPTIONS)) == 0) {
            is_read = read_options(line, options);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return is_read;
}

static int is_seed_file(const struct dirent *entry)
{
    const size_t size = strlen(entry->d_name);
    return size > strlen(SUFFIX) && strcmp(entry->d_name + size - strlen(SUFFIX), SUFFIX) == 0;
}

static bool run_file(const char *folder, const char *name)
{
    char path[PATH_MAX_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    struct swarm_options options;
    if (!read_file(path, &options)) {
        printf("%s: expected a line 'options: --seed N ...', as the simulator's own\n", path);
        return false;
    }
    struct outcome outcome;
    if (!many_run_apart(&options, RUN_SECONDS_MAX, &outcome)) {
        printf("%s: cannot be run: %s\n", path, strerror(errno));
        return false;
    }
    const bool is_right = !outcome_has_failed(&outcome);
    printf("%s: %s\n", name, is_right ? "passes" : "FAILS AGAIN");
    if (!is_right) {
        outcome_print(stdout, &options, &outcome);
    }
    return is_right;
}

bool kept_run_all(const char *folder)
{
    struct dirent **entries = NULL;
    const int count = scandir(folder, &entries, is_seed_file, alphasort);
    bool is_right = count > 0;
    if (count <= 0) {
        printf("%s: expected files *" SUFFIX "\n", folder);
    }
    for (int i = 0; i < count; i++) {
        is_right = run_file(folder, entries[i]->d_name) && is_right;
        free(entries[i]);
    }
    free(entries);
    return is_right;
}

/*
 * Many scenarios in several processes. See search.h.
 */
#include "twins/search.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"

/* Shared with the process that does the work, so that what it was at outlives it. */
struct job {
    struct found found;
    struct scenario playing;
    bool has_ended;
};

static bool play(struct job *job, struct player *player, const struct scenario *scenario)
{
    job->playing = *scenario;
    if (player_play(player, scenario, NULL, &job->found.tally)) {
        return true;
    }
    const struct judge *judge = player_judge(player);
    job->found.violations = 1;
    job->found.violated = judge->violated;
    memcpy(job->found.violation, judge->violation, sizeof judge->violation);
    scenario_text(scenario, job->found.scenario);
    return false;
}

/* As they were sent, and then in an order of its own. */
static bool play_both_orders(struct job *job, struct player *player, struct scenario *scenario,
                             uint64_t number)
{
    if (!play(job, player, scenario)) {
        return false;
    }
    scenario->order = number + 1;
    return play(job, player, scenario);
}

static void play_list(struct job *job, struct player *player, const struct search *search,
                      uint32_t index)
{
    uint64_t distinct = 0;
    for (uint64_t number = 0; number < scenario_count(search->views); number++) {
        const uint32_t symmetries = scenario_symmetries(search->views, number);
        if (symmetries == 0) {
            continue;
        }
        if (distinct++ % search->jobs != index) {
            continue;
        }
        struct scenario scenario;
        scenario_of_number(search->views, number, &scenario);
        if (!play_both_orders(job, player, &scenario, number)) {
            return;
        }
        job->found.scenarios += symmetries;
        job->found.distinct++;
    }
}

static void play_random(struct job *job, struct player *player, const struct search *search,
                        uint32_t index)
{
    for (uint64_t i = index; i < search->random; i += search->jobs) {
        struct prng prng;
        prng_init(&prng, search->seed, i);
        const uint32_t views = (uint32_t)prng_between(&prng, search->views_min, search->views_max);
        struct scenario scenario;
        scenario_draw(&prng, views, &scenario);
        if (!play(job, player, &scenario)) {
            return;
        }
        job->found.scenarios++;
        job->found.distinct++;
    }
}

static void work(struct job *job, const struct search *search, uint32_t index)
{
    struct player *player = player_new(search->forks_only);
    if (search->views != 0) {
        play_list(job, player, search, index);
    } else {
        play_random(job, player, search, index);
    }
    player_free(player);
    job->has_ended = true;
}

static void add_tally(struct tally *sum, const struct tally *one)
{
    sum->plays += one->plays;
    sum->deliveries += one->deliveries;
    sum->views += one->views;
    sum->blocks_committed += one->blocks_committed;
    sum->both_proposed += one->both_proposed;
    sum->commits_early += one->commits_early;
    sum->lifted += one->lifted;
    sum->accused += one->accused;
    sum->fetched += one->fetched;
    sum->set_changes += one->set_changes;
    sum->prepared_again += one->prepared_again;
    sum->restarts += one->restarts;
    sum->timeouts += one->timeouts;
    for (uint32_t i = 0; i < 2; i++) {
        if (one->heal_views_max[i] > sum->heal_views_max[i]) {
            sum->heal_views_max[i] = one->heal_views_max[i];
        }
    }
}

static void take_report(struct job *job, struct found *found)
{
    if (!job->has_ended) {
        job->found.violations = 1;
        job->found.violated = JUDGE_NONE;
        scenario_text(&job->playing, job->found.scenario);
    }
    if (job->found.violations > 0 && found->violations == 0) {
        found->violated = job->found.violated;
        memcpy(found->scenario, job->found.scenario, sizeof found->scenario);
        memcpy(found->violation, job->found.violation, sizeof found->violation);
    }
    found->violations += job->found.violations;
    found->scenarios += job->found.scenarios;
    found->distinct += job->found.distinct;
    add_tally(&found->tally, &job->found.tally);
}

void search_run(const struct search *search, struct found *found)
{
    INGOT_ASSERT(search->jobs >= 1);
    INGOT_ASSERT(search->jobs <= SEARCH_JOBS_MAX);
    struct job *jobs = mmap(NULL, search->jobs * sizeof *jobs, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    INGOT_ASSERT(jobs != MAP_FAILED);
    pid_t children[SEARCH_JOBS_MAX];
    for (uint32_t i = 0; i < search->jobs; i++) {
        children[i] = fork();
        INGOT_ASSERT(children[i] >= 0);
        if (children[i] == 0) {
            work(&jobs[i], search, i);
            exit(0);
        }
    }
    *found = (struct found){0};
    for (uint32_t i = 0; i < search->jobs; i++) {
        int status = 0;
        INGOT_ASSERT(waitpid(children[i], &status, 0) == children[i]);
        jobs[i].has_ended = jobs[i].has_ended && WIFEXITED(status) && WEXITSTATUS(status) == 0;
        take_report(&jobs[i], found);
    }
    (void)munmap(jobs, search->jobs * sizeof *jobs);
}

/*
 * Plays many scenarios, in several processes: all of so many views, or so many drawn at random.
 */
#ifndef INGOT_TESTS_TWINS_SEARCH_H
#define INGOT_TESTS_TWINS_SEARCH_H

#include "twins/play.h"

#define SEARCH_JOBS_MAX 64

struct search {
    uint32_t views; /* all scenarios of so many views; 0: random ones */
    uint64_t part;  /* of those, only each part-th, from part_first on, after symmetry; */
    uint64_t part_first;
    uint64_t random;    /* so many at random, */
    uint32_t views_min; /* of so many views */
    uint32_t views_max;
    uint64_t seed;
    uint32_t jobs;
    bool forks_only; /* as for player_new */
};

struct found {
    uint64_t violations; /* each job ends with its first; of the first of all: */
    char scenario[SCENARIO_TEXT_MAX];
    enum judge_rule violated; /* JUDGE_NONE: the process ended, by an assertion */
    char violation[200];
    uint64_t scenarios; /* that are covered, those of other names included */
    uint64_t distinct;  /* that were played */
    struct tally tally;
};

/* Each scenario of the list is played twice: the second time messages arrive in a drawn order. */
void search_run(const struct search *search, struct found *found);

#endif

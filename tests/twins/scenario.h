/*
 * A scenario of Twins (Bano et al., "Twins: BFT systems made robust", OPODIS 2021): validators 0 to
 * 3, of which 0 runs twice, as `a` and `b`, with one key and two minds. Each of the first views has
 * a leader and a split of the five instances into two sides; after them the network is whole.
 *
 * Here is what a scenario is: as text, as a number in the list of all of them, at random, and
 * which of them differ by nothing but names.
 */
#ifndef INGOT_TESTS_TWINS_SCENARIO_H
#define INGOT_TESTS_TWINS_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/prng.h"

#define VALIDATORS 4
/* The validators by their numbers, 0 being `a`; then `b`. */
#define TWIN_A 0
#define TWIN_B 4
#define INSTANCES 5

#define SCENARIO_VIEWS_MAX 12
#define SCENARIO_TEXT_MAX 400
/* Of one view: 16 splits times 4 leaders. */
#define SCENARIO_CHOICES 64

struct scenario_view {
    uint8_t other_side; /* a bit for each instance that is not on the side of `a` */
    uint8_t leader;     /* a validator's number; of a tenure, that of its first view counts */
};

struct scenario {
    uint32_t view_count;
    struct scenario_view views[SCENARIO_VIEWS_MAX];
    uint32_t tenure;            /* views that a leader keeps; a TC leads to the next tenure */
    bool has_product_leaders;   /* they are those of the product, not those above */
    uint8_t powers[VALIDATORS]; /* that of the twins is less than a third */
    uint64_t order;             /* 0: messages arrive in the order in which they were sent;
                                   else drawn with this seed */
    bool has_hasty_timers;      /* some deadlines pass while messages are still under way */
    uint32_t change_view;       /* the first block from this view on changes the set; 0: none */
    uint8_t next_powers[VALIDATORS]; /* of that set; who has 0 is out of it */
    uint32_t restart;                /* 1 to 3 crashes and comes back, 0: nobody does, */
    uint32_t restart_view;           /* when it has entered this view */
};

/* The instance `from`, in this view, is not cut off from `to`. */
bool scenario_is_connected(const struct scenario *scenario, uint64_t view, uint32_t from,
                           uint32_t to);
/* Who leads a view, a validator's number; beyond the views of the scenario all take turns. */
uint32_t scenario_leader(const struct scenario *scenario, uint64_t view);

/* SCENARIO_CHOICES to the power of view_count. */
uint64_t scenario_count(uint32_t view_count);
/* The scenario of this number: tenures of one view, equal powers. */
void scenario_of_number(uint32_t view_count, uint64_t number, struct scenario *scenario);
/*
 * How many scenarios a change of names makes of this one, itself included: the honest validators
 * have no order, and neither have the twins. 0: this one is not the first of them.
 */
uint32_t scenario_symmetries(uint32_t view_count, uint64_t number);

/* Draws one with this many views, and all that scenario_of_number leaves out. */
void scenario_draw(struct prng *prng, uint32_t view_count, struct scenario *scenario);

/* For people and for --scenario. */
void scenario_text(const struct scenario *scenario, char text[SCENARIO_TEXT_MAX]);
/* False: the text is none, and `*why` says what was expected. */
bool scenario_parse(const char *text, struct scenario *scenario, const char **why);

#endif

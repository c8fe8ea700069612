/*
 * Livelock: a network that is healed and goes round in circles. Whenever a view is entered, and
 * whenever none is for long, the detector looks at where all honest replicas stand: views, locks,
 * certificates and heights against each other, so that views which grow do not hide that nothing
 * else does. If the last looks are one cycle three times over, with nothing committed on the way
 * and an honest leader having had its turn in it, the network is not slow but stuck.
 */
#ifndef INGOT_TESTS_CHECKS_LASSO_H
#define INGOT_TESTS_CHECKS_LASSO_H

#include "lib/cluster.h"

#define LASSO_LOOKS 96
#define LASSO_ROUNDS 3

/* How far one replica is behind the foremost of each; in views, but for the epoch and the height.
 */
struct lasso_node {
    uint32_t epoch;
    uint32_t view;
    uint32_t lock;
    uint32_t high;
    uint32_t height;
};

struct lasso_state {
    bool is_standing; /* no view was entered for long */
    bool is_led; /* by an honest replica that is up and may sign, from its tenure's first view on */
    uint32_t phase; /* of the tenure */
    uint32_t
        stretched;     /* views since the highest certificate, up to where deadlines grow no more */
    uint32_t unlocked; /* from the highest lock to the highest certificate */
    struct lasso_node nodes[CHECKS_NODES_MAX];
};

struct lasso {
    uint64_t still_ms; /* without a new view: look all the same */
    uint64_t looked_us;
    uint64_t views_passed;
    uint64_t height;
    uint32_t count;
    struct lasso_state states[LASSO_LOOKS]; /* since the last commit, the last LASSO_LOOKS */
    uint64_t views[LASSO_LOOKS];
};

void lasso_init(struct lasso *lasso, uint64_t still_ms);
/* After each step; costs nothing where nothing has changed. Reports CHECK_LIVELOCK. */
void lasso_look(struct lasso *lasso, struct cluster *cluster);
/* The length of the cycle that the last looks go through, or 0. */
uint32_t lasso_cycle(const struct lasso *lasso);

#endif

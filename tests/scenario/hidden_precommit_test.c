/*
 * One of the old set alone holds the Precommit QC of a set-changing block, and another one, which
 * is faulty, gives up with the rest but withholds its votes, so that nothing is certified without
 * the first. Goal: the first honest leader that follows has the change committed in its tenure; it
 * does not have to wait until the one that holds the certificate leads. Method: the holder's
 * certificate and the faulty one's votes are lost on the way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/swap.h"

#define TENURE 4

struct hidden {
    uint32_t holder;
    uint32_t faulty;
    uint64_t precommitted; /* the view of the hidden certificate; 0: not yet known */
    uint64_t committed;    /* the view of the first Commit QC that was shown; 0: none yet */
};

static uint64_t tenure_of(uint64_t view)
{
    return (view - 1) / TENURE;
}

static bool hides(struct swap *swap, uint32_t from, uint32_t to, const struct message *message)
{
    struct hidden *hidden = swap->story;
    (void)to;
    hidden->precommitted = swap->change->view + 1;
    const struct qc *shown = swap_shown(message);
    if (shown != NULL && shown->phase == PHASE_COMMIT && hidden->committed == 0) {
        hidden->committed = shown->view;
    }
    if (from == hidden->holder) {
        return shown != NULL && shown->phase == PHASE_PRECOMMIT &&
               shown->view == hidden->precommitted;
    }
    return from == hidden->faulty && message->kind == MESSAGE_VOTE &&
           message->vote.view > hidden->precommitted;
}

struct moment {
    uint64_t tenure;
};

static bool has_begun(void *context, struct cluster *cluster)
{
    const struct moment *moment = context;
    return cluster_max_view(cluster) == moment->tenure * TENURE + 1;
}

/* False: the same one leads this tenure and the next. */
static bool hide_in(uint64_t tenure, uint32_t faulty_offset)
{
    const struct cluster_options options = swap_options(TENURE);
    struct hidden hidden = {0};
    struct swap swap = {.rule = hides, .story = &hidden};
    swap_init(&swap, &options);
    struct cluster *cluster = swap.cluster;
    hidden.holder = checks_leader(cluster_checks(cluster), tenure * TENURE + 1);
    const uint32_t next = checks_leader(cluster_checks(cluster), (tenure + 1) * TENURE + 1);
    hidden.faulty = (hidden.holder + faulty_offset) % SWAP_OLD;
    const bool fits = hidden.holder != next && hidden.faulty != next;
    if (fits) {
        struct moment moment = {.tenure = tenure};
        swap_await(&swap, 20000, has_begun, &moment, "the tenure begins");
        swap_submit(&swap, hidden.holder, false);
        swap_await_epoch(&swap, 1, 60000);
        /* The phases all fell into the holder's tenure, and then into that of the next leader. */
        assert_int_equal(tenure_of(hidden.precommitted + 1), tenure);
        assert_int_equal(tenure_of(hidden.committed), tenure + 1);
    }
    swap_deinit(&swap);
    return fits;
}

static void a_hidden_precommit_lock_is_provable(void **state)
{
    (void)state;
    uint32_t stories = 0;
    for (uint64_t tenure = 3; tenure < 11; tenure++) {
        for (uint32_t offset = 1; offset < SWAP_OLD; offset++) {
            stories += hide_in(tenure, offset);
        }
    }
    assert_true(stories >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hidden_precommit_lock_is_provable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

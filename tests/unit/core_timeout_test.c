/*
 * Leaving a view by Timeouts: what the certificate that they make says, who hears of it, and what a
 * new leader that knows less is told. The test plays the peers and the App of one core.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/solo.h"

#define CERTIFIED 3

struct story {
    struct solo solo;
    struct block *blocks[CERTIFIED + 1]; /* of views 0 to 3; solo's references */
};

/* A core that follows, or leads view 5, and has blocks of views 1 to 3 with certificates of two. */
static void begin(struct story *story, bool leads_next)
{
    struct solo *solo = &story->solo;
    solo_init(solo, 0);
    const uint32_t leader = solo_leader(solo, 5);
    const uint32_t first = solo_leader(solo, 1);
    solo_deinit(solo);
    uint32_t me = leader;
    while (!leads_next && (me == leader || me == first)) {
        me = (me + 1) % SOLO_VALIDATORS;
    }
    assert_int_not_equal(me, first);
    solo_init(solo, me);
    story->blocks[0] = solo->genesis;
    for (uint32_t view = 1; view <= CERTIFIED; view++) {
        story->blocks[view] = solo_accept_next(solo, story->blocks[view - 1], view);
    }
    assert_int_equal(solo_status(solo).current.view, 3);
}

static struct qc *qc_of_view(struct story *story, uint64_t view)
{
    return solo_qc(&story->solo, story->blocks[view]);
}

/* All enter view 5, and the others give up on it, each with the QC of the view that is named. */
static void others_give_up(struct story *story, const uint64_t views[SOLO_VALIDATORS - 1])
{
    struct solo *solo = &story->solo;
    (void)solo_show_tc(solo, solo_tc(solo, 3, qc_of_view(story, 1)));
    for (uint32_t i = 0, named = 0; i < SOLO_VALIDATORS; i++) {
        if (i != solo->me) {
            (void)solo_timeout(solo, i, 5, qc_of_view(story, views[named++]), NULL);
        }
    }
}

static const struct certificate *sent_tc(const struct story *story)
{
    const struct certificate *certificate = solo_sent_certificate(&story->solo);
    assert_non_null(certificate);
    assert_non_null(certificate->tc);
    assert_int_equal(certificate->tc->view, 5);
    return certificate;
}

static void a_tc_has_the_highest_qc_of_its_timeouts_wherever_that_comes(void **state)
{
    (void)state;
    for (uint32_t highest = 0; highest < SOLO_VALIDATORS - 1; highest++) {
        struct story story;
        begin(&story, false);
        uint64_t views[SOLO_VALIDATORS - 1] = {1, 1, 1};
        views[highest] = 2;
        others_give_up(&story, views);
        assert_int_equal(sent_tc(&story)->tc->high_qc->view, 2);
        assert_int_equal(solo_status(&story.solo).current.view, 9);
        solo_deinit(&story.solo);
    }
}

static void who_forms_a_tc_broadcasts_it(void **state)
{
    (void)state;
    struct story story;
    begin(&story, false);
    others_give_up(&story, (const uint64_t[]){2, 2, 2});
    assert_int_equal(sent_tc(&story)->tc->claim_count, 3);
    solo_deinit(&story.solo);
}

/* The QC of view 2 that the new leader is sent, if it is. */
static bool has_told_the_leader(const struct story *story)
{
    const struct solo *solo = &story->solo;
    const struct ingot_public_key *leader = &solo->set->validators[solo_leader(solo, 5)].key;
    for (uint32_t i = 0; i < solo_count(solo, CORE_SEND); i++) {
        const struct core_effect *effect = solo_effect(solo, CORE_SEND, i);
        if (effect->message->kind == MESSAGE_CERTIFICATE && effect->recipient_count == 1 &&
            memcmp(&effect->recipients[0], leader, sizeof *leader) == 0) {
            assert_int_equal(effect->message->certificate.qc->view, 2);
            return true;
        }
    }
    return false;
}

/* The TC of those who have seen less would let its leader build below our lock. */
static void who_enters_by_a_tc_shows_a_higher_qc_to_the_new_leader(void **state)
{
    (void)state;
    struct story story;
    begin(&story, false);
    (void)solo_show_tc(&story.solo, solo_tc(&story.solo, 3, qc_of_view(&story, 1)));
    assert_int_equal(solo_status(&story.solo).current.view, 5);
    assert_true(has_told_the_leader(&story));
    solo_deinit(&story.solo);

    begin(&story, false);
    (void)solo_show_tc(&story.solo, solo_tc(&story.solo, 3, qc_of_view(&story, 2)));
    assert_int_equal(solo_status(&story.solo).current.view, 5);
    assert_false(has_told_the_leader(&story));
    solo_deinit(&story.solo);
}

/* A certificate that comes while the App builds is higher than what the block stands on. */
static void a_block_that_was_built_below_the_highest_qc_is_built_again(void **state)
{
    (void)state;
    struct story story;
    begin(&story, true);
    struct solo *solo = &story.solo;
    (void)solo_show_tc(solo, solo_tc(solo, 3, qc_of_view(&story, 2)));
    assert_int_equal(solo_count(solo, CORE_ASK_PROPOSE), 1);
    struct block *old = solo_make(solo, story.blocks[2], 5);
    (void)solo_show_qc(solo, qc_of_view(&story, 3));
    assert_int_equal(solo_status(solo).current.view, 5);

    (void)solo_step(solo,
                    (struct core_event){.kind = CORE_BUILT, .block = old, .position = {0, 5}});
    assert_int_equal(solo_count(solo, CORE_BROADCAST), 0);
    assert_int_equal(solo_count(solo, CORE_ABANDON), 1);
    assert_int_equal(solo_count(solo, CORE_ASK_PROPOSE), 1);
    assert_int_equal(solo_effect(solo, CORE_ASK_PROPOSE, 0)->justify->view, 3);
    solo_deinit(solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tc_has_the_highest_qc_of_its_timeouts_wherever_that_comes),
        cmocka_unit_test(who_forms_a_tc_broadcasts_it),
        cmocka_unit_test(who_enters_by_a_tc_shows_a_higher_qc_to_the_new_leader),
        cmocka_unit_test(a_block_that_was_built_below_the_highest_qc_is_built_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

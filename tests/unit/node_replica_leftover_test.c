/*
 * Proposals and timeouts of views that have ended. Goal: they cost no signature check, whoever
 * sends them learns where we are, and what is still of use in one is used. Method: one replica of
 * four with the real ed25519; its counter of verifications is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/lone_replica.h"
#include "wire/wire.h"

#define BLOCKS 3

struct scene {
    struct lone lone;
    struct block *blocks[BLOCKS + 1]; /* by view; 0: genesis */
    uint32_t peer;
};

/* Not the leader of views 1 to 4; it has voted for three blocks and stands in view 3. */
static int set_up(void **state)
{
    static struct scene scene;
    struct lone *lone = &scene.lone;
    lone_init(lone, 0);
    const uint32_t collector = lone_leader(lone, 5);
    assert_int_not_equal(collector, lone_leader(lone, 1));
    lone_deinit(lone);
    lone_init(lone, collector);
    scene.peer = lone_leader(lone, 1);
    scene.blocks[0] = block_ref(lone->genesis);
    for (uint32_t view = 1; view <= BLOCKS; view++) {
        scene.blocks[view] = lone_block(lone, scene.blocks[view - 1], view);
        lone_receive(lone, scene.peer, lone_propose(lone, block_ref(scene.blocks[view]), NULL));
    }
    assert_int_equal(lone_status(lone).current.view, BLOCKS);
    lone_forget(lone);
    *state = &scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    for (uint32_t i = 0; i <= BLOCKS; i++) {
        block_unref(scene->blocks[i]);
    }
    lone_deinit(&scene->lone);
    return 0;
}

static uint64_t verifications(struct scene *scene)
{
    return replica_metrics(scene->lone.replica)->verifications;
}

static uint64_t past(struct scene *scene)
{
    return replica_metrics(scene->lone.replica)->rejects[REJECT_PAST];
}

static struct message *old_propose(struct scene *scene)
{
    return lone_propose(&scene->lone, block_ref(scene->blocks[1]), NULL);
}

static struct message *old_timeout(struct scene *scene)
{
    return samples_timeout(&scene->lone.samples, scene->peer, 1,
                           lone_qc(&scene->lone, scene->lone.genesis), NULL);
}

static void expect_an_answer_for_nothing(struct scene *scene,
                                         struct message *(*make)(struct scene *scene))
{
    struct lone *lone = &scene->lone;
    const uint64_t verified = verifications(scene);
    const uint64_t refused = past(scene);

    for (uint32_t i = 0; i < 5; i++) {
        lone_receive(lone, scene->peer, make(scene));
    }
    assert_int_equal(lone_count(lone, MESSAGE_CERTIFICATE), 1); /* of so many at once */
    assert_int_equal(lone_find(lone, MESSAGE_CERTIFICATE, 0)->to, scene->peer);
    lone_wait(lone, 100);
    lone_receive(lone, scene->peer, make(scene));
    assert_int_equal(lone_count(lone, MESSAGE_CERTIFICATE), 2);

    assert_int_equal(verifications(scene), verified);
    assert_int_equal(past(scene), refused + 6);
}

static void an_old_proposal_is_answered_and_not_verified(void **state)
{
    expect_an_answer_for_nothing(*state, old_propose);
}

static void an_old_timeout_is_answered_and_not_verified(void **state)
{
    expect_an_answer_for_nothing(*state, old_timeout);
}

static struct tc *give_up_on(struct scene *scene, uint64_t view, uint32_t high)
{
    struct qc *high_qc = lone_qc(&scene->lone, scene->blocks[high]);
    return samples_tc(&scene->lone.samples, 7, view, high, high_qc);
}

static void show_tc(struct scene *scene, uint64_t view)
{
    struct message *message = message_new(MESSAGE_CERTIFICATE);
    message->certificate.tc = give_up_on(scene, view, 2);
    lone_receive(&scene->lone, scene->peer, message);
}

static void an_old_timeout_with_a_higher_qc_brings_it(void **state)
{
    struct scene *scene = *state;
    struct lone *lone = &scene->lone;
    show_tc(scene, 20);
    assert_int_equal(lone_status(lone).current.view, 21);
    assert_int_equal(lone_status(lone).high.view, 2);

    lone_receive(lone, scene->peer,
                 samples_timeout(&lone->samples, scene->peer, 9, lone_qc(lone, scene->blocks[3]),
                                 give_up_on(scene, 8, 2)));

    assert_int_equal(lone_status(lone).high.view, 3);
}

/* A TC leads to the next tenure, which may be above us although the timeout's view is below. */
static void an_old_timeout_with_a_tc_lets_us_in_to_the_next_tenure(void **state)
{
    struct scene *scene = *state;
    struct lone *lone = &scene->lone;
    lone_receive(lone, scene->peer,
                 samples_timeout(&lone->samples, scene->peer, 2, lone_qc(lone, lone->genesis),
                                 give_up_on(scene, 1, 0)));
    assert_int_equal(lone_status(lone).current.view, 5);
}

/* All have given up on view 4, but its block has two votes, and the third comes with it. */
static void a_late_proposal_may_bring_the_last_vote(void **state)
{
    struct scene *scene = *state;
    struct lone *lone = &scene->lone;
    show_tc(scene, 4);
    assert_int_equal(lone_status(lone).current.view, 5);
    struct block *late = lone_block(lone, scene->blocks[3], 4);
    for (uint32_t voter = 0; voter < LONE_VALIDATORS; voter++) {
        if (voter != lone->me && voter != scene->peer) {
            struct message *message = message_new(MESSAGE_VOTE);
            message->vote = samples_vote(&lone->samples, voter, 4, &late->hash, PHASE_GENERIC);
            lone_receive(lone, voter, message);
        }
    }
    assert_true(lone_status(lone).high.view < 4);

    lone_receive(lone, scene->peer, lone_propose(lone, late, NULL));

    assert_int_equal(lone_status(lone).high.view, 4);
}

/* It is not of use, but it is our key. */
static void an_old_timeout_with_our_key_that_we_did_not_send_ends_our_signing(void **state)
{
    struct scene *scene = *state;
    struct lone *lone = &scene->lone;
    show_tc(scene, 20);
    assert_int_equal(lone_status(lone).current.view, 21);
    struct message *message = samples_timeout(
        &lone->samples, lone->me, 9, lone_qc(lone, scene->blocks[2]), give_up_on(scene, 8, 2));
    lone_receive(lone, scene->peer, message);
    lone_forget(lone);

    lone_wait(lone, 100 * LONE_BASE_TIMEOUT_MS);

    assert_int_equal(lone_count(lone, MESSAGE_TIMEOUT), 0);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(an_old_proposal_is_answered_and_not_verified),
        ROW(an_old_timeout_is_answered_and_not_verified),
        ROW(an_old_timeout_with_a_higher_qc_brings_it),
        ROW(an_old_timeout_with_a_tc_lets_us_in_to_the_next_tenure),
        ROW(a_late_proposal_may_bring_the_last_vote),
        ROW(an_old_timeout_with_our_key_that_we_did_not_send_ends_our_signing),
    };
#undef ROW
    return cmocka_run_group_tests(tests, NULL, NULL);
}

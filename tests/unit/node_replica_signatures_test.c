/*
 * What a replica verifies of a certificate. Goal: a vote that it has seen, or cast, is not verified
 * again inside one, while a signature of its own key that it did not make gets no easier in than
 * anybody's. Method: one replica of four with the real ed25519; its counters are read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/lone_replica.h"

struct scene {
    struct lone lone;
    struct block *block; /* of view 1; the replica has voted for it */
    uint32_t leader;     /* of views 1 to 4 */
};

/* Not the leader of views 1 to 4. */
static int set_up(void **state)
{
    static struct scene scene;
    struct lone *lone = &scene.lone;
    lone_init(lone, 0);
    scene.leader = lone_leader(lone, 1);
    const uint32_t me = (scene.leader + 1) % LONE_VALIDATORS;
    lone_deinit(lone);
    lone_init(lone, me);
    scene.block = lone_block(lone, lone->genesis, 1);
    lone_receive(lone, scene.leader, lone_propose(lone, block_ref(scene.block), NULL));
    assert_int_equal(lone_status(lone).last_voted.view, 1);
    *state = &scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    block_unref(scene->block);
    lone_deinit(&scene->lone);
    return 0;
}

static uint64_t verifications(struct scene *scene)
{
    return replica_metrics(scene->lone.replica)->verifications;
}

static uint64_t refused(struct scene *scene)
{
    return replica_metrics(scene->lone.replica)->rejects[REJECT_BAD_SIGNATURE];
}

/* Signed by all four. */
static struct qc *qc_of(struct scene *scene, const struct ingot_hash *block)
{
    return samples_qc(&scene->lone.samples, SAMPLES_ALL, 1, 1, block, PHASE_GENERIC);
}

/* Takes the certificate. What it costs. */
static uint64_t show(struct scene *scene, struct qc *qc)
{
    const uint64_t before = verifications(scene);
    struct message *message = message_new(MESSAGE_CERTIFICATE);
    message->certificate.qc = qc;
    lone_receive(&scene->lone, scene->leader, message);
    return verifications(scene) - before;
}

static void a_certificate_costs_the_votes_that_were_not_seen(void **state)
{
    struct scene *scene = *state;
    assert_int_equal(verifications(scene), 1); /* the leader's vote, with its block */
    assert_int_equal(show(scene, qc_of(scene, &scene->block->hash)), LONE_VALIDATORS - 2);
    assert_int_equal(lone_status(&scene->lone).high.view, 1);
    assert_false(lone_status(&scene->lone).has_stopped_signing);
    assert_int_equal(show(scene, qc_of(scene, &scene->block->hash)), 0);
    /* The same votes, less one: another certificate. */
    assert_int_equal(show(scene, lone_qc(&scene->lone, scene->block)), 0);
    assert_int_equal(refused(scene), 0);
}

static void a_forged_signature_of_ours_is_refused(void **state)
{
    struct scene *scene = *state;
    struct qc *forged = qc_of(scene, &scene->block->hash);
    forged->signatures[scene->lone.me].bytes[7] ^= 1;
    assert_in_range(show(scene, forged), 1, LONE_VALIDATORS);
    assert_int_equal(refused(scene), 1);
    /* And what we have really signed, for another block. */
    const struct ingot_hash another = samples_hash(0xB7);
    const uint32_t me = scene->lone.me;
    struct qc *misused = qc_of(scene, &another);
    misused->signatures[me] =
        samples_vote(&scene->lone.samples, me, 1, &scene->block->hash, PHASE_GENERIC).signature;
    assert_in_range(show(scene, misused), 1, LONE_VALIDATORS);
    assert_int_equal(refused(scene), 2);
    assert_int_equal(lone_status(&scene->lone).high.view, 0);
    assert_false(lone_status(&scene->lone).has_stopped_signing);
}

static void a_signature_that_a_copy_of_us_has_made_is_verified_and_noticed(void **state)
{
    struct scene *scene = *state;
    const struct ingot_hash another = samples_hash(0xB7);
    assert_int_equal(show(scene, qc_of(scene, &another)), LONE_VALIDATORS);
    assert_int_equal(refused(scene), 0);
    assert_true(lone_status(&scene->lone).has_stopped_signing);
}

/* The saved vote is signed again at the start, and so it is known again. */
static void after_a_restart_our_last_vote_is_known_and_no_other(void **state)
{
    struct scene *scene = *state;
    lone_crash(&scene->lone);
    assert_int_equal(lone_open(&scene->lone), INGOT_OK);
    assert_int_equal(verifications(scene), 0);
    assert_int_equal(show(scene, qc_of(scene, &scene->block->hash)), LONE_VALIDATORS - 1);
    assert_int_equal(refused(scene), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(a_certificate_costs_the_votes_that_were_not_seen),
        TEST(a_forged_signature_of_ours_is_refused),
        TEST(a_signature_that_a_copy_of_us_has_made_is_verified_and_noticed),
        TEST(after_a_restart_our_last_vote_is_known_and_no_other),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * A replica on a copy of its data. Goal: it follows and signs nothing, whatever it is killed at,
 * until the chain has passed the watermark, and signs again then. Method: one replica with the real
 * ed25519 among three played peers; the record is put into its store beforehand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/lone_replica.h"
#include "lib/storage_test.h"
#include "node/ledger_internal.h"
#include "node/ledger_watermark.h"

#define ME 3     /* certificates are signed by the three others */
#define VIEWS 12 /* of which ME leads none */
/* Block 2 is the first whose signers had nothing of its justify when they were heard. */
#define MARK (2 + INGOT_LEADER_TENURE_DEFAULT)

struct scene {
    struct lone lone;
    struct block *blocks[VIEWS + 1]; /* by view; the genesis block is the one of view 0 */
};

static struct ledger *open_ledger(struct lone *lone)
{
    const struct ledger_options options = {.genesis = lone->genesis,
                                           .genesis_set = lone->samples.set};
    struct ledger *ledger = NULL;
    assert_int_equal(ledger_open(lone->store, &options, &ledger, lone->why, sizeof lone->why),
                     INGOT_OK);
    return ledger;
}

static struct ledger_withheld read_record(struct lone *lone)
{
    struct ledger_withheld withheld;
    assert_int_equal(
        ledger_read_withheld(replica_ledger(lone->replica), &withheld, lone->why, sizeof lone->why),
        INGOT_OK);
    return withheld;
}

static int set_up(void **state)
{
    static struct scene scene;
    lone_init(&scene.lone, ME);
    for (uint64_t view = 1; view <= VIEWS; view++) {
        assert_int_not_equal(lone_leader(&scene.lone, view), ME);
    }
    scene.blocks[0] = block_ref(scene.lone.genesis);
    for (uint64_t view = 1; view <= VIEWS; view++) {
        scene.blocks[view] = lone_block(&scene.lone, scene.blocks[view - 1], view);
    }
    lone_crash(&scene.lone);
    struct ledger *ledger = open_ledger(&scene.lone);
    ledger_put_withheld(ledger, &(struct ledger_withheld){.is_withheld = true});
    assert_int_equal(ledger_sync(ledger), INGOT_OK);
    ledger_free(ledger);
    assert_int_equal(lone_open(&scene.lone), INGOT_OK);
    lone_forget(&scene.lone);
    *state = &scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    for (uint64_t view = 0; view <= VIEWS; view++) {
        block_unref(scene->blocks[view]);
    }
    lone_deinit(&scene->lone);
    return 0;
}

static void advertise(struct scene *scene, uint32_t peer, uint64_t view)
{
    struct message *message = message_new(MESSAGE_ADVERTISE);
    message->advertise.high_qc = view == 0 ? wire_genesis_qc(&scene->lone.samples.chain)
                                           : lone_qc(&scene->lone, scene->blocks[view]);
    lone_receive(&scene->lone, peer, message);
}

static void advertise_all(struct scene *scene, uint64_t view)
{
    for (uint32_t peer = 0; peer < ME; peer++) {
        advertise(scene, peer, view);
    }
}

/* The block of a view is proposed: it shows the certificate of the one before. */
static void propose(struct scene *scene, uint64_t view)
{
    lone_receive(&scene->lone, lone_leader(&scene->lone, view),
                 lone_propose(&scene->lone, block_ref(scene->blocks[view]), NULL));
}

static uint32_t count_signed(const struct lone *lone)
{
    return lone_count(lone, MESSAGE_VOTE) + lone_count(lone, MESSAGE_TIMEOUT) +
           lone_count(lone, MESSAGE_PROPOSE) + lone_count(lone, MESSAGE_NUDGE);
}

/* Proposals of these views; it follows and signs nothing, and gives up no view either. */
static void follow(struct scene *scene, uint64_t from, uint64_t to)
{
    for (uint64_t view = from; view <= to; view++) {
        lone_forget(&scene->lone);
        propose(scene, view);
        assert_int_equal(lone_status(&scene->lone).current.view, view);
        assert_true(lone_status(&scene->lone).withholds_signing);
        lone_wait(&scene->lone, 20 * LONE_BASE_TIMEOUT_MS);
        assert_int_equal(count_signed(&scene->lone), 0);
    }
}

static void assert_signs_in(struct scene *scene, uint64_t view)
{
    lone_forget(&scene->lone);
    propose(scene, view);
    assert_false(lone_status(&scene->lone).withholds_signing);
    assert_int_not_equal(lone_count(&scene->lone, MESSAGE_VOTE), 0);
    assert_int_equal(lone_status(&scene->lone).last_voted.view, view);
    assert_false(read_record(&scene->lone).is_withheld);
}

/* The block of view MARK + 1 is committed by the certificate of view MARK + 3. */
static void a_copy_signs_nothing_before_the_watermark_and_signs_after_it(void **state)
{
    struct scene *scene = *state;
    struct position mark = {0};
    advertise_all(scene, 0);
    follow(scene, 1, 2);
    assert_false(replica_watermark(scene->lone.replica, &mark));
    follow(scene, 3, 3);
    assert_true(replica_watermark(scene->lone.replica, &mark));
    assert_int_equal(mark.view, MARK);
    assert_true(read_record(&scene->lone).has_mark);
    follow(scene, 4, MARK + 3);
    assert_int_equal(ledger_committed_height(replica_ledger(scene->lone.replica)), MARK);
    assert_signs_in(scene, MARK + 4);
}

static void without_a_quorum_that_was_heard_it_never_signs(void **state)
{
    struct scene *scene = *state;
    advertise(scene, 0, 0);
    advertise(scene, 1, 0);
    follow(scene, 1, VIEWS);
    assert_false(read_record(&scene->lone).has_mark);
}

/* What others showed late stands at views in which they may have signed long ago. */
static void old_certificates_give_no_watermark(void **state)
{
    struct scene *scene = *state;
    follow(scene, 1, 5);
    advertise_all(scene, 5);
    follow(scene, 6, 7);
    assert_false(read_record(&scene->lone).has_mark);
    follow(scene, 8, 8);
    assert_true(read_record(&scene->lone).has_mark);
    assert_int_equal(read_record(&scene->lone).mark.view, 7 + INGOT_LEADER_TENURE_DEFAULT);
}

static void restart(struct scene *scene)
{
    lone_crash(&scene->lone);
    assert_int_equal(lone_open(&scene->lone), INGOT_OK);
    assert_int_equal(count_signed(&scene->lone), 0);
}

/* Killed before each view: what was heard is forgotten, the watermark is not. */
static void a_copy_that_is_killed_at_any_view_waits_all_the_same(void **state)
{
    struct scene *scene = *state;
    advertise_all(scene, 0);
    for (uint64_t view = 1; view <= MARK + 3; view++) {
        if (view != 2 && view != 3) {
            restart(scene);
        }
        if (view == 1) {
            advertise_all(scene, 0);
        }
        follow(scene, view, view);
        assert_true(read_record(&scene->lone).is_withheld);
        assert_int_equal(read_record(&scene->lone).has_mark, view >= 3);
    }
    restart(scene);
    assert_signs_in(scene, MARK + 4);
}

/* The record goes with the commit that ends the wait, and with a last vote at the watermark. */
static void after_a_crash_behind_the_commit_it_may_sign_and_never_below_the_watermark(void **state)
{
    struct scene *scene = *state;
    advertise_all(scene, 0);
    follow(scene, 1, MARK + 3);
    struct message *message = message_new(MESSAGE_CERTIFICATE);
    message->certificate.qc = lone_qc(&scene->lone, scene->blocks[MARK + 3]);
    lone_receive(&scene->lone, 0, message);
    assert_false(lone_status(&scene->lone).withholds_signing);
    restart(scene);
    assert_false(lone_status(&scene->lone).withholds_signing);
    assert_int_equal(lone_status(&scene->lone).last_voted.view, MARK);
    assert_signs_in(scene, MARK + 4);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_copy_signs_nothing_before_the_watermark_and_signs_after_it),
        TEST(without_a_quorum_that_was_heard_it_never_signs),
        TEST(old_certificates_give_no_watermark),
        TEST(a_copy_that_is_killed_at_any_view_waits_all_the_same),
        TEST(after_a_crash_behind_the_commit_it_may_sign_and_never_below_the_watermark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

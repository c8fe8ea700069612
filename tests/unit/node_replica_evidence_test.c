/*
 * Evidence on its way from a message to the store and the App. Goal: it is kept with both votes,
 * only if its own bytes prove it; the App gets it in its next request, once, and again after a
 * crash that came before that was durable; what is dropped unseen otherwise is looked at if it
 * proves something. Method: one replica of four with the real ed25519; the test plays its peers and
 * listens at its App.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lib/lone_replica.h"
#include "node/evidence.h"
#include "node/ledger_evidence.h"

#define SHOWN_MAX 8

struct scene {
    struct lone lone;
    struct ingot_app kv; /* what the replica's App stands before */
    struct block *block; /* of the last view that was proposed */
    uint32_t leader;     /* of views 1 to 4 */
    uint32_t voter;      /* neither the leader nor us */
    struct ingot_evidence shown[SHOWN_MAX];
    uint32_t shown_count;
    uint32_t requests;
    bool crashes_in_request; /* what is durable while the App is asked is what a crash leaves */
};

static struct scene scene;

static void take(const struct ingot_evidence *evidence, uint32_t count)
{
    scene.requests++;
    for (uint32_t i = 0; i < count; i++) {
        assert_true(scene.shown_count < SHOWN_MAX);
        scene.shown[scene.shown_count++] = evidence[i];
    }
    if (scene.crashes_in_request) {
        scene.crashes_in_request = false;
        scene.lone.crashed_store = ingot_store_memory_clone_durable(scene.lone.store);
    }
}

static enum ingot_error propose(void *context, const struct ingot_propose_request *request,
                                struct ingot_execution *execution)
{
    take(request->evidence, request->evidence_count);
    return scene.kv.propose_block(context, request, execution);
}

static enum ingot_error validate(void *context, const struct ingot_validate_request *request,
                                 struct ingot_execution *execution)
{
    take(request->evidence, request->evidence_count);
    return scene.kv.validate_block(context, request, execution);
}

static void listen_at_the_app(void)
{
    scene.kv = scene.lone.app;
    scene.lone.app.propose_block = propose;
    scene.lone.app.validate_block = validate;
}

/* One that does not lead views 1 to 4, and collects the votes of view 4. */
static int set_up(void **state)
{
    scene = (struct scene){0};
    lone_init(&scene.lone, 0);
    scene.leader = lone_leader(&scene.lone, 1);
    const uint32_t me = lone_leader(&scene.lone, 5);
    assert_int_not_equal(me, scene.leader);
    lone_deinit(&scene.lone);
    lone_init(&scene.lone, me);
    listen_at_the_app();
    for (scene.voter = 0; scene.voter == scene.leader || scene.voter == me;) {
        scene.voter++;
    }
    scene.block = block_ref(scene.lone.genesis);
    *state = &scene;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    block_unref(scene.block);
    scene.lone.app.propose_block = scene.kv.propose_block;
    scene.lone.app.validate_block = scene.kv.validate_block;
    lone_deinit(&scene.lone);
    return 0;
}

/* --- What its peers do. --- */

/* The leader of the view after the last block's proposes the next one. */
static void propose_next(void)
{
    struct block *block = lone_block(&scene.lone, scene.block, scene.block->view + 1);
    block_unref(scene.block);
    scene.block = block;
    lone_receive(&scene.lone, scene.leader,
                 lone_propose(&scene.lone, block_ref(scene.block), NULL));
    assert_int_equal(lone_status(&scene.lone).last_voted.view, block->view);
}

/* For a block of which nothing is known. */
static struct vote vote_for(uint32_t voter, uint64_t view, uint8_t block)
{
    const struct ingot_hash hash = samples_hash(block);
    struct vote vote = samples_vote(&scene.lone.samples, voter, view, &hash, PHASE_GENERIC);
    vote.voter = voter;
    return vote;
}

static void cast(struct vote vote)
{
    struct message *message = message_new(MESSAGE_VOTE);
    message->vote = vote;
    lone_receive(&scene.lone, scene.voter, message);
}

static void vote_twice(uint32_t voter, uint64_t view)
{
    cast(vote_for(voter, view, 1));
    cast(vote_for(voter, view, 2));
}

/* A second block of the view, as the leader's own proposal. */
static void propose_rival(uint64_t view, const struct block *parent)
{
    struct block *rival = lone_block(&scene.lone, parent, view);
    rival->time_ms += 1;
    wire_seal_block(rival);
    lone_receive(&scene.lone, scene.leader, lone_propose(&scene.lone, rival, NULL));
}

static const struct ingot_evidence *kept(uint32_t *count)
{
    return ledger_evidence(replica_ledger(scene.lone.replica), count);
}

static uint32_t kept_count(void)
{
    uint32_t count = 0;
    (void)kept(&count);
    assert_int_equal(replica_metrics(scene.lone.replica)->evidence_kept, count);
    return count;
}

static void crash_and_start(void)
{
    lone_crash(&scene.lone);
    assert_int_equal(lone_open(&scene.lone), INGOT_OK);
}

/* Field by field: between them there may be anything. */
static void assert_same(const struct ingot_evidence *a, const struct ingot_evidence *b)
{
    struct ingot_buffer first = {0};
    struct ingot_buffer second = {0};
    evidence_encode(a, 0, &first);
    evidence_encode(b, 0, &second);
    assert_true(ingot_slice_equal(ingot_buffer_slice(&first), ingot_buffer_slice(&second)));
    ingot_buffer_deinit(&first);
    ingot_buffer_deinit(&second);
}

/* --- Keeping. --- */

static void two_votes_are_kept_with_all_that_proves_them(void **state)
{
    (void)state;
    const struct vote first = vote_for(scene.voter, 2, 1);
    const struct vote second = vote_for(scene.voter, 2, 2);
    propose_next();
    cast(first);
    cast(second);
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t count = 0;
        const struct ingot_evidence *evidence = kept(&count);
        const struct validator_set *set = scene.lone.samples.set;
        assert_int_equal(count, 1);
        assert_memory_equal(&evidence->validator, &set->validators[scene.voter].key,
                            sizeof evidence->validator);
        assert_int_equal(evidence->power, set->validators[scene.voter].power);
        assert_int_equal(evidence->epoch, 0);
        assert_int_equal(evidence->view, 2);
        assert_false(evidence->is_leader);
        assert_memory_equal(&evidence->votes[0].block, &first.block, sizeof first.block);
        assert_memory_equal(&evidence->votes[1].block, &second.block, sizeof second.block);
        assert_true(evidence_is_proven(&scene.lone.samples.chain, &crypto_ed25519, evidence));
        crash_and_start();
    }
}

static void two_proposals_are_kept_as_the_leaders(void **state)
{
    (void)state;
    propose_next();
    propose_rival(1, scene.lone.genesis);
    uint32_t count = 0;
    const struct ingot_evidence *evidence = kept(&count);
    assert_int_equal(count, 1);
    assert_true(evidence->is_leader);
    assert_int_equal(evidence->view, 1);
    assert_memory_equal(&evidence->votes[0].block, &scene.block->hash, sizeof scene.block->hash);
}

static void after_a_restart_the_same_two_votes_are_no_news(void **state)
{
    (void)state;
    vote_twice(scene.voter, 1);
    assert_int_equal(kept_count(), 1);
    crash_and_start();
    vote_twice(scene.voter, 1);
    assert_int_equal(kept_count(), 1);
    propose_next();
    assert_int_equal(scene.shown_count, 1);
}

static void evidence_waits_for_no_later_sync(void **state)
{
    (void)state;
    scene.lone.nobody_waits = true;
    propose_next();
    vote_twice(scene.voter, 2);
    crash_and_start();
    assert_int_equal(kept_count(), 1);
}

/* Blocks of certified views are leftovers, and so are votes for them: unless they prove something.
 */
static void what_comes_too_late_to_be_used_is_evidence_all_the_same(void **state)
{
    (void)state;
    struct lone *lone = &scene.lone;
    for (uint32_t view = 1; view <= 3; view++) {
        propose_next();
    }
    assert_int_equal(lone_status(lone).high.view, 2);
    const uint64_t before = replica_metrics(lone->replica)->verifications;
    struct block *b1 = core_find_block(replica_core(lone->replica), &scene.block->justify->block);
    cast(samples_vote(&lone->samples, 0, b1->view, &b1->hash, PHASE_GENERIC)); /* as certified */
    assert_int_equal(replica_metrics(lone->replica)->verifications, before);
    /* Validators 0 to 2 have signed the certificate of view 2; the leader has proposed in it. */
    cast(vote_for(1, 2, 9));
    propose_rival(1, lone->genesis);
    uint32_t count = 0;
    const struct ingot_evidence *evidence = kept(&count);
    assert_int_equal(count, 2);
    assert_int_equal(evidence[0].view, 2);
    assert_false(evidence[0].is_leader && scene.leader != 1);
    assert_int_equal(evidence[1].view, 1);
    assert_true(evidence[1].is_leader);
    const uint64_t after = replica_metrics(lone->replica)->verifications;
    cast(vote_for(1, 2, 10)); /* it has been caught, so the third costs nothing */
    assert_int_equal(replica_metrics(lone->replica)->verifications, after);
    assert_int_equal(kept_count(), 2);
}

static void a_forged_second_vote_accuses_nobody(void **state)
{
    (void)state;
    cast(vote_for(scene.voter, 1, 1));
    struct vote forged = vote_for(scene.voter, 1, 2);
    forged.signature.bytes[3] ^= 1;
    cast(forged);
    struct vote anothers = vote_for(scene.lone.me, 1, 3);
    anothers.voter = scene.voter;
    cast(anothers);
    assert_int_equal(kept_count(), 0);
    assert_int_equal(replica_metrics(scene.lone.replica)->evidence, 0);
}

/* Whoever made the pair: no proof, no accusation. */
static void only_what_proves_itself_is_evidence(void **state)
{
    (void)state;
    const struct samples *samples = &scene.lone.samples;
    const struct vote good[2] = {vote_for(1, 5, 1), vote_for(1, 5, 2)};
    const struct vote other_view = vote_for(1, 6, 2);
    const struct vote other_voter = vote_for(2, 5, 2);
    struct {
        const char *why;
        struct vote votes[2];
        bool is_evidence;
    } rows[] = {
        {"two votes", {good[0], good[1]}, true},
        {"in the other order", {good[1], good[0]}, true},
        {"the same vote", {good[0], good[0]}, false},
        {"two views", {good[0], other_view}, false},
        {"two voters", {good[0], other_voter}, false},
        {"the first forged", {good[0], good[1]}, false},
        {"the second forged", {good[0], good[1]}, false},
        {"a view that was not signed", {good[0], other_view}, false},
        {"an epoch that was not signed", {good[0], good[1]}, false},
        {"a phase that was not signed", {good[0], good[1]}, false},
        {"no member", {good[0], good[1]}, false},
    };
    rows[5].votes[0].signature.bytes[0] ^= 1;
    rows[6].votes[1].signature.bytes[63] ^= 1;
    rows[7].votes[1].view = 5;
    rows[8].votes[0].epoch = rows[8].votes[1].epoch = 1;
    rows[9].votes[1].phase = PHASE_PREPARE;
    rows[10].votes[0].voter = rows[10].votes[1].voter = LONE_VALIDATORS;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ingot_evidence evidence;
        print_message("%s\n", rows[i].why);
        assert_int_equal(evidence_make(&samples->chain, samples->set, &crypto_ed25519,
                                       INGOT_LEADER_TENURE_DEFAULT, rows[i].votes, &evidence),
                         rows[i].is_evidence);
    }
    /* On another chain it proves nothing. */
    struct ingot_evidence evidence;
    const struct ingot_hash elsewhere = samples_hash(0x77);
    assert_false(evidence_make(&elsewhere, samples->set, &crypto_ed25519,
                               INGOT_LEADER_TENURE_DEFAULT, good, &evidence));
}

/* The blocks, with a certificate of the last one, as the answer to what we ask for. */
static void answer_with(struct block *first, struct block *second)
{
    struct lone *lone = &scene.lone;
    const struct lone_frame *request = lone_find(lone, MESSAGE_SYNC_REQUEST, 0);
    assert_non_null(request);
    struct message *message = message_new(MESSAGE_SYNC_RESPONSE);
    message->sync_response.blocks = calloc(2, sizeof(struct block *));
    assert_non_null(message->sync_response.blocks);
    message->sync_response.blocks[0] = first;
    message->sync_response.blocks[1] = second;
    message->sync_response.block_count = 2;
    message->sync_response.tail_qc = lone_qc(lone, second);
    lone_receive(lone, request->to, message);
}

/* More are faulty than may be: that is when it matters most who. */
static void what_is_found_on_the_way_to_a_halt_is_kept_and_nothing_else_of_that_step(void **state)
{
    (void)state;
    struct lone *lone = &scene.lone;
    const uint32_t caught = lone->me == 0 ? 1 : 0;
    cast(vote_for(caught, 1, 9));
    struct block *first = lone_block(lone, lone->genesis, 1);
    struct block *second = lone_block(lone, first, 2);
    memset(second->updates_hash.bytes, 0xd1, INGOT_HASH_BYTES);
    wire_seal_block(second);
    struct message *message = message_new(MESSAGE_CERTIFICATE);
    message->certificate.qc = lone_qc(lone, second);
    lone_receive(lone, scene.leader, message);
    lone_wait(lone, 100);
    const uint64_t view = lone_status(lone).current.view;
    answer_with(first, second); /* the certificate of the first bears the second vote of `caught` */
    assert_int_equal(lone->stop, REPLICA_STOP_SAFETY);

    crash_and_start();
    uint32_t count = 0;
    const struct ingot_evidence *evidence = kept(&count);
    assert_int_equal(count, 1);
    assert_memory_equal(&evidence->validator, &lone->samples.set->validators[caught].key,
                        sizeof evidence->validator);
    assert_true(evidence_is_proven(&lone->samples.chain, &crypto_ed25519, evidence));
    assert_int_equal(lone_status(lone).current.view, view);
}

/* --- Showing it to the App. --- */

static void the_app_is_shown_evidence_in_its_next_request_and_once(void **state)
{
    (void)state;
    propose_next();
    assert_int_equal(scene.requests, 1);
    vote_twice(scene.voter, 2);
    vote_twice(scene.leader, 3);
    assert_int_equal(kept_count(), 2);
    assert_int_equal(scene.requests, 1); /* nobody has asked it anything since */
    assert_int_equal(scene.shown_count, 0);
    propose_next();
    assert_int_equal(scene.requests, 2);
    assert_int_equal(scene.shown_count, 2);
    uint32_t count = 0;
    assert_same(&scene.shown[0], kept(&count));
    propose_next();
    assert_int_equal(scene.requests, 3);
    assert_int_equal(scene.shown_count, 2);
    crash_and_start();
    propose_next();
    assert_int_equal(scene.requests, 4);
    assert_int_equal(scene.shown_count, 2);
    assert_int_equal(kept_count(), 2);
}

static void a_leader_that_builds_a_block_is_shown_it_too(void **state)
{
    (void)state;
    for (uint32_t view = 1; view <= 4; view++) {
        propose_next();
    }
    vote_twice(scene.leader, 5);
    const uint32_t requests = scene.requests;
    assert_int_equal(scene.shown_count, 0);
    /* With our own as the third; the certificate of view 4 makes us the leader of view 5. */
    for (uint32_t voter = 0; voter < LONE_VALIDATORS; voter++) {
        if (voter != scene.lone.me && voter != scene.leader) {
            cast(samples_vote(&scene.lone.samples, voter, 4, &scene.block->hash, PHASE_GENERIC));
        }
    }
    assert_int_equal(lone_status(&scene.lone).current.view, 5);
    lone_wait(&scene.lone, 1);
    assert_int_equal(scene.requests, requests + 1);
    assert_int_equal(scene.shown_count, 1);
    assert_int_equal(scene.shown[0].view, 5);
}

static void a_crash_before_the_mark_is_durable_shows_it_again(void **state)
{
    (void)state;
    propose_next();
    vote_twice(scene.voter, 2);
    struct block *parent = block_ref(scene.block);
    scene.crashes_in_request = true;
    propose_next();
    assert_int_equal(scene.shown_count, 1);
    crash_and_start();
    assert_int_equal(kept_count(), 1);
    block_unref(scene.block);
    scene.block = parent; /* nobody has heard of the vote for its child */
    propose_next();
    assert_int_equal(scene.shown_count, 2);
    assert_same(&scene.shown[0], &scene.shown[1]);
    propose_next();
    crash_and_start();
    propose_next();
    assert_int_equal(scene.shown_count, 2);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(two_votes_are_kept_with_all_that_proves_them),
        ROW(two_proposals_are_kept_as_the_leaders),
        ROW(after_a_restart_the_same_two_votes_are_no_news),
        ROW(evidence_waits_for_no_later_sync),
        ROW(what_comes_too_late_to_be_used_is_evidence_all_the_same),
        ROW(a_forged_second_vote_accuses_nobody),
        ROW(only_what_proves_itself_is_evidence),
        ROW(what_is_found_on_the_way_to_a_halt_is_kept_and_nothing_else_of_that_step),
        ROW(the_app_is_shown_evidence_in_its_next_request_and_once),
        ROW(a_leader_that_builds_a_block_is_shown_it_too),
        ROW(a_crash_before_the_mark_is_durable_shows_it_again),
    };
#undef ROW
    return cmocka_run_group_tests(tests, NULL, NULL);
}

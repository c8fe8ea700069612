/*
 * Proposals that name transactions, between two replicas. Goal: the leader names what the others
 * hold and brings what it alone has; who lacks something asks for that and no more, a few times,
 * keeps little of what never becomes whole, and takes nothing but what was named; the leader
 * answers within limits. Method: a leader and another member of the same chain, each alone; the
 * test carries their frames, and plays the other two.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/bits.h"
#include "lib/lone_replica.h"
#include "node/replica_state.h"
#include "wire/wire.h"

#define FOREIGN 12u /* transactions that come from another validator */
#define OWN 5u      /* and from a client of the leader */
#define ALL (FOREIGN + OWN)
#define GRACE_MS 3 /* the test's clock and the replica's need not tick together */

static struct lone leader;
static struct lone member;
static struct block *first; /* of view 1; both have it */

/* --- What the test says. --- */

static void append_transaction(struct ingot_buffer *packed, uint32_t number)
{
    char text[128];
    const int size = snprintf(text, sizeof text, "key%u=%080u", number, number);
    ingot_buffer_append_u32(packed, (uint32_t)size);
    ingot_buffer_append(packed, text, (size_t)size);
}

/* From one of the other two: the numbers from `begin` on. */
static struct message *batch(uint32_t begin, uint32_t count)
{
    struct message *message = message_new(MESSAGE_TRANSACTIONS);
    message->transactions.count = count;
    for (uint32_t i = 0; i < count; i++) {
        append_transaction(&message->transactions.packed, begin + i);
    }
    return message;
}

static void submit(struct lone *lone, uint32_t number)
{
    struct ingot_buffer packed = {0};
    append_transaction(&packed, number);
    struct ingot_check_response response = {0};
    assert_int_equal(
        replica_submit(lone->replica, ingot_slice_of(packed.data + 4, packed.size - 4), &response),
        INGOT_OK);
    assert_int_equal(response.code, 0);
    ingot_buffer_deinit(&response.log);
    ingot_buffer_deinit(&packed);
}

static struct message *decoded(const struct lone_frame *frame)
{
    struct message *message = NULL;
    assert_non_null(frame);
    assert_int_equal(wire_decode(ingot_buffer_slice(&frame->bytes), &message), REJECT_NONE);
    return message;
}

/* One of the two that the test plays. */
static uint32_t other(uint32_t nth)
{
    uint32_t peer = 0;
    while (peer == leader.me || peer == member.me || nth-- > 0) {
        peer++;
    }
    return peer;
}

/* One of the other two votes for a block of the leader's; with the second it is certified. */
static void vote(uint32_t nth, const struct ingot_hash *block, uint64_t view)
{
    struct message *message = message_new(MESSAGE_VOTE);
    message->vote = samples_vote(&leader.samples, other(nth), view, block, PHASE_GENERIC);
    message->vote.voter = other(nth);
    lone_receive(&leader, other(nth), message);
}

static uint64_t rejects(const struct lone *lone, enum reject reject)
{
    return replica_metrics(lone->replica)->rejects[reject];
}

/*
 * Both replicas of the first leader's chain. The leader gets FOREIGN transactions from another
 * validator and OWN from a client, and proposes them in view 2; the member has seen view 1.
 */
static int set_up(void **state)
{
    (void)state;
    lone_init(&leader, 0);
    const uint32_t me = lone_leader(&leader, 1);
    lone_deinit(&leader);
    lone_init(&leader, me);
    lone_init(&member, me == 0 ? 1 : 0);
    struct message *proposal = decoded(lone_find(&leader, MESSAGE_PROPOSE, 0));
    first = block_ref(proposal->propose.block);
    lone_receive(&leader, other(0), batch(0, FOREIGN));
    vote(0, &first->hash, 1);
    lone_forget(&leader);
    for (uint32_t i = 0; i < OWN; i++) {
        submit(&leader, FOREIGN + i);
    }
    vote(1, &first->hash, 1);
    lone_receive(&member, me, proposal);
    lone_forget(&member);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    block_unref(first);
    lone_deinit(&leader);
    lone_deinit(&member);
    return 0;
}

/* The leader's compact proposal; a new reference. */
static struct message *compact(void)
{
    return decoded(lone_find(&leader, MESSAGE_COMPACT_PROPOSE, 0));
}

static struct message *request_of_member(void)
{
    return decoded(lone_find(&member, MESSAGE_TRANSACTIONS_REQUEST, 0));
}

/* --- The leader. --- */

static void a_leader_names_what_the_others_hold_and_brings_what_it_alone_has(void **state)
{
    (void)state;
    struct message *message = compact();
    const struct ingot_buffer *named = &message->compact.named;
    assert_int_equal(message->propose.block->transaction_count, ALL);
    for (uint32_t i = 0; i < ALL; i++) {
        assert_int_equal(bits_has(named->data, i), i < FOREIGN);
    }
    assert_int_equal(lone_count(&leader, MESSAGE_PROPOSE), 0);
    /* What travels with the proposal is not sent by itself. */
    assert_int_equal(lone_count(&leader, MESSAGE_TRANSACTIONS), 0);
    message_unref(message);
}

static void what_was_passed_on_is_named_in_the_next_proposal(void **state)
{
    (void)state;
    struct message *second = compact();
    submit(&leader, ALL);
    lone_wait(&leader, 1);
    assert_int_equal(lone_count(&leader, MESSAGE_TRANSACTIONS), 1);
    vote(0, &second->propose.block->hash, 2);
    vote(1, &second->propose.block->hash, 2);
    struct message *third = decoded(lone_find(&leader, MESSAGE_COMPACT_PROPOSE, 1));
    assert_int_equal(third->propose.block->transaction_count, 1);
    assert_int_equal(bits_count(third->compact.named.data, third->compact.named.size), 1);
    message_unref(third);
    message_unref(second);
}

/* The others give up: view 2 ends, nobody has certified its block. */
static void give_up(uint64_t view)
{
    struct qc *high = qc_ref(lone_status(&leader).high_qc);
    for (uint32_t i = 0; i < LONE_VALIDATORS; i++) {
        if (i != leader.me) {
            lone_receive(&leader, i, samples_timeout(&leader.samples, i, view, qc_ref(high), NULL));
        }
    }
    qc_unref(high);
}

static void what_a_failed_proposal_brought_is_passed_on_afterwards(void **state)
{
    (void)state;
    give_up(2);
    assert_true(lone_status(&leader).current.view > 2);
    struct message *message = decoded(lone_find(&leader, MESSAGE_TRANSACTIONS, 0));
    assert_int_equal(message->transactions.count, OWN);
    message_unref(message);
}

static void a_peer_is_answered_a_few_times_and_from_our_own_proposals_alone(void **state)
{
    (void)state;
    struct message *proposal = compact();
    for (uint32_t i = 0; i < 20; i++) {
        struct message *request = message_new(MESSAGE_TRANSACTIONS_REQUEST);
        request->transactions_request.block = proposal->propose.block->hash;
        ingot_buffer_append_u8(&request->transactions_request.wanted, 0x05);
        lone_receive(&leader, member.me, request);
    }
    assert_int_equal(lone_count(&leader, MESSAGE_TRANSACTIONS_RESPONSE), 8);
    assert_int_equal(rejects(&leader, REJECT_RATE_LIMITED), 12);
    struct message *response = decoded(lone_find(&leader, MESSAGE_TRANSACTIONS_RESPONSE, 0));
    struct ingot_buffer expected = {0};
    append_transaction(&expected, 0);
    append_transaction(&expected, 2);
    assert_true(ingot_slice_equal(ingot_buffer_slice(&response->transactions_response.packed),
                                  ingot_buffer_slice(&expected)));
    ingot_buffer_deinit(&expected);
    message_unref(response);

    struct message *request = message_new(MESSAGE_TRANSACTIONS_REQUEST);
    request->transactions_request.block = leader.genesis->hash;
    ingot_buffer_append_u8(&request->transactions_request.wanted, 0x01);
    lone_receive(&leader, member.me, request);
    assert_int_equal(rejects(&leader, REJECT_UNKNOWN_BLOCK), 1);

    request = message_new(MESSAGE_TRANSACTIONS_REQUEST);
    request->transactions_request.block = proposal->propose.block->hash;
    ingot_buffer_append_u32(&request->transactions_request.wanted, 0x80000001);
    lone_receive(&leader, other(0), request);
    assert_int_equal(rejects(&leader, REJECT_MALFORMED), 1);
    assert_int_equal(lone_count(&leader, MESSAGE_TRANSACTIONS_RESPONSE), 8);
    message_unref(proposal);
}

/* --- The member. --- */

static void who_holds_all_votes_at_once(void **state)
{
    (void)state;
    lone_receive(&member, other(0), batch(0, FOREIGN));
    lone_receive(&member, leader.me, compact());
    assert_int_equal(lone_count(&member, MESSAGE_VOTE), 1);
    assert_int_equal(lone_count(&member, MESSAGE_TRANSACTIONS_REQUEST), 0);
    struct message *proposal = compact();
    struct block *block =
        core_find_block(replica_core(member.replica), &proposal->propose.block->hash);
    assert_non_null(block);
    assert_int_equal(block->transaction_count, ALL);
    struct ingot_hash root;
    wire_payload_root(ingot_buffer_slice(&block->payload), &root, NULL);
    assert_memory_equal(&root, &block->transactions_root, sizeof root);
    message_unref(proposal);
}

static void who_lacks_some_asks_for_these_and_votes_when_they_come(void **state)
{
    (void)state;
    lone_receive(&member, other(0), batch(0, 3));
    lone_receive(&member, other(0), batch(5, FOREIGN - 5));
    lone_receive(&member, leader.me, compact());
    assert_int_equal(lone_count(&member, MESSAGE_TRANSACTIONS_REQUEST),
                     0); /* it may be on its way */
    lone_wait(&member, GRACE_MS);
    assert_int_equal(lone_find(&member, MESSAGE_TRANSACTIONS_REQUEST, 0)->to, leader.me);
    struct message *request = request_of_member();
    assert_int_equal(request->transactions_request.wanted.size, 1);
    assert_int_equal(request->transactions_request.wanted.data[0], 0x18);
    assert_int_equal(lone_count(&member, MESSAGE_VOTE), 0);
    /* The view was entered by what the proposal proves. */
    assert_int_equal(lone_status(&member).current.view, 2);
    lone_receive(&leader, member.me, request);
    lone_receive(&member, leader.me, decoded(lone_find(&leader, MESSAGE_TRANSACTIONS_RESPONSE, 0)));
    assert_int_equal(lone_count(&member, MESSAGE_VOTE), 1);
    assert_int_equal(lone_count(&member, MESSAGE_TRANSACTIONS_REQUEST), 1);
    assert_int_equal(member.replica->peers[leader.me].incomplete_count, 0);
}

static void what_was_on_its_way_is_not_asked_for(void **state)
{
    (void)state;
    lone_receive(&member, leader.me, compact());
    assert_int_equal(lone_count(&member, MESSAGE_VOTE), 0);
    lone_receive(&member, other(0), batch(0, FOREIGN));
    assert_int_equal(lone_count(&member, MESSAGE_VOTE), 1);
    lone_wait(&member, 100);
    assert_int_equal(lone_count(&member, MESSAGE_TRANSACTIONS_REQUEST), 0);
}

static void bytes_that_were_not_named_are_refused(void **state)
{
    (void)state;
    lone_receive(&member, leader.me, compact());
    lone_wait(&member, GRACE_MS);
    lone_receive(&leader, member.me, request_of_member());
    struct message *response = decoded(lone_find(&leader, MESSAGE_TRANSACTIONS_RESPONSE, 0));
    response->transactions_response.packed.data[20] ^= 1;
    lone_receive(&member, leader.me, response);
    assert_int_equal(rejects(&member, REJECT_OTHER_TRANSACTION), 1);
    assert_int_equal(lone_count(&member, MESSAGE_VOTE), 0);
    /* This channel is asked for it no more. */
    assert_int_equal(member.replica->peers[leader.me].incomplete_count, 0);
    lone_wait(&member, LONE_BASE_TIMEOUT_MS / 2);
    assert_int_equal(lone_count(&member, MESSAGE_TRANSACTIONS_REQUEST), 1);
    lone_receive(&member, leader.me, decoded(lone_find(&leader, MESSAGE_TRANSACTIONS_RESPONSE, 0)));
    assert_int_equal(rejects(&member, REJECT_UNREQUESTED), 1);
}

static void an_answer_is_taken_from_the_channel_that_was_asked(void **state)
{
    (void)state;
    lone_receive(&member, leader.me, compact());
    lone_wait(&member, GRACE_MS);
    lone_receive(&leader, member.me, request_of_member());
    struct message *response = decoded(lone_find(&leader, MESSAGE_TRANSACTIONS_RESPONSE, 0));
    lone_receive(&member, other(0), message_ref(response));
    assert_int_equal(rejects(&member, REJECT_UNREQUESTED), 1);
    assert_int_equal(lone_count(&member, MESSAGE_VOTE), 0);
    lone_receive(&member, leader.me, response);
    assert_int_equal(lone_count(&member, MESSAGE_VOTE), 1);
}

static void who_is_not_answered_asks_again_a_few_times(void **state)
{
    (void)state;
    lone_receive(&member, leader.me, compact());
    uint32_t within_the_view = 0;
    for (uint32_t ms = 0; ms < 20 * LONE_BASE_TIMEOUT_MS; ms += 10) {
        lone_wait(&member, 10);
        within_the_view = ms < LONE_BASE_TIMEOUT_MS
                              ? lone_count(&member, MESSAGE_TRANSACTIONS_REQUEST)
                              : within_the_view;
        if (member.frame_count > LONE_FRAMES_MAX / 2) {
            break;
        }
    }
    assert_in_range(within_the_view, 3, 5);
    assert_int_equal(lone_count(&member, MESSAGE_TRANSACTIONS_REQUEST), 6);
    assert_int_equal(member.replica->peers[leader.me].incomplete_count, 0);
}

static void what_left_the_mempool_meanwhile_is_asked_for_with_the_rest(void **state)
{
    (void)state;
    lone_receive(&member, other(0), batch(0, 3));
    lone_receive(&member, leader.me, compact());
    lone_wait(&member, GRACE_MS);
    lone_receive(&leader, member.me, request_of_member());
    struct message *proposal = compact();
    mempool_remove(member.replica->mempool, &proposal->propose.block->digests[1]);
    lone_receive(&member, leader.me, decoded(lone_find(&leader, MESSAGE_TRANSACTIONS_RESPONSE, 0)));
    assert_int_equal(lone_count(&member, MESSAGE_VOTE), 0);
    struct message *request = decoded(lone_find(&member, MESSAGE_TRANSACTIONS_REQUEST, 1));
    assert_int_equal(request->transactions_request.wanted.data[0], 0xFA);
    lone_receive(&leader, member.me, request);
    lone_receive(&member, leader.me, decoded(lone_find(&leader, MESSAGE_TRANSACTIONS_RESPONSE, 1)));
    assert_int_equal(lone_count(&member, MESSAGE_VOTE), 1);
    message_unref(proposal);
}

/* A leader's proposal with names that stand for nothing, as large as such a list can be. */
static struct message *unknown(struct block *parent, uint64_t view, struct block **made)
{
    struct block *block = lone_block(&member, parent, view);
    block->transaction_count = INGOT_BLOCK_TRANSACTIONS_MAX;
    block->digests = alloc_zeroed(block->transaction_count, sizeof *block->digests);
    for (uint32_t i = 0; i < block->transaction_count; i++) {
        block->digests[i] = samples_hash((uint8_t)view);
        block->digests[i].bytes[0] = (uint8_t)i;
        block->digests[i].bytes[1] = (uint8_t)(i >> 8);
    }
    wire_digests_root(block->digests, block->transaction_count, &block->transactions_root);
    wire_seal_block_header(block);
    struct message *whole = lone_propose(&member, block, NULL);
    struct message *message = message_new(MESSAGE_COMPACT_PROPOSE);
    message->compact.propose = whole->propose;
    whole->propose = (struct propose){0};
    message_unref(whole);
    for (uint32_t i = 0; i < INGOT_BLOCK_TRANSACTIONS_MAX / 8; i++) {
        ingot_buffer_append_u8(&message->compact.named, 0xFF);
    }
    *made = block;
    return message;
}

static void what_never_becomes_whole_stays_within_its_cap(void **state)
{
    (void)state;
    struct message *proposals[2 * INGOT_ORPHANS_PER_PEER_MAX];
    const uint32_t count = sizeof proposals / sizeof proposals[0];
    struct block *parent = first;
    for (uint32_t i = 0; i < count; i++) {
        proposals[i] = unknown(parent, 2 + i, &parent);
    }
    const struct replica_peer *peer = &member.replica->peers[other(0)];
    for (uint32_t i = 0; i < count; i++) {
        lone_receive(&member, other(0), message_ref(proposals[i]));
        lone_forget(&member);
        assert_true(compact_incomplete_bytes(peer) <= INGOT_PENDING_BYTES_PER_PEER_MAX);
    }
    assert_true(peer->incomplete_count > 0);
    /* The newest have taken the place of the oldest. */
    const struct incomplete *last = &peer->incomplete[peer->incomplete_count - 1];
    assert_int_equal(last->message->propose.block->view, 1 + count);
    const uint32_t kept = peer->incomplete_count;
    lone_receive(&member, other(0), message_ref(proposals[count - 1]));
    assert_int_equal(peer->incomplete_count, kept);
    assert_true(rejects(&member, REJECT_DUPLICATE) > 0);
    replica_set_connected(member.replica, other(0), false);
    assert_int_equal(peer->incomplete_count, 0);
    for (uint32_t i = 0; i < count; i++) {
        message_unref(proposals[i]);
    }
}

static void who_does_not_lead_the_view_makes_us_ask_for_nothing(void **state)
{
    (void)state;
    struct block *block = NULL;
    struct message *message = unknown(first, 2, &block);
    /* Signed by another member, in whose view it is not. */
    block->proposer = member.samples.set->validators[other(0)].key;
    wire_seal_block_header(block);
    message->propose.vote =
        samples_vote(&member.samples, other(0), block->view, &block->hash, PHASE_GENERIC);
    message->propose.vote.voter = other(0);
    lone_receive(&member, other(0), message);
    assert_int_equal(rejects(&member, REJECT_NOT_LEADER), 1);
    assert_int_equal(member.replica->peers[other(0)].incomplete_count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_leader_names_what_the_others_hold_and_brings_what_it_alone_has),
        TEST(what_was_passed_on_is_named_in_the_next_proposal),
        TEST(what_a_failed_proposal_brought_is_passed_on_afterwards),
        TEST(a_peer_is_answered_a_few_times_and_from_our_own_proposals_alone),
        TEST(who_holds_all_votes_at_once),
        TEST(who_lacks_some_asks_for_these_and_votes_when_they_come),
        TEST(what_was_on_its_way_is_not_asked_for),
        TEST(bytes_that_were_not_named_are_refused),
        TEST(an_answer_is_taken_from_the_channel_that_was_asked),
        TEST(who_is_not_answered_asks_again_a_few_times),
        TEST(what_left_the_mempool_meanwhile_is_asked_for_with_the_rest),
        TEST(what_never_becomes_whole_stays_within_its_cap),
        TEST(who_does_not_lead_the_view_makes_us_ask_for_nothing),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}

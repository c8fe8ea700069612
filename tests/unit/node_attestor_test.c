/*
 * Goal: what a committed transaction asks to be signed becomes one attestation at every node, with
 * a quorum of honest signatures, whatever is lost, late, declined or forged on the way; and who
 * sends junk gets nothing and costs little. Method: attestors against each other in memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/attestor_forgery.h"

#define TEST(name) cmocka_unit_test(name)

static void assert_all_have(struct attestor_cluster *cluster, uint32_t attestations)
{
    for (uint32_t i = 0; i < cluster->count; i++) {
        assert_int_equal(attestor_node_lines(&cluster->nodes[i]), attestations);
        assert_int_equal(attestor_node_status(&cluster->nodes[i]).attested, attestations);
        assert_int_equal(attestor_node_status(&cluster->nodes[i]).pending, 0);
        assert_int_equal(cluster->nodes[i].stop, REPLICA_RUNS);
    }
}

/* --- What goes well. --- */

static void every_statement_is_attested_once_at_every_node(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 2, 3, 4, 7};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct attestor_cluster *cluster = attestor_cluster_new(sizes[i], sizes[i] == 4);
        const char *const transactions[] = {"d:one",     "nothing", "p:two\n\"quoted\"",
                                            "!d:failed", "p:",      NULL};
        const uint64_t height = attestor_cluster_block(cluster, transactions);
        attestor_cluster_commit(cluster);
        attestor_cluster_run(cluster);
        (void)attestor_cluster_one(cluster, "d:four");
        attestor_cluster_commit(cluster);
        attestor_cluster_run(cluster);
        assert_all_have(cluster, 4);
        for (uint32_t j = 0; j < cluster->count; j++) {
            struct attestor_node *node = &cluster->nodes[j];
            assert_int_equal(node->attested, 4);
            assert_int_equal(attestor_node_signers(node, height, "p:"), sizes[i]);
            assert_int_equal(attestor_node_state(node, height, "nothing"), ATTEST_UNKNOWN);
            assert_int_equal(attestor_node_state(node, height, "d:failed"), ATTEST_UNKNOWN);
            assert_int_equal(attestor_node_state(node, height + 2, "d:four"), ATTEST_UNKNOWN);
        }
        attestor_cluster_free(cluster);
    }
}

static void a_block_of_many_statements_takes_turns_and_is_complete_in_the_end(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    static char texts[300][16];
    const char *transactions[301] = {NULL};
    for (uint32_t i = 0; i < 300; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "d:%u", i);
        transactions[i] = texts[i];
    }
    (void)attestor_cluster_block(cluster, transactions);
    attestor_cluster_commit(cluster);
    attestor_flush(cluster->nodes[0].attestor);
    assert_int_equal(attestor_node_status(&cluster->nodes[0]).signatures, 64);
    assert_true(cluster->nodes[0].is_woken);
    attestor_cluster_run(cluster);
    assert_all_have(cluster, 300);
    attestor_cluster_free(cluster);
}

static void a_share_that_comes_before_its_block_is_kept_for_it(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    const uint64_t height = attestor_cluster_one(cluster, "d:early");
    for (uint32_t i = 0; i < 3; i++) {
        attestor_node_commit(&cluster->nodes[i], height);
    }
    attestor_cluster_run(cluster);
    struct attestor_node *late = &cluster->nodes[3];
    assert_true(attestor_node_status(late).held_bytes >= 3 * 64);
    attestor_node_commit(late, height);
    attestor_cluster_run(cluster);
    assert_all_have(cluster, 1);
    assert_int_equal(attestor_node_status(late).held_bytes, 0);
    assert_int_equal(attestor_node_status(late).requests_sent, 0);
    attestor_cluster_free(cluster);
}

/* --- What is lost, late or declined. --- */

static void what_is_lost_is_repaired_on_ticks(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct attestor_cluster *cluster = attestor_cluster_new(4, 1);
        prng_init(&cluster->prng, seed, 0);
        cluster->loss = 500000;
        for (uint32_t i = 0; i < 20; i++) {
            char text[16];
            (void)snprintf(text, sizeof text, "d:%u", i);
            (void)attestor_cluster_one(cluster, text);
            attestor_cluster_commit(cluster);
            attestor_cluster_wait(cluster, 20);
        }
        attestor_cluster_wait(cluster, 60000);
        assert_all_have(cluster, 20);
        attestor_cluster_free(cluster);
    }
}

static void a_lost_last_message_is_repaired_without_anything_new(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    cluster->loss = 1000000;
    (void)attestor_cluster_one(cluster, "d:alone");
    attestor_cluster_commit(cluster);
    attestor_cluster_run(cluster);
    cluster->loss = 0;
    attestor_cluster_wait(cluster, 2000);
    assert_all_have(cluster, 1);
    attestor_cluster_free(cluster);
}

static void a_validator_that_was_down_adds_its_share_later(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *away = &cluster->nodes[2];
    attestor_node_crash(away);
    const uint64_t height = attestor_cluster_one(cluster, "d:three");
    attestor_cluster_commit(cluster);
    attestor_cluster_wait(cluster, 1000);
    assert_int_equal(attestor_node_signers(&cluster->nodes[0], height, "d:three"), 3);

    attestor_node_restart(away);
    attestor_node_commit(away, height);
    attestor_cluster_wait(cluster, 2000);
    assert_all_have(cluster, 1);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(attestor_node_signers(&cluster->nodes[i], height, "d:three"), 4);
    }
    attestor_cluster_free(cluster);
}

/* Nobody asks for what is lost then: the others are a quorum, and to us it is complete. */
static void a_share_that_is_lost_with_its_process_is_sent_after_the_restart(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *mute = &cluster->nodes[2];
    for (uint32_t i = 0; i < 4; i++) {
        cluster->is_cut[2][i] = true;
    }
    const uint64_t height = attestor_cluster_one(cluster, "d:unheard");
    attestor_cluster_commit(cluster);
    attestor_cluster_wait(cluster, 1000);
    assert_int_equal(attestor_node_signers(mute, height, "d:unheard"), 4);
    assert_int_equal(attestor_node_signers(&cluster->nodes[0], height, "d:unheard"), 3);

    memset(cluster->is_cut, 0, sizeof cluster->is_cut);
    attestor_node_restart(mute);
    attestor_cluster_wait(cluster, 1000);
    assert_int_equal(attestor_node_status(mute).pending, 0);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(attestor_node_signers(&cluster->nodes[i], height, "d:unheard"), 4);
    }
    attestor_cluster_free(cluster);
}

static void without_a_quorum_a_statement_stays_pending_and_says_so(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    attestor_node_crash(&cluster->nodes[0]);
    attestor_node_crash(&cluster->nodes[1]);
    const uint64_t height = attestor_cluster_one(cluster, "d:two of four");
    attestor_cluster_commit(cluster);
    attestor_cluster_wait(cluster, 30000);
    struct attestor_node *node = &cluster->nodes[3];
    assert_int_equal(attestor_node_state(node, height, "d:two of four"), ATTEST_PENDING);
    assert_int_equal(attestor_node_status(node).pending, 1);
    assert_int_equal(attestor_node_lines(node), 0);
    /* It asks ever less often. */
    assert_true(attestor_node_status(node).requests_sent < 20);
    attestor_node_restart(&cluster->nodes[0]);
    attestor_node_commit(&cluster->nodes[0], height);
    attestor_cluster_wait(cluster, 2000);
    assert_int_equal(attestor_node_lines(node), 1);
    attestor_cluster_free(cluster);
}

static void
what_one_declines_is_attested_by_the_others_and_what_two_decline_is_refused(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    const char *const transactions[] = {"d:x", "d:y", NULL};
    cluster->nodes[1].declines = true;
    uint64_t height = attestor_cluster_block(cluster, transactions);
    attestor_cluster_commit(cluster);
    attestor_cluster_run(cluster);
    assert_all_have(cluster, 2);
    assert_int_equal(attestor_node_signers(&cluster->nodes[0], height, "d:x"), 3);
    assert_int_equal(attestor_node_signers(&cluster->nodes[0], height, "d:y"), 4);

    cluster->nodes[2].declines = true;
    height = attestor_cluster_one(cluster, "d:xx");
    attestor_cluster_commit(cluster);
    attestor_cluster_wait(cluster, 1000);
    assert_all_have(cluster, 2);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(attestor_node_state(&cluster->nodes[i], height, "d:xx"), ATTEST_REFUSED);
        assert_int_equal(cluster->nodes[i].refused, 1);
        assert_int_equal(attestor_node_status(&cluster->nodes[i]).refused, 1);
    }
    attestor_cluster_free(cluster);
}

static void members_that_have_left_still_sign_the_blocks_of_their_epoch(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    cluster->loss = 1000000;
    const uint64_t before = attestor_cluster_one(cluster, "d:old");
    attestor_cluster_change_set(cluster);
    const uint64_t after = attestor_cluster_one(cluster, "d:new");
    attestor_node_crash(&cluster->nodes[0]);
    attestor_cluster_commit(cluster);
    attestor_cluster_run(cluster);
    cluster->loss = 0;
    attestor_cluster_wait(cluster, 3000);
    /* Without node 0, what was committed before needs the one that has left. */
    assert_int_equal(attestor_node_signers(&cluster->nodes[1], before, "d:old"), 3);
    assert_int_equal(attestor_node_state(&cluster->nodes[1], after, "d:new"), ATTEST_PENDING);
    attestor_node_restart(&cluster->nodes[0]);
    attestor_node_commit(&cluster->nodes[0], cluster->height);
    attestor_cluster_wait(cluster, 12000);
    assert_all_have(cluster, 2);
    assert_int_equal(attestor_node_signers(&cluster->nodes[3], after, "d:new"), 3);
    attestor_cluster_free(cluster);
}

static void who_joins_late_gets_everything_from_the_others_in_little_memory(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 1);
    struct attestor_node *joiner = &cluster->nodes[4];
    attestor_node_crash(joiner);
    for (uint32_t i = 0; i < 300; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "p:%u", i);
        (void)attestor_cluster_one(cluster, text);
        attestor_cluster_commit(cluster);
        attestor_cluster_run(cluster);
    }
    cluster->limits.memory_bytes = 16384;
    attestor_node_restart(joiner);
    attestor_node_commit(joiner, cluster->height);
    attestor_cluster_wait(cluster, 5000);
    assert_all_have(cluster, 300);
    assert_true(attestor_node_status(joiner).memory_bytes <= 65536);
    /* Answers are not passed on to those who have them. */
    assert_true(attestor_node_status(&cluster->nodes[0]).rejected[ATTEST_REJECT_REPEATED] < 3000);
    attestor_cluster_free(cluster);
}

/* --- What is forged. --- */

static void forged_shares_make_no_quorum_and_are_counted_by_reason(void **state)
{
    (void)state;
    static const struct {
        struct attestor_forgery forgery;
        enum attest_reject reject;
        const char *why;
    } rows[] = {
        {{.sender = 1, .signer = 3, .height = 1, .count = 1},
         ATTEST_REJECT_SIGNATURE,
         "one member in the name of another"},
        {{.sender = 200, .signer = 3, .height = 1, .count = 1},
         ATTEST_REJECT_STRANGER,
         "nobody's number"},
        {{.sender = 3, .signer = 3, .height = 1, .count = 1},
         ATTEST_REJECT_STATEMENT,
         "its own message around signatures of something else"},
        {{.sender = 3, .signer = 3, .height = 1, .count = 2},
         ATTEST_REJECT_MISMATCH,
         "more statements than there are"},
        {{.sender = 3, .signer = 3, .height = 1, .count = 1, .is_of_other_chain = true},
         ATTEST_REJECT_SIGNATURE,
         "another chain"},
        {{.sender = 3, .signer = 3, .height = 1, .count = 1, .epoch = 7},
         ATTEST_REJECT_UNKNOWN_EPOCH,
         "an epoch that is not known"},
        {{.sender = 3, .signer = 3, .height = 2, .count = 1},
         ATTEST_REJECT_MISMATCH,
         "a block that asks for nothing"},
        {{.sender = 3, .signer = 3, .height = 100000, .count = 1},
         ATTEST_REJECT_FAR,
         "a block that is far ahead"},
        {{.sender = 3, .signer = 3, .height = 1, .count = 0},
         ATTEST_REJECT_MALFORMED,
         "no signatures"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
        struct attestor_node *node = &cluster->nodes[0];
        struct ingot_buffer frame = {0};
        (void)attestor_cluster_one(cluster, "d:wanted");
        (void)attestor_cluster_one(cluster, "nothing");
        attestor_node_commit(node, 2);
        attestor_flush(node->attestor);
        for (uint32_t copy = 0; copy < 4; copy++) {
            attestor_forge(cluster, &rows[i].forgery, &frame);
            attestor_receive(node->attestor, 1 + copy % 3, ingot_buffer_slice(&frame));
            attestor_flush(node->attestor);
        }
        if (attestor_node_status(node).rejected[rows[i].reject] == 0) {
            fail_msg("%s: it is not counted", rows[i].why);
        }
        assert_int_equal(attestor_node_status(node).attested, 0);
        assert_int_equal(attestor_node_status(node).held_bytes, 0);
        assert_int_equal(attestor_node_lines(node), 0);
        /* The honest others make the quorum all the same. */
        attestor_node_commit(&cluster->nodes[1], 2);
        attestor_node_commit(&cluster->nodes[2], 2);
        attestor_cluster_wait(cluster, 2000);
        assert_int_equal(attestor_node_lines(node), 1);
        ingot_buffer_deinit(&frame);
        attestor_cluster_free(cluster);
    }
}

static void garbage_is_counted_and_changes_nothing(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *node = &cluster->nodes[0];
    struct prng prng;
    prng_init(&prng, 7, 0);
    for (uint32_t i = 0; i < 2000; i++) {
        uint8_t bytes[64];
        for (size_t j = 0; j < sizeof bytes; j++) {
            bytes[j] = (uint8_t)prng_next(&prng);
        }
        bytes[0] = 0x82; /* field 32, so that it looks like gossip */
        bytes[1] = 0x02;
        attestor_receive(node->attestor, 1, ingot_slice_of(bytes, prng_below(&prng, 64)));
    }
    assert_int_equal(attestor_node_status(node).rejected[ATTEST_REJECT_MALFORMED], 2000);
    assert_int_equal(attestor_node_status(node).held_bytes, 0);
    attestor_cluster_free(cluster);
}

static void ten_thousand_junk_messages_evict_nothing_and_memory_stays_flat(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *node = &cluster->nodes[0];
    struct ingot_buffer frame = {0};
    const uint64_t height = attestor_cluster_one(cluster, "d:honest");
    /* What honest validators say comes first, and has to wait for the block. */
    attestor_node_commit(&cluster->nodes[1], height);
    attestor_node_commit(&cluster->nodes[2], height);
    attestor_cluster_run(cluster);
    size_t before = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        const struct attestor_forgery junk = {
            .sender = 3, .signer = 3, .height = 2 + i % 500, .count = 1 + i % 64};
        attestor_forge(cluster, &junk, &frame);
        frame.data[frame.size - 1] ^= i % 7 == 0; /* some are not even signed */
        attestor_receive(node->attestor, 3, ingot_buffer_slice(&frame));
        if (i == 5000) {
            before = attestor_node_status(node).held_bytes;
        }
    }
    assert_int_equal(attestor_node_status(node).held_bytes, before);
    assert_true(before < 2 * 1024 * 1024);
    assert_true(attestor_node_status(node).rejected[ATTEST_REJECT_FULL] > 5000);
    attestor_node_commit(node, height);
    attestor_node_commit(&cluster->nodes[3], height);
    attestor_cluster_run(cluster);
    assert_all_have(cluster, 1);
    ingot_buffer_deinit(&frame);
    attestor_cluster_free(cluster);
}

/* What is under way to a node reaches it, which takes no turn. */
static void hand_over(struct attestor_cluster *cluster, struct attestor_node *node)
{
    const uint32_t count = cluster->frame_count; /* what it passes on comes behind these */
    for (uint32_t i = 0; i < count; i++) {
        const struct attestor_frame frame = cluster->frames[i];
        if (frame.to == node->number) {
            attestor_receive(node->attestor, frame.from, ingot_buffer_slice(&frame.bytes));
        }
        ingot_buffer_deinit(&cluster->frames[i].bytes);
    }
    cluster->frame_count -= count;
    memmove(cluster->frames, cluster->frames + count,
            cluster->frame_count * sizeof *cluster->frames);
}

static void what_comes_late_takes_no_room_from_what_is_needed(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *node = &cluster->nodes[0];
    struct attestor_node *away = &cluster->nodes[3];
    attestor_node_crash(away);
    for (uint32_t i = 0; i < 6; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "d:%u", i);
        (void)attestor_cluster_one(cluster, text);
        attestor_cluster_commit(cluster);
        attestor_cluster_wait(cluster, 100);
    }
    attestor_node_crash(&cluster->nodes[2]);
    cluster->limits.voter_shares = 2;
    attestor_node_restart(node);
    attestor_node_restart(away);
    attestor_cluster_run(cluster);
    attestor_node_commit(away, 6);
    attestor_flush(away->attestor);
    hand_over(cluster, node);
    assert_int_equal(attestor_node_status(node).rejected[ATTEST_REJECT_FULL], 4);
    (void)attestor_cluster_one(cluster, "d:needed");
    attestor_node_commit(node, 7);
    attestor_node_commit(away, 7);
    attestor_flush(away->attestor);
    hand_over(cluster, node);
    assert_int_equal(attestor_node_status(node).rejected[ATTEST_REJECT_FULL], 4);
    attestor_node_commit(&cluster->nodes[1], 7);
    attestor_cluster_run(cluster);
    assert_int_equal(attestor_node_state(node, 7, "d:needed"), ATTEST_COMPLETE);
    assert_int_equal(attestor_node_signers(node, 1, "d:0"), 4);
    assert_int_equal(attestor_node_status(node).held_bytes, 0);
    attestor_cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_statement_is_attested_once_at_every_node),
        TEST(a_block_of_many_statements_takes_turns_and_is_complete_in_the_end),
        TEST(a_share_that_comes_before_its_block_is_kept_for_it),
        TEST(what_is_lost_is_repaired_on_ticks),
        TEST(a_lost_last_message_is_repaired_without_anything_new),
        TEST(a_validator_that_was_down_adds_its_share_later),
        TEST(a_share_that_is_lost_with_its_process_is_sent_after_the_restart),
        TEST(without_a_quorum_a_statement_stays_pending_and_says_so),
        TEST(what_one_declines_is_attested_by_the_others_and_what_two_decline_is_refused),
        TEST(members_that_have_left_still_sign_the_blocks_of_their_epoch),
        TEST(who_joins_late_gets_everything_from_the_others_in_little_memory),
        TEST(forged_shares_make_no_quorum_and_are_counted_by_reason),
        TEST(garbage_is_counted_and_changes_nothing),
        TEST(ten_thousand_junk_messages_evict_nothing_and_memory_stays_flat),
        TEST(what_comes_late_takes_no_room_from_what_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

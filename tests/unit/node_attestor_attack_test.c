/*
 * Goal: what one bad member or client does costs the attestors a bounded amount of work and memory,
 * and costs nobody an attestation. Method: attestors in memory, and what they must not do counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/attestor_forgery.h"
#include "wire/broadcast.h"

#define TEST(name) cmocka_unit_test(name)

/* A share of a block by validator 3, properly signed, around signatures of something else. */
static void forge(const struct attestor_cluster *cluster, uint64_t height, uint32_t count,
                  const char *what, struct ingot_buffer *frame)
{
    const struct attestor_forgery forgery = {
        .sender = 3, .signer = 3, .height = height, .count = count, .what = what};
    attestor_forge(cluster, &forgery, frame);
}

static void what_is_of_no_use_is_not_passed_on(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *node = &cluster->nodes[0];
    struct ingot_buffer frame = {0};
    (void)attestor_cluster_one(cluster, "d:wanted");
    (void)attestor_cluster_one(cluster, "nothing");
    attestor_node_commit(node, 2);
    attestor_flush(node->attestor);
    const uint64_t before = cluster->frames_sent;
    for (uint32_t i = 0; i < 100; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "junk %u", i);
        forge(cluster, 2, 1 + i % 4, text, &frame); /* no such statements */
        attestor_receive(node->attestor, 3, ingot_buffer_slice(&frame));
        forge(cluster, 1, 2, text, &frame); /* more than there are */
        attestor_receive(node->attestor, 3, ingot_buffer_slice(&frame));
    }
    assert_int_equal(cluster->frames_sent, before);
    ingot_buffer_deinit(&frame);
    attestor_cluster_free(cluster);
}

static void what_others_have_signed_does_not_wait_for_all_that_we_have_to_sign(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *late = &cluster->nodes[3];
    for (uint32_t i = 0; i < 200; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "d:%u", i);
        (void)attestor_cluster_one(cluster, text);
    }
    cluster->limits.turn_signatures = 2;
    attestor_node_restart(late);
    attestor_node_commit(late, cluster->height);
    for (uint32_t i = 0; i < 3; i++) {
        attestor_node_commit(&cluster->nodes[i], 1);
    }
    for (uint32_t turn = 0; turn < 50; turn++) {
        attestor_flush(late->attestor);
        for (uint32_t i = 0; i < 3; i++) {
            attestor_flush(cluster->nodes[i].attestor);
        }
        attestor_cluster_deliver(cluster);
    }
    assert_int_equal(attestor_node_state(late, 1, "d:0"), ATTEST_COMPLETE);
    assert_true(attestor_node_status(late).signatures >= 50); /* and ours go on */
    attestor_cluster_free(cluster);
}

#define LARGE_TEXT_BYTES 60000
#define MIB ((size_t)1024 * 1024)

/* Blocks of one large payload each, which whoever is picky declines. */
static void make_large_blocks(struct attestor_cluster *cluster, uint32_t count)
{
    static char text[LARGE_TEXT_BYTES + 1];
    for (uint32_t i = 0; i < count; i++) {
        memset(text, 'x', LARGE_TEXT_BYTES);
        const int size = snprintf(text, sizeof text, "p:%u", i);
        text[size] = 'x';
        (void)attestor_cluster_one(cluster, text);
    }
}

static void who_has_much_to_sign_does_not_keep_it_all_in_memory(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *late = &cluster->nodes[3];
    attestor_node_crash(late);
    make_large_blocks(cluster, 200);
    attestor_cluster_commit(cluster);
    attestor_cluster_wait(cluster, 100);
    cluster->limits.memory_bytes = MIB;
    cluster->limits.turn_signatures = 1;
    attestor_node_restart(late);
    attestor_node_commit(late, cluster->height);
    attestor_flush(late->attestor);
    assert_in_range(attestor_node_status(late).memory_bytes, 0, 2 * MIB);
    attestor_cluster_wait(cluster, 10000);
    assert_int_equal(attestor_node_status(late).pending, 0);
    assert_true(attestor_node_status(late).signatures >= 400); /* each with its message */
    attestor_cluster_free(cluster);
}

static void ask_range(struct attestor_node *node, const char *data, char *next, size_t next_size)
{
    struct ingot_query_response response = {0};
    attestor_query(node->attestor, ingot_slice_of_text("/attestations/range"),
                   ingot_slice_of_text(data), &response);
    assert_int_equal(response.code, 0);
    (void)snprintf(next, next_size, "%.*s", (int)response.key.size,
                   (const char *)response.key.data);
    ingot_buffer_deinit(&response.key);
    ingot_buffer_deinit(&response.value);
    ingot_buffer_deinit(&response.log);
}

static void an_answer_reads_no_more_than_a_part_and_keeps_nothing(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *node = &cluster->nodes[2];
    char next[32];
    cluster->nodes[0].declines = true;
    cluster->nodes[1].declines = true;
    make_large_blocks(cluster, 200);
    attestor_cluster_commit(cluster);
    attestor_cluster_wait(cluster, 100);
    assert_int_equal(attestor_node_status(node).refused, 200);
    cluster->limits.memory_bytes = MIB;
    attestor_node_restart(node);
    ask_range(node, "1-200", next, sizeof next);
    assert_in_range(attestor_node_status(node).memory_bytes, 0, 2 * MIB);
    /* 12 MB of payloads, none of which is in the answer. */
    assert_in_range(strtoul(next, NULL, 10), 20, 180);
    attestor_cluster_free(cluster);
}

static void what_is_stored_is_told_again_without_a_look_at_its_block(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *node = &cluster->nodes[0];
    struct attestor_frame *kept = NULL;
    const uint64_t height = attestor_cluster_one(cluster, "p:wanted");
    attestor_node_commit(&cluster->nodes[1], height);
    attestor_flush(cluster->nodes[1].attestor);
    struct ingot_buffer frame = {0};
    for (uint32_t i = 0; i < cluster->frame_count && kept == NULL; i++) {
        kept = cluster->frames[i].to == 0 ? &cluster->frames[i] : NULL;
    }
    assert_non_null(kept);
    ingot_buffer_append_slice(&frame, ingot_buffer_slice(&kept->bytes));
    attestor_cluster_commit(cluster);
    attestor_cluster_wait(cluster, 1000);
    attestor_node_restart(node); /* it has forgotten whom it has heard */
    for (uint32_t i = 0; i < 100; i++) {
        attestor_receive(node->attestor, 2, ingot_buffer_slice(&frame));
    }
    assert_int_equal(attestor_node_status(node).rejected[ATTEST_REJECT_REPEATED], 100);
    assert_int_equal(attestor_node_status(node).memory_bytes, 0);
    ingot_buffer_deinit(&frame);
    attestor_cluster_free(cluster);
}

static void ask_for_shares(struct attestor_node *node, uint64_t height, uint64_t heights)
{
    struct ingot_buffer frame = {0};
    struct broadcast_message *message = broadcast_message_new(BROADCAST_SHARE_REQUEST);
    message->from_height = height;
    message->heights = heights;
    wire_broadcast_encode(message, &frame);
    attestor_receive(node->attestor, (node->number + 1) % node->cluster->count,
                     ingot_buffer_slice(&frame));
    broadcast_message_unref(message);
    ingot_buffer_deinit(&frame);
}

static void who_asks_and_takes_nothing_costs_little(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *node = &cluster->nodes[0];
    const uint64_t height = attestor_cluster_one(cluster, "d:wanted");
    attestor_cluster_commit(cluster);
    attestor_cluster_wait(cluster, 1000);
    cluster->is_full = true;
    for (uint32_t i = 0; i < 100; i++) {
        ask_for_shares(node, height, 1);
        attestor_flush(node->attestor);
    }
    assert_int_equal(cluster->frames_refused, 1);
    cluster->is_full = false;
    const uint64_t before = cluster->frames_sent;
    attestor_cluster_wait(cluster, 100);
    assert_int_equal(cluster->frames_sent, before + 4);
    attestor_cluster_free(cluster);
}

/* --- Everything at once. --- */

#define SCHEDULES 20
#define STEPS 80

static void add_random_block(struct attestor_cluster *cluster, struct prng *prng)
{
    char texts[6][32];
    const char *transactions[7] = {NULL};
    const uint64_t count = prng_below(prng, 6);
    for (uint64_t i = 0; i < count; i++) {
        static const char *const kinds[] = {"d:", "p:", "nothing ", "!d:"};
        (void)snprintf(texts[i], sizeof texts[i], "%s%u/%u", kinds[prng_below(prng, 4)],
                       (unsigned)cluster->height, (unsigned)i);
        transactions[i] = texts[i];
    }
    (void)attestor_cluster_block(cluster, transactions);
}

static void receive_something_bad(struct attestor_cluster *cluster, struct attestor_node *node,
                                  struct prng *prng)
{
    const uint64_t height = prng_below(prng, cluster->height + 3);
    if (prng_below(prng, 3) == 0) {
        ask_for_shares(node, height, prng_next(prng) | 1);
        return;
    }
    struct ingot_buffer frame = {0};
    forge(cluster, height, 1 + (uint32_t)prng_below(prng, 5), "else", &frame);
    attestor_receive(node->attestor, (node->number + 1) % cluster->count,
                     ingot_buffer_slice(&frame));
    ingot_buffer_deinit(&frame);
}

static void take_random_step(struct attestor_cluster *cluster, struct prng *prng)
{
    struct attestor_node *node = &cluster->nodes[prng_below(prng, cluster->count)];
    switch (prng_below(prng, 8)) {
    case 0:
    case 1:
        add_random_block(cluster, prng);
        break;
    case 2:
    case 3:
        attestor_node_commit(node, prng_below(prng, cluster->height + 1));
        break;
    case 4:
        if (node->ledger != NULL) {
            attestor_node_crash(node);
        }
        attestor_node_restart(node);
        break;
    case 5:
        receive_something_bad(cluster, node, prng);
        break;
    case 6:
        if (node->attestor != NULL) {
            attestor_flush(node->attestor);
        }
        break;
    default:
        attestor_cluster_wait(cluster, prng_below(prng, 300));
        break;
    }
}

static void check_all_is_attested(struct attestor_cluster *cluster, uint64_t seed)
{
    uint64_t attested = 0;
    for (uint32_t i = 0; i < cluster->count; i++) {
        struct attestor_node *node = &cluster->nodes[i];
        const struct attestor_status status = attestor_node_status(node);
        if (node->stop != REPLICA_RUNS || status.pending > 0 || status.refused > 0) {
            fail_msg("seed %llu: node %u: stop %d (%s), %llu pending, %llu refused",
                     (unsigned long long)seed, i, (int)node->stop, node->why,
                     (unsigned long long)status.pending, (unsigned long long)status.refused);
        }
        assert_int_equal(attestor_node_lines(node), status.attested);
        assert_true(i == 0 || status.attested == attested);
        attested = status.attested;
    }
}

static void random_deaths_losses_and_lies_cost_no_attestation_and_double_none(void **state)
{
    (void)state;
    const char *chosen = getenv("INGOT_SEED");
    const uint64_t first = chosen == NULL ? 1 : strtoull(chosen, NULL, 10);
    const uint64_t last = chosen == NULL ? SCHEDULES : first;
    for (uint64_t seed = first; seed <= last; seed++) {
        struct attestor_cluster *cluster = attestor_cluster_new(4, 1);
        struct prng prng;
        prng_init(&prng, seed, 0);
        cluster->loss = 200000;
        cluster->limits.memory_bytes = 4096;
        cluster->limits.turn_signatures = 3;
        for (uint32_t i = 0; i < STEPS; i++) {
            if (i == STEPS / 2) {
                attestor_cluster_change_set(cluster);
            }
            take_random_step(cluster, &prng);
        }
        cluster->loss = 0;
        for (uint32_t i = 0; i < cluster->count; i++) {
            attestor_node_restart(&cluster->nodes[i]);
        }
        attestor_cluster_commit(cluster);
        attestor_cluster_wait(cluster, 20000);
        check_all_is_attested(cluster, seed);
        attestor_cluster_free(cluster);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_of_no_use_is_not_passed_on),
        TEST(what_is_stored_is_told_again_without_a_look_at_its_block),
        TEST(what_others_have_signed_does_not_wait_for_all_that_we_have_to_sign),
        TEST(who_has_much_to_sign_does_not_keep_it_all_in_memory),
        TEST(an_answer_reads_no_more_than_a_part_and_keeps_nothing),
        TEST(who_asks_and_takes_nothing_costs_little),
        TEST(random_deaths_losses_and_lies_cost_no_attestation_and_double_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

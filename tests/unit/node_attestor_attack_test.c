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

#include "lib/attestor_cluster.h"
#include "wire/broadcast.h"

#define TEST(name) cmocka_unit_test(name)

/* A share of a block by validator 3, properly signed, around signatures of something else. */
static void forge(const struct attestor_cluster *cluster, uint64_t height, uint32_t count,
                  const char *what, struct ingot_buffer *frame)
{
    const struct samples *samples = &cluster->samples;
    struct broadcast_message *message = broadcast_message_new(BROADCAST_GOSSIP);
    message->sender = 3;
    message->originator = 3;
    message->topic = BROADCAST_TOPIC_SHARES;
    assert_true(broadcast_id_from(ingot_slice_of(&height, sizeof height), &message->id));
    ingot_buffer_append_u64(&message->payload, 0);
    ingot_buffer_append_u64(&message->payload, height);
    struct ingot_signature signature;
    samples->scheme->sign(&samples->secrets[3], ingot_slice_of_text(what), &signature);
    for (uint32_t i = 0; i < count; i++) {
        ingot_buffer_append(&message->payload, signature.bytes, sizeof signature.bytes);
    }
    wire_broadcast_digest(ingot_buffer_slice(&message->payload), &message->digest);
    struct wire_signer signer = {.scheme = samples->scheme,
                                 .secret = &samples->secrets[3],
                                 .key = samples->set->validators[3].key,
                                 .chain = samples->chain};
    assert_true(wire_broadcast_sign(&signer, samples->set, message));
    ingot_buffer_clear(frame);
    wire_broadcast_encode(message, frame);
    broadcast_message_unref(message);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_of_no_use_is_not_passed_on),
        TEST(what_is_stored_is_told_again_without_a_look_at_its_block),
        TEST(who_has_much_to_sign_does_not_keep_it_all_in_memory),
        TEST(an_answer_reads_no_more_than_a_part_and_keeps_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Goal: clients find what was attested, and how far the rest is, by id, digest and height, in
 * answers of bounded size that say where to go on. Method: attestors in memory are asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "lib/attestor_cluster.h"

#define TEST(name) cmocka_unit_test(name)

/* What the node says: parsed, to be freed by the caller; NULL if there is no value. */
static json_t *ask(struct attestor_node *node, const char *path, struct ingot_slice data,
                   uint32_t code, char *key, size_t key_size)
{
    struct ingot_query_response response = {0};
    assert_true(attestor_answers(ingot_slice_of_text(path)));
    attestor_query(node->attestor, ingot_slice_of_text(path), data, &response);
    if (response.code != code) {
        fail_msg("%s: code %u: %.*s", path, response.code, (int)response.log.size,
                 (const char *)response.log.data);
    }
    assert_true((response.log.size > 0) == (code != 0));
    json_t *json = json_loadb((const char *)response.value.data, response.value.size, 0, NULL);
    if (key != NULL) {
        (void)snprintf(key, key_size, "%.*s", (int)response.key.size,
                       (const char *)response.key.data);
    }
    ingot_buffer_deinit(&response.key);
    ingot_buffer_deinit(&response.value);
    ingot_buffer_deinit(&response.log);
    return json;
}

static json_t *ask_text(struct attestor_node *node, const char *path, const char *data,
                        uint32_t code)
{
    return ask(node, path, ingot_slice_of_text(data), code, NULL, 0);
}

static const char *text_at(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    assert_non_null(text);
    return text;
}

/* Is it an attestation that verifies? */
static void assert_attested(const struct attestor_node *node, const json_t *object)
{
    char *line = json_dumps(object, JSON_COMPACT);
    struct attestation attestation;
    char why[200] = "";
    uint64_t power = 0;
    if (attestation_parse(ingot_slice_of_text(line), &attestation, why, sizeof why) != INGOT_OK ||
        attestation_verify(&attestation, node->cluster->genesis_sha256, node->cluster->samples.set,
                           &power, why, sizeof why) != INGOT_OK) {
        fail_msg("%s: %s", line, why);
    }
    attestation_deinit(&attestation);
    free(line);
}

static struct ingot_hash id_of(const char *transaction)
{
    struct ingot_hash id;
    wire_transaction_digest(ingot_slice_of_text(transaction), &id);
    return id;
}

static void an_attestation_is_found_by_id_digest_and_height(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *node = &cluster->nodes[1];
    const char *const transactions[] = {"d:text", "p:text", NULL};
    (void)attestor_cluster_block(cluster, transactions);
    (void)attestor_cluster_one(cluster, "nothing");
    (void)attestor_cluster_one(cluster, "d:other");
    attestor_cluster_commit(cluster);
    attestor_cluster_wait(cluster, 200);

    const struct ingot_hash id = id_of("p:text");
    json_t *json = ask(node, "/attestations/id", ingot_slice_of(id.bytes, 32), 0, NULL, 0);
    assert_attested(node, json);
    assert_string_equal(text_at(json, "payload"), "dGV4dA==");
    json_decref(json);

    uint8_t digest[32];
    crypto_sha256(ingot_slice_of_text("text"), digest);
    json = ask(node, "/attestations/digest", ingot_slice_of(digest, 32), 0, NULL, 0);
    assert_int_equal(json_array_size(json), 2);
    assert_attested(node, json_array_get(json, 0));
    assert_attested(node, json_array_get(json, 1));
    json_decref(json);

    json = ask_text(node, "/attestations/height", "3", 0);
    assert_int_equal(json_array_size(json), 1);
    assert_attested(node, json_array_get(json, 0));
    json_decref(json);

    json = ask_text(node, "/attestations/range", "1-3", 0);
    assert_int_equal(json_array_size(json), 3);
    assert_string_equal(text_at(json_array_get(json, 2), "height"), "3");
    json_decref(json);
    attestor_cluster_free(cluster);
}

static void what_is_not_there_and_what_is_no_question_are_told_apart(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(1, 0);
    struct attestor_node *node = &cluster->nodes[0];
    const uint8_t nothing[33] = {0};
    assert_null(ask(node, "/attestations/id", ingot_slice_of(nothing, 32), 1, NULL, 0));
    assert_null(ask(node, "/attestations/id", ingot_slice_of(nothing, 31), 2, NULL, 0));
    assert_null(ask(node, "/attestations/digest", ingot_slice_of(nothing, 32), 1, NULL, 0));
    assert_null(ask(node, "/attestations/digest", ingot_slice_of(nothing, 33), 2, NULL, 0));
    assert_null(ask_text(node, "/attestations/height", "7", 1));
    static const char *const no_heights[] = {
        "", "x", "1-", "-1", "1 ", "1:", "99999999999999999999"};
    for (size_t i = 0; i < sizeof no_heights / sizeof no_heights[0]; i++) {
        assert_null(ask_text(node, "/attestations/height", no_heights[i], 2));
    }
    static const char *const no_ranges[] = {"", "1", "2-1", "1-2-3", "1-x", "a-b"};
    for (size_t i = 0; i < sizeof no_ranges / sizeof no_ranges[0]; i++) {
        assert_null(ask_text(node, "/attestations/range", no_ranges[i], 2));
    }
    assert_null(ask_text(node, "/attestations/validator-sets", "0", 1));
    assert_null(ask_text(node, "/attestations/validator-sets", "x", 2));
    assert_null(ask_text(node, "/attestations/else", "", 2));
    assert_false(attestor_answers(ingot_slice_of_text("/status")));
    json_t *json = ask_text(node, "/attestations/range", "1-9", 0);
    assert_int_equal(json_array_size(json), 0);
    json_decref(json);
    attestor_cluster_free(cluster);
}

static void a_pending_statement_says_who_has_signed_declined_and_is_missing(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *node = &cluster->nodes[0];
    cluster->nodes[1].declines = true;
    attestor_node_crash(&cluster->nodes[2]);
    const uint64_t height = attestor_cluster_one(cluster, "d:x");
    attestor_cluster_commit(cluster);
    attestor_cluster_wait(cluster, 200);
    const struct ingot_hash id = id_of("d:x");
    json_t *json = ask(node, "/attestations/id", ingot_slice_of(id.bytes, 32), 0, NULL, 0);
    assert_true(json_is_true(json_object_get(json, "pending")));
    assert_true(json_is_false(json_object_get(json, "refused")));
    assert_string_equal(text_at(json, "power"), "2");
    assert_string_equal(text_at(json, "quorum"), "3");
    assert_string_equal(text_at(json, "height"), "1");
    assert_int_equal(json_array_size(json_object_get(json, "signed")), 2);
    assert_int_equal(json_array_size(json_object_get(json, "declined")), 1);
    assert_int_equal(json_array_size(json_object_get(json, "missing")), 1);
    json_decref(json);

    cluster->nodes[2].declines = true;
    attestor_node_restart(&cluster->nodes[2]);
    attestor_node_commit(&cluster->nodes[2], height);
    attestor_cluster_wait(cluster, 1000);
    json = ask(node, "/attestations/id", ingot_slice_of(id.bytes, 32), 0, NULL, 0);
    assert_true(json_is_false(json_object_get(json, "pending")));
    assert_true(json_is_true(json_object_get(json, "refused")));
    json_decref(json);
    attestor_cluster_free(cluster);
}

static void a_long_answer_ends_and_says_where_to_go_on(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *node = &cluster->nodes[3];
    static char texts[1200][16];
    const char *transactions[1201] = {NULL};
    for (uint32_t i = 0; i < 1200; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "d:%u", i);
        transactions[i] = texts[i];
    }
    (void)attestor_cluster_one(cluster, "d:first");
    (void)attestor_cluster_block(cluster, transactions);
    (void)attestor_cluster_one(cluster, "d:last");
    attestor_cluster_commit(cluster);
    attestor_cluster_wait(cluster, 500);
    char question[40] = "1-3";
    size_t found = 0;
    uint32_t answers = 0;
    while (question[0] != '\0') {
        char key[24];
        json_t *json =
            ask(node, "/attestations/range", ingot_slice_of_text(question), 0, key, sizeof key);
        for (size_t i = 0; i < json_array_size(json); i += 100) {
            assert_attested(node, json_array_get(json, i));
        }
        found += json_array_size(json);
        json_decref(json);
        (void)snprintf(question, sizeof question, key[0] == '\0' ? "%s" : "%s-3", key);
        answers++;
    }
    assert_int_equal(found, 1202);
    assert_true(answers > 1);
    attestor_cluster_free(cluster);
}

static void changes_of_the_validator_set_are_proved(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    attestor_cluster_change_set(cluster);
    (void)attestor_cluster_one(cluster, "d:after");
    attestor_cluster_commit(cluster);
    attestor_cluster_run(cluster);
    json_t *json = ask_text(&cluster->nodes[0], "/attestations/validator-sets", "0", 0);
    assert_int_equal(json_array_size(json_object_get(json, "set_changes")), 1);
    json_decref(json);
    attestor_cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_attestation_is_found_by_id_digest_and_height),
        TEST(what_is_not_there_and_what_is_no_question_are_told_apart),
        TEST(a_pending_statement_says_who_has_signed_declined_and_is_missing),
        TEST(a_long_answer_ends_and_says_where_to_go_on),
        TEST(changes_of_the_validator_set_are_proved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Attestations as JSON, and when one holds. Goal: what is written is read back the same, one line
 * whatever it says; each thing that is not exactly right is refused with a reason that names it.
 * Method: tables of spoiled texts and of spoiled attestations, with real signatures.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "lib/attest_world.h"

#define QUORUM 0xE /* three of the four: those behind the first place */

static struct attest_world world;
static char why[1024];

static int set_up(void **state)
{
    (void)state;
    if (!crypto_init())
        return -1;
    attest_world_init(&world, "chain", 4, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    attest_world_deinit(&world);
    return 0;
}

static struct attestation make(uint32_t who)
{
    struct attestation attestation;
    attest_world_attest(&world, 0, ingot_slice_of_text("payload"), who, &attestation);
    return attestation;
}

static void give_payload(struct attestation *attestation, struct ingot_slice payload)
{
    attestation->has_payload = true;
    ingot_buffer_append_slice(&attestation->payload, payload);
}

static char *format(const struct attestation *attestation)
{
    struct ingot_buffer line = {0};
    attestation_format(attestation, &line);
    ingot_buffer_append_u8(&line, 0);
    return (char *)line.data;
}

static enum ingot_error verify(const struct attestation *attestation, uint64_t *power)
{
    why[0] = '\0';
    return attestation_verify(attestation, world.genesis.sha256, world.sets[0], power, why,
                              sizeof why);
}

static void an_attestation_has_this_form(void **state)
{
    (void)state;
    struct attestation attestation = make(0x1);
    attestation.statement.id = (struct statement_id){.size = 2, .bytes = {0xAB, 1}};
    memset(attestation.statement.genesis, 0x11, 32);
    memset(attestation.statement.set, 0x22, 32);
    memset(attestation.statement.digest, 0x33, 32);
    memset(attestation.signers[0].key.bytes, 0x44, 32);
    memset(attestation.signers[0].signature.bytes, 0x55, 64);
    attestation.signers[0].power = UINT64_C(1) << 60;
    attestation.epoch = 7;
    give_payload(&attestation, ingot_slice_of_text("Hi"));
    char *line = format(&attestation);
#define X4(text) text text text text
    assert_string_equal(
        line,
        "{\"type\":\"ingot/attestation/1\",\"chain_id\":\"chain\",\"genesis\":\"" X4(
            "1111111"
            "1111111"
            "11") "\",\"epoch\":\"7\",\"validators\":\"" X4("2222222222222222") "\",\"id\":"
                                                                                "\"ab01\","
                                                                                "\"digest\":"
                                                                                "\"" X4(
                                                                                    "3333"
                                                                                    "3333"
                                                                                    "3333"
                                                                                    "333"
                                                                                    "3") "\","
                                                                                         "\"payload"
                                                                                         "\":\"SGk="
                                                                                         "\","
                                                                                         "\"payload"
                                                                                         "_bytes\":"
                                                                                         "\"2\","
                                                                                         "\"height"
                                                                                         "\":"
                                                                                         "\"12\","
                                                                                         "\"time\":"
                                                                                         "\"2026-"
                                                                                         "01-02T03:"
                                                                                         "05:06."
                                                                                         "789Z\","
                                                                                         "\"signers"
                                                                                         "\":[{"
                                                                                         "\"key\":"
                                                                                         "\"" X4(
                                                                                             "44444"
                                                                                             "44444"
                                                                                             "44444"
                                                                                             "4") "\",\"power\":"
                                                                                                  "\"1152921504606846976\","
                                                                                                  "\"signature\":\"" X4(
                                                                                                      "55555555555555555555555555"
                                                                                                      "555555") "\"}]}");
    free(line);
    attestation_deinit(&attestation);
}

static void assert_survives(struct attestation *attestation)
{
    struct attestation again;
    char *line = format(attestation);
    if (attestation_parse(ingot_slice_of_text(line), &again, why, sizeof why) != INGOT_OK)
        fail_msg("%s: %s", why, line);
    char *line_again = format(&again);
    assert_string_equal(line, line_again);
    assert_memory_equal(&attestation->statement, &again.statement, sizeof again.statement);
    free(line);
    free(line_again);
    attestation_deinit(&again);
    attestation_deinit(attestation);
}

static void what_is_written_is_read_back_the_same(void **state)
{
    (void)state;
    struct attestation attestation = make(0xF);
    assert_survives(&attestation);
    attestation = make(QUORUM);
    give_payload(&attestation, ingot_slice_of(NULL, 0));
    assert_survives(&attestation);
    attestation = make(QUORUM);
    uint8_t *large = alloc_zeroed(ATTESTATION_PAYLOAD_BYTES_MAX, 1);
    give_payload(&attestation, ingot_slice_of(large, ATTESTATION_PAYLOAD_BYTES_MAX));
    assert_survives(&attestation);
    free(large);
    attestation = make(0x1);
    attestation.statement.height = 0;
    attestation.statement.time_ms = 0;
    assert_survives(&attestation);
    attestation = make(0x1);
    attestation.statement.height = UINT64_C(1) << 62;
    attestation.statement.time_ms = UINT64_C(253402300799999);
    memset(attestation.statement.id.bytes, 0xFF, 64);
    attestation.statement.id.size = 64;
    assert_survives(&attestation);
}

static void a_payload_of_line_breaks_quotes_and_zeros_forges_no_record(void **state)
{
    (void)state;
    static const char forged[] =
        "\"}\n{\"type\":\"ingot/attestation/1\",\"id\":\"00\"}\r\n\0\\\"\xff";
    struct attestation attestation = make(QUORUM);
    struct attestation again;
    give_payload(&attestation, ingot_slice_of(forged, sizeof forged));
    attestation.statement.id.size = sizeof "\"\n\\";
    memcpy(attestation.statement.id.bytes, "\"\n\\", sizeof "\"\n\\");
    char *line = format(&attestation);
    for (const char *c = line; *c != '\0'; c++)
        assert_true(*c >= ' ' && *c <= '~' && *c != '\\');
    assert_int_equal(attestation_parse(ingot_slice_of_text(line), &again, why, sizeof why),
                     INGOT_OK);
    assert_int_equal(again.payload.size, sizeof forged);
    assert_memory_equal(again.payload.data, forged, sizeof forged);
    free(line);
    attestation_deinit(&attestation);
    attestation_deinit(&again);
}

struct text_row {
    const char *label;
    const char *old; /* in the valid text */
    const char *new;
    const char *reason; /* part of it */
};

static void texts_that_are_not_exactly_right_are_refused(void **state)
{
    (void)state;
    static const struct text_row rows[] = {
        {"another type", "attestation/1", "attestation/2", "type: expected \"ingot/attestation/1"},
        {"an unknown member", "\"height\"", "\"note\":\"\",\"height\"", "note: unknown member"},
        {"a member's name that clears a terminal and forges a line", "\"height\"",
         "\"\\u001b[2J\\nverified: \\u009b\":\"\",\"height\"", "?[2J?verified: ??: unknown member"},
        {"bytes that are no JSON", "\"height\"", "\x1b[2J\"height\"", "near '?'"},
        {"a member twice", "\"height\"", "\"height\":\"12\",\"height\"", "duplicate object key"},
        {"a member is missing", "\"height\":\"12\",", "", "height: missing"},
        {"no quotes in a chain's id", "\"chain\"", "\"ch\\\"ain\"", "chain_id: expected 1 to 50"},
        {"a chain's id of no characters", "\"chain\"", "\"\"", "chain_id: expected 1 to 50"},
        {"a number is no string", "\"12\"", "12", "height: expected a string"},
        {"a zero in front", "\"12\"", "\"012\"", "height: expected a string of digits"},
        {"a sign", "\"12\"", "\"+12\"", "height: expected a string of digits"},
        {"above 2^62", "\"12\"", "\"4611686018427387905\"", "height: expected a string of digits"},
        {"above 2^64", "\"12\"", "\"18446744073709551628\"", "height: expected a string of digits"},
        {"an epoch below zero", "\"epoch\":\"0\"", "\"epoch\":\"-1\"", "epoch: expected a string"},
        {"upper case", "\"digest\":\"2", "\"digest\":\"A", "digest: expected 64 hex digits"},
        {"too few digits", "\"digest\":\"2", "\"digest\":\"", "digest: expected 64 hex digits"},
        {"no hex digit", "\"digest\":\"2", "\"digest\":\"g", "digest: expected 64 hex digits"},
        {"an odd id", "\"id\":\"", "\"id\":\"0", "id: expected 2 to 128 hex digits"},
        {"a time of another precision", ".789Z", ".78Z", "time: expected a time in UTC"},
        {"a time of another zone", ".789Z", ".789+00:00", "time: expected a time in UTC"},
        {"no such day", "2026-01-02", "2026-02-30", "time: expected a time in UTC"},
        {"a payload's length alone", "\"height\"", "\"payload_bytes\":\"7\",\"height\"",
         "payload_bytes: expected none without payload"},
        {"a payload of another length", "\"height\"",
         "\"payload\":\"SGk=\",\"payload_bytes\":\"3\",\"height\"", "payload_bytes: expected 2"},
        {"a payload without its length", "\"height\"", "\"payload\":\"SGk=\",\"height\"",
         "payload_bytes: missing"},
        {"base64 with bits left over", "\"height\"",
         "\"payload\":\"SGl=\",\"payload_bytes\":\"2\",\"height\"", "payload: expected base64"},
        {"base64 without its padding", "\"height\"",
         "\"payload\":\"SGk\",\"payload_bytes\":\"2\",\"height\"", "payload: expected base64"},
        {"signers that are no array", "[{", "{\"x\":[{", "valid JSON"},
        {"an unknown member of a signer", "{\"key\"", "{\"name\":\"\",\"key\"",
         "signers[0].name: unknown member"},
        {"a signer without power", "\"power\":\"4\",", "", "signers[2].power: missing"},
        {"a signer of power 0", "\"power\":\"4\"", "\"power\":\"0\"",
         "signers[2].power: expected a string of digits, a number from 1"},
        {"a short signature", "\"signature\":\"", "\"signature\":\"00",
         "signers[0].signature: expected 128"},
        {"something behind it", "}]}", "}]} {}", "valid JSON"},
        {"a NUL", "\"chain\"", "\"cha\\u0000in\"", "valid JSON"},
    };
    struct attestation attestation = make(0xF);
    struct attestation parsed;
    /* In the order of the keys, the last row but few has the member of power 4. */
    uint32_t place = 0;
    while (attestation.signers[place].power != 4)
        place++;
    const struct attestation_signer swapped = attestation.signers[2];
    attestation.signers[2] = attestation.signers[place];
    attestation.signers[place] = swapped;
    attestation.statement.digest[0] = 0x20;
    char *line = format(&attestation);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ingot_buffer text = {0};
        const char *at = strstr(line, rows[i].old);
        assert_non_null(at);
        ingot_buffer_append(&text, line, (size_t)(at - line));
        ingot_buffer_append_slice(&text, ingot_slice_of_text(rows[i].new));
        ingot_buffer_append_slice(&text, ingot_slice_of_text(at + strlen(rows[i].old)));
        why[0] = '\0';
        if (attestation_parse(ingot_buffer_slice(&text), &parsed, why, sizeof why) !=
                INGOT_ERROR_INVALID ||
            strstr(why, rows[i].reason) == NULL)
            fail_msg("%s: %s", rows[i].label, why);
        assert_null(parsed.signers);
        ingot_buffer_deinit(&text);
    }
    free(line);
    attestation_deinit(&attestation);
}

static void a_text_that_is_cut_off_anywhere_is_refused(void **state)
{
    (void)state;
    struct attestation attestation = make(0x1);
    struct attestation parsed;
    char *line = format(&attestation);
    for (size_t size = 0; size < strlen(line); size++)
        assert_int_equal(attestation_parse(ingot_slice_of(line, size), &parsed, why, sizeof why),
                         INGOT_ERROR_INVALID);
    assert_int_equal(attestation_parse(ingot_slice_of_text("[]"), &parsed, why, sizeof why),
                     INGOT_ERROR_INVALID);
    assert_string_equal(why, "expected a JSON object");
    free(line);
    attestation_deinit(&attestation);
}

static void a_quorum_that_signed_is_found_with_its_power(void **state)
{
    (void)state;
    uint64_t power = 0;
    struct attestation attestation = make(0xF);
    give_payload(&attestation, ingot_slice_of_text("payload"));
    assert_int_equal(verify(&attestation, &power), INGOT_OK);
    assert_int_equal(power, 10);
    attestation_deinit(&attestation);
}

static void power_counts_and_not_heads(void **state)
{
    (void)state;
    /* A quorum of 10 is 7: those of power 4 and 3 are one, those of 1, 2 and 3 are none. */
    for (uint32_t who = 1; who < 16; who++) {
        struct attestation attestation = make(who);
        uint64_t signed_power = 0;
        uint64_t power = 0;
        for (uint32_t i = 0; i < attestation.signer_count; i++)
            signed_power += attestation.signers[i].power;
        const enum ingot_error expected = signed_power >= 7 ? INGOT_OK : INGOT_ERROR_REJECTED;
        assert_int_equal(verify(&attestation, &power), expected);
        if (expected != INGOT_OK)
            assert_non_null(strstr(why, "of 10, a quorum is 7"));
        attestation_deinit(&attestation);
    }
}

/* --- What does not hold. --- */

static struct attest_world stranger;

static void other_genesis(struct attestation *attestation)
{
    attestation->statement.genesis[0] ^= 1;
}

static void other_epoch(struct attestation *attestation)
{
    attestation->epoch = 1;
}

static void other_set(struct attestation *attestation)
{
    attestation->statement.set[0] ^= 1;
}

static void other_id(struct attestation *attestation)
{
    attestation->statement.id.bytes[0] ^= 1;
}

static void other_digest(struct attestation *attestation)
{
    attestation->statement.digest[0] ^= 1;
}

static void other_height(struct attestation *attestation)
{
    attestation->statement.height++;
}

static void other_time(struct attestation *attestation)
{
    attestation->statement.time_ms++;
}

static void other_payload(struct attestation *attestation)
{
    give_payload(attestation, ingot_slice_of_text("Payload"));
}

static void other_power(struct attestation *attestation)
{
    attestation->signers[1].power++;
}

static void other_key(struct attestation *attestation)
{
    attestation->signers[0].key = stranger.keys[0];
}

static void stranger_signs(struct attestation *attestation)
{
    attestation->signers[0] = attest_world_sign(&stranger, 0, &attestation->statement);
}

static void twice_in_a_row(struct attestation *attestation)
{
    attestation->signers[1] = attestation->signers[0];
}

static void twice_with_another_between(struct attestation *attestation)
{
    attestation->signers[2] = attestation->signers[0];
}

static void other_order(struct attestation *attestation)
{
    const struct attestation_signer first = attestation->signers[0];
    attestation->signers[0] = attestation->signers[1];
    attestation->signers[1] = first;
}

static void one_bit_of_a_signature(struct attestation *attestation)
{
    attestation->signers[3].signature.bytes[63] ^= 0x10;
}

static void signature_of_another_member(struct attestation *attestation)
{
    attestation->signers[0].signature = attestation->signers[1].signature;
}

static void signature_of_another_statement(struct attestation *attestation)
{
    struct statement other = attestation->statement;
    other.id.bytes[0] ^= 1;
    const uint32_t number = attest_world_number(&world, 0, 2);
    attestation->signers[2] = attest_world_sign(&world, number, &other);
}

static void what_does_not_hold_is_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        void (*spoil)(struct attestation *attestation);
        const char *reason;
    } rows[] = {
        {other_genesis, "it is of another chain: its genesis is "},
        {other_epoch, "it is of epoch 1, the validator set is that of 0"},
        {other_set, "it names the validator set "},
        {other_id, " is not one of this statement"},
        {other_digest, " is not one of this statement"},
        {other_height, " is not one of this statement"},
        {other_time, " is not one of this statement"},
        {other_payload, "its payload is not what was signed"},
        {other_power, " in the set, not "},
        {other_key, " is no validator of epoch 0"},
        {stranger_signs, " is no validator of epoch 0"},
        {twice_in_a_row, " is there twice"},
        {twice_with_another_between, " is there twice"},
        {other_order, " is out of place"},
        {one_bit_of_a_signature, " is not one of this statement"},
        {signature_of_another_member, " is not one of this statement"},
        {signature_of_another_statement, " is not one of this statement"},
    };
    attest_world_init(&stranger, "stranger", 4, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct attestation attestation = make(0xF); /* what is spoiled is always surplus */
        uint64_t power;
        rows[i].spoil(&attestation);
        if (verify(&attestation, &power) != INGOT_ERROR_REJECTED ||
            strstr(why, rows[i].reason) == NULL)
            fail_msg("row %zu: '%s', expected '%s'", i, why, rows[i].reason);
        attestation_deinit(&attestation);
    }
    attest_world_deinit(&stranger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attestation_has_this_form),
        cmocka_unit_test(what_is_written_is_read_back_the_same),
        cmocka_unit_test(a_payload_of_line_breaks_quotes_and_zeros_forges_no_record),
        cmocka_unit_test(texts_that_are_not_exactly_right_are_refused),
        cmocka_unit_test(a_text_that_is_cut_off_anywhere_is_refused),
        cmocka_unit_test(a_quorum_that_signed_is_found_with_its_power),
        cmocka_unit_test(power_counts_and_not_heads),
        cmocka_unit_test(what_does_not_hold_is_refused_with_the_reason),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

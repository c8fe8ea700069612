/*
 * What validators sign. Goal: the bytes of docs/attestation.md never change by accident. Method:
 * the test vector of that page, which another program made from the page's tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "attest/statement.h"
#include "base/hex.h"
#include "wire/crypto.h"

/* RFC 8032, section 7.1, TEST 1. */
#define SEED "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"

#define SET "f312221307a378254cca02cf49a5de1d7a07fa799e5bee3747800130418bef89"
#define PREIMAGE                                                                                   \
    "696e676f742f6174746573742f3100000000000000000000"                                             \
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" SET                         \
    "0972656c656173652d31000000000000000000000000000000000000000000000000"                         \
    "00000000000000000000000000000000000000000000000000000000000000"                               \
    "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"                             \
    "0c00000000000000"                                                                             \
    "e57daa7c9b010000"
#define SIGNATURE                                                                                  \
    "54cc15960819db5894b9dcad64e5361c30c9a45a17d2e5e858de5a7b4eb4f725f773124315e793c0125579a0319a" \
    "cbe861800ad92516a5b99c45c11e4cc5bf0c"

static struct crypto_secret_key secret;
static struct validator_set *set;

static int set_up(void **state)
{
    (void)state;
    uint8_t seed[CRYPTO_SEED_BYTES];
    struct ingot_validator member = {.power = 1};
    const char *why = NULL;
    assert_true(crypto_init() && hex_decode(ingot_slice_of_text(SEED), seed, sizeof seed));
    crypto_ed25519.key_from_seed(seed, &secret, &member.key);
    set = validator_set_new(0, &member, 1, &why);
    return set != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    validator_set_unref(set);
    return 0;
}

static void assert_hex(const uint8_t *bytes, size_t size, const char *expected)
{
    char text[2 * STATEMENT_PREIMAGE_BYTES + 1];
    hex_encode_lower(bytes, size, text);
    assert_string_equal(text, expected);
}

static void the_statement_of_the_test_vector_has_its_bytes_and_signature(void **state)
{
    (void)state;
    uint8_t preimage[STATEMENT_PREIMAGE_BYTES];
    struct ingot_signature signature;
    struct statement statement = {.height = 12, .time_ms = UINT64_C(1767323106789)};
    for (uint8_t i = 0; i < 32; i++)
        statement.genesis[i] = i;
    statement_set_hash(set, statement.set);
    assert_hex(statement.set, 32, SET);
    assert_true(statement_id_from(ingot_slice_of_text("release-1"), &statement.id));
    crypto_sha256(ingot_slice_of_text("hello\n"), statement.digest);
    statement_preimage(&statement, preimage);
    assert_hex(preimage, sizeof preimage, PREIMAGE);
    crypto_ed25519.sign(&secret, ingot_slice_of(preimage, sizeof preimage), &signature);
    assert_hex(signature.bytes, sizeof signature.bytes, SIGNATURE);
}

static void every_part_of_a_statement_changes_its_bytes(void **state)
{
    (void)state;
    uint8_t plain[STATEMENT_PREIMAGE_BYTES];
    uint8_t other[STATEMENT_PREIMAGE_BYTES];
    const struct statement statement = {.id = {.size = 1}};
    struct statement changed[7];
    for (size_t i = 0; i < 7; i++)
        changed[i] = statement;
    changed[0].genesis[31] = 1;
    changed[1].set[31] = 1;
    changed[2].id.size = 2; /* one more byte, a zero: not the same id */
    changed[3].id.bytes[0] = 1;
    changed[4].digest[31] = 1;
    changed[5].height = UINT64_C(1) << 56;
    changed[6].time_ms = UINT64_C(1) << 56;
    statement_preimage(&statement, plain);
    for (size_t i = 0; i < 7; i++) {
        statement_preimage(&changed[i], other);
        if (memcmp(plain, other, sizeof plain) == 0)
            fail_msg("change %zu is not covered", i);
    }
}

static void the_hash_of_a_set_covers_epoch_keys_and_powers(void **state)
{
    (void)state;
    uint8_t plain[32];
    uint8_t other[32];
    statement_set_hash(set, plain);
    set->epoch = 1;
    statement_set_hash(set, other);
    assert_memory_not_equal(plain, other, 32);
    set->epoch = 0;
    set->validators[0].power = 2;
    statement_set_hash(set, other);
    assert_memory_not_equal(plain, other, 32);
    set->validators[0].power = 1;
    set->validators[0].key.bytes[31] ^= 0x80;
    statement_set_hash(set, other);
    assert_memory_not_equal(plain, other, 32);
    set->validators[0].key.bytes[31] ^= 0x80;
}

static void an_id_has_1_to_64_bytes(void **state)
{
    (void)state;
    uint8_t bytes[65] = {7};
    struct statement_id id;
    assert_false(statement_id_from(ingot_slice_of(bytes, 0), &id));
    assert_true(statement_id_from(ingot_slice_of(bytes, 1), &id));
    assert_int_equal(id.size, 1);
    assert_int_equal(id.bytes[0], 7);
    assert_true(statement_id_from(ingot_slice_of(bytes, 64), &id));
    assert_int_equal(id.size, 64);
    assert_false(statement_id_from(ingot_slice_of(bytes, 65), &id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_statement_of_the_test_vector_has_its_bytes_and_signature),
        cmocka_unit_test(every_part_of_a_statement_changes_its_bytes),
        cmocka_unit_test(the_hash_of_a_set_covers_epoch_keys_and_powers),
        cmocka_unit_test(an_id_has_1_to_64_bytes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

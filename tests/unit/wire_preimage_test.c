/*
 * Goal: the bytes that are hashed and signed never change by accident. Method: vectors that were
 * computed by another implementation, in Python from the tables of docs/wire.md; and for each
 * field that a hash covers, a change of the field changes the hash.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "lib/wire_samples.h"

static void assert_hex(const void *bytes, size_t size, const char *expected)
{
    char text[2 * 256 + 1];
    assert_true(size <= 256);
    hex_encode_lower(bytes, size, text);
    assert_string_equal(text, expected);
}

static void fill(void *bytes, size_t size, uint8_t value)
{
    memset(bytes, value, size);
}

/* Three members of different powers, given out of order. */
static struct validator_set *golden_set(uint64_t epoch)
{
    struct ingot_validator members[3];
    fill(members[0].key.bytes, 32, 0x22);
    fill(members[1].key.bytes, 32, 0x11);
    fill(members[2].key.bytes, 32, 0x33);
    members[0].power = 7;
    members[1].power = 5;
    members[2].power = UINT64_C(1) << 59;
    const char *why;
    struct validator_set *set = validator_set_new(epoch, members, 3, &why);
    assert_non_null(set);
    wire_seal_set(set);
    return set;
}

static struct qc *golden_qc(void)
{
    struct qc *qc = qc_new(3);
    qc->epoch = 1;
    qc->view = 12;
    qc->block_view = 10;
    qc->block = samples_hash(0xB1);
    qc->phase = PHASE_COMMIT;
    qc->validator_count = 9;
    signers_add(&qc->signers, 0);
    signers_add(&qc->signers, 2);
    signers_add(&qc->signers, 8);
    for (uint8_t i = 0; i < 3; i++) {
        fill(qc->signatures[i].bytes, 64, (uint8_t)(i + 1));
    }
    return qc;
}

static struct tc *golden_tc(void)
{
    struct tc *tc = tc_new(2);
    tc->epoch = 2;
    tc->view = 20;
    tc->high_qc = golden_qc();
    tc->validator_count = 9;
    signers_add(&tc->signers, 0);
    signers_add(&tc->signers, 7);
    tc->claims[0].view = 12;
    tc->claims[1].view = 11;
    fill(tc->claims[0].signature.bytes, 64, 4);
    fill(tc->claims[1].signature.bytes, 64, 5);
    return tc;
}

/* Transaction i is i + 1 bytes of value i. */
static void golden_payload(struct ingot_buffer *payload, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        ingot_buffer_append_u32(payload, i + 1);
        for (uint32_t at = 0; at <= i; at++) {
            ingot_buffer_append_u8(payload, (uint8_t)i);
        }
    }
}

static struct block *golden_block(void)
{
    struct validator_set *old_set = golden_set(0);
    struct validator_set *new_set = golden_set(1);
    struct block *block = block_new();
    block->version = 1;
    block->chain = samples_hash(0xC4);
    block->height = 3;
    block->view = 13;
    block->parent = samples_hash(0xB1);
    block->justify = golden_qc();
    fill(block->proposer.bytes, 32, 0x22);
    block->time_ms = UINT64_C(1700000000123);
    block->updates_hash = samples_hash(0xE1);
    block->validators_hash = old_set->hash;
    block->next_validators_hash = new_set->hash;
    block->transaction_count = 3;
    golden_payload(&block->payload, 3);
    wire_seal_block(block);
    validator_set_unref(old_set);
    validator_set_unref(new_set);
    return block;
}

static void a_set_has_another_hash_in_another_epoch(void **state)
{
    (void)state;
    struct validator_set *old_set = golden_set(0);
    struct validator_set *new_set = golden_set(1);
    assert_hex(old_set->hash.bytes, 32,
               "f0278b334b476fde2c53e8aca0a18ecad89b394ee8938c9a1b275285b910560a");
    assert_hex(new_set->hash.bytes, 32,
               "aa8a4e937c0ccb37067ae5766268e05f0f5d54aa570da61365c7c5aef31ea1af");
    validator_set_unref(old_set);
    validator_set_unref(new_set);
}

static void a_vote_signs_exactly_these_bytes(void **state)
{
    (void)state;
    struct validator_set *set = golden_set(1);
    const struct ingot_hash chain = samples_hash(0xC4);
    const struct ingot_hash block = samples_hash(0xB1);
    uint8_t preimage[WIRE_VOTE_PREIMAGE_BYTES];
    wire_vote_preimage(&chain, &set->hash, UINT64_C(0x0102030405060708), &block, PHASE_PRECOMMIT,
                       preimage);
    assert_hex(preimage, sizeof preimage,
               "696e676f742f766f74652f31000000000000000000000000"
               "c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4"
               "aa8a4e937c0ccb37067ae5766268e05f0f5d54aa570da61365c7c5aef31ea1af"
               "0807060504030201"
               "b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1"
               "02");
    validator_set_unref(set);
}

static void a_timeout_signs_exactly_these_bytes(void **state)
{
    (void)state;
    struct validator_set *set = golden_set(1);
    const struct ingot_hash chain = samples_hash(0xC4);
    uint8_t preimage[WIRE_TIMEOUT_PREIMAGE_BYTES];
    wire_timeout_preimage(&chain, &set->hash, 9, (struct position){1, UINT64_C(0x1122334455667788)},
                          preimage);
    assert_hex(preimage, sizeof preimage,
               "696e676f742f74696d656f75742f31000000000000000000"
               "c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4c4"
               "aa8a4e937c0ccb37067ae5766268e05f0f5d54aa570da61365c7c5aef31ea1af"
               "0900000000000000"
               "0100000000000000"
               "8877665544332211");
    validator_set_unref(set);
}

static void certificates_have_these_digests(void **state)
{
    (void)state;
    const struct ingot_hash chain = samples_hash(0xC4);
    struct qc *genesis_qc = wire_genesis_qc(&chain);
    assert_true(qc_is_genesis(genesis_qc));
    assert_hex(wire_qc_digest(genesis_qc)->bytes, 32,
               "51d48dcc8433f83eeff7753fcb53375fb0224058905f19466497a2434f70dcab");
    struct tc *tc = golden_tc();
    assert_hex(wire_qc_digest(tc->high_qc)->bytes, 32,
               "6e2e1c34745669d07e3648bf2720ddcd4b100bea7deddd77fb732eb00547c13b");
    assert_hex(wire_tc_digest(tc)->bytes, 32,
               "cd5b3db815bcd1544265c9c29e13ae3b6009a1fe6bb0a34a439d0b865c37a0fa");
    tc_unref(tc);
    qc_unref(genesis_qc);
}

static void a_block_has_this_hash(void **state)
{
    (void)state;
    struct block *block = golden_block();
    assert_hex(block->hash.bytes, 32,
               "4f2cf7a6754c774941c5cfff8c02f2653bd43e0956b4dbf511c01185fb898626");
    block_unref(block);
}

static void a_block_hash_covers_every_field(void **state)
{
    (void)state;
    struct block *block = golden_block();
    const struct ingot_hash before = block->hash;
    const struct {
        void *field;
        const char *name;
    } fields[] = {
        {&block->version, "version"},
        {block->chain.bytes + 31, "chain"},
        {&block->height, "height"},
        {&block->view, "view"},
        {block->parent.bytes, "parent"},
        {&block->justify->view, "justify's view"},
        {&block->justify->block_view, "justify's block view"},
        {&block->justify->epoch, "justify's epoch"},
        {block->justify->signatures[2].bytes + 63, "justify's last signature"},
        {block->justify->signers.bits + 1, "justify's signers"},
        {block->proposer.bytes, "proposer"},
        {&block->time_ms, "time"},
        {block->transactions_root.bytes, "root"},
        {&block->transaction_count, "transaction count"},
        {block->updates_hash.bytes, "updates hash"},
        {block->validators_hash.bytes, "validators hash"},
        {block->next_validators_hash.bytes + 31, "next validators hash"},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        uint8_t *byte = fields[i].field;
        struct ingot_hash after;
        *byte ^= 4;
        wire_seal_qc(block->justify);
        wire_block_hash(block, &after);
        *byte ^= 4;
        if (crypto_hash_equal(&before, &after)) {
            fail_msg("the block's hash does not cover %s", fields[i].name);
        }
    }
    block->justify->phase = PHASE_PREPARE;
    wire_seal_qc(block->justify);
    struct ingot_hash after;
    wire_block_hash(block, &after);
    assert_false(crypto_hash_equal(&before, &after));
    block_unref(block);
}

static void the_genesis_block_is_named_by_the_chain(void **state)
{
    (void)state;
    struct validator_set *set = golden_set(0);
    const struct ingot_hash chain = samples_hash(0xC4);
    struct block *genesis = wire_genesis_block(&chain, set, 77);
    assert_true(crypto_hash_equal(&genesis->hash, &chain));
    assert_true(crypto_hash_equal(&genesis->chain, &chain));
    assert_true(crypto_hash_equal(&genesis->validators_hash, &set->hash));
    assert_false(block_changes_set(genesis));
    assert_null(genesis->justify);
    assert_int_equal(genesis->time_ms, 77);
    block_unref(genesis);
    validator_set_unref(set);
}

static void merkle_roots_match_the_recursive_definition(void **state)
{
    (void)state;
    static const struct {
        uint32_t count;
        const char *root;
    } rows[] = {
        {0, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"},
        {1, "9ee6dfb61a2fb903df487c401663825643bb825d41695e63df8af6162ab145a6"},
        {2, "2aa2b64c52895cbe5f5ed6482657e7e3cf6d2d989a00e09f88896ded139dd61c"},
        {3, "6caed6c8bb02e22aea8b8444b3b9544b989aa52f7d743a38558860ef98f46f8f"},
        {4, "02ff11756ead3c0459774d4f832234514d1939741d9c76eb66b23d60cda84ade"},
        {5, "7555c73dfb7fbfa8577bc0463478b5e5f52b73795c28ae69efedf76b9cfc49c9"},
        {6, "e5daa60b641e64ba280bf8de98f18ecd256cc76142834565641e11a781284190"},
        {7, "2497386ae4dfef16bf354e22c18dad7873c2c122e318d4f93a99c27063ee25b1"},
        {8, "253d03045e7f8c3684434d89c20108d3cbcb14958ec8fd7bbe9531ebf0abf2c5"},
        {13, "974f14b3ec4435c42819acdfceb3c0ade11585a1a2921ee36f45726f82b81a78"},
        {64, "57f1cdb40fec10d0acc2c1010fc78157c6c35358b52f9d3b26ab7556a24221ef"},
        {70, "7a22d209bc0e33650e5144529214b02248b6a4f846360246cd235989d0bff14d"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ingot_buffer payload = {0};
        struct ingot_hash root;
        struct ingot_hash digests[70];
        golden_payload(&payload, rows[i].count);
        wire_payload_root(ingot_buffer_slice(&payload), &root, digests);
        assert_hex(root.bytes, 32, rows[i].root);
        wire_digests_root(digests, rows[i].count, &root);
        assert_hex(root.bytes, 32, rows[i].root);
        ingot_buffer_deinit(&payload);
    }
}

/* RFC 6962, section 2.1, word for word. */
static void root_of(const struct ingot_hash *leaves, uint32_t count, struct ingot_hash *root)
{
    if (count == 1) {
        *root = leaves[0];
        return;
    }
    uint32_t split = 1;
    while (split * 2 < count)
        split *= 2;
    uint8_t bytes[1 + 2 * INGOT_HASH_BYTES] = {1};
    struct ingot_hash halves[2];
    root_of(leaves, split, &halves[0]);
    root_of(leaves + split, count - split, &halves[1]);
    memcpy(bytes + 1, halves, sizeof halves);
    crypto_blake2b(ingot_slice_of(bytes, sizeof bytes), root);
}

/* Hashes are taken by the group, and groups are of messages with as many blocks. */
static void roots_and_digests_are_right_for_any_number_of_transactions_of_any_size(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    static struct ingot_hash expected[COUNT];
    static struct ingot_hash digests[COUNT];
    struct ingot_buffer payload = {0};
    uint8_t bytes[400];
    memset(bytes, 0x5b, sizeof bytes);
    for (uint32_t count = 1; count <= COUNT; count++) {
        const uint32_t size = count % 50 < 25 ? 32 : 1 + count * 37 % 400;
        const struct ingot_slice transaction = ingot_slice_of(bytes, size);
        struct ingot_hash root;
        struct ingot_hash expected_root;
        bytes[0] = (uint8_t)count;
        ingot_buffer_append_u32(&payload, size);
        ingot_buffer_append_slice(&payload, transaction);
        wire_transaction_digest(transaction, &expected[count - 1]);
        root_of(expected, count, &expected_root);
        wire_payload_root(ingot_buffer_slice(&payload), &root, digests);
        assert_memory_equal(&root, &expected_root, sizeof root);
        assert_memory_equal(digests, expected, count * sizeof expected[0]);
        wire_digests_root(expected, count, &root);
        assert_memory_equal(&root, &expected_root, sizeof root);
    }
    ingot_buffer_deinit(&payload);
}

static void a_transaction_digest_is_its_leaf(void **state)
{
    (void)state;
    struct ingot_hash digest;
    wire_transaction_digest(ingot_slice_of_text("abc"), &digest);
    assert_hex(digest.bytes, 32,
               "4b44b5a5f9e6fafead231e4d609a8e88053a6053c087b68e24e31faf0fb8dfe7");

    struct ingot_buffer payload = {0};
    struct ingot_hash leaf;
    struct ingot_hash root;
    ingot_buffer_append_u32(&payload, 3);
    ingot_buffer_append(&payload, "abc", 3);
    wire_payload_root(ingot_buffer_slice(&payload), &root, &leaf);
    assert_true(crypto_hash_equal(&leaf, &digest));
    assert_true(crypto_hash_equal(&root, &digest));
    ingot_buffer_deinit(&payload);
}

static void the_largest_transaction_has_its_digest_as_leaf_too(void **state)
{
    (void)state;
    /* The leaf is hashed together with the last byte of the length before it. */
    uint8_t *bytes = calloc(1, INGOT_TRANSACTION_BYTES_MAX);
    assert_non_null(bytes);
    struct ingot_buffer payload = {0};
    ingot_buffer_append_u32(&payload, INGOT_TRANSACTION_BYTES_MAX);
    ingot_buffer_append(&payload, bytes, INGOT_TRANSACTION_BYTES_MAX);
    struct ingot_hash digest;
    struct ingot_hash root;
    wire_transaction_digest(ingot_slice_of(bytes, INGOT_TRANSACTION_BYTES_MAX), &digest);
    wire_payload_root(ingot_buffer_slice(&payload), &root, NULL);
    assert_true(crypto_hash_equal(&root, &digest));
    ingot_buffer_deinit(&payload);
    free(bytes);
}

static void only_well_formed_payloads_are_sound(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        const char *hex;
        uint32_t count;
        bool is_sound;
    } rows[] = {
        {"no transactions", "", 0, true},
        {"two transactions",
         "0100000041"
         "020000004142",
         2, true},
        {"count too small",
         "0100000041"
         "020000004142",
         1, false},
        {"count too large",
         "0100000041"
         "020000004142",
         3, false},
        {"bytes although none are counted", "0100000041", 0, false},
        {"an empty transaction", "00000000", 1, false},
        {"a length without its bytes", "0200000041", 1, false},
        {"half a length",
         "0100000041"
         "0100",
         2, false},
        {"a length above the limit", "010010004141", 1, false},
        {"the largest length there is", "ffffffff41", 1, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[64];
        const size_t size = strlen(rows[i].hex) / 2;
        assert_true(hex_decode(ingot_slice_of_text(rows[i].hex), bytes, size));
        if (wire_payload_is_sound(ingot_slice_of(bytes, size), rows[i].count) != rows[i].is_sound) {
            fail_msg("%s", rows[i].why);
        }
    }
}

static void nobody_signs_for_a_set_that_does_not_contain_them(void **state)
{
    (void)state;
    struct samples samples;
    samples_init(&samples, &crypto_ed25519, 4, 1, 1);
    struct wire_signer signer = {.scheme = &crypto_ed25519,
                                 .secret = &samples.secrets[2],
                                 .key = samples.set->validators[2].key,
                                 .chain = samples.chain};
    struct vote vote = {.epoch = 1, .view = 3, .block = samples.chain};
    assert_true(wire_sign_vote(&signer, samples.set, &vote));
    assert_int_equal(vote.voter, 2);
    assert_int_equal(signer.counters.signatures, 1);

    struct vote of_another_epoch = {.epoch = 2, .view = 3, .block = samples.chain};
    assert_false(wire_sign_vote(&signer, samples.set, &of_another_epoch));
    signer.key.bytes[0] ^= 1;
    const struct vote before = vote;
    assert_false(wire_sign_vote(&signer, samples.set, &vote));
    assert_memory_equal(&vote, &before, sizeof vote);
    assert_int_equal(signer.counters.signatures, 1);
    samples_deinit(&samples);
}

int main(void)
{
    if (!crypto_init()) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_has_another_hash_in_another_epoch),
        cmocka_unit_test(a_vote_signs_exactly_these_bytes),
        cmocka_unit_test(a_timeout_signs_exactly_these_bytes),
        cmocka_unit_test(certificates_have_these_digests),
        cmocka_unit_test(a_block_has_this_hash),
        cmocka_unit_test(a_block_hash_covers_every_field),
        cmocka_unit_test(the_genesis_block_is_named_by_the_chain),
        cmocka_unit_test(merkle_roots_match_the_recursive_definition),
        cmocka_unit_test(roots_and_digests_are_right_for_any_number_of_transactions_of_any_size),
        cmocka_unit_test(a_transaction_digest_is_its_leaf),
        cmocka_unit_test(the_largest_transaction_has_its_digest_as_leaf_too),
        cmocka_unit_test(only_well_formed_payloads_are_sound),
        cmocka_unit_test(nobody_signs_for_a_set_that_does_not_contain_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

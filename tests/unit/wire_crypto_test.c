/*
 * Goal: pin which signatures are accepted, so that no version of a library can change it, and
 * check the hashes against published vectors. Method: RFC 8032 and RFC 7693 vectors; then, for
 * each class that strict verification refuses, a signature that satisfies the verification
 * equation or nearly does, made with group arithmetic.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/hex.h"
#include "lib/fast_crypto.h"
#include "wire/crypto.h"

static void from_hex(const char *text, uint8_t *bytes, size_t size)
{
    assert_true(hex_decode(ingot_slice_of_text(text), bytes, size));
}

static void assert_hex(const uint8_t *bytes, size_t size, const char *expected)
{
    char text[2 * 64 + 1];
    assert_true(size <= 64);
    hex_encode_lower(bytes, size, text);
    assert_string_equal(text, expected);
}

static void hashes_match_published_vectors(void **state)
{
    (void)state;
    struct ingot_hash hash;
    crypto_blake2b(ingot_slice_of_text("abc"), &hash);
    assert_hex(hash.bytes, 32, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    crypto_blake2b(ingot_slice_of(NULL, 0), &hash);
    assert_hex(hash.bytes, 32, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    uint8_t digest[32];
    crypto_sha256(ingot_slice_of_text("abc"), digest);
    assert_hex(digest, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* All lengths up to some blocks, alike and mixed, in numbers that fill lanes and that do not. */
static void hashes_that_are_taken_at_once_are_those_of_each_message(void **state)
{
    (void)state;
    enum { MESSAGES = 7, LENGTHS = 600 };
    uint8_t bytes[LENGTHS + 2 * MESSAGES];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 255);
    for (size_t length = 0; length < LENGTHS; length++) {
        struct ingot_slice messages[MESSAGES];
        struct ingot_hash hashes[MESSAGES];
        for (size_t i = 0; i < MESSAGES; i++)
            messages[i] = ingot_slice_of(bytes + i, length + (length % 2 == 0 ? i % 3 : 0));
        for (size_t count = 0; count <= MESSAGES; count++) {
            crypto_blake2b_each(messages, count, hashes);
            for (size_t i = 0; i < count; i++) {
                struct ingot_hash expected;
                crypto_blake2b(messages[i], &expected);
                assert_memory_equal(&hashes[i], &expected, sizeof expected);
            }
        }
    }
}

static void hashing_in_pieces_gives_the_same_hash(void **state)
{
    (void)state;
    uint8_t bytes[300];
    memset(bytes, 7, sizeof bytes);
    struct ingot_hash whole;
    crypto_blake2b(ingot_slice_of(bytes, sizeof bytes), &whole);
    struct crypto_hasher hasher;
    struct ingot_hash pieces;
    crypto_hasher_begin(&hasher);
    crypto_hasher_add(&hasher, ingot_slice_of(bytes, 1));
    crypto_hasher_add(&hasher, ingot_slice_of(NULL, 0));
    crypto_hasher_add(&hasher, ingot_slice_of(bytes + 1, 200));
    crypto_hasher_add(&hasher, ingot_slice_of(bytes + 201, 99));
    crypto_hasher_end(&hasher, &pieces);
    assert_true(crypto_hash_equal(&whole, &pieces));
    pieces.bytes[31] ^= 1;
    assert_false(crypto_hash_equal(&whole, &pieces));
}

static void an_address_is_the_first_20_bytes_of_sha_256_of_the_key(void **state)
{
    (void)state;
    struct ingot_public_key key;
    from_hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", key.bytes, 32);
    uint8_t address[INGOT_ADDRESS_BYTES];
    crypto_address(&key, address);
    assert_hex(address, sizeof address, "21fe31dfa154a261626bf854046fd2271b7bed4b");
}

struct rfc8032_vector {
    const char *seed;
    const char *key;
    const char *message;
    const char *signature;
};

/* RFC 8032, section 7.1, tests 1 to 3. */
static const struct rfc8032_vector rfc8032_vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
     "b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
     "1d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984d"
     "c6594a7c15e9716ed28dc027beceea1ec40a"},
};

static void the_vectors_of_rfc_8032_are_signed_and_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rfc8032_vectors / sizeof rfc8032_vectors[0]; i++) {
        const struct rfc8032_vector *vector = &rfc8032_vectors[i];
        uint8_t seed[CRYPTO_SEED_BYTES];
        uint8_t bytes[8];
        from_hex(vector->seed, seed, sizeof seed);
        const size_t size = strlen(vector->message) / 2;
        from_hex(vector->message, bytes, size);
        struct crypto_secret_key secret;
        struct ingot_public_key key;
        struct ingot_signature signature;
        crypto_ed25519.key_from_seed(seed, &secret, &key);
        assert_hex(key.bytes, sizeof key.bytes, vector->key);
        crypto_ed25519.sign(&secret, ingot_slice_of(bytes, size), &signature);
        assert_hex(signature.bytes, sizeof signature.bytes, vector->signature);
        assert_true(crypto_ed25519.verify(&key, ingot_slice_of(bytes, size), &signature));
    }
}

/* A key, a message and its signature to spoil. */
struct signed_message {
    struct crypto_secret_key secret;
    struct ingot_public_key key;
    uint8_t bytes[40];
    struct ingot_signature signature;
};

static struct signed_message signed_message(const struct crypto_scheme *scheme)
{
    struct signed_message made;
    uint8_t seed[CRYPTO_SEED_BYTES] = {42};
    memset(made.bytes, 0x5A, sizeof made.bytes);
    scheme->key_from_seed(seed, &made.secret, &made.key);
    scheme->sign(&made.secret, ingot_slice_of(made.bytes, sizeof made.bytes), &made.signature);
    return made;
}

static bool verifies(const struct crypto_scheme *scheme, const struct signed_message *it)
{
    return scheme->verify(&it->key, ingot_slice_of(it->bytes, sizeof it->bytes), &it->signature);
}

static void assert_any_change_is_refused(const struct crypto_scheme *scheme)
{
    struct signed_message it = signed_message(scheme);
    assert_true(verifies(scheme, &it));
    const struct {
        uint8_t *bytes;
        size_t size;
    } parts[] = {{it.key.bytes, sizeof it.key.bytes},
                 {it.bytes, sizeof it.bytes},
                 {it.signature.bytes, sizeof it.signature.bytes}};
    for (size_t part = 0; part < 3; part++) {
        for (size_t bit = 0; bit < 8 * parts[part].size; bit++) {
            parts[part].bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
            assert_false(verifies(scheme, &it));
            parts[part].bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        }
    }
    assert_false(
        scheme->verify(&it.key, ingot_slice_of(it.bytes, sizeof it.bytes - 1), &it.signature));
    assert_true(verifies(scheme, &it));
}

static void any_changed_bit_makes_an_ed25519_signature_fail(void **state)
{
    (void)state;
    assert_any_change_is_refused(&crypto_ed25519);
}

static void any_changed_bit_makes_a_stand_in_signature_fail(void **state)
{
    (void)state;
    assert_any_change_is_refused(&fast_crypto);
}

/* L, the order of the base point. */
static const char order_hex[] = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

static void a_signature_whose_s_is_not_reduced_is_refused(void **state)
{
    (void)state;
    struct signed_message it = signed_message(&crypto_ed25519);
    uint8_t order[32];
    from_hex(order_hex, order, sizeof order);
    unsigned carry = 0;
    for (size_t i = 0; i < 32; i++) {
        carry += (unsigned)it.signature.bytes[32 + i] + order[i];
        it.signature.bytes[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    assert_int_equal(carry, 0);
    assert_false(verifies(&crypto_ed25519, &it));
}

/* h = SHA-512(R, A, message) mod L, as RFC 8032 has it. */
static void challenge(const uint8_t r[32], const uint8_t a[32], const uint8_t *message, size_t size,
                      uint8_t h[32])
{
    uint8_t wide[64];
    crypto_hash_sha512_state hash;
    crypto_hash_sha512_init(&hash);
    crypto_hash_sha512_update(&hash, r, 32);
    crypto_hash_sha512_update(&hash, a, 32);
    crypto_hash_sha512_update(&hash, message, size);
    crypto_hash_sha512_final(&hash, wide);
    crypto_core_ed25519_scalar_reduce(h, wide);
}

/* The points of order 1, 2, 4 and 8, and encodings of them that are not reduced. */
static const char *const small_order_points[] = {
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0100000000000000000000000000000000000000000000000000000000000080",
};

static void a_small_order_r_is_refused_even_where_the_equation_holds(void **state)
{
    (void)state;
    struct signed_message it = signed_message(&crypto_ed25519);
    /* With R the neutral element, S = h * a satisfies S * B = R + h * A. */
    uint8_t expanded[64];
    crypto_hash_sha512(expanded, it.secret.bytes, 32);
    expanded[0] &= 248;
    expanded[31] &= 127;
    expanded[31] |= 64;
    uint8_t wide[64] = {0};
    memcpy(wide, expanded, 32);
    uint8_t a[32];
    crypto_core_ed25519_scalar_reduce(a, wide);
    uint8_t h[32];
    from_hex(small_order_points[0], it.signature.bytes, 32);
    challenge(it.signature.bytes, it.key.bytes, it.bytes, sizeof it.bytes, h);
    crypto_core_ed25519_scalar_mul(it.signature.bytes + 32, h, a);

    /* Show that the equation does hold: S * B equals h * A. */
    uint8_t left[32];
    uint8_t right[32];
    assert_int_equal(crypto_scalarmult_ed25519_base_noclamp(left, it.signature.bytes + 32), 0);
    assert_int_equal(crypto_scalarmult_ed25519_noclamp(right, h, it.key.bytes), 0);
    assert_memory_equal(left, right, 32);

    assert_false(verifies(&crypto_ed25519, &it));
}

static void every_small_order_r_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof small_order_points / sizeof small_order_points[0]; i++) {
        struct signed_message it = signed_message(&crypto_ed25519);
        from_hex(small_order_points[i], it.signature.bytes, 32);
        assert_false(verifies(&crypto_ed25519, &it));
    }
}

static void every_small_order_key_is_refused_even_where_the_equation_holds(void **state)
{
    (void)state;
    /* With a key of small order t and h a multiple of t, R = r * B and S = r always satisfy the
     * equation: such a key would accept signatures of anything. */
    for (size_t i = 0; i < sizeof small_order_points / sizeof small_order_points[0]; i++) {
        struct signed_message it = signed_message(&crypto_ed25519);
        from_hex(small_order_points[i], it.key.bytes, 32);
        uint8_t r[32] = {9};
        for (unsigned attempt = 0; attempt < 64; attempt++) {
            r[1] = (uint8_t)attempt;
            assert_int_equal(crypto_scalarmult_ed25519_base_noclamp(it.signature.bytes, r), 0);
            memcpy(it.signature.bytes + 32, r, 32);
            assert_false(verifies(&crypto_ed25519, &it));
        }
    }
}

static void every_key_that_is_not_reduced_is_refused(void **state)
{
    (void)state;
    /* y from p to 2^255 - 1, with either sign. */
    for (unsigned low = 0xED; low <= 0xFF; low++) {
        for (unsigned sign = 0; sign < 2; sign++) {
            struct signed_message it = signed_message(&crypto_ed25519);
            memset(it.key.bytes, 0xFF, 32);
            it.key.bytes[0] = (uint8_t)low;
            it.key.bytes[31] = (uint8_t)(0x7F | sign << 7);
            assert_false(verifies(&crypto_ed25519, &it));
        }
    }
}

static void signing_twice_gives_the_same_bytes(void **state)
{
    (void)state;
    const struct signed_message once = signed_message(&crypto_ed25519);
    const struct signed_message again = signed_message(&crypto_ed25519);
    assert_memory_equal(once.signature.bytes, again.signature.bytes, INGOT_SIGNATURE_BYTES);
}

int main(void)
{
    if (!crypto_init()) {
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_match_published_vectors),
        cmocka_unit_test(hashes_that_are_taken_at_once_are_those_of_each_message),
        cmocka_unit_test(hashing_in_pieces_gives_the_same_hash),
        cmocka_unit_test(an_address_is_the_first_20_bytes_of_sha_256_of_the_key),
        cmocka_unit_test(the_vectors_of_rfc_8032_are_signed_and_accepted),
        cmocka_unit_test(any_changed_bit_makes_an_ed25519_signature_fail),
        cmocka_unit_test(any_changed_bit_makes_a_stand_in_signature_fail),
        cmocka_unit_test(a_signature_whose_s_is_not_reduced_is_refused),
        cmocka_unit_test(a_small_order_r_is_refused_even_where_the_equation_holds),
        cmocka_unit_test(every_small_order_r_is_refused),
        cmocka_unit_test(every_small_order_key_is_refused_even_where_the_equation_holds),
        cmocka_unit_test(every_key_that_is_not_reduced_is_refused),
        cmocka_unit_test(signing_twice_gives_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Hashing and signatures, by libsodium. Nothing here knows a preimage's layout.
 *
 * SHA-256, by which clients name transactions, is OpenSSL's: libsodium's does without the
 * processor's instructions for it and takes three times as long, for every transaction.
 */
#include "wire/crypto.h"

#include <ingot/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

#include "base/assert.h"

/* Looked up once, as every lookup costs as much as a small hash. */
static EVP_MD *sha256_method;

bool crypto_init(void)
{
    if (sha256_method == NULL) {
        sha256_method = EVP_MD_fetch(NULL, "SHA256", NULL);
    }
    return sodium_init() >= 0 && sha256_method != NULL;
}

void crypto_blake2b(struct ingot_slice bytes, struct ingot_hash *hash)
{
    const int failed = crypto_generichash_blake2b(hash->bytes, sizeof hash->bytes, bytes.data,
                                                  bytes.size, NULL, 0);
    INGOT_ASSERT(failed == 0);
}

void crypto_hasher_begin(struct crypto_hasher *hasher)
{
    const int failed = crypto_generichash_blake2b_init(&hasher->state, NULL, 0, INGOT_HASH_BYTES);
    INGOT_ASSERT(failed == 0);
}

void crypto_hasher_add(struct crypto_hasher *hasher, struct ingot_slice bytes)
{
    /* libsodium copies from the pointer even when there is nothing to copy. */
    if (bytes.size > 0) {
        crypto_generichash_blake2b_update(&hasher->state, bytes.data, bytes.size);
    }
}

void crypto_hasher_end(struct crypto_hasher *hasher, struct ingot_hash *hash)
{
    const int failed =
        crypto_generichash_blake2b_final(&hasher->state, hash->bytes, sizeof hash->bytes);
    INGOT_ASSERT(failed == 0);
}

bool crypto_hash_equal(const struct ingot_hash *a, const struct ingot_hash *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool crypto_key_equal(const struct ingot_public_key *a, const struct ingot_public_key *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static const EVP_MD *sha256(void)
{
    return sha256_method != NULL ? sha256_method : EVP_sha256();
}

void crypto_sha256(struct ingot_slice bytes, uint8_t digest[32])
{
    const int done = EVP_Digest(bytes.data, bytes.size, digest, NULL, sha256(), NULL);
    INGOT_ASSERT(done == 1);
}

void crypto_sha256_begin(struct crypto_sha256 *hasher)
{
    hasher->context = EVP_MD_CTX_new();
    const int done = EVP_DigestInit_ex(hasher->context, sha256(), NULL);
    INGOT_ASSERT(done == 1);
}

void crypto_sha256_add(struct crypto_sha256 *hasher, struct ingot_slice bytes)
{
    const int done = EVP_DigestUpdate(hasher->context, bytes.data, bytes.size);
    INGOT_ASSERT(done == 1);
}

void crypto_sha256_end(struct crypto_sha256 *hasher, uint8_t digest[32])
{
    const int done = EVP_DigestFinal_ex(hasher->context, digest, NULL);
    INGOT_ASSERT(done == 1);
    EVP_MD_CTX_free(hasher->context);
}

void crypto_address(const struct ingot_public_key *key, uint8_t address[INGOT_ADDRESS_BYTES])
{
    uint8_t digest[32];
    crypto_sha256(ingot_slice_of(key->bytes, sizeof key->bytes), digest);
    memcpy(address, digest, INGOT_ADDRESS_BYTES);
}

static_assert(CRYPTO_SEED_BYTES == crypto_sign_SEEDBYTES, "an ed25519 seed");
static_assert(CRYPTO_SECRET_KEY_BYTES == crypto_sign_SECRETKEYBYTES, "a seed and a public key");
static_assert(INGOT_PUBLIC_KEY_BYTES == crypto_sign_PUBLICKEYBYTES, "an ed25519 public key");
static_assert(INGOT_SIGNATURE_BYTES == crypto_sign_BYTES, "an ed25519 signature");

static void ed25519_key_from_seed(const uint8_t seed[CRYPTO_SEED_BYTES],
                                  struct crypto_secret_key *secret, struct ingot_public_key *key)
{
    const int failed = crypto_sign_seed_keypair(key->bytes, secret->bytes, seed);
    INGOT_ASSERT(failed == 0);
}

static void ed25519_sign(const struct crypto_secret_key *secret, struct ingot_slice message,
                         struct ingot_signature *signature)
{
    const int failed =
        crypto_sign_detached(signature->bytes, NULL, message.data, message.size, secret->bytes);
    INGOT_ASSERT(failed == 0);
}

/*
 * libsodium refuses S >= L, small-order R, and keys that are of small order or not reduced, and
 * compares R byte for byte. That is the rule we pin; it verifies one signature at a time, so there
 * is no batch rule to disagree with it.
 */
static bool ed25519_verify(const struct ingot_public_key *key, struct ingot_slice message,
                           const struct ingot_signature *signature)
{
    return crypto_sign_verify_detached(signature->bytes, message.data, message.size, key->bytes) ==
           0;
}

static bool ed25519_key_is_valid(const struct ingot_public_key *key)
{
    return crypto_core_ed25519_is_valid_point(key->bytes) == 1;
}

const struct crypto_scheme crypto_ed25519 = {
    .key_from_seed = ed25519_key_from_seed,
    .sign = ed25519_sign,
    .verify = ed25519_verify,
    .key_is_valid = ed25519_key_is_valid,
};

bool ingot_signature_verify(const struct ingot_public_key *key, struct ingot_slice message,
                            const struct ingot_signature *signature)
{
    return crypto_ed25519.verify(key, message, signature);
}

void crypto_random_seed(uint8_t seed[CRYPTO_SEED_BYTES])
{
    randombytes_buf(seed, CRYPTO_SEED_BYTES);
}

void crypto_wipe(void *memory, size_t size)
{
    sodium_memzero(memory, size);
}

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
#include "base/mutant.h"
#include "wire/blake2b_lanes.h"

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

static size_t block_count_of(struct ingot_slice message)
{
    return message.size == 0 ? 1 : (message.size - 1) / BLAKE2B_BLOCK_BYTES + 1;
}

/* How many messages from the first on have as many blocks as it, up to a lane for each. */
static size_t count_alike(const struct ingot_slice *messages, size_t count)
{
    size_t alike = 1;
    while (alike < count && alike < BLAKE2B_LANES &&
           block_count_of(messages[alike]) == block_count_of(messages[0]))
        alike++;
    return alike;
}

void crypto_blake2b_each(const struct ingot_slice *messages, size_t count,
                         struct ingot_hash *hashes)
{
    const bool has_lanes = blake2b_lanes_are_there();
    for (size_t done = 0; done < count;) {
        const size_t alike = has_lanes ? count_alike(&messages[done], count - done) : 1;
        if (alike == 1) {
            crypto_blake2b(messages[done], &hashes[done]);
            done++;
            continue;
        }
        /* Lanes that are left over repeat the first. */
        struct ingot_slice lanes[BLAKE2B_LANES];
        struct ingot_hash found[BLAKE2B_LANES];
        for (size_t lane = 0; lane < BLAKE2B_LANES; lane++)
            lanes[lane] = messages[lane < alike ? done + lane : done];
        blake2b_lanes(lanes, block_count_of(messages[done]), found);
        for (size_t lane = 0; lane < alike; lane++)
            hashes[done + (MUTANT(LANES_CROSSED) ? alike - 1 - lane : lane)] = found[lane];
        done += alike;
    }
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

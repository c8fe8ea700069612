/*
 * Signatures and hashes: the floor under everything else.
 */
#include <string.h>

#include "base/assert.h"
#include "bench/micro.h"
#include "wire/crypto.h"

#define SIGNATURES 256
#define HASHES 100

static struct crypto_secret_key secret;
static struct ingot_public_key key;
static struct ingot_signature signatures[SIGNATURES];
static uint8_t bytes[65536];

static struct ingot_slice message(uint32_t number)
{
    bytes[0] = (uint8_t)number;
    return ingot_slice_of(bytes, MICRO_TX_BYTES);
}

static void sign_all(void)
{
    for (uint32_t i = 0; i < SIGNATURES; i++)
        crypto_ed25519.sign(&secret, message(i), &signatures[i]);
}

/* All different: the processor learns the branches of one that comes again and again. */
static void verify_all(void)
{
    for (uint32_t i = 0; i < SIGNATURES; i++) {
        const bool is_valid = crypto_ed25519.verify(&key, message(i), &signatures[i]);
        INGOT_ASSERT(is_valid);
    }
}

static bool begin(const char *argument)
{
    static const uint8_t seed[CRYPTO_SEED_BYTES] = {1};
    (void)argument;
    memset(bytes, 0, sizeof bytes);
    crypto_ed25519.key_from_seed(seed, &secret, &key);
    sign_all();
    return true;
}

static void hash_small(void)
{
    struct ingot_hash hash;
    for (uint32_t i = 0; i < HASHES; i++)
        crypto_blake2b(message(i), &hash);
}

static void hash_big(void)
{
    struct ingot_hash hash;
    crypto_blake2b(ingot_slice_of(bytes, sizeof bytes), &hash);
}

static void hash_sha256(void)
{
    uint8_t hash[32];
    for (uint32_t i = 0; i < HASHES; i++)
        crypto_sha256(message(i), hash);
}

static void end(void)
{
}

const struct micro_row micro_crypto_rows[] = {
    {"sign", "ed25519 sign", SIGNATURES, NULL, begin, NULL, sign_all, end},
    {"verify", "ed25519 verify", SIGNATURES, NULL, begin, NULL, verify_all, end},
    {"blake2b-128", "BLAKE2b-256 of 128 bytes", HASHES, NULL, begin, NULL, hash_small, end},
    {"blake2b-64k", "BLAKE2b-256 of 64 KiB", 1, NULL, begin, NULL, hash_big, end},
    {"sha256-128", "SHA-256 of 128 bytes", HASHES, NULL, begin, NULL, hash_sha256, end},
    {.id = NULL}};

/*
 * The stand-in for ed25519: the signature is BLAKE2b-512 of the message, keyed with the public
 * key. It offers no security at all.
 */
#include "lib/fast_crypto.h"

#include <sodium.h>
#include <string.h>

#include "base/assert.h"

static void fast_key_from_seed(const uint8_t seed[CRYPTO_SEED_BYTES],
                               struct crypto_secret_key *secret, struct ingot_public_key *key)
{
    struct ingot_hash hash;
    crypto_blake2b(ingot_slice_of(seed, CRYPTO_SEED_BYTES), &hash);
    memcpy(key->bytes, hash.bytes, sizeof key->bytes);
    memcpy(secret->bytes, seed, CRYPTO_SEED_BYTES);
    memcpy(secret->bytes + CRYPTO_SEED_BYTES, key->bytes, sizeof key->bytes);
}

static void keyed_hash(const uint8_t key[INGOT_PUBLIC_KEY_BYTES], struct ingot_slice message,
                       struct ingot_signature *signature)
{
    const int failed =
        crypto_generichash_blake2b(signature->bytes, sizeof signature->bytes, message.data,
                                   message.size, key, INGOT_PUBLIC_KEY_BYTES);
    INGOT_ASSERT(failed == 0);
}

static void fast_sign(const struct crypto_secret_key *secret, struct ingot_slice message,
                      struct ingot_signature *signature)
{
    keyed_hash(secret->bytes + CRYPTO_SEED_BYTES, message, signature);
}

static bool fast_verify(const struct ingot_public_key *key, struct ingot_slice message,
                        const struct ingot_signature *signature)
{
    struct ingot_signature expected;
    keyed_hash(key->bytes, message, &expected);
    return memcmp(expected.bytes, signature->bytes, sizeof expected.bytes) == 0;
}

/* All but the key that nothing was written to. */
static bool fast_key_is_valid(const struct ingot_public_key *key)
{
    static const struct ingot_public_key zero;
    return !crypto_key_equal(key, &zero);
}

const struct crypto_scheme fast_crypto = {
    .key_from_seed = fast_key_from_seed,
    .sign = fast_sign,
    .verify = fast_verify,
    .key_is_valid = fast_key_is_valid,
};

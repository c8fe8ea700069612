/*
 * Hashing and signatures: BLAKE2b-256, SHA-256 for addresses, strict ed25519. It knows nothing of
 * what is hashed or signed: the layouts are in preimage.h.
 *
 * Whoever signs or verifies is handed a `struct crypto_scheme`. The node passes crypto_ed25519;
 * the simulator passes a fast stand-in with keys of its own.
 */
#ifndef INGOT_WIRE_CRYPTO_H
#define INGOT_WIRE_CRYPTO_H

#include <ingot/types.h>
#include <sodium/crypto_generichash_blake2b.h>
#include <sodium/crypto_hash.h> /* declares a crypto_hash of its own: ours is crypto_blake2b */

#define CRYPTO_SEED_BYTES 32
#define CRYPTO_SECRET_KEY_BYTES 64

/* Once a process, before anything else here. Later calls are harmless. False: no usable library. */
INGOT_MUST_USE bool crypto_init(void);

/* BLAKE2b-256 of `bytes`. */
void crypto_blake2b(struct ingot_slice bytes, struct ingot_hash *hash);

/* The same of each of several messages; where the processor can, of four at once. */
void crypto_blake2b_each(const struct ingot_slice *messages, size_t count,
                         struct ingot_hash *hashes);

/* The same in pieces: begin, any number of adds, end. */
struct crypto_hasher {
    crypto_generichash_blake2b_state state;
};

void crypto_hasher_begin(struct crypto_hasher *hasher);
void crypto_hasher_add(struct crypto_hasher *hasher, struct ingot_slice bytes);
void crypto_hasher_end(struct crypto_hasher *hasher, struct ingot_hash *hash);

bool crypto_hash_equal(const struct ingot_hash *a, const struct ingot_hash *b);
bool crypto_key_equal(const struct ingot_public_key *a, const struct ingot_public_key *b);

/* SHA-256, for what clients see: addresses and the names of transactions. */
void crypto_sha256(struct ingot_slice bytes, uint8_t digest[32]);
/* The same in pieces: begin, any number of adds, end. */
struct crypto_sha256 {
    void *context;
};

void crypto_sha256_begin(struct crypto_sha256 *hasher);
void crypto_sha256_add(struct crypto_sha256 *hasher, struct ingot_slice bytes);
void crypto_sha256_end(struct crypto_sha256 *hasher, uint8_t digest[32]);
/* The first 20 bytes of SHA-256 of the key: the name that clients see. */
void crypto_address(const struct ingot_public_key *key, uint8_t address[INGOT_ADDRESS_BYTES]);

/* What a scheme signs with. For ed25519 the 32-byte seed followed by the public key. */
struct crypto_secret_key {
    uint8_t bytes[CRYPTO_SECRET_KEY_BYTES];
};

/* On any number of threads at once. */
struct crypto_scheme {
    /* Deterministic: the same seed gives the same keys. */
    void (*key_from_seed)(const uint8_t seed[CRYPTO_SEED_BYTES], struct crypto_secret_key *secret,
                          struct ingot_public_key *key);
    /* Deterministic: signing again gives the same bytes. */
    void (*sign)(const struct crypto_secret_key *secret, struct ingot_slice message,
                 struct ingot_signature *signature);
    bool (*verify)(const struct ingot_public_key *key, struct ingot_slice message,
                   const struct ingot_signature *signature);
    /* May a validator set have this key? */
    bool (*key_is_valid)(const struct ingot_public_key *key);
};

/*
 * ed25519 (RFC 8032), strict: refuses non-canonical and small-order keys, small-order R and
 * S >= L. The accepted set is pinned by tests/unit/wire_crypto_test.c.
 *
 * A valid key is the canonical encoding of a point of the large prime-order subgroup. Every key
 * that is made as RFC 8032 says is one; keys that sign for anybody or verify differently from one
 * library to another are not.
 */
extern const struct crypto_scheme crypto_ed25519;

/* How often a scheme was used; belongs to whoever passes it in. */
struct crypto_counters {
    uint64_t signatures;
    uint64_t verifications;
};

/* 32 bytes from the system's random source, for new keys. */
void crypto_random_seed(uint8_t seed[CRYPTO_SEED_BYTES]);
/* Overwrites secrets in a way the compiler keeps. */
void crypto_wipe(void *memory, size_t size);

#endif

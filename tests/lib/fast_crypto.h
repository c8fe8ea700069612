/*
 * A stand-in for ed25519 in simulations: a keyed hash of the message, 64 bytes, deterministic. A
 * change of any byte of key, message or signature makes it fail, but anybody who knows the public
 * key can sign, so it proves nothing to anybody but the simulator.
 */
#ifndef INGOT_TESTS_FAST_CRYPTO_H
#define INGOT_TESTS_FAST_CRYPTO_H

#include "wire/crypto.h"

extern const struct crypto_scheme fast_crypto;

#endif

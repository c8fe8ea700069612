/**
 * Signatures as Ingot judges them, for Apps and clients: one rule everywhere, because validators
 * that disagree about one signature disagree about the state.
 */
#ifndef INGOT_CRYPTO_H
#define INGOT_CRYPTO_H

#include <ingot/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Is this the key's ed25519 signature (RFC 8032) of exactly these bytes? By the strict rule of
 * votes: a key or R that is not reduced or of small order is refused, so is S above the group's
 * order, and R is compared byte for byte.
 */
INGOT_API bool ingot_signature_verify(const struct ingot_public_key *key,
                                      struct ingot_slice message,
                                      const struct ingot_signature *signature);

#ifdef __cplusplus
}
#endif
#endif

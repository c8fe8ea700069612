/*
 * Does a quorum of a validator set stand behind an attestation? The checks that cost nothing come
 * first, then the signatures, every one of them.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "attest/internal.h"
#include "base/hex.h"
#include "wire/crypto.h"

/* Where the reason goes. */
struct reason {
    char *text;
    size_t size;
};

static bool refuse(struct reason why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(struct reason why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(why.text, why.size, format, arguments);
    va_end(arguments);
    return false;
}

struct hex32 {
    char text[65];
};

static struct hex32 hex32(const uint8_t bytes[32])
{
    struct hex32 hex;
    hex_encode_lower(bytes, 32, hex.text);
    return hex;
}

bool attestation_check_genesis(const struct attestation *attestation,
                               const uint8_t genesis_sha256[32], char *why, size_t why_size)
{
    const struct reason reason = {why, why_size};
    return memcmp(attestation->statement.genesis, genesis_sha256, 32) == 0 ||
           refuse(reason, "it is of another chain: its genesis is %s, expected %s",
                  hex32(attestation->statement.genesis).text, hex32(genesis_sha256).text);
}

static bool check_set(const struct attestation *attestation, const struct validator_set *set,
                      struct reason why)
{
    uint8_t set_hash[32];
    if (attestation->epoch != set->epoch)
        return refuse(why, "it is of epoch %" PRIu64 ", the validator set is that of %" PRIu64,
                      attestation->epoch, set->epoch);
    statement_set_hash(set, set_hash);
    return memcmp(attestation->statement.set, set_hash, 32) == 0 ||
           refuse(why, "it names the validator set %s, that of epoch %" PRIu64 " is %s",
                  hex32(attestation->statement.set).text, set->epoch, hex32(set_hash).text);
}

static bool check_payload(const struct attestation *attestation, struct reason why)
{
    uint8_t digest[32];
    if (!attestation->has_payload)
        return true;
    crypto_sha256(ingot_buffer_slice(&attestation->payload), digest);
    return memcmp(digest, attestation->statement.digest, 32) == 0 ||
           refuse(why, "its payload is not what was signed: the SHA-256 is %s, its digest is %s",
                  hex32(digest).text, hex32(attestation->statement.digest).text);
}

static bool check_signers(const struct attestation *attestation, const struct validator_set *set,
                          uint64_t *power, struct reason why)
{
    struct signers seen = {{0}};
    uint32_t next = 0; /* no signer's index is below it, if they are in order */
    *power = 0;
    for (uint32_t i = 0; i < attestation->signer_count; i++) {
        const struct attestation_signer *signer = &attestation->signers[i];
        const struct hex32 key = hex32(signer->key.bytes);
        const uint32_t index = validator_set_find(set, &signer->key);
        if (index == VALIDATOR_NONE)
            return refuse(why, "signer %s is no validator of epoch %" PRIu64, key.text, set->epoch);
        if (signers_has(&seen, index))
            return refuse(why, "signer %s is there twice", key.text);
        if (index < next)
            return refuse(why, "signer %s is out of place: expected the order of the keys",
                          key.text);
        if (signer->power != set->validators[index].power)
            return refuse(why, "signer %s has power %" PRIu64 " in the set, not %" PRIu64, key.text,
                          set->validators[index].power, signer->power);
        signers_add(&seen, index);
        next = index + 1;
        *power += signer->power;
    }
    return *power >= set->quorum_power ||
           refuse(why, "signers of power %" PRIu64 " of %" PRIu64 ", a quorum is %" PRIu64, *power,
                  set->total_power, set->quorum_power);
}

static bool check_signatures(const struct attestation *attestation, struct reason why)
{
    uint8_t preimage[STATEMENT_PREIMAGE_BYTES];
    statement_preimage(&attestation->statement, preimage);
    const struct ingot_slice signed_bytes = ingot_slice_of(preimage, sizeof preimage);
    for (uint32_t i = 0; i < attestation->signer_count; i++) {
        const struct attestation_signer *signer = &attestation->signers[i];
        if (!crypto_ed25519.verify(&signer->key, signed_bytes, &signer->signature))
            return refuse(why, "the signature of %s is not one of this statement",
                          hex32(signer->key.bytes).text);
    }
    return true;
}

enum ingot_error attestation_verify(const struct attestation *attestation,
                                    const uint8_t genesis_sha256[32],
                                    const struct validator_set *set, uint64_t *power, char *why,
                                    size_t why_size)
{
    const struct reason reason = {why, why_size};
    return attestation_check_genesis(attestation, genesis_sha256, why, why_size) &&
                   check_set(attestation, set, reason) && check_payload(attestation, reason) &&
                   check_signers(attestation, set, power, reason) &&
                   check_signatures(attestation, reason)
               ? INGOT_OK
               : INGOT_ERROR_REJECTED;
}

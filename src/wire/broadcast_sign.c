/*
 * What is signed in a broadcast message, and by whom. A change of one byte of the layout makes
 * signatures of another protocol; docs/broadcast.md has it as a table.
 */
#include <string.h>

#include "wire/broadcast.h"

static_assert(sizeof(WIRE_TAG_BROADCAST) <= WIRE_TAG_BYTES, "a tag and at least one zero");

#define CHAIN_AT WIRE_TAG_BYTES
#define SET_AT (CHAIN_AT + INGOT_HASH_BYTES)
#define KIND_AT (SET_AT + INGOT_HASH_BYTES)
#define TOPIC_AT (KIND_AT + 1)
#define ORIGINATOR_AT (TOPIC_AT + 4)
#define ID_SIZE_AT (ORIGINATOR_AT + 4)
#define ID_AT (ID_SIZE_AT + 1)
#define DIGEST_AT (ID_AT + INGOT_BROADCAST_ID_BYTES_MAX)
#define ATTACHMENT_AT (DIGEST_AT + 32)
static_assert(ATTACHMENT_AT + 32 == WIRE_BROADCAST_PREIMAGE_BYTES, "the layout's length");

void wire_broadcast_digest(struct ingot_slice payload, struct broadcast_digest *digest)
{
    crypto_sha256(payload, digest->bytes);
}

/* Kinds as they are signed: numbers of their own, which no change of an enum can move. */
static uint8_t kind_number(enum broadcast_kind kind)
{
    switch (kind) {
    case BROADCAST_GOSSIP:
        return 1;
    case BROADCAST_PRE_PREPARE:
        return 2;
    case BROADCAST_PREPARE:
        return 3;
    case BROADCAST_COMMIT:
        return 4;
    case BROADCAST_SHARE_REQUEST:
        return 0;
    }
    return 0;
}

static void put_u32(uint8_t *bytes, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
}

void wire_broadcast_preimage(const struct ingot_hash *chain,
                             const struct ingot_hash *validators_hash,
                             const struct broadcast_message *message,
                             uint8_t preimage[WIRE_BROADCAST_PREIMAGE_BYTES])
{
    memset(preimage, 0, WIRE_BROADCAST_PREIMAGE_BYTES);
    memcpy(preimage, WIRE_TAG_BROADCAST, sizeof(WIRE_TAG_BROADCAST));
    memcpy(preimage + CHAIN_AT, chain->bytes, INGOT_HASH_BYTES);
    memcpy(preimage + SET_AT, validators_hash->bytes, INGOT_HASH_BYTES);
    preimage[KIND_AT] = kind_number(message->kind);
    put_u32(preimage + TOPIC_AT, (uint32_t)message->topic);
    put_u32(preimage + ORIGINATOR_AT, message->originator);
    preimage[ID_SIZE_AT] = message->id.size;
    memcpy(preimage + ID_AT, message->id.bytes, message->id.size);
    memcpy(preimage + DIGEST_AT, message->digest.bytes, sizeof message->digest.bytes);
    crypto_sha256(ingot_buffer_slice(&message->attachment), preimage + ATTACHMENT_AT);
}

bool wire_broadcast_sign(struct wire_signer *signer, const struct validator_set *set,
                         struct broadcast_message *message)
{
    if (message->kind == BROADCAST_SHARE_REQUEST || message->sender >= set->count ||
        !crypto_key_equal(&set->validators[message->sender].key, &signer->key)) {
        return false;
    }
    uint8_t preimage[WIRE_BROADCAST_PREIMAGE_BYTES];
    wire_broadcast_preimage(&signer->chain, &set->hash, message, preimage);
    const struct ingot_slice bytes = ingot_slice_of(preimage, sizeof preimage);
    signer->counters.signatures++;
    signer->scheme->sign(signer->secret, bytes, &message->signature);
    crypto_blake2b(bytes, &message->name);
    message->is_signed = true;
    return true;
}

enum reject wire_broadcast_verify(const struct crypto_scheme *scheme,
                                  const struct ingot_hash *chain, const struct validator_set *set,
                                  struct broadcast_message *message,
                                  struct crypto_counters *counters)
{
    if (message->kind == BROADCAST_SHARE_REQUEST) {
        return REJECT_NONE;
    }
    if (message->sender >= set->count || message->originator >= set->count) {
        return REJECT_NOT_A_MEMBER;
    }
    uint8_t preimage[WIRE_BROADCAST_PREIMAGE_BYTES];
    wire_broadcast_preimage(chain, &set->hash, message, preimage);
    const struct ingot_slice bytes = ingot_slice_of(preimage, sizeof preimage);
    if (counters != NULL) {
        counters->verifications++;
    }
    if (!scheme->verify(&set->validators[message->sender].key, bytes, &message->signature)) {
        return REJECT_BAD_SIGNATURE;
    }
    crypto_blake2b(bytes, &message->name);
    return REJECT_NONE;
}

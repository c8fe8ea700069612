/*
 * Messages of the broadcast protocols to protobuf bytes and back, and their signatures. The schema
 * is proto/broadcast.proto; docs/broadcast.md has what is signed as a table of offsets.
 *
 * Decoding is as strict as that of wire.h. A decoded message's `sender` is a claim until
 * wire_broadcast_verify has said REJECT_NONE.
 */
#ifndef INGOT_WIRE_BROADCAST_H
#define INGOT_WIRE_BROADCAST_H

#include "broadcast/message.h"
#include "core/reject.h"
#include "core/types.h"
#include "wire/preimage.h"

#define WIRE_TAG_BROADCAST "ingot/broadcast/1"
#define WIRE_BROADCAST_PREIMAGE_BYTES 226

/* Is this frame's content of a broadcast protocol (fields 32 to 63), going by its first bytes? */
bool wire_is_broadcast(struct ingot_slice frame);

/* Appends the message's frame content (without the frame's length). */
void wire_broadcast_encode(const struct broadcast_message *message, struct ingot_buffer *out);

/*
 * Decodes one frame's content and computes the payload's digest. On REJECT_NONE `*message` is a new
 * reference of the caller's, with `is_signed` true (but for a SHARE_REQUEST); otherwise NULL:
 * OVERSIZE, MALFORMED, NOT_CANONICAL or BAD_PAYLOAD (a payload, an attachment or an id that is too
 * long for its kind). `sender` and `originator` are below INGOT_VALIDATORS_MAX.
 */
INGOT_MUST_USE enum reject wire_broadcast_decode(struct ingot_slice bytes,
                                                 struct broadcast_message **message);

/* SHA-256: quorum_broadcast_config.digest, and what decoding fills in. */
void wire_broadcast_digest(struct ingot_slice payload, struct broadcast_digest *digest);

/*
 * What is signed: chain, the set by its hash, kind, topic, originator, id, the digest of the
 * payload and the digest of the attachment. The sender is whose key verifies it.
 */
void wire_broadcast_preimage(const struct ingot_hash *chain,
                             const struct ingot_hash *validators_hash,
                             const struct broadcast_message *message,
                             uint8_t preimage[WIRE_BROADCAST_PREIMAGE_BYTES]);

/*
 * Signs in place, for member `message->sender` of `set`, which has to be `signer->key`: fills
 * signature, name and is_signed. False, and no change, when it is not, or for a SHARE_REQUEST.
 * `digest` is what is signed: it is that of the payload where there is one.
 */
INGOT_MUST_USE bool wire_broadcast_sign(struct wire_signer *signer, const struct validator_set *set,
                                        struct broadcast_message *message);

/*
 * Is the message signed by the member that it claims to be from, for this chain and set? Fills
 * `name`. REJECT_NONE; NOT_A_MEMBER (no such sender or originator in the set); BAD_SIGNATURE. A
 * SHARE_REQUEST is not signed: REJECT_NONE.
 *
 * @counters  NULL, or counts the verification.
 */
INGOT_MUST_USE enum reject wire_broadcast_verify(const struct crypto_scheme *scheme,
                                                 const struct ingot_hash *chain,
                                                 const struct validator_set *set,
                                                 struct broadcast_message *message,
                                                 struct crypto_counters *counters);

#endif

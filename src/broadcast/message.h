/*
 * What the broadcast protocols say to one another, decoded. A message is counted by reference, and
 * immutable once it is signed. docs/broadcast.md has the layouts.
 *
 * Members are numbered by their place in the validator set (ordered by key). `sender` is the member
 * whose signature the message bears: a claim until the driver has verified the signature with that
 * member's key, and the protocols only ever see verified messages.
 */
#ifndef INGOT_BROADCAST_MESSAGE_H
#define INGOT_BROADCAST_MESSAGE_H

#include <ingot/types.h>

enum broadcast_kind {
    BROADCAST_GOSSIP,
    BROADCAST_PRE_PREPARE,
    BROADCAST_PREPARE,
    BROADCAST_COMMIT,
    BROADCAST_SHARE_REQUEST /* unsigned: a question between two peers, answered at a bounded rate */
};
#define BROADCAST_KIND_COUNT 5

/* What a gossip message's payload is. */
enum broadcast_topic {
    BROADCAST_TOPIC_PAYLOAD = 0, /* of `[node] protocol = gossip`: any bytes */
    BROADCAST_TOPIC_SHARES = 1   /* of the attestor: a validator's signatures for a block */
};
#define BROADCAST_TOPIC_COUNT 2

/* No member: an observer's own number, or a channel whose member is not known. */
#define BROADCAST_NONE UINT32_MAX

/* Names a round, or a gossip message, of its originator: 1 to INGOT_BROADCAST_ID_BYTES_MAX bytes.
 */
struct broadcast_id {
    uint8_t size;
    uint8_t bytes[INGOT_BROADCAST_ID_BYTES_MAX]; /* zeros behind `size` */
};

/* SHA-256 of a payload. */
struct broadcast_digest {
    uint8_t bytes[32];
};

struct broadcast_message {
    uint32_t references;
    enum broadcast_kind kind;
    uint32_t sender;     /* the member that signed it */
    uint32_t originator; /* of the round or gossip message; of GOSSIP and PRE_PREPARE the sender */
    enum broadcast_topic topic;     /* GOSSIP; else 0 */
    struct broadcast_id id;         /* not of SHARE_REQUEST */
    struct broadcast_digest digest; /* of the payload: computed where the payload is there */
    struct ingot_buffer payload;    /* GOSSIP, PRE_PREPARE; may be empty */
    /* PRE_PREPARE, PREPARE, COMMIT; may be empty. Of SHARE_REQUEST the members whose shares are
     * asked for, bit i % 8 of byte i / 8; empty: all. */
    struct ingot_buffer attachment;
    bool is_signed; /* as it arrived, or by the driver since it left the protocol */
    struct ingot_signature signature;
    /* Of what is signed, whatever the signature: two messages that say the same have the same name.
     * src/wire fills it when it signs or verifies. */
    struct ingot_hash name;
    uint64_t from_height; /* SHARE_REQUEST: bit i of `heights` asks for from_height + i */
    uint64_t heights;
};

/* All else zero; fill it in. */
struct broadcast_message *broadcast_message_new(enum broadcast_kind kind);
struct broadcast_message *broadcast_message_ref(struct broadcast_message *message);
/* NULL is fine. */
void broadcast_message_unref(struct broadcast_message *message);

/* False, and no change, unless there are 1 to INGOT_BROADCAST_ID_BYTES_MAX bytes. */
INGOT_MUST_USE bool broadcast_id_from(struct ingot_slice bytes, struct broadcast_id *id);
struct ingot_slice broadcast_id_slice(const struct broadcast_id *id);
bool broadcast_id_equal(const struct broadcast_id *a, const struct broadcast_id *b);
bool broadcast_digest_equal(const struct broadcast_digest *a, const struct broadcast_digest *b);

#endif

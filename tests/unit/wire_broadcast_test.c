/*
 * Goal: the broadcast messages' bytes never change by accident, there is one encoding of each, and
 * a signature is good for nothing but what was signed. Method: vectors that were computed by
 * another implementation, in Python from the table of docs/broadcast.md; every bit of every kind of
 * message flipped and every byte dropped; and each field that is signed changed by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "lib/wire_samples.h"
#include "wire/broadcast.h"
#include "wire/wire.h"

static struct samples samples;
static struct wire_signer signer; /* member 1 */

static int set_up(void **state)
{
    (void)state;
    if (!crypto_init()) {
        return -1;
    }
    samples_init(&samples, &crypto_ed25519, 4, 0, 1);
    signer = (struct wire_signer){.scheme = &crypto_ed25519,
                                  .secret = &samples.secrets[1],
                                  .key = samples.set->validators[1].key,
                                  .chain = samples.chain};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    samples_deinit(&samples);
    return 0;
}

/* Of member 1, signed where the kind is. */
static struct broadcast_message *sample(enum broadcast_kind kind)
{
    struct broadcast_message *message = broadcast_message_new(kind);
    if (kind == BROADCAST_SHARE_REQUEST) {
        message->from_height = 300;
        message->heights = 5;
        ingot_buffer_append_u8(&message->attachment, 6);
        return message;
    }
    message->sender = 1;
    message->originator = kind == BROADCAST_PREPARE || kind == BROADCAST_COMMIT ? 2 : 1;
    assert_true(broadcast_id_from(ingot_slice_of_text("round one"), &message->id));
    if (kind == BROADCAST_GOSSIP || kind == BROADCAST_PRE_PREPARE) {
        ingot_buffer_append_slice(&message->payload, ingot_slice_of_text("the payload"));
    }
    if (kind == BROADCAST_GOSSIP) {
        message->topic = BROADCAST_TOPIC_SHARES;
    } else {
        ingot_buffer_append_slice(&message->attachment, ingot_slice_of_text("attached"));
    }
    wire_broadcast_digest(ingot_slice_of_text("the payload"), &message->digest);
    assert_true(wire_broadcast_sign(&signer, samples.set, message));
    return message;
}

static enum reject verify(struct broadcast_message *message)
{
    return wire_broadcast_verify(&crypto_ed25519, &samples.chain, samples.set, message, NULL);
}

static struct ingot_buffer encoded(const struct broadcast_message *message)
{
    struct ingot_buffer bytes = {0};
    wire_broadcast_encode(message, &bytes);
    return bytes;
}

/* --- The layout. --- */

static void assert_preimage_hash(const struct broadcast_message *message, const char *expected)
{
    uint8_t preimage[WIRE_BROADCAST_PREIMAGE_BYTES];
    struct ingot_hash hash;
    struct ingot_hash chain;
    struct ingot_hash set;
    char text[65];
    memset(chain.bytes, 0xC1, sizeof chain.bytes);
    memset(set.bytes, 0x5E, sizeof set.bytes);
    wire_broadcast_preimage(&chain, &set, message, preimage);
    crypto_blake2b(ingot_slice_of(preimage, sizeof preimage), &hash);
    hex_encode_lower(hash.bytes, sizeof hash.bytes, text);
    assert_string_equal(text, expected);
}

static void what_is_signed_has_the_documented_layout(void **state)
{
    (void)state;
    struct broadcast_message message = {.originator = 2};
    assert_true(broadcast_id_from(ingot_slice_of_text("id"), &message.id));
    message.kind = BROADCAST_GOSSIP;
    message.topic = BROADCAST_TOPIC_SHARES;
    wire_broadcast_digest(ingot_slice_of_text("payload"), &message.digest);
    assert_preimage_hash(&message,
                         "f2a71adc41136cc670b38c0ad988281109766fd47536b49825d333efcae7d034");
    message.kind = BROADCAST_PRE_PREPARE;
    message.topic = BROADCAST_TOPIC_PAYLOAD;
    ingot_buffer_append_slice(&message.attachment, ingot_slice_of_text("attached"));
    assert_preimage_hash(&message,
                         "e3acc5c1377b8ff6b01ad997088c2928c0c1232e5cd4570f30b6d9333b3fc315");
    message.kind = BROADCAST_PREPARE;
    message.originator = 0x102;
    memset(message.digest.bytes, 0xD1, sizeof message.digest.bytes);
    message.id.size = 64;
    memset(message.id.bytes, 'i', 64);
    assert_preimage_hash(&message,
                         "28afa8ba57c7b16fd4daf544c51460b5fa76346ea1fe014a059ac2ebaf3021b1");
    message.kind = BROADCAST_COMMIT;
    ingot_buffer_clear(&message.attachment);
    assert_true(broadcast_id_from(ingot_slice_of_text("id"), &message.id));
    assert_preimage_hash(&message,
                         "78e01c3d0722c7ee953d8ba0220cba78fcf5af6dcd71024bf063e78276ab2ce6");
    ingot_buffer_deinit(&message.attachment);
}

/* --- Signatures. --- */

static void a_signed_message_verifies_and_has_the_same_name_everywhere(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < BROADCAST_SHARE_REQUEST; kind++) {
        struct broadcast_message *message = sample((enum broadcast_kind)kind);
        struct ingot_buffer bytes = encoded(message);
        struct broadcast_message *back;
        assert_int_equal(wire_broadcast_decode(ingot_buffer_slice(&bytes), &back), REJECT_NONE);
        assert_int_equal(verify(back), REJECT_NONE);
        assert_true(crypto_hash_equal(&back->name, &message->name));
        broadcast_message_unref(back);
        broadcast_message_unref(message);
        ingot_buffer_deinit(&bytes);
    }
}

static void make_pre_prepare(struct broadcast_message *message)
{
    message->kind = BROADCAST_PRE_PREPARE;
}

static void make_commit(struct broadcast_message *message)
{
    message->kind = BROADCAST_COMMIT;
}

static void change_topic(struct broadcast_message *message)
{
    message->topic = BROADCAST_TOPIC_SHARES;
}

static void change_sender(struct broadcast_message *message)
{
    message->sender = 0;
}

static void change_originator(struct broadcast_message *message)
{
    message->originator = 3;
}

static void change_id(struct broadcast_message *message)
{
    message->id.bytes[0] ^= 1;
}

static void shorten_id(struct broadcast_message *message)
{
    message->id.bytes[--message->id.size] = 0;
}

/* The bytes of what is signed would be the same without the id's length. */
static void lengthen_id(struct broadcast_message *message)
{
    message->id.size++;
}

static void change_digest(struct broadcast_message *message)
{
    message->digest.bytes[31] ^= 1;
}

static void change_attachment(struct broadcast_message *message)
{
    message->attachment.data[0] ^= 1;
}

static void drop_attachment(struct broadcast_message *message)
{
    message->attachment.size = 0;
}

static void change_signature(struct broadcast_message *message)
{
    message->signature.bytes[3] ^= 1;
}

static void a_signature_is_good_for_nothing_else(void **state)
{
    (void)state;
    static void (*const changes[])(struct broadcast_message *) = {
        make_pre_prepare,  make_commit,       change_topic,    change_sender,
        change_originator, change_id,         shorten_id,      lengthen_id,
        change_digest,     change_attachment, drop_attachment, change_signature};
    for (unsigned i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct broadcast_message *message = sample(BROADCAST_PREPARE);
        assert_int_equal(verify(message), REJECT_NONE);
        changes[i](message);
        assert_int_equal(verify(message), REJECT_BAD_SIGNATURE);
        broadcast_message_unref(message);
    }
}

static void a_signature_is_of_one_chain_and_one_set(void **state)
{
    (void)state;
    struct broadcast_message *message = sample(BROADCAST_COMMIT);
    struct crypto_counters counters = {0};
    const struct ingot_hash other = samples_hash(0x77);
    assert_int_equal(
        wire_broadcast_verify(&crypto_ed25519, &other, samples.set, message, &counters),
        REJECT_BAD_SIGNATURE);
    assert_int_equal(counters.verifications, 1);
    const struct ingot_hash hash = samples.set->hash;
    samples.set->hash = other; /* the same members in another epoch */
    assert_int_equal(verify(message), REJECT_BAD_SIGNATURE);
    samples.set->hash = hash;
    assert_int_equal(verify(message), REJECT_NONE);
    broadcast_message_unref(message);
}

static void only_members_are_looked_up(void **state)
{
    (void)state;
    struct broadcast_message *message = sample(BROADCAST_COMMIT);
    message->sender = 4;
    assert_int_equal(verify(message), REJECT_NOT_A_MEMBER);
    message->sender = 1;
    message->originator = 4;
    assert_int_equal(verify(message), REJECT_NOT_A_MEMBER);
    broadcast_message_unref(message);
}

static void we_sign_for_ourselves_alone(void **state)
{
    (void)state;
    struct broadcast_message *message = sample(BROADCAST_COMMIT);
    const struct ingot_signature before = message->signature;
    message->sender = 2;
    assert_false(wire_broadcast_sign(&signer, samples.set, message));
    message->sender = 4;
    assert_false(wire_broadcast_sign(&signer, samples.set, message));
    assert_memory_equal(&before, &message->signature, sizeof before);
    broadcast_message_unref(message);
    struct broadcast_message *request = sample(BROADCAST_SHARE_REQUEST);
    assert_false(wire_broadcast_sign(&signer, samples.set, request));
    assert_int_equal(verify(request), REJECT_NONE);
    broadcast_message_unref(request);
}

/* --- Frames. --- */

static void every_message_decodes_to_what_was_encoded(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < BROADCAST_KIND_COUNT; kind++) {
        struct broadcast_message *message = sample((enum broadcast_kind)kind);
        struct ingot_buffer bytes = encoded(message);
        struct broadcast_message *back;
        assert_int_equal(wire_broadcast_decode(ingot_buffer_slice(&bytes), &back), REJECT_NONE);
        assert_int_equal(back->kind, message->kind);
        assert_int_equal(back->sender, message->sender);
        assert_int_equal(back->originator, message->originator);
        assert_int_equal(back->topic, message->topic);
        assert_true(broadcast_id_equal(&back->id, &message->id));
        assert_true(broadcast_digest_equal(&back->digest, &message->digest));
        assert_true(ingot_slice_equal(ingot_buffer_slice(&back->payload),
                                      ingot_buffer_slice(&message->payload)));
        assert_true(ingot_slice_equal(ingot_buffer_slice(&back->attachment),
                                      ingot_buffer_slice(&message->attachment)));
        assert_int_equal(back->is_signed, message->is_signed);
        assert_memory_equal(&back->signature, &message->signature, sizeof back->signature);
        assert_int_equal(back->from_height, message->from_height);
        assert_int_equal(back->heights, message->heights);
        broadcast_message_unref(back);
        broadcast_message_unref(message);
        ingot_buffer_deinit(&bytes);
    }
}

static void the_first_bytes_tell_which_envelope_it_is(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < BROADCAST_KIND_COUNT; kind++) {
        struct broadcast_message *message = sample((enum broadcast_kind)kind);
        struct ingot_buffer bytes = encoded(message);
        struct message *other;
        assert_true(wire_is_broadcast(ingot_buffer_slice(&bytes)));
        assert_int_equal(wire_decode(ingot_buffer_slice(&bytes), &other), REJECT_MALFORMED);
        broadcast_message_unref(message);
        ingot_buffer_deinit(&bytes);
    }
    for (unsigned i = 0; i < 2 * MESSAGE_KIND_COUNT; i++) {
        struct message *message = samples_message(&samples, (enum message_kind)(i / 2), i % 2);
        struct ingot_buffer bytes = {0};
        struct broadcast_message *other;
        wire_encode(message, &bytes);
        assert_false(wire_is_broadcast(ingot_buffer_slice(&bytes)));
        assert_int_equal(wire_broadcast_decode(ingot_buffer_slice(&bytes), &other),
                         REJECT_MALFORMED);
        message_unref(message);
        ingot_buffer_deinit(&bytes);
    }
    /* Fields 31 and 64, a field of another type, and too little. */
    static const uint8_t others[][2] = {{0xFA, 0x01}, {0x82, 0x04}, {0x80, 0x02}, {0x82, 0x82}};
    for (unsigned i = 0; i < 4; i++) {
        assert_false(wire_is_broadcast(ingot_slice_of(others[i], 2)));
    }
    static const uint8_t first[] = {0x82, 0x02};
    assert_true(wire_is_broadcast(ingot_slice_of(first, 2)));
    assert_false(wire_is_broadcast(ingot_slice_of(first, 1)));
    static const uint8_t last[] = {0xFA, 0x03};
    assert_true(wire_is_broadcast(ingot_slice_of(last, 2)));
}

/* What decodes must encode to the same bytes. */
static void assert_refused_or_same(const uint8_t *bytes, size_t size)
{
    /* A copy of exact size, so that a sanitizer sees a read beyond it. */
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    struct broadcast_message *message;
    if (wire_broadcast_decode(ingot_slice_of(copy, size), &message) != REJECT_NONE) {
        assert_null(message);
    } else {
        struct ingot_buffer again = encoded(message);
        assert_int_equal(again.size, size);
        assert_memory_equal(again.data, copy, size);
        ingot_buffer_deinit(&again);
        broadcast_message_unref(message);
    }
    free(copy);
}

static void a_mangled_message_is_refused_or_is_another_canonical_one(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < BROADCAST_KIND_COUNT; kind++) {
        struct broadcast_message *message = sample((enum broadcast_kind)kind);
        struct ingot_buffer bytes = encoded(message);
        for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
            bytes.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
            assert_refused_or_same(bytes.data, bytes.size);
            bytes.data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        }
        for (size_t size = 0; size < bytes.size; size++) {
            assert_refused_or_same(bytes.data, size);
        }
        for (unsigned byte = 0; byte < 256; byte++) {
            ingot_buffer_append_u8(&bytes, (uint8_t)byte);
            assert_refused_or_same(bytes.data, bytes.size);
            bytes.size--;
        }
        broadcast_message_unref(message);
        ingot_buffer_deinit(&bytes);
    }
}

static enum reject reencoded(struct broadcast_message *message)
{
    struct ingot_buffer bytes = encoded(message);
    struct broadcast_message *back;
    const enum reject reject = wire_broadcast_decode(ingot_buffer_slice(&bytes), &back);
    broadcast_message_unref(back);
    broadcast_message_unref(message);
    ingot_buffer_deinit(&bytes);
    return reject;
}

static void fill(struct ingot_buffer *buffer, size_t size)
{
    ingot_buffer_clear(buffer);
    ingot_buffer_reserve(buffer, size);
    memset(buffer->data, 'x', size);
    buffer->size = size;
}

static void limits_are_kept_to_the_byte(void **state)
{
    (void)state;
    static const struct {
        enum broadcast_kind kind;
        enum broadcast_topic topic;
        size_t payload_bytes_max;
    } rows[] = {{BROADCAST_PRE_PREPARE, BROADCAST_TOPIC_PAYLOAD, INGOT_BROADCAST_PAYLOAD_BYTES_MAX},
                {BROADCAST_GOSSIP, BROADCAST_TOPIC_PAYLOAD, INGOT_BROADCAST_PAYLOAD_BYTES_MAX},
                {BROADCAST_GOSSIP, BROADCAST_TOPIC_SHARES, INGOT_SHARES_BYTES_MAX}};
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned above = 0; above < 2; above++) {
            struct broadcast_message *message = sample(rows[i].kind);
            message->topic = rows[i].topic;
            fill(&message->payload, rows[i].payload_bytes_max + above);
            assert_int_equal(reencoded(message), above ? REJECT_BAD_PAYLOAD : REJECT_NONE);
        }
    }
    static const enum broadcast_kind attaching[] = {BROADCAST_PRE_PREPARE, BROADCAST_PREPARE,
                                                    BROADCAST_COMMIT};
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned above = 0; above < 2; above++) {
            struct broadcast_message *message = sample(attaching[i]);
            fill(&message->attachment, INGOT_BROADCAST_ATTACHMENT_BYTES_MAX + above);
            assert_int_equal(reencoded(message), above ? REJECT_BAD_PAYLOAD : REJECT_NONE);
        }
    }
}

static void values_out_of_range_are_refused(void **state)
{
    (void)state;
    struct broadcast_message *message = sample(BROADCAST_COMMIT);
    message->sender = INGOT_VALIDATORS_MAX;
    assert_int_equal(reencoded(message), REJECT_MALFORMED);
    message = sample(BROADCAST_COMMIT);
    message->originator = INGOT_VALIDATORS_MAX;
    assert_int_equal(reencoded(message), REJECT_MALFORMED);
    message = sample(BROADCAST_GOSSIP);
    message->id.size = 0;
    assert_int_equal(reencoded(message), REJECT_MALFORMED);
    message = sample(BROADCAST_GOSSIP);
    message->topic = (enum broadcast_topic)BROADCAST_TOPIC_COUNT;
    assert_int_equal(reencoded(message), REJECT_MALFORMED);
    message = sample(BROADCAST_SHARE_REQUEST);
    message->heights = 0;
    assert_int_equal(reencoded(message), REJECT_MALFORMED);
    message = sample(BROADCAST_SHARE_REQUEST);
    message->from_height = WIRE_NUMBER_MAX + 1;
    assert_int_equal(reencoded(message), REJECT_MALFORMED);
    message = sample(BROADCAST_SHARE_REQUEST);
    ingot_buffer_append_u8(&message->attachment, 0); /* there is a shorter way to say that */
    assert_int_equal(reencoded(message), REJECT_MALFORMED);
    message = sample(BROADCAST_SHARE_REQUEST);
    while (message->attachment.size <= INGOT_VALIDATORS_MAX / 8) {
        ingot_buffer_append_u8(&message->attachment, 1);
    }
    assert_int_equal(reencoded(message), REJECT_MALFORMED);
    struct broadcast_message *none;
    assert_int_equal(wire_broadcast_decode(ingot_slice_of("", 0), &none), REJECT_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_signed_has_the_documented_layout),
        cmocka_unit_test(a_signed_message_verifies_and_has_the_same_name_everywhere),
        cmocka_unit_test(a_signature_is_good_for_nothing_else),
        cmocka_unit_test(a_signature_is_of_one_chain_and_one_set),
        cmocka_unit_test(only_members_are_looked_up),
        cmocka_unit_test(we_sign_for_ourselves_alone),
        cmocka_unit_test(every_message_decodes_to_what_was_encoded),
        cmocka_unit_test(the_first_bytes_tell_which_envelope_it_is),
        cmocka_unit_test(a_mangled_message_is_refused_or_is_another_canonical_one),
        cmocka_unit_test(limits_are_kept_to_the_byte),
        cmocka_unit_test(values_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

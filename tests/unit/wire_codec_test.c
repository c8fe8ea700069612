/*
 * Goal: what is encoded decodes to the same thing, and there is one encoding of each thing.
 * Method: round trips of every kind of message and stored object; then every bit of every message
 * flipped, every byte dropped, doubled or replaced at the end: what still decodes must encode to
 * the very bytes it came from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/fast_crypto.h"
#include "lib/wire_samples.h"
#include "wire/wire.h"

static struct samples samples;

static int set_up(void **state)
{
    (void)state;
    samples_init(&samples, &fast_crypto, 4, 0, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    samples_deinit(&samples);
    return 0;
}

static struct ingot_buffer encoded(const struct message *message)
{
    struct ingot_buffer bytes = {0};
    wire_encode(message, &bytes);
    return bytes;
}

/* Every kind, with and without what is optional. */
#define SAMPLE_COUNT (MESSAGE_KIND_COUNT * 2)

static struct message *sample(unsigned index)
{
    return samples_message(&samples, (enum message_kind)(index / 2), index % 2);
}

static void every_message_decodes_to_what_was_encoded(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SAMPLE_COUNT; i++) {
        struct message *message = sample(i);
        struct ingot_buffer bytes = encoded(message);
        struct message *back;
        assert_int_equal(wire_decode(ingot_buffer_slice(&bytes), &back), REJECT_NONE);
        assert_int_equal(back->kind, message->kind);
        struct ingot_buffer again = encoded(back);
        assert_true(ingot_slice_equal(ingot_buffer_slice(&bytes), ingot_buffer_slice(&again)));
        ingot_buffer_deinit(&again);
        ingot_buffer_deinit(&bytes);
        message_unref(back);
        message_unref(message);
    }
}

static void decoding_fills_in_hashes_and_keeps_digests(void **state)
{
    (void)state;
    struct message *message = samples_message(&samples, MESSAGE_PROPOSE, 1);
    struct ingot_buffer bytes = encoded(message);
    struct message *back;
    assert_int_equal(wire_decode(ingot_buffer_slice(&bytes), &back), REJECT_NONE);
    const struct propose *sent = &message->propose;
    const struct propose *received = &back->propose;
    assert_true(crypto_hash_equal(&sent->block->hash, &received->block->hash));
    assert_true(received->block->justify->has_digest); /* the block's hash has asked for it */
    assert_true(crypto_hash_equal(wire_qc_digest(sent->block->justify),
                                  wire_qc_digest(received->block->justify)));
    assert_true(crypto_hash_equal(wire_tc_digest(sent->tc), wire_tc_digest(received->tc)));
    assert_int_equal(received->block->transaction_count, 5);
    assert_true(ingot_slice_equal(ingot_buffer_slice(&sent->block->payload),
                                  ingot_buffer_slice(&received->block->payload)));
    assert_memory_equal(&sent->vote.signature, &received->vote.signature,
                        sizeof sent->vote.signature);
    ingot_buffer_deinit(&bytes);
    message_unref(back);
    message_unref(message);
}

static void an_answer_says_how_far_back_it_could_go(void **state)
{
    (void)state;
    struct message *message = samples_message(&samples, MESSAGE_SYNC_RESPONSE, 1);
    message->sync_response.lowest_height = 44;
    struct ingot_buffer bytes = encoded(message);
    struct message *back;
    assert_int_equal(wire_decode(ingot_buffer_slice(&bytes), &back), REJECT_NONE);
    assert_int_equal(back->sync_response.lowest_height, 44);
    ingot_buffer_deinit(&bytes);
    message_unref(back);
    message_unref(message);
}

static void a_large_block_survives_the_way(void **state)
{
    (void)state;
    struct message *message = samples_propose(
        &samples, samples_block(&samples, wire_genesis_qc(&samples.chain), 1, 1, 8000, 128), NULL);
    struct ingot_buffer bytes = encoded(message);
    struct message *back;
    assert_int_equal(wire_decode(ingot_buffer_slice(&bytes), &back), REJECT_NONE);
    assert_true(ingot_slice_equal(ingot_buffer_slice(&message->propose.block->payload),
                                  ingot_buffer_slice(&back->propose.block->payload)));
    ingot_buffer_deinit(&bytes);
    message_unref(back);
    message_unref(message);
}

static void a_header_has_the_hash_of_its_block_and_no_payload(void **state)
{
    (void)state;
    struct block *block = samples_block(&samples, wire_genesis_qc(&samples.chain), 1, 1, 8000, 128);
    struct ingot_buffer header = {0};
    struct ingot_buffer whole = {0};
    struct block *back = NULL;
    wire_encode_header(block, &header);
    wire_encode_block(block, &whole);
    assert_true(header.size < 1024);
    assert_int_equal(wire_decode_header(ingot_buffer_slice(&header), &back), REJECT_NONE);
    assert_true(crypto_hash_equal(&back->hash, &block->hash));
    assert_int_equal(back->transaction_count, 8000);
    assert_int_equal(back->payload.size, 0);
    block_unref(back);
    /* Neither stands for the other, and the genesis block needs no header. */
    assert_int_equal(wire_decode_header(ingot_buffer_slice(&whole), &back), REJECT_BAD_PAYLOAD);
    assert_int_equal(wire_decode_block(ingot_buffer_slice(&header), &back), REJECT_BAD_PAYLOAD);
    struct block *genesis = wire_genesis_block(&samples.chain, samples.set, 0);
    ingot_buffer_clear(&whole);
    wire_encode_block(genesis, &whole);
    assert_int_equal(wire_decode_header(ingot_buffer_slice(&whole), &back), REJECT_BAD_PAYLOAD);
    block_unref(genesis);
    block_unref(block);
    ingot_buffer_deinit(&header);
    ingot_buffer_deinit(&whole);
}

/* Decodes; whatever decodes must encode to the same bytes. */
static void assert_refused_or_same(const uint8_t *bytes, size_t size)
{
    /* A copy of exact size, so that a sanitizer sees a read beyond it. */
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    struct message *message;
    const enum reject reject = wire_decode(ingot_slice_of(copy, size), &message);
    if (reject != REJECT_NONE) {
        assert_null(message);
    } else {
        struct ingot_buffer again = encoded(message);
        assert_int_equal(again.size, size);
        assert_memory_equal(again.data, copy, size);
        ingot_buffer_deinit(&again);
        message_unref(message);
    }
    free(copy);
}

static void mangle(struct ingot_slice original)
{
    uint8_t *bytes = malloc(original.size + 1);
    assert_non_null(bytes);
    memcpy(bytes, original.data, original.size);
    for (size_t bit = 0; bit < 8 * original.size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        assert_refused_or_same(bytes, original.size);
        bytes[bit / 8] ^= (uint8_t)(1U << (bit % 8));
    }
    for (size_t size = 0; size < original.size; size++) {
        assert_refused_or_same(bytes, size);
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        bytes[original.size] = (uint8_t)byte;
        assert_refused_or_same(bytes, original.size + 1);
    }
    for (size_t at = 0; at < original.size; at++) {
        memcpy(bytes, original.data, at);
        memcpy(bytes + at, original.data + at + 1, original.size - at - 1);
        assert_refused_or_same(bytes, original.size - 1);
        memcpy(bytes, original.data, at + 1);
        memcpy(bytes + at + 1, original.data + at, original.size - at);
        assert_refused_or_same(bytes, original.size + 1);
    }
    free(bytes);
}

static void a_mangled_message_is_refused_or_is_another_canonical_one(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SAMPLE_COUNT; i++) {
        struct message *message = sample(i);
        struct ingot_buffer bytes = encoded(message);
        mangle(ingot_buffer_slice(&bytes));
        ingot_buffer_deinit(&bytes);
        message_unref(message);
    }
}

static void a_bit_flipped_in_a_payload_breaks_the_root(void **state)
{
    (void)state;
    struct message *message = samples_message(&samples, MESSAGE_PROPOSE, 1);
    struct block *block = message->propose.block;
    block->payload.data[block->payload.size - 1] ^= 1;
    struct ingot_buffer bytes = encoded(message);
    struct message *back;
    assert_int_equal(wire_decode(ingot_buffer_slice(&bytes), &back), REJECT_BAD_ROOT);
    ingot_buffer_deinit(&bytes);
    message_unref(message);
}

/* --- Encodings that protobuf allows and we refuse. A Vote's fields are 1 to 6. --- */

/* A frame that holds one vote, and where the vote begins. */
static struct ingot_buffer vote_frame(uint64_t view)
{
    struct message *message = message_new(MESSAGE_VOTE);
    message->vote = samples_vote(&samples, 1, view, &samples.chain, PHASE_GENERIC);
    struct ingot_buffer bytes = encoded(message);
    message_unref(message);
    return bytes;
}

/* Decodes the vote with its first `replaced` bytes replaced, and `extra` after its last field. */
static enum reject decode_vote_with(struct ingot_slice replacement, size_t replaced,
                                    struct ingot_slice extra)
{
    struct ingot_buffer frame = vote_frame(7);
    assert_int_equal(frame.data[0], 0x12); /* envelope field 2, a short length, then the vote */
    const struct ingot_slice vote = ingot_slice_of(frame.data + 2, frame.size - 2);
    assert_true(frame.data[1] < 0x80);
    struct ingot_buffer changed = {0};
    const size_t size = vote.size - replaced + replacement.size + extra.size;
    assert_true(size < 0x4000);
    ingot_buffer_append_u8(&changed, 0x12);
    if (size >= 0x80) {
        ingot_buffer_append_u8(&changed, (uint8_t)(size | 0x80));
        ingot_buffer_append_u8(&changed, (uint8_t)(size >> 7));
    } else {
        ingot_buffer_append_u8(&changed, (uint8_t)size);
    }
    ingot_buffer_append_slice(&changed, replacement);
    ingot_buffer_append(&changed, vote.data + replaced, vote.size - replaced);
    ingot_buffer_append_slice(&changed, extra);
    struct message *message;
    const enum reject reject = wire_decode(ingot_buffer_slice(&changed), &message);
    message_unref(message);
    ingot_buffer_deinit(&changed);
    ingot_buffer_deinit(&frame);
    return reject;
}

#define BYTES(...)                                                                                 \
    ingot_slice_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
#define NOTHING ingot_slice_of(NULL, 0)

static void only_one_encoding_of_a_message_is_taken(void **state)
{
    (void)state;
    /* The vote begins with field 2 (view), 10 07: its epoch is zero and left out. */
    assert_int_equal(decode_vote_with(NOTHING, 0, NOTHING), REJECT_NONE);
    assert_int_equal(decode_vote_with(BYTES(0x10, 0x07), 2, NOTHING), REJECT_NONE);

    /* A number in more bytes than it needs. */
    assert_int_equal(decode_vote_with(BYTES(0x10, 0x87, 0x00), 2, NOTHING), REJECT_NOT_CANONICAL);
    /* A field number in more bytes than it needs. */
    assert_int_equal(decode_vote_with(BYTES(0x90, 0x00, 0x07), 2, NOTHING), REJECT_NOT_CANONICAL);
    /* An explicit zero. */
    assert_int_equal(decode_vote_with(BYTES(0x08, 0x00, 0x10, 0x07), 2, NOTHING),
                     REJECT_NOT_CANONICAL);
    /* The same field twice. */
    assert_int_equal(decode_vote_with(BYTES(0x10, 0x07, 0x10, 0x07), 2, NOTHING),
                     REJECT_NOT_CANONICAL);
    /* Fields out of order. */
    assert_int_equal(decode_vote_with(NOTHING, 2, BYTES(0x10, 0x07)), REJECT_NOT_CANONICAL);
    /* Unknown fields, of number, bytes and fixed width. */
    assert_int_equal(decode_vote_with(NOTHING, 0, BYTES(0x38, 0x01)), REJECT_MALFORMED);
    assert_int_equal(decode_vote_with(NOTHING, 0, BYTES(0x3A, 0x00)), REJECT_MALFORMED);
    assert_int_equal(decode_vote_with(NOTHING, 0, BYTES(0x3D, 1, 2, 3, 4)), REJECT_MALFORMED);
    /* The groups of old protobuf. */
    assert_int_equal(decode_vote_with(NOTHING, 0, BYTES(0x3B, 0x3C)), REJECT_MALFORMED);
    /* A known field with another wire type. */
    assert_int_equal(decode_vote_with(BYTES(0x15, 7, 0, 0, 0), 2, NOTHING), REJECT_MALFORMED);
    /* A number wider than its type. */
    assert_int_equal(
        decode_vote_with(NOTHING, 0, BYTES(0x28, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01)),
        REJECT_NOT_CANONICAL);
}

static void an_envelope_holds_exactly_one_message(void **state)
{
    (void)state;
    struct message *message;
    assert_int_equal(wire_decode(NOTHING, &message), REJECT_MALFORMED);
    assert_null(message);

    struct ingot_buffer twice = {0};
    struct ingot_buffer frame = vote_frame(7);
    ingot_buffer_append_slice(&twice, ingot_buffer_slice(&frame));
    ingot_buffer_append_slice(&twice, ingot_buffer_slice(&frame));
    assert_int_equal(wire_decode(ingot_buffer_slice(&twice), &message), REJECT_NOT_CANONICAL);

    /* A sync request after the vote: protobuf lets the last of a oneof win. */
    ingot_buffer_clear(&twice);
    ingot_buffer_append_slice(&twice, ingot_buffer_slice(&frame));
    ingot_buffer_append_slice(&twice, BYTES(0x32, 0x00));
    assert_int_equal(wire_decode(ingot_buffer_slice(&twice), &message), REJECT_NOT_CANONICAL);

    /* A kind that nobody knows. */
    assert_int_equal(wire_decode(BYTES(0x52, 0x00), &message), REJECT_MALFORMED);
    ingot_buffer_deinit(&twice);
    ingot_buffer_deinit(&frame);
}

/* --- Stored objects. --- */

static void stored_blocks_come_back(void **state)
{
    (void)state;
    struct block *genesis = wire_genesis_block(&samples.chain, samples.set, 5);
    struct block *block = samples_block(&samples, wire_genesis_qc(&samples.chain), 1, 1, 3000, 30);
    struct block *const blocks[] = {genesis, block};
    for (size_t i = 0; i < 2; i++) {
        struct ingot_buffer bytes = {0};
        struct ingot_buffer again = {0};
        struct block *back;
        wire_encode_block(blocks[i], &bytes);
        assert_int_equal(wire_decode_block(ingot_buffer_slice(&bytes), &back), REJECT_NONE);
        assert_true(crypto_hash_equal(&back->hash, &blocks[i]->hash));
        wire_encode_block(back, &again);
        assert_true(ingot_slice_equal(ingot_buffer_slice(&bytes), ingot_buffer_slice(&again)));
        block_unref(back);
        block_unref(blocks[i]);
        ingot_buffer_deinit(&bytes);
        ingot_buffer_deinit(&again);
    }
}

static void a_stored_tc_comes_back(void **state)
{
    (void)state;
    struct message *message = samples_message(&samples, MESSAGE_CERTIFICATE, 1);
    struct ingot_buffer bytes = {0};
    struct tc *back;
    wire_encode_tc(message->certificate.tc, &bytes);
    assert_int_equal(wire_decode_tc(ingot_buffer_slice(&bytes), &back), REJECT_NONE);
    assert_true(crypto_hash_equal(wire_tc_digest(back), wire_tc_digest(message->certificate.tc)));
    assert_int_equal(back->claims[0].view, 5);
    tc_unref(back);
    message_unref(message);
    ingot_buffer_deinit(&bytes);
}

static void a_saved_vote_comes_back_without_voter_and_signature(void **state)
{
    (void)state;
    const struct vote vote = {.epoch = 2,
                              .view = 900,
                              .block = samples_hash(4),
                              .phase = PHASE_COMMIT,
                              .voter = VALIDATOR_NONE};
    struct ingot_buffer bytes = {0};
    struct vote back;
    wire_encode_vote(&vote, &bytes);
    assert_int_equal(wire_decode_vote(ingot_buffer_slice(&bytes), &back), REJECT_NONE);
    assert_true(vote_same_choice(&vote, &back));
    assert_int_equal(back.voter, VALIDATOR_NONE);
    assert_memory_equal(&back.signature, &vote.signature, sizeof vote.signature);
    ingot_buffer_append_u8(&bytes, 0);
    assert_int_not_equal(wire_decode_vote(ingot_buffer_slice(&bytes), &back), REJECT_NONE);
    ingot_buffer_deinit(&bytes);
}

static void a_stored_set_comes_back(void **state)
{
    (void)state;
    struct samples others;
    samples_init(&others, &fast_crypto, 7, 3, 9);
    others.set->first_view = 55;
    struct ingot_buffer bytes = {0};
    struct validator_set *back;
    wire_encode_validator_set(others.set, &bytes);
    assert_int_equal(wire_decode_validator_set(ingot_buffer_slice(&bytes), &back), REJECT_NONE);
    assert_int_equal(back->epoch, 3);
    assert_int_equal(back->first_view, 55);
    assert_int_equal(back->count, others.set->count);
    assert_true(crypto_hash_equal(&back->hash, &others.set->hash));
    validator_set_unref(back);

    /* The last byte is the highest of the last power: 2^56 and more of power, then too much. */
    bytes.data[bytes.size - 1] = 0x40;
    assert_int_equal(wire_decode_validator_set(ingot_buffer_slice(&bytes), &back),
                     REJECT_MALFORMED);
    assert_null(back);
    assert_int_equal(wire_decode_validator_set(NOTHING, &back), REJECT_MALFORMED);
    ingot_buffer_deinit(&bytes);
    samples_deinit(&others);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_decodes_to_what_was_encoded),
        cmocka_unit_test(decoding_fills_in_hashes_and_keeps_digests),
        cmocka_unit_test(an_answer_says_how_far_back_it_could_go),
        cmocka_unit_test(a_large_block_survives_the_way),
        cmocka_unit_test(a_header_has_the_hash_of_its_block_and_no_payload),
        cmocka_unit_test(a_mangled_message_is_refused_or_is_another_canonical_one),
        cmocka_unit_test(a_bit_flipped_in_a_payload_breaks_the_root),
        cmocka_unit_test(only_one_encoding_of_a_message_is_taken),
        cmocka_unit_test(an_envelope_holds_exactly_one_message),
        cmocka_unit_test(stored_blocks_come_back),
        cmocka_unit_test(a_stored_tc_comes_back),
        cmocka_unit_test(a_saved_vote_comes_back_without_voter_and_signature),
        cmocka_unit_test(a_stored_set_comes_back),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

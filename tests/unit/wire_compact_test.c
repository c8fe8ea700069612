/*
 * Proposals that name transactions, and asking for those that are named, as bytes. Goal: there is
 * one way to say each thing, and whoever names other transactions than those of its block is found
 * out by the bytes alone. Method: messages that are right, spoilt in one place each.
 */
#define _GNU_SOURCE /* memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/bits.h"
#include "lib/wire_samples.h"
#include "wire/wire.h"

#define COUNT 13u

static struct samples samples;

static int set_up(void **state)
{
    (void)state;
    samples_init(&samples, &crypto_ed25519, 4, 0, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    samples_deinit(&samples);
    return 0;
}

/* A block of 13 transactions of 60 bytes, of which those with number 0, 3, 6, 9 and 12 are named.
 */
static struct message *compact(void)
{
    return samples_message(&samples, MESSAGE_COMPACT_PROPOSE, 1);
}

/* Takes the reference. */
static enum reject decode(struct message *message)
{
    struct ingot_buffer bytes = {0};
    wire_encode(message, &bytes);
    struct message *back = NULL;
    const enum reject reject = wire_decode(ingot_buffer_slice(&bytes), &back);
    ingot_buffer_deinit(&bytes);
    message_unref(back);
    message_unref(message);
    return reject;
}

static void a_named_transaction_travels_by_its_digest_alone(void **state)
{
    (void)state;
    struct message *message = compact();
    struct message *whole = message_new(MESSAGE_PROPOSE);
    whole->propose = message->propose;
    block_ref(whole->propose.block);
    tc_ref(whole->propose.tc);
    struct ingot_buffer bytes = {0};
    struct ingot_buffer whole_bytes = {0};
    wire_encode(message, &bytes);
    wire_encode(whole, &whole_bytes);
    /* Five digests for 64 bytes each, and what says which they are. */
    assert_in_range(bytes.size, whole_bytes.size - 5 * 32, whole_bytes.size - 5 * 32 + 16);
    struct message *back = NULL;
    assert_int_equal(wire_decode(ingot_buffer_slice(&bytes), &back), REJECT_NONE);
    assert_int_equal(back->kind, MESSAGE_COMPACT_PROPOSE);
    assert_int_equal(bits_count(back->compact.named.data, back->compact.named.size), 5);
    const struct block *block = back->propose.block;
    assert_memory_equal(&block->hash, &message->propose.block->hash, sizeof block->hash);
    assert_memory_equal(block->digests, message->propose.block->digests,
                        COUNT * sizeof *block->digests);
    assert_int_equal(block->payload.size, 0);
    ingot_buffer_deinit(&bytes);
    ingot_buffer_deinit(&whole_bytes);
    message_unref(back);
    message_unref(whole);
    message_unref(message);
}

static struct message *decoded_again(const struct message *message)
{
    struct ingot_buffer bytes = {0};
    wire_encode(message, &bytes);
    struct message *back = NULL;
    assert_int_equal(wire_decode(ingot_buffer_slice(&bytes), &back), REJECT_NONE);
    ingot_buffer_deinit(&bytes);
    return back;
}

static void expect_digests(const struct block *block)
{
    assert_non_null(block->digests);
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction;
    for (uint32_t i = 0; payload_next(&rest, &transaction); i++) {
        struct ingot_hash digest;
        wire_transaction_digest(transaction, &digest);
        assert_memory_equal(&digest, &block->digests[i], sizeof digest);
    }
}

static void a_proposal_keeps_the_digests_of_its_transactions(void **state)
{
    (void)state;
    struct message *message = samples_message(&samples, MESSAGE_PROPOSE, 1);
    struct message *back = decoded_again(message);
    expect_digests(back->propose.block);
    message_unref(back);
    message_unref(message);
}

static void an_answers_block_keeps_digests_that_weigh_no_more_than_its_transactions(void **state)
{
    (void)state;
    static const struct {
        uint32_t count;
        uint32_t size; /* of a transaction; four more bytes say so */
        bool is_kept;
    } rows[] = {{7, 200, true}, {1, 28, true}, {30, 28, true}, {30, 27, false}, {9, 1, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct message *message = message_new(MESSAGE_SYNC_RESPONSE);
        struct sync_response *response = &message->sync_response;
        response->blocks = alloc_zeroed(1, sizeof(struct block *));
        response->blocks[0] = samples_block(&samples, wire_genesis_qc(&samples.chain), 1, 1,
                                            rows[i].count, rows[i].size);
        response->block_count = 1;
        struct message *back = decoded_again(message);
        const struct block *block = back->sync_response.blocks[0];
        if (rows[i].is_kept) {
            expect_digests(block);
        } else {
            assert_null(block->digests);
        }
        message_unref(back);
        message_unref(message);
    }
}

static void whoever_names_other_transactions_is_found_out_by_the_root(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < COUNT; i += 3) {
        struct message *message = compact();
        message->propose.block->digests[i].bytes[31] ^= 1;
        assert_int_equal(decode(message), REJECT_BAD_ROOT);
    }
    struct message *message = compact();
    const struct ingot_hash first = message->propose.block->digests[0];
    message->propose.block->digests[0] = message->propose.block->digests[3];
    message->propose.block->digests[3] = first;
    assert_int_equal(decode(message), REJECT_BAD_ROOT);
    message = compact();
    message->compact.packed.data[10] ^= 1;
    assert_int_equal(decode(message), REJECT_BAD_ROOT);
}

static void the_names_and_the_bytes_are_those_of_all_transactions(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        uint8_t named[2];
        enum reject reject;
    } cases[] = {
        {"a bit beyond the last transaction", {0x49, 0x32}, REJECT_MALFORMED},
        {"nothing named: that is a Propose", {0, 0}, REJECT_MALFORMED},
        {"one more named than bytes are left out", {0x4B, 0x12}, REJECT_BAD_PAYLOAD},
        {"one less named than bytes are left out", {0x48, 0x12}, REJECT_BAD_PAYLOAD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct message *message = compact();
        memcpy(message->compact.named.data, cases[i].named, 2);
        const enum reject reject = decode(message);
        if (reject != cases[i].reject) {
            fail_msg("%s: %s", cases[i].why, reject_text(reject));
        }
    }
    struct message *message = compact();
    message->propose.block->transaction_count = 12;
    message->compact.named.size = 2;
    message->compact.named.data[1] = 0x02; /* the last is left out, and all agrees but the root */
    assert_int_equal(decode(message), REJECT_BAD_ROOT);
}

/* As an encoder cannot say it: 14 bits, digests and transactions, and a count of 13. */
static void no_bit_is_set_beyond_the_last_transaction(void **state)
{
    (void)state;
    struct message *message = samples_compact(
        &samples, samples_block(&samples, wire_genesis_qc(&samples.chain), 1, 1, COUNT + 1, 60),
        NULL, 3);
    bits_set(message->compact.named.data, COUNT);
    ingot_buffer_clear(&message->compact.packed);
    struct ingot_slice rest = ingot_buffer_slice(&message->propose.block->payload);
    struct ingot_slice transaction;
    for (uint32_t i = 0; i < 7 && payload_next(&rest, &transaction); i++) {
        ingot_buffer_append_u32(&message->compact.packed, (uint32_t)transaction.size);
        ingot_buffer_append_slice(&message->compact.packed, transaction);
    }
    struct ingot_buffer bytes = {0};
    wire_encode(message, &bytes);
    static const uint8_t count_field[] = {13 << 3, COUNT + 1, 2 << 3 | 2}; /* the vote follows */
    uint8_t *at = memmem(bytes.data, bytes.size, count_field, sizeof count_field);
    assert_non_null(at);
    at[1] = COUNT;
    struct message *back = NULL;
    assert_int_equal(wire_decode(ingot_buffer_slice(&bytes), &back), REJECT_MALFORMED);
    ingot_buffer_deinit(&bytes);
    message_unref(message);
}

/* Takes no more than the bytes of one field. */
static enum reject decode_wanted(enum message_kind kind, const void *wanted, size_t size)
{
    struct message *message = samples_message(&samples, kind, 0);
    struct ingot_buffer *field = kind == MESSAGE_TRANSACTIONS_REQUEST
                                     ? &message->transactions_request.wanted
                                     : &message->transactions_response.wanted;
    ingot_buffer_clear(field);
    ingot_buffer_append(field, wanted, size);
    return decode(message);
}

static void what_is_wanted_ends_with_the_last_that_is(void **state)
{
    (void)state;
    static uint8_t largest[INGOT_BLOCK_TRANSACTIONS_MAX / 8 + 1];
    largest[sizeof largest - 2] = 0x80;
    largest[sizeof largest - 1] = 0x01;
    const enum message_kind request = MESSAGE_TRANSACTIONS_REQUEST;
    assert_int_equal(decode_wanted(request, "\x07", 1), REJECT_NONE);
    assert_int_equal(decode_wanted(request, "\x00\x80", 2), REJECT_NONE);
    assert_int_equal(decode_wanted(request, "\x07\x00", 2), REJECT_MALFORMED);
    assert_int_equal(decode_wanted(request, "", 0), REJECT_MALFORMED);
    assert_int_equal(decode_wanted(request, largest, sizeof largest - 1), REJECT_NONE);
    assert_int_equal(decode_wanted(request, largest, sizeof largest), REJECT_MALFORMED);
}

static void an_answer_brings_as_many_as_it_says(void **state)
{
    (void)state;
    const enum message_kind response = MESSAGE_TRANSACTIONS_RESPONSE;
    assert_int_equal(decode_wanted(response, "\x07", 1), REJECT_NONE);
    assert_int_equal(decode_wanted(response, "\x0F", 1), REJECT_BAD_PAYLOAD);
    assert_int_equal(decode_wanted(response, "\x03", 1), REJECT_BAD_PAYLOAD);
    assert_int_equal(decode_wanted(response, "\x07\x00", 2), REJECT_MALFORMED);
    struct message *message = samples_message(&samples, response, 0);
    message->transactions_response.packed.size--;
    assert_int_equal(decode(message), REJECT_BAD_PAYLOAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_named_transaction_travels_by_its_digest_alone),
        cmocka_unit_test(a_proposal_keeps_the_digests_of_its_transactions),
        cmocka_unit_test(an_answers_block_keeps_digests_that_weigh_no_more_than_its_transactions),
        cmocka_unit_test(whoever_names_other_transactions_is_found_out_by_the_root),
        cmocka_unit_test(the_names_and_the_bytes_are_those_of_all_transactions),
        cmocka_unit_test(no_bit_is_set_beyond_the_last_transaction),
        cmocka_unit_test(what_is_wanted_ends_with_the_last_that_is),
        cmocka_unit_test(an_answer_brings_as_many_as_it_says),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

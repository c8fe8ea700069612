/*
 * Transactions on their way to the other validators. Goal: one message never makes its receiver
 * hash and check more than so many, and what we send ourselves is within that. Method: a mempool
 * full of the smallest transactions, and the codec.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/message.h"
#include "core/reject.h"
#include "node/mempool.h"
#include "wire/preimage.h"
#include "wire/wire.h"

#define COUNT (INGOT_TRANSACTION_BATCH_COUNT_MAX + 100u)

static void add_smallest(struct mempool *mempool, uint32_t number)
{
    const uint8_t bytes[3] = {(uint8_t)number, (uint8_t)(number >> 8), (uint8_t)(number >> 16)};
    const struct ingot_slice transaction = ingot_slice_of(bytes, sizeof bytes);
    struct ingot_hash digest;
    wire_transaction_digest(transaction, &digest);
    assert_int_equal(mempool_add(mempool, transaction, &digest, true, true), INGOT_OK);
}

static enum reject decode(uint32_t count, const struct ingot_buffer *packed)
{
    struct message *message = message_new(MESSAGE_TRANSACTIONS);
    message->transactions.count = count;
    ingot_buffer_append_slice(&message->transactions.packed, ingot_buffer_slice(packed));
    struct ingot_buffer frame = {0};
    wire_encode(message, &frame);
    message_unref(message);
    struct message *decoded = NULL;
    const enum reject reject = wire_decode(ingot_buffer_slice(&frame), &decoded);
    message_unref(decoded);
    ingot_buffer_deinit(&frame);
    return reject;
}

static void a_message_brings_a_bounded_number_of_transactions(void **state)
{
    (void)state;
    struct mempool *mempool = mempool_new(16 * 1024 * 1024);
    for (uint32_t i = 0; i < COUNT; i++) {
        add_smallest(mempool, i);
    }
    struct ingot_buffer packed = {0};

    const uint32_t first =
        mempool_take_outgoing(mempool, &packed, INGOT_TRANSACTION_BATCH_BYTES_MAX);
    assert_int_equal(first, INGOT_TRANSACTION_BATCH_COUNT_MAX);
    assert_int_equal(decode(first, &packed), REJECT_NONE);

    const uint32_t second =
        mempool_take_outgoing(mempool, &packed, INGOT_TRANSACTION_BATCH_BYTES_MAX);
    assert_int_equal(second, COUNT - first);
    assert_int_equal(decode(first + second, &packed), REJECT_BAD_PAYLOAD);
    ingot_buffer_deinit(&packed);
    mempool_free(mempool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_brings_a_bounded_number_of_transactions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * How a liar names transactions, and what it answers and asks. What its replica names is the model:
 * only where that names something does the liar name more, or something else.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/bits.h"
#include "lib/byzantine_state.h"
#include "wire/wire.h"

struct message *byzantine_name_all(const struct propose *propose)
{
    const struct block *block = propose->block;
    struct message *message = message_new(MESSAGE_COMPACT_PROPOSE);
    message->compact.propose = *propose;
    block_ref(message->propose.block);
    if (propose->tc != NULL) {
        tc_ref(propose->tc);
    }
    for (uint32_t i = 0; i < bits_bytes(block->transaction_count); i++) {
        ingot_buffer_append_u8(&message->compact.named, 0);
    }
    for (uint32_t i = 0; i < block->transaction_count; i++) {
        bits_set(message->compact.named.data, i);
    }
    return message;
}

struct message *byzantine_name_unknown(struct byzantine *byzantine, const struct propose *propose)
{
    struct block *block = byzantine_copy_block(propose->block);
    block->transaction_count = (uint32_t)prng_between(&byzantine->prng, 1, 20);
    block->digests = alloc_zeroed(block->transaction_count, sizeof *block->digests);
    for (uint32_t i = 0; i < block->transaction_count; i++) {
        for (uint32_t j = 0; j < INGOT_HASH_BYTES; j++) {
            block->digests[i].bytes[j] = (uint8_t)prng_below(&byzantine->prng, 256);
        }
    }
    ingot_buffer_clear(&block->payload);
    wire_digests_root(block->digests, block->transaction_count, &block->transactions_root);
    wire_seal_block_header(block);
    struct message *whole = byzantine_sign_sealed(byzantine, block, propose->tc);
    struct message *message = whole == NULL ? NULL : byzantine_name_all(&whole->propose);
    message_unref(whole);
    return message;
}

/* A digest that the root does not cover. */
static void name_wrongly(struct byzantine *byzantine, const struct outlet *outlet,
                         const struct propose *propose)
{
    struct message *message = byzantine_name_all(propose);
    struct block *block = byzantine_copy_block(propose->block);
    block->digests =
        alloc_copy(propose->block->digests, block->transaction_count * sizeof *block->digests);
    block->digests[prng_below(&byzantine->prng, block->transaction_count)].bytes[7] ^= 1;
    block_unref(message->propose.block);
    message->propose.block = block;
    struct ingot_buffer frame = {0};
    wire_encode(message, &frame);
    outlet->emit(outlet->context, outlet->to, NULL, ingot_buffer_slice(&frame));
    ingot_buffer_deinit(&frame);
    message_unref(message);
    byzantine_mark(byzantine, BYZANTINE_NAMES_WRONGLY);
}

bool byzantine_name(struct byzantine *byzantine, const struct outlet *outlet,
                    struct message *message)
{
    const struct block *block = message->propose.block;
    if (block->digests == NULL || block_changes_set(block)) {
        return false;
    }
    if (byzantine_does(byzantine, BYZANTINE_NAMES_WRONGLY, 300000)) {
        name_wrongly(byzantine, outlet, &message->propose);
        return true;
    }
    if (!byzantine_has(byzantine, BYZANTINE_KEEPS_TRANSACTIONS) &&
        !byzantine_has(byzantine, BYZANTINE_ANSWERS_FALSELY)) {
        return false;
    }
    /* More than the others hold, so that they ask. */
    struct message *lie = byzantine_name_all(&message->propose);
    struct ingot_buffer bytes = {0};
    wire_encode(lie, &bytes);
    outlet->emit(outlet->context, outlet->to, message, ingot_buffer_slice(&bytes));
    ingot_buffer_deinit(&bytes);
    message_unref(lie);
    return true;
}

/* So many messages to whomever come with a false answer after a request. */
#define ANSWERS_AFTER_REQUEST 8

void byzantine_hear_request(struct byzantine *byzantine, struct message *message)
{
    const struct message *own = byzantine->proposal;
    if (own == NULL || memcmp(own->propose.block->hash.bytes,
                              message->transactions_request.block.bytes, INGOT_HASH_BYTES) != 0) {
        return;
    }
    if (byzantine_has(byzantine, BYZANTINE_KEEPS_TRANSACTIONS)) {
        byzantine_mark(byzantine, BYZANTINE_KEEPS_TRANSACTIONS);
    }
    message_unref(byzantine->request);
    byzantine->request = message_ref(message);
    byzantine->answers_left = ANSWERS_AFTER_REQUEST;
}

bool byzantine_keeps(const struct byzantine *byzantine, const struct message *message)
{
    return message->kind == MESSAGE_TRANSACTIONS_RESPONSE &&
           (byzantine_has(byzantine, BYZANTINE_KEEPS_TRANSACTIONS) ||
            byzantine_has(byzantine, BYZANTINE_ANSWERS_FALSELY));
}

void byzantine_answer_falsely(struct byzantine *byzantine, const struct outlet *outlet)
{
    if (byzantine->answers_left == 0 || !byzantine_has(byzantine, BYZANTINE_ANSWERS_FALSELY)) {
        return;
    }
    byzantine->answers_left--;
    const struct transactions_request *request = &byzantine->request->transactions_request;
    const struct block *block = byzantine->proposal->propose.block;
    struct message *lie = message_new(MESSAGE_TRANSACTIONS_RESPONSE);
    struct transactions_response *to = &lie->transactions_response;
    to->block = request->block;
    ingot_buffer_append_slice(&to->wanted, ingot_buffer_slice(&request->wanted));
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction;
    for (uint32_t i = 0; i / 8 < request->wanted.size && payload_next(&rest, &transaction); i++) {
        if (bits_has(request->wanted.data, i)) {
            ingot_buffer_append_u32(&to->packed, (uint32_t)transaction.size);
            ingot_buffer_append_slice(&to->packed, transaction);
        }
    }
    if (to->packed.size > 4) {
        /* Behind the length of the first, so that it is another transaction. */
        to->packed.data[4] ^= (uint8_t)prng_between(&byzantine->prng, 1, 255);
        byzantine_say(lie, outlet);
        byzantine_mark(byzantine, BYZANTINE_ANSWERS_FALSELY);
    }
    message_unref(lie);
}

void byzantine_ask_transactions(struct byzantine *byzantine, const struct outlet *outlet)
{
    const struct message *seen = byzantine->seen[0];
    if (seen == NULL || seen->propose.block->transaction_count == 0) {
        return;
    }
    struct message *lie = message_new(MESSAGE_TRANSACTIONS_REQUEST);
    struct transactions_request *request = &lie->transactions_request;
    request->block = seen->propose.block->hash;
    /* Often beyond the last transaction. */
    const uint64_t size = prng_between(&byzantine->prng, 1, 4);
    for (uint64_t i = 0; i < size; i++) {
        ingot_buffer_append_u8(&request->wanted, (uint8_t)prng_between(&byzantine->prng, 1, 255));
    }
    byzantine_say(lie, outlet);
    message_unref(lie);
    byzantine_mark(byzantine, BYZANTINE_ASKS_ENDLESSLY);
}

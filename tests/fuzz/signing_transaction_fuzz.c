/*
 * Transactions of the signing App on arbitrary bytes. What is accepted keeps the limits, and making
 * it anew of its parts gives the same bytes.
 */

#include "app/signing_transaction.h"
#include "fuzz/fuzz.h"

/* Its memory is used again, as that of an App is. */
static struct signing_parser parser;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct signing_transaction transaction;
    const struct ingot_slice bytes = {data, size};
    if (signing_transaction_parse(&parser, bytes, &transaction) == INGOT_SIGNING_OK) {
        struct ingot_buffer made = {0};
        const struct administrator_change *change = transaction.change;
        const struct ingot_signing_request *request = &transaction.request;
        require((change != NULL
                     ? ingot_signing_transaction_set_validators(
                           &made, change->sequence, change->list, change->count, &change->signature)
                     : ingot_signing_transaction(&made, request)) == INGOT_OK);
        require(ingot_slice_equal(ingot_buffer_slice(&made), bytes));
        require(!request->has_payload ||
                (request->payload.data > data &&
                 request->payload.data + request->payload.size <= data + size));
        ingot_buffer_deinit(&made);
    }
    return 0;
}

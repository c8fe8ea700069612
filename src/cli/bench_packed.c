/*
 * Transactions are made where they are sent from, and answers are counted byte by byte.
 */
#include "cli/bench_packed.h"

#include <stdio.h>
#include <string.h>

#include "node/rpc_transactions.h"

uint32_t bench_packed_max(uint32_t tx_bytes)
{
    const uint32_t fitting = BENCH_BODY_BYTES_MAX / (4 + tx_bytes);
    return fitting < INGOT_RPC_TRANSACTIONS_MAX ? fitting : INGOT_RPC_TRANSACTIONS_MAX;
}

size_t bench_packed_size(uint32_t tx_bytes, uint32_t count)
{
    return (size_t)count * (4 + (size_t)tx_bytes);
}

void bench_packed_make(struct bench_source *source, uint32_t count, struct ingot_buffer *body)
{
    ingot_buffer_reserve(body, bench_packed_size(source->tx_bytes, count));
    for (uint32_t i = 0; i < count; i++) {
        ingot_buffer_append_u32(body, source->tx_bytes);
        bench_source_next(source, body->data + body->size);
        body->size += source->tx_bytes;
    }
}

static enum bench_outcome outcome_of(uint8_t status, const char **text)
{
    switch (status) {
    case RPC_TRANSACTION_COMMITTED:
        return BENCH_COMMITTED;
    case RPC_TRANSACTION_FAILED:
        *text = "a transaction failed when it was executed";
        return BENCH_REFUSED;
    case RPC_TRANSACTION_REFUSED:
        *text = "a transaction was refused by the check";
        return BENCH_REFUSED;
    case RPC_TRANSACTION_KNOWN:
        *text = "a transaction was known already";
        return BENCH_REFUSED;
    case RPC_TRANSACTION_TOO_LARGE:
        *text = "a transaction is larger than the chain takes";
        return BENCH_REFUSED;
    case RPC_TRANSACTION_FULL:
        *text = "mempool is full, retry later";
        return BENCH_MEMPOOL_FULL;
    case RPC_TRANSACTION_TIMED_OUT:
        *text = "timed out waiting for a transaction to be committed";
        return BENCH_TIMEOUT;
    default:
        *text = "a status of an answer is not known";
        return BENCH_LOST;
    }
}

void bench_packed_read(struct ingot_slice answer, uint32_t count,
                       uint32_t outcomes[BENCH_OUTCOME_COUNT], char *why, size_t why_size)
{
    const char *text = NULL;
    memset(outcomes, 0, BENCH_OUTCOME_COUNT * sizeof *outcomes);
    if (answer.size != (size_t)count * RPC_TRANSACTION_RECORD_BYTES) {
        outcomes[BENCH_LOST] = count;
        if (why[0] == '\0')
            (void)snprintf(why, why_size, "an answer of %zu bytes for %u transactions", answer.size,
                           count);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        outcomes[outcome_of(answer.data[(size_t)i * RPC_TRANSACTION_RECORD_BYTES], &text)]++;
    if (text != NULL && why[0] == '\0')
        (void)snprintf(why, why_size, "%s", text);
}

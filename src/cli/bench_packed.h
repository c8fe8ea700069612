/*
 * The bodies of POST /transactions, and what its answers say. No socket, no time.
 */
#ifndef INGOT_CLI_BENCH_PACKED_H
#define INGOT_CLI_BENCH_PACKED_H

#include "cli/bench_calls.h"

/* How many transactions of this size one request may have. */
uint32_t bench_packed_max(uint32_t tx_bytes);
/* The bytes of a body with so many. */
size_t bench_packed_size(uint32_t tx_bytes, uint32_t count);

/* Appends a body with `count` new transactions. */
void bench_packed_make(struct bench_source *source, uint32_t count, struct ingot_buffer *body);

/* As bench_calls_read, for the answer to such a request. */
void bench_packed_read(struct ingot_slice answer, uint32_t count,
                       uint32_t outcomes[BENCH_OUTCOME_COUNT], char *why, size_t why_size);

#endif

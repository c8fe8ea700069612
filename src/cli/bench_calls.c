/*
 * Bodies of requests are written, and answers scanned, without a JSON library: the load generator
 * shares the machine with the nodes that it measures. Whatever an answer holds beyond the usual
 * goes to the library all the same.
 */
#define _GNU_SOURCE /* memmem */
#include "cli/bench_calls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/client.h"

#define CALL_HEAD(method)                                                                          \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" method "\",\"params\":{\"tx\":\""
#define CALL_TAIL "\"}}"
static const char commit_head[] = CALL_HEAD("broadcast_tx_commit");
static const char attest_head[] = CALL_HEAD("broadcast_tx_attest");
static_assert(sizeof commit_head == sizeof attest_head, "calls are equally long");

/* A digest in a transaction of the signing App: field 1, of 32 bytes. */
static const uint8_t digest_head[] = {1 << 3 | 2, 32};
static_assert(sizeof digest_head + 32 == BENCH_TX_BYTES_SIGNING, "nothing else is in it");

const char *bench_outcome_name(enum bench_outcome outcome)
{
    switch (outcome) {
    case BENCH_COMMITTED:
        return "committed";
    case BENCH_MEMPOOL_FULL:
        return "mempool_full";
    case BENCH_REFUSED:
        return "refused";
    case BENCH_TIMEOUT:
        return "timeout";
    case BENCH_LOST:
        return "lost";
    case BENCH_OUTCOME_COUNT:
        break;
    }
    return "";
}

/* --- Transactions. --- */

/* A bijection: different inputs, different outputs, without a pattern (Steele et al., 2014). */
static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static void put_digits(uint8_t *to, uint64_t value, uint32_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (uint32_t i = count; i > 0; i--) {
        to[i - 1] = (uint8_t)digits[value & 15];
        value >>= 4;
    }
}

void bench_source_next(struct bench_source *source, uint8_t *transaction)
{
    const uint64_t own = mix(source->seed + source->counter);
    uint32_t at = 0;
    source->counter++;
    switch (source->app) {
    case BENCH_APP_NULL:
        break;
    case BENCH_APP_KV:
        transaction[0] = 'k';
        put_digits(transaction + 1, mix(~own) % source->keys, 8);
        transaction[9] = '=';
        at = 10;
        break;
    case BENCH_APP_SIGNING:
        memcpy(transaction, digest_head, sizeof digest_head);
        at = sizeof digest_head;
        break;
    }
    put_digits(transaction + at, own, 16);
    memset(transaction + at + 16, '.', source->tx_bytes - at - 16);
}

/* --- Requests. --- */

static void append_base64(struct ingot_buffer *body, const uint8_t *bytes, uint32_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    ingot_buffer_reserve(body, (size_t)(size + 2) / 3 * 4);
    uint8_t *to = body->data + body->size;
    uint32_t i = 0;
    for (; i + 2 < size; i += 3) {
        const uint32_t word = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        *to++ = (uint8_t)digits[word >> 18];
        *to++ = (uint8_t)digits[word >> 12 & 63];
        *to++ = (uint8_t)digits[word >> 6 & 63];
        *to++ = (uint8_t)digits[word & 63];
    }
    if (i < size) {
        const bool has_two = i + 1 < size;
        const uint32_t word =
            (uint32_t)bytes[i] << 16 | (has_two ? (uint32_t)bytes[i + 1] << 8 : 0);
        *to++ = (uint8_t)digits[word >> 18];
        *to++ = (uint8_t)digits[word >> 12 & 63];
        *to++ = has_two ? (uint8_t)digits[word >> 6 & 63] : '=';
        *to++ = '=';
    }
    body->size = (size_t)(to - body->data);
}

uint32_t bench_calls_max(uint32_t tx_bytes)
{
    const uint32_t call_bytes =
        (uint32_t)(sizeof commit_head + sizeof CALL_TAIL) + (tx_bytes + 2) / 3 * 4 + 1;
    const uint32_t fitting = BENCH_BODY_BYTES_MAX / call_bytes;
    return fitting < BENCH_CALLS_MAX ? fitting : BENCH_CALLS_MAX;
}

void bench_calls_make(struct bench_source *source, uint32_t count, struct ingot_buffer *body)
{
    const char *head = source->waits_for_attestation ? attest_head : commit_head;
    uint8_t *transaction = alloc_zeroed(source->tx_bytes, 1);
    for (uint32_t i = 0; i < count; i++) {
        if (count > 1)
            ingot_buffer_append_u8(body, i == 0 ? '[' : ',');
        bench_source_next(source, transaction);
        ingot_buffer_append(body, head, sizeof commit_head - 1);
        append_base64(body, transaction, source->tx_bytes);
        ingot_buffer_append(body, CALL_TAIL, sizeof CALL_TAIL - 1);
    }
    if (count > 1)
        ingot_buffer_append_u8(body, ']');
    free(transaction);
}

/* --- Answers. --- */

/* The end of the object that begins at `at`, or NULL when it has none. */
static const uint8_t *object_end(const uint8_t *at, const uint8_t *end)
{
    uint32_t depth = 0;
    for (; at < end; at++) {
        if (*at == '{') {
            depth++;
        } else if (*at == '}') {
            depth--;
            if (depth == 0)
                return at + 1;
        } else if (*at == '"') {
            for (at++; at < end && *at != '"'; at++)
                at += *at == '\\';
        }
    }
    return NULL;
}

static enum bench_outcome outcome_of_error(const char *text)
{
    if (strstr(text, "mempool is full") != NULL || strstr(text, "too many calls wait") != NULL)
        return BENCH_MEMPOOL_FULL;
    if (strstr(text, "timed out waiting for t") != NULL) /* tx, or the attestation */
        return BENCH_TIMEOUT;
    return BENCH_REFUSED;
}

/* The careful way, for what is not the usual answer. */
static enum bench_outcome outcome_of_json(const struct bench_source *source,
                                          struct ingot_slice text, char *why, size_t why_size)
{
    char error[200] = "";
    json_error_t problem;
    json_t *answer = json_loadb((const char *)text.data, text.size, 0, &problem);
    enum bench_outcome outcome = BENCH_REFUSED;
    if (answer == NULL) {
        outcome = BENCH_LOST;
        (void)snprintf(error, sizeof error, "an answer is not JSON: %.100s", problem.text);
    } else if (client_error_text(answer, error, sizeof error)) {
        outcome = outcome_of_error(error);
    } else if (client_u64(answer, "result.check_tx.code") != 0) {
        (void)snprintf(error, sizeof error, "%s", client_text(answer, "result.check_tx.log"));
    } else if (client_u64(answer, "result.tx_result.code") != 0) {
        (void)snprintf(error, sizeof error, "%s", client_text(answer, "result.tx_result.log"));
    } else if (source->waits_for_attestation &&
               client_text(answer, "result.attestation.id")[0] == '\0') {
        outcome = BENCH_LOST;
        (void)snprintf(error, sizeof error, "an answer has no attestation");
    } else if (client_u64(answer, "result.height") > 0) {
        outcome = BENCH_COMMITTED;
    } else {
        outcome = BENCH_LOST;
        (void)snprintf(error, sizeof error, "an answer is not that of broadcast_tx_commit");
    }
    if (outcome != BENCH_COMMITTED && why[0] == '\0')
        (void)snprintf(why, why_size, "%s", error);
    json_decref(answer);
    return outcome;
}

static bool contains(struct ingot_slice text, const char *wanted)
{
    return memmem(text.data, text.size, wanted, strlen(wanted)) != NULL;
}

/* Quotes inside strings are escaped, so these patterns only match members. */
static enum bench_outcome outcome_of(const struct bench_source *source, struct ingot_slice answer,
                                     char *why, size_t why_size)
{
    if (contains(answer, "\"check_tx\":{\"code\":0,") &&
        contains(answer, "\"tx_result\":{\"code\":0,") && contains(answer, "\"height\":\"") &&
        !contains(answer, "\"height\":\"0\"") && !contains(answer, "\"error\":") &&
        (!source->waits_for_attestation || contains(answer, "\"attestation\":{")))
        return BENCH_COMMITTED;
    return outcome_of_json(source, answer, why, why_size);
}

void bench_calls_read(const struct bench_source *source, struct ingot_slice answer, uint32_t count,
                      uint32_t outcomes[BENCH_OUTCOME_COUNT], char *why, size_t why_size)
{
    const uint8_t *at = answer.data;
    const uint8_t *end = answer.data + answer.size;
    uint32_t found = 0;
    memset(outcomes, 0, BENCH_OUTCOME_COUNT * sizeof *outcomes);
    while (found < count && at < end && (at = memchr(at, '{', (size_t)(end - at))) != NULL) {
        const uint8_t *next = object_end(at, end);
        if (next == NULL)
            break;
        outcomes[outcome_of(source, ingot_slice_of(at, (size_t)(next - at)), why, why_size)]++;
        found++;
        at = next;
    }
    if (found < count && why[0] == '\0')
        (void)snprintf(why, why_size, "%u answers to %u calls", found, count);
    outcomes[BENCH_LOST] += count - found;
}

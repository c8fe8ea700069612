/*
 * Requests of POST /transactions, and the records of their answers.
 */
#include "lib/rpc_packed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

void rpc_packed_add(struct ingot_buffer *body, struct ingot_slice transaction)
{
    ingot_buffer_append_u32(body, (uint32_t)transaction.size);
    ingot_buffer_append_slice(body, transaction);
}

void rpc_packed_text(struct ingot_buffer *body, const char *transaction)
{
    rpc_packed_add(body, ingot_slice_of_text(transaction));
}

void rpc_packed_many(struct ingot_buffer *body, const char *name, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%s%u=1", name, (unsigned)i);
        rpc_packed_text(body, text);
    }
}

void rpc_packed_post(struct rpc_fake *fake, int client, struct ingot_buffer *body)
{
    struct ingot_buffer request = {0};
    ingot_buffer_format(&request,
                        "POST /transactions HTTP/1.1\r\nHost: x\r\n"
                        "Content-Type: application/octet-stream\r\nContent-Length: %zu\r\n\r\n",
                        body->size);
    ingot_buffer_append_slice(&request, ingot_buffer_slice(body));
    ingot_buffer_deinit(body);
    assert_true(rpc_fake_send(fake, client, ingot_buffer_slice(&request)));
    ingot_buffer_deinit(&request);
}

void rpc_packed_post_texts(struct rpc_fake *fake, int client, const char *const *transactions,
                           uint32_t count)
{
    struct ingot_buffer body = {0};
    for (uint32_t i = 0; i < count; i++) {
        rpc_packed_text(&body, transactions[i]);
    }
    rpc_packed_post(fake, client, &body);
}

void rpc_packed_post_text(struct rpc_fake *fake, int client, const char *transaction)
{
    rpc_packed_post_texts(fake, client, &transaction, 1);
}

void rpc_packed_assert(const struct rpc_fake_answer *answer, uint32_t index,
                       enum rpc_transaction_status status, uint64_t height)
{
    struct ingot_slice at = ingot_buffer_slice(&answer->body);
    struct ingot_slice before;
    uint8_t found_status = 255;
    uint64_t found_height = 0;
    assert_true(ingot_slice_take(&at, (size_t)index * RPC_TRANSACTION_RECORD_BYTES, &before));
    assert_true(ingot_slice_take_u8(&at, &found_status));
    assert_true(ingot_slice_take_u64(&at, &found_height));
    if (found_status != (uint8_t)status || found_height != height) {
        fail_msg("transaction %u: expected status %d at height %llu, found %u at %llu", index,
                 (int)status, (unsigned long long)height, found_status,
                 (unsigned long long)found_height);
    }
}

struct rpc_fake_answer rpc_packed_receive(struct rpc_fake *fake, int client, uint32_t count)
{
    struct rpc_fake_answer answer;
    rpc_fake_receive(fake, client, &answer);
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr((const char *)answer.head.data, "application/octet-stream"));
    assert_int_equal(answer.body.size, (size_t)count * RPC_TRANSACTION_RECORD_BYTES);
    return answer;
}

void rpc_packed_assert_all(struct rpc_fake *fake, int client, uint32_t count,
                           enum rpc_transaction_status status, uint64_t height)
{
    struct rpc_fake_answer answer = rpc_packed_receive(fake, client, count);
    for (uint32_t i = 0; i < count; i++) {
        rpc_packed_assert(&answer, i, status, height);
    }
    rpc_fake_answer_deinit(&answer);
}

void rpc_packed_assert_refused(struct rpc_fake *fake, int client, int status, const char *sentence)
{
    struct rpc_fake_answer answer;
    rpc_fake_receive(fake, client, &answer);
    assert_int_equal(answer.status, status);
    if (strstr((const char *)answer.body.data, sentence) == NULL) {
        fail_msg("expected \"%s\", found \"%s\"", sentence, (const char *)answer.body.data);
    }
    rpc_fake_answer_deinit(&answer);
}

static bool awaited_are(struct rpc_fake *of, void *context)
{
    return rpc_fake_counters(of).awaited == *(const uint64_t *)context;
}

void rpc_packed_await(struct rpc_fake *fake, uint64_t count)
{
    rpc_fake_run_until(fake, awaited_are, &count);
}

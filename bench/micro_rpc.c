/*
 * What clients cost the listener: POST /transactions over a real loopback socket, from the bytes of
 * the request to those of the answer. The node behind it is none: what is submitted is committed at
 * once. Taking digests is in it, as admission takes what is taken here.
 */
#include <arpa/inet.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "bench/micro.h"
#include "node/rpc.h"
#include "node/rpc_transactions.h"
#include "wire/preimage.h"

#define REQUEST_TXS 256
#define TX_BYTES 32

static struct event_base *base;
static struct rpc *rpc;
static struct genesis genesis;
static int client;
static struct ingot_buffer request;
static struct ingot_buffer body;
static struct block *block; /* of what was submitted */
static struct execution *execution;
static uint64_t counter;

static enum ingot_error submit(void *context, struct ingot_slice transaction,
                               const struct ingot_hash *digest,
                               struct ingot_check_response *response)
{
    (void)context;
    (void)response;
    INGOT_ASSERT(digest != NULL && block->transaction_count < REQUEST_TXS);
    block->digests[block->transaction_count++] = *digest;
    ingot_buffer_append_u32(&block->payload, (uint32_t)transaction.size);
    ingot_buffer_append_slice(&block->payload, transaction);
    return INGOT_OK;
}

static bool connect_client(void)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(rpc_port(rpc)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    client = socket(AF_INET, SOCK_STREAM, 0);
    return client >= 0 && connect(client, (const struct sockaddr *)&address, sizeof address) == 0 &&
           fcntl(client, F_SETFL, O_NONBLOCK) == 0;
}

static bool begin(const char *argument)
{
    (void)argument;
    char why[200];
    genesis_init(&genesis);
    const struct rpc_identity identity = {.moniker = "micro",
                                          .listen_address = "",
                                          .app_name = "null",
                                          .app_version = "1",
                                          .program_version = "1",
                                          .genesis = &genesis};
    const struct rpc_backend backend = {.submit = submit};
    const struct rpc_options options = {.host = "127.0.0.1"};
    base = event_base_new();
    INGOT_ASSERT(base != NULL);
    rpc = rpc_new(base, &options, &identity, &backend, why, sizeof why);
    if (rpc == NULL || !connect_client()) {
        (void)fprintf(stderr, "no loopback: %s\n", rpc == NULL ? why : "cannot connect");
        return false;
    }
    static const struct ingot_result results[REQUEST_TXS];
    execution = execution_new(results, REQUEST_TXS, NULL, 0, NULL, 0);
    block = block_new();
    block->digests = alloc_zeroed(REQUEST_TXS, sizeof *block->digests);
    counter = 0;
    return true;
}

static void prepare(void)
{
    ingot_buffer_clear(&body);
    ingot_buffer_clear(&request);
    for (uint32_t i = 0; i < REQUEST_TXS; i++, counter++) {
        uint8_t transaction[TX_BYTES];
        memset(transaction, '.', sizeof transaction);
        memcpy(transaction, &counter, sizeof counter);
        ingot_buffer_append_u32(&body, TX_BYTES);
        ingot_buffer_append(&body, transaction, sizeof transaction);
    }
    ingot_buffer_format(&request,
                        "POST /transactions HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
                        body.size);
    ingot_buffer_append_slice(&request, ingot_buffer_slice(&body));
    block->height++;
    block->transaction_count = 0;
    ingot_buffer_clear(&block->payload);
}

static void step(void)
{
    static uint8_t answer[REQUEST_TXS * RPC_TRANSACTION_RECORD_BYTES + 1024];
    size_t sent = 0;
    size_t received = 0;
    while (sent < request.size || block->transaction_count < REQUEST_TXS) {
        const ssize_t part = write(client, request.data + sent, request.size - sent);
        sent += part > 0 ? (size_t)part : 0;
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
    }
    rpc_committed(rpc, block, execution);
    while (received < REQUEST_TXS * RPC_TRANSACTION_RECORD_BYTES) {
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
        const ssize_t part = read(client, answer, sizeof answer);
        received += part > 0 ? (size_t)part : 0;
    }
}

static void end(void)
{
    (void)close(client);
    rpc_free(rpc);
    event_base_free(base);
    execution_unref(execution);
    block_unref(block);
    genesis_deinit(&genesis);
    ingot_buffer_deinit(&request);
    ingot_buffer_deinit(&body);
}

const struct micro_row micro_rpc_rows[] = {{"submit",
                                            "POST /transactions, 256 of 32 bytes; a transaction",
                                            REQUEST_TXS, NULL, begin, prepare, step, end},
                                           {.id = NULL}};

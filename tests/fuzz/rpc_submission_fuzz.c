/*
 * Bodies of POST /transactions, against a node that takes a transaction or not by its first byte:
 * what is no packed payload is refused and nothing of it submitted, else every transaction gets the
 * status that is due to it, once.
 *
 * The first byte says how it goes on: 1 the time is up before anything is committed, 2 the client
 * goes away, 4 blocks come without digests, 8 a block is committed before the next turn of the
 * loop.
 */
#include <event2/event.h>
#include <string.h>

#include "base/alloc.h"
#include "fuzz/fuzz.h"
#include "node/rpc_internal.h"
#include "wire/preimage.h"

#define BODY_BYTES_MAX 4096
#define COUNT_MAX (BODY_BYTES_MAX / 5 + 1)

/* What rpc_connection.c and rpc_server.c are in a node: one connection, and no timers. */
struct rpc_connection {
    uint32_t answers;
    int status;
    bool awaits_turn;
    struct ingot_buffer body;
};

static struct rpc rpc;
static uint64_t height;
static struct ingot_buffer pending; /* admitted, and in no block yet */
static uint32_t pending_count;
static bool may_be_pending[UINT16_MAX + 1]; /* by two bytes of the digest: spares most searches */
static uint32_t submissions;
static bool keeps_digests;

void rpc_connection_answer(struct rpc_connection *connection, int status, const char *content_type,
                           struct ingot_buffer *body)
{
    require(content_type != NULL && body->size > 0);
    connection->answers++;
    connection->status = status;
    connection->body = *body;
    *body = (struct ingot_buffer){0};
}

void rpc_connection_drop_body(struct rpc_connection *connection)
{
    (void)connection;
}

void rpc_connection_await_turn(struct rpc_connection *connection)
{
    connection->awaits_turn = true;
}

void rpc_add_timer(struct event *event, uint64_t wait_ms)
{
    (void)event;
    (void)wait_ms;
}

/* --- The node. --- */

static bool is_pending(struct ingot_slice transaction)
{
    struct ingot_slice rest = ingot_buffer_slice(&pending);
    struct ingot_slice other;
    while (payload_next(&rest, &other)) {
        if (ingot_slice_equal(transaction, other)) {
            return true;
        }
    }
    return false;
}

static enum ingot_error submit(void *context, struct ingot_slice transaction,
                               const struct ingot_hash *digest,
                               struct ingot_check_response *response)
{
    (void)context;
    struct ingot_hash expected;
    wire_transaction_digest(transaction, &expected);
    require(memcmp(digest->bytes, expected.bytes, sizeof expected.bytes) == 0);
    submissions++;
    switch (transaction.data[0]) {
    case 'e':
        return INGOT_ERROR_EXISTS;
    case 'f':
        return INGOT_ERROR_FULL;
    case 'l':
        return INGOT_ERROR_TOO_LARGE;
    case 'n':
        response->code = 3;
        ingot_buffer_append_slice(&response->log, transaction);
        return INGOT_OK;
    default:
        break;
    }
    bool *known = &may_be_pending[(uint16_t)(expected.bytes[0] << 8 | expected.bytes[1])];
    if (*known && is_pending(transaction)) {
        return INGOT_ERROR_EXISTS;
    }
    *known = true;
    ingot_buffer_append_u32(&pending, (uint32_t)transaction.size);
    ingot_buffer_append_slice(&pending, transaction);
    pending_count++;
    return INGOT_OK;
}

/* All that is pending, with a code of 9 for what begins with `b`. */
static void commit(void)
{
    struct ingot_result results[COUNT_MAX];
    struct ingot_slice transaction;
    struct block *block = block_new();
    block->height = ++height;
    block->payload = pending;
    block->transaction_count = pending_count;
    pending = (struct ingot_buffer){0};
    pending_count = 0;
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    if (keeps_digests) {
        block->digests = alloc_zeroed(COUNT_MAX, sizeof block->digests[0]);
    }
    for (uint32_t i = 0; payload_next(&rest, &transaction); i++) {
        results[i] = (struct ingot_result){.code = transaction.data[0] == 'b' ? 9 : 0};
        if (keeps_digests) {
            wire_transaction_digest(transaction, &block->digests[i]);
        }
    }
    struct execution *execution =
        execution_new(results, block->transaction_count, NULL, 0, NULL, 0);
    rpc_submissions_committed(&rpc, block, execution);
    execution_unref(execution);
    block_unref(block);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    require(crypto_init());
    struct event_base *base = event_base_new();
    require(base != NULL);
    rpc = (struct rpc){.base = base,
                       .options = {.submitted_max = COUNT_MAX},
                       .identity = {.protocol = SETTINGS_PROTOCOL_HOTSTUFF},
                       .backend = {.submit = submit},
                       .submission_timer = event_new(base, -1, 0, NULL, NULL)};
    rpc_index_init(&rpc.awaited, COUNT_MAX);
    return 0;
}

/* --- What has to come of a body. --- */

/* How many transactions, or 0 if it is no payload. */
static uint32_t count_of(struct ingot_slice body)
{
    struct ingot_slice rest = body;
    struct ingot_slice transaction;
    uint32_t count = 0;
    while (payload_next(&rest, &transaction) && transaction.size > 0) {
        count++;
    }
    return wire_payload_is_sound(body, count) ? count : 0;
}

static void require_records(struct ingot_slice body, struct ingot_slice records, bool is_late)
{
    struct ingot_slice transaction;
    bool is_full = false;
    while (payload_next(&body, &transaction)) {
        const uint8_t first = transaction.data[0];
        uint8_t status = 255;
        uint64_t at = 0;
        require(ingot_slice_take_u8(&records, &status) && ingot_slice_take_u64(&records, &at));
        /* When the time was up, the rest was not even looked at. */
        is_full = is_full || first == 'f' || (is_late && status == RPC_TRANSACTION_FULL);
        require((status <= RPC_TRANSACTION_FAILED) == (at > 0) && at <= height);
        if (is_full) {
            require(status == RPC_TRANSACTION_FULL);
        } else if (first == 'l') {
            require(status == RPC_TRANSACTION_TOO_LARGE);
        } else if (first == 'n') {
            require(status == RPC_TRANSACTION_REFUSED);
        } else if (first == 'e' || status == RPC_TRANSACTION_KNOWN) {
            require(status == RPC_TRANSACTION_KNOWN);
        } else if (status == RPC_TRANSACTION_TIMED_OUT) {
            require(is_late);
        } else {
            require(status == (first == 'b' ? RPC_TRANSACTION_FAILED : RPC_TRANSACTION_COMMITTED));
        }
    }
    require(records.size == 0);
}

/* Lets it go on in the way that the first byte asks for. True: the client stays. */
static bool end(struct rpc_submission *submission, struct rpc_connection *connection, uint8_t how)
{
    while (connection->awaits_turn && connection->answers == 0) {
        if ((how & 8) != 0) {
            commit();
        }
        if ((how & 3) != 0) {
            break;
        }
        connection->awaits_turn = false;
        rpc.turn.work = 0;
        rpc_submission_continue(submission);
    }
    if ((how & 2) != 0 && connection->answers == 0) {
        rpc_submission_abandon(submission);
        return false;
    }
    if ((how & 1) != 0 && connection->answers == 0) {
        rpc_submissions_expire(&rpc); /* its time was none */
    }
    if (connection->answers == 0) {
        commit();
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > BODY_BYTES_MAX) {
        return 0;
    }
    struct rpc_connection connection = {0};
    struct http_request request = {.method = HTTP_POST};
    const uint8_t how = data[0];
    ingot_buffer_append(&request.body, data + 1, size - 1);
    const struct ingot_slice body = ingot_buffer_slice(&request.body);
    const uint32_t count = count_of(body);
    keeps_digests = (how & 4) == 0;
    rpc.options.commit_timeout_ms = (how & 1) != 0 ? 0 : 100000;
    submissions = 0;
    rpc.turn.work = 0;
    struct rpc_submission *submission = rpc_submission_start(&rpc, &connection, &request);
    require((submission == NULL) == (connection.answers == 1));
    bool stays = submission == NULL || end(submission, &connection, how);
    require(connection.answers == (stays ? 1 : 0));
    require(rpc.awaited.count == 0 && rpc.submitted == 0 && rpc.oldest_submission == NULL);
    if (stays && count == 0) {
        require(connection.status == 400 && submissions == 0);
    } else if (stays && connection.status == 200) {
        require(connection.body.size == (size_t)count * RPC_TRANSACTION_RECORD_BYTES);
        require_records(body, ingot_buffer_slice(&connection.body), (how & 1) != 0);
    } else if (stays) {
        require(connection.status == 503);
    }
    ingot_buffer_deinit(&pending);
    pending_count = 0;
    memset(may_be_pending, 0, sizeof may_be_pending);
    ingot_buffer_deinit(&connection.body);
    ingot_buffer_deinit(&request.body);
    return 0;
}

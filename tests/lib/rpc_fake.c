#include "lib/rpc_fake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"

#define DEADLINE_US (10 * 1000 * 1000)
#define TIME_MS UINT64_C(1700000000000)

/* --- The node --- */

static void get_status(void *context, struct rpc_status *status)
{
    struct rpc_fake *fake = context;
    fake->status.mempool_transactions = fake->pending_count;
    fake->status.mempool_bytes = fake->pending.size - (size_t)fake->pending_count * 4;
    *status = fake->status;
}

static enum ingot_error read_block(void *context, uint64_t height, struct ledger_entry *entry)
{
    struct rpc_fake *fake = context;
    if (fake->read_error != INGOT_OK) {
        return fake->read_error;
    }
    if (height == 0 || height > fake->status.height || height < fake->status.height_lowest) {
        return INGOT_ERROR_NOT_FOUND;
    }
    entry->block = block_ref(fake->blocks[height].block);
    entry->execution = execution_ref(fake->blocks[height].execution);
    return INGOT_OK;
}

typedef bool visit_transaction(void *context, struct ingot_slice transaction, uint64_t height,
                               uint32_t index);

/* Every committed transaction, the latest block first. */
static void visit(struct rpc_fake *fake, visit_transaction *each, void *context)
{
    for (uint64_t height = fake->status.height; height > 0; height--) {
        struct ingot_slice rest = ingot_buffer_slice(&fake->blocks[height].block->payload);
        struct ingot_slice transaction;
        for (uint32_t index = 0; payload_next(&rest, &transaction); index++) {
            if (!each(context, transaction, height, index)) {
                return;
            }
        }
    }
}

struct search {
    const uint8_t *sha256;
    struct ledger_location location;
    struct ingot_slice key;
    struct ingot_slice value;
    bool is_found;
};

static bool search_hash(void *context, struct ingot_slice transaction, uint64_t height,
                        uint32_t index)
{
    struct search *search = context;
    uint8_t sha256[32];
    crypto_sha256(transaction, sha256);
    if (memcmp(sha256, search->sha256, sizeof sha256) == 0) {
        search->location = (struct ledger_location){.height = height, .index = index};
        search->is_found = true;
    }
    return !search->is_found;
}

static enum ingot_error find_transaction(void *context, const uint8_t sha256[32],
                                         struct ledger_location *location)
{
    struct search search = {.sha256 = sha256};
    visit(context, search_hash, &search);
    *location = search.location;
    return search.is_found ? INGOT_OK : INGOT_ERROR_NOT_FOUND;
}

static enum ingot_error submit(void *context, struct ingot_slice transaction,
                               struct ingot_check_response *response)
{
    struct rpc_fake *fake = context;
    struct ingot_slice rest = ingot_buffer_slice(&fake->pending);
    struct ingot_slice other;
    struct ledger_location location;
    uint8_t sha256[32];
    if (fake->submit_error != INGOT_OK) {
        return fake->submit_error;
    }
    if (transaction.size == 0) {
        return INGOT_ERROR_INVALID;
    }
    while (payload_next(&rest, &other)) {
        if (ingot_slice_equal(transaction, other)) {
            return INGOT_ERROR_EXISTS;
        }
    }
    crypto_sha256(transaction, sha256);
    if (find_transaction(fake, sha256, &location) == INGOT_OK) {
        return INGOT_ERROR_EXISTS;
    }
    if (memchr(transaction.data, '=', transaction.size) == NULL) {
        response->code = 2;
        ingot_buffer_format(&response->log, "expected key=value");
        return INGOT_OK;
    }
    ingot_buffer_append_u32(&fake->pending, (uint32_t)transaction.size);
    ingot_buffer_append_slice(&fake->pending, transaction);
    fake->pending_count++;
    if (fake->commits_at_once) {
        rpc_fake_commit(fake);
    }
    return INGOT_OK;
}

static bool search_key(void *context, struct ingot_slice transaction, uint64_t height,
                       uint32_t index)
{
    struct search *search = context;
    size_t size = search->key.size;
    (void)height;
    (void)index;
    if (transaction.size > size && transaction.data[size] == '=' &&
        memcmp(transaction.data, search->key.data, size) == 0) {
        search->value = ingot_slice_of(transaction.data + size + 1, transaction.size - size - 1);
        search->is_found = true;
    }
    return !search->is_found;
}

static enum ingot_error query(void *context, struct ingot_slice path, struct ingot_slice data,
                              struct ingot_query_response *response, uint64_t *height)
{
    struct rpc_fake *fake = context;
    struct search search = {.key = data};
    *height = fake->status.height;
    if (ingot_slice_equal(path, ingot_slice_of_text("/none"))) {
        return INGOT_ERROR_NOT_FOUND;
    }
    visit(fake, search_key, &search);
    ingot_buffer_append_slice(&response->key, data);
    if (search.is_found) {
        ingot_buffer_append_slice(&response->value, search.value);
    }
    ingot_buffer_format(&response->log, "%s", search.is_found ? "exists" : "does not exist");
    return INGOT_OK;
}

static const struct validator_set *get_validators(void *context, uint64_t height)
{
    struct rpc_fake *fake = context;
    return height <= fake->status.height + 1 ? fake->set : NULL;
}

static uint32_t get_peers(void *context, struct rpc_peer *peers, uint32_t peers_max)
{
    struct rpc_fake *fake = context;
    uint32_t count = fake->peer_count < peers_max ? fake->peer_count : peers_max;
    for (uint32_t i = 0; i < count; i++) {
        peers[i] = (struct rpc_peer){.is_outbound = i % 2 == 0,
                                     .connected_ms = 5000,
                                     .bytes_received = 1000,
                                     .bytes_sent = 2000};
        memset(peers[i].transport_key.bytes, (int)i + 1, sizeof peers[i].transport_key.bytes);
        (void)snprintf(peers[i].name, sizeof peers[i].name, "node%u", (unsigned)i + 1);
        (void)snprintf(peers[i].address, sizeof peers[i].address, "127.0.0.%u:27650",
                       (unsigned)i + 2);
    }
    return count;
}

static const struct metrics *get_metrics(void *context)
{
    struct rpc_fake *fake = context;
    fake->metrics.height = fake->status.height;
    return &fake->metrics;
}

/* --- Its chain --- */

static void hash_text(const char *text, uint64_t number, struct ingot_hash *hash)
{
    char whole[64];
    (void)snprintf(whole, sizeof whole, "%s %llu", text, (unsigned long long)number);
    crypto_blake2b(ingot_slice_of_text(whole), hash);
}

/* A QC of the parent by all but one validator; nobody checks these signatures. */
static struct qc *certify(const struct rpc_fake *fake, const struct block *block)
{
    struct qc *qc = qc_new(block->height == 0 ? 0 : RPC_FAKE_VALIDATORS - 1);
    qc->view = block->view;
    qc->block_view = block->view;
    qc->block = block->hash;
    hash_text("qc", block->height, &qc->digest);
    if (block->height == 0) {
        return qc;
    }
    qc->validator_count = fake->set->count;
    for (uint32_t i = 0, next = 0; i < fake->set->count; i++) {
        if (i != block->height % RPC_FAKE_VALIDATORS) {
            signers_add(&qc->signers, i);
            memset(qc->signatures[next].bytes, (int)i + 1, sizeof qc->signatures[next].bytes);
            next++;
        }
    }
    return qc;
}

/* Each result's data is the number of the transaction in its block. */
static struct execution *execute(uint32_t count)
{
    struct ingot_buffer encoded = {0};
    ingot_buffer_append_u32(&encoded, 1);
    ingot_buffer_append_u32(&encoded, count);
    for (uint32_t i = 0; i < count; i++) {
        ingot_buffer_append_u32(&encoded, 0);
        ingot_buffer_append_u32(&encoded, 4);
        ingot_buffer_append_u32(&encoded, i);
    }
    ingot_buffer_append_u32(&encoded, 0);
    ingot_buffer_append_u32(&encoded, 0);
    ingot_buffer_append_u32(&encoded, 0);
    struct execution *execution = execution_decode(ingot_buffer_slice(&encoded));
    assert_non_null(execution);
    ingot_buffer_deinit(&encoded);
    return execution;
}

void rpc_fake_commit(struct rpc_fake *fake)
{
    uint64_t height = fake->status.height + 1;
    const struct block *parent = height == 1 ? fake->genesis_block : fake->blocks[height - 1].block;
    assert_true(height < RPC_FAKE_BLOCKS_MAX);
    struct block *block = block_new();
    block->version = BLOCK_VERSION;
    block->chain = fake->genesis_block->hash;
    block->parent = parent->hash;
    block->height = height;
    block->view = height;
    block->time_ms = TIME_MS + height * 1000;
    block->justify = certify(fake, parent);
    block->proposer = fake->set->validators[height % RPC_FAKE_VALIDATORS].key;
    block->validators_hash = fake->set->hash;
    block->next_validators_hash = fake->set->hash;
    hash_text("block", height, &block->hash);
    hash_text("transactions", height, &block->transactions_root);
    hash_text("updates", height, &block->updates_hash);
    block->transaction_count = fake->pending_count;
    block->payload = fake->pending;
    fake->pending = (struct ingot_buffer){0};
    fake->pending_count = 0;
    fake->blocks[height] = (struct ledger_entry){block, execute(block->transaction_count)};
    fake->status.height = height;
    fake->status.height_lowest = fake->status.height_lowest == 0 ? 1 : fake->status.height_lowest;
    fake->status.hash = block->hash;
    fake->status.updates_hash = block->updates_hash;
    fake->status.time_ms = block->time_ms;
    fake->status.view = height + 3;
    fake->status.committed_transactions += block->transaction_count;
    rpc_committed(fake->rpc, block, fake->blocks[height].execution);
}

void rpc_fake_submit(struct rpc_fake *fake, const char *transaction)
{
    struct ingot_check_response response = {0};
    assert_int_equal(submit(fake, ingot_slice_of_text(transaction), &response), INGOT_OK);
    assert_int_equal(response.code, 0);
    ingot_buffer_deinit(&response.log);
}

static void init_genesis(struct rpc_fake *fake)
{
    struct ingot_validator members[RPC_FAKE_VALIDATORS];
    const char *why = NULL;
    struct genesis *genesis = &fake->genesis;
    genesis_init(genesis);
    (void)snprintf(genesis->chain_id, sizeof genesis->chain_id, "test-chain");
    (void)snprintf(genesis->app, sizeof genesis->app, "kv");
    genesis->time_ns = TIME_MS * 1000000;
    genesis->validators = alloc_zeroed(RPC_FAKE_VALIDATORS, sizeof genesis->validators[0]);
    genesis->validator_count = RPC_FAKE_VALIDATORS;
    for (uint32_t i = 0; i < RPC_FAKE_VALIDATORS; i++) {
        uint8_t seed[CRYPTO_SEED_BYTES];
        struct crypto_secret_key secret;
        memset(seed, (int)i + 1, sizeof seed);
        crypto_ed25519.key_from_seed(seed, &secret, &members[i].key);
        members[i].power = 10;
    }
    fake->set = validator_set_new(0, members, RPC_FAKE_VALIDATORS, &why);
    assert_non_null(fake->set);
    hash_text("set", 0, &fake->set->hash);
    for (uint32_t i = 0; i < RPC_FAKE_VALIDATORS; i++) {
        genesis->validators[i].validator = fake->set->validators[i];
        (void)snprintf(genesis->validators[i].name, sizeof genesis->validators[i].name, "node%u",
                       (unsigned)i);
    }
    genesis->total_power = fake->set->total_power;
    hash_text("genesis", 0, &genesis->hash);
    fake->genesis_block = block_new();
    fake->genesis_block->hash = genesis->hash;
    fake->genesis_block->time_ms = TIME_MS;
    hash_text("updates", 0, &fake->genesis_block->updates_hash);
}

void rpc_fake_init(struct rpc_fake *fake)
{
    *fake = (struct rpc_fake){0};
    assert_true(crypto_init());
    fake->base = event_base_new();
    assert_non_null(fake->base);
    init_genesis(fake);
    fake->options.host = "127.0.0.1";
    fake->identity = (struct rpc_identity){.moniker = "node0",
                                           .listen_address = "127.0.0.1:27650",
                                           .app_name = "kv",
                                           .app_version = "1",
                                           .program_version = "0.1.0",
                                           .genesis = &fake->genesis,
                                           .genesis_block = fake->genesis_block,
                                           .has_key = true,
                                           .key = fake->set->validators[0].key,
                                           .durable = true,
                                           .index_transactions = true};
    memset(fake->identity.transport_key.bytes, 0x77, INGOT_PUBLIC_KEY_BYTES);
    fake->status = (struct rpc_status){.hash = fake->genesis_block->hash,
                                       .updates_hash = fake->genesis_block->updates_hash,
                                       .time_ms = TIME_MS,
                                       .view = 1,
                                       .leader = fake->set->validators[1].key,
                                       .is_member = true,
                                       .power = 10,
                                       .peers = 3,
                                       .timeouts = 2};
    fake->peer_count = 3;
    fake->metrics = (struct metrics){.version = "0.1.0",
                                     .chain_id = "test-chain",
                                     .app_name = "kv",
                                     .moniker = "node0",
                                     .leader = fake->status.leader};
}

void rpc_fake_listen(struct rpc_fake *fake)
{
    char why[200] = "";
    const struct rpc_backend backend = {.context = fake,
                                        .status = get_status,
                                        .submit = submit,
                                        .read_block = read_block,
                                        .find_transaction = find_transaction,
                                        .query = query,
                                        .validators = get_validators,
                                        .peers = get_peers,
                                        .metrics = get_metrics};
    fake->rpc = rpc_new(fake->base, &fake->options, &fake->identity, &backend, why, sizeof why);
    assert_string_equal(why, "");
    assert_non_null(fake->rpc);
}

void rpc_fake_deinit(struct rpc_fake *fake)
{
    rpc_free(fake->rpc);
    for (uint64_t height = 1; height <= fake->status.height; height++) {
        block_unref(fake->blocks[height].block);
        execution_unref(fake->blocks[height].execution);
    }
    block_unref(fake->genesis_block);
    validator_set_unref(fake->set);
    genesis_deinit(&fake->genesis);
    ingot_buffer_deinit(&fake->pending);
    event_base_free(fake->base);
}

/* --- Clients --- */

int rpc_fake_connect(struct rpc_fake *fake)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(rpc_port(fake->rpc))};
    int client = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (client < 0 || connect(client, (struct sockaddr *)&address, sizeof address) != 0 ||
        evutil_make_socket_nonblocking(client) != 0) {
        return -1;
    }
    return client;
}

/* The loop works; then a moment is waited for the socket, if there is one. */
static void turn(struct rpc_fake *fake, int socket, short events)
{
    struct pollfd wait = {.fd = socket, .events = events};
    (void)event_base_loop(fake->base, EVLOOP_NONBLOCK);
    (void)poll(&wait, 1, 1);
}

void rpc_fake_run_until(struct rpc_fake *fake, rpc_fake_condition *condition, void *context)
{
    uint64_t deadline = clock_monotonic_us() + DEADLINE_US;
    while (!condition(fake, context)) {
        if (clock_monotonic_us() > deadline) {
            fail_msg("%s", "the condition did not come to hold within ten seconds");
        }
        turn(fake, -1, 0);
    }
}

bool rpc_fake_send(struct rpc_fake *fake, int socket, struct ingot_slice bytes)
{
    uint64_t deadline = clock_monotonic_us() + DEADLINE_US;
    while (bytes.size > 0 && clock_monotonic_us() < deadline) {
        ssize_t sent = send(socket, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (sent > 0) {
            bytes.data += sent;
            bytes.size -= (size_t)sent;
        } else if (errno != EAGAIN) {
            return false;
        }
        turn(fake, socket, POLLOUT);
    }
    return bytes.size == 0;
}

bool rpc_fake_send_text(struct rpc_fake *fake, int socket, const char *text)
{
    return rpc_fake_send(fake, socket, ingot_slice_of_text(text));
}

/* Reads up to `size` bytes; how many, 0 at the end. */
static size_t read_some(struct rpc_fake *fake, int socket, char *bytes, size_t size)
{
    uint64_t deadline = clock_monotonic_us() + DEADLINE_US;
    for (;;) {
        ssize_t got = recv(socket, bytes, size, 0);
        if (got >= 0) {
            return (size_t)got;
        }
        if (errno != EAGAIN) {
            return 0;
        }
        if (clock_monotonic_us() > deadline) {
            fail_msg("%s", "no answer within ten seconds");
        }
        turn(fake, socket, POLLIN);
    }
}

void rpc_fake_receive(struct rpc_fake *fake, int socket, struct rpc_fake_answer *answer)
{
    unsigned long length = 0;
    char byte;
    char chunk[65536];
    *answer = (struct rpc_fake_answer){0};
    while (answer->head.size < 4 ||
           memcmp(answer->head.data + answer->head.size - 4, "\r\n\r\n", 4) != 0) {
        if (read_some(fake, socket, &byte, 1) == 0) {
            return;
        }
        ingot_buffer_append_u8(&answer->head, (uint8_t)byte);
    }
    ingot_buffer_append_u8(&answer->head, '\0');
    const char *field = strstr((const char *)answer->head.data, "Content-Length: ");
    if (field != NULL) {
        length = strtoul(field + strlen("Content-Length: "), NULL, 10);
    }
    while (answer->body.size < length) {
        size_t rest = length - answer->body.size;
        size_t got = read_some(fake, socket, chunk, rest < sizeof chunk ? rest : sizeof chunk);
        if (got == 0) {
            return;
        }
        ingot_buffer_append(&answer->body, chunk, got);
    }
    ingot_buffer_append_u8(&answer->body, '\0');
    answer->body.size--;
    answer->status = atoi((const char *)answer->head.data + strlen("HTTP/1.1 "));
}

void rpc_fake_answer_deinit(struct rpc_fake_answer *answer)
{
    ingot_buffer_deinit(&answer->head);
    ingot_buffer_deinit(&answer->body);
}

bool rpc_fake_is_closed(struct rpc_fake *fake, int socket)
{
    char byte;
    return read_some(fake, socket, &byte, 1) == 0;
}

static json_t *exchange(struct rpc_fake *fake, const struct ingot_buffer *request, int *status)
{
    struct rpc_fake_answer answer;
    int socket = rpc_fake_connect(fake);
    assert_true(socket >= 0);
    assert_true(rpc_fake_send(fake, socket, ingot_buffer_slice(request)));
    rpc_fake_receive(fake, socket, &answer);
    *status = answer.status;
    json_t *json = answer.body.size == 0 ? NULL
                                         : json_loadb((const char *)answer.body.data,
                                                      answer.body.size, JSON_DECODE_ANY, NULL);
    rpc_fake_answer_deinit(&answer);
    (void)close(socket);
    return json;
}

json_t *rpc_fake_get(struct rpc_fake *fake, const char *target, int *status)
{
    struct ingot_buffer request = {0};
    ingot_buffer_format(&request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", target);
    json_t *json = exchange(fake, &request, status);
    ingot_buffer_deinit(&request);
    return json;
}

json_t *rpc_fake_post(struct rpc_fake *fake, const char *body, int *status)
{
    struct ingot_buffer request = {0};
    ingot_buffer_format(&request, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
                        strlen(body), body);
    json_t *json = exchange(fake, &request, status);
    ingot_buffer_deinit(&request);
    return json;
}

const json_t *rpc_fake_find(const json_t *json, const char *path)
{
    char name[128];
    while (json != NULL && *path != '\0') {
        size_t size = strcspn(path, ".");
        assert_true(size < sizeof name);
        memcpy(name, path, size);
        name[size] = '\0';
        json = json_is_array(json) ? json_array_get(json, strtoul(name, NULL, 10))
                                   : json_object_get(json, name);
        path += size + (path[size] == '.' ? 1 : 0);
    }
    return json;
}

const char *rpc_fake_text_at(const json_t *json, const char *path)
{
    const char *text = json_string_value(rpc_fake_find(json, path));
    if (text == NULL) {
        char *dump = json_dumps(json, JSON_ENCODE_ANY);
        print_message("no string at %s in %s\n", path, dump);
        free(dump);
    }
    assert_non_null(text);
    return text;
}

json_t *rpc_fake_get_ok(struct rpc_fake *fake, const char *target)
{
    int status;
    json_t *json = rpc_fake_get(fake, target, &status);
    assert_int_equal(status, 200);
    assert_non_null(json);
    return json;
}

json_t *rpc_fake_post_ok(struct rpc_fake *fake, const char *body)
{
    int status;
    json_t *json = rpc_fake_post(fake, body, &status);
    assert_int_equal(status, 200);
    assert_non_null(json);
    return json;
}

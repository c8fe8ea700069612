/*
 * The HTTP request parser and the argument readers on arbitrary bytes. The first byte says in what
 * pieces the rest arrives; how it arrives must make no difference.
 */
#include <string.h>

#include "fuzz/fuzz.h"
#include "node/rpc_arguments.h"
#include "node/rpc_http.h"
#include "node/rpc_json.h"

#define HEAD_MAX 1024
#define BODY_MAX 1024

static const struct rpc_argument_rule rules[RPC_ARGUMENTS_MAX] = {
    {"a", RPC_ARGUMENT_BASE64, false},
    {"b", RPC_ARGUMENT_HEX, false},
    {"c", RPC_ARGUMENT_INTEGER, false},
    {"d", RPC_ARGUMENT_FLAG, false},
};

static void read_arguments(const struct http_request *request)
{
    struct rpc_argument arguments[RPC_ARGUMENTS_MAX] = {{0}};
    struct ingot_buffer why = {0};
    (void)rpc_arguments_from_query(rules, RPC_ARGUMENTS_MAX, request->query, arguments, &why);
    rpc_arguments_deinit(arguments);
    json_t *params = rpc_json_parse(ingot_buffer_slice(&request->body), 64, &why);
    if (params != NULL) {
        struct rpc_argument others[RPC_ARGUMENTS_MAX] = {{0}};
        (void)rpc_arguments_from_json(rules, RPC_ARGUMENTS_MAX, params, others, &why);
        rpc_arguments_deinit(others);
        json_decref(params);
    }
    ingot_buffer_deinit(&why);
}

/* Feeds until the first request is complete, refused, or out of bytes. In pieces, a body of known
 * length is put in its place. */
static size_t feed(struct http_request *request, const uint8_t *data, size_t size, size_t piece)
{
    size_t taken = 0;
    http_request_init(request, HEAD_MAX, BODY_MAX);
    while (taken < size && request->state != HTTP_COMPLETE && request->state != HTTP_FAILED) {
        size_t rest = size - taken;
        size_t now = rest < piece ? rest : piece;
        const size_t missing = http_request_body_missing(request);
        if (missing > 0 && piece < size) {
            now = now < missing ? now : missing;
            memcpy(http_request_body_room(request, now), data + taken, now);
            http_request_body_put(request, now);
            taken += now;
            continue;
        }
        taken += http_request_feed(request, ingot_slice_of(data + taken, now));
        require(request->head.size <= HEAD_MAX);
        require(request->body.size <= BODY_MAX);
    }
    return taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_request whole;
    struct http_request parts;
    if (size == 0) {
        return 0;
    }
    size_t piece = (size_t)data[0] % 16 + 1;
    size_t taken = feed(&whole, data + 1, size - 1, size);
    size_t taken_by_parts = feed(&parts, data + 1, size - 1, piece);
    require(whole.state == parts.state);
    require(whole.status == parts.status);
    if (whole.state == HTTP_COMPLETE) {
        require(taken == taken_by_parts);
        require(ingot_slice_equal(whole.path, parts.path));
        require(
            ingot_slice_equal(ingot_buffer_slice(&whole.body), ingot_buffer_slice(&parts.body)));
        read_arguments(&whole);
    }
    http_request_deinit(&whole);
    http_request_deinit(&parts);
    return 0;
}

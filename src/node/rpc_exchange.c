/*
 * From an HTTP request to method calls and back: JSON-RPC 2.0 on POST, CometBFT's URI form on GET.
 * What a method does is not known here.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "node/rpc_internal.h"
#include "node/rpc_json.h"

#define JSON_TYPE "application/json"

static const char *error_message(int code)
{
    switch (code) {
    case RPC_ERROR_PARSE:
        return "Parse error. Invalid JSON";
    case RPC_ERROR_INVALID_REQUEST:
        return "Invalid Request";
    case RPC_ERROR_METHOD_NOT_FOUND:
        return "Method not found";
    case RPC_ERROR_INVALID_PARAMS:
        return "Invalid params";
    default:
        return "Internal error";
    }
}

/* {"jsonrpc", "id", and `member`}. Takes over the reference to `value`. */
static void write_answer(struct ingot_buffer *text, json_t *id, const char *member, json_t *value)
{
    json_t *answer = rpc_json(json_object());
    rpc_json_set(answer, "jsonrpc", rpc_json(json_string("2.0")));
    rpc_json_set(answer, "id", id == NULL ? rpc_json(json_null()) : json_incref(id));
    rpc_json_set(answer, member, value);
    rpc_json_write(answer, text);
    json_decref(answer);
}

static json_t *error_object(int code, const char *data)
{
    json_t *error = rpc_json(json_object());
    rpc_json_set(error, "code", rpc_json(json_integer(code)));
    rpc_json_set(error, "message", rpc_json(json_string(error_message(code))));
    if (data != NULL) {
        rpc_json_set(error, "data", rpc_json_text(ingot_slice_of_text(data)));
    }
    return error;
}

static void free_exchange(struct rpc_exchange *exchange)
{
    for (uint32_t i = 0; i < exchange->call_count; i++) {
        struct rpc_call *call = &exchange->calls[i];
        rpc_waiters_remove(&exchange->rpc->waiters, &call->waiter);
        ingot_buffer_deinit(&call->check.log);
        ingot_buffer_deinit(&call->committed);
        ingot_buffer_deinit(&call->answer);
        json_decref(call->id);
    }
    free(exchange->calls);
    free(exchange);
}

void rpc_exchange_abandon(struct rpc_exchange *exchange)
{
    INGOT_ASSERT(!exchange->is_dispatching);
    free_exchange(exchange);
}

/* Puts the answers of all calls together, in the order of the calls. */
static void gather(struct rpc_exchange *exchange, struct ingot_buffer *body)
{
    if (!exchange->is_batch) {
        *body = exchange->calls[0].answer;
        exchange->calls[0].answer = (struct ingot_buffer){0};
        return;
    }
    for (uint32_t i = 0; i < exchange->call_count; i++) {
        if (exchange->calls[i].answer.size > 0) {
            ingot_buffer_append_u8(body, body->size == 0 ? '[' : ',');
            ingot_buffer_append_slice(body, ingot_buffer_slice(&exchange->calls[i].answer));
            ingot_buffer_deinit(&exchange->calls[i].answer);
        }
    }
    if (body->size > 0) {
        ingot_buffer_append_u8(body, ']');
    }
}

/* All calls are done: answers and frees the exchange. */
static void finish(struct rpc_exchange *exchange)
{
    struct ingot_buffer body = {0};
    int status = exchange->is_uri && exchange->has_error ? 500 : 200;
    gather(exchange, &body);
    struct rpc_connection *connection = exchange->connection;
    free_exchange(exchange);
    /* Nothing but notifications: there is nothing to say. */
    rpc_connection_answer(connection, body.size == 0 ? 204 : status, JSON_TYPE, &body);
}

static void end_call(struct rpc_call *call)
{
    struct rpc_exchange *exchange = call->exchange;
    INGOT_ASSERT(!call->is_done);
    call->is_done = true;
    exchange->answer_bytes += call->answer.size;
    exchange->pending--;
    if (exchange->pending == 0 && !exchange->is_dispatching) {
        finish(exchange);
    }
}

void rpc_call_result(struct rpc_call *call, json_t *result)
{
    if (call->id == NULL) {
        json_decref(result);
    } else {
        write_answer(&call->answer, call->id, "result", result);
    }
    end_call(call);
}

void rpc_call_result_text(struct rpc_call *call, struct ingot_slice result)
{
    if (call->id != NULL) {
        ingot_buffer_append_slice(&call->answer,
                                  ingot_slice_of_text("{\"jsonrpc\":\"2.0\",\"id\":"));
        rpc_json_write(call->id, &call->answer);
        ingot_buffer_append_slice(&call->answer, ingot_slice_of_text(",\"result\":"));
        ingot_buffer_append_slice(&call->answer, result);
        ingot_buffer_append_u8(&call->answer, '}');
    }
    end_call(call);
}

void rpc_call_error(struct rpc_call *call, int code, const char *data)
{
    call->exchange->rpc->counters.call_errors++;
    call->exchange->has_error = true;
    if (call->id != NULL) {
        write_answer(&call->answer, call->id, "error", error_object(code, data));
    }
    end_call(call);
}

void rpc_call_error_format(struct rpc_call *call, int code, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    rpc_call_error(call, code, text);
}

static void run(struct rpc_call *call, const struct rpc_method *method,
                const struct rpc_argument *arguments)
{
    call->exchange->rpc->counters.calls++;
    if (call->exchange->answer_bytes > RPC_ANSWER_BYTES_MAX) {
        rpc_call_error(call, RPC_ERROR_INTERNAL,
                       "the answers to this batch are too large; use smaller batches");
        return;
    }
    const struct rpc *rpc = call->exchange->rpc;
    if (!rpc_method_is_served(rpc, method)) {
        rpc_call_error_format(call, RPC_ERROR_METHOD_NOT_FOUND,
                              "this node runs %s; %s is for nodes with another [node] protocol",
                              settings_protocol_name(rpc->identity.protocol), method->name);
        return;
    }
    method->run(call, arguments);
}

/* Starts the call that one JSON value of a POST body asks for. */
static void start_json_call(struct rpc_call *call, const json_t *request)
{
    struct rpc_argument arguments[RPC_ARGUMENTS_MAX] = {{0}};
    struct ingot_buffer why = {0};
    const json_t *id = json_object_get(request, "id");
    const json_t *version = json_object_get(request, "jsonrpc");
    const json_t *name = json_object_get(request, "method");
    bool is_valid_id = id == NULL || json_is_null(id) || json_is_string(id) || json_is_number(id);

    /* What is no request cannot be a notification: it gets an error with the id null. */
    if (!json_is_object(request) || !is_valid_id) {
        call->id = rpc_json(json_null());
        rpc_call_error(call, RPC_ERROR_INVALID_REQUEST,
                       is_valid_id ? "a request has to be an object"
                                   : "id has to be a string, a number or null");
        return;
    }
    call->id = id == NULL ? NULL : rpc_json(json_deep_copy(id));
    if (version != NULL &&
        (!json_is_string(version) ||
         !ingot_slice_equal(ingot_slice_of(json_string_value(version), json_string_length(version)),
                            ingot_slice_of_text("2.0")))) {
        call->id = call->id == NULL ? rpc_json(json_null()) : call->id;
        rpc_call_error(call, RPC_ERROR_INVALID_REQUEST, "jsonrpc has to be \"2.0\"");
        return;
    }
    if (!json_is_string(name)) {
        call->id = call->id == NULL ? rpc_json(json_null()) : call->id;
        rpc_call_error(call, RPC_ERROR_INVALID_REQUEST, "method has to be a string");
        return;
    }
    const struct rpc_method *method =
        rpc_method_find(ingot_slice_of(json_string_value(name), json_string_length(name)));
    if (method == NULL) {
        rpc_call_error(call, RPC_ERROR_METHOD_NOT_FOUND, NULL);
        return;
    }
    if (rpc_arguments_from_json(method->rules, method->rule_count,
                                json_object_get(request, "params"), arguments, &why)) {
        run(call, method, arguments);
    } else {
        rpc_call_error_format(call, RPC_ERROR_INVALID_PARAMS,
                              "error converting json params to arguments: %.*s", (int)why.size,
                              (const char *)why.data);
    }
    rpc_arguments_deinit(arguments);
    ingot_buffer_deinit(&why);
}

static struct rpc_exchange *new_exchange(struct rpc *rpc, struct rpc_connection *connection,
                                         uint32_t call_count)
{
    struct rpc_exchange *exchange = alloc_zeroed(1, sizeof *exchange);
    exchange->rpc = rpc;
    exchange->connection = connection;
    exchange->is_dispatching = true;
    exchange->call_count = call_count;
    exchange->pending = call_count;
    exchange->calls = alloc_zeroed(call_count, sizeof exchange->calls[0]);
    for (uint32_t i = 0; i < call_count; i++) {
        exchange->calls[i].exchange = exchange;
    }
    return exchange;
}

/* All calls were started: answers, unless some wait. */
static struct rpc_exchange *end_dispatch(struct rpc_exchange *exchange)
{
    exchange->is_dispatching = false;
    if (exchange->pending > 0) {
        return exchange;
    }
    finish(exchange);
    return NULL;
}

/* Refuses a body as a whole: the id of the request is not known. */
static void refuse(struct rpc *rpc, struct rpc_connection *connection, int code, const char *data)
{
    struct ingot_buffer body = {0};
    rpc->counters.bad_requests++;
    write_answer(&body, NULL, "error", error_object(code, data));
    rpc_connection_answer(connection, 200, JSON_TYPE, &body);
}

static struct rpc_exchange *start_post(struct rpc *rpc, struct rpc_connection *connection,
                                       const struct http_request *request)
{
    struct ingot_buffer why = {0};
    size_t complexity_max = 16 + (size_t)rpc->options.batch_calls_max * 16;
    json_t *body = rpc_json_parse(ingot_buffer_slice(&request->body), complexity_max, &why);
    struct rpc_exchange *exchange = NULL;
    if (body == NULL) {
        ingot_buffer_append_u8(&why, '\0');
        refuse(rpc, connection, RPC_ERROR_PARSE, (const char *)why.data);
    } else if (json_is_array(body) && json_array_size(body) == 0) {
        refuse(rpc, connection, RPC_ERROR_INVALID_REQUEST, "the batch is empty");
    } else if (json_array_size(body) > rpc->options.batch_calls_max) {
        ingot_buffer_format(&why, "the batch has %zu calls, the most is %u", json_array_size(body),
                            (unsigned)rpc->options.batch_calls_max);
        ingot_buffer_append_u8(&why, '\0');
        refuse(rpc, connection, RPC_ERROR_INVALID_REQUEST, (const char *)why.data);
    } else if (json_is_array(body)) {
        exchange = new_exchange(rpc, connection, (uint32_t)json_array_size(body));
        exchange->is_batch = true;
        for (uint32_t i = 0; i < exchange->call_count; i++) {
            start_json_call(&exchange->calls[i], json_array_get(body, i));
        }
        exchange = end_dispatch(exchange);
    } else {
        exchange = new_exchange(rpc, connection, 1);
        start_json_call(&exchange->calls[0], body);
        exchange = end_dispatch(exchange);
    }
    ingot_buffer_deinit(&why);
    json_decref(body);
    return exchange;
}

static struct rpc_exchange *start_get(struct rpc *rpc, struct rpc_connection *connection,
                                      const struct rpc_method *method, struct ingot_slice query)
{
    struct rpc_argument arguments[RPC_ARGUMENTS_MAX] = {{0}};
    struct ingot_buffer why = {0};
    struct rpc_exchange *exchange = new_exchange(rpc, connection, 1);
    struct rpc_call *call = &exchange->calls[0];
    exchange->is_uri = true;
    call->id = rpc_json(json_integer(-1)); /* as CometBFT answers what has no id */
    if (rpc_arguments_from_query(method->rules, method->rule_count, query, arguments, &why)) {
        run(call, method, arguments);
    } else {
        rpc_call_error_format(call, RPC_ERROR_INVALID_PARAMS,
                              "error converting http params to arguments: %.*s", (int)why.size,
                              (const char *)why.data);
    }
    rpc_arguments_deinit(arguments);
    ingot_buffer_deinit(&why);
    return end_dispatch(exchange);
}

/* What a browser sees at `/`: the methods with their parameters. */
static void answer_index(const struct rpc *rpc, struct rpc_connection *connection)
{
    struct ingot_buffer body = {0};
    ingot_buffer_format(&body, "<html><body>Available endpoints:<br>"
                               "<a href=\"/metrics\">/metrics</a><br>");
    for (uint32_t i = 0; i < rpc_method_count; i++) {
        const struct rpc_method *method = &rpc_methods[i];
        if (!rpc_method_is_served(rpc, method)) {
            continue;
        }
        ingot_buffer_format(&body, "<a href=\"/%s\">/%s", method->name, method->name);
        for (uint32_t j = 0; j < method->rule_count; j++) {
            ingot_buffer_format(&body, "%s%s=_", j == 0 ? "?" : "&amp;", method->rules[j].name);
        }
        ingot_buffer_format(&body, "</a><br>");
    }
    ingot_buffer_format(&body, "</body></html>\n");
    rpc_connection_answer(connection, 200, "text/html; charset=utf-8", &body);
}

static void answer_metrics(struct rpc *rpc, struct rpc_connection *connection)
{
    struct ingot_buffer body = {0};
    struct metrics_rpc counters;
    rpc_get_counters(rpc, &counters);
    metrics_render(rpc->backend.metrics(rpc->backend.context), &counters, &body);
    rpc_connection_answer(connection, 200, "text/plain; version=0.0.4; charset=utf-8", &body);
}

struct rpc_exchange *rpc_exchange_start(struct rpc *rpc, struct rpc_connection *connection,
                                        const struct http_request *request)
{
    struct ingot_slice name = ingot_slice_of(request->path.data + 1, request->path.size - 1);
    bool is_post = request->method == HTTP_POST;
    if (is_post && name.size == 0 && request->body.size > 0) {
        return start_post(rpc, connection, request);
    }
    if (name.size == 0) {
        answer_index(rpc, connection);
        return NULL;
    }
    if (!is_post && ingot_slice_equal(name, ingot_slice_of_text("metrics"))) {
        answer_metrics(rpc, connection);
        return NULL;
    }
    const struct rpc_method *method = is_post ? NULL : rpc_method_find(name);
    if (method != NULL) {
        return start_get(rpc, connection, method, request->query);
    }
    struct ingot_buffer body = {0};
    rpc->counters.bad_requests++;
    ingot_buffer_format(&body, "404 page not found\n");
    rpc_connection_answer(connection, 404, "text/plain; charset=utf-8", &body);
    return NULL;
}

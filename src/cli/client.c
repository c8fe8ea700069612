/*
 * JSON-RPC calls that wait, and the reading of what comes back.
 */
#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/hex.h"
#include "config/base64.h"

bool client_init(struct client *client, const struct endpoint *endpoint)
{
    client->why[0] = '\0';
    bool is_found = link_target_resolve(endpoint, &client->target, client->why, sizeof client->why);
    link_init(&client->link, &client->target);
    return is_found;
}

void client_deinit(struct client *client)
{
    link_deinit(&client->link);
}

/* jansson fails only when it is out of memory or is handed text that is not UTF-8. */
static json_t *checked(json_t *value)
{
    INGOT_ASSERT(value != NULL);
    return value;
}

static void put(json_t *object, const char *key, json_t *value)
{
    int outcome = json_object_set_new(object, key, checked(value));
    INGOT_ASSERT(outcome == 0);
}

json_t *client_request(uint64_t id, const char *method, json_t *params)
{
    json_t *request = checked(json_object());
    put(request, "jsonrpc", json_string("2.0"));
    put(request, "id", json_integer((json_int_t)id));
    put(request, "method", json_string(method));
    put(request, "params", params != NULL ? params : json_object());
    return request;
}

static json_t *base64_params(const char *name, struct ingot_slice bytes)
{
    size_t size = sodium_base64_encoded_len(bytes.size, sodium_base64_VARIANT_ORIGINAL);
    char *text = alloc_zeroed(size, 1);
    (void)sodium_bin2base64(text, size, bytes.data, bytes.size, sodium_base64_VARIANT_ORIGINAL);
    json_t *params = checked(json_object());
    put(params, name, json_string(text));
    free(text);
    return params;
}

json_t *client_tx_params(struct ingot_slice transaction)
{
    return base64_params("tx", transaction);
}

json_t *client_hash_params(struct ingot_slice hash)
{
    return base64_params("hash", hash);
}

json_t *client_query_params(const char *path, struct ingot_slice data)
{
    char *text = alloc_zeroed(2 * data.size + 1, 1);
    hex_encode_lower(data.data, data.size, text);
    json_t *params = checked(json_object());
    put(params, "path", json_string(path));
    put(params, "data", json_string(text));
    free(text);
    return params;
}

/* Waits until the link is done, has failed, or the time is up. */
static void wait_for(struct link *link, uint32_t timeout_ms)
{
    uint64_t deadline_us = clock_monotonic_us() + (uint64_t)timeout_ms * 1000;
    while (link_is_busy(link)) {
        uint64_t now_us = clock_monotonic_us();
        if (now_us >= deadline_us) {
            link_cancel(link, "");
            return;
        }
        struct pollfd wait = {.fd = link->socket, .events = link_poll_events(link)};
        (void)poll(&wait, 1, (int)((deadline_us - now_us + 999) / 1000));
        link_step(link);
    }
}

static void say(struct client *client, const char *what, const char *why)
{
    struct ingot_buffer address = {0};
    endpoint_format(&client->target.endpoint, &address);
    (void)snprintf(client->why, sizeof client->why, "%.*s: %s%s%s", (int)address.size,
                   (const char *)address.data, what, why[0] != '\0' ? ": " : "", why);
    ingot_buffer_deinit(&address);
}

json_t *client_parse_reply(const struct http_reply *reply, char *why, size_t why_size)
{
    json_error_t problem;
    json_t *root = json_loadb((const char *)reply->body.data, reply->body.size, 0, &problem);
    if (root == NULL && reply->status != 200)
        (void)snprintf(why, why_size, "HTTP status %d", reply->status);
    else if (root == NULL)
        (void)snprintf(why, why_size, "not JSON: %s", problem.text);
    return root;
}

bool client_error_text(const json_t *answer, char *text, size_t size)
{
    const json_t *error = json_object_get(answer, "error");
    if (error == NULL || json_is_null(error))
        return false;
    const char *data = client_text(error, "data");
    const char *message = client_text(error, "message");
    (void)snprintf(text, size, "%s", data[0] != '\0' ? data : message);
    return true;
}

static enum client_outcome read_answer(struct client *client, json_t **result)
{
    char why[256] = "";
    json_t *answer = client_parse_reply(&client->link.reply, why, sizeof why);
    if (answer == NULL) {
        say(client, "it does not answer like a node", why);
        return CLIENT_NOT_UNDERSTOOD;
    }
    enum client_outcome outcome = CLIENT_OK;
    json_t *member = json_object_get(answer, "result");
    if (client_error_text(answer, why, sizeof why)) {
        say(client, "refused", why);
        outcome = CLIENT_REFUSED;
    } else if (member == NULL) {
        say(client, "it does not answer like a node", "neither a result nor an error");
        outcome = CLIENT_NOT_UNDERSTOOD;
    } else {
        *result = json_incref(member);
    }
    json_decref(answer);
    return outcome;
}

enum client_outcome client_call(struct client *client, const char *method, json_t *params,
                                uint32_t timeout_ms, json_t **result)
{
    json_t *request = client_request(1, method, params);
    char *text = json_dumps(request, JSON_COMPACT);
    INGOT_ASSERT(text != NULL);
    json_decref(request);
    *result = NULL;
    link_start(&client->link, ingot_slice_of_text(text));
    free(text);
    wait_for(&client->link, timeout_ms);
    if (client->link.state == LINK_DONE)
        return read_answer(client, result);
    if (client->link.why[0] == '\0') {
        char why[64];
        (void)snprintf(why, sizeof why, "no answer within %u ms", timeout_ms);
        say(client, why, "");
        return CLIENT_TIMEOUT;
    }
    say(client, "cannot be reached", client->link.why);
    return CLIENT_UNREACHABLE;
}

const json_t *client_member(const json_t *object, const char *path)
{
    while (object != NULL && *path != '\0') {
        char key[64];
        size_t size = strcspn(path, ".");
        if (size >= sizeof key)
            return NULL;
        memcpy(key, path, size);
        key[size] = '\0';
        object = json_object_get(object, key);
        path += size + (path[size] == '.' ? 1 : 0);
    }
    return object;
}

uint64_t client_u64(const json_t *object, const char *path)
{
    const json_t *value = client_member(object, path);
    if (json_is_integer(value))
        return json_integer_value(value) > 0 ? (uint64_t)json_integer_value(value) : 0;
    const char *text = json_string_value(value);
    if (text == NULL || *text < '0' || *text > '9')
        return 0;
    char *end = NULL;
    errno = 0;
    uint64_t number = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0 ? number : 0;
}

const char *client_text(const json_t *object, const char *path)
{
    const char *text = json_string_value(client_member(object, path));
    return text != NULL ? text : "";
}

bool client_bytes(const json_t *object, const char *path, struct ingot_buffer *bytes)
{
    const json_t *value = client_member(object, path);
    if (value == NULL || json_is_null(value))
        return true;
    if (!json_is_string(value))
        return false;
    return base64_decode(ingot_slice_of(json_string_value(value), json_string_length(value)),
                         bytes);
}

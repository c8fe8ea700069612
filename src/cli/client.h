/*
 * Calls of a node's JSON-RPC methods, in the dialect of CometBFT v0.38, that wait for the answer.
 */
#ifndef INGOT_CLI_CLIENT_H
#define INGOT_CLI_CLIENT_H

#include <ingot/bytes.h>
#include <jansson.h>

#include "cli/link.h"

enum client_outcome {
    CLIENT_OK,
    CLIENT_UNREACHABLE, /* no connection, or it was lost */
    CLIENT_TIMEOUT,
    CLIENT_NOT_UNDERSTOOD, /* the other end is no node of this dialect */
    CLIENT_REFUSED         /* the node answered with an error */
};

struct client {
    struct link_target target;
    struct link link;
    char why[512]; /* after anything but CLIENT_OK, a sentence with the node's address */
};

/* False, with `why`, when the name cannot be looked up; deinit is due in any case. */
bool client_init(struct client *client, const struct endpoint *endpoint);
void client_deinit(struct client *client);

/*
 * Calls `method`. Takes over the reference to `params`, which may be NULL for none. On CLIENT_OK
 * `*result` is the caller's.
 */
enum client_outcome client_call(struct client *client, const char *method, json_t *params,
                                uint32_t timeout_ms, json_t **result);

/* The request's JSON, as one element of a batch or alone. Takes over the reference. */
json_t *client_request(uint64_t id, const char *method, json_t *params);
/* {"tx": base64} */
json_t *client_tx_params(struct ingot_slice transaction);
/* {"hash": base64} */
json_t *client_hash_params(struct ingot_slice hash);
/* {"path": ..., "data": hex} */
json_t *client_query_params(const char *path, struct ingot_slice data);

/*
 * Parses what came back: the text of one answer or of a batch. NULL with a sentence for people
 * when it is not JSON or the HTTP status says that something else answered.
 */
json_t *client_parse_reply(const struct http_reply *reply, char *why, size_t why_size);
/* The error of an answer as text: its data, or else its message. False when it has no error. */
bool client_error_text(const json_t *answer, char *text, size_t size);

/* Members of results. `path` names nested members with dots: "sync_info.latest_block_height". */
const json_t *client_member(const json_t *object, const char *path);
/* A number, or a string of digits as the dialect writes 64-bit ones; 0 if it is neither. */
uint64_t client_u64(const json_t *object, const char *path);
/* "" if it is no string. Borrowed from the object. */
const char *client_text(const json_t *object, const char *path);
/* Base64, or null for nothing. False when it is neither; the buffer is appended to. */
bool client_bytes(const json_t *object, const char *path, struct ingot_buffer *bytes);

#endif

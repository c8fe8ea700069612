/*
 * Values as this dialect writes them in JSON: 64-bit integers as strings, bytes as base64, hashes
 * and addresses as upper-case hex. Every function returns a new reference, never NULL.
 */
#ifndef INGOT_NODE_RPC_JSON_H
#define INGOT_NODE_RPC_JSON_H

#include <ingot/types.h>
#include <jansson.h>

/* A value that jansson has just made; NULL means out of memory, which is fail-stop. */
json_t *rpc_json(json_t *value);

json_t *rpc_json_u64(uint64_t value);
json_t *rpc_json_base64(struct ingot_slice bytes);
/* As base64, but null when empty: how this dialect shows an App's missing bytes. */
json_t *rpc_json_base64_or_null(struct ingot_slice bytes);
json_t *rpc_json_hex(struct ingot_slice bytes);
json_t *rpc_json_hash(const struct ingot_hash *hash);
/* The first 20 bytes of SHA-256 of the key. */
json_t *rpc_json_address(const struct ingot_public_key *key);
/* {"type": "tendermint/PubKeyEd25519", "value": base64} */
json_t *rpc_json_public_key(const struct ingot_public_key *key);
/* RFC 3339 with nanoseconds. */
json_t *rpc_json_time_ms(uint64_t time_ms);
/* Text from outside: what is not UTF-8 becomes question marks. */
json_t *rpc_json_text(struct ingot_slice text);

/* Sets a member; takes over the reference to `value`. */
void rpc_json_set(json_t *object, const char *name, json_t *value);
/* Appends; takes over the reference to `value`. */
void rpc_json_append(json_t *array, json_t *value);

/* Appends a value without spaces. */
void rpc_json_write(const json_t *value, struct ingot_buffer *text);

/*
 * Parses a request's JSON. `complexity_max` bounds its braces, brackets, commas and colons, and so
 * the memory that small bytes can blow up to. NULL, and a sentence in `why`, when it is not JSON.
 */
json_t *rpc_json_parse(struct ingot_slice text, size_t complexity_max, struct ingot_buffer *why);

#endif

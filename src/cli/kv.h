/*
 * What the subcommands of `ingot kv` share.
 */
#ifndef INGOT_CLI_KV_H
#define INGOT_CLI_KV_H

#include <jansson.h>

#include "cli/command.h"

/* A node's own wait for a commit is 10 s by default; ours is longer, so that its answer arrives. */
#define KV_CALL_TIMEOUT_MS 15000
#define KV_NODES_MAX 16

struct kv_import_options {
    const char *path; /* "-": standard input */
    struct endpoint nodes[KV_NODES_MAX];
    uint32_t node_count;
};

/* `ingot kv import`, in kv_import.c. */
enum ingot_exit kv_import(const struct kv_import_options *options);

/*
 * Reads the result of an abci_query for a key: true when the key is there, and its value is
 * appended. A missing key is an answer as well, which says "does not exist".
 */
bool kv_value(const json_t *result, struct ingot_buffer *value);

/* Random bytes that make one submission differ from an earlier one of the same operation. */
#define KV_NONCE_BYTES 8
void kv_nonce(uint8_t nonce[KV_NONCE_BYTES]);

#endif

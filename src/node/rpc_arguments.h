/*
 * The arguments of a method call, from JSON parameters or from a query string, by the method's own
 * table of names and kinds.
 */
#ifndef INGOT_NODE_RPC_ARGUMENTS_H
#define INGOT_NODE_RPC_ARGUMENTS_H

#include <ingot/types.h>
#include <jansson.h>

#define RPC_ARGUMENTS_MAX 4

enum rpc_argument_kind {
    RPC_ARGUMENT_BASE64,  /* bytes; base64 in JSON */
    RPC_ARGUMENT_HEX,     /* bytes; hex in JSON */
    RPC_ARGUMENT_TEXT,    /* a string */
    RPC_ARGUMENT_INTEGER, /* a signed 64-bit integer; a number or a string in JSON */
    RPC_ARGUMENT_FLAG     /* true or false */
};

struct rpc_argument_rule {
    const char *name;
    enum rpc_argument_kind kind;
    bool is_required;
};

struct rpc_argument {
    bool is_given;
    bool flag;
    int64_t integer;
    struct ingot_buffer bytes; /* of bytes and text */
};

/* Always RPC_ARGUMENTS_MAX of them. */
void rpc_arguments_deinit(struct rpc_argument arguments[RPC_ARGUMENTS_MAX]);

/*
 * Reads parameters by name (an object) or by position (an array); null and absent mean not given.
 * `params` may be NULL. False with a sentence in `why`; deinit all the same.
 */
bool rpc_arguments_from_json(const struct rpc_argument_rule *rules, uint32_t count,
                             const json_t *params, struct rpc_argument *arguments,
                             struct ingot_buffer *why);

/*
 * Reads a query string as CometBFT does: "quoted" text is JSON text, and its bytes where bytes are
 * meant; 0x and hex digits are bytes; integers and flags are bare.
 */
bool rpc_arguments_from_query(const struct rpc_argument_rule *rules, uint32_t count,
                              struct ingot_slice query, struct rpc_argument *arguments,
                              struct ingot_buffer *why);

#endif

/*
 * A client's transactions for the kv App, and what they must come to: a model of the App simple
 * enough to be right at a glance.
 */
#ifndef INGOT_TESTS_KV_MODEL_H
#define INGOT_TESTS_KV_MODEL_H

#include <ingot/app.h>

#include "lib/prng.h"
#include "lib/table.h"

#define KV_MODEL_KEYS 24
#define KV_MODEL_RECENT 32

enum kv_operation_kind {
    KV_PUT_TEXT,
    KV_PUT,
    KV_DELETE,
    KV_COMPARE_AND_SET,
    KV_GET,
    KV_CHANGE_SET /* a put of the key that set_app.h looks at */
};

/* A transaction that was made, and what became of it. */
struct kv_operation {
    enum kv_operation_kind kind;
    uint32_t key;
    uint64_t value;         /* put, compare-and-set */
    uint64_t expected;      /* compare-and-set; 0: must not be there */
    uint8_t sha256[32];     /* how clients name it */
    uint64_t commit_height; /* the last; 0: never */
    uint32_t commit_index;  /* in that block */
    uint32_t code;          /* what a replay gives there */
};

struct kv_model {
    struct prng prng;
    struct table operations; /* digest of the transaction -> struct kv_operation */
    uint64_t made;
    struct ingot_buffer recent[KV_MODEL_RECENT]; /* the last that were made */
    uint64_t values[KV_MODEL_KEYS];              /* 0: not there */
};

void kv_model_init(struct kv_model *model, uint64_t seed);
void kv_model_deinit(struct kv_model *model);

/* Appends a new transaction, unlike all before it. */
void kv_model_make(struct kv_model *model, struct ingot_buffer *transaction);
/* A client has made this transaction, which changes the validator set. */
void kv_model_add_change(struct kv_model *model, struct ingot_slice transaction);
/* One of the last that were made, or NULL. Borrowed until the next is made. */
const struct ingot_buffer *kv_model_recent(struct kv_model *model);
/* The operation behind a transaction, or NULL. */
struct kv_operation *kv_model_find(const struct kv_model *model, const struct ingot_hash *digest);
/* Executes it. NULL if the result is what it must be, else what is wrong with it. A result of NULL
 * was never seen, and is not judged. */
const char *kv_model_execute(struct kv_model *model, struct kv_operation *operation,
                             const struct ingot_result *result);

/* The names of key and value number `index`, NUL-terminated. */
void kv_model_key(uint32_t index, char text[16]);
void kv_model_value(uint64_t number, char text[32]);

#endif

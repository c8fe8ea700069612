/*
 * Transactions of the key-value App as values: parsing both forms, with all checks that need no
 * state. Making them is public: <ingot/app_kv.h>.
 */
#ifndef INGOT_APP_KV_TRANSACTION_H
#define INGOT_APP_KV_TRANSACTION_H

#include <ingot/app_kv.h>

#include "app/administrator.h"
#include "app/message.h"

enum kv_operation { KV_PUT, KV_DELETE, KV_COMPARE_AND_SET, KV_GET, KV_SET_VALIDATORS };

/* Slices point into the transaction, or into the parser's memory until the next parse. */
struct kv_transaction {
    enum kv_operation operation;
    struct ingot_slice key;
    struct ingot_slice value;    /* put, compare-and-set */
    bool expects_absent;         /* compare-and-set: the key must not be there, or ... */
    struct ingot_slice expected; /* ... must have this value */

    /* set-validators, which has no key; in the parser's memory. */
    const struct administrator_change *change;
};

/* Memory for decoding, used again for each transaction. All zero is empty. */
struct kv_parser {
    struct message_memory memory;
    struct administrator_change change;
};

void kv_parser_deinit(struct kv_parser *parser);
enum ingot_kv_code kv_transaction_parse(struct kv_parser *parser, struct ingot_slice bytes,
                                        struct kv_transaction *transaction);
/* What a code of parsing means, for the log. */
const char *kv_code_text(enum ingot_kv_code code);

/* The query of a range; false when it is not one canonical RangeQuery. */
struct kv_range {
    struct ingot_slice first;
    struct ingot_slice end;
    uint32_t limit;
};

bool kv_range_parse(struct kv_parser *parser, struct ingot_slice bytes, struct kv_range *range);
/* Append to the encoding of a RangeAnswer: any number of items, then whether there are more. */
size_t kv_range_item_size(struct ingot_slice key, struct ingot_slice value);
void kv_range_append_item(struct ingot_buffer *answer, struct ingot_slice key,
                          struct ingot_slice value);
void kv_range_append_more(struct ingot_buffer *answer);

#endif

/*
 * The record that says that this data is a copy, which must not sign yet: it is in the data itself,
 * so it cannot be left behind, and every start of a node finds it. watermark.h has the rule by
 * which a node gets rid of it.
 */
#ifndef INGOT_NODE_LEDGER_WATERMARK_H
#define INGOT_NODE_LEDGER_WATERMARK_H

#include "node/ledger.h"

struct ledger_withheld {
    bool is_withheld; /* false: this data may sign, and the rest means nothing */
    bool has_mark;
    struct position mark; /* the watermark, once it is known */
};

/* Into the open batch; `is_withheld` false takes the record away. */
void ledger_put_withheld(struct ledger *ledger, const struct ledger_withheld *withheld);

/*
 * What is durable. INGOT_OK, INGOT_ERROR_CORRUPT or the store's error, with a sentence in `why`; a
 * record that cannot be read is no leave to sign.
 */
INGOT_MUST_USE enum ingot_error ledger_read_withheld(struct ledger *ledger,
                                                     struct ledger_withheld *withheld, char *why,
                                                     size_t why_size);

#endif

/*
 * Transactions of the signing App as values: parsing, with all checks that need neither the state
 * nor the chain. Making them is public: <ingot/app_signing.h>.
 */
#ifndef INGOT_APP_SIGNING_TRANSACTION_H
#define INGOT_APP_SIGNING_TRANSACTION_H

#include <ingot/app_signing.h>

#include "app/administrator.h"
#include "app/message.h"

/* Either a request or a change. Slices point into the transaction, or into the parser's memory
 * until the next parse; the payload's into the transaction. */
struct signing_transaction {
    struct ingot_signing_request request;
    const struct administrator_change *change; /* NULL: a request */
};

/* Memory for decoding, used again for each transaction. All zero is empty. */
struct signing_parser {
    struct message_memory memory;
    struct administrator_change change;
};

void signing_parser_deinit(struct signing_parser *parser);
enum ingot_signing_code signing_transaction_parse(struct signing_parser *parser,
                                                  struct ingot_slice bytes,
                                                  struct signing_transaction *transaction);
/* What a code of parsing means, for the log. */
const char *signing_code_text(enum ingot_signing_code code);

/* The SHA-256 that the validators sign: of the payload if it is there. */
void signing_request_digest(const struct ingot_signing_request *request,
                            uint8_t digest[INGOT_SIGNING_DIGEST_BYTES]);
/* A request without a submitter has nothing to check. */
bool signing_submitter_signed(const struct ingot_signing_request *request,
                              const struct ingot_hash *chain);

#endif

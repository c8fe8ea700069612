/*
 * The bytes of signing transactions, and those that a submitter signs. What a transaction comes to
 * is in signing.c.
 */
#include "app/signing_transaction.h"

#include <ingot/crypto.h>
#include <sodium.h>
#include <string.h>

#include "proto/signing.pb-c.h"

/* As those of votes: text filled up with zero bytes. */
#define TAG_BYTES 24
static const char tag[TAG_BYTES] = "ingot/signing-submit/1";

/* Whether the validators see the document or its digest alone is part of what is asked. */
enum document_kind { DOCUMENT_DIGEST = 1, DOCUMENT_PAYLOAD = 2 };

/* A canonical SetValidators stands behind this byte and a length, and is all there is. */
#define SET_VALIDATORS_TAG (3 << 3 | 2)
#define SET_VALIDATORS_BYTES_MAX (1 + 3 + ADMINISTRATOR_MESSAGE_BYTES_MAX)

static_assert(INGOT_SIGNING_DIGEST_BYTES == crypto_hash_sha256_BYTES, "a digest is SHA-256");
static_assert(INGOT_SIGNING_PAYLOAD_BYTES_MAX + INGOT_SIGNING_NONCE_BYTES_MAX + 256 <=
                  INGOT_TRANSACTION_BYTES_MAX,
              "the largest payload fits a transaction");

void signing_parser_deinit(struct signing_parser *parser)
{
    message_memory_deinit(&parser->memory);
    *parser = (struct signing_parser){0};
}

/* --- Parsing. --- */

static enum ingot_signing_code check_sizes(const struct ingot_signing_request *request)
{
    if (request->has_payload && request->payload.size == 0)
        return INGOT_SIGNING_INVALID_ENCODING;
    if (request->payload.size > INGOT_SIGNING_PAYLOAD_BYTES_MAX ||
        request->nonce.size > INGOT_SIGNING_NONCE_BYTES_MAX)
        return INGOT_SIGNING_TOO_LARGE;
    return INGOT_SIGNING_OK;
}

static bool take_submitter(const Ingot__Signing__Transaction *message,
                           struct ingot_signing_request *request)
{
    request->has_submitter = message->submitter.len > 0;
    if (!request->has_submitter)
        return message->signature.len == 0;
    if (message->submitter.len != INGOT_PUBLIC_KEY_BYTES ||
        message->signature.len != INGOT_SIGNATURE_BYTES)
        return false;
    memcpy(request->submitter.bytes, message->submitter.data, INGOT_PUBLIC_KEY_BYTES);
    memcpy(request->signature.bytes, message->signature.data, INGOT_SIGNATURE_BYTES);
    return true;
}

/* Anything beside the change would let anybody make other bytes of what was signed. */
static bool take_change(const Ingot__Signing__Transaction *message, struct signing_parser *parser,
                        struct signing_transaction *transaction)
{
    transaction->change = &parser->change;
    return message->nonce.len == 0 && message->submitter.len == 0 && message->signature.len == 0 &&
           administrator_take(message->set_validators, &parser->change);
}

static bool take_operation(const Ingot__Signing__Transaction *message,
                           struct signing_parser *parser, struct signing_transaction *transaction)
{
    struct ingot_signing_request *request = &transaction->request;
    request->nonce = message_slice(message->nonce);
    switch (message->operation_case) {
    case INGOT__SIGNING__TRANSACTION__OPERATION_DIGEST:
        if (message->digest.len != INGOT_SIGNING_DIGEST_BYTES)
            return false;
        memcpy(request->digest, message->digest.data, INGOT_SIGNING_DIGEST_BYTES);
        return take_submitter(message, request);
    case INGOT__SIGNING__TRANSACTION__OPERATION_PAYLOAD:
        request->has_payload = true;
        request->payload = message_slice(message->payload);
        return take_submitter(message, request);
    case INGOT__SIGNING__TRANSACTION__OPERATION_SET_VALIDATORS:
        return take_change(message, parser, transaction);
    case INGOT__SIGNING__TRANSACTION__OPERATION__NOT_SET:
    case _INGOT__SIGNING__TRANSACTION__OPERATION__CASE_IS_INT_SIZE:
        break;
    }
    return false;
}

/* A payload stands first in a canonical message, behind its field's byte and its length. */
static struct ingot_slice payload_in(struct ingot_slice bytes, size_t size)
{
    size_t before = 2;
    for (size_t rest = size >> 7; rest > 0; rest >>= 7)
        before++;
    return ingot_slice_of(bytes.data + before, size);
}

enum ingot_signing_code signing_transaction_parse(struct signing_parser *parser,
                                                  struct ingot_slice bytes,
                                                  struct signing_transaction *transaction)
{
    *transaction = (struct signing_transaction){0};
    /* Before decoding, as message_unpack has it: the code must not depend on the machine. */
    if (bytes.size > SET_VALIDATORS_BYTES_MAX && bytes.data[0] == SET_VALIDATORS_TAG)
        return INGOT_SIGNING_TOO_LARGE;
    const ProtobufCMessage *message =
        message_unpack(&parser->memory, &ingot__signing__transaction__descriptor, bytes);
    if (message == NULL || message_has_unknown(message) ||
        !take_operation((const Ingot__Signing__Transaction *)message, parser, transaction) ||
        !message_encodes_to(message, bytes))
        return INGOT_SIGNING_INVALID_ENCODING;
    if (transaction->change != NULL && transaction->change->count == 0)
        return INGOT_SIGNING_INVALID_ENCODING;
    if (transaction->change != NULL)
        return transaction->change->count > INGOT_VALIDATORS_MAX ? INGOT_SIGNING_TOO_LARGE
                                                                 : INGOT_SIGNING_OK;
    struct ingot_signing_request *request = &transaction->request;
    if (request->has_payload)
        request->payload = payload_in(bytes, request->payload.size);
    return check_sizes(request);
}

const char *signing_code_text(enum ingot_signing_code code)
{
    switch (code) {
    case INGOT_SIGNING_OK:
        return "";
    case INGOT_SIGNING_INVALID_ENCODING:
        return "not a canonical signing transaction message with a digest, a payload or changes of "
               "validators";
    case INGOT_SIGNING_NOT_FOUND:
        return "not signed";
    case INGOT_SIGNING_TOO_LARGE:
        return "too large: a payload has up to 65536 bytes, a nonce 32; up to 256 validators "
               "change at once";
    case INGOT_SIGNING_BAD_SUBMITTER:
        return "not the submitter's signature over this transaction for this chain";
    case INGOT_SIGNING_SIGNED_ALREADY:
        return "signed already";
    case INGOT_SIGNING_NOT_ALLOWED:
        return "against this node's policy";
    case INGOT_SIGNING_UNKNOWN_PATH:
        return "unknown path; known are /signed and " ADMINISTRATOR_QUERY_PATH;
    case INGOT_SIGNING_STORE_FAILED:
        return "the store could not be read";
    case INGOT_SIGNING_NO_ADMINISTRATOR:
    case INGOT_SIGNING_BAD_SIGNATURE:
    case INGOT_SIGNING_WRONG_SEQUENCE:
    case INGOT_SIGNING_INVALID_SET:
        break; /* the administrator's verdict has its own words */
    }
    return "";
}

static_assert(INGOT_SIGNING_PAYLOAD_BYTES_MAX == 65536, "the text says so");
static_assert(INGOT_SIGNING_NONCE_BYTES_MAX == 32, "the text says so");
static_assert(INGOT_VALIDATORS_MAX == 256, "the text says so");

/* --- What is signed. --- */

void signing_request_digest(const struct ingot_signing_request *request,
                            uint8_t digest[INGOT_SIGNING_DIGEST_BYTES])
{
    if (request->has_payload)
        (void)crypto_hash_sha256(digest, request->payload.data, request->payload.size);
    else
        memcpy(digest, request->digest, INGOT_SIGNING_DIGEST_BYTES);
}

void ingot_signing_preimage(struct ingot_buffer *preimage, const struct ingot_hash *chain,
                            const struct ingot_signing_request *request)
{
    uint8_t digest[INGOT_SIGNING_DIGEST_BYTES];
    signing_request_digest(request, digest);
    ingot_buffer_append(preimage, tag, sizeof tag);
    ingot_buffer_append(preimage, chain->bytes, sizeof chain->bytes);
    ingot_buffer_append(preimage, request->submitter.bytes, sizeof request->submitter.bytes);
    ingot_buffer_append_u8(preimage, request->has_payload ? DOCUMENT_PAYLOAD : DOCUMENT_DIGEST);
    ingot_buffer_append(preimage, digest, sizeof digest);
    ingot_buffer_append_u8(preimage, (uint8_t)request->nonce.size);
    ingot_buffer_append_slice(preimage, request->nonce);
}

bool signing_submitter_signed(const struct ingot_signing_request *request,
                              const struct ingot_hash *chain)
{
    if (!request->has_submitter)
        return true;
    struct ingot_buffer preimage = {0};
    ingot_signing_preimage(&preimage, chain, request);
    const bool is_good = ingot_signature_verify(&request->submitter, ingot_buffer_slice(&preimage),
                                                &request->signature);
    ingot_buffer_deinit(&preimage);
    return is_good;
}

/* --- Making transactions. --- */

enum ingot_error ingot_signing_transaction(struct ingot_buffer *transaction,
                                           const struct ingot_signing_request *request)
{
    const enum ingot_signing_code code = check_sizes(request);
    if (code != INGOT_SIGNING_OK)
        return code == INGOT_SIGNING_TOO_LARGE ? INGOT_ERROR_TOO_LARGE : INGOT_ERROR_INVALID;
    Ingot__Signing__Transaction message = INGOT__SIGNING__TRANSACTION__INIT;
    if (request->has_payload) {
        message.operation_case = INGOT__SIGNING__TRANSACTION__OPERATION_PAYLOAD;
        message.payload = message_data(request->payload);
    } else {
        message.operation_case = INGOT__SIGNING__TRANSACTION__OPERATION_DIGEST;
        message.digest = message_data(ingot_slice_of(request->digest, sizeof request->digest));
    }
    message.nonce = message_data(request->nonce);
    if (request->has_submitter) {
        message.submitter =
            message_data(ingot_slice_of(request->submitter.bytes, INGOT_PUBLIC_KEY_BYTES));
        message.signature =
            message_data(ingot_slice_of(request->signature.bytes, INGOT_SIGNATURE_BYTES));
    }
    message_append(transaction, &message.base);
    return INGOT_OK;
}

enum ingot_error ingot_signing_transaction_set_validators(struct ingot_buffer *transaction,
                                                          uint64_t sequence,
                                                          const struct ingot_validator *changes,
                                                          uint32_t change_count,
                                                          const struct ingot_signature *signature)
{
    struct administrator_message made;
    const enum ingot_error error =
        administrator_message(&made, sequence, changes, change_count, signature);
    if (error != INGOT_OK)
        return error;
    Ingot__Signing__Transaction message = INGOT__SIGNING__TRANSACTION__INIT;
    message.operation_case = INGOT__SIGNING__TRANSACTION__OPERATION_SET_VALIDATORS;
    message.set_validators = &made.message;
    message_append(transaction, &message.base);
    return INGOT_OK;
}

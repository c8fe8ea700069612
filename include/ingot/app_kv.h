/**
 * The key-value App: put, delete, compare-and-set, get, and changes of the validator set by an
 * administrator. docs/kv.md describes transactions, results
 * and queries.
 *
 * A transaction is either the text `key=value`, or a zero byte followed by a `Transaction` message
 * of proto/kv.proto, which the functions below make.
 */
#ifndef INGOT_APP_KV_H
#define INGOT_APP_KV_H

#include <ingot/administrator.h>
#include <ingot/app.h>

#ifdef __cplusplus
extern "C" {
#endif

#define INGOT_KV_KEY_BYTES_MAX 256
#define INGOT_KV_VALUE_BYTES_MAX (512 * 1024)
#define INGOT_KV_NONCE_BYTES_MAX 64
/* One answer to a range query. */
#define INGOT_KV_RANGE_ITEMS_MAX 1000
#define INGOT_KV_RANGE_BYTES_MAX (1024 * 1024)

/** Codes of results, of check_tx and of queries. */
enum ingot_kv_code {
    INGOT_KV_OK = 0,
    INGOT_KV_INVALID_ENCODING = 1, /* not one canonical Transaction message after the zero byte */
    INGOT_KV_INVALID_FORMAT = 2,   /* text that is not key=value */
    INGOT_KV_TOO_LARGE = 3,        /* a key, value or nonce above its limit */
    INGOT_KV_COMPARE_FAILED = 4, /* compare-and-set found something else; data: what, if it fits */
    INGOT_KV_NOT_FOUND = 5,      /* delete or get of a key that is not there */
    INGOT_KV_VALUE_HIDDEN = 6,   /* get: the value does not fit a result; read it by a query */
    INGOT_KV_UNKNOWN_PATH = 7,   /* query */
    INGOT_KV_STORE_FAILED = 8,   /* query: the store could not be read */
    INGOT_KV_NO_ADMINISTRATOR = INGOT_ADMINISTRATOR_NONE,
    INGOT_KV_BAD_SIGNATURE = INGOT_ADMINISTRATOR_BAD_SIGNATURE,
    INGOT_KV_WRONG_SEQUENCE = INGOT_ADMINISTRATOR_WRONG_SEQUENCE,
    INGOT_KV_INVALID_SET = INGOT_ADMINISTRATOR_INVALID_SET
};

/**
 * Makes a key-value App; end it with ingot_app_deinit() of <ingot/apps.h>.
 *
 * @options  copied; NULL is the same as all zero: nobody may change the validators.
 */
INGOT_API void ingot_app_kv_init(const struct ingot_app_options *options, struct ingot_app *app);

/**
 * Append a transaction to `transaction`.
 *
 * @nonce  empty, or up to INGOT_KV_NONCE_BYTES_MAX bytes that make this submission differ from an
 *         earlier one of the same operation: a transaction repeated within the chain's replay
 *         window is refused.
 *
 * Return INGOT_OK; INGOT_ERROR_INVALID for an empty key; INGOT_ERROR_TOO_LARGE for a key, value or
 * nonce above its limit. Nothing is appended on an error.
 */
INGOT_API INGOT_MUST_USE enum ingot_error ingot_kv_transaction_put(struct ingot_buffer *transaction,
                                                                   struct ingot_slice key,
                                                                   struct ingot_slice value,
                                                                   struct ingot_slice nonce);
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_kv_transaction_delete(struct ingot_buffer *transaction, struct ingot_slice key,
                            struct ingot_slice nonce);

/** @expected  the value that must be there, or NULL when the key must not be there. */
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_kv_transaction_compare_and_set(struct ingot_buffer *transaction, struct ingot_slice key,
                                     const struct ingot_slice *expected, struct ingot_slice value,
                                     struct ingot_slice nonce);

/** An ordered read: the result's data is the value at the transaction's place in the chain. */
INGOT_API INGOT_MUST_USE enum ingot_error ingot_kv_transaction_get(struct ingot_buffer *transaction,
                                                                   struct ingot_slice key,
                                                                   struct ingot_slice nonce);

/**
 * Appends the transaction that changes the powers of validators: the same changes and sequence
 * number as in ingot_administrator_preimage(), and the signature over that.
 *
 * Returns INGOT_OK; INGOT_ERROR_INVALID for no change; INGOT_ERROR_TOO_LARGE for more than
 * INGOT_VALIDATORS_MAX. Nothing is appended on an error.
 */
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_kv_transaction_set_validators(struct ingot_buffer *transaction, uint64_t sequence,
                                    const struct ingot_validator *changes, uint32_t change_count,
                                    const struct ingot_signature *signature);

#ifdef __cplusplus
}
#endif
#endif

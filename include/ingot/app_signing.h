/**
 * The signing App: orders documents, by their digest or whole, for the validators to put their
 * names to, and changes of the validator set by an administrator. docs/signing.md describes
 * transactions, results and queries, docs/attestation.md what comes of them.
 *
 * A transaction is one `Transaction` message of proto/signing.proto, which the functions below
 * make.
 */
#ifndef INGOT_APP_SIGNING_H
#define INGOT_APP_SIGNING_H

#include <ingot/administrator.h>
#include <ingot/app.h>

#ifdef __cplusplus
extern "C" {
#endif

#define INGOT_SIGNING_DIGEST_BYTES 32

/** Codes of results, of check_tx and of queries. */
enum ingot_signing_code {
    INGOT_SIGNING_OK = 0,
    INGOT_SIGNING_INVALID_ENCODING = 1, /* not one canonical Transaction message with a document */
    INGOT_SIGNING_NOT_FOUND = 2,        /* query: no such transaction has been signed */
    INGOT_SIGNING_TOO_LARGE = 3,        /* a payload, nonce or list of changes above its limit */
    INGOT_SIGNING_BAD_SUBMITTER = 4,    /* not the submitter's signature over this, here */
    INGOT_SIGNING_SIGNED_ALREADY = 5,   /* exactly this was committed before; the log says where */
    INGOT_SIGNING_NOT_ALLOWED = 6,      /* check_tx: against the policy of this node */
    INGOT_SIGNING_UNKNOWN_PATH = 7,     /* query */
    INGOT_SIGNING_STORE_FAILED = 8,     /* the store could not be read */
    INGOT_SIGNING_NO_ADMINISTRATOR = INGOT_ADMINISTRATOR_NONE,
    INGOT_SIGNING_BAD_SIGNATURE = INGOT_ADMINISTRATOR_BAD_SIGNATURE,
    INGOT_SIGNING_WRONG_SEQUENCE = INGOT_ADMINISTRATOR_WRONG_SEQUENCE,
    INGOT_SIGNING_INVALID_SET = INGOT_ADMINISTRATOR_INVALID_SET
};

/**
 * Makes a signing App; end it with ingot_app_deinit() of <ingot/apps.h>.
 *
 * @options  copied, with the policy; NULL is the same as all zero: nobody may change the
 *           validators, and every valid transaction may be signed.
 */
INGOT_API void ingot_app_signing_init(const struct ingot_app_options *options,
                                      struct ingot_app *app);

/** What a client asks to be signed. */
struct ingot_signing_request {
    bool has_payload;                           /* else the digest */
    uint8_t digest[INGOT_SIGNING_DIGEST_BYTES]; /* SHA-256 of the document */
    struct ingot_slice payload; /* the document, 1 to INGOT_SIGNING_PAYLOAD_BYTES_MAX bytes */
    struct ingot_slice nonce;   /* up to INGOT_SIGNING_NONCE_BYTES_MAX; see below */
    bool has_submitter;
    struct ingot_public_key submitter; /* if it has one */
    struct ingot_signature signature;  /* the submitter's, over ingot_signing_preimage() */
};

/**
 * Appends what the submitter signs: everything in the request but the signature, bound to a chain.
 *
 * @chain  the genesis hash.
 */
INGOT_API void ingot_signing_preimage(struct ingot_buffer *preimage, const struct ingot_hash *chain,
                                      const struct ingot_signing_request *request);

/**
 * Appends the transaction that asks for it. The same transaction is signed once on a chain; with
 * another nonce it is another one.
 *
 * Returns INGOT_OK; INGOT_ERROR_INVALID for an empty payload; INGOT_ERROR_TOO_LARGE for a payload
 * or nonce above its limit. Nothing is appended on an error.
 */
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_signing_transaction(struct ingot_buffer *transaction,
                          const struct ingot_signing_request *request);

/**
 * Appends the transaction that changes the powers of validators: the same changes and sequence
 * number as in ingot_administrator_preimage(), and the signature over that.
 *
 * Returns INGOT_OK; INGOT_ERROR_INVALID for no change; INGOT_ERROR_TOO_LARGE for more than
 * INGOT_VALIDATORS_MAX. Nothing is appended on an error.
 */
INGOT_API INGOT_MUST_USE enum ingot_error ingot_signing_transaction_set_validators(
    struct ingot_buffer *transaction, uint64_t sequence, const struct ingot_validator *changes,
    uint32_t change_count, const struct ingot_signature *signature);

#ifdef __cplusplus
}
#endif
#endif

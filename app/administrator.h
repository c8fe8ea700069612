/*
 * Changes of the validator set by the administrator that genesis names, as a part of an App:
 * reading and making the message, whether a change may be made, and making it. How the message
 * stands in a transaction is the App's.
 */
#ifndef INGOT_APP_ADMINISTRATOR_H
#define INGOT_APP_ADMINISTRATOR_H

#include <ingot/administrator.h>
#include <ingot/app.h>

#include "proto/administrator.pb-c.h"

/* The state's key of the last accepted sequence number, a u64. No other key of an App begins like
 * it. */
#define ADMINISTRATOR_SEQUENCE_KEY "validators/sequence"
/* Clients ask for the next one with this path. */
#define ADMINISTRATOR_QUERY_PATH "/validators/next_sequence"

/* A canonical SetValidators has at most so many bytes. */
#define ADMINISTRATOR_CHANGE_BYTES_MAX (2 + 2 + INGOT_PUBLIC_KEY_BYTES + 1 + 10)
#define ADMINISTRATOR_MESSAGE_BYTES_MAX                                                            \
    (INGOT_VALIDATORS_MAX * ADMINISTRATOR_CHANGE_BYTES_MAX + 1 + 10 + 2 + INGOT_SIGNATURE_BYTES)

struct administrator_change {
    uint64_t sequence;
    struct ingot_signature signature;
    uint32_t count; /* of the message; `list` has the first INGOT_VALIDATORS_MAX of them */
    struct ingot_validator list[INGOT_VALIDATORS_MAX];
};

/* Reads a message that was decoded. False: it has other than whole keys and a signature. An App
 * then looks at `count`. */
bool administrator_take(const Ingot__Administrator__SetValidators *message,
                        struct administrator_change *change);

/* The message for packing: it points into this struct and to what it was made of. */
struct administrator_message {
    Ingot__Administrator__SetValidators message;
    Ingot__Administrator__ValidatorPower powers[INGOT_VALIDATORS_MAX];
    Ingot__Administrator__ValidatorPower *list[INGOT_VALIDATORS_MAX];
};

/* INGOT_OK; INGOT_ERROR_INVALID for no change; INGOT_ERROR_TOO_LARGE for too many. */
INGOT_MUST_USE enum ingot_error administrator_message(struct administrator_message *made,
                                                      uint64_t sequence,
                                                      const struct ingot_validator *changes,
                                                      uint32_t change_count,
                                                      const struct ingot_signature *signature);

/* Why a change may not be made; the log is empty when it may. */
struct administrator_verdict {
    enum ingot_administrator_code code;
    char log[INGOT_RESULT_LOG_BYTES_MAX];
};

/*
 * Judges a change of validators on a state: everything that could speak against it. Changes
 * nothing. Returns INGOT_OK with a verdict, or the store's error.
 */
INGOT_MUST_USE enum ingot_error administrator_judge(const struct ingot_app_options *options,
                                                    struct ingot_snapshot *snapshot,
                                                    const struct administrator_change *change,
                                                    struct administrator_verdict *verdict);

/* Makes a change for which the verdict was INGOT_ADMINISTRATOR_OK: the set and the sequence
 * number. */
INGOT_MUST_USE enum ingot_error administrator_apply(struct ingot_execution *execution,
                                                    const struct administrator_change *change);

/*
 * Answers the query for the next sequence number, in decimal digits so that it can be read off: 1
 * at first.
 *
 * @store_failed  the App's code for that.
 */
void administrator_query(const struct ingot_app_options *options, struct ingot_snapshot *snapshot,
                         uint32_t store_failed, struct ingot_query_response *response);

#endif

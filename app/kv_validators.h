/*
 * Changes of the validator set by the administrator that genesis names. What a change consists of
 * is in kv_transaction.h; here is whether it may be made.
 */
#ifndef INGOT_APP_KV_VALIDATORS_H
#define INGOT_APP_KV_VALIDATORS_H

#include "app/kv_transaction.h"

/* The state's key of the last accepted sequence number, a u64. No key of a user begins like it. */
#define KV_SEQUENCE_KEY "validators/sequence"

/* Why a change may not be made; the log is empty when it may. */
struct kv_verdict {
    enum ingot_kv_code code;
    char log[INGOT_RESULT_LOG_BYTES_MAX];
};

/*
 * Judges a change of validators on a state: everything that could speak against it. Changes
 * nothing. Returns INGOT_OK with a verdict, or the store's error.
 */
enum ingot_error kv_validators_judge(const struct ingot_app_options *options,
                                     struct ingot_snapshot *snapshot,
                                     const struct kv_transaction *transaction,
                                     struct kv_verdict *verdict);

/* The sequence number that the next change must have: 1 at first. Or the store's error. */
enum ingot_error kv_validators_next_sequence(struct ingot_snapshot *snapshot, uint64_t *sequence);

/* Makes a change for which the verdict was INGOT_KV_OK: the set and the sequence number. */
enum ingot_error kv_validators_apply(struct ingot_execution *execution,
                                     const struct kv_transaction *transaction);

#endif

/**
 * Changes of the validator set by the administrator that genesis names, the same in the Apps that
 * come with the library. docs/kv.md describes them.
 */
#ifndef INGOT_ADMINISTRATOR_H
#define INGOT_ADMINISTRATOR_H

#include <ingot/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Codes of a change's result and of check_tx; no App gives them another meaning. */
enum ingot_administrator_code {
    INGOT_ADMINISTRATOR_OK = 0,
    INGOT_ADMINISTRATOR_NONE = 9,           /* genesis names nobody who may change the validators */
    INGOT_ADMINISTRATOR_BAD_SIGNATURE = 10, /* not the administrator's, or over something else */
    INGOT_ADMINISTRATOR_WRONG_SEQUENCE = 11, /* not the next sequence number; the log has that */
    INGOT_ADMINISTRATOR_INVALID_SET = 12     /* a rule of validator sets; the log says which */
};

/**
 * Appends what the administrator signs to change the powers of validators; docs/kv.md has the
 * layout.
 *
 * @chain     the genesis hash.
 * @changes   change_count of them, up to INGOT_VALIDATORS_MAX; power 0 removes a validator.
 * @sequence  what a query with the path "/validators/next_sequence" answers.
 */
INGOT_API void ingot_administrator_preimage(struct ingot_buffer *preimage,
                                            const struct ingot_hash *chain, uint64_t sequence,
                                            const struct ingot_validator *changes,
                                            uint32_t change_count);

#ifdef __cplusplus
}
#endif
#endif

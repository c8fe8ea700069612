/*
 * From the genesis set to a later one: each change is a block of the set so far, committed by a
 * quorum of it. A block's justify is not looked at: the quorum has, and its hash covers it.
 */
#include <inttypes.h>
#include <stdio.h>

#include "attest/set_proof.h"
#include "wire/preimage.h"
#include "wire/verify.h"

/* The set so far; the verifier needs no other. */
struct following {
    struct validator_set *set;
    struct verifier verifier;
};

static struct validator_set *find_set(void *context, uint64_t epoch)
{
    const struct following *following = context;
    return epoch == following->set->epoch ? following->set : NULL;
}

static const char *wrong_certificate(enum reject reject)
{
    if (reject == REJECT_NONE)
        return NULL;
    if (reject == REJECT_BINDING)
        return "its certificate is of another block or phase";
    if (reject == REJECT_NO_QUORUM)
        return "its certificate is not signed by a quorum";
    return reject == REJECT_BAD_SIGNATURE ? "its certificate has a signature that does not verify"
                                          : "its certificate is not one of this validator set";
}

/* NULL: it holds. Otherwise what is wrong, as static text. */
static const char *check_change(struct following *following, const struct set_change *change)
{
    const struct block *block = change->header;
    const enum reject reject = verify_block_fields(&following->verifier, block);
    if (reject == REJECT_WRONG_CHAIN)
        return "its block is of another chain";
    if (reject != REJECT_NONE || block_epoch(block) != following->set->epoch)
        return "its block does not fit its own justify and epoch";
    if (!crypto_hash_equal(&block->validators_hash, &following->set->hash))
        return "its block is not of the validator set that the changes before it lead to";
    if (!block_changes_set(block))
        return "its block changes no validator set";
    const char *wrong =
        wrong_certificate(verify_block_certificate(&following->verifier, block, change->commit_qc));
    if (wrong != NULL)
        return wrong;
    return verify_next_set(block, change->next_set)
               ? NULL
               : "its next validator set is not the one that was voted in";
}

static enum ingot_error follow(struct following *following, const struct set_proof *proof,
                               uint64_t epoch, char *why, size_t why_size)
{
    while (following->set->epoch < epoch) {
        const uint64_t at = following->set->epoch;
        if (at >= proof->change_count) {
            (void)snprintf(why, why_size,
                           "the changes of the validator set end before epoch %" PRIu64
                           ": that of epoch %" PRIu64 " is missing",
                           epoch, at);
            return INGOT_ERROR_NOT_FOUND;
        }
        const char *wrong = check_change(following, &proof->changes[at]);
        if (wrong != NULL) {
            (void)snprintf(why, why_size,
                           "the change of the validator set of epoch %" PRIu64 ": %s", at, wrong);
            return INGOT_ERROR_REJECTED;
        }
        validator_set_unref(following->set);
        following->set = validator_set_ref(proof->changes[at].next_set);
    }
    return INGOT_OK;
}

enum ingot_error set_proof_follow(const struct set_proof *proof, const struct genesis *genesis,
                                  uint64_t epoch, struct validator_set **set, char *why,
                                  size_t why_size)
{
    struct following following;
    const char *reason = NULL;
    *set = NULL;
    if (epoch > 0 && proof->change_count > 0 && proof->first_epoch > 0) {
        (void)snprintf(why, why_size,
                       "the changes of the validator set begin with that of epoch %" PRIu64
                       ": that of epoch 0 is missing",
                       proof->first_epoch);
        return INGOT_ERROR_REJECTED;
    }
    following.set = genesis_validator_set(genesis, &reason);
    if (following.set == NULL) {
        (void)snprintf(why, why_size, "the validators of the genesis: %s", reason);
        return INGOT_ERROR_REJECTED;
    }
    verifier_init(&following.verifier, &genesis->hash, &crypto_ed25519, find_set, &following);
    const enum ingot_error error = follow(&following, proof, epoch, why, why_size);
    if (error == INGOT_OK)
        *set = validator_set_ref(following.set);
    validator_set_unref(following.set);
    return error;
}

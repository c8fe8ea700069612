/*
 * Who may change the validator set, and how often: the administrator, each change once. A change
 * is bound to its chain by the genesis hash and to its place by a sequence number that the state
 * counts, so nobody can make it again, here or elsewhere.
 *
 * Which sets are valid is the node's to say (<ingot/app.h>), which signatures <ingot/crypto.h>.
 */
#include "app/kv_validators.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <ingot/crypto.h>

#include "base/assert.h"

/* As those of votes: text filled up with zero bytes. */
#define TAG_BYTES 24
static const char tag[TAG_BYTES] = "ingot/kv-validators/1";

void ingot_kv_validators_preimage(struct ingot_buffer *preimage, const struct ingot_hash *chain,
                                  uint64_t sequence, const struct ingot_validator *changes,
                                  uint32_t change_count)
{
    ingot_buffer_append(preimage, tag, sizeof tag);
    ingot_buffer_append(preimage, chain->bytes, sizeof chain->bytes);
    ingot_buffer_append_u64(preimage, sequence);
    ingot_buffer_append_u32(preimage, change_count);
    for (uint32_t i = 0; i < change_count; i++) {
        ingot_buffer_append(preimage, changes[i].key.bytes, sizeof changes[i].key.bytes);
        ingot_buffer_append_u64(preimage, changes[i].power);
    }
}

static struct ingot_slice sequence_key(void)
{
    return ingot_slice_of_text(KV_SEQUENCE_KEY);
}

enum ingot_error kv_validators_next_sequence(struct ingot_snapshot *snapshot, uint64_t *sequence)
{
    struct ingot_slice value;
    const enum ingot_error error = ingot_snapshot_get(snapshot, sequence_key(), &value);
    *sequence = 1;
    if (error == INGOT_ERROR_NOT_FOUND)
        return INGOT_OK;
    if (error != INGOT_OK)
        return error;
    if (!ingot_slice_take_u64(&value, sequence) || value.size > 0 || *sequence == UINT64_MAX)
        return INGOT_ERROR_CORRUPT;
    ++*sequence;
    return INGOT_OK;
}

static bool is_signed(const struct ingot_app_options *options,
                      const struct kv_transaction *transaction)
{
    struct ingot_buffer preimage = {0};
    ingot_kv_validators_preimage(&preimage, &options->chain, transaction->sequence,
                                 transaction->changes, transaction->change_count);
    const bool is_good = ingot_signature_verify(
        &options->administrator, ingot_buffer_slice(&preimage), &transaction->signature);
    ingot_buffer_deinit(&preimage);
    return is_good;
}

static void refuse(struct kv_verdict *verdict, enum ingot_kv_code code, const char *log)
{
    verdict->code = code;
    (void)snprintf(verdict->log, sizeof verdict->log, "%s", log);
}

/* What the node says of the changes, in words. */
static void refuse_set(struct kv_verdict *verdict, enum ingot_error error)
{
    const char *log = ingot_error_text(error);
    if (error == INGOT_ERROR_EXISTS)
        log = "a validator is changed twice";
    else if (error == INGOT_ERROR_INVALID)
        log = "a key is not a valid ed25519 public key";
    else if (error == INGOT_ERROR_FULL)
        log = "there would be more than 256 validators";
    else if (error == INGOT_ERROR_TOO_LARGE)
        log = "the total power would be above 1152921504606846976";
    else if (error == INGOT_ERROR_REJECTED)
        log = "no validator would be left";
    refuse(verdict, INGOT_KV_INVALID_SET, log);
}

static_assert(INGOT_VALIDATORS_MAX == 256, "the text says so");
static_assert(INGOT_TOTAL_POWER_MAX == 1152921504606846976, "the text says so");

enum ingot_error kv_validators_judge(const struct ingot_app_options *options,
                                     struct ingot_snapshot *snapshot,
                                     const struct kv_transaction *transaction,
                                     struct kv_verdict *verdict)
{
    *verdict = (struct kv_verdict){.code = INGOT_KV_OK};
    if (!options->has_administrator) {
        refuse(verdict, INGOT_KV_NO_ADMINISTRATOR, kv_code_text(INGOT_KV_NO_ADMINISTRATOR));
        return INGOT_OK;
    }
    uint64_t next;
    enum ingot_error error = kv_validators_next_sequence(snapshot, &next);
    if (error != INGOT_OK)
        return error;
    /* Before the signature, which takes longest: what was committed once is refused for nothing. */
    if (transaction->sequence != next) {
        verdict->code = INGOT_KV_WRONG_SEQUENCE;
        (void)snprintf(verdict->log, sizeof verdict->log,
                       "expected sequence number %" PRIu64 ", found %" PRIu64, next,
                       transaction->sequence);
        return INGOT_OK;
    }
    if (!is_signed(options, transaction)) {
        refuse(verdict, INGOT_KV_BAD_SIGNATURE, kv_code_text(INGOT_KV_BAD_SIGNATURE));
        return INGOT_OK;
    }
    error =
        ingot_snapshot_check_validators(snapshot, transaction->changes, transaction->change_count);
    if (error != INGOT_OK)
        refuse_set(verdict, error);
    return INGOT_OK;
}

enum ingot_error kv_validators_apply(struct ingot_execution *execution,
                                     const struct kv_transaction *transaction)
{
    const enum ingot_error error =
        ingot_execution_set_validators(execution, transaction->changes, transaction->change_count);
    INGOT_ASSERT(error == INGOT_OK); /* judged on the same state */
    struct ingot_buffer sequence = {0};
    ingot_buffer_append_u64(&sequence, transaction->sequence);
    const enum ingot_error set_error =
        ingot_execution_set(execution, sequence_key(), ingot_buffer_slice(&sequence));
    ingot_buffer_deinit(&sequence);
    return set_error;
}

/*
 * Who may change the validator set, and how often: the administrator, each change once. A change
 * is bound to its chain by the genesis hash and to its place by a sequence number that the state
 * counts, so nobody can make it again, here or elsewhere.
 *
 * Which sets are valid is the node's to say (<ingot/app.h>), which signatures <ingot/crypto.h>.
 */
#include "app/administrator.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <ingot/crypto.h>

#include "app/message.h"
#include "base/assert.h"

/* As those of votes: text filled up with zero bytes. It has the name of the first App that had such
 * changes; the genesis hash, which covers the App's name, tells the chains apart. */
#define TAG_BYTES 24
static const char tag[TAG_BYTES] = "ingot/kv-validators/1";

static const char no_administrator[] =
    "genesis names no administrator, so the validators cannot be changed";

void ingot_administrator_preimage(struct ingot_buffer *preimage, const struct ingot_hash *chain,
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

/* --- The message. --- */

static bool take_changes(const Ingot__Administrator__SetValidators *message,
                         struct administrator_change *change)
{
    for (size_t i = 0; i < message->n_changes; i++) {
        const Ingot__Administrator__ValidatorPower *power = message->changes[i];
        if (power->key.len != INGOT_PUBLIC_KEY_BYTES || message_has_unknown(&power->base))
            return false;
        if (i < INGOT_VALIDATORS_MAX) {
            memcpy(change->list[i].key.bytes, power->key.data, INGOT_PUBLIC_KEY_BYTES);
            change->list[i].power = power->power;
        }
    }
    change->count = (uint32_t)message->n_changes;
    return true;
}

bool administrator_take(const Ingot__Administrator__SetValidators *message,
                        struct administrator_change *change)
{
    if (message->signature.len != INGOT_SIGNATURE_BYTES || message_has_unknown(&message->base) ||
        !take_changes(message, change))
        return false;
    change->sequence = message->sequence;
    memcpy(change->signature.bytes, message->signature.data, INGOT_SIGNATURE_BYTES);
    return true;
}

enum ingot_error administrator_message(struct administrator_message *made, uint64_t sequence,
                                       const struct ingot_validator *changes, uint32_t change_count,
                                       const struct ingot_signature *signature)
{
    if (change_count == 0)
        return INGOT_ERROR_INVALID;
    if (change_count > INGOT_VALIDATORS_MAX)
        return INGOT_ERROR_TOO_LARGE;
    for (uint32_t i = 0; i < change_count; i++) {
        Ingot__Administrator__ValidatorPower *power = &made->powers[i];
        *power = (Ingot__Administrator__ValidatorPower)INGOT__ADMINISTRATOR__VALIDATOR_POWER__INIT;
        power->key = message_data(ingot_slice_of(changes[i].key.bytes, INGOT_PUBLIC_KEY_BYTES));
        power->power = changes[i].power;
        made->list[i] = power;
    }
    Ingot__Administrator__SetValidators *message = &made->message;
    *message = (Ingot__Administrator__SetValidators)INGOT__ADMINISTRATOR__SET_VALIDATORS__INIT;
    message->n_changes = change_count;
    message->changes = made->list;
    message->sequence = sequence;
    message->signature = message_data(ingot_slice_of(signature->bytes, INGOT_SIGNATURE_BYTES));
    return INGOT_OK;
}

/* --- Whether it may be made, and making it. --- */

static struct ingot_slice sequence_key(void)
{
    return ingot_slice_of_text(ADMINISTRATOR_SEQUENCE_KEY);
}

static enum ingot_error next_sequence(struct ingot_snapshot *snapshot, uint64_t *sequence)
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
                      const struct administrator_change *change)
{
    struct ingot_buffer preimage = {0};
    ingot_administrator_preimage(&preimage, &options->chain, change->sequence, change->list,
                                 change->count);
    const bool is_good = ingot_signature_verify(&options->administrator,
                                                ingot_buffer_slice(&preimage), &change->signature);
    ingot_buffer_deinit(&preimage);
    return is_good;
}

static void refuse(struct administrator_verdict *verdict, enum ingot_administrator_code code,
                   const char *log)
{
    verdict->code = code;
    (void)snprintf(verdict->log, sizeof verdict->log, "%s", log);
}

/* What the node says of the changes, in words. */
static void refuse_set(struct administrator_verdict *verdict, enum ingot_error error)
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
    refuse(verdict, INGOT_ADMINISTRATOR_INVALID_SET, log);
}

static_assert(INGOT_VALIDATORS_MAX == 256, "the text says so");
static_assert(INGOT_TOTAL_POWER_MAX == 1152921504606846976, "the text says so");

enum ingot_error administrator_judge(const struct ingot_app_options *options,
                                     struct ingot_snapshot *snapshot,
                                     const struct administrator_change *change,
                                     struct administrator_verdict *verdict)
{
    *verdict = (struct administrator_verdict){.code = INGOT_ADMINISTRATOR_OK};
    if (!options->has_administrator) {
        refuse(verdict, INGOT_ADMINISTRATOR_NONE, no_administrator);
        return INGOT_OK;
    }
    uint64_t next;
    enum ingot_error error = next_sequence(snapshot, &next);
    if (error != INGOT_OK)
        return error;
    /* Before the signature, which takes longest: what was committed once is refused for nothing. */
    if (change->sequence != next) {
        verdict->code = INGOT_ADMINISTRATOR_WRONG_SEQUENCE;
        (void)snprintf(verdict->log, sizeof verdict->log,
                       "expected sequence number %" PRIu64 ", found %" PRIu64, next,
                       change->sequence);
        return INGOT_OK;
    }
    if (!is_signed(options, change)) {
        refuse(verdict, INGOT_ADMINISTRATOR_BAD_SIGNATURE,
               "not the signature of the administrator that genesis names over these changes for "
               "this chain");
        return INGOT_OK;
    }
    error = ingot_snapshot_check_validators(snapshot, change->list, change->count);
    if (error != INGOT_OK)
        refuse_set(verdict, error);
    return INGOT_OK;
}

enum ingot_error administrator_apply(struct ingot_execution *execution,
                                     const struct administrator_change *change)
{
    const enum ingot_error error =
        ingot_execution_set_validators(execution, change->list, change->count);
    INGOT_ASSERT(error == INGOT_OK); /* judged on the same state */
    struct ingot_buffer sequence = {0};
    ingot_buffer_append_u64(&sequence, change->sequence);
    const enum ingot_error set_error =
        ingot_execution_set(execution, sequence_key(), ingot_buffer_slice(&sequence));
    ingot_buffer_deinit(&sequence);
    return set_error;
}

void administrator_query(const struct ingot_app_options *options, struct ingot_snapshot *snapshot,
                         uint32_t store_failed, struct ingot_query_response *response)
{
    if (!options->has_administrator) {
        response->code = INGOT_ADMINISTRATOR_NONE;
        ingot_buffer_append_slice(&response->log, ingot_slice_of_text(no_administrator));
        return;
    }
    uint64_t sequence;
    const enum ingot_error error = next_sequence(snapshot, &sequence);
    if (error != INGOT_OK) {
        response->code = store_failed;
        ingot_buffer_append_slice(&response->log, ingot_slice_of_text(ingot_error_text(error)));
        return;
    }
    response->code = INGOT_ADMINISTRATOR_OK;
    ingot_buffer_format(&response->value, "%" PRIu64, sequence);
}

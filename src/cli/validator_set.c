/*
 * `ingot validator set`: makes one signed change of the validator set and follows it until it is in
 * force. What the node says of itself is believed; what is signed is this chain's next change and
 * nothing else.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ingot/apps.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/hex.h"
#include "cli/chain.h"
#include "cli/validators.h"
#include "config/keys.h"
#include "config/public_key.h"
#include "wire/crypto.h"

#define POLL_INTERVAL_MS 100
#define POLLS_PER_SUBMISSION 10

struct change {
    const struct validator_change_options *options;
    struct client client;
    struct key_pair administrator;
    struct genesis genesis;
    uint64_t deadline_us;
    uint64_t sequence;
    struct validators before;
    struct ingot_validator changes[INGOT_VALIDATORS_MAX]; /* those that change something */
    uint32_t change_count;
    struct ingot_buffer transaction;
    uint8_t sha256[32]; /* of the transaction */
    uint64_t height;    /* where it is committed; 0: not known */
};

static enum ingot_exit fail_call(const struct change *change)
{
    return command_fail(INGOT_EXIT_FAILURE, "%s", change->client.why);
}

static bool is_due(const struct change *change)
{
    return clock_monotonic_us() >= change->deadline_us;
}

/* --- What there is. --- */

static enum ingot_exit load_key(struct change *change)
{
    char why[1024];
    struct report report;
    report_init(&report, why, sizeof why);
    if (key_file_load(change->options->administrator, KEY_ADMINISTRATOR, &change->administrator,
                      &report) != INGOT_OK)
        return command_fail(INGOT_EXIT_USAGE, "%s", why);
    return INGOT_EXIT_OK;
}

/* As ingot_kv_transaction_set_validators. */
typedef enum ingot_error make_set_validators(struct ingot_buffer *transaction, uint64_t sequence,
                                             const struct ingot_validator *changes,
                                             uint32_t change_count,
                                             const struct ingot_signature *signature);

/* How the chain's App wraps a change; NULL: it takes none. */
static make_set_validators *wrapper(const struct genesis *genesis)
{
    if (strcmp(genesis->app, "signing") == 0)
        return ingot_signing_transaction_set_validators;
    return strcmp(genesis->app, "kv") == 0 ? ingot_kv_transaction_set_validators : NULL;
}

static enum ingot_exit check_administrator(const struct change *change)
{
    char expected[2 * INGOT_PUBLIC_KEY_BYTES + 1];
    char found[2 * INGOT_PUBLIC_KEY_BYTES + 1];
    const struct genesis *genesis = &change->genesis;
    if (wrapper(genesis) == NULL)
        return command_fail(INGOT_EXIT_FAILURE,
                            "chain %s runs the App %s, whose validators this command cannot "
                            "change; expected signing or kv",
                            genesis->chain_id, genesis->app);
    if (!genesis->has_administrator)
        return command_fail(INGOT_EXIT_FAILURE,
                            "the genesis of chain %s names no administrator, so its validators "
                            "cannot be changed",
                            genesis->chain_id);
    if (public_key_equal(&genesis->administrator, &change->administrator.public_key))
        return INGOT_EXIT_OK;
    hex_encode_lower(genesis->administrator.bytes, INGOT_PUBLIC_KEY_BYTES, expected);
    hex_encode_lower(change->administrator.public_key.bytes, INGOT_PUBLIC_KEY_BYTES, found);
    return command_fail(INGOT_EXIT_USAGE,
                        "%s: expected the key that the genesis of chain %s names as "
                        "administrator, %s; found %s",
                        change->options->administrator, genesis->chain_id, expected, found);
}

/* The number of the next change. False, with a sentence, when the node does not say. */
static bool read_sequence(struct client *client, uint64_t *sequence)
{
    json_t *result = NULL;
    struct ingot_buffer value = {0};
    if (client_call(client, "abci_query",
                    client_query_params("/validators/next_sequence", ingot_slice_of(NULL, 0)),
                    VALIDATORS_CALL_TIMEOUT_MS, &result) != CLIENT_OK)
        return false;
    bool is_number =
        client_u64(result, "response.code") == 0 && client_bytes(result, "response.value", &value);
    ingot_buffer_append_u8(&value, 0);
    is_number = is_number && command_number((const char *)value.data, 1, UINT64_MAX, sequence);
    if (!is_number)
        (void)snprintf(client->why, sizeof client->why,
                       "the node does not say the next sequence number: %s",
                       client_text(result, "response.log"));
    ingot_buffer_deinit(&value);
    json_decref(result);
    return is_number;
}

/*
 * The sequence number is read before the set: if somebody changes the set in between, ours is
 * refused, so what is left out here as changing nothing does change nothing. Removing a stranger
 * would change nothing either, but is a mistake: whoever was meant stays.
 */
static enum ingot_exit plan(struct change *change)
{
    if (!read_sequence(&change->client, &change->sequence) ||
        validators_read(&change->client, 0, &change->before) != CLIENT_OK)
        return fail_call(change);
    for (uint32_t i = 0; i < change->options->change_count; i++) {
        const struct ingot_validator *wanted = &change->options->changes[i];
        char key[2 * INGOT_PUBLIC_KEY_BYTES + 1];
        if (validators_power(&change->before, &wanted->key) != wanted->power) {
            change->changes[change->change_count++] = *wanted;
            continue;
        }
        hex_encode_lower(wanted->key.bytes, sizeof wanted->key.bytes, key);
        if (wanted->power == 0)
            return command_fail(INGOT_EXIT_FAILURE,
                                "%s is no validator in epoch %" PRIu64 " and cannot be removed: is "
                                "the key misspelt, or has it left already? Nothing was submitted; "
                                "'ingot validator list' shows the members",
                                key, change->before.epoch);
        (void)printf("%s has power %" PRIu64 " already\n", key, wanted->power);
    }
    return INGOT_EXIT_OK;
}

/* --- Making it. --- */

static void make_transaction(struct change *change)
{
    struct ingot_buffer preimage = {0};
    struct ingot_signature signature;
    struct crypto_secret_key secret;
    struct ingot_public_key key;
    ingot_administrator_preimage(&preimage, &change->genesis.hash, change->sequence,
                                 change->changes, change->change_count);
    crypto_ed25519.key_from_seed(change->administrator.seed, &secret, &key);
    crypto_ed25519.sign(&secret, ingot_buffer_slice(&preimage), &signature);
    crypto_wipe(&secret, sizeof secret);
    ingot_buffer_deinit(&preimage);
    const enum ingot_error error = wrapper(&change->genesis)(
        &change->transaction, change->sequence, change->changes, change->change_count, &signature);
    INGOT_ASSERT(error == INGOT_OK);
    crypto_sha256(ingot_buffer_slice(&change->transaction), change->sha256);
}

static enum ingot_exit refused(const char *stage, const json_t *outcome)
{
    return command_fail(INGOT_EXIT_FAILURE, "%s: code %" PRIu64 ": %s", stage,
                        client_u64(outcome, "code"), client_text(outcome, "log"));
}

static enum client_outcome give_transaction(struct change *change, json_t **result)
{
    return client_call(&change->client, "broadcast_tx_sync",
                       client_tx_params(ingot_buffer_slice(&change->transaction)),
                       VALIDATORS_CALL_TIMEOUT_MS, result);
}

/*
 * Gives the node the transaction. When no answer comes, or the node has it already, it may still be
 * committed, so it is followed all the same.
 */
static enum ingot_exit submit(struct change *change)
{
    json_t *result = NULL;
    make_transaction(change);
    const enum client_outcome outcome = give_transaction(change, &result);
    enum ingot_exit code = INGOT_EXIT_OK;
    if (outcome == CLIENT_NOT_UNDERSTOOD ||
        (outcome == CLIENT_REFUSED && strstr(change->client.why, "already exists") == NULL))
        code = fail_call(change);
    else if (client_u64(result, "code") != 0)
        code = refused("refused", result);
    json_decref(result);
    return code;
}

/* --- Following it. --- */

/* Each of the changes changed something, so a set that has all of them is a later one. */
static bool is_in_force(const struct change *change, const struct validators *now)
{
    for (uint32_t i = 0; i < change->change_count; i++) {
        if (validators_power(now, &change->changes[i].key) != change->changes[i].power)
            return false;
    }
    return true;
}

enum progress { PROGRESS_WAITS, PROGRESS_IN_FORCE, PROGRESS_LOST, PROGRESS_FAILED };

/* Where it is committed, if it is, and if the node keeps an index of transactions. */
static enum progress look_for_transaction(struct change *change)
{
    json_t *result = NULL;
    enum progress progress = PROGRESS_WAITS;
    const struct ingot_slice hash = ingot_slice_of(change->sha256, sizeof change->sha256);
    if (client_call(&change->client, "tx", client_hash_params(hash), VALIDATORS_CALL_TIMEOUT_MS,
                    &result) == CLIENT_OK) {
        change->height = client_u64(result, "height");
        if (client_u64(result, "tx_result.code") != 0) {
            (void)refused("committed without effect", client_member(result, "tx_result"));
            progress = PROGRESS_FAILED;
        }
    }
    json_decref(result);
    return progress;
}

/*
 * The set is read after the number, so when the number has been used the set shows by what. Where
 * the height is known the set of just that change is looked at, whatever came after it.
 */
static enum progress look(struct change *change, struct validators *now)
{
    uint64_t next = 0;
    if (change->height == 0 && look_for_transaction(change) == PROGRESS_FAILED)
        return PROGRESS_FAILED;
    change->client.why[0] = '\0';
    const uint64_t height = change->height > 0 ? change->height + 1 : 0;
    if (!read_sequence(&change->client, &next) ||
        validators_read(&change->client, height, now) != CLIENT_OK)
        return PROGRESS_WAITS;
    if (is_in_force(change, now))
        return PROGRESS_IN_FORCE;
    return next > change->sequence && change->height == 0 ? PROGRESS_LOST : PROGRESS_WAITS;
}

static enum ingot_exit give_up(const struct change *change)
{
    const unsigned seconds = change->options->timeout_ms / 1000;
    if (change->height > 0)
        return command_fail(INGOT_EXIT_FAILURE,
                            "committed at height %" PRIu64 ", but not known to be in force after "
                            "%u s%s%s",
                            change->height, seconds, change->client.why[0] != '\0' ? ": " : "",
                            change->client.why);
    return command_fail(INGOT_EXIT_FAILURE,
                        "not known to be committed after %u s%s%s\n"
                        "The change, number %" PRIu64 " of its chain, may still be committed: look "
                        "with 'ingot validator list'. Giving the same command again is safe.",
                        seconds, change->client.why[0] != '\0' ? ": " : "", change->client.why,
                        change->sequence);
}

/*
 * A node that was restarted has forgotten what was not committed. One that has not refuses it as
 * a repeat, and when it is committed its sequence number is used up, so nothing is made twice.
 */
static void give_again(struct change *change, uint32_t poll)
{
    json_t *result = NULL;
    if (change->height == 0 && poll % POLLS_PER_SUBMISSION == 0)
        (void)give_transaction(change, &result);
    json_decref(result);
}

static enum ingot_exit follow(struct change *change)
{
    struct validators now;
    const struct timespec interval = {.tv_nsec = POLL_INTERVAL_MS * 1000000L};
    for (uint32_t poll = 1;; poll++) {
        switch (look(change, &now)) {
        case PROGRESS_IN_FORCE:
            if (change->height == 0)
                (void)look_for_transaction(change);
            if (change->height > 0)
                (void)printf("committed at height %" PRIu64 "\n", change->height);
            (void)printf("in force in epoch %" PRIu64 ": %" PRIu32
                         " validators, total power %" PRIu64 "\n",
                         now.epoch, now.count, now.total_power);
            return INGOT_EXIT_OK;
        case PROGRESS_LOST:
            return command_fail(INGOT_EXIT_FAILURE,
                                "another change was made as number %" PRIu64
                                ", so this one was not; look with 'ingot validator list'",
                                change->sequence);
        case PROGRESS_FAILED:
            return INGOT_EXIT_FAILURE;
        case PROGRESS_WAITS:
            break;
        }
        if (is_due(change))
            return give_up(change);
        give_again(change, poll);
        (void)nanosleep(&interval, NULL);
    }
}

static enum ingot_exit perform(struct change *change)
{
    if (!client_init(&change->client, &change->options->node))
        return fail_call(change);
    enum ingot_exit code = chain_genesis(&change->client, &change->genesis);
    if (code == INGOT_EXIT_OK)
        code = check_administrator(change);
    if (code == INGOT_EXIT_OK)
        code = plan(change);
    if (code != INGOT_EXIT_OK)
        return code;
    if (change->change_count == 0) {
        (void)printf("nothing to change in epoch %" PRIu64 "\n", change->before.epoch);
        return INGOT_EXIT_OK;
    }
    code = submit(change);
    return code == INGOT_EXIT_OK ? follow(change) : code;
}

enum ingot_exit validator_change(const struct validator_change_options *options)
{
    struct change *change = alloc_zeroed(1, sizeof *change);
    change->options = options;
    change->deadline_us = clock_monotonic_us() + (uint64_t)options->timeout_ms * 1000;
    enum ingot_exit code = load_key(change);
    if (code == INGOT_EXIT_OK) {
        code = perform(change);
        client_deinit(&change->client);
    }
    ingot_buffer_deinit(&change->transaction);
    genesis_deinit(&change->genesis);
    key_pair_deinit(&change->administrator);
    free(change);
    return code;
}

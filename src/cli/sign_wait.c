/*
 * Gets a request through a node: submits it, and again where the node may have lost it, and looks
 * for the attestation. All of that is harmless to repeat: the same transaction is signed once.
 */
#include "cli/sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define POLL_INTERVAL_MS 100
#define POLLS_PER_SUBMISSION 10
/* A node's own wait is 10 s by default; ours is longer, so that its answer arrives. */
#define CALL_TIMEOUT_MS 15000
/* For a last look when the time is up: what it finds is what we can say. */
#define LAST_LOOK_MS 1000

struct wait {
    struct sign *sign;
    uint64_t deadline_us;
    uint32_t timeout_ms;
    bool was_taken; /* the node had it once */
    char why[512];  /* what is known, for when the time is up */
};

enum progress { PROGRESS_WAITS, PROGRESS_DONE, PROGRESS_FAILED };

void sign_deinit(struct sign *sign)
{
    client_deinit(&sign->client);
    if (sign->has_trusted)
        genesis_deinit(&sign->trusted);
    if (sign->has_genesis)
        genesis_deinit(&sign->genesis);
    ingot_buffer_deinit(&sign->payload);
    ingot_buffer_deinit(&sign->transaction);
    attestation_deinit(&sign->attestation);
}

static enum ingot_exit refused(const char *stage, const json_t *outcome)
{
    return command_fail(INGOT_EXIT_FAILURE, "%s: code %llu: %s", stage,
                        (unsigned long long)client_u64(outcome, "code"),
                        client_text(outcome, "log"));
}

static bool node_says(const struct client *client, const char *text)
{
    return strstr(client->why, text) != NULL;
}

enum ingot_exit sign_submit(struct sign *sign)
{
    json_t *result = NULL;
    const enum client_outcome outcome = client_call(
        &sign->client, "broadcast_tx_sync",
        client_tx_params(ingot_buffer_slice(&sign->transaction)), CALL_TIMEOUT_MS, &result);
    enum ingot_exit code = INGOT_EXIT_OK;
    /* What the node has already is on its way, or signed. */
    if (outcome != CLIENT_OK &&
        !(outcome == CLIENT_REFUSED && node_says(&sign->client, "already exists")))
        code = command_fail(INGOT_EXIT_FAILURE, "%s", sign->client.why);
    else if (client_u64(result, "code") != 0)
        code = refused("refused", result);
    json_decref(result);
    return code;
}

static uint32_t remaining_ms(const struct wait *wait)
{
    const uint64_t now_us = clock_monotonic_us();
    return now_us < wait->deadline_us ? (uint32_t)((wait->deadline_us - now_us) / 1000) : 0;
}

static uint32_t call_timeout_ms(const struct wait *wait)
{
    const uint32_t remaining = remaining_ms(wait);
    if (remaining == 0)
        return LAST_LOOK_MS;
    return remaining < CALL_TIMEOUT_MS ? remaining : CALL_TIMEOUT_MS;
}

static void note(struct wait *wait, const char *why)
{
    (void)snprintf(wait->why, sizeof wait->why, "%s", why);
}

static size_t count_of(const json_t *object, const char *name)
{
    return json_array_size(client_member(object, name));
}

static void note_pending(struct wait *wait, const json_t *object)
{
    (void)snprintf(wait->why, sizeof wait->why,
                   "committed at height %llu, signed by %zu validators with power %llu of the %llu "
                   "that a quorum takes, declined by %zu",
                   (unsigned long long)client_u64(object, "height"), count_of(object, "signed"),
                   (unsigned long long)client_u64(object, "power"),
                   (unsigned long long)client_u64(object, "quorum"), count_of(object, "declined"));
}

/* An attestation, or an object that says how far it is. */
static enum progress take_json(struct wait *wait, const json_t *object)
{
    char why[256];
    if (json_is_true(client_member(object, "pending"))) {
        note_pending(wait, object);
        return PROGRESS_WAITS;
    }
    if (json_is_true(client_member(object, "refused"))) {
        note_pending(wait, object);
        (void)command_fail(INGOT_EXIT_FAILURE, "declined: %s, so there is no attestation",
                           wait->why);
        return PROGRESS_FAILED;
    }
    char *text = json_dumps(object, JSON_COMPACT);
    const enum ingot_error error =
        text == NULL ? INGOT_ERROR_INVALID
                     : attestation_parse(ingot_slice_of_text(text), &wait->sign->attestation, why,
                                         sizeof why);
    if (text == NULL)
        (void)snprintf(why, sizeof why, "it is no JSON object");
    free(text);
    if (error == INGOT_OK)
        return PROGRESS_DONE;
    (void)command_fail(INGOT_EXIT_FAILURE, "the node's attestation is not understood: %s", why);
    return PROGRESS_FAILED;
}

/* The node's answer to a submission that it waited for. */
static enum progress take_answer(struct wait *wait, const json_t *result)
{
    if (client_u64(result, "check_tx.code") != 0) {
        (void)refused("refused", client_member(result, "check_tx"));
        return PROGRESS_FAILED;
    }
    const uint64_t code = client_u64(result, "tx_result.code");
    if (code == INGOT_SIGNING_SIGNED_ALREADY)
        return PROGRESS_WAITS;
    if (code != 0) {
        (void)refused("committed without effect", client_member(result, "tx_result"));
        return PROGRESS_FAILED;
    }
    return take_json(wait, client_member(result, "attestation"));
}

/*
 * A node that lost the connection, or had no answer in time, may still have the transaction; and
 * what it says of one that it has, or of one that was declined, a look tells better.
 */
static enum progress submit(struct wait *wait)
{
    struct sign *sign = wait->sign;
    json_t *result = NULL;
    enum progress progress = PROGRESS_WAITS;
    const enum client_outcome outcome = client_call(
        &sign->client, "broadcast_tx_attest",
        client_tx_params(ingot_buffer_slice(&sign->transaction)), call_timeout_ms(wait), &result);
    const bool is_known =
        outcome == CLIENT_REFUSED && (node_says(&sign->client, "already exists") ||
                                      node_says(&sign->client, "attestation refused"));
    const bool is_late = outcome == CLIENT_TIMEOUT ||
                         (outcome == CLIENT_REFUSED && node_says(&sign->client, "timed out"));
    if (outcome != CLIENT_OK && !is_known)
        note(wait, sign->client.why);
    if (outcome == CLIENT_OK)
        progress = take_answer(wait, result);
    else if (!is_known && !is_late && !(outcome == CLIENT_UNREACHABLE && wait->was_taken)) {
        (void)command_fail(INGOT_EXIT_FAILURE, "%s", sign->client.why);
        progress = PROGRESS_FAILED;
    }
    wait->was_taken = wait->was_taken || outcome != CLIENT_UNREACHABLE;
    json_decref(result);
    return progress;
}

/* What is not there yet, or cannot be read for now, is waited for. */
static enum progress look(struct wait *wait)
{
    struct sign *sign = wait->sign;
    json_t *result = NULL;
    json_t *object = NULL;
    struct ingot_buffer value = {0};
    enum progress progress = PROGRESS_WAITS;
    if (client_call(&sign->client, "abci_query",
                    client_query_params("/attestations/id",
                                        ingot_slice_of(sign->id.bytes, sizeof sign->id.bytes)),
                    call_timeout_ms(wait), &result) != CLIENT_OK) {
        note(wait, sign->client.why);
    } else if (client_u64(result, "response.code") == 1) {
        note(wait, "the node has it, and no block does yet; that takes a quorum of the validators");
    } else if (client_u64(result, "response.code") == 0 &&
               client_bytes(result, "response.value", &value)) {
        object = json_loadb((const char *)value.data, value.size, 0, NULL);
        progress = take_json(wait, object);
    }
    json_decref(object);
    json_decref(result);
    ingot_buffer_deinit(&value);
    return progress;
}

static enum ingot_exit give_up(const struct wait *wait)
{
    return command_fail(INGOT_EXIT_FAILURE,
                        "no attestation after %u s%s%s\n"
                        "It may still come: id %s",
                        wait->timeout_ms / 1000, wait->why[0] != '\0' ? ": " : "", wait->why,
                        wait->sign->id_text);
}

enum ingot_exit sign_wait(struct sign *sign, uint32_t timeout_ms)
{
    static const struct timespec interval = {.tv_nsec = POLL_INTERVAL_MS * 1000000L};
    struct wait wait = {.sign = sign,
                        .deadline_us = clock_monotonic_us() + (uint64_t)timeout_ms * 1000,
                        .timeout_ms = timeout_ms};
    for (uint32_t poll = 0;; poll++) {
        const enum progress progress =
            poll % POLLS_PER_SUBMISSION == 0 ? submit(&wait) : look(&wait);
        if (progress == PROGRESS_DONE)
            return INGOT_EXIT_OK;
        if (progress == PROGRESS_FAILED)
            return INGOT_EXIT_FAILURE;
        if (remaining_ms(&wait) == 0) {
            const enum progress last = wait.was_taken ? look(&wait) : PROGRESS_WAITS;
            if (last == PROGRESS_WAITS)
                return give_up(&wait);
            return last == PROGRESS_DONE ? INGOT_EXIT_OK : INGOT_EXIT_FAILURE;
        }
        if (poll % POLLS_PER_SUBMISSION != 0)
            (void)nanosleep(&interval, NULL);
    }
}

/*
 * The signing callback. See quorum_signing.h.
 */
#include "node/quorum_signing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"

/* Between two lines of the log on what we refuse: others can go on and on. */
#define REPORT_INTERVAL_US 1000000

static_assert(INGOT_BROADCAST_ID_BYTES_MAX == STATEMENT_ID_BYTES_MAX, "an id is one of both");
static_assert(INGOT_BROADCAST_ATTACHMENT_BYTES_MAX >= INGOT_SIGNATURE_BYTES,
              "a signature fits an attachment");
static_assert(INGOT_BROADCAST_PAYLOAD_BYTES_MAX <= ATTESTATION_PAYLOAD_BYTES_MAX,
              "a payload fits an attestation");

struct quorum_signing {
    struct quorum_signing_options options;
    struct statement statement; /* all but id and digest, which are a round's */
    struct quorum_store *store;
    struct signed_records *records;
    bool is_full; /* the last sync found no room */
    struct crypto_counters counters;
    uint64_t reported_us; /* when a refusal was logged last; 0: never */
    uint64_t refusals;    /* since then */
    char why[200];
};

enum ingot_error quorum_signing_open(const struct quorum_signing_options *options,
                                     struct quorum_signing **signing, char *why, size_t why_size)
{
    struct quorum_signing *opened = alloc_zeroed(1, sizeof *opened);
    opened->options = *options;
    memcpy(opened->statement.genesis, options->genesis->sha256, sizeof opened->statement.genesis);
    statement_set_hash(options->set, opened->statement.set);
    char reason[256] = "";
    enum ingot_error error = quorum_store_open(options->store, &options->genesis->hash,
                                               &opened->store, reason, sizeof reason);
    if (error != INGOT_OK) {
        (void)snprintf(why, why_size, "the store beside %s: %s", options->path, reason);
    } else {
        error = signed_records_open(options->path, &opened->statement, opened->store,
                                    &opened->records, why, why_size);
    }
    opened->options.path = NULL;
    *signing = opened;
    if (error != INGOT_OK) {
        quorum_signing_close(opened);
        *signing = NULL;
    }
    return error;
}

void quorum_signing_close(struct quorum_signing *signing)
{
    if (signing == NULL) {
        return;
    }
    signed_records_close(signing->records);
    quorum_store_close(signing->store);
    free(signing);
}

static struct statement statement_of(const struct quorum_signing *signing,
                                     const struct broadcast_id *id,
                                     const struct broadcast_digest *digest)
{
    struct statement statement = signing->statement;
    const bool is_id = statement_id_from(broadcast_id_slice(id), &statement.id);
    INGOT_ASSERT(is_id);
    memcpy(statement.digest, digest->bytes, sizeof statement.digest);
    return statement;
}

/* What binds us for ever: the payload that we have signed in this round, if any. */
static enum broadcast_verdict check_choice(struct quorum_signing *signing, uint32_t originator,
                                           const struct broadcast_id *id,
                                           const struct broadcast_digest *digest, bool *is_chosen)
{
    struct broadcast_digest chosen;
    const enum ingot_error error =
        quorum_store_find_choice(signing->store, originator, id, &chosen);
    *is_chosen = error == INGOT_OK;
    if (error == INGOT_OK && !broadcast_digest_equal(&chosen, digest)) {
        char hex[65];
        hex_encode_lower(chosen.bytes, sizeof chosen.bytes, hex);
        (void)snprintf(signing->why, sizeof signing->why,
                       "under this id of its originator this validator has signed another "
                       "payload, of digest %s",
                       hex);
        return BROADCAST_VETO;
    }
    if (error != INGOT_OK && error != INGOT_ERROR_NOT_FOUND) {
        (void)snprintf(signing->why, sizeof signing->why,
                       "what this validator has signed cannot be read: %s",
                       ingot_error_text(error));
        return BROADCAST_FAIL;
    }
    return BROADCAST_GO;
}

/* Our own rule of what we sign. Every member has its own, and a quorum decides. */
static enum broadcast_verdict judge(struct quorum_signing *signing,
                                    const struct broadcast_round_view *round, bool *is_chosen)
{
    const uint64_t bytes_max = signing->options.payload_bytes_max;
    if (round->payload.size > bytes_max) {
        (void)snprintf(signing->why, sizeof signing->why,
                       "the payload is too large: expected at most %" PRIu64
                       " bytes, as [signing] payload_bytes_max says, found %zu",
                       bytes_max, round->payload.size);
        return BROADCAST_VETO;
    }
    return check_choice(signing, round->originator, &round->id, &round->digest, is_chosen);
}

static void report_refusal(struct quorum_signing *signing, uint32_t originator,
                           const struct broadcast_id *id, const struct broadcast_digest *digest)
{
    const uint64_t now_us = clock_monotonic_us();
    signing->refusals++;
    if (signing->reported_us != 0 && now_us - signing->reported_us < REPORT_INTERVAL_US) {
        return;
    }
    LOG(LOG_WARN, "a payload is not signed", log_hex("id", id->bytes, id->size),
        log_hex("digest", digest->bytes, sizeof digest->bytes), log_u64("originator", originator),
        log_text("reason", signing->why), log_u64("refusals", signing->refusals));
    signing->reported_us = now_us;
    signing->refusals = 0;
}

/* As judge, for the log: what a client starts here is refused to its face. */
static enum broadcast_verdict judge_round(struct quorum_signing *signing,
                                          const struct broadcast_round_view *round, bool *is_chosen)
{
    const enum broadcast_verdict verdict = judge(signing, round, is_chosen);
    if (verdict != BROADCAST_GO) {
        report_refusal(signing, round->originator, &round->id, &round->digest);
    }
    return verdict;
}

static enum broadcast_verdict pre_prepare(void *context, const struct broadcast_round_view *round,
                                          struct ingot_buffer *payload,
                                          struct ingot_buffer *attachment)
{
    bool is_chosen = false;
    (void)payload;
    (void)attachment;
    return judge(context, round, &is_chosen);
}

static enum broadcast_verdict prepare(void *context, const struct broadcast_round_view *round,
                                      struct ingot_buffer *attachment)
{
    bool is_chosen = false;
    (void)attachment;
    return judge_round(context, round, &is_chosen);
}

/* While the disk is full nothing more piles up behind what waits for room: the protocol asks again
 * at its ticks, and its quotas are bounds. */
static bool has_room(struct quorum_signing *signing)
{
    return !signing->is_full || quorum_signing_sync(signing) == INGOT_OK;
}

static enum broadcast_verdict commit(void *context, const struct broadcast_round_view *round,
                                     struct ingot_buffer *attachment)
{
    struct quorum_signing *signing = context;
    uint8_t preimage[STATEMENT_PREIMAGE_BYTES];
    struct ingot_signature signature;
    bool is_chosen = false;
    if (!has_room(signing)) {
        return BROADCAST_FAIL;
    }
    const enum broadcast_verdict verdict = judge_round(signing, round, &is_chosen);
    if (verdict != BROADCAST_GO) {
        return verdict;
    }
    if (!is_chosen) {
        quorum_store_choose(signing->store, round->originator, &round->id, &round->digest);
    }
    INGOT_ASSERT(signing->options.secret != NULL);
    const struct statement statement = statement_of(signing, &round->id, &round->digest);
    statement_preimage(&statement, preimage);
    signing->options.scheme->sign(signing->options.secret,
                                  ingot_slice_of(preimage, sizeof preimage), &signature);
    signing->counters.signatures++;
    ingot_buffer_append(attachment, signature.bytes, sizeof signature.bytes);
    return BROADCAST_GO;
}

/*
 * The payload of a round in which we have signed another one does not come in at all. A veto would
 * do to keep us from signing it, and would keep us from saying anything for our own one too.
 */
static bool is_other_payload(struct quorum_signing *signing,
                             const struct broadcast_message *message)
{
    bool is_chosen = false;
    if (message->kind != BROADCAST_PRE_PREPARE ||
        check_choice(signing, message->originator, &message->id, &message->digest, &is_chosen) !=
            BROADCAST_VETO) {
        return false;
    }
    report_refusal(signing, message->originator, &message->id, &message->digest);
    return true;
}

static bool check(void *context, const struct broadcast_message *message)
{
    struct quorum_signing *signing = context;
    const struct validator_set *set = signing->options.set;
    uint8_t preimage[STATEMENT_PREIMAGE_BYTES];
    struct ingot_signature signature;
    if (message->kind != BROADCAST_COMMIT) {
        return message->attachment.size == 0 && !is_other_payload(signing, message);
    }
    if (message->attachment.size != sizeof signature.bytes) {
        return false;
    }
    const struct statement statement = statement_of(signing, &message->id, &message->digest);
    statement_preimage(&statement, preimage);
    memcpy(signature.bytes, message->attachment.data, sizeof signature.bytes);
    signing->counters.verifications++;
    return signing->options.scheme->verify(&set->validators[message->sender].key,
                                           ingot_slice_of(preimage, sizeof preimage), &signature);
}

static void make_attestation(const struct quorum_signing *signing,
                             const struct broadcast_round_view *round,
                             struct broadcast_message *const *commits, uint32_t count,
                             struct attestation *attestation)
{
    const struct validator_set *set = signing->options.set;
    *attestation =
        (struct attestation){.statement = statement_of(signing, &round->id, &round->digest),
                             .has_payload = true,
                             .signer_count = count,
                             .signers = alloc_zeroed(count, sizeof *attestation->signers)};
    memcpy(attestation->chain_id, signing->options.genesis->chain_id, sizeof attestation->chain_id);
    ingot_buffer_append_slice(&attestation->payload, round->payload);
    for (uint32_t i = 0; i < count; i++) {
        struct attestation_signer *signer = &attestation->signers[i];
        signer->key = set->validators[commits[i]->sender].key;
        signer->power = set->validators[commits[i]->sender].power;
        INGOT_ASSERT(commits[i]->attachment.size == sizeof signer->signature.bytes);
        memcpy(signer->signature.bytes, commits[i]->attachment.data,
               sizeof signer->signature.bytes);
    }
}

static enum broadcast_verdict committed(void *context, const struct broadcast_round_view *round,
                                        struct broadcast_message *const *commits, uint32_t count)
{
    struct quorum_signing *signing = context;
    const struct statement statement = statement_of(signing, &round->id, &round->digest);
    if (!has_room(signing)) {
        return BROADCAST_FAIL;
    }
    if (!signed_records_has(signing->records, &statement.id, statement.digest)) {
        struct attestation attestation;
        make_attestation(signing, round, commits, count, &attestation);
        signed_records_add(signing->records, &attestation);
        attestation_deinit(&attestation);
    }
    return BROADCAST_GO;
}

struct broadcast_callbacks quorum_signing_callbacks(struct quorum_signing *signing)
{
    return (struct broadcast_callbacks){.context = signing,
                                        .pre_prepare = pre_prepare,
                                        .prepare = prepare,
                                        .commit = commit,
                                        .committed = committed,
                                        .check = check};
}

const char *quorum_signing_why(const struct quorum_signing *signing)
{
    return signing->why;
}

enum ingot_error quorum_signing_sync(struct quorum_signing *signing)
{
    const enum ingot_error error = signed_records_sync(signing->records);
    signing->is_full = error == INGOT_ERROR_NO_SPACE;
    return error;
}

struct signed_records *quorum_signing_records(struct quorum_signing *signing)
{
    return signing->records;
}

const struct crypto_counters *quorum_signing_counters(const struct quorum_signing *signing)
{
    return &signing->counters;
}

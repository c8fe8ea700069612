/*
 * Whole messages: chains of blocks in answers to a sync request, and which check belongs to which
 * kind. The checks of single things are in verify.c.
 */
#include "base/assert.h"
#include "base/mutant.h"
#include "wire/preimage.h"
#include "wire/verify.h"

/*
 * Is this the block that a certificate names, as far as its signatures go? They do not cover
 * block_view: of a certificate by itself the core puts it right, and whoever shows it may have been
 * shown it so.
 */
static bool certifies(const struct qc *qc, const struct block *block)
{
    return crypto_hash_equal(&qc->block, &block->hash) && qc->epoch == block_epoch(block) &&
           (qc->phase == PHASE_GENERIC) == !block_changes_set(block);
}

enum reject verify_link(const struct block *parent, const struct block *block)
{
    /* A justify is a part of its block, which is wrong if any of it is. */
    const bool linked = certifies(block->justify, parent) &&
                        block->justify->block_view == parent->view &&
                        block->height == parent->height + 1 && block->time_ms >= parent->time_ms &&
                        crypto_hash_equal(&block->validators_hash, &parent->next_validators_hash);
    return linked || MUTANT(LINK_UNCHECKED) ? REJECT_NONE : REJECT_BINDING;
}

enum reject verify_block_certificate(struct verifier *verifier, const struct block *block,
                                     struct qc *qc)
{
    const enum phase phase = block_changes_set(block) ? PHASE_COMMIT : PHASE_GENERIC;
    if (qc->phase != phase || qc->block_view != block->view || !certifies(qc, block)) {
        return REJECT_BINDING;
    }
    return verify_qc(verifier, qc);
}

bool verify_next_set(const struct block *block, const struct validator_set *set)
{
    return set->epoch == block_epoch(block) + 1 &&
           set->first_view == epoch_first_view(block->view) &&
           crypto_hash_equal(&set->hash, &block->next_validators_hash);
}

/*
 * Certificate number i of a response is that of block i - 1: the justify of block i, or the tail.
 * NULL: there is no tail.
 */
static struct qc *certificate_at(const struct sync_response *response, uint32_t i)
{
    return i < response->block_count ? response->blocks[i]->justify : response->tail_qc;
}

/* What certificate number i and the block that carries it have to be, signatures aside. */
static enum reject check_certificate_at(const struct verifier *verifier,
                                        const struct sync_response *response, uint32_t i)
{
    struct block *const *blocks = response->blocks;
    if (i == response->block_count) {
        return response->tail_qc == NULL || (i > 0 && certifies(response->tail_qc, blocks[i - 1]))
                   ? REJECT_NONE
                   : REJECT_BINDING;
    }
    const enum reject reject = verify_block_fields(verifier, blocks[i]);
    return reject == REJECT_NONE && i > 0 ? verify_link(blocks[i - 1], blocks[i]) : reject;
}

/* As verify_sync_prefix, but says UNKNOWN_EPOCH where it stops for that. */
static enum reject verify_run(struct verifier *verifier, const struct sync_response *response,
                              uint32_t first, const bool *proven, uint32_t *certified_count)
{
    *certified_count = 0;
    for (uint32_t i = first; i <= response->block_count; i++) {
        enum reject reject = check_certificate_at(verifier, response, i);
        struct qc *qc = certificate_at(response, i);
        const bool is_tail = i == response->block_count;
        if (reject == REJECT_NONE && qc != NULL && (is_tail || !MUTANT(JUSTIFY_UNVERIFIED)) &&
            !(is_tail && MUTANT(TAIL_QC_UNVERIFIED))) {
            if (proven != NULL && proven[i]) {
                verifier_remember_qc(verifier, qc);
            }
            reject = verify_qc(verifier, qc);
        }
        if (reject != REJECT_NONE) {
            return reject;
        }
        if (qc != NULL) {
            *certified_count = i - first;
        }
    }
    return REJECT_NONE;
}

enum reject verify_sync_prefix(struct verifier *verifier, const struct sync_response *response,
                               uint32_t first, const bool *proven, uint32_t *certified_count)
{
    const enum reject reject = verify_run(verifier, response, first, proven, certified_count);
    return reject == REJECT_UNKNOWN_EPOCH ? REJECT_NONE : reject;
}

enum reject verify_sync_fields(struct verifier *verifier, const struct sync_response *response,
                               uint32_t i, struct qc **qc, struct validator_set **set)
{
    *qc = certificate_at(response, i);
    *set = NULL;
    const enum reject reject = check_certificate_at(verifier, response, i);
    return reject == REJECT_NONE && *qc != NULL ? verify_qc_fields(verifier, *qc, set) : reject;
}

/* All or nothing, so the links go first: they cost nothing. */
enum reject verify_sync_response(struct verifier *verifier, const struct sync_response *response)
{
    for (uint32_t i = 0; i <= response->block_count; i++) {
        const enum reject reject = check_certificate_at(verifier, response, i);
        if (reject != REJECT_NONE) {
            return reject;
        }
    }
    uint32_t certified_count;
    return verify_run(verifier, response, 0, NULL, &certified_count);
}

enum reject verify_message(struct verifier *verifier, const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_PROPOSE:
    case MESSAGE_COMPACT_PROPOSE:
        return verify_propose(verifier, &message->propose);
    case MESSAGE_VOTE:
        return verify_vote(verifier, &message->vote);
    case MESSAGE_TIMEOUT:
        return verify_timeout(verifier, &message->timeout);
    case MESSAGE_CERTIFICATE:
        return message->certificate.qc != NULL ? verify_qc(verifier, message->certificate.qc)
                                               : verify_tc(verifier, message->certificate.tc);
    case MESSAGE_ADVERTISE:
        return verify_qc(verifier, message->advertise.high_qc);
    case MESSAGE_SYNC_RESPONSE:
        return verify_sync_response(verifier, &message->sync_response);
    case MESSAGE_NUDGE:
        return verify_nudge(verifier, &message->nudge);
    case MESSAGE_SYNC_REQUEST:
    case MESSAGE_TRANSACTIONS:
    case MESSAGE_TRANSACTIONS_REQUEST:
    case MESSAGE_TRANSACTIONS_RESPONSE:
        return REJECT_NONE;
    }
    INGOT_ASSERT(false);
    return REJECT_MALFORMED;
}

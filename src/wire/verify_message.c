/*
 * Whole messages: chains of blocks in answers to a sync request, and which check belongs to which
 * kind. The checks of single things are in verify.c.
 */
#include "base/assert.h"
#include "wire/preimage.h"
#include "wire/verify.h"

/*
 * Does a certificate fit the block it names? Its signatures do not cover block_view, so this
 * matters wherever the block is at hand.
 */
static bool certifies(const struct qc *qc, const struct block *block)
{
    return crypto_hash_equal(&qc->block, &block->hash) && qc->block_view == block->view &&
           qc->epoch == block_epoch(block) &&
           (qc->phase == PHASE_GENERIC) == !block_changes_set(block);
}

static enum reject check_link(const struct block *parent, const struct block *block)
{
    const bool linked = certifies(block->justify, parent) && block->height == parent->height + 1 &&
                        block->time_ms >= parent->time_ms &&
                        crypto_hash_equal(&block->validators_hash, &parent->next_validators_hash);
    return linked ? REJECT_NONE : REJECT_BINDING;
}

/* The links first, as they cost nothing; then the certificates. */
enum reject verify_sync_response(struct verifier *verifier, const struct sync_response *response)
{
    struct block *const *blocks = response->blocks;
    const uint32_t count = response->block_count;
    enum reject reject = REJECT_NONE;
    for (uint32_t i = 1; i < count && reject == REJECT_NONE; i++) {
        reject = blocks[i]->justify == NULL ? REJECT_BINDING : check_link(blocks[i - 1], blocks[i]);
    }
    if (reject == REJECT_NONE && response->tail_qc != NULL &&
        (count == 0 || !certifies(response->tail_qc, blocks[count - 1]))) {
        reject = REJECT_BINDING;
    }
    for (uint32_t i = 0; i < count && reject == REJECT_NONE; i++) {
        reject = verify_block(verifier, blocks[i]);
    }
    if (reject == REJECT_NONE && response->tail_qc != NULL) {
        reject = verify_qc(verifier, response->tail_qc);
    }
    return reject;
}

enum reject verify_message(struct verifier *verifier, const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_PROPOSE:
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
        return REJECT_NONE;
    }
    INGOT_ASSERT(false);
    return REJECT_MALFORMED;
}

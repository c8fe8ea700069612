/*
 * The body of set_proof_ledger.h. Everything it needs outlives pruning: the records of the sets,
 * the blocks that changed them, and the first children of those, which bring the Commit QCs.
 */
#include "node/set_proof_ledger.h"

#include "base/assert.h"
#include "node/ledger_transfer.h"
#include "wire/wire.h"

/* For one answer: what the client asks on for. Looking one up can take some twenty reads. */
#define CHANGES_MAX 64
/* What a change's JSON has besides three texts of base64. */
#define CHANGE_JSON_BYTES 64

/* The block without its payload. Adds what it takes as bytes. */
static enum ingot_error read_header(struct ledger *ledger, uint64_t height, struct block **header,
                                    size_t *bytes)
{
    struct ledger_entry entry;
    enum ingot_error error = ledger_read_block(ledger, height, &entry);
    if (error != INGOT_OK)
        return error;
    struct ingot_buffer encoded = {0};
    wire_encode_header(entry.block, &encoded);
    const enum reject reject = wire_decode_header(ingot_buffer_slice(&encoded), header);
    INGOT_ASSERT(reject == REJECT_NONE);
    *bytes += encoded.size;
    ingot_buffer_deinit(&encoded);
    ledger_entry_deinit(&entry);
    return INGOT_OK;
}

/* The child's justify, or what is known of a block without a child. */
static enum ingot_error read_certificate(struct ledger *ledger, const struct block *block,
                                         struct qc **qc)
{
    struct ledger_entry child;
    if (block->height == ledger_committed_height(ledger))
        return ledger_read_last_certificate(ledger, block, qc);
    const enum ingot_error error = ledger_read_block(ledger, block->height + 1, &child);
    if (error != INGOT_OK)
        return error;
    *qc = qc_ref(child.block->justify);
    ledger_entry_deinit(&child);
    return INGOT_OK;
}

/* On failure too the caller frees what has been filled in. */
static enum ingot_error read_change(struct ledger *ledger, uint64_t epoch, uint64_t *height,
                                    struct set_change *change, size_t *bytes)
{
    enum ingot_error error = ledger_find_change(ledger, epoch + 1, height);
    if (error == INGOT_OK)
        error = read_header(ledger, *height, &change->header, bytes);
    if (error == INGOT_OK)
        error = read_certificate(ledger, change->header, &change->commit_qc);
    /* A certificate of an earlier phase is no proof. */
    if (error == INGOT_OK && change->commit_qc->phase != PHASE_COMMIT)
        error = INGOT_ERROR_NOT_FOUND;
    if (error == INGOT_OK)
        error = ledger_read_set(ledger, epoch + 1, &change->next_set);
    if (error != INGOT_OK)
        return error;
    struct ingot_buffer encoded = {0};
    wire_encode_qc(change->commit_qc, &encoded);
    wire_encode_validator_set(change->next_set, &encoded);
    *bytes += encoded.size;
    ingot_buffer_deinit(&encoded);
    return INGOT_OK;
}

enum ingot_error ledger_set_proof(struct ledger *ledger, uint64_t first_epoch, size_t bytes_max,
                                  struct set_proof *proof)
{
    enum ingot_error error = first_epoch < WIRE_NUMBER_MAX ? INGOT_OK : INGOT_ERROR_NOT_FOUND;
    uint64_t height = 0;
    size_t bytes_all = 0;
    *proof = (struct set_proof){0};
    while (error == INGOT_OK && proof->change_count < CHANGES_MAX) {
        struct set_change change = {0};
        size_t bytes = 0;
        error = read_change(ledger, first_epoch + proof->change_count, &height, &change, &bytes);
        bytes_all += bytes / 3 * 4 + CHANGE_JSON_BYTES;
        if (error == INGOT_OK && (proof->change_count == 0 || bytes_all <= bytes_max)) {
            set_proof_add(proof, change);
            continue;
        }
        set_change_deinit(&change);
        if (error == INGOT_OK)
            break;
    }
    if (error == INGOT_ERROR_NOT_FOUND && proof->change_count > 0)
        error = INGOT_OK;
    if (error != INGOT_OK)
        set_proof_deinit(proof);
    return error;
}

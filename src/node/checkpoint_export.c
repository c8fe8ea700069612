/*
 * Writing a checkpoint: everything is read through one snapshot of the ledger's store.
 */
#include <stdio.h>

#include "node/checkpoint.h"
#include "node/ledger_transfer.h"
#include "wire/wire.h"

struct exporting {
    struct ledger *ledger;
    struct ledger_start start;
    const struct block *last; /* committed */
    struct qc *certificate;   /* of it; owned, or NULL */
    struct checkpoint_writer writer;
    struct ingot_buffer content; /* scratch of one record */
    uint64_t keys;
    char *why;
    size_t why_size;
};

static enum ingot_error fail(struct exporting *exporting, enum ingot_error error, const char *what)
{
    (void)snprintf(exporting->why, exporting->why_size, "%s: %s", what, ingot_error_text(error));
    return error;
}

/* Downwards until the window is whole: by blocks, or by transactions. */
static enum ingot_error find_first_height(struct exporting *exporting, uint32_t window_blocks,
                                          uint64_t *first)
{
    const uint64_t top = exporting->last->height;
    const uint64_t end = top > window_blocks ? top - window_blocks : 1;
    uint64_t transactions = 0;
    for (*first = top;; (*first)--) {
        struct ledger_entry entry;
        const enum ingot_error error = ledger_read_block(exporting->ledger, *first, &entry);
        if (error != INGOT_OK)
            return fail(exporting, error, "a block of the replay window");
        transactions += entry.block->transaction_count;
        ledger_entry_deinit(&entry);
        if (*first == end || transactions >= INGOT_REPLAY_WINDOW_TRANSACTIONS)
            return INGOT_OK;
    }
}

/* Appends a block as a part of a proof. */
static enum ingot_error append_block(struct exporting *exporting, uint64_t height)
{
    struct ledger_entry entry;
    const enum ingot_error error = ledger_read_block(exporting->ledger, height, &entry);
    if (error != INGOT_OK)
        return fail(exporting, error, "a block that changed the validator set, or its child");
    struct ingot_buffer value = {0};
    ledger_encode_entry(entry.block, entry.execution, &value);
    ingot_buffer_append_u32(&exporting->content, (uint32_t)value.size);
    ingot_buffer_append_slice(&exporting->content, ingot_buffer_slice(&value));
    ingot_buffer_deinit(&value);
    ledger_entry_deinit(&entry);
    return INGOT_OK;
}

/* `from` is the height of an earlier change, and then of this one. */
static enum ingot_error write_proof(struct exporting *exporting, uint64_t epoch, uint64_t *from)
{
    enum ingot_error error = ledger_find_change(exporting->ledger, epoch, from);
    const uint64_t height = *from;
    if (error != INGOT_OK)
        return fail(exporting, error, "the block that opened an epoch");
    struct ingot_buffer *content = &exporting->content;
    ingot_buffer_clear(content);
    error = append_block(exporting, height);
    if (error != INGOT_OK)
        return error;
    if (height < exporting->last->height) {
        error = append_block(exporting, height + 1);
        ingot_buffer_append_u32(content, 0);
    } else {
        struct ingot_buffer qc = {0};
        wire_encode_qc(exporting->certificate, &qc);
        ingot_buffer_append_u32(content, 0);
        ingot_buffer_append_u32(content, (uint32_t)qc.size);
        ingot_buffer_append_slice(content, ingot_buffer_slice(&qc));
        ingot_buffer_deinit(&qc);
    }
    checkpoint_write(&exporting->writer, CHECKPOINT_PROOF, ingot_buffer_slice(content));
    return error;
}

static enum ingot_error write_sets(struct exporting *exporting)
{
    uint64_t height = 0;
    for (uint32_t epoch = 1; epoch < exporting->start.set_count; epoch++) {
        const enum ingot_error error = write_proof(exporting, epoch, &height);
        if (error != INGOT_OK)
            return error;
        ingot_buffer_clear(&exporting->content);
        wire_encode_validator_set(exporting->start.sets[epoch], &exporting->content);
        checkpoint_write(&exporting->writer, CHECKPOINT_SET,
                         ingot_buffer_slice(&exporting->content));
    }
    return INGOT_OK;
}

static enum ingot_error write_blocks(struct exporting *exporting, uint64_t first)
{
    for (uint64_t height = first; height <= exporting->last->height; height++) {
        struct ledger_entry entry;
        const enum ingot_error error = ledger_read_block(exporting->ledger, height, &entry);
        if (error != INGOT_OK)
            return fail(exporting, error, "a block of the replay window");
        ingot_buffer_clear(&exporting->content);
        ledger_encode_entry(entry.block, entry.execution, &exporting->content);
        checkpoint_write(&exporting->writer, CHECKPOINT_BLOCK,
                         ingot_buffer_slice(&exporting->content));
        ledger_entry_deinit(&entry);
    }
    return INGOT_OK;
}

static enum ingot_error write_key(void *context, struct ingot_slice key, struct ingot_slice value)
{
    struct exporting *exporting = context;
    ingot_buffer_clear(&exporting->content);
    ingot_buffer_append_u32(&exporting->content, (uint32_t)key.size);
    ingot_buffer_append_slice(&exporting->content, key);
    ingot_buffer_append_slice(&exporting->content, value);
    checkpoint_write(&exporting->writer, CHECKPOINT_STATE, ingot_buffer_slice(&exporting->content));
    exporting->keys++;
    return exporting->writer.error;
}

static enum ingot_error write_all(struct exporting *exporting, uint32_t window_blocks,
                                  struct checkpoint_info *info)
{
    const struct block *last = exporting->last;
    enum ingot_error error = find_first_height(exporting, window_blocks, &info->first_height);
    if (error != INGOT_OK)
        return error;
    const struct checkpoint_header header = {.chain = last->chain,
                                             .height = last->height,
                                             .block = last->hash,
                                             .epochs = exporting->start.set_count - 1,
                                             .first_height = info->first_height};
    checkpoint_write_header(&exporting->writer, &header);
    error = write_sets(exporting);
    if (error == INGOT_OK)
        error = write_blocks(exporting, info->first_height);
    if (error != INGOT_OK)
        return error;
    ingot_buffer_clear(&exporting->content);
    wire_encode_qc(exporting->certificate, &exporting->content);
    checkpoint_write(&exporting->writer, CHECKPOINT_CERTIFICATE,
                     ingot_buffer_slice(&exporting->content));
    error = ledger_visit_state(exporting->ledger, write_key, exporting);
    if (error == INGOT_OK)
        error = checkpoint_write_end(&exporting->writer, &info->hash);
    if (error != INGOT_OK)
        return fail(exporting, error, "the checkpoint cannot be written");
    info->height = last->height;
    info->block = last->hash;
    info->epoch = header.epochs;
    info->keys = exporting->keys;
    info->bytes = exporting->writer.bytes;
    return INGOT_OK;
}

enum ingot_error checkpoint_export(struct ledger *ledger, uint32_t replay_window_blocks,
                                   struct checkpoint_sink sink, struct checkpoint_info *info,
                                   char *why, size_t why_size)
{
    struct exporting exporting = {
        .ledger = ledger, .writer = {.sink = sink}, .why = why, .why_size = why_size};
    *info = (struct checkpoint_info){0};
    enum ingot_error error = ledger_load(ledger, &exporting.start, why, why_size);
    if (error != INGOT_OK)
        return error;
    exporting.last = exporting.start.last_committed.block;
    if (exporting.last->height == 0) {
        (void)snprintf(why, why_size,
                       "no block is committed yet; a node needs no checkpoint to begin there");
        error = INGOT_ERROR_NOT_FOUND;
    } else if (ledger_read_last_certificate(ledger, exporting.last, &exporting.certificate) !=
               INGOT_OK) {
        error =
            fail(&exporting, INGOT_ERROR_CORRUPT, "the certificate of the last committed block");
    } else {
        error = write_all(&exporting, replay_window_blocks, info);
    }
    checkpoint_writer_deinit(&exporting.writer);
    ingot_buffer_deinit(&exporting.content);
    qc_unref(exporting.certificate);
    ledger_start_deinit(&exporting.start);
    return error;
}

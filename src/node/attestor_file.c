/*
 * The signatures file, and how it is kept in step with the table. What is complete goes to the file
 * first, is synced there, and then into the table with the file's new size: so whatever a crash
 * leaves, lines beyond the size that the table knows are the only ones it does not know, and each
 * of them is taken over at the next start. A file that is shorter has lost lines, and is written
 * anew from the table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hex.h"
#include "base/log.h"
#include "node/attestor_state.h"

/* Lines on their way into the file; more wait as signatures. */
#define TEXT_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define RETRY_MS 1000

static bool fail(char *why, size_t why_size, const char *text)
{
    (void)snprintf(why, why_size, "%s", text);
    return false;
}

/* --- Taking over lines that the table does not know. --- */

/* The signatures of one line, as partial shares. */
static bool adopt_signers(struct attestor *attestor, struct attest_block *block, uint32_t index,
                          const struct attestation *attestation)
{
    const size_t size = (size_t)block->count * INGOT_SIGNATURE_BYTES;
    uint8_t *signatures = alloc_zeroed(size, 1);
    const struct ingot_signature none = {{0}};
    for (uint32_t i = 0; i < attestation->signer_count; i++) {
        const struct attestation_signer *signer = &attestation->signers[i];
        const uint32_t voter = validator_set_find(block->set, &signer->key);
        INGOT_ASSERT(voter != VALIDATOR_NONE); /* it was verified */
        if (block->shares[voter].is_whole) {
            continue;
        }
        memset(signatures, 0, size);
        memcpy(signatures + (size_t)index * INGOT_SIGNATURE_BYTES, signer->signature.bytes,
               INGOT_SIGNATURE_BYTES);
        const struct attest_share_record share = {.message = none.bytes,
                                                  .signatures = ingot_slice_of(signatures, size)};
        attest_share_add(attestor, block, voter, &share);
    }
    free(signatures);
    return block->powers[index] >= block->set->quorum_power;
}

static bool is_of(const struct attest_block *block, uint32_t index,
                  const struct attestation *attestation)
{
    struct statement statement;
    uint8_t ours[STATEMENT_PREIMAGE_BYTES];
    uint8_t theirs[STATEMENT_PREIMAGE_BYTES];
    attest_block_statement(block, index, &statement);
    statement_preimage(&statement, ours);
    statement_preimage(&attestation->statement, theirs);
    return attestation->epoch == block->epoch && memcmp(ours, theirs, sizeof ours) == 0;
}

static bool adopt_known(struct attestor *attestor, uint64_t height, uint32_t index,
                        const struct attestation *attestation, char *why, size_t why_size)
{
    struct attest_block *block = NULL;
    uint64_t power = 0;
    if (attest_block_find(attestor, height, &block) != INGOT_OK || index >= block->count) {
        return fail(why, why_size, "the block of this attestation cannot be read");
    }
    if (!is_of(block, index, attestation)) {
        return fail(why, why_size, "it is not what the transaction of this id asks for");
    }
    if (attest_bit(block->done, index)) {
        return fail(why, why_size, "this attestation is in the file before already");
    }
    if (attestation_verify(attestation, attestor->options.genesis, block->set, &power, why,
                           why_size) != INGOT_OK) {
        return false;
    }
    if (!adopt_signers(attestor, block, index, attestation)) {
        return fail(why, why_size, "its signatures are not those that are stored");
    }
    attest_bit_set(block->done, index);
    block->open--;
    attestor->meta.pending--;
    attestor->meta.attested++;
    attest_block_put_pending(attestor, block);
    return true;
}

/*
 * Nobody was told of what is beyond the size that the table knows, so bytes there that are no line
 * are cut off with all behind them: a crash of the machine may leave anything of what was not
 * synced, and what is lost is still pending in the table. Not so if the table is older than the
 * file.
 */
static enum signatures_line adopt(void *context, struct ingot_slice line, char *why,
                                  size_t why_size)
{
    struct attestor *attestor = context;
    struct attestation attestation;
    struct ingot_slice content;
    if (attestation_parse(line, &attestation, why, why_size) != INGOT_OK) {
        return attestor->has_ahead ? SIGNATURES_LINE_REFUSED : SIGNATURES_LINE_CUT;
    }
    bool is_adopted = false;
    uint64_t height = 0;
    uint32_t index = 0;
    const struct statement_id *id = &attestation.statement.id;
    const struct attest_key key = attest_key_id(id->bytes);
    const enum ingot_error error =
        id->size == 32 ? attest_get(attestor, &key, &content) : INGOT_ERROR_NOT_FOUND;
    if (memcmp(attestation.statement.genesis, attestor->options.genesis, 32) != 0) {
        (void)fail(why, why_size, "it is of another chain");
    } else if (error == INGOT_OK && attest_place_decode(content, &height, &index)) {
        is_adopted = adopt_known(attestor, height, index, &attestation, why, why_size);
    } else if (error != INGOT_ERROR_NOT_FOUND) {
        (void)fail(why, why_size, "the table of attestations cannot be read");
    } else if (attestation.statement.height < attestor->meta.next) {
        (void)fail(why, why_size, "no transaction of the chain asks for it");
    } else { /* older data has been put back beside this file */
        const struct attest_key ahead = attest_key_ahead(id);
        const struct ingot_buffer nothing = {0};
        attest_put(attestor, &ahead, &nothing);
        attestor->has_ahead = true;
        is_adopted = true;
    }
    attestation_deinit(&attestation);
    return is_adopted ? SIGNATURES_LINE_TAKEN : SIGNATURES_LINE_REFUSED;
}

/* --- Writing the file anew. --- */

static enum ingot_error write_block(struct attestor *attestor, struct attest_block *block)
{
    struct attest_view view;
    enum ingot_error error = attest_view_begin(attestor, block, &view);
    for (uint32_t i = 0; i < block->count && error == INGOT_OK; i++) {
        if (!attest_bit(block->done, i) || block->powers[i] < block->set->quorum_power) {
            continue;
        }
        ingot_buffer_clear(&attestor->text);
        attest_view_write(attestor, &view, i, &attestor->text);
        signatures_file_append(attestor->file, ingot_buffer_slice(&attestor->text));
        if (signatures_file_pending(attestor->file) >= 1024) {
            error = signatures_file_sync(attestor->file);
        }
    }
    ingot_buffer_clear(&attestor->text);
    return error;
}

static enum ingot_error write_all(struct attestor *attestor)
{
    uint64_t height = 0;
    for (;;) {
        const struct attest_key key = attest_key_block(height);
        struct attest_block *block = NULL;
        struct ingot_slice found;
        struct ingot_slice content;
        enum ingot_error error =
            ledger_seek_attest(attestor->options.ledger, attest_key_slice(&key), &found, &content);
        if (error == INGOT_ERROR_NOT_FOUND ||
            (error == INGOT_OK && !attest_key_height(found, &key, &height))) {
            return signatures_file_sync(attestor->file);
        }
        if (error == INGOT_OK) {
            error = attest_block_find(attestor, height, &block);
        }
        if (error == INGOT_OK) {
            error = write_block(attestor, block);
        }
        if (error != INGOT_OK) {
            return error;
        }
        attest_block_evict(attestor);
        height++;
    }
}

/* What was noted of the lost file's lines ahead of the chain is gone with them. */
static enum ingot_error forget_ahead(struct attestor *attestor)
{
    const struct statement_id none = {.size = 0};
    struct attest_key key = attest_key_ahead(&none);
    const uint8_t kind = key.bytes[0];
    for (;;) {
        struct ingot_slice found;
        struct ingot_slice content;
        const enum ingot_error error =
            ledger_seek_attest(attestor->options.ledger, attest_key_slice(&key), &found, &content);
        if (error == INGOT_ERROR_NOT_FOUND || (error == INGOT_OK && found.data[0] != kind)) {
            return INGOT_OK;
        }
        if (error != INGOT_OK || found.size >= sizeof key.bytes) {
            return error != INGOT_OK ? error : INGOT_ERROR_CORRUPT;
        }
        memcpy(key.bytes, found.data, found.size);
        key.size = found.size;
        attest_delete(attestor, &key);
        key.bytes[key.size++] = 0; /* so that it is the next one that is found */
    }
}

static enum ingot_error rebuild(struct attestor *attestor, char *why, size_t why_size)
{
    LOG(LOG_WARN, "the signatures file has lost lines, and is written anew",
        log_text("file", attestor->file_path), log_u64("attestations", attestor->meta.attested));
    attestor->meta.file_size = ATTEST_FILE_SIZE_NONE;
    attest_put_meta(attestor);
    enum ingot_error error = forget_ahead(attestor);
    if (error == INGOT_OK) {
        error = ledger_sync(attestor->options.ledger);
    }
    if (error == INGOT_OK) {
        error = signatures_file_replace_begin(attestor->file_path, &attestor->file, why, why_size);
        if (error != INGOT_OK) {
            return error;
        }
        error = write_all(attestor);
    }
    if (error == INGOT_OK) {
        error = signatures_file_replace_end(attestor->file);
    }
    if (error != INGOT_OK) {
        (void)snprintf(why, why_size, "%s cannot be written anew: %s", attestor->file_path,
                       ingot_error_text(error));
    }
    return error;
}

static enum ingot_error find_ahead(struct attestor *attestor)
{
    const struct statement_id none = {.size = 0};
    const struct attest_key first = attest_key_ahead(&none);
    struct ingot_slice found;
    struct ingot_slice content;
    const enum ingot_error error =
        ledger_seek_attest(attestor->options.ledger, attest_key_slice(&first), &found, &content);
    attestor->has_ahead = error == INGOT_OK && found.data[0] == first.bytes[0];
    return error == INGOT_ERROR_NOT_FOUND ? INGOT_OK : error;
}

enum ingot_error attest_file_open(struct attestor *attestor, char *why, size_t why_size)
{
    const uint64_t attested = attestor->meta.attested;
    enum ingot_error error = INGOT_ERROR_NOT_FOUND;
    if (attestor->meta.file_size != ATTEST_FILE_SIZE_NONE) {
        error = signatures_file_open(attestor->file_path, attestor->meta.file_size, adopt, attestor,
                                     &attestor->file, why, why_size);
    }
    if (error == INGOT_ERROR_NOT_FOUND) {
        error = rebuild(attestor, why, why_size);
    }
    if (error != INGOT_OK) {
        return error;
    }
    if (attestor->meta.file_size != signatures_file_size(attestor->file)) {
        attestor->meta.file_size = signatures_file_size(attestor->file);
        attest_put_meta(attestor);
    }
    if (attestor->meta.attested > attested) {
        LOG(LOG_INFO, "lines of the signatures file that the ledger lacked are taken over",
            log_u64("attestations", attestor->meta.attested - attested));
    }
    error = ledger_sync(attestor->options.ledger);
    if (error == INGOT_OK) {
        error = find_ahead(attestor);
    }
    if (error != INGOT_OK) {
        (void)snprintf(why, why_size, "the table of attestations: %s", ingot_error_text(error));
    }
    return error;
}

/* --- What is complete. --- */

void attest_file_ready(struct attestor *attestor, struct attest_block *block)
{
    if (!block->is_ready && attestor->is_open) {
        block->is_ready = true;
        block->ready_next = attestor->ready;
        attestor->ready = block;
    }
}

static struct attest_line *add_line(struct attestor *attestor, struct attest_block *block,
                                    uint32_t index)
{
    if (attestor->line_count == attestor->line_capacity) {
        attestor->line_capacity = attestor->line_capacity == 0 ? 16 : 2 * attestor->line_capacity;
        attestor->lines =
            alloc_resize(attestor->lines, attestor->line_capacity, sizeof *attestor->lines);
    }
    struct attest_line *line = &attestor->lines[attestor->line_count++];
    *line = (struct attest_line){.block = block, .index = index};
    block->pins++;
    attest_bit_set(block->queued, index);
    return line;
}

void attest_file_refuse(struct attestor *attestor, struct attest_block *block, uint32_t index)
{
    if (attestor->is_open) {
        add_line(attestor, block, index)->is_refused = true;
    }
}

/* Is its line in the file already? */
static bool take_ahead(struct attestor *attestor, const struct attest_block *block, uint32_t index)
{
    struct statement statement;
    struct ingot_slice content;
    if (!attestor->has_ahead) {
        return false;
    }
    attest_block_statement(block, index, &statement);
    const struct attest_key key = attest_key_ahead(&statement.id);
    const enum ingot_error error = attest_get(attestor, &key, &content);
    if (error != INGOT_OK && error != INGOT_ERROR_NOT_FOUND) {
        attest_fail(attestor, REPLICA_STOP_DAMAGED, "the table of attestations cannot be read",
                    error);
    }
    return error == INGOT_OK;
}

/* Appends the lines of a block. False: there is no room for more. */
static bool append_lines(struct attestor *attestor, struct attest_block *block)
{
    struct attest_view view;
    const enum ingot_error error = attest_view_begin(attestor, block, &view);
    if (error != INGOT_OK) {
        attest_fail(attestor, REPLICA_STOP_DAMAGED, "a share cannot be read back", error);
        return false;
    }
    for (uint32_t i = 0; i < block->count; i++) {
        if (attest_bit(block->done, i) || attest_bit(block->queued, i) ||
            block->powers[i] < block->set->quorum_power) {
            continue;
        }
        if (attestor->text.size >= TEXT_BYTES_MAX) {
            return false;
        }
        struct attest_line *line = add_line(attestor, block, i);
        line->begin = attestor->text.size;
        attest_view_write(attestor, &view, i, &attestor->text);
        line->end = attestor->text.size;
        line->is_in_file = take_ahead(attestor, block, i);
        if (!line->is_in_file) {
            signatures_file_append(attestor->file, ingot_slice_of(attestor->text.data + line->begin,
                                                                  line->end - line->begin));
        }
    }
    return true;
}

static void gather(struct attestor *attestor)
{
    while (attestor->ready != NULL && !attestor->has_stopped &&
           append_lines(attestor, attestor->ready)) {
        attestor->ready->is_ready = false;
        attestor->ready = attestor->ready->ready_next;
    }
}

/* --- Into the table, and out to those who wait. --- */

static void put_lines(struct attestor *attestor)
{
    struct attest_block *last = NULL;
    for (uint32_t i = 0; i < attestor->line_count; i++) {
        const struct attest_line *line = &attestor->lines[i];
        attest_bit_set(line->block->done, line->index);
        line->block->open--;
        attestor->meta.pending--;
        attestor->meta.attested += !line->is_refused;
        attestor->meta.refused += line->is_refused;
        if (line->is_in_file) {
            struct statement statement;
            attest_block_statement(line->block, line->index, &statement);
            const struct attest_key key = attest_key_ahead(&statement.id);
            attest_delete(attestor, &key);
        }
        if (last != NULL && last != line->block) {
            attest_block_put_pending(attestor, last);
        }
        last = line->block;
    }
    attest_block_put_pending(attestor, last);
    attestor->meta.file_size = signatures_file_size(attestor->file);
    attest_put_meta(attestor);
}

static void report(struct attestor *attestor)
{
    const struct attestor_output *output = &attestor->options.output;
    for (uint32_t i = 0; i < attestor->line_count; i++) {
        const struct attest_line *line = &attestor->lines[i];
        struct statement statement;
        attest_block_statement(line->block, line->index, &statement);
        line->block->pins--;
        if (line->is_refused) {
            output->refused(output->context, line->block->height, &statement.id);
        } else {
            output->attested(
                output->context, line->block->height, &statement.id,
                ingot_slice_of(attestor->text.data + line->begin, line->end - line->begin));
        }
    }
    attestor->line_count = 0;
    ingot_buffer_clear(&attestor->text);
}

/* The lines are kept where the disk is full. False: they are not in the file. */
static bool sync_file(struct attestor *attestor)
{
    const enum ingot_error error = signatures_file_pending(attestor->file) == 0
                                       ? INGOT_OK
                                       : signatures_file_sync(attestor->file);
    if (error == INGOT_OK && attestor->is_full) {
        LOG(LOG_INFO, "the signatures file has room again", log_text("file", attestor->file_path));
        attestor->is_full = false;
    }
    if (error == INGOT_ERROR_NO_SPACE) {
        if (!attestor->is_full) {
            LOG(LOG_ERROR, "no room for the signatures file: attestations wait until there is",
                log_text("file", attestor->file_path),
                log_u64("attestations", signatures_file_pending(attestor->file)));
        }
        attestor->is_full = true;
        attestor->retry_ms = attestor->now_ms + RETRY_MS;
        attestor->status.file_retries++;
    } else if (error != INGOT_OK) {
        attest_fail(attestor, REPLICA_STOP_WRITE, "the signatures file cannot be written", error);
    }
    return error == INGOT_OK;
}

bool attest_file_turn(struct attestor *attestor)
{
    const struct attestor_output *output = &attestor->options.output;
    if (attestor->is_full && attestor->now_ms < attestor->retry_ms) {
        return false;
    }
    gather(attestor);
    if (attestor->line_count == 0 || attestor->has_stopped || !sync_file(attestor)) {
        return false;
    }
    put_lines(attestor);
    if (!output->sync(output->context)) {
        attestor->has_stopped = true; /* whoever has synced has said why */
        return false;
    }
    report(attestor);
    return attestor->ready != NULL;
}

/*
 * Reading a checkpoint into an empty store. Records come in the order of their kinds; each is
 * verified against what came before it and written at once, so that memory does not grow with the
 * file. What cannot be verified, the state, is covered by the checkpoint's hash alone.
 *
 * Nothing that is written counts before ledger_import_finish, which comes last.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hex.h"
#include "node/checkpoint.h"
#include "node/ledger_transfer.h"
#include "wire/preimage.h"
#include "wire/verify.h"
#include "wire/wire.h"

struct importing {
    const struct checkpoint_import_options *options;
    struct checkpoint_reader reader;
    struct checkpoint_header header;
    struct ledger_import *import;
    struct verifier verifier;

    enum checkpoint_kind last_kind; /* 0: none yet */
    struct validator_set **sets;    /* by epoch */
    uint64_t set_count;
    struct ledger_entry change; /* the proof that waits for its set; owned, or empty */
    struct block *last;         /* the last of the blocks; owned, or NULL */
    uint64_t transactions;      /* in the blocks */
    struct qc *certificate;     /* of the last block; owned, or NULL */
    struct ingot_buffer key;    /* the last of the state */
    uint64_t keys;

    char *why;
    size_t why_size;
};

static enum ingot_error fail(struct importing *importing, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The file is not what it must be. */
static enum ingot_error fail(struct importing *importing, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)snprintf(importing->why, importing->why_size, "before byte %llu: %s",
                   (unsigned long long)importing->reader.bytes, text);
    return INGOT_ERROR_CORRUPT;
}

/* The store took it, or did not. */
static enum ingot_error wrote(struct importing *importing, enum ingot_error error)
{
    if (error != INGOT_OK)
        (void)snprintf(importing->why, importing->why_size, "the store cannot be written: %s",
                       ingot_error_text(error));
    return error;
}

static struct validator_set *find_set(void *context, uint64_t epoch)
{
    const struct importing *importing = context;
    return epoch < importing->set_count ? importing->sets[epoch] : NULL;
}

/* Takes over the set. */
static void keep_set(struct importing *importing, struct validator_set *set)
{
    importing->sets =
        alloc_resize(importing->sets, importing->set_count + 1, sizeof(struct validator_set *));
    importing->sets[importing->set_count++] = set;
}

/* Is the block of the sets that the file has proven so far? */
static enum ingot_error check_block(struct importing *importing, const struct block *block)
{
    const enum reject reject = verify_block_fields(&importing->verifier, block);
    if (reject != REJECT_NONE)
        return fail(importing, "a block: %s", reject_text(reject));
    const struct validator_set *set = find_set(importing, block_epoch(block));
    if (set == NULL || !crypto_hash_equal(&set->hash, &block->validators_hash))
        return fail(importing, "a block of height %llu: it is of a validator set that is not here",
                    (unsigned long long)block->height);
    return INGOT_OK;
}

/* Does the QC, which need not be verified yet, certify the block for good? */
static enum ingot_error check_certificate(struct importing *importing, struct qc *qc,
                                          const struct block *block)
{
    const enum reject reject = verify_block_certificate(&importing->verifier, block, qc);
    if (reject == REJECT_BINDING)
        return fail(importing, "the certificate of height %llu is of another block or phase",
                    (unsigned long long)block->height);
    if (reject != REJECT_NONE)
        return fail(importing, "the certificate of height %llu: %s",
                    (unsigned long long)block->height, reject_text(reject));
    return INGOT_OK;
}

static bool take_part(struct ingot_slice *from, struct ingot_slice *part)
{
    uint32_t size = 0;
    return ingot_slice_take_u32(from, &size) && ingot_slice_take(from, size, part);
}

static enum ingot_error decode_block(struct importing *importing, struct ingot_slice value,
                                     struct ledger_entry *entry)
{
    const char *wrong = ledger_decode_value(&importing->header.chain, value, entry);
    if (wrong != NULL)
        return fail(importing, "a block: %s", wrong);
    const enum ingot_error error = check_block(importing, entry->block);
    if (error != INGOT_OK)
        ledger_entry_deinit(entry);
    return error;
}

/* --- Sets. --- */

/* The child brings the Commit QC. It is of the next set, which is checked when that is here. */
static enum ingot_error take_child(struct importing *importing, struct ingot_slice value)
{
    struct ledger_entry child;
    const char *wrong = ledger_decode_value(&importing->header.chain, value, &child);
    if (wrong != NULL)
        return fail(importing, "the child of a block that changes the set: %s", wrong);
    const enum reject reject = verify_block_fields(&importing->verifier, child.block);
    enum ingot_error error = INGOT_OK;
    if (reject != REJECT_NONE || child.block->height != importing->change.block->height + 1)
        error = fail(importing, "the child of a block that changes the set: %s",
                     reject_text(reject != REJECT_NONE ? reject : REJECT_BINDING));
    if (error == INGOT_OK)
        error = check_certificate(importing, child.block->justify, importing->change.block);
    if (error == INGOT_OK)
        error = wrote(importing, ledger_import_block(importing->import, &child));
    ledger_entry_deinit(&child);
    return error;
}

static enum ingot_error take_change_certificate(struct importing *importing,
                                                struct ingot_slice bytes)
{
    struct qc *qc = NULL;
    if (wire_decode_qc(bytes, &qc) != REJECT_NONE)
        return fail(importing, "a Commit QC does not decode");
    const enum ingot_error error = check_certificate(importing, qc, importing->change.block);
    qc_unref(qc);
    return error;
}

static enum ingot_error take_proof(struct importing *importing, struct ingot_slice content)
{
    struct ingot_slice block;
    struct ingot_slice child;
    struct ingot_slice qc;
    if (importing->set_count > importing->header.epochs || importing->change.block != NULL ||
        importing->last_kind > CHECKPOINT_SET)
        return fail(importing, "a proof out of its place");
    if (!take_part(&content, &block) || !take_part(&content, &child) || !take_part(&content, &qc) ||
        content.size > 0 || (child.size > 0) == (qc.size > 0))
        return fail(importing, "a proof does not decode");
    enum ingot_error error = decode_block(importing, block, &importing->change);
    if (error != INGOT_OK)
        return error;
    if (block_epoch(importing->change.block) + 1 != importing->set_count ||
        !block_changes_set(importing->change.block))
        return fail(importing, "a proof is of a block that does not open the next epoch");
    error = child.size > 0 ? take_child(importing, child) : take_change_certificate(importing, qc);
    if (error == INGOT_OK)
        error = wrote(importing, ledger_import_block(importing->import, &importing->change));
    return error;
}

static enum ingot_error take_set(struct importing *importing, struct ingot_slice content)
{
    const struct block *change = importing->change.block;
    struct validator_set *set = NULL;
    if (change == NULL)
        return fail(importing, "a validator set without its proof");
    if (wire_decode_validator_set(content, &set) != REJECT_NONE)
        return fail(importing, "a validator set does not decode");
    if (!verify_next_set(change, set)) {
        validator_set_unref(set);
        return fail(importing, "the validator set of epoch %llu is not the one that was voted in",
                    (unsigned long long)importing->set_count);
    }
    keep_set(importing, set);
    ledger_entry_deinit(&importing->change);
    return wrote(importing, ledger_import_set(importing->import, set));
}

/* --- Blocks. --- */

static enum ingot_error take_block(struct importing *importing, struct ingot_slice content)
{
    if (importing->set_count != importing->header.epochs + 1 || importing->change.block != NULL ||
        importing->last_kind > CHECKPOINT_BLOCK)
        return fail(importing, "a block out of its place");
    struct ledger_entry entry;
    enum ingot_error error = decode_block(importing, content, &entry);
    if (error != INGOT_OK)
        return error;
    const struct block *block = entry.block;
    const struct block *before = importing->last != NULL ? importing->last
                                 : block->height == 1    ? importing->options->genesis
                                                         : NULL;
    const uint64_t height =
        importing->last != NULL ? importing->last->height + 1 : importing->header.first_height;
    const struct validator_set *next = find_set(importing, block_epoch(block) + 1);
    if (block->height != height || height > importing->header.height)
        error = fail(importing, "a block of height %llu, expected %llu",
                     (unsigned long long)block->height, (unsigned long long)height);
    else if (before != NULL && !crypto_hash_equal(&block->parent, &before->hash))
        error = fail(importing, "the block of height %llu does not follow the one before it",
                     (unsigned long long)height);
    else if (block_changes_set(block) &&
             (next == NULL || !crypto_hash_equal(&next->hash, &block->next_validators_hash)))
        error = fail(importing, "the validator set that height %llu opens is not here",
                     (unsigned long long)height);
    else
        error = wrote(importing, ledger_import_block(importing->import, &entry));
    if (error == INGOT_OK) {
        importing->transactions += block->transaction_count;
        block_unref(importing->last);
        importing->last = block_ref(entry.block);
    }
    ledger_entry_deinit(&entry);
    return error;
}

/* A node judges blocks only once it has the whole replay window. */
static bool has_window(const struct importing *importing)
{
    const uint64_t window = importing->options->replay_window_blocks;
    const uint64_t top = importing->header.height;
    return importing->header.first_height <= (top > window ? top - window : 1) ||
           importing->transactions >= INGOT_REPLAY_WINDOW_TRANSACTIONS;
}

static enum ingot_error take_certificate(struct importing *importing, struct ingot_slice content)
{
    const struct block *last = importing->last;
    if (last == NULL || importing->certificate != NULL)
        return fail(importing, "a certificate out of its place");
    if (last->height != importing->header.height ||
        !crypto_hash_equal(&last->hash, &importing->header.block))
        return fail(importing, "the last block is not the one that the header names");
    if (!has_window(importing))
        return fail(importing, "blocks of the replay window are missing");
    if (block_epoch(last) + block_changes_set(last) != importing->header.epochs)
        return fail(importing, "the last block is of an earlier epoch than the last validator set");
    if (wire_decode_qc(content, &importing->certificate) != REJECT_NONE)
        return fail(importing, "the certificate of the last block does not decode");
    return check_certificate(importing, importing->certificate, last);
}

/* --- The state. --- */

static enum ingot_error take_state(struct importing *importing, struct ingot_slice content)
{
    struct ingot_slice key;
    if (importing->certificate == NULL)
        return fail(importing, "a key of the state out of its place");
    if (!take_part(&content, &key) || key.size == 0 || key.size > INGOT_STATE_KEY_BYTES_MAX ||
        content.size > INGOT_STATE_VALUE_BYTES_MAX)
        return fail(importing, "a key or value of the state breaks the limits");
    if (importing->keys > 0 && ingot_slice_compare(key, ingot_buffer_slice(&importing->key)) <= 0)
        return fail(importing, "the keys of the state do not ascend");
    ingot_buffer_clear(&importing->key);
    ingot_buffer_append_slice(&importing->key, key);
    importing->keys++;
    return wrote(importing, ledger_import_state(importing->import, key, content));
}

/* --- The whole. --- */

static enum ingot_error take_record(struct importing *importing, enum checkpoint_kind kind,
                                    struct ingot_slice content)
{
    switch (kind) {
    case CHECKPOINT_PROOF:
        return take_proof(importing, content);
    case CHECKPOINT_SET:
        return take_set(importing, content);
    case CHECKPOINT_BLOCK:
        return take_block(importing, content);
    case CHECKPOINT_CERTIFICATE:
        return take_certificate(importing, content);
    case CHECKPOINT_STATE:
        return take_state(importing, content);
    case CHECKPOINT_END:
        return importing->certificate != NULL
                   ? INGOT_OK
                   : fail(importing, "the checkpoint ends before its certificate");
    }
    INGOT_ASSERT(false);
    return INGOT_ERROR_CORRUPT;
}

static enum ingot_error read_header(struct importing *importing)
{
    const enum ingot_error error = checkpoint_read_header(&importing->reader, &importing->header,
                                                          importing->why, importing->why_size);
    if (error != INGOT_OK)
        return error;
    const struct checkpoint_header *header = &importing->header;
    const struct ingot_hash *chain = &importing->options->genesis->hash;
    if (!crypto_hash_equal(&header->chain, chain)) {
        char theirs[2 * INGOT_HASH_BYTES + 1];
        char ours[2 * INGOT_HASH_BYTES + 1];
        hex_encode_lower(header->chain.bytes, INGOT_HASH_BYTES, theirs);
        hex_encode_lower(chain->bytes, INGOT_HASH_BYTES, ours);
        (void)snprintf(importing->why, importing->why_size,
                       "of another chain: its genesis hash is %s, expected %s", theirs, ours);
        return INGOT_ERROR_INVALID;
    }
    if (header->first_height == 0 || header->first_height > header->height ||
        header->height >= WIRE_NUMBER_MAX || header->epochs >= header->height + 1)
        return fail(importing, "the header's numbers do not fit together");
    return INGOT_OK;
}

static enum ingot_error check_expected(struct importing *importing, const struct ingot_hash *found)
{
    const struct ingot_hash *expected = importing->options->expected;
    if (expected == NULL || crypto_hash_equal(expected, found))
        return INGOT_OK;
    char theirs[2 * INGOT_HASH_BYTES + 1];
    char ours[2 * INGOT_HASH_BYTES + 1];
    hex_encode_lower(found->bytes, INGOT_HASH_BYTES, theirs);
    hex_encode_lower(expected->bytes, INGOT_HASH_BYTES, ours);
    (void)snprintf(importing->why, importing->why_size,
                   "another checkpoint than the one that is expected: its hash is %s, expected %s",
                   theirs, ours);
    return INGOT_ERROR_INVALID;
}

/*
 * As a node that knows the certificate of its last committed block, and nothing above it: in the
 * view after it, with the lock that the certificate gives, and no vote cast.
 */
static enum ingot_error finish(struct importing *importing)
{
    struct qc *qc = importing->certificate;
    const struct position high = qc_position(qc);
    const struct core_safety safety = {
        .current = {high.epoch, high.view + 1},
        .locked = qc->phase == PHASE_COMMIT ? high : qc_position(importing->last->justify),
        .high_qc = qc};
    const struct ledger_entry genesis = {.block = importing->options->genesis};
    const uint64_t first = importing->header.first_height;
    enum ingot_error error = ledger_import_set(importing->import, importing->sets[0]);
    if (error == INGOT_OK)
        error = ledger_import_block(importing->import, &genesis);
    if (error == INGOT_OK)
        error = ledger_import_finish(importing->import, importing->header.height,
                                     first > 1 ? first : 0, &safety);
    return wrote(importing, error);
}

static enum ingot_error import_all(struct importing *importing, struct checkpoint_info *info)
{
    enum ingot_error error = read_header(importing);
    enum checkpoint_kind kind = CHECKPOINT_PROOF;
    struct ingot_slice content = {0};
    while (error == INGOT_OK) {
        error = checkpoint_read(&importing->reader, &kind, &content, importing->why,
                                importing->why_size);
        if (error == INGOT_OK)
            error = take_record(importing, kind, content);
        importing->last_kind = kind;
        if (kind == CHECKPOINT_END)
            break;
    }
    if (error != INGOT_OK)
        return error;
    memcpy(info->hash.bytes, content.data, INGOT_HASH_BYTES);
    info->height = importing->header.height;
    info->block = importing->header.block;
    info->epoch = importing->header.epochs;
    info->first_height = importing->header.first_height;
    info->keys = importing->keys;
    info->bytes = importing->reader.bytes;
    error = check_expected(importing, &info->hash);
    return error == INGOT_OK ? finish(importing) : error;
}

enum ingot_error checkpoint_import(const struct checkpoint_import_options *options,
                                   struct checkpoint_source source, struct checkpoint_info *info,
                                   char *why, size_t why_size)
{
    struct importing importing = {
        .options = options, .reader = {.source = source}, .why = why, .why_size = why_size};
    const struct ingot_hash *chain = &options->genesis->hash;
    *info = (struct checkpoint_info){0};
    importing.import = ledger_import_new(options->store, chain);
    verifier_init(&importing.verifier, chain, options->scheme, find_set, &importing);
    keep_set(&importing, validator_set_ref(options->genesis_set));
    const enum ingot_error error = import_all(&importing, info);
    for (uint64_t i = 0; i < importing.set_count; i++)
        validator_set_unref(importing.sets[i]);
    free(importing.sets);
    ledger_entry_deinit(&importing.change);
    block_unref(importing.last);
    qc_unref(importing.certificate);
    ingot_buffer_deinit(&importing.key);
    ledger_import_free(importing.import);
    checkpoint_reader_deinit(&importing.reader);
    return error;
}

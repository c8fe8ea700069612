/*
 * What clients see: attestations as JSON, by the paths that docs/rpc.md lists. It reads, and
 * changes nothing. An answer is bounded: where there is more, it says where to go on.
 */
#include <inttypes.h>
#include <string.h>

#include "base/hex.h"
#include "node/attestor_state.h"
#include "node/set_proof_ledger.h"

/* An answer ends behind the statement with which it reaches this. */
#define ANSWER_BYTES_MAX ((size_t)1024 * 1024)
/* Blocks, or statements of one digest, that are looked at for one answer. */
#define ANSWER_COUNT_MAX 1024
/* What may be read for one answer, besides the last block: little of it may get into the answer. */
#define ANSWER_READ_BYTES_MAX ((size_t)8 * 1024 * 1024)

enum { CODE_FOUND = 0, CODE_NOT_FOUND = 1, CODE_BAD_REQUEST = 2 };

/* --- One statement. --- */

enum ingot_error attest_view_begin(struct attestor *attestor, const struct attest_block *block,
                                   struct attest_view *view)
{
    *view = (struct attest_view){.block = block};
    for (uint32_t i = 0; i < block->set->count; i++) {
        struct attest_share_record share;
        const enum ingot_error error = attest_share_read(attestor, block, i, &share);
        if (error == INGOT_OK) {
            view->signatures[i] = share.signatures.data;
            view->is_whole[i] = share.is_whole;
        } else if (error != INGOT_ERROR_NOT_FOUND) {
            return error;
        }
    }
    return INGOT_OK;
}

static const uint8_t *signature_of(const struct attest_view *view, uint32_t voter, uint32_t index)
{
    const uint8_t *signatures = view->signatures[voter];
    if (signatures == NULL) {
        return NULL;
    }
    const uint8_t *signature = signatures + (size_t)index * INGOT_SIGNATURE_BYTES;
    return attest_is_zero(signature, INGOT_SIGNATURE_BYTES) ? NULL : signature;
}

void attest_view_write(const struct attestor *attestor, struct attest_view *view, uint32_t index,
                       struct ingot_buffer *json)
{
    const struct attest_block *block = view->block;
    struct attestation attestation = {.epoch = block->epoch, .signers = view->signers};
    struct attest_entry entry;
    memcpy(attestation.chain_id, attestor->chain_id, strlen(attestor->chain_id));
    attest_block_statement(block, index, &attestation.statement);
    attest_block_entry(block, index, &entry);
    attestation.has_payload = entry.has_payload;
    ingot_buffer_append_slice(&attestation.payload, entry.payload);
    for (uint32_t i = 0; i < block->set->count; i++) {
        const uint8_t *signature = signature_of(view, i, index);
        if (signature == NULL) {
            continue;
        }
        struct attestation_signer *signer = &attestation.signers[attestation.signer_count++];
        signer->key = block->set->validators[i].key;
        signer->power = block->set->validators[i].power;
        memcpy(signer->signature.bytes, signature, sizeof signer->signature.bytes);
    }
    attestation_format(&attestation, json);
    ingot_buffer_deinit(&attestation.payload);
}

enum who { WHO_SIGNED, WHO_DECLINED, WHO_MISSING };

static enum who who_is(const struct attest_view *view, uint32_t voter, uint32_t index)
{
    if (signature_of(view, voter, index) != NULL) {
        return WHO_SIGNED;
    }
    return view->is_whole[voter] ? WHO_DECLINED : WHO_MISSING;
}

static void write_members(const struct attest_view *view, uint32_t index, enum who who,
                          const char *name, struct ingot_buffer *json)
{
    const struct validator_set *set = view->block->set;
    const char *separator = "";
    ingot_buffer_format(json, ",\"%s\":[", name);
    for (uint32_t i = 0; i < set->count; i++) {
        if (who_is(view, i, index) == who) {
            char key[2 * INGOT_PUBLIC_KEY_BYTES + 1];
            hex_encode_lower(set->validators[i].key.bytes, INGOT_PUBLIC_KEY_BYTES, key);
            ingot_buffer_format(json, "%s{\"key\":\"%s\",\"power\":\"%" PRIu64 "\"}", separator,
                                key, set->validators[i].power);
            separator = ",";
        }
    }
    ingot_buffer_append_u8(json, ']');
}

/* A statement without attestation: how far it is, and who is to blame. */
static void write_pending(const struct attest_view *view, uint32_t index, bool is_refused,
                          struct ingot_buffer *json)
{
    const struct attest_block *block = view->block;
    char id[65];
    char digest[65];
    struct attest_entry entry;
    attest_block_entry(block, index, &entry);
    hex_encode_lower(entry.id, 32, id);
    hex_encode_lower(entry.digest, 32, digest);
    ingot_buffer_format(json,
                        "{\"id\":\"%s\",\"digest\":\"%s\",\"epoch\":\"%" PRIu64
                        "\",\"height\":\"%" PRIu64 "\",\"pending\":%s,\"refused\":%s"
                        ",\"power\":\"%" PRIu64 "\",\"quorum\":\"%" PRIu64 "\"",
                        id, digest, block->epoch, block->height, is_refused ? "false" : "true",
                        is_refused ? "true" : "false", block->powers[index],
                        block->set->quorum_power);
    write_members(view, index, WHO_SIGNED, "signed", json);
    write_members(view, index, WHO_DECLINED, "declined", json);
    write_members(view, index, WHO_MISSING, "missing", json);
    ingot_buffer_append_u8(json, '}');
}

static enum attest_state state_of(const struct attest_block *block, uint32_t index)
{
    if (!attest_bit(block->done, index)) {
        return ATTEST_PENDING;
    }
    return block->powers[index] >= block->set->quorum_power ? ATTEST_COMPLETE : ATTEST_REFUSED;
}

static void write_one(const struct attestor *attestor, struct attest_view *view, uint32_t index,
                      struct ingot_buffer *json)
{
    const enum attest_state state = state_of(view->block, index);
    if (state == ATTEST_COMPLETE) {
        attest_view_write(attestor, view, index, json);
    } else {
        write_pending(view, index, state == ATTEST_REFUSED, json);
    }
}

/* Who waits for several asks in the order of the block. */
static bool find_in_block(struct attest_block *block, const struct statement_id *id,
                          uint32_t *index)
{
    for (uint32_t i = 0; i < block->count && id->size == 32; i++) {
        struct attest_entry entry;
        *index = (block->looked_up + i) % block->count;
        attest_block_entry(block, *index, &entry);
        if (memcmp(entry.id, id->bytes, 32) == 0) {
            block->looked_up = *index + 1;
            return true;
        }
    }
    return false;
}

enum attest_state attestor_find(struct attestor *attestor, uint64_t height,
                                const struct statement_id *id, struct ingot_buffer *json)
{
    struct attest_block *block = NULL;
    struct attest_view view;
    uint32_t index = 0;
    if (attest_block_find(attestor, height, &block) != INGOT_OK ||
        !find_in_block(block, id, &index)) {
        return ATTEST_UNKNOWN;
    }
    const enum attest_state state = state_of(block, index);
    if (state == ATTEST_COMPLETE && json != NULL) {
        if (attest_view_begin(attestor, block, &view) != INGOT_OK) {
            return ATTEST_UNKNOWN;
        }
        attest_view_write(attestor, &view, index, json);
    }
    return state;
}

/* --- Paths. --- */

#define PREFIX "/attestations/"

bool attestor_answers(struct ingot_slice path)
{
    struct ingot_slice prefix;
    return ingot_slice_take(&path, sizeof PREFIX - 1, &prefix) &&
           memcmp(prefix.data, PREFIX, prefix.size) == 0;
}

static void answer(struct ingot_query_response *response, uint32_t code, const char *log)
{
    response->code = code;
    ingot_buffer_clear(&response->log);
    ingot_buffer_format(&response->log, "%s", log);
}

static void answer_failure(struct ingot_query_response *response, enum ingot_error error)
{
    ingot_buffer_clear(&response->value);
    if (error == INGOT_ERROR_NOT_FOUND) {
        answer(response, CODE_NOT_FOUND, "no committed transaction asked for it");
    } else {
        response->code = CODE_BAD_REQUEST;
        ingot_buffer_format(&response->log, "the store failed: %s", ingot_error_text(error));
    }
}

/* What reading a block takes, with the shares of all members. */
static size_t weight(const struct attest_block *block)
{
    return block->bytes + (size_t)block->set->count * block->count * INGOT_SIGNATURE_BYTES;
}

static enum ingot_error write_place(struct attestor *attestor, uint64_t height, uint32_t index,
                                    struct ingot_buffer *json, size_t *read_bytes)
{
    struct attest_block *block = NULL;
    struct attest_view view;
    enum ingot_error error = attest_block_find(attestor, height, &block);
    if (error == INGOT_OK && index >= block->count) {
        error = INGOT_ERROR_CORRUPT;
    }
    if (error == INGOT_OK) {
        error = attest_view_begin(attestor, block, &view);
    }
    if (error == INGOT_OK) {
        write_one(attestor, &view, index, json);
        *read_bytes += weight(block);
    }
    attest_block_evict(attestor);
    return error;
}

static void query_id(struct attestor *attestor, struct ingot_slice data,
                     struct ingot_query_response *response)
{
    struct ingot_slice content;
    uint64_t height = 0;
    uint32_t index = 0;
    size_t read_bytes = 0;
    if (data.size != 32) {
        answer(response, CODE_BAD_REQUEST, "data: expected an id of 32 bytes");
        return;
    }
    const struct attest_key key = attest_key_id(data.data);
    enum ingot_error error = attest_get(attestor, &key, &content);
    if (error == INGOT_OK && !attest_place_decode(content, &height, &index)) {
        error = INGOT_ERROR_CORRUPT;
    }
    if (error == INGOT_OK) {
        error = write_place(attestor, height, index, &response->value, &read_bytes);
    }
    if (error != INGOT_OK) {
        answer_failure(response, error);
    }
}

static void query_digest(struct attestor *attestor, struct ingot_slice data,
                         struct ingot_query_response *response)
{
    uint64_t height = 0;
    uint32_t index = 0;
    uint32_t count = 0;
    size_t read_bytes = 0;
    if (data.size != 32) {
        answer(response, CODE_BAD_REQUEST, "data: expected a SHA-256 of 32 bytes");
        return;
    }
    enum ingot_error error = INGOT_OK;
    ingot_buffer_append_u8(&response->value, '[');
    while (response->value.size < ANSWER_BYTES_MAX && count < ANSWER_COUNT_MAX &&
           read_bytes < ANSWER_READ_BYTES_MAX) {
        const struct attest_key key = attest_key_digest(data.data, height, index);
        struct ingot_slice found;
        struct ingot_slice content;
        error =
            ledger_seek_attest(attestor->options.ledger, attest_key_slice(&key), &found, &content);
        if (error == INGOT_OK && !attest_key_place(found, data.data, &height, &index)) {
            error = INGOT_ERROR_NOT_FOUND;
        }
        if (error != INGOT_OK) {
            break;
        }
        if (count++ > 0) {
            ingot_buffer_append_u8(&response->value, ',');
        }
        error = write_place(attestor, height, index, &response->value, &read_bytes);
        if (error != INGOT_OK) {
            break;
        }
        index++;
    }
    ingot_buffer_append_u8(&response->value, ']');
    if (error != INGOT_OK && (error != INGOT_ERROR_NOT_FOUND || count == 0)) {
        answer_failure(response, error);
    }
}

/* --- Ranges: "FROM-TO", where FROM may be "HEIGHT:INDEX" to go on within a block. --- */

struct range {
    uint64_t from;
    uint32_t index;
    uint64_t to;
};

/* Digits from the front; false: none, or too many. */
static bool take_decimal(struct ingot_slice *text, uint64_t *number)
{
    *number = 0;
    size_t size = 0;
    while (size < text->size && text->data[size] >= '0' && text->data[size] <= '9') {
        *number = *number * 10 + (uint64_t)(text->data[size++] - '0');
    }
    const bool is_number = size > 0 && size < 20;
    *text = ingot_slice_of(text->data + size, text->size - size);
    return is_number;
}

static bool take_mark(struct ingot_slice *text, char mark)
{
    if (text->size == 0 || text->data[0] != (uint8_t)mark) {
        return false;
    }
    *text = ingot_slice_of(text->data + 1, text->size - 1);
    return true;
}

static bool parse_range(struct ingot_slice text, bool has_end, struct range *range)
{
    uint64_t index = 0;
    *range = (struct range){0};
    if (!take_decimal(&text, &range->from) ||
        (take_mark(&text, ':') && !take_decimal(&text, &index)) || index > UINT32_MAX) {
        return false;
    }
    range->index = (uint32_t)index;
    range->to = range->from;
    if (has_end && (!take_mark(&text, '-') || !take_decimal(&text, &range->to))) {
        return false;
    }
    return text.size == 0 && range->from <= range->to;
}

/* The block's statements from `index` on; where it stopped, or the number of statements. */
static enum ingot_error write_block(struct attestor *attestor, uint64_t height, uint32_t *index,
                                    struct ingot_buffer *json, bool *is_whole, size_t *read_bytes)
{
    struct attest_block *block = NULL;
    struct attest_view view;
    enum ingot_error error = attest_block_find(attestor, height, &block);
    if (error == INGOT_OK) {
        error = attest_view_begin(attestor, block, &view);
    }
    if (error != INGOT_OK) {
        return error;
    }
    while (*index < block->count && json->size < ANSWER_BYTES_MAX) {
        if (json->size > 1) {
            ingot_buffer_append_u8(json, ',');
        }
        write_one(attestor, &view, (*index)++, json);
    }
    *is_whole = *index >= block->count;
    *read_bytes += weight(block);
    attest_block_evict(attestor);
    return INGOT_OK;
}

/* Fills the array; `next` is where to go on: height 0 if there is no more. */
static enum ingot_error write_range(struct attestor *attestor, const struct range *range,
                                    struct ingot_buffer *json, struct range *next)
{
    size_t read_bytes = 0;
    *next = *range;
    for (uint32_t count = 0; count < ANSWER_COUNT_MAX && read_bytes < ANSWER_READ_BYTES_MAX;
         count++) {
        const struct attest_key key = attest_key_block(next->from);
        struct ingot_slice found;
        struct ingot_slice content;
        uint64_t height = 0;
        bool is_whole = false;
        enum ingot_error error =
            ledger_seek_attest(attestor->options.ledger, attest_key_slice(&key), &found, &content);
        if (error == INGOT_ERROR_NOT_FOUND ||
            (error == INGOT_OK &&
             (!attest_key_height(found, &key, &height) || height > range->to))) {
            *next = (struct range){0};
            return INGOT_OK;
        }
        if (error != INGOT_OK) {
            return error;
        }
        if (height != next->from) {
            *next = (struct range){.from = height};
        }
        error = write_block(attestor, height, &next->index, json, &is_whole, &read_bytes);
        if (error != INGOT_OK) {
            return error;
        }
        if (!is_whole) {
            return INGOT_OK;
        }
        *next = (struct range){.from = height + 1};
    }
    return INGOT_OK;
}

static void query_range(struct attestor *attestor, struct ingot_slice data, bool has_end,
                        struct ingot_query_response *response)
{
    struct range range;
    struct range next;
    if (!parse_range(data, has_end, &range)) {
        answer(response, CODE_BAD_REQUEST,
               has_end ? "data: expected heights as FROM-TO, or HEIGHT:INDEX-TO to go on"
                       : "data: expected a height, or HEIGHT:INDEX to go on");
        return;
    }
    ingot_buffer_append_u8(&response->value, '[');
    const enum ingot_error error = write_range(attestor, &range, &response->value, &next);
    if (error != INGOT_OK) {
        answer_failure(response, error);
        return;
    }
    if (response->value.size == 1 && !has_end) {
        answer_failure(response, INGOT_ERROR_NOT_FOUND);
        return;
    }
    ingot_buffer_append_u8(&response->value, ']');
    if (next.from > 0 && next.from <= range.to) {
        ingot_buffer_format(&response->key, "%" PRIu64, next.from);
        if (next.index > 0) {
            ingot_buffer_format(&response->key, ":%" PRIu32, next.index);
        }
    }
}

static void query_sets(struct attestor *attestor, struct ingot_slice data,
                       struct ingot_query_response *response)
{
    struct set_proof proof;
    uint64_t epoch = 0;
    if (!take_decimal(&data, &epoch) || data.size > 0) {
        answer(response, CODE_BAD_REQUEST, "data: expected an epoch");
        return;
    }
    const enum ingot_error error =
        ledger_set_proof(attestor->options.ledger, epoch, ANSWER_BYTES_MAX, &proof);
    if (error == INGOT_ERROR_NOT_FOUND) {
        answer(response, CODE_NOT_FOUND, "the validator set of this epoch has not been changed");
        return;
    }
    if (error != INGOT_OK) {
        answer_failure(response, error);
        return;
    }
    set_proof_format(&proof, attestor->options.genesis, &response->value);
    set_proof_deinit(&proof);
}

void attestor_query(struct attestor *attestor, struct ingot_slice path, struct ingot_slice data,
                    struct ingot_query_response *response)
{
    if (ingot_slice_equal(path, ingot_slice_of_text(PREFIX "id"))) {
        query_id(attestor, data, response);
    } else if (ingot_slice_equal(path, ingot_slice_of_text(PREFIX "digest"))) {
        query_digest(attestor, data, response);
    } else if (ingot_slice_equal(path, ingot_slice_of_text(PREFIX "height"))) {
        query_range(attestor, data, false, response);
    } else if (ingot_slice_equal(path, ingot_slice_of_text(PREFIX "range"))) {
        query_range(attestor, data, true, response);
    } else if (ingot_slice_equal(path, ingot_slice_of_text(PREFIX "validator-sets"))) {
        query_sets(attestor, data, response);
    } else {
        answer(response, CODE_BAD_REQUEST,
               "path: expected " PREFIX "id, digest, height, range or validator-sets");
    }
}

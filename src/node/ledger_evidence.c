/*
 * The bodies of ledger_evidence.h.
 */
#include "node/ledger_evidence.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/mutant.h"
#include "node/evidence.h"
#include "node/ledger_internal.h"
#include "wire/crypto.h"

/* Epoch, view and validator: whoever votes twice in a position does so once. */
#define KEY_BYTES (2 * LEDGER_HEIGHT_KEY_BYTES + INGOT_PUBLIC_KEY_BYTES)

static void make_key(const struct ingot_evidence *evidence, uint8_t key[KEY_BYTES])
{
    ledger_height_key(evidence->epoch, key);
    ledger_height_key(evidence->view, key + LEDGER_HEIGHT_KEY_BYTES);
    memcpy(key + 2 * LEDGER_HEIGHT_KEY_BYTES, evidence->validator.bytes, INGOT_PUBLIC_KEY_BYTES);
}

static void append(struct ledger_evidence *list, const struct ingot_evidence *evidence)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? 16 : 2 * list->capacity;
        list->items = alloc_resize(list->items, list->capacity, sizeof *list->items);
    }
    list->items[list->count++] = *evidence;
}

/* Into the open batch, under its place in the list. */
static void store(struct ledger *ledger, const struct ingot_evidence *evidence, uint32_t number)
{
    uint8_t key[KEY_BYTES];
    struct ingot_buffer content = {0};
    make_key(evidence, key);
    evidence_encode(evidence, number, &content);
    if (!MUTANT(EVIDENCE_FORGOTTEN))
        ledger_store_sealed(ledger, LEDGER_EVIDENCE, ingot_slice_of(key, sizeof key),
                            ingot_buffer_slice(&content));
    ingot_buffer_deinit(&content);
}

enum ledger_evidence_taken ledger_put_evidence(struct ledger *ledger,
                                               const struct ingot_evidence *evidence)
{
    struct ledger_evidence *list = &ledger->evidence;
    uint32_t of_validator = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        const struct ingot_evidence *kept = &list->items[i];
        if (!crypto_key_equal(&kept->validator, &evidence->validator))
            continue;
        if (kept->epoch == evidence->epoch && kept->view == evidence->view)
            return LEDGER_EVIDENCE_KNOWN;
        of_validator++;
    }
    if ((of_validator >= INGOT_EVIDENCE_PER_VALIDATOR_MAX && !MUTANT(EVIDENCE_UNBOUNDED)) ||
        list->count >= INGOT_EVIDENCE_MAX)
        return LEDGER_EVIDENCE_FULL;
    store(ledger, evidence, list->count);
    append(list, evidence);
    return LEDGER_EVIDENCE_NEW;
}

const struct ingot_evidence *ledger_evidence(const struct ledger *ledger, uint32_t *count)
{
    *count = ledger->evidence.durable_count;
    return ledger->evidence.items;
}

const struct ingot_evidence *ledger_fresh_evidence(const struct ledger *ledger, uint32_t *count)
{
    const struct ledger_evidence *list = &ledger->evidence;
    *count = list->durable_count - list->shown_count;
    return *count == 0 ? NULL : list->items + list->shown_count;
}

void ledger_show_evidence(struct ledger *ledger, uint32_t count)
{
    struct ledger_evidence *list = &ledger->evidence;
    INGOT_ASSERT(count <= list->durable_count - list->shown_count);
    if (count == 0)
        return;
    list->shown_count += count;
    ledger_store_evidence_place(ledger);
}

void ledger_store_evidence_place(struct ledger *ledger)
{
    struct ingot_buffer content = {0};
    ingot_buffer_append_u64(&content, ledger->evidence.shown_count);
    ledger_store_meta(ledger, LEDGER_KEY_EVIDENCE, &content);
    ingot_buffer_deinit(&content);
}

enum ingot_error ledger_keep_evidence_alone(struct ledger *ledger)
{
    struct ledger_evidence *list = &ledger->evidence;
    ingot_store_batch_abort(ledger->batch);
    ledger->batch = NULL;
    if (list->durable_count == list->count)
        return INGOT_OK;
    for (uint32_t i = list->durable_count; i < list->count; i++)
        store(ledger, &list->items[i], i);
    const enum ingot_error error = ingot_store_batch_commit(ledger_open_batch(ledger));
    ledger->batch = NULL;
    if (error == INGOT_OK)
        ledger_evidence_synced(ledger);
    return error;
}

void ledger_evidence_synced(struct ledger *ledger)
{
    ledger->evidence.durable_count = ledger->evidence.count;
}

/* --- A start. --- */

struct numbered {
    uint64_t number;
    struct ingot_evidence evidence;
};

static int compare_numbers(const void *left, const void *right)
{
    const struct numbered *a = left;
    const struct numbered *b = right;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* NULL, or what is wrong. */
static const char *read_record(const struct ledger *ledger, struct ingot_slice key,
                               struct ingot_slice record, struct numbered *read)
{
    struct ingot_slice content;
    uint8_t expected[KEY_BYTES];
    if (!record_unseal(&ledger->chain, LEDGER_EVIDENCE, key, record, &content))
        return "a record of evidence does not match its checksum";
    if (!evidence_decode(content, &read->evidence, &read->number))
        return "a record of evidence does not decode";
    make_key(&read->evidence, expected);
    return ingot_slice_equal(key, ingot_slice_of(expected, sizeof expected))
               ? NULL
               : "a record of evidence is under the key of another";
}

/* The table in the order of its keys, up to its end or to what is wrong. free() `*read`. */
static enum ingot_error read_table(struct ledger *ledger, struct numbered **read, uint32_t *count,
                                   const char **wrong)
{
    enum ingot_error error = INGOT_OK;
    struct ingot_store_snapshot *snapshot = ledger_snapshot(ledger, &error);
    struct ingot_store_cursor *cursor = NULL;
    uint32_t capacity = 0;
    if (error == INGOT_OK)
        error = ingot_store_cursor_open(snapshot, LEDGER_EVIDENCE, &cursor);
    if (error == INGOT_OK)
        error = ingot_store_cursor_seek(cursor, ingot_slice_of(NULL, 0));
    while (error == INGOT_OK && *wrong == NULL) {
        struct ingot_slice key;
        struct ingot_slice record;
        if (*count == capacity) {
            capacity = capacity == 0 ? 16 : 2 * capacity;
            *read = alloc_resize(*read, capacity, sizeof **read);
        }
        ingot_store_cursor_item(cursor, &key, &record);
        *wrong = *count == INGOT_EVIDENCE_MAX ? "there is more evidence than is ever kept"
                                              : read_record(ledger, key, record, *read + *count);
        (*count)++;
        error = ingot_store_cursor_next(cursor);
    }
    ingot_store_cursor_close(cursor);
    return error == INGOT_ERROR_NOT_FOUND ? INGOT_OK : error;
}

/* Into the order in which it was recorded. */
static const char *take_table(struct ledger_evidence *list, struct numbered *read, uint32_t count)
{
    if (count > 1)
        qsort(read, count, sizeof *read, compare_numbers);
    for (uint32_t i = 0; i < count; i++) {
        if (read[i].number != i)
            return "a record of evidence is missing, or there twice";
        append(list, &read[i].evidence);
    }
    list->durable_count = list->count;
    return NULL;
}

enum ingot_error ledger_read_evidence(struct ledger *ledger, struct ledger_why why)
{
    struct ledger_evidence *list = &ledger->evidence;
    struct numbered *read = NULL;
    uint32_t count = 0;
    const char *wrong = NULL;
    enum ingot_error error = read_table(ledger, &read, &count, &wrong);
    if (error == INGOT_OK && wrong == NULL)
        wrong = take_table(list, read, count);
    free(read);
    if (wrong != NULL)
        return ledger_fail(why, INGOT_ERROR_CORRUPT, "damaged data: %s", wrong);
    if (error != INGOT_OK)
        return ledger_fail(why, error, "the evidence cannot be read: %s", ingot_error_text(error));
    struct ingot_slice content = {0};
    uint64_t shown = 0;
    error = ledger_read_meta(ledger, LEDGER_KEY_EVIDENCE, &content, why);
    if (error != INGOT_OK)
        return error;
    if (!ingot_slice_take_u64(&content, &shown) || content.size > 0 || shown > list->count)
        return ledger_fail(why, INGOT_ERROR_CORRUPT,
                           "damaged data: the record '%s' does not fit the evidence that is there",
                           LEDGER_KEY_EVIDENCE);
    list->shown_count = (uint32_t)shown;
    return INGOT_OK;
}

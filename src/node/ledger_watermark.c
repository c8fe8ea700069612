/*
 * The bodies of ledger_watermark.h.
 */
#include "node/ledger_watermark.h"

#include "node/ledger_internal.h"

void ledger_put_withheld(struct ledger *ledger, const struct ledger_withheld *withheld)
{
    const struct ingot_slice key = ingot_slice_of_text(LEDGER_KEY_WITHHELD);
    if (!withheld->is_withheld) {
        ingot_store_batch_delete(ledger_open_batch(ledger), LEDGER_META, key);
        return;
    }
    struct ingot_buffer content = {0};
    if (withheld->has_mark) {
        ingot_buffer_append_u64(&content, withheld->mark.epoch);
        ingot_buffer_append_u64(&content, withheld->mark.view);
    }
    ledger_store_meta(ledger, LEDGER_KEY_WITHHELD, &content);
    ingot_buffer_deinit(&content);
}

enum ingot_error ledger_read_withheld(struct ledger *ledger, struct ledger_withheld *withheld,
                                      char *why_text, size_t why_size)
{
    const struct ledger_why why = {.text = why_text, .size = why_size};
    const struct ingot_slice key = ingot_slice_of_text(LEDGER_KEY_WITHHELD);
    *withheld = (struct ledger_withheld){0};
    enum ingot_error error = INGOT_OK;
    struct ingot_store_snapshot *snapshot = ledger_snapshot(ledger, &error);
    struct ingot_slice record;
    if (error == INGOT_OK)
        error = ingot_store_snapshot_get(snapshot, LEDGER_META, key, &record);
    if (error == INGOT_ERROR_NOT_FOUND)
        return INGOT_OK;
    if (error != INGOT_OK)
        return ledger_fail(why, error, "the record '%s' cannot be read: %s", LEDGER_KEY_WITHHELD,
                           ingot_error_text(error));
    struct ingot_slice content;
    withheld->is_withheld = true;
    if (record_unseal(&ledger->chain, LEDGER_META, key, record, &content)) {
        withheld->has_mark = content.size > 0;
        if (!withheld->has_mark ||
            (ingot_slice_take_u64(&content, &withheld->mark.epoch) &&
             ingot_slice_take_u64(&content, &withheld->mark.view) && content.size == 0))
            return INGOT_OK;
    }
    return ledger_fail(
        why, INGOT_ERROR_CORRUPT,
        "damaged data: the record '%s', which forbids a copy to sign, does not match "
        "its checksum",
        LEDGER_KEY_WITHHELD);
}

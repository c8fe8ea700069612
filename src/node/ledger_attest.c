/*
 * The bodies of ledger_attest.h.
 */
#include "node/ledger_attest.h"

#include "node/ledger_internal.h"

void ledger_put_attest(struct ledger *ledger, struct ingot_slice key, struct ingot_slice content)
{
    ledger_store_sealed(ledger, LEDGER_ATTEST, key, content);
}

void ledger_delete_attest(struct ledger *ledger, struct ingot_slice key)
{
    ingot_store_batch_delete(ledger_open_batch(ledger), LEDGER_ATTEST, key);
}

static enum ingot_error unseal(const struct ledger *ledger, struct ingot_slice key,
                               struct ingot_slice record, struct ingot_slice *content)
{
    return record_unseal(&ledger->chain, LEDGER_ATTEST, key, record, content) ? INGOT_OK
                                                                              : INGOT_ERROR_CORRUPT;
}

enum ingot_error ledger_get_attest(struct ledger *ledger, struct ingot_slice key,
                                   struct ingot_slice *content)
{
    enum ingot_error error = INGOT_OK;
    struct ingot_store_snapshot *snapshot = ledger_snapshot(ledger, &error);
    struct ingot_slice record;
    if (error == INGOT_OK)
        error = ingot_store_snapshot_get(snapshot, LEDGER_ATTEST, key, &record);
    return error == INGOT_OK ? unseal(ledger, key, record, content) : error;
}

enum ingot_error ledger_seek_attest(struct ledger *ledger, struct ingot_slice key,
                                    struct ingot_slice *found, struct ingot_slice *content)
{
    enum ingot_error error = INGOT_OK;
    struct ingot_store_snapshot *snapshot = ledger_snapshot(ledger, &error);
    struct ingot_store_cursor *cursor = NULL;
    struct ingot_slice record;
    if (error == INGOT_OK)
        error = ingot_store_cursor_open(snapshot, LEDGER_ATTEST, &cursor);
    if (error == INGOT_OK)
        error = ingot_store_cursor_seek(cursor, key);
    if (error == INGOT_OK) {
        ingot_store_cursor_item(cursor, found, &record);
        error = unseal(ledger, *found, record, content);
    }
    ingot_store_cursor_close(cursor);
    return error;
}

uint64_t ledger_batch_number(const struct ledger *ledger)
{
    return ledger->batch_number;
}

void ledger_hold_blocks(struct ledger *ledger, uint64_t height)
{
    ledger->held_from = height;
}

/*
 * What clients were told. Whoever is told that a transaction is committed finds it so ever after,
 * once, at every replica and with the same result, whatever became of the replica that said it.
 */
#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "lib/checks.h"

static void check_location(struct checks *checks, uint32_t node, struct ledger *ledger,
                           const struct kv_operation *operation)
{
    struct ledger_location location = {0};
    const enum ingot_error error = ledger_find_transaction(ledger, operation->sha256, &location);
    const bool is_found = error == INGOT_OK;
    if (error != INGOT_OK && error != INGOT_ERROR_NOT_FOUND) {
        checks_fail(checks, CHECK_ACKNOWLEDGED, "replica %u cannot look up a transaction: %s", node,
                    ingot_error_text(error));
    } else if (is_found != (operation->commit_height != 0)) {
        checks_fail(checks, CHECK_ACKNOWLEDGED,
                    is_found ? "replica %u shows a transaction as committed that never was"
                             : "replica %u does not know a transaction that was acknowledged at "
                               "height %" PRIu64,
                    node, operation->commit_height);
    } else if (is_found && (location.height != operation->commit_height ||
                            location.index != operation->commit_index)) {
        checks_fail(checks, CHECK_ACKNOWLEDGED,
                    "replica %u shows a transaction at height %" PRIu64
                    ", index %u that was acknowledged at height %" PRIu64 ", index %u",
                    node, location.height, location.index, operation->commit_height,
                    operation->commit_index);
    }
}

/* Each transaction where it was acknowledged, and nowhere else but after a replay window. */
static void check_block(struct checks *checks, uint32_t node, const struct ledger_entry *entry)
{
    struct ingot_slice rest = ingot_buffer_slice(&entry->block->payload);
    struct ingot_slice transaction;
    for (uint32_t i = 0; payload_next(&rest, &transaction); i++) {
        struct ingot_hash digest;
        wire_transaction_digest(transaction, &digest);
        const struct kv_operation *operation = kv_model_find(checks->model, &digest);
        const uint64_t height = entry->block->height;
        if (operation == NULL || operation->commit_height < height ||
            (operation->commit_height > height &&
             operation->commit_height - height <= checks->replay_window_blocks)) {
            checks_fail(checks, CHECK_ACKNOWLEDGED,
                        "replica %u has a transaction at height %" PRIu64
                        " that was acknowledged at height %" PRIu64,
                        node, height, operation == NULL ? 0 : operation->commit_height);
        } else if (operation->commit_height == height &&
                   execution_result(entry->execution, i)->code != operation->code) {
            checks_fail(checks, CHECK_ACKNOWLEDGED,
                        "replica %u shows code %u for a transaction at height %" PRIu64
                        " where a replay gives %u",
                        node, execution_result(entry->execution, i)->code, height, operation->code);
        }
    }
}

void checks_clients(struct checks *checks, uint32_t node, struct ledger *ledger)
{
    const struct table *operations = &checks->model->operations;
    for (uint32_t i = 0; i < operations->capacity && checks->violated == CHECK_NONE; i++) {
        if (operations->slots[i].value != NULL) {
            check_location(checks, node, ledger, operations->slots[i].value);
        }
    }
}

void checks_chain_of(struct checks *checks, uint32_t node, struct ledger *ledger)
{
    for (uint64_t height = 1; height < checks->committed_count && checks->violated == CHECK_NONE;
         height++) {
        struct ledger_entry entry;
        const enum ingot_error error = ledger_read_block(ledger, height, &entry);
        if (error != INGOT_OK) {
            checks_fail(checks, CHECK_ACKNOWLEDGED, "replica %u cannot read height %" PRIu64 ": %s",
                        node, height, ingot_error_text(error));
            return;
        }
        if (memcmp(entry.block->hash.bytes, checks->committed[height].bytes, INGOT_HASH_BYTES) !=
            0) {
            checks_fail(checks, CHECK_COMMITTED_STAYS,
                        "replica %u holds another block at height %" PRIu64 " than was committed",
                        node, height);
        } else {
            check_block(checks, node, &entry);
        }
        ledger_entry_deinit(&entry);
    }
}

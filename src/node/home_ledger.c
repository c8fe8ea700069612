/*
 * The bodies of home_ledger.h.
 */
#include "node/home_ledger.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "wire/preimage.h"

enum ingot_error home_genesis_init(const struct genesis *genesis, struct home_genesis *result,
                                   char *why, size_t why_size)
{
    *result = (struct home_genesis){0};
    const char *reason = NULL;
    result->set = genesis_validator_set(genesis, &reason);
    if (result->set == NULL) {
        (void)snprintf(why, why_size, "$.validators: %s", reason);
        return INGOT_ERROR_INVALID;
    }
    result->block = wire_genesis_block(&genesis->hash, result->set, genesis->time_ns / 1000000);
    return INGOT_OK;
}

void home_genesis_deinit(struct home_genesis *genesis)
{
    block_unref(genesis->block);
    validator_set_unref(genesis->set);
    *genesis = (struct home_genesis){0};
}

/* Who reads beside a node sees what LMDB has; who writes has the journal too. */
static struct ingot_store_journal_options store_options_of(const struct node_home *home,
                                                           const char *folder, bool read_only)
{
    return (struct ingot_store_journal_options){
        .lmdb = {.folder = folder,
                 .tables = ledger_tables,
                 .table_count = ledger_table_count,
                 .map_size_initial = home->settings.storage_map_size_initial,
                 .map_size_max = home->settings.storage_map_size_max,
                 .read_only = read_only},
        .lazy_tables = ledger_lazy_tables};
}

enum ingot_error home_ledger_open_store(const struct node_home *home, const char *folder,
                                        struct ingot_store **store, char *why, size_t why_size)
{
    const struct ingot_store_journal_options options = store_options_of(home, folder, false);
    return ingot_store_journal_open(&options, store, why, why_size);
}

static enum ingot_error open_to_read(const struct node_home *home, const char *folder,
                                     struct ingot_store **store, char *why, size_t why_size)
{
    const struct ingot_store_journal_options options = store_options_of(home, folder, true);
    return ingot_store_lmdb_open(&options.lmdb, store, why, why_size);
}

enum ingot_error home_ledger_open(const struct node_home *home, const struct home_genesis *genesis,
                                  const char *folder, enum home_ledger_mode mode,
                                  struct home_ledger *opened, char *why, size_t why_size)
{
    *opened = (struct home_ledger){0};
    if (home->settings.protocol != SETTINGS_PROTOCOL_HOTSTUFF) {
        (void)snprintf(why, why_size,
                       "%s: this node runs %s and has no chain; expected [node] protocol hotstuff",
                       home->folder, settings_protocol_name(home->settings.protocol));
        return INGOT_ERROR_NOT_FOUND;
    }
    const struct ledger_options ledger_options = {.genesis = genesis->block,
                                                  .genesis_set = genesis->set,
                                                  .index_transactions = home->settings.rpc_index_tx,
                                                  .read_only = mode == HOME_LEDGER_READ};
    enum ingot_error error =
        mode == HOME_LEDGER_READ
            ? open_to_read(home, folder, &opened->store, why, why_size)
            : home_ledger_open_store(home, folder, &opened->store, why, why_size);
    if (error != INGOT_OK) {
        if (mode == HOME_LEDGER_READ && access(folder, F_OK) != 0 && errno == ENOENT) {
            const size_t used = strlen(why);
            (void)snprintf(why + used, why_size - used,
                           "; there is data once the home's node has run");
        }
        return error;
    }
    char reason[1024] = "";
    error = ledger_open(opened->store, &ledger_options, &opened->ledger, reason, sizeof reason);
    if (error != INGOT_OK) {
        (void)snprintf(why, why_size, "%s: %s", folder, reason);
        home_ledger_close(opened);
    }
    return error;
}

void home_ledger_close(struct home_ledger *opened)
{
    ledger_free(opened->ledger);
    ingot_store_close(opened->store);
    *opened = (struct home_ledger){0};
}

enum ingot_exit home_ledger_exit(enum ingot_error error)
{
    switch (error) {
    case INGOT_OK:
        return INGOT_EXIT_OK;
    case INGOT_ERROR_LOCKED:
        return INGOT_EXIT_LOCKED;
    case INGOT_ERROR_CORRUPT:
    case INGOT_ERROR_VERSION:
    case INGOT_ERROR_INVALID:
        return INGOT_EXIT_DAMAGED;
    case INGOT_ERROR_UNKNOWN_OUTCOME:
    case INGOT_ERROR_NO_SPACE:
        return INGOT_EXIT_WRITE;
    case INGOT_ERROR_NOT_FOUND:
    case INGOT_ERROR_EXISTS:
    case INGOT_ERROR_TOO_LARGE:
    case INGOT_ERROR_FULL:
    case INGOT_ERROR_IO:
    case INGOT_ERROR_REJECTED:
    case INGOT_ERROR_NETWORK:
    case INGOT_ERROR_TIMEOUT:
    case INGOT_ERROR_PERMISSION:
        return INGOT_EXIT_FAILURE;
    }
    return INGOT_EXIT_FAILURE;
}

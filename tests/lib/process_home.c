/*
 * Opening a node's data folder from the outside. See process_home.h.
 */
#include "lib/process_home.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "node/home_ledger.h"
#include "wire/preimage.h"

void process_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    exit(1);
}

static void open_genesis(struct process_home *home)
{
    const struct genesis *genesis = &home->home.genesis;
    struct ingot_validator *members = alloc_zeroed(genesis->validator_count, sizeof *members);
    for (uint32_t i = 0; i < genesis->validator_count; i++) {
        members[i] = genesis->validators[i].validator;
    }
    const char *why = NULL;
    home->set = validator_set_new(0, members, genesis->validator_count, &why);
    free(members);
    if (home->set == NULL) {
        process_fail("genesis: %s", why);
    }
    wire_seal_set(home->set);
    home->genesis = wire_genesis_block(&genesis->hash, home->set, genesis->time_ns / 1000000);
}

void process_home_open(struct process_home *home, const char *folder)
{
    char why[4096] = "";
    *home = (struct process_home){0};
    if (!crypto_init()) {
        process_fail("libsodium cannot be used");
    }
    if (config_load_home(folder, &home->home, why, sizeof why) != INGOT_OK) {
        process_fail("%s", why);
    }
    open_genesis(home);
    const struct ledger_options ledger_options = {.genesis = home->genesis,
                                                  .genesis_set = home->set,
                                                  .index_transactions =
                                                      home->home.settings.rpc_index_tx};
    if (home_ledger_open_store(&home->home, home->home.data_folder, &home->store, why,
                               sizeof why) != INGOT_OK ||
        ledger_open(home->store, &ledger_options, &home->ledger, why, sizeof why) != INGOT_OK ||
        ledger_load(home->ledger, &home->start, why, sizeof why) != INGOT_OK) {
        process_fail("%s: %s", folder, why);
    }
}

void process_home_close(struct process_home *home)
{
    ledger_start_deinit(&home->start);
    ledger_free(home->ledger);
    ingot_store_close(home->store);
    block_unref(home->genesis);
    validator_set_unref(home->set);
    node_home_deinit(&home->home);
}

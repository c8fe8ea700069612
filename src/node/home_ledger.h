/*
 * The data of a home, opened without running a node: for copies and checkpoints. Also the two
 * things that a genesis file means to a ledger, its block and its set, which a node needs as well.
 */
#ifndef INGOT_NODE_HOME_LEDGER_H
#define INGOT_NODE_HOME_LEDGER_H

#include <ingot/node.h>

#include "config/home.h"
#include "node/ledger.h"

/* Owned references. */
struct home_genesis {
    struct block *block;
    struct validator_set *set;
};

/*
 * Returns INGOT_OK, or INGOT_ERROR_INVALID with a sentence in `why` when the validators break a
 * rule.
 */
INGOT_MUST_USE enum ingot_error home_genesis_init(const struct genesis *genesis,
                                                  struct home_genesis *result, char *why,
                                                  size_t why_size);
void home_genesis_deinit(struct home_genesis *genesis);

struct home_ledger {
    struct ingot_store *store;
    struct ledger *ledger;
};

/*
 * Opens a chain's store as a node has it, with its journal. Returns INGOT_OK, or the error of
 * ingot_store_journal_open with a sentence in `why`.
 */
INGOT_MUST_USE enum ingot_error home_ledger_open_store(const struct node_home *home,
                                                       const char *folder,
                                                       struct ingot_store **store, char *why,
                                                       size_t why_size);

/*
 * READ: beside the node, if one runs there; nothing changes. What is read is one moment of the
 * chain, but where a node runs, or was killed, not the last one: the journal is left alone. WRITE:
 * as a node opens it.
 */
enum home_ledger_mode { HOME_LEDGER_READ, HOME_LEDGER_WRITE };

/*
 * Opens the store in `folder` and its ledger. Returns INGOT_OK, or the error of
 * ingot_store_lmdb_open, home_ledger_open_store or ledger_open with a sentence in `why`; reading a
 * store that no node has used, or the home of a node without a chain, gives INGOT_ERROR_NOT_FOUND.
 */
INGOT_MUST_USE enum ingot_error home_ledger_open(const struct node_home *home,
                                                 const struct home_genesis *genesis,
                                                 const char *folder, enum home_ledger_mode mode,
                                                 struct home_ledger *opened, char *why,
                                                 size_t why_size);
/* All zero is fine. */
void home_ledger_close(struct home_ledger *opened);

/* How a program ends that could not open or write a home's data. */
enum ingot_exit home_ledger_exit(enum ingot_error error);

#endif

/*
 * The ledger's table of attestations: sealed records under keys that the attestor chooses
 * (attestor_record.h). They go into the ledger's own batch, so that one sync serves the chain and
 * them; what is read is what the last ledger_sync has left.
 */
#ifndef INGOT_NODE_LEDGER_ATTEST_H
#define INGOT_NODE_LEDGER_ATTEST_H

#include "node/ledger.h"

/* Into the open batch. Bytes are copied. */
void ledger_put_attest(struct ledger *ledger, struct ingot_slice key, struct ingot_slice content);
void ledger_delete_attest(struct ledger *ledger, struct ingot_slice key);

/*
 * What is durable under a key; borrowed until the next ledger_sync. INGOT_OK,
 * INGOT_ERROR_NOT_FOUND, INGOT_ERROR_CORRUPT (it does not match its seal), INGOT_ERROR_IO,
 * INGOT_ERROR_FULL.
 */
INGOT_MUST_USE enum ingot_error ledger_get_attest(struct ledger *ledger, struct ingot_slice key,
                                                  struct ingot_slice *content);
/* The first durable record at or after `key`. As ledger_get_attest. */
INGOT_MUST_USE enum ingot_error ledger_seek_attest(struct ledger *ledger, struct ingot_slice key,
                                                   struct ingot_slice *found,
                                                   struct ingot_slice *content);

/* Numbers the open batch, or the next one if none is open, from 1 on; rises with each ledger_sync
 * that had something to do. What was put is durable once this has risen. */
uint64_t ledger_batch_number(const struct ledger *ledger);

/* Blocks from this height on are not pruned, whatever `retain_blocks` says. At first all may be. */
void ledger_hold_blocks(struct ledger *ledger, uint64_t height);

#endif

/*
 * What a node says of its chain: its genesis, and how its validator sets follow from that.
 */
#ifndef INGOT_CLI_CHAIN_H
#define INGOT_CLI_CHAIN_H

#include "attest/set_proof.h"
#include "cli/client.h"
#include "cli/command.h"

/*
 * The node's genesis as we would read it from a file, with its hashes; to be deinitialised after
 * INGOT_EXIT_OK alone. Otherwise a complaint was made.
 */
INGOT_MUST_USE enum ingot_exit chain_genesis(struct client *client, struct genesis *genesis);

/*
 * The changes of the set of all epochs before `epoch`; with UINT64_MAX all that there are. Nothing
 * is verified. INGOT_EXIT_OK, or a complaint was made and the proof is empty.
 */
INGOT_MUST_USE enum ingot_exit chain_set_changes(struct client *client, uint64_t epoch,
                                                 const uint8_t genesis_sha256[32],
                                                 struct set_proof *proof);

#endif

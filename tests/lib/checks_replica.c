/*
 * The inside of a replica. See checks_replica.h. Caps are compared with the limits themselves,
 * and counted anew where the replica keeps a sum.
 */
#include "lib/checks_replica.h"

#include "core/state.h"
#include "node/ledger_evidence.h"
#include "node/replica_state.h"
#include "node/sync_client_state.h"

static void expect_within(struct checks *checks, uint32_t node, const char *what, size_t held,
                          size_t cap)
{
    if (held > cap) {
        checks_fail(checks, CHECK_CAPS, "replica %u holds %zu of %s, where %zu is the cap", node,
                    held, what, cap);
    }
}

static void check_core_caps(struct checks *checks, uint32_t node, const struct core *core)
{
    expect_within(checks, node, "uncommitted blocks", core->tree.count, INGOT_TREE_BLOCKS_MAX);
    expect_within(checks, node, "bytes of blocks", core->tree.size_bytes, INGOT_TREE_BYTES_MAX);
    for (uint32_t i = 0; i < core->peer_count; i++) {
        const struct peer_state *peer = &core->peers[i];
        expect_within(checks, node, "a peer's messages without a place", peer->orphan_count,
                      INGOT_ORPHANS_PER_PEER_MAX);
        expect_within(checks, node, "bytes of a peer's messages", orphan_bytes(peer),
                      INGOT_PENDING_BYTES_PER_PEER_MAX);
    }
}

static void check_incomplete(struct checks *checks, uint32_t node, const struct replica *replica)
{
    for (uint32_t i = 0; i < replica->peer_count; i++) {
        expect_within(checks, node, "bytes of a peer's incomplete proposals",
                      compact_incomplete_bytes(&replica->peers[i]),
                      INGOT_PENDING_BYTES_PER_PEER_MAX);
    }
}

static void check_held(struct checks *checks, uint32_t node, const struct replica *replica)
{
    for (uint32_t i = 0; i < replica->peer_count; i++) {
        const struct message *held = replica->peers[i].held[0];
        if (held != NULL && held->kind != MESSAGE_NUDGE) {
            expect_within(checks, node, "bytes of a proposal of the next epoch",
                          held->kind == MESSAGE_PROPOSE ? block_size_bytes(held->propose.block)
                                                        : compact_size_bytes(held),
                          INGOT_PENDING_BYTES_PER_PEER_MAX);
        }
    }
}

static void check_sync_caps(struct checks *checks, uint32_t node, const struct sync_client *client)
{
    size_t held = 0;
    uint32_t asked = 0;
    for (uint32_t i = 0; i < client->range_count; i++) {
        held += client->ranges[i].state == RANGE_HELD ? client->ranges[i].bytes : 0;
        asked += client->ranges[i].state == RANGE_ASKED;
    }
    expect_within(checks, node, "bytes of answers", held, SYNC_HELD_BYTES_MAX);
    expect_within(checks, node, "requests for blocks", asked, SYNC_REQUESTS_MAX);
    if (held != client->held_bytes) {
        checks_fail(checks, CHECK_CAPS, "replica %u holds %zu bytes of answers and says %zu", node,
                    held, client->held_bytes);
    }
}

/*
 * What is false has an author. Slowness is blamed on whoever it may be, and an answer without a
 * request on who has sent it: here either may be the network's doing, or a restart's.
 */
static uint32_t judged_faults(void)
{
    return UINT32_C(1) << SYNC_FAULT_INVALID | UINT32_C(1) << SYNC_FAULT_NOT_ASKED |
           UINT32_C(1) << SYNC_FAULT_HEIGHT | UINT32_C(1) << SYNC_FAULT_MEAGRE;
}

static void check_blame(struct checks *checks, uint32_t node, const struct sync_client *client)
{
    /* An answer to what was asked before looks like an answer to what was asked last. */
    if (checks->has_odd_frames) {
        return;
    }
    for (uint32_t i = 0; i < client->peer_count && i < checks->keys->count; i++) {
        const uint32_t faults = client->peers[i].warned_of & judged_faults();
        if (faults == 0 || !checks->nodes[i].is_honest) {
            continue;
        }
        uint32_t fault = 0;
        while ((faults >> fault & 1U) == 0) {
            fault++;
        }
        checks_fail(checks, CHECK_BLAME, "replica %u blames replica %u, which is honest: %s", node,
                    i, sync_fault_text((enum sync_fault)fault));
    }
}

void checks_replica(struct checks *checks, uint32_t node, const struct replica *replica)
{
    checks_core(checks, node, replica->core);
    if (!checks->nodes[node].is_honest) {
        return;
    }
    check_core_caps(checks, node, replica->core);
    check_held(checks, node, replica);
    check_incomplete(checks, node, replica);
    check_sync_caps(checks, node, replica->sync_client);
    expect_within(checks, node, "bytes of transactions", mempool_bytes(replica->mempool),
                  replica->options.mempool_bytes_max);
    check_blame(checks, node, replica->sync_client);
    uint32_t count = 0;
    const struct ingot_evidence *evidence = ledger_evidence(replica->ledger, &count);
    checks_evidence(checks, node, evidence, count);
}

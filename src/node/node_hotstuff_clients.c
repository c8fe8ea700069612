/*
 * What the listener for clients (rpc.h) sees of the replicated log. It reads, and submits; it
 * decides nothing.
 */
#include "node/ledger_evidence.h"
#include "node/node_attest.h"

/* No crash takes back what a client has been shown. */
static struct replica *settled(const struct ingot_node *node)
{
    struct replica *replica = node_hotstuff_of(node->driver)->replica;
    replica_settle(replica);
    return replica;
}

static void get_status(void *context, struct rpc_status *status)
{
    struct ingot_node *node = context;
    const struct hotstuff *hotstuff = node_hotstuff_of(node->driver);
    struct core_status core;
    replica_get_status(settled(node), &core);
    const struct metrics *metrics = replica_metrics(hotstuff->replica);
    struct ingot_network_stats network;
    ingot_network_stats(node->network, &network);
    const uint32_t member = node->home.has_validator_key
                                ? validator_set_find(core.set, &node->home.validator_key.public_key)
                                : VALIDATOR_NONE;
    *status = (struct rpc_status){
        .height = hotstuff->tip->height,
        .height_lowest = metrics->height_lowest,
        .hash = hotstuff->tip->hash,
        .updates_hash = hotstuff->tip->updates_hash,
        .time_ms = hotstuff->tip->time_ms,
        .catching_up = replica_is_catching_up(hotstuff->replica),
        .epoch = core.current.epoch,
        .view = core.current.view,
        .leader = core.leader,
        .is_leader = core.is_leader,
        .is_member = core.is_member,
        .power = member == VALIDATOR_NONE ? 0 : core.set->validators[member].power,
        .has_stopped_signing = core.has_stopped_signing,
        .withholds_signing = core.withholds_signing,
        .high_qc_view = core.high.view,
        .locked_view = core.locked.view,
        .uncommitted_blocks = core.tree_blocks,
        .peers = (uint32_t)network.peers_connected,
        .committed_transactions = metrics->committed_transactions,
        .mempool_transactions = metrics->mempool_transactions,
        .mempool_bytes = metrics->mempool_bytes,
        .timeouts = core.timeouts,
        .evidence = metrics->evidence_kept,
    };
    status->has_watermark = replica_watermark(hotstuff->replica, &status->watermark);
    node_attest_fill_status(hotstuff, status);
}

static enum ingot_error submit(void *context, struct ingot_slice transaction,
                               const struct ingot_hash *digest,
                               struct ingot_check_response *response)
{
    struct ingot_node *node = context;
    const enum ingot_error error = replica_submit_digested(node_hotstuff_of(node->driver)->replica,
                                                           transaction, digest, response);
    node_schedule_flush(node);
    return error;
}

static void expect(void *context, const struct ingot_hash *digests, uint32_t count)
{
    struct ingot_node *node = context;
    replica_expect(node_hotstuff_of(node->driver)->replica, digests, count);
}

static enum ingot_error read_block(void *context, uint64_t height, struct ledger_entry *entry)
{
    struct ingot_node *node = context;
    return ledger_read_block(replica_ledger(settled(node)), height, entry);
}

static enum ingot_error find_transaction(void *context, const uint8_t sha256[32],
                                         struct ledger_location *location)
{
    struct ingot_node *node = context;
    return ledger_find_transaction(replica_ledger(settled(node)), sha256, location);
}

static enum ingot_error query(void *context, struct ingot_slice path, struct ingot_slice data,
                              struct ingot_query_response *response, uint64_t *height)
{
    const struct ingot_node *node = context;
    const struct hotstuff *hotstuff = node_hotstuff_of(node->driver);
    if (hotstuff->attestor != NULL && attestor_answers(path)) {
        attestor_query(hotstuff->attestor, path, data, response);
        *height = hotstuff->tip->height;
        return INGOT_OK;
    }
    if (hotstuff->app->query == NULL) {
        return INGOT_ERROR_NOT_FOUND;
    }
    replica_query(hotstuff->replica, path, data, response, height);
    return INGOT_OK;
}

static const struct validator_set *get_validators(void *context, uint64_t epoch)
{
    struct ingot_node *node = context;
    return core_find_set(replica_core(settled(node)), epoch);
}

static const struct ingot_evidence *get_evidence(void *context, uint32_t *count)
{
    struct ingot_node *node = context;
    return ledger_evidence(replica_ledger(settled(node)), count);
}

static const struct metrics *get_metrics(void *context)
{
    struct ingot_node *node = context;
    const struct hotstuff *hotstuff = node_hotstuff_of(node->driver);
    struct metrics *metrics = replica_metrics(settled(node));
    node_fill_metrics(node, metrics);
    store_lmdb_get_stats(store_journal_lmdb(hotstuff->store), &metrics->store);
    store_journal_get_stats(hotstuff->store, &metrics->journal);
    node_attest_fill_metrics(hotstuff, metrics);
    return metrics;
}

void node_hotstuff_describe(struct node_driver *driver, struct rpc_identity *identity,
                            struct rpc_backend *backend)
{
    const struct hotstuff *hotstuff = node_hotstuff_of(driver);
    identity->app_name = hotstuff->app->name;
    identity->app_version = hotstuff->app->version;
    identity->index_transactions = hotstuff->node->home.settings.rpc_index_tx;
    backend->status = get_status;
    backend->submit = submit;
    backend->expect = expect;
    backend->read_block = read_block;
    backend->find_transaction = find_transaction;
    backend->query = query;
    backend->validators = get_validators;
    backend->evidence = get_evidence;
    backend->metrics = get_metrics;
    node_attest_describe(node_hotstuff_of(driver), backend);
}

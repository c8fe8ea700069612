/*
 * What a run comes to: all honest replicas that are up have the same chain, the state that a replay
 * gives, and all that clients were told.
 */
#include <inttypes.h>

#include "lib/cluster_state.h"

static bool state_is_models(struct cluster *cluster, uint32_t node)
{
    for (uint32_t i = 0; i < KV_MODEL_KEYS; i++) {
        char key[16];
        char value[32] = "";
        kv_model_key(i, key);
        if (cluster->model.values[i] != 0) {
            kv_model_value(cluster->model.values[i], value);
        }
        struct ingot_query_response response = {0};
        uint64_t height = 0;
        replica_query(cluster->nodes[node].replica, ingot_slice_of_text(""),
                      ingot_slice_of_text(key), &response, &height);
        const bool is_equal =
            response.code == 0 &&
            ingot_slice_equal(ingot_buffer_slice(&response.value), ingot_slice_of_text(value));
        if (!is_equal) {
            checks_fail(cluster->checks, CHECK_SAME_STATE,
                        "replica %u at height %" PRIu64 " has %.*s for %s where a replay has %s",
                        node, height, (int)response.value.size, (const char *)response.value.data,
                        key, value);
        }
        ingot_buffer_deinit(&response.key);
        ingot_buffer_deinit(&response.value);
        ingot_buffer_deinit(&response.log);
        if (!is_equal) {
            return false;
        }
    }
    return true;
}

/* Clients come and go. */
bool node_is_awaited(void *context)
{
    const struct cluster_node *node = context;
    return !node->cluster->options.awaits_few ||
           (cluster_now_us(node->cluster) / 4096 + node->index) % 4 == 0;
}

static bool has_untold(struct cluster *cluster, uint32_t node)
{
    return cluster_status(cluster, node).last_committed->height != cluster_committed(cluster, node);
}

bool cluster_has_told(struct cluster *cluster, uint32_t node)
{
    return !has_untold(cluster, node) || cluster->nodes[node].flush_at_us == UINT64_MAX;
}

void cluster_settle(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->keys.count; i++) {
        if (cluster_is_up(cluster, i) && has_untold(cluster, i)) {
            replica_settle(cluster->nodes[i].replica);
            node_flush(&cluster->nodes[i]);
        }
    }
}

bool cluster_states_are_equal(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->keys.count; i++) {
        if (!cluster_is_up(cluster, i) || !cluster_is_honest(cluster, i)) {
            continue;
        }
        if (cluster_committed(cluster, i) + 1 != cluster->checks->committed_count) {
            checks_fail(cluster->checks, CHECK_LIVENESS,
                        "replica %u is at height %" PRIu64 " where others are at %" PRIu64, i,
                        cluster_committed(cluster, i), cluster->checks->committed_count - 1);
            return false;
        }
        if (!state_is_models(cluster, i)) {
            return false;
        }
        checks_clients(cluster->checks, i, replica_ledger(cluster->nodes[i].replica));
        if (i == cluster->options.seed % cluster->keys.count) {
            checks_chain_of(cluster->checks, i, replica_ledger(cluster->nodes[i].replica));
        }
    }
    return cluster->checks->violated == CHECK_NONE;
}

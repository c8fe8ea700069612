/*
 * What operators learn of the sync client: its status, and lines in the log while it is behind.
 */
#include <string.h>

#include "base/log.h"
#include "node/sync_client_state.h"

#define RATE_INTERVAL_MS 1000
#define REPORT_INTERVAL_MS 5000
#define PRUNED_INTERVAL_MS 60000

void sync_client_get_status(const struct sync_client *client, struct sync_client_status *status)
{
    const uint64_t target = sync_peers_target(client);
    *status = (struct sync_client_status){
        .is_catching_up =
            client->certificate_is_far || target > client->tip_height + SYNC_LAG_BLOCKS,
        .height = client->tip_height,
        .target = target > client->tip_height ? target : client->tip_height,
        .blocks_per_second = client->rate,
        .blocks = client->blocks,
        .requests = client->requests,
        .held_bytes = client->held_bytes};
    memcpy(status->penalties, client->penalties, sizeof status->penalties);
}

static void take_rate(struct sync_client *client, uint64_t now_ms)
{
    const uint64_t past_ms = now_ms - client->rate_ms;
    if (past_ms >= RATE_INTERVAL_MS) {
        client->rate = (client->blocks - client->rate_blocks) * 1000 / past_ms;
        client->rate_blocks = client->blocks;
        client->rate_ms = now_ms;
    }
}

static void report_progress(struct sync_client *client, uint64_t now_ms)
{
    struct sync_client_status status;
    sync_client_get_status(client, &status);
    if (status.is_catching_up && !client->is_reporting) {
        client->is_reporting = true;
        client->report_since_ms = now_ms;
        client->report_ms = now_ms + REPORT_INTERVAL_MS;
        client->report_blocks = client->blocks;
        LOG(LOG_INFO, "catching up", log_u64("height", status.height),
            log_u64("target", status.target));
    } else if (status.is_catching_up && now_ms >= client->report_ms) {
        client->report_ms = now_ms + REPORT_INTERVAL_MS;
        LOG(LOG_INFO, "catching up", log_u64("height", status.height),
            log_u64("target", status.target),
            log_u64("blocks_per_second", status.blocks_per_second));
    } else if (!status.is_catching_up && client->is_reporting) {
        client->is_reporting = false;
        LOG(LOG_INFO, "caught up", log_u64("height", status.height),
            log_u64("blocks", client->blocks - client->report_blocks),
            log_u64("milliseconds", now_ms - client->report_since_ms));
    }
}

/* Without anybody who has kept what we need, an operator has to help. */
static void report_pruned(struct sync_client *client, uint64_t now_ms)
{
    const uint64_t needed = client->tip_height + 1;
    if (!client->is_wanting || !sync_peers_pruned(client, needed) ||
        (client->pruned_logged_ms != 0 && now_ms < client->pruned_logged_ms + PRUNED_INTERVAL_MS)) {
        return;
    }
    client->pruned_logged_ms = now_ms;
    LOG(LOG_ERROR,
        "no peer has kept the blocks that this node needs next: start it from a checkpoint",
        log_u64("height_needed", needed));
    for (uint32_t i = 0; i < client->peer_count; i++) {
        client->peers[i].lowest = 0; /* and ask again: somebody else may be behind that number */
    }
}

void sync_report(struct sync_client *client, uint64_t now_ms)
{
    take_rate(client, now_ms);
    report_progress(client, now_ms);
    report_pruned(client, now_ms);
}

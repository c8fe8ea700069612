/*
 * The ranges of heights that are asked for: consecutive, from the block above the tip on.
 */
#include <string.h>

#include "node/sync_client_state.h"

/* Ranges planned at most; the rest of the room is for parts of ranges. */
#define RANGES_PLANNED (SYNC_RANGES_MAX / 2)

void sync_range_clear(struct sync_client *client, struct sync_range *range)
{
    client->held_bytes -= range->bytes;
    if (range->answer != NULL) {
        client->options.released(client->options.context, range->answer);
        message_unref(range->answer);
    }
    *range = (struct sync_range){.first = range->first, .count = range->count};
}

void sync_range_pop(struct sync_client *client)
{
    INGOT_ASSERT(client->range_count > 0);
    sync_range_clear(client, &client->ranges[0]);
    client->range_count--;
    memmove(&client->ranges[0], &client->ranges[1], client->range_count * sizeof client->ranges[0]);
}

void sync_ranges_clear(struct sync_client *client)
{
    while (client->range_count > 0) {
        sync_range_clear(client, &client->ranges[--client->range_count]);
    }
}

/* Ranges begin above the tip, which live consensus may have moved. */
static void align_ranges(struct sync_client *client)
{
    while (client->range_count > 0 && client->ranges[0].state != RANGE_HELD) {
        struct sync_range *range = &client->ranges[0];
        if (range->first > client->tip_height) {
            break;
        }
        if (range->first + range->count - 1 > client->tip_height) {
            range->count -= (uint32_t)(client->tip_height + 1 - range->first);
            range->first = client->tip_height + 1;
            break;
        }
        sync_range_pop(client);
    }
    if (client->range_count > 0 && client->ranges[0].first > client->tip_height + 1) {
        sync_ranges_clear(client);
    }
}

void sync_ranges_plan(struct sync_client *client)
{
    const uint64_t claim = sync_peers_claim(client);
    align_ranges(client);
    uint64_t first = client->tip_height + 1;
    if (client->range_count > 0) {
        const struct sync_range *last = &client->ranges[client->range_count - 1];
        first = last->first + last->count;
    }
    /* The lowest one is asked for even if nobody claims it: a certificate may say that it exists.
     */
    while (client->range_count == 0 || (client->range_count < RANGES_PLANNED && first <= claim)) {
        client->ranges[client->range_count++] =
            (struct sync_range){.first = first, .count = SYNC_ASK_BLOCKS};
        first += SYNC_ASK_BLOCKS;
    }
}

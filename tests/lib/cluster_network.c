/*
 * The simulated network: a queue of deliveries ordered by time and then by the order of sending,
 * and links that delay, lose, duplicate and hold back.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "lib/cluster_state.h"

struct frame *network_frame(struct ingot_slice bytes)
{
    struct frame *frame = alloc_zeroed(1, sizeof *frame + bytes.size);
    frame->references = 1;
    frame->size = bytes.size;
    memcpy(frame->bytes, bytes.data, bytes.size);
    return frame;
}

void network_unref(struct frame *frame)
{
    if (frame != NULL && --frame->references == 0) {
        free(frame);
    }
}

static bool is_before(const struct delivery *a, const struct delivery *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

static void push(struct cluster *cluster, struct delivery delivery)
{
    if (cluster->queue_count == cluster->queue_capacity) {
        cluster->queue_capacity = cluster->queue_capacity == 0 ? 256 : 2 * cluster->queue_capacity;
        cluster->queue =
            alloc_resize(cluster->queue, cluster->queue_capacity, sizeof *cluster->queue);
    }
    uint32_t at = cluster->queue_count++;
    while (at > 0 && is_before(&delivery, &cluster->queue[(at - 1) / 2])) {
        cluster->queue[at] = cluster->queue[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    cluster->queue[at] = delivery;
}

const struct delivery *network_peek(const struct cluster *cluster)
{
    return cluster->queue_count == 0 ? NULL : &cluster->queue[0];
}

struct delivery network_take(struct cluster *cluster)
{
    INGOT_ASSERT(cluster->queue_count > 0);
    struct delivery *queue = cluster->queue;
    const struct delivery first = queue[0];
    const struct delivery moving = queue[--cluster->queue_count];
    uint32_t at = 0;
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= cluster->queue_count) {
            break;
        }
        if (child + 1 < cluster->queue_count && is_before(&queue[child + 1], &queue[child])) {
            child++;
        }
        if (!is_before(&queue[child], &moving)) {
            break;
        }
        queue[at] = queue[child];
        at = child;
    }
    if (cluster->queue_count > 0) {
        queue[at] = moving;
    }
    return first;
}

void network_postpone(struct cluster *cluster, const struct delivery *delivery, uint64_t at_us)
{
    struct delivery later = *delivery;
    later.at_us = at_us;
    push(cluster, later);
}

void network_transmit(struct cluster *cluster, uint32_t from, uint32_t to, uint64_t at_us,
                      struct frame *frame)
{
    const struct cluster_link *link = &cluster->links[from][to];
    struct prng *prng = &cluster->network_prng;
    if (link->is_cut) {
        cluster->cut++;
        return;
    }
    if (prng_chance(prng, link->loss)) {
        cluster->lost++;
        return;
    }
    const uint32_t copies = prng_chance(prng, link->duplicate) ? 2 : 1;
    for (uint32_t i = 0; i < copies; i++) {
        uint64_t delay_us = prng_between(prng, link->delay_min_us, link->delay_max_us);
        if (prng_chance(prng, link->late)) {
            delay_us += prng_below(prng, link->late_us + UINT64_C(1));
        }
        frame->references++;
        push(cluster, (struct delivery){.at_us = at_us + delay_us,
                                        .sequence = cluster->sequence++,
                                        .from = from,
                                        .to = to,
                                        .frame = frame});
    }
}

void network_deinit(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->queue_count; i++) {
        network_unref(cluster->queue[i].frame);
    }
    free(cluster->queue);
}

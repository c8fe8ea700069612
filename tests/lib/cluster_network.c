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

/* How long a frame waits behind others, and for its own bytes; false: there is no room for it. */
static bool queue_up(struct cluster *cluster, uint32_t from, uint32_t to, size_t size,
                     uint64_t *at_us)
{
    const struct cluster_link *link = &cluster->links[from][to];
    uint64_t *busy_until_us = &cluster->link_busy_until_us[from][to];
    const bool is_slow = link->bytes_per_ms > 0;
    uint64_t begin_us = *at_us;
    if (link->clogged_until_us > begin_us) {
        begin_us = link->clogged_until_us;
        cluster->marks[FAULT_CLOGGED_LINK]++;
    }
    if (is_slow && *busy_until_us > begin_us) {
        begin_us = *busy_until_us;
        cluster->marks[FAULT_SLOW_LINK]++;
    }
    if (link->queue_us_max > 0 && begin_us - *at_us > link->queue_us_max) {
        cluster->marks[FAULT_FULL_QUEUE]++;
        return false;
    }
    *at_us = begin_us;
    if (is_slow) {
        *at_us += 1000 * size / link->bytes_per_ms;
        *busy_until_us = *at_us;
    }
    return true;
}

/* A changed byte, several, or an end that is missing. */
static struct frame *corrupted(struct prng *prng, const struct frame *frame)
{
    struct frame *copy = network_frame(ingot_slice_of(frame->bytes, frame->size));
    const uint64_t way = prng_below(prng, 4);
    const uint64_t flips = way == 0 ? prng_between(prng, 2, 16) : 1;
    if (way == 1) {
        copy->size = prng_below(prng, copy->size);
        return copy;
    }
    for (uint64_t i = 0; i < flips; i++) {
        const uint64_t at = prng_below(prng, copy->size);
        copy->bytes[at] ^= (uint8_t)prng_between(prng, 1, 255);
    }
    return copy;
}

static void transmit_copy(struct cluster *cluster, struct delivery delivery, struct frame *frame)
{
    const struct cluster_link *link = &cluster->links[delivery.from][delivery.to];
    struct prng *prng = &cluster->network_prng;
    delivery.at_us += prng_between(prng, link->delay_min_us, link->delay_max_us);
    if (prng_chance(prng, link->late)) {
        delivery.at_us += prng_below(prng, link->late_us + UINT64_C(1));
        cluster->marks[FAULT_DELAY]++;
    }
    delivery.sequence = cluster->sequence++;
    if (frame->size > 0 && prng_chance(prng, link->corrupt)) {
        delivery.is_corrupt = true;
        cluster->checks->has_odd_frames = true;
        delivery.frame = corrupted(prng, frame);
    } else {
        delivery.frame = frame;
        frame->references++;
    }
    push(cluster, delivery);
}

void network_transmit(struct cluster *cluster, uint32_t from, uint32_t to, uint64_t at_us,
                      struct frame *frame)
{
    const struct cluster_link *link = &cluster->links[from][to];
    struct prng *prng = &cluster->network_prng;
    if (link->is_cut) {
        cluster->marks[cluster->links[to][from].is_cut ? FAULT_PARTITION : FAULT_ONE_WAY_CUT]++;
        return;
    }
    if (prng_chance(prng, link->loss)) {
        cluster->marks[FAULT_LOSS]++;
        return;
    }
    if (!queue_up(cluster, from, to, frame->size, &at_us)) {
        return;
    }
    const struct delivery delivery = {.at_us = at_us, .from = from, .to = to};
    transmit_copy(cluster, delivery, frame);
    if (prng_chance(prng, link->duplicate)) {
        cluster->marks[FAULT_DUPLICATION]++;
        cluster->checks->has_odd_frames = true;
        transmit_copy(cluster, delivery, frame);
    }
}

void network_arrived(struct cluster *cluster, const struct delivery *delivery)
{
    uint64_t *latest = &cluster->link_arrived[delivery->from][delivery->to];
    if (delivery->sequence < *latest) {
        cluster->marks[FAULT_REORDERING]++;
    } else {
        *latest = delivery->sequence;
    }
}

void network_deinit(struct cluster *cluster)
{
    for (uint32_t i = 0; i < cluster->queue_count; i++) {
        network_unref(cluster->queue[i].frame);
    }
    free(cluster->queue);
}

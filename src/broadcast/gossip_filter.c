/*
 * Names of messages in a ring for each originator. See gossip_filter.h.
 */
#include "broadcast/gossip_filter.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* Room grows as it is used, so an originator that says little costs little. */
#define FIRST_CAPACITY 16

static_assert(INGOT_GOSSIP_DIGESTS_PER_ORIGINATOR % FIRST_CAPACITY == 0,
              "a ring grows to its full size by doubling");

struct gossip_ring {
    struct ingot_public_key originator;
    uint64_t used_at; /* the filter's clock at its last addition */
    struct ingot_hash *names;
    uint32_t capacity;
    uint32_t count;
    uint32_t next; /* which name is overwritten next, once the ring is full */
};

void gossip_filter_deinit(struct gossip_filter *filter)
{
    for (uint32_t i = 0; i < filter->ring_count; i++) {
        free(filter->rings[i].names);
    }
    free(filter->rings);
    *filter = (struct gossip_filter){0};
}

static struct gossip_ring *find_ring(const struct gossip_filter *filter,
                                     const struct ingot_public_key *originator)
{
    for (uint32_t i = 0; i < filter->ring_count; i++) {
        if (memcmp(&filter->rings[i].originator, originator, sizeof *originator) == 0) {
            return &filter->rings[i];
        }
    }
    return NULL;
}

static bool ring_has(const struct gossip_ring *ring, const struct ingot_hash *name)
{
    for (uint32_t i = 0; i < ring->count; i++) {
        if (memcmp(&ring->names[i], name, sizeof *name) == 0) {
            return true;
        }
    }
    return false;
}

/* An empty ring; where there is no room for one more, that of the originator quiet for longest. */
static struct gossip_ring *make_ring(struct gossip_filter *filter,
                                     const struct ingot_public_key *originator)
{
    struct gossip_ring *ring;
    if (filter->ring_count < INGOT_GOSSIP_ORIGINATORS_MAX) {
        filter->rings = alloc_resize(filter->rings, filter->ring_count + 1, sizeof *filter->rings);
        ring = &filter->rings[filter->ring_count++];
    } else {
        ring = &filter->rings[0];
        for (uint32_t i = 1; i < filter->ring_count; i++) {
            if (filter->rings[i].used_at < ring->used_at) {
                ring = &filter->rings[i];
            }
        }
        filter->name_count -= ring->count;
        free(ring->names);
    }
    *ring = (struct gossip_ring){.originator = *originator};
    return ring;
}

static void ring_add(struct gossip_filter *filter, struct gossip_ring *ring,
                     const struct ingot_hash *name)
{
    if (ring->count == INGOT_GOSSIP_DIGESTS_PER_ORIGINATOR) {
        ring->names[ring->next] = *name;
        ring->next = (ring->next + 1) % INGOT_GOSSIP_DIGESTS_PER_ORIGINATOR;
        return;
    }
    if (ring->count == ring->capacity) {
        ring->capacity = ring->capacity == 0 ? FIRST_CAPACITY : 2 * ring->capacity;
        ring->names = alloc_resize(ring->names, ring->capacity, sizeof *ring->names);
    }
    ring->names[ring->count++] = *name;
    filter->name_count++;
}

bool gossip_filter_has(const struct gossip_filter *filter,
                       const struct ingot_public_key *originator, const struct ingot_hash *name)
{
    const struct gossip_ring *ring = find_ring(filter, originator);
    return ring != NULL && ring_has(ring, name);
}

bool gossip_filter_add(struct gossip_filter *filter, const struct ingot_public_key *originator,
                       const struct ingot_hash *name)
{
    struct gossip_ring *ring = find_ring(filter, originator);
    if (ring == NULL) {
        ring = make_ring(filter, originator);
    } else if (ring_has(ring, name)) {
        return false;
    }
    ring_add(filter, ring, name);
    ring->used_at = ++filter->clock;
    return true;
}

void gossip_filter_dump(const struct gossip_filter *filter, struct ingot_buffer *out)
{
    ingot_buffer_append_u32(out, filter->ring_count);
    for (uint32_t i = 0; i < filter->ring_count; i++) {
        const struct gossip_ring *ring = &filter->rings[i];
        ingot_buffer_append(out, ring->originator.bytes, sizeof ring->originator.bytes);
        /* Who was quiet for longest is decided by the order of these alone. */
        uint32_t quieter = 0;
        for (uint32_t at = 0; at < filter->ring_count; at++) {
            quieter += filter->rings[at].used_at < ring->used_at;
        }
        ingot_buffer_append_u32(out, quieter);
        ingot_buffer_append_u32(out, ring->count);
        for (uint32_t at = 0; at < ring->count; at++) {
            const struct ingot_hash *name = &ring->names[(ring->next + at) % ring->count];
            ingot_buffer_append(out, name->bytes, sizeof name->bytes);
        }
    }
}

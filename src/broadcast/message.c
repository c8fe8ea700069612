/*
 * Broadcast messages as values: their life and their ids.
 */
#include "broadcast/message.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct broadcast_message *broadcast_message_new(enum broadcast_kind kind)
{
    struct broadcast_message *message = alloc_zeroed(1, sizeof *message);
    message->references = 1;
    message->kind = kind;
    return message;
}

struct broadcast_message *broadcast_message_ref(struct broadcast_message *message)
{
    message->references++;
    return message;
}

void broadcast_message_unref(struct broadcast_message *message)
{
    if (message != NULL && --message->references == 0) {
        ingot_buffer_deinit(&message->payload);
        ingot_buffer_deinit(&message->attachment);
        free(message);
    }
}

bool broadcast_id_from(struct ingot_slice bytes, struct broadcast_id *id)
{
    if (bytes.size == 0 || bytes.size > INGOT_BROADCAST_ID_BYTES_MAX) {
        return false;
    }
    *id = (struct broadcast_id){.size = (uint8_t)bytes.size};
    memcpy(id->bytes, bytes.data, bytes.size);
    return true;
}

struct ingot_slice broadcast_id_slice(const struct broadcast_id *id)
{
    return ingot_slice_of(id->bytes, id->size);
}

bool broadcast_id_equal(const struct broadcast_id *a, const struct broadcast_id *b)
{
    return ingot_slice_equal(broadcast_id_slice(a), broadcast_id_slice(b));
}

bool broadcast_digest_equal(const struct broadcast_digest *a, const struct broadcast_digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/*
 * The output queue of a ready connection. Consensus frames go straight into the stream's buffer;
 * bulk frames wait beside it and move up only while that buffer is short, so that a consensus
 * frame never stands behind much of them. Both together stay below the peer's cap: a peer that
 * does not read is disconnected by the first consensus frame that does not fit.
 */
#include <event2/buffer.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "net/transport.h"

size_t net_connection_queue_bytes(const struct connection *connection)
{
    if (connection->stream == NULL) {
        return 0;
    }
    return evbuffer_get_length(bufferevent_get_output(connection->stream)) + connection->bulk_bytes;
}

static void count_sent(struct connection *connection, size_t size)
{
    connection->peer->stats.frames_sent++;
    connection->peer->stats.bytes_sent += size;
    connection->transport->stats.frames_sent++;
    connection->transport->stats.bytes_sent += size;
}

static enum ingot_error queue_bulk(struct connection *connection, struct ingot_slice body,
                                   struct frame **shared)
{
    const struct settings *settings = &connection->transport->settings;
    size_t size = FRAME_HEADER_BYTES + body.size;
    size_t queued = net_connection_queue_bytes(connection);
    if (queued >= settings->bulk_queue_bytes_max || size > settings->queue_bytes_max - queued) {
        connection->peer->stats.bulk_refused++;
        connection->transport->stats.bulk_refused++;
        return INGOT_ERROR_FULL;
    }
    struct evbuffer *output = bufferevent_get_output(connection->stream);
    if (STAILQ_EMPTY(&connection->bulk) && evbuffer_get_length(output) <= QUEUE_SHORT_BYTES) {
        net_frame_append(output, body, shared);
    } else {
        if (*shared == NULL) {
            *shared = net_frame_new(body);
        }
        struct bulk_frame *waiting = alloc_zeroed(1, sizeof *waiting);
        waiting->frame = *shared;
        waiting->frame->references++;
        STAILQ_INSERT_TAIL(&connection->bulk, waiting, link);
        connection->bulk_bytes += size;
    }
    count_sent(connection, size);
    return INGOT_OK;
}

static enum ingot_error queue_consensus(struct connection *connection, struct ingot_slice body,
                                        struct frame **shared)
{
    size_t size = FRAME_HEADER_BYTES + body.size;
    size_t queued = net_connection_queue_bytes(connection);
    size_t room_max = connection->transport->settings.queue_bytes_max;
    if (queued > room_max || size > room_max - queued) {
        net_connection_close(connection, INGOT_CLOSE_QUEUE_FULL);
        return INGOT_ERROR_NETWORK;
    }
    net_frame_append(bufferevent_get_output(connection->stream), body, shared);
    count_sent(connection, size);
    return INGOT_OK;
}

enum ingot_error net_queue_frame(struct connection *connection, enum ingot_frame_class frame_class,
                                 struct ingot_slice body, struct frame **shared)
{
    switch (frame_class) {
    case INGOT_FRAME_CONSENSUS:
        return queue_consensus(connection, body, shared);
    case INGOT_FRAME_BULK:
        return queue_bulk(connection, body, shared);
    }
    return INGOT_ERROR_INVALID;
}

void net_queue_pump(struct connection *connection)
{
    struct evbuffer *output = bufferevent_get_output(connection->stream);
    while (!STAILQ_EMPTY(&connection->bulk) && evbuffer_get_length(output) <= QUEUE_SHORT_BYTES) {
        struct bulk_frame *next = STAILQ_FIRST(&connection->bulk);
        STAILQ_REMOVE_HEAD(&connection->bulk, link);
        connection->bulk_bytes -= next->frame->size;
        net_frame_append_shared(output, next->frame);
        net_frame_release(next->frame);
        free(next);
    }
}

void net_queue_clear(struct connection *connection)
{
    while (!STAILQ_EMPTY(&connection->bulk)) {
        struct bulk_frame *next = STAILQ_FIRST(&connection->bulk);
        STAILQ_REMOVE_HEAD(&connection->bulk, link);
        net_frame_release(next->frame);
        free(next);
    }
    connection->bulk_bytes = 0;
}

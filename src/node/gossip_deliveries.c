/*
 * A ring of messages. See gossip_deliveries.h.
 */
#include "node/gossip_deliveries.h"

static_assert(INGOT_BROADCAST_PAYLOAD_BYTES_MAX <= GOSSIP_DELIVERIES_BYTES_MAX,
              "the largest payload has room");

static void drop_oldest(struct gossip_deliveries *deliveries)
{
    struct broadcast_message **place =
        &deliveries->messages[deliveries->first % GOSSIP_DELIVERIES_MAX];
    deliveries->bytes -= (*place)->payload.size;
    broadcast_message_unref(*place);
    *place = NULL;
    deliveries->first++;
}

void gossip_deliveries_deinit(struct gossip_deliveries *deliveries)
{
    while (deliveries->first < deliveries->end) {
        drop_oldest(deliveries);
    }
}

void gossip_deliveries_add(struct gossip_deliveries *deliveries, struct broadcast_message *message)
{
    while (deliveries->first < deliveries->end &&
           (deliveries->end - deliveries->first == GOSSIP_DELIVERIES_MAX ||
            deliveries->bytes + message->payload.size > GOSSIP_DELIVERIES_BYTES_MAX)) {
        drop_oldest(deliveries);
    }
    deliveries->messages[deliveries->end % GOSSIP_DELIVERIES_MAX] = broadcast_message_ref(message);
    deliveries->bytes += message->payload.size;
    deliveries->end++;
}

const struct broadcast_message *gossip_deliveries_find(const struct gossip_deliveries *deliveries,
                                                       const struct broadcast_id *id,
                                                       const struct broadcast_digest *digest)
{
    for (uint64_t i = deliveries->end; i > deliveries->first; i--) {
        const struct broadcast_message *message =
            deliveries->messages[(i - 1) % GOSSIP_DELIVERIES_MAX];
        if (broadcast_id_equal(&message->id, id) &&
            (digest == NULL || broadcast_digest_equal(&message->digest, digest))) {
            return message;
        }
    }
    return NULL;
}

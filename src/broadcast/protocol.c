/*
 * The one handler in front of every protocol, and the names of what it counts.
 */
#include "broadcast/protocol.h"

#include "base/assert.h"

const char *broadcast_reject_text(enum broadcast_reject reject)
{
#define REJECT_TEXT(name, text) text,
    static const char *const texts[] = {BROADCAST_REJECT_LIST(REJECT_TEXT)};
#undef REJECT_TEXT
    INGOT_ASSERT(reject < BROADCAST_REJECT_COUNT);
    return texts[reject];
}

enum broadcast_reject broadcast_handle(struct broadcast_protocol *protocol,
                                       const struct broadcast_event *event,
                                       struct broadcast_effects *effects)
{
    INGOT_ASSERT((event->kind == BROADCAST_MESSAGE) == (event->message != NULL));
    const enum broadcast_reject reject = protocol->operations->handle(protocol, event, effects);
    if (reject != BROADCAST_REJECT_NONE) {
        protocol->stats.rejected[reject]++;
    }
    return reject;
}

void broadcast_dump(const struct broadcast_protocol *protocol, struct ingot_buffer *out)
{
    protocol->operations->dump(protocol, out);
}

void broadcast_free(struct broadcast_protocol *protocol)
{
    if (protocol != NULL) {
        protocol->operations->free(protocol);
    }
}

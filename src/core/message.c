/*
 * Messages as values: their life and their names. Also the texts of the reject reasons.
 */
#include "core/message.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "core/reject.h"

struct message *message_new(enum message_kind kind)
{
    struct message *message = alloc_zeroed(1, sizeof *message);
    message->references = 1;
    message->kind = kind;
    return message;
}

struct message *message_ref(struct message *message)
{
    message->references++;
    return message;
}

static void sync_response_deinit(struct sync_response *response)
{
    for (uint32_t i = 0; i < response->block_count; i++) {
        block_unref(response->blocks[i]);
    }
    free(response->blocks);
    qc_unref(response->tail_qc);
}

static void content_deinit(struct message *message)
{
    switch (message->kind) {
    case MESSAGE_PROPOSE:
        block_unref(message->propose.block);
        tc_unref(message->propose.tc);
        break;
    case MESSAGE_TIMEOUT:
        qc_unref(message->timeout.high_qc);
        tc_unref(message->timeout.tc);
        break;
    case MESSAGE_CERTIFICATE:
        qc_unref(message->certificate.qc);
        tc_unref(message->certificate.tc);
        break;
    case MESSAGE_ADVERTISE:
        qc_unref(message->advertise.high_qc);
        break;
    case MESSAGE_SYNC_RESPONSE:
        sync_response_deinit(&message->sync_response);
        break;
    case MESSAGE_TRANSACTIONS:
        ingot_buffer_deinit(&message->transactions.packed);
        break;
    case MESSAGE_NUDGE:
        qc_unref(message->nudge.justify);
        tc_unref(message->nudge.tc);
        break;
    case MESSAGE_COMPACT_PROPOSE:
        block_unref(message->propose.block);
        tc_unref(message->propose.tc);
        ingot_buffer_deinit(&message->compact.named);
        ingot_buffer_deinit(&message->compact.packed);
        break;
    case MESSAGE_TRANSACTIONS_REQUEST:
        ingot_buffer_deinit(&message->transactions_request.wanted);
        break;
    case MESSAGE_TRANSACTIONS_RESPONSE:
        ingot_buffer_deinit(&message->transactions_response.wanted);
        ingot_buffer_deinit(&message->transactions_response.packed);
        break;
    case MESSAGE_VOTE:
    case MESSAGE_SYNC_REQUEST:
        break;
    }
}

void message_unref(struct message *message)
{
    if (message != NULL && --message->references == 0) {
        content_deinit(message);
        free(message);
    }
}

const char *message_kind_text(enum message_kind kind)
{
    switch (kind) {
    case MESSAGE_PROPOSE:
        return "propose";
    case MESSAGE_VOTE:
        return "vote";
    case MESSAGE_TIMEOUT:
        return "timeout";
    case MESSAGE_CERTIFICATE:
        return "certificate";
    case MESSAGE_ADVERTISE:
        return "advertise";
    case MESSAGE_SYNC_REQUEST:
        return "sync_request";
    case MESSAGE_SYNC_RESPONSE:
        return "sync_response";
    case MESSAGE_TRANSACTIONS:
        return "transactions";
    case MESSAGE_NUDGE:
        return "nudge";
    case MESSAGE_COMPACT_PROPOSE:
        return "compact_propose";
    case MESSAGE_TRANSACTIONS_REQUEST:
        return "transactions_request";
    case MESSAGE_TRANSACTIONS_RESPONSE:
        return "transactions_response";
    }
    INGOT_ASSERT(false);
    return "";
}

const char *reject_text(enum reject reject)
{
#define REJECT_TEXT(name, text) [REJECT_##name] = (text),
    static const char *const texts[REJECT_COUNT] = {REJECT_LIST(REJECT_TEXT)};
#undef REJECT_TEXT
    INGOT_ASSERT(reject < REJECT_COUNT);
    return texts[reject];
}

/*
 * The replica and its sync: what the client and the server of blocks see of the core and the
 * ledger, and when they get their turn. Both run after the effects of a flush, when all that was
 * committed is durable.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "node/replica_state.h"
#include "node/sync_client.h"
#include "node/sync_server.h"
#include "node/verify_ahead.h"
#include "wire/sync_frame.h"

static struct block *find_block(void *context, const struct ingot_hash *hash)
{
    const struct replica *replica = context;
    return core_find_block(replica->core, hash);
}

/* --- The client's side. --- */

static void send_request(void *context, uint32_t peer, const struct sync_request *request)
{
    struct replica *replica = context;
    replica_settle(replica); /* it names what we have committed */
    struct message *message = message_new(MESSAGE_SYNC_REQUEST);
    message->sync_request = *request;
    ingot_buffer_clear(&replica->frame);
    wire_encode(message, &replica->frame);
    replica->options.output.send(replica->options.output.context, peer, INGOT_FRAME_CONSENSUS,
                                 ingot_buffer_slice(&replica->frame));
    message_unref(message);
}

static void held(void *context, struct message *answer)
{
    struct replica *replica = context;
    if (replica->ahead != NULL) {
        verify_ahead_show(replica->ahead, &replica->verifier, answer);
    }
}

static void released(void *context, const struct message *answer)
{
    const struct replica *replica = context;
    if (replica->ahead != NULL) {
        verify_ahead_drop(replica->ahead, answer);
    }
}

static enum reject verify(void *context, const struct block *parent, const struct message *answer,
                          uint32_t first, const struct sync_response *run, uint32_t *count)
{
    struct replica *replica = context;
    *count = 0;
    enum reject reject = verify_link(parent, run->blocks[0]);
    if (reject == REJECT_NONE && replica->ahead == NULL) {
        reject = verify_sync_prefix(&replica->verifier, run, 0, NULL, count);
    } else if (reject == REJECT_NONE) {
        bool *proven = alloc_zeroed((size_t)run->block_count + 1, sizeof *proven);
        verify_ahead_settle(replica->ahead, &replica->verifier, answer, first, run, proven);
        reject = verify_sync_prefix(&replica->verifier, run, 0, proven, count);
        free(proven);
    }
    return reject;
}

static enum reject take(void *context, uint32_t peer, struct message *message)
{
    struct replica *replica = context;
    enum reject reject = REJECT_NONE;
    if (message->kind == MESSAGE_CERTIFICATE) {
        reject = verify_message(&replica->verifier, message);
    }
    struct core_event event = {.kind = CORE_MESSAGE, .peer = peer, .message = message};
    return reject == REJECT_NONE ? replica_step(replica, &event) : reject;
}

void sync_claim(struct replica *replica, uint32_t peer, uint64_t height)
{
    sync_client_claim(replica->sync_client, peer, height);
}

void sync_hint(struct replica *replica, uint32_t peer)
{
    sync_client_hint(replica->sync_client, peer);
}

bool sync_admits(struct replica *replica, uint32_t peer, struct ingot_slice frame)
{
    return !wire_is_sync_response(frame) ||
           sync_client_admit(replica->sync_client, replica_now_ms(replica), peer) == REJECT_NONE;
}

void sync_receive_garbled(struct replica *replica, uint32_t peer, struct ingot_slice frame)
{
    if (wire_is_sync_response(frame)) {
        sync_client_receive_garbled(replica->sync_client, replica_now_ms(replica), peer);
    }
}

enum reject sync_receive(struct replica *replica, uint32_t peer, struct message *message,
                         size_t size)
{
    return sync_client_receive(replica->sync_client, replica_now_ms(replica), peer, message, size);
}

/* --- The server's side. --- */

static void send_answer(void *context, uint32_t peer, struct ingot_slice frame)
{
    struct replica *replica = context;
    replica->options.output.send(replica->options.output.context, peer, INGOT_FRAME_BULK, frame);
}

enum reject sync_request(struct replica *replica, uint32_t peer, const struct sync_request *request)
{
    return sync_server_request(replica->sync_server, peer, request);
}

/* --- Both. --- */

void sync_open(struct replica *replica)
{
    const struct sync_client_options client = {.request_timeout_ms =
                                                   replica->options.fetch_timeout_ms,
                                               .context = replica,
                                               .request = send_request,
                                               .find_block = find_block,
                                               .held = held,
                                               .released = released,
                                               .verify = verify,
                                               .take = take};
    const struct sync_server_options server = {.ledger = replica->ledger,
                                               .context = replica,
                                               .find_block = find_block,
                                               .send = send_answer};
    replica->ahead = verify_ahead_new(replica->options.verify_threads,
                                      &replica->options.genesis->hash, replica->options.scheme);
    replica->sync_client = sync_client_new(&client);
    replica->sync_server = sync_server_new(&server);
    replica->core_deadline_ms = UINT64_MAX;
    replica->sync_by_ms = UINT64_MAX;
    replica->armed_ms = UINT64_MAX;
}

void sync_close(struct replica *replica)
{
    sync_client_free(replica->sync_client);
    verify_ahead_free(replica->ahead);
    sync_server_free(replica->sync_server);
}

void sync_connected(struct replica *replica, uint32_t peer, bool is_connected)
{
    sync_client_set_connected(replica->sync_client, peer, is_connected);
    if (!is_connected) {
        sync_server_disconnected(replica->sync_server, peer);
    }
}

void sync_forget(struct replica *replica, uint32_t peer)
{
    sync_client_forget(replica->sync_client, peer);
    sync_server_forget(replica->sync_server, peer);
}

void sync_arm_for_core(struct replica *replica, uint64_t deadline_ms)
{
    replica->core_deadline_ms = deadline_ms;
    replica->armed_ms = UINT64_MAX; /* even if it is the same moment: the timer may have run out */
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void arm(struct replica *replica, uint64_t server_due_us)
{
    uint64_t next_ms =
        earlier(replica->core_deadline_ms, sync_client_deadline_ms(replica->sync_client));
    next_ms = earlier(next_ms, compact_deadline_ms(replica));
    next_ms = earlier(next_ms, replica->sync_by_ms);
    if (server_due_us < UINT64_MAX) {
        next_ms = earlier(next_ms, server_due_us / 1000 + 1);
    }
    if (next_ms != replica->armed_ms) {
        replica->armed_ms = next_ms;
        replica->options.output.arm(replica->options.output.context, next_ms);
    }
}

static void turn(struct replica *replica, bool has_run, const struct core_status *status)
{
    const struct replica_output *output = &replica->options.output;
    const uint64_t now_us = output->monotonic_us(output->context);
    if (!has_run) {
        sync_server_turn(replica->sync_server, now_us,
                         status != NULL ? status->last_committed : NULL,
                         status != NULL ? status->high_qc : NULL);
    }
    const uint64_t due_us = sync_server_due_us(replica->sync_server);
    if (has_run || due_us <= now_us) {
        output->wake(output->context);
    }
    arm(replica, due_us > now_us ? due_us : UINT64_MAX);
}

void sync_turn(struct replica *replica)
{
    struct core_status status;
    core_get_status(replica->core, &status);
    const struct sync_chain chain = {.now_ms = replica_now_ms(replica),
                                     .committed = status.last_committed,
                                     .high = core_find_block(replica->core, &status.high_qc->block),
                                     .high_position = status.high,
                                     .waiting_qc = status.waiting_qc,
                                     .waiting_peer = status.waiting_peer,
                                     .is_busy = status.taking_blocks};
    const bool has_run = sync_client_step(replica->sync_client, &chain);
    turn(replica, has_run, &status);
}

void sync_turn_between(struct replica *replica)
{
    turn(replica, false, NULL);
}

void sync_metrics(const struct replica *replica, struct metrics *metrics)
{
    sync_client_get_status(replica->sync_client, &metrics->sync_client);
    sync_server_get_status(replica->sync_server, &metrics->sync_server);
    metrics->catching_up = metrics->sync_client.is_catching_up;
    metrics->verifications_ahead =
        replica->ahead == NULL ? 0 : verify_ahead_verifications(replica->ahead);
}

bool sync_is_catching_up(const struct replica *replica)
{
    struct sync_client_status status;
    sync_client_get_status(replica->sync_client, &status);
    return status.is_catching_up;
}

bool sync_needs_durable(const struct replica *replica)
{
    struct sync_server_status status;
    sync_server_get_status(replica->sync_server, &status);
    return status.waiting > 0 || sync_client_has_run(replica->sync_client) ||
           sync_is_catching_up(replica);
}

/* Others wait for what a node does that votes; not for one that is far behind. */
void sync_give_way(void *context)
{
    const struct replica *replica = context;
    const struct replica_output *output = &replica->options.output;
    if (output->give_way != NULL && sync_is_catching_up(replica)) {
        output->give_way(output->context);
    }
}

bool sync_is_bulk(const struct replica *replica)
{
    return sync_client_has_run(replica->sync_client) && sync_is_catching_up(replica);
}

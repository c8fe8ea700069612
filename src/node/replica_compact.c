/*
 * Proposals that name transactions by their digests, because the others hold them already: making
 * them, putting the block together from the mempool, asking its proposer for what is missing, and
 * answering who asks. docs/adr/0014 has the reasons.
 *
 * The core sees whole proposals alone. What an incomplete one brings besides, its certificates and
 * its proposer's vote, is used at once. If it never becomes whole its view goes on without us, and
 * a certificate for the block has it fetched like any other.
 */
#include <stdlib.h>
#include <string.h>

#include "base/ahead.h"
#include "base/alloc.h"
#include "base/bits.h"
#include "base/log.h"
#include "base/mutant.h"
#include "node/replica_state.h"

/* What is named is often on its way: it was sent before the proposal, but not as urgently. */
#define GRACE_MS 2
/* Asked for again at intervals that double, from an eighth of the shortest view on. */
#define ASKS_MAX 6
#define ASKS_IN_A_VIEW 8
/* How often the mempool is searched for one proposal, beside the times that it asks. */
#define LOOKS_MAX 8
/* Requests of one channel for one block that are answered: one may be lost, or its answer. */
#define ANSWERS_MAX 8

/* --- Making them. --- */

static void remember_proposed(struct replica *replica, const struct block *block)
{
    const uint32_t slot = replica->proposed_next;
    replica->proposed[slot] = block->hash;
    replica->proposed_next = (slot + 1) % COMPACT_PROPOSED_MAX;
    for (uint32_t i = 0; i < replica->peer_count; i++) {
        replica->peers[i].answers[slot] = 0;
    }
}

/* A name has to be shorter than what it stands for, and known to those who are shown it. */
static bool is_named(const struct replica *replica, struct ingot_slice transaction,
                     const struct ingot_hash *digest)
{
    return 4 + transaction.size > INGOT_HASH_BYTES &&
           mempool_is_passed_on(replica->mempool, digest);
}

struct message *compact_make(struct replica *replica, const struct propose *propose)
{
    const struct block *block = propose->block;
    if (block->digests == NULL || block_changes_set(block) ||
        block->payload.size <= replica->options.compact_payload_bytes_min) {
        return NULL;
    }
    struct message *message = message_new(MESSAGE_COMPACT_PROPOSE);
    struct compact_propose *compact = &message->compact;
    compact->propose = *propose;
    block_ref(compact->propose.block);
    if (propose->tc != NULL) {
        tc_ref(propose->tc);
    }
    compact->named.data = alloc_zeroed(bits_bytes(block->transaction_count), 1);
    compact->named.size = compact->named.capacity = bits_bytes(block->transaction_count);
    bool has_named = false;
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction;
    for (uint32_t i = 0; payload_next(&rest, &transaction); i++) {
        if (i + AHEAD < block->transaction_count) {
            mempool_expect(replica->mempool, &block->digests[i + AHEAD]);
        }
        if (is_named(replica, transaction, &block->digests[i])) {
            bits_set(compact->named.data, i);
            has_named = true;
        } else {
            ingot_buffer_append_u32(&compact->packed, (uint32_t)transaction.size);
            ingot_buffer_append_slice(&compact->packed, transaction);
        }
    }
    if (!has_named) {
        message_unref(message);
        return NULL;
    }
    remember_proposed(replica, block);
    replica->metrics.compact_proposals++;
    return message;
}

/* --- Putting a block together. --- */

/*
 * The bytes of each transaction: from the message, from the answer if there is one, else from the
 * mempool. What is nowhere is marked; returns how many these are.
 */
static uint32_t gather(const struct replica *replica, const struct compact_propose *compact,
                       const struct transactions_response *answer, struct ingot_slice *found,
                       uint8_t *missing)
{
    const struct block *block = compact->propose.block;
    struct ingot_slice packed = ingot_buffer_slice(&compact->packed);
    struct ingot_slice answered =
        answer == NULL ? ingot_slice_of(NULL, 0) : ingot_buffer_slice(&answer->packed);
    uint32_t missing_count = 0;
    for (uint32_t i = 0; i < block->transaction_count; i++) {
        bool is_there = false;
        if (i + 2 * AHEAD < block->transaction_count) {
            mempool_expect(replica->mempool, &block->digests[i + 2 * AHEAD]);
        }
        if (i + AHEAD < block->transaction_count) {
            mempool_expect_found(replica->mempool, &block->digests[i + AHEAD]);
        }
        if (!bits_has(compact->named.data, i)) {
            is_there = payload_next(&packed, &found[i]);
        } else if (answer != NULL && i / 8 < answer->wanted.size &&
                   bits_has(answer->wanted.data, i)) {
            is_there = payload_next(&answered, &found[i]);
        } else {
            is_there = mempool_get(replica->mempool, &block->digests[i], &found[i]);
        }
        if (!is_there) {
            bits_set(missing, i);
            missing_count++;
        }
    }
    return missing_count;
}

/* False: the transactions are more than a block may hold. */
static bool fill(struct block *block, const struct ingot_slice *found)
{
    size_t size = 0;
    for (uint32_t i = 0; i < block->transaction_count; i++) {
        size += 4 + found[i].size;
    }
    if (size > INGOT_BLOCK_PAYLOAD_BYTES_MAX) {
        return false;
    }
    ingot_buffer_reserve(&block->payload, size);
    for (uint32_t i = 0; i < block->transaction_count; i++) {
        ingot_buffer_append_u32(&block->payload, (uint32_t)found[i].size);
        ingot_buffer_append_slice(&block->payload, found[i]);
    }
    return true;
}

enum outcome { IS_WHOLE, HAS_GAPS, IS_TOO_LARGE };

/* Completes the block, which nobody but the message has seen yet, or says in `missing` what it
 * lacks: a bit for each transaction, up to the last. */
static enum outcome put_together(struct replica *replica, struct compact_propose *compact,
                                 const struct transactions_response *answer)
{
    struct block *block = compact->propose.block;
    struct ingot_buffer *missing = &replica->missing;
    struct ingot_slice *found = alloc_zeroed(block->transaction_count, sizeof *found);
    ingot_buffer_clear(missing);
    ingot_buffer_reserve(missing, compact->named.size);
    memset(missing->data, 0, compact->named.size);
    enum outcome outcome = HAS_GAPS;
    if (gather(replica, compact, answer, found, missing->data) == 0) {
        outcome = fill(block, found) ? IS_WHOLE : IS_TOO_LARGE;
    }
    for (size_t size = compact->named.size; size > 0 && missing->size == 0; size--) {
        missing->size = missing->data[size - 1] != 0 ? size : 0;
    }
    free(found);
    return outcome;
}

/* As if it had come whole. */
static void give_whole(struct replica *replica, uint32_t peer, const struct propose *propose,
                       struct block *block)
{
    struct message *message = message_new(MESSAGE_PROPOSE);
    message->propose = *propose;
    message->propose.block = block_ref(block);
    if (propose->tc != NULL) {
        tc_ref(propose->tc);
    }
    struct core_event event = {.kind = CORE_MESSAGE, .peer = peer, .message = message};
    (void)replica_step(replica, &event);
    message_unref(message);
}

/* True: it is done with, be it that the core has it or that it is refused. */
static bool try_to_give(struct replica *replica, uint32_t peer, struct message *message,
                        const struct transactions_response *answer)
{
    switch (put_together(replica, &message->compact, answer)) {
    case HAS_GAPS:
        return false;
    case IS_WHOLE:
        give_whole(replica, peer, &message->propose, message->propose.block);
        return true;
    case IS_TOO_LARGE:
        replica_count_reject(replica, peer, message, REJECT_BAD_PAYLOAD);
        return true;
    }
    INGOT_ASSERT(false);
    return true;
}

/* --- Those that have gaps: a few for each channel, lowest first, in its share of bytes. --- */

size_t compact_size_bytes(const struct message *message)
{
    return block_size_bytes(message->propose.block) + message->compact.named.size +
           message->compact.packed.size;
}

size_t compact_incomplete_bytes(const struct replica_peer *peer)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < peer->incomplete_count; i++) {
        bytes += compact_size_bytes(peer->incomplete[i].message);
    }
    return bytes;
}

static void drop(struct replica_peer *peer, uint32_t index)
{
    message_unref(peer->incomplete[index].message);
    ingot_buffer_deinit(&peer->incomplete[index].wanted);
    peer->incomplete_count--;
    memmove(&peer->incomplete[index], &peer->incomplete[index + 1],
            (peer->incomplete_count - index) * sizeof peer->incomplete[0]);
}

void compact_forget(struct replica_peer *peer)
{
    while (peer->incomplete_count > 0) {
        drop(peer, peer->incomplete_count - 1);
    }
    peer->has_request = false;
    ingot_buffer_deinit(&peer->request_wanted);
}

static struct position position_of(const struct message *message)
{
    return block_position(message->propose.block);
}

static bool has_room(const struct replica_peer *peer, size_t size)
{
    return MUTANT(INCOMPLETE_UNBOUNDED) ||
           compact_incomplete_bytes(peer) + size <= INGOT_PENDING_BYTES_PER_PEER_MAX;
}

static enum reject keep(struct replica *replica, uint32_t peer_index, struct message *message)
{
    struct replica_peer *peer = &replica->peers[peer_index];
    const size_t size = compact_size_bytes(message);
    uint32_t at = peer->incomplete_count;
    while (at > 0 && position_compare(position_of(message),
                                      position_of(peer->incomplete[at - 1].message)) < 0) {
        at--;
    }
    if (at > 0 && position_compare(position_of(message),
                                   position_of(peer->incomplete[at - 1].message)) == 0) {
        return REJECT_DUPLICATE; /* a leader that says two things costs us one request */
    }
    /* The lowest make room. */
    while (peer->incomplete_count == INGOT_ORPHANS_PER_PEER_MAX || !has_room(peer, size)) {
        if (at == 0) {
            return REJECT_BUFFER_FULL;
        }
        drop(peer, 0);
        at--;
    }
    memmove(&peer->incomplete[at + 1], &peer->incomplete[at],
            (peer->incomplete_count - at) * sizeof peer->incomplete[0]);
    peer->incomplete[at] = (struct incomplete){.message = message_ref(message),
                                               .ask_at_ms = replica_now_ms(replica) + GRACE_MS,
                                               .admitted = replica->metrics.mempool_admitted};
    peer->incomplete_count++;
    return REJECT_NONE;
}

/* What an incomplete proposal is good for all the same. */
static void give_parts(struct replica *replica, uint32_t peer, const struct propose *propose)
{
    struct message *parts[3] = {NULL};
    uint32_t count = 0;
    if (propose->tc != NULL) {
        parts[count] = message_new(MESSAGE_CERTIFICATE);
        parts[count++]->certificate.tc = tc_ref(propose->tc);
    }
    parts[count] = message_new(MESSAGE_CERTIFICATE);
    parts[count++]->certificate.qc = qc_ref(propose->block->justify);
    parts[count] = message_new(MESSAGE_VOTE);
    parts[count++]->vote = propose->vote;
    for (uint32_t i = 0; i < count; i++) {
        struct core_event event = {.kind = CORE_MESSAGE, .peer = peer, .message = parts[i]};
        (void)replica_step(replica, &event);
        message_unref(parts[i]);
    }
}

void compact_receive(struct replica *replica, uint32_t peer, struct message *message)
{
    const struct propose *propose = &message->propose;
    struct block *known = core_find_block(replica->core, &propose->block->hash);
    replica->metrics.compact_received++;
    if (known != NULL) {
        give_whole(replica, peer, propose, known);
        return;
    }
    if (try_to_give(replica, peer, message, NULL)) {
        return;
    }
    replica->metrics.compact_incomplete++;
    give_parts(replica, peer, propose);
    enum reject reject = core_check_propose(replica->core, propose);
    if (reject == REJECT_PAST) {
        struct core_event event = {.kind = CORE_BEHIND, .peer = peer};
        (void)replica_step(replica, &event);
    }
    if (reject == REJECT_NONE) {
        reject = keep(replica, peer, message);
    }
    replica_count_reject(replica, peer, message, reject);
}

/* --- Asking. --- */

static void send_message(struct replica *replica, uint32_t peer, struct message *message)
{
    ingot_buffer_clear(&replica->frame);
    wire_encode(message, &replica->frame);
    replica->options.output.send(replica->options.output.context, peer, INGOT_FRAME_CONSENSUS,
                                 ingot_buffer_slice(&replica->frame));
    message_unref(message);
}

static void ask(struct replica *replica, uint32_t peer, struct incomplete *incomplete)
{
    const uint32_t interval_ms = replica->options.base_timeout_ms / ASKS_IN_A_VIEW + 1;
    incomplete->ask_at_ms = replica_now_ms(replica) + ((uint64_t)interval_ms << incomplete->asks);
    incomplete->asks++;
    ingot_buffer_clear(&incomplete->wanted);
    ingot_buffer_append_slice(&incomplete->wanted, ingot_buffer_slice(&replica->missing));
    if (MUTANT(MISSING_NOT_ASKED)) {
        return;
    }
    struct message *message = message_new(MESSAGE_TRANSACTIONS_REQUEST);
    message->transactions_request.block = incomplete->message->propose.block->hash;
    ingot_buffer_append_slice(&message->transactions_request.wanted,
                              ingot_buffer_slice(&incomplete->wanted));
    replica->metrics.transactions_requested +=
        bits_count(incomplete->wanted.data, incomplete->wanted.size);
    send_message(replica, peer, message);
}

/* Nobody needs it any more, or it has been asked for in vain. */
static bool is_over(const struct replica *replica, const struct incomplete *incomplete)
{
    return core_find_block(replica->core, &incomplete->message->propose.block->hash) != NULL ||
           core_is_past(replica->core, position_of(incomplete->message)) ||
           (incomplete->asks == ASKS_MAX && incomplete->ask_at_ms <= replica_now_ms(replica));
}

/* True: it is done with. The lowest alone is asked for, so a channel owes one answer at a time. */
static bool look_again(struct replica *replica, uint32_t peer, struct incomplete *incomplete,
                       bool is_lowest)
{
    if (is_over(replica, incomplete)) {
        return true;
    }
    const bool is_due = is_lowest && incomplete->ask_at_ms <= replica_now_ms(replica);
    const bool has_news =
        incomplete->admitted != replica->metrics.mempool_admitted && incomplete->looks < LOOKS_MAX;
    if (!is_due && !has_news) {
        return false;
    }
    incomplete->looks += !is_due;
    incomplete->admitted = replica->metrics.mempool_admitted;
    if (try_to_give(replica, peer, incomplete->message, NULL)) {
        return true;
    }
    if (is_due) {
        ask(replica, peer, incomplete);
    }
    return false;
}

/* --- Answers to what we asked for. --- */

/* Are the bytes those that the digests name? */
static bool is_true(const struct block *block, const struct transactions_response *response)
{
    struct ingot_slice rest = ingot_buffer_slice(&response->packed);
    struct ingot_slice transaction;
    for (uint32_t i = 0; i < block->transaction_count && i / 8 < response->wanted.size; i++) {
        if (!bits_has(response->wanted.data, i)) {
            continue;
        }
        struct ingot_hash digest;
        if (!payload_next(&rest, &transaction)) {
            return false;
        }
        wire_transaction_digest(transaction, &digest);
        if (!crypto_hash_equal(&digest, &block->digests[i])) {
            return MUTANT(ANSWER_UNCHECKED);
        }
    }
    return true;
}

enum reject compact_response(struct replica *replica, uint32_t peer,
                             const struct transactions_response *response)
{
    struct replica_peer *from = &replica->peers[peer];
    uint32_t at = 0;
    while (
        at < from->incomplete_count &&
        (!crypto_hash_equal(&from->incomplete[at].message->propose.block->hash, &response->block) ||
         !ingot_slice_equal(ingot_buffer_slice(&from->incomplete[at].wanted),
                            ingot_buffer_slice(&response->wanted)))) {
        at++;
    }
    if (at == from->incomplete_count) {
        return REJECT_UNREQUESTED;
    }
    struct incomplete *incomplete = &from->incomplete[at];
    if (!is_true(incomplete->message->propose.block, response)) {
        drop(from, at); /* from this channel it is not to be had */
        return REJECT_OTHER_TRANSACTION;
    }
    if (try_to_give(replica, peer, incomplete->message, response)) {
        drop(from, at);
        return REJECT_NONE;
    }
    /* Something has left the mempool since; all that is missing now is asked for together. */
    ingot_buffer_clear(&incomplete->wanted);
    incomplete->ask_at_ms = replica_now_ms(replica);
    return REJECT_NONE;
}

/* --- Answering. --- */

enum reject compact_request(struct replica *replica, uint32_t peer,
                            const struct transactions_request *request)
{
    struct replica_peer *from = &replica->peers[peer];
    uint32_t slot = 0;
    while (slot < COMPACT_PROPOSED_MAX &&
           !crypto_hash_equal(&replica->proposed[slot], &request->block)) {
        slot++;
    }
    if (slot == COMPACT_PROPOSED_MAX) {
        return REJECT_UNKNOWN_BLOCK;
    }
    if (from->answers[slot] >= ANSWERS_MAX && !MUTANT(REQUESTS_UNLIMITED)) {
        return REJECT_RATE_LIMITED;
    }
    from->answers[slot]++;
    from->has_request = true;
    from->request_slot = slot;
    ingot_buffer_clear(&from->request_wanted);
    ingot_buffer_append_slice(&from->request_wanted, ingot_buffer_slice(&request->wanted));
    return REJECT_NONE;
}

/* NULL: it asks for what the block does not have. */
static struct message *make_response(const struct block *block, const struct ingot_buffer *wanted)
{
    if (wanted->size > bits_bytes(block->transaction_count)) {
        return NULL;
    }
    struct message *message = message_new(MESSAGE_TRANSACTIONS_RESPONSE);
    struct transactions_response *response = &message->transactions_response;
    response->block = block->hash;
    ingot_buffer_append_slice(&response->wanted, ingot_buffer_slice(wanted));
    uint32_t count = 0;
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction;
    for (uint32_t i = 0; i / 8 < wanted->size && payload_next(&rest, &transaction); i++) {
        if (bits_has(wanted->data, i)) {
            ingot_buffer_append_u32(&response->packed, (uint32_t)transaction.size);
            ingot_buffer_append_slice(&response->packed, transaction);
            count++;
        }
    }
    if (count != bits_count(wanted->data, wanted->size)) {
        message_unref(message);
        return NULL;
    }
    return message;
}

/* The last request of the channel alone: more than one turn's answer a turn nobody is given. */
static void answer(struct replica *replica, uint32_t peer)
{
    struct replica_peer *from = &replica->peers[peer];
    if (!from->has_request) {
        return;
    }
    from->has_request = false;
    const struct block *block =
        core_find_block(replica->core, &replica->proposed[from->request_slot]);
    if (block == NULL) {
        replica->metrics.rejects[REJECT_UNKNOWN_BLOCK]++;
        return;
    }
    struct message *message = make_response(block, &from->request_wanted);
    if (message == NULL) {
        replica->metrics.rejects[REJECT_MALFORMED]++;
        return;
    }
    replica->metrics.transactions_answered +=
        bits_count(from->request_wanted.data, from->request_wanted.size);
    send_message(replica, peer, message);
}

/* --- Turns. --- */

void compact_turn(struct replica *replica)
{
    for (uint32_t i = 0; i < replica->peer_count; i++) {
        struct replica_peer *peer = &replica->peers[i];
        answer(replica, i);
        uint32_t at = 0;
        while (at < peer->incomplete_count) {
            if (look_again(replica, i, &peer->incomplete[at], at == 0)) {
                drop(peer, at);
            } else {
                at++;
            }
        }
    }
}

uint64_t compact_deadline_ms(const struct replica *replica)
{
    uint64_t deadline_ms = UINT64_MAX;
    for (uint32_t i = 0; i < replica->peer_count; i++) {
        const struct replica_peer *peer = &replica->peers[i];
        if (peer->incomplete_count > 0 && peer->incomplete[0].ask_at_ms < deadline_ms) {
            deadline_ms = peer->incomplete[0].ask_at_ms;
        }
    }
    return deadline_ms;
}

/*
 * What comes from peers, and what goes to them. A share is a gossip message that its validator has
 * signed: whoever gets one that is new and of use passes it on, once its message is verified and
 * before the signatures in it are. The payload is u64 epoch, u64 height, and 64 bytes for each
 * statement.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "node/attestor_state.h"

const char *attest_reject_text(enum attest_reject reject)
{
    static const char *const texts[ATTEST_REJECT_COUNT] = {
        [ATTEST_REJECT_NONE] = "none",
        [ATTEST_REJECT_MALFORMED] = "malformed",
        [ATTEST_REJECT_UNKNOWN_EPOCH] = "unknown_epoch",
        [ATTEST_REJECT_STRANGER] = "stranger",
        [ATTEST_REJECT_SIGNATURE] = "signature",
        [ATTEST_REJECT_REPEATED] = "repeated",
        [ATTEST_REJECT_FAR] = "far_ahead",
        [ATTEST_REJECT_FULL] = "quota",
        [ATTEST_REJECT_MISMATCH] = "mismatch",
        [ATTEST_REJECT_STATEMENT] = "statement",
        [ATTEST_REJECT_TOO_OFTEN] = "too_often",
    };
    return texts[reject];
}

void attest_reject_count(struct attestor *attestor, enum attest_reject reject)
{
    attestor->status.rejected[reject]++;
}

struct attest_peer *attest_peer_at(struct attestor *attestor, uint32_t peer)
{
    INGOT_ASSERT(peer < INGOT_PEERS_MAX);
    if (peer >= attestor->peer_count) {
        attestor->peers = alloc_resize(attestor->peers, peer + 1, sizeof *attestor->peers);
        for (; attestor->peer_count <= peer; attestor->peer_count++) {
            attestor->peers[attestor->peer_count] = (struct attest_peer){.own_next = UINT64_MAX};
        }
    }
    return &attestor->peers[peer];
}

/* --- Out. --- */

static bool send(struct attestor *attestor, uint32_t peer, struct ingot_slice frame)
{
    const struct attestor_output *output = &attestor->options.output;
    return output->send(output->context, peer, frame);
}

static void send_to_all_but(struct attestor *attestor, uint32_t except, struct ingot_slice frame)
{
    for (uint32_t i = 0; i < attestor->peer_count; i++) {
        if (i != except && attestor->peers[i].is_connected) {
            (void)send(attestor, i, frame);
        }
    }
}

/* A block's shares have its height for an id: said again, it is the same message. */
static struct broadcast_message *message_of(const struct attest_block *block, uint32_t voter,
                                            struct ingot_slice signatures)
{
    struct broadcast_message *message = broadcast_message_new(BROADCAST_GOSSIP);
    const struct attest_key key = attest_key_block(block->height);
    message->sender = voter;
    message->originator = voter;
    message->topic = BROADCAST_TOPIC_SHARES;
    const bool has_id = broadcast_id_from(attest_key_slice(&key), &message->id);
    INGOT_ASSERT(has_id);
    ingot_buffer_reserve(&message->payload, 16 + signatures.size);
    ingot_buffer_append_u64(&message->payload, block->epoch);
    ingot_buffer_append_u64(&message->payload, block->height);
    ingot_buffer_append_slice(&message->payload, signatures);
    wire_broadcast_digest(ingot_buffer_slice(&message->payload), &message->digest);
    return message;
}

static struct ingot_slice encode(struct attestor *attestor, const struct broadcast_message *message)
{
    ingot_buffer_clear(&attestor->frame);
    wire_broadcast_encode(message, &attestor->frame);
    return ingot_buffer_slice(&attestor->frame);
}

void attest_send_own(struct attestor *attestor, const struct attest_block *block,
                     struct ingot_slice signatures, struct ingot_signature *signature)
{
    struct broadcast_message *message = message_of(block, block->own, signatures);
    const bool is_signed = wire_broadcast_sign(&attestor->signer, block->set, message);
    INGOT_ASSERT(is_signed);
    *signature = message->signature;
    /* It comes back from those who pass it on. It may be sent again, so whether it is new is all
     * the same here. */
    const bool is_new =
        gossip_filter_add(&attestor->filter, &attestor->options.key, &message->name);
    (void)is_new;
    attest_own_made(attestor, block->height, encode(attestor, message));
    attestor->status.shares_sent++;
    broadcast_message_unref(message);
}

bool attest_send_share(struct attestor *attestor, uint32_t peer, const struct attest_block *block,
                       uint32_t voter, const struct attest_share_record *share)
{
    struct broadcast_message *message = message_of(block, voter, share->signatures);
    memcpy(message->signature.bytes, share->message, sizeof message->signature.bytes);
    message->is_signed = true;
    const bool is_sent = send(attestor, peer, encode(attestor, message));
    attestor->status.shares_sent += is_sent;
    broadcast_message_unref(message);
    return is_sent;
}

bool attest_send_request(struct attestor *attestor, uint32_t peer, uint64_t from_height,
                         uint64_t heights, struct ingot_slice members)
{
    struct broadcast_message *message = broadcast_message_new(BROADCAST_SHARE_REQUEST);
    message->from_height = from_height;
    message->heights = heights;
    ingot_buffer_append_slice(&message->attachment, members);
    const bool is_sent = send(attestor, peer, encode(attestor, message));
    attestor->status.requests_sent += is_sent;
    broadcast_message_unref(message);
    return is_sent;
}

/* --- In. --- */

/* What a share's payload says. */
struct claim {
    uint64_t epoch;
    uint64_t height;
    struct ingot_slice signatures;
    struct validator_set *set;
};

static enum attest_reject read_claim(const struct attestor *attestor,
                                     const struct broadcast_message *message, struct claim *claim)
{
    const struct attestor_output *output = &attestor->options.output;
    struct ingot_slice rest = ingot_buffer_slice(&message->payload);
    if (!ingot_slice_take_u64(&rest, &claim->epoch) ||
        !ingot_slice_take_u64(&rest, &claim->height) || rest.size == 0 ||
        rest.size % INGOT_SIGNATURE_BYTES != 0) {
        return ATTEST_REJECT_MALFORMED;
    }
    claim->signatures = rest;
    claim->set = output->find_set(output->context, claim->epoch);
    if (claim->set == NULL) {
        return ATTEST_REJECT_UNKNOWN_EPOCH;
    }
    return message->sender < claim->set->count ? ATTEST_REJECT_NONE : ATTEST_REJECT_STRANGER;
}

/* Is there any use in this, as far as the block in memory tells? */
static enum attest_reject judge(const struct attest_block *block, const struct claim *claim,
                                uint32_t voter)
{
    if (claim->epoch != block->epoch ||
        claim->signatures.size != (size_t)block->count * INGOT_SIGNATURE_BYTES) {
        return ATTEST_REJECT_MISMATCH;
    }
    const struct attest_share *share = &block->shares[voter];
    return share->is_whole || share->is_waiting || share->has_lied ? ATTEST_REJECT_REPEATED
                                                                   : ATTEST_REJECT_NONE;
}

/* All that costs no signature check and does not read the table. */
static enum attest_reject check(struct attestor *attestor, const struct broadcast_message *message,
                                const struct claim *claim)
{
    const uint64_t next = attestor->meta.next;
    if (claim->height >= next && claim->height - next >= attestor->options.limits.heights_ahead) {
        return ATTEST_REJECT_FAR;
    }
    const struct attest_block *block = attest_block_in_memory(attestor, claim->height);
    if (block != NULL) {
        const enum attest_reject reject = judge(block, claim, message->sender);
        if (reject != ATTEST_REJECT_NONE) {
            return reject;
        }
    }
    return attest_has_room(attestor, &claim->set->validators[message->sender].key,
                           claim->signatures.size, block != NULL && block->lacking == 0)
               ? ATTEST_REJECT_NONE
               : ATTEST_REJECT_FULL;
}

/* Of a block that is not in memory: has the table what this voter has to say? */
static bool is_stored(struct attestor *attestor, const struct claim *claim, uint32_t voter)
{
    const struct attest_key key = attest_key_share(claim->height, voter);
    struct ingot_slice content;
    return attest_block_in_memory(attestor, claim->height) == NULL &&
           attest_get(attestor, &key, &content) == INGOT_OK && attest_share_is_whole(content);
}

/*
 * The block of a verified message, if it is entered; judged if it had to be read. To read it takes
 * the shares of all members, so what is said again after a long time must not come so far.
 */
static enum attest_reject find_block(struct attestor *attestor, const struct claim *claim,
                                     uint32_t voter)
{
    struct attest_block *block = NULL;
    if (claim->height >= attestor->meta.next) {
        return ATTEST_REJECT_NONE;
    }
    if (is_stored(attestor, claim, voter)) {
        return ATTEST_REJECT_REPEATED;
    }
    const enum ingot_error error = attest_block_find(attestor, claim->height, &block);
    if (error == INGOT_ERROR_NOT_FOUND) {
        return ATTEST_REJECT_MISMATCH;
    }
    if (error != INGOT_OK) {
        attest_fail(attestor, REPLICA_STOP_DAMAGED, "an entered block cannot be read back", error);
        return ATTEST_REJECT_MISMATCH;
    }
    return judge(block, claim, voter);
}

static enum attest_reject receive_share(struct attestor *attestor, uint32_t peer,
                                        struct broadcast_message *message, struct ingot_slice frame)
{
    struct claim claim = {0};
    enum attest_reject reject = read_claim(attestor, message, &claim);
    if (reject == ATTEST_REJECT_NONE) {
        reject = check(attestor, message, &claim);
    }
    if (reject != ATTEST_REJECT_NONE) {
        return reject;
    }
    if (wire_broadcast_verify(attestor->options.scheme, &attestor->options.chain, claim.set,
                              message, &attestor->counters) != REJECT_NONE) {
        return ATTEST_REJECT_SIGNATURE;
    }
    reject = find_block(attestor, &claim, message->sender);
    if (reject != ATTEST_REJECT_NONE) {
        return reject;
    }
    const struct ingot_public_key *key = &claim.set->validators[message->sender].key;
    const bool is_new = gossip_filter_add(&attestor->filter, key, &message->name);
    if (is_new && !attest_repair_has_asked(attestor, peer, claim.height) &&
        !attest_late_holds_back(attestor, peer, claim.height)) {
        send_to_all_but(attestor, peer, frame);
    }
    if (!is_new && claim.height >= attestor->meta.next) { /* it waits already */
        return ATTEST_REJECT_REPEATED;
    }
    struct attest_item *item = alloc_zeroed(1, sizeof *item);
    item->epoch = claim.epoch;
    item->height = claim.height;
    item->voter = message->sender;
    item->peer = peer;
    item->key = *key;
    item->message = message->signature;
    ingot_buffer_append_slice(&item->signatures, claim.signatures);
    return attest_verify_later(attestor, item) ? ATTEST_REJECT_NONE : ATTEST_REJECT_FULL;
}

void attestor_receive(struct attestor *attestor, uint32_t peer, struct ingot_slice frame)
{
    struct broadcast_message *message = NULL;
    enum attest_reject reject = ATTEST_REJECT_MALFORMED;
    if (attestor->has_stopped) {
        return;
    }
    attest_look_at_clock(attestor);
    if (wire_broadcast_decode(frame, &message) != REJECT_NONE) {
        attest_reject_count(attestor, reject);
        return;
    }
    if (message->kind == BROADCAST_GOSSIP && message->topic == BROADCAST_TOPIC_SHARES) {
        reject = receive_share(attestor, peer, message, frame);
        if (reject == ATTEST_REJECT_FULL) {
            attest_late_want(attestor, peer);
        }
    } else if (message->kind == BROADCAST_SHARE_REQUEST) {
        reject = attest_repair_request(attestor, peer, message);
    }
    if (reject != ATTEST_REJECT_NONE) {
        attest_reject_count(attestor, reject);
        LOG(LOG_DEBUG, "a share is not used", log_text("reason", attest_reject_text(reject)),
            log_u64("peer", peer));
    }
    broadcast_message_unref(message);
}

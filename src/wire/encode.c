/*
 * Core types to protobuf bytes. Everything is borrowed while a message is put together, so that a
 * payload is copied once: into the output.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/bits.h"
#include "proto/ingot.pb-c.h"
#include "wire/pack.h"
#include "wire/wire.h"

#define CLAIM_BYTES (8 + INGOT_SIGNATURE_BYTES)
#define MEMBER_BYTES (INGOT_PUBLIC_KEY_BYTES + 8)

static ProtobufCBinaryData borrow_hash(const struct ingot_hash *hash)
{
    return pack_borrow(hash->bytes, sizeof hash->bytes);
}

static void put_u64(uint8_t *bytes, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
}

static size_t bitmap_bytes(uint32_t validator_count)
{
    INGOT_ASSERT(validator_count <= INGOT_VALIDATORS_MAX);
    return ((size_t)validator_count + 7) / 8;
}

static void fill_qc(Ingot__Wire__Qc *to, const struct qc *qc)
{
    INGOT_ASSERT(qc != NULL);
    ingot__wire__qc__init(to);
    to->phase = (uint32_t)qc->phase;
    to->epoch = qc->epoch;
    to->view = qc->view;
    to->block_view = qc->block_view;
    to->block = borrow_hash(&qc->block);
    to->validator_count = qc->validator_count;
    to->signers = pack_borrow(qc->signers.bits, bitmap_bytes(qc->validator_count));
    to->signatures = pack_borrow(qc->signatures, qc->signature_count * sizeof qc->signatures[0]);
}

/* A TC with what it points to while it is packed. */
struct tc_parts {
    Ingot__Wire__Tc tc;
    Ingot__Wire__Qc high_qc;
    uint8_t claims[INGOT_VALIDATORS_MAX * CLAIM_BYTES];
};

static void fill_tc(struct tc_parts *to, const struct tc *tc)
{
    INGOT_ASSERT(tc->claim_count <= INGOT_VALIDATORS_MAX);
    ingot__wire__tc__init(&to->tc);
    fill_qc(&to->high_qc, tc->high_qc);
    for (uint32_t i = 0; i < tc->claim_count; i++) {
        uint8_t *claim = to->claims + (size_t)i * CLAIM_BYTES;
        put_u64(claim, tc->claims[i].view);
        memcpy(claim + 8, tc->claims[i].signature.bytes, INGOT_SIGNATURE_BYTES);
    }
    to->tc.epoch = tc->epoch;
    to->tc.view = tc->view;
    to->tc.high_qc = &to->high_qc;
    to->tc.validator_count = tc->validator_count;
    to->tc.signers = pack_borrow(tc->signers.bits, bitmap_bytes(tc->validator_count));
    to->tc.claims = pack_borrow(to->claims, (size_t)tc->claim_count * CLAIM_BYTES);
}

static void fill_vote(Ingot__Wire__Vote *to, const struct vote *vote)
{
    ingot__wire__vote__init(to);
    to->epoch = vote->epoch;
    to->view = vote->view;
    to->block = borrow_hash(&vote->block);
    to->phase = (uint32_t)vote->phase;
    to->voter = vote->voter;
    to->signature = pack_borrow(vote->signature.bytes, sizeof vote->signature.bytes);
}

/* A block with what it points to while it is packed. */
struct block_parts {
    Ingot__Wire__Block block;
    Ingot__Wire__Qc justify;
};

static void fill_block(struct block_parts *to, const struct block *block)
{
    Ingot__Wire__Block *pb = &to->block;
    ingot__wire__block__init(pb);
    pb->version = block->version;
    pb->chain = borrow_hash(&block->chain);
    pb->height = block->height;
    pb->view = block->view;
    pb->time_ms = block->time_ms;
    pb->parent = borrow_hash(&block->parent);
    if (block->justify != NULL) {
        fill_qc(&to->justify, block->justify);
        pb->justify = &to->justify;
    }
    pb->proposer = pack_borrow(block->proposer.bytes, sizeof block->proposer.bytes);
    pb->transactions_root = borrow_hash(&block->transactions_root);
    pb->updates_hash = borrow_hash(&block->updates_hash);
    pb->validators_hash = borrow_hash(&block->validators_hash);
    pb->next_validators_hash = borrow_hash(&block->next_validators_hash);
    pb->transaction_count = block->transaction_count;
    pb->payload = pack_borrow(block->payload.data, block->payload.size);
}

static void encode_propose(const struct propose *propose, struct ingot_buffer *out)
{
    Ingot__Wire__Envelope envelope = INGOT__WIRE__ENVELOPE__INIT;
    struct block_parts block;
    struct tc_parts tc;
    Ingot__Wire__Vote vote;
    Ingot__Wire__Propose pb = INGOT__WIRE__PROPOSE__INIT;
    fill_block(&block, propose->block);
    fill_vote(&vote, &propose->vote);
    pb.block = &block.block;
    pb.vote = &vote;
    if (propose->tc != NULL) {
        fill_tc(&tc, propose->tc);
        pb.tc = &tc.tc;
    }
    envelope.content_case = INGOT__WIRE__ENVELOPE__CONTENT_PROPOSE;
    envelope.propose = &pb;
    pack_append(&envelope.base, out);
}

/* Those of the block's digests that are named, one after another. */
static void append_named(const struct compact_propose *compact, struct ingot_buffer *digests)
{
    const struct block *block = compact->propose.block;
    INGOT_ASSERT(compact->named.size == bits_bytes(block->transaction_count));
    for (uint32_t i = 0; i < block->transaction_count; i++) {
        if (bits_has(compact->named.data, i)) {
            ingot_buffer_append(digests, block->digests[i].bytes, INGOT_HASH_BYTES);
        }
    }
}

static void encode_compact_propose(const struct compact_propose *compact, struct ingot_buffer *out)
{
    Ingot__Wire__Envelope envelope = INGOT__WIRE__ENVELOPE__INIT;
    struct block_parts block;
    struct tc_parts tc;
    Ingot__Wire__Vote vote;
    Ingot__Wire__CompactPropose pb = INGOT__WIRE__COMPACT_PROPOSE__INIT;
    struct ingot_buffer digests = {0};
    append_named(compact, &digests);
    fill_block(&block, compact->propose.block);
    block.block.payload = pack_borrow(NULL, 0);
    fill_vote(&vote, &compact->propose.vote);
    pb.block = &block.block;
    pb.vote = &vote;
    if (compact->propose.tc != NULL) {
        fill_tc(&tc, compact->propose.tc);
        pb.tc = &tc.tc;
    }
    pb.named = pack_borrow(compact->named.data, compact->named.size);
    pb.digests = pack_borrow(digests.data, digests.size);
    pb.packed = pack_borrow(compact->packed.data, compact->packed.size);
    envelope.content_case = INGOT__WIRE__ENVELOPE__CONTENT_COMPACT_PROPOSE;
    envelope.compact_propose = &pb;
    pack_append(&envelope.base, out);
    ingot_buffer_deinit(&digests);
}

static void encode_nudge(const struct nudge *nudge, struct ingot_buffer *out)
{
    Ingot__Wire__Envelope envelope = INGOT__WIRE__ENVELOPE__INIT;
    Ingot__Wire__Qc justify;
    struct tc_parts tc;
    Ingot__Wire__Vote vote;
    Ingot__Wire__Nudge pb = INGOT__WIRE__NUDGE__INIT;
    fill_qc(&justify, nudge->justify);
    fill_vote(&vote, &nudge->vote);
    pb.epoch = nudge->epoch;
    pb.view = nudge->view;
    pb.justify = &justify;
    pb.vote = &vote;
    if (nudge->tc != NULL) {
        fill_tc(&tc, nudge->tc);
        pb.tc = &tc.tc;
    }
    envelope.content_case = INGOT__WIRE__ENVELOPE__CONTENT_NUDGE;
    envelope.nudge = &pb;
    pack_append(&envelope.base, out);
}

static void encode_timeout(const struct timeout *timeout, struct ingot_buffer *out)
{
    Ingot__Wire__Envelope envelope = INGOT__WIRE__ENVELOPE__INIT;
    Ingot__Wire__Qc high_qc;
    struct tc_parts tc;
    Ingot__Wire__Timeout pb = INGOT__WIRE__TIMEOUT__INIT;
    fill_qc(&high_qc, timeout->high_qc);
    pb.epoch = timeout->epoch;
    pb.view = timeout->view;
    pb.voter = timeout->voter;
    pb.high_qc = &high_qc;
    if (timeout->tc != NULL) {
        fill_tc(&tc, timeout->tc);
        pb.tc = &tc.tc;
    }
    pb.signature = pack_borrow(timeout->signature.bytes, sizeof timeout->signature.bytes);
    envelope.content_case = INGOT__WIRE__ENVELOPE__CONTENT_TIMEOUT;
    envelope.timeout = &pb;
    pack_append(&envelope.base, out);
}

static void encode_certificate(const struct certificate *certificate, struct ingot_buffer *out)
{
    Ingot__Wire__Envelope envelope = INGOT__WIRE__ENVELOPE__INIT;
    Ingot__Wire__Qc qc;
    struct tc_parts tc;
    Ingot__Wire__Certificate pb = INGOT__WIRE__CERTIFICATE__INIT;
    INGOT_ASSERT((certificate->qc == NULL) != (certificate->tc == NULL));
    if (certificate->qc != NULL) {
        fill_qc(&qc, certificate->qc);
        pb.qc = &qc;
    } else {
        fill_tc(&tc, certificate->tc);
        pb.tc = &tc.tc;
    }
    envelope.content_case = INGOT__WIRE__ENVELOPE__CONTENT_CERTIFICATE;
    envelope.certificate = &pb;
    pack_append(&envelope.base, out);
}

static void encode_sync_response(const struct sync_response *response, struct ingot_buffer *out)
{
    Ingot__Wire__Envelope envelope = INGOT__WIRE__ENVELOPE__INIT;
    const size_t count = response->block_count;
    struct block_parts *parts = alloc_zeroed(count + 1, sizeof *parts);
    Ingot__Wire__Block **blocks = alloc_zeroed(count + 1, sizeof *blocks);
    for (size_t i = 0; i < count; i++) {
        fill_block(&parts[i], response->blocks[i]);
        blocks[i] = &parts[i].block;
    }
    Ingot__Wire__Qc tail_qc;
    Ingot__Wire__SyncResponse pb = INGOT__WIRE__SYNC_RESPONSE__INIT;
    pb.committed_height = response->committed_height;
    pb.lowest_height = response->lowest_height;
    pb.n_blocks = count;
    pb.blocks = blocks;
    if (response->tail_qc != NULL) {
        fill_qc(&tail_qc, response->tail_qc);
        pb.tail_qc = &tail_qc;
    }
    envelope.content_case = INGOT__WIRE__ENVELOPE__CONTENT_SYNC_RESPONSE;
    envelope.sync_response = &pb;
    pack_append(&envelope.base, out);
    free(blocks);
    free(parts);
}

static void encode_vote(const struct vote *vote, struct ingot_buffer *out)
{
    Ingot__Wire__Envelope envelope = INGOT__WIRE__ENVELOPE__INIT;
    Ingot__Wire__Vote pb;
    fill_vote(&pb, vote);
    envelope.content_case = INGOT__WIRE__ENVELOPE__CONTENT_VOTE;
    envelope.vote = &pb;
    pack_append(&envelope.base, out);
}

static void encode_advertise(const struct advertise *advertise, struct ingot_buffer *out)
{
    Ingot__Wire__Envelope envelope = INGOT__WIRE__ENVELOPE__INIT;
    Ingot__Wire__Qc high_qc;
    Ingot__Wire__Advertise pb = INGOT__WIRE__ADVERTISE__INIT;
    fill_qc(&high_qc, advertise->high_qc);
    pb.committed_height = advertise->committed_height;
    pb.high_qc = &high_qc;
    envelope.content_case = INGOT__WIRE__ENVELOPE__CONTENT_ADVERTISE;
    envelope.advertise = &pb;
    pack_append(&envelope.base, out);
}

static void encode_sync_request(const struct sync_request *request, struct ingot_buffer *out)
{
    Ingot__Wire__Envelope envelope = INGOT__WIRE__ENVELOPE__INIT;
    Ingot__Wire__SyncRequest pb = INGOT__WIRE__SYNC_REQUEST__INIT;
    pb.committed_height = request->committed_height;
    pb.base_height = request->base_height;
    pb.base_block = borrow_hash(&request->base);
    pb.target = borrow_hash(&request->target);
    pb.blocks_max = request->blocks_max;
    pb.bytes_max = request->bytes_max;
    envelope.content_case = INGOT__WIRE__ENVELOPE__CONTENT_SYNC_REQUEST;
    envelope.sync_request = &pb;
    pack_append(&envelope.base, out);
}

static void encode_transactions(const struct transactions *transactions, struct ingot_buffer *out)
{
    Ingot__Wire__Envelope envelope = INGOT__WIRE__ENVELOPE__INIT;
    Ingot__Wire__Transactions pb = INGOT__WIRE__TRANSACTIONS__INIT;
    pb.count = transactions->count;
    pb.packed = pack_borrow(transactions->packed.data, transactions->packed.size);
    pb.committed_height = transactions->committed_height;
    envelope.content_case = INGOT__WIRE__ENVELOPE__CONTENT_TRANSACTIONS;
    envelope.transactions = &pb;
    pack_append(&envelope.base, out);
}

static void encode_transactions_request(const struct transactions_request *request,
                                        struct ingot_buffer *out)
{
    Ingot__Wire__Envelope envelope = INGOT__WIRE__ENVELOPE__INIT;
    Ingot__Wire__TransactionsRequest pb = INGOT__WIRE__TRANSACTIONS_REQUEST__INIT;
    pb.block = borrow_hash(&request->block);
    pb.wanted = pack_borrow(request->wanted.data, request->wanted.size);
    envelope.content_case = INGOT__WIRE__ENVELOPE__CONTENT_TRANSACTIONS_REQUEST;
    envelope.transactions_request = &pb;
    pack_append(&envelope.base, out);
}

static void encode_transactions_response(const struct transactions_response *response,
                                         struct ingot_buffer *out)
{
    Ingot__Wire__Envelope envelope = INGOT__WIRE__ENVELOPE__INIT;
    Ingot__Wire__TransactionsResponse pb = INGOT__WIRE__TRANSACTIONS_RESPONSE__INIT;
    pb.block = borrow_hash(&response->block);
    pb.wanted = pack_borrow(response->wanted.data, response->wanted.size);
    pb.packed = pack_borrow(response->packed.data, response->packed.size);
    envelope.content_case = INGOT__WIRE__ENVELOPE__CONTENT_TRANSACTIONS_RESPONSE;
    envelope.transactions_response = &pb;
    pack_append(&envelope.base, out);
}

void wire_encode(const struct message *message, struct ingot_buffer *out)
{
    switch (message->kind) {
    case MESSAGE_PROPOSE:
        encode_propose(&message->propose, out);
        return;
    case MESSAGE_VOTE:
        encode_vote(&message->vote, out);
        return;
    case MESSAGE_TIMEOUT:
        encode_timeout(&message->timeout, out);
        return;
    case MESSAGE_CERTIFICATE:
        encode_certificate(&message->certificate, out);
        return;
    case MESSAGE_ADVERTISE:
        encode_advertise(&message->advertise, out);
        return;
    case MESSAGE_SYNC_REQUEST:
        encode_sync_request(&message->sync_request, out);
        return;
    case MESSAGE_SYNC_RESPONSE:
        encode_sync_response(&message->sync_response, out);
        return;
    case MESSAGE_TRANSACTIONS:
        encode_transactions(&message->transactions, out);
        return;
    case MESSAGE_NUDGE:
        encode_nudge(&message->nudge, out);
        return;
    case MESSAGE_COMPACT_PROPOSE:
        encode_compact_propose(&message->compact, out);
        return;
    case MESSAGE_TRANSACTIONS_REQUEST:
        encode_transactions_request(&message->transactions_request, out);
        return;
    case MESSAGE_TRANSACTIONS_RESPONSE:
        encode_transactions_response(&message->transactions_response, out);
        return;
    }
    INGOT_ASSERT(false);
}

void wire_encode_block(const struct block *block, struct ingot_buffer *out)
{
    struct block_parts parts;
    fill_block(&parts, block);
    pack_append(&parts.block.base, out);
}

void wire_encode_header(const struct block *block, struct ingot_buffer *out)
{
    struct block_parts parts;
    INGOT_ASSERT(block->height > 0);
    fill_block(&parts, block);
    parts.block.payload = pack_borrow(NULL, 0);
    pack_append(&parts.block.base, out);
}

void wire_encode_qc(const struct qc *qc, struct ingot_buffer *out)
{
    Ingot__Wire__Qc pb;
    fill_qc(&pb, qc);
    pack_append(&pb.base, out);
}

void wire_encode_tc(const struct tc *tc, struct ingot_buffer *out)
{
    struct tc_parts parts;
    fill_tc(&parts, tc);
    pack_append(&parts.tc.base, out);
}

void wire_encode_vote(const struct vote *vote, struct ingot_buffer *out)
{
    Ingot__Wire__Vote pb;
    fill_vote(&pb, vote);
    pack_append(&pb.base, out);
}

void wire_encode_validator_set(const struct validator_set *set, struct ingot_buffer *out)
{
    uint8_t members[INGOT_VALIDATORS_MAX * MEMBER_BYTES];
    Ingot__Wire__ValidatorSet pb = INGOT__WIRE__VALIDATOR_SET__INIT;
    INGOT_ASSERT(set->count <= INGOT_VALIDATORS_MAX);
    for (uint32_t i = 0; i < set->count; i++) {
        uint8_t *member = members + (size_t)i * MEMBER_BYTES;
        memcpy(member, set->validators[i].key.bytes, INGOT_PUBLIC_KEY_BYTES);
        put_u64(member + INGOT_PUBLIC_KEY_BYTES, set->validators[i].power);
    }
    pb.epoch = set->epoch;
    pb.members = pack_borrow(members, (size_t)set->count * MEMBER_BYTES);
    pb.first_view = set->first_view;
    pack_append(&pb.base, out);
}

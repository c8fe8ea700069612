/*
 * Protobuf bytes to core types, field by field, and the checks that need no more than the bytes:
 * lengths, ranges, bitmaps, payloads and roots. unpack.c has made sure that the bytes are
 * canonical.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/mutant.h"
#include "wire/compact.h"
#include "wire/preimage.h"
#include "wire/unpack.h"
#include "wire/wire.h"

#define CLAIM_BYTES (8 + INGOT_SIGNATURE_BYTES)
#define MEMBER_BYTES (INGOT_PUBLIC_KEY_BYTES + 8)

static bool number_ok(uint64_t number)
{
    return number <= WIRE_NUMBER_MAX;
}

/* Views of anything but the genesis block count from 1. */
static bool view_ok(uint64_t view)
{
    return view >= 1 && view <= WIRE_NUMBER_MAX;
}

static bool take_hash(ProtobufCBinaryData from, struct ingot_hash *hash)
{
    return unpack_exactly(from, hash->bytes, sizeof hash->bytes);
}

static bool take_phase(uint32_t from, enum phase *phase)
{
    if (from >= PHASE_COUNT) {
        return false;
    }
    *phase = (enum phase)from;
    return true;
}

/*
 * Takes a bitmap of exactly `validator_count` bits, none set beyond them, with as many set as
 * there are elements of `element_size` in `elements`. At least one is set.
 */
static bool take_signers(uint32_t validator_count, ProtobufCBinaryData bitmap,
                         ProtobufCBinaryData elements, size_t element_size, struct signers *signers)
{
    if (validator_count == 0 || validator_count > INGOT_VALIDATORS_MAX) {
        return false;
    }
    memset(signers, 0, sizeof *signers);
    if (!unpack_exactly(bitmap, signers->bits, ((size_t)validator_count + 7) / 8)) {
        return false;
    }
    if (validator_count % 8 != 0 && !MUTANT(BITMAP_LOOSE) &&
        signers->bits[validator_count / 8] >> (validator_count % 8) != 0) {
        return false;
    }
    return elements.len > 0 && elements.len % element_size == 0 &&
           elements.len / element_size == signers_count(signers);
}

static enum reject genesis_qc_from(const Ingot__Wire__Qc *from, struct qc **qc)
{
    if (from->phase != PHASE_GENERIC || from->epoch != 0 || from->view != 0 ||
        from->block_view != 0 || from->validator_count != 0 || from->signers.len != 0 ||
        from->signatures.len != 0) {
        return REJECT_BAD_GENESIS_QC;
    }
    struct ingot_hash block;
    if (!take_hash(from->block, &block)) {
        return REJECT_MALFORMED;
    }
    *qc = wire_genesis_qc(&block);
    return REJECT_NONE;
}

static enum reject qc_from(const Ingot__Wire__Qc *from, struct qc **qc)
{
    *qc = NULL;
    if (from == NULL) {
        return REJECT_MALFORMED;
    }
    if (from->view == 0 || from->block_view == 0 || from->validator_count == 0) {
        return genesis_qc_from(from, qc);
    }
    enum phase phase;
    struct ingot_hash block;
    struct signers signers;
    if (!take_phase(from->phase, &phase) || !number_ok(from->epoch) || !view_ok(from->view) ||
        !view_ok(from->block_view) || !take_hash(from->block, &block) ||
        !take_signers(from->validator_count, from->signers, from->signatures, INGOT_SIGNATURE_BYTES,
                      &signers)) {
        return REJECT_MALFORMED;
    }
    struct qc *made = qc_new((uint32_t)(from->signatures.len / INGOT_SIGNATURE_BYTES));
    made->phase = phase;
    made->epoch = from->epoch;
    made->view = from->view;
    made->block_view = from->block_view;
    made->block = block;
    made->signers = signers;
    made->validator_count = from->validator_count;
    memcpy(made->signatures, from->signatures.data, from->signatures.len);
    *qc = made;
    return REJECT_NONE;
}

static enum reject tc_from(const Ingot__Wire__Tc *from, struct tc **tc)
{
    *tc = NULL;
    struct signers signers;
    if (from == NULL || !number_ok(from->epoch) || !view_ok(from->view) ||
        !take_signers(from->validator_count, from->signers, from->claims, CLAIM_BYTES, &signers)) {
        return REJECT_MALFORMED;
    }
    struct qc *high_qc;
    const enum reject reject = qc_from(from->high_qc, &high_qc);
    if (reject != REJECT_NONE) {
        return reject;
    }
    struct tc *made = tc_new((uint32_t)(from->claims.len / CLAIM_BYTES));
    made->epoch = from->epoch;
    made->view = from->view;
    made->high_qc = high_qc;
    made->signers = signers;
    made->validator_count = from->validator_count;
    struct ingot_slice rest = ingot_slice_of(from->claims.data, from->claims.len);
    for (uint32_t i = 0; i < made->claim_count; i++) {
        struct tc_claim *claim = &made->claims[i];
        struct ingot_slice signature;
        if (!ingot_slice_take_u64(&rest, &claim->view) ||
            !ingot_slice_take(&rest, INGOT_SIGNATURE_BYTES, &signature) ||
            !number_ok(claim->view)) {
            tc_unref(made);
            return REJECT_MALFORMED;
        }
        memcpy(claim->signature.bytes, signature.data, signature.size);
    }
    *tc = made;
    return REJECT_NONE;
}

/* For a TC that may be left out. */
static enum reject optional_tc_from(const Ingot__Wire__Tc *from, struct tc **tc)
{
    *tc = NULL;
    return from == NULL ? REJECT_NONE : tc_from(from, tc);
}

/* Any voter; the callers say which are possible. */
static enum reject vote_from(const Ingot__Wire__Vote *from, struct vote *vote)
{
    struct vote made = {0};
    if (from == NULL || !number_ok(from->epoch) || !number_ok(from->view) ||
        !take_hash(from->block, &made.block) || !take_phase(from->phase, &made.phase) ||
        !unpack_exactly(from->signature, made.signature.bytes, sizeof made.signature.bytes)) {
        return REJECT_MALFORMED;
    }
    made.epoch = from->epoch;
    made.view = from->view;
    made.voter = from->voter;
    *vote = made;
    return REJECT_NONE;
}

static enum reject sent_vote_from(const Ingot__Wire__Vote *from, struct vote *vote)
{
    const enum reject reject = vote_from(from, vote);
    if (reject != REJECT_NONE) {
        return reject;
    }
    return view_ok(vote->view) && vote->voter < INGOT_VALIDATORS_MAX ? REJECT_NONE
                                                                     : REJECT_MALFORMED;
}

/* The fields of fixed size. */
static bool block_fields_from(const Ingot__Wire__Block *from, struct block *block)
{
    block->version = from->version;
    block->height = from->height;
    block->view = from->view;
    block->time_ms = from->time_ms;
    block->transaction_count = from->transaction_count;
    return from->version == BLOCK_VERSION && number_ok(from->height) && number_ok(from->view) &&
           from->time_ms <= WIRE_TIME_MS_MAX && take_hash(from->chain, &block->chain) &&
           take_hash(from->parent, &block->parent) &&
           unpack_exactly(from->proposer, block->proposer.bytes, sizeof block->proposer.bytes) &&
           take_hash(from->transactions_root, &block->transactions_root) &&
           take_hash(from->updates_hash, &block->updates_hash) &&
           take_hash(from->validators_hash, &block->validators_hash) &&
           take_hash(from->next_validators_hash, &block->next_validators_hash);
}

/* Whether a block keeps the digests; LIGHT: if they weigh no more than its transactions. */
enum digests { DIGESTS_NONE, DIGESTS_LIGHT, DIGESTS_KEPT };

/*
 * The payload against its limits, its count and the block's root; it is moved, not copied. What is
 * about to be executed keeps the digests, so that they are not computed twice.
 */
static enum reject payload_from(const Ingot__Wire__Block *from, struct arena *arena,
                                enum digests digests, struct block *block)
{
    const struct ingot_slice payload = ingot_slice_of(from->payload.data, from->payload.len);
    if (payload.size > INGOT_BLOCK_PAYLOAD_BYTES_MAX ||
        from->transaction_count > INGOT_BLOCK_TRANSACTIONS_MAX ||
        !wire_payload_is_sound(payload, from->transaction_count)) {
        return REJECT_BAD_PAYLOAD;
    }
    struct ingot_hash root;
    const bool is_light = from->transaction_count <= payload.size / sizeof *block->digests;
    if (from->transaction_count > 0 && digests >= (is_light ? DIGESTS_LIGHT : DIGESTS_KEPT)) {
        block->digests = alloc_resize(NULL, block->transaction_count, sizeof *block->digests);
    }
    wire_payload_root(payload, &root, block->digests);
    if (!crypto_hash_equal(&root, &block->transactions_root) && !MUTANT(ROOT_UNCHECKED)) {
        return REJECT_BAD_ROOT;
    }
    arena_take(arena, from->payload, &block->payload);
    return REJECT_NONE;
}

/* The payload is taken out of the arena; without one the block is a header, which has none. */
static enum reject block_content_from(const Ingot__Wire__Block *from, struct arena *arena,
                                      enum digests digests, struct block *block)
{
    if (!block_fields_from(from, block)) {
        return REJECT_MALFORMED;
    }
    if (block->height == 0) {
        if (from->justify != NULL || block->view != 0 || block->transaction_count != 0) {
            return REJECT_MALFORMED;
        }
    } else if (!view_ok(block->view)) {
        return REJECT_MALFORMED;
    } else {
        const enum reject reject = qc_from(from->justify, &block->justify);
        if (reject != REJECT_NONE) {
            return reject;
        }
    }
    enum reject reject = REJECT_NONE;
    if (arena != NULL) {
        reject = payload_from(from, arena, digests, block);
    } else if (block->height == 0 || from->payload.len > 0 ||
               from->transaction_count > INGOT_BLOCK_TRANSACTIONS_MAX) {
        reject = REJECT_BAD_PAYLOAD;
    }
    if (reject == REJECT_NONE) {
        wire_seal_block_header(block);
    }
    return reject;
}

static enum reject block_from(const Ingot__Wire__Block *from, struct arena *arena,
                              enum digests digests, struct block **block)
{
    *block = NULL;
    if (from == NULL) {
        return REJECT_MALFORMED;
    }
    struct block *made = block_new();
    const enum reject reject = block_content_from(from, arena, digests, made);
    if (reject != REJECT_NONE) {
        block_unref(made);
        return reject;
    }
    *block = made;
    return REJECT_NONE;
}

static enum reject sent_block_from(const Ingot__Wire__Block *from, struct arena *arena,
                                   enum digests digests, struct block **block)
{
    *block = NULL;
    return from != NULL && from->height == 0 ? REJECT_MALFORMED
                                             : block_from(from, arena, digests, block);
}

/* On failure the caller frees what has been filled in; so in all functions down to content_from. */
enum reject propose_from(const Ingot__Wire__Vote *vote, const Ingot__Wire__Tc *tc,
                         const Ingot__Wire__Block *block, struct arena *arena,
                         struct propose *propose)
{
    enum reject reject = sent_vote_from(vote, &propose->vote);
    if (reject == REJECT_NONE) {
        reject = optional_tc_from(tc, &propose->tc);
    }
    if (reject == REJECT_NONE) {
        reject = sent_block_from(block, arena, DIGESTS_KEPT, &propose->block);
    }
    return reject;
}

static enum reject nudge_from(const Ingot__Wire__Nudge *from, struct nudge *nudge)
{
    if (!number_ok(from->epoch) || !view_ok(from->view)) {
        return REJECT_MALFORMED;
    }
    nudge->epoch = from->epoch;
    nudge->view = from->view;
    enum reject reject = sent_vote_from(from->vote, &nudge->vote);
    if (reject == REJECT_NONE) {
        reject = optional_tc_from(from->tc, &nudge->tc);
    }
    if (reject == REJECT_NONE) {
        reject = qc_from(from->justify, &nudge->justify);
    }
    return reject;
}

static enum reject timeout_from(const Ingot__Wire__Timeout *from, struct timeout *timeout)
{
    if (!number_ok(from->epoch) || !view_ok(from->view) || from->voter >= INGOT_VALIDATORS_MAX ||
        !unpack_exactly(from->signature, timeout->signature.bytes,
                        sizeof timeout->signature.bytes)) {
        return REJECT_MALFORMED;
    }
    timeout->epoch = from->epoch;
    timeout->view = from->view;
    timeout->voter = from->voter;
    const enum reject reject = qc_from(from->high_qc, &timeout->high_qc);
    return reject == REJECT_NONE ? optional_tc_from(from->tc, &timeout->tc) : reject;
}

static enum reject certificate_from(const Ingot__Wire__Certificate *from,
                                    struct certificate *certificate)
{
    if ((from->qc == NULL) == (from->tc == NULL)) {
        return REJECT_MALFORMED;
    }
    return from->qc != NULL ? qc_from(from->qc, &certificate->qc)
                            : tc_from(from->tc, &certificate->tc);
}

static enum reject advertise_from(const Ingot__Wire__Advertise *from, struct advertise *advertise)
{
    if (!number_ok(from->committed_height)) {
        return REJECT_MALFORMED;
    }
    advertise->committed_height = from->committed_height;
    return qc_from(from->high_qc, &advertise->high_qc);
}

static enum reject sync_request_from(const Ingot__Wire__SyncRequest *from,
                                     struct sync_request *request)
{
    if (!number_ok(from->committed_height) || !number_ok(from->base_height) ||
        !take_hash(from->base_block, &request->base) ||
        !take_hash(from->target, &request->target)) {
        return REJECT_MALFORMED;
    }
    request->committed_height = from->committed_height;
    request->base_height = from->base_height;
    request->blocks_max = from->blocks_max;
    request->bytes_max = from->bytes_max;
    return REJECT_NONE;
}

static enum reject sync_response_from(const Ingot__Wire__SyncResponse *from, struct arena *arena,
                                      struct sync_response *response)
{
    if (from->n_blocks > INGOT_SYNC_BLOCKS_MAX) {
        return REJECT_OVERSIZE;
    }
    if (!number_ok(from->committed_height) || !number_ok(from->lowest_height)) {
        return REJECT_MALFORMED;
    }
    response->committed_height = from->committed_height;
    response->lowest_height = from->lowest_height;
    if (from->n_blocks > 0) {
        response->blocks = alloc_zeroed(from->n_blocks, sizeof *response->blocks);
    }
    for (size_t i = 0; i < from->n_blocks; i++) {
        const enum reject reject =
            sent_block_from(from->blocks[i], arena, DIGESTS_LIGHT, &response->blocks[i]);
        if (reject != REJECT_NONE) {
            return reject;
        }
        response->block_count++;
    }
    return from->tail_qc == NULL ? REJECT_NONE : qc_from(from->tail_qc, &response->tail_qc);
}

static bool kind_from(Ingot__Wire__Envelope__ContentCase from, enum message_kind *kind)
{
    switch (from) {
    case INGOT__WIRE__ENVELOPE__CONTENT_PROPOSE:
        *kind = MESSAGE_PROPOSE;
        return true;
    case INGOT__WIRE__ENVELOPE__CONTENT_VOTE:
        *kind = MESSAGE_VOTE;
        return true;
    case INGOT__WIRE__ENVELOPE__CONTENT_TIMEOUT:
        *kind = MESSAGE_TIMEOUT;
        return true;
    case INGOT__WIRE__ENVELOPE__CONTENT_CERTIFICATE:
        *kind = MESSAGE_CERTIFICATE;
        return true;
    case INGOT__WIRE__ENVELOPE__CONTENT_ADVERTISE:
        *kind = MESSAGE_ADVERTISE;
        return true;
    case INGOT__WIRE__ENVELOPE__CONTENT_SYNC_REQUEST:
        *kind = MESSAGE_SYNC_REQUEST;
        return true;
    case INGOT__WIRE__ENVELOPE__CONTENT_SYNC_RESPONSE:
        *kind = MESSAGE_SYNC_RESPONSE;
        return true;
    case INGOT__WIRE__ENVELOPE__CONTENT_TRANSACTIONS:
        *kind = MESSAGE_TRANSACTIONS;
        return true;
    case INGOT__WIRE__ENVELOPE__CONTENT_NUDGE:
        *kind = MESSAGE_NUDGE;
        return true;
    case INGOT__WIRE__ENVELOPE__CONTENT_COMPACT_PROPOSE:
        *kind = MESSAGE_COMPACT_PROPOSE;
        return true;
    case INGOT__WIRE__ENVELOPE__CONTENT_TRANSACTIONS_REQUEST:
        *kind = MESSAGE_TRANSACTIONS_REQUEST;
        return true;
    case INGOT__WIRE__ENVELOPE__CONTENT_TRANSACTIONS_RESPONSE:
        *kind = MESSAGE_TRANSACTIONS_RESPONSE;
        return true;
    case INGOT__WIRE__ENVELOPE__CONTENT__NOT_SET:
    case _INGOT__WIRE__ENVELOPE__CONTENT__CASE_IS_INT_SIZE:
        return false;
    }
    return false;
}

static enum reject content_from(const Ingot__Wire__Envelope *from, struct arena *arena,
                                struct message *message)
{
    switch (message->kind) {
    case MESSAGE_PROPOSE:
        return propose_from(from->propose->vote, from->propose->tc, from->propose->block, arena,
                            &message->propose);
    case MESSAGE_VOTE:
        return sent_vote_from(from->vote, &message->vote);
    case MESSAGE_TIMEOUT:
        return timeout_from(from->timeout, &message->timeout);
    case MESSAGE_CERTIFICATE:
        return certificate_from(from->certificate, &message->certificate);
    case MESSAGE_ADVERTISE:
        return advertise_from(from->advertise, &message->advertise);
    case MESSAGE_SYNC_REQUEST:
        return sync_request_from(from->sync_request, &message->sync_request);
    case MESSAGE_SYNC_RESPONSE:
        return sync_response_from(from->sync_response, arena, &message->sync_response);
    case MESSAGE_TRANSACTIONS:
        return transactions_from(from->transactions, arena, &message->transactions);
    case MESSAGE_NUDGE:
        return nudge_from(from->nudge, &message->nudge);
    case MESSAGE_COMPACT_PROPOSE:
        return compact_propose_from(from->compact_propose, arena, &message->compact);
    case MESSAGE_TRANSACTIONS_REQUEST:
        return transactions_request_from(from->transactions_request, arena,
                                         &message->transactions_request);
    case MESSAGE_TRANSACTIONS_RESPONSE:
        return transactions_response_from(from->transactions_response, arena,
                                          &message->transactions_response);
    }
    return REJECT_MALFORMED;
}

enum reject wire_decode(struct ingot_slice bytes, struct message **message)
{
    *message = NULL;
    struct arena arena;
    ProtobufCMessage *unpacked;
    enum reject reject = unpack(&ingot__wire__envelope__descriptor, bytes, &arena, &unpacked);
    if (reject != REJECT_NONE) {
        return reject;
    }
    const Ingot__Wire__Envelope *envelope = (const Ingot__Wire__Envelope *)unpacked;
    enum message_kind kind;
    if (!kind_from(envelope->content_case, &kind)) {
        arena_deinit(&arena);
        return REJECT_MALFORMED;
    }
    struct message *made = message_new(kind);
    reject = content_from(envelope, &arena, made);
    arena_deinit(&arena);
    if (reject != REJECT_NONE) {
        message_unref(made);
        return reject;
    }
    *message = made;
    return REJECT_NONE;
}

static enum reject decode_block(struct ingot_slice bytes, bool is_header, struct block **block)
{
    *block = NULL;
    struct arena arena;
    ProtobufCMessage *unpacked;
    enum reject reject = unpack(&ingot__wire__block__descriptor, bytes, &arena, &unpacked);
    if (reject == REJECT_NONE) {
        reject = block_from((const Ingot__Wire__Block *)unpacked, is_header ? NULL : &arena,
                            DIGESTS_NONE, block);
        arena_deinit(&arena);
    }
    return reject;
}

enum reject wire_decode_block(struct ingot_slice bytes, struct block **block)
{
    return decode_block(bytes, false, block);
}

enum reject wire_decode_header(struct ingot_slice bytes, struct block **block)
{
    return decode_block(bytes, true, block);
}

enum reject wire_decode_qc(struct ingot_slice bytes, struct qc **qc)
{
    *qc = NULL;
    struct arena arena;
    ProtobufCMessage *unpacked;
    enum reject reject = unpack(&ingot__wire__qc__descriptor, bytes, &arena, &unpacked);
    if (reject == REJECT_NONE) {
        reject = qc_from((const Ingot__Wire__Qc *)unpacked, qc);
        arena_deinit(&arena);
    }
    return reject;
}

enum reject wire_decode_tc(struct ingot_slice bytes, struct tc **tc)
{
    *tc = NULL;
    struct arena arena;
    ProtobufCMessage *unpacked;
    enum reject reject = unpack(&ingot__wire__tc__descriptor, bytes, &arena, &unpacked);
    if (reject == REJECT_NONE) {
        reject = tc_from((const Ingot__Wire__Tc *)unpacked, tc);
        arena_deinit(&arena);
    }
    return reject;
}

enum reject wire_decode_vote(struct ingot_slice bytes, struct vote *vote)
{
    struct arena arena;
    ProtobufCMessage *unpacked;
    enum reject reject = unpack(&ingot__wire__vote__descriptor, bytes, &arena, &unpacked);
    if (reject == REJECT_NONE) {
        reject = vote_from((const Ingot__Wire__Vote *)unpacked, vote);
        arena_deinit(&arena);
    }
    return reject;
}

static enum reject set_from(const Ingot__Wire__ValidatorSet *from, struct validator_set **set)
{
    struct ingot_validator members[INGOT_VALIDATORS_MAX];
    const size_t count = from->members.len / MEMBER_BYTES;
    if (!number_ok(from->epoch) || !view_ok(from->first_view) ||
        from->members.len % MEMBER_BYTES != 0 || count > INGOT_VALIDATORS_MAX) {
        return REJECT_MALFORMED;
    }
    struct ingot_slice rest = ingot_slice_of(from->members.data, from->members.len);
    for (size_t i = 0; i < count; i++) {
        struct ingot_slice key;
        if (!ingot_slice_take(&rest, INGOT_PUBLIC_KEY_BYTES, &key) ||
            !ingot_slice_take_u64(&rest, &members[i].power)) {
            return REJECT_MALFORMED;
        }
        memcpy(members[i].key.bytes, key.data, key.size);
        if (i > 0 && memcmp(members[i - 1].key.bytes, key.data, key.size) >= 0) {
            return REJECT_NOT_CANONICAL;
        }
    }
    const char *why;
    *set = validator_set_new(from->epoch, members, (uint32_t)count, &why);
    if (*set == NULL) {
        return REJECT_MALFORMED;
    }
    (*set)->first_view = from->first_view;
    wire_seal_set(*set);
    return REJECT_NONE;
}

enum reject wire_decode_validator_set(struct ingot_slice bytes, struct validator_set **set)
{
    *set = NULL;
    struct arena arena;
    ProtobufCMessage *unpacked;
    enum reject reject = unpack(&ingot__wire__validator_set__descriptor, bytes, &arena, &unpacked);
    if (reject == REJECT_NONE) {
        reject = set_from((const Ingot__Wire__ValidatorSet *)unpacked, set);
        arena_deinit(&arena);
    }
    return reject;
}

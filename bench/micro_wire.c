/*
 * What goes over the wire: a block and the proposal of it, and answers to sync requests.
 */
#include "base/assert.h"
#include "bench/micro.h"
#include "lib/wire_samples.h"
#include "wire/verify.h"
#include "wire/wire.h"

#define SYNC_BLOCKS 256
/* As many sign a certificate as in a network of four. */
#define SIGNERS 3

static struct samples samples;
static struct verifier verifier;
static struct block *block;
static struct message *message;
static struct ingot_buffer bytes;

static struct validator_set *only_set(void *context, uint64_t epoch)
{
    (void)context;
    return epoch == 0 ? samples.set : NULL;
}

static void begin_verifier(void)
{
    verifier_init(&verifier, &samples.chain, &crypto_ed25519, only_set, NULL);
}

static bool begin_block(const char *argument)
{
    const struct ingot_hash parent = samples_hash(1);
    (void)argument;
    samples_init(&samples, &crypto_ed25519, SIGNERS + 1, 0, 1);
    struct qc *justify = samples_qc(&samples, (1U << SIGNERS) - 1, 1, 1, &parent, PHASE_GENERIC);
    block = samples_block(&samples, justify, 2, 2, MICRO_BLOCK_TXS, MICRO_TX_BYTES);
    wire_encode_block(block, &bytes);
    return true;
}

static void encode_block(void)
{
    ingot_buffer_clear(&bytes);
    wire_encode_block(block, &bytes);
}

static void decode_block(void)
{
    struct block *decoded = NULL;
    const enum reject reject = wire_decode_block(ingot_buffer_slice(&bytes), &decoded);
    INGOT_ASSERT(reject == REJECT_NONE);
    block_unref(decoded);
}

static void payload_root(void)
{
    struct ingot_hash root;
    wire_payload_root(ingot_buffer_slice(&block->payload), &root, NULL);
}

static void end(void)
{
    message_unref(message);
    block_unref(block);
    message = NULL;
    block = NULL;
    ingot_buffer_deinit(&bytes);
    samples_deinit(&samples);
}

/* The block as its proposer sends it: three signatures of its justify, and the proposer's own. */
static bool begin_proposal(const char *argument)
{
    if (!begin_block(argument))
        return false;
    message = samples_propose(&samples, block, NULL);
    block = NULL;
    ingot_buffer_clear(&bytes);
    wire_encode(message, &bytes);
    return true;
}

static void encode_proposal(void)
{
    ingot_buffer_clear(&bytes);
    wire_encode(message, &bytes);
}

static void take_proposal(void)
{
    struct message *decoded = NULL;
    enum reject reject = wire_decode(ingot_buffer_slice(&bytes), &decoded);
    INGOT_ASSERT(reject == REJECT_NONE);
    reject = verify_message(&verifier, decoded);
    INGOT_ASSERT(reject == REJECT_NONE);
    message_unref(decoded);
}

/*
 * What a node that catches up spends on each block before it executes it. Beside it stands three
 * times ed25519's own row.
 */
static bool begin_sync(const char *argument)
{
    (void)argument;
    samples_init(&samples, &crypto_ed25519, SIGNERS, 0, 1);
    message = samples_sync_response(&samples, SYNC_BLOCKS);
    wire_encode(message, &bytes);
    begin_verifier();
    return true;
}

static void decode_sync(void)
{
    struct message *decoded = NULL;
    const enum reject reject = wire_decode(ingot_buffer_slice(&bytes), &decoded);
    INGOT_ASSERT(reject == REJECT_NONE);
    message_unref(decoded);
}

static void verify_sync(void)
{
    uint32_t certified_count;
    const enum reject reject =
        verify_sync_prefix(&verifier, &message->sync_response, 0, NULL, &certified_count);
    INGOT_ASSERT(reject == REJECT_NONE && certified_count == SYNC_BLOCKS);
    /* All of them, each time: far more than are remembered. */
    INGOT_ASSERT(verifier.certificates_remembered == 0);
}

const struct micro_row micro_wire_rows[] = {
    {"encode-block", "encode a block of 1000 transactions", 1, NULL, begin_block, NULL,
     encode_block, end},
    {"decode-block", "decode a block of 1000 transactions", 1, NULL, begin_block, NULL,
     decode_block, end},
    {"payload-root", "Merkle root of 1000 transactions", 1, NULL, begin_block, NULL, payload_root,
     end},
    {"encode-proposal", "encode a proposal of 1000 transactions", 1, NULL, begin_proposal, NULL,
     encode_proposal, end},
    {"take-proposal", "decode and verify a proposal of 1000 transactions", 1, NULL, begin_proposal,
     begin_verifier, take_proposal, end},
    {"decode-sync", "decode an answer to a sync request; a block", SYNC_BLOCKS, NULL, begin_sync,
     NULL, decode_sync, end},
    {"verify-sync", "verify an answer to a sync request; a block", SYNC_BLOCKS, NULL, begin_sync,
     NULL, verify_sync, end},
    {.id = NULL}};

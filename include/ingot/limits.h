/**
 * Every limit of the system, in one place, with the relations between them.
 */
#ifndef INGOT_LIMITS_H
#define INGOT_LIMITS_H

#include <assert.h>

/* Validator sets. */
#define INGOT_VALIDATORS_MAX 256
#define INGOT_TOTAL_POWER_MAX (UINT64_C(1) << 60)
#define INGOT_CHAIN_ID_BYTES_MAX 50

/* Transactions and blocks. A block's payload is its packed transactions: for each a
 * 4-byte length and the bytes. Genesis may set lower limits, never higher ones. */
#define INGOT_TRANSACTION_BYTES_MAX (1024 * 1024)
#define INGOT_BLOCK_PAYLOAD_BYTES_MAX (4 * 1024 * 1024)
#define INGOT_BLOCK_PAYLOAD_BYTES_DEFAULT (1024 * 1024)
#define INGOT_BLOCK_TRANSACTIONS_MAX 65536
#define INGOT_STATE_KEY_BYTES_MAX 480
#define INGOT_STATE_VALUE_BYTES_MAX (1024 * 1024)
#define INGOT_RESULT_LOG_BYTES_MAX 256
#define INGOT_RESULT_DATA_BYTES_MAX 1024
/* All results of a block together: no more for tiny transactions than for large ones. A rule of
 * validity, so it is the same everywhere. */
#define INGOT_BLOCK_RESULT_BYTES_MAX (16 * 1024 * 1024)

/* The signing App: what a transaction may hold; a rule of validity. */
#define INGOT_SIGNING_PAYLOAD_BYTES_MAX (64 * 1024)
#define INGOT_SIGNING_NONCE_BYTES_MAX 32

/* The replay window: whichever of the two is reached first. */
#define INGOT_REPLAY_WINDOW_BLOCKS_DEFAULT 256
#define INGOT_REPLAY_WINDOW_BLOCKS_MAX 65536
#define INGOT_REPLAY_WINDOW_TRANSACTIONS (1024 * 1024)

/* Pacemaker. */
#define INGOT_LEADER_TENURE_DEFAULT 4 /* of a genesis that leaves it out; its hash covers it */
#define INGOT_LEADER_TENURE_NEW 16    /* what the genesis of a new network says */
#define INGOT_LEADER_TENURE_MAX 1024
#define INGOT_BASE_TIMEOUT_MS_MAX 60000
#define INGOT_TIMEOUT_FACTOR_MAX 8

/* Frames between peers: a 4-byte little-endian length, then one protobuf message. */
#define INGOT_FRAME_BYTES_MAX (6 * 1024 * 1024)
#define INGOT_PEERS_MAX 512
#define INGOT_PEER_QUEUE_BYTES_MIN (INGOT_FRAME_BYTES_MAX + 4) /* one largest frame */
#define INGOT_PEER_QUEUE_BYTES_MAX (32 * 1024 * 1024)

/* What a peer may make the core keep. */
#define INGOT_PENDING_BYTES_PER_PEER_MAX (8 * 1024 * 1024)
#define INGOT_ORPHANS_PER_PEER_MAX 8 /* proposals whose parent is on its way */
#define INGOT_WITNESSED_VIEWS 16     /* in which a member's votes are compared; half of them past */

/* Evidence that a validator voted twice, kept for good: of each, and of as many as a set can have.
 */
#define INGOT_EVIDENCE_PER_VALIDATOR_MAX 64
#define INGOT_EVIDENCE_MAX (INGOT_VALIDATORS_MAX * INGOT_EVIDENCE_PER_VALIDATOR_MAX)

#define INGOT_TREE_BLOCKS_MAX 4096
#define INGOT_TREE_BYTES_MAX (64 * 1024 * 1024)

/* One answer to a sync request. */
#define INGOT_SYNC_BLOCKS_MAX 512
#define INGOT_SYNC_BYTES_MAX (INGOT_BLOCK_PAYLOAD_BYTES_MAX + 512 * 1024)

/* A proposal with no more than this brings all its transactions; a larger one may name them. */
#define INGOT_COMPACT_PAYLOAD_BYTES_MIN 4096

/* Mempool and clients. */
#define INGOT_TRANSACTION_BATCH_BYTES_MAX (256 * 1024 + INGOT_TRANSACTION_BYTES_MAX)
#define INGOT_TRANSACTION_BATCH_COUNT_MAX 8192 /* each is hashed and checked in one turn */
#define INGOT_RPC_HEADER_BYTES_MAX (16 * 1024)
#define INGOT_RPC_BODY_BYTES_MAX (2 * 1024 * 1024)
#define INGOT_RPC_CONNECTIONS_MAX 256
#define INGOT_RPC_TRANSACTIONS_MAX 4096 /* in one request of POST /transactions */

/* Broadcast protocols. An id names a round or a message of its originator; an attachment travels
 * with one message, such as a signature in a COMMIT. Shares are a validator's signatures for a
 * block. */
#define INGOT_BROADCAST_ID_BYTES_MAX 64
#define INGOT_BROADCAST_PAYLOAD_BYTES_MAX (256 * 1024)
#define INGOT_BROADCAST_ATTACHMENT_BYTES_MAX 1024
#define INGOT_SHARES_BYTES_MAX (INGOT_BLOCK_TRANSACTIONS_MAX * 64 + 4096)
#define INGOT_SHARE_REQUEST_HEIGHTS_MAX 64
/* Of quorum broadcast, of all originators together; each has an equal part. */
#define INGOT_BROADCAST_ROUNDS_MAX 1024 /* in flight, and as many that are finished */
#define INGOT_BROADCAST_ROUNDS_PER_ORIGINATOR_MIN 4
#define INGOT_BROADCAST_BYTES_MAX (64 * 1024 * 1024) /* payloads of rounds in flight */
#define INGOT_BROADCAST_REMEMBERED_MAX 65536         /* what was chosen in rounds that have gone */
/* Of full gossip. */
#define INGOT_GOSSIP_ORIGINATORS_MAX (2 * INGOT_VALIDATORS_MAX)
#define INGOT_GOSSIP_DIGESTS_PER_ORIGINATOR 1024
#define INGOT_GOSSIP_RECENT_MAX 256 /* own messages that are sent again */
#define INGOT_GOSSIP_RECENT_BYTES_MAX (8 * 1024 * 1024)

static_assert(INGOT_BLOCK_PAYLOAD_BYTES_DEFAULT <= INGOT_BLOCK_PAYLOAD_BYTES_MAX,
              "the default block fits the largest block");
static_assert(INGOT_TRANSACTION_BYTES_MAX + 4 <= INGOT_BLOCK_PAYLOAD_BYTES_MAX,
              "the largest transaction fits a block");
static_assert(INGOT_SYNC_BYTES_MAX + 256 * 1024 <= INGOT_FRAME_BYTES_MAX,
              "a sync response with its certificates fits a frame");
static_assert(INGOT_BLOCK_PAYLOAD_BYTES_MAX + 256 * 1024 <= INGOT_FRAME_BYTES_MAX,
              "a proposal with its certificates fits a frame");
static_assert(INGOT_BLOCK_TRANSACTIONS_MAX / 8 + INGOT_BLOCK_PAYLOAD_BYTES_MAX + 256 * 1024 <=
                  INGOT_FRAME_BYTES_MAX,
              "a proposal with names, each shorter than its transaction, fits a frame");
static_assert(INGOT_PEER_QUEUE_BYTES_MIN <= INGOT_PEER_QUEUE_BYTES_MAX,
              "the largest frame fits a peer's queue");
static_assert(INGOT_RESULT_DATA_BYTES_MAX + INGOT_RESULT_LOG_BYTES_MAX <
                  INGOT_BLOCK_RESULT_BYTES_MAX,
              "the largest result fits a block");
static_assert(INGOT_RPC_BODY_BYTES_MAX * 3 / 4 > INGOT_TRANSACTION_BYTES_MAX,
              "the largest transaction fits a request as base64");
static_assert(INGOT_SHARES_BYTES_MAX + 4096 <= INGOT_FRAME_BYTES_MAX,
              "the shares of the fullest block fit a frame");
static_assert(INGOT_BROADCAST_PAYLOAD_BYTES_MAX + INGOT_BROADCAST_ATTACHMENT_BYTES_MAX + 4096 <=
                  INGOT_FRAME_BYTES_MAX,
              "the largest broadcast fits a frame");
static_assert(INGOT_BROADCAST_PAYLOAD_BYTES_MAX <= INGOT_BROADCAST_BYTES_MAX / INGOT_VALIDATORS_MAX,
              "each originator's part holds the largest payload");
static_assert(INGOT_BROADCAST_ROUNDS_PER_ORIGINATOR_MIN * INGOT_VALIDATORS_MAX <=
                  INGOT_BROADCAST_ROUNDS_MAX,
              "each originator has its least number of rounds in flight");

#endif

/*
 * The attestor: turns what committed transactions ask to be signed (struct ingot_app, `attest`)
 * into attestations (attest/attestation.h).
 *
 * Each block with statements is *entered*: its statements become durable, our validator signs them
 * if it is in the set of the block's epoch, and its signatures travel as one *share*, by full
 * gossip. The signatures of a quorum over a statement are an attestation; it goes to the signatures
 * file and then to the ledger, and when both are durable it is reported. Until then the statement
 * is *pending*. What is lost on the way is asked for again on ticks. Once so many validators have
 * declined a statement that no quorum can come together, it is *refused*, and not pursued any more.
 *
 * Like the replica it has explicit inputs and outputs: no socket, no clock, and of files only the
 * signatures file. What must be durable goes into the ledger's open batch.
 *
 *   attestor.c         its life, and the order in which things are done
 *   attestor_record.c  the bytes of its records
 *   attestor_block.c   entered blocks: in memory while there is room, else in the table
 *   attestor_share.c   signatures: ours are made, those of others verified, a part in each turn
 *   attestor_message.c what comes from peers and goes to them
 *   attestor_own.c     our own shares: which are still due, and their way to each peer
 *   attestor_repair.c  asking for what is pending, and answering who asks
 *   attestor_late.c    asking for what is missing of blocks that are done
 *   attestor_file.c    the signatures file, and how it is kept in step with the table
 *   attestor_query.c   what clients see
 * attestor_status.h has what it counts.
 */
#ifndef INGOT_NODE_ATTESTOR_H
#define INGOT_NODE_ATTESTOR_H

#include <ingot/app.h>
#include <ingot/network.h>

#include "attest/attestation.h"
#include "node/attestor_status.h"
#include "node/ledger.h"
#include "node/replica.h"
#include "wire/crypto.h"

struct attestor;

struct attestor_output {
    void *context;
    /* The set of an epoch, or NULL while it is not known. Borrowed. */
    struct validator_set *(*find_set)(void *context, uint64_t epoch);
    /* Queues a frame; false when there is no room now. The slice is borrowed. */
    bool (*send)(void *context, uint32_t peer, struct ingot_slice frame);
    /* Call attestor_flush soon: there is more to do than one turn should take. */
    void (*wake)(void *context);
    /* Call attestor_tick at this time; replaces the earlier wish. */
    void (*arm)(void *context, uint64_t deadline_ms);
    /* Makes the ledger's open batch durable (replica_sync). False: it failed, and the process has
     * to stop. */
    bool (*sync)(void *context);
    /* An attestation is durable. `json` is its line, borrowed. */
    void (*attested)(void *context, uint64_t height, const struct statement_id *id,
                     struct ingot_slice json);
    /* Too many have declined this statement, and that is durable. */
    void (*refused)(void *context, uint64_t height, const struct statement_id *id);
    uint64_t (*monotonic_ms)(void *context);
    /* It cannot go on; `why` is a sentence. Nothing more is done. */
    void (*stopped)(void *context, enum replica_stop stop, const char *why);
};

/* Zero means the default, which is given for each. */
struct attestor_limits {
    uint32_t turn_signatures; /* made or verified in one turn; 64 */
    size_t memory_bytes;      /* of entered blocks; 64 MiB */
    size_t voter_bytes;       /* shares of one validator that wait; 8 MiB */
    uint32_t voter_shares;    /* the same in number; 512 */
    uint64_t heights_ahead;   /* how far ahead of ours a share's block may be; 512 */
};

struct attestor_options {
    struct ledger *ledger;       /* borrowed */
    const struct ingot_app *app; /* borrowed; it has `attest` */
    const char *chain_id;        /* copied */
    uint8_t genesis[32];         /* SHA-256 of the canonical genesis */
    struct ingot_hash chain;     /* the genesis hash */
    const char *file_path;       /* of the signatures file; copied */
    const struct crypto_scheme *scheme;
    bool has_key;
    struct ingot_public_key key;
    struct crypto_secret_key secret; /* copied; wiped by attestor_free */
    struct attestor_limits limits;
    struct attestor_output output;
};

/*
 * Takes up where the table has it: enters the committed blocks that are not entered yet, and brings
 * the signatures file and the table in step. Everything that it put is durable when this returns.
 *
 * Returns INGOT_OK; INGOT_ERROR_CORRUPT, the error of signatures_file_open or that of the store,
 * with a sentence in `why`.
 */
INGOT_MUST_USE enum ingot_error attestor_open(const struct attestor_options *options,
                                              struct attestor **attestor, char *why,
                                              size_t why_size);
/* NULL is fine. */
void attestor_free(struct attestor *attestor);

/* The next committed block, which is durable. Puts, but makes nothing durable itself. */
void attestor_committed(struct attestor *attestor, const struct block *block,
                        const struct execution *execution);
/* A peer that has come up, or gone. */
void attestor_connected(struct attestor *attestor, uint32_t peer, bool is_connected);
/* A frame for which wire_is_broadcast is true. Rejections are counted by reason. */
void attestor_receive(struct attestor *attestor, uint32_t peer, struct ingot_slice frame);
/* The time that was asked for with `arm` has come; a turn follows. */
void attestor_tick(struct attestor *attestor);
/* A turn: signs and verifies a part of what waits, makes complete attestations durable and reports
 * them. Not while the replica's effects are being performed. */
void attestor_flush(struct attestor *attestor);

/* What became of a statement. */
enum attest_state {
    ATTEST_UNKNOWN, /* there is no such statement in an entered block */
    ATTEST_PENDING,
    ATTEST_REFUSED,
    ATTEST_COMPLETE
};
/*
 * Of a committed block, by id, also before it is durable. ATTEST_COMPLETE: durable and reported,
 * and the attestation is appended to `json`, which may be NULL.
 */
enum attest_state attestor_find(struct attestor *attestor, uint64_t height,
                                const struct statement_id *id, struct ingot_buffer *json);

/* Is this path of abci_query answered here? */
bool attestor_answers(struct ingot_slice path);
/* Answers it; docs/rpc.md has the paths. */
void attestor_query(struct attestor *attestor, struct ingot_slice path, struct ingot_slice data,
                    struct ingot_query_response *response);

void attestor_get_status(const struct attestor *attestor, struct attestor_status *status);

#endif

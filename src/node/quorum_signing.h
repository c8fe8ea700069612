/*
 * The signing callback of quorum broadcast: our COMMIT carries our signature over the statement
 * (genesis, genesis set, id, digest of the payload; height 0, time 0), those of others are verified
 * before they count, and a quorum's make one attestation, which goes to the signatures file.
 *
 * What was signed binds for ever: the payload that we say COMMIT for in a round is noted in the
 * store, and durable before the COMMIT may leave; another one of the same round is refused, and the
 * same one is signed again, which gives the same signature. An id is its originator's: what another
 * originator does under it is another round. PREPAREs are forgotten with the process;
 * docs/broadcast.md says why that is safe.
 */
#ifndef INGOT_NODE_QUORUM_SIGNING_H
#define INGOT_NODE_QUORUM_SIGNING_H

#include "broadcast/callbacks.h"
#include "config/genesis.h"
#include "node/signed_records.h"
#include "wire/crypto.h"

struct quorum_signing_options {
    const char *path;                       /* of the signatures file; borrowed for the call */
    struct ingot_store *store;              /* of quorum_store_tables; borrowed */
    const struct genesis *genesis;          /* borrowed */
    const struct validator_set *set;        /* the genesis set; borrowed */
    const struct crypto_scheme *scheme;     /* borrowed */
    const struct crypto_secret_key *secret; /* NULL: an observer, which signs nothing; borrowed */
    uint64_t payload_bytes_max;             /* of what we sign */
};

struct quorum_signing;

/* INGOT_OK, or the error of quorum_store_open or signed_records_open with a sentence in `why`. */
INGOT_MUST_USE enum ingot_error quorum_signing_open(const struct quorum_signing_options *options,
                                                    struct quorum_signing **signing, char *why,
                                                    size_t why_size);
/* NULL is fine. */
void quorum_signing_close(struct quorum_signing *signing);

struct broadcast_callbacks quorum_signing_callbacks(struct quorum_signing *signing);

/* Why the last start was refused: a sentence. Borrowed. */
const char *quorum_signing_why(const struct quorum_signing *signing);

/*
 * Makes what `commit` and `committed` have noted durable: due before our COMMIT leaves, and before
 * a delivery is reported. As signed_records_sync; after INGOT_ERROR_NO_SPACE nothing is signed and
 * no round ends until a later call has succeeded.
 */
INGOT_MUST_USE enum ingot_error quorum_signing_sync(struct quorum_signing *signing);

struct signed_records *quorum_signing_records(struct quorum_signing *signing);
/* Signatures over statements. */
const struct crypto_counters *quorum_signing_counters(const struct quorum_signing *signing);

#endif

/*
 * What the attestor (attestor.h) counts, for status and metrics.
 */
#ifndef INGOT_NODE_ATTESTOR_STATUS_H
#define INGOT_NODE_ATTESTOR_STATUS_H

#include <stdint.h>

/* Why a share or a request was not used. */
enum attest_reject {
    ATTEST_REJECT_NONE,
    ATTEST_REJECT_MALFORMED,     /* the frame, or the share in it, does not decode */
    ATTEST_REJECT_UNKNOWN_EPOCH, /* that set is not known here yet */
    ATTEST_REJECT_STRANGER,      /* no member of its epoch's set */
    ATTEST_REJECT_SIGNATURE,     /* of the message: forged, or of another chain or set */
    ATTEST_REJECT_REPEATED,  /* nothing new in it, or of a validator that lied about this block */
    ATTEST_REJECT_FAR,       /* of a height that is too far ahead to be kept */
    ATTEST_REJECT_FULL,      /* this validator has too much waiting here already */
    ATTEST_REJECT_MISMATCH,  /* not the block's epoch or number of statements */
    ATTEST_REJECT_STATEMENT, /* one of the signatures in it does not verify */
    ATTEST_REJECT_TOO_OFTEN, /* a request while the one before it is not answered */
    ATTEST_REJECT_COUNT
};

/* As a metrics label. */
const char *attest_reject_text(enum attest_reject reject);

/* Gauges and counters; the counters but for `attested` since the start of the process. */
struct attestor_status {
    uint64_t attested;        /* statements with an attestation, ever */
    uint64_t pending;         /* statements that wait for one */
    uint64_t refused;         /* statements that too many have declined, ever */
    uint64_t held_bytes;      /* shares that wait for their turn or for their block */
    uint64_t memory_bytes;    /* entered blocks that are held in memory */
    uint64_t signatures;      /* made */
    uint64_t verifications;   /* of signatures, those of messages included */
    uint64_t shares_received; /* that were used */
    uint64_t shares_sent;
    uint64_t requests_sent;
    uint64_t requests_answered;
    uint64_t file_retries; /* the disk was full */
    uint64_t rejected[ATTEST_REJECT_COUNT];
};

#endif

/*
 * Shares of a bad member, for the tests of attestors: properly signed around signatures of
 * something else, or with more that is wrong about them.
 */
#ifndef INGOT_TESTS_ATTESTOR_FORGERY_H
#define INGOT_TESTS_ATTESTOR_FORGERY_H

#include "lib/attestor_cluster.h"

struct attestor_forgery {
    uint32_t sender; /* whom it claims to be from */
    uint32_t signer; /* whose key signs the message */
    bool is_of_other_chain;
    uint64_t epoch;
    uint64_t height;
    uint32_t count;   /* of signatures */
    const char *what; /* they are over this text; NULL: any */
};

/* Replaces what is in `frame`. */
void attestor_forge(const struct attestor_cluster *cluster, const struct attestor_forgery *forgery,
                    struct ingot_buffer *frame);

#endif

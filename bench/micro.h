/*
 * The micro benchmarks: what a validator's building blocks cost, each alone on one processor.
 *
 *   micro.c          runs rows and prints them
 *   micro_crypto.c   signatures and hashes
 *   micro_wire.c     blocks, proposals and answers to sync requests: encoded, decoded, verified
 *   micro_node.c     admission, mempool, building, validating and storing of blocks
 *   micro_network.c  four replicas: all of a transaction's way from its client to the disk
 *   micro_rpc.c      a client's request and its answer
 *   micro_store.c    the stores alone
 */
#ifndef INGOT_BENCH_MICRO_H
#define INGOT_BENCH_MICRO_H

#include <ingot/types.h>

#define MICRO_TX_BYTES 128
#define MICRO_BLOCK_TXS 1000

/*
 * One row of the table. Only one is between its begin and its end at a time, so its things are in
 * variables of its file.
 */
struct micro_row {
    const char *id;                      /* for the command line */
    const char *text;                    /* for people: of what the figures are */
    uint32_t operations;                 /* in a step */
    const char *argument;                /* for begin */
    bool (*begin)(const char *argument); /* false: it cannot be measured here, and has said why */
    void (*prepare)(void);               /* before each step, not measured; NULL: nothing to do */
    void (*step)(void);                  /* what is measured */
    void (*end)(void);
};

/* Each ends with a row without an id. */
extern const struct micro_row micro_crypto_rows[];
extern const struct micro_row micro_wire_rows[];
extern const struct micro_row micro_node_rows[];
extern const struct micro_row micro_network_rows[];
extern const struct micro_row micro_rpc_rows[];
extern const struct micro_row micro_store_rows[];

#endif

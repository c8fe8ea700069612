/*
 * What clients and the listener say to each other with POST `/transactions`: the body is packed as
 * a block's payload is, and the answer has one record for each transaction, in the same order.
 * docs/rpc.md describes both for people; no other header is needed to read or write them.
 */
#ifndef INGOT_NODE_RPC_TRANSACTIONS_H
#define INGOT_NODE_RPC_TRANSACTIONS_H

#define RPC_TRANSACTIONS_PATH "/transactions"
#define RPC_TRANSACTIONS_TYPE "application/octet-stream"

/* A record: the status, one byte, and the height of the block, 8 bytes little-endian. */
#define RPC_TRANSACTION_RECORD_BYTES 9

/* What became of a transaction. The numbers are what clients read, and never change. */
enum rpc_transaction_status {
    RPC_TRANSACTION_COMMITTED = 0, /* in the block of this height, executed with code 0 */
    RPC_TRANSACTION_FAILED = 1,    /* in the block of this height, executed with another code */
    RPC_TRANSACTION_REFUSED = 2,   /* by the App's check */
    RPC_TRANSACTION_KNOWN = 3,     /* in the mempool, or committed within the replay window */
    RPC_TRANSACTION_FULL = 4,      /* not taken: there is no room; retry later */
    RPC_TRANSACTION_TOO_LARGE = 5, /* above genesis' transaction_bytes_max */
    RPC_TRANSACTION_TIMED_OUT = 6  /* taken, and not committed in time; it may be yet */
};
#define RPC_TRANSACTION_STATUS_COUNT 7

#endif

/*
 * Why something from a peer was not used. Every rejection is counted under one of these; none
 * changes state. The texts are the `reason` labels in the metrics.
 */
#ifndef INGOT_CORE_REJECT_H
#define INGOT_CORE_REJECT_H

#define REJECT_LIST(X)                                                                             \
    X(NONE, "none")                                                                                \
    /* decoding (src/wire) */                                                                      \
    X(OVERSIZE, "oversize")                                                                        \
    X(OTHER_PROTOCOL, "other_protocol")                                                            \
    X(MALFORMED, "malformed")                                                                      \
    X(NOT_CANONICAL, "not_canonical")                                                              \
    X(BAD_PAYLOAD, "bad_payload")                                                                  \
    X(BAD_ROOT, "bad_transactions_root")                                                           \
    /* certificates and signatures (src/wire) */                                                   \
    X(WRONG_CHAIN, "wrong_chain")                                                                  \
    X(UNKNOWN_EPOCH, "unknown_epoch")                                                              \
    X(NOT_A_MEMBER, "not_a_member")                                                                \
    X(BAD_SIGNATURE, "bad_signature")                                                              \
    X(BAD_CERTIFICATE, "bad_certificate")                                                          \
    X(NO_QUORUM, "no_quorum")                                                                      \
    X(BAD_CLAIM, "bad_claim")                                                                      \
    X(BAD_GENESIS_QC, "bad_genesis_qc")                                                            \
    X(BINDING, "fields_disagree")                                                                  \
    /* protocol (src/core) */                                                                      \
    X(PAST, "past")                                                                                \
    X(FUTURE, "future_without_proof")                                                              \
    X(DUPLICATE, "duplicate")                                                                      \
    X(NOT_LEADER, "not_leader")                                                                    \
    X(NO_ENTRY_PROOF, "no_entry_proof")                                                            \
    X(BAD_PARENT, "bad_parent")                                                                    \
    X(BAD_HEIGHT, "bad_height")                                                                    \
    X(BAD_TIME, "bad_time")                                                                        \
    X(BAD_VALIDATORS_HASH, "bad_validators_hash")                                                  \
    X(SET_CHANGE, "set_change_pending")                                                            \
    X(CONFLICTS_COMMITTED, "conflicts_with_committed")                                             \
    X(BELOW_LOCK, "below_lock")                                                                    \
    X(INVALID_BLOCK, "invalid_block")                                                              \
    X(BUFFER_FULL, "buffer_full")                                                                  \
    X(UNREQUESTED, "unrequested")                                                                  \
    X(RATE_LIMITED, "rate_limited")                                                                \
    /* transactions that a proposal names (src/node) */                                            \
    X(UNKNOWN_BLOCK, "unknown_block")                                                              \
    X(OTHER_TRANSACTION, "other_transaction")

#define REJECT_ENUM(name, text) REJECT_##name,
enum reject { REJECT_LIST(REJECT_ENUM) REJECT_COUNT };
#undef REJECT_ENUM

const char *reject_text(enum reject reject);

#endif

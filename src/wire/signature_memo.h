/*
 * Signatures that need no verification any more, because they were found good or made here: the
 * last few of each member. So a vote that was seen before costs nothing when it comes again inside
 * a certificate, and our own is only compared with what we signed.
 *
 * A hit takes the same bytes throughout: the statement, with the chain and the set that it names,
 * the signer's index in that set, and the signature. It is a proof of the past, not a guess. Each
 * member has its own places, so nobody can push out what others signed.
 */
#ifndef INGOT_WIRE_SIGNATURE_MEMO_H
#define INGOT_WIRE_SIGNATURE_MEMO_H

#include "wire/preimage.h"

/* Of one member: votes and Timeouts of the views that are under way. */
#define SIGNATURE_MEMO_EACH 4

/* What somebody has signed: a preimage that names the set in which `signer` is an index. */
struct signed_statement {
    uint32_t signer; /* below INGOT_VALIDATORS_MAX */
    struct ingot_slice preimage;
    const struct ingot_signature *signature;
};

struct signature_memo;

/* Empty; the caller frees it. Memory is used only for the members that have signed something. */
struct signature_memo *signature_memo_new(void);
void signature_memo_free(struct signature_memo *memo);

bool signature_memo_has(const struct signature_memo *memo, const struct signed_statement *said);
/* Takes the place of the signer's oldest. What is there already takes no second place. */
void signature_memo_add(struct signature_memo *memo, const struct signed_statement *said);

#endif

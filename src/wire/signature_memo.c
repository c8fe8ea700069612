/*
 * Signatures of each member that are known to be good. See signature_memo.h.
 */
#include "wire/signature_memo.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/mutant.h"

/* The longest preimage that is remembered. */
#define STATEMENT_BYTES_MAX WIRE_VOTE_PREIMAGE_BYTES
static_assert(WIRE_TIMEOUT_PREIMAGE_BYTES <= STATEMENT_BYTES_MAX, "both kinds of statements fit");

struct known {
    struct ingot_signature signature;
    uint8_t size; /* of the statement; 0: a free place */
    uint8_t statement[STATEMENT_BYTES_MAX];
};
static_assert(STATEMENT_BYTES_MAX <= UINT8_MAX, "a statement's size fits its field");

struct member {
    uint32_t next; /* the place that is overwritten next */
    struct known known[SIGNATURE_MEMO_EACH];
};

struct signature_memo {
    struct member members[INGOT_VALIDATORS_MAX];
};

struct signature_memo *signature_memo_new(void)
{
    return alloc_zeroed(1, sizeof(struct signature_memo));
}

void signature_memo_free(struct signature_memo *memo)
{
    free(memo);
}

static bool is_same(const struct known *known, const struct signed_statement *said)
{
    if (known->size != said->preimage.size) {
        return false;
    }
    return (memcmp(&known->signature, said->signature, sizeof known->signature) == 0 ||
            MUTANT(KNOWN_BY_STATEMENT)) &&
           (memcmp(known->statement, said->preimage.data, known->size) == 0 ||
            MUTANT(KNOWN_FOR_ANYTHING));
}

bool signature_memo_has(const struct signature_memo *memo, const struct signed_statement *said)
{
    INGOT_ASSERT(said->signer < INGOT_VALIDATORS_MAX);
    INGOT_ASSERT(said->preimage.size > 0);
    const struct member *member = &memo->members[said->signer];
    for (uint32_t i = 0; i < SIGNATURE_MEMO_EACH; i++) {
        if (is_same(&member->known[i], said)) {
            return true;
        }
    }
    return false;
}

void signature_memo_add(struct signature_memo *memo, const struct signed_statement *said)
{
    INGOT_ASSERT(said->preimage.size <= STATEMENT_BYTES_MAX);
    if (signature_memo_has(memo, said)) {
        return;
    }
    struct member *member = &memo->members[said->signer];
    struct known *known = &member->known[member->next];
    member->next = (member->next + 1) % SIGNATURE_MEMO_EACH;
    known->signature = *said->signature;
    known->size = (uint8_t)said->preimage.size;
    memcpy(known->statement, said->preimage.data, said->preimage.size);
}

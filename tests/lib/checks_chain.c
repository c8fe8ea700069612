/*
 * Certificates, and the commits that follow from them. See checks.h.
 */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "lib/checks.h"
#include "wire/verify.h"

struct checks_certificate {
    struct ingot_hash block;
    struct ingot_hash digest; /* of the last one whose signatures were checked */
    enum phase phase;
};

static uint64_t certificate_key(uint64_t epoch, uint64_t view)
{
    return epoch << 56 | view;
}

static bool is_quorum(const struct validator_set *set, uint64_t power)
{
    return set != NULL && 3 * power > 2 * set->total_power;
}

/* The power of distinct signers, with all signatures checked. 0 if anything is wrong. */
static uint64_t signed_power(const struct checks *checks, const struct qc *qc)
{
    const struct validator_set *set = checks_set(checks, qc->epoch);
    if (set == NULL || qc->validator_count != set->count ||
        signers_count(&qc->signers) != qc->signature_count) {
        return 0;
    }
    uint8_t preimage[WIRE_VOTE_PREIMAGE_BYTES];
    wire_vote_preimage(&checks->chain, &set->hash, qc->view, &qc->block, qc->phase, preimage);
    uint64_t power = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        if (!signers_has(&qc->signers, i)) {
            continue;
        }
        if (at == qc->signature_count ||
            !checks->scheme->verify(&set->validators[i].key,
                                    ingot_slice_of(preimage, sizeof preimage),
                                    &qc->signatures[at])) {
            return 0;
        }
        at++;
        power += set->validators[i].power;
    }
    return at == qc->signature_count ? power : 0;
}

static bool is_genesis(const struct checks *checks, const struct qc *qc)
{
    return memcmp(qc->block.bytes, checks->chain.bytes, INGOT_HASH_BYTES) == 0 &&
           qc->signature_count == 0;
}

/*
 * All replicas show the same certificates to one another, over and over. An epoch has one set and a
 * digest names the epoch, so what its signatures were worth they are worth for good.
 */
static bool is_known_sound(const struct checks *checks, const struct ingot_hash *digest)
{
    return table_find(&checks->sound, table_key_of_hash(digest)) != NULL;
}

static void note_sound(struct checks *checks, const struct ingot_hash *digest)
{
    if (is_known_sound(checks, digest)) {
        return;
    }
    if (checks->sound.count == CHECKS_SOUND_MAX) {
        table_deinit(&checks->sound); /* those that are still about are verified again */
    }
    table_add(&checks->sound, table_key_of_hash(digest), checks);
}

bool checks_qc_is_sound(struct checks *checks, struct qc *qc)
{
    if (qc_is_genesis(qc)) {
        return is_genesis(checks, qc);
    }
    if (is_known_sound(checks, wire_qc_digest(qc))) {
        return true;
    }
    const bool is_sound = is_quorum(checks_set(checks, qc->epoch), signed_power(checks, qc));
    if (is_sound) {
        note_sound(checks, wire_qc_digest(qc));
    }
    return is_sound;
}

static void check_signatures(struct checks *checks, uint32_t node, struct qc *qc)
{
    const struct validator_set *set = checks_set(checks, qc->epoch);
    if (!checks_qc_is_sound(checks, qc)) {
        checks_fail(checks, CHECK_REAL_QUORUM,
                    "replica %u holds a certificate of epoch %" PRIu64 ", view %" PRIu64
                    " with power %" PRIu64 " of %" PRIu64,
                    node, qc->epoch, qc->view, signed_power(checks, qc),
                    set == NULL ? 0 : set->total_power);
        return;
    }
    for (uint32_t i = 0; i < set->count; i++) {
        const uint32_t voter = checks_voter(checks, qc->epoch, i);
        if (signers_has(&qc->signers, i) && checks->nodes[voter].is_honest) {
            const struct vote vote = {
                .epoch = qc->epoch, .view = qc->view, .block = qc->block, .phase = qc->phase};
            checks_vote(checks, voter, &vote, CHECKS_IN_CERTIFICATE);
        }
    }
}

/* --- What is final. --- */

static void make_final(struct checks *checks, struct checks_block *block)
{
    if (block->block->height > checks->final_height) {
        checks->final_height = block->block->height;
    }
    while (!block->is_final) {
        block->is_final = true;
        block = checks_find_block(checks, &block->block->parent);
    }
}

/* A block with two more certified on it in consecutive views of its epoch, and all below it. */
static void find_final(struct checks *checks, const struct qc *qc)
{
    const struct checks_block *b2 = checks_find_block(checks, &qc->block);
    const struct qc *second = b2->block->justify;
    if (second == NULL || second->epoch != qc->epoch || second->view + 1 != qc->view ||
        second->phase == PHASE_COMMIT) {
        return;
    }
    const struct checks_block *b1 = checks_find_block(checks, &second->block);
    const struct qc *first = b1->block->justify;
    if (first == NULL || first->epoch != qc->epoch || first->view + 2 != qc->view ||
        first->phase == PHASE_COMMIT) {
        return;
    }
    make_final(checks, checks_find_block(checks, &first->block));
}

static bool was_certified(const struct checks *checks, const struct qc *later,
                          uint64_t views_before, enum phase phase)
{
    const struct checks_certificate *known = table_find(
        &checks->certificates, certificate_key(later->epoch, later->view - views_before));
    return known != NULL && known->phase == phase &&
           memcmp(known->block.bytes, later->block.bytes, INGOT_HASH_BYTES) == 0;
}

/* A set-changing block is final by its Commit QC, which has the other two right before it. */
static void open_epoch(struct checks *checks, uint32_t node, const struct qc *qc)
{
    if (!was_certified(checks, qc, 1, PHASE_PRECOMMIT) ||
        !was_certified(checks, qc, 2, PHASE_PREPARE)) {
        checks_fail(checks, CHECK_COMMIT_CHAIN,
                    "replica %u holds a Commit QC of view %" PRIu64
                    " without Precommit and Prepare in the two views before",
                    node, qc->view);
        return;
    }
    struct checks_block *block = checks_find_block(checks, &qc->block);
    make_final(checks, block);
    checks_open_epoch(checks, block->block);
}

static void draw_conclusions(struct checks *checks, uint32_t node, const struct qc *qc)
{
    switch (qc->phase) {
    case PHASE_GENERIC:
    case PHASE_PREPARE:
        find_final(checks, qc);
        break;
    case PHASE_COMMIT:
        open_epoch(checks, node, qc);
        break;
    case PHASE_PRECOMMIT:
        break;
    }
}

/* --- Certificates. --- */

/* What is wrong with a certificate for this block, whoever signed it. */
static const char *judge_binding(const struct qc *qc, const struct block *block)
{
    if (qc->epoch != checks_epoch(block) || qc->block_view != block->view) {
        return "it names another epoch or view than its block";
    }
    if ((qc->phase != PHASE_GENERIC) != block_changes_set(block)) {
        return "its phase is not for such a block";
    }
    return NULL;
}

/* The record of its epoch and view, new or of the same choice; NULL after a failure. */
static struct checks_certificate *record(struct checks *checks, uint32_t node, const struct qc *qc)
{
    const uint64_t key = certificate_key(qc->epoch, qc->view);
    struct checks_certificate *known = table_find(&checks->certificates, key);
    const struct checks_block *block = checks_find_block(checks, &qc->block);
    if (known == NULL) {
        const char *why =
            block == NULL ? "nobody proposed its block" : judge_binding(qc, block->block);
        if (why != NULL) {
            checks_fail(checks, CHECK_REAL_QUORUM,
                        "replica %u holds a certificate of view %" PRIu64 ", but %s", node,
                        qc->view, why);
            return NULL;
        }
        known = alloc_zeroed(1, sizeof *known);
        known->block = qc->block;
        known->phase = qc->phase;
        table_add(&checks->certificates, key, known);
    } else if (memcmp(known->block.bytes, qc->block.bytes, INGOT_HASH_BYTES) != 0 ||
               known->phase != qc->phase) {
        checks_fail(checks, CHECK_ONE_CERTIFICATE,
                    "replica %u holds a second certificate of epoch %" PRIu64 ", view %" PRIu64,
                    node, qc->epoch, qc->view);
        return NULL;
    }
    return known;
}

bool checks_qc_is_real(struct checks *checks, struct qc *qc)
{
    const struct checks_block *block = checks_find_block(checks, &qc->block);
    return !qc_is_genesis(qc) && block != NULL && judge_binding(qc, block->block) == NULL &&
           checks_qc_is_sound(checks, qc);
}

void checks_qc(struct checks *checks, uint32_t node, struct qc *qc)
{
    if (checks->violated != CHECK_NONE) {
        return;
    }
    /* What a liar forges is nothing to us; what it shows may be real, and all will build on it. */
    if (!checks->nodes[node].is_honest && !checks_qc_is_real(checks, qc)) {
        return;
    }
    if (qc_is_genesis(qc)) {
        if (!is_genesis(checks, qc)) {
            checks_fail(checks, CHECK_REAL_QUORUM, "replica %u holds a forged genesis QC", node);
        }
        return;
    }
    struct checks_certificate *known = record(checks, node, qc);
    const struct ingot_hash *digest = wire_qc_digest(qc);
    if (known != NULL && memcmp(known->digest.bytes, digest->bytes, INGOT_HASH_BYTES) != 0) {
        known->digest = *digest;
        check_signatures(checks, node, qc);
        if (checks->violated == CHECK_NONE) {
            draw_conclusions(checks, node, qc);
        }
    }
}

static uint64_t tc_power(const struct checks *checks, const struct tc *tc, uint64_t *claim)
{
    const struct validator_set *set = checks_set(checks, tc->epoch);
    *claim = 0;
    if (set == NULL) {
        return 0;
    }
    uint64_t power = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        if (!signers_has(&tc->signers, i)) {
            continue;
        }
        if (at == tc->claim_count) {
            return 0;
        }
        const struct tc_claim *signed_claim = &tc->claims[at++];
        uint8_t preimage[WIRE_TIMEOUT_PREIMAGE_BYTES];
        wire_timeout_preimage(&checks->chain, &set->hash, tc->view,
                              (struct position){tc->epoch, signed_claim->view}, preimage);
        if (!checks->scheme->verify(&set->validators[i].key,
                                    ingot_slice_of(preimage, sizeof preimage),
                                    &signed_claim->signature)) {
            return 0;
        }
        *claim = signed_claim->view > *claim ? signed_claim->view : *claim;
        power += set->validators[i].power;
    }
    return at == tc->claim_count ? power : 0;
}

bool checks_tc_is_sound(struct checks *checks, struct tc *tc, uint64_t *claim)
{
    const struct position shown = checks_position(tc->high_qc);
    if (is_known_sound(checks, wire_tc_digest(tc))) {
        *claim = shown.view;
        return true;
    }
    const bool is_sound = is_quorum(checks_set(checks, tc->epoch), tc_power(checks, tc, claim)) &&
                          checks_compare(shown, (struct position){tc->epoch, *claim}) == 0;
    if (is_sound) {
        note_sound(checks, wire_tc_digest(tc));
    }
    return is_sound;
}

void checks_tc(struct checks *checks, uint32_t node, struct tc *tc)
{
    if (!checks->nodes[node].is_honest || checks->violated != CHECK_NONE) {
        return;
    }
    checks_qc(checks, node, tc->high_qc);
    uint64_t claim = 0;
    if (checks_tc_is_sound(checks, tc, &claim)) {
        return;
    }
    const uint64_t power = tc_power(checks, tc, &claim);
    if (!is_quorum(checks_set(checks, tc->epoch), power)) {
        checks_fail(checks, CHECK_REAL_QUORUM,
                    "replica %u holds a TC of epoch %" PRIu64 ", view %" PRIu64
                    " with power %" PRIu64,
                    node, tc->epoch, tc->view, power);
        return;
    }
    checks_fail(checks, CHECK_TC_CLAIM,
                "replica %u holds a TC of view %" PRIu64 " whose QC is of view %" PRIu64
                " where %" PRIu64 " was claimed",
                node, tc->view, checks_position(tc->high_qc).view, claim);
}

/* --- Commits. --- */

/* What a transaction of a reported block came to; NULL where nobody lived to report the block. */
static const struct ingot_result *result_at(const struct execution *execution, uint32_t index)
{
    return execution == NULL ? NULL : execution_result(execution, index);
}

static void execute(struct checks *checks, const struct block *block,
                    const struct execution *execution)
{
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction;
    for (uint32_t i = 0; payload_next(&rest, &transaction); i++) {
        checks->transactions_committed++;
        struct ingot_hash digest;
        wire_transaction_digest(transaction, &digest);
        struct kv_operation *operation = kv_model_find(checks->model, &digest);
        if (operation == NULL) {
            checks_fail(checks, CHECK_TRANSACTION_ONCE,
                        "height %" PRIu64 " holds a transaction that no client made",
                        block->height);
            return;
        }
        if (operation->commit_height != 0 &&
            block->height - operation->commit_height <= checks->replay_window_blocks) {
            checks_fail(checks, CHECK_TRANSACTION_ONCE,
                        "one transaction was committed at height %" PRIu64 " and again at %" PRIu64,
                        operation->commit_height, block->height);
        }
        operation->commit_height = block->height;
        operation->commit_index = i;
        const char *wrong =
            execution != NULL && i >= execution->result_count
                ? "there is no result"
                : kv_model_execute(checks->model, operation, result_at(execution, i));
        if (wrong != NULL) {
            checks_fail(checks, CHECK_RESULT_OF_REPLAY, "height %" PRIu64 ", transaction %u: %s",
                        block->height, i, wrong);
        }
    }
}

static void append_committed(struct checks *checks, const struct ingot_hash *hash)
{
    if (checks->committed_count == checks->committed_capacity) {
        checks->committed_capacity *= 2;
        checks->committed =
            alloc_resize(checks->committed, checks->committed_capacity, sizeof *checks->committed);
    }
    checks->committed[checks->committed_count++] = *hash;
}

static void take_committed(struct checks *checks, const struct block *block,
                           const struct execution *execution)
{
    append_committed(checks, &block->hash);
    if (checks->model != NULL) {
        execute(checks, block, execution);
    }
}

/*
 * All who had committed the blocks below may have crashed between making that durable and
 * reporting it. They are final, so what they hold is known; their results were never reported.
 */
static void take_unreported(struct checks *checks, const struct block *block)
{
    while (checks->committed_count < block->height) {
        const struct checks_block *next = checks_find_block(checks, &block->parent);
        while (next->block->height > checks->committed_count) {
            next = checks_find_block(checks, &next->block->parent);
        }
        take_committed(checks, next->block, NULL);
    }
}

/* Is it, or its ancestor where the reports end, what has been reported as committed? */
static bool extends_committed(const struct checks *checks, const struct block *block)
{
    while (block->height >= checks->committed_count) {
        block = checks_find_block(checks, &block->parent)->block;
    }
    return memcmp(checks->committed[block->height].bytes, block->hash.bytes, INGOT_HASH_BYTES) == 0;
}

void checks_commit(struct checks *checks, uint32_t node, const struct block *block,
                   const struct execution *execution)
{
    struct checks_node *known = &checks->nodes[node];
    if (!known->is_honest || checks->violated != CHECK_NONE) {
        return;
    }
    const struct checks_block *certified = checks_find_block(checks, &block->hash);
    if (certified == NULL || !certified->is_final) {
        checks_fail(checks, CHECK_COMMIT_CHAIN,
                    "replica %u committed height %" PRIu64 " (view %" PRIu64
                    ") without two certified blocks on it in consecutive views, or its Commit QC",
                    node, block->height, block->view);
        return;
    }
    if (!extends_committed(checks, block)) {
        checks_fail(checks, CHECK_COMMITTED_PREFIX,
                    "replica %u committed another block at height %" PRIu64 " (view %" PRIu64 ")",
                    node, block->height, block->view);
        return;
    }
    if (memcmp(block->updates_hash.bytes, execution->updates_hash.bytes, INGOT_HASH_BYTES) != 0) {
        checks_fail(checks, CHECK_SAME_STATE,
                    "replica %u executed height %" PRIu64 " to something else", node,
                    block->height);
        return;
    }
    take_unreported(checks, block);
    if (block->height == checks->committed_count) {
        take_committed(checks, block, execution);
    }
    known->committed_height = block->height;
}

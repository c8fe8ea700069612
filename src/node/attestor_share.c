/*
 * Signatures: ours are made and those of others verified, a part in each turn, so that a block of
 * many statements does not hold up the votes. First come ours of new blocks, which others wait for;
 * then what may complete something, which has half of a turn in any case; then ours of blocks that
 * others have done without us; last what comes late from others.
 *
 * A share counts once all of its signatures are verified. One that is none spoils it: nothing of it
 * is kept, and as the validator has signed the message, no other of it for this block is looked at.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "node/attestor_state.h"

/* Blocks that wait to be signed by us soon, and stay in memory for it: no more than so many, nor
 * than the memory of blocks may take. Those beyond are found by attestor_own.c in their order. */
#define OWN_MAX 64
/* The part of a turn that they have for themselves, and heights that are looked at in it. */
#define BEHIND_PART 8
#define BEHIND_HEIGHTS 64
/* Between two lines of the log on signatures that are none. */
#define LIE_REPORT_MS 1000

/* --- Queues. --- */

static void queue_init(struct attest_queue *queue)
{
    *queue = (struct attest_queue){.end = &queue->first};
}

static void push(struct attest_queue *queue, struct attest_item *item)
{
    item->next = NULL;
    *queue->end = item;
    queue->end = &item->next;
    queue->count++;
}

/* Takes the item that `link` leads to out of the queue. */
static struct attest_item *take(struct attest_queue *queue, struct attest_item **link)
{
    struct attest_item *item = *link;
    *link = item->next;
    if (queue->end == &item->next) {
        queue->end = link;
    }
    queue->count--;
    return item;
}

static void free_item(struct attest_item *item)
{
    ingot_buffer_deinit(&item->signatures);
    free(item);
}

static void queue_deinit(struct attest_queue *queue)
{
    while (queue->first != NULL) {
        free_item(take(queue, &queue->first));
    }
}

void attest_queues_init(struct attestor *attestor)
{
    queue_init(&attestor->own);
    queue_init(&attestor->urgent);
    queue_init(&attestor->behind);
    queue_init(&attestor->late);
    queue_init(&attestor->ahead);
}

void attest_queues_deinit(struct attestor *attestor)
{
    queue_deinit(&attestor->own);
    queue_deinit(&attestor->urgent);
    queue_deinit(&attestor->behind);
    queue_deinit(&attestor->late);
    queue_deinit(&attestor->ahead);
}

/* --- What each validator has waiting. --- */

static bool is_free(const struct attest_account *account)
{
    return account->shares[false] == 0 && account->shares[true] == 0;
}

/* Its account, else a free one; with more keys than members that can be, NULL. */
static struct attest_account *account_of(struct attestor *attestor,
                                         const struct ingot_public_key *key)
{
    struct attest_account *free_one = NULL;
    for (uint32_t i = 0; i < ATTEST_VOTERS_MAX; i++) {
        struct attest_account *account = &attestor->accounts[i];
        if (is_free(account)) {
            free_one = free_one == NULL ? account : free_one;
        } else if (crypto_key_equal(&account->key, key)) {
            return account;
        }
    }
    return free_one;
}

bool attest_has_room(struct attestor *attestor, const struct ingot_public_key *key, size_t bytes,
                     bool is_late)
{
    const struct attestor_limits *limits = &attestor->options.limits;
    const struct attest_account *account = account_of(attestor, key);
    return account != NULL && (account->shares[is_late] == 0 ||
                               (account->shares[is_late] < limits->voter_shares &&
                                account->bytes[is_late] + bytes <= limits->voter_bytes));
}

/* False, and no change: there is no room. */
static bool charge(struct attestor *attestor, struct attest_item *item, bool is_late)
{
    const size_t bytes = item->signatures.size;
    if (!attest_has_room(attestor, &item->key, bytes, is_late)) {
        return false;
    }
    struct attest_account *account = account_of(attestor, &item->key);
    account->key = item->key;
    account->shares[is_late]++;
    account->bytes[is_late] += bytes;
    attestor->held_bytes += bytes;
    item->is_late = is_late;
    return true;
}

static void discharge(struct attestor *attestor, const struct attest_item *item)
{
    struct attest_account *account = account_of(attestor, &item->key);
    INGOT_ASSERT(account != NULL && account->shares[item->is_late] > 0);
    account->shares[item->is_late]--;
    account->bytes[item->is_late] -= item->signatures.size;
    attestor->held_bytes -= item->signatures.size;
}

static void finish(struct attestor *attestor, struct attest_item *item)
{
    if (item->is_own) {
        attestor->own_bytes -= item->block_bytes;
    } else {
        discharge(attestor, item);
    }
    free_item(item);
}

/* --- What is to be done. --- */

/* The block stays in memory until the item is done with. */
static void queue_for(struct attest_block *block, struct attest_queue *queue,
                      struct attest_item *item)
{
    block->shares[item->voter].is_waiting = true;
    block->pins++;
    push(queue, item);
}

/* The item, out of its queue, is done with. */
static void release(struct attestor *attestor, struct attest_block *block, struct attest_item *item)
{
    block->shares[item->voter].is_waiting = false;
    block->pins--;
    finish(attestor, item);
}

static void queue_own(struct attestor *attestor, struct attest_block *block,
                      struct attest_queue *queue)
{
    struct attest_item *item = alloc_zeroed(1, sizeof *item);
    item->is_own = true;
    item->epoch = block->epoch;
    item->height = block->height;
    item->voter = block->own;
    item->block_bytes = block->bytes;
    attestor->own_bytes += item->block_bytes;
    queue_for(block, queue, item);
}

/* Leaves the oldest to attestor_own.c; if it can be, one that is not begun. */
static void shorten_own(struct attestor *attestor)
{
    struct attest_queue *own = &attestor->own;
    struct attest_item **link =
        own->first->done > 0 && own->first->next != NULL ? &own->first->next : &own->first;
    struct attest_block *block = attest_block_in_memory(attestor, (*link)->height);
    release(attestor, block, take(own, link));
}

void attest_sign_soon(struct attestor *attestor, struct attest_block *block)
{
    if (!attest_lacks_own(block)) {
        return;
    }
    while (attestor->own.count > 0 &&
           (attestor->own.count >= OWN_MAX ||
            attestor->own_bytes + block->bytes > attestor->options.limits.memory_bytes)) {
        shorten_own(attestor);
    }
    queue_own(attestor, block, &attestor->own);
}

void attest_sign_in_order(struct attestor *attestor, struct attest_block *block)
{
    queue_own(attestor, block, &attestor->behind);
}

bool attest_verify_later(struct attestor *attestor, struct attest_item *item)
{
    struct attest_block *block = attest_block_in_memory(attestor, item->height);
    if (!charge(attestor, item, block != NULL && block->lacking == 0)) {
        free_item(item);
        return false;
    }
    if (block == NULL) {
        push(&attestor->ahead, item);
    } else {
        queue_for(block, item->is_late ? &attestor->late : &attestor->urgent, item);
    }
    return true;
}

/* Of one validator only one waits for each block. Another epoch's is of no use. */
static bool fits(const struct attest_block *block, const struct attest_item *item)
{
    return block != NULL && item->epoch == block->epoch && !block->shares[item->voter].is_whole &&
           !block->shares[item->voter].is_waiting &&
           item->signatures.size == (size_t)block->count * INGOT_SIGNATURE_BYTES;
}

void attest_block_is_here(struct attestor *attestor, uint64_t height)
{
    struct attest_item **link = &attestor->ahead.first;
    struct attest_block *block = attest_block_in_memory(attestor, height);
    while (*link != NULL) {
        if ((*link)->height > height) {
            link = &(*link)->next;
            continue;
        }
        struct attest_item *item = take(&attestor->ahead, link);
        if (fits(block, item) && item->height == height) {
            queue_for(block, &attestor->urgent, item);
        } else {
            attest_reject_count(attestor, ATTEST_REJECT_MISMATCH);
            finish(attestor, item);
        }
    }
}

/* --- Doing it. --- */

static void accept(struct attestor *attestor, struct attest_block *block, struct attest_item *item)
{
    const struct attest_share_record share = {.is_whole = true,
                                              .message = item->message.bytes,
                                              .signatures = ingot_buffer_slice(&item->signatures)};
    attest_share_add(attestor, block, item->voter, &share);
    if (!item->is_own) {
        attestor->status.shares_received++;
        attestor->repair.has_progress = true;
        attest_late_came(attestor, block, item);
    }
}

/* Signs up to `*budget` statements. True: all are. */
static bool sign(struct attestor *attestor, struct attest_block *block, struct attest_item *item,
                 uint32_t *budget)
{
    const struct attestor_options *options = &attestor->options;
    for (; item->done<block->count && * budget> 0; item->done++) {
        struct ingot_signature signature = {{0}};
        struct attest_entry entry;
        attest_block_entry(block, item->done, &entry);
        if (!entry.is_declined) {
            struct statement statement;
            uint8_t preimage[STATEMENT_PREIMAGE_BYTES];
            attest_block_statement(block, item->done, &statement);
            statement_preimage(&statement, preimage);
            options->scheme->sign(&options->secret, ingot_slice_of(preimage, sizeof preimage),
                                  &signature);
            attestor->status.signatures++;
            (*budget)--;
        }
        ingot_buffer_append(&item->signatures, signature.bytes, sizeof signature.bytes);
    }
    if (item->done < block->count) {
        return false;
    }
    attest_send_own(attestor, block, ingot_buffer_slice(&item->signatures), &item->message);
    return true;
}

static bool is_good(struct attestor *attestor, const struct attest_block *block,
                    const struct attest_item *item, uint32_t index)
{
    struct statement statement;
    uint8_t preimage[STATEMENT_PREIMAGE_BYTES];
    struct ingot_signature signature;
    memcpy(signature.bytes, item->signatures.data + (size_t)index * INGOT_SIGNATURE_BYTES,
           sizeof signature.bytes);
    attest_block_statement(block, index, &statement);
    statement_preimage(&statement, preimage);
    attestor->counters.verifications++;
    return attestor->options.scheme->verify(&item->key, ingot_slice_of(preimage, sizeof preimage),
                                            &signature);
}

enum outcome { OUTCOME_MORE, OUTCOME_GOOD, OUTCOME_BAD };

/* Verifies up to `*budget` signatures. */
static enum outcome verify(struct attestor *attestor, const struct attest_block *block,
                           struct attest_item *item, uint32_t *budget)
{
    for (; item->done<block->count && * budget> 0; item->done++) {
        if (attest_is_zero(item->signatures.data + (size_t)item->done * INGOT_SIGNATURE_BYTES,
                           INGOT_SIGNATURE_BYTES)) {
            continue;
        }
        (*budget)--;
        if (!is_good(attestor, block, item, item->done)) {
            return OUTCOME_BAD;
        }
    }
    return item->done == block->count ? OUTCOME_GOOD : OUTCOME_MORE;
}

static void spoil(struct attestor *attestor, struct attest_block *block,
                  const struct attest_item *item)
{
    block->shares[item->voter].has_lied = true;
    attest_reject_count(attestor, ATTEST_REJECT_STATEMENT);
    /* It can do so for every block, and what it can repeat at will must not fill the disk. */
    if (attestor->lie_reported_ms == 0 ||
        attestor->now_ms - attestor->lie_reported_ms >= LIE_REPORT_MS) {
        attestor->lie_reported_ms = attestor->now_ms;
        LOG(LOG_WARN, "a validator has sent a signature that is none",
            log_u64("height", block->height), log_u64("statement", item->done),
            log_hex("validator", item->key.bytes, sizeof item->key.bytes),
            log_u64("since_the_start", attestor->status.rejected[ATTEST_REJECT_STATEMENT]));
    }
}

/* Others have completed the block meanwhile: the first urgent item need not hurry. */
static void put_off(struct attestor *attestor, struct attest_block *block)
{
    struct attest_item *item = attestor->urgent.first;
    discharge(attestor, item);
    if (charge(attestor, item, true)) {
        push(&attestor->late, take(&attestor->urgent, &attestor->urgent.first));
        return;
    }
    attest_reject_count(attestor, ATTEST_REJECT_FULL);
    attest_late_want(attestor, item->peer);
    block->shares[item->voter].is_waiting = false;
    block->pins--;
    free_item(take(&attestor->urgent, &attestor->urgent.first));
}

/* Goes on with the first item; false: its part of the turn is used up. */
static bool work_on(struct attestor *attestor, struct attest_queue *queue, uint32_t *budget)
{
    struct attest_item *item = queue->first;
    struct attest_block *block = NULL;
    const enum ingot_error error = attest_block_find(attestor, item->height, &block);
    if (error != INGOT_OK) {
        attest_fail(attestor, REPLICA_STOP_DAMAGED, "an entered block cannot be read back", error);
        return false;
    }
    if (queue == &attestor->urgent && block->lacking == 0) {
        put_off(attestor, block);
        return true;
    }
    enum outcome outcome = OUTCOME_GOOD;
    if (!block->shares[item->voter].is_whole) { /* else it has come by another way */
        if (item->is_own) {
            outcome = sign(attestor, block, item, budget) ? OUTCOME_GOOD : OUTCOME_MORE;
        } else {
            outcome = verify(attestor, block, item, budget);
        }
        if (outcome == OUTCOME_MORE) {
            return false;
        }
        if (outcome == OUTCOME_GOOD) {
            accept(attestor, block, item);
        } else {
            spoil(attestor, block, item);
        }
    }
    release(attestor, block, take(queue, &queue->first));
    return true;
}

/* Returns what is left of the budget. */
static uint32_t work_off(struct attestor *attestor, struct attest_queue *queue, uint32_t budget)
{
    while (queue->first != NULL && budget > 0 && !attestor->has_stopped) {
        if (!work_on(attestor, queue, &budget)) {
            break;
        }
    }
    return budget;
}

/* What we have to sign in the order of blocks. Returns what is left of the budget. */
static uint32_t work_behind(struct attestor *attestor, uint32_t budget)
{
    uint32_t heights = BEHIND_HEIGHTS;
    while (heights > 0 && budget > 0 && !attestor->has_stopped) {
        attest_own_next(attestor, &heights);
        if (attestor->behind.first == NULL) {
            break;
        }
        budget = work_off(attestor, &attestor->behind, budget);
    }
    return budget;
}

bool attest_work(struct attestor *attestor)
{
    const uint32_t budget = attestor->options.limits.turn_signatures;
    const uint32_t part = budget / BEHIND_PART + 1;
    /* With much to sign, half of the turn is for what others have signed. */
    const uint32_t kept = attestor->urgent.first == NULL ? 0 : budget / 2;
    uint32_t left = kept + work_off(attestor, &attestor->own, budget - kept);
    left = work_off(attestor, &attestor->urgent, left);
    left = work_behind(attestor, left < part ? part : left);
    (void)work_off(attestor, &attestor->late, left);
    return attestor->own.count + attestor->urgent.count + attestor->late.count > 0 ||
           attestor->meta.own < attestor->meta.next;
}

/*
 * What leaves a replica, and what its disk held at that moment. Votes are judged in
 * checks_vote.c, certificates and commits in checks_chain.c. See checks.h.
 */
#include "lib/checks.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "wire/wire.h"

const char *check_text(enum check check)
{
#define CHECK_TEXT(name, text) [CHECK_##name] = (text),
    static const char *const texts[CHECK_COUNT] = {CHECK_LIST(CHECK_TEXT)};
#undef CHECK_TEXT
    INGOT_ASSERT(check < CHECK_COUNT);
    return texts[check];
}

/* Some checkers are never the first to notice; tests/mutants lets one judge by itself. */
static bool is_heard(enum check check)
{
#define CHECK_NAME(name, text) [CHECK_##name] = #name,
    static const char *const names[CHECK_COUNT] = {CHECK_LIST(CHECK_NAME)};
#undef CHECK_NAME
    const char *alone = getenv("INGOT_CHECK_ALONE");
    return alone == NULL || strcmp(alone, names[check]) == 0;
}

void checks_fail(struct checks *checks, enum check check, const char *format, ...)
{
    if (checks->violated != CHECK_NONE || !is_heard(check)) {
        return;
    }
    checks->violated = check;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(checks->violation, sizeof checks->violation, format, arguments);
    va_end(arguments);
}

void checks_add_block(struct checks *checks, struct block *block, struct tc *tc)
{
    struct checks_block *known = checks_find_block(checks, &block->hash);
    if (known == NULL) {
        known = alloc_zeroed(1, sizeof *known);
        known->block = block_ref(block);
        const struct checks_block *parent = checks_find_block(checks, &block->parent);
        if (parent != NULL && block->height == parent->block->height + 1 &&
            block->height > checks->highest_block) {
            checks->highest_block = block->height;
        }
        table_add(&checks->blocks, table_key_of_hash(&block->hash), known);
    }
    const struct position position = {checks_epoch(block), block->view};
    checks_note_entry(checks, position, tc, &known->entry);
}

void checks_forbid(struct checks *checks, struct block *block)
{
    checks_add_block(checks, block, NULL);
    checks_find_block(checks, &block->hash)->is_forbidden = true;
}

/* The first view of the tenure that a TC of this view leads into. */
static uint64_t view_after_tc(const struct checks *checks, uint64_t view)
{
    const uint64_t tenure = checks->leader_tenure;
    return (view + tenure - 1) / tenure * tenure + 1;
}

/* The lowest claim proves most. What leads elsewhere proves nothing, and must not be in the way. */
void checks_note_entry(struct checks *checks, struct position position, struct tc *tc,
                       struct checks_entry *entry)
{
    uint64_t claim = 0;
    if (tc != NULL && tc->epoch == position.epoch &&
        view_after_tc(checks, tc->view) == position.view &&
        checks_tc_is_sound(checks, tc, &claim) && (!entry->has_tc || claim < entry->tc_claim)) {
        *entry = (struct checks_entry){.has_tc = true, .tc_claim = claim};
    }
}

struct checks *checks_new(struct block *genesis, struct validator_set *set,
                          const struct set_app_keys *keys, const struct crypto_scheme *scheme,
                          uint32_t leader_tenure, uint32_t replay_window_blocks,
                          struct kv_model *model)
{
    INGOT_ASSERT(keys->count <= CHECKS_NODES_MAX);
    struct checks *checks = alloc_zeroed(1, sizeof *checks);
    checks->chain = genesis->hash;
    checks->keys = keys;
    checks->sets[0] = validator_set_ref(set);
    checks->set_count = 1;
    checks->scheme = scheme;
    checks->model = model;
    checks->leader_tenure = leader_tenure;
    checks->replay_window_blocks = replay_window_blocks;
    for (uint32_t i = 0; i < keys->count; i++) {
        checks->nodes[i].is_honest = true;
    }
    checks_add_block(checks, genesis, NULL);
    checks->committed_capacity = 64;
    checks->committed = alloc_zeroed(checks->committed_capacity, sizeof *checks->committed);
    checks->committed[0] = genesis->hash;
    checks->committed_count = 1;
    checks_find_block(checks, &genesis->hash)->is_final = true;
    return checks;
}

static void free_values(struct table *table)
{
    for (uint32_t i = 0; i < table->capacity; i++) {
        free(table->slots[i].value);
    }
    table_deinit(table);
}

void checks_free(struct checks *checks)
{
    if (checks == NULL) {
        return;
    }
    for (uint32_t i = 0; i < checks->blocks.capacity; i++) {
        struct checks_block *known = checks->blocks.slots[i].value;
        if (known != NULL) {
            block_unref(known->block);
        }
    }
    for (uint32_t i = 0; i < checks->set_count; i++) {
        validator_set_unref(checks->sets[i]);
    }
    checks_free_nudges(checks);
    free_values(&checks->blocks);
    free_values(&checks->votes);
    free_values(&checks->certificates);
    free_values(&checks->heard);
    table_deinit(&checks->sound);
    free(checks->committed);
    free(checks);
}

struct checks_block *checks_find_block(const struct checks *checks, const struct ingot_hash *hash)
{
    struct checks_block *known = table_find(&checks->blocks, table_key_of_hash(hash));
    /* A liar may name what has the beginning of a block's hash and another end. */
    const bool is_it = known != NULL && memcmp(known->block->hash.bytes, hash->bytes, 32) == 0;
    return is_it ? known : NULL;
}

/*
 * A vote that has become durable, whether or not it is ever sent. A leader may die between voting
 * for its own block and showing it to anybody, so the block is looked for in its tree; and a nudge
 * that it did not live to send stood on its highest certificate.
 */
static void check_disk_vote(struct checks *checks, uint32_t node, const struct core_safety *disk,
                            const struct core *core)
{
    const struct checks_node *known = &checks->nodes[node];
    const struct position position = {disk->vote.epoch, disk->vote.view};
    const bool is_new = checks_compare(position, known->disk_vote) != 0;
    if (is_new && checks_compare(position, known->disk_voted) <= 0) {
        checks_fail(checks, CHECK_VOTE_RULE,
                    "replica %u voted in view %" PRIu64 " where it may vote above view %" PRIu64
                    " only",
                    node, position.view, known->disk_voted.view);
    }
    struct block *block = core_find_block(core, &disk->vote.block);
    if (block != NULL) {
        checks_add_block(checks, block, disk->high_tc);
    }
    if (block != NULL && block->view != position.view &&
        checks_leader_at(checks, position) == node &&
        memcmp(disk->high_qc->block.bytes, block->hash.bytes, INGOT_HASH_BYTES) == 0) {
        checks_add_nudge(checks, position, disk->high_qc, disk->high_tc, &checks->keys->of[node]);
    }
    checks_vote(checks, node, &disk->vote, CHECKS_ON_DISK);
}

/* What stands beside each other in one safety record: view, lock and the certificates for them. */
static void check_record(struct checks *checks, uint32_t node, const struct core_safety *disk)
{
    struct position entered = checks_position(disk->high_qc);
    entered.view++;
    if (disk->high_tc != NULL && disk->high_tc->epoch >= entered.epoch) {
        const uint64_t view = view_after_tc(checks, disk->high_tc->view);
        entered.view = view > entered.view ? view : entered.view;
    }
    if (checks_compare(disk->current, entered) != 0) {
        checks_fail(checks, CHECK_ENTRY,
                    "replica %u is in view %" PRIu64 " of epoch %" PRIu64
                    " where its certificates lead into view %" PRIu64 " of epoch %" PRIu64,
                    node, disk->current.view, disk->current.epoch, entered.view, entered.epoch);
    }
    if (checks_compare(disk->locked, checks_lock_of(checks, disk->high_qc)) < 0) {
        checks_fail(checks, CHECK_LOCK,
                    "replica %u holds a QC of view %" PRIu64 " and a lock of view %" PRIu64, node,
                    disk->high_qc->view, disk->locked.view);
    }
}

void checks_disk(struct checks *checks, uint32_t node, const struct core_safety *safety,
                 const struct core *core)
{
    struct checks_node *known = &checks->nodes[node];
    if (known->is_honest) {
        checks_qc(checks, node, safety->high_qc);
        check_record(checks, node, safety);
    }
    if (known->is_honest && safety->has_vote) {
        check_disk_vote(checks, node, safety, core);
        known->disk_vote = (struct position){safety->vote.epoch, safety->vote.view};
    }
    const struct {
        const char *name;
        struct position *before;
        struct position now;
    } positions[] = {{"current view", &known->disk_current, safety->current},
                     {"last vote", &known->disk_voted, safety->last_voted},
                     {"lock", &known->disk_locked, safety->locked}};
    for (size_t i = 0; i < sizeof positions / sizeof positions[0]; i++) {
        if (known->is_honest && checks_compare(positions[i].now, *positions[i].before) < 0) {
            checks_fail(checks, CHECK_DISK_MONOTONIC,
                        "the %s on the disk of replica %u fell from view %" PRIu64
                        " to view %" PRIu64,
                        positions[i].name, node, positions[i].before->view, positions[i].now.view);
        }
        *positions[i].before = positions[i].now;
    }
}

/* --- Durable before sent. --- */

static void expect_durable(struct checks *checks, uint32_t node, const char *what, uint64_t view,
                           bool is_durable)
{
    if (!is_durable) {
        checks_fail(checks, CHECK_DURABLE_FIRST,
                    "replica %u sent a %s of view %" PRIu64 " that its disk does not cover", node,
                    what, view);
    }
}

static bool covers_vote(const struct core_safety *disk, const struct vote *vote)
{
    const int order = checks_compare(disk->last_voted, (struct position){vote->epoch, vote->view});
    return order > 0 || (order == 0 && disk->has_vote && vote_same_choice(&disk->vote, vote));
}

static bool covers_qc(const struct core_safety *disk, const struct qc *qc)
{
    return checks_compare(checks_position(disk->high_qc), checks_position(qc)) >= 0;
}

static void send_propose(struct checks *checks, uint32_t node, const struct propose *propose,
                         const struct core_safety *disk)
{
    const struct block *block = propose->block;
    if (propose->tc != NULL) {
        checks_tc(checks, node, propose->tc);
    }
    checks_qc(checks, node, block->justify);
    if (!checks->nodes[node].is_honest) {
        return;
    }
    expect_durable(checks, node, "proposal", block->view,
                   covers_vote(disk, &propose->vote) && covers_qc(disk, block->justify));
    checks_vote(checks, node, &propose->vote, CHECKS_SENT);
}

static void send_nudge(struct checks *checks, uint32_t node, const struct nudge *nudge,
                       const struct core_safety *disk)
{
    if (nudge->tc != NULL) {
        checks_tc(checks, node, nudge->tc);
    }
    checks_qc(checks, node, nudge->justify);
    if (!checks->nodes[node].is_honest) {
        return;
    }
    expect_durable(checks, node, "nudge", nudge->view,
                   covers_vote(disk, &nudge->vote) && covers_qc(disk, nudge->justify));
    checks_vote(checks, node, &nudge->vote, CHECKS_SENT);
}

static void send_timeout(struct checks *checks, uint32_t node, const struct timeout *timeout,
                         const struct core_safety *disk)
{
    struct checks_node *known = &checks->nodes[node];
    const struct position position = {timeout->epoch, timeout->view};
    checks_qc(checks, node, timeout->high_qc);
    if (timeout->tc != NULL) {
        checks_tc(checks, node, timeout->tc);
    }
    if (!known->is_honest) {
        return;
    }
    if (checks_voter(checks, timeout->epoch, timeout->voter) != node) {
        checks_fail(checks, CHECK_MEMBERS,
                    "replica %u gave up view %" PRIu64 " of epoch %" PRIu64
                    ", where it is no member",
                    node, timeout->view, timeout->epoch);
    }
    expect_durable(checks, node, "timeout", timeout->view,
                   checks_compare(disk->last_voted, position) >= 0 &&
                       checks_compare(disk->current, position) >= 0 &&
                       covers_qc(disk, timeout->high_qc));
    if (checks_compare(position, known->timed_out) > 0) {
        known->timed_out = position;
    }
}

struct message *checks_decode(const struct checks *checks, struct ingot_slice bytes)
{
    struct message *message = NULL;
    if (wire_decode(bytes, &message) != REJECT_NONE) {
        return NULL;
    }
    const struct checks_block *known =
        message->kind == MESSAGE_COMPACT_PROPOSE
            ? checks_find_block(checks, &message->propose.block->hash)
            : NULL;
    if (known == NULL || known->block->payload.size == 0) {
        return message;
    }
    struct message *whole = checks_whole(&message->propose, known->block);
    message_unref(message);
    return whole;
}

struct message *checks_whole(const struct propose *propose, struct block *block)
{
    struct message *whole = message_new(MESSAGE_PROPOSE);
    whole->propose = *propose;
    whole->propose.block = block_ref(block);
    if (propose->tc != NULL) {
        tc_ref(propose->tc);
    }
    return whole;
}

void checks_learn(struct checks *checks, const struct message *message)
{
    if (message->kind == MESSAGE_PROPOSE) {
        checks_add_block(checks, message->propose.block, message->propose.tc);
    } else if (message->kind == MESSAGE_NUDGE) {
        const struct nudge *nudge = &message->nudge;
        const uint32_t leader = checks_voter(checks, nudge->epoch, nudge->vote.voter);
        if (leader != CHECKS_NOBODY) {
            checks_add_nudge(checks, (struct position){nudge->epoch, nudge->view}, nudge->justify,
                             nudge->tc, &checks->keys->of[leader]);
        }
    }
}

void checks_send(struct checks *checks, uint32_t node, const struct message *message,
                 const struct core_safety *disk)
{
    checks_learn(checks, message);
    switch (message->kind) {
    case MESSAGE_PROPOSE:
        send_propose(checks, node, &message->propose, disk);
        break;
    case MESSAGE_NUDGE:
        send_nudge(checks, node, &message->nudge, disk);
        break;
    case MESSAGE_VOTE:
        if (checks->nodes[node].is_honest) {
            expect_durable(checks, node, "vote", message->vote.view,
                           covers_vote(disk, &message->vote));
            checks_vote(checks, node, &message->vote, CHECKS_SENT);
        }
        break;
    case MESSAGE_TIMEOUT:
        send_timeout(checks, node, &message->timeout, disk);
        break;
    case MESSAGE_CERTIFICATE:
        if (message->certificate.qc != NULL) {
            checks_qc(checks, node, message->certificate.qc);
        } else {
            checks_tc(checks, node, message->certificate.tc);
        }
        break;
    case MESSAGE_ADVERTISE:
        checks_qc(checks, node, message->advertise.high_qc);
        if (checks->nodes[node].is_honest) {
            expect_durable(checks, node, "advertised certificate", message->advertise.high_qc->view,
                           covers_qc(disk, message->advertise.high_qc));
        }
        break;
    case MESSAGE_SYNC_RESPONSE:
        if (message->sync_response.tail_qc != NULL) {
            checks_qc(checks, node, message->sync_response.tail_qc);
        }
        break;
    case MESSAGE_SYNC_REQUEST:
    case MESSAGE_TRANSACTIONS:
    case MESSAGE_COMPACT_PROPOSE:
    case MESSAGE_TRANSACTIONS_REQUEST:
    case MESSAGE_TRANSACTIONS_RESPONSE:
        break;
    }
}

/* --- The core itself. --- */

void checks_restart(struct checks *checks, uint32_t node, const struct core *core)
{
    const struct checks_node *known = &checks->nodes[node];
    struct core_status status;
    core_get_status(core, &status);
    if (checks_compare(status.current, known->disk_current) < 0 ||
        checks_compare(status.last_voted, known->disk_voted) < 0 ||
        checks_compare(status.locked, known->disk_locked) < 0) {
        checks_fail(checks, CHECK_DISK_MONOTONIC,
                    "replica %u restarted below what its disk held: view %" PRIu64, node,
                    status.current.view);
    }
    for (uint64_t epoch = 0; known->is_honest && epoch <= status.current.epoch; epoch++) {
        const struct validator_set *set = core_find_set(core, epoch);
        if (set == NULL) {
            checks_fail(checks, CHECK_SAME_SET,
                        "replica %u restarted in epoch %" PRIu64
                        " without the set of epoch %" PRIu64,
                        node, status.current.epoch, epoch);
            return;
        }
        checks_same_set(checks, node, set);
    }
    if (status.last_committed->height < known->committed_height) {
        checks_fail(checks, CHECK_COMMITTED_STAYS,
                    "replica %u reported height %" PRIu64 " as committed and restarted at %" PRIu64,
                    node, known->committed_height, status.last_committed->height);
    }
}

void checks_core(struct checks *checks, uint32_t node, const struct core *core)
{
    const char *why = NULL;
    const int broken = core_check_invariants(core, &why);
    if (broken != 0) {
        checks_fail(checks, CHECK_INVARIANT, "replica %u: invariant %d: %s", node, broken, why);
    }
    struct core_status status;
    core_get_status(core, &status);
    if (checks->nodes[node].is_honest) {
        checks_same_set(checks, node, status.set);
    }
}

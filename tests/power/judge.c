/*
 * The judge: the whole content against what LMDB had committed, the safety record against what was
 * sent, the chain against what was reported, and what the replica sends next against what it sent.
 */
#include "power/judge.h"

#include <ingot/apps.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "wire/crypto.h"
#include "wire/wire.h"

#define FRAMES_BEFORE 8
#define FRAMES_AFTER 24

/* --- What is due. --- */

void duty_deinit(struct duty *duty)
{
    free(duty->hashes);
    free(duty->votes);
}

static void raise(struct position *highest, struct position position)
{
    if (position_compare(position, *highest) > 0) {
        *highest = position;
    }
}

static void raise_height(struct duty *duty, uint64_t height)
{
    duty->height = height > duty->height ? height : duty->height;
}

static void add_vote(struct duty *duty, const struct vote *vote)
{
    if (duty->vote_count == duty->vote_capacity) {
        duty->vote_capacity = duty->vote_capacity == 0 ? 64 : duty->vote_capacity * 2;
        duty->votes = alloc_resize(duty->votes, duty->vote_capacity, sizeof *duty->votes);
    }
    duty->votes[duty->vote_count++] = *vote;
}

/* The vote that a message bears, or NULL. */
static const struct vote *vote_of(const struct message *message)
{
    if (message->kind == MESSAGE_VOTE) {
        return &message->vote;
    }
    if (message->kind == MESSAGE_PROPOSE || message->kind == MESSAGE_COMPACT_PROPOSE) {
        return &message->propose.vote;
    }
    return message->kind == MESSAGE_NUDGE ? &message->nudge.vote : NULL;
}

/*
 * False: it says nothing of where its sender stands, so that may be forgotten again. A certificate
 * is what others have signed (our own vote in it was sent before); transactions are clients', and a
 * batch of them says no more than what height is committed.
 */
static bool add_sent(struct duty *duty, const struct op *op)
{
    struct message *message = NULL;
    if (wire_decode(ingot_buffer_slice(&op->bytes), &message) != REJECT_NONE) {
        return true;
    }
    const enum message_kind kind = message->kind;
    const struct vote *vote = vote_of(message);
    if (vote != NULL) {
        add_vote(duty, vote);
        raise(&duty->shown.last_voted, vote_position(vote));
        raise(&duty->shown.current, vote_position(vote));
    }
    if (kind == MESSAGE_TIMEOUT) {
        const struct position position = {message->timeout.epoch, message->timeout.view};
        raise(&duty->given_up, position);
        raise(&duty->shown.last_voted, position);
        raise(&duty->shown.high, qc_position(message->timeout.high_qc));
    }
    if (kind == MESSAGE_ADVERTISE) {
        raise(&duty->shown.high, qc_position(message->advertise.high_qc));
        raise_height(duty, message->advertise.committed_height);
    }
    if (kind == MESSAGE_TRANSACTIONS) {
        raise_height(duty, message->transactions.committed_height);
    }
    message_unref(message);
    return kind != MESSAGE_CERTIFICATE && kind != MESSAGE_TRANSACTIONS &&
           kind != MESSAGE_TRANSACTIONS_REQUEST && kind != MESSAGE_TRANSACTIONS_RESPONSE;
}

static void add_reported(struct duty *duty, const struct op *op)
{
    while (duty->hash_capacity <= op->at) {
        const uint64_t before = duty->hash_capacity;
        duty->hash_capacity = before == 0 ? 64 : before * 2;
        duty->hashes = alloc_resize(duty->hashes, duty->hash_capacity, sizeof *duty->hashes);
        memset(duty->hashes + before, 0, (duty->hash_capacity - before) * sizeof *duty->hashes);
    }
    duty->hashes[op->at] = op->digest;
    raise_height(duty, op->at);
}

void duty_add(struct duty *duty, const struct record *record, uint32_t index)
{
    const struct op *op = &record->ops[index];
    bool is_promise = true;
    if (op->kind == OP_BATCH) {
        duty->has_batch = true;
        duty->batch = index;
    } else if (op->kind == OP_SENT) {
        is_promise = add_sent(duty, op);
    } else if (op->kind == OP_REPORTED) {
        add_reported(duty, op);
    } else if (op->kind != OP_SIGNED && op->kind != OP_TOLD) {
        return;
    }
    if (is_promise) {
        raise(&duty->shown.current, op->shown.current);
        raise(&duty->shown.last_voted, op->shown.last_voted);
        raise(&duty->shown.locked, op->shown.locked);
        raise(&duty->shown.high, op->shown.high);
    }
    duty->serial++;
}

/* --- The replica that starts from the image. --- */

struct trial {
    const struct power_node *node;
    const struct duty *duty;
    struct replica *replica;
    struct attesting attesting;
    bool has_saved; /* the image has a vote that was not sent: */
    struct vote saved;
    uint64_t now_us;
    bool is_woken;
    bool has_failed;
    char *why;
    size_t why_size;
};

__attribute__((format(printf, 2, 3))) static void fail(struct trial *trial, const char *format, ...)
{
    if (trial->has_failed) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(trial->why, trial->why_size, format, arguments);
    va_end(arguments);
    trial->has_failed = true;
}

/*
 * A vote where it voted must be the same; where it gave up, or below, there can be no other. But
 * one that was durable and found nobody to be sent to leaves after the next start.
 */
static void check_vote(struct trial *trial, const struct vote *vote)
{
    const struct duty *duty = trial->duty;
    for (uint32_t i = duty->vote_count; i-- > 0;) {
        if (position_compare(vote_position(&duty->votes[i]), vote_position(vote)) == 0) {
            if (!vote_same_choice(&duty->votes[i], vote)) {
                fail(trial, "it votes again in view %" PRIu64 ", for something else", vote->view);
            }
            return;
        }
    }
    const bool is_saved = trial->has_saved && vote_same_choice(&trial->saved, vote);
    if (!is_saved && position_compare(vote_position(vote), duty->shown.last_voted) <= 0) {
        fail(trial, "it votes in view %" PRIu64 ", which it had left behind", vote->view);
    }
}

static void check_sent(struct trial *trial, struct ingot_slice frame)
{
    struct message *message = NULL;
    if (wire_decode(frame, &message) != REJECT_NONE) {
        return;
    }
    const struct vote *vote = vote_of(message);
    if (vote != NULL) {
        check_vote(trial, vote);
    }
    message_unref(message);
}

static void send(void *context, uint32_t peer, enum ingot_frame_class frame_class,
                 struct ingot_slice frame)
{
    (void)peer;
    (void)frame_class;
    check_sent(context, frame);
}

static void broadcast(void *context, enum ingot_frame_class frame_class, struct ingot_slice frame)
{
    (void)frame_class;
    check_sent(context, frame);
}

static void arm(void *context, uint64_t deadline_ms)
{
    (void)context;
    (void)deadline_ms;
}

static void wake(void *context)
{
    struct trial *trial = context;
    trial->is_woken = true;
}

/* Than was reported, if it was: a process may have died between a commit and its report. */
static bool is_another(const struct duty *duty, const struct block *block)
{
    static const struct ingot_hash none;
    return block->height < duty->hash_capacity &&
           !crypto_hash_equal(&duty->hashes[block->height], &none) &&
           !crypto_hash_equal(&duty->hashes[block->height], &block->hash);
}

static void committed(void *context, struct block *block, struct execution *execution)
{
    struct trial *trial = context;
    attesting_committed(&trial->attesting, block, execution);
    if (is_another(trial->duty, block)) {
        fail(trial, "it commits another block of height %" PRIu64, block->height);
    }
}

static void stopped(void *context, enum replica_stop stop, const char *why)
{
    (void)stop;
    fail(context, "the replica stops: %s", why);
}

static uint64_t monotonic_us(void *context)
{
    return ((const struct trial *)context)->now_us;
}

static uint64_t wall_ms(void *context)
{
    return UINT64_C(1790000000000) + monotonic_us(context) / 1000;
}

static void flush(struct trial *trial, struct replica *replica)
{
    do {
        trial->is_woken = false;
        replica_flush(replica);
        if (!trial->has_failed) {
            attesting_flush(&trial->attesting);
        }
    } while (trial->is_woken && !trial->has_failed);
}

/* --- What is on the disk. --- */

/*
 * All that LMDB has must be as a commit left it: the last one that had returned or, where the power
 * went in the middle of one, that one; whole in any case. A process that died in the middle of a
 * commit may have left that one whole (OP_LEFT).
 */
bool judge_content(const struct record *record, uint32_t at, const struct duty *duty,
                   const char *folder, char *why, size_t why_size)
{
    char path[256];
    uint64_t transaction = 0;
    struct ingot_hash digest;
    const char *text = NULL;
    (void)snprintf(path, sizeof path, "%s/data.mdb", folder);
    if (access(path, F_OK) != 0) {
        (void)snprintf(why, why_size, "data.mdb is gone");
        return !duty->has_batch;
    }
    if (!record_read_lmdb(path, &transaction, &digest, &text)) {
        (void)snprintf(why, why_size, "LMDB cannot read it: %s", text);
        return false;
    }
    bool has_ended = false;
    for (uint32_t i = duty->has_batch ? duty->batch : 0; i < record->count && !has_ended; i++) {
        const struct op *op = &record->ops[i];
        if ((op->kind == OP_BATCH || op->kind == OP_LEFT) && op->at == transaction &&
            crypto_hash_equal(&op->digest, &digest)) {
            return true;
        }
        has_ended = i > at && op->kind == OP_BATCH;
    }
    (void)snprintf(why, why_size,
                   "it has transaction %" PRIu64
                   ", and not as one was committed; the last that was committed is %" PRIu64,
                   transaction, duty->has_batch ? record->ops[duty->batch].at : 0);
    return !duty->has_batch && transaction == 0;
}

static void check_position(struct trial *trial, const char *what, struct position has,
                           struct position due)
{
    if (position_compare(has, due) < 0) {
        fail(trial,
             "the %s is (%" PRIu64 ", %" PRIu64 "), and (%" PRIu64 ", %" PRIu64 ") was shown", what,
             has.epoch, has.view, due.epoch, due.view);
    }
}

static void check_safety(struct trial *trial, const struct replica *replica)
{
    struct core_status status;
    replica_get_status(replica, &status);
    check_position(trial, "current position", status.current, trial->duty->shown.current);
    check_position(trial, "last vote", status.last_voted, trial->duty->shown.last_voted);
    check_position(trial, "lock", status.locked, trial->duty->shown.locked);
    check_position(trial, "highest certificate", status.high, trial->duty->shown.high);
    if (status.set->epoch < trial->duty->shown.current.epoch) {
        fail(trial, "the set of epoch %" PRIu64 " is not in force", status.current.epoch);
    }
}

static void check_chain(struct trial *trial, struct replica *replica)
{
    struct ledger *ledger = replica_ledger(replica);
    const struct duty *duty = trial->duty;
    if (ledger_committed_height(ledger) < duty->height) {
        fail(trial, "height %" PRIu64 " was reported, and the chain ends at %" PRIu64, duty->height,
             ledger_committed_height(ledger));
        return;
    }
    for (uint64_t height = ledger_lowest_height(ledger);
         height <= duty->height && height < duty->hash_capacity; height++) {
        struct ledger_entry entry;
        const enum ingot_error error = ledger_read_block(ledger, height, &entry);
        if (error != INGOT_OK) {
            fail(trial, "block %" PRIu64 ": %s", height, ingot_error_text(error));
            return;
        }
        if (is_another(duty, entry.block)) {
            fail(trial, "block %" PRIu64 " is another than was reported", height);
        }
        ledger_entry_deinit(&entry);
    }
}

/* --- What it does from there. --- */

static void feed(struct trial *trial, struct replica *replica, const struct op *op)
{
    trial->now_us += 1000;
    if (!attesting_receive(&trial->attesting, (uint32_t)op->at, ingot_buffer_slice(&op->bytes))) {
        replica_receive(replica, (uint32_t)op->at, ingot_buffer_slice(&op->bytes));
    }
    flush(trial, replica);
}

static void show_the_rest(struct trial *trial, struct replica *replica, uint32_t at)
{
    const struct record *record = &trial->node->record;
    uint32_t first = at;
    for (uint32_t count = 0; first > 0 && count < FRAMES_BEFORE; first--) {
        count += record->ops[first - 1].kind == OP_RECEIVED;
    }
    uint32_t after = 0;
    for (uint32_t i = first; i < record->count && after < FRAMES_AFTER && !trial->has_failed; i++) {
        if (record->ops[i].kind == OP_RECEIVED) {
            after += i >= at;
            feed(trial, replica, &record->ops[i]);
        }
    }
    for (uint32_t i = 0; i < 3 && !trial->has_failed; i++) {
        trial->now_us += 400000;
        replica_tick(replica);
        flush(trial, replica);
    }
}

static void try_attestor(struct trial *trial, const struct replica_output *output,
                         const struct ingot_app *app, const char *folder, uint32_t at)
{
    char why[256] = "";
    trial->attesting = (struct attesting){.replica = trial->replica, .output = *output};
    if (attesting_open(&trial->attesting, trial->node, app, folder, why, sizeof why) != INGOT_OK) {
        fail(trial, "the attestor does not open: %s", why);
        return;
    }
    const char *wrong = attesting_judge(&trial->attesting, &trial->node->record, at, folder);
    if (wrong != NULL) {
        fail(trial, "%s", wrong);
    }
}

static void try_open_replica(struct trial *trial, uint32_t at)
{
    const struct power_node *node = trial->node;
    for (uint32_t i = 0; i < node->world->node_count; i++) {
        if (i != node->index) {
            replica_set_peer(trial->replica, i, true, &node->world->keys.of[i]);
            replica_set_connected(trial->replica, i, true);
            attesting_connected(&trial->attesting, i, true);
        }
    }
    replica_start(trial->replica);
    flush(trial, trial->replica);
    show_the_rest(trial, trial->replica, at);
}

static bool is_sent(const struct duty *duty, struct position position)
{
    for (uint32_t i = duty->vote_count; i-- > 0;) {
        if (position_compare(vote_position(&duty->votes[i]), position) == 0) {
            return true;
        }
    }
    return false;
}

/* What cannot be read here is told of when the replica opens it. */
static void read_saved_vote(struct trial *trial, struct ingot_store *store)
{
    const struct ledger_options options = {.genesis = trial->node->world->genesis,
                                           .genesis_set = trial->node->world->set};
    struct ledger *ledger = NULL;
    struct ledger_start start;
    if (is_sent(trial->duty, trial->duty->shown.last_voted) ||
        ledger_open(store, &options, &ledger, NULL, 0) != INGOT_OK) {
        return;
    }
    if (ledger_load(ledger, &start, NULL, 0) == INGOT_OK) {
        trial->has_saved = start.safety.has_vote;
        trial->saved = start.safety.vote;
        ledger_start_deinit(&start);
    }
    ledger_free(ledger);
}

static void try_replica(struct trial *trial, struct ingot_store *store, const char *folder,
                        uint32_t at)
{
    const struct replica_output output = {trial,   send,         broadcast, arm,  wake, committed,
                                          stopped, monotonic_us, wall_ms,   NULL, NULL};
    struct ingot_app app;
    attesting_app(trial->node, &app);
    const struct replica_options options = world_replica_options(trial->node, store, &app, &output);
    char why[256] = "";
    if (replica_open(&options, &trial->replica, why, sizeof why) != INGOT_OK) {
        fail(trial, "the replica does not open: %s", why);
    } else {
        check_safety(trial, trial->replica);
        check_chain(trial, trial->replica);
        try_attestor(trial, &output, &app, folder, at);
        if (!trial->has_failed) {
            try_open_replica(trial, at);
        }
        attesting_close(&trial->attesting);
        replica_free(trial->replica);
    }
    ingot_app_deinit(&app);
}

bool judge_image(const struct power_node *node, uint32_t at, const struct duty *duty,
                 const char *folder, char *why, size_t why_size)
{
    struct trial trial = {.node = node,
                          .duty = duty,
                          .now_us = UINT64_C(1000000000),
                          .why = why,
                          .why_size = why_size};
    struct ingot_store *store = NULL;
    char reason[256] = "";
    if (!judge_content(&node->record, at, duty, folder, why, why_size)) {
        return false;
    }
    if (world_open_store(folder, &store, reason, sizeof reason) != INGOT_OK) {
        fail(&trial, "the store does not open: %s", reason);
    } else {
        read_saved_vote(&trial, store);
        try_replica(&trial, store, folder, at);
        ingot_store_close(store);
    }
    return !trial.has_failed;
}

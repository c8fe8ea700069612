/*
 * What is missing, who is asked for it, and what goes to the core: one step of the sync client
 * does whatever is due. Answers come in through sync_answer.c; peers are judged in sync_peer.c.
 */
#include "node/sync_client.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/mutant.h"
#include "node/sync_client_state.h"

#define STUCK_MAX 6

struct sync_client *sync_client_new(const struct sync_client_options *options)
{
    INGOT_ASSERT(options->request_timeout_ms >= 1);
    struct sync_client *client = alloc_zeroed(1, sizeof *client);
    client->options = *options;
    client->preferred = SYNC_PEER_NONE;
    client->deadline_ms = UINT64_MAX;
    return client;
}

void sync_client_free(struct sync_client *client)
{
    if (client == NULL) {
        return;
    }
    sync_ranges_clear(client);
    block_unref(client->run.last);
    block_unref(client->base);
    free(client->peers);
    free(client);
}

static bool is_known(const struct sync_client *client, const struct sync_chain *chain,
                     const struct block *block)
{
    return block->height <= chain->committed->height ||
           client->options.find_block(client->options.context, &block->hash) != NULL;
}

/* --- The tip: the block that the lowest range stands on. --- */

static void set_base(struct sync_client *client, struct block *block)
{
    block_unref(client->base);
    client->base = block;
}

static void end_walk(struct sync_client *client)
{
    if (client->is_walking) {
        client->is_walking = false;
        client->preferred = SYNC_PEER_NONE;
        set_base(client, NULL);
    }
}

static const struct block *find_tip(struct sync_client *client, const struct sync_chain *chain)
{
    if (client->from_committed) {
        return chain->committed;
    }
    /* A long branch may stand lower than the highest certificate until its end is there. */
    const bool is_of_use =
        client->base != NULL &&
        client->options.find_block(client->options.context, &client->base->hash) != NULL &&
        (client->is_walking || chain->waiting_qc != NULL ||
         client->base->height > chain->high->height);
    if (!is_of_use) {
        end_walk(client);
        set_base(client, NULL);
    }
    return client->base != NULL ? client->base : chain->high;
}

/* Nothing that we hold or have asked for can be trusted to belong together any more. */
static void begin_anew(struct sync_client *client)
{
    sync_ranges_clear(client);
    end_walk(client);
    set_base(client, NULL);
    client->from_committed = true;
}

/* --- Handing over. --- */

bool sync_client_has_run(const struct sync_client *client)
{
    return client->run.last != NULL;
}

/* What became of the run that the core was given last. */
static void settle_run(struct sync_client *client, const struct sync_chain *chain)
{
    struct sync_run run = client->run;
    if (run.last == NULL || chain->is_busy) {
        return;
    }
    client->run = (struct sync_run){0};
    if (is_known(client, chain, run.last)) {
        client->blocks += run.count;
        client->from_committed = false;
        client->is_walking = false;
        client->preferred = SYNC_PEER_NONE;
        sync_peer_praise(client, run.peer);
        set_base(client, run.last);
    } else {
        sync_peer_fault(client, chain->now_ms, run.peer, SYNC_FAULT_INVALID);
        begin_anew(client);
        block_unref(run.last);
    }
}

/*
 * The certificate that comes behind `count` blocks of an answer, from its block `first` on. The
 * block that we asked for by a certificate may be news to its sender, who then has none for it:
 * ours will do.
 */
static struct qc *tail_of(const struct sync_chain *chain, const struct sync_response *response,
                          uint32_t first, uint32_t count)
{
    if (first + count < response->block_count) {
        return response->blocks[first + count]->justify;
    }
    const struct ingot_hash *last = &response->blocks[response->block_count - 1]->hash;
    struct qc *qc = chain->waiting_qc;
    const bool is_ours = response->tail_qc == NULL && qc != NULL &&
                         memcmp(qc->block.bytes, last->bytes, INGOT_HASH_BYTES) == 0;
    return is_ours ? qc : response->tail_qc;
}

/* How many blocks of an answer make a run. The last one is of use only with its certificate. */
static uint32_t run_length(const struct sync_chain *chain, const struct sync_response *response,
                           uint32_t first)
{
    size_t bytes = 0;
    uint32_t signatures = 0;
    uint32_t count = 0;
    while (first + count < response->block_count && count < SYNC_RUN_BLOCKS_MAX) {
        const struct block *block = response->blocks[first + count];
        const struct qc *tail = tail_of(chain, response, first, count + 1);
        bytes += block_size_bytes(block);
        signatures += tail == NULL ? 0 : tail->signature_count;
        if (tail == NULL ||
            (count > 0 && (bytes > SYNC_RUN_BYTES_MAX || signatures > SYNC_RUN_SIGNATURES_MAX))) {
            break;
        }
        count++;
    }
    return count;
}

static struct message *make_run(const struct sync_chain *chain,
                                const struct sync_response *response, uint32_t first,
                                uint32_t count)
{
    struct message *message = message_new(MESSAGE_SYNC_RESPONSE);
    struct sync_response *run = &message->sync_response;
    run->committed_height = response->committed_height;
    run->blocks = alloc_zeroed((size_t)count + 1, sizeof(struct block *));
    for (uint32_t i = 0; i < count; i++) {
        run->blocks[run->block_count++] = block_ref(response->blocks[first + i]);
    }
    run->tail_qc = qc_ref(tail_of(chain, response, first, count));
    return message;
}

/* Cuts a run down to its first blocks; the certificate of the last of them is at hand. */
static void shorten_run(struct sync_response *run, uint32_t count)
{
    if (count == run->block_count) {
        return;
    }
    qc_unref(run->tail_qc);
    run->tail_qc = qc_ref(run->blocks[count]->justify);
    while (run->block_count > count) {
        block_unref(run->blocks[--run->block_count]);
    }
}

static bool offer_certificate(struct sync_client *client, uint32_t peer, struct qc *qc)
{
    struct message *message = message_new(MESSAGE_CERTIFICATE);
    message->certificate.qc = qc_ref(qc);
    const enum reject reject = client->options.take(client->options.context, peer, message);
    message_unref(message);
    return reject == REJECT_NONE;
}

static void refuse_range(struct sync_client *client, const struct sync_chain *chain,
                         struct sync_range *range)
{
    sync_peer_fault(client, chain->now_ms, range->peer, SYNC_FAULT_INVALID);
    sync_range_clear(client, range);
}

static bool give_run(struct sync_client *client, struct sync_range *range, struct message *message)
{
    const struct sync_response *run = &message->sync_response;
    if (client->options.take(client->options.context, range->peer, message) != REJECT_NONE) {
        return false;
    }
    client->run = (struct sync_run){.last = block_ref(run->blocks[run->block_count - 1]),
                                    .peer = range->peer,
                                    .count = run->block_count};
    range->done += run->block_count;
    range->has_offered_justify = false;
    return true;
}

/*
 * Nothing certifies the block that we asked for: a certificate named it then, another one waits by
 * now. That is nobody's fault, and the next answer will have what comes after it.
 */
static bool is_overtaken(const struct sync_range *range, uint32_t length)
{
    const struct block *block = range->answer->sync_response.blocks[range->done];
    return length == 0 && memcmp(range->target.bytes, block->hash.bytes, INGOT_HASH_BYTES) == 0;
}

/* True if the core was given something. */
static bool hand_over_run(struct sync_client *client, const struct sync_chain *chain,
                          struct sync_range *range, const struct block *parent)
{
    const struct sync_response *response = &range->answer->sync_response;
    const uint32_t length = run_length(chain, response, range->done);
    if (is_overtaken(range, length)) {
        sync_range_clear(client, range);
        return false;
    }
    struct message *message = make_run(chain, response, range->done, length);
    struct sync_response *run = &message->sync_response;
    uint32_t count = 0;
    const enum reject reject =
        length == 0 ? REJECT_BINDING
                    : client->options.verify(client->options.context, parent, range->answer,
                                             range->done, run, &count);
    INGOT_ASSERT(count <= length);
    bool is_taken = false;
    if (count > 0) {
        shorten_run(run, count);
        is_taken = give_run(client, range, message);
    } else if (reject == REJECT_NONE && !range->has_offered_justify) {
        /* Its parent ends an epoch; the certificate that opens the next one is in the block. */
        range->has_offered_justify = true;
        is_taken = offer_certificate(client, range->peer, response->blocks[range->done]->justify);
    }
    if (!is_taken) {
        refuse_range(client, chain, range);
    }
    message_unref(message);
    return is_taken;
}

/*
 * All of an answer was known before it came. It may be the beginning of a branch that leaves ours
 * higher up: the next request goes on behind it, to the same peer, or a branch whose known part is
 * longer than an answer would never be followed to where it is news.
 */
static void walk_on(struct sync_client *client, const struct sync_chain *chain,
                    const struct sync_range *range)
{
    const struct sync_response *response = &range->answer->sync_response;
    struct block *last = response->blocks[response->block_count - 1];
    const uint64_t reached = client->is_walking ? client->base->height : chain->committed->height;
    const bool may_walk = client->is_walking || client->from_committed;
    if (may_walk && last->height > reached && !MUTANT(BRANCH_NOT_WALKED)) {
        client->is_walking = true;
        client->preferred = range->peer;
        set_base(client, block_ref(last));
        return;
    }
    end_walk(client);
    sync_peer_at(client, range->peer)->nothing_ms =
        chain->now_ms + client->options.request_timeout_ms / 8 + 1;
}

/* All of the answer is known here. Only its tail may be news. */
static bool finish_range(struct sync_client *client, const struct sync_chain *chain)
{
    struct sync_range *range = &client->ranges[0];
    struct qc *tail = range->answer->sync_response.tail_qc;
    bool is_taken = false;
    if (tail != NULL && position_compare(qc_position(tail), chain->high_position) > 0) {
        is_taken = offer_certificate(client, range->peer, tail);
    }
    sync_range_pop(client);
    client->from_committed = false;
    return is_taken;
}

/* The next block does not stand on a block of ours. */
static void lose_link(struct sync_client *client, const struct sync_chain *chain,
                      struct sync_range *range, const struct block *block)
{
    if (block->height <= range->committed_height + 1) {
        refuse_range(client, chain, range);
        return;
    }
    /*
     * What was committed meanwhile may have ended the branch that an honest peer has shown. Or, of
     * two peers one has shown a certified block that is not committed, and we cannot tell which.
     * This one may show all of its branch, from the block on which all honest ones agree.
     */
    const uint32_t peer = range->peer;
    begin_anew(client);
    client->preferred = peer;
}

static void show_held(struct sync_client *client)
{
    for (uint32_t i = 0; i < client->range_count; i++) {
        if (client->ranges[i].state == RANGE_HELD) {
            client->options.held(client->options.context, client->ranges[i].answer);
        }
    }
}

static bool hand_over(struct sync_client *client, const struct sync_chain *chain)
{
    if (chain->is_busy) {
        return false;
    }
    while (client->range_count > 0 && client->ranges[0].state == RANGE_HELD) {
        struct sync_range *range = &client->ranges[0];
        const struct sync_response *response = &range->answer->sync_response;
        const uint32_t done_before = range->done;
        while (range->done < response->block_count &&
               is_known(client, chain, response->blocks[range->done])) {
            range->done++;
        }
        if (range->done == response->block_count) {
            if (done_before == 0) {
                walk_on(client, chain, range);
            }
            if (finish_range(client, chain)) {
                return true;
            }
            continue;
        }
        const struct block *block = response->blocks[range->done];
        const struct block *parent =
            client->options.find_block(client->options.context, &block->parent);
        if (parent == NULL) {
            lose_link(client, chain, range, block);
            return false;
        }
        return hand_over_run(client, chain, range, parent);
    }
    return false;
}

/* --- What is missing. --- */

static bool has_hint(const struct sync_client *client)
{
    for (uint32_t i = 0; i < client->peer_count; i++) {
        if (client->peers[i].is_connected && client->peers[i].is_ahead) {
            return true;
        }
    }
    return false;
}

static bool is_idle(const struct sync_client *client)
{
    for (uint32_t i = 0; i < client->range_count; i++) {
        if (client->ranges[i].state != RANGE_WANTED) {
            return false;
        }
    }
    return true;
}

/* The longer nothing helps, the more rarely it is tried. */
static uint64_t stuck_ms(const struct sync_client *client)
{
    return client->committed_ms + ((uint64_t)client->options.request_timeout_ms << client->stuck);
}

/* We have blocks as high as others have committed, and commit none: perhaps the wrong ones. */
static void look_if_stuck(struct sync_client *client, const struct sync_chain *chain)
{
    if (chain->committed->height > client->committed_height || client->committed_ms == 0) {
        client->committed_height = chain->committed->height;
        client->committed_ms = chain->now_ms;
        client->stuck = 1;
    }
    if (!MUTANT(STUCK_FOR_GOOD) && sync_peers_target(client) > chain->committed->height &&
        chain->now_ms >= stuck_ms(client) && is_idle(client)) {
        client->committed_ms = chain->now_ms;
        client->stuck += client->stuck < STUCK_MAX;
        begin_anew(client);
    }
}

static void look_for_gap(struct sync_client *client, const struct sync_chain *chain)
{
    look_if_stuck(client, chain);
    client->tip_height = find_tip(client, chain)->height;
    const bool is_wanting = chain->waiting_qc != NULL || client->from_committed ||
                            sync_peers_claim(client) > client->tip_height || has_hint(client);
    if (!is_wanting) {
        sync_ranges_clear(client);
    } else if (!client->is_wanting) {
        client->wanting_ms = chain->now_ms;
    }
    client->is_wanting = is_wanting;
    const struct qc *qc = chain->waiting_qc;
    client->certificate_is_far =
        qc != NULL && (qc_position(qc).epoch > chain->high_position.epoch ||
                       qc_position(qc).view > chain->high_position.view + SYNC_LAG_BLOCKS);
}

/* --- Asking. --- */

static void expire_ranges(struct sync_client *client, uint64_t now_ms)
{
    for (uint32_t i = 0; i < client->range_count; i++) {
        struct sync_range *range = &client->ranges[i];
        if (range->state == RANGE_ASKED &&
            range->asked_ms + client->options.request_timeout_ms <= now_ms &&
            !MUTANT(SILENCE_ENDURED)) {
            range->state = RANGE_WANTED;
            sync_peer_fault(client, now_ms, range->peer, SYNC_FAULT_STALLED);
        }
    }
}

static void ask(struct sync_client *client, const struct sync_chain *chain,
                struct sync_range *range, uint32_t peer, const struct block *base)
{
    struct sync_peer *at = sync_peer_at(client, peer);
    const uint32_t blocks = range->count >> at->stalls;
    const size_t bytes = SYNC_ASK_BYTES >> at->stalls;
    struct sync_request request = {
        .committed_height = chain->committed->height,
        .base_height = range->first - 1,
        .blocks_max = blocks > 0 ? blocks : 1,
        .bytes_max = (uint32_t)(bytes > SYNC_ASK_BYTES_MIN ? bytes : SYNC_ASK_BYTES_MIN)};
    if (base != NULL) {
        request.base = base->hash;
        if (chain->waiting_qc != NULL) {
            request.target = chain->waiting_qc->block;
        }
    }
    at->past[at->past_next++ % SYNC_PAST_ASKS] = at->ask;
    at->ask = (struct sync_ask){.is_open = true,
                                .has_base = base != NULL,
                                .first = range->first,
                                .committed_height = request.committed_height,
                                .claim = at->claim,
                                .target = request.target,
                                .blocks = request.blocks_max,
                                .bytes = request.bytes_max,
                                .asked_ms = chain->now_ms};
    at->served = ++client->serial;
    range->state = RANGE_ASKED;
    range->peer = peer;
    range->asked_ms = chain->now_ms;
    client->requests++;
    client->options.request(client->options.context, peer, &request);
}

static uint32_t asked_count(const struct sync_client *client)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < client->range_count; i++) {
        count += client->ranges[i].state == RANGE_ASKED;
    }
    return count;
}

/*
 * Answers that wait for a lower one must not fill the memory. One that had no room is not asked for
 * again before it has: it would only be fetched and dropped, over and over.
 */
static bool has_room(const struct sync_client *client, const struct sync_range *range,
                     uint32_t asked)
{
    const size_t bytes =
        range->refused_bytes > SYNC_ASK_BYTES ? range->refused_bytes : SYNC_ASK_BYTES;
    return client->held_bytes + asked * SYNC_ASK_BYTES + bytes <= SYNC_HELD_BYTES_MAX ||
           MUTANT(HELD_UNBOUNDED);
}

static void ask_peers(struct sync_client *client, const struct sync_chain *chain)
{
    const struct block *tip = find_tip(client, chain);
    uint32_t asked = asked_count(client);
    for (uint32_t i = 0; i < client->range_count && asked < SYNC_REQUESTS_MAX; i++) {
        struct sync_range *range = &client->ranges[i];
        if (range->state != RANGE_WANTED || (i > 0 && !has_room(client, range, asked))) {
            continue;
        }
        const bool is_lowest = i == 0 && range->first == tip->height + 1;
        uint32_t first_choice = SYNC_PEER_NONE;
        if (is_lowest) {
            first_choice = client->preferred == SYNC_PEER_NONE && chain->waiting_qc != NULL
                               ? chain->waiting_peer
                               : client->preferred;
        }
        const bool by_claim = !is_lowest || chain->waiting_qc == NULL;
        const uint32_t peer =
            sync_peer_choose(client, chain->now_ms, range->first, by_claim, first_choice);
        if (peer != SYNC_PEER_NONE) {
            ask(client, chain, range, peer, is_lowest ? tip : NULL);
            asked++;
        }
    }
}

/* --- A step. --- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t next_deadline(const struct sync_client *client, const struct sync_chain *chain)
{
    uint64_t next = UINT64_MAX;
    if (sync_peers_target(client) > chain->committed->height && stuck_ms(client) > chain->now_ms) {
        next = stuck_ms(client);
    }
    if (client->is_reporting) {
        next = earlier(next, client->report_ms);
    }
    if (!client->is_wanting) {
        return next;
    }
    next = earlier(next, sync_peers_deadline_ms(client, chain->now_ms));
    if (client->range_count == 0) {
        next = earlier(next, client->wanting_ms + SYNC_GRACE_MS);
    }
    for (uint32_t i = 0; i < client->range_count; i++) {
        const struct sync_range *range = &client->ranges[i];
        if (range->state == RANGE_ASKED) {
            next = earlier(next, range->asked_ms + client->options.request_timeout_ms);
        }
    }
    return next > chain->now_ms ? next : chain->now_ms + 1;
}

static void look_and_ask(struct sync_client *client, const struct sync_chain *chain)
{
    look_for_gap(client, chain);
    if (client->is_wanting && chain->now_ms >= client->wanting_ms + SYNC_GRACE_MS) {
        sync_ranges_plan(client);
        ask_peers(client, chain);
    }
    if (!client->is_wanting) {
        end_walk(client);
        client->preferred = SYNC_PEER_NONE;
    }
}

bool sync_client_step(struct sync_client *client, const struct sync_chain *chain)
{
    settle_run(client, chain);
    sync_peers_expire(client, chain->now_ms);
    expire_ranges(client, chain->now_ms);
    /* First of all the next requests: their answers come while this run is executed. */
    look_and_ask(client, chain);
    sync_report(client, chain->now_ms);
    show_held(client);
    if (hand_over(client, chain)) {
        client->deadline_ms = chain->now_ms; /* what `chain` points to may be gone */
        return true;
    }
    look_and_ask(client, chain);
    client->deadline_ms = next_deadline(client, chain);
    return false;
}

uint64_t sync_client_deadline_ms(const struct sync_client *client)
{
    return client->deadline_ms;
}

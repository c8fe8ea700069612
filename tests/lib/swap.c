/*
 * Four validators make way for four others. See swap.h.
 */
#include "lib/swap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct cluster_options swap_options(uint32_t leader_tenure)
{
    struct cluster_options options = cluster_default_options();
    options.validators = SWAP_OLD;
    options.observers = SWAP_ALL - SWAP_OLD;
    options.leader_tenure = leader_tenure;
    options.empty_block_interval_ms = 20;
    return options;
}

static bool intercept(void *context, uint32_t from, uint32_t to, const struct message *message)
{
    struct swap *swap = context;
    if (message->kind == MESSAGE_PROPOSE && block_changes_set(message->propose.block) &&
        block_epoch(message->propose.block) == 0 && swap->change != message->propose.block) {
        block_unref(swap->change);
        swap->change = block_ref(message->propose.block);
    }
    return swap->rule != NULL && swap->change != NULL && swap->rule(swap, from, to, message);
}

static void expect_no_violation(const struct swap *swap)
{
    const struct checks *checks = cluster_checks(swap->cluster);
    if (checks->violated != CHECK_NONE) {
        fail_msg("%s: %s", check_text(checks->violated), checks->violation);
    }
}

void swap_init(struct swap *swap, const struct cluster_options *options)
{
    swap->cluster = cluster_new(options);
    swap->change = NULL;
    cluster_set_intercept(swap->cluster, intercept, swap);
    cluster_start_all(swap->cluster);
    swap_await_height(swap, 3, 5000);
}

void swap_deinit(struct swap *swap)
{
    cluster_free(swap->cluster);
    block_unref(swap->change);
}

void swap_submit(struct swap *swap, uint32_t node, bool back)
{
    struct set_app_powers powers = {{0}};
    for (uint32_t i = 0; i < SWAP_ALL; i++) {
        powers.of[i] = swap_is_old(i) == back;
    }
    assert_int_equal(cluster_submit_change(swap->cluster, node, &powers), INGOT_OK);
}

/* --- Time. --- */

void swap_run_ms(struct swap *swap, uint64_t duration_ms)
{
    (void)cluster_run_ms(swap->cluster, duration_ms);
    expect_no_violation(swap);
}

void swap_await(struct swap *swap, uint64_t limit_ms, cluster_condition *condition, void *context,
                const char *awaited)
{
    const bool has_come = cluster_run_while_not(swap->cluster, limit_ms, condition, context);
    expect_no_violation(swap);
    if (!has_come) {
        for (uint32_t i = 0; i < SWAP_ALL; i++) {
            if (cluster_is_up(swap->cluster, i)) {
                const struct core_status status = cluster_status(swap->cluster, i);
                print_message("node %u is in (%u, %u), has voted in (%u, %u), highest QC "
                              "(%u, %u), committed %u\n",
                              i, (unsigned)status.current.epoch, (unsigned)status.current.view,
                              (unsigned)status.last_voted.epoch, (unsigned)status.last_voted.view,
                              (unsigned)status.high.epoch, (unsigned)status.high.view,
                              (unsigned)cluster_committed(swap->cluster, i));
            }
        }
        fail_msg("not within %u ms: %s", (unsigned)limit_ms, awaited);
    }
}

static bool epoch_goes_on(void *context, struct cluster *cluster)
{
    const uint64_t *epoch = context;
    const struct checks *checks = cluster_checks(cluster);
    for (uint32_t i = 0; i < SWAP_ALL; i++) {
        if (!cluster_is_up(cluster, i) || !checks_is_member(checks, *epoch, i)) {
            continue;
        }
        if (cluster_status(cluster, i).current.epoch < *epoch ||
            block_epoch(cluster_status(cluster, i).last_committed) < *epoch) {
            return false;
        }
    }
    return cluster_epoch(cluster) >= *epoch;
}

void swap_await_epoch(struct swap *swap, uint64_t epoch, uint64_t limit_ms)
{
    swap_await(swap, limit_ms, epoch_goes_on, &epoch,
               "the members of the epoch commit one of its blocks");
}

static bool has_height(void *context, struct cluster *cluster)
{
    const uint64_t *height = context;
    for (uint32_t i = 0; i < SWAP_ALL; i++) {
        if (cluster_is_up(cluster, i) && cluster_committed(cluster, i) < *height) {
            return false;
        }
    }
    return true;
}

void swap_await_height(struct swap *swap, uint64_t height, uint64_t limit_ms)
{
    swap_await(swap, limit_ms, has_height, &height, "all commit a height");
}

/* --- What a story asks. --- */

bool swap_is_old(uint32_t node)
{
    return node < SWAP_OLD;
}

uint64_t swap_height(const struct swap *swap)
{
    return cluster_checks(swap->cluster)->committed_count - 1;
}

struct position swap_current(struct swap *swap, uint32_t node)
{
    return cluster_status(swap->cluster, node).current;
}

struct position swap_position(const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_PROPOSE:
        return block_position(message->propose.block);
    case MESSAGE_VOTE:
        return vote_position(&message->vote);
    case MESSAGE_TIMEOUT:
        return (struct position){message->timeout.epoch, message->timeout.view};
    case MESSAGE_NUDGE:
        return (struct position){message->nudge.epoch, message->nudge.view};
    case MESSAGE_CERTIFICATE:
        if (message->certificate.tc != NULL) {
            return (struct position){message->certificate.tc->epoch, message->certificate.tc->view};
        }
        return (struct position){message->certificate.qc->epoch, message->certificate.qc->view};
    case MESSAGE_ADVERTISE:
    case MESSAGE_SYNC_REQUEST:
    case MESSAGE_SYNC_RESPONSE:
    case MESSAGE_TRANSACTIONS:
    case MESSAGE_COMPACT_PROPOSE:
    case MESSAGE_TRANSACTIONS_REQUEST:
    case MESSAGE_TRANSACTIONS_RESPONSE:
        break;
    }
    return (struct position){0, 0};
}

struct qc *swap_shown(const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_PROPOSE:
        return message->propose.block->justify;
    case MESSAGE_TIMEOUT:
        return message->timeout.high_qc;
    case MESSAGE_NUDGE:
        return message->nudge.justify;
    case MESSAGE_CERTIFICATE:
        return message->certificate.tc != NULL ? message->certificate.tc->high_qc
                                               : message->certificate.qc;
    case MESSAGE_ADVERTISE:
        return message->advertise.high_qc;
    case MESSAGE_SYNC_RESPONSE:
        return message->sync_response.tail_qc;
    case MESSAGE_VOTE:
    case MESSAGE_SYNC_REQUEST:
    case MESSAGE_TRANSACTIONS:
    case MESSAGE_COMPACT_PROPOSE:
    case MESSAGE_TRANSACTIONS_REQUEST:
    case MESSAGE_TRANSACTIONS_RESPONSE:
        break;
    }
    return NULL;
}

bool swap_is_vote(const struct message *message, enum phase phase)
{
    switch (message->kind) {
    case MESSAGE_VOTE:
        return message->vote.phase == phase;
    case MESSAGE_NUDGE:
        return message->nudge.vote.phase == phase;
    case MESSAGE_PROPOSE:
        return message->propose.vote.phase == phase;
    case MESSAGE_TIMEOUT:
    case MESSAGE_CERTIFICATE:
    case MESSAGE_ADVERTISE:
    case MESSAGE_SYNC_REQUEST:
    case MESSAGE_SYNC_RESPONSE:
    case MESSAGE_TRANSACTIONS:
    case MESSAGE_COMPACT_PROPOSE:
    case MESSAGE_TRANSACTIONS_REQUEST:
    case MESSAGE_TRANSACTIONS_RESPONSE:
        break;
    }
    return false;
}

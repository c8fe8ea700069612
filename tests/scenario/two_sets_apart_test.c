/*
 * Two validator sets that do not know of each other what they have certified, while one makes way
 * for the other. Goal: what the old set does after the change has taken effect somewhere neither
 * forks the chain of the new one nor halts it, and everybody learns of the change in the end.
 * Method: four validators are replaced by four others; the links between the two are cut at chosen
 * messages, and heal. Views are counted from that of the change, v: the votes of v + 2 commit it,
 * and the new set begins in v + 3.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/swap.h"

/* Until a new block commits after healing: f + f' + 8. */
#define VIEWS_MAX 8
#define NOBODY UINT32_MAX
#define SAID_MAX 512

struct apart {
    struct swap swap;
    bool is_frozen;    /* the new set: nothing of its own epoch passes */
    uint32_t listens;  /* of the new set: hears the old set give up; or NOBODY */
    uint32_t witness;  /* of the new set: alone gets the votes of v + 5; NOBODY: who is first */
    struct qc *of_new; /* the Commit QC that the new set shows; owned, or NULL */
    struct qc *of_old;
    struct message *said[SAID_MAX]; /* Timeouts and TCs of the old set after v + 2; owned */
    uint32_t said_count;
};

static void set_up(struct apart *apart, swap_rule *rule)
{
    *apart = (struct apart){.listens = NOBODY, .witness = NOBODY};
    const struct cluster_options options = swap_options(4);
    swap_init(&apart->swap, &options);
    apart->swap.story = apart;
    apart->swap.rule = rule;
    swap_submit(&apart->swap, 0, false);
}

static void tear_down(struct apart *apart)
{
    swap_deinit(&apart->swap);
    qc_unref(apart->of_new);
    qc_unref(apart->of_old);
    for (uint32_t i = 0; i < apart->said_count; i++) {
        message_unref(apart->said[i]);
    }
}

/* --- Who is where. --- */

static uint64_t first_view(const struct apart *apart)
{
    return apart->swap.change->view + 3;
}

/* One of the sets is in epoch 1, as far as it is up. */
struct side {
    bool is_old;
};

static bool has_entered(void *context, struct cluster *cluster)
{
    const struct side *side = context;
    for (uint32_t i = 0; i < SWAP_ALL; i++) {
        if (swap_is_old(i) == side->is_old && cluster_is_up(cluster, i) &&
            cluster_status(cluster, i).current.epoch != 1) {
            return false;
        }
    }
    return true;
}

static void await_entered(struct apart *apart, bool is_old)
{
    struct side side = {.is_old = is_old};
    swap_await(&apart->swap, 60000, has_entered, &side,
               is_old ? "the old set commits the change" : "the new set enters its epoch");
}

static bool has_new_block(void *context, struct cluster *cluster)
{
    const uint64_t *height = context;
    return cluster_checks(cluster)->committed_count - 1 > *height;
}

/* A new block is committed within so many views from now, and then all go on together. */
static void expect_going_on(struct apart *apart, uint64_t views_max)
{
    struct swap *swap = &apart->swap;
    uint64_t height = swap_height(swap);
    const uint64_t passed = cluster_views_passed(swap->cluster);
    swap_await(swap, 60000, has_new_block, &height, "a new block is committed");
    assert_in_range(cluster_views_passed(swap->cluster) - passed, 0, views_max);
    swap_await_epoch(swap, 1, 20000);
    swap_await_height(swap, swap_height(swap) + 5, 20000);
}

/* --- What passes between them. --- */

static void keep(struct apart *apart, const struct message *message)
{
    if (apart->said_count == SAID_MAX) {
        return;
    }
    struct message *kept = message_new(message->kind);
    if (message->kind == MESSAGE_TIMEOUT) {
        kept->timeout = message->timeout;
        qc_ref(kept->timeout.high_qc);
        if (kept->timeout.tc != NULL) {
            tc_ref(kept->timeout.tc);
        }
    } else {
        kept->certificate.tc = tc_ref(message->certificate.tc);
    }
    apart->said[apart->said_count++] = kept;
}

static void note(struct apart *apart, uint32_t from, uint32_t to, const struct message *message)
{
    const bool gives_up = message->kind == MESSAGE_TIMEOUT ||
                          (message->kind == MESSAGE_CERTIFICATE && message->certificate.tc != NULL);
    if (gives_up && swap_is_old(from) && to == 4 && swap_position(message).epoch == 0 &&
        swap_position(message).view >= first_view(apart)) {
        keep(apart, message);
    }
    struct qc *shown = swap_shown(message);
    struct qc **slot = swap_is_old(from) ? &apart->of_old : &apart->of_new;
    if (shown != NULL && shown->phase == PHASE_COMMIT && *slot == NULL) {
        *slot = qc_ref(shown);
    }
}

/* From the old set to the new one only what belongs to the first three views of the change. */
static bool is_later(const struct apart *apart, const struct message *message)
{
    const struct qc *shown = swap_shown(message);
    return swap_position(message).view >= first_view(apart) ||
           (shown != NULL && (shown->phase == PHASE_COMMIT || shown->view >= first_view(apart)));
}

/* True: dropped. Of the new set nobody says anything to the old one. */
static bool cuts(struct apart *apart, uint32_t from, uint32_t to, const struct message *message)
{
    if (swap_is_old(from) && !swap_is_old(to)) {
        const bool gives_up =
            message->kind == MESSAGE_TIMEOUT ||
            (message->kind == MESSAGE_CERTIFICATE && message->certificate.tc != NULL);
        return is_later(apart, message) && !(gives_up && to == apart->listens);
    }
    return !swap_is_old(from) && swap_is_old(to);
}

static bool is_in_old(uint32_t from, uint32_t to)
{
    return swap_is_old(from) && swap_is_old(to);
}

static bool is_in_new(uint32_t from, uint32_t to)
{
    return !swap_is_old(from) && !swap_is_old(to);
}

/* The votes that commit the change come together at the new set's first leader alone. */
static bool is_commit_vote_within(const struct apart *apart, const struct message *message)
{
    return message->kind == MESSAGE_VOTE && message->vote.view == apart->swap.change->view + 2;
}

/* --- The old set certifies the change a second time. --- */

/* The new set certifies three blocks, of which one member alone sees the last certificate. */
static bool lets_one_witness_commit(struct apart *apart, uint32_t to, const struct message *message)
{
    const struct position position = swap_position(message);
    const struct qc *shown = swap_shown(message);
    const uint64_t last = first_view(apart) + 2;
    if (position.epoch == 1 && message->kind == MESSAGE_VOTE && position.view == last) {
        if (apart->witness == NOBODY) {
            apart->witness = to;
        }
        return to != apart->witness;
    }
    return message->kind == MESSAGE_TIMEOUT || (position.epoch == 1 && position.view > last) ||
           (shown != NULL && shown->epoch == 1 && shown->view >= last);
}

static bool certify_twice(struct swap *swap, uint32_t from, uint32_t to,
                          const struct message *message)
{
    struct apart *apart = swap->story;
    note(apart, from, to, message);
    if (is_in_old(from, to)) {
        return is_commit_vote_within(apart, message);
    }
    if (is_in_new(from, to)) {
        return lets_one_witness_commit(apart, to, message);
    }
    return cuts(apart, from, to, message);
}

static bool witness_has_committed(void *context, struct cluster *cluster)
{
    const struct apart *apart = context;
    return apart->witness != NOBODY &&
           cluster_committed(cluster, apart->witness) > apart->swap.change->height;
}

static void expect_one_position(const struct apart *apart)
{
    assert_non_null(apart->of_new);
    assert_non_null(apart->of_old);
    assert_memory_equal(apart->of_new->block.bytes, apart->of_old->block.bytes, INGOT_HASH_BYTES);
    assert_int_equal(apart->of_new->view, apart->swap.change->view + 2);
    assert_true(apart->of_old->view > apart->of_new->view);
    const struct position of_new = qc_position(apart->of_new);
    const struct position of_old = qc_position(apart->of_old);
    assert_int_equal(of_new.epoch, 1);
    assert_int_equal(of_new.view, first_view(apart) - 1);
    assert_int_equal(position_compare(of_new, of_old), 0);
}

static void one_change_certified_twice_does_not_fork(void **state)
{
    (void)state;
    struct apart apart;
    set_up(&apart, certify_twice);
    struct swap *swap = &apart.swap;
    swap_await(swap, 20000, witness_has_committed, &apart,
               "one of the new set commits a block of its own");
    cluster_crash(swap->cluster, apart.witness);
    const uint64_t height = swap->change->height + 1;
    const struct ingot_hash committed = cluster_checks(swap->cluster)->committed[height];
    await_entered(&apart, true);
    expect_one_position(&apart);
    /* The new set's certificates are above both, though the view of the second is higher. */
    struct position high[SWAP_ALL];
    for (uint32_t i = SWAP_OLD; i < SWAP_ALL; i++) {
        if (cluster_is_up(swap->cluster, i)) {
            high[i] = cluster_status(swap->cluster, i).high;
            assert_true(position_compare(high[i], qc_position(apart.of_old)) > 0);
            assert_true(apart.of_old->view >= high[i].view);
            assert_int_equal(cluster_committed(swap->cluster, i), swap->change->height);
        }
    }
    /* Everybody learns of both. */
    swap->rule = NULL;
    expect_going_on(&apart, VIEWS_MAX + 1);
    for (uint32_t i = SWAP_OLD; i < SWAP_ALL; i++) {
        if (cluster_is_up(swap->cluster, i)) {
            assert_true(position_compare(cluster_status(swap->cluster, i).high, high[i]) > 0);
        }
    }
    assert_memory_equal(committed.bytes, cluster_checks(swap->cluster)->committed[height].bytes,
                        INGOT_HASH_BYTES);
    cluster_start(swap->cluster, apart.witness);
    swap_await_height(swap, swap_height(swap) + 5, 20000);
    tear_down(&apart);
}

/* --- The old set goes on with what the new one has left behind. --- */

/* In the old set a second Prepare QC comes about, and nothing after it. */
static bool prepare_late(struct swap *swap, uint32_t from, uint32_t to,
                         const struct message *message)
{
    struct apart *apart = swap->story;
    note(apart, from, to, message);
    if (is_in_old(from, to)) {
        const struct qc *shown = swap_shown(message);
        const bool is_after = shown != NULL && shown->view >= first_view(apart);
        return is_commit_vote_within(apart, message) ||
               (message->kind == MESSAGE_VOTE && message->vote.phase == PHASE_PRECOMMIT &&
                message->vote.view >= first_view(apart)) ||
               (message->kind == MESSAGE_TIMEOUT && is_after);
    }
    if (is_in_new(from, to)) {
        return swap_position(message).epoch == 1;
    }
    return cuts(apart, from, to, message);
}

static bool old_ones_have_prepared_again(void *context, struct cluster *cluster)
{
    const struct apart *apart = context;
    for (uint32_t i = 0; i < SWAP_OLD; i++) {
        const struct qc *high = cluster_status(cluster, i).high_qc;
        if (high->phase != PHASE_PREPARE || high->view < first_view(apart)) {
            return false;
        }
    }
    return true;
}

static void a_late_prepare_of_the_old_set_does_not_halt_the_new_one(void **state)
{
    (void)state;
    struct apart apart;
    set_up(&apart, prepare_late);
    struct swap *swap = &apart.swap;
    await_entered(&apart, false);
    swap_await(swap, 60000, old_ones_have_prepared_again, &apart,
               "the old set prepares the change again");
    for (uint32_t i = SWAP_OLD; i < SWAP_ALL; i++) {
        const struct core_status status = cluster_status(swap->cluster, i);
        assert_int_equal(status.high_qc->phase, PHASE_COMMIT);
        assert_int_equal(status.current.view, first_view(&apart));
        /* In views alone the late one is higher, and in positions it is lower. */
        assert_true(cluster_status(swap->cluster, 0).high.view > status.high.view);
        assert_true(position_compare(cluster_status(swap->cluster, 0).high, status.high) < 0);
    }
    swap->rule = NULL;
    expect_going_on(&apart, VIEWS_MAX);
    tear_down(&apart);
}

/* --- The old set gives up on view after view. --- */

static bool give_up(struct swap *swap, uint32_t from, uint32_t to, const struct message *message)
{
    struct apart *apart = swap->story;
    note(apart, from, to, message);
    if (is_in_old(from, to)) {
        return message->kind == MESSAGE_VOTE && message->vote.view >= apart->swap.change->view + 2;
    }
    if (is_in_new(from, to)) {
        return apart->is_frozen && swap_position(message).epoch == 1;
    }
    return cuts(apart, from, to, message);
}

static bool old_ones_are_far_ahead(void *context, struct cluster *cluster)
{
    const struct apart *apart = context;
    for (uint32_t i = 0; i < SWAP_OLD; i++) {
        const struct position current = cluster_status(cluster, i).current;
        if (current.epoch != 0 || current.view < first_view(apart) + 60) {
            return false;
        }
    }
    return true;
}

/* The new set stands in its first view, and the old one has left sixty views behind. */
static void let_old_ones_give_up(struct apart *apart)
{
    await_entered(apart, false);
    swap_await(&apart->swap, 300000, old_ones_are_far_ahead, apart,
               "the old set gives up on sixty views");
    assert_true(apart->said_count > 0);
    for (uint32_t i = SWAP_OLD; i < SWAP_ALL; i++) {
        const struct position current = swap_current(&apart->swap, i);
        assert_int_equal(current.epoch, 1);
        assert_int_equal(current.view, first_view(apart));
    }
}

static void an_old_tc_moves_no_view_of_the_new_epoch(void **state)
{
    (void)state;
    for (uint32_t listens = SWAP_OLD; listens < SWAP_ALL; listens++) {
        struct apart apart;
        set_up(&apart, give_up);
        struct swap *swap = &apart.swap;
        apart.is_frozen = true;
        apart.listens = listens;
        let_old_ones_give_up(&apart);
        /* One of four is dead, so that nothing moves without the one that listens. */
        cluster_crash(swap->cluster, SWAP_OLD + (listens + 1) % SWAP_OLD);
        apart.is_frozen = false;
        uint64_t height = swap_height(swap);
        const uint64_t passed = cluster_views_passed(swap->cluster);
        swap_await(swap, 60000, has_new_block, &height, "the new set commits");
        assert_in_range(cluster_views_passed(swap->cluster) - passed, 0, VIEWS_MAX + 1);
        for (uint32_t i = SWAP_OLD; i < SWAP_ALL; i++) {
            if (cluster_is_up(swap->cluster, i)) {
                assert_true(swap_current(swap, i).view < swap_current(swap, 0).view);
            }
        }
        swap->rule = NULL;
        swap_await_height(swap, swap_height(swap) + 5, 20000);
        tear_down(&apart);
    }
}

static void a_returning_set_does_not_revive_old_timeouts(void **state)
{
    (void)state;
    struct apart apart;
    set_up(&apart, give_up);
    struct swap *swap = &apart.swap;
    apart.is_frozen = true;
    let_old_ones_give_up(&apart);
    const uint64_t given_up = swap_current(swap, 0).view;
    swap->rule = NULL;
    swap_submit(swap, SWAP_OLD, true);
    swap_await_epoch(swap, 2, 20000);
    /* What the same keys once said of these very views comes again, to everybody. */
    const struct position before = swap_current(swap, 0);
    assert_int_equal(before.epoch, 2);
    assert_true(before.view + 20 < given_up);
    uint64_t timeouts = 0;
    for (uint32_t i = 0; i < SWAP_ALL; i++) {
        timeouts += cluster_timeouts(swap->cluster, i);
    }
    for (uint32_t i = 0; i < SWAP_ALL; i++) {
        for (uint32_t j = 0; j < apart.said_count; j++) {
            cluster_inject(swap->cluster, (i + 1) % SWAP_ALL, i, apart.said[j]);
        }
    }
    swap_run_ms(swap, 100);
    for (uint32_t i = 0; i < SWAP_ALL; i++) {
        timeouts -= cluster_timeouts(swap->cluster, i);
        const struct position after = swap_current(swap, i);
        assert_int_equal(after.epoch, 2);
        assert_in_range(after.view, before.view, before.view + 12);
        const struct tc *tc = cluster_status(swap->cluster, i).high_tc;
        assert_true(tc == NULL || tc->view < given_up - 20 || tc->epoch == 0);
    }
    assert_int_equal(timeouts, 0);
    swap_await_height(swap, swap_height(swap) + 20, 20000);
    tear_down(&apart);
}

/* --- Only those who have left know. --- */

/* The new set hears nothing of the last phase, and what it says is not heard. */
static bool keep_from_new(struct swap *swap, uint32_t from, uint32_t to,
                          const struct message *message)
{
    struct apart *apart = swap->story;
    note(apart, from, to, message);
    if (swap_is_old(from) && !swap_is_old(to)) {
        return apart->is_frozen &&
               (is_later(apart, message) || swap_is_vote(message, PHASE_COMMIT));
    }
    return !swap_is_old(from) && swap_is_old(to) && message->kind != MESSAGE_SYNC_REQUEST;
}

static void retired_members_alone_know_the_commit_qc(void **state)
{
    (void)state;
    struct apart apart;
    set_up(&apart, keep_from_new);
    struct swap *swap = &apart.swap;
    apart.is_frozen = true;
    await_entered(&apart, true);
    /* However long they have been quiet. */
    swap_run_ms(swap, 60000);
    for (uint32_t i = SWAP_OLD; i < SWAP_ALL; i++) {
        assert_int_equal(swap_current(swap, i).epoch, 0);
        assert_false(cluster_status(swap->cluster, i).is_member);
    }
    apart.is_frozen = false;
    struct side side = {.is_old = false};
    swap_await(swap, cluster_default_options().advertise_interval_ms + 100, has_entered, &side,
               "the new set learns of its epoch from one interval's advertisements");
    swap->rule = NULL;
    expect_going_on(&apart, VIEWS_MAX);
    tear_down(&apart);
}

/* Who learns of the change, and from whom. */
enum spreading {
    UNDISTURBED,
    FORMED_BY_OLD, /* the new set's leader gets no votes: the old one's forms the certificate */
    FORMED_BY_ONE_OF_NEW, /* it alone gets the votes, and reaches one other */
    SPREADINGS
};

struct spread {
    enum spreading spreading;
    uint32_t first; /* who got the votes of v + 2, of the new set */
};

static bool spreads(struct swap *swap, uint32_t from, uint32_t to, const struct message *message)
{
    struct spread *spread = swap->story;
    const bool is_commit_vote =
        message->kind == MESSAGE_VOTE && message->vote.phase == PHASE_COMMIT;
    if (is_commit_vote && !swap_is_old(to)) {
        spread->first = to;
    }
    switch (spread->spreading) {
    case FORMED_BY_OLD:
        return is_commit_vote && !swap_is_old(to);
    case FORMED_BY_ONE_OF_NEW:
        return (is_commit_vote && swap_is_old(to)) ||
               (from == spread->first && to != SWAP_OLD + (from + 1) % SWAP_OLD);
    case UNDISTURBED:
    case SPREADINGS:
        break;
    }
    return false;
}

static bool all_but_first_have_entered(void *context, struct cluster *cluster)
{
    const struct spread *spread = context;
    for (uint32_t i = 0; i < SWAP_ALL; i++) {
        if (i != spread->first && cluster_status(cluster, i).current.epoch != 1) {
            return false;
        }
    }
    return spread->first != NOBODY;
}

static void whoever_learns_of_the_change_tells_everybody(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SPREADINGS; i++) {
        struct spread spread = {.spreading = (enum spreading)i, .first = NOBODY};
        struct swap swap = {.story = &spread, .rule = spreads};
        const struct cluster_options options = swap_options(4);
        swap_init(&swap, &options);
        const uint64_t begin_us = cluster_now_us(swap.cluster);
        swap_submit(&swap, 0, false);
        swap_await(&swap, 5000, all_but_first_have_entered, &spread, "all others enter");
        /* Some round trips: nobody had to give up, or to wait for an advertisement. */
        assert_in_range((cluster_now_us(swap.cluster) - begin_us) / 1000, 0, 100);
        for (uint32_t node = 0; node < SWAP_ALL; node++) {
            assert_int_equal(cluster_timeouts(swap.cluster, node), 0);
        }
        swap_await_epoch(&swap, 1, 20000);
        swap_deinit(&swap);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_change_certified_twice_does_not_fork),
        cmocka_unit_test(a_late_prepare_of_the_old_set_does_not_halt_the_new_one),
        cmocka_unit_test(an_old_tc_moves_no_view_of_the_new_epoch),
        cmocka_unit_test(a_returning_set_does_not_revive_old_timeouts),
        cmocka_unit_test(retired_members_alone_know_the_commit_qc),
        cmocka_unit_test(whoever_learns_of_the_change_tells_everybody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

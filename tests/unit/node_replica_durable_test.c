/*
 * A replica whose disk fails or that dies at the worst moments. Goal: what it says after a restart
 * is what it would have said, to the byte, and nothing is said that is not durable. Method: one
 * replica with the real ed25519; the store in memory fails, or is copied at the moment of a send.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/lone_replica.h"
#include "node/ledger_internal.h"
#include "node/sync_client_state.h"
#include "wire/wire.h"

/* A replica that does not lead view 1, and the block it is about to be shown there. */
struct scene {
    struct lone lone;
    struct block *block;
};

static int set_up(void **state)
{
    static struct scene scene;
    struct lone probe;
    lone_init(&probe, 0);
    const uint32_t leader = lone_leader(&probe, 1);
    lone_deinit(&probe);
    lone_init(&scene.lone, (leader + 1) % LONE_VALIDATORS);
    scene.block = lone_block(&scene.lone, scene.lone.genesis, 1);
    lone_forget(&scene.lone);
    *state = &scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    block_unref(scene->block);
    lone_deinit(&scene->lone);
    return 0;
}

static void show_block(struct scene *scene, struct block *block)
{
    lone_receive(&scene->lone, lone_leader(&scene->lone, block->view),
                 lone_propose(&scene->lone, block_ref(block), NULL));
}

/* As good as the first one, but another. */
static struct block *rival_of(const struct scene *scene)
{
    struct block *rival = lone_block(&scene->lone, scene->lone.genesis, 1);
    rival->time_ms += 1;
    wire_seal_block(rival);
    return rival;
}

static struct ingot_buffer copy_of(const struct lone_frame *frame)
{
    assert_non_null(frame);
    struct ingot_buffer copy = {0};
    ingot_buffer_append_slice(&copy, ingot_buffer_slice(&frame->bytes));
    return copy;
}

static void assert_same_bytes(const struct lone_frame *frame, const struct ingot_buffer *bytes)
{
    assert_non_null(frame);
    assert_true(ingot_slice_equal(ingot_buffer_slice(&frame->bytes), ingot_buffer_slice(bytes)));
}

static void assert_all_votes_are(const struct lone *lone, const struct ingot_buffer *bytes)
{
    assert_non_null(lone_find(lone, MESSAGE_VOTE, 0));
    for (uint32_t i = 0; i < lone_count(lone, MESSAGE_VOTE); i++) {
        assert_same_bytes(lone_find(lone, MESSAGE_VOTE, i), bytes);
    }
}

static void a_crash_between_the_write_and_the_send_ends_in_the_same_bytes(void **state)
{
    struct scene *scene = *state;
    struct lone *lone = &scene->lone;
    lone->has_planned_crash = true;
    lone->crash_at = MESSAGE_VOTE;
    show_block(scene, scene->block);
    struct ingot_buffer lost = copy_of(lone_find(lone, MESSAGE_VOTE, 0));
    lone_crash(lone);

    assert_int_equal(lone_open(lone), INGOT_OK);

    assert_all_votes_are(lone, &lost);
    struct block *rival = rival_of(scene);
    show_block(scene, rival);
    show_block(scene, scene->block);
    assert_all_votes_are(lone, &lost);
    block_unref(rival);
    ingot_buffer_deinit(&lost);
}

static void a_crash_before_a_timeout_is_sent_ends_in_the_same_bytes(void **state)
{
    struct scene *scene = *state;
    struct lone *lone = &scene->lone;
    lone->has_planned_crash = true;
    lone->crash_at = MESSAGE_TIMEOUT;
    lone_wait(lone, LONE_BASE_TIMEOUT_MS);
    struct ingot_buffer lost = copy_of(lone_find(lone, MESSAGE_TIMEOUT, 0));
    lone_crash(lone);

    assert_int_equal(lone_open(lone), INGOT_OK);
    show_block(scene, scene->block);
    lone_wait(lone, LONE_BASE_TIMEOUT_MS);

    assert_int_equal(lone_count(lone, MESSAGE_VOTE), 0); /* it had given up on the view */
    assert_same_bytes(lone_find(lone, MESSAGE_TIMEOUT, 0), &lost);
    ingot_buffer_deinit(&lost);
}

/* The next write fails in this way, and the proposal of view 1 makes it happen. */
static void fail_the_vote(struct scene *scene, enum store_memory_fault fault)
{
    struct lone *lone = &scene->lone;
    ingot_store_memory_fail_commit(lone->store, 1, fault);
    show_block(scene, scene->block);
    assert_int_equal(lone->stop, REPLICA_STOP_WRITE);
    assert_non_null(strstr(lone->why, "durable write failed"));
    /* Nothing then, and nothing later. */
    show_block(scene, scene->block);
    lone_wait(lone, 10 * LONE_BASE_TIMEOUT_MS);
    assert_int_equal(lone->frame_count, 0);
    lone_crash(lone);
    assert_int_equal(lone_open(lone), INGOT_OK);
}

/* The vote that a replica without faults casts for the scene's block. */
static struct ingot_buffer expected_vote(const struct scene *scene)
{
    struct lone healthy;
    lone_init(&healthy, scene->lone.me);
    lone_forget(&healthy);
    lone_receive(&healthy, lone_leader(&healthy, 1),
                 lone_propose(&healthy, block_ref(scene->block), NULL));
    struct ingot_buffer vote = copy_of(lone_find(&healthy, MESSAGE_VOTE, 0));
    lone_deinit(&healthy);
    return vote;
}

static void
a_failed_write_whose_vote_was_lost_leaves_the_replica_free(struct scene *scene,
                                                           enum store_memory_fault fault)
{
    struct lone *lone = &scene->lone;
    struct ingot_buffer vote = expected_vote(scene);
    fail_the_vote(scene, fault);

    assert_int_equal(lone_status(lone).last_voted.view, 0);
    assert_int_equal(lone_status(lone).tree_blocks, 0);
    assert_int_equal(lone_count(lone, MESSAGE_VOTE), 0);

    show_block(scene, scene->block);
    assert_same_bytes(lone_find(lone, MESSAGE_VOTE, 0), &vote);
    ingot_buffer_deinit(&vote);
}

static void a_write_refused_for_want_of_space_changes_nothing(void **state)
{
    a_failed_write_whose_vote_was_lost_leaves_the_replica_free(*state, STORE_MEMORY_NO_SPACE);
}

static void a_failed_write_that_was_lost_changes_nothing(void **state)
{
    a_failed_write_whose_vote_was_lost_leaves_the_replica_free(*state, STORE_MEMORY_FAILED_LOST);
}

static void a_failed_write_that_was_applied_after_all_binds_the_replica(void **state)
{
    struct scene *scene = *state;
    struct lone *lone = &scene->lone;
    struct ingot_buffer vote = expected_vote(scene);
    fail_the_vote(scene, STORE_MEMORY_FAILED_APPLIED);

    assert_int_equal(lone_status(lone).last_voted.view, 1);
    assert_int_equal(lone_status(lone).tree_blocks, 1);
    struct block *rival = rival_of(scene);
    show_block(scene, rival);
    assert_all_votes_are(lone, &vote);
    block_unref(rival);
    ingot_buffer_deinit(&vote);
}

/* --- The record itself. --- */

static void read_safety(const struct lone *lone, struct ingot_buffer *record)
{
    struct ingot_store_snapshot *snapshot = NULL;
    assert_int_equal(ingot_store_snapshot_begin(lone->store, &snapshot), INGOT_OK);
    struct ingot_slice value;
    assert_int_equal(ingot_store_snapshot_get(snapshot, LEDGER_META,
                                              ingot_slice_of_text(LEDGER_KEY_SAFETY), &value),
                     INGOT_OK);
    ingot_buffer_append_slice(record, value);
    ingot_store_snapshot_end(snapshot);
}

static void write_safety(const struct lone *lone, struct ingot_slice record)
{
    struct ingot_store_batch *batch = ingot_store_batch_begin(lone->store);
    ingot_store_batch_put(batch, LEDGER_META, ingot_slice_of_text(LEDGER_KEY_SAFETY), record);
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
}

static void a_replica_does_not_start_from_a_damaged_record_of_its_votes(void **state)
{
    struct scene *scene = *state;
    struct lone *lone = &scene->lone;
    show_block(scene, scene->block);
    lone_crash(lone);
    struct ingot_buffer record = {0};
    read_safety(lone, &record);

    for (size_t i = 0; i < record.size; i++) {
        record.data[i] ^= 0x01;
        write_safety(lone, ingot_buffer_slice(&record));
        record.data[i] ^= 0x01;
        assert_int_equal(lone_open(lone), INGOT_ERROR_CORRUPT);
        assert_non_null(strstr(lone->why, "safety"));
        assert_int_equal(lone->frame_count, 0);
    }

    write_safety(lone, ingot_buffer_slice(&record));
    assert_int_equal(lone_open(lone), INGOT_OK);
    ingot_buffer_deinit(&record);
}

static enum ingot_error (*validate_of_kv)(void *context,
                                          const struct ingot_validate_request *request,
                                          struct ingot_execution *execution);

static enum ingot_error read_and_validate(void *context,
                                          const struct ingot_validate_request *request,
                                          struct ingot_execution *execution)
{
    struct ingot_slice value;
    const enum ingot_error error =
        ingot_snapshot_get(request->snapshot, ingot_slice_of_text("key"), &value);
    return error == INGOT_ERROR_NOT_FOUND ? validate_of_kv(context, request, execution) : error;
}

/*
 * The journal's thread writes too. Where that fails, the next step meets it as a read that is
 * refused, before it comes to write; the data are not damaged, and the next start reads them back.
 */
static void a_write_that_failed_on_another_thread_is_not_taken_for_damage(void **state)
{
    struct scene *scene = *state;
    struct lone *lone = &scene->lone;
    validate_of_kv = lone->app.validate_block;
    lone->app.validate_block = read_and_validate;
    show_block(scene, scene->block);
    assert_int_equal(lone->stop, REPLICA_RUNS);
    lone_forget(lone);
    struct block *next = lone_block(lone, scene->block, 2);

    ingot_store_memory_fail_commit(lone->store, 1, STORE_MEMORY_FAILED_LOST);
    struct ingot_store_batch *batch = ingot_store_batch_begin(lone->store);
    ingot_store_batch_put(batch, LEDGER_STATE, ingot_slice_of_text("a"), ingot_slice_of_text("b"));
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_ERROR_UNKNOWN_OUTCOME);

    show_block(scene, next);
    assert_int_equal(lone->stop, REPLICA_STOP_WRITE);
    assert_int_equal(lone->frame_count, 0);
    block_unref(next);
}

/* Whole, properly sealed, and impossible: a vote above the view that it was cast in. */
static void a_replica_does_not_start_from_a_record_that_contradicts_itself(void **state)
{
    struct scene *scene = *state;
    struct lone *lone = &scene->lone;
    show_block(scene, scene->block);
    lone_crash(lone);
    struct ingot_buffer record = {0};
    read_safety(lone, &record);
    struct ingot_slice content;
    struct core_safety safety = {0};
    const struct ingot_slice key = ingot_slice_of_text(LEDGER_KEY_SAFETY);
    assert_true(record_unseal(&lone->genesis->hash, LEDGER_META, key, ingot_buffer_slice(&record),
                              &content));
    assert_true(ledger_decode_safety(content, &safety));

    safety.last_voted.view = safety.current.view + 1;
    struct ingot_buffer encoded = {0};
    ledger_encode_safety(&safety, &encoded);
    ingot_buffer_clear(&record);
    record_seal(&lone->genesis->hash, LEDGER_META, key, ingot_buffer_slice(&encoded), &record);
    write_safety(lone, ingot_buffer_slice(&record));

    assert_int_equal(lone_open(lone), INGOT_ERROR_CORRUPT);
    assert_non_null(strstr(lone->why, "the safety record does not fit its chain"));
    core_safety_deinit(&safety);
    ingot_buffer_deinit(&encoded);
    ingot_buffer_deinit(&record);
}

static void show_certificate(struct lone *lone, const struct block *block)
{
    struct message *message = message_new(MESSAGE_CERTIFICATE);
    message->certificate.qc = lone_qc(lone, block);
    lone_receive(lone, lone_leader(lone, block->view), message);
}

/* Three blocks, for which we vote; what certifies the third commits the first. */
static void show_three(struct scene *scene, struct block *blocks[3])
{
    struct lone *lone = &scene->lone;
    for (uint64_t i = 0; i < 3; i++) {
        blocks[i] = lone_block(lone, i == 0 ? lone->genesis : blocks[i - 1], i + 1);
        show_block(scene, blocks[i]);
    }
}

static void release_three(struct block *blocks[3])
{
    for (uint32_t i = 0; i < 3; i++) {
        block_unref(blocks[i]);
    }
}

static void commit_the_first(struct scene *scene)
{
    struct block *blocks[3];
    show_three(scene, blocks);
    show_certificate(&scene->lone, blocks[2]);
    release_three(blocks);
    assert_int_equal(lone_status(&scene->lone).last_committed->height, 1);
}

static void a_commit_that_somebody_waits_for_is_durable_at_once(void **state)
{
    struct scene *scene = *state;
    commit_the_first(scene);
    assert_int_equal(scene->lone.reported_height, 1);
    assert_int_equal(ledger_committed_height(replica_ledger(scene->lone.replica)), 1);
}

static void a_commit_that_nobody_waits_for_is_durable_a_moment_later(void **state)
{
    struct scene *scene = *state;
    scene->lone.nobody_waits = true;
    commit_the_first(scene);
    assert_int_equal(scene->lone.reported_height, 0); /* never before it is durable */
    assert_int_equal(scene->lone.armed_ms, scene->lone.now_us / 1000 + 20);
    assert_int_equal(ledger_committed_height(replica_ledger(scene->lone.replica)), 0);
    lone_wait(&scene->lone, 20);
    assert_int_equal(scene->lone.reported_height, 1);
    assert_int_equal(ledger_committed_height(replica_ledger(scene->lone.replica)), 1);
}

/* What a client has read is not taken back. */
static void a_query_makes_durable_what_it_reads(void **state)
{
    struct scene *scene = *state;
    struct ingot_query_response response = {0};
    uint64_t height = 0;
    scene->lone.nobody_waits = true;
    commit_the_first(scene);
    replica_query(scene->lone.replica, ingot_slice_of_text(""), ingot_slice_of_text(""), &response,
                  &height);
    assert_int_equal(height, 1);
    assert_int_equal(ledger_committed_height(replica_ledger(scene->lone.replica)), 1);
    lone_wait(&scene->lone, 1);
    assert_int_equal(scene->lone.reported_height, 1);
    ingot_buffer_deinit(&response.log);
}

/*
 * Who asks between a frame and the flush that follows sees what the frame brought: the core has it,
 * its effects wait. The answer leaves after that flush, which is the last chance to keep it.
 */
static void what_is_shown_before_a_flush_is_durable_with_it(void **state)
{
    struct scene *scene = *state;
    struct lone *lone = &scene->lone;
    struct message *message = message_new(MESSAGE_CERTIFICATE);
    struct ingot_buffer bytes = {0};
    lone->nobody_waits = true;
    show_block(scene, scene->block);
    message->certificate.qc = lone_qc(lone, scene->block);
    wire_encode(message, &bytes);
    message_unref(message);
    replica_receive(lone->replica, lone_leader(lone, 1), ingot_buffer_slice(&bytes));
    ingot_buffer_deinit(&bytes);

    replica_settle(lone->replica);
    const struct core_status shown = lone_status(lone);
    assert_int_equal(shown.high.view, 1);
    replica_flush(lone->replica);
    lone_crash(lone);

    assert_int_equal(lone_open(lone), INGOT_OK);
    const struct core_status kept = lone_status(lone);
    assert_int_equal(kept.high.view, shown.high.view);
    assert_int_equal(kept.current.view, shown.current.view);
}

/* It proves itself, and says nothing of what our disk has. */
static void a_certificate_leaves_without_a_sync(void **state)
{
    struct scene *scene = *state;
    struct lone *lone = &scene->lone;
    lone->nobody_waits = true;
    commit_the_first(scene);
    lone_forget(lone);
    struct message *message = message_new(MESSAGE_ADVERTISE);
    message->advertise.high_qc = lone_qc(lone, lone->genesis);
    lone_receive(lone, lone_leader(lone, 3), message);
    assert_int_equal(lone_count(lone, MESSAGE_CERTIFICATE), 1); /* as it is behind */
    assert_int_equal(ledger_committed_height(replica_ledger(lone->replica)), 0);
}

static struct block *fourth_block(const struct lone *lone)
{
    const struct core_status status = lone_status(lone);
    return lone_block(lone, core_find_block(replica_core(lone->replica), &status.high_qc->block),
                      4);
}

/* The power goes at the moment at which a message of this kind leaves. */
static struct core_status status_after_crash_at(struct lone *lone, enum message_kind kind)
{
    assert_int_equal(lone_count(lone, kind), 1);
    lone_crash(lone);
    assert_int_equal(lone_open(lone), INGOT_OK);
    return lone_status(lone);
}

static void a_vote_leaves_when_all_that_waited_is_durable(void **state)
{
    struct scene *scene = *state;
    struct lone *lone = &scene->lone;
    lone->nobody_waits = true;
    commit_the_first(scene);
    struct block *fourth = fourth_block(lone);
    lone_forget(lone);
    lone->has_planned_crash = true;
    lone->crash_at = MESSAGE_VOTE;
    show_block(scene, fourth);
    const struct core_status status = status_after_crash_at(lone, MESSAGE_VOTE);
    assert_int_equal(status.last_voted.view, 4);
    assert_int_equal(status.high.view, 3);
    assert_int_equal(status.locked.view, 2);
    assert_int_equal(status.last_committed->height, 1);
    block_unref(fourth);
}

static void a_timeout_leaves_when_its_view_is_given_up_on_the_disk(void **state)
{
    struct scene *scene = *state;
    struct lone *lone = &scene->lone;
    lone->nobody_waits = true;
    commit_the_first(scene);
    lone_wait(lone, 20); /* what waits, is made up for */
    lone_forget(lone);
    lone->has_planned_crash = true;
    lone->crash_at = MESSAGE_TIMEOUT;
    lone_wait(lone, LONE_BASE_TIMEOUT_MS);
    assert_int_equal(status_after_crash_at(lone, MESSAGE_TIMEOUT).last_voted.view, 4);
}

/* It gives up on view 4, so that no vote is said again, and is then shown what certifies it. */
static void what_is_advertised_is_durable(void **state)
{
    struct scene *scene = *state;
    struct lone *lone = &scene->lone;
    const uint32_t peer = lone_leader(lone, 3);
    lone->nobody_waits = true;
    commit_the_first(scene);
    lone_wait(lone, LONE_BASE_TIMEOUT_MS);
    struct block *fourth = fourth_block(lone);
    show_block(scene, fourth);
    show_certificate(lone, fourth);
    assert_int_equal(lone->reported_height, 1); /* the second block is committed and waits */
    lone_forget(lone);
    lone->has_planned_crash = true;
    lone->crash_at = MESSAGE_ADVERTISE;
    replica_set_connected(lone->replica, peer, false);
    replica_set_connected(lone->replica, peer, true);
    lone_wait(lone, 0);
    const struct core_status status = status_after_crash_at(lone, MESSAGE_ADVERTISE);
    assert_int_equal(status.high.view, 4);
    assert_int_equal(status.last_committed->height, 2);
    block_unref(fourth);
}

/* It asks for a block that it lacks some milliseconds after it has learnt of it. */
static void a_request_for_blocks_names_what_is_durable(void **state)
{
    struct scene *scene = *state;
    struct lone *lone = &scene->lone;
    struct block *blocks[3];
    lone->nobody_waits = true;
    show_three(scene, blocks);
    struct block *fourth = lone_block(lone, blocks[2], 4);
    show_certificate(lone, fourth);
    lone_wait(lone, SYNC_GRACE_MS - 1);
    show_certificate(lone, blocks[2]);
    assert_int_equal(lone_status(lone).last_committed->height, 1);
    assert_int_equal(lone->reported_height, 0); /* it waits */
    lone_forget(lone);
    lone->has_planned_crash = true;
    lone->crash_at = MESSAGE_SYNC_REQUEST;
    lone_wait(lone, 1);
    assert_int_equal(status_after_crash_at(lone, MESSAGE_SYNC_REQUEST).last_committed->height, 1);
    block_unref(fourth);
    release_three(blocks);
}

int main(void)
{
#define ROW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROW(a_crash_between_the_write_and_the_send_ends_in_the_same_bytes),
        ROW(a_crash_before_a_timeout_is_sent_ends_in_the_same_bytes),
        ROW(a_write_refused_for_want_of_space_changes_nothing),
        ROW(a_failed_write_that_was_lost_changes_nothing),
        ROW(a_failed_write_that_was_applied_after_all_binds_the_replica),
        ROW(a_write_that_failed_on_another_thread_is_not_taken_for_damage),
        ROW(a_replica_does_not_start_from_a_damaged_record_of_its_votes),
        ROW(a_replica_does_not_start_from_a_record_that_contradicts_itself),
        ROW(a_commit_that_somebody_waits_for_is_durable_at_once),
        ROW(a_commit_that_nobody_waits_for_is_durable_a_moment_later),
        ROW(a_query_makes_durable_what_it_reads),
        ROW(what_is_shown_before_a_flush_is_durable_with_it),
        ROW(a_certificate_leaves_without_a_sync),
        ROW(a_vote_leaves_when_all_that_waited_is_durable),
        ROW(a_timeout_leaves_when_its_view_is_given_up_on_the_disk),
        ROW(what_is_advertised_is_durable),
        ROW(a_request_for_blocks_names_what_is_durable),
    };
#undef ROW
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * What a member that runs quorum broadcast keeps for ever. Goal: it never signs two payloads of one
 * round, whatever happens to the process and the disk; and its store and its signatures file say
 * the same after any crash.
 * Method: the callbacks of four members, called as the protocol would; stores in memory that fail
 * and that keep what a crash leaves, and files that are spoilt beyond what the store knows of them.
 */
#include "lib/signing_members.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "storage/memory.h"

/* --- What we have signed. --- */

static enum broadcast_verdict ask_commit(const struct broadcast_round_view *round,
                                         struct ingot_buffer *attachment)
{
    const struct broadcast_callbacks callbacks = quorum_signing_callbacks(signing_members[0]);
    ingot_buffer_clear(attachment);
    return callbacks.commit(callbacks.context, round, attachment);
}

/* Does the originator's payload count? */
static bool is_taken(const struct broadcast_round_view *round)
{
    const struct broadcast_callbacks callbacks = quorum_signing_callbacks(signing_members[0]);
    struct broadcast_message *message = broadcast_message_new(BROADCAST_PRE_PREPARE);
    message->originator = round->originator;
    message->id = round->id;
    message->digest = round->digest;
    const bool is_taken = callbacks.check(callbacks.context, message);
    broadcast_message_unref(message);
    return is_taken;
}

static void a_payload_that_was_signed_is_the_only_one_of_its_round_for_ever(void **state)
{
    (void)state;
    const struct broadcast_round_view chosen = signing_round("a", "payload");
    const struct broadcast_round_view other = signing_round("a", "other");
    struct broadcast_round_view of_another = other;
    struct ingot_buffer first = {0};
    struct ingot_buffer attachment = {0};
    of_another.originator = 3;
    assert_int_equal(ask_commit(&chosen, &first), BROADCAST_GO);
    for (int life = 0; life < 3; life++) {
        const struct broadcast_callbacks callbacks = quorum_signing_callbacks(signing_members[0]);
        assert_int_equal(ask_commit(&other, &attachment), BROADCAST_VETO); /* not synced at first */
        assert_int_equal(attachment.size, 0);
        assert_false(is_taken(&other));
        assert_true(is_taken(&chosen));
        assert_true(is_taken(&of_another));
        assert_int_equal(callbacks.prepare(callbacks.context, &other, &attachment), BROADCAST_VETO);
        assert_int_equal(callbacks.pre_prepare(callbacks.context, &other, NULL, NULL),
                         BROADCAST_VETO);
        assert_non_null(
            strstr(quorum_signing_why(signing_members[0]), "has signed another payload"));
        assert_int_equal(ask_commit(&chosen, &attachment), BROADCAST_GO);
        assert_true(ingot_slice_equal(ingot_buffer_slice(&attachment), ingot_buffer_slice(&first)));
        assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_OK);
        signing_reopen(0);
    }
    assert_int_equal(ask_commit(&of_another, &attachment), BROADCAST_GO);
    ingot_buffer_deinit(&first);
    ingot_buffer_deinit(&attachment);
}

static void what_was_not_synced_did_not_leave_and_binds_nobody(void **state)
{
    (void)state;
    const struct broadcast_round_view chosen = signing_round("a", "payload");
    const struct broadcast_round_view other = signing_round("a", "other");
    struct ingot_buffer attachment = {0};
    assert_int_equal(ask_commit(&chosen, &attachment), BROADCAST_GO);
    signing_reopen(0);
    assert_int_equal(ask_commit(&other, &attachment), BROADCAST_GO);
    ingot_buffer_deinit(&attachment);
}

static void one_commit_of_the_store_serves_all_that_was_signed_and_delivered(void **state)
{
    (void)state;
    struct ingot_store_memory_counters before;
    struct ingot_store_memory_counters after;
    struct ingot_buffer attachment = {0};
    for (int i = 0; i < 50; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "id %d", i);
        const struct broadcast_round_view round = signing_round(id, id);
        assert_int_equal(ask_commit(&round, &attachment), BROADCAST_GO);
        assert_int_equal(signing_end_round(0, id, id), BROADCAST_GO);
    }
    ingot_store_memory_get_counters(signing_stores[0], &before);
    assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_OK);
    assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_OK);
    ingot_store_memory_get_counters(signing_stores[0], &after);
    assert_int_equal(after.commits - before.commits, 1);
    assert_int_equal(signed_records_count(quorum_signing_records(signing_members[0])), 50);
    ingot_buffer_deinit(&attachment);
}

static void a_store_without_room_keeps_what_was_chosen_and_signs_nothing_more(void **state)
{
    (void)state;
    const struct broadcast_round_view chosen = signing_round("a", "payload");
    const struct broadcast_round_view other = signing_round("a", "other");
    const struct broadcast_round_view next = signing_round("b", "payload");
    struct ingot_buffer attachment = {0};
    assert_int_equal(ask_commit(&chosen, &attachment), BROADCAST_GO);
    assert_int_equal(signing_end_round(0, "c", "payload"), BROADCAST_GO);
    for (int i = 0; i < 3; i++) {
        ingot_store_memory_fail_commit(signing_stores[0], 1, STORE_MEMORY_NO_SPACE);
        assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_ERROR_NO_SPACE);
        ingot_store_memory_fail_commit(signing_stores[0], 1, STORE_MEMORY_NO_SPACE);
        assert_int_equal(ask_commit(&next, &attachment), BROADCAST_FAIL);
        assert_int_equal(signing_find(0, "c", NULL),
                         INGOT_ERROR_NOT_FOUND); /* nobody is told yet */
    }
    assert_int_equal(ask_commit(&next, &attachment), BROADCAST_GO); /* there is room */
    assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_OK);
    signing_reopen(0);
    assert_int_equal(ask_commit(&other, &attachment), BROADCAST_VETO);
    assert_int_equal(signing_find(0, "c", NULL), INGOT_OK);
    assert_int_equal(signed_records_count(quorum_signing_records(signing_members[0])), 1);
    ingot_buffer_deinit(&attachment);
}

static void after_a_commit_of_unknown_outcome_the_next_start_tells(void **state)
{
    (void)state;
    struct ingot_buffer attachment = {0};
    for (int is_lost = 0; is_lost < 2; is_lost++) {
        const char *id = is_lost ? "a" : "b";
        const struct broadcast_round_view chosen = signing_round(id, "payload");
        const struct broadcast_round_view other = signing_round(id, "other");
        assert_int_equal(ask_commit(&chosen, &attachment), BROADCAST_GO);
        ingot_store_memory_fail_commit(
            signing_stores[0], 1, is_lost ? STORE_MEMORY_FAILED_LOST : STORE_MEMORY_FAILED_APPLIED);
        assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_ERROR_UNKNOWN_OUTCOME);
        assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_ERROR_UNKNOWN_OUTCOME);
        signing_reopen(0);
        assert_int_equal(ask_commit(&other, &attachment), is_lost ? BROADCAST_GO : BROADCAST_VETO);
    }
    ingot_buffer_deinit(&attachment);
}

/* --- The file beside the store. --- */

static long file_size(void)
{
    char path[64];
    signing_path(0, path);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    const long size = ftell(file);
    assert_int_equal(fclose(file), 0);
    return size;
}

static void write_at(long place, const char *bytes, size_t size)
{
    char path[64];
    signing_path(0, path);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, place, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* The file has the lines of "a" and "b", of which the store knows the first; the member is down. */
static long crash_between_file_and_store(void)
{
    assert_int_equal(signing_end_round(0, "a", "payload"), BROADCAST_GO);
    assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_OK);
    const long known = file_size();
    assert_int_equal(signing_end_round(0, "b", "payload"), BROADCAST_GO);
    ingot_store_memory_fail_commit(signing_stores[0], 1, STORE_MEMORY_FAILED_LOST);
    assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_ERROR_UNKNOWN_OUTCOME);
    assert_true(file_size() > known);
    signing_crash(0);
    return known;
}

static void a_line_that_the_store_does_not_know_is_taken_over(void **state)
{
    (void)state;
    (void)crash_between_file_and_store();
    for (int i = 0; i < 2; i++) {
        signing_reopen(0);
        struct ingot_buffer line = {0};
        assert_int_equal(signing_find(0, "b", &line), INGOT_OK);
        assert_int_equal(signed_records_count(quorum_signing_records(signing_members[0])), 2);
        ingot_buffer_deinit(&line);
    }
}

static void what_a_crash_of_the_machine_left_of_a_line_is_cut_off(void **state)
{
    (void)state;
    static const char garbage[] = {0, '\n', 'x', '{'};
    for (size_t i = 0; i < 3 * sizeof garbage; i++) {
        const long known = crash_between_file_and_store();
        const long size = file_size();
        const long places[] = {known, known + (size - known) / 2, size};
        char spoilt[200];
        memset(spoilt, garbage[i % 4], sizeof spoilt - 1);
        spoilt[sizeof spoilt - 1] = '\n';
        write_at(places[i / 4], spoilt, sizeof spoilt);
        signing_reopen(0);
        const bool is_behind = i / 4 == 2;
        assert_int_equal(file_size(), is_behind ? size : known);
        assert_int_equal(signing_find(0, "b", NULL), is_behind ? INGOT_OK : INGOT_ERROR_NOT_FOUND);
        assert_int_equal(signing_end_round(0, "b", "payload"),
                         BROADCAST_GO); /* its client tries again */
        assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_OK);
        signing_reopen(0);
        assert_int_equal(signed_records_count(quorum_signing_records(signing_members[0])), 2);
        assert_int_equal(file_size(), size);
        (void)signing_tear_down(NULL);
        (void)signing_set_up(NULL);
    }
}

static void what_was_told_is_not_read_at_a_start_and_not_cut_off(void **state)
{
    (void)state;
    char why[512] = "";
    struct ingot_buffer line = {0};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(signing_end_round(0, i == 0 ? "a" : "b", "payload"), BROADCAST_GO);
        assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_OK);
    }
    const long size = file_size();
    signing_crash(0);
    write_at(5, "\0\0\0", 3);
    signing_reopen(0);
    assert_int_equal(file_size(), size);
    assert_int_equal(signing_find(0, "b", &line), INGOT_OK);
    assert_int_equal(signing_find(0, "a", &line), INGOT_ERROR_CORRUPT);
    /* A store that is new does not know what was told: it reads all, and cuts nothing. */
    signing_crash(0);
    signing_lose_store(0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(signing_start(0, why, sizeof why), INGOT_ERROR_CORRUPT);
        assert_int_equal(file_size(), size);
    }
    ingot_buffer_deinit(&line);
}

static void
a_file_that_has_lost_lines_is_refused_and_a_store_that_is_lost_is_made_again(void **state)
{
    (void)state;
    char path[64];
    char why[512] = "";
    signing_path(0, path);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(signing_end_round(0, i == 0 ? "a" : "b", "payload"), BROADCAST_GO);
        assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_OK);
    }
    signing_crash(0);
    signing_lose_store(0);
    signing_reopen(0);
    assert_int_equal(signing_find(0, "a", NULL), INGOT_OK);
    assert_int_equal(signing_find(0, "b", NULL), INGOT_OK);
    signing_crash(0);
    assert_int_equal(truncate(path, file_size() - 1), 0);
    assert_int_equal(signing_start(0, why, sizeof why), INGOT_ERROR_CORRUPT);
    assert_non_null(strstr(why, "it has lost lines"));
    assert_non_null(strstr(why, "put back a copy of it"));
}

static void a_store_of_a_chain_is_refused(void **state)
{
    (void)state;
    char why[512] = "";
    quorum_signing_close(signing_members[0]);
    signing_members[0] = NULL;
    signing_lose_store(0);
    struct ingot_store_batch *batch = ingot_store_batch_begin(signing_stores[0]);
    ingot_store_batch_put(batch, 0, ingot_slice_of_text("schema"),
                          ingot_slice_of_text("ingot ledger\3\0\0\0"));
    assert_int_equal(ingot_store_batch_commit(batch), INGOT_OK);
    assert_int_equal(signing_start(0, why, sizeof why), INGOT_ERROR_INVALID);
    assert_non_null(strstr(why, "a [node] data_folder each"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, signing_set_up, signing_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_payload_that_was_signed_is_the_only_one_of_its_round_for_ever),
        TEST(what_was_not_synced_did_not_leave_and_binds_nobody),
        TEST(one_commit_of_the_store_serves_all_that_was_signed_and_delivered),
        TEST(a_store_without_room_keeps_what_was_chosen_and_signs_nothing_more),
        TEST(after_a_commit_of_unknown_outcome_the_next_start_tells),
        TEST(a_line_that_the_store_does_not_know_is_taken_over),
        TEST(what_a_crash_of_the_machine_left_of_a_line_is_cut_off),
        TEST(what_was_told_is_not_read_at_a_start_and_not_cut_off),
        TEST(a_file_that_has_lost_lines_is_refused_and_a_store_that_is_lost_is_made_again),
        TEST(a_store_of_a_chain_is_refused),
    };
    return crypto_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}

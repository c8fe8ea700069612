/*
 * Goal: whatever a crash leaves of the store and of the signatures file, a restart goes on where it
 * was: nothing that was reported is lost, nothing is in the file twice, and what was outstanding is
 * finished. Method: attestors in memory that are stopped at every durable step, with every outcome;
 * files that are cut, lost, full or older than the store.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/attestor_cluster.h"
#include "storage/memory.h"

#define TEST(name) cmocka_unit_test(name)

static off_t size_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

static void copy_file(const char *from, const char *to)
{
    char buffer[4096];
    FILE *in = fopen(from, "r");
    FILE *out = fopen(to, "w");
    assert_non_null(in);
    assert_non_null(out);
    for (size_t size = 0; (size = fread(buffer, 1, sizeof buffer, in)) > 0;) {
        assert_int_equal(fwrite(buffer, 1, size, out), size);
    }
    (void)fclose(in);
    assert_int_equal(fclose(out), 0);
}

/* Blocks of one statement each, never the same. */
static void run_blocks(struct attestor_cluster *cluster, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char text[24];
        (void)snprintf(text, sizeof text, "p:%u", (unsigned)cluster->height);
        (void)attestor_cluster_one(cluster, text);
        attestor_cluster_commit(cluster);
        attestor_cluster_run(cluster);
    }
}

static void assert_whole(struct attestor_cluster *cluster, uint32_t attestations)
{
    for (uint32_t i = 0; i < cluster->count; i++) {
        assert_int_equal(attestor_node_lines(&cluster->nodes[i]), attestations);
        assert_int_equal(attestor_node_status(&cluster->nodes[i]).attested, attestations);
        assert_int_equal(attestor_node_status(&cluster->nodes[i]).pending, 0);
    }
}

/* --- Deaths. --- */

/* One node dies at its nth durable step, and comes back; the story ends the same. */
static bool die_at(uint32_t validators, uint64_t nth, enum store_memory_fault fault)
{
    struct attestor_cluster *cluster = attestor_cluster_new(validators, 0);
    struct attestor_node *node = &cluster->nodes[0];
    ingot_store_memory_fail_commit(node->store, nth, fault);
    run_blocks(cluster, 3);
    attestor_cluster_wait(cluster, 100);
    const bool has_died = node->stop != REPLICA_RUNS;
    ingot_store_memory_fail_commit(node->store, 0, fault);
    const uint32_t reported = node->attested;
    if (has_died) {
        assert_int_equal(node->stop, REPLICA_STOP_WRITE);
        attestor_node_restart(node);
        assert_true(attestor_node_lines(node) >= reported);
        assert_true(attestor_node_status(node).attested >= reported);
    }
    attestor_node_commit(node, cluster->height);
    attestor_cluster_wait(cluster, 3000);
    run_blocks(cluster, 1);
    attestor_cluster_wait(cluster, 1000);
    assert_int_equal(cluster->height, 4);
    assert_whole(cluster, 4);
    attestor_cluster_free(cluster);
    return has_died;
}

static void a_death_at_any_durable_step_loses_and_doubles_nothing(void **state)
{
    (void)state;
    static const enum store_memory_fault faults[] = {
        STORE_MEMORY_NO_SPACE, STORE_MEMORY_FAILED_LOST, STORE_MEMORY_FAILED_APPLIED};
    uint32_t deaths = 0;
    for (uint32_t validators = 1; validators <= 4; validators += 3) {
        for (size_t i = 0; i < 3; i++) {
            uint64_t nth = 1;
            while (die_at(validators, nth, faults[i])) {
                nth++;
                deaths++;
            }
        }
    }
    assert_true(deaths >= 6 * 6);
}

static void all_nodes_dying_between_any_two_rounds_finish_what_was_outstanding(void **state)
{
    (void)state;
    for (uint32_t rounds = 0; rounds < 12; rounds++) {
        struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
        (void)attestor_cluster_one(cluster, "d:outstanding");
        attestor_cluster_commit(cluster);
        for (uint32_t i = 0; i < rounds; i++) { /* some of them get on, others do not */
            struct attestor_node *node = &cluster->nodes[i % 4];
            attestor_flush(node->attestor);
            if (i % 3 == 0) {
                attestor_cluster_wait(cluster, 0);
            }
        }
        for (uint32_t i = 0; i < 4; i++) {
            attestor_node_crash(&cluster->nodes[i]);
        }
        for (uint32_t i = 0; i < 4; i++) {
            attestor_node_restart(&cluster->nodes[i]);
        }
        attestor_cluster_wait(cluster, 3000);
        assert_whole(cluster, 1);
        attestor_cluster_free(cluster);
    }
}

/* Of what is done only our own shares of the last 64 blocks, which peers are owed again. */
static void a_restart_reads_what_is_pending_and_little_of_what_is_done(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *node = &cluster->nodes[0];
    uint64_t cost[2] = {0};
    for (uint32_t i = 0; i < 2; i++) {
        struct ingot_store_memory_counters counters;
        run_blocks(cluster, i == 0 ? 100 : 200);
        attestor_cluster_wait(cluster, 1000);
        attestor_node_restart(node); /* its store counts from zero */
        attestor_cluster_wait(cluster, 1000);
        ingot_store_memory_get_counters(node->store, &counters);
        cost[i] = counters.gets + counters.cursor_moves;
        run_blocks(cluster, 0);
    }
    /* Of blocks a ledger reads those that are unapplied, up to 128, two records each. */
    assert_true(cost[1] <= cost[0] + 4 * 128);
    attestor_cluster_free(cluster);
}

static void who_begins_with_the_middle_of_a_chain_enters_what_is_there(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(1, 0);
    struct attestor_node *node = &cluster->nodes[0];
    (void)attestor_cluster_one(cluster, "d:before");
    /* Committed without an attestor. */
    const struct ledger_entry *entry = &cluster->blocks[1];
    ledger_put_block(node->ledger, entry->block, entry->execution);
    ledger_commit_block(node->ledger, entry->block, entry->execution, NULL);
    assert_int_equal(ledger_sync(node->ledger), INGOT_OK);
    attestor_node_restart(node);
    attestor_cluster_wait(cluster, 1000);
    assert_int_equal(attestor_node_lines(node), 1);
    attestor_cluster_free(cluster);
}

/* --- The file. --- */

static void a_torn_last_line_is_cut_off_and_written_again(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(1, 0);
    struct attestor_node *node = &cluster->nodes[0];
    run_blocks(cluster, 2);
    ingot_store_memory_fail_commit(node->store, 2, STORE_MEMORY_FAILED_LOST);
    run_blocks(cluster, 1); /* the line is in the file, and the table does not know it */
    assert_int_equal(node->stop, REPLICA_STOP_WRITE);
    assert_int_equal(attestor_node_lines(node), 3);
    attestor_node_crash(node);
    assert_int_equal(truncate(node->file, size_of(node->file) - 7), 0);
    attestor_node_restart(node);
    assert_int_equal(attestor_node_status(node).attested, 2);
    attestor_cluster_wait(cluster, 1000);
    assert_whole(cluster, 3);
    attestor_cluster_free(cluster);
}

static void lines_that_were_lost_are_written_anew_from_the_table(void **state)
{
    (void)state;
    for (uint32_t case_number = 0; case_number < 3; case_number++) {
        struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
        struct attestor_node *node = &cluster->nodes[1];
        run_blocks(cluster, 5);
        attestor_node_crash(node);
        if (case_number == 0) {
            assert_int_equal(unlink(node->file), 0);
        } else {
            assert_int_equal(truncate(node->file, case_number == 1 ? 0 : 1000), 0);
        }
        attestor_node_restart(node);
        assert_int_equal(attestor_node_lines(node), 5);
        /* And it stays so. */
        attestor_node_restart(node);
        run_blocks(cluster, 1);
        assert_whole(cluster, 6);
        attestor_cluster_free(cluster);
    }
}

static void a_death_while_the_file_is_written_anew_begins_again(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth <= 2; nth++) {
        struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
        struct attestor_node *node = &cluster->nodes[1];
        run_blocks(cluster, 5);
        attestor_node_crash(node);
        assert_int_equal(truncate(node->file, 0), 0);
        ingot_store_memory_fail_commit(node->store, nth, STORE_MEMORY_FAILED_LOST);
        assert_int_not_equal(attestor_node_open(node), INGOT_OK);
        node->attestor = NULL;
        attestor_node_restart(node);
        assert_whole(cluster, 5);
        attestor_cluster_free(cluster);
    }
}

static void data_that_is_older_than_the_file_writes_no_line_again(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(4, 0);
    struct attestor_node *node = &cluster->nodes[2];
    run_blocks(cluster, 3);
    struct ingot_store *backup = ingot_store_memory_clone_durable(node->store);
    run_blocks(cluster, 4);
    attestor_node_crash(node);
    ingot_store_close(node->store);
    node->store = backup;
    attestor_node_restart(node);
    assert_int_equal(attestor_node_lines(node), 7);
    assert_int_equal(attestor_node_status(node).attested, 3);
    attestor_node_commit(node, cluster->height);
    attestor_cluster_wait(cluster, 5000);
    run_blocks(cluster, 1);
    assert_whole(cluster, 8);
    attestor_cluster_free(cluster);
}

static void append(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "a");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Three blocks of which the table knows the file's lines of the first two, and the node is down. */
static struct attestor_cluster *crash_with_a_line_that_the_table_does_not_know(off_t *known)
{
    struct attestor_cluster *cluster = attestor_cluster_new(1, 0);
    struct attestor_node *node = &cluster->nodes[0];
    run_blocks(cluster, 2);
    *known = size_of(node->file);
    ingot_store_memory_fail_commit(node->store, 2, STORE_MEMORY_FAILED_LOST);
    run_blocks(cluster, 1);
    assert_int_equal(node->stop, REPLICA_STOP_WRITE);
    attestor_node_crash(node);
    assert_true(size_of(node->file) > *known);
    return cluster;
}

static void what_a_crash_of_the_machine_left_of_a_line_is_cut_off_and_written_again(void **state)
{
    (void)state;
    static const char garbage[] = {0, '\n', 'x', '{'};
    for (size_t i = 0; i < 3 * sizeof garbage; i++) {
        off_t known = 0;
        struct attestor_cluster *cluster = crash_with_a_line_that_the_table_does_not_know(&known);
        struct attestor_node *node = &cluster->nodes[0];
        char spoilt[200];
        const off_t size = size_of(node->file);
        /* The line's first bytes, its middle, or something behind it. */
        const off_t places[] = {known, known + (size - known) / 2, size};
        memset(spoilt, garbage[i % 4], sizeof spoilt - 1);
        spoilt[sizeof spoilt - 1] = '\n';
        FILE *file = fopen(node->file, "r+");
        assert_non_null(file);
        assert_int_equal(fseek(file, places[i / 4], SEEK_SET), 0);
        assert_int_equal(fwrite(spoilt, 1, sizeof spoilt, file), sizeof spoilt);
        assert_int_equal(fclose(file), 0);
        attestor_node_restart(node);
        assert_int_equal(attestor_node_status(node).attested, i / 4 == 2 ? 3 : 2);
        attestor_cluster_wait(cluster, 1000);
        assert_whole(cluster, 3);
        attestor_node_restart(node);
        assert_whole(cluster, 3);
        attestor_cluster_free(cluster);
    }
}

static void what_is_behind_the_lines_of_a_newer_chain_is_not_cut_off(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(1, 0);
    struct attestor_node *node = &cluster->nodes[0];
    run_blocks(cluster, 1);
    struct ingot_store *backup = ingot_store_memory_clone_durable(node->store);
    run_blocks(cluster, 2);
    attestor_node_crash(node);
    ingot_store_close(node->store);
    node->store = backup;
    append(node->file, "garbage\n", 8);
    const off_t size = size_of(node->file);
    assert_int_equal(attestor_node_open(node), INGOT_ERROR_CORRUPT);
    assert_non_null(strstr(node->why, "expected valid JSON"));
    assert_int_equal(size_of(node->file), size);
    attestor_cluster_free(cluster);
}

static void the_same_line_twice_is_refused(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(1, 0);
    struct attestor_node *node = &cluster->nodes[0];
    char copy[128];
    char command[300];
    run_blocks(cluster, 1);
    attestor_node_crash(node);
    (void)snprintf(copy, sizeof copy, "%s.copy", node->file);
    copy_file(node->file, copy);
    (void)snprintf(command, sizeof command, "cat %s >> %s", copy, node->file);
    assert_int_equal(system(command), 0);
    assert_int_equal(attestor_node_open(node), INGOT_ERROR_CORRUPT);
    assert_non_null(strstr(node->why, "already"));
    attestor_cluster_free(cluster);
}

static void limit_file_size(off_t size)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size < 0 ? limit.rlim_max : (rlim_t)size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_holds_attestations_back_until_there_is_room(void **state)
{
    (void)state;
    struct attestor_cluster *cluster = attestor_cluster_new(1, 0);
    struct attestor_node *node = &cluster->nodes[0];
    run_blocks(cluster, 1);
    (void)signal(SIGXFSZ, SIG_IGN);
    limit_file_size(size_of(node->file) + 20);
    run_blocks(cluster, 3);
    attestor_cluster_wait(cluster, 10000);
    assert_int_equal(attestor_node_status(node).attested, 1);
    assert_int_equal(node->attested, 1);
    assert_int_equal(attestor_node_status(node).pending, cluster->height - 1);
    assert_in_range(attestor_node_status(node).file_retries, 5, 20);
    assert_int_equal(node->stop, REPLICA_RUNS);
    limit_file_size(-1);
    attestor_cluster_wait(cluster, 2000);
    assert_whole(cluster, (uint32_t)cluster->height);
    attestor_cluster_free(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_death_at_any_durable_step_loses_and_doubles_nothing),
        TEST(all_nodes_dying_between_any_two_rounds_finish_what_was_outstanding),
        TEST(a_restart_reads_what_is_pending_and_little_of_what_is_done),
        TEST(who_begins_with_the_middle_of_a_chain_enters_what_is_there),
        TEST(a_torn_last_line_is_cut_off_and_written_again),
        TEST(lines_that_were_lost_are_written_anew_from_the_table),
        TEST(a_death_while_the_file_is_written_anew_begins_again),
        TEST(data_that_is_older_than_the_file_writes_no_line_again),
        TEST(what_a_crash_of_the_machine_left_of_a_line_is_cut_off_and_written_again),
        TEST(what_is_behind_the_lines_of_a_newer_chain_is_not_cut_off),
        TEST(the_same_line_twice_is_refused),
        TEST(a_full_disk_holds_attestations_back_until_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

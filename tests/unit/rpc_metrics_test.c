/*
 * The metrics page, read by the rules that Prometheus' own checker (promtool check metrics) holds
 * it to, and its numbers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/metrics.h"

static struct ingot_buffer render(const struct metrics *metrics, const struct metrics_rpc *rpc)
{
    struct ingot_buffer text = {0};
    metrics_render(metrics, rpc, &text);
    ingot_buffer_append_u8(&text, '\0');
    return text;
}

static bool has_line(const struct ingot_buffer *text, const char *line)
{
    size_t size = strlen(line);
    const char *at = (const char *)text->data;
    while ((at = strstr(at, line)) != NULL) {
        if ((at == (const char *)text->data || at[-1] == '\n') && at[size] == '\n') {
            return true;
        }
        at++;
    }
    print_message("no line %s\n", line);
    return false;
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text);
    return size >= strlen(end) && strcmp(text + size - strlen(end), end) == 0;
}

/* The metric that HELP and TYPE lines have announced last. */
struct family {
    char name[128];
    char type[32];
    bool has_help;
    bool has_type;
};

static void check_comment(const char *line, struct family *family)
{
    char kind[8];
    char name[128];
    char rest[256];
    assert_int_equal(sscanf(line, "# %7s %127s %255[^\n]", kind, name, rest), 3);
    if (strcmp(kind, "HELP") == 0) {
        assert_string_not_equal(name, family->name); /* each is described once */
        *family = (struct family){.has_help = true};
        (void)snprintf(family->name, sizeof family->name, "%s", name);
        assert_true(ends_with(rest, "."));
        return;
    }
    assert_string_equal(kind, "TYPE");
    assert_true(family->has_help && !family->has_type);
    assert_string_equal(name, family->name);
    (void)snprintf(family->type, sizeof family->type, "%.31s", rest);
    family->has_type = true;
    /* Counters end in _total, and nothing else does; units are base units. */
    assert_int_equal(ends_with(name, "_total"), strcmp(rest, "counter") == 0);
    assert_false(ends_with(name, "_ms"));
    assert_false(ends_with(name, "_count"));
    assert_null(strstr(name, "milliseconds"));
}

static void check_sample(const char *line, const struct family *family)
{
    size_t size = strlen(family->name);
    const char *value = strrchr(line, ' ');
    char *end = NULL;
    assert_true(family->has_type);
    assert_int_equal(strncmp(line, family->name, size), 0);
    if (strcmp(family->type, "histogram") == 0) {
        assert_true(strncmp(line + size, "_bucket{le=\"", 12) == 0 ||
                    strncmp(line + size, "_sum ", 5) == 0 ||
                    strncmp(line + size, "_count ", 7) == 0);
    } else {
        assert_true(line[size] == ' ' || line[size] == '{');
    }
    assert_non_null(value);
    (void)strtod(value + 1, &end);
    assert_true(end != value + 1 && *end == '\0');
}

static void the_page_obeys_the_rules_of_its_format(void **state)
{
    struct metrics metrics = {.version = "1", .chain_id = "c", .app_name = "kv", .moniker = "m"};
    const struct metrics_rpc rpc = {.connections = 1};
    struct family family = {.name = ""};
    (void)state;
    metrics.network.refused[INGOT_CLOSE_KEY_UNKNOWN] = 2;
    metrics_observe(&metrics.commit_latency, 1500);
    struct ingot_buffer text = render(&metrics, &rpc);
    char *rest = (char *)text.data;
    char *line;
    int families = 0;
    assert_true(text.size > 1 && text.data[text.size - 2] == '\n');
    while ((line = strtok_r(rest, "\n", &rest)) != NULL) {
        if (line[0] == '#') {
            check_comment(line, &family);
            families += family.has_type ? 1 : 0;
        } else {
            check_sample(line, &family);
        }
    }
    assert_true(families > 30);
    ingot_buffer_deinit(&text);
}

static void the_numbers_are_those_of_the_struct(void **state)
{
    struct metrics metrics = {.height = 12,
                              .view = UINT64_MAX,
                              .epoch = 1,
                              .is_leader = true,
                              .has_stopped_signing = true,
                              .withholds_signing = true,
                              .timeouts = 3,
                              .committed_transactions = 4,
                              .mempool_transactions = 5,
                              .mempool_bytes = 6};
    (void)state;
    metrics.network.peers_connected = 7;
    metrics.network.bytes_received = 8;
    metrics.network.bytes_sent = 9;
    metrics.network.refused[INGOT_CLOSE_KEY_UNKNOWN] = 10;
    metrics.rejects[REJECT_BAD_SIGNATURE] = 11;
    metrics.journal = (struct store_journal_stats){.records_total = 12,
                                                   .record_bytes_total = 13,
                                                   .direct_total = 14,
                                                   .waits_total = 15,
                                                   .applied_total = 16,
                                                   .apply_us_total = 1700000,
                                                   .apply_us_last = 18000,
                                                   .waiting_bytes = 19};
    struct ingot_buffer text = render(&metrics, NULL);
    assert_true(has_line(&text, "ingot_height 12"));
    assert_true(has_line(&text, "ingot_view 18446744073709551615"));
    assert_true(has_line(&text, "ingot_epoch 1"));
    assert_true(has_line(&text, "ingot_is_leader 1"));
    assert_true(has_line(&text, "ingot_is_member 0"));
    assert_true(has_line(&text, "ingot_signing_stopped 1"));
    assert_true(has_line(&text, "ingot_signing_withheld 1"));
    assert_true(has_line(&text, "ingot_timeouts_total 3"));
    assert_true(has_line(&text, "ingot_committed_transactions_total 4"));
    assert_true(has_line(&text, "ingot_mempool_transactions 5"));
    assert_true(has_line(&text, "ingot_mempool_bytes 6"));
    assert_true(has_line(&text, "ingot_peers 7"));
    assert_true(has_line(&text, "ingot_peer_bytes_received_total 8"));
    assert_true(has_line(&text, "ingot_peer_bytes_sent_total 9"));
    assert_true(has_line(&text, "ingot_peer_refused_total{reason=\"key_unknown\"} 10"));
    assert_true(has_line(&text, "ingot_rejects_total{reason=\"bad_signature\"} 11"));
    assert_true(has_line(&text, "ingot_rejects_total{reason=\"malformed\"} 0"));
    assert_null(strstr((const char *)text.data, "reason=\"none\""));
    assert_true(has_line(&text, "ingot_journal_records_total 12"));
    assert_true(has_line(&text, "ingot_journal_bytes_total 13"));
    assert_true(has_line(&text, "ingot_journal_direct_total 14"));
    assert_true(has_line(&text, "ingot_journal_waits_total 15"));
    assert_true(has_line(&text, "ingot_journal_applied_total 16"));
    assert_true(has_line(&text, "ingot_journal_apply_seconds_total 1.7"));
    assert_true(has_line(&text, "ingot_journal_apply_seconds 0.018"));
    assert_true(has_line(&text, "ingot_journal_waiting_bytes 19"));
    ingot_buffer_deinit(&text);
}

static void a_histogram_is_cumulative_and_in_seconds(void **state)
{
    struct metrics metrics = {0};
    (void)state;
    metrics_observe(&metrics.sync, 100);      /* a bound belongs to its own bucket */
    metrics_observe(&metrics.sync, 101);      /* and what is above it to the next */
    metrics_observe(&metrics.sync, 1500000);  /* 1.5 s */
    metrics_observe(&metrics.sync, 60000000); /* beyond the last bound */
    struct ingot_buffer text = render(&metrics, NULL);
    assert_true(has_line(&text, "ingot_sync_seconds_bucket{le=\"0.0001\"} 1"));
    assert_true(has_line(&text, "ingot_sync_seconds_bucket{le=\"0.0002\"} 2"));
    assert_true(has_line(&text, "ingot_sync_seconds_bucket{le=\"1\"} 2"));
    assert_true(has_line(&text, "ingot_sync_seconds_bucket{le=\"2\"} 3"));
    assert_true(has_line(&text, "ingot_sync_seconds_bucket{le=\"50\"} 3"));
    assert_true(has_line(&text, "ingot_sync_seconds_bucket{le=\"+Inf\"} 4"));
    assert_true(has_line(&text, "ingot_sync_seconds_sum 61.500201"));
    assert_true(has_line(&text, "ingot_sync_seconds_count 4"));
    assert_true(has_line(&text, "ingot_sync_commits_total 4"));
    ingot_buffer_deinit(&text);
}

static void labels_are_escaped(void **state)
{
    const struct metrics metrics = {.moniker = "a\"b\\c\nd"};
    (void)state;
    struct ingot_buffer text = render(&metrics, NULL);
    assert_non_null(strstr((const char *)text.data, "moniker=\"a\\\"b\\\\c\\nd\"} 1\n"));
    ingot_buffer_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_obeys_the_rules_of_its_format),
        cmocka_unit_test(the_numbers_are_those_of_the_struct),
        cmocka_unit_test(a_histogram_is_cumulative_and_in_seconds),
        cmocka_unit_test(labels_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

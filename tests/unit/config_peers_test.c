/*
 * The peers file. Goal: a line is taken exactly or refused with its number and what was expected.
 * Method: tables of endpoints and of bad files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/peers.h"

#define KEY_A "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define KEY_B "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
#define KEY_C "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"

static char complaints[4096];

static enum ingot_error parse(const char *text, struct peer_list *peers)
{
    struct report report;
    report_init(&report, complaints, sizeof complaints);
    enum ingot_error error = peers_parse(ingot_slice_of_text(text), "peers", peers, &report);
    assert_true((error == INGOT_OK) == (report.count == 0));
    return error;
}

static void a_file_with_comments_and_all_forms_of_lines_is_read(void **state)
{
    (void)state;
    struct peer_list peers;
    if (parse("# the network\n"
              "\n" KEY_A " 127.0.0.1:27650 " KEY_B "  # node0\r\n"
              "   " KEY_B "\t[2001:db8::1]:1\n" KEY_C " a-b.example.org:65535",
              &peers) != INGOT_OK)
        fail_msg("%s", complaints);
    assert_int_equal(peers.count, 3);
    assert_int_equal(peers.entries[0].line, 3);
    assert_true(peers.entries[0].has_validator_key);
    assert_string_equal(peers.entries[0].endpoint.host, "127.0.0.1");
    assert_int_equal(peers.entries[0].endpoint.port, 27650);
    assert_memory_equal(&peers.entries[0].validator_key, &peers.entries[1].transport_key, 32);
    assert_string_equal(peers.entries[1].endpoint.host, "2001:db8::1");
    assert_false(peers.entries[1].has_validator_key);
    assert_string_equal(peers.entries[2].endpoint.host, "a-b.example.org");
    peers_deinit(&peers);
}

static void mistakes_are_named_with_line_and_expectation(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *complaint;
        const char *why;
    } rows[] = {
        {"x\n", "peers:1: expected the peer's transport key", "no key"},
        {"\n\n" KEY_A "\n", "peers:3: expected host:port after the transport key", "no address"},
        {KEY_A "0 h:1\n", "peers:1: expected the peer's transport key", "65 digits"},
        {"0100000000000000000000000000000000000000000000000000000000000000 h:1\n",
         "peers:1: expected the peer's transport key", "a key of small order"},
        {"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= h:1\n",
         "peers:1: expected the peer's transport key, 64 hex digits", "base64 is not for here"},
        {KEY_A " h\n", "peers:1: expected host:port", "no port"},
        {KEY_A " h:0\n", "with a port of 1 to 65535", "port 0 cannot be connected to"},
        {KEY_A " h:1 key\n", "peers:1: expected the validator key, 64 hex digits", "bad key"},
        {KEY_A " h:1 " KEY_B " more\n", "peers:1: expected nothing after the validator key",
         "a fourth word"},
        {KEY_A " h:1\n" KEY_A " h:2\n",
         "peers:2: expected each transport key once, this one is on line 1 already", "twice"},
        {KEY_A " h:1 " KEY_C "\n\n" KEY_B " h:2 " KEY_C "\n",
         "peers:3: expected each validator key once, this one is on line 1 already", "twice"},
        {"x\n" KEY_A " h:1\ny\n", "peers:3: expected the peer's transport key", "all at once"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct peer_list peers;
        assert_int_equal(parse(rows[i].text, &peers), INGOT_ERROR_INVALID);
        assert_null(peers.entries);
        if (strstr(complaints, rows[i].complaint) == NULL)
            fail_msg("%s: expected '%s' in: %s", rows[i].why, rows[i].complaint, complaints);
    }
}

static void endpoints_are_strict(void **state)
{
    (void)state;
    static const char *const good[] = {"a:1",         "1.2.3.4:65535",      "[::]:80",
                                       "[fe80::1]:9", "node_0.local:27650", "4u:1"};
    static const char *const bad[] = {
        "",        ":1",          "a",       "a:",       "a:x",          "a:01",  "a:+1",
        "a:-1",    "a: 1",        "a:65536", "a:123456", "a b:1",        "a/b:1", "::1:1",
        "[::1]",   "[::1]1",      "[]:1",    "[a]:1",    "[1.2.3.4]:1",  "[:1",   "]:1",
        "1.2.3:1", "1.2.3.256:1", "a..b:1",  ".a:1",     "127.0.0.1:1:2"};
    struct endpoint endpoint;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct ingot_buffer text = {0};
        if (!endpoint_parse(ingot_slice_of_text(good[i]), ENDPOINT_PORT_NONZERO, &endpoint))
            fail_msg("refused: %s", good[i]);
        endpoint_format(&endpoint, &text);
        assert_true(ingot_slice_equal(ingot_buffer_slice(&text), ingot_slice_of_text(good[i])));
        ingot_buffer_deinit(&text);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (endpoint_parse(ingot_slice_of_text(bad[i]), ENDPOINT_PORT_ANY, &endpoint))
            fail_msg("taken: %s", bad[i]);
    assert_false(endpoint_parse(ingot_slice_of_text("a:0"), ENDPOINT_PORT_NONZERO, &endpoint));
    assert_true(endpoint_parse(ingot_slice_of_text("a:0"), ENDPOINT_PORT_ANY, &endpoint));
    char long_name[600];
    memset(long_name, 'a', sizeof long_name);
    assert_false(
        endpoint_parse(ingot_slice_of(long_name, sizeof long_name), ENDPOINT_PORT_ANY, &endpoint));
    memcpy(long_name + 64, ":1", 3);
    assert_false(endpoint_parse(ingot_slice_of_text(long_name), ENDPOINT_PORT_ANY, &endpoint));
    memcpy(long_name + 63, ":1", 3);
    assert_true(endpoint_parse(ingot_slice_of_text(long_name), ENDPOINT_PORT_ANY, &endpoint));
}

static void what_is_written_reads_back_the_same(void **state)
{
    (void)state;
    static const char text[] = KEY_A " 127.0.0.1:27650 " KEY_B "\n" KEY_C " [::1]:27652\n";
    struct peer_list peers;
    struct ingot_buffer again = {0};
    assert_int_equal(parse(text, &peers), INGOT_OK);
    for (uint32_t i = 0; i < peers.count; i++)
        peers_format_entry(&peers.entries[i], &again);
    assert_true(ingot_slice_equal(ingot_buffer_slice(&again), ingot_slice_of_text(text)));
    ingot_buffer_deinit(&again);
    peers_deinit(&peers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_with_comments_and_all_forms_of_lines_is_read),
        cmocka_unit_test(mistakes_are_named_with_line_and_expectation),
        cmocka_unit_test(endpoints_are_strict),
        cmocka_unit_test(what_is_written_reads_back_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

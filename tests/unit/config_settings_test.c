/*
 * config.ini. Goal: no mistake in it passes in silence, each complaint names file, line, key and
 * what was expected, and what is written reads back as the same. Method: tables of bad files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/public_key.h"
#include "config/settings.h"

#define KEY_A "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define KEY_B "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
#define KEY_B_BASE64 "PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw="

static char complaints[4096];

static enum ingot_error parse(const char *text, struct settings *settings)
{
    struct report report;
    report_init(&report, complaints, sizeof complaints);
    enum ingot_error error =
        settings_parse(ingot_slice_of_text(text), "config.ini", settings, &report);
    assert_true((error == INGOT_OK) == (report.count == 0));
    return error;
}

static void mistakes_are_named_with_line_and_expectation(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *complaint; /* each must be part of the report */
        const char *also;
        const char *why;
    } rows[] = {
        {"[node]\nap = kv\n", "config.ini:2: [node] ap: unknown key, expected one of data_folder",
         " app ", "unknown key"},
        {"[nodes]\napp = kv\n", "config.ini:1: [nodes]: unknown section, expected one of [node]",
         "[storage]", "unknown section"},
        {"\n\n[nodes]\n", "config.ini:3: [nodes]: unknown section", "", "empty unknown section"},
        {"app = kv\n", "config.ini:1: app: outside any section", "[node]", "key before a section"},
        {"[node]\napp = kv\n\napp = kv\n",
         "config.ini:4: [node] app: expected once, it is on line 2 already", "", "duplicate"},
        {"[node]\napp = kv\n[rpc]\n[node]\napp = kv\n", "config.ini:5: [node] app: expected once",
         "", "duplicate in a section that is opened twice"},
        {"[node]\napp = sql\n",
         "config.ini:2: [node] app: expected genesis or kv or null or signing, found 'sql'", "",
         "bad choice"},
        {"[node]\nprotocol = pbft\n",
         "config.ini:2: [node] protocol: expected hotstuff or quorum-broadcast or gossip, found "
         "'pbft'",
         "", "no protocol of this program"},
        {"[signing]\npayload_bytes_max = 65537\n",
         "config.ini:2: [signing] payload_bytes_max: expected a whole number from 0 to 65536, "
         "found "
         "'65537'",
         "", "more than any chain takes"},
        {"[signing]\nsubmitters = " KEY_A ", cafe\n",
         "config.ini:2: [signing] submitters: expected up to 64 ed25519 public keys, each as 64 "
         "hex "
         "digits or base64, with commas between them, on one line or several, found 'cafe'",
         "", "a list with something that is no key"},
        {"[signing]\nsubmitters = " KEY_A "\nsubmitters = " KEY_B ",\nsubmitters = ,\n",
         "config.ini:4: [signing] submitters: expected up to 64", "found ''", "an empty item"},
        {"[signing]\nsubmitters = "
         "0000000000000000000000000000000000000000000000000000000000000000\n",
         "config.ini:2: [signing] submitters: expected up to 64", "found '0000000000",
         "a weak key"},
        {"[node]\nobserver = perhaps\n", "[node] observer: expected yes or no, found 'perhaps'", "",
         "bad flag"},
        {"[node]\ndata_folder =;data\n",
         "config.ini:2: [node] data_folder: expected a text of 1 to 150 bytes",
         "that does not begin with ';'", "found ';data'"},
        {"[network]\nlisten =;:26656\n", "[network] listen: expected host:port", "found ';:26656'",
         ""},
        {"[node]\ndata_folder =\n", "[node] data_folder: expected a text of 1 to 150 bytes", "",
         "empty value"},
        {"[consensus]\nbase_timeout_ms = 9\n",
         "config.ini:2: [consensus] base_timeout_ms: expected a whole number from 10 to 60000, "
         "found '9'",
         "", "below the range"},
        {"[consensus]\nbase_timeout_ms = 60001\n", "from 10 to 60000, found '60001'", "",
         "above the range"},
        {"[consensus]\nbase_timeout_ms = -500\n", "found '-500'", "", "negative"},
        {"[consensus]\nbase_timeout_ms = 1e3\n", "found '1e3'", "", "not a whole number"},
        {"[consensus]\nbase_timeout_ms = 500ms\n", "found '500ms'", "", "a unit"},
        {"[consensus]\nbase_timeout_ms = 0500\n", "found '0500'", "", "a leading zero"},
        {"[consensus]\nbase_timeout_ms = 18446744073709551716\n", "found '18446744073709551716'",
         "", "overflows 64 bits to 100"},
        {"[network]\nlisten = 27650\n", "config.ini:2: [network] listen: expected host:port", "",
         "no host"},
        {"[network]\nlisten = 127.0.0.1:65536\n", "[network] listen: expected host:port", "",
         "no such port"},
        {"[network]\nlisten = ::1:27650\n", "an IPv6 address in brackets", "", "bare IPv6"},
        {"[network]\npeer_queue_bytes_max = 6291459\n",
         "config.ini:2: [network] peer_queue_bytes_max: expected a whole number from 6291460 to "
         "33554432, found '6291459'",
         "", "a queue with no room for the largest frame"},
        {"[network]\nconnections_max = 9\n",
         "config.ini:2: [network] connections_max: unknown key, expected one of", "handshakes_max",
         "connections of peers are counted while they shake hands"},
        {"[node\napp = kv\n", "config.ini:1: expected [section], key = value or a # comment", "",
         "unclosed section"},
        {"[node]\napp\n", "config.ini:2: expected [section], key = value or a # comment", "",
         "key alone"},
        {"[network]\nreconnect_delay_ms_min = 3000\n",
         "reconnect_delay_ms_min: expected at most reconnect_delay_ms_max, which is 2000", "",
         "two values that do not fit"},
        {"[storage]\nmap_size_max = 1048576\n", "map_size_initial: expected at most map_size_max",
         "", "a map that is too large from the start"},
        {"[rpc]\nlisten = 127.0.0.1:27650\n",
         "[rpc] listen: expected another address than [network] listen", "", "one port for two"},
        {"[node]\napp = x\n[rpc]\nindex_tx = x\n", "config.ini:2: [node] app",
         "config.ini:4: [rpc] index_tx", "all mistakes at once"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct settings settings;
        assert_int_equal(parse(rows[i].text, &settings), INGOT_ERROR_INVALID);
        if (strstr(complaints, rows[i].complaint) == NULL ||
            strstr(complaints, rows[i].also) == NULL)
            fail_msg("%s: expected '%s' and '%s' in: %s", rows[i].why, rows[i].complaint,
                     rows[i].also, complaints);
    }
}

static void a_line_longer_than_the_parser_takes_is_refused(void **state)
{
    (void)state;
    char text[400] = "[node]\ndata_folder = ";
    size_t start = strlen(text);
    memset(text + start, 'x', 300);
    struct settings settings;
    assert_int_equal(parse(text, &settings), INGOT_ERROR_INVALID);
    assert_non_null(strstr(complaints, "config.ini:2: expected at most "));
}

static void layout_does_not_matter(void **state)
{
    (void)state;
    static const char text[] = "# a comment\r\n"
                               "; another\n"
                               "   [consensus]\n"
                               "\tbase_timeout_ms=700   ; behind a value\r\n"
                               "    empty_block_interval_ms : 0\n"
                               "\n"
                               "[rpc]\n"
                               "listen = [::1]:0\n"
                               "index_tx = false";
    struct settings settings;
    if (parse(text, &settings) != INGOT_OK)
        fail_msg("%s", complaints);
    assert_int_equal(settings.base_timeout_ms, 700);
    assert_int_equal(settings.empty_block_interval_ms, 0);
    assert_string_equal(settings.rpc_listen.host, "::1");
    assert_int_equal(settings.rpc_listen.port, 0);
    assert_false(settings.rpc_index_tx);
}

static void an_empty_file_gives_the_defaults(void **state)
{
    (void)state;
    struct settings settings;
    assert_int_equal(parse("", &settings), INGOT_OK);
    assert_string_equal(settings.data_folder, "data");
    assert_int_equal(settings.app, SETTINGS_APP_GENESIS);
    assert_int_equal(settings.protocol, SETTINGS_PROTOCOL_HOTSTUFF);
    assert_false(settings.observer);
    assert_int_equal(settings.base_timeout_ms, 500);
    assert_int_equal(settings.mempool_bytes_max, 16 * 1024 * 1024);
    assert_int_equal(settings.network_listen.port, 27650);
    assert_int_equal(settings.rpc_listen.port, 27651);
    assert_true(settings.rpc_index_tx);
    assert_int_equal(settings.signing_payload_bytes_max, 65536);
    assert_int_equal(settings.signing_submitters.count, 0);
}

static void a_list_of_keys_may_be_on_several_lines(void **state)
{
    (void)state;
    struct settings settings;
    struct ingot_public_key expected;
    if (parse("[signing]\n"
              "submitters = " KEY_A " ,  " KEY_B_BASE64 "\n"
              "payload_bytes_max = 0\n"
              "submitters =\n"
              "submitters = " KEY_B "\n",
              &settings) != INGOT_OK)
        fail_msg("%s", complaints);
    assert_int_equal(settings.signing_payload_bytes_max, 0);
    assert_int_equal(settings.signing_submitters.count, 3);
    assert_int_equal(settings_line(&settings, "signing", "submitters"), 2);
    assert_true(public_key_parse(ingot_slice_of_text(KEY_A), &expected));
    assert_memory_equal(&settings.signing_submitters.list[0], &expected, sizeof expected);
    assert_true(public_key_parse(ingot_slice_of_text(KEY_B), &expected));
    assert_memory_equal(&settings.signing_submitters.list[1], &expected, sizeof expected);
    assert_memory_equal(&settings.signing_submitters.list[2], &expected, sizeof expected);
}

static void no_more_keys_are_taken_than_there_is_room_for(void **state)
{
    (void)state;
    struct settings settings;
    struct ingot_buffer text = {0};
    ingot_buffer_format(&text, "[signing]\n");
    for (int i = 0; i < SETTINGS_KEYS_MAX; i++)
        ingot_buffer_format(&text, "submitters = " KEY_A "\n");
    ingot_buffer_append(&text, "", 1);
    assert_int_equal(parse((const char *)text.data, &settings), INGOT_OK);
    assert_int_equal(settings.signing_submitters.count, SETTINGS_KEYS_MAX);
    text.size--;
    ingot_buffer_format(&text, "submitters = " KEY_B "\n");
    ingot_buffer_append(&text, "", 1);
    assert_int_equal(parse((const char *)text.data, &settings), INGOT_ERROR_INVALID);
    assert_non_null(strstr(complaints, "config.ini:66: [signing] submitters: expected up to 64"));
    ingot_buffer_deinit(&text);
}

static void what_is_written_reads_back_the_same(void **state)
{
    (void)state;
    struct settings written;
    settings_init(&written);
    memset(written.data_folder, 0, sizeof written.data_folder);
    memcpy(written.data_folder, "/var/lib/ingot", sizeof "/var/lib/ingot");
    written.app = SETTINGS_APP_NULL;
    written.observer = true;
    written.base_timeout_ms = 60000;
    written.empty_block_interval_ms = 0;
    memset(written.network_listen.host, 0, sizeof written.network_listen.host);
    memcpy(written.network_listen.host, "::", sizeof "::");
    written.network_listen.port = 1;
    written.storage_map_size_max = UINT64_C(1) << 44;
    written.signing_submitters.count = 2;
    assert_true(public_key_parse(ingot_slice_of_text(KEY_A), &written.signing_submitters.list[0]));
    assert_true(public_key_parse(ingot_slice_of_text(KEY_B), &written.signing_submitters.list[1]));

    struct ingot_buffer text = {0};
    settings_format(&written, &text);
    ingot_buffer_append_u8(&text, 0);
    struct settings read;
    if (parse((const char *)text.data, &read) != INGOT_OK)
        fail_msg("%s", complaints);
    ingot_buffer_clear(&text);

    /* Compared as text: a struct's padding says nothing. */
    struct ingot_buffer again = {0};
    settings_format(&written, &text);
    settings_format(&read, &again);
    assert_int_equal(text.size, again.size);
    assert_memory_equal(text.data, again.data, text.size);
    assert_int_equal(read.base_timeout_ms, 60000);
    assert_int_equal(read.app, SETTINGS_APP_NULL);
    assert_int_equal(read.signing_submitters.count, 2);
    assert_string_equal(read.network_listen.host, "::");
    ingot_buffer_deinit(&text);
    ingot_buffer_deinit(&again);
}

static void every_row_of_the_table_is_documented_and_takes_its_own_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < settings_table_count; i++) {
        const struct setting *setting = &settings_table[i];
        assert_non_null(setting->meaning);
        size_t length = strlen(setting->meaning);
        assert_true(length > 20 && setting->meaning[length - 1] == '.');
        for (size_t j = 0; j < i; j++)
            assert_false(strcmp(setting->section, settings_table[j].section) == 0 &&
                         strcmp(setting->key, settings_table[j].key) == 0);
        if (setting->kind != SETTING_NUMBER)
            continue;
        for (int end = 0; end < 2; end++) {
            char text[200];
            struct settings settings;
            (void)snprintf(text, sizeof text, "[%s]\n%s = %llu\n", setting->section, setting->key,
                           (unsigned long long)(end == 0 ? setting->min : setting->max));
            /* The limits may clash with another setting's default, but not with their own. */
            (void)parse(text, &settings);
            assert_null(strstr(complaints, "config.ini:2:"));
        }
    }
}

static void complaints_that_do_not_fit_are_cut_and_counted(void **state)
{
    (void)state;
    char small[20];
    struct report report;
    struct settings settings;
    report_init(&report, small, sizeof small);
    assert_int_equal(
        settings_parse(ingot_slice_of_text("[a]\n[b]\n[c]\n"), "config.ini", &settings, &report),
        INGOT_ERROR_INVALID);
    assert_int_equal(report.count, 3);
    assert_int_equal(strlen(small), sizeof small - 1);
    report_init(&report, NULL, 0);
    assert_int_equal(settings_parse(ingot_slice_of_text("[a]\n"), "config.ini", &settings, &report),
                     INGOT_ERROR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_named_with_line_and_expectation),
        cmocka_unit_test(a_line_longer_than_the_parser_takes_is_refused),
        cmocka_unit_test(layout_does_not_matter),
        cmocka_unit_test(an_empty_file_gives_the_defaults),
        cmocka_unit_test(a_list_of_keys_may_be_on_several_lines),
        cmocka_unit_test(no_more_keys_are_taken_than_there_is_room_for),
        cmocka_unit_test(what_is_written_reads_back_the_same),
        cmocka_unit_test(every_row_of_the_table_is_documented_and_takes_its_own_limits),
        cmocka_unit_test(complaints_that_do_not_fit_are_cut_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

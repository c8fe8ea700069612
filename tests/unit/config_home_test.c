/*
 * Key files and whole homes on disk. Goal: no key is lost, left readable or taken for another, and
 * files that do not belong together are refused by name. Method: a home in a fresh folder, broken
 * in one place for each row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hex.h"
#include "config/home.h"
#include "wire/crypto.h"

static char folder[64];
static char complaints[8192];
static struct report report;

static const char *path(const char *name)
{
    static char text[128];
    (void)snprintf(text, sizeof text, "%s/%s", folder, name);
    return text;
}

static void put(const char *name, const char *text)
{
    assert_int_equal(file_write(path(name), ingot_slice_of_text(text), 0600, FILE_REPLACE, &report),
                     INGOT_OK);
}

static void remove_all(void)
{
    static const char *const names[] = {
        HOME_CONFIG_FILE,        HOME_GENESIS_FILE, HOME_PEERS_FILE, HOME_VALIDATOR_KEY_FILE,
        HOME_TRANSPORT_KEY_FILE, "a.key",           "file"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unlink(path(names[i]));
}

static int begin(void **state)
{
    (void)state;
    memcpy(folder, "/tmp/ingot-home-XXXXXX", sizeof "/tmp/ingot-home-XXXXXX");
    report_init(&report, complaints, sizeof complaints);
    return crypto_init() && mkdtemp(folder) != NULL ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    remove_all();
    return rmdir(folder);
}

static struct key_pair validator;
static struct key_pair transport;
static struct key_pair stranger;

/* A home that loads: one validator, its own line among the peers. */
static void make_home(void)
{
    static const uint8_t seeds[3][KEY_SEED_BYTES] = {{1}, {2}, {3}};
    remove_all();
    report_init(&report, complaints, sizeof complaints);
    key_pair_from_seed(KEY_VALIDATOR, seeds[0], &validator);
    key_pair_from_seed(KEY_TRANSPORT, seeds[1], &transport);
    key_pair_from_seed(KEY_TRANSPORT, seeds[2], &stranger);
    assert_int_equal(
        key_file_save(path(HOME_VALIDATOR_KEY_FILE), &validator, FILE_KEEP_EXISTING, &report),
        INGOT_OK);
    assert_int_equal(
        key_file_save(path(HOME_TRANSPORT_KEY_FILE), &transport, FILE_KEEP_EXISTING, &report),
        INGOT_OK);
    char key[65];
    char text[1024];
    hex_encode_lower(validator.public_key.bytes, 32, key);
    (void)snprintf(text, sizeof text,
                   "{\"chain_id\":\"a\",\"genesis_time\":\"2026-01-02T03:04:05Z\",\"app\":\"kv\","
                   "\"validators\":[{\"public_key\":\"%s\",\"power\":1}]}",
                   key);
    put(HOME_GENESIS_FILE, text);
    put(HOME_CONFIG_FILE, "[node]\napp = kv\n");
    put(HOME_PEERS_FILE, "");
}

static void write_peers(const struct key_pair *line, const struct key_pair *votes)
{
    struct peer_entry entry = {.transport_key = line->public_key,
                               .endpoint = {.host = "127.0.0.1", .port = 1},
                               .has_validator_key = votes != NULL};
    if (votes != NULL)
        entry.validator_key = votes->public_key;
    struct ingot_buffer text = {0};
    peers_format_entry(&entry, &text);
    ingot_buffer_append_u8(&text, 0);
    put(HOME_PEERS_FILE, (const char *)text.data);
    ingot_buffer_deinit(&text);
}

static void expect_refusal(enum ingot_error expected, const char *complaint)
{
    struct node_home home;
    enum ingot_error error = config_load_home(folder, &home, complaints, sizeof complaints);
    if (error != expected || strstr(complaints, complaint) == NULL)
        fail_msg("expected %d and '%s', got %d and '%s'", (int)expected, complaint, (int)error,
                 complaints);
    assert_null(home.folder);
}

static void a_sound_home_loads(void **state)
{
    (void)state;
    struct node_home home;
    make_home();
    write_peers(&transport, &validator);
    if (config_load_home(folder, &home, complaints, sizeof complaints) != INGOT_OK)
        fail_msg("%s", complaints);
    assert_true(home.has_validator_key);
    assert_true(home.is_validator);
    assert_memory_equal(home.validator_key.seed, validator.seed, KEY_SEED_BYTES);
    assert_string_equal(home.data_folder, path("data"));
    assert_int_equal(home.peers.count, 1);
    node_home_deinit(&home);
}

static void a_key_outside_the_set_is_an_observers(void **state)
{
    (void)state;
    struct node_home home;
    make_home();
    stranger.kind = KEY_VALIDATOR;
    assert_int_equal(key_file_save(path(HOME_VALIDATOR_KEY_FILE), &stranger, FILE_REPLACE, &report),
                     INGOT_OK);
    if (config_load_home(folder, &home, complaints, sizeof complaints) != INGOT_OK)
        fail_msg("%s", complaints);
    assert_true(home.has_validator_key);
    assert_false(home.is_validator);
    node_home_deinit(&home);
}

static void an_observer_without_a_key_has_to_say_so(void **state)
{
    (void)state;
    struct node_home home;
    make_home();
    (void)unlink(path(HOME_VALIDATOR_KEY_FILE));
    expect_refusal(INGOT_ERROR_NOT_FOUND, "[node] observer = yes");
    put(HOME_CONFIG_FILE, "[node]\nobserver = yes\n");
    if (config_load_home(folder, &home, complaints, sizeof complaints) != INGOT_OK)
        fail_msg("%s", complaints);
    assert_false(home.has_validator_key);
    node_home_deinit(&home);
}

static void files_that_do_not_fit_together_are_refused(void **state)
{
    (void)state;
    make_home();
    put(HOME_CONFIG_FILE, "[node]\napp = null\n");
    expect_refusal(INGOT_ERROR_INVALID,
                   "config.ini:2: [node] app: expected 'kv' as in genesis.json, found");

    make_home();
    put(HOME_CONFIG_FILE, "[storage]\nretain_blocks = 257\n");
    expect_refusal(
        INGOT_ERROR_INVALID,
        "config.ini:2: [storage] retain_blocks: expected 0 (all), or at least 258, which "
        "is replay_window_blocks in genesis.json and 2 more, found '257'");

    make_home();
    put(HOME_CONFIG_FILE, "[storage]\nretain_blocks = 258\n");
    struct node_home home;
    assert_int_equal(config_load_home(folder, &home, complaints, sizeof complaints), INGOT_OK);
    assert_int_equal(home.settings.storage_retain_blocks, 258);
    node_home_deinit(&home);

    make_home();
    write_peers(&stranger, &validator);
    expect_refusal(INGOT_ERROR_INVALID, "peers:1: expected another node's validator key");

    make_home();
    write_peers(&transport, &stranger);
    expect_refusal(INGOT_ERROR_INVALID, "peers:1: expected this node's own validator key");

    make_home();
    struct key_pair same = validator;
    same.kind = KEY_TRANSPORT;
    assert_int_equal(key_file_save(path(HOME_TRANSPORT_KEY_FILE), &same, FILE_REPLACE, &report),
                     INGOT_OK);
    expect_refusal(INGOT_ERROR_INVALID, "expected different keys");
}

static void the_peers_file_is_read_again_under_the_same_rules(void **state)
{
    (void)state;
    struct node_home home;
    struct peer_list peers;
    make_home();
    write_peers(&transport, &validator);
    assert_int_equal(config_load_home(folder, &home, complaints, sizeof complaints), INGOT_OK);

    write_peers(&stranger, NULL);
    if (config_load_peers(&home, &peers, complaints, sizeof complaints) != INGOT_OK)
        fail_msg("%s", complaints);
    assert_int_equal(peers.count, 1);
    assert_memory_equal(&peers.entries[0].transport_key, &stranger.public_key,
                        sizeof stranger.public_key);
    peers_deinit(&peers);

    write_peers(&stranger, &validator);
    assert_int_equal(config_load_peers(&home, &peers, complaints, sizeof complaints),
                     INGOT_ERROR_INVALID);
    assert_non_null(strstr(complaints, "peers:1: expected another node's validator key"));
    put(HOME_PEERS_FILE, "# nobody\nx\n");
    assert_int_equal(config_load_peers(&home, &peers, complaints, sizeof complaints),
                     INGOT_ERROR_INVALID);
    assert_non_null(strstr(complaints, "peers:2: expected the peer's transport key"));
    (void)unlink(path(HOME_PEERS_FILE));
    assert_int_equal(config_load_peers(&home, &peers, complaints, sizeof complaints),
                     INGOT_ERROR_NOT_FOUND);
    assert_int_equal(home.peers.count, 1);
    node_home_deinit(&home);
}

struct sample {
    const char *folder;
    int count;
    int base_port;
    enum settings_protocol protocol;
};

static void expect_sample(const struct sample *sample)
{
    struct ingot_hash chain = {{0}};
    for (int i = 0; i < sample->count; i++) {
        struct node_home home;
        char source[512];
        (void)snprintf(source, sizeof source, "%s/%s/node%d", INGOT_TEST_SOURCE_DIR, sample->folder,
                       i);
        if (config_load_home(source, &home, complaints, sizeof complaints) != INGOT_OK)
            fail_msg("%s", complaints);
        assert_true(home.is_validator);
        assert_true(home.validator_key.is_test_key);
        assert_true(home.transport_key.is_test_key);
        assert_int_equal(home.settings.protocol, sample->protocol);
        assert_int_equal(home.settings.network_listen.port, sample->base_port + 2 * i);
        assert_int_equal(home.settings.rpc_listen.port, sample->base_port + 1 + 2 * i);
        assert_int_equal(home.peers.count, sample->count);
        if (i > 0)
            assert_memory_equal(&home.genesis.hash, &chain, sizeof chain);
        chain = home.genesis.hash;
        node_home_deinit(&home);
    }
}

static void the_homes_that_come_with_the_sources_load(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"configuration", 4, 27650, SETTINGS_PROTOCOL_HOTSTUFF},
        {"configuration/broadcast", 3, 27750, SETTINGS_PROTOCOL_QUORUM_BROADCAST}};
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        expect_sample(&samples[i]);
}

static void missing_files_are_all_named(void **state)
{
    (void)state;
    make_home();
    (void)unlink(path(HOME_CONFIG_FILE));
    (void)unlink(path(HOME_PEERS_FILE));
    (void)unlink(path(HOME_TRANSPORT_KEY_FILE));
    expect_refusal(INGOT_ERROR_NOT_FOUND, "/config.ini: cannot be read: No such file");
    assert_non_null(strstr(complaints, "/peers: cannot be read"));
    assert_non_null(strstr(complaints, "/transport.key: cannot be read"));

    struct node_home home;
    assert_int_equal(config_load_home("/nowhere/at/all", &home, complaints, sizeof complaints),
                     INGOT_ERROR_NOT_FOUND);
    assert_non_null(strstr(complaints, "/nowhere/at/all: no such folder, expected a node's home"));
    assert_int_equal(
        config_load_home(path(HOME_GENESIS_FILE), &home, complaints, sizeof complaints),
        INGOT_ERROR_INVALID);
    assert_non_null(strstr(complaints, "expected a folder"));
}

static enum ingot_error load_key(enum key_kind kind, struct key_pair *pair)
{
    report_init(&report, complaints, sizeof complaints);
    return key_file_load(path("a.key"), kind, pair, &report);
}

static void a_key_file_is_for_its_owner_alone(void **state)
{
    (void)state;
    struct key_pair pair;
    struct stat status;
    make_home();
    assert_int_equal(key_file_save(path("a.key"), &validator, FILE_KEEP_EXISTING, &report),
                     INGOT_OK);
    assert_int_equal(stat(path("a.key"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(load_key(KEY_VALIDATOR, &pair), INGOT_OK);
    assert_memory_equal(pair.seed, validator.seed, KEY_SEED_BYTES);
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0601, 0610, 0644};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(chmod(path("a.key"), modes[i]), 0);
        assert_int_equal(load_key(KEY_VALIDATOR, &pair), INGOT_ERROR_PERMISSION);
        assert_non_null(strstr(complaints, "type: chmod 600 /tmp/"));
        for (size_t j = 0; j < KEY_SEED_BYTES; j++)
            assert_int_equal(pair.seed[j], 0);
    }
}

static void a_test_key_may_be_readable_and_says_that_it_is_one(void **state)
{
    (void)state;
    struct key_pair pair;
    make_home();
    struct key_pair public_pair = validator;
    public_pair.is_test_key = true;
    assert_int_equal(key_file_save(path("a.key"), &public_pair, FILE_KEEP_EXISTING, &report),
                     INGOT_OK);
    assert_int_equal(chmod(path("a.key"), 0644), 0);
    assert_int_equal(load_key(KEY_VALIDATOR, &pair), INGOT_OK);
    assert_true(pair.is_test_key);
}

static void an_existing_key_stays_unless_told_otherwise(void **state)
{
    (void)state;
    struct key_pair pair;
    make_home();
    assert_int_equal(key_file_save(path("a.key"), &validator, FILE_KEEP_EXISTING, &report),
                     INGOT_OK);
    stranger.kind = KEY_VALIDATOR;
    assert_int_equal(key_file_save(path("a.key"), &stranger, FILE_KEEP_EXISTING, &report),
                     INGOT_ERROR_EXISTS);
    assert_int_equal(load_key(KEY_VALIDATOR, &pair), INGOT_OK);
    assert_memory_equal(pair.seed, validator.seed, KEY_SEED_BYTES);
    assert_int_equal(key_file_save(path("a.key"), &stranger, FILE_REPLACE, &report), INGOT_OK);
    assert_int_equal(load_key(KEY_VALIDATOR, &pair), INGOT_OK);
    assert_memory_equal(pair.seed, stranger.seed, KEY_SEED_BYTES);
}

#define RFC8032_SEED "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
#define RFC8032_KEY "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"

static void the_key_of_the_rfc_is_read_as_such(void **state)
{
    (void)state;
    struct key_pair pair;
    char key[65];
    put("a.key", "ingot-key-1 transport\npublic " RFC8032_KEY "\nsecret " RFC8032_SEED "\n");
    assert_int_equal(load_key(KEY_TRANSPORT, &pair), INGOT_OK);
    hex_encode_lower(pair.public_key.bytes, 32, key);
    assert_string_equal(key, RFC8032_KEY);
    assert_false(pair.is_test_key);
}

static void damaged_key_files_are_refused_with_line_and_expectation(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *complaint;
    } rows[] = {
        {"", "a.key:1: expected 'ingot-key-1 validator'"},
        {"ingot-key-2 validator\n", "a.key:1: expected 'ingot-key-1 validator'"},
        {"ingot-key-1 transport\npublic " RFC8032_KEY "\nsecret " RFC8032_SEED "\n",
         "a.key:1: expected a validator key, found a transport key"},
        {"ingot-key-1 validator\n", "a.key:1: expected 'public' and 64 hex digits"},
        {"ingot-key-1 validator\npublic 00\n", "a.key:2: expected 'public' and 64 hex digits"},
        {"ingot-key-1 validator\npublic " RFC8032_KEY "\nsecret " RFC8032_SEED "0\n",
         "a.key:3: expected 'secret' and 64 hex digits"},
        {"ingot-key-1 validator\npublic " RFC8032_KEY "\nsecret " RFC8032_KEY "\n",
         "a.key:2: expected the public key that belongs to the secret"},
        {"ingot-key-1 validator\npublic " RFC8032_KEY "\nsecret " RFC8032_SEED "\nmore\n",
         "a.key:4: expected the end of the file"},
        {"ingot-key-1 validator\npublic " RFC8032_KEY "\nsecret " RFC8032_SEED
         "\ninsecure-test-key\ninsecure-test-key\n",
         "a.key:5: expected the end of the file"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct key_pair pair;
        put("a.key", rows[i].text);
        assert_int_equal(load_key(KEY_VALIDATOR, &pair), INGOT_ERROR_INVALID);
        if (strstr(complaints, rows[i].complaint) == NULL)
            fail_msg("expected '%s' in: %s", rows[i].complaint, complaints);
        /* A complaint may be shown to anybody, so it must not carry the secret. */
        assert_null(strstr(complaints, "9d61b19d"));
    }
}

static void files_that_are_none_are_refused(void **state)
{
    (void)state;
    struct ingot_buffer content = {0};
    report_init(&report, complaints, sizeof complaints);
    assert_int_equal(file_read(folder, 10, &content, &report), INGOT_ERROR_INVALID);
    put("file", "0123456789");
    assert_int_equal(file_read(path("file"), 9, &content, &report), INGOT_ERROR_TOO_LARGE);
    assert_int_equal(
        file_write(path("file"), ingot_slice_of("a\0b", 3), 0600, FILE_REPLACE, &report), INGOT_OK);
    assert_int_equal(file_read(path("file"), 9, &content, &report), INGOT_ERROR_INVALID);
    assert_null(content.data);
    (void)unlink(path("file"));
    assert_int_equal(mkfifo(path("file"), 0600), 0);
    assert_int_equal(file_read(path("file"), 9, &content, &report), INGOT_ERROR_INVALID);
}

static void every_generated_key_is_another(void **state)
{
    (void)state;
    struct key_pair a;
    struct key_pair b;
    key_pair_generate(KEY_VALIDATOR, &a);
    key_pair_generate(KEY_VALIDATOR, &b);
    assert_memory_not_equal(a.seed, b.seed, KEY_SEED_BYTES);
    assert_memory_not_equal(&a.public_key, &b.public_key, sizeof a.public_key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_home_loads),
        cmocka_unit_test(a_key_outside_the_set_is_an_observers),
        cmocka_unit_test(an_observer_without_a_key_has_to_say_so),
        cmocka_unit_test(files_that_do_not_fit_together_are_refused),
        cmocka_unit_test(the_peers_file_is_read_again_under_the_same_rules),
        cmocka_unit_test(the_homes_that_come_with_the_sources_load),
        cmocka_unit_test(missing_files_are_all_named),
        cmocka_unit_test(a_key_file_is_for_its_owner_alone),
        cmocka_unit_test(a_test_key_may_be_readable_and_says_that_it_is_one),
        cmocka_unit_test(an_existing_key_stays_unless_told_otherwise),
        cmocka_unit_test(the_key_of_the_rfc_is_read_as_such),
        cmocka_unit_test(damaged_key_files_are_refused_with_line_and_expectation),
        cmocka_unit_test(files_that_are_none_are_refused),
        cmocka_unit_test(every_generated_key_is_another),
    };
    return cmocka_run_group_tests(tests, begin, end);
}

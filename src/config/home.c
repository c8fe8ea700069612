/*
 * A node's home folder: loads its files and checks that they belong together. Every file is read
 * before giving up, so that one run shows all that is wrong.
 */
#include "config/home.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/log.h"
#include "config/public_key.h"

/* The first error stays. */
static void keep_first(enum ingot_error *error, enum ingot_error next)
{
    if (*error == INGOT_OK)
        *error = next;
}

/* A home that has neither settings nor a genesis is most likely a mistyped path. */
static enum ingot_error check_folder(const char *folder, struct report *report)
{
    struct stat status;
    if (stat(folder, &status) != 0) {
        report_add(report,
                   "%s: no such folder, expected a node's home with %s, %s, %s and keys; 'ingot "
                   "testnet' and 'ingot init' make some",
                   folder, HOME_CONFIG_FILE, HOME_GENESIS_FILE, HOME_PEERS_FILE);
        return INGOT_ERROR_NOT_FOUND;
    }
    if (!S_ISDIR(status.st_mode)) {
        report_add(report, "%s: expected a folder, a node's home", folder);
        return INGOT_ERROR_INVALID;
    }
    return INGOT_OK;
}

/*
 * A validator without its key would follow the chain in silence while the others miss its vote, so
 * that has to be asked for.
 */
static enum ingot_error load_validator_key(struct node_home *home, struct report *report)
{
    char *path = path_join(home->folder, HOME_VALIDATOR_KEY_FILE);
    enum ingot_error error = INGOT_OK;
    if (!home->settings.observer) {
        error = key_file_load(path, KEY_VALIDATOR, &home->validator_key, report);
        home->has_validator_key = error == INGOT_OK;
        if (error == INGOT_ERROR_NOT_FOUND) {
            report_append(report, "; expected a validator key ('ingot keygen' makes one), or "
                                  "[node] observer = yes in " HOME_CONFIG_FILE);
        }
    }
    free(path);
    return error;
}

static enum ingot_error load_files(struct node_home *home, struct report *report)
{
    char *config = path_join(home->folder, HOME_CONFIG_FILE);
    char *genesis = path_join(home->folder, HOME_GENESIS_FILE);
    char *peers = path_join(home->folder, HOME_PEERS_FILE);
    char *transport = path_join(home->folder, HOME_TRANSPORT_KEY_FILE);
    enum ingot_error settings_error = settings_load(config, &home->settings, report);
    enum ingot_error error = settings_error;
    keep_first(&error, genesis_load(genesis, &home->genesis, report));
    keep_first(&error, peers_load(peers, &home->peers, report));
    if (settings_error == INGOT_OK)
        keep_first(&error, load_validator_key(home, report));
    keep_first(&error, key_file_load(transport, KEY_TRANSPORT, &home->transport_key, report));
    free(config);
    free(genesis);
    free(peers);
    free(transport);
    return error;
}

static const char *app_text(enum settings_app app)
{
    switch (app) {
    case SETTINGS_APP_GENESIS:
        return "genesis";
    case SETTINGS_APP_KV:
        return "kv";
    case SETTINGS_APP_NULL:
        return "null";
    case SETTINGS_APP_SIGNING:
        return "signing";
    }
    return "unknown";
}

/* Our own line of the peers file, if there is one, has to say what our key files say. */
static void check_own_line(const struct node_home *home, const struct peer_list *peers,
                           struct report *report)
{
    const struct ingot_public_key *transport = &home->transport_key.public_key;
    const struct ingot_public_key *validator = &home->validator_key.public_key;
    for (uint32_t i = 0; i < peers->count; i++) {
        const struct peer_entry *entry = &peers->entries[i];
        bool is_our_line = public_key_equal(&entry->transport_key, transport);
        bool has_our_key = home->has_validator_key && entry->has_validator_key &&
                           public_key_equal(&entry->validator_key, validator);
        if (is_our_line && home->has_validator_key && entry->has_validator_key && !has_our_key) {
            report_add(report,
                       "%s/%s:%u: expected this node's own validator key, the one in %s, beside "
                       "its transport key",
                       home->folder, HOME_PEERS_FILE, entry->line, HOME_VALIDATOR_KEY_FILE);
        }
        if (!is_our_line && has_our_key) {
            report_add(report,
                       "%s/%s:%u: expected another node's validator key, this is our own: two "
                       "nodes must never share one",
                       home->folder, HOME_PEERS_FILE, entry->line);
        }
    }
}

/*
 * Whoever lacks a block of the replay window cannot tell a repeated transaction, and so cannot
 * vote.
 */
static void check_retention(const struct node_home *home, struct report *report)
{
    const uint64_t retain_blocks = home->settings.storage_retain_blocks;
    const uint64_t least = (uint64_t)home->genesis.replay_window_blocks + 2;
    if (retain_blocks > 0 && retain_blocks < least)
        report_add(report,
                   "%s/%s:%" PRIu32
                   ": [storage] retain_blocks: expected 0 (all), or at least %" PRIu64
                   ", which is replay_window_blocks in %s and 2 more, found '%" PRIu64 "'",
                   home->folder, HOME_CONFIG_FILE,
                   settings_line(&home->settings, "storage", "retain_blocks"), least,
                   HOME_GENESIS_FILE, retain_blocks);
}

static enum ingot_error check_together(struct node_home *home, struct report *report)
{
    uint32_t count_before = report->count;
    enum settings_app app = home->settings.app;
    if (app != SETTINGS_APP_GENESIS && strcmp(app_text(app), home->genesis.app) != 0) {
        report_add(report, "%s/%s:%" PRIu32 ": [node] app: expected '%s' as in %s, found '%s'",
                   home->folder, HOME_CONFIG_FILE, settings_line(&home->settings, "node", "app"),
                   home->genesis.app, HOME_GENESIS_FILE, app_text(app));
    }
    if (home->has_validator_key &&
        public_key_equal(&home->validator_key.public_key, &home->transport_key.public_key)) {
        report_add(report, "%s: expected different keys in %s and %s", home->folder,
                   HOME_VALIDATOR_KEY_FILE, HOME_TRANSPORT_KEY_FILE);
    }
    check_own_line(home, &home->peers, report);
    check_retention(home, report);
    for (uint32_t i = 0; home->has_validator_key && i < home->genesis.validator_count; i++)
        if (public_key_equal(&home->genesis.validators[i].validator.key,
                             &home->validator_key.public_key))
            home->is_validator = true;
    return report->count > count_before ? INGOT_ERROR_INVALID : INGOT_OK;
}

enum ingot_error config_load_home(const char *folder, struct node_home *home, char *why,
                                  size_t why_size)
{
    struct report report;
    report_init(&report, why, why_size);
    *home = (struct node_home){0};
    enum ingot_error error = check_folder(folder, &report);
    if (error == INGOT_OK) {
        home->folder = alloc_text(folder);
        error = load_files(home, &report);
    }
    if (error == INGOT_OK)
        error = check_together(home, &report);
    if (error != INGOT_OK) {
        node_home_deinit(home);
        return error;
    }
    home->data_folder = path_join(home->folder, home->settings.data_folder);
    if (home->validator_key.is_test_key || home->transport_key.is_test_key)
        LOG(LOG_WARN, "the keys are public test keys: never use them for anything of value",
            log_text("home", home->folder));
    return INGOT_OK;
}

enum ingot_error config_load_peers(const struct node_home *home, struct peer_list *peers, char *why,
                                   size_t why_size)
{
    struct report report;
    report_init(&report, why, why_size);
    char *path = path_join(home->folder, HOME_PEERS_FILE);
    enum ingot_error error = peers_load(path, peers, &report);
    free(path);
    if (error != INGOT_OK)
        return error;
    check_own_line(home, peers, &report);
    if (report.count > 0) {
        peers_deinit(peers);
        return INGOT_ERROR_INVALID;
    }
    return INGOT_OK;
}

void node_home_deinit(struct node_home *home)
{
    free(home->folder);
    free(home->data_folder);
    genesis_deinit(&home->genesis);
    peers_deinit(&home->peers);
    key_pair_deinit(&home->validator_key);
    key_pair_deinit(&home->transport_key);
    *home = (struct node_home){0};
}

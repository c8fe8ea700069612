/*
 * Makes the homes of a network on one machine. It starts nothing.
 */
#include "cli/network.h"

#include <getopt.h>
#include <ingot/apps.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/hex.h"
#include "config/new_home.h"
#include "wire/crypto.h"

bool network_ports(const struct network_plan *plan, uint32_t node, uint16_t *peer_port,
                   uint16_t *client_port)
{
    uint64_t first = (uint64_t)plan->base_port + 2 * (uint64_t)node;
    if (plan->base_port == 0 || first + 1 > UINT16_MAX)
        return false;
    *peer_port = (uint16_t)first;
    *client_port = (uint16_t)(first + 1);
    return true;
}

enum ingot_exit network_option_app(const struct command *command, const char **app)
{
    for (unsigned i = 0; i < ingot_app_names_count; i++) {
        if (strcmp(ingot_app_names[i], optarg) == 0) {
            *app = optarg;
            return INGOT_EXIT_OK;
        }
    }
    return command_usage(command, "--app: expected signing, kv or null, found '%s'", optarg);
}

enum ingot_exit network_option_protocol(const struct command *command,
                                        enum settings_protocol *protocol)
{
    for (int i = 0; i < SETTINGS_PROTOCOLS; i++) {
        if (strcmp(settings_protocol_name((enum settings_protocol)i), optarg) == 0) {
            *protocol = (enum settings_protocol)i;
            return INGOT_EXIT_OK;
        }
    }
    return command_usage(
        command, "--protocol: expected hotstuff, quorum-broadcast or gossip, found '%s'", optarg);
}

bool network_has_administrator(const struct network_plan *plan)
{
    return plan->protocol == SETTINGS_PROTOCOL_HOTSTUFF && strcmp(plan->app, "null") != 0;
}

char *network_home(const char *folder, uint32_t node)
{
    struct ingot_buffer path = {0};
    ingot_buffer_format(&path, "%s/node%u", folder, node);
    ingot_buffer_append_u8(&path, 0);
    return (char *)path.data;
}

uint32_t network_count(const char *folder)
{
    uint32_t count = 0;
    struct stat status;
    for (;;) {
        char *home = network_home(folder, count);
        char *config = path_join(home, HOME_CONFIG_FILE);
        bool is_there = stat(config, &status) == 0;
        free(config);
        free(home);
        if (!is_there || count == INGOT_VALIDATORS_MAX)
            return count;
        count++;
    }
}

static void random_chain_id(char chain_id[INGOT_CHAIN_ID_BYTES_MAX + 1])
{
    uint8_t seed[CRYPTO_SEED_BYTES];
    char digits[13];
    crypto_random_seed(seed);
    hex_encode_lower(seed, 6, digits);
    (void)snprintf(chain_id, INGOT_CHAIN_ID_BYTES_MAX + 1, "ingot-%s", digits);
}

/* False when it does not fit; a rule that it breaks is genesis_finish's business. */
static bool copy_text(const char *text, char *to, size_t size)
{
    size_t length = strlen(text);
    if (length >= size)
        return false;
    memcpy(to, text, length + 1);
    return true;
}

/* `administrator` may be NULL, here and below: nobody. */
static enum ingot_error make_genesis(const struct network_plan *plan, const struct new_home *nodes,
                                     const struct key_pair *administrator, struct genesis *genesis,
                                     struct report *report)
{
    genesis_init(genesis);
    genesis->leader_tenure = INGOT_LEADER_TENURE_NEW;
    genesis->time_ns = plan->genesis_time_ns;
    if (plan->chain_id == NULL) {
        random_chain_id(genesis->chain_id);
    } else if (!copy_text(plan->chain_id, genesis->chain_id, sizeof genesis->chain_id)) {
        report_add(report, "chain id: expected at most %d characters", INGOT_CHAIN_ID_BYTES_MAX);
        return INGOT_ERROR_INVALID;
    }
    if (!copy_text(plan->app, genesis->app, sizeof genesis->app)) {
        report_add(report, "app: expected at most %d characters", GENESIS_APP_BYTES_MAX);
        return INGOT_ERROR_INVALID;
    }
    if (administrator != NULL) {
        genesis->has_administrator = true;
        genesis->administrator = administrator->public_key;
    }
    genesis->validators = alloc_zeroed(plan->validator_count, sizeof *genesis->validators);
    genesis->validator_count = plan->validator_count;
    for (uint32_t i = 0; i < plan->validator_count; i++) {
        struct genesis_validator *validator = &genesis->validators[i];
        validator->validator.key = nodes[i].validator.public_key;
        validator->validator.power = plan->powers != NULL ? plan->powers[i] : 1;
        (void)snprintf(validator->name, sizeof validator->name, "node%u", i);
    }
    return genesis_finish(genesis, "genesis", report);
}

static void set_listen(struct endpoint *endpoint, uint16_t port)
{
    *endpoint = (struct endpoint){.host = "127.0.0.1", .port = port};
}

static void make_peers(const struct network_plan *plan, const struct new_home *nodes,
                       struct ingot_buffer *text)
{
    ingot_buffer_format(text, "# transport key, host:port, validator key\n");
    for (uint32_t i = 0; i < plan->validator_count; i++) {
        const struct peer_entry entry =
            new_home_peer_entry(&nodes[i], &nodes[i].settings.network_listen);
        peers_format_entry(&entry, text);
    }
}

static enum ingot_error write_administrator(const char *folder, const struct key_pair *pair,
                                            struct report *report)
{
    char *path = path_join(folder, NETWORK_ADMINISTRATOR_KEY_FILE);
    enum ingot_error error = key_file_save(path, pair, FILE_KEEP_EXISTING, report);
    free(path);
    return error;
}

static enum ingot_error write_homes(const struct network_plan *plan, struct new_home *nodes,
                                    const struct key_pair *administrator,
                                    const struct genesis *genesis, struct report *report)
{
    struct ingot_buffer genesis_text = {0};
    struct ingot_buffer peers_text = {0};
    genesis_format(genesis, &genesis_text);
    make_peers(plan, nodes, &peers_text);
    enum ingot_error error = folder_make(plan->folder, 0755, report);
    if (error == INGOT_OK && administrator != NULL)
        error = write_administrator(plan->folder, administrator, report);
    for (uint32_t i = 0; error == INGOT_OK && i < plan->validator_count; i++) {
        char *home = network_home(plan->folder, i);
        nodes[i].genesis = ingot_buffer_slice(&genesis_text);
        nodes[i].peers = ingot_buffer_slice(&peers_text);
        error = new_home_write(home, &nodes[i], report);
        free(home);
    }
    ingot_buffer_deinit(&genesis_text);
    ingot_buffer_deinit(&peers_text);
    return error;
}

static enum ingot_error plan_nodes(const struct network_plan *plan, struct new_home *nodes,
                                   struct report *report)
{
    for (uint32_t i = 0; i < plan->validator_count; i++) {
        uint16_t peer_port = 0;
        uint16_t client_port = 0;
        new_home_init(&nodes[i]);
        nodes[i].settings.protocol = plan->protocol;
        nodes[i].validator.is_test_key = plan->has_test_keys;
        nodes[i].transport.is_test_key = plan->has_test_keys;
        if (!network_ports(plan, i, &peer_port, &client_port)) {
            report_add(report,
                       "base port %u: expected room for two ports for each of %u nodes "
                       "below 65536",
                       plan->base_port, plan->validator_count);
            return INGOT_ERROR_INVALID;
        }
        set_listen(&nodes[i].settings.network_listen, peer_port);
        set_listen(&nodes[i].settings.rpc_listen, client_port);
    }
    return INGOT_OK;
}

enum ingot_error network_make(const struct network_plan *plan, struct report *report)
{
    enum ingot_error error = new_home_check_folder(plan->folder, report);
    if (error != INGOT_OK)
        return error;
    struct new_home *nodes = alloc_zeroed(plan->validator_count, sizeof *nodes);
    struct genesis genesis = {0};
    struct key_pair pair;
    key_pair_generate(KEY_ADMINISTRATOR, &pair);
    pair.is_test_key = plan->has_test_keys;
    const struct key_pair *administrator = network_has_administrator(plan) ? &pair : NULL;
    error = plan_nodes(plan, nodes, report);
    if (error == INGOT_OK)
        error = make_genesis(plan, nodes, administrator, &genesis, report);
    if (error == INGOT_OK)
        error = write_homes(plan, nodes, administrator, &genesis, report);
    genesis_deinit(&genesis);
    key_pair_deinit(&pair);
    for (uint32_t i = 0; i < plan->validator_count; i++)
        new_home_deinit(&nodes[i]);
    free(nodes);
    return error;
}

/*
 * `ingot testnet`: the homes of a network on this machine.
 */
#include <ingot/apps.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/command.h"
#include "cli/network.h"
#include "config/rfc3339.h"

enum {
    OPTION_VALIDATORS = COMMAND_OPTION_OWN,
    OPTION_OUTPUT,
    OPTION_APP,
    OPTION_PROTOCOL,
    OPTION_CHAIN_ID,
    OPTION_BASE_PORT,
    OPTION_POWERS,
    OPTION_GENESIS_TIME,
    OPTION_TEST_KEYS
};

static const struct option known[] = {
    COMMAND_HELP_OPTION,
    {"validators", required_argument, NULL, OPTION_VALIDATORS},
    {"output", required_argument, NULL, OPTION_OUTPUT},
    {"app", required_argument, NULL, OPTION_APP},
    {"protocol", required_argument, NULL, OPTION_PROTOCOL},
    {"chain-id", required_argument, NULL, OPTION_CHAIN_ID},
    {"base-port", required_argument, NULL, OPTION_BASE_PORT},
    {"powers", required_argument, NULL, OPTION_POWERS},
    {"genesis-time", required_argument, NULL, OPTION_GENESIS_TIME},
    {"insecure-test-keys", no_argument, NULL, OPTION_TEST_KEYS},
    {NULL, 0, NULL, 0}};

/* Numbers with commas between them, exactly `count`. */
static bool parse_powers(const char *text, uint32_t count, uint64_t *powers)
{
    for (uint32_t i = 0; i < count; i++) {
        char digits[24];
        size_t size = strcspn(text, ",");
        if (size >= sizeof digits)
            return false;
        memcpy(digits, text, size);
        digits[size] = '\0';
        if (!command_number(digits, 1, INGOT_TOTAL_POWER_MAX, &powers[i]))
            return false;
        bool is_last = i + 1 == count;
        if (text[size] != (is_last ? '\0' : ','))
            return false;
        text += size + 1;
    }
    return true;
}

struct testnet_options {
    struct network_plan plan;
    const char *powers;
};

static enum ingot_exit take_option(const struct command *command, int option, void *context)
{
    struct testnet_options *options = context;
    struct network_plan *plan = &options->plan;
    uint64_t number = 0;
    enum ingot_exit code = INGOT_EXIT_OK;
    switch (option) {
    case OPTION_VALIDATORS:
        code = command_option_number(command, "validators", 1, INGOT_VALIDATORS_MAX, &number);
        plan->validator_count = (uint32_t)number;
        return code;
    case OPTION_OUTPUT:
        plan->folder = optarg;
        return INGOT_EXIT_OK;
    case OPTION_APP:
        return network_option_app(command, &plan->app);
    case OPTION_PROTOCOL:
        return network_option_protocol(command, &plan->protocol);
    case OPTION_CHAIN_ID:
        plan->chain_id = optarg;
        return INGOT_EXIT_OK;
    case OPTION_BASE_PORT:
        code = command_option_number(command, "base-port", 1, UINT16_MAX, &number);
        plan->base_port = (uint16_t)number;
        return code;
    case OPTION_POWERS:
        options->powers = optarg;
        return INGOT_EXIT_OK;
    case OPTION_GENESIS_TIME:
        if (!rfc3339_parse_ns(ingot_slice_of_text(optarg), &plan->genesis_time_ns))
            return command_usage(command,
                                 "--genesis-time: expected a time such as 2026-01-02T03:04:05Z, "
                                 "found '%s'",
                                 optarg);
        return INGOT_EXIT_OK;
    case OPTION_TEST_KEYS:
        plan->has_test_keys = true;
        return INGOT_EXIT_OK;
    default:
        return command_usage_seen(command);
    }
}

static enum ingot_exit make(const struct network_plan *plan)
{
    char why[4096];
    struct report report;
    report_init(&report, why, sizeof why);
    enum ingot_error error = network_make(plan, &report);
    if (error == INGOT_ERROR_EXISTS || error == INGOT_ERROR_INVALID)
        return command_fail(INGOT_EXIT_USAGE, "%s", why);
    if (error != INGOT_OK)
        return command_fail(INGOT_EXIT_FAILURE, "%s", why);
    for (uint32_t i = 0; i < plan->validator_count; i++) {
        uint16_t peer_port = 0;
        uint16_t client_port = 0;
        (void)network_ports(plan, i, &peer_port, &client_port);
        (void)printf("%s/node%u  peers 127.0.0.1:%u  clients http://127.0.0.1:%u\n", plan->folder,
                     i, peer_port, client_port);
    }
    if (network_has_administrator(plan))
        (void)printf("%s/" NETWORK_ADMINISTRATOR_KEY_FILE "  for 'ingot validator set'\n",
                     plan->folder);
    return INGOT_EXIT_OK;
}

static enum ingot_exit run(const struct command *command, int argc, char **argv)
{
    struct testnet_options options = {.plan = {.app = INGOT_APP_DEFAULT,
                                               .base_port = NETWORK_BASE_PORT_DEFAULT,
                                               .genesis_time_ns = clock_wall_ms() * 1000000}};
    enum ingot_exit code = INGOT_EXIT_OK;
    if (!command_take_options(command, argc, argv, known, take_option, &options, &code))
        return code;
    if (optind < argc)
        return command_usage(command, "unexpected argument '%s'", argv[optind]);
    struct network_plan *plan = &options.plan;
    if (plan->validator_count == 0)
        return command_usage(command, "--validators is missing");
    if (plan->folder == NULL || plan->folder[0] == '\0')
        return command_usage(command, "--output is missing");
    uint64_t *powers = alloc_zeroed(plan->validator_count, sizeof *powers);
    if (options.powers != NULL && !parse_powers(options.powers, plan->validator_count, powers)) {
        code = command_usage(command,
                             "--powers: expected %u numbers, each 1 or more, with commas between "
                             "them, found '%s'",
                             plan->validator_count, options.powers);
    } else {
        plan->powers = options.powers != NULL ? powers : NULL;
        code = make(plan);
    }
    free(powers);
    return code;
}

const struct command command_testnet = {
    .name = "testnet",
    .summary = "make the home folders of a network on this machine",
    .help =
        "usage: ingot testnet --validators N --output DIR [--app APP] [--protocol PROTOCOL]\n"
        "                     [--chain-id ID] [--base-port P] [--powers LIST]\n"
        "                     [--genesis-time TIME] [--insecure-test-keys]\n"
        "\n"
        "Makes DIR/node0, DIR/node1, ...: one home for each validator, with configuration,\n"
        "genesis, peers and keys. DIR must be empty or not there yet. Each node is started with\n"
        "'ingot node --home DIR/nodeI', or all of them with 'ingot local --output DIR'.\n"
        "DIR/administrator.key is the key with which 'ingot validator set' changes the validators\n"
        "(the null App has none); on the machines of validators it has no business.\n"
        "\n"
        "  --validators N         how many, 1 to 256\n"
        "  --output DIR           where\n"
        "  --app APP              what transactions mean: signing (default), kv or null\n"
        "  --protocol PROTOCOL    hotstuff (default), quorum-broadcast or gossip\n"
        "  --chain-id ID          the chain's name for people (random)\n"
        "  --base-port P          node i listens for peers on P+2i and for clients on P+2i+1\n"
        "                         (27650)\n"
        "  --powers LIST          voting powers, such as 1,1,2 (1 each)\n"
        "  --genesis-time TIME    RFC 3339 (now)\n"
        "  --insecure-test-keys   mark the keys as public: their files may be readable by others,\n"
        "                         as in a source repository; never for anything of value\n",
    .run = run,
};

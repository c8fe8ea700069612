/*
 * `ingot init`: the home of a node that joins a network which is there already.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "config/genesis.h"
#include "config/new_home.h"

enum {
    OPTION_HOME = COMMAND_OPTION_OWN,
    OPTION_GENESIS,
    OPTION_PEERS,
    OPTION_LISTEN,
    OPTION_ADDRESS,
    OPTION_RPC
};

struct init_options {
    const char *home;
    const char *genesis;
    const char *peers;
    struct endpoint listen;
    struct endpoint rpc;
    bool has_address;
    struct endpoint address; /* where the others reach it; `listen` if not given */
};

static enum ingot_exit take_endpoint(const struct command *command, const char *name,
                                     struct endpoint *endpoint)
{
    if (endpoint_parse(ingot_slice_of_text(optarg), ENDPOINT_PORT_NONZERO, endpoint))
        return INGOT_EXIT_OK;
    return command_usage(command,
                         "--%s: expected host:port, with a port of 1 to 65535 and an IPv6 address "
                         "in brackets, found '%s'",
                         name, optarg);
}

static enum ingot_exit take_option(const struct command *command, int option, void *context)
{
    struct init_options *options = context;
    switch (option) {
    case OPTION_HOME:
        options->home = optarg;
        return INGOT_EXIT_OK;
    case OPTION_GENESIS:
        options->genesis = optarg;
        return INGOT_EXIT_OK;
    case OPTION_PEERS:
        options->peers = optarg;
        return INGOT_EXIT_OK;
    case OPTION_LISTEN:
        return take_endpoint(command, "listen", &options->listen);
    case OPTION_ADDRESS:
        options->has_address = true;
        return take_endpoint(command, "address", &options->address);
    case OPTION_RPC:
        return take_endpoint(command, "rpc", &options->rpc);
    default:
        return command_usage_seen(command);
    }
}

static bool is_same(const struct endpoint *a, const struct endpoint *b)
{
    return strcmp(a->host, b->host) == 0 && a->port == b->port;
}

static bool is_wildcard(const struct endpoint *endpoint)
{
    return strcmp(endpoint->host, "0.0.0.0") == 0 || strcmp(endpoint->host, "::") == 0;
}

static enum ingot_exit check_options(const struct command *command, struct init_options *options)
{
    if (options->home == NULL || options->home[0] == '\0')
        return command_usage(command, "--home is missing");
    if (options->genesis == NULL)
        return command_usage(command, "--genesis is missing");
    if (options->peers == NULL)
        return command_usage(command, "--peers is missing");
    if (is_same(&options->listen, &options->rpc))
        return command_usage(command, "--rpc: expected another address than --listen has");
    if (!options->has_address)
        options->address = options->listen;
    if (is_wildcard(&options->address)) {
        return command_usage(command,
                             "--address: expected the host:port at which the other nodes "
                             "reach this one; %s stands for all of this machine's",
                             options->address.host);
    }
    return INGOT_EXIT_OK;
}

/* What the node would refuse at its start, and what would leave it alone, is refused here. */
static void check_files(const struct init_options *options, const struct new_home *home,
                        struct report *report)
{
    struct genesis genesis;
    struct peer_list peers;
    if (genesis_parse(home->genesis, options->genesis, &genesis, report) == INGOT_OK)
        genesis_deinit(&genesis);
    if (peers_parse(home->peers, options->peers, &peers, report) != INGOT_OK)
        return;
    if (peers.count == 0) {
        report_add(report, "%s: expected a line for each node of the network, found none",
                   options->peers);
    }
    for (uint32_t i = 0; i < peers.count; i++) {
        const struct endpoint *other = &peers.entries[i].endpoint;
        if (is_same(other, &options->address))
            report_add(report,
                       "%s:%u: expected another address for the new node than this peer has, "
                       "%s:%u; see --listen and --address",
                       options->peers, peers.entries[i].line, other->host, (unsigned)other->port);
    }
    peers_deinit(&peers);
}

static void keep_first(enum ingot_error *error, enum ingot_error next)
{
    if (*error == INGOT_OK)
        *error = next;
}

static enum ingot_error make_home(const struct init_options *options, struct new_home *home,
                                  struct report *report)
{
    struct ingot_buffer genesis = {0};
    struct ingot_buffer peers = {0};
    enum ingot_error error = new_home_check_folder(options->home, report);
    keep_first(&error, file_read(options->genesis, GENESIS_FILE_BYTES_MAX, &genesis, report));
    keep_first(&error, file_read(options->peers, PEERS_FILE_BYTES_MAX, &peers, report));
    if (error == INGOT_OK) {
        home->genesis = ingot_buffer_slice(&genesis);
        home->peers = ingot_buffer_slice(&peers);
        home->settings.network_listen = options->listen;
        home->settings.rpc_listen = options->rpc;
        check_files(options, home, report);
        error = report->count > 0 ? INGOT_ERROR_INVALID : INGOT_OK;
    }
    if (error == INGOT_OK)
        error = new_home_write(options->home, home, report);
    ingot_buffer_deinit(&genesis);
    ingot_buffer_deinit(&peers);
    return error;
}

static void print_line(const struct init_options *options, const struct new_home *home)
{
    const struct peer_entry entry = new_home_peer_entry(home, &options->address);
    struct ingot_buffer line = {0};
    peers_format_entry(&entry, &line);
    (void)printf("# %s, for the other nodes' peers files: transport key, host:port, validator key\n"
                 "%.*s",
                 options->home, (int)line.size, (const char *)line.data);
    ingot_buffer_deinit(&line);
}

static enum ingot_exit make(const struct init_options *options)
{
    char why[8192] = "";
    struct report report;
    struct new_home home;
    report_init(&report, why, sizeof why);
    new_home_init(&home);
    const enum ingot_error error = make_home(options, &home, &report);
    if (error == INGOT_OK)
        print_line(options, &home);
    new_home_deinit(&home);
    if (error == INGOT_OK)
        return INGOT_EXIT_OK;
    const bool is_usage = error == INGOT_ERROR_EXISTS || error == INGOT_ERROR_INVALID;
    return command_fail(is_usage ? INGOT_EXIT_USAGE : INGOT_EXIT_FAILURE, "%s", why);
}

static enum ingot_exit run(const struct command *command, int argc, char **argv)
{
    static const struct option known[] = {COMMAND_HELP_OPTION,
                                          {"home", required_argument, NULL, OPTION_HOME},
                                          {"genesis", required_argument, NULL, OPTION_GENESIS},
                                          {"peers", required_argument, NULL, OPTION_PEERS},
                                          {"listen", required_argument, NULL, OPTION_LISTEN},
                                          {"address", required_argument, NULL, OPTION_ADDRESS},
                                          {"rpc", required_argument, NULL, OPTION_RPC},
                                          {NULL, 0, NULL, 0}};
    struct settings defaults;
    settings_init(&defaults);
    struct init_options options = {.listen = defaults.network_listen, .rpc = defaults.rpc_listen};
    enum ingot_exit code = INGOT_EXIT_OK;
    if (!command_take_options(command, argc, argv, known, take_option, &options, &code))
        return code;
    if (optind < argc)
        return command_usage(command, "unexpected argument '%s'", argv[optind]);
    code = check_options(command, &options);
    return code == INGOT_EXIT_OK ? make(&options) : code;
}

const struct command command_init = {
    .name = "init",
    .summary = "make the home folder of a node that joins a network",
    .help =
        "usage: ingot init --home DIR --genesis FILE --peers FILE [--listen HOST:PORT]\n"
        "                  [--address HOST:PORT] [--rpc HOST:PORT]\n"
        "\n"
        "Makes DIR with new keys, a configuration, and copies of the network's genesis and of a\n"
        "peers file. DIR must be empty or not there yet. Prints the line that belongs into the\n"
        "peers files of the other nodes, which read them again on SIGHUP. 'ingot node --home DIR'\n"
        "then follows the chain, and votes once a committed block has made it a validator.\n"
        "\n"
        "  --home DIR            where\n"
        "  --genesis FILE        the network's genesis.json\n"
        "  --peers FILE          the nodes to connect to, as in the home of any of them\n"
        "  --listen HOST:PORT    where it listens for other nodes (127.0.0.1:27650)\n"
        "  --address HOST:PORT   where the others reach it, if that is not where it listens, as\n"
        "                        behind a NAT or with --listen 0.0.0.0:27650\n"
        "  --rpc HOST:PORT       where it listens for clients (127.0.0.1:27651)\n",
    .run = run,
};

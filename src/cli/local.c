/*
 * `ingot local`: a whole network from one terminal, a process for each node. Homes are made by
 * network.c, processes are children.c's, the table is local_view.c's.
 */
#define _GNU_SOURCE /* nftw */
#include <errno.h>
#include <ftw.h>
#include <ingot/apps.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/children.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/local_view.h"
#include "cli/network.h"

#define POLL_INTERVAL_MS 1000
#define POLL_TIMEOUT_MS 400
#define STOP_TIMEOUT_MS 10000

enum {
    OPTION_VALIDATORS = COMMAND_OPTION_OWN,
    OPTION_OUTPUT,
    OPTION_APP,
    OPTION_PROTOCOL,
    OPTION_BASE_PORT
};

struct local {
    char *folder;
    bool is_temporary; /* made by us and removed at the end */
    uint32_t count;
    struct child *children;
    struct client *clients;
    struct local_row *rows;
    uint64_t *polled_us; /* when the row's committed_txs was read; 0: never */
    struct local_view view;
};

struct local_options {
    uint32_t validators; /* 0: not given */
    const char *output;
    const char *app;
    enum settings_protocol protocol;
    uint16_t base_port;
};

/* Ctrl-C and SIGTERM wait until they are asked for, so that no poll is cut short by one. */
static void block_signals(sigset_t *signals)
{
    (void)sigemptyset(signals);
    (void)sigaddset(signals, SIGINT);
    (void)sigaddset(signals, SIGTERM);
    (void)sigaddset(signals, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, signals, NULL);
}

/* The client address of a home that is there already, and whether it has no chain. */
static enum ingot_exit read_home(const char *home, struct endpoint *endpoint, bool *is_broadcast)
{
    char why[4096];
    struct report report;
    struct settings settings;
    char *path = path_join(home, HOME_CONFIG_FILE);
    report_init(&report, why, sizeof why);
    enum ingot_error error = settings_load(path, &settings, &report);
    free(path);
    if (error != INGOT_OK)
        return command_fail(INGOT_EXIT_USAGE, "%s", why);
    if (settings.rpc_listen.port == 0)
        return command_fail(INGOT_EXIT_USAGE,
                            "%s/%s: [rpc] listen: expected a port other than 0, as nobody would "
                            "know where to ask",
                            home, HOME_CONFIG_FILE);
    *endpoint = settings.rpc_listen;
    *is_broadcast = settings.protocol != SETTINGS_PROTOCOL_HOTSTUFF;
    return INGOT_EXIT_OK;
}

static enum ingot_exit make_homes(struct local *local, const struct local_options *options)
{
    char why[4096];
    struct report report;
    struct network_plan plan = {.folder = local->folder,
                                .validator_count =
                                    options->validators > 0 ? options->validators : 4,
                                .app = options->app != NULL ? options->app : INGOT_APP_DEFAULT,
                                .protocol = options->protocol,
                                .base_port = options->base_port,
                                .genesis_time_ns = clock_wall_ms() * 1000000};
    report_init(&report, why, sizeof why);
    enum ingot_error error = network_make(&plan, &report);
    if (error == INGOT_OK)
        return INGOT_EXIT_OK;
    bool is_ours = error == INGOT_ERROR_INVALID || error == INGOT_ERROR_EXISTS;
    return command_fail(is_ours ? INGOT_EXIT_USAGE : INGOT_EXIT_FAILURE, "%s", why);
}

/* Makes the homes, or takes those that are there. */
static enum ingot_exit prepare(struct local *local, const struct local_options *options)
{
    if (options->output == NULL) {
        char folder[] = "/tmp/ingot-local-XXXXXX";
        if (mkdtemp(folder) == NULL)
            return command_fail(INGOT_EXIT_FAILURE, "%s: cannot be made: %s", folder,
                                strerror(errno));
        local->folder = alloc_text(folder);
        local->is_temporary = true;
    } else {
        local->folder = alloc_text(options->output);
        local->count = network_count(local->folder);
    }
    if (local->count > 0 && options->validators > 0 && options->validators != local->count)
        return command_fail(INGOT_EXIT_USAGE,
                            "%s: expected a network of %u nodes as --validators says, found %u",
                            local->folder, options->validators, local->count);
    if (local->count == 0) {
        enum ingot_exit code = make_homes(local, options);
        if (code != INGOT_EXIT_OK)
            return code;
        local->count = network_count(local->folder);
    }
    return INGOT_EXIT_OK;
}

static enum ingot_exit start_node(struct local *local, uint32_t index)
{
    char *home = network_home(local->folder, index);
    char *log = path_join(home, "node.log");
    struct endpoint endpoint;
    struct ingot_buffer address = {0};
    enum ingot_exit code = read_home(home, &endpoint, &local->view.is_broadcast);
    if (code == INGOT_EXIT_OK && !client_init(&local->clients[index], &endpoint))
        code = command_fail(INGOT_EXIT_FAILURE, "%s", local->clients[index].why);
    if (code == INGOT_EXIT_OK && !child_start(&local->children[index], home, log))
        code = command_fail(INGOT_EXIT_FAILURE, "node%u cannot be started: %s", index,
                            strerror(errno));
    if (code == INGOT_EXIT_OK) {
        endpoint_format(&endpoint, &address);
        (void)snprintf(local->rows[index].url, sizeof local->rows[index].url, "http://%.*s",
                       (int)address.size, (const char *)address.data);
    }
    ingot_buffer_deinit(&address);
    free(log);
    free(home);
    return code;
}

static void copy_word(char *to, size_t size, const char *text)
{
    (void)snprintf(to, size, "%s", text);
}

/* Asks one node for its state. */
static void poll_node(struct local *local, uint32_t index)
{
    struct local_row *row = &local->rows[index];
    json_t *status = NULL;
    if (client_call(&local->clients[index], "status", NULL, POLL_TIMEOUT_MS, &status) !=
        CLIENT_OK) {
        row->state = row->state == ROW_STARTING ? ROW_STARTING : ROW_SILENT;
        local->polled_us[index] = 0;
        return;
    }
    uint64_t now_us = clock_monotonic_us();
    const bool is_broadcast = local->view.is_broadcast;
    uint64_t committed =
        client_u64(status, is_broadcast ? "ingot.deliveries" : "ingot.committed_txs");
    if (local->polled_us[index] > 0 && committed >= row->committed_txs)
        row->txs_per_s = (double)(committed - row->committed_txs) * 1e6 /
                         (double)(now_us - local->polled_us[index] + 1);
    else
        row->txs_per_s = 0;
    local->polled_us[index] = now_us;
    row->committed_txs = committed;
    row->state = ROW_ANSWERS;
    row->height = client_u64(status, "sync_info.latest_block_height");
    row->view = client_u64(status, "ingot.view");
    row->peers = client_u64(status, "ingot.peers");
    row->mempool_txs = client_u64(status, is_broadcast ? "ingot.open_rounds" : "ingot.mempool_txs");
    copy_word(row->leader, sizeof row->leader, client_text(status, "ingot.leader"));
    copy_word(row->address, sizeof row->address, client_text(status, "validator_info.address"));
    json_decref(status);
}

/* A node that died is shown, and the others go on: that is what the network is for. */
static void note_ends(struct local *local)
{
    (void)children_reap(local->children, local->count);
    for (uint32_t i = 0; i < local->count; i++) {
        struct local_row *row = &local->rows[i];
        if (!local->children[i].has_ended || row->state == ROW_ENDED)
            continue;
        row->state = ROW_ENDED;
        child_describe_end(&local->children[i], row->end, sizeof row->end);
        (void)fprintf(stderr, "ingot: node%u ended: %s; see %s/node%u/node.log\n", i, row->end,
                      local->folder, i);
        /* What stood on the terminal has moved. */
        local->view.lines_drawn = 0;
    }
}

static bool all_have_ended(const struct local *local)
{
    for (uint32_t i = 0; i < local->count; i++)
        if (!local->children[i].has_ended)
            return false;
    return true;
}

/* Shows the network until a signal comes or no node is left. */
static enum ingot_exit watch(struct local *local, const sigset_t *signals)
{
    uint64_t next_us = clock_monotonic_us() + POLL_INTERVAL_MS * 1000;
    for (;;) {
        for (;;) {
            uint64_t now_us = clock_monotonic_us();
            uint64_t wait_us = next_us > now_us ? next_us - now_us : 0;
            struct timespec wait = {.tv_sec = (time_t)(wait_us / 1000000),
                                    .tv_nsec = (long)(wait_us % 1000000) * 1000};
            if (sigtimedwait(signals, NULL, &wait) > 0)
                return INGOT_EXIT_OK;
            if (clock_monotonic_us() >= next_us)
                break;
        }
        next_us = clock_monotonic_us() + POLL_INTERVAL_MS * 1000;
        for (uint32_t i = 0; i < local->count; i++)
            if (!local->children[i].has_ended)
                poll_node(local, i);
        note_ends(local);
        local_view_show(&local->view, stdout);
        if (all_have_ended(local))
            return command_fail(INGOT_EXIT_FAILURE, "every node has ended");
    }
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

static void local_deinit(struct local *local)
{
    for (uint32_t i = 0; local->clients != NULL && i < local->count; i++)
        if (local->rows[i].url[0] != '\0')
            client_deinit(&local->clients[i]);
    free(local->children);
    free(local->clients);
    free(local->rows);
    free(local->polled_us);
    if (local->is_temporary)
        (void)nftw(local->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(local->folder);
}

/* A table that is higher than the terminal could not be drawn over. */
static bool table_fits(uint32_t count)
{
    struct winsize size;
    return isatty(STDOUT_FILENO) == 1 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
           (size.ws_row == 0 || count + 2 <= size.ws_row);
}

static enum ingot_exit run_network(struct local *local, const struct local_options *options)
{
    sigset_t signals;
    enum ingot_exit code = prepare(local, options);
    if (code != INGOT_EXIT_OK)
        return code;
    local->children = alloc_zeroed(local->count, sizeof *local->children);
    local->clients = alloc_zeroed(local->count, sizeof *local->clients);
    local->rows = alloc_zeroed(local->count, sizeof *local->rows);
    local->polled_us = alloc_zeroed(local->count, sizeof *local->polled_us);
    local->view = (struct local_view){
        .rows = local->rows, .count = local->count, .is_terminal = table_fits(local->count)};
    block_signals(&signals);
    (void)printf("%u nodes in %s%s; Ctrl-C stops all\n", local->count, local->folder,
                 local->is_temporary ? ", which is removed at the end" : "");
    (void)fflush(stdout);
    for (uint32_t i = 0; i < local->count && code == INGOT_EXIT_OK; i++) {
        code = start_node(local, i);
        if (code == INGOT_EXIT_OK)
            (void)printf("node%u  pid %ld  clients %s\n", i, (long)local->children[i].pid,
                         local->rows[i].url);
    }
    (void)fflush(stdout);
    if (code == INGOT_EXIT_OK)
        code = watch(local, &signals);
    children_stop(local->children, local->count, STOP_TIMEOUT_MS);
    return code;
}

static enum ingot_exit take_option(const struct command *command, int option, void *context)
{
    struct local_options *options = context;
    uint64_t number = 0;
    enum ingot_exit code = INGOT_EXIT_OK;
    switch (option) {
    case OPTION_VALIDATORS:
        code = command_option_number(command, "validators", 1, INGOT_VALIDATORS_MAX, &number);
        options->validators = (uint32_t)number;
        return code;
    case OPTION_OUTPUT:
        options->output = optarg;
        return INGOT_EXIT_OK;
    case OPTION_APP:
        return network_option_app(command, &options->app);
    case OPTION_PROTOCOL:
        return network_option_protocol(command, &options->protocol);
    case OPTION_BASE_PORT:
        code = command_option_number(command, "base-port", 1, UINT16_MAX, &number);
        options->base_port = (uint16_t)number;
        return code;
    default:
        return command_usage_seen(command);
    }
}

static enum ingot_exit run(const struct command *command, int argc, char **argv)
{
    static const struct option known[] = {
        COMMAND_HELP_OPTION,
        {"validators", required_argument, NULL, OPTION_VALIDATORS},
        {"output", required_argument, NULL, OPTION_OUTPUT},
        {"app", required_argument, NULL, OPTION_APP},
        {"protocol", required_argument, NULL, OPTION_PROTOCOL},
        {"base-port", required_argument, NULL, OPTION_BASE_PORT},
        {NULL, 0, NULL, 0}};
    struct local_options options = {.base_port = NETWORK_BASE_PORT_DEFAULT};
    enum ingot_exit code = INGOT_EXIT_OK;
    if (!command_take_options(command, argc, argv, known, take_option, &options, &code))
        return code;
    if (optind < argc)
        return command_usage(command, "unexpected argument '%s'", argv[optind]);
    struct local local = {.folder = NULL};
    code = run_network(&local, &options);
    local_deinit(&local);
    return code;
}

const struct command command_local = {
    .name = "local",
    .summary = "run a whole network on this machine and watch it",
    .help = "usage: ingot local [--validators N] [--output DIR] [--app APP] [--protocol PROTOCOL]\n"
            "                   [--base-port P]\n"
            "\n"
            "Runs a network, a process for each node, and shows its height, view, leader, peers\n"
            "and committed transactions a second: as a live table on a terminal, else as a line\n"
            "each second. Ctrl-C or SIGTERM stops all. A node that dies is shown, and the others\n"
            "go on. Logs are in DIR/nodeI/node.log; DIR/administrator.key is the key for\n"
            "'ingot validator set'.\n"
            "\n"
            "  --validators N   how many (4)\n"
            "  --output DIR     the network's folder; if it holds one from before ('ingot\n"
            "                   testnet' or 'ingot local'), that goes on where it was. Without\n"
            "                   this option a new one is made and removed at the end\n"
            "  --app APP        for a new network: signing (default), kv or null\n"
            "  --protocol PROTOCOL\n"
            "                   for a new network: hotstuff (default), quorum-broadcast or gossip\n"
            "  --base-port P    for a new network: node i listens for peers on P+2i and for\n"
            "                   clients on P+2i+1 (27650)\n",
    .run = run,
};

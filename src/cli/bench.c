/*
 * `ingot bench`: throughput and latency of a network, as its clients see them.
 */
#include "cli/bench.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/bench_load.h"
#include "cli/bench_packed.h"
#include "cli/bench_report.h"
#include "cli/network.h"

/* How long the nodes may take to say what their clients already know. */
#define COUNT_TIMEOUT_US 3000000

#define CLIENTS_DEFAULT 64
#define OUTSTANDING_DEFAULT 64
#define TX_BYTES_DEFAULT 128
/* A node accepts 256 connections by default; we and others need some. */
#define CLIENTS_PER_NODE_MAX 240

static sigset_t ending_signals;

/* Signals wait until they are asked for, so that everything is always brought to its end. */
static void block_signals(void)
{
    (void)sigemptyset(&ending_signals);
    (void)sigaddset(&ending_signals, SIGINT);
    (void)sigaddset(&ending_signals, SIGTERM);
    (void)sigaddset(&ending_signals, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &ending_signals, NULL);
}

bool bench_is_interrupted(void)
{
    static bool is_interrupted;
    static const struct timespec at_once = {0};
    if (!is_interrupted && sigtimedwait(&ending_signals, NULL, &at_once) > 0)
        is_interrupted = true;
    return is_interrupted;
}

static bool watch(void *context, char *why, size_t why_size)
{
    return bench_network_watch(context, why, why_size);
}

static enum bench_app app_of(const struct bench_network *network)
{
    if (strcmp(network->app, "signing") == 0)
        return BENCH_APP_SIGNING;
    return strcmp(network->app, "kv") == 0 ? BENCH_APP_KV : BENCH_APP_NULL;
}

/* How many transactions a request may have. */
static uint32_t request_max(const struct bench_options *options, uint32_t tx_bytes)
{
    return options->http ? bench_calls_max(tx_bytes) : bench_packed_max(tx_bytes);
}

static void run_load(struct bench_network *network, const struct bench_options *options,
                     struct bench_result *result)
{
    struct bench_source source = {.app = app_of(network),
                                  .waits_for_attestation = options->attest,
                                  .tx_bytes = options->tx_bytes,
                                  .keys = options->keys};
    struct link_target *targets = alloc_zeroed(network->node_count, sizeof *targets);
    randombytes_buf(&source.seed, sizeof source.seed);
    for (uint32_t i = 0; i < network->node_count; i++)
        targets[i] = network->clients[i].target;
    const struct bench_load load = {.options = options,
                                    .source = &source,
                                    .targets = targets,
                                    .target_count = network->node_count,
                                    .request_max = request_max(options, options->tx_bytes),
                                    .watch = watch,
                                    .context = network};
    bench_load_run(&load, result);
    free(targets);
}

/* What clients were told is committed must be on the chain. */
static enum ingot_exit check_counts(struct bench_network *network, struct bench_report *report)
{
    static const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    const uint64_t deadline_us = clock_monotonic_us() + COUNT_TIMEOUT_US;
    const uint64_t told = report->result->committed_in_all;
    for (;;) {
        if (!bench_network_count(network, &report->after))
            return command_fail(INGOT_EXIT_FAILURE, "a node does not answer after the load");
        const uint64_t on_chain = report->after.committed - report->before.committed;
        if (on_chain >= told)
            return INGOT_EXIT_OK;
        if (clock_monotonic_us() >= deadline_us)
            return command_fail(INGOT_EXIT_FAILURE,
                                "clients were told of %llu commits, the chain has %llu: this "
                                "result is worth nothing",
                                (unsigned long long)told, (unsigned long long)on_chain);
        (void)nanosleep(&pause, NULL);
    }
}

/* The App is known now; do the options fit it? */
static enum ingot_exit settle(const struct bench_network *network, struct bench_options *options)
{
    const enum bench_app app = app_of(network);
    if (options->app != NULL && strcmp(options->app, network->app) != 0)
        return command_fail(INGOT_EXIT_USAGE, "--app: the nodes run %s, not %s", network->app,
                            options->app);
    if (options->attest && app != BENCH_APP_SIGNING)
        return command_fail(INGOT_EXIT_USAGE,
                            "--attest: the nodes run %s, and only signing asks for attestations",
                            network->app);
    if (options->tx_bytes == 0)
        options->tx_bytes = app == BENCH_APP_SIGNING ? BENCH_TX_BYTES_SIGNING : TX_BYTES_DEFAULT;
    if (app == BENCH_APP_KV && options->tx_bytes < BENCH_TX_BYTES_MIN_KV)
        return command_fail(INGOT_EXIT_USAGE, "--tx-bytes: expected %d or more for the app kv",
                            BENCH_TX_BYTES_MIN_KV);
    if (app == BENCH_APP_SIGNING && options->tx_bytes != BENCH_TX_BYTES_SIGNING)
        return command_fail(INGOT_EXIT_USAGE,
                            "--tx-bytes: expected %d for the app signing, which gets digests",
                            BENCH_TX_BYTES_SIGNING);
    return INGOT_EXIT_OK;
}

static enum ingot_exit measure(struct bench_network *network, const struct bench_options *options,
                               const struct bench_machine *machine, struct bench_result *result)
{
    struct bench_report report = {
        .options = options, .network = network, .machine = machine, .result = result};
    if (!bench_network_count(network, &report.before))
        return command_fail(INGOT_EXIT_FAILURE, "a node does not answer");
    /* Not before: the nodes would inherit it. */
    if (options->nice > 0 && setpriority(PRIO_PROCESS, 0, (int)options->nice) != 0)
        return command_fail(INGOT_EXIT_FAILURE, "--nice: %s", strerror(errno));
    result->generator_nice = getpriority(PRIO_PROCESS, 0);
    run_load(network, options, result);
    if (result->was_interrupted)
        return command_fail(INGOT_EXIT_FAILURE, "interrupted");
    if (result->why[0] != '\0')
        return command_fail(INGOT_EXIT_FAILURE, "%s", result->why);
    const enum ingot_exit code = check_counts(network, &report);
    if (code != INGOT_EXIT_OK)
        return code;
    if (options->json)
        bench_report_json(&report);
    else
        bench_report_text(&report);
    if (result->committed == 0)
        return command_fail(INGOT_EXIT_FAILURE, "nothing was committed%s%s",
                            result->first_error[0] != '\0' ? ": " : "", result->first_error);
    return INGOT_EXIT_OK;
}

static enum ingot_exit run_all(struct bench_options *options)
{
    char why[512];
    struct bench_network *network = alloc_zeroed(1, sizeof *network);
    struct bench_result *result = alloc_zeroed(1, sizeof *result);
    struct bench_machine machine;
    block_signals();
    enum ingot_exit code = bench_network_init(network, options);
    /* First, while the machine has nothing else to do for us. */
    if (code == INGOT_EXIT_OK && !bench_machine_measure(network->folder, &machine, why, sizeof why))
        code = command_fail(INGOT_EXIT_FAILURE, "%s", why);
    if (code == INGOT_EXIT_OK)
        code = bench_network_start(network, options);
    if (code == INGOT_EXIT_OK)
        code = settle(network, options);
    if (code == INGOT_EXIT_OK)
        code = measure(network, options, &machine, result);
    bench_network_deinit(network);
    free(result);
    free(network);
    return code;
}

/* --- The command line. --- */

enum {
    OPTION_APP = COMMAND_OPTION_OWN,
    OPTION_VALIDATORS,
    OPTION_TX_BYTES,
    OPTION_ATTEST,
    OPTION_KEYS,
    OPTION_RATE,
    OPTION_CLIENTS,
    OPTION_OUTSTANDING,
    OPTION_SECONDS,
    OPTION_WARMUP,
    OPTION_HTTP,
    OPTION_NICE,
    OPTION_NODE,
    OPTION_JSON,
    OPTION_KEEP
};

static enum ingot_exit take_number(const struct command *command, const char *name, uint64_t min,
                                   uint64_t max, uint32_t *number)
{
    uint64_t value = 0;
    const enum ingot_exit code = command_option_number(command, name, min, max, &value);
    *number = (uint32_t)value;
    return code;
}

static enum ingot_exit take_node(const struct command *command, struct bench_options *options)
{
    if (options->node_count == BENCH_NODES_MAX)
        return command_usage(command, "--node: expected at most %d", BENCH_NODES_MAX);
    return command_option_node(command, optarg, &options->nodes[options->node_count++]);
}

static enum ingot_exit take_option(const struct command *command, int option, void *context)
{
    struct bench_options *options = context;
    uint32_t rate = 0;
    enum ingot_exit code = INGOT_EXIT_OK;
    switch (option) {
    case OPTION_APP:
        return network_option_app(command, &options->app);
    case OPTION_VALIDATORS:
        return take_number(command, "validators", 1, BENCH_NODES_MAX, &options->validators);
    case OPTION_TX_BYTES:
        return take_number(command, "tx-bytes", BENCH_TX_BYTES_MIN_NULL, BENCH_TX_BYTES_MAX,
                           &options->tx_bytes);
    case OPTION_ATTEST:
        options->attest = true;
        return INGOT_EXIT_OK;
    case OPTION_KEYS:
        return take_number(command, "keys", 1, UINT32_MAX, &options->keys);
    case OPTION_RATE:
        code = take_number(command, "rate", 1, 10000000, &rate);
        options->rate = rate;
        return code;
    case OPTION_CLIENTS:
        return take_number(command, "clients", 1, 4096, &options->clients);
    case OPTION_OUTSTANDING:
        return take_number(command, "outstanding", 1, INGOT_RPC_TRANSACTIONS_MAX,
                           &options->outstanding);
    case OPTION_SECONDS:
        return take_number(command, "seconds", 1, 86400, &options->seconds);
    case OPTION_WARMUP:
        return take_number(command, "warmup", 0, 3600, &options->warmup_seconds);
    case OPTION_HTTP:
        options->http = true;
        return INGOT_EXIT_OK;
    case OPTION_NICE:
        return take_number(command, "nice", 0, 19, &options->nice);
    case OPTION_NODE:
        return take_node(command, options);
    case OPTION_JSON:
        options->json = true;
        return INGOT_EXIT_OK;
    case OPTION_KEEP:
        options->keep = optarg;
        return INGOT_EXIT_OK;
    default:
        return command_usage_seen(command);
    }
}

/* What the options mean together, and what was not said. */
static enum ingot_exit complete(const struct command *command, struct bench_options *options)
{
    const bool is_closed = options->clients > 0 || options->outstanding > 0;
    if (options->rate > 0 && is_closed)
        return command_usage(command, "expected --rate, or --clients and --outstanding, not both");
    if (options->node_count > 0 && (options->validators > 0 || options->keep != NULL))
        return command_usage(command, "--validators and --keep are for a network of our own, and "
                                      "--node names another");
    if (options->node_count == 0 && options->app == NULL)
        options->app = "kv";
    if (options->validators == 0)
        options->validators = 4;
    if (options->clients == 0)
        options->clients = CLIENTS_DEFAULT;
    if (options->outstanding == 0)
        options->outstanding = OUTSTANDING_DEFAULT;
    options->http = options->http || options->attest; /* no other call waits for attestations */
    const uint32_t tx_bytes = options->tx_bytes > 0 ? options->tx_bytes : TX_BYTES_DEFAULT;
    if (options->outstanding > request_max(options, tx_bytes))
        return command_usage(command,
                             "--outstanding: expected at most %u with %u-byte transactions, which "
                             "is what one request%s may hold",
                             request_max(options, tx_bytes), tx_bytes,
                             options->http ? " of JSON-RPC calls" : "");
    const uint32_t nodes = options->node_count > 0 ? options->node_count : options->validators;
    if (options->clients > (uint64_t)nodes * CLIENTS_PER_NODE_MAX)
        return command_usage(command, "--clients: expected at most %d for each node",
                             CLIENTS_PER_NODE_MAX);
    return INGOT_EXIT_OK;
}

static enum ingot_exit run(const struct command *command, int argc, char **argv)
{
    static const struct option known[] = {
        COMMAND_HELP_OPTION,
        {"app", required_argument, NULL, OPTION_APP},
        {"validators", required_argument, NULL, OPTION_VALIDATORS},
        {"tx-bytes", required_argument, NULL, OPTION_TX_BYTES},
        {"attest", no_argument, NULL, OPTION_ATTEST},
        {"keys", required_argument, NULL, OPTION_KEYS},
        {"rate", required_argument, NULL, OPTION_RATE},
        {"clients", required_argument, NULL, OPTION_CLIENTS},
        {"outstanding", required_argument, NULL, OPTION_OUTSTANDING},
        {"seconds", required_argument, NULL, OPTION_SECONDS},
        {"warmup", required_argument, NULL, OPTION_WARMUP},
        {"http", no_argument, NULL, OPTION_HTTP},
        {"nice", required_argument, NULL, OPTION_NICE},
        {"node", required_argument, NULL, OPTION_NODE},
        {"json", no_argument, NULL, OPTION_JSON},
        {"keep", required_argument, NULL, OPTION_KEEP},
        {NULL, 0, NULL, 0}};
    struct bench_options options = {.keys = 100000, .seconds = 10, .warmup_seconds = 2};
    enum ingot_exit code = INGOT_EXIT_OK;
    if (!command_take_options(command, argc, argv, known, take_option, &options, &code))
        return code;
    if (optind < argc)
        return command_usage(command, "unexpected argument '%s'", argv[optind]);
    code = complete(command, &options);
    return code == INGOT_EXIT_OK ? run_all(&options) : code;
}

const struct command command_bench = {
    .name = "bench",
    .summary = "measure throughput and latency of a network",
    .help =
        "usage: ingot bench [OPTIONS]\n"
        "\n"
        "Starts a network of its own on this machine, or takes one that is there, offers load to\n"
        "all of its nodes, and prints how many transactions were committed a second and how long\n"
        "commits took, beside what the machine can do at best. Everything it started is gone at\n"
        "the end.\n"
        "\n"
        "  --app APP          kv (default), null or signing\n"
        "  --validators N     of its own network (4)\n"
        "  --node URL         take this node instead; repeat it to spread load over several\n"
        "  --tx-bytes B       size of a transaction (128; signing: 34, a digest)\n"
        "  --attest           signing: wait for attestations, not for commits alone\n"
        "  --keys N           kv: how many different keys are written, at random (100000)\n"
        "  --rate R           open loop: R transactions a second, whatever the nodes do; latency\n"
        "                     counts from the time at which each was due\n"
        "  --clients C        closed loop: so many clients, each of which sends its next\n"
        "                     transactions when those before are committed (64)\n"
        "  --outstanding O    closed loop: transactions of a client in one request (64, at most\n"
        "                     4096, or 256 with --http)\n"
        "  --http             submit with JSON-RPC calls (broadcast_tx_commit) instead of\n"
        "                     POST /transactions; --attest always does\n"
        "  --seconds S        length of the measured interval (10)\n"
        "  --warmup S         load before it that does not count (2)\n"
        "  --nice N           niceness of the load generator, 0 to 19: with 19 it takes what the\n"
        "                     nodes leave (0)\n"
        "  --json             print the result as JSON\n"
        "  --keep DIR         put the network's folder there, and leave it\n"
        "\n"
        "The temporary folder is in $TMPDIR or /tmp; what is on no disk says nothing about\n"
        "durable writes. docs/performance.md describes the method.\n",
    .run = run,
};

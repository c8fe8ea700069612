/*
 * Starts, watches and ends the network under load. Which transactions it gets is not known here.
 */
#include "cli/bench_network.h"

#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/network.h"
#include "cli/temporary.h"

#define START_TIMEOUT_US 30000000
#define STOP_TIMEOUT_MS 10000
#define CALL_TIMEOUT_MS 5000
#define LOG_NAME "node.log"
#define LOG_TAIL_BYTES 1500

/* Below the ports that systems hand out by themselves, so that none of those gets in between. */
#define PORT_FIRST 12000
#define PORT_LAST 31000
#define PORT_TRIES 200

static bool port_is_free(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return false;
    (void)setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const bool is_free = bind(probe, (const struct sockaddr *)&address, sizeof address) == 0;
    (void)close(probe);
    return is_free;
}

/* 0 when there seems to be none. */
static uint16_t find_base_port(uint32_t node_count)
{
    for (uint32_t try = 0; try < PORT_TRIES; try++) {
        const uint32_t base =
            PORT_FIRST + randombytes_uniform(PORT_LAST - PORT_FIRST - 2 * node_count);
        uint32_t i = 0;
        while (i < 2 * node_count && port_is_free((uint16_t)(base + i)))
            i++;
        if (i == 2 * node_count)
            return (uint16_t)base;
    }
    return 0;
}

enum ingot_exit bench_network_init(struct bench_network *network,
                                   const struct bench_options *options)
{
    *network = (struct bench_network){.is_own = options->node_count == 0};
    network->is_temporary = options->keep == NULL;
    network->folder = network->is_temporary ? temporary_folder("bench") : alloc_text(options->keep);
    if (network->folder == NULL)
        return command_fail(INGOT_EXIT_FAILURE, "a temporary folder cannot be made: %s",
                            strerror(errno));
    if (!network->is_temporary && mkdir(network->folder, 0755) != 0 && errno != EEXIST)
        return command_fail(INGOT_EXIT_FAILURE, "%s: cannot be made: %s", network->folder,
                            strerror(errno));
    return INGOT_EXIT_OK;
}

static enum ingot_exit make_homes(struct bench_network *network,
                                  const struct bench_options *options, uint16_t base_port)
{
    char why[4096];
    struct report report;
    const struct network_plan plan = {.folder = network->folder,
                                      .validator_count = network->node_count,
                                      .app = options->app,
                                      .base_port = base_port,
                                      .genesis_time_ns = clock_wall_ms() * 1000000};
    report_init(&report, why, sizeof why);
    const enum ingot_error error = network_make(&plan, &report);
    if (error == INGOT_OK)
        return INGOT_EXIT_OK;
    return command_fail(error == INGOT_ERROR_EXISTS ? INGOT_EXIT_USAGE : INGOT_EXIT_FAILURE, "%s",
                        why);
}

static enum ingot_exit start_own(struct bench_network *network, const struct bench_options *options)
{
    network->node_count = options->validators;
    const uint16_t base_port = find_base_port(network->node_count);
    if (base_port == 0)
        return command_fail(INGOT_EXIT_FAILURE, "no %u free ports in a row were found",
                            2 * network->node_count);
    enum ingot_exit code = make_homes(network, options, base_port);
    for (uint32_t i = 0; i < network->node_count && code == INGOT_EXIT_OK; i++) {
        const struct endpoint endpoint = {.host = "127.0.0.1",
                                          .port = (uint16_t)(base_port + 2 * i + 1)};
        char *home = network_home(network->folder, i);
        char *log = path_join(home, LOG_NAME);
        if (!client_init(&network->clients[i], &endpoint))
            code = command_fail(INGOT_EXIT_FAILURE, "%s", network->clients[i].why);
        else if (!child_start(&network->children[i], home, log))
            code =
                command_fail(INGOT_EXIT_FAILURE, "a node cannot be started: %s", strerror(errno));
        free(log);
        free(home);
    }
    return code;
}

static enum ingot_exit find_others(struct bench_network *network,
                                   const struct bench_options *options)
{
    network->node_count = options->node_count;
    for (uint32_t i = 0; i < network->node_count; i++)
        if (!client_init(&network->clients[i], &options->nodes[i]))
            return command_fail(INGOT_EXIT_FAILURE, "%s", network->clients[i].why);
    return INGOT_EXIT_OK;
}

/* Shows what a node of ours said last: its folder is about to be removed. */
static void print_log_tail(const struct bench_network *network, uint32_t node)
{
    char tail[LOG_TAIL_BYTES];
    char *home = network_home(network->folder, node);
    char *path = path_join(home, LOG_NAME);
    FILE *log = fopen(path, "r");
    if (log != NULL) {
        if (fseek(log, -(long)sizeof tail, SEEK_END) != 0)
            rewind(log);
        const size_t size = fread(tail, 1, sizeof tail, log);
        (void)fprintf(stderr, "ingot: the last words of node%u:\n%.*s", node, (int)size, tail);
        (void)fclose(log);
    }
    free(path);
    free(home);
}

/* Has every node said that it is ready? Fills in what they say of themselves. */
static bool is_ready(struct bench_network *network, uint32_t node, json_t *status)
{
    if (node == 0) {
        network->is_durable = true;
        (void)snprintf(network->app, sizeof network->app, "%s", client_text(status, "ingot.app"));
    }
    if (!json_is_true(client_member(status, "ingot.durable")))
        network->is_durable = false;
    const bool is_connected =
        !network->is_own || client_u64(status, "ingot.peers") + 1 >= network->node_count;
    return is_connected && json_is_false(client_member(status, "sync_info.catching_up"));
}

static enum ingot_exit wait_for_all(struct bench_network *network)
{
    static const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    const uint64_t deadline_us = clock_monotonic_us() + START_TIMEOUT_US;
    char why[256];
    for (uint32_t node = 0; node < network->node_count;) {
        json_t *status = NULL;
        const enum client_outcome outcome =
            client_call(&network->clients[node], "status", NULL, CALL_TIMEOUT_MS, &status);
        const bool is_done = outcome == CLIENT_OK && is_ready(network, node, status);
        json_decref(status);
        if (is_done) {
            node++;
            continue;
        }
        if (bench_is_interrupted())
            return command_fail(INGOT_EXIT_FAILURE, "interrupted");
        if (!bench_network_watch(network, why, sizeof why))
            return command_fail(INGOT_EXIT_FAILURE, "%s", why);
        if (!network->is_own && outcome != CLIENT_OK)
            return command_fail(INGOT_EXIT_FAILURE, "%s", network->clients[node].why);
        if (clock_monotonic_us() >= deadline_us)
            return command_fail(INGOT_EXIT_FAILURE, "node %u is not ready: %s", node,
                                outcome == CLIENT_OK ? "it is not connected to all others, or "
                                                       "catches up"
                                                     : network->clients[node].why);
        (void)nanosleep(&pause, NULL);
    }
    return INGOT_EXIT_OK;
}

enum ingot_exit bench_network_start(struct bench_network *network,
                                    const struct bench_options *options)
{
    enum ingot_exit code =
        network->is_own ? start_own(network, options) : find_others(network, options);
    if (code == INGOT_EXIT_OK)
        code = wait_for_all(network);
    json_t *validators = NULL;
    if (code == INGOT_EXIT_OK && client_call(&network->clients[0], "validators", NULL,
                                             CALL_TIMEOUT_MS, &validators) != CLIENT_OK)
        code = command_fail(INGOT_EXIT_FAILURE, "%s", network->clients[0].why);
    network->validator_count = (uint32_t)client_u64(validators, "total");
    json_decref(validators);
    return code;
}

void bench_network_deinit(struct bench_network *network)
{
    children_stop(network->children, network->node_count, STOP_TIMEOUT_MS);
    for (uint32_t i = 0; i < network->node_count; i++)
        if (network->clients[i].link.target != NULL)
            client_deinit(&network->clients[i]);
    if (network->folder != NULL && network->is_temporary)
        temporary_remove(network->folder);
    free(network->folder);
}

/* The process's anonymous resident memory, or 0. */
static uint64_t rss_anon_bytes(pid_t pid)
{
    char path[64];
    char line[128];
    uint64_t kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    FILE *status = fopen(path, "r");
    if (status == NULL)
        return 0;
    while (fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtoull(line + 8, NULL, 10);
    (void)fclose(status);
    return kib * 1024;
}

/* The processor time of a process, in seconds, or 0. */
static double cpu_s(pid_t pid)
{
    char path[64];
    char line[512];
    unsigned long user = 0;
    unsigned long system = 0;
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *stat = fopen(path, "r");
    if (stat == NULL)
        return 0;
    /* Fields 14 and 15; the second field is a name in parentheses that may hold anything. */
    const char *rest = fgets(line, sizeof line, stat) != NULL ? strrchr(line, ')') : NULL;
    if (rest == NULL ||
        sscanf(rest, ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu", &user, &system) != 2)
        user = system = 0;
    (void)fclose(stat);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

bool bench_network_watch(struct bench_network *network, char *why, size_t why_size)
{
    (void)children_reap(network->children, network->node_count);
    for (uint32_t i = 0; i < network->node_count; i++) {
        const struct child *child = &network->children[i];
        if (child->has_ended) {
            char end[64];
            child_describe_end(child, end, sizeof end);
            (void)snprintf(why, why_size, "node%u ended: %s", i, end);
            print_log_tail(network, i);
            return false;
        }
        const uint64_t bytes = child->pid != 0 ? rss_anon_bytes(child->pid) : 0;
        if (bytes > network->rss_anon_bytes_max[i])
            network->rss_anon_bytes_max[i] = bytes;
    }
    return true;
}

bool bench_network_count(struct bench_network *network, struct bench_counts *counts)
{
    *counts = (struct bench_counts){0};
    for (uint32_t i = 0; i < network->node_count; i++) {
        json_t *status = NULL;
        if (network->children[i].pid != 0)
            counts->cpu_s += cpu_s(network->children[i].pid);
        if (client_call(&network->clients[i], "status", NULL, CALL_TIMEOUT_MS, &status) !=
            CLIENT_OK)
            return false;
        const uint64_t committed = client_u64(status, "ingot.committed_txs");
        counts->timeouts += client_u64(status, "ingot.timeouts");
        /* The one that is ahead: others may not know yet what clients of that one know. */
        if (i == 0 || committed > counts->committed) {
            counts->committed = committed;
            counts->height = client_u64(status, "sync_info.latest_block_height");
            counts->view = client_u64(status, "ingot.view");
        }
        json_decref(status);
    }
    return true;
}

/*
 * `ingot node`: one node in the foreground. What a node does is the library's; this is flags,
 * logs and the exit status.
 */
#include <ingot/node.h>
#include <malloc.h>
#include <stdio.h>

#include "cli/command.h"

enum { OPTION_HOME = COMMAND_OPTION_OWN, OPTION_LOG_FORMAT, OPTION_LOG_LEVEL };

struct node_options {
    const char *home;
    const char *format; /* NULL: as it is by default */
    const char *level;
};

/*
 * What this process frees goes back to the system sooner than glibc would have it: from this size
 * on, buffers are mappings of their own, and so much may be free at the end of its heap. By itself
 * glibc raises both to the size of the largest buffer that it has seen, tens of megabytes, and
 * such buffers leave holes. Smaller ones are too many: their pages would be cleared all the time.
 */
#define MAPPED_BYTES_MIN (2 << 20)
#define HEAP_FREE_BYTES_MAX (4 << 20)

static void bound_free_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
    (void)mallopt(M_TRIM_THRESHOLD, HEAP_FREE_BYTES_MAX);
}

static enum ingot_exit run_node(const char *home)
{
    bound_free_memory();
    char why[8192] = "";
    struct ingot_node *node = NULL;
    const struct ingot_node_options options = {.home = home, .handle_signals = true};
    enum ingot_exit code = ingot_node_open(&options, &node, why, sizeof why);
    if (code != INGOT_EXIT_OK)
        return command_fail(code, "%s", why);
    code = ingot_node_run(node);
    ingot_node_free(node);
    return code;
}

static enum ingot_exit take_option(const struct command *command, int option, void *context)
{
    struct node_options *options = context;
    switch (option) {
    case OPTION_HOME:
        options->home = optarg;
        return INGOT_EXIT_OK;
    case OPTION_LOG_FORMAT:
        options->format = optarg;
        return INGOT_EXIT_OK;
    case OPTION_LOG_LEVEL:
        options->level = optarg;
        return INGOT_EXIT_OK;
    default:
        return command_usage_seen(command);
    }
}

static enum ingot_exit run(const struct command *command, int argc, char **argv)
{
    static const struct option known[] = {
        COMMAND_HELP_OPTION,
        {"home", required_argument, NULL, OPTION_HOME},
        {"log-format", required_argument, NULL, OPTION_LOG_FORMAT},
        {"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
        {NULL, 0, NULL, 0}};
    struct node_options options = {.home = NULL};
    enum ingot_exit code = INGOT_EXIT_OK;
    if (!command_take_options(command, argc, argv, known, take_option, &options, &code))
        return code;
    if (optind < argc)
        return command_usage(command, "unexpected argument '%s'", argv[optind]);
    if (options.home == NULL)
        return command_usage(command, "--home is missing");
    if (ingot_log_configure(options.format, NULL) != INGOT_OK)
        return command_usage(command, "--log-format: expected plain or json, found '%s'",
                             options.format);
    if (ingot_log_configure(options.format, options.level) != INGOT_OK)
        return command_usage(command,
                             "--log-level: expected debug, info, warn, error or none, found '%s'",
                             options.level);
    return run_node(options.home);
}

const struct command command_node = {
    .name = "node",
    .summary = "run one node, a validator or an observer, in the foreground",
    .help = "usage: ingot node --home DIR [--log-format plain|json] [--log-level LEVEL]\n"
            "\n"
            "Runs the node whose configuration, genesis, peers and keys are in DIR. Logs go to\n"
            "standard error. SIGTERM and SIGINT end it with status 0; being killed in any way\n"
            "loses nothing that was reported as committed. SIGHUP lets it read its peers file\n"
            "again: peers come and go without a restart, and a file with a mistake changes\n"
            "nothing but the log.\n"
            "\n"
            "  --home DIR            the node's home; 'ingot testnet' and 'ingot init' make some\n"
            "  --log-format FORMAT   plain (default) or json\n"
            "  --log-level LEVEL     debug, info (default), warn, error or none\n"
            "\n"
            "Exit status: 0 ended by a signal, 1 failure (such as a port in use), 2 usage or\n"
            "configuration, 3 damaged data or of an unknown version or another chain, 4 data\n"
            "locked by another process, 5 failed durable write, 6 safety stop.\n",
    .run = run,
};

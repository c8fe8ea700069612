/*
 * `ingot version`.
 */
#include <stdio.h>

#include "cli/command.h"

static enum ingot_exit run(const struct command *command, int argc, char **argv)
{
    static const struct option options[] = {COMMAND_HELP_OPTION, {NULL, 0, NULL, 0}};
    int option = getopt_long(argc, argv, "h", options, NULL);
    if (option == COMMAND_OPTION_HELP || option == 'h')
        return command_print_help(command);
    if (option != -1)
        return command_usage_seen(command);
    if (optind < argc)
        return command_usage(command, "unexpected argument '%s'", argv[optind]);
    (void)printf("ingot %s\n", INGOT_VERSION);
    return INGOT_EXIT_OK;
}

const struct command command_version = {
    .name = "version",
    .summary = "print the program's version",
    .help = "usage: ingot version\n"
            "\n"
            "Prints the program's version.\n",
    .run = run,
};

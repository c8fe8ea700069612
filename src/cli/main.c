/*
 * The program `ingot`: finds the subcommand and runs it. Everything else is in the subcommand's
 * own file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/command.h"
#include "storage/lmdb.h"
#include "wire/crypto.h"

static const struct command *const commands[] = {
    &command_testnet,   &command_init,       &command_node,      &command_local,
    &command_sign,      &command_verify,     &command_broadcast, &command_kv,
    &command_validator, &command_status,     &command_evidence,  &command_bench,
    &command_backup,    &command_checkpoint, &command_keygen,    &command_version,
};

static void print_help(FILE *stream)
{
    (void)fputs("usage: ingot COMMAND [ARGUMENTS]\n"
                "\n"
                "Ingot is a Byzantine-fault-tolerant replicated log. Commands:\n"
                "\n",
                stream);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        (void)fprintf(stream, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    (void)fputs("\n"
                "'ingot COMMAND --help' says more about one.\n"
                "\n"
                "Exit status: 0 ok, 1 failure, 2 usage or configuration, 3 damaged or unknown "
                "data,\n"
                "4 data locked by another process, 5 failed durable write, 6 safety stop, 7 no\n"
                "outcome in time.\n",
                stream);
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

/* Output that did not arrive is a failure, whatever the command thought. */
static enum ingot_exit check_output(enum ingot_exit code)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return code;
    (void)fputs("ingot: standard output cannot be written\n", stderr);
    return code == INGOT_EXIT_OK ? INGOT_EXIT_FAILURE : code;
}

static enum ingot_exit run(const struct command *command, int argc, char **argv)
{
    /* getopt_long's own complaints begin with this name. */
    struct ingot_buffer name = {0};
    ingot_buffer_format(&name, "ingot %s", command->name);
    ingot_buffer_append_u8(&name, 0);
    argv[0] = (char *)name.data;
    enum ingot_exit code = command->run(command, argc, argv);
    ingot_buffer_deinit(&name);
    return check_output(code);
}

static enum ingot_exit start(int argc, char **argv)
{
    if (!crypto_init())
        return command_fail(INGOT_EXIT_FAILURE, "libsodium cannot be used on this machine");
    if (argc < 2) {
        print_help(stderr);
        return INGOT_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        const struct command *about = argc > 2 ? find(argv[2]) : NULL;
        if (about != NULL)
            (void)command_print_help(about);
        else
            print_help(stdout);
        return check_output(INGOT_EXIT_OK);
    }
    if (strcmp(name, "--version") == 0)
        name = "version";
    const struct command *command = find(name);
    if (command == NULL) {
        (void)fprintf(stderr, "ingot: unknown command '%s'\nTry 'ingot --help'.\n", name);
        return INGOT_EXIT_USAGE;
    }
    return run(command, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    store_lmdb_catch_damage(INGOT_EXIT_DAMAGED);
    return (int)start(argc, argv);
}

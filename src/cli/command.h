/*
 * The subcommands, and what all of them share: how they are described, how they complain, and how
 * they read numbers. One file holds one subcommand.
 */
#ifndef INGOT_CLI_COMMAND_H
#define INGOT_CLI_COMMAND_H

#include <getopt.h>
#include <ingot/node.h>
#include <ingot/types.h>

#include "config/peers.h"

struct command {
    const char *name;
    const char *summary; /* one line, for the list of commands */
    const char *help;    /* what --help prints: usage, options, exit codes that are special */
    /* argv[0] is "ingot <name>". */
    enum ingot_exit (*run)(const struct command *command, int argc, char **argv);
};

extern const struct command command_backup;
extern const struct command command_bench;
extern const struct command command_broadcast;
extern const struct command command_checkpoint;
extern const struct command command_evidence;
extern const struct command command_init;
extern const struct command command_keygen;
extern const struct command command_kv;
extern const struct command command_local;
extern const struct command command_node;
extern const struct command command_sign;
extern const struct command command_status;
extern const struct command command_testnet;
extern const struct command command_validator;
extern const struct command command_verify;
extern const struct command command_version;

/* What getopt_long gives for --help; every command's options begin with COMMAND_HELP_OPTION. */
#define COMMAND_OPTION_HELP 256
#define COMMAND_HELP_OPTION                                                                        \
    {                                                                                              \
        "help", no_argument, NULL, COMMAND_OPTION_HELP                                             \
    }
/* The values of a command's own long options start here; one that is a letter is short as well. */
#define COMMAND_OPTION_OWN 257

/* Where clients of a first local network find its first node. */
#define COMMAND_NODE_URL_DEFAULT "http://127.0.0.1:27651"

enum ingot_exit command_print_help(const struct command *command);

/* Complains about the command line, points to --help and returns INGOT_EXIT_USAGE. */
enum ingot_exit command_usage(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* As command_usage after getopt_long has complained by itself. */
enum ingot_exit command_usage_seen(const struct command *command);

/* Says on stderr what went wrong and returns `code`. Each line of the text gets the prefix. */
enum ingot_exit command_fail(enum ingot_exit code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Takes one of a command's own options (its value is getopt_long's optarg) into `options`; one it
 * does not know, for which getopt_long has complained, is command_usage_seen's. */
typedef enum ingot_exit command_take(const struct command *command, int option, void *options);

/*
 * Takes every option of the command line and leaves optind at the first argument that is none.
 * False if the command is over already, and then with which status: --help was printed, or a
 * complaint.
 */
bool command_take_options(const struct command *command, int argc, char **argv,
                          const struct option *known, command_take *take, void *options,
                          enum ingot_exit *code);

/* Digits only, in [min, max]. */
bool command_number(const char *text, uint64_t min, uint64_t max, uint64_t *number);

/* The number that an option was given (getopt_long's optarg), or a complaint that names the option
 * and its range. */
enum ingot_exit command_option_number(const struct command *command, const char *name, uint64_t min,
                                      uint64_t max, uint64_t *number);

/* http://host:port, with or without a slash at the end. */
bool command_url(const char *text, struct endpoint *endpoint);
/* The same for what --node was given, or a complaint. */
enum ingot_exit command_option_node(const struct command *command, const char *text,
                                    struct endpoint *endpoint);

/* What a question to a node does with its answer: prints it for people, or as JSON. */
typedef enum ingot_exit command_show(const struct endpoint *endpoint, bool as_json);
/* A command whose options are --node and --json alone. */
enum ingot_exit command_ask_node(const struct command *command, int argc, char **argv,
                                 command_show *show);

#endif

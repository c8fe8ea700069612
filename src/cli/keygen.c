/*
 * `ingot keygen`: makes one key file. It shows public parts only.
 */
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "cli/command.h"
#include "config/keys.h"
#include "wire/crypto.h"

enum { OPTION_KIND = COMMAND_OPTION_OWN, OPTION_OUTPUT, OPTION_FORCE };

struct keygen_options {
    enum key_kind kind;
    const char *output; /* NULL: named after the kind */
    enum file_overwrite overwrite;
};

static bool parse_kind(const char *text, enum key_kind *kind)
{
    for (int i = 0; i < KEY_KINDS; i++) {
        if (strcmp(text, key_kind_text((enum key_kind)i)) == 0) {
            *kind = (enum key_kind)i;
            return true;
        }
    }
    return false;
}

static enum ingot_exit take_option(const struct command *command, int option, void *context)
{
    struct keygen_options *options = context;
    switch (option) {
    case OPTION_KIND:
        if (parse_kind(optarg, &options->kind))
            return INGOT_EXIT_OK;
        return command_usage(
            command,
            "--kind: expected validator, transport, administrator or submitter, found '%s'",
            optarg);
    case OPTION_OUTPUT:
        options->output = optarg;
        return INGOT_EXIT_OK;
    case OPTION_FORCE:
        options->overwrite = FILE_REPLACE;
        return INGOT_EXIT_OK;
    default:
        return command_usage_seen(command);
    }
}

static enum ingot_exit make(const struct keygen_options *options)
{
    char why[1024];
    char key[2 * INGOT_PUBLIC_KEY_BYTES + 1];
    char address[2 * INGOT_ADDRESS_BYTES + 1];
    uint8_t address_bytes[INGOT_ADDRESS_BYTES];
    struct report report;
    struct key_pair pair;
    char name[32];
    (void)snprintf(name, sizeof name, "%s.key", key_kind_text(options->kind));
    const char *path = options->output != NULL ? options->output : name;
    report_init(&report, why, sizeof why);
    key_pair_generate(options->kind, &pair);
    struct ingot_public_key public_key = pair.public_key;
    enum ingot_error error = key_file_save(path, &pair, options->overwrite, &report);
    key_pair_deinit(&pair);
    if (error == INGOT_ERROR_EXISTS)
        return command_fail(INGOT_EXIT_USAGE, "%s; --force does it all the same", why);
    if (error != INGOT_OK)
        return command_fail(INGOT_EXIT_FAILURE, "%s", why);
    hex_encode_lower(public_key.bytes, sizeof public_key.bytes, key);
    crypto_address(&public_key, address_bytes);
    hex_encode_upper(address_bytes, sizeof address_bytes, address);
    (void)printf("file        %s\npublic key  %s\n", path, key);
    if (options->kind == KEY_VALIDATOR)
        (void)printf("address     %s\n", address);
    return INGOT_EXIT_OK;
}

static enum ingot_exit run(const struct command *command, int argc, char **argv)
{
    static const struct option known[] = {COMMAND_HELP_OPTION,
                                          {"kind", required_argument, NULL, OPTION_KIND},
                                          {"output", required_argument, NULL, OPTION_OUTPUT},
                                          {"force", no_argument, NULL, OPTION_FORCE},
                                          {NULL, 0, NULL, 0}};
    struct keygen_options options = {.kind = KEY_VALIDATOR, .overwrite = FILE_KEEP_EXISTING};
    enum ingot_exit code = INGOT_EXIT_OK;
    if (!command_take_options(command, argc, argv, known, take_option, &options, &code))
        return code;
    if (optind < argc)
        return command_usage(command, "unexpected argument '%s'", argv[optind]);
    return make(&options);
}

const struct command command_keygen = {
    .name = "keygen",
    .summary = "make a key of a validator, the transport, an administrator or a submitter",
    .help =
        "usage: ingot keygen [--kind KIND] [--output FILE] [--force]\n"
        "\n"
        "Makes an ed25519 key, writes it to a file that only its owner can read, and prints\n"
        "the public part: of a validator or administrator key for genesis.json, of a transport\n"
        "key for the peers files of the other nodes, of a submitter key for '[signing]\n"
        "submitters' in config.ini.\n"
        "\n"
        "  --kind KIND      validator (default): signs votes; transport: names a node to its\n"
        "                   peers; administrator: signs changes of the validator set, see\n"
        "                   'ingot validator'; submitter: signs what it submits to the\n"
        "                   signing App, see 'ingot sign'\n"
        "  --output FILE    where to write it (KIND.key)\n"
        "  --force          overwrite an existing file; the key in it is lost for good\n",
    .run = run,
};

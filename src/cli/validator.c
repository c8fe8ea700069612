/*
 * `ingot validator`: shows the validator set, changes it, and fetches the proof of how it came
 * about. Making the change is in validator_set.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "cli/chain.h"
#include "cli/validators.h"
#include "config/public_key.h"
#include "wire/crypto.h"

#define TIMEOUT_S_DEFAULT 60
#define TIMEOUT_S_MAX 3600

enum { OPTION_NODE = COMMAND_OPTION_OWN, OPTION_ADMIN, OPTION_TIMEOUT };

struct validator_options {
    struct validator_change_options change;
    const char *output; /* of proof */
};

static void print_member(const struct validators *validators, const struct ingot_validator *member)
{
    char key[2 * INGOT_PUBLIC_KEY_BYTES + 1];
    char address[2 * INGOT_ADDRESS_BYTES + 1];
    uint8_t address_bytes[INGOT_ADDRESS_BYTES];
    hex_encode_lower(member->key.bytes, sizeof member->key.bytes, key);
    crypto_address(&member->key, address_bytes);
    hex_encode_upper(address_bytes, sizeof address_bytes, address);
    (void)printf("%s  %20" PRIu64 "  %5.1f%%  %s\n", key, member->power,
                 100.0 * (double)member->power / (double)validators->total_power, address);
}

static enum ingot_exit list(const struct endpoint *endpoint)
{
    struct client client;
    struct validators validators;
    enum ingot_exit code = INGOT_EXIT_OK;
    if (!client_init(&client, endpoint) || validators_read(&client, 0, &validators) != CLIENT_OK) {
        code = command_fail(INGOT_EXIT_FAILURE, "%s", client.why);
    } else {
        (void)printf("epoch        %" PRIu64 "\n", validators.epoch);
        (void)printf("height       %" PRIu64 "\n", validators.height - 1);
        (void)printf("validators   %" PRIu32 "\n", validators.count);
        (void)printf("total power  %" PRIu64 "\n\n", validators.total_power);
        (void)printf("%-64s  %20s  %6s  %s\n", "key", "power", "share", "address");
        for (uint32_t i = 0; i < validators.count; i++)
            print_member(&validators, &validators.list[i]);
    }
    client_deinit(&client);
    return code;
}

/* Nothing of it is believed here: whoever uses it checks it. */
static enum ingot_exit write_proof(struct client *client, const char *output)
{
    char why[1024];
    struct report report;
    struct genesis genesis;
    struct set_proof proof;
    struct ingot_buffer text = {0};
    report_init(&report, why, sizeof why);
    enum ingot_exit code = chain_genesis(client, &genesis);
    if (code != INGOT_EXIT_OK)
        return code;
    code = chain_set_changes(client, UINT64_MAX, genesis.sha256, &proof);
    if (code == INGOT_EXIT_OK) {
        set_proof_format(&proof, genesis.sha256, &text);
        ingot_buffer_append_u8(&text, '\n');
        if (strcmp(output, "-") == 0)
            (void)fwrite(text.data, 1, text.size, stdout);
        else if (file_write(output, ingot_buffer_slice(&text), 0644, FILE_REPLACE, &report) !=
                 INGOT_OK)
            code = command_fail(INGOT_EXIT_FAILURE, "%s", why);
        else
            (void)printf("%s: the validator sets of epochs 0 to %" PRIu32 "\n", output,
                         proof.change_count);
        set_proof_deinit(&proof);
    }
    ingot_buffer_deinit(&text);
    genesis_deinit(&genesis);
    return code;
}

static enum ingot_exit prove(const struct endpoint *endpoint, const char *output)
{
    struct client client;
    const enum ingot_exit code = client_init(&client, endpoint)
                                     ? write_proof(&client, output)
                                     : command_fail(INGOT_EXIT_FAILURE, "%s", client.why);
    client_deinit(&client);
    return code;
}

static enum ingot_exit complain_of_key(const struct command *command, const char *word)
{
    uint8_t bytes[INGOT_PUBLIC_KEY_BYTES];
    const struct ingot_slice text = ingot_slice_of_text(word);
    const char *but = "";
    if (hex_decode(text, bytes, INGOT_PUBLIC_KEY_BYTES))
        but = ", which is not a valid ed25519 key (no point of the curve that may be one)";
    else if (hex_decode(text, bytes, INGOT_ADDRESS_BYTES))
        but = ", which is an address; 'ingot validator list' shows the key next to it";
    return command_usage(command,
                         "set: expected a validator's ed25519 public key, 64 hex digits or 44 "
                         "characters of base64, found '%s'%s",
                         word, but);
}

static enum ingot_exit take_changes(const struct command *command, char **words, int count,
                                    struct validator_change_options *options)
{
    if (count == 0 || count % 2 != 0)
        return command_usage(command, "set: expected KEY and POWER, once or more often");
    if (count / 2 > INGOT_VALIDATORS_MAX)
        return command_usage(command, "set: expected at most %d changes, found %d",
                             INGOT_VALIDATORS_MAX, count / 2);
    for (int i = 0; i < count; i += 2) {
        struct ingot_validator change;
        if (!public_key_parse(ingot_slice_of_text(words[i]), &change.key))
            return complain_of_key(command, words[i]);
        if (!command_number(words[i + 1], 0, INGOT_TOTAL_POWER_MAX, &change.power))
            return command_usage(command,
                                 "set: expected a power of 0 (removes) to %" PRIu64 ", found '%s'",
                                 INGOT_TOTAL_POWER_MAX, words[i + 1]);
        for (uint32_t j = 0; j < options->change_count; j++) {
            if (public_key_equal(&options->changes[j].key, &change.key))
                return command_usage(command, "set: expected each key once, found '%s' again",
                                     words[i]);
        }
        options->changes[options->change_count++] = change;
    }
    return INGOT_EXIT_OK;
}

static enum ingot_exit take_option(const struct command *command, int option, void *context)
{
    struct validator_options *all = context;
    struct validator_change_options *options = &all->change;
    uint64_t number = 0;
    enum ingot_exit code = INGOT_EXIT_OK;
    switch (option) {
    case OPTION_NODE:
        return command_option_node(command, optarg, &options->node);
    case OPTION_ADMIN:
        options->administrator = optarg;
        return code;
    case OPTION_TIMEOUT:
        code = command_option_number(command, "timeout", 1, TIMEOUT_S_MAX, &number);
        options->timeout_ms = (uint32_t)number * 1000;
        return code;
    case 'o':
        all->output = optarg;
        return code;
    default:
        return command_usage_seen(command);
    }
}

static enum ingot_exit set(const struct command *command, char **words, int count,
                           struct validator_change_options *options)
{
    const enum ingot_exit code = take_changes(command, words, count, options);
    if (code != INGOT_EXIT_OK)
        return code;
    if (options->administrator == NULL)
        return command_usage(command, "set: --admin is missing");
    return validator_change(options);
}

static enum ingot_exit run(const struct command *command, int argc, char **argv)
{
    static const struct option known[] = {COMMAND_HELP_OPTION,
                                          {"node", required_argument, NULL, OPTION_NODE},
                                          {"admin", required_argument, NULL, OPTION_ADMIN},
                                          {"timeout", required_argument, NULL, OPTION_TIMEOUT},
                                          {"output", required_argument, NULL, 'o'},
                                          {NULL, 0, NULL, 0}};
    struct validator_options options = {.change = {.timeout_ms = TIMEOUT_S_DEFAULT * 1000}};
    (void)command_url(COMMAND_NODE_URL_DEFAULT, &options.change.node);
    enum ingot_exit code = INGOT_EXIT_OK;
    if (!command_take_options(command, argc, argv, known, take_option, &options, &code))
        return code;
    const char *operation = optind < argc ? argv[optind] : "";
    char **words = argv + optind + 1;
    const int count = argc - optind - 1;
    const bool is_list = strcmp(operation, "list") == 0;
    if (strcmp(operation, "set") == 0)
        return set(command, words, count, &options.change);
    if (!is_list && strcmp(operation, "proof") != 0)
        return command_usage(command, "expected list, set or proof%s%s%s",
                             optind < argc ? ", found '" : "", operation, optind < argc ? "'" : "");
    if (count > 0)
        return command_usage(command, "%s: unexpected argument '%s'", operation, words[0]);
    if (is_list)
        return list(&options.change.node);
    if (options.output == NULL)
        return command_usage(command, "proof: -o is missing");
    return prove(&options.change.node, options.output);
}

const struct command command_validator = {
    .name = "validator",
    .summary = "show, change and prove the validator set",
    .help =
        "usage: ingot validator list [--node URL]\n"
        "       ingot validator set KEY POWER [KEY POWER]... --admin FILE [--node URL]\n"
        "                           [--timeout SECONDS]\n"
        "       ingot validator proof -o OUTPUT [--node URL]\n"
        "\n"
        "list   prints the current set, that of the next block: for each member its public\n"
        "       key, power, share of the power, and address\n"
        "set    gives validators new powers, all at once; 0 removes one, and a key that is no\n"
        "       member yet joins. Returns when the change is committed and in force. It takes\n"
        "       the signing or kv App and the key of the administrator that genesis names. A\n"
        "       power that a validator has already changes nothing; to remove a key that is no\n"
        "       member is an error, and then nothing is submitted.\n"
        "proof  writes how each validator set followed from genesis, with the certificates of\n"
        "       those that decided it, for 'ingot verify --validator-sets'\n"
        "\n"
        "  --admin FILE        the administrator's key file\n"
        "  --node URL          a node's address for clients (" COMMAND_NODE_URL_DEFAULT ");\n"
        "                      it says which chain it is and what is in force: ask your own\n"
        "  -o, --output FILE   where to write the proof, whole and synced; '-': standard output\n"
        "  --timeout SECONDS   how long to wait until it is in force (60)\n"
        "\n"
        "A new validator's node should run and have caught up before it gets power: more than\n"
        "two thirds of the power of the new set must vote, or the chain stands still. See\n"
        "docs/operations.md.\n"
        "\n"
        "Exit status: 0 in force, or so already; 1 refused, or not known to be in force in\n"
        "time; 2 usage, or another key than the administrator's.\n",
    .run = run,
};

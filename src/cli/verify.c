/*
 * `ingot verify`: is this what a quorum of a chain's validators signed? Needs no node and no
 * network: the genesis file says who they were at first, and the attestation brings the rest.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "attest/attestation_file.h"
#include "base/hex.h"
#include "cli/command.h"
#include "cli/document.h"
#include "config/rfc3339.h"
#include "wire/crypto.h"

enum { OPTION_GENESIS = COMMAND_OPTION_OWN, OPTION_SETS, OPTION_QUIET };

struct verify_options {
    const char *document;
    const char *attestation;
    const char *genesis;
    const char *validator_sets; /* or NULL */
    bool quiet;
};

/* Everything that is read. All zero is fine. */
struct evidence {
    uint8_t digest[32]; /* of the document */
    struct genesis genesis;
    struct attestation attestation;
    struct set_proof proof;
    struct validator_set *set; /* of the attestation's epoch, once it is verified */
    uint64_t power;
};

static void evidence_deinit(struct evidence *evidence)
{
    genesis_deinit(&evidence->genesis);
    attestation_deinit(&evidence->attestation);
    set_proof_deinit(&evidence->proof);
    validator_set_unref(evidence->set);
}

/* --- Reading. --- */

static enum ingot_exit refuse(const char *file, const char *why)
{
    return command_fail(INGOT_EXIT_FAILURE, "refused: %s: %s", file, why);
}

static enum ingot_exit read_text(const char *path, struct ingot_buffer *text)
{
    char why[1024] = "";
    struct report report;
    report_init(&report, why, sizeof why);
    return file_read(path, SET_PROOF_JSON_BYTES_MAX, text, &report) == INGOT_OK
               ? INGOT_EXIT_OK
               : command_fail(INGOT_EXIT_USAGE, "%s", why);
}

/* A text that is no proof is as little worth as a wrong one: both are refused. */
static enum ingot_exit read_validator_sets(const char *path, struct evidence *evidence)
{
    char why[1024] = "";
    struct ingot_buffer text = {0};
    const enum ingot_exit code = read_text(path, &text);
    if (code != INGOT_EXIT_OK)
        return code;
    set_proof_deinit(&evidence->proof);
    const enum ingot_error error = set_proof_parse(
        ingot_buffer_slice(&text), evidence->genesis.sha256, &evidence->proof, why, sizeof why);
    ingot_buffer_deinit(&text);
    return error == INGOT_OK ? INGOT_EXIT_OK : refuse(path, why);
}

static enum ingot_exit read_attestation(const char *path, struct evidence *evidence)
{
    char why[1024] = "";
    struct ingot_buffer text = {0};
    const enum ingot_exit code = read_text(path, &text);
    if (code != INGOT_EXIT_OK)
        return code;
    const enum ingot_error error = attestation_file_parse(
        ingot_buffer_slice(&text), &evidence->attestation, &evidence->proof, why, sizeof why);
    ingot_buffer_deinit(&text);
    return error == INGOT_OK ? INGOT_EXIT_OK : refuse(path, why);
}

static enum ingot_exit read_all(const struct verify_options *options, struct evidence *evidence)
{
    char why[2048] = "";
    struct report report;
    report_init(&report, why, sizeof why);
    if (genesis_load(options->genesis, &evidence->genesis, &report) != INGOT_OK) {
        evidence->genesis = (struct genesis){0};
        return command_fail(INGOT_EXIT_USAGE, "%s", why);
    }
    if (document_digest(options->document, evidence->digest, &report) != INGOT_OK)
        return command_fail(INGOT_EXIT_USAGE, "%s", why);
    enum ingot_exit code = read_attestation(options->attestation, evidence);
    if (code == INGOT_EXIT_OK && options->validator_sets != NULL)
        code = read_validator_sets(options->validator_sets, evidence);
    return code;
}

/* --- Judging. --- */

static enum ingot_exit check(const struct verify_options *options, struct evidence *evidence)
{
    char why[1024] = "";
    const struct attestation *attestation = &evidence->attestation;
    const enum ingot_error error =
        attestation_file_verify(attestation, &evidence->proof, &evidence->genesis, &evidence->set,
                                &evidence->power, why, sizeof why);
    if (error == INGOT_ERROR_NOT_FOUND && options->validator_sets == NULL) {
        const size_t used = strlen(why);
        (void)snprintf(why + used, sizeof why - used,
                       "; 'ingot validator proof' writes them for --validator-sets");
    }
    if (error != INGOT_OK)
        return refuse(options->attestation, why);
    if (memcmp(evidence->digest, attestation->statement.digest, 32) == 0)
        return INGOT_EXIT_OK;
    char found[65];
    char expected[65];
    hex_encode_lower(evidence->digest, 32, found);
    hex_encode_lower(attestation->statement.digest, 32, expected);
    (void)snprintf(why, sizeof why, "it is not what was signed: its SHA-256 is %s, expected %s",
                   found, expected);
    return refuse(options->document, why);
}

/* --- Saying so. --- */

/* "" for validators that joined later: a genesis knows only its own. */
static const char *name_of(const struct genesis *genesis, const struct ingot_public_key *key)
{
    for (uint32_t i = 0; i < genesis->validator_count; i++)
        if (crypto_key_equal(&genesis->validators[i].validator.key, key))
            return genesis->validators[i].name;
    return "";
}

/* What somebody chose is shown as it was chosen, too, where that is a plain word. */
static void print_id(const struct statement *statement)
{
    char hex[2 * STATEMENT_ID_BYTES_MAX + 1];
    char text[STATEMENT_ID_BYTES_MAX + 1] = "";
    hex_encode_lower(statement->id.bytes, statement->id.size, hex);
    memcpy(text, statement->id.bytes, statement->id.size);
    const bool is_word = strlen(text) == statement->id.size && genesis_is_plain_word(text);
    (void)printf("id        %s%s%s\n", hex, is_word ? " " : "", is_word ? text : "");
}

static void print_hex(const char *label, const uint8_t *bytes, size_t size)
{
    char text[65];
    hex_encode_lower(bytes, size, text);
    (void)printf("%-10s%s\n", label, text);
}

static void print(const struct verify_options *options, const struct evidence *evidence)
{
    const struct attestation *attestation = &evidence->attestation;
    const struct statement *statement = &attestation->statement;
    const struct validator_set *set = evidence->set;
    (void)printf("verified: %" PRIu32 " of %" PRIu32 " validators signed %s, with power %" PRIu64
                 " of %" PRIu64 " where %" PRIu64 " is a quorum\n\n",
                 attestation->signer_count, set->count,
                 strcmp(options->document, "-") == 0 ? "standard input" : options->document,
                 evidence->power, set->total_power, set->quorum_power);
    (void)printf("chain     %s\n", evidence->genesis.chain_id);
    print_hex("genesis", statement->genesis, sizeof statement->genesis);
    /* A reliable broadcast has no blocks. */
    if (statement->height > 0) {
        char time[RFC3339_TEXT_BYTES];
        rfc3339_format_ms(statement->time_ms, time);
        (void)printf("height    %" PRIu64 "\ntime      %s\n", statement->height, time);
    }
    (void)printf("epoch     %" PRIu64 "\n", attestation->epoch);
    print_id(statement);
    print_hex("digest", statement->digest, sizeof statement->digest);
    for (uint32_t i = 0; i < attestation->signer_count; i++) {
        const struct attestation_signer *signer = &attestation->signers[i];
        char key[65];
        hex_encode_lower(signer->key.bytes, sizeof signer->key.bytes, key);
        const char *name = name_of(&evidence->genesis, &signer->key);
        (void)printf("signed by %s power %" PRIu64 "%s%s\n", key, signer->power,
                     name[0] != '\0' ? " " : "", name);
    }
}

/* --- The command line. --- */

static enum ingot_exit take_option(const struct command *command, int option, void *context)
{
    struct verify_options *options = context;
    switch (option) {
    case OPTION_GENESIS:
        options->genesis = optarg;
        return INGOT_EXIT_OK;
    case OPTION_SETS:
        options->validator_sets = optarg;
        return INGOT_EXIT_OK;
    case OPTION_QUIET:
        options->quiet = true;
        return INGOT_EXIT_OK;
    default:
        return command_usage_seen(command);
    }
}

static enum ingot_exit run(const struct command *command, int argc, char **argv)
{
    static const struct option known[] = {COMMAND_HELP_OPTION,
                                          {"genesis", required_argument, NULL, OPTION_GENESIS},
                                          {"validator-sets", required_argument, NULL, OPTION_SETS},
                                          {"quiet", no_argument, NULL, OPTION_QUIET},
                                          {NULL, 0, NULL, 0}};
    struct verify_options options = {0};
    struct evidence evidence = {0};
    enum ingot_exit code = INGOT_EXIT_OK;
    if (!command_take_options(command, argc, argv, known, take_option, &options, &code))
        return code;
    if (argc - optind < 2)
        return command_usage(command, "expected a file and its attestation");
    if (argc - optind > 2)
        return command_usage(command, "unexpected argument '%s'", argv[optind + 2]);
    if (options.genesis == NULL)
        return command_usage(command, "--genesis is missing");
    options.document = argv[optind];
    options.attestation = argv[optind + 1];
    code = read_all(&options, &evidence);
    if (code == INGOT_EXIT_OK)
        code = check(&options, &evidence);
    if (code == INGOT_EXIT_OK && !options.quiet)
        print(&options, &evidence);
    evidence_deinit(&evidence);
    return code;
}

const struct command command_verify = {
    .name = "verify",
    .summary = "check what a quorum of validators signed",
    .help =
        "usage: ingot verify FILE ATTESTATION --genesis GENESIS [--validator-sets PROOF]\n"
        "                    [--quiet]\n"
        "\n"
        "Is FILE what a quorum of the chain's validators signed, as ATTESTATION says? Needs no\n"
        "node and no network, and trusts nothing but GENESIS: get that from somebody you trust.\n"
        "Prints who signed, with which power, at which height of the chain. FILE may be - for\n"
        "standard input.\n"
        "\n"
        "  --genesis GENESIS       the chain's genesis.json\n"
        "  --validator-sets PROOF  how the validators followed from the genesis, instead of\n"
        "                          what ATTESTATION brings along\n"
        "  --quiet                 print nothing when it is verified\n"
        "\n"
        "Exit status: 0 verified, 1 refused (standard error says why), 2 usage, or a file that\n"
        "cannot be read.\n",
    .run = run,
};

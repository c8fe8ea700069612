/*
 * `ingot sign`: hands a document, or its digest, to a node, and fetches what the validators signed.
 * The waiting is in sign_wait.c. What comes back is checked against what was asked for; whether a
 * quorum stands behind it is checked where --genesis gives something to check it with.
 */
#include "cli/sign.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "attest/attestation_file.h"
#include "base/assert.h"
#include "base/hex.h"
#include "cli/chain.h"
#include "cli/document.h"
#include "config/keys.h"
#include "wire/preimage.h"

#define TIMEOUT_S_DEFAULT 60
#define TIMEOUT_S_MAX 3600
#define NONCE_BYTES 16

enum {
    OPTION_NODE = COMMAND_OPTION_OWN,
    OPTION_ATTACH,
    OPTION_WAIT,
    OPTION_AGAIN,
    OPTION_SUBMITTER,
    OPTION_GENESIS,
    OPTION_TIMEOUT
};

struct sign_options {
    const char *document;
    struct endpoint node;
    const char *output;    /* NULL or "-": standard output */
    const char *submitter; /* a key's file, or NULL */
    const char *genesis;   /* a file, or NULL */
    bool attaches;
    bool waits;
    bool again;
    uint32_t timeout_ms;
};

/* --- What is asked for. --- */

static enum ingot_exit load_genesis(struct sign *sign, const struct sign_options *options)
{
    char why[4096];
    struct report report;
    report_init(&report, why, sizeof why);
    if (options->genesis == NULL)
        return INGOT_EXIT_OK;
    if (genesis_load(options->genesis, &sign->trusted, &report) != INGOT_OK)
        return command_fail(INGOT_EXIT_USAGE, "%s", why);
    sign->has_trusted = true;
    return INGOT_EXIT_OK;
}

static enum ingot_exit read_document(struct sign *sign, const struct sign_options *options)
{
    char why[1024];
    struct report report;
    struct ingot_signing_request *request = &sign->request;
    uint64_t size = 0;
    report_init(&report, why, sizeof why);
    const enum ingot_error error =
        options->attaches ? document_read(options->document, request->digest, &sign->payload,
                                          INGOT_SIGNING_PAYLOAD_BYTES_MAX, &size, &report)
                          : document_digest(options->document, request->digest, &report);
    if (error != INGOT_OK)
        return command_fail(INGOT_EXIT_FAILURE, "%s", why);
    if (!options->attaches)
        return INGOT_EXIT_OK;
    if (size == 0 || size > INGOT_SIGNING_PAYLOAD_BYTES_MAX)
        return command_fail(INGOT_EXIT_USAGE,
                            "%s: expected 1 to %d bytes for --attach, found %" PRIu64
                            "; without it the digest alone is handed on, and any size will do",
                            options->document, INGOT_SIGNING_PAYLOAD_BYTES_MAX, size);
    request->has_payload = true;
    request->payload = ingot_buffer_slice(&sign->payload);
    return INGOT_EXIT_OK;
}

/* The node may be of another chain, or have no use for what we make. */
static enum ingot_exit check_chain(struct sign *sign)
{
    const enum ingot_exit code = chain_genesis(&sign->client, &sign->genesis);
    if (code != INGOT_EXIT_OK)
        return code;
    sign->has_genesis = true;
    if (strcmp(sign->genesis.app, "signing") != 0)
        return command_fail(INGOT_EXIT_FAILURE,
                            "chain %s runs the App %s, which signs nothing; expected signing",
                            sign->genesis.chain_id, sign->genesis.app);
    if (sign->has_trusted && !crypto_hash_equal(&sign->genesis.hash, &sign->trusted.hash))
        return command_fail(INGOT_EXIT_FAILURE,
                            "the node is of chain %s, whose genesis differs from the one given, "
                            "of chain %s",
                            sign->genesis.chain_id, sign->trusted.chain_id);
    return INGOT_EXIT_OK;
}

static enum ingot_exit sign_as_submitter(struct sign *sign, const char *path)
{
    char why[1024];
    struct report report;
    struct key_pair pair;
    struct crypto_secret_key secret;
    struct ingot_buffer preimage = {0};
    report_init(&report, why, sizeof why);
    if (key_file_load(path, KEY_SUBMITTER, &pair, &report) != INGOT_OK)
        return command_fail(INGOT_EXIT_USAGE, "%s", why);
    sign->request.has_submitter = true;
    crypto_ed25519.key_from_seed(pair.seed, &secret, &sign->request.submitter);
    ingot_signing_preimage(&preimage, &sign->genesis.hash, &sign->request);
    crypto_ed25519.sign(&secret, ingot_buffer_slice(&preimage), &sign->request.signature);
    ingot_buffer_deinit(&preimage);
    crypto_wipe(&secret, sizeof secret);
    key_pair_deinit(&pair);
    return INGOT_EXIT_OK;
}

static enum ingot_exit make_transaction(struct sign *sign, const struct sign_options *options)
{
    if (options->again) {
        crypto_random_seed(sign->nonce);
        sign->request.nonce = ingot_slice_of(sign->nonce, NONCE_BYTES);
    }
    enum ingot_exit code = INGOT_EXIT_OK;
    if (options->submitter != NULL)
        code = sign_as_submitter(sign, options->submitter);
    if (code != INGOT_EXIT_OK)
        return code;
    const enum ingot_error error = ingot_signing_transaction(&sign->transaction, &sign->request);
    INGOT_ASSERT(error == INGOT_OK);
    wire_transaction_digest(ingot_buffer_slice(&sign->transaction), &sign->id);
    hex_encode_lower(sign->id.bytes, sizeof sign->id.bytes, sign->id_text);
    return INGOT_EXIT_OK;
}

/* --- What came of it. --- */

/* The node could answer with somebody else's. */
static enum ingot_exit check_attestation(const struct sign *sign)
{
    const struct statement *statement = &sign->attestation.statement;
    if (statement->id.size != sizeof sign->id.bytes ||
        memcmp(statement->id.bytes, sign->id.bytes, sizeof sign->id.bytes) != 0)
        return command_fail(INGOT_EXIT_FAILURE,
                            "the node's attestation has another id than was submitted, %s",
                            sign->id_text);
    if (memcmp(statement->digest, sign->request.digest, sizeof statement->digest) != 0)
        return command_fail(INGOT_EXIT_FAILURE,
                            "the node's attestation is of another document than was submitted");
    if (sign->attestation.has_payload != sign->request.has_payload ||
        !ingot_slice_equal(ingot_buffer_slice(&sign->attestation.payload), sign->request.payload))
        return command_fail(INGOT_EXIT_FAILURE,
                            "the node's attestation does not have the payload that was submitted");
    return INGOT_EXIT_OK;
}

static enum ingot_exit verify(const struct sign *sign, const struct set_proof *proof)
{
    char why[512];
    uint64_t power = 0;
    struct validator_set *set = NULL;
    if (!sign->has_trusted)
        return INGOT_EXIT_OK;
    if (attestation_file_verify(&sign->attestation, proof, &sign->trusted, &set, &power, why,
                                sizeof why) != INGOT_OK)
        return command_fail(INGOT_EXIT_FAILURE, "the node's attestation does not hold: %s", why);
    validator_set_unref(set);
    return INGOT_EXIT_OK;
}

static void describe(const struct sign *sign, const char *output)
{
    uint64_t power = 0;
    for (uint32_t i = 0; i < sign->attestation.signer_count; i++)
        power += sign->attestation.signers[i].power;
    (void)printf("id        %s\n", sign->id_text);
    (void)printf("height    %" PRIu64 "\n", sign->attestation.statement.height);
    (void)printf("epoch     %" PRIu64 "\n", sign->attestation.epoch);
    (void)printf("signers   %" PRIu32 ", power %" PRIu64 "%s\n", sign->attestation.signer_count,
                 power, sign->has_trusted ? ", verified" : "");
    (void)printf("written   %s\n", output);
}

static enum ingot_exit write_attestation(const struct sign *sign, struct ingot_slice text,
                                         const char *output)
{
    char why[1024];
    struct report report;
    report_init(&report, why, sizeof why);
    if (output == NULL || strcmp(output, "-") == 0) {
        (void)fwrite(text.data, 1, text.size, stdout);
        return INGOT_EXIT_OK;
    }
    if (file_write(output, text, 0644, FILE_REPLACE, &report) != INGOT_OK)
        return command_fail(INGOT_EXIT_FAILURE, "%s", why);
    describe(sign, output);
    return INGOT_EXIT_OK;
}

static enum ingot_exit take_attestation(struct sign *sign, const struct sign_options *options)
{
    struct set_proof proof = {0};
    struct ingot_buffer text = {0};
    enum ingot_exit code = check_attestation(sign);
    if (code == INGOT_EXIT_OK)
        code =
            chain_set_changes(&sign->client, sign->attestation.epoch, sign->genesis.sha256, &proof);
    if (code == INGOT_EXIT_OK)
        code = verify(sign, &proof);
    if (code == INGOT_EXIT_OK) {
        attestation_file_format(&sign->attestation, &proof, &text);
        code = write_attestation(sign, ingot_buffer_slice(&text), options->output);
    }
    ingot_buffer_deinit(&text);
    set_proof_deinit(&proof);
    return code;
}

/* --- The command. --- */

static enum ingot_exit perform(struct sign *sign, const struct sign_options *options)
{
    enum ingot_exit code = load_genesis(sign, options);
    if (code == INGOT_EXIT_OK)
        code = read_document(sign, options);
    if (code != INGOT_EXIT_OK)
        return code;
    if (!client_init(&sign->client, &options->node))
        return command_fail(INGOT_EXIT_FAILURE, "%s", sign->client.why);
    code = check_chain(sign);
    if (code == INGOT_EXIT_OK)
        code = make_transaction(sign, options);
    if (code != INGOT_EXIT_OK)
        return code;
    if (options->waits) {
        code = sign_wait(sign, options->timeout_ms);
        return code == INGOT_EXIT_OK ? take_attestation(sign, options) : code;
    }
    code = sign_submit(sign);
    if (code == INGOT_EXIT_OK)
        (void)printf("%s\n", sign->id_text);
    return code;
}

static enum ingot_exit take_option(const struct command *command, int option, void *context)
{
    struct sign_options *options = context;
    uint64_t number = 0;
    enum ingot_exit code = INGOT_EXIT_OK;
    switch (option) {
    case OPTION_NODE:
        return command_option_node(command, optarg, &options->node);
    case OPTION_ATTACH:
        options->attaches = true;
        return code;
    case OPTION_WAIT:
        options->waits = true;
        return code;
    case OPTION_AGAIN:
        options->again = true;
        return code;
    case OPTION_SUBMITTER:
        options->submitter = optarg;
        return code;
    case OPTION_GENESIS:
        options->genesis = optarg;
        return code;
    case 'o':
        options->output = optarg;
        options->waits = true;
        return code;
    case OPTION_TIMEOUT:
        code = command_option_number(command, "timeout", 1, TIMEOUT_S_MAX, &number);
        options->timeout_ms = (uint32_t)number * 1000;
        return code;
    default:
        return command_usage_seen(command);
    }
}

static enum ingot_exit run(const struct command *command, int argc, char **argv)
{
    static const struct option known[] = {COMMAND_HELP_OPTION,
                                          {"node", required_argument, NULL, OPTION_NODE},
                                          {"attach", no_argument, NULL, OPTION_ATTACH},
                                          {"wait", no_argument, NULL, OPTION_WAIT},
                                          {"again", no_argument, NULL, OPTION_AGAIN},
                                          {"submitter", required_argument, NULL, OPTION_SUBMITTER},
                                          {"genesis", required_argument, NULL, OPTION_GENESIS},
                                          {"output", required_argument, NULL, 'o'},
                                          {"timeout", required_argument, NULL, OPTION_TIMEOUT},
                                          {NULL, 0, NULL, 0}};
    struct sign_options options = {.timeout_ms = TIMEOUT_S_DEFAULT * 1000};
    (void)command_url(COMMAND_NODE_URL_DEFAULT, &options.node);
    enum ingot_exit code = INGOT_EXIT_OK;
    if (!command_take_options(command, argc, argv, known, take_option, &options, &code))
        return code;
    if (optind + 1 != argc)
        return optind == argc
                   ? command_usage(command, "expected FILE, or - for standard input")
                   : command_usage(command, "unexpected argument '%s'", argv[optind + 1]);
    if (options.genesis != NULL && !options.waits)
        return command_usage(command, "--genesis: expected --wait or -o with it, as there is "
                                      "nothing to verify before the validators have signed");
    options.document = argv[optind];
    if (options.output != NULL && document_is_at(options.document, options.output))
        return command_usage(command, "-o: expected another file than the document, found '%s'",
                             options.output);
    struct sign sign = {.has_trusted = false};
    code = perform(&sign, &options);
    sign_deinit(&sign);
    return code;
}

const struct command command_sign = {
    .name = "sign",
    .summary = "let the validators sign a document",
    .help =
        "usage: ingot sign FILE [--attach] [--again] [--submitter KEYFILE] [--node URL]\n"
        "                  [--wait] [-o OUTPUT] [--genesis GENESIS] [--timeout SECONDS]\n"
        "\n"
        "Hands the SHA-256 of FILE ('-': standard input) to a node of a chain of the signing App.\n"
        "Prints the id under which the validators sign it, as soon as the node has it; with\n"
        "--wait or -o waits until a quorum has signed, and gives that attestation, which 'ingot\n"
        "verify' checks. A document that the chain has signed already gives the attestation from\n"
        "then, so the same command can be given again at any time.\n"
        "\n"
        "  --attach              hand on FILE itself, 1 to 65536 bytes, which goes into the chain\n"
        "                        and into the attestation for everybody to read\n"
        "  --again               sign it anew, though it may have been signed before\n"
        "  --submitter KEYFILE   sign the request ('ingot keygen --kind submitter'), where nodes\n"
        "                        take those of certain submitters only\n"
        "  --node URL            a node's address for clients (" COMMAND_NODE_URL_DEFAULT ")\n"
        "  --wait                wait for the attestation, and print it unless -o says where to\n"
        "  -o, --output OUTPUT   write it to this file, whole and synced, in place of what is\n"
        "                        there ('-': standard output); implies --wait\n"
        "  --genesis GENESIS     verify it with this genesis.json before it is given\n"
        "  --timeout SECONDS     how long to wait for it (60)\n"
        "\n"
        "Exit status: 0 done; 1 failed, refused, or not known to be signed in time; 2 usage.\n",
    .run = run,
};

/*
 * `ingot broadcast`: hands a payload to a node that runs quorum-broadcast or gossip, and waits for
 * what comes of it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/attestation_file.h"
#include "base/clock.h"
#include "base/hex.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/document.h"
#include "config/base64.h"
#include "wire/crypto.h"

/* The first node of the sample network, configuration/broadcast. */
#define NODE_URL_DEFAULT "http://127.0.0.1:27751"
#define TIMEOUT_S_DEFAULT 30
#define TIMEOUT_S_MAX 3600
/* Of an id that is chosen here; it is written as hex, so that people can give it again. */
#define RANDOM_ID_BYTES 16

enum {
    OPTION_NODE = COMMAND_OPTION_OWN,
    OPTION_PAYLOAD,
    OPTION_ID,
    OPTION_TIMEOUT,
    OPTION_OUTPUT = 'o'
};

struct broadcast_options {
    const char *url;
    const char *payload;
    const char *id;
    const char *output; /* NULL: standard output */
    uint64_t timeout_s;
    char random_id[2 * RANDOM_ID_BYTES + 1];
};

struct payload {
    struct ingot_buffer content;
    uint8_t digest[32];
};

/* Standard output is the attestation's, unless that goes to a file. */
static FILE *stream_for_people(const struct broadcast_options *options)
{
    return options->output != NULL ? stdout : stderr;
}

static json_t *params_of(const struct broadcast_options *options, const struct payload *payload)
{
    struct ingot_buffer base64 = {0};
    char id[2 * INGOT_BROADCAST_ID_BYTES_MAX + 1];
    hex_encode_lower((const uint8_t *)options->id, strlen(options->id), id);
    base64_append(&base64, ingot_buffer_slice(&payload->content));
    json_t *params = json_pack("{s:s, s:s%}", "id", id, "payload",
                               base64.size > 0 ? (char *)base64.data : "", base64.size);
    ingot_buffer_deinit(&base64);
    return params;
}

/* Is it the one of this id and payload? A quorum's signatures are `ingot verify`'s business. */
static bool fits(const struct attestation *attestation, const struct broadcast_options *options,
                 const struct payload *payload)
{
    const struct statement *statement = &attestation->statement;
    return ingot_slice_equal(ingot_slice_of(statement->id.bytes, statement->id.size),
                             ingot_slice_of_text(options->id)) &&
           memcmp(statement->digest, payload->digest, sizeof payload->digest) == 0;
}

static enum ingot_exit write_text(const struct broadcast_options *options,
                                  const struct ingot_buffer *text)
{
    char why[512];
    struct report report;
    if (options->output == NULL) {
        (void)fwrite(text->data, 1, text->size, stdout);
        return INGOT_EXIT_OK;
    }
    report_init(&report, why, sizeof why);
    if (file_write(options->output, ingot_buffer_slice(text), 0644, FILE_REPLACE, &report) !=
        INGOT_OK)
        return command_fail(INGOT_EXIT_FAILURE, "delivered, but %s", why);
    (void)printf("attestation  %s\n", options->output);
    return INGOT_EXIT_OK;
}

static enum ingot_exit take_attestation(const struct broadcast_options *options,
                                        const struct payload *payload, const json_t *value)
{
    struct attestation attestation;
    struct set_proof proof;
    struct ingot_buffer text = {0};
    char why[256] = "";
    char *json = json_dumps(value, JSON_COMPACT);
    enum ingot_exit code = INGOT_EXIT_OK;
    if (json == NULL || attestation_file_parse(ingot_slice_of_text(json), &attestation, &proof, why,
                                               sizeof why) != INGOT_OK) {
        code = command_fail(INGOT_EXIT_FAILURE, "the node's attestation cannot be read: %s", why);
    } else {
        attestation_file_format(&attestation, &proof, &text);
        code = fits(&attestation, options, payload)
                   ? write_text(options, &text)
                   : command_fail(INGOT_EXIT_FAILURE,
                                  "the node's attestation is not of this id and payload");
        attestation_deinit(&attestation);
        set_proof_deinit(&proof);
    }
    ingot_buffer_deinit(&text);
    free(json);
    return code;
}

static enum ingot_exit delivered(const struct broadcast_options *options,
                                 const struct payload *payload, const json_t *result)
{
    const json_t *attestation = client_member(result, "attestation");
    FILE *stream = json_is_object(attestation) ? stream_for_people(options) : stdout;
    char digest[2 * sizeof payload->digest + 1];
    hex_encode_lower(payload->digest, sizeof payload->digest, digest);
    (void)fprintf(stream, "delivered    digest %s\n", digest);
    if (json_is_object(attestation))
        return take_attestation(options, payload, attestation);
    if (options->output != NULL)
        return command_fail(
            INGOT_EXIT_FAILURE,
            "delivered, but there is no attestation to write: the node runs gossip");
    return INGOT_EXIT_OK;
}

static enum ingot_exit timed_out(const struct broadcast_options *options)
{
    return command_fail(INGOT_EXIT_TIMEOUT,
                        "timed out: not known to be delivered, and may still be; the same command "
                        "with --id %s asks again",
                        options->id);
}

/* A node waits no longer than it is set to: it is asked again, which begins nothing anew. */
static enum ingot_exit submit(struct client *client, const struct broadcast_options *options,
                              const struct payload *payload)
{
    const uint64_t deadline_ms = clock_monotonic_us() / 1000 + options->timeout_s * 1000;
    for (;;) {
        json_t *result = NULL;
        const uint64_t now_ms = clock_monotonic_us() / 1000;
        if (now_ms >= deadline_ms)
            return timed_out(options);
        const enum client_outcome outcome =
            client_call(client, "broadcast_submit", params_of(options, payload),
                        (uint32_t)(deadline_ms - now_ms), &result);
        if (outcome == CLIENT_TIMEOUT)
            return timed_out(options);
        if (outcome != CLIENT_OK)
            return command_fail(INGOT_EXIT_FAILURE, "%s", client->why);
        const char *state = client_text(result, "state");
        const bool is_pending = strcmp(state, "pending") == 0;
        enum ingot_exit code = INGOT_EXIT_OK;
        if (strcmp(state, "delivered") == 0)
            code = delivered(options, payload, result);
        else if (strcmp(state, "rejected") == 0)
            code = command_fail(INGOT_EXIT_FAILURE, "rejected: %s", client_text(result, "why"));
        else if (!is_pending)
            code = timed_out(options);
        json_decref(result);
        if (!is_pending)
            return code;
    }
}

static enum ingot_exit read_payload(const struct broadcast_options *options,
                                    struct payload *payload)
{
    struct report report;
    char why[512];
    uint64_t size = 0;
    report_init(&report, why, sizeof why);
    if (document_read(options->payload, payload->digest, &payload->content,
                      INGOT_BROADCAST_PAYLOAD_BYTES_MAX, &size, &report) != INGOT_OK)
        return command_fail(INGOT_EXIT_FAILURE, "%s", why);
    if (size > INGOT_BROADCAST_PAYLOAD_BYTES_MAX)
        return command_fail(
            INGOT_EXIT_FAILURE,
            "%s: the payload is too large: expected at most %d bytes, found %" PRIu64,
            options->payload, INGOT_BROADCAST_PAYLOAD_BYTES_MAX, size);
    return INGOT_EXIT_OK;
}

static enum ingot_exit perform(const struct broadcast_options *options,
                               const struct endpoint *endpoint)
{
    struct payload payload = {.content = {0}};
    struct client client;
    enum ingot_exit code = read_payload(options, &payload);
    if (code == INGOT_EXIT_OK) {
        (void)fprintf(stream_for_people(options), "id           %s\n", options->id);
        code = client_init(&client, endpoint) ? submit(&client, options, &payload)
                                              : command_fail(INGOT_EXIT_FAILURE, "%s", client.why);
        client_deinit(&client);
    }
    ingot_buffer_deinit(&payload.content);
    return code;
}

static enum ingot_exit take_option(const struct command *command, int option, void *context)
{
    struct broadcast_options *options = context;
    switch (option) {
    case OPTION_NODE:
        options->url = optarg;
        return INGOT_EXIT_OK;
    case OPTION_PAYLOAD:
        options->payload = optarg;
        return INGOT_EXIT_OK;
    case OPTION_ID:
        options->id = optarg;
        return INGOT_EXIT_OK;
    case OPTION_TIMEOUT:
        return command_option_number(command, "timeout", 1, TIMEOUT_S_MAX, &options->timeout_s);
    case OPTION_OUTPUT:
        options->output = strcmp(optarg, "-") == 0 ? NULL : optarg;
        return INGOT_EXIT_OK;
    default:
        return command_usage_seen(command);
    }
}

static void choose_id(struct broadcast_options *options)
{
    uint8_t random[CRYPTO_SEED_BYTES];
    crypto_random_seed(random);
    hex_encode_lower(random, RANDOM_ID_BYTES, options->random_id);
    options->id = options->random_id;
}

static enum ingot_exit run(const struct command *command, int argc, char **argv)
{
    static const struct option known[] = {COMMAND_HELP_OPTION,
                                          {"node", required_argument, NULL, OPTION_NODE},
                                          {"payload", required_argument, NULL, OPTION_PAYLOAD},
                                          {"id", required_argument, NULL, OPTION_ID},
                                          {"timeout", required_argument, NULL, OPTION_TIMEOUT},
                                          {"output", required_argument, NULL, OPTION_OUTPUT},
                                          {NULL, 0, NULL, 0}};
    struct broadcast_options options = {.url = NODE_URL_DEFAULT, .timeout_s = TIMEOUT_S_DEFAULT};
    struct endpoint endpoint;
    enum ingot_exit code = INGOT_EXIT_OK;
    if (!command_take_options(command, argc, argv, known, take_option, &options, &code))
        return code;
    if (optind < argc)
        return command_usage(command, "unexpected argument '%s'", argv[optind]);
    if (options.payload == NULL)
        return command_usage(command, "--payload is missing");
    if (options.output != NULL && document_is_at(options.payload, options.output))
        return command_usage(command, "-o: expected another file than the payload, found '%s'",
                             options.output);
    if (options.id == NULL)
        choose_id(&options);
    const size_t id_size = strlen(options.id);
    if (id_size == 0 || id_size > INGOT_BROADCAST_ID_BYTES_MAX)
        return command_usage(command, "--id: expected 1 to %d bytes, found %zu",
                             INGOT_BROADCAST_ID_BYTES_MAX, id_size);
    code = command_option_node(command, options.url, &endpoint);
    return code == INGOT_EXIT_OK ? perform(&options, &endpoint) : code;
}

const struct command command_broadcast = {
    .name = "broadcast",
    .summary = "have a payload delivered by nodes without a chain",
    .help =
        "usage: ingot broadcast --payload FILE|- [--id ID] [--timeout S] [-o FILE] [--node URL]\n"
        "\n"
        "Hands a payload to a node that runs quorum-broadcast or gossip, and reports when it is\n"
        "delivered. Quorum broadcast takes up to [signing] payload_bytes_max of each node, and\n"
        "gives an attestation, the signatures of a quorum of the validators over id and payload,\n"
        "which 'ingot verify' checks. Gossip takes up to 256 KiB and gives none.\n"
        "\n"
        "  --payload FILE     what to broadcast; '-' reads standard input\n"
        "  --id ID            its name, 1 to 64 bytes; an id stands for one payload (a random\n"
        "                     one, which is printed). Giving the same again is harmless\n"
        "  --timeout S        how long to wait, 1 to 3600 seconds (30)\n"
        "  -o, --output FILE  where the attestation goes ('-', as without it: standard output)\n"
        "  --node URL         the node's address for clients (" NODE_URL_DEFAULT ")\n"
        "\n"
        "Exit status: 0 delivered, 1 rejected or failed, 2 usage, 7 timed out: not known to be\n"
        "delivered, and may still be.\n",
    .run = run,
};

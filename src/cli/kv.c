/*
 * `ingot kv`: reads and writes keys of the key-value App through a node. The import of a file is
 * in kv_import.c.
 */
#include "cli/kv.h"

#include <ingot/app_kv.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "wire/crypto.h"

enum { OPTION_NODE = COMMAND_OPTION_OWN };

void kv_nonce(uint8_t nonce[KV_NONCE_BYTES])
{
    uint8_t seed[CRYPTO_SEED_BYTES];
    crypto_random_seed(seed);
    memcpy(nonce, seed, KV_NONCE_BYTES);
}

bool kv_value(const json_t *result, struct ingot_buffer *value)
{
    return client_member(result, "response") != NULL && client_u64(result, "response.code") == 0 &&
           strcmp(client_text(result, "response.log"), "does not exist") != 0 &&
           client_bytes(result, "response.value", value);
}

/* Says why an operation was refused, by the check or by the execution. */
static enum ingot_exit refused(const char *stage, const json_t *outcome)
{
    return command_fail(INGOT_EXIT_FAILURE, "%s: code %llu: %s", stage,
                        (unsigned long long)client_u64(outcome, "code"),
                        client_text(outcome, "log"));
}

/* No result is no refusal: a node that has the transaction may still get it into a block. */
static enum ingot_exit fail_submission(const struct client *client, enum client_outcome outcome)
{
    if (outcome == CLIENT_REFUSED && strstr(client->why, "timed out waiting for tx") != NULL)
        return command_fail(INGOT_EXIT_FAILURE,
                            "not known to be committed: the node has the transaction, and no block "
                            "had it in time. It may still be committed: look with 'ingot kv get'. "
                            "While the height stands still, too few validators are at work");
    if (outcome == CLIENT_TIMEOUT)
        return command_fail(INGOT_EXIT_FAILURE, "not known to be committed, and may still be: %s",
                            client->why);
    return command_fail(INGOT_EXIT_FAILURE, "%s", client->why);
}

static enum ingot_exit submit(struct client *client, const struct ingot_buffer *transaction)
{
    json_t *result = NULL;
    const enum client_outcome outcome =
        client_call(client, "broadcast_tx_commit",
                    client_tx_params(ingot_buffer_slice(transaction)), KV_CALL_TIMEOUT_MS, &result);
    if (outcome != CLIENT_OK)
        return fail_submission(client, outcome);
    enum ingot_exit code = INGOT_EXIT_OK;
    if (client_u64(result, "check_tx.code") != 0)
        code = refused("refused", client_member(result, "check_tx"));
    else if (client_u64(result, "tx_result.code") != 0)
        code = refused("committed without effect", client_member(result, "tx_result"));
    else
        (void)printf("committed at height %llu\n",
                     (unsigned long long)client_u64(result, "height"));
    json_decref(result);
    return code;
}

static enum ingot_exit too_large(enum ingot_error error)
{
    return command_fail(INGOT_EXIT_USAGE,
                        "%s: expected a key of 1 to %d bytes and a value of at most %d bytes",
                        ingot_error_text(error), INGOT_KV_KEY_BYTES_MAX, INGOT_KV_VALUE_BYTES_MAX);
}

static enum ingot_exit put(struct client *client, char **words)
{
    uint8_t nonce[KV_NONCE_BYTES];
    struct ingot_buffer transaction = {0};
    kv_nonce(nonce);
    enum ingot_error error = ingot_kv_transaction_put(&transaction, ingot_slice_of_text(words[0]),
                                                      ingot_slice_of_text(words[1]),
                                                      ingot_slice_of(nonce, sizeof nonce));
    enum ingot_exit code = error == INGOT_OK ? submit(client, &transaction) : too_large(error);
    ingot_buffer_deinit(&transaction);
    return code;
}

static enum ingot_exit delete_key(struct client *client, char **words)
{
    uint8_t nonce[KV_NONCE_BYTES];
    struct ingot_buffer transaction = {0};
    kv_nonce(nonce);
    enum ingot_error error = ingot_kv_transaction_delete(
        &transaction, ingot_slice_of_text(words[0]), ingot_slice_of(nonce, sizeof nonce));
    enum ingot_exit code = error == INGOT_OK ? submit(client, &transaction) : too_large(error);
    ingot_buffer_deinit(&transaction);
    return code;
}

static enum ingot_exit get(struct client *client, char **words)
{
    json_t *result = NULL;
    struct ingot_buffer value = {0};
    enum ingot_exit code = INGOT_EXIT_OK;
    if (client_call(client, "abci_query", client_query_params("", ingot_slice_of_text(words[0])),
                    KV_CALL_TIMEOUT_MS, &result) != CLIENT_OK) {
        code = command_fail(INGOT_EXIT_FAILURE, "%s", client->why);
    } else if (!kv_value(result, &value)) {
        code = command_fail(INGOT_EXIT_FAILURE, "%s: %s", words[0],
                            client_text(result, "response.log"));
    } else {
        (void)fwrite(value.data, 1, value.size, stdout);
        (void)putchar('\n');
    }
    ingot_buffer_deinit(&value);
    json_decref(result);
    return code;
}

struct operation {
    const char *name;
    int word_count;
    const char *words;                                           /* for complaints */
    enum ingot_exit (*run)(struct client *client, char **words); /* NULL: import */
};

static const struct operation operations[] = {
    {"put", 2, "KEY and VALUE", put},
    {"get", 1, "KEY", get},
    {"delete", 1, "KEY", delete_key},
    {"import", 1, "FILE", NULL},
};

static const struct operation *find(const char *name)
{
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        if (strcmp(operations[i].name, name) == 0)
            return &operations[i];
    return NULL;
}

static enum ingot_exit perform(const struct operation *operation, char **words,
                               struct kv_import_options *options)
{
    if (operation->run == NULL) {
        options->path = words[0];
        return kv_import(options);
    }
    struct client client;
    enum ingot_exit code = client_init(&client, &options->nodes[0])
                               ? operation->run(&client, words)
                               : command_fail(INGOT_EXIT_FAILURE, "%s", client.why);
    client_deinit(&client);
    return code;
}

static enum ingot_exit take_option(const struct command *command, int option, void *context)
{
    struct kv_import_options *options = context;
    if (option != OPTION_NODE)
        return command_usage_seen(command);
    if (options->node_count == KV_NODES_MAX)
        return command_usage(command, "--node: expected at most %d of them", KV_NODES_MAX);
    return command_option_node(command, optarg, &options->nodes[options->node_count++]);
}

static enum ingot_exit run(const struct command *command, int argc, char **argv)
{
    static const struct option known[] = {
        COMMAND_HELP_OPTION, {"node", required_argument, NULL, OPTION_NODE}, {NULL, 0, NULL, 0}};
    struct kv_import_options options = {.node_count = 0};
    enum ingot_exit code = INGOT_EXIT_OK;
    if (!command_take_options(command, argc, argv, known, take_option, &options, &code))
        return code;
    if (optind == argc)
        return command_usage(command, "expected put, get, delete or import");
    const struct operation *operation = find(argv[optind]);
    if (operation == NULL)
        return command_usage(command, "expected put, get, delete or import, found '%s'",
                             argv[optind]);
    if (argc - optind - 1 != operation->word_count)
        return command_usage(command, "%s: expected %s", operation->name, operation->words);
    if (options.node_count > 1 && operation->run != NULL)
        return command_usage(command, "%s: expected one --node", operation->name);
    if (options.node_count == 0)
        (void)command_url(COMMAND_NODE_URL_DEFAULT, &options.nodes[options.node_count++]);
    return perform(operation, argv + optind + 1, &options);
}

const struct command command_kv = {
    .name = "kv",
    .summary = "read and write keys of the key-value App",
    .help = "usage: ingot kv put KEY VALUE [--node URL]\n"
            "       ingot kv get KEY [--node URL]\n"
            "       ingot kv delete KEY [--node URL]\n"
            "       ingot kv import FILE [--node URL]...\n"
            "\n"
            "put      sets a key; returns when that is committed and prints the height\n"
            "get      prints a key's committed value\n"
            "delete   deletes a key; returns when that is committed and prints the height\n"
            "import   sets a key for each line of a file: key, tab, value ('-' reads standard\n"
            "         input). If a key is there twice, its last line counts. Keys that have\n"
            "         their value already are skipped, so that an import that was interrupted\n"
            "         can be given again.\n"
            "\n"
            "  --node URL   a node's address for clients (" COMMAND_NODE_URL_DEFAULT ");\n"
            "               import takes several and spreads the load over them\n",
    .run = run,
};

/*
 * `ingot checkpoint export` and `import`: files and folders around a checkpoint. What it is made of
 * is node/checkpoint.h's business.
 *
 * An import fills a data folder of another name, which becomes the home's own once it is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/hex.h"
#include "cli/command.h"
#include "cli/temporary.h"
#include "config/new_home.h"
#include "node/checkpoint.h"
#include "node/home_ledger.h"

enum { OPTION_HOME = COMMAND_OPTION_OWN, OPTION_OUT, OPTION_IN, OPTION_HASH, OPTION_TRUST };

struct checkpoint_options {
    const char *home;
    const char *out;
    const char *in;
    bool has_hash;
    struct ingot_hash hash;
    bool trust;
};

/* What both ends compare. */
static void print_info(const char *what, const struct checkpoint_info *info)
{
    char block[2 * INGOT_HASH_BYTES + 1];
    char hash[2 * INGOT_HASH_BYTES + 1];
    hex_encode_lower(info->block.bytes, INGOT_HASH_BYTES, block);
    hex_encode_lower(info->hash.bytes, INGOT_HASH_BYTES, hash);
    (void)printf("%s\n"
                 "height %llu\n"
                 "block  %s\n"
                 "epoch  %llu\n"
                 "keys   %llu\n"
                 "bytes  %llu\n"
                 "hash   %s\n",
                 what, (unsigned long long)info->height, block, (unsigned long long)info->epoch,
                 (unsigned long long)info->keys, (unsigned long long)info->bytes, hash);
}

/* A home, and what its genesis means. */
struct opened_home {
    struct node_home home;
    struct home_genesis genesis;
};

/* One end of the command: does its part, or says in the report why not. */
typedef enum ingot_error checkpoint_part(const struct checkpoint_options *options,
                                         const struct opened_home *opened,
                                         struct checkpoint_info *info, struct report *report);

static enum ingot_exit run_part(const struct checkpoint_options *options, checkpoint_part *part,
                                const char *what)
{
    char why[8192] = "";
    struct opened_home opened = {0};
    struct checkpoint_info info = {0};
    struct report report;
    if (config_load_home(options->home, &opened.home, why, sizeof why) != INGOT_OK)
        return command_fail(INGOT_EXIT_USAGE, "%s", why);
    enum ingot_exit code = INGOT_EXIT_OK;
    if (home_genesis_init(&opened.home.genesis, &opened.genesis, why, sizeof why) != INGOT_OK) {
        code = INGOT_EXIT_USAGE;
    } else {
        report_init(&report, why, sizeof why);
        const enum ingot_error error = part(options, &opened, &info, &report);
        if (error != INGOT_OK)
            code = home_ledger_exit(error);
    }
    home_genesis_deinit(&opened.genesis);
    node_home_deinit(&opened.home);
    if (code != INGOT_EXIT_OK)
        return command_fail(code, "%s", why);
    print_info(what, &info);
    return INGOT_EXIT_OK;
}

/* --- Export. --- */

static enum ingot_error write_stream(void *context, struct ingot_slice bytes)
{
    return file_stream_write(context, bytes);
}

static enum ingot_error export_to(const struct opened_home *opened, struct file_stream *stream,
                                  struct checkpoint_info *info, struct report *report)
{
    char why[1024] = "";
    struct home_ledger data;
    enum ingot_error error =
        home_ledger_open(&opened->home, &opened->genesis, opened->home.data_folder,
                         HOME_LEDGER_READ, &data, why, sizeof why);
    if (error == INGOT_OK) {
        const struct checkpoint_sink sink = {.write = write_stream, .context = stream};
        error = checkpoint_export(data.ledger, opened->home.genesis.replay_window_blocks, sink,
                                  info, why, sizeof why);
    }
    home_ledger_close(&data);
    if (error != INGOT_OK)
        report_add(report, "%s", why);
    return error;
}

static enum ingot_error export_file(const struct checkpoint_options *options,
                                    const struct opened_home *opened, struct checkpoint_info *info,
                                    struct report *report)
{
    struct file_stream stream;
    enum ingot_error error = file_stream_begin(&stream, options->out, report);
    if (error != INGOT_OK)
        return error;
    error = export_to(opened, &stream, info, report);
    if (error == INGOT_OK)
        return file_stream_end(&stream, 0600, report);
    file_stream_abandon(&stream);
    return error;
}

/* --- Import. --- */

static enum ingot_error read_file(void *context, uint8_t *bytes, size_t size, size_t *got)
{
    const int *file = context;
    *got = 0;
    while (*got < size) {
        const ssize_t taken = read(*file, bytes + *got, size - *got);
        if (taken < 0 && errno == EINTR)
            continue;
        if (taken < 0)
            return INGOT_ERROR_IO;
        if (taken == 0)
            break;
        *got += (size_t)taken;
    }
    return INGOT_OK;
}

/* Into a store of its own, in `folder`, which is opened once more as a node would open it. */
static enum ingot_error import_into(const struct checkpoint_options *options,
                                    const struct opened_home *opened, const char *folder, int file,
                                    struct checkpoint_info *info, struct report *report)
{
    char why[1024] = "";
    const struct settings *settings = &opened->home.settings;
    const struct ingot_store_lmdb_options store_options = {
        .folder = folder,
        .tables = ledger_tables,
        .table_count = ledger_table_count,
        .map_size_initial = settings->storage_map_size_initial,
        .map_size_max = settings->storage_map_size_max};
    struct ingot_store *store = NULL;
    enum ingot_error error = ingot_store_lmdb_open(&store_options, &store, why, sizeof why);
    if (error != INGOT_OK) {
        report_add(report, "%s", why);
        return error;
    }
    const struct checkpoint_import_options import_options = {
        .store = store,
        .genesis = opened->genesis.block,
        .genesis_set = opened->genesis.set,
        .replay_window_blocks = opened->home.genesis.replay_window_blocks,
        .scheme = &crypto_ed25519,
        .expected = options->has_hash ? &options->hash : NULL};
    const struct checkpoint_source source = {.read = read_file, .context = &file};
    error = checkpoint_import(&import_options, source, info, why, sizeof why);
    ingot_store_close(store);
    if (error != INGOT_OK) {
        report_add(report, "%s: %s", options->in, why);
        return error;
    }
    struct home_ledger data;
    struct ledger_start start;
    error = home_ledger_open(&opened->home, &opened->genesis, folder, HOME_LEDGER_WRITE, &data, why,
                             sizeof why);
    if (error == INGOT_OK)
        error = ledger_load(data.ledger, &start, why, sizeof why);
    if (error == INGOT_OK)
        ledger_start_deinit(&start);
    home_ledger_close(&data);
    if (error != INGOT_OK)
        report_add(report, "%s", why);
    return error;
}

static enum ingot_error import_through(const struct checkpoint_options *options,
                                       const struct opened_home *opened, const char *partial,
                                       int file, struct checkpoint_info *info,
                                       struct report *report)
{
    const char *data = opened->home.data_folder;
    enum ingot_error error = new_home_check_folder(data, report);
    if (error != INGOT_OK) {
        report_append(report, "; a checkpoint is for a home that has no data yet");
        return error;
    }
    error = temporary_make_partial(partial, "an import", report);
    if (error != INGOT_OK)
        return error;
    error = import_into(options, opened, partial, file, info, report);
    if (error == INGOT_OK)
        error = folder_rename(partial, data, report);
    if (error != INGOT_OK)
        temporary_remove(partial);
    return error;
}

static enum ingot_error import_file(const struct checkpoint_options *options,
                                    const struct opened_home *opened, struct checkpoint_info *info,
                                    struct report *report)
{
    INGOT_ASSERT(options->in != NULL);
    const int file = open(options->in, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        const bool is_there = errno != ENOENT;
        report_add(report, "%s: cannot be read: %s", options->in, strerror(errno));
        return is_there ? INGOT_ERROR_IO : INGOT_ERROR_NOT_FOUND;
    }
    char *partial = temporary_partial_name(opened->home.data_folder);
    const enum ingot_error error = import_through(options, opened, partial, file, info, report);
    free(partial);
    (void)close(file);
    return error;
}

/* --- The command line. --- */

static enum ingot_exit take_option(const struct command *command, int option, void *context)
{
    struct checkpoint_options *options = context;
    switch (option) {
    case OPTION_HOME:
        options->home = optarg;
        return INGOT_EXIT_OK;
    case OPTION_OUT:
        options->out = optarg;
        return INGOT_EXIT_OK;
    case OPTION_IN:
        options->in = optarg;
        return INGOT_EXIT_OK;
    case OPTION_HASH:
        options->has_hash = true;
        if (hex_decode(ingot_slice_of_text(optarg), options->hash.bytes, INGOT_HASH_BYTES))
            return INGOT_EXIT_OK;
        return command_usage(command, "--hash: expected 64 hex digits, found '%s'", optarg);
    case OPTION_TRUST:
        options->trust = true;
        return INGOT_EXIT_OK;
    default:
        return command_usage_seen(command);
    }
}

static enum ingot_exit check_options(const struct command *command, bool is_export,
                                     const struct checkpoint_options *options)
{
    if (options->home == NULL)
        return command_usage(command, "--home is missing");
    if (is_export && options->out == NULL)
        return command_usage(command, "--out is missing");
    if (is_export && (options->in != NULL || options->has_hash || options->trust))
        return command_usage(command, "export takes --home and --out");
    if (!is_export && options->in == NULL)
        return command_usage(command, "--in is missing");
    if (!is_export && options->out != NULL)
        return command_usage(command, "import takes no --out");
    if (!is_export && options->has_hash && options->trust)
        return command_usage(command, "expected --hash or --trust, not both");
    if (!is_export && !options->has_hash && !options->trust)
        return command_usage(command,
                             "expected --hash with the hash that the export printed, or --trust "
                             "to take the file as it is");
    return INGOT_EXIT_OK;
}

static enum ingot_exit run(const struct command *command, int argc, char **argv)
{
    static const struct option known[] = {COMMAND_HELP_OPTION,
                                          {"home", required_argument, NULL, OPTION_HOME},
                                          {"out", required_argument, NULL, OPTION_OUT},
                                          {"in", required_argument, NULL, OPTION_IN},
                                          {"hash", required_argument, NULL, OPTION_HASH},
                                          {"trust", no_argument, NULL, OPTION_TRUST},
                                          {NULL, 0, NULL, 0}};
    struct checkpoint_options options = {0};
    enum ingot_exit code = INGOT_EXIT_OK;
    if (!command_take_options(command, argc, argv, known, take_option, &options, &code))
        return code;
    if (optind == argc)
        return command_usage(command, "expected export or import");
    const bool is_export = strcmp(argv[optind], "export") == 0;
    if (!is_export && strcmp(argv[optind], "import") != 0)
        return command_usage(command, "expected export or import, found '%s'", argv[optind]);
    if (optind + 1 < argc)
        return command_usage(command, "unexpected argument '%s'", argv[optind + 1]);
    code = check_options(command, is_export, &options);
    if (code != INGOT_EXIT_OK)
        return code;
    return is_export ? run_part(&options, export_file, options.out)
                     : run_part(&options, import_file, options.home);
}

const struct command command_checkpoint = {
    .name = "checkpoint",
    .summary = "move a trusted state to a new node",
    .help =
        "usage: ingot checkpoint export --home DIR --out FILE\n"
        "       ingot checkpoint import --home DIR --in FILE --hash HEX|--trust\n"
        "\n"
        "A checkpoint is the state after one block, with what a node needs to go on from\n"
        "there: the validator sets with their proofs, the last blocks, the certificate. It\n"
        "has neither older blocks nor the index of transactions.\n"
        "\n"
        "export writes FILE from the data of DIR, whose node may be running, and prints the\n"
        "checkpoint's hash. import fills a home that has no data yet ('ingot init' makes one),\n"
        "verifies what can be proven, and prints the same. The state itself is in no\n"
        "certificate: compare the hash with that of an exporter you trust. The node then\n"
        "starts at that height and follows the chain. It signs nothing before the chain has\n"
        "passed a watermark, in case its key was in use before.\n"
        "\n"
        "  --home DIR   the node's home\n"
        "  --out FILE   where to; a file that is there already is not touched\n"
        "  --in FILE    the checkpoint\n"
        "  --hash HEX   the hash that the export printed; any other is refused\n"
        "  --trust      take whatever FILE says about the state\n"
        "\n"
        "Exit status: 0 done, 1 failure, 2 usage or configuration, 3 a damaged checkpoint, or\n"
        "one of another chain or hash, 5 no room on the disk.\n",
    .run = run,
};

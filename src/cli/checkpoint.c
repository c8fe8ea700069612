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
#include <sys/stat.h>
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

static enum ingot_exit open_home(const char *folder, struct opened_home *opened, char *why,
                                 size_t why_size)
{
    *opened = (struct opened_home){0};
    if (config_load_home(folder, &opened->home, why, why_size) != INGOT_OK)
        return INGOT_EXIT_USAGE;
    if (home_genesis_init(&opened->home.genesis, &opened->genesis, why, why_size) == INGOT_OK)
        return INGOT_EXIT_OK;
    node_home_deinit(&opened->home);
    return INGOT_EXIT_USAGE;
}

static void close_home(struct opened_home *opened)
{
    home_genesis_deinit(&opened->genesis);
    node_home_deinit(&opened->home);
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

static enum ingot_exit run_export(const struct checkpoint_options *options)
{
    char why[8192] = "";
    struct opened_home opened;
    const enum ingot_exit code = open_home(options->home, &opened, why, sizeof why);
    if (code != INGOT_EXIT_OK)
        return command_fail(code, "%s", why);
    struct report report;
    struct file_stream stream;
    struct checkpoint_info info;
    report_init(&report, why, sizeof why);
    enum ingot_error error = file_stream_begin(&stream, options->out, &report);
    if (error == INGOT_OK) {
        error = export_to(&opened, &stream, &info, &report);
        if (error == INGOT_OK)
            error = file_stream_end(&stream, 0600, &report);
        else
            file_stream_abandon(&stream);
    }
    close_home(&opened);
    if (error != INGOT_OK)
        return command_fail(home_ledger_exit(error), "%s", why);
    print_info(options->out, &info);
    return INGOT_EXIT_OK;
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

static enum ingot_error import_file(const struct checkpoint_options *options,
                                    const struct opened_home *opened, const char *partial, int file,
                                    struct checkpoint_info *info, struct report *report)
{
    const char *data = opened->home.data_folder;
    enum ingot_error error = new_home_check_folder(data, report);
    if (error != INGOT_OK) {
        report_append(report, "; a checkpoint is for a home that has no data yet");
        return error;
    }
    if (mkdir(partial, 0700) != 0) {
        const bool is_left = errno == EEXIST;
        report_add(report, "%s: cannot be made: %s%s", partial, strerror(errno),
                   is_left ? "; an import that was interrupted leaves it: remove it" : "");
        return is_left ? INGOT_ERROR_EXISTS : INGOT_ERROR_IO;
    }
    error = import_into(options, opened, partial, file, info, report);
    if (error == INGOT_OK)
        error = folder_rename(partial, data, report);
    if (error != INGOT_OK)
        temporary_remove(partial);
    return error;
}

static enum ingot_exit run_import(const struct checkpoint_options *options)
{
    INGOT_ASSERT(options->in != NULL);
    char why[8192] = "";
    struct opened_home opened;
    const enum ingot_exit code = open_home(options->home, &opened, why, sizeof why);
    if (code != INGOT_EXIT_OK)
        return command_fail(code, "%s", why);
    struct report report;
    struct checkpoint_info info;
    char *partial = temporary_partial_name(opened.home.data_folder);
    report_init(&report, why, sizeof why);
    enum ingot_error error = INGOT_OK;
    const int file = open(options->in, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        error = errno == ENOENT ? INGOT_ERROR_NOT_FOUND : INGOT_ERROR_IO;
        report_add(&report, "%s: cannot be read: %s", options->in, strerror(errno));
    } else {
        error = import_file(options, &opened, partial, file, &info, &report);
        (void)close(file);
    }
    free(partial);
    close_home(&opened);
    if (error != INGOT_OK)
        return command_fail(home_ledger_exit(error), "%s", why);
    print_info(options->home, &info);
    return INGOT_EXIT_OK;
}

/* --- The command line. --- */

static enum ingot_exit take_option(const struct command *command, int option,
                                   struct checkpoint_options *options)
{
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
    if (!is_export && options->has_hash == options->trust)
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
    int option;
    while ((option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
        if (option == 'h' || option == COMMAND_OPTION_HELP)
            return command_print_help(command);
        code = take_option(command, option, &options);
        if (code != INGOT_EXIT_OK)
            return code;
    }
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
    return is_export ? run_export(&options) : run_import(&options);
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

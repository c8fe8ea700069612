/*
 * `ingot backup`: a copy of a node's home, taken while the node runs or while it does not.
 *
 * The copy comes into being under a name of its own, gets the record that forbids it to sign, and
 * is given its final name last. So there is never a home under that name that may sign.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/command.h"
#include "cli/temporary.h"
#include "config/new_home.h"
#include "node/home_ledger.h"
#include "node/ledger_watermark.h"
#include "wire/crypto.h"

enum { OPTION_HOME = COMMAND_OPTION_OWN, OPTION_TO };

struct backup_options {
    const char *home;
    const char *to;
};

#define COPY_DATA_FOLDER "data"
#define COPY_FILE_BYTES_MAX (16 * 1024 * 1024)

struct backup {
    struct node_home home;
    struct home_genesis genesis;
    const char *to;
    char *partial;   /* owned: where the copy is made */
    char *data;      /* owned: its data folder */
    uint64_t height; /* of the copy */
};

/* A home file as it is, if it is there: with the owner's rights alone where it is a secret. */
static enum ingot_error copy_file(const struct backup *backup, const char *name, uint32_t mode,
                                  struct report *report)
{
    char *from = path_join(backup->home.folder, name);
    char *to = path_join(backup->partial, name);
    struct ingot_buffer content = {0};
    struct stat status;
    enum ingot_error error = INGOT_OK;
    if (stat(from, &status) == 0 || errno != ENOENT) {
        error = file_read(from, COPY_FILE_BYTES_MAX, &content, report);
        if (error == INGOT_OK)
            error = file_write(to, ingot_buffer_slice(&content), mode, FILE_KEEP_EXISTING, report);
        if (content.size > 0)
            crypto_wipe(content.data, content.size);
    }
    ingot_buffer_deinit(&content);
    free(from);
    free(to);
    return error;
}

/* The copy's data is in the copy, wherever the original keeps its own. */
static enum ingot_error copy_settings(const struct backup *backup, struct report *report)
{
    if (strcmp(backup->home.settings.data_folder, COPY_DATA_FOLDER) == 0)
        return copy_file(backup, HOME_CONFIG_FILE, 0644, report);
    struct settings settings = backup->home.settings;
    (void)snprintf(settings.data_folder, sizeof settings.data_folder, COPY_DATA_FOLDER);
    struct ingot_buffer text = {0};
    settings_format(&settings, &text);
    char *path = path_join(backup->partial, HOME_CONFIG_FILE);
    const enum ingot_error error =
        file_write(path, ingot_buffer_slice(&text), 0644, FILE_KEEP_EXISTING, report);
    free(path);
    ingot_buffer_deinit(&text);
    return error;
}

static enum ingot_error copy_store(const struct backup *backup, struct report *report)
{
    char why[1024] = "";
    struct home_ledger original;
    enum ingot_error error =
        home_ledger_open(&backup->home, &backup->genesis, backup->home.data_folder,
                         HOME_LEDGER_READ, &original, why, sizeof why);
    if (error == INGOT_OK)
        error = ingot_store_lmdb_copy(original.store, backup->data, why, sizeof why);
    home_ledger_close(&original);
    if (error != INGOT_OK)
        report_add(report, "%s", why);
    return error;
}

/*
 * Takes the right to sign from the copy. It is opened as a node would open it, and loaded: a copy
 * that cannot be started is found now.
 */
static enum ingot_error withhold(struct backup *backup, struct report *report)
{
    char why[1024] = "";
    struct home_ledger copy;
    struct ledger_start start;
    enum ingot_error error = home_ledger_open(&backup->home, &backup->genesis, backup->data,
                                              HOME_LEDGER_WRITE, &copy, why, sizeof why);
    if (error == INGOT_OK)
        error = ledger_load(copy.ledger, &start, why, sizeof why);
    if (error == INGOT_OK) {
        ledger_start_deinit(&start);
        ledger_put_withheld(copy.ledger, &(struct ledger_withheld){.is_withheld = true});
        error = ledger_sync(copy.ledger);
        if (error != INGOT_OK)
            (void)snprintf(why, sizeof why, "%s: cannot be written: %s", backup->data,
                           ingot_error_text(error));
        else
            backup->height = ledger_committed_height(copy.ledger);
    }
    home_ledger_close(&copy);
    if (error != INGOT_OK)
        report_add(report, "%s", why);
    return error;
}

static enum ingot_error fill(struct backup *backup, struct report *report)
{
    enum ingot_error error = folder_make(backup->data, 0700, report);
    if (error == INGOT_OK)
        error = copy_store(backup, report);
    if (error == INGOT_OK)
        error = withhold(backup, report);
    if (error == INGOT_OK)
        error = copy_file(backup, HOME_GENESIS_FILE, 0644, report);
    if (error == INGOT_OK)
        error = copy_file(backup, HOME_PEERS_FILE, 0644, report);
    if (error == INGOT_OK)
        error = copy_file(backup, HOME_TRANSPORT_KEY_FILE, 0600, report);
    if (error == INGOT_OK)
        error = copy_file(backup, HOME_VALIDATOR_KEY_FILE, 0600, report);
    if (error == INGOT_OK)
        error = copy_settings(backup, report);
    return error;
}

static enum ingot_error copy_home(struct backup *backup, struct report *report)
{
    enum ingot_error error = new_home_check_folder(backup->to, report);
    if (error != INGOT_OK)
        return error;
    error = temporary_make_partial(backup->partial, "a backup", report);
    if (error != INGOT_OK)
        return error;
    error = fill(backup, report);
    if (error == INGOT_OK)
        error = folder_rename(backup->partial, backup->to, report);
    if (error != INGOT_OK)
        temporary_remove(backup->partial);
    return error;
}

static enum ingot_exit run_backup(const char *home, const char *to)
{
    char why[8192] = "";
    struct backup backup = {.to = to};
    struct report report;
    if (config_load_home(home, &backup.home, why, sizeof why) != INGOT_OK)
        return command_fail(INGOT_EXIT_USAGE, "%s", why);
    backup.partial = temporary_partial_name(to);
    backup.data = path_join(backup.partial, COPY_DATA_FOLDER);
    report_init(&report, why, sizeof why);
    enum ingot_error error =
        home_genesis_init(&backup.home.genesis, &backup.genesis, why, sizeof why);
    if (error == INGOT_OK)
        error = copy_home(&backup, &report);
    home_genesis_deinit(&backup.genesis);
    node_home_deinit(&backup.home);
    free(backup.data);
    free(backup.partial);
    if (error != INGOT_OK)
        return command_fail(home_ledger_exit(error), "%s", why);
    (void)printf("%s: a copy as of height %llu.\n"
                 "A node started on it follows the chain, and signs nothing until the chain has "
                 "passed a watermark.\n"
                 "Never run it beside the original.\n",
                 to, (unsigned long long)backup.height);
    return INGOT_EXIT_OK;
}

static enum ingot_exit take_option(const struct command *command, int option, void *context)
{
    struct backup_options *options = context;
    switch (option) {
    case OPTION_HOME:
        options->home = optarg;
        return INGOT_EXIT_OK;
    case OPTION_TO:
        options->to = optarg;
        return INGOT_EXIT_OK;
    default:
        return command_usage_seen(command);
    }
}

static enum ingot_exit run(const struct command *command, int argc, char **argv)
{
    static const struct option known[] = {COMMAND_HELP_OPTION,
                                          {"home", required_argument, NULL, OPTION_HOME},
                                          {"to", required_argument, NULL, OPTION_TO},
                                          {NULL, 0, NULL, 0}};
    struct backup_options options = {.home = NULL};
    enum ingot_exit code = INGOT_EXIT_OK;
    if (!command_take_options(command, argc, argv, known, take_option, &options, &code))
        return code;
    if (optind < argc)
        return command_usage(command, "unexpected argument '%s'", argv[optind]);
    if (options.home == NULL)
        return command_usage(command, "--home is missing");
    if (options.to == NULL || options.to[0] == '\0')
        return command_usage(command, "--to is missing");
    return run_backup(options.home, options.to);
}

const struct command command_backup = {
    .name = "backup",
    .summary = "copy a node's home while it runs, without the right to sign",
    .help =
        "usage: ingot backup --home DIR --to DIR2\n"
        "\n"
        "Makes DIR2 a complete home: configuration, genesis, peers, both keys, and the data as\n"
        "one moment left it. The node of DIR may be running and is not disturbed.\n"
        "\n"
        "The original may sign more after the copy was made, so the copy has no right to sign:\n"
        "a node started on it follows the chain, and signs again by itself once the chain has\n"
        "passed a watermark that it takes from the other validators. Start it only when the\n"
        "original has stopped for good: two nodes must never run with one key.\n"
        "\n"
        "  --home DIR   the home to copy\n"
        "  --to DIR2    where to: an empty folder, or none of that name. DIR2.partial is used\n"
        "               meanwhile\n"
        "\n"
        "DIR2 holds the secret keys: keep it as safe as DIR.\n"
        "\n"
        "Exit status: 0 done, 1 failure, 2 usage or configuration, 3 damaged data or of\n"
        "another chain, 5 no room on the disk.\n",
    .run = run,
};

/*
 * Writes new homes. What may be in their files is for whoever gives the texts.
 */
#include "config/new_home.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/home.h"

void new_home_init(struct new_home *home)
{
    *home = (struct new_home){0};
    key_pair_generate(KEY_VALIDATOR, &home->validator);
    key_pair_generate(KEY_TRANSPORT, &home->transport);
    settings_init(&home->settings);
}

void new_home_deinit(struct new_home *home)
{
    key_pair_deinit(&home->validator);
    key_pair_deinit(&home->transport);
}

struct peer_entry new_home_peer_entry(const struct new_home *home, const struct endpoint *endpoint)
{
    return (struct peer_entry){.transport_key = home->transport.public_key,
                               .endpoint = *endpoint,
                               .has_validator_key = true,
                               .validator_key = home->validator.public_key};
}

static bool is_empty_or_missing(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return errno == ENOENT;
    bool is_empty = true;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            is_empty = false;
    (void)closedir(folder);
    return is_empty;
}

enum ingot_error new_home_check_folder(const char *folder, struct report *report)
{
    if (is_empty_or_missing(folder))
        return INGOT_OK;
    report_add(report, "%s: expected an empty folder, or none of that name", folder);
    return INGOT_ERROR_EXISTS;
}

/* In the order in which they are written: the settings last, as their being there is what makes a
 * folder count as a home. */
static const char *const file_names[] = {HOME_GENESIS_FILE, HOME_PEERS_FILE,
                                         HOME_VALIDATOR_KEY_FILE, HOME_TRANSPORT_KEY_FILE,
                                         HOME_CONFIG_FILE};
#define FILE_COUNT (sizeof file_names / sizeof file_names[0])

static enum ingot_error write_config(const char *path, const struct settings *settings,
                                     struct report *report)
{
    struct ingot_buffer text = {0};
    settings_format(settings, &text);
    enum ingot_error error =
        file_write(path, ingot_buffer_slice(&text), 0644, FILE_KEEP_EXISTING, report);
    ingot_buffer_deinit(&text);
    return error;
}

static enum ingot_error write_file(const char *path, const char *name, const struct new_home *home,
                                   struct report *report)
{
    if (strcmp(name, HOME_GENESIS_FILE) == 0)
        return file_write(path, home->genesis, 0644, FILE_KEEP_EXISTING, report);
    if (strcmp(name, HOME_PEERS_FILE) == 0)
        return file_write(path, home->peers, 0644, FILE_KEEP_EXISTING, report);
    if (strcmp(name, HOME_VALIDATOR_KEY_FILE) == 0)
        return key_file_save(path, &home->validator, FILE_KEEP_EXISTING, report);
    if (strcmp(name, HOME_TRANSPORT_KEY_FILE) == 0)
        return key_file_save(path, &home->transport, FILE_KEEP_EXISTING, report);
    return write_config(path, &home->settings, report);
}

static void remove_files(const char *folder, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *path = path_join(folder, file_names[i]);
        (void)unlink(path);
        free(path);
    }
}

enum ingot_error new_home_write(const char *folder, const struct new_home *home,
                                struct report *report)
{
    struct stat status;
    const bool is_ours = stat(folder, &status) != 0;
    enum ingot_error error = folder_make(folder, 0755, report);
    if (error != INGOT_OK)
        return error;
    for (size_t i = 0; i < FILE_COUNT && error == INGOT_OK; i++) {
        char *path = path_join(folder, file_names[i]);
        error = write_file(path, file_names[i], home, report);
        free(path);
        /* One that was there before stays; one that was written, but not for certain, goes. */
        if (error != INGOT_OK)
            remove_files(folder, error == INGOT_ERROR_EXISTS ? i : i + 1);
    }
    if (error != INGOT_OK && is_ours)
        (void)rmdir(folder);
    return error;
}

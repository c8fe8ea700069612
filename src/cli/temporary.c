/*
 * Makes and removes temporary folders.
 */
#define _GNU_SOURCE /* nftw */
#include "cli/temporary.h"

#include <errno.h>
#include <ftw.h>
#include <ingot/bytes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

static const char *parent_folder(void)
{
    const char *chosen = getenv("TMPDIR");
    struct statfs status;
    if (chosen != NULL && chosen[0] != '\0')
        return chosen;
    /* What is measured or kept there is meant to be on a disk. */
    return statfs("/tmp", &status) == 0 && status.f_type == TMPFS_MAGIC ? "/var/tmp" : "/tmp";
}

char *temporary_folder(const char *name)
{
    struct ingot_buffer path = {0};
    ingot_buffer_format(&path, "%s/ingot-%s-XXXXXX", parent_folder(), name);
    ingot_buffer_append_u8(&path, 0);
    if (mkdtemp((char *)path.data) == NULL) {
        const int number = errno;
        ingot_buffer_deinit(&path);
        errno = number;
        return NULL;
    }
    return (char *)path.data;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    (void)remove(path);
    return 0;
}

void temporary_remove(const char *folder)
{
    (void)nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

char *temporary_partial_name(const char *folder)
{
    struct ingot_buffer name = {0};
    size_t size = strlen(folder);
    while (size > 1 && folder[size - 1] == '/')
        size--;
    ingot_buffer_format(&name, "%.*s.partial", (int)size, folder);
    ingot_buffer_append_u8(&name, 0);
    return (char *)name.data;
}

enum ingot_error temporary_make_partial(const char *partial, const char *who, struct report *report)
{
    if (mkdir(partial, 0700) == 0)
        return INGOT_OK;
    const int number = errno;
    report_add(report, "%s: cannot be made: %s", partial, strerror(number));
    if (number != EEXIST)
        return INGOT_ERROR_IO;
    report_append(report, "; %s that was interrupted leaves it: remove it", who);
    return INGOT_ERROR_EXISTS;
}

/*
 * Folders that are there for as long as a command runs.
 */
#ifndef INGOT_CLI_TEMPORARY_H
#define INGOT_CLI_TEMPORARY_H

#include <stdint.h>

/*
 * Makes an empty folder `ingot-<name>-XXXXXX` in $TMPDIR; without that in /tmp, or in /var/tmp
 * when /tmp is kept in memory. NULL with errno; otherwise the caller frees the path.
 */
char *temporary_folder(const char *name);

/* Removes a folder with all that is in it, as far as that can be done. */
void temporary_remove(const char *folder);

/* The name under which a folder is filled that gets its own when it is whole: with ".partial"
 * behind it. The caller frees it. */
char *temporary_partial_name(const char *folder);

#endif

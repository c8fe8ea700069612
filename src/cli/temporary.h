/*
 * Folders that are there for as long as a command runs.
 */
#ifndef INGOT_CLI_TEMPORARY_H
#define INGOT_CLI_TEMPORARY_H

#include <ingot/types.h>

#include "config/file.h"

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
/*
 * Makes the folder of that name, where `who`, such as "an import", may have been interrupted
 * before. INGOT_ERROR_EXISTS or INGOT_ERROR_IO, with the reason in the report.
 */
enum ingot_error temporary_make_partial(const char *partial, const char *who,
                                        struct report *report);

#endif

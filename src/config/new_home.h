/*
 * Making a node's home folder (home.h): fresh keys, and all of its files or none.
 */
#ifndef INGOT_CONFIG_NEW_HOME_H
#define INGOT_CONFIG_NEW_HOME_H

#include "config/keys.h"
#include "config/peers.h"
#include "config/settings.h"

struct new_home {
    struct key_pair validator;
    struct key_pair transport;
    struct settings settings;
    struct ingot_slice genesis; /* the text of genesis.json; borrowed */
    struct ingot_slice peers;   /* the text of the peers file; borrowed */
};

/* Two fresh keys and the default settings, no texts. */
void new_home_init(struct new_home *home);
/* Wipes the secrets. */
void new_home_deinit(struct new_home *home);

/* The line that stands for this node in peers files; `endpoint` is where the others reach it. */
struct peer_entry new_home_peer_entry(const struct new_home *home, const struct endpoint *endpoint);

/* INGOT_OK for an empty folder or none of that name, else INGOT_ERROR_EXISTS and a complaint. */
INGOT_MUST_USE enum ingot_error new_home_check_folder(const char *folder, struct report *report);

/*
 * Writes the home. The folder is made if it is missing, its parent must be there; no file that is
 * there already is touched. After a failure everything that was made is gone again.
 *
 * Returns INGOT_OK or the error of folder_make, file_write or key_file_save; the report says which
 * file and why.
 */
INGOT_MUST_USE enum ingot_error new_home_write(const char *folder, const struct new_home *home,
                                               struct report *report);

#endif

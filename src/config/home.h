/*
 * A node's home folder, read and checked as a whole:
 *
 *   config.ini       settings of this node
 *   genesis.json     what the chain's validators agree on
 *   peers            who may connect
 *   validator.key    signs votes; not there for an observer without a key
 *   transport.key    names the node to its peers
 *   data/            the store, unless config.ini names another folder
 */
#ifndef INGOT_CONFIG_HOME_H
#define INGOT_CONFIG_HOME_H

#include "config/genesis.h"
#include "config/keys.h"
#include "config/peers.h"
#include "config/settings.h"

#define HOME_CONFIG_FILE "config.ini"
#define HOME_GENESIS_FILE "genesis.json"
#define HOME_PEERS_FILE "peers"
#define HOME_VALIDATOR_KEY_FILE "validator.key"
#define HOME_TRANSPORT_KEY_FILE "transport.key"

struct node_home {
    char *folder;      /* owned */
    char *data_folder; /* owned; the settings' one, resolved against `folder` */
    struct settings settings;
    struct genesis genesis;
    struct peer_list peers; /* as they were when the home was loaded */
    bool has_validator_key; /* false: an observer without a key */
    bool is_validator;      /* the key is in the genesis set; later sets are the chain's business */
    struct key_pair validator_key;
    struct key_pair transport_key;
};

/*
 * Loads every file of a home and checks that they fit together. `folder` is copied.
 *
 * @why  on failure one complaint a line, each with file, place and expectation; why_size bytes at
 *       most, NUL-terminated.
 *
 * Returns INGOT_OK, and then `home` must be deinitialised; else the first error met, and `home`
 * holds nothing. All errors mean that an operator has to act.
 */
INGOT_MUST_USE enum ingot_error config_load_home(const char *folder, struct node_home *home,
                                                 char *why, size_t why_size);
/*
 * Reads the peers file of a loaded home again, with the checks of config_load_home; `home` stays as
 * it is. `peers` must be deinitialised only after INGOT_OK.
 */
INGOT_MUST_USE enum ingot_error config_load_peers(const struct node_home *home,
                                                  struct peer_list *peers, char *why,
                                                  size_t why_size);
/* Frees everything and wipes the keys. All zero is fine. */
void node_home_deinit(struct node_home *home);

#endif

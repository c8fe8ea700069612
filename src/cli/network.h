/*
 * A network of nodes on one machine: makes a home folder for each, with one genesis and one peers
 * file for all.
 */
#ifndef INGOT_CLI_NETWORK_H
#define INGOT_CLI_NETWORK_H

#include "cli/command.h"
#include "config/home.h"

#define NETWORK_BASE_PORT_DEFAULT 27650
/* In the network's folder, beside the homes. */
#define NETWORK_ADMINISTRATOR_KEY_FILE "administrator.key"

struct network_plan {
    const char *folder;       /* homes are `folder`/node0, node1, ... */
    uint32_t validator_count; /* 1 to INGOT_VALIDATORS_MAX */
    const char *app;
    enum settings_protocol protocol;
    const char *chain_id; /* NULL: a random one */
    uint64_t genesis_time_ns;
    uint16_t base_port;     /* node i: peers on base_port + 2i, clients on base_port + 2i + 1 */
    const uint64_t *powers; /* validator_count of them, or NULL for 1 each */
    bool has_test_keys;     /* mark the keys as public, see config/keys.h */
};

/*
 * Makes the homes and, where network_has_administrator, the administrator's key. The folder must be
 * empty or missing; its parent must be there.
 *
 * Returns INGOT_OK, INGOT_ERROR_EXISTS when the folder holds something, INGOT_ERROR_INVALID when
 * the genesis would break a rule, or another error of writing; the report says which file and why.
 */
INGOT_MUST_USE enum ingot_error network_make(const struct network_plan *plan,
                                             struct report *report);

/* Is there somebody who may change the validators? The null App, and nodes without a chain, take
 * no such changes. */
bool network_has_administrator(const struct network_plan *plan);

/* The ports of a node; false when there is none so high. */
bool network_ports(const struct network_plan *plan, uint32_t node, uint16_t *peer_port,
                   uint16_t *client_port);

/* The App that --app names, if one of this name comes with the program. */
enum ingot_exit network_option_app(const struct command *command, const char **app);

/* The protocol that --protocol names. */
enum ingot_exit network_option_protocol(const struct command *command,
                                        enum settings_protocol *protocol);

/* How many homes node0, node1, ... a folder holds. */
uint32_t network_count(const char *folder);
/* The path of a node's home; the caller frees it. */
char *network_home(const char *folder, uint32_t node);

#endif

/*
 * The validator set as a node shows it to clients.
 */
#ifndef INGOT_CLI_VALIDATORS_H
#define INGOT_CLI_VALIDATORS_H

#include "cli/client.h"
#include "cli/command.h"

#define VALIDATORS_CALL_TIMEOUT_MS 5000

struct validators {
    uint64_t height; /* of the block that the set certifies; those below are as committed */
    uint64_t epoch;
    uint64_t total_power;
    uint32_t count;
    struct ingot_validator list[INGOT_VALIDATORS_MAX]; /* ordered by key */
};

/*
 * Asks for the set of a block, or with height 0 for the current one: that of the next block. Not
 * CLIENT_OK: `client->why` says why.
 */
enum client_outcome validators_read(struct client *client, uint64_t height,
                                    struct validators *validators);

/* The power of a key, 0 when it is no member. */
uint64_t validators_power(const struct validators *validators, const struct ingot_public_key *key);

/* `ingot validator set`, in validator_set.c. */
struct validator_change_options {
    struct endpoint node;
    const char *administrator; /* the key's file */
    uint32_t timeout_ms;
    uint32_t change_count;
    struct ingot_validator changes[INGOT_VALIDATORS_MAX];
};

/* Makes the changes and returns when they are in force, or cannot be, or the time is up. */
enum ingot_exit validator_change(const struct validator_change_options *options);

#endif

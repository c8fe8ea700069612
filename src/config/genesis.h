/*
 * genesis.json: what all validators of a chain agree on before its first block.
 *
 *   {
 *     "chain_id": "test-chain",                       1 to 50 of A-Z a-z 0-9 . _ -
 *     "genesis_time": "2026-01-01T00:00:00Z",         RFC 3339
 *     "app": "signing",                               signing (if left out), kv or null
 *     "parameters": {                                 each may be left out
 *       "leader_tenure": 16,                          4 if left out
 *       "replay_window_blocks": 256,
 *       "block_payload_bytes_max": 1048576,
 *       "transaction_bytes_max": 262144,
 *       "administrator": "<public key>"               none if left out
 *     },
 *     "validators": [
 *       {"public_key": "<64 hex digits or base64>", "power": 10 or "10", "name": "node0"}
 *     ]
 *   }
 *
 * The genesis hash, which is the chain's name, is BLAKE2b-256 of the canonical bytes, so it does
 * not depend on the JSON's formatting, order, or on leaving out a default. Canonical bytes, all
 * integers little-endian:
 *
 *   "ingot/genesis/1"                    15 bytes, no NUL
 *   u32 length, chain_id
 *   u64 genesis_time                     nanoseconds since 1970-01-01 UTC
 *   u32 length, app
 *   u32 leader_tenure
 *   u32 replay_window_blocks
 *   u32 block_payload_bytes_max
 *   u32 transaction_bytes_max
 *   u8  1 and 32 bytes of the administrator's key, or u8 0
 *   u32 number of validators, and for each, in ascending order of key: 32 bytes key, u64 power
 *
 * Names of validators are labels for people and are not covered.
 */
#ifndef INGOT_CONFIG_GENESIS_H
#define INGOT_CONFIG_GENESIS_H

#include <ingot/types.h>

#include "config/file.h"
#include "core/types.h"

#define GENESIS_APP_BYTES_MAX 32
#define GENESIS_NAME_BYTES_MAX 64
#define GENESIS_FILE_BYTES_MAX (1024 * 1024)
#define GENESIS_TRANSACTION_BYTES_DEFAULT (256 * 1024)
#define GENESIS_BLOCK_PAYLOAD_BYTES_LEAST 1024

struct genesis_validator {
    struct ingot_validator validator;
    char name[GENESIS_NAME_BYTES_MAX + 1]; /* empty: none */
};

struct genesis {
    char chain_id[INGOT_CHAIN_ID_BYTES_MAX + 1];
    char app[GENESIS_APP_BYTES_MAX + 1];
    uint64_t time_ns; /* since 1970-01-01 UTC */
    uint32_t leader_tenure;
    uint32_t replay_window_blocks;
    uint32_t block_payload_bytes_max;
    uint32_t transaction_bytes_max;
    bool has_administrator;
    struct ingot_public_key administrator;
    uint32_t validator_count;             /* 1 to INGOT_VALIDATORS_MAX */
    struct genesis_validator *validators; /* owned; ascending order of key */
    uint64_t total_power;
    struct ingot_hash hash; /* of the canonical bytes: the chain's name */
    uint8_t sha256[32];     /* of the same bytes: the chain's name in attestations */
};

/* No validators, the default App and parameters, no hash. */
void genesis_init(struct genesis *genesis);
void genesis_deinit(struct genesis *genesis);

/*
 * Reads a genesis from JSON text; `name` is how complaints call it (the file's path). Complaints
 * name the line (broken JSON) or the JSON path (broken rule) and what was expected. `genesis` need
 * not be initialised; it must be deinitialised only after INGOT_OK.
 *
 * Returns INGOT_OK or INGOT_ERROR_INVALID.
 */
INGOT_MUST_USE enum ingot_error genesis_parse(struct ingot_slice json, const char *name,
                                              struct genesis *genesis, struct report *report);
/* As genesis_parse, or the error of file_read. */
INGOT_MUST_USE enum ingot_error genesis_load(const char *path, struct genesis *genesis,
                                             struct report *report);

/*
 * Orders the validators, checks every rule that the parser checks, and fills total_power and both
 * hashes. For a genesis that was made by hand rather than read.
 *
 * Returns INGOT_OK or INGOT_ERROR_INVALID.
 */
INGOT_MUST_USE enum ingot_error genesis_finish(struct genesis *genesis, const char *name,
                                               struct report *report);

/* A chain_id or an App's name: A-Z a-z 0-9 . _ -, at least one. These go into file names, logs and
 * URLs unquoted. */
bool genesis_is_plain_word(const char *text);

/*
 * The set of epoch 0, with its hash; a reference for the caller. NULL, and a static sentence in
 * `*why`, when the validators break a rule.
 */
struct validator_set *genesis_validator_set(const struct genesis *genesis, const char **why);

void genesis_canonical(const struct genesis *genesis, struct ingot_buffer *bytes);
/* JSON as shown above, indented, with every default written out. */
void genesis_format(const struct genesis *genesis, struct ingot_buffer *json);

#endif

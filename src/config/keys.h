/*
 * Key files: an ed25519 key pair each, readable by its owner alone.
 *
 *   ingot-key-1 validator          or: transport, administrator, submitter
 *   public 8f3c...                 64 hex digits
 *   secret 9d61...                 64 hex digits: the seed of RFC 8032
 *   insecure-test-key              optional
 *
 * The last line marks a key that is public anyway, as in the test network that comes with the
 * sources: its file may be readable by others, and whoever uses it is warned.
 */
#ifndef INGOT_CONFIG_KEYS_H
#define INGOT_CONFIG_KEYS_H

#include <ingot/types.h>

#include "config/file.h"

#define KEY_SEED_BYTES 32

enum key_kind { KEY_VALIDATOR, KEY_TRANSPORT, KEY_ADMINISTRATOR, KEY_SUBMITTER };
#define KEY_KINDS 4

struct key_pair {
    enum key_kind kind;
    bool is_test_key;
    struct ingot_public_key public_key;
    uint8_t seed[KEY_SEED_BYTES];
};

/* Fresh from the system's random source. */
void key_pair_generate(enum key_kind kind, struct key_pair *pair);
/* Derived from a seed: tests and reproducible test networks. */
void key_pair_from_seed(enum key_kind kind, const uint8_t seed[KEY_SEED_BYTES],
                        struct key_pair *pair);
/* Wipes the secret. */
void key_pair_deinit(struct key_pair *pair);

/* "validator", "transport", "administrator", "submitter". */
const char *key_kind_text(enum key_kind kind);

/*
 * Reads a key from the text of its file; `name` is how complaints call it. INGOT_OK, or
 * INGOT_ERROR_INVALID and `pair` is wiped.
 */
INGOT_MUST_USE enum ingot_error key_file_parse(struct ingot_slice text, const char *name,
                                               enum key_kind kind, struct key_pair *pair,
                                               struct report *report);
/*
 * Reads a key file. The report names the file, the line and what was expected; for a file that
 * group or others may read, the chmod to type. `pair` is wiped on failure.
 *
 * Returns INGOT_OK, INGOT_ERROR_INVALID, INGOT_ERROR_PERMISSION (the mode), INGOT_ERROR_NOT_FOUND
 * or another error of file_read.
 */
INGOT_MUST_USE enum ingot_error key_file_load(const char *path, enum key_kind kind,
                                              struct key_pair *pair, struct report *report);

/*
 * Writes a key file, mode 0600, whole and synced. An existing file stays unless `overwrite` says
 * otherwise: a lost validator key cannot be had again.
 *
 * Returns INGOT_OK, INGOT_ERROR_EXISTS, or another error of file_write.
 */
INGOT_MUST_USE enum ingot_error key_file_save(const char *path, const struct key_pair *pair,
                                              enum file_overwrite overwrite, struct report *report);

#endif

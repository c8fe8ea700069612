/*
 * Public keys as an operator writes them.
 */
#ifndef INGOT_CONFIG_PUBLIC_KEY_H
#define INGOT_CONFIG_PUBLIC_KEY_H

#include <ingot/types.h>

/* The rule of crypto_ed25519, for genesis and for keys that are let in later. */
bool public_key_is_valid(const struct ingot_public_key *key);

/* 64 hex digits or 44 characters of base64 of a valid key; `key` is unchanged if false. */
bool public_key_parse(struct ingot_slice text, struct ingot_public_key *key);

bool public_key_equal(const struct ingot_public_key *a, const struct ingot_public_key *b);

#endif

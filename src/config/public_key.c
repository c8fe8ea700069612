/*
 * Public keys as text, and which of them may be let in. Nothing here signs or verifies.
 */
#include "config/public_key.h"

#include <string.h>

#include "base/hex.h"
#include "config/base64.h"
#include "wire/crypto.h"

#define BASE64_CHARACTERS 44

bool public_key_is_valid(const struct ingot_public_key *key)
{
    return crypto_ed25519.key_is_valid(key);
}

bool public_key_parse(struct ingot_slice text, struct ingot_public_key *key)
{
    struct ingot_public_key parsed;
    if (text.size == BASE64_CHARACTERS) {
        struct ingot_buffer bytes = {0};
        const bool is_whole = base64_decode(text, &bytes) && bytes.size == sizeof parsed.bytes;
        if (is_whole)
            memcpy(parsed.bytes, bytes.data, sizeof parsed.bytes);
        ingot_buffer_deinit(&bytes);
        if (!is_whole)
            return false;
    } else if (!hex_decode(text, parsed.bytes, sizeof parsed.bytes)) {
        return false;
    }
    if (!public_key_is_valid(&parsed))
        return false;
    *key = parsed;
    return true;
}

bool public_key_equal(const struct ingot_public_key *a, const struct ingot_public_key *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

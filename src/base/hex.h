/*
 * Bytes as hexadecimal text and back.
 */
#ifndef INGOT_BASE_HEX_H
#define INGOT_BASE_HEX_H

#include <ingot/bytes.h>

/* Writes 2 * size digits and a NUL to `text`. */
void hex_encode_lower(const uint8_t *bytes, size_t size, char *text);
void hex_encode_upper(const uint8_t *bytes, size_t size, char *text);
/* Exactly 2 * size digits of either case, no sign, prefix or space: true and `bytes` filled. */
bool hex_decode(struct ingot_slice text, uint8_t *bytes, size_t size);

#endif

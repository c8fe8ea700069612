/*
 * Bytes as base64 (RFC 4648, section 4) and back.
 */
#ifndef INGOT_CONFIG_BASE64_H
#define INGOT_CONFIG_BASE64_H

#include <ingot/bytes.h>

/* With padding. */
void base64_append(struct ingot_buffer *text, struct ingot_slice bytes);
/* With its padding and nothing else: true, and the bytes are appended. */
bool base64_decode(struct ingot_slice text, struct ingot_buffer *bytes);

#endif

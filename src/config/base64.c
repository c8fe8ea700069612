/*
 * Base64 by libsodium, into buffers. See base64.h.
 */
#include "config/base64.h"

#include <sodium.h>

void base64_append(struct ingot_buffer *text, struct ingot_slice bytes)
{
    static const uint8_t none[1];
    const size_t size = sodium_base64_ENCODED_LEN(bytes.size, sodium_base64_VARIANT_ORIGINAL);
    ingot_buffer_reserve(text, size);
    (void)sodium_bin2base64((char *)text->data + text->size, size,
                            bytes.size == 0 ? none : bytes.data, bytes.size,
                            sodium_base64_VARIANT_ORIGINAL);
    text->size += size - 1; /* without the NUL */
}

/* libsodium's decoder (1.0.18) takes every byte from 0x80 on for a '/'. */
static bool is_ascii(struct ingot_slice text)
{
    uint8_t any = 0;
    for (size_t i = 0; i < text.size; i++)
        any |= text.data[i];
    return any < 0x80;
}

bool base64_decode(struct ingot_slice text, struct ingot_buffer *bytes)
{
    size_t size = 0;
    if (text.size == 0)
        return true;
    if (!is_ascii(text))
        return false;
    ingot_buffer_reserve(bytes, text.size / 4 * 3 + 3);
    if (sodium_base642bin(bytes->data + bytes->size, bytes->capacity - bytes->size,
                          (const char *)text.data, text.size, NULL, &size, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return false;
    bytes->size += size;
    return true;
}

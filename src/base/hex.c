/*
 * Hexadecimal text. Decoding is strict: exact length, digits only.
 */
#include "base/hex.h"

static void encode(const uint8_t *bytes, size_t size, const char *digits, char *text)
{
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * size] = '\0';
}

void hex_encode_lower(const uint8_t *bytes, size_t size, char *text)
{
    encode(bytes, size, "0123456789abcdef", text);
}

void hex_encode_upper(const uint8_t *bytes, size_t size, char *text)
{
    encode(bytes, size, "0123456789ABCDEF", text);
}

/* The value of a digit, or -1. */
static int digit_value(uint8_t digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

bool hex_decode(struct ingot_slice text, uint8_t *bytes, size_t size)
{
    if (text.size / 2 != size || text.size % 2 != 0)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (digit_value(text.data[i]) < 0)
            return false;
    }
    for (size_t i = 0; i < size; i++) {
        unsigned high = (unsigned)digit_value(text.data[2 * i]);
        unsigned low = (unsigned)digit_value(text.data[2 * i + 1]);
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

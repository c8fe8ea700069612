/*
 * The small readers of text: hex, base64, times, addresses, public keys, key files. What is
 * accepted is written again as the same text, or reads back as the same value.
 */
#include <string.h>

#include "base/hex.h"
#include "base/log.h"
#include "config/base64.h"
#include "config/keys.h"
#include "config/peers.h"
#include "config/public_key.h"
#include "config/rfc3339.h"
#include "fuzz/fuzz.h"
#include "wire/crypto.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    require(crypto_init());
    return 0;
}

static void read_bytes(struct ingot_slice text)
{
    uint8_t bytes[64];
    char hex[2 * sizeof bytes + 1];
    const size_t size = text.size / 2;
    if (size <= sizeof bytes && hex_decode(text, bytes, size)) {
        hex_encode_lower(bytes, size, hex);
        require(text.size == 2 * size);
        for (size_t i = 0; i < text.size; i++) {
            const uint8_t digit = text.data[i];
            require((digit >= 'A' && digit <= 'F' ? digit + ('a' - 'A') : digit) == hex[i]);
        }
    }
    struct ingot_buffer decoded = {0};
    struct ingot_buffer again = {0};
    struct ingot_buffer written = {0};
    if (base64_decode(text, &decoded)) {
        base64_append(&written, ingot_buffer_slice(&decoded));
        require(ingot_slice_equal(ingot_buffer_slice(&written), text));
        require(base64_decode(ingot_buffer_slice(&written), &again));
        require(ingot_slice_equal(ingot_buffer_slice(&again), ingot_buffer_slice(&decoded)));
    }
    ingot_buffer_deinit(&decoded);
    ingot_buffer_deinit(&again);
    ingot_buffer_deinit(&written);
}

static void read_times(struct ingot_slice text)
{
    char written[RFC3339_TEXT_BYTES];
    uint64_t time = 0;
    uint64_t again = 0;
    if (rfc3339_parse_ns(text, &time)) {
        rfc3339_format_ns(time, written);
        require(rfc3339_parse_ns(ingot_slice_of_text(written), &again) && again == time);
    }
    if (rfc3339_parse_exact_ms(text, &time)) {
        rfc3339_format_ms(time, written);
        require(ingot_slice_equal(ingot_slice_of_text(written), text));
    }
}

static void read_names(struct ingot_slice text)
{
    struct endpoint endpoint;
    struct endpoint again;
    struct ingot_buffer written = {0};
    if (endpoint_parse(text, ENDPOINT_PORT_ANY, &endpoint)) {
        endpoint_format(&endpoint, &written);
        require(endpoint_parse(ingot_buffer_slice(&written), ENDPOINT_PORT_ANY, &again));
        require(strcmp(endpoint.host, again.host) == 0 && endpoint.port == again.port);
        require(endpoint_parse(text, ENDPOINT_PORT_NONZERO, &again) == (endpoint.port != 0));
    }
    ingot_buffer_deinit(&written);
    struct ingot_public_key key;
    if (public_key_parse(text, &key)) {
        require(public_key_is_valid(&key) && (text.size == 64 || text.size == 44));
    }
    char word[32];
    enum log_level level;
    enum log_format format;
    if (text.size < sizeof word) {
        memcpy(word, text.data, text.size);
        word[text.size] = '\0';
        (void)log_level_parse(word, &level);
        (void)log_format_parse(word, &format);
    }
}

static void read_key_file(struct ingot_slice text)
{
    static const struct key_pair wiped;
    for (int kind = 0; kind < KEY_KINDS; kind++) {
        char complaints[512] = "";
        struct report report;
        struct key_pair pair;
        report_init(&report, complaints, sizeof complaints);
        if (key_file_parse(text, "key", (enum key_kind)kind, &pair, &report) == INGOT_OK) {
            require(report.count == 0 && pair.kind == (enum key_kind)kind);
            require(public_key_is_valid(&pair.public_key));
        } else {
            require(report.count == 1 && strncmp(complaints, "key:", 4) == 0);
            require(memcmp(&pair, &wiped, sizeof pair) == 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ingot_slice text = {data, size};
    if (size == 0) {
        return 0;
    }
    read_bytes(text);
    read_times(text);
    read_names(text);
    read_key_file(text);
    return 0;
}

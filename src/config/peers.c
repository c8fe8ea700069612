/*
 * Reads and writes the peers file. Host names are checked for form only; nothing is resolved.
 */
#include "config/peers.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hex.h"
#include "config/public_key.h"

static bool port_parse(struct ingot_slice text, enum endpoint_port rule, uint16_t *port)
{
    uint32_t value = 0;
    if (text.size == 0 || text.size > 5 || (text.size > 1 && text.data[0] == '0'))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(text.data[i] - '0');
    }
    if (value > UINT16_MAX || (value == 0 && rule == ENDPOINT_PORT_NONZERO))
        return false;
    *port = (uint16_t)value;
    return true;
}

static bool is_name_character(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* A numeric address, or what can be a host name: labels of up to 63 characters. */
static bool name_is_valid(const char *name)
{
    size_t label = 0;
    for (const char *c = name; *c != '\0'; c++) {
        if (!is_name_character((uint8_t)*c))
            return false;
        label = *c == '.' ? 0 : label + 1;
        if (label > 63 || (*c == '.' && (c == name || c[-1] == '.')))
            return false;
    }
    /* Digits and dots alone are an IPv4 address, and then a whole one. */
    if (strspn(name, "0123456789.") == strlen(name)) {
        struct in_addr address;
        return inet_pton(AF_INET, name, &address) == 1;
    }
    return true;
}

bool endpoint_parse(struct ingot_slice text, enum endpoint_port port, struct endpoint *endpoint)
{
    size_t colon = text.size;
    while (colon > 0 && text.data[colon - 1] != ':')
        colon--;
    if (colon < 2)
        return false;
    struct ingot_slice host = {text.data, colon - 1};
    bool is_bracketed = host.data[0] == '[' && host.data[host.size - 1] == ']';
    if (is_bracketed)
        host = (struct ingot_slice){host.data + 1, host.size >= 2 ? host.size - 2 : 0};
    struct endpoint parsed = {.port = 0};
    if (host.size == 0 || host.size > ENDPOINT_HOST_BYTES_MAX ||
        memchr(host.data, 0, host.size) != NULL ||
        !port_parse((struct ingot_slice){text.data + colon, text.size - colon}, port, &parsed.port))
        return false;
    memcpy(parsed.host, host.data, host.size);
    struct in6_addr address;
    if (is_bracketed ? inet_pton(AF_INET6, parsed.host, &address) != 1
                     : !name_is_valid(parsed.host))
        return false;
    *endpoint = parsed;
    return true;
}

void endpoint_format(const struct endpoint *endpoint, struct ingot_buffer *text)
{
    bool has_colon = strchr(endpoint->host, ':') != NULL;
    ingot_buffer_format(text, has_colon ? "[%s]:%u" : "%s:%u", endpoint->host,
                        (unsigned)endpoint->port);
}

/* The next word of a line; empty at its end. */
static struct ingot_slice take_word(struct ingot_slice *line)
{
    while (line->size > 0 && (line->data[0] == ' ' || line->data[0] == '\t')) {
        line->data++;
        line->size--;
    }
    size_t size = 0;
    while (size < line->size && line->data[size] != ' ' && line->data[size] != '\t')
        size++;
    struct ingot_slice word = {line->data, size};
    line->data += size;
    line->size -= size;
    return word;
}

static bool key_parse(struct ingot_slice text, struct ingot_public_key *key)
{
    return text.size == 2 * INGOT_PUBLIC_KEY_BYTES && public_key_parse(text, key);
}

/* What is wrong with a line, or NULL. */
static const char *entry_parse(struct ingot_slice line, struct peer_entry *entry)
{
    struct ingot_slice transport = take_word(&line);
    struct ingot_slice endpoint = take_word(&line);
    struct ingot_slice validator = take_word(&line);
    struct ingot_slice surplus = take_word(&line);
    if (!key_parse(transport, &entry->transport_key))
        return "expected the peer's transport key, 64 hex digits of an ed25519 public key, first";
    if (!endpoint_parse(endpoint, ENDPOINT_PORT_NONZERO, &entry->endpoint)) {
        return "expected host:port after the transport key, with a port of 1 to 65535 and an "
               "IPv6 address in brackets";
    }
    entry->has_validator_key = validator.size > 0;
    if (entry->has_validator_key && !key_parse(validator, &entry->validator_key)) {
        return "expected the validator key, 64 hex digits of an ed25519 public key, or nothing "
               "after host:port";
    }
    return surplus.size > 0 ? "expected nothing after the validator key" : NULL;
}

static void report_duplicates(const struct peer_list *peers, const struct peer_entry *entry,
                              const char *name, struct report *report)
{
    for (uint32_t i = 0; i < peers->count; i++) {
        const struct peer_entry *other = &peers->entries[i];
        if (public_key_equal(&other->transport_key, &entry->transport_key)) {
            report_add(report,
                       "%s:%u: expected each transport key once, this one is on line %u already",
                       name, entry->line, other->line);
        }
        if (entry->has_validator_key && other->has_validator_key &&
            public_key_equal(&other->validator_key, &entry->validator_key)) {
            report_add(report,
                       "%s:%u: expected each validator key once, this one is on line %u already",
                       name, entry->line, other->line);
        }
    }
}

static void line_parse(struct ingot_slice line, uint32_t number, const char *name,
                       struct peer_list *peers, struct report *report)
{
    const uint8_t *comment = line.size > 0 ? memchr(line.data, '#', line.size) : NULL;
    if (comment != NULL)
        line.size = (size_t)(comment - line.data);
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    struct ingot_slice rest = line;
    if (take_word(&rest).size == 0)
        return;
    struct peer_entry entry = {.line = number};
    const char *problem = entry_parse(line, &entry);
    if (problem != NULL) {
        report_add(report, "%s:%u: %s", name, number, problem);
        return;
    }
    if (peers->count == INGOT_PEERS_MAX) {
        report_add(report, "%s:%u: expected at most %d peers", name, number, INGOT_PEERS_MAX);
        return;
    }
    report_duplicates(peers, &entry, name, report);
    peers->entries = alloc_resize(peers->entries, peers->count + 1, sizeof *peers->entries);
    peers->entries[peers->count++] = entry;
}

enum ingot_error peers_parse(struct ingot_slice text, const char *name, struct peer_list *peers,
                             struct report *report)
{
    *peers = (struct peer_list){0};
    uint32_t count_before = report->count;
    uint32_t number = 0;
    while (text.size > 0) {
        const uint8_t *end = memchr(text.data, '\n', text.size);
        size_t size = end != NULL ? (size_t)(end - text.data) : text.size;
        line_parse((struct ingot_slice){text.data, size}, ++number, name, peers, report);
        size_t taken = end != NULL ? size + 1 : size;
        text.data += taken;
        text.size -= taken;
    }
    if (report->count > count_before) {
        peers_deinit(peers);
        return INGOT_ERROR_INVALID;
    }
    return INGOT_OK;
}

enum ingot_error peers_load(const char *path, struct peer_list *peers, struct report *report)
{
    struct ingot_buffer content = {0};
    enum ingot_error error = file_read(path, PEERS_FILE_BYTES_MAX, &content, report);
    if (error == INGOT_OK)
        error = peers_parse(ingot_buffer_slice(&content), path, peers, report);
    ingot_buffer_deinit(&content);
    return error;
}

void peers_deinit(struct peer_list *peers)
{
    free(peers->entries);
    *peers = (struct peer_list){0};
}

void peers_format_entry(const struct peer_entry *entry, struct ingot_buffer *text)
{
    char key[2 * INGOT_PUBLIC_KEY_BYTES + 1];
    hex_encode_lower(entry->transport_key.bytes, sizeof entry->transport_key.bytes, key);
    ingot_buffer_format(text, "%s ", key);
    endpoint_format(&entry->endpoint, text);
    if (entry->has_validator_key) {
        hex_encode_lower(entry->validator_key.bytes, sizeof entry->validator_key.bytes, key);
        ingot_buffer_format(text, " %s", key);
    }
    ingot_buffer_append_u8(text, '\n');
}

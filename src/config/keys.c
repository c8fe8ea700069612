/*
 * Key pairs and their files. Secrets are wiped from every buffer that held them.
 */
#include "config/keys.h"

#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/hex.h"
#include "wire/crypto.h"

#define KEY_FILE_BYTES_MAX 4096
#define KEY_HEX_BYTES (2 * KEY_SEED_BYTES)

_Static_assert(KEY_SEED_BYTES == CRYPTO_SEED_BYTES, "a key file holds what the scheme starts from");

void key_pair_from_seed(enum key_kind kind, const uint8_t seed[KEY_SEED_BYTES],
                        struct key_pair *pair)
{
    struct crypto_secret_key secret;
    *pair = (struct key_pair){.kind = kind};
    memcpy(pair->seed, seed, KEY_SEED_BYTES);
    crypto_ed25519.key_from_seed(seed, &secret, &pair->public_key);
    crypto_wipe(&secret, sizeof secret);
}

void key_pair_generate(enum key_kind kind, struct key_pair *pair)
{
    uint8_t seed[KEY_SEED_BYTES];
    crypto_random_seed(seed);
    key_pair_from_seed(kind, seed, pair);
    crypto_wipe(seed, sizeof seed);
}

void key_pair_deinit(struct key_pair *pair)
{
    crypto_wipe(pair, sizeof *pair);
}

const char *key_kind_text(enum key_kind kind)
{
    switch (kind) {
    case KEY_VALIDATOR:
        return "validator";
    case KEY_TRANSPORT:
        return "transport";
    case KEY_ADMINISTRATOR:
        return "administrator";
    case KEY_SUBMITTER:
        return "submitter";
    }
    return "unknown";
}

static const char *with_article(enum key_kind kind)
{
    switch (kind) {
    case KEY_VALIDATOR:
        return "a validator";
    case KEY_TRANSPORT:
        return "a transport";
    case KEY_ADMINISTRATOR:
        return "an administrator";
    case KEY_SUBMITTER:
        return "a submitter";
    }
    return "an unknown";
}

/* Where a key file is being read, for complaints. */
struct key_reader {
    const char *path;
    enum key_kind kind;
    struct ingot_slice rest;
    uint32_t line;
    struct report *report;
};

/* The next line without its end; false when there is none. */
static bool take_line(struct key_reader *reader, struct ingot_slice *line)
{
    if (reader->rest.size == 0)
        return false;
    const uint8_t *end = memchr(reader->rest.data, '\n', reader->rest.size);
    size_t size = end != NULL ? (size_t)(end - reader->rest.data) : reader->rest.size;
    *line = (struct ingot_slice){reader->rest.data, size};
    size_t taken = end != NULL ? size + 1 : size;
    reader->rest.data += taken;
    reader->rest.size -= taken;
    reader->line++;
    return true;
}

static bool line_is(struct ingot_slice line, const char *text)
{
    return ingot_slice_equal(line, ingot_slice_of_text(text));
}

/* `word`, a space and 64 hex digits. */
static bool take_hex_line(struct key_reader *reader, const char *word, uint8_t bytes[32])
{
    struct ingot_slice line = {0};
    struct ingot_slice label;
    bool is_fine = take_line(reader, &line) && ingot_slice_take(&line, strlen(word), &label) &&
                   line_is(label, word) && ingot_slice_take(&line, 1, &label) &&
                   line_is(label, " ") && hex_decode(line, bytes, 32);
    if (!is_fine) {
        report_add(reader->report, "%s:%u: expected '%s' and 64 hex digits", reader->path,
                   reader->line > 0 ? reader->line : 1, word);
    }
    return is_fine;
}

static bool read_header(struct key_reader *reader)
{
    struct ingot_slice line = {0};
    bool is_ours = take_line(reader, &line);
    for (int kind = 0; is_ours && kind < KEY_KINDS; kind++) {
        struct ingot_buffer header = {0};
        ingot_buffer_format(&header, "ingot-key-1 %s", key_kind_text((enum key_kind)kind));
        bool is_match = ingot_slice_equal(line, ingot_buffer_slice(&header));
        ingot_buffer_deinit(&header);
        if (is_match && kind == (int)reader->kind)
            return true;
        if (is_match) {
            report_add(reader->report, "%s:1: expected %s key, found %s key", reader->path,
                       with_article(reader->kind), with_article((enum key_kind)kind));
            return false;
        }
    }
    report_add(reader->report, "%s:1: expected 'ingot-key-1 %s'", reader->path,
               key_kind_text(reader->kind));
    return false;
}

static bool read_tail(struct key_reader *reader, bool *is_test_key)
{
    struct ingot_slice line;
    while (take_line(reader, &line)) {
        if (*is_test_key || !line_is(line, "insecure-test-key")) {
            report_add(reader->report,
                       "%s:%u: expected the end of the file (or, once, 'insecure-test-key')",
                       reader->path, reader->line);
            return false;
        }
        *is_test_key = true;
    }
    return true;
}

enum ingot_error key_file_parse(struct ingot_slice text, const char *name, enum key_kind kind,
                                struct key_pair *pair, struct report *report)
{
    struct key_reader reader = {.path = name, .kind = kind, .rest = text, .report = report};
    struct ingot_public_key written;
    uint8_t seed[KEY_SEED_BYTES];
    bool is_test_key = false;
    enum ingot_error error = INGOT_ERROR_INVALID;
    if (read_header(&reader) && take_hex_line(&reader, "public", written.bytes) &&
        take_hex_line(&reader, "secret", seed) && read_tail(&reader, &is_test_key)) {
        key_pair_from_seed(kind, seed, pair);
        pair->is_test_key = is_test_key;
        if (crypto_key_equal(&written, &pair->public_key)) {
            error = INGOT_OK;
        } else {
            report_add(report,
                       "%s:2: expected the public key that belongs to the secret on line 3: the "
                       "file is damaged",
                       name);
        }
    }
    crypto_wipe(seed, sizeof seed);
    if (error != INGOT_OK)
        key_pair_deinit(pair);
    return error;
}

/* What others can read is no secret, and an attacker's signature is as good as ours. */
static enum ingot_error check_mode(const char *path, const struct key_pair *pair,
                                   struct report *report)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        report_add(report, "%s: its mode cannot be read", path);
        return INGOT_ERROR_IO;
    }
    if ((status.st_mode & 077) == 0 || pair->is_test_key)
        return INGOT_OK;
    report_add(report,
               "%s: expected a file that only its owner can read, its mode is %04o; type: "
               "chmod 600 %s",
               path, (unsigned)(status.st_mode & 07777), path);
    return INGOT_ERROR_PERMISSION;
}

enum ingot_error key_file_load(const char *path, enum key_kind kind, struct key_pair *pair,
                               struct report *report)
{
    struct ingot_buffer content = {0};
    *pair = (struct key_pair){.kind = kind};
    enum ingot_error error = file_read(path, KEY_FILE_BYTES_MAX, &content, report);
    if (error == INGOT_OK)
        error = key_file_parse(ingot_buffer_slice(&content), path, kind, pair, report);
    if (error == INGOT_OK)
        error = check_mode(path, pair, report);
    if (error != INGOT_OK)
        key_pair_deinit(pair);
    if (content.capacity > 0)
        crypto_wipe(content.data, content.capacity);
    ingot_buffer_deinit(&content);
    return error;
}

enum ingot_error key_file_save(const char *path, const struct key_pair *pair,
                               enum file_overwrite overwrite, struct report *report)
{
    char public_text[KEY_HEX_BYTES + 1];
    char secret_text[KEY_HEX_BYTES + 1];
    hex_encode_lower(pair->public_key.bytes, sizeof pair->public_key.bytes, public_text);
    hex_encode_lower(pair->seed, sizeof pair->seed, secret_text);
    struct ingot_buffer content = {0};
    ingot_buffer_reserve(&content, 512); /* enough, so that it is never moved and left behind */
    ingot_buffer_format(&content, "ingot-key-1 %s\npublic %s\nsecret %s\n%s",
                        key_kind_text(pair->kind), public_text, secret_text,
                        pair->is_test_key ? "insecure-test-key\n" : "");
    enum ingot_error error =
        file_write(path, ingot_buffer_slice(&content), 0600, overwrite, report);
    if (error == INGOT_ERROR_EXISTS)
        report_append(report, " (a key that is overwritten is lost for good)");
    crypto_wipe(secret_text, sizeof secret_text);
    crypto_wipe(content.data, content.capacity);
    ingot_buffer_deinit(&content);
    return error;
}

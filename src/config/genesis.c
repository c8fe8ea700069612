/*
 * The rules of a genesis, its canonical bytes and its hash. Reading and writing the JSON is in
 * genesis_json.c.
 */
#include "config/genesis.h"

#include <ingot/apps.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/public_key.h"
#include "wire/preimage.h"

void genesis_init(struct genesis *genesis)
{
    *genesis = (struct genesis){
        .leader_tenure = INGOT_LEADER_TENURE_DEFAULT,
        .replay_window_blocks = INGOT_REPLAY_WINDOW_BLOCKS_DEFAULT,
        .block_payload_bytes_max = INGOT_BLOCK_PAYLOAD_BYTES_DEFAULT,
        .transaction_bytes_max = GENESIS_TRANSACTION_BYTES_DEFAULT,
        .app = INGOT_APP_DEFAULT,
    };
}

void genesis_deinit(struct genesis *genesis)
{
    free(genesis->validators);
    *genesis = (struct genesis){0};
}

bool genesis_is_plain_word(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        bool is_plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                        (*c >= '0' && *c <= '9') || *c == '.' || *c == '_' || *c == '-';
        if (!is_plain)
            return false;
    }
    return text[0] != '\0';
}

static void check_range(const char *name, const char *key, uint32_t value, uint32_t min,
                        uint32_t max, struct report *report)
{
    if (value < min || value > max) {
        report_add(report, "%s: parameters.%s: expected %" PRIu32 " to %" PRIu32 ", found %" PRIu32,
                   name, key, min, max, value);
    }
}

static void check_header(const struct genesis *genesis, const char *name, struct report *report)
{
    if (!genesis_is_plain_word(genesis->chain_id)) {
        report_add(report, "%s: chain_id: expected 1 to %d characters of A-Z a-z 0-9 . _ -", name,
                   INGOT_CHAIN_ID_BYTES_MAX);
    }
    if (!genesis_is_plain_word(genesis->app)) {
        report_add(report,
                   "%s: app: expected an App's name (such as signing or kv), 1 to %d characters of "
                   "A-Z a-z 0-9 . _ -",
                   name, GENESIS_APP_BYTES_MAX);
    }
    check_range(name, "leader_tenure", genesis->leader_tenure, 1, INGOT_LEADER_TENURE_MAX, report);
    check_range(name, "replay_window_blocks", genesis->replay_window_blocks, 1,
                INGOT_REPLAY_WINDOW_BLOCKS_MAX, report);
    check_range(name, "block_payload_bytes_max", genesis->block_payload_bytes_max,
                GENESIS_BLOCK_PAYLOAD_BYTES_LEAST, INGOT_BLOCK_PAYLOAD_BYTES_MAX, report);
    check_range(name, "transaction_bytes_max", genesis->transaction_bytes_max, 1,
                INGOT_TRANSACTION_BYTES_MAX, report);
    if ((uint64_t)genesis->transaction_bytes_max + 4 > genesis->block_payload_bytes_max) {
        report_add(report,
                   "%s: parameters.transaction_bytes_max: expected at least 4 bytes less than "
                   "parameters.block_payload_bytes_max, which is %" PRIu32 "; found %" PRIu32,
                   name, genesis->block_payload_bytes_max, genesis->transaction_bytes_max);
    }
    if (genesis->has_administrator && !public_key_is_valid(&genesis->administrator)) {
        report_add(report, "%s: parameters.administrator: expected a valid ed25519 public key",
                   name);
    }
}

/* A member and its place in the file, so that complaints name that. */
struct member {
    const struct ingot_validator *validator;
    uint32_t index;
};

static int compare_members(const void *a, const void *b)
{
    const struct member *first = a;
    const struct member *second = b;
    int order =
        memcmp(first->validator->key.bytes, second->validator->key.bytes, INGOT_PUBLIC_KEY_BYTES);
    return order != 0 ? order : (first->index > second->index) - (first->index < second->index);
}

static void check_duplicates(const struct genesis *genesis, const char *name, struct report *report)
{
    struct member *members = alloc_zeroed(genesis->validator_count, sizeof *members);
    for (uint32_t i = 0; i < genesis->validator_count; i++)
        members[i] = (struct member){&genesis->validators[i].validator, i};
    qsort(members, genesis->validator_count, sizeof *members, compare_members);
    for (uint32_t i = 1; i < genesis->validator_count; i++) {
        if (memcmp(members[i - 1].validator->key.bytes, members[i].validator->key.bytes,
                   INGOT_PUBLIC_KEY_BYTES) == 0) {
            report_add(report,
                       "%s: validators[%" PRIu32 "].public_key: expected each key once, "
                       "validators[%" PRIu32 "] has the same",
                       name, members[i].index, members[i - 1].index);
        }
    }
    free(members);
}

static void check_validators(struct genesis *genesis, const char *name, struct report *report)
{
    uint32_t count = genesis->validator_count;
    genesis->total_power = 0;
    if (count == 0 || count > INGOT_VALIDATORS_MAX) {
        report_add(report, "%s: validators: expected 1 to %d of them, found %" PRIu32, name,
                   INGOT_VALIDATORS_MAX, count);
        return;
    }
    bool is_too_much = false;
    for (uint32_t i = 0; i < count; i++) {
        const struct ingot_validator *validator = &genesis->validators[i].validator;
        if (!public_key_is_valid(&validator->key)) {
            report_add(report,
                       "%s: validators[%" PRIu32 "].public_key: expected a valid ed25519 public "
                       "key",
                       name, i);
        }
        if (validator->power == 0 || validator->power > INGOT_TOTAL_POWER_MAX) {
            report_add(report,
                       "%s: validators[%" PRIu32 "].power: expected 1 to %" PRIu64
                       ", found %" PRIu64,
                       name, i, INGOT_TOTAL_POWER_MAX, validator->power);
        } else if (!is_too_much) {
            /* Each addend and the sum so far are at most 2^60, so this cannot overflow. */
            genesis->total_power += validator->power;
            is_too_much = genesis->total_power > INGOT_TOTAL_POWER_MAX;
        }
    }
    if (is_too_much) {
        report_add(report, "%s: validators: expected a total power of at most %" PRIu64, name,
                   INGOT_TOTAL_POWER_MAX);
    }
    check_duplicates(genesis, name, report);
}

static int compare_validators(const void *a, const void *b)
{
    const struct genesis_validator *first = a;
    const struct genesis_validator *second = b;
    return memcmp(first->validator.key.bytes, second->validator.key.bytes, INGOT_PUBLIC_KEY_BYTES);
}

enum ingot_error genesis_finish(struct genesis *genesis, const char *name, struct report *report)
{
    uint32_t count_before = report->count;
    check_header(genesis, name, report);
    check_validators(genesis, name, report);
    if (report->count > count_before)
        return INGOT_ERROR_INVALID;
    qsort(genesis->validators, genesis->validator_count, sizeof *genesis->validators,
          compare_validators);
    struct ingot_buffer canonical = {0};
    genesis_canonical(genesis, &canonical);
    crypto_blake2b(ingot_buffer_slice(&canonical), &genesis->hash);
    crypto_sha256(ingot_buffer_slice(&canonical), genesis->sha256);
    ingot_buffer_deinit(&canonical);
    return INGOT_OK;
}

struct validator_set *genesis_validator_set(const struct genesis *genesis, const char **why)
{
    struct ingot_validator *members = alloc_zeroed(genesis->validator_count, sizeof *members);
    for (uint32_t i = 0; i < genesis->validator_count; i++)
        members[i] = genesis->validators[i].validator;
    struct validator_set *set = validator_set_new(0, members, genesis->validator_count, why);
    free(members);
    if (set != NULL)
        wire_seal_set(set);
    return set;
}

static void append_text(struct ingot_buffer *bytes, const char *text)
{
    struct ingot_slice slice = ingot_slice_of_text(text);
    ingot_buffer_append_u32(bytes, (uint32_t)slice.size);
    ingot_buffer_append_slice(bytes, slice);
}

void genesis_canonical(const struct genesis *genesis, struct ingot_buffer *bytes)
{
    ingot_buffer_append_slice(bytes, ingot_slice_of_text("ingot/genesis/1"));
    append_text(bytes, genesis->chain_id);
    ingot_buffer_append_u64(bytes, genesis->time_ns);
    append_text(bytes, genesis->app);
    ingot_buffer_append_u32(bytes, genesis->leader_tenure);
    ingot_buffer_append_u32(bytes, genesis->replay_window_blocks);
    ingot_buffer_append_u32(bytes, genesis->block_payload_bytes_max);
    ingot_buffer_append_u32(bytes, genesis->transaction_bytes_max);
    ingot_buffer_append_u8(bytes, genesis->has_administrator ? 1 : 0);
    if (genesis->has_administrator)
        ingot_buffer_append(bytes, genesis->administrator.bytes, INGOT_PUBLIC_KEY_BYTES);
    ingot_buffer_append_u32(bytes, genesis->validator_count);
    for (uint32_t i = 0; i < genesis->validator_count; i++) {
        const struct ingot_validator *validator = &genesis->validators[i].validator;
        ingot_buffer_append(bytes, validator->key.bytes, INGOT_PUBLIC_KEY_BYTES);
        ingot_buffer_append_u64(bytes, validator->power);
    }
}

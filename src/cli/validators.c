/*
 * Reads the validator set of a node, page by page.
 */
#include "cli/validators.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

#define PER_PAGE 100

static json_t *page_params(uint64_t height, unsigned page)
{
    json_t *params =
        json_pack("{s:I, s:I}", "page", (json_int_t)page, "per_page", (json_int_t)PER_PAGE);
    INGOT_ASSERT(params != NULL);
    if (height > 0) {
        const int failed = json_object_set_new(params, "height", json_integer((json_int_t)height));
        INGOT_ASSERT(failed == 0);
    }
    return params;
}

/* Appends a page's members. False when this is no answer of ours. */
static bool take_page(const json_t *page, struct validators *validators)
{
    const json_t *list = client_member(page, "validators");
    const uint64_t total = client_u64(page, "total");
    const size_t count = json_array_size(list);
    if (count == 0 || total > INGOT_VALIDATORS_MAX || count > total - validators->count)
        return false;
    validators->height = client_u64(page, "block_height");
    validators->epoch = client_u64(page, "ingot.epoch");
    validators->total_power = client_u64(page, "ingot.total_power");
    for (size_t i = 0; i < count; i++) {
        const json_t *member = json_array_get(list, i);
        struct ingot_validator *validator = &validators->list[validators->count];
        struct ingot_buffer key = {0};
        const bool is_key =
            client_bytes(member, "pub_key.value", &key) && key.size == sizeof validator->key.bytes;
        if (is_key)
            memcpy(validator->key.bytes, key.data, key.size);
        ingot_buffer_deinit(&key);
        validator->power = client_u64(member, "voting_power");
        if (!is_key || validator->power == 0)
            return false;
        validators->count++;
    }
    return true;
}

enum client_outcome validators_read(struct client *client, uint64_t height,
                                    struct validators *validators)
{
    *validators = (struct validators){.height = height};
    uint64_t total = 1;
    for (unsigned page = 1; validators->count < total; page++) {
        json_t *result = NULL;
        /* Once a height is known all pages are of that one, whatever is committed meanwhile. */
        const enum client_outcome outcome =
            client_call(client, "validators", page_params(validators->height, page),
                        VALIDATORS_CALL_TIMEOUT_MS, &result);
        if (outcome != CLIENT_OK)
            return outcome;
        total = client_u64(result, "total");
        const bool is_page = take_page(result, validators);
        json_decref(result);
        if (!is_page) {
            (void)snprintf(client->why, sizeof client->why,
                           "the node's answer to 'validators' is not understood");
            return CLIENT_NOT_UNDERSTOOD;
        }
    }
    return CLIENT_OK;
}

uint64_t validators_power(const struct validators *validators, const struct ingot_public_key *key)
{
    for (uint32_t i = 0; i < validators->count; i++) {
        if (memcmp(validators->list[i].key.bytes, key->bytes, sizeof key->bytes) == 0)
            return validators->list[i].power;
    }
    return 0;
}

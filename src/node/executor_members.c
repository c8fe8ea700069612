/*
 * The members of a validator set while an execution changes them. Changes that would break a rule
 * of sets are refused where they are asked for, so what is left at the end is always a set.
 */
#include <string.h>

#include "base/assert.h"
#include "node/executor_internal.h"
#include "wire/preimage.h"

void members_begin(struct members *members, const struct validator_set *set)
{
    INGOT_ASSERT(set->count <= INGOT_VALIDATORS_MAX);
    members->count = set->count;
    memcpy(members->list, set->validators, set->count * sizeof *members->list);
}

static int compare_keys(const struct ingot_validator *a, const struct ingot_validator *b)
{
    return memcmp(a->key.bytes, b->key.bytes, INGOT_PUBLIC_KEY_BYTES);
}

/* Where the key is; or would be, if false. */
static bool find(const struct members *members, const struct ingot_validator *validator,
                 uint32_t *index)
{
    uint32_t low = 0;
    uint32_t high = members->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (compare_keys(&members->list[middle], validator) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *index = low;
    return low < members->count && compare_keys(&members->list[low], validator) == 0;
}

static void remove_member(struct members *members, uint32_t index)
{
    members->count--;
    memmove(members->list + index, members->list + index + 1,
            (members->count - index) * sizeof *members->list);
}

static void insert_member(struct members *members, uint32_t index)
{
    memmove(members->list + index + 1, members->list + index,
            (members->count - index) * sizeof *members->list);
    members->count++;
}

static bool has_repeated_key(const struct ingot_validator *changes, uint32_t change_count)
{
    for (uint32_t i = 1; i < change_count; i++) {
        for (uint32_t other = 0; other < i; other++) {
            if (compare_keys(&changes[other], &changes[i]) == 0)
                return true;
        }
    }
    return false;
}

/* No sum is taken beyond the limit, so none overflows. */
static bool has_power_above_limit(const struct members *members)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        if (members->list[i].power > INGOT_TOTAL_POWER_MAX - total)
            return true;
        total += members->list[i].power;
    }
    return false;
}

enum ingot_error members_change(struct members *members, const struct crypto_scheme *scheme,
                                const struct ingot_validator *changes, uint32_t change_count)
{
    struct members changed = *members;
    uint32_t index = 0;
    if (has_repeated_key(changes, change_count))
        return INGOT_ERROR_EXISTS;
    /* Who leaves makes room for who comes, whatever their order. */
    for (uint32_t i = 0; i < change_count; i++) {
        if (!scheme->key_is_valid(&changes[i].key))
            return INGOT_ERROR_INVALID;
        if (changes[i].power == 0 && find(&changed, &changes[i], &index))
            remove_member(&changed, index);
    }
    for (uint32_t i = 0; i < change_count; i++) {
        if (changes[i].power == 0)
            continue;
        if (!find(&changed, &changes[i], &index)) {
            if (changed.count == INGOT_VALIDATORS_MAX)
                return INGOT_ERROR_FULL;
            insert_member(&changed, index);
        }
        changed.list[index] = changes[i];
    }
    if (changed.count == 0)
        return INGOT_ERROR_REJECTED;
    if (has_power_above_limit(&changed))
        return INGOT_ERROR_TOO_LARGE;
    *members = changed;
    return INGOT_OK;
}

uint32_t members_updates(const struct members *members, const struct validator_set *set,
                         struct ingot_validator updates[MEMBERS_UPDATES_MAX])
{
    uint32_t count = 0;
    uint32_t before = 0;
    uint32_t after = 0;
    while (before < set->count || after < members->count) {
        const struct ingot_validator *old = &set->validators[before];
        const struct ingot_validator *new = &members->list[after];
        const int order = before == set->count      ? 1
                          : after == members->count ? -1
                                                    : compare_keys(old, new);
        if (order < 0)
            updates[count++] = (struct ingot_validator){.key = old->key, .power = 0};
        else if (order > 0 || old->power != new->power)
            updates[count++] = *new;
        before += order <= 0;
        after += order >= 0;
    }
    return count;
}

struct validator_set *members_set_after(const struct members *members,
                                        const struct validator_set *set, uint64_t block_view)
{
    const char *why = NULL;
    struct validator_set *next =
        validator_set_new(set->epoch + 1, members->list, members->count, &why);
    INGOT_ASSERT(next != NULL);
    next->first_view = epoch_first_view(block_view);
    wire_seal_set(next);
    return next;
}

/*
 * The members of a validator set while an execution changes them. A change that would break a rule
 * of sets is refused where it is asked for, so what is left at the end is always a set.
 */
#include <string.h>

#include "base/assert.h"
#include "node/executor_internal.h"
#include "wire/preimage.h"

void members_begin(struct members *members, const struct validator_set *set)
{
    INGOT_ASSERT(set->count <= INGOT_VALIDATORS_MAX);
    members->count = set->count;
    members->total_power = set->total_power;
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

static enum ingot_error remove_member(struct members *members, uint32_t index)
{
    if (members->count == 1)
        return INGOT_ERROR_REJECTED;
    members->total_power -= members->list[index].power;
    members->count--;
    memmove(members->list + index, members->list + index + 1,
            (members->count - index) * sizeof *members->list);
    return INGOT_OK;
}

enum ingot_error members_set(struct members *members, const struct ingot_validator *validator)
{
    uint32_t index = 0;
    const bool is_member = find(members, validator, &index);
    if (validator->power == 0)
        return is_member ? remove_member(members, index) : INGOT_OK;
    if (!is_member && members->count == INGOT_VALIDATORS_MAX)
        return INGOT_ERROR_FULL;
    const uint64_t others = members->total_power - (is_member ? members->list[index].power : 0);
    if (validator->power > INGOT_TOTAL_POWER_MAX - others)
        return INGOT_ERROR_TOO_LARGE;
    if (!is_member) {
        memmove(members->list + index + 1, members->list + index,
                (members->count - index) * sizeof *members->list);
        members->count++;
    }
    members->list[index] = *validator;
    members->total_power = others + validator->power;
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
                                        const struct validator_set *set)
{
    const char *why = NULL;
    struct validator_set *next =
        validator_set_new(set->epoch + 1, members->list, members->count, &why);
    INGOT_ASSERT(next != NULL);
    wire_seal_set(next);
    return next;
}

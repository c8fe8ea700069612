/*
 * Validator sets and sets of signers as values. A set that breaks a rule never comes to be.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/mutant.h"
#include "core/types.h"

static int key_compare(const struct ingot_public_key *a, const struct ingot_public_key *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

/* Insertion sort: sets are small, mostly sorted, and this needs no libc ordering. */
static void sort_by_key(struct ingot_validator *validators, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        const struct ingot_validator moving = validators[i];
        uint32_t at = i;
        while (at > 0 && key_compare(&validators[at - 1].key, &moving.key) > 0) {
            validators[at] = validators[at - 1];
            at--;
        }
        validators[at] = moving;
    }
}

static const char *check_members(const struct ingot_validator *sorted, uint32_t count,
                                 uint64_t *total_power)
{
    *total_power = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (sorted[i].power == 0) {
            return "a validator's power must be at least 1";
        }
        if (sorted[i].power > INGOT_TOTAL_POWER_MAX - *total_power) {
            return "the total power must not exceed 2^60";
        }
        *total_power += sorted[i].power;
        if (i > 0 && key_compare(&sorted[i - 1].key, &sorted[i].key) == 0) {
            return "a validator's key must not occur twice";
        }
    }
    return NULL;
}

struct validator_set *validator_set_new(uint64_t epoch, const struct ingot_validator *members,
                                        uint32_t count, const char **why)
{
    if (count == 0) {
        *why = "a validator set must not be empty";
        return NULL;
    }
    if (count > INGOT_VALIDATORS_MAX) {
        *why = "a validator set has at most 256 members";
        return NULL;
    }
    struct validator_set *set =
        alloc_zeroed(1, sizeof *set + (size_t)count * sizeof set->validators[0]);
    memcpy(set->validators, members, (size_t)count * sizeof *members);
    sort_by_key(set->validators, count);
    *why = check_members(set->validators, count, &set->total_power);
    if (*why != NULL) {
        free(set);
        return NULL;
    }
    set->references = 1;
    set->epoch = epoch;
    set->first_view = 1;
    set->count = count;
    set->quorum_power = ingot_quorum_power(set->total_power) - MUTANT(SMALL_QUORUM);
    set->one_honest_power = ingot_one_honest_power(set->total_power);
    return set;
}

struct validator_set *validator_set_ref(struct validator_set *set)
{
    set->references++;
    return set;
}

void validator_set_unref(struct validator_set *set)
{
    if (set != NULL && --set->references == 0) {
        free(set);
    }
}

uint32_t validator_set_find(const struct validator_set *set, const struct ingot_public_key *key)
{
    uint32_t low = 0;
    uint32_t high = set->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = key_compare(&set->validators[middle].key, key);
        if (order == 0) {
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return VALIDATOR_NONE;
}

bool signers_has(const struct signers *signers, uint32_t index)
{
    INGOT_ASSERT(index < INGOT_VALIDATORS_MAX);
    return (signers->bits[index / 8] >> (index % 8) & 1) != 0;
}

void signers_add(struct signers *signers, uint32_t index)
{
    INGOT_ASSERT(index < INGOT_VALIDATORS_MAX);
    signers->bits[index / 8] = (uint8_t)(signers->bits[index / 8] | 1U << (index % 8));
}

uint32_t signers_count(const struct signers *signers)
{
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof signers->bits; i++) {
        /* Most sets are small, and this is asked of every certificate. */
        for (uint8_t rest = signers->bits[i]; rest != 0; rest &= (uint8_t)(rest - 1)) {
            count++;
        }
    }
    return count;
}

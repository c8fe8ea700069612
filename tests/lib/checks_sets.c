/*
 * Positions, and which validator set an epoch has, worked out from nothing but the blocks: genesis'
 * set, and what the transactions of each set-changing block ask for. See checks.h.
 */
#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "lib/checks.h"

int checks_compare(struct position a, struct position b)
{
    if (a.epoch == b.epoch) {
        return (a.view > b.view) - (a.view < b.view);
    }
    return a.epoch < b.epoch ? -1 : 1;
}

struct position checks_position(const struct qc *qc)
{
    const bool opens = qc->phase == PHASE_COMMIT;
    return opens ? (struct position){qc->epoch + 1, qc->block_view + 2}
                 : (struct position){qc->epoch, qc->view};
}

uint64_t checks_epoch(const struct block *block)
{
    return block->justify == NULL ? 0 : checks_position(block->justify).epoch;
}

struct validator_set *checks_set(const struct checks *checks, uint64_t epoch)
{
    return epoch < checks->set_count ? checks->sets[epoch] : NULL;
}

struct validator_set *checks_last_set(const struct checks *checks)
{
    return checks->sets[checks->set_count - 1];
}

uint32_t checks_node_of(const struct checks *checks, const struct ingot_public_key *key)
{
    for (uint32_t i = 0; i < checks->keys->count; i++) {
        if (memcmp(checks->keys->of[i].bytes, key->bytes, INGOT_PUBLIC_KEY_BYTES) == 0) {
            return i;
        }
    }
    return CHECKS_NOBODY;
}

uint32_t checks_voter(const struct checks *checks, uint64_t epoch, uint32_t member)
{
    const struct validator_set *set = checks_set(checks, epoch);
    return set == NULL || member >= set->count
               ? CHECKS_NOBODY
               : checks_node_of(checks, &set->validators[member].key);
}

bool checks_is_member(const struct checks *checks, uint64_t epoch, uint32_t node)
{
    const struct validator_set *set = checks_set(checks, epoch);
    return set != NULL && validator_set_find(set, &checks->keys->of[node]) != VALIDATOR_NONE;
}

struct set_app_powers checks_powers(const struct checks *checks, const struct validator_set *set)
{
    struct set_app_powers powers = {{0}};
    for (uint32_t i = 0; i < set->count; i++) {
        const uint32_t node = checks_node_of(checks, &set->validators[i].key);
        INGOT_ASSERT(node != CHECKS_NOBODY);
        powers.of[node] = set->validators[i].power;
    }
    return powers;
}

struct validator_set *checks_next_set(const struct checks *checks, const struct block *block)
{
    struct validator_set *set = checks_set(checks, checks_epoch(block));
    INGOT_ASSERT(set != NULL);
    const struct set_app_powers before = checks_powers(checks, set);
    struct set_app_powers after = before;
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction;
    struct ingot_slice last = {0};
    while (payload_next(&rest, &transaction)) {
        if (set_app_is_change(transaction)) {
            last = transaction;
        }
    }
    if (last.size > 0) {
        set_app_apply(last, &after);
    }
    if (memcmp(&before, &after, sizeof before) == 0) {
        return validator_set_ref(set);
    }
    struct ingot_validator members[CHECKS_NODES_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < checks->keys->count; i++) {
        if (after.of[i] > 0) {
            members[count++] =
                (struct ingot_validator){.key = checks->keys->of[i], .power = after.of[i]};
        }
    }
    const char *why = NULL;
    struct validator_set *next = validator_set_new(set->epoch + 1, members, count, &why);
    INGOT_ASSERT(next != NULL);
    next->first_view = block->view + 3;
    wire_seal_set(next);
    return next;
}

void checks_open_epoch(struct checks *checks, const struct block *block)
{
    const uint64_t epoch = checks_epoch(block) + 1;
    if (!block_changes_set(block) || epoch < checks->set_count) {
        return;
    }
    INGOT_ASSERT(epoch == checks->set_count);
    INGOT_ASSERT(epoch < CHECKS_EPOCHS_MAX);
    checks->sets[checks->set_count++] = checks_next_set(checks, block);
}

void checks_same_set(struct checks *checks, uint32_t node, const struct validator_set *set)
{
    const struct validator_set *known = checks_set(checks, set->epoch);
    if (known == NULL || known->first_view != set->first_view ||
        memcmp(known->hash.bytes, set->hash.bytes, sizeof set->hash.bytes) != 0) {
        checks_fail(checks, CHECK_SAME_SET,
                    "replica %u has a set of %u for epoch %" PRIu64 " where the chain says %u",
                    node, set->count, set->epoch, known == NULL ? 0 : known->count);
    }
}

uint32_t checks_leader_at(const struct checks *checks, struct position position)
{
    const struct validator_set *set = checks_set(checks, position.epoch);
    if (set == NULL || position.view == 0) {
        return CHECKS_NOBODY;
    }
    const uint64_t tenure = (position.view - 1) / checks->leader_tenure;
    const uint64_t spread = tenure * UINT64_C(0x9E3779B97F4A7C15);
    __extension__ typedef unsigned __int128 wide;
    uint64_t point = (uint64_t)(((wide)spread * set->total_power) >> 64);
    uint32_t leader = 0;
    while (point >= set->validators[leader].power) {
        point -= set->validators[leader].power;
        leader++;
    }
    return checks_node_of(checks, &set->validators[leader].key);
}

uint32_t checks_leader(const struct checks *checks, uint64_t view)
{
    return checks_leader_at(checks, (struct position){0, view});
}

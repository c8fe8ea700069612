/*
 * Blocks and sets of one scenario. See blocks.h.
 */
#include "twins/blocks.h"

#include <string.h>

#include "base/assert.h"

/* --- Who is who. --- */

uint32_t validator_of_instance(uint32_t instance)
{
    return instance == TWIN_B ? 0 : instance;
}

struct ingot_public_key validator_key(uint32_t validator)
{
    struct ingot_public_key key;
    memset(key.bytes, (int)validator + 1, sizeof key.bytes);
    return key;
}

uint32_t validator_power(const struct scenario *scenario, uint64_t epoch, uint32_t validator)
{
    INGOT_ASSERT(epoch < EPOCHS_MAX);
    return epoch == 0 ? scenario->powers[validator] : scenario->next_powers[validator];
}

uint32_t total_power(const struct scenario *scenario, uint64_t epoch)
{
    uint32_t total = 0;
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        total += validator_power(scenario, epoch, i);
    }
    return total;
}

/* Keys rise with the numbers, so members stand in that order. */
uint32_t validator_of_member(const struct scenario *scenario, uint64_t epoch, uint32_t member)
{
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        if (validator_power(scenario, epoch, i) > 0 && member-- == 0) {
            return i;
        }
    }
    return VALIDATORS;
}

uint32_t leader_of_turn(const struct scenario *scenario, uint64_t epoch, uint64_t view)
{
    uint32_t leader = scenario_leader(scenario, view);
    while (validator_power(scenario, epoch, leader) == 0) {
        leader = leader % 3 + 1;
    }
    return leader;
}

/* --- Sets. --- */

static struct validator_set *make_set(const struct scenario *scenario, uint64_t epoch,
                                      uint64_t first_view)
{
    struct ingot_validator members[VALIDATORS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        if (validator_power(scenario, epoch, i) > 0) {
            members[count++] = (struct ingot_validator){
                .key = validator_key(i), .power = validator_power(scenario, epoch, i)};
        }
    }
    const char *why = NULL;
    struct validator_set *set = validator_set_new(epoch, members, count, &why);
    INGOT_ASSERT(set != NULL);
    set->first_view = first_view;
    set->hash.bytes[0] = (uint8_t)(epoch + 1);
    return set;
}

/* --- Blocks. --- */

static struct ingot_hash hash_of_number(uint32_t number)
{
    struct ingot_hash hash = {{0xb1, (uint8_t)number, (uint8_t)(number >> 8)}};
    return hash;
}

uint32_t blocks_number(const struct blocks *blocks, const struct ingot_hash *hash)
{
    const uint32_t number = hash->bytes[1] | (uint32_t)hash->bytes[2] << 8;
    INGOT_ASSERT(number < blocks->count);
    return number;
}

static struct block *add(struct blocks *blocks, uint32_t maker, uint32_t parent)
{
    INGOT_ASSERT(blocks->count < BLOCKS_MAX);
    struct block *block = block_new();
    block->hash = hash_of_number(blocks->count);
    block->chain = hash_of_number(0);
    blocks->made[blocks->count++] =
        (struct made_block){.block = block, .parent = parent, .maker = maker};
    return block;
}

void blocks_init(struct blocks *blocks, const struct scenario *scenario)
{
    blocks->scenario = scenario;
    blocks->count = 0;
    blocks->first_set = make_set(scenario, 0, 1);
    struct block *genesis = add(blocks, INSTANCES, 0);
    genesis->validators_hash = blocks->first_set->hash;
    genesis->next_validators_hash = blocks->first_set->hash;
    blocks->genesis_qc = qc_new(0);
    blocks->genesis_qc->block = genesis->hash;
}

void blocks_deinit(struct blocks *blocks)
{
    for (uint32_t i = 0; i < blocks->count; i++) {
        block_unref(blocks->made[i].block);
        validator_set_unref(blocks->made[i].next_set);
    }
    blocks->count = 0;
    validator_set_unref(blocks->first_set);
    qc_unref(blocks->genesis_qc);
}

bool blocks_are_full(const struct blocks *blocks)
{
    return blocks->count == BLOCKS_MAX;
}

uint32_t blocks_make(struct blocks *blocks, uint32_t maker, struct qc *justify,
                     struct position position)
{
    const struct scenario *scenario = blocks->scenario;
    const uint32_t number = blocks->count;
    const uint32_t parent_number = blocks_number(blocks, &justify->block);
    const struct block *parent = blocks->made[parent_number].block;
    struct block *block = add(blocks, maker, parent_number);
    block->parent = parent->hash;
    block->height = parent->height + 1;
    block->view = position.view;
    block->justify = qc_ref(justify);
    block->proposer = validator_key(validator_of_instance(maker));
    block->validators_hash = parent->next_validators_hash;
    block->next_validators_hash = block->validators_hash;
    /* The child of a block that changes the set is of the next epoch. */
    if (scenario->change_view != 0 && position.view >= scenario->change_view &&
        position.epoch == 0 && blocks->made[parent_number].next_set == NULL) {
        blocks->made[number].next_set = make_set(scenario, 1, epoch_first_view(position.view));
        block->next_validators_hash = blocks->made[number].next_set->hash;
    }
    return number;
}

/*
 * The blocks of one scenario, by number, and who may vote in which epoch. Hashes are made up: they
 * hold the block's number. Genesis is number 0.
 */
#ifndef INGOT_TESTS_TWINS_BLOCKS_H
#define INGOT_TESTS_TWINS_BLOCKS_H

#include "core/core.h"
#include "twins/scenario.h"

#define BLOCKS_MAX 512
#define EPOCHS_MAX 2 /* a scenario changes the set once at most */

struct made_block {
    struct block *block;            /* owned reference */
    struct validator_set *next_set; /* owned, or NULL */
    uint32_t parent;
    uint32_t maker; /* the instance; of genesis: INSTANCES */
};

struct blocks {
    const struct scenario *scenario; /* borrowed */
    struct made_block made[BLOCKS_MAX];
    uint32_t count;
    struct validator_set *first_set; /* owned */
    struct qc *genesis_qc;           /* owned */
};

/* Borrows the scenario until blocks_deinit. */
void blocks_init(struct blocks *blocks, const struct scenario *scenario);
void blocks_deinit(struct blocks *blocks);
bool blocks_are_full(const struct blocks *blocks);
/* What an instance builds in a position on the justify's block; no two blocks are the same. */
uint32_t blocks_make(struct blocks *blocks, uint32_t maker, struct qc *justify,
                     struct position position);
uint32_t blocks_number(const struct blocks *blocks, const struct ingot_hash *hash);

/* The key that the validator of this number signs with. */
struct ingot_public_key validator_key(uint32_t validator);
/* The number of the member with this index in the set of an epoch, or VALIDATORS. */
uint32_t validator_of_member(const struct scenario *scenario, uint64_t epoch, uint32_t member);
uint32_t validator_power(const struct scenario *scenario, uint64_t epoch, uint32_t validator);
uint32_t total_power(const struct scenario *scenario, uint64_t epoch);
/*
 * The number of the validator whose turn it is. The turn of one that is out of the set goes to
 * another honest one: were it the twins', they would lead every other view, and with tenures of one
 * view no three in a row would be honest.
 */
uint32_t leader_of_turn(const struct scenario *scenario, uint64_t epoch, uint64_t view);
/* `a` and `b` are both validator 0. */
uint32_t validator_of_instance(uint32_t instance);

#endif

/*
 * What the linker puts in the place of functions of the core. See seams.h.
 */
#include "twins/seams.h"

#include <string.h>

#include "core/state.h"
#include "twins/blocks.h"

static const struct scenario *scenario_now;
static bool is_twin;

void seams_set_scenario(const struct scenario *scenario)
{
    scenario_now = scenario;
}

void seams_set_instance(uint32_t instance)
{
    is_twin = instance == TWIN_A || instance == TWIN_B;
}

uint32_t __real_leader_of_view(const struct validator_set *set, uint64_t view,
                               uint32_t leader_tenure);
uint32_t __wrap_leader_of_view(const struct validator_set *set, uint64_t view,
                               uint32_t leader_tenure);

uint32_t __wrap_leader_of_view(const struct validator_set *set, uint64_t view,
                               uint32_t leader_tenure)
{
    if (scenario_now->has_product_leaders) {
        return __real_leader_of_view(set, view, leader_tenure);
    }
    const struct ingot_public_key key =
        validator_key(leader_of_turn(scenario_now, set->epoch, view));
    const uint32_t leader = validator_set_find(set, &key);
    INGOT_ASSERT(leader != VALIDATOR_NONE);
    return leader;
}

/* A twin goes on: whoever runs a key twice on purpose would have taken this check out. */
bool __real_own_key_check_vote(struct core *core, const struct vote *vote);
bool __wrap_own_key_check_vote(struct core *core, const struct vote *vote);
bool __real_own_key_check_timeout(struct core *core, uint32_t voter, struct position position);
bool __wrap_own_key_check_timeout(struct core *core, uint32_t voter, struct position position);
void __real_own_key_check_qc(struct core *core, const struct qc *qc);
void __wrap_own_key_check_qc(struct core *core, const struct qc *qc);
void __real_own_key_check_tc(struct core *core, const struct tc *tc);
void __wrap_own_key_check_tc(struct core *core, const struct tc *tc);

bool __wrap_own_key_check_vote(struct core *core, const struct vote *vote)
{
    return !is_twin && __real_own_key_check_vote(core, vote);
}

bool __wrap_own_key_check_timeout(struct core *core, uint32_t voter, struct position position)
{
    return !is_twin && __real_own_key_check_timeout(core, voter, position);
}

void __wrap_own_key_check_qc(struct core *core, const struct qc *qc)
{
    if (!is_twin) {
        __real_own_key_check_qc(core, qc);
    }
}

void __wrap_own_key_check_tc(struct core *core, const struct tc *tc)
{
    if (!is_twin) {
        __real_own_key_check_tc(core, tc);
    }
}

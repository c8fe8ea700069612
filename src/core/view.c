/*
 * The pacemaker: which view we are in, who leads it, how long it may last. view_enter alone
 * writes the current position.
 *
 * A view is entered by a QC of the view before, or by a TC, which skips to the next tenure so
 * that no view waits for a leader that a quorum has just given up on.
 */
#include "core/state.h"

struct position view_next(struct position position)
{
    return (struct position){position.epoch, position.view + 1};
}

/* The first view of the tenure after the one that `view` lies in. */
uint64_t view_after_tc(uint64_t view, uint32_t leader_tenure)
{
    INGOT_ASSERT(view >= 1);
    return MUTANT(TC_TO_NEXT_VIEW) ? view + 1
                                   : ((view - 1) / leader_tenure + 1) * leader_tenure + 1;
}

struct position view_tc_entry(const struct core *core, const struct tc *tc)
{
    const uint64_t epoch = MUTANT(OLD_TC_MOVES) ? core->safety.current.epoch : tc->epoch;
    return (struct position){epoch, view_after_tc(tc->view, core->config.leader_tenure)};
}

uint32_t view_leader(const struct core *core, uint64_t view)
{
    return leader_of_view(core_set(core), view, core->config.leader_tenure);
}

const struct ingot_public_key *view_leader_key(const struct core *core, uint64_t view)
{
    return &core_set(core)->validators[view_leader(core, view)].key;
}

uint64_t view_base_ms(const struct core *core)
{
    return core->config.base_timeout_ms > core->timeout_floor_ms ? core->config.base_timeout_ms
                                                                 : core->timeout_floor_ms;
}

/*
 * base * 1.5^k, at most INGOT_TIMEOUT_FACTOR_MAX times base, where k counts whole tenures since
 * the highest QC beyond two: the two that any single crash may cost do not slow the others down.
 */
static uint64_t full_wait_ms(const struct core *core)
{
    const uint64_t tenure = (core->safety.current.view - 1) / core->config.leader_tenure;
    const uint64_t certified = qc_position(core->safety.high_qc).view / core->config.leader_tenure;
    const uint64_t base = view_base_ms(core);
    uint64_t wait = base;
    for (uint64_t k = certified + 2;
         !MUTANT(WAIT_NEVER_GROWS) && k < tenure &&
         (wait < INGOT_TIMEOUT_FACTOR_MAX * base || MUTANT(WAIT_UNLIMITED));
         k++) {
        wait += wait / 2;
    }
    return wait < INGOT_TIMEOUT_FACTOR_MAX * base || MUTANT(WAIT_UNLIMITED)
               ? wait
               : INGOT_TIMEOUT_FACTOR_MAX * base;
}

uint64_t view_wait_ms(const struct core *core)
{
    const uint64_t wait = full_wait_ms(core);
    const uint64_t patience = doubt_is_in_force(core) ? doubt_patience_ms(core) : wait;
    return patience < wait ? patience : wait;
}

/*
 * Idle is judged on the high QC's branch and our own mempool; blocks elsewhere in the tree may
 * never be committed and must not keep some replicas awake while the leader waits.
 */
bool view_is_idle(const struct core *core)
{
    if (core->has_payload) {
        return false;
    }
    for (const struct tree_node *node = core_high_node(core); node->parent != NULL;
         node = node->parent) {
        /* The first block of an epoch commits what opened it for those who lack the Commit QC. */
        if (node->block->transaction_count > 0 || block_changes_set(node->block) ||
            node->block->justify->phase == PHASE_COMMIT) {
            return false;
        }
    }
    return true;
}

/* A leader that entered by a TC, or leads an epoch's first view, never waits. */
static bool leader_may_wait(const struct core *core)
{
    return (core->entry == ENTRY_QC || MUTANT(IDLE_AFTER_TC)) && view_is_idle(core);
}

/*
 * While a leader waits, the others' clocks and its own run apart: each may go wrong by a sixteenth
 * before anybody gives up on a leader who waits as long as it should.
 */
static uint64_t idle_patience_ms(const struct core *core)
{
    const uint64_t interval_ms = core->config.empty_block_interval_ms;
    return MUTANT(CLOCKS_IN_STEP) ? interval_ms : interval_ms + interval_ms / 8;
}

/* The leader waits from the entry on, and everybody is patient with it. */
static void begin_waiting(struct core *core)
{
    const uint64_t deadline_ms = core->entered_ms + view_wait_ms(core) + idle_patience_ms(core);
    core->propose_at_ms = core->entered_ms + core->config.empty_block_interval_ms;
    if (deadline_ms > core->deadline_ms) {
        core->deadline_ms = deadline_ms;
    }
}

void view_enter(struct core *core, struct position position, enum entry entry)
{
    INGOT_ASSERT(position_compare(position, core->safety.current) >= 0);
    doubt_enter(core, position, entry);
    if (position_compare(position, core->safety.current) != 0) {
        core->safety.current = position;
        core->safety_is_dirty = core->safety_is_dirty || !MUTANT(LOCK_NOT_DURABLE);
    }
    core->entry = entry;
    core->entered_ms = core->now_ms;
    core->deadline_ms = core->now_ms + view_wait_ms(core);
    core->propose_at_ms = core->now_ms;
    if (leader_may_wait(core)) {
        begin_waiting(core);
    }
    core->has_announced = false;
    core->has_asked = false;
    core->has_proposed = false;
    message_unref(core->proposal);
    core->proposal = NULL;
    core->has_timed_out = false;
    core->has_candidate = false;
    message_unref(core->candidate);
    core->candidate = NULL;
    core->views_entered++;
}

/*
 * A certificate that commits our last transactions also enters the view, and only when the driver
 * has taken that commit it knows that none waits. Then the view is idle after all, and a block that
 * the App was to build for it has nothing to bring.
 */
static void payload_is_gone(struct core *core)
{
    if (leader_may_wait(core) && !core->has_proposed && !core->has_timed_out &&
        !MUTANT(PAYLOAD_OUTLIVES_COMMIT)) {
        core->has_asked = false;
        begin_waiting(core);
    }
}

void view_payload(struct core *core, bool available)
{
    const bool was_waiting = core->propose_at_ms > core->now_ms;
    core->has_payload = available;
    if (!available) {
        payload_is_gone(core);
        return;
    }
    if (!was_waiting) {
        return;
    }
    core->propose_at_ms = core->now_ms;
    const uint64_t deadline_ms = core->now_ms + view_wait_ms(core);
    if (deadline_ms < core->deadline_ms) {
        core->deadline_ms = deadline_ms;
    }
}

/*
 * Doubt: how long to wait for a leader whose last tenure failed. A dead validator's turn comes
 * again and again, and to wait for it each time as long as for any other would cost most of the
 * time. So a leader that has let its turn pass gets less patience in its next ones, until it
 * brings a certificate, and all of it again once in a while.
 *
 * It is about deadlines alone: what each replica thinks is its own affair, nothing of it is
 * durable, and it ends with the epoch. Less patience is given only to a leader that follows
 * on a tenure that went well to its end, and so has committed: after a tenure that failed
 * everybody is waited for as ever, and what views may pass until a commit depends on that alone.
 */
#include "core/state.h"

/* All patience again after so many base timeouts: a dead leader costs so small a part of them. */
#define DOUBT_FACTOR 32
/* The least patience, as a part of the base timeout. */
#define PATIENCE_DIVISOR 32

/*
 * How long views take that end well: rises at once and falls by an eighth of the difference, so
 * that it is what the slower ones of the last took. Waiting while idle is no part of it. Messages
 * that have piled up make views look quick, which is why it is never the whole of the patience.
 */
static void measure(struct core *core)
{
    const uint64_t took_ms = core->now_ms - core->entered_ms;
    if (took_ms >= core->pace_ms) {
        core->pace_ms = took_ms;
    } else if (!MUTANT(PACE_NEVER_FALLS)) {
        core->pace_ms -= (core->pace_ms - took_ms + 7) / 8;
    }
}

/* Has the leader of our view let most of its time pass? Who was cut short may have been quick. */
static bool has_disappointed(const struct core *core)
{
    return !MUTANT(NOBODY_DOUBTED) && !doubt_is_in_force(core) &&
           core->now_ms + view_wait_ms(core) / 2 >= core->deadline_ms;
}

void doubt_enter(struct core *core, struct position position, enum entry entry)
{
    const struct position current = core->safety.current;
    if (entry == ENTRY_QC && core->views_entered > 0) {
        if (!MUTANT(DOUBT_NOT_CLEARED)) {
            core->slots[view_leader(core, position.view - 1)].doubted_until_ms = 0;
        }
        if (position_compare(position, view_next(current)) == 0 &&
            core->propose_at_ms == core->entered_ms) {
            measure(core);
        }
    }
    if (entry == ENTRY_TC && core->views_entered > 0 && has_disappointed(core) &&
        view_after_tc(current.view, core->config.leader_tenure) == position.view) {
        core->slots[view_leader(core, current.view)].doubted_until_ms =
            MUTANT(DOUBT_FOR_EVER) ? UINT64_MAX : core->now_ms + DOUBT_FACTOR * view_base_ms(core);
    }
}

/*
 * The QC of the view before has cleared its leader, so what is entered by it under a leader in
 * doubt is the first view of a tenure, and the tenure before was certified from its first view, or
 * from that of the epoch, to its last.
 */
bool doubt_is_in_force(const struct core *core)
{
    return (core->entry == ENTRY_QC || (MUTANT(DOUBT_AFTER_FAILURE) && core->entry == ENTRY_TC)) &&
           core->slots[view_leader(core, core->safety.current.view)].doubted_until_ms >
               core->entered_ms;
}

/* Twice the pace, since the first view of a tenure has a way more: from the old leader to the new.
 */
uint64_t doubt_patience_ms(const struct core *core)
{
    const uint64_t least = view_base_ms(core) / PATIENCE_DIVISOR;
    const uint64_t measured = MUTANT(PACE_IGNORED) ? 0 : 2 * core->pace_ms;
    return measured > least ? measured : least;
}

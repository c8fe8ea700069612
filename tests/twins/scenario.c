/*
 * Scenarios as values (scenario.h): their numbers, their symmetries, and chance.
 */
#include "twins/scenario.h"

#include <string.h>

#include "base/assert.h"

/* --- What one says. --- */

bool scenario_is_connected(const struct scenario *scenario, uint64_t view, uint32_t from,
                           uint32_t to)
{
    if (view > scenario->view_count) {
        return true;
    }
    const uint8_t side = scenario->views[view - 1].other_side;
    return (side >> from & 1) == (side >> to & 1);
}

uint32_t scenario_leader(const struct scenario *scenario, uint64_t view)
{
    const uint64_t tenure = (view - 1) / scenario->tenure;
    const uint64_t first = tenure * scenario->tenure;
    if (first < scenario->view_count) {
        return scenario->views[first].leader;
    }
    const uint64_t scripted = (scenario->view_count - 1) / scenario->tenure + 1;
    return (uint32_t)((tenure - scripted) % VALIDATORS);
}

/* --- Their numbers: six bits a view, the first view's highest; of those, four of the split. --- */

uint64_t scenario_count(uint32_t view_count)
{
    INGOT_ASSERT(view_count <= 10);
    return UINT64_C(1) << (6 * view_count);
}

static uint8_t choice_of(uint64_t number, uint32_t view_count, uint32_t index)
{
    return (uint8_t)(number >> (6 * (view_count - 1 - index)) & (SCENARIO_CHOICES - 1));
}

/* `a` is on its own side by definition. */
static struct scenario_view view_of_choice(uint32_t choice)
{
    return (struct scenario_view){.other_side = (uint8_t)(choice / VALIDATORS << 1),
                                  .leader = (uint8_t)(choice % VALIDATORS)};
}

static uint8_t choice_of_view(struct scenario_view view)
{
    return (uint8_t)((view.other_side >> 1) * VALIDATORS + view.leader);
}

static void set_plain(uint32_t view_count, struct scenario *scenario)
{
    INGOT_ASSERT(view_count >= 1);
    INGOT_ASSERT(view_count <= SCENARIO_VIEWS_MAX);
    *scenario = (struct scenario){.view_count = view_count, .tenure = 1};
    memset(scenario->powers, 1, sizeof scenario->powers);
}

void scenario_of_number(uint32_t view_count, uint64_t number, struct scenario *scenario)
{
    set_plain(view_count, scenario);
    for (uint32_t i = 0; i < view_count; i++) {
        scenario->views[i] = view_of_choice(choice_of(number, view_count, i));
    }
}

/* --- Symmetries: six orders of the honest ones times two of the twins. --- */

#define SYMMETRIES 12

static const uint8_t orders[6][3] = {{1, 2, 3}, {1, 3, 2}, {2, 1, 3},
                                     {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};

static uint32_t renamed(uint32_t symmetry, uint32_t instance)
{
    if (instance >= 1 && instance <= 3) {
        return orders[symmetry / 2][instance - 1];
    }
    const bool swaps = symmetry % 2 == 1;
    return (instance == TWIN_A) != swaps ? TWIN_A : TWIN_B;
}

static uint8_t rename_choice(uint32_t symmetry, uint32_t choice)
{
    const struct scenario_view view = view_of_choice(choice);
    uint32_t side = 0;
    for (uint32_t i = 0; i < INSTANCES; i++) {
        side |= (uint32_t)(view.other_side >> i & 1) << renamed(symmetry, i);
    }
    if ((side >> TWIN_A & 1) != 0) {
        side ^= (1U << INSTANCES) - 1;
    }
    const uint32_t leader = view.leader == 0 ? 0 : renamed(symmetry, view.leader);
    return choice_of_view(
        (struct scenario_view){.other_side = (uint8_t)side, .leader = (uint8_t)leader});
}

static const uint8_t *renamings(uint32_t symmetry)
{
    static uint8_t table[SYMMETRIES][SCENARIO_CHOICES];
    static bool is_made;
    if (!is_made) {
        for (uint32_t i = 0; i < SYMMETRIES; i++) {
            for (uint32_t choice = 0; choice < SCENARIO_CHOICES; choice++) {
                table[i][choice] = rename_choice(i, choice);
            }
        }
        is_made = true;
    }
    return table[symmetry];
}

uint32_t scenario_symmetries(uint32_t view_count, uint64_t number)
{
    uint32_t same = 0;
    for (uint32_t symmetry = 0; symmetry < SYMMETRIES; symmetry++) {
        const uint8_t *renaming = renamings(symmetry);
        uint64_t other = 0;
        for (uint32_t i = 0; i < view_count; i++) {
            other = other << 6 | renaming[choice_of(number, view_count, i)];
        }
        if (other < number) {
            return 0;
        }
        same += other == number;
    }
    return SYMMETRIES / same;
}

/* --- Chance. --- */

/*
 * Less than a third of the power is the twins'; it may be just less. Nobody is a quorum alone: who
 * is would not wait for any message, and no time passes between its views.
 */
static void draw_powers(struct prng *prng, uint8_t powers[VALIDATORS], uint32_t lowest)
{
    uint32_t others = 0;
    uint32_t highest = 0;
    do {
        others = 0;
        highest = 0;
        for (uint32_t i = 1; i < VALIDATORS; i++) {
            powers[i] = (uint8_t)prng_between(prng, lowest, 5);
            others += powers[i];
            highest = powers[i] > highest ? powers[i] : highest;
        }
    } while (others < 3 || 3 * highest > 2 * others);
    powers[0] = (uint8_t)(1 + prng_below(prng, (others - 1) / 2));
}

/*
 * Pairs of views in which a leader gathers a certificate from all, and is then alone with it. A
 * fork takes several such certificates in a row, which chance alone would hardly ever draw.
 */
static void draw_hidden(struct prng *prng, struct scenario *scenario)
{
    for (uint32_t i = 0; i + 1 < scenario->view_count; i += 2) {
        const uint32_t leader = (uint32_t)prng_below(prng, VALIDATORS);
        const uint32_t others = (1U << INSTANCES) - 2;
        const uint32_t alone = leader == 0 ? others & ~(1U << TWIN_B) : 1U << leader;
        scenario->views[i] = (struct scenario_view){.leader = (uint8_t)leader};
        scenario->views[i + 1] =
            (struct scenario_view){.leader = (uint8_t)leader, .other_side = (uint8_t)alone};
    }
}

void scenario_draw(struct prng *prng, uint32_t view_count, struct scenario *scenario)
{
    set_plain(view_count, scenario);
    for (uint32_t i = 0; i < view_count; i++) {
        scenario->views[i] = view_of_choice((uint32_t)prng_below(prng, SCENARIO_CHOICES));
    }
    if (prng_below(prng, 4) == 0) {
        draw_hidden(prng, scenario);
    }
    if (prng_below(prng, 3) == 0) {
        scenario->tenure = 4;
        scenario->has_product_leaders = prng_below(prng, 2) == 0;
    }
    if (prng_below(prng, 3) == 0) {
        draw_powers(prng, scenario->powers, 1);
    }
    if (prng_below(prng, 2) == 0) {
        scenario->order = 1 + prng_below(prng, UINT32_MAX);
        scenario->has_hasty_timers = prng_below(prng, 2) == 0;
    }
    if (prng_below(prng, 3) == 0) {
        scenario->change_view = 1 + (uint32_t)prng_below(prng, view_count);
        memcpy(scenario->next_powers, scenario->powers, sizeof scenario->powers);
        if (prng_below(prng, 3) != 0) {
            draw_powers(prng, scenario->next_powers, 0);
        }
    }
    if (prng_below(prng, 3) == 0) {
        scenario->restart = 1 + (uint32_t)prng_below(prng, 3);
        scenario->restart_view = 1 + (uint32_t)prng_below(prng, view_count + 1);
    }
}

/*
 * The search through all states of a small broadcast network. See broadcast_space.h.
 */
#include "lib/broadcast_space.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "lib/table.h"

#define MEMBERS_MAX 4
#define PARCELS_MAX 110
#define REPAIR_ROUNDS_MAX 12
#define REPAIR_STEPS_MAX 2000
#define MERGE_CHECKS_MAX 20000

/* What a member can be given; below that, a parcel's number. */
enum { INPUT_OWN = UINT16_MAX - 2, INPUT_TICK, INPUT_START };

#define NOBODY UINT32_MAX

/* What one member in one state does with one input. */
struct step {
    uint16_t input;
    uint16_t sent_count;
    uint32_t sent; /* place of the first in `sent` of the space */
    uint32_t next; /* local state */
};

/* A state of one member. The story of how it first came to it ends in `input` given to `before`. */
struct local {
    uint32_t member;
    uint32_t before; /* NOBODY: it has just been made */
    uint16_t input;
    uint16_t own_waiting;
    bool has_deadline;
    uint64_t delivered; /* of the digest; 0: nothing */
    struct step *steps;
    uint32_t step_count;
    uint32_t step_capacity;
};

/* Another story that led to the state `local`. */
struct merge {
    uint32_t before;
    uint16_t input;
    uint32_t local;
};

struct state {
    uint32_t locals[MEMBERS_MAX];
    uint8_t losses;
    uint8_t repetitions;
    uint8_t ticks;
    uint8_t count;
    uint16_t parcels[PARCELS_MAX]; /* on their way, in ascending order */
};

struct space {
    const struct broadcast_space_options *options;
    struct broadcast_space_result *result;
    struct broadcast_network network;
    struct broadcast_parcels parcels; /* all that were ever sent, each once */
    struct table parcel_places;       /* plus one */
    struct local *locals;
    uint32_t local_count;
    uint32_t local_capacity;
    struct table local_places; /* plus one */
    uint16_t *sent;
    uint32_t sent_count;
    uint32_t sent_capacity;
    struct merge *merges;
    uint32_t merge_count;
    uint32_t merge_capacity;
    struct state *stack;
    uint32_t stack_count;
    uint32_t stack_capacity;
    uint64_t *visited; /* open addressing; 0: free */
    uint64_t visited_capacity;
};

/* Makes room for one more. */
#define ROOM_FOR_ONE(items, count, capacity)                                                       \
    do {                                                                                           \
        if ((count) == (capacity)) {                                                               \
            (capacity) = (capacity) == 0 ? 64 : 2 * (capacity);                                    \
            (items) = alloc_resize((items), (capacity), sizeof *(items));                          \
        }                                                                                          \
    } while (0)

static void violate(struct space *space, const char *what)
{
    if (space->result->violation[0] == '\0') {
        snprintf(space->result->violation, sizeof space->result->violation, "%s", what);
    }
}

static uint64_t fingerprint(const void *bytes, size_t size)
{
    static const uint8_t key[crypto_shorthash_KEYBYTES] = {0};
    uint64_t print;
    crypto_shorthash((uint8_t *)&print, bytes, size, key);
    return print == 0 ? 1 : print;
}

/* --- What has been sent. --- */

static uint16_t place_of_parcel(struct space *space, const struct broadcast_parcel *parcel)
{
    uint8_t bytes[INGOT_HASH_BYTES + 2];
    memcpy(bytes, parcel->message->name.bytes, INGOT_HASH_BYTES);
    bytes[INGOT_HASH_BYTES] = (uint8_t)parcel->from;
    bytes[INGOT_HASH_BYTES + 1] = (uint8_t)parcel->to;
    const uint64_t key = fingerprint(bytes, sizeof bytes);
    const uintptr_t known = (uintptr_t)table_find(&space->parcel_places, key);
    if (known != 0) {
        return (uint16_t)(known - 1);
    }
    broadcast_parcels_add(&space->parcels, parcel->from, parcel->to, parcel->message);
    INGOT_ASSERT(space->parcels.count < INPUT_OWN);
    table_add(&space->parcel_places, key, (void *)(uintptr_t)space->parcels.count);
    return (uint16_t)(space->parcels.count - 1);
}

/* --- One member. --- */

static void give(struct space *space, struct broadcast_member *member, uint16_t input)
{
    broadcast_parcels_deinit(&member->out);
    if (input == INPUT_START) {
        (void)broadcast_member_start(member, "round", "payload");
    } else if (input == INPUT_TICK) {
        member->now_ms = member->deadline_ms;
        (void)broadcast_member_tick(member);
    } else if (input == INPUT_OWN) {
        broadcast_member_hear_own(member);
    } else {
        const struct broadcast_parcel *parcel = &space->parcels.items[input];
        (void)broadcast_member_hear(member, parcel->from, parcel->message);
    }
    if (!space->options->own_on_its_way) {
        broadcast_member_hear_all_own(member);
    }
}

/* A new member to which everything happens again that has led to this state. */
static struct broadcast_member *tell(struct space *space, uint32_t place)
{
    uint16_t inputs[256];
    uint32_t count = 0;
    for (uint32_t i = place; space->locals[i].before != NOBODY; i = space->locals[i].before) {
        INGOT_ASSERT(count < 256);
        inputs[count++] = space->locals[i].input;
    }
    struct broadcast_member *member =
        broadcast_member_new(&space->network, space->locals[place].member, NULL);
    member->rules.is_prompt = true;
    while (count > 0) {
        give(space, member, inputs[--count]);
    }
    return member;
}

/* All of a member's state that decides what it does next, and what it has done that counts. */
static uint64_t print_of(const struct broadcast_member *member)
{
    struct ingot_buffer dump = {0};
    ingot_buffer_append_u8(&dump, (uint8_t)member->node);
    broadcast_dump(member->protocol, &dump);
    for (uint32_t i = 0; i < member->own_signed.count; i++) {
        ingot_buffer_append(&dump, member->own_signed.items[i].message->name.bytes,
                            INGOT_HASH_BYTES);
    }
    for (uint32_t i = 0; i < member->delivered.count; i++) {
        ingot_buffer_append(&dump, member->delivered.items[i].digest.bytes, 32);
    }
    const bool has_deadline = member->deadline_ms != UINT64_MAX;
    ingot_buffer_append_u64(&dump, has_deadline ? member->deadline_ms - member->now_ms : 0);
    const uint64_t print = fingerprint(dump.data, dump.size);
    ingot_buffer_deinit(&dump);
    return print;
}

static uint32_t place_of_local(struct space *space, const struct broadcast_member *member,
                               uint32_t before, uint16_t input)
{
    const uint64_t print = print_of(member);
    const uintptr_t known = (uintptr_t)table_find(&space->local_places, print);
    if (known != 0) {
        ROOM_FOR_ONE(space->merges, space->merge_count, space->merge_capacity);
        space->merges[space->merge_count++] =
            (struct merge){.before = before, .input = input, .local = (uint32_t)(known - 1)};
        return (uint32_t)(known - 1);
    }
    ROOM_FOR_ONE(space->locals, space->local_count, space->local_capacity);
    struct local *local = &space->locals[space->local_count++];
    *local = (struct local){.member = member->node,
                            .before = before,
                            .input = input,
                            .own_waiting = (uint16_t)member->own_signed.count,
                            .has_deadline = member->deadline_ms != UINT64_MAX};
    if (member->delivered.count > 0) {
        local->delivered = fingerprint(member->delivered.items[0].digest.bytes, 32);
    }
    if (member->delivered.count > 1) {
        violate(space, "a member delivers twice");
    }
    table_add(&space->local_places, print, (void *)(uintptr_t)space->local_count);
    return space->local_count - 1;
}

static void check_member(struct space *space, const struct broadcast_member *member)
{
    const char *violation = broadcast_member_violation(member);
    if (violation[0] != '\0') {
        char text[320];
        snprintf(text, sizeof text, "member %u: %s", member->node, violation);
        violate(space, text);
    }
}

/* What a member in this state does with this input. Valid until the next call. */
static const struct step *step_of(struct space *space, uint32_t place, uint16_t input)
{
    for (uint32_t i = 0; i < space->locals[place].step_count; i++) {
        if (space->locals[place].steps[i].input == input) {
            return &space->locals[place].steps[i];
        }
    }
    struct broadcast_member *member = tell(space, place);
    give(space, member, input);
    check_member(space, member);
    struct step step = {.input = input,
                        .sent = space->sent_count,
                        .sent_count = (uint16_t)member->out.count,
                        .next = place_of_local(space, member, place, input)};
    for (uint32_t i = 0; i < member->out.count; i++) {
        ROOM_FOR_ONE(space->sent, space->sent_count, space->sent_capacity);
        space->sent[space->sent_count++] = place_of_parcel(space, &member->out.items[i]);
    }
    broadcast_member_free(member);
    struct local *local = &space->locals[place];
    ROOM_FOR_ONE(local->steps, local->step_count, local->step_capacity);
    local->steps[local->step_count] = step;
    return &local->steps[local->step_count++];
}

/*
 * Two stories with the same dump go on alike: each step that is known of a state is done again by a
 * member that came to it another way.
 */
static void check_merges(struct space *space)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < space->merge_count; i++) {
        total += space->locals[space->merges[i].local].step_count;
    }
    const uint64_t stride = total / MERGE_CHECKS_MAX + 1;
    uint64_t at = 0;
    for (uint32_t i = 0; i < space->merge_count; i++) {
        const struct merge merge = space->merges[i];
        const uint32_t steps = space->locals[merge.local].step_count;
        for (uint32_t k = 0; k < steps; k++) {
            if (at++ % stride != 0) {
                continue;
            }
            const struct step step = space->locals[merge.local].steps[k];
            struct broadcast_member *member = tell(space, merge.before);
            give(space, member, merge.input);
            give(space, member, step.input);
            bool is_alike = member->out.count == step.sent_count &&
                            (uintptr_t)table_find(&space->local_places, print_of(member)) ==
                                step.next + (uintptr_t)1;
            for (uint32_t j = 0; is_alike && j < step.sent_count; j++) {
                is_alike =
                    place_of_parcel(space, &member->out.items[j]) == space->sent[step.sent + j];
            }
            broadcast_member_free(member);
            if (!is_alike) {
                violate(space, "two members with the same dump do not go on alike");
                return;
            }
        }
    }
}

/* --- The network. --- */

static void insert(struct state *state, uint16_t parcel)
{
    INGOT_ASSERT(state->count < PARCELS_MAX);
    uint32_t at = state->count++;
    while (at > 0 && state->parcels[at - 1] > parcel) {
        state->parcels[at] = state->parcels[at - 1];
        at--;
    }
    state->parcels[at] = parcel;
}

static void take_out(struct state *state, uint32_t at)
{
    state->count--;
    memmove(&state->parcels[at], &state->parcels[at + 1],
            (state->count - at) * sizeof state->parcels[0]);
}

static bool is_liar(const struct space *space, uint32_t member)
{
    return space->options->lies && member == 0;
}

/* Messages to the member that lies change nothing. */
static void act(struct space *space, struct state *state, uint32_t member, uint16_t input)
{
    const struct step step = *step_of(space, state->locals[member], input);
    state->locals[member] = step.next;
    for (uint32_t i = 0; i < step.sent_count; i++) {
        const uint16_t parcel = space->sent[step.sent + i];
        if (!is_liar(space, space->parcels.items[parcel].to)) {
            insert(state, parcel);
        }
    }
}

/* True if the state is new. */
static bool visit(struct space *space, const struct state *state)
{
    if (2 * (space->result->states + 1) > space->visited_capacity) {
        const uint64_t *old = space->visited;
        const uint64_t old_capacity = space->visited_capacity;
        space->visited_capacity = old_capacity == 0 ? 1024 : 2 * old_capacity;
        space->visited = alloc_zeroed(space->visited_capacity, sizeof *space->visited);
        for (uint64_t i = 0; i < old_capacity; i++) {
            uint64_t at = old[i] & (space->visited_capacity - 1);
            while (old[i] != 0 && space->visited[at] != 0) {
                at = (at + 1) & (space->visited_capacity - 1);
            }
            space->visited[at] = old[i] != 0 ? old[i] : space->visited[at];
        }
        free((void *)(uintptr_t)old);
    }
    const size_t size = offsetof(struct state, parcels) + state->count * sizeof state->parcels[0];
    const uint64_t print = fingerprint(state, size);
    uint64_t at = print & (space->visited_capacity - 1);
    while (space->visited[at] != 0 && space->visited[at] != print) {
        at = (at + 1) & (space->visited_capacity - 1);
    }
    if (space->visited[at] == print) {
        return false;
    }
    space->visited[at] = print;
    space->result->states++;
    return true;
}

static void push(struct space *space, const struct state *state)
{
    space->result->steps++;
    if (visit(space, state)) {
        ROOM_FOR_ONE(space->stack, space->stack_count, space->stack_capacity);
        space->stack[space->stack_count++] = *state;
    }
}

static void check_agreement(struct space *space, const struct state *state)
{
    uint64_t delivered = 0;
    for (uint32_t i = 0; i < space->options->members && !space->options->is_gossip; i++) {
        const uint64_t here = is_liar(space, i) ? 0 : space->locals[state->locals[i]].delivered;
        if (here != 0 && delivered != 0 && here != delivered) {
            violate(space, "two payloads are delivered under one id");
        }
        delivered = here != 0 ? here : delivered;
    }
}

static uint32_t delivered_count(const struct space *space, const struct state *state)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < space->options->members; i++) {
        count += !is_liar(space, i) && space->locals[state->locals[i]].delivered != 0;
    }
    return count;
}

static bool own_is_waiting(const struct space *space, const struct state *state)
{
    for (uint32_t i = 0; i < space->options->members; i++) {
        if (space->locals[state->locals[i]].own_waiting > 0) {
            return true;
        }
    }
    return false;
}

/* Everything on its way arrives. */
static void settle(struct space *space, struct state *state)
{
    for (uint32_t steps = 0; state->count > 0 || own_is_waiting(space, state); steps++) {
        INGOT_ASSERT(steps < REPAIR_STEPS_MAX);
        for (uint32_t i = 0; i < space->options->members; i++) {
            if (space->locals[state->locals[i]].own_waiting > 0) {
                act(space, state, i, INPUT_OWN);
            }
        }
        if (state->count > 0) {
            const uint16_t parcel = state->parcels[0];
            take_out(state, 0);
            act(space, state, space->parcels.items[parcel].to, parcel);
        }
    }
}

/* Nothing is on its way any more. Whatever was lost, some ticks later everybody has it. */
static void check_end(struct space *space, const struct state *end)
{
    space->result->ends++;
    struct state state = *end;
    const bool lies = space->options->lies;
    const uint32_t correct = space->options->members - (lies ? 1 : 0);
    if (!lies && end->losses == space->options->losses &&
        delivered_count(space, &state) != correct) {
        violate(space, "nothing was lost, and not everybody has delivered");
    }
    for (uint32_t round = 0; round < REPAIR_ROUNDS_MAX; round++) {
        if (delivered_count(space, &state) == correct) {
            return;
        }
        for (uint32_t i = 0; i < space->options->members; i++) {
            if (space->locals[state.locals[i]].has_deadline) {
                act(space, &state, i, INPUT_TICK);
            }
        }
        settle(space, &state);
        check_agreement(space, &state);
    }
    if (!lies || delivered_count(space, &state) > 0) {
        violate(space, lies ? "some deliver, and others never do"
                            : "what was lost is not repaired by ticks");
    }
}

static void arrivals(struct space *space, const struct state *state)
{
    for (uint32_t i = 0; i < state->count; i++) {
        const uint16_t parcel = state->parcels[i];
        if (i > 0 && state->parcels[i - 1] == parcel) {
            continue;
        }
        const uint32_t to = space->parcels.items[parcel].to;
        struct state next = *state;
        if (state->repetitions > 0) {
            next.repetitions--;
            act(space, &next, to, parcel);
            push(space, &next);
            next = *state;
        }
        take_out(&next, i);
        if (state->losses > 0) {
            next.losses--;
            push(space, &next);
            next.losses++;
        }
        act(space, &next, to, parcel);
        push(space, &next);
    }
}

static void expand(struct space *space, const struct state *state)
{
    check_agreement(space, state);
    arrivals(space, state);
    for (uint32_t i = 0; i < space->options->members; i++) {
        const struct local local = space->locals[state->locals[i]];
        struct state next = *state;
        if (local.own_waiting > 0) {
            act(space, &next, i, INPUT_OWN);
            push(space, &next);
        }
        if (state->ticks > 0 && local.has_deadline) {
            next = *state;
            next.ticks--;
            act(space, &next, i, INPUT_TICK);
            push(space, &next);
        }
    }
    if (state->count == 0 && !own_is_waiting(space, state)) {
        check_end(space, state);
    }
}

/* --- The beginning and the end. --- */

static void lie(struct space *space, struct state *state, enum broadcast_kind kind,
                const char *payload, uint32_t to)
{
    const struct broadcast_parcel parcel = {
        .from = 0,
        .to = to,
        .message = broadcast_say(&space->network, kind, 0, 0, "round", payload)};
    insert(state, place_of_parcel(space, &parcel));
    broadcast_message_unref(parcel.message);
}

/* Member 1 is shown one payload, the others are shown another; all get both votes. */
static void lie_to_all(struct space *space, struct state *state)
{
    static const char *const payloads[] = {"one", "other"};
    for (uint32_t i = 1; i < space->options->members; i++) {
        lie(space, state, BROADCAST_PRE_PREPARE, payloads[i == 1 ? 0 : 1], i);
        for (uint32_t k = 0; k < 2; k++) {
            lie(space, state, BROADCAST_PREPARE, payloads[k], i);
            lie(space, state, BROADCAST_COMMIT, payloads[k], i);
        }
    }
}

static void begin(struct space *space)
{
    const struct broadcast_space_options *options = space->options;
    INGOT_ASSERT(options->members >= 1 && options->members <= MEMBERS_MAX);
    broadcast_network_init(&space->network, options->members, options->powers, 0);
    space->network.is_gossip = options->is_gossip;
    struct state state = {.losses = (uint8_t)options->losses,
                          .repetitions = (uint8_t)options->repetitions,
                          .ticks = (uint8_t)options->ticks};
    for (uint32_t i = 0; i < options->members; i++) {
        struct broadcast_member *member = broadcast_member_new(&space->network, i, NULL);
        state.locals[i] = place_of_local(space, member, NOBODY, 0);
        broadcast_member_free(member);
    }
    if (options->lies) {
        lie_to_all(space, &state);
    } else {
        act(space, &state, 0, INPUT_START);
    }
    push(space, &state);
}

static void end(struct space *space)
{
    for (uint32_t i = 0; i < space->local_count; i++) {
        free(space->locals[i].steps);
    }
    free(space->locals);
    free(space->sent);
    free(space->merges);
    free(space->stack);
    free(space->visited);
    table_deinit(&space->local_places);
    table_deinit(&space->parcel_places);
    broadcast_parcels_deinit(&space->parcels);
    broadcast_network_deinit(&space->network);
}

void broadcast_space_explore(const struct broadcast_space_options *options,
                             struct broadcast_space_result *result)
{
    *result = (struct broadcast_space_result){0};
    struct space space = {.options = options, .result = result};
    begin(&space);
    while (space.stack_count > 0 && result->states < options->states_max &&
           result->violation[0] == '\0') {
        const struct state state = space.stack[--space.stack_count];
        expand(&space, &state);
    }
    result->is_complete = space.stack_count == 0;
    if (result->violation[0] == '\0') {
        check_merges(&space);
    }
    result->member_states = space.local_count;
    result->merges = space.merge_count;
    end(&space);
}

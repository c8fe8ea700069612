/*
 * The kv App with a transaction that changes the validator set. See set_app.h.
 *
 * The wrapped App executes the block; if the key has another value afterwards, that value is
 * carried out. So no second reading of the transactions is needed, and building and validating
 * agree by themselves.
 */
#include "lib/set_app.h"

#include <ingot/app_kv.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* How the kv App names the key in its state. */
#define STATE_KEY "kvalidators"
#define PREFIX "validators="
/* Eight digits for who was, eight for the nonce, two for each member that is to be. */
#define BASE_DIGITS 8
#define NONCE_DIGITS 8
#define MEMBERS_AT (BASE_DIGITS + NONCE_DIGITS)

struct set_app {
    struct ingot_app kv;
    const struct set_app_keys *keys;
};

/* FNV-1a: enough to tell the few sets of a run apart. */
static uint32_t name_of(const struct set_app_powers *powers)
{
    uint32_t name = UINT32_C(2166136261);
    for (uint32_t i = 0; i < SET_APP_NODES_MAX; i++) {
        name = (name ^ (uint32_t)powers->of[i]) * UINT32_C(16777619);
    }
    return name;
}

static uint32_t digit_of(uint8_t character)
{
    return character >= 'a' ? (uint32_t)character - 'a' + 10 : (uint32_t)character - '0';
}

void set_app_make(struct ingot_buffer *transaction, const struct set_app_powers *from,
                  const struct set_app_powers *to, uint32_t nonce)
{
    ingot_buffer_format(transaction, PREFIX "%08x%08x", name_of(from), nonce);
    for (uint32_t i = 0; i < SET_APP_NODES_MAX; i++) {
        INGOT_ASSERT(to->of[i] <= SET_APP_POWER_MAX);
        if (to->of[i] > 0) {
            ingot_buffer_format(transaction, "%x%x", i, (unsigned)to->of[i]);
        }
    }
}

bool set_app_is_change(struct ingot_slice transaction)
{
    const size_t size = sizeof PREFIX - 1;
    return transaction.size > size + MEMBERS_AT && memcmp(transaction.data, PREFIX, size) == 0;
}

static void apply_value(struct ingot_slice value, struct set_app_powers *powers)
{
    uint32_t base = 0;
    for (uint32_t i = 0; i < BASE_DIGITS; i++) {
        base = base << 4 | digit_of(value.data[i]);
    }
    if (base != name_of(powers)) {
        return;
    }
    *powers = (struct set_app_powers){{0}};
    for (size_t i = MEMBERS_AT; i + 1 < value.size; i += 2) {
        powers->of[digit_of(value.data[i])] = digit_of(value.data[i + 1]);
    }
}

void set_app_apply(struct ingot_slice transaction, struct set_app_powers *powers)
{
    INGOT_ASSERT(set_app_is_change(transaction));
    const size_t size = sizeof PREFIX - 1;
    apply_value(ingot_slice_of(transaction.data + size, transaction.size - size), powers);
}

/* --- The App. --- */

static enum ingot_error read_wish(struct ingot_snapshot *snapshot, struct ingot_slice *value)
{
    *value = (struct ingot_slice){0};
    const enum ingot_error error =
        ingot_snapshot_get(snapshot, ingot_slice_of_text(STATE_KEY), value);
    return error == INGOT_ERROR_NOT_FOUND ? INGOT_OK : error;
}

static struct set_app_powers powers_now(const struct set_app *app,
                                        const struct ingot_snapshot *snapshot)
{
    struct set_app_powers powers = {{0}};
    uint32_t count = 0;
    const struct ingot_validator *members = ingot_snapshot_validators(snapshot, &count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t node = 0;
        while (memcmp(app->keys->of[node].bytes, members[i].key.bytes, INGOT_PUBLIC_KEY_BYTES) !=
               0) {
            node++;
            INGOT_ASSERT(node < app->keys->count);
        }
        powers.of[node] = members[i].power;
    }
    return powers;
}

static void carry_out(const struct set_app *app, struct ingot_snapshot *snapshot,
                      struct ingot_slice wish, struct ingot_execution *execution)
{
    const struct set_app_powers before = powers_now(app, snapshot);
    struct set_app_powers after = before;
    apply_value(wish, &after);
    struct ingot_validator changes[SET_APP_NODES_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < app->keys->count; i++) {
        if (after.of[i] != before.of[i]) {
            changes[count++] =
                (struct ingot_validator){.key = app->keys->of[i], .power = after.of[i]};
        }
    }
    const enum ingot_error error = ingot_execution_set_validators(execution, changes, count);
    INGOT_ASSERT(error == INGOT_OK);
}

/* Before the wrapped App does its part: the wish as it was. The buffer is the caller's to free. */
static enum ingot_error begin(struct ingot_snapshot *snapshot, struct ingot_buffer *before)
{
    struct ingot_slice wish;
    const enum ingot_error error = read_wish(snapshot, &wish);
    ingot_buffer_append_slice(before, wish);
    return error;
}

/* After the wrapped App has done its part, with this outcome. */
static enum ingot_error finish(const struct set_app *app, struct ingot_snapshot *snapshot,
                               const struct ingot_buffer *before, enum ingot_error outcome,
                               struct ingot_execution *execution)
{
    if (outcome != INGOT_OK) {
        return outcome;
    }
    struct ingot_slice wish;
    const enum ingot_error error = read_wish(snapshot, &wish);
    if (error == INGOT_OK && !ingot_slice_equal(wish, ingot_buffer_slice(before))) {
        carry_out(app, snapshot, wish, execution);
    }
    return error;
}

static enum ingot_error propose_block(void *context, const struct ingot_propose_request *request,
                                      struct ingot_execution *execution)
{
    struct set_app *app = context;
    struct ingot_buffer before = {0};
    enum ingot_error error = begin(request->snapshot, &before);
    if (error == INGOT_OK) {
        error = app->kv.propose_block(app->kv.context, request, execution);
    }
    error = finish(app, request->snapshot, &before, error, execution);
    ingot_buffer_deinit(&before);
    return error;
}

static enum ingot_error validate_block(void *context, const struct ingot_validate_request *request,
                                       struct ingot_execution *execution)
{
    struct set_app *app = context;
    struct ingot_buffer before = {0};
    enum ingot_error error = begin(request->snapshot, &before);
    if (error == INGOT_OK) {
        error = app->kv.validate_block(app->kv.context, request, execution);
    }
    error = finish(app, request->snapshot, &before, error, execution);
    ingot_buffer_deinit(&before);
    return error;
}

static void check_tx(void *context, struct ingot_slice transaction, struct ingot_snapshot *snapshot,
                     struct ingot_check_response *response)
{
    struct set_app *app = context;
    app->kv.check_tx(app->kv.context, transaction, snapshot, response);
}

static void query(void *context, const struct ingot_query_request *request,
                  struct ingot_query_response *response)
{
    struct set_app *app = context;
    app->kv.query(app->kv.context, request, response);
}

static void free_app(void *context)
{
    struct set_app *app = context;
    app->kv.free(app->kv.context);
    free(app);
}

void set_app_init(struct ingot_app *app, const struct set_app_keys *keys)
{
    struct set_app *wrapper = alloc_zeroed(1, sizeof *wrapper);
    ingot_app_kv_init(NULL, &wrapper->kv);
    wrapper->keys = keys;
    *app = (struct ingot_app){
        .context = wrapper,
        .name = "kv",
        .version = "1",
        .propose_block = propose_block,
        .validate_block = validate_block,
        .check_tx = check_tx,
        .query = query,
        .free = free_app,
    };
}

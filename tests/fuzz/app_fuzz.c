/*
 * The Apps on arbitrary transactions and queries: both say the same of a transaction in a check, in
 * a block that is proposed and in one that is validated; a query never fails. The first byte says
 * which App; then come pieces, each behind its length.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <ingot/apps.h>

#include "fuzz/fuzz.h"
#include "unit/app_state.h"

#define PIECES_MAX 8

/* States start empty; an execution changes its own at once. */
struct side {
    struct ingot_snapshot state;
    struct ingot_execution execution;
};

static struct ingot_app apps[2];
static struct side proposing;
static struct side validating;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    const struct ingot_app_options options = {.chain = {{0xC7}}};
    require(ingot_app_init_by_name("kv", &options, &apps[0]) == INGOT_OK);
    require(ingot_app_init_by_name("signing", &options, &apps[1]) == INGOT_OK);
    return 0;
}

static void side_begin(struct side *side)
{
    side->execution.state = &side->state;
    side->execution.room = 16;
    side->execution.count = 0;
}

static void side_end(struct side *side)
{
    app_state_deinit(&side->state, &side->execution);
    side->state.count = 0;
    memset(side->execution.data, 0, sizeof side->execution.data);
}

static void require_same_state(const struct ingot_snapshot *a, const struct ingot_snapshot *b)
{
    require(a->count == b->count && a->change_count == b->change_count);
    for (uint32_t i = 0; i < a->count; i++) {
        require(ingot_slice_equal(ingot_buffer_slice(&a->items[i].key),
                                  ingot_buffer_slice(&b->items[i].key)));
        require(ingot_slice_equal(ingot_buffer_slice(&a->items[i].value),
                                  ingot_buffer_slice(&b->items[i].value)));
    }
}

/* What is proposed is valid, with the same results and the same state behind it. */
static void execute(const struct ingot_app *app, const struct ingot_slice *pieces, uint32_t count)
{
    const struct ingot_block_info info = {.height = 8};
    const struct ingot_propose_request request = {.block = &info,
                                                  .snapshot = &proposing.state,
                                                  .candidates = pieces,
                                                  .candidate_count = count};
    struct ingot_slice chosen[PIECES_MAX];
    side_begin(&proposing);
    side_begin(&validating);
    require(app->propose_block(app->context, &request, &proposing.execution) == INGOT_OK);
    require(proposing.execution.count <= count);
    for (uint32_t i = 0; i < proposing.execution.count; i++) {
        chosen[i] = pieces[proposing.execution.included[i]];
    }
    require(app_state_validate(app, &validating.execution, chosen, proposing.execution.count) ==
            INGOT_OK);
    require(validating.execution.count == proposing.execution.count);
    for (uint32_t i = 0; i < proposing.execution.count; i++) {
        require(validating.execution.codes[i] == proposing.execution.codes[i]);
        require(ingot_slice_equal(ingot_buffer_slice(&validating.execution.data[i]),
                                  ingot_buffer_slice(&proposing.execution.data[i])));
    }
    require_same_state(&proposing.state, &validating.state);
}

/* A block of whatever transactions is executed or refused, as what a check says of them. */
static void check(const struct ingot_app *app, struct ingot_slice piece)
{
    struct ingot_check_response response = {0};
    struct ingot_attest_subject subject;
    app->check_tx(app->context, piece, &validating.state, &response);
    require((response.code == 0) == (response.log.size == 0));
    if (app->attest != NULL && app->attest(app->context, piece, &subject) && subject.has_payload) {
        require(subject.payload.data >= piece.data &&
                subject.payload.data + subject.payload.size <= piece.data + piece.size);
    }
    if (app->may_attest != NULL) {
        (void)app->may_attest(app->context, piece);
    }
    ingot_buffer_deinit(&response.log);
    const enum ingot_error error = app_state_validate(app, &validating.execution, &piece, 1);
    require(error == INGOT_OK || error == INGOT_ERROR_REJECTED);
}

static void query(const struct ingot_app *app, struct ingot_slice path, struct ingot_slice data)
{
    const struct ingot_query_request request = {
        .path = path, .data = data, .snapshot = &validating.state};
    struct ingot_query_response response = {0};
    if (app->query == NULL) {
        return;
    }
    app->query(app->context, &request, &response);
    ingot_buffer_deinit(&response.key);
    ingot_buffer_deinit(&response.value);
    ingot_buffer_deinit(&response.log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ingot_slice rest = {data, size};
    struct ingot_slice pieces[PIECES_MAX];
    uint32_t count = 0;
    uint8_t which = 0;
    uint8_t length = 0;
    if (!ingot_slice_take_u8(&rest, &which)) {
        return 0;
    }
    const struct ingot_app *app = &apps[which % 2];
    while (count < PIECES_MAX && ingot_slice_take_u8(&rest, &length)) {
        if (!ingot_slice_take(&rest, length, &pieces[count])) {
            pieces[count] = rest;
            rest.size = 0;
        }
        count++;
    }
    execute(app, pieces, count);
    for (uint32_t i = 0; i < count; i++) {
        check(app, pieces[i]);
        query(app, pieces[i], pieces[(i + 1) % count]);
    }
    side_end(&proposing);
    side_end(&validating);
    return 0;
}

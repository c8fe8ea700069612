/*
 * The null App: every transaction succeeds and changes nothing.
 */
#include <ingot/apps.h>

static const struct ingot_result accepted;

static enum ingot_error propose_block(void *context, const struct ingot_propose_request *request,
                                      struct ingot_execution *execution)
{
    (void)context;
    for (uint32_t i = 0; i < request->candidate_count; i++) {
        const enum ingot_error error = ingot_execution_include(execution, i, &accepted);
        if (error == INGOT_ERROR_FULL)
            break;
        if (error != INGOT_OK && error != INGOT_ERROR_INVALID)
            return error;
    }
    return INGOT_OK;
}

static enum ingot_error validate_block(void *context, const struct ingot_validate_request *request,
                                       struct ingot_execution *execution)
{
    (void)context;
    for (uint32_t i = 0; i < request->transaction_count; i++) {
        if (ingot_execution_result(execution, &accepted) != INGOT_OK)
            return INGOT_ERROR_REJECTED;
    }
    return INGOT_OK;
}

void ingot_app_null_init(struct ingot_app *app)
{
    *app = (struct ingot_app){
        .name = "null",
        .version = "1",
        .propose_block = propose_block,
        .validate_block = validate_block,
    };
}

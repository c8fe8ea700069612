/*
 * The loop over a block's transactions. What a transaction means is the App's.
 */
#include "app/steps.h"

enum ingot_error steps_propose(const struct steps *steps, void *app,
                               const struct ingot_propose_request *request,
                               struct ingot_execution *execution)
{
    for (uint32_t i = 0; i < request->candidate_count; i++) {
        struct ingot_result result = {0};
        enum ingot_error error =
            steps->execute(app, request->block, request->snapshot, request->candidates[i], &result);
        if (error != INGOT_OK)
            return error;
        error = ingot_execution_include(execution, i, &result);
        if (error == INGOT_ERROR_FULL)
            break;
        if (error == INGOT_ERROR_INVALID)
            continue;
        if (error == INGOT_OK)
            error = steps->apply(app, execution);
        if (error != INGOT_OK)
            return error;
    }
    return INGOT_OK;
}

enum ingot_error steps_validate(const struct steps *steps, void *app,
                                const struct ingot_validate_request *request,
                                struct ingot_execution *execution)
{
    for (uint32_t i = 0; i < request->transaction_count; i++) {
        struct ingot_result result = {0};
        enum ingot_error error = steps->execute(app, request->block, request->snapshot,
                                                request->transactions[i], &result);
        if (error != INGOT_OK)
            return error;
        /* Only a block that nobody honest built has results beyond the limits. */
        if (ingot_execution_result(execution, &result) != INGOT_OK)
            return INGOT_ERROR_REJECTED;
        error = steps->apply(app, execution);
        if (error != INGOT_OK)
            return error;
    }
    return INGOT_OK;
}

/*
 * An execution put together anew from the parts that another one reads as.
 */
#ifndef INGOT_TESTS_LIB_EXECUTION_ANEW_H
#define INGOT_TESTS_LIB_EXECUTION_ANEW_H

#include <stdlib.h>

#include "base/alloc.h"
#include "node/execution.h"

/* A reference for the caller. */
static inline struct execution *execution_anew(const struct execution *execution)
{
    struct state_update *updates = alloc_resize(NULL, execution->update_count, sizeof *updates);
    for (uint32_t i = 0; i < execution->update_count; i++)
        updates[i] = execution_update(execution, i);
    struct execution *again =
        execution_new(execution->results, execution->result_count, updates, execution->update_count,
                      execution->validator_updates, execution->validator_update_count);
    free(updates);
    return again;
}

#endif

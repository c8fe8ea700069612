/*
 * The decoder of stored executions on arbitrary bytes. What is accepted is accepted whole, and its
 * parts, put together anew, give the same bytes and the same hash.
 */
#include <string.h>

#include "fuzz/fuzz.h"
#include "lib/execution_anew.h"
#include "node/execution.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct ingot_slice bytes = {data, size};
    struct execution *execution = execution_decode(bytes);
    if (execution == NULL) {
        return 0;
    }
    require(ingot_slice_equal(execution_encoded(execution), bytes));
    struct execution *again = execution_anew(execution);
    require(ingot_slice_equal(execution_encoded(again), bytes));
    require(memcmp(&again->updates_hash, &execution->updates_hash, sizeof again->updates_hash) ==
            0);
    execution_unref(again);
    execution_unref(execution);
    return 0;
}

/*
 * How an App goes through the transactions of a block when each is executed by itself, and every
 * one of them gets into the block with a result, also one that fails.
 */
#ifndef INGOT_APP_STEPS_H
#define INGOT_APP_STEPS_H

#include <ingot/app.h>

/* Works out what a transaction comes to, and changes nothing yet. The App keeps what there is to
 * change until `apply`; the result's bytes live as long. Returns INGOT_OK or the store's error. */
typedef enum ingot_error steps_execute(void *app, const struct ingot_block_info *block,
                                       struct ingot_snapshot *snapshot, struct ingot_slice bytes,
                                       struct ingot_result *result);
/* Changes what the last transaction changes, now that its result is in the block. */
typedef enum ingot_error steps_apply(void *app, struct ingot_execution *execution);

struct steps {
    steps_execute *execute;
    steps_apply *apply;
};

/* As propose_block and validate_block of <ingot/app.h>. */
enum ingot_error steps_propose(const struct steps *steps, void *app,
                               const struct ingot_propose_request *request,
                               struct ingot_execution *execution);
enum ingot_error steps_validate(const struct steps *steps, void *app,
                                const struct ingot_validate_request *request,
                                struct ingot_execution *execution);

#endif

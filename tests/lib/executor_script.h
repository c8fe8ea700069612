/*
 * An App that does what the lines of a test tell it, and two nodes that run it, for tests of the
 * executor. For cmocka's tests: a failed expectation ends the test.
 */
#ifndef INGOT_TESTS_EXECUTOR_SCRIPT_H
#define INGOT_TESTS_EXECUTOR_SCRIPT_H

#include "lib/executor_harness.h"

/*
 * Transactions: "set K V", "delete K", "get K" (the result's data), "list" (all keys, in the
 * result's data), "member F P" (the validator whose key is all F gets power P), "crowd F N" (so do
 * N new ones of power 1, whose keys begin with F), "members" (as "F:P ", in the result's data),
 * "big" (a result with as much data as may be). All keys and values are one word.
 */
#define SCRIPT_LOG_BYTES_MAX 1024

struct script {
    struct ingot_app app;
    uint32_t executions; /* how often propose_block or validate_block ran */
    bool refuses;
    bool forgets_a_result;
    bool swallows_errors;
    size_t log_bytes;             /* of each result's log; up to SCRIPT_LOG_BYTES_MAX */
    enum ingot_error last;        /* what giving the latest result returned */
    char last_members[128];       /* what "members" gave last, cut */
    enum ingot_error last_member; /* what changing a member returned; the block goes on */
};

/* Two nodes of one chain. */
struct pair {
    struct test_chain chain;
    struct script script[2];
    struct test_node node[2];
};

/* Options for tests that are not about them. */
extern const struct test_node_options plain;

/* `options->app` is not looked at. */
void pair_init(struct pair *pair, const struct test_node_options *options);
void pair_deinit(struct pair *pair);

/* `lines` are transactions, separated by semicolons. */
struct block *build(struct test_node *node, const struct block *parent, uint64_t view,
                    const char *lines);
void expect_valid(struct test_node *node, struct block *block);
/* `reason` is a part of the sentence that says why. */
void expect_refused(struct test_node *node, struct block *block, const char *reason);
/* Builds on the first node, has it validated by the second, and commits it on both. */
struct block *grow(struct pair *pair, const struct block *parent, uint64_t view, const char *lines);
/* A block with these transactions that nobody honest built: replays and all. Not executed. */
struct block *forge(struct pair *pair, const struct block *parent, uint64_t view,
                    const char *lines);
/* A result's data as text, until the next call. */
const char *result_data(struct test_node *node, const struct block *block, uint32_t index);

#endif

/*
 * What a node's own policy refuses, at the door and before its validator signs. Method: tables of
 * requests against a signing App over the simplest state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/app_signing.h"

/* Refused at the door and not signed, with this reason; valid all the same. */
static void expect_policy(struct fixture *fixture, const struct ingot_signing_request *request,
                          const char *reason)
{
    struct ingot_attest_subject subject;
    make(fixture, request);
    const struct ingot_slice bytes = ingot_buffer_slice(&fixture->transaction);
    expect_checked(fixture, bytes, reason == NULL ? INGOT_SIGNING_OK : INGOT_SIGNING_NOT_ALLOWED,
                   reason == NULL ? "" : reason);
    assert_int_equal(fixture->app.may_attest(fixture->app.context, bytes), reason == NULL);
    assert_true(fixture->app.attest(fixture->app.context, bytes, &subject));
    expect_result(fixture, bytes, INGOT_SIGNING_OK, "");
}

static void a_payload_above_the_nodes_own_limit_is_refused_and_not_signed(void **state)
{
    struct fixture *fixture = *state;
    struct ingot_signing_request request = request_with("12345");
    use_policy(fixture, 4, NULL, 0);
    expect_policy(fixture, &request, "this node takes payloads of at most 4 bytes, found 5");
    request.payload.size = 4;
    expect_policy(fixture, &request, NULL);
    use_policy(fixture, 0, NULL, 0);
    request.payload.size = 1;
    expect_policy(fixture, &request, "this node takes digests only, no payloads");
    request = request_for(DOCUMENT);
    expect_policy(fixture, &request, NULL);
}

static void where_submitters_are_named_nobody_else_is_taken(void **state)
{
    struct fixture *fixture = *state;
    struct ingot_public_key named[2] = {{{0}}, fixture->key};
    struct ingot_signing_request request = request_for(DOCUMENT);
    use_policy(fixture, INGOT_SIGNING_PAYLOAD_BYTES_MAX, named, 2);
    expect_policy(fixture, &request,
                  "this node takes transactions of certain submitters only, and this one names "
                  "none");
    sign_for(fixture, &fixture->options.chain, &request);
    expect_policy(fixture, &request, NULL);
    request.nonce = text("another");
    sign_for(fixture, &fixture->options.chain, &request);
    use_policy(fixture, INGOT_SIGNING_PAYLOAD_BYTES_MAX, named, 1);
    expect_policy(fixture, &request,
                  "this node does not take transactions of submitter "
                  "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    /* A name is not enough. */
    use_policy(fixture, INGOT_SIGNING_PAYLOAD_BYTES_MAX, named, 2);
    request.nonce = text("a third");
    make(fixture, &request);
    expect_refusal(fixture, ingot_buffer_slice(&fixture->transaction), INGOT_SIGNING_BAD_SUBMITTER,
                   UNSIGNED_LOG);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_payload_above_the_nodes_own_limit_is_refused_and_not_signed),
        TEST(where_submitters_are_named_nobody_else_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

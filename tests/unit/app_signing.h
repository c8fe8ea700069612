/*
 * A signing App over the simplest state, for its tests: requests, and what comes of them. Included
 * once in a test, as app_state.h is.
 */
#ifndef INGOT_TESTS_APP_SIGNING_H
#define INGOT_TESTS_APP_SIGNING_H

#include <ingot/apps.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "unit/app_state.h"

#define DOCUMENT "ingot 0.1.0 may be released\n"
#define DOCUMENT_SHA256 "352c01a47fa7a8c40f8c29dea8fb4faac922f38db049d896fe2e391363841189"

struct fixture {
    struct ingot_app app;
    struct ingot_app_options options;
    struct ingot_public_key key; /* of the submitter, and of the administrator */
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    struct ingot_snapshot state;
    struct ingot_execution execution;
    struct ingot_buffer transaction;
};

static inline int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    uint8_t seed[32];
    for (uint8_t i = 0; i < 32; i++)
        seed[i] = i;
    assert_int_equal(crypto_sign_seed_keypair(fixture->key.bytes, fixture->secret, seed), 0);
    fixture->options.has_administrator = true;
    fixture->options.administrator = fixture->key;
    memset(fixture->options.chain.bytes, 0x11, sizeof fixture->options.chain.bytes);
    ingot_app_signing_init(&fixture->options, &fixture->app);
    fixture->execution.state = &fixture->state;
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    app_state_deinit(&fixture->state, &fixture->execution);
    ingot_buffer_deinit(&fixture->transaction);
    ingot_app_deinit(&fixture->app);
    free(fixture);
    return 0;
}

static inline struct ingot_slice text(const char *characters)
{
    return ingot_slice_of_text(characters);
}

static inline struct ingot_signing_request request_for(const char *document)
{
    struct ingot_signing_request request = {.has_payload = false};
    crypto_hash_sha256(request.digest, (const uint8_t *)document, strlen(document));
    return request;
}

static inline struct ingot_signing_request request_with(const char *document)
{
    return (struct ingot_signing_request){.has_payload = true, .payload = text(document)};
}

static inline void sign_for(struct fixture *fixture, const struct ingot_hash *chain,
                            struct ingot_signing_request *request)
{
    struct ingot_buffer preimage = {0};
    request->has_submitter = true;
    request->submitter = fixture->key;
    ingot_signing_preimage(&preimage, chain, request);
    assert_int_equal(crypto_sign_detached(request->signature.bytes, NULL, preimage.data,
                                          preimage.size, fixture->secret),
                     0);
    ingot_buffer_deinit(&preimage);
}

static inline void make(struct fixture *fixture, const struct ingot_signing_request *request)
{
    ingot_buffer_clear(&fixture->transaction);
    assert_int_equal(ingot_signing_transaction(&fixture->transaction, request), INGOT_OK);
}

static inline void expect_checked(struct fixture *fixture, struct ingot_slice bytes, uint32_t code,
                                  const char *log)
{
    struct ingot_check_response response = {.code = 999};
    fixture->app.check_tx(fixture->app.context, bytes, &fixture->state, &response);
    assert_int_equal(response.code, code);
    assert_true(ingot_slice_equal(ingot_buffer_slice(&response.log), text(log)));
    assert_true(response.is_stateless);
    ingot_buffer_deinit(&response.log);
}

/* Executes it in a block, which is valid in any case. */
static inline void expect_result(struct fixture *fixture, struct ingot_slice bytes, uint32_t code,
                                 const char *log)
{
    assert_int_equal(app_state_validate(&fixture->app, &fixture->execution, &bytes, 1), INGOT_OK);
    assert_int_equal(fixture->execution.count, 1);
    assert_int_equal(fixture->execution.codes[0], code);
    assert_string_equal(fixture->execution.logs[0], log);
}

/* Refused alike by the check and by the execution, which changes nothing. */
static inline void expect_refusal(struct fixture *fixture, struct ingot_slice bytes, uint32_t code,
                                  const char *log)
{
    const uint32_t items = fixture->state.count;
    expect_checked(fixture, bytes, code, log);
    expect_result(fixture, bytes, code, log);
    assert_int_equal(fixture->state.count, items);
}

#define UNSIGNED_LOG "not the submitter's signature over this transaction for this chain"

static inline void use_policy(struct fixture *fixture, uint32_t payload_bytes_max,
                              const struct ingot_public_key *submitters, uint32_t count)
{
    struct ingot_public_key copies[2];
    if (count > 0)
        memcpy(copies, submitters, count * sizeof copies[0]);
    const struct ingot_signing_policy policy = {
        .payload_bytes_max = payload_bytes_max, .submitter_count = count, .submitters = copies};
    fixture->options.signing_policy = &policy;
    ingot_app_deinit(&fixture->app);
    ingot_app_signing_init(&fixture->options, &fixture->app);
    memset(copies, 0xee, sizeof copies); /* what was given is copied */
}

#endif

/*
 * Goal: what is encoded properly but says what cannot be is refused by the decoder: numbers out of
 * range, bitmaps that do not fit their signatures, payloads that do not fit their count. Method:
 * valid objects of which one field is spoiled before they are encoded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/fast_crypto.h"
#include "lib/wire_samples.h"
#include "wire/wire.h"

static struct samples samples;

static int set_up(void **state)
{
    (void)state;
    samples_init(&samples, &fast_crypto, 4, 0, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    samples_deinit(&samples);
    return 0;
}

/* Takes the message. */
static enum reject decode_encoded(struct message *message)
{
    struct ingot_buffer bytes = {0};
    wire_encode(message, &bytes);
    struct message *back;
    const enum reject reject = wire_decode(ingot_buffer_slice(&bytes), &back);
    assert_true((reject == REJECT_NONE) == (back != NULL));
    message_unref(back);
    message_unref(message);
    ingot_buffer_deinit(&bytes);
    return reject;
}

static enum reject decode_qc_after(void (*spoil)(struct qc *qc))
{
    const struct ingot_hash block = samples_hash(8);
    struct qc *qc = samples_qc(&samples, SAMPLES_ALL, 8, 8, &block, PHASE_GENERIC);
    spoil(qc);
    struct ingot_buffer bytes = {0};
    wire_encode_qc(qc, &bytes);
    struct qc *back;
    const enum reject reject = wire_decode_qc(ingot_buffer_slice(&bytes), &back);
    assert_true((reject == REJECT_NONE) == (back != NULL));
    qc_unref(back);
    qc_unref(qc);
    ingot_buffer_deinit(&bytes);
    return reject;
}

static void spoil_nothing(struct qc *qc)
{
    (void)qc;
}

static void spoil_surplus_bit(struct qc *qc)
{
    signers_add(&qc->signers, 4);
    qc->signature_count++;
}

static void spoil_too_few_signatures(struct qc *qc)
{
    qc->signature_count--;
}

static void spoil_too_many_signatures(struct qc *qc)
{
    qc->signature_count++;
}

static void spoil_longer_bitmap(struct qc *qc)
{
    qc->validator_count = 256;
    qc->signers.bits[31] = 0;
}

static void spoil_no_signers(struct qc *qc)
{
    memset(&qc->signers, 0, sizeof qc->signers);
    qc->signature_count = 0;
}

static void spoil_phase(struct qc *qc)
{
    int out_of_range = PHASE_COUNT;
    memcpy(&qc->phase, &out_of_range, sizeof qc->phase);
}

static void spoil_view_too_high(struct qc *qc)
{
    qc->view = WIRE_NUMBER_MAX + 1;
}

static void spoil_view_zero(struct qc *qc)
{
    qc->view = 0;
}

static void spoil_no_members(struct qc *qc)
{
    qc->validator_count = 0;
}

static void a_qc_that_cannot_be_is_refused(void **state)
{
    (void)state;
    assert_int_equal(decode_qc_after(spoil_nothing), REJECT_NONE);
    assert_int_equal(decode_qc_after(spoil_surplus_bit), REJECT_MALFORMED);
    assert_int_equal(decode_qc_after(spoil_too_few_signatures), REJECT_MALFORMED);
    assert_int_equal(decode_qc_after(spoil_too_many_signatures), REJECT_MALFORMED);
    /* That decodes: how many members the set has is not for the decoder to know. */
    assert_int_equal(decode_qc_after(spoil_longer_bitmap), REJECT_NONE);
    assert_int_equal(decode_qc_after(spoil_no_signers), REJECT_MALFORMED);
    assert_int_equal(decode_qc_after(spoil_phase), REJECT_MALFORMED);
    assert_int_equal(decode_qc_after(spoil_view_too_high), REJECT_MALFORMED);
    /* Whatever looks like the genesis QC must be it to the byte. */
    assert_int_equal(decode_qc_after(spoil_view_zero), REJECT_BAD_GENESIS_QC);
    assert_int_equal(decode_qc_after(spoil_no_members), REJECT_BAD_GENESIS_QC);
}

static enum reject decode_changed_block(void (*spoil)(struct block *block))
{
    struct message *message = samples_message(&samples, MESSAGE_PROPOSE, 1);
    spoil(message->propose.block);
    return decode_encoded(message);
}

static void spoil_height_zero(struct block *block)
{
    block->height = 0;
}

static void spoil_height_too_high(struct block *block)
{
    block->height = WIRE_NUMBER_MAX + 1;
}

static void spoil_block_view_zero(struct block *block)
{
    block->view = 0;
}

static void spoil_time(struct block *block)
{
    block->time_ms = WIRE_TIME_MS_MAX + 1;
}

static void spoil_version(struct block *block)
{
    block->version = BLOCK_VERSION + 1;
}

static void spoil_no_justify(struct block *block)
{
    qc_unref(block->justify);
    block->justify = NULL;
}

static void spoil_count(struct block *block)
{
    block->transaction_count++;
}

static void spoil_payload_length(struct block *block)
{
    block->payload.data[0]++;
}

static void spoil_payload_too_large(struct block *block)
{
    ingot_buffer_clear(&block->payload);
    block->transaction_count = 5;
    uint8_t *zeros = calloc(1, INGOT_TRANSACTION_BYTES_MAX);
    assert_non_null(zeros);
    for (unsigned i = 0; i < 5; i++) {
        ingot_buffer_append_u32(&block->payload, INGOT_TRANSACTION_BYTES_MAX);
        ingot_buffer_append(&block->payload, zeros, INGOT_TRANSACTION_BYTES_MAX);
    }
    free(zeros);
    wire_seal_block(block);
}

static void a_block_that_cannot_be_is_refused(void **state)
{
    (void)state;
    assert_int_equal(decode_changed_block(spoil_height_zero), REJECT_MALFORMED);
    assert_int_equal(decode_changed_block(spoil_height_too_high), REJECT_MALFORMED);
    assert_int_equal(decode_changed_block(spoil_block_view_zero), REJECT_MALFORMED);
    assert_int_equal(decode_changed_block(spoil_time), REJECT_MALFORMED);
    assert_int_equal(decode_changed_block(spoil_version), REJECT_MALFORMED);
    assert_int_equal(decode_changed_block(spoil_no_justify), REJECT_MALFORMED);
    assert_int_equal(decode_changed_block(spoil_count), REJECT_BAD_PAYLOAD);
    assert_int_equal(decode_changed_block(spoil_payload_length), REJECT_BAD_PAYLOAD);
    assert_int_equal(decode_changed_block(spoil_payload_too_large), REJECT_BAD_PAYLOAD);
}

static enum reject decode_nudge_after(void (*spoil)(struct nudge *nudge))
{
    struct message *message = samples_message(&samples, MESSAGE_NUDGE, 0);
    spoil(&message->nudge);
    return decode_encoded(message);
}

static void spoil_nudge_epoch(struct nudge *nudge)
{
    nudge->epoch = WIRE_NUMBER_MAX + 1;
}

static void spoil_nudge_view(struct nudge *nudge)
{
    nudge->view = 0;
}

static void spoil_nudge_voter(struct nudge *nudge)
{
    nudge->vote.voter = INGOT_VALIDATORS_MAX;
}

static void spoil_nudge_justify(struct nudge *nudge)
{
    nudge->justify->view = WIRE_NUMBER_MAX + 1;
}

static void a_nudge_that_cannot_be_is_refused(void **state)
{
    (void)state;
    assert_int_equal(decode_nudge_after(spoil_nudge_epoch), REJECT_MALFORMED);
    assert_int_equal(decode_nudge_after(spoil_nudge_view), REJECT_MALFORMED);
    assert_int_equal(decode_nudge_after(spoil_nudge_voter), REJECT_MALFORMED);
    assert_int_equal(decode_nudge_after(spoil_nudge_justify), REJECT_MALFORMED);

    /* Of view 7, with neither vote nor justify. */
    const uint8_t empty[] = {0x4A, 0x02, 0x10, 0x07};
    struct message *message;
    assert_int_equal(wire_decode(ingot_slice_of(empty, sizeof empty), &message), REJECT_MALFORMED);
    assert_null(message);
}

static void an_answer_with_impossible_heights_is_refused(void **state)
{
    (void)state;
    for (unsigned field = 0; field < 2; field++) {
        struct message *message = samples_message(&samples, MESSAGE_SYNC_RESPONSE, 1);
        uint64_t *const fields[] = {&message->sync_response.committed_height,
                                    &message->sync_response.lowest_height};
        *fields[field] = WIRE_NUMBER_MAX + 1;
        assert_int_equal(decode_encoded(message), REJECT_MALFORMED);
    }
}

static void a_set_of_an_epoch_without_a_first_view_is_refused(void **state)
{
    (void)state;
    struct samples others;
    samples_init(&others, &fast_crypto, 4, 1, 9);
    others.set->first_view = 0;
    struct ingot_buffer bytes = {0};
    struct validator_set *back;
    wire_encode_validator_set(others.set, &bytes);
    assert_int_equal(wire_decode_validator_set(ingot_buffer_slice(&bytes), &back),
                     REJECT_MALFORMED);
    assert_null(back);
    ingot_buffer_deinit(&bytes);
    samples_deinit(&others);
}

static void a_frame_above_the_cap_is_not_looked_at(void **state)
{
    (void)state;
    uint8_t *bytes = calloc(1, INGOT_FRAME_BYTES_MAX + 1);
    assert_non_null(bytes);
    struct message *message;
    assert_int_equal(wire_decode(ingot_slice_of(bytes, INGOT_FRAME_BYTES_MAX + 1), &message),
                     REJECT_OVERSIZE);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_qc_that_cannot_be_is_refused),
        cmocka_unit_test(a_block_that_cannot_be_is_refused),
        cmocka_unit_test(a_nudge_that_cannot_be_is_refused),
        cmocka_unit_test(an_answer_with_impossible_heights_is_refused),
        cmocka_unit_test(a_set_of_an_epoch_without_a_first_view_is_refused),
        cmocka_unit_test(a_frame_above_the_cap_is_not_looked_at),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

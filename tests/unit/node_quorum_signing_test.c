/*
 * The signing callback of quorum broadcast, and its records. Goal: only signatures that verify
 * count, a quorum's make one attestation that anybody can check, and no record is made twice,
 * whatever happens to the process and the disk.
 * Method: the callbacks of four members, called as the protocol would, over real files; the disk is
 * full where RLIMIT_FSIZE says so.
 */
#include "lib/signing_members.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"

static void a_quorum_makes_an_attestation_that_verifies_once_it_is_synced(void **state)
{
    (void)state;
    struct ingot_buffer line = {0};
    struct attestation attestation;
    uint64_t power = 0;
    char why[256] = "";
    assert_int_equal(signing_end_round(0, "a", "line\n\"quote\""), BROADCAST_GO);
    assert_int_equal(signing_find(0, "a", &line), INGOT_ERROR_NOT_FOUND);
    assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_OK);
    assert_int_equal(signing_find(0, "a", &line), INGOT_OK);
    assert_int_equal(attestation_parse(ingot_buffer_slice(&line), &attestation, why, sizeof why),
                     INGOT_OK);
    assert_int_equal(attestation_verify(&attestation, signing_genesis.sha256, signing_set.set,
                                        &power, why, sizeof why),
                     INGOT_OK);
    assert_int_equal(power, SIGNING_QUORUM);
    assert_int_equal(attestation.statement.height, 0);
    assert_string_equal(attestation.chain_id, "signing-test");
    attestation_deinit(&attestation);
    ingot_buffer_deinit(&line);
}

static void what_does_not_verify_does_not_count(void **state)
{
    (void)state;
    const struct broadcast_round_view round = signing_round("a", "payload");
    const struct broadcast_callbacks callbacks = quorum_signing_callbacks(signing_members[0]);
    for (int i = 0; i < 7; i++) {
        struct broadcast_message *message = signing_say_commit(1, &round);
        switch (i) {
        case 0:
            break; /* as it should be */
        case 1:
            message->sender = 2; /* somebody else's signature */
            break;
        case 2:
            message->id.bytes[0] ^= 1; /* moved to another id */
            break;
        case 3:
            message->digest.bytes[0] ^= 1;
            break;
        case 4:
            message->attachment.data[63] ^= 1;
            break;
        case 5:
            ingot_buffer_append_u8(&message->attachment, 0);
            break;
        default:
            message->kind = BROADCAST_PREPARE; /* has no attachment */
            break;
        }
        assert_int_equal(callbacks.check(callbacks.context, message), i == 0);
        broadcast_message_unref(message);
    }
}

static void a_record_is_never_made_twice(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(signing_end_round(0, "a", "payload"), BROADCAST_GO);
        assert_int_equal(signing_end_round(0, "a", "payload"), BROADCAST_GO); /* before the sync */
        assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_OK);
        assert_int_equal(signing_end_round(0, "a", "payload"), BROADCAST_GO);
        assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_OK);
        assert_int_equal(signed_records_count(quorum_signing_records(signing_members[0])), 1);
        signing_reopen(0);
    }
}

static void nobody_takes_an_id_from_another_originator(void **state)
{
    (void)state;
    const struct broadcast_callbacks callbacks = quorum_signing_callbacks(signing_members[0]);
    struct ingot_buffer attachment = {0};
    assert_int_equal(signing_end_round(0, "a", "payload"), BROADCAST_GO);
    assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_OK);
    struct broadcast_round_view of_another = signing_round("a", "other");
    of_another.originator = 3;
    assert_int_equal(callbacks.prepare(callbacks.context, &of_another, &attachment), BROADCAST_GO);
    assert_int_equal(callbacks.commit(callbacks.context, &of_another, &attachment), BROADCAST_GO);
    assert_int_equal(attachment.size, INGOT_SIGNATURE_BYTES);
    ingot_buffer_deinit(&attachment);
}

static void a_payload_above_our_own_limit_is_not_signed(void **state)
{
    (void)state;
    char payload[SIGNING_PAYLOAD_BYTES_MAX + 2] = "";
    struct ingot_buffer attachment = {0};
    const struct broadcast_callbacks callbacks = quorum_signing_callbacks(signing_members[0]);
    memset(payload, 'x', SIGNING_PAYLOAD_BYTES_MAX);
    struct broadcast_round_view round = signing_round("a", payload);
    assert_int_equal(callbacks.prepare(callbacks.context, &round, &attachment), BROADCAST_GO);
    payload[SIGNING_PAYLOAD_BYTES_MAX] = 'x';
    round = signing_round("a", payload);
    assert_int_equal(callbacks.pre_prepare(callbacks.context, &round, NULL, NULL), BROADCAST_VETO);
    assert_int_equal(callbacks.prepare(callbacks.context, &round, &attachment), BROADCAST_VETO);
    assert_int_equal(callbacks.commit(callbacks.context, &round, &attachment), BROADCAST_VETO);
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_loses_no_round_and_piles_nothing_up(void **state)
{
    (void)state;
    const struct signed_records *records = quorum_signing_records(signing_members[0]);
    struct ingot_buffer line = {0};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(signing_end_round(0, "a", "payload"), BROADCAST_GO);
    assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_OK);
    limit_file_size(signed_records_bytes(records) + 10);
    assert_int_equal(signing_end_round(0, "b", "payload"), BROADCAST_GO);
    assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_ERROR_NO_SPACE);
    for (int i = 0; i < 3; i++) { /* the protocol asks again on its ticks */
        assert_int_equal(signing_end_round(0, "c", "payload"), BROADCAST_FAIL);
        assert_int_equal(signed_records_pending(records), 1);
        assert_int_equal(signing_find(0, "b", NULL), INGOT_ERROR_NOT_FOUND);
    }
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(signing_end_round(0, "c", "payload"), BROADCAST_GO);
    assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_OK);
    signing_reopen(0);
    assert_int_equal(signed_records_count(quorum_signing_records(signing_members[0])), 3);
    assert_int_equal(signing_find(0, "b", &line), INGOT_OK);
    assert_int_equal(signing_find(0, "c", &line), INGOT_OK);
    ingot_buffer_deinit(&line);
}

static void every_one_of_many_records_is_found(void **state)
{
    (void)state;
    char id[16];
    struct ingot_buffer line = {0};
    for (int i = 0; i < 300; i++) {
        (void)snprintf(id, sizeof id, "id %d", i);
        assert_int_equal(signing_end_round(0, id, id), BROADCAST_GO);
        if (i % 7 == 0) {
            assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_OK);
        }
    }
    assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_OK);
    for (int again = 0; again < 2; again++) {
        for (int i = 0; i < 300; i++) {
            struct attestation attestation;
            char why[256];
            (void)snprintf(id, sizeof id, "id %d", i);
            ingot_buffer_clear(&line);
            assert_int_equal(signing_find(0, id, &line), INGOT_OK);
            assert_int_equal(
                attestation_parse(ingot_buffer_slice(&line), &attestation, why, sizeof why),
                INGOT_OK);
            assert_true(ingot_slice_equal(ingot_buffer_slice(&attestation.payload),
                                          ingot_slice_of_text(id)));
            attestation_deinit(&attestation);
        }
        assert_int_equal(signing_find(0, "id 300", NULL), INGOT_ERROR_NOT_FOUND);
        signing_reopen(0);
    }
    ingot_buffer_deinit(&line);
}

static void records_of_another_chain_or_of_a_chain_are_refused(void **state)
{
    (void)state;
    char why[512] = "";
    assert_int_equal(signing_end_round(0, "a", "payload"), BROADCAST_GO);
    assert_int_equal(quorum_signing_sync(signing_members[0]), INGOT_OK);
    for (uint32_t i = 0; i < SIGNING_MEMBERS; i++) {
        quorum_signing_close(signing_members[i]);
        signing_members[i] = NULL;
    }
    home_genesis_deinit(&signing_set);
    genesis_deinit(&signing_genesis);
    signing_make_genesis("another");
    assert_int_equal(signing_start(0, why, sizeof why), INGOT_ERROR_INVALID);
    assert_non_null(strstr(why, "the data is of another chain"));
    signing_lose_store(0);
    assert_int_equal(signing_start(0, why, sizeof why), INGOT_ERROR_CORRUPT);
    assert_non_null(strstr(why, "byte 0: it is of another chain"));

    /* A record with a height is one of a block. */
    char path[64];
    struct attestation attestation = {.signer_count = 1,
                                      .signers = alloc_zeroed(1, sizeof *attestation.signers)};
    struct ingot_buffer line = {0};
    (void)snprintf(attestation.chain_id, sizeof attestation.chain_id, "another");
    memcpy(attestation.statement.genesis, signing_genesis.sha256, 32);
    attestation.statement.id = (struct statement_id){.size = 1};
    attestation.statement.height = 1;
    attestation.signers[0].power = 1;
    attestation_format(&attestation, &line);
    ingot_buffer_append_u8(&line, '\n');
    signing_path(0, path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(line.data, 1, line.size, file), line.size);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(signing_start(0, why, sizeof why), INGOT_ERROR_CORRUPT);
    assert_non_null(strstr(why, "expected height 0"));
    /* It was a store's first opening that failed, and the next one refuses it again. */
    assert_int_equal(signing_start(0, why, sizeof why), INGOT_ERROR_CORRUPT);
    attestation_deinit(&attestation);
    ingot_buffer_deinit(&line);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, signing_set_up, signing_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_quorum_makes_an_attestation_that_verifies_once_it_is_synced),
        TEST(what_does_not_verify_does_not_count),
        TEST(a_record_is_never_made_twice),
        TEST(nobody_takes_an_id_from_another_originator),
        TEST(a_payload_above_our_own_limit_is_not_signed),
        TEST(a_full_disk_loses_no_round_and_piles_nothing_up),
        TEST(every_one_of_many_records_is_found),
        TEST(records_of_another_chain_or_of_a_chain_are_refused),
    };
    return crypto_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}

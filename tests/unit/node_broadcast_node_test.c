/*
 * The driver of the broadcast protocols. Goal: our COMMIT, with our signature over the statement,
 * leaves only when the store has the choice; so a member that restarts at any moment never signs
 * two payloads of one round, and one whose disk fails signs nothing. Method: the real driver over a
 * real store, without a network: the test stands in for the node that it runs in, reads each frame
 * that would leave, and looks at what the store has at that moment.
 */
#include "lib/signing_members.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "attest/signatures_file.h"
#include "base/alloc.h"
#include "node/broadcast_node.h"
#include "wire/broadcast.h"

#define ID "id"
#define OF_A "payload A"
#define OF_B "payload B"

static char folder[32];
static struct ingot_node node;
static uint32_t own;
static uint32_t originator; /* not we */
static enum ingot_exit failed;

/* What has left, in all lives. */
static uint32_t commits;
static bool is_any_of_b;
static bool was_early;   /* a COMMIT whose choice the store did not have */
static bool was_another; /* a COMMIT with another signature than the first one */
static struct broadcast_digest committed;
static struct ingot_buffer attachment; /* the signature over the statement */

/* --- The node that the driver believes to run in. --- */

static bool is_in_store(const struct broadcast_message *message)
{
    struct quorum_store *durable = NULL;
    struct broadcast_digest digest;
    char why[256];
    assert_int_equal(quorum_store_open(broadcast_node_of(node.driver)->store, &signing_genesis.hash,
                                       &durable, why, sizeof why),
                     INGOT_OK);
    const enum ingot_error error =
        quorum_store_find_choice(durable, message->originator, &message->id, &digest);
    quorum_store_close(durable);
    return error == INGOT_OK && broadcast_digest_equal(&digest, &message->digest);
}

void node_send(struct ingot_node *at, uint32_t peer, enum ingot_frame_class frame_class,
               struct ingot_slice frame)
{
    struct broadcast_message *message = NULL;
    struct broadcast_digest of_b;
    (void)peer;
    (void)frame_class;
    assert_ptr_equal(at, &node);
    assert_int_equal(wire_broadcast_decode(frame, &message), REJECT_NONE);
    wire_broadcast_digest(ingot_slice_of_text(OF_B), &of_b);
    const bool is_ours = message->sender == own;
    is_any_of_b |= is_ours && broadcast_digest_equal(&message->digest, &of_b);
    if (is_ours && message->kind == BROADCAST_COMMIT) {
        if (commits == 0) {
            committed = message->digest;
            ingot_buffer_append_slice(&attachment, ingot_buffer_slice(&message->attachment));
        }
        was_early |= !is_in_store(message);
        was_another |= !broadcast_digest_equal(&committed, &message->digest) ||
                       !ingot_slice_equal(ingot_buffer_slice(&attachment),
                                          ingot_buffer_slice(&message->attachment));
        commits++;
    }
    broadcast_message_unref(message);
}

void node_fail(struct ingot_node *at, enum ingot_exit exit)
{
    (void)at;
    failed = exit;
}

void node_arm(struct ingot_node *at, uint64_t deadline_ms)
{
    (void)at;
    (void)deadline_ms;
}

void node_schedule_flush(struct ingot_node *at)
{
    (void)at; /* the test flushes */
}

void node_fill_metrics(struct ingot_node *at, struct metrics *metrics)
{
    (void)at;
    (void)metrics;
}

void rpc_broadcast_ended(struct rpc *rpc, const struct broadcast_id *id,
                         const struct broadcast_digest *digest)
{
    (void)rpc;
    (void)id;
    (void)digest;
}

/* --- Its life. --- */

static void start(void)
{
    char why[512] = "";
    if (broadcast_node.open(&node, &node.driver, why, sizeof why) != INGOT_EXIT_OK) {
        fail_msg("%s", why);
    }
    for (uint32_t i = 0; i < SIGNING_MEMBERS; i++) {
        if (i != own) {
            broadcast_node.set_peer(node.driver, i, true, &signing_set.set->validators[i].key);
            broadcast_node.set_connected(node.driver, i, true);
        }
    }
    broadcast_node.start(node.driver);
}

static void crash(void)
{
    broadcast_node.free(node.driver);
    node.driver = NULL;
}

static void flush(void)
{
    broadcast_node.flush(node.driver);
}

static int set_up(void **state)
{
    const uint8_t seed[CRYPTO_SEED_BYTES] = {0};
    struct crypto_secret_key secret;
    struct ingot_public_key key;
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/ingot-driver-XXXXXX");
    assert_non_null(mkdtemp(folder));
    signing_make_genesis("driver-test");
    crypto_ed25519.key_from_seed(seed, &secret, &key);
    own = validator_set_find(signing_set.set, &key);
    originator = (own + 1) % SIGNING_MEMBERS;
    node = (struct ingot_node){.genesis = signing_set};
    node.home.genesis = signing_genesis;
    node.home.data_folder = folder;
    node.home.is_validator = true;
    memcpy(node.home.validator_key.seed, seed, sizeof seed);
    settings_init(&node.home.settings);
    node.home.settings.protocol = SETTINGS_PROTOCOL_QUORUM_BROADCAST;
    failed = INGOT_EXIT_OK;
    commits = 0;
    is_any_of_b = false;
    was_early = false;
    was_another = false;
    start();
    return 0;
}

static int tear_down(void **state)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "LOCK", SIGNATURES_FILE_NAME};
    (void)state;
    crash();
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
    home_genesis_deinit(&signing_set);
    genesis_deinit(&signing_genesis);
    ingot_buffer_deinit(&attachment);
    return 0;
}

/* --- The others, who say what they like. --- */

static void add_statement(uint32_t sender, struct broadcast_message *message)
{
    struct statement statement = {0};
    struct ingot_signature signature;
    uint8_t preimage[STATEMENT_PREIMAGE_BYTES];
    memcpy(statement.genesis, signing_genesis.sha256, sizeof statement.genesis);
    statement_set_hash(signing_set.set, statement.set);
    assert_true(statement_id_from(broadcast_id_slice(&message->id), &statement.id));
    memcpy(statement.digest, message->digest.bytes, sizeof statement.digest);
    statement_preimage(&statement, preimage);
    crypto_ed25519.sign(&signing_secrets[sender], ingot_slice_of(preimage, sizeof preimage),
                        &signature);
    ingot_buffer_append(&message->attachment, signature.bytes, sizeof signature.bytes);
}

static void hear(enum broadcast_kind kind, uint32_t sender, const char *payload)
{
    struct wire_signer signer = {.scheme = &crypto_ed25519,
                                 .secret = &signing_secrets[sender],
                                 .key = signing_set.set->validators[sender].key,
                                 .chain = signing_genesis.hash};
    struct broadcast_message *message = broadcast_message_new(kind);
    struct ingot_buffer frame = {0};
    message->sender = sender;
    message->originator = originator;
    assert_true(broadcast_id_from(ingot_slice_of_text(ID), &message->id));
    wire_broadcast_digest(ingot_slice_of_text(payload), &message->digest);
    if (kind == BROADCAST_PRE_PREPARE) {
        ingot_buffer_append_slice(&message->payload, ingot_slice_of_text(payload));
    } else if (kind == BROADCAST_COMMIT) {
        add_statement(sender, message);
    }
    assert_true(wire_broadcast_sign(&signer, signing_set.set, message));
    wire_broadcast_encode(message, &frame);
    broadcast_node.receive(node.driver, sender, ingot_buffer_slice(&frame));
    ingot_buffer_deinit(&frame);
    broadcast_message_unref(message);
}

/* All that may make us say COMMIT: the payload and the PREPAREs of all others. One step each, and
 * a flush. */
#define SHOW_STEPS 5

static void show_step(uint32_t step, const char *payload)
{
    if (step == 0) {
        hear(BROADCAST_PRE_PREPARE, originator, payload);
    } else if (step < SIGNING_MEMBERS) {
        hear(BROADCAST_PREPARE, (own + step) % SIGNING_MEMBERS, payload);
    } else {
        flush();
    }
}

static void show(const char *payload)
{
    for (uint32_t step = 0; step < SHOW_STEPS; step++) {
        show_step(step, payload);
    }
}

/* --- Tests. --- */

static void a_commit_leaves_when_the_store_has_its_choice(void **state)
{
    (void)state;
    show(OF_A);
    assert_int_equal(commits, SIGNING_MEMBERS - 1); /* to each peer */
    assert_false(was_early);
    assert_int_equal(failed, INGOT_EXIT_OK);
}

static void a_member_that_has_committed_and_restarts_says_nothing_for_another_payload(void **state)
{
    (void)state;
    show(OF_A);
    for (int life = 0; life < 3; life++) {
        const uint32_t before = commits;
        crash();
        start();
        show(OF_B);
        hear(BROADCAST_COMMIT, originator, OF_B);
        hear(BROADCAST_COMMIT, (own + 2) % SIGNING_MEMBERS, OF_B);
        flush();
        assert_int_equal(commits, before);
        assert_false(is_any_of_b);
        crash();
        start();
        show(OF_A); /* again, with the same signature */
        assert_int_equal(commits, before + SIGNING_MEMBERS - 1);
        assert_false(was_another);
    }
}

static void restarts_at_any_moment_make_no_two_signatures(void **state)
{
    uint32_t told = 0;
    for (uint32_t moment = 0; moment < 2 * SHOW_STEPS; moment++) {
        for (uint32_t i = 0; i < moment; i++) {
            show_step(i % SHOW_STEPS, OF_A);
            if (moment > SHOW_STEPS) {
                flush(); /* each message on its own */
            }
        }
        crash();
        start();
        show(OF_B);
        crash();
        start();
        show(OF_A);
        assert_true(commits > 0);
        assert_false(was_early);
        assert_false(was_another);
        told += is_any_of_b;
        ingot_buffer_clear(&attachment);
        (void)tear_down(state);
        (void)set_up(state);
    }
    assert_true(told > 0 && told < 2 * SHOW_STEPS);
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_member_whose_disk_fails_signs_nothing_and_stops(void **state)
{
    (void)state;
    (void)signal(SIGXFSZ, SIG_IGN);
    for (uint32_t step = 0; step + 1 < SHOW_STEPS; step++) {
        show_step(step, OF_A);
    }
    limit_file_size(0);
    flush();
    flush();
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(commits, 0);
    assert_int_equal(failed, INGOT_EXIT_WRITE);
}

static void a_delivery_has_its_record_in_file_and_store(void **state)
{
    (void)state;
    struct statement_id id;
    uint8_t digest[32];
    assert_true(statement_id_from(ingot_slice_of_text(ID), &id));
    show(OF_A);
    hear(BROADCAST_COMMIT, originator, OF_A);
    hear(BROADCAST_COMMIT, (own + 2) % SIGNING_MEMBERS, OF_A);
    flush();
    for (int life = 0; life < 2; life++) {
        const struct signed_records *records =
            quorum_signing_records(broadcast_node_of(node.driver)->signing);
        struct ingot_buffer line = {0};
        assert_int_equal(signed_records_count(records), 1);
        assert_int_equal(signed_records_find(records, &id, NULL, digest, &line), INGOT_OK);
        ingot_buffer_deinit(&line);
        crash();
        start();
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_commit_leaves_when_the_store_has_its_choice),
        TEST(a_member_that_has_committed_and_restarts_says_nothing_for_another_payload),
        TEST(restarts_at_any_moment_make_no_two_signatures),
        TEST(a_member_whose_disk_fails_signs_nothing_and_stops),
        TEST(a_delivery_has_its_record_in_file_and_store),
    };
    return crypto_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}

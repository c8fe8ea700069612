/*
 * The members of signing_members.h.
 */
#include "lib/signing_members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "storage/memory.h"
#include "wire/broadcast.h"

static char folder[32];
struct genesis signing_genesis;
struct home_genesis signing_set;
struct crypto_secret_key signing_secrets[SIGNING_MEMBERS];
struct ingot_store *signing_stores[SIGNING_MEMBERS];
struct quorum_signing *signing_members[SIGNING_MEMBERS];

void signing_path(uint32_t member, char path[64])
{
    (void)snprintf(path, 64, "%s/%u.jsonl", folder, member);
}

enum ingot_error signing_start(uint32_t member, char *why, size_t why_size)
{
    char path[64];
    signing_path(member, path);
    const struct quorum_signing_options options = {.path = path,
                                                   .store = signing_stores[member],
                                                   .genesis = &signing_genesis,
                                                   .set = signing_set.set,
                                                   .scheme = &crypto_ed25519,
                                                   .secret = &signing_secrets[member],
                                                   .payload_bytes_max = SIGNING_PAYLOAD_BYTES_MAX};
    return quorum_signing_open(&options, &signing_members[member], why, why_size);
}

void signing_crash(uint32_t member)
{
    quorum_signing_close(signing_members[member]);
    signing_members[member] = NULL;
    struct ingot_store *left = ingot_store_memory_clone_durable(signing_stores[member]);
    ingot_store_close(signing_stores[member]);
    signing_stores[member] = left;
}

void signing_lose_store(uint32_t member)
{
    ingot_store_close(signing_stores[member]);
    signing_stores[member] = ingot_store_memory_new(QUORUM_STORE_TABLE_COUNT);
}

void signing_reopen(uint32_t member)
{
    char why[256] = "";
    signing_crash(member);
    if (signing_start(member, why, sizeof why) != INGOT_OK) {
        fail_msg("%s", why);
    }
}

void signing_make_genesis(const char *chain_id)
{
    char why[512];
    struct report report;
    genesis_init(&signing_genesis);
    report_init(&report, why, sizeof why);
    (void)snprintf(signing_genesis.chain_id, sizeof signing_genesis.chain_id, "%s", chain_id);
    (void)snprintf(signing_genesis.app, sizeof signing_genesis.app, "null");
    signing_genesis.validators = alloc_zeroed(SIGNING_MEMBERS, sizeof *signing_genesis.validators);
    signing_genesis.validator_count = SIGNING_MEMBERS;
    for (uint8_t i = 0; i < SIGNING_MEMBERS; i++) {
        const uint8_t seed[CRYPTO_SEED_BYTES] = {i};
        struct crypto_secret_key secret;
        crypto_ed25519.key_from_seed(seed, &secret, &signing_genesis.validators[i].validator.key);
        signing_genesis.validators[i].validator.power = 1;
    }
    assert_int_equal(genesis_finish(&signing_genesis, "genesis", &report), INGOT_OK);
    assert_int_equal(home_genesis_init(&signing_genesis, &signing_set, why, sizeof why), INGOT_OK);
    for (uint8_t i = 0; i < SIGNING_MEMBERS; i++) {
        const uint8_t seed[CRYPTO_SEED_BYTES] = {i};
        struct crypto_secret_key secret;
        struct ingot_public_key key;
        crypto_ed25519.key_from_seed(seed, &secret, &key);
        signing_secrets[validator_set_find(signing_set.set, &key)] = secret;
    }
}

int signing_set_up(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/ingot-signing-XXXXXX");
    assert_non_null(mkdtemp(folder));
    signing_make_genesis("signing-test");
    for (uint32_t i = 0; i < SIGNING_MEMBERS; i++) {
        signing_stores[i] = ingot_store_memory_new(QUORUM_STORE_TABLE_COUNT);
        signing_reopen(i);
    }
    return 0;
}

int signing_tear_down(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < SIGNING_MEMBERS; i++) {
        char path[64];
        signing_path(i, path);
        quorum_signing_close(signing_members[i]);
        signing_members[i] = NULL;
        ingot_store_close(signing_stores[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
    home_genesis_deinit(&signing_set);
    genesis_deinit(&signing_genesis);
    return 0;
}

struct broadcast_round_view signing_round(const char *id, const char *payload)
{
    struct broadcast_round_view round = {.payload = ingot_slice_of_text(payload)};
    assert_true(broadcast_id_from(ingot_slice_of_text(id), &round.id));
    wire_broadcast_digest(round.payload, &round.digest);
    return round;
}

struct broadcast_message *signing_say_commit(uint32_t member,
                                             const struct broadcast_round_view *round)
{
    const struct broadcast_callbacks callbacks = quorum_signing_callbacks(signing_members[member]);
    struct broadcast_message *message = broadcast_message_new(BROADCAST_COMMIT);
    message->sender = member;
    message->id = round->id;
    message->digest = round->digest;
    assert_int_equal(callbacks.commit(callbacks.context, round, &message->attachment),
                     BROADCAST_GO);
    return message;
}

enum broadcast_verdict signing_end_round(uint32_t member, const char *id, const char *payload)
{
    const struct broadcast_round_view round = signing_round(id, payload);
    const struct broadcast_callbacks callbacks = quorum_signing_callbacks(signing_members[member]);
    struct broadcast_message *commits[SIGNING_QUORUM];
    for (uint32_t i = 0, count = 0; i < SIGNING_MEMBERS; i++) {
        if (i != member) {
            commits[count] = signing_say_commit(i, &round);
            assert_true(callbacks.check(callbacks.context, commits[count++]));
        }
    }
    const enum broadcast_verdict verdict =
        callbacks.committed(callbacks.context, &round, commits, SIGNING_QUORUM);
    for (uint32_t i = 0; i < SIGNING_QUORUM; i++) {
        broadcast_message_unref(commits[i]);
    }
    return verdict;
}

enum ingot_error signing_find(uint32_t member, const char *id, struct ingot_buffer *line)
{
    struct statement_id name;
    uint8_t digest[32];
    assert_true(statement_id_from(ingot_slice_of_text(id), &name));
    return signed_records_find(quorum_signing_records(signing_members[member]), &name, NULL, digest,
                               line);
}

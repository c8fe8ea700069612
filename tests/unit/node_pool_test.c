/*
 * What becomes of waiting transactions when a block is committed, or built. Goals: those whose
 * check looked at the state are checked again and leave when they are not welcome any more, the
 * others cost nothing; and each goes into a block under its own digest. Method: one replica, with
 * an App whose mind the test changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/lone_replica.h"
#include "node/replica_state.h"

static bool is_welcome;
static uint32_t asked;

/* "s...": the answer is final. */
static void check(void *context, struct ingot_slice transaction, struct ingot_snapshot *snapshot,
                  struct ingot_check_response *response)
{
    (void)context;
    (void)snapshot;
    asked++;
    response->is_stateless = transaction.data[0] == 's';
    response->code = is_welcome ? 0 : 1;
}

static void submit(struct lone *lone, const char *text)
{
    struct ingot_check_response response = {0};
    assert_int_equal(replica_submit(lone->replica, ingot_slice_of_text(text), &response), INGOT_OK);
    assert_int_equal(response.code, 0);
    ingot_buffer_deinit(&response.log);
}

static void commit(struct lone *lone, const char *text)
{
    struct block *block = block_new();
    if (text[0] != '\0') {
        const struct ingot_slice transaction = ingot_slice_of_text(text);
        block->transaction_count = 1;
        ingot_buffer_append_u32(&block->payload, (uint32_t)transaction.size);
        ingot_buffer_append_slice(&block->payload, transaction);
    }
    pool_committed(lone->replica, block);
    block_unref(block);
}

static void what_looked_at_the_state_is_checked_again_after_each_commit(void **state)
{
    (void)state;
    static struct lone lone;
    lone_init(&lone, 0);
    lone.app.check_tx = check;
    is_welcome = true;
    const char *const texts[] = {"s1", "d1", "d2", "s2", "d3"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        submit(&lone, texts[i]);
    }
    asked = 0;
    commit(&lone, "d3");
    assert_int_equal(asked, 2);
    assert_int_equal(replica_mempool_count(lone.replica), 4);
    is_welcome = false;
    commit(&lone, ""); /* changes nothing */
    assert_int_equal(asked, 2);
    commit(&lone, "other");
    assert_int_equal(asked, 4);
    assert_int_equal(replica_mempool_count(lone.replica), 2);
    commit(&lone, "another");
    assert_int_equal(asked, 4);
    assert_int_equal(replica_mempool_count(lone.replica), 2);
    lone_deinit(&lone);
}

/* --- Digests, which are taken once. --- */

static void receive_batch(struct lone *lone, const char *const *texts, uint32_t count)
{
    struct message *message = message_new(MESSAGE_TRANSACTIONS);
    message->transactions.count = count;
    for (uint32_t i = 0; i < count; i++) {
        const struct ingot_slice transaction = ingot_slice_of_text(texts[i]);
        ingot_buffer_append_u32(&message->transactions.packed, (uint32_t)transaction.size);
        ingot_buffer_append_slice(&message->transactions.packed, transaction);
    }
    assert_int_equal(pool_receive(lone->replica, &message->transactions), REJECT_NONE);
    message_unref(message);
}

static struct block *build(struct lone *lone)
{
    struct core_effect ask = {.kind = CORE_ASK_PROPOSE,
                              .block = lone->genesis,
                              .justify = wire_genesis_qc(&lone->samples.chain),
                              .position = {0, 1}};
    struct block *block = pool_build(lone->replica, &ask);
    qc_unref(ask.justify);
    assert_non_null(block);
    return block;
}

static void a_block_is_built_under_the_digests_of_its_bytes(void **state)
{
    (void)state;
    static struct lone lone;
    const char *const foreign[] = {"c=3", "a longer one=4", "d=5", "e=6", "f=7", "g=8", "h=9"};
    lone_init(&lone, 0);
    submit(&lone, "a=1");
    receive_batch(&lone, foreign, 7);
    submit(&lone, "b=2");
    struct block *block = build(&lone);
    assert_int_equal(block->transaction_count, 9);
    struct ingot_slice rest = ingot_buffer_slice(&block->payload);
    struct ingot_slice transaction;
    for (uint32_t i = 0; i < block->transaction_count; i++) {
        struct ingot_hash digest;
        assert_true(payload_next(&rest, &transaction));
        wire_transaction_digest(transaction, &digest);
        assert_memory_equal(&block->digests[i], &digest, sizeof digest);
    }
    struct ingot_hash root;
    wire_payload_root(ingot_buffer_slice(&block->payload), &root, NULL);
    assert_memory_equal(&block->transactions_root, &root, sizeof root);
    block_unref(block);
    lone_deinit(&lone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_looked_at_the_state_is_checked_again_after_each_commit),
        cmocka_unit_test(a_block_is_built_under_the_digests_of_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

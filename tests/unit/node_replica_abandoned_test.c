/*
 * A block that lost its view. Goal: once a rival of it is committed it is on the disk no more, so
 * that a start, which reads all that is above the committed height, does not meet a block whose
 * parent is gone. Method: one replica of four; its store is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/lone_replica.h"
#include "node/ledger_internal.h"

static bool is_stored(const struct lone *lone, const struct block *block)
{
    struct ingot_store *durable = ingot_store_memory_clone_durable(lone->store);
    struct ingot_store_snapshot *snapshot = NULL;
    struct ingot_slice value;
    uint8_t key[LEDGER_BLOCK_KEY_BYTES];
    ledger_block_key(block->height, &block->hash, key);
    assert_int_equal(ingot_store_snapshot_begin(durable, &snapshot), INGOT_OK);
    const enum ingot_error error =
        ingot_store_snapshot_get(snapshot, LEDGER_BLOCKS, ingot_slice_of(key, sizeof key), &value);
    ingot_store_snapshot_end(snapshot);
    ingot_store_close(durable);
    return error == INGOT_OK;
}

static void propose(struct lone *lone, struct block *block, struct tc *tc)
{
    lone_receive(lone, lone_leader(lone, block->view), lone_propose(lone, block_ref(block), tc));
}

/* Four blocks stand on genesis beside four that a TC leaves behind; the fourth of them commits. */
static void abandoned_blocks_leave_the_disk(void **state)
{
    (void)state;
    struct lone lone;
    lone_init(&lone, 0);
    const uint32_t leader = lone_leader(&lone, 1);
    const uint32_t next = lone_leader(&lone, 5);
    lone_deinit(&lone);
    uint32_t me = 0;
    while (me == leader || me == next) {
        me++;
    }
    lone_init(&lone, me);

    struct block *lost[3];
    struct block *kept[4];
    struct block *parent = lone.genesis;
    for (uint32_t i = 0; i < 3; i++) {
        lost[i] = lone_block(&lone, parent, i + 1);
        propose(&lone, lost[i], NULL);
        assert_true(is_stored(&lone, lost[i]));
        parent = lost[i];
    }
    /* As by a quorum that has seen the first block's certificate only. */
    struct tc *tc = samples_tc(&lone.samples, 7, 3, 1, lone_qc(&lone, lost[0]));
    parent = lost[0];
    for (uint32_t i = 0; i < 4; i++) {
        kept[i] = lone_block(&lone, parent, 5 + i);
        propose(&lone, kept[i], i == 0 ? tc : NULL);
        assert_true(is_stored(&lone, kept[i]));
        parent = kept[i];
    }
    assert_int_equal(lone_status(&lone).last_committed->view, 5);
    assert_true(is_stored(&lone, lost[0]));
    assert_false(is_stored(&lone, lost[1]));
    assert_false(is_stored(&lone, lost[2]));
    lone_crash(&lone);
    assert_int_equal(lone_open(&lone), INGOT_OK);
    for (uint32_t i = 0; i < 3; i++) {
        block_unref(lost[i]);
    }
    for (uint32_t i = 0; i < 4; i++) {
        block_unref(kept[i]);
    }
    lone_deinit(&lone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(abandoned_blocks_leave_the_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

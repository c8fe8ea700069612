/*
 * Members and channels that make one core keep things. Goal: what it keeps for one is bounded, what
 * others brought stays, and so does what safety stands on. Method: one core of four; a member
 * proposes without end, a channel brings blocks whose parents nobody knows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/solo.h"

#define FLOODING 8
#define HONEST 9
#define RIVAL_BYTES (1024 * 1024)

static struct message *propose(const struct solo *solo, struct block *block, struct tc *tc)
{
    struct message *message = message_new(MESSAGE_PROPOSE);
    message->propose.block = block;
    message->propose.tc = tc;
    message->propose.vote = (struct vote){.view = block->view, .block = block->hash};
    message->propose.vote.voter = solo_leader(solo, block->view);
    return message;
}

#define VIEW 4001

/* A block of VIEW whose parent this core has not got; what is asked for is the caller's. */
static enum reject bring_orphan(struct solo *solo, uint32_t channel, size_t bytes,
                                struct block **orphan, struct block **parent)
{
    struct block *unknown = solo_block(solo, solo->genesis, VIEW - 4);
    struct block *block = solo_block(solo, unknown, VIEW);
    ingot_buffer_reserve(&block->payload, bytes);
    block->payload.size = bytes;
    struct tc *tc = solo_tc(solo, VIEW - 1, solo_qc(solo, unknown));
    if (orphan != NULL) {
        *orphan = block_ref(block);
        *parent = block_ref(unknown);
    }
    block_unref(unknown);
    return solo_receive(solo, channel, propose(solo, block, tc));
}

static void a_channel_that_floods_keeps_its_own_share_and_no_more(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo, 1);
    assert_int_not_equal(solo_leader(&solo, VIEW), solo.me);
    struct block *kept = NULL;
    struct block *parent = NULL;
    assert_int_equal(bring_orphan(&solo, HONEST, 1000, &kept, &parent), REJECT_NONE);
    for (uint32_t i = 0; i < 50; i++) {
        (void)bring_orphan(&solo, FLOODING, INGOT_BLOCK_PAYLOAD_BYTES_MAX, NULL, NULL);
        assert_in_range(solo_status(&solo).pending_bytes, 1000,
                        INGOT_PENDING_BYTES_PER_PEER_MAX + 2000);
    }

    /* The parent of what the honest one brought comes, and it is taken up. */
    struct tc *tc = solo_tc(&solo, VIEW - 5, solo_qc(&solo, solo.genesis));
    assert_int_equal(solo_receive(&solo, HONEST, propose(&solo, block_ref(parent), tc)),
                     REJECT_NONE);
    (void)solo_validated(&solo, parent, true);
    assert_int_equal(solo_count(&solo, CORE_ASK_VALIDATE), 1);
    assert_ptr_equal(solo_effect(&solo, CORE_ASK_VALIDATE, 0)->block, kept);
    block_unref(kept);
    block_unref(parent);
    solo_deinit(&solo);
}

/* Leaders build block after block beside what is certified, and all of them are sound. */
static void a_tree_full_of_rivals_keeps_what_is_certified_and_what_was_voted_for(void **state)
{
    (void)state;
    struct solo solo;
    solo_init(&solo, 1);
    assert_int_not_equal(solo_leader(&solo, 1), solo.me);
    struct block *first = solo_block(&solo, solo.genesis, 1);
    struct block *second = solo_block(&solo, first, 2);
    solo_accept(&solo, first, NULL);
    solo_accept(&solo, second, NULL);
    (void)solo_show_qc(&solo, solo_qc(&solo, second));
    struct block *voted = NULL;
    uint32_t evicted = 0;
    for (uint64_t view = 5; evicted < 20; view += 4) {
        assert_in_range(view, 5, 1000);
        struct tc *tc = solo_tc(&solo, view - 1, solo_qc(&solo, first));
        if (solo_leader(&solo, view) == solo.me) {
            (void)solo_show_tc(&solo, tc);
            continue;
        }
        struct block *rival = solo_block(&solo, first, view);
        ingot_buffer_reserve(&rival->payload, RIVAL_BYTES);
        rival->payload.size = RIVAL_BYTES;
        solo_accept(&solo, rival, tc);
        assert_non_null(solo_sent_vote(&solo));
        evicted += solo_count(&solo, CORE_ABANDON);
        block_unref(voted);
        voted = rival;
    }
    assert_in_range(solo_status(&solo).tree_blocks, 3, INGOT_TREE_BYTES_MAX / RIVAL_BYTES + 2);
    assert_non_null(core_find_block(solo.core, &first->hash));
    assert_non_null(core_find_block(solo.core, &second->hash));
    assert_non_null(core_find_block(solo.core, &voted->hash));
    block_unref(first);
    block_unref(second);
    block_unref(voted);
    solo_deinit(&solo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_channel_that_floods_keeps_its_own_share_and_no_more),
        cmocka_unit_test(a_tree_full_of_rivals_keeps_what_is_certified_and_what_was_voted_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

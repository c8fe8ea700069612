/*
 * The first proposal of an epoch comes to half of the new set before the block that opens the epoch
 * does. Goal: it is not lost on them, and the new set's first view does not fail. Method: four
 * validators make way for four others; two of these miss the set-changing block, and get it only
 * when the new leader has spoken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/swap.h"

struct late {
    bool misses[SWAP_ALL];
    uint32_t first; /* the new set's first leader; SWAP_ALL: not yet known */
    uint32_t hears; /* how many of those that miss the block have been sent its child */
    struct block *child;
};

static bool bring_late(struct swap *swap, uint32_t from, uint32_t to, const struct message *message)
{
    struct late *late = swap->story;
    if (message->kind == MESSAGE_VOTE && message->vote.phase == PHASE_COMMIT && !swap_is_old(to)) {
        late->first = to;
    }
    if (message->kind == MESSAGE_PROPOSE && block_epoch(message->propose.block) == 1 &&
        from == late->first && late->child == NULL) {
        late->child = block_ref(message->propose.block);
    }
    if (!late->misses[to] || (late->first != SWAP_ALL && late->misses[late->first])) {
        return false; /* the leader itself misses the block: another story */
    }
    const bool is_child = message->kind == MESSAGE_PROPOSE && late->child == message->propose.block;
    late->hears += is_child;
    return (message->kind == MESSAGE_PROPOSE && message->propose.block == swap->change) ||
           (message->kind == MESSAGE_SYNC_RESPONSE && late->hears < 2);
}

static void the_first_proposal_of_an_epoch_waits_for_the_block_that_opens_it(void **state)
{
    (void)state;
    uint32_t stories = 0;
    for (uint32_t i = SWAP_OLD; i < SWAP_ALL; i++) {
        for (uint32_t j = i + 1; j < SWAP_ALL; j++) {
            struct late late = {.first = SWAP_ALL};
            late.misses[i] = true;
            late.misses[j] = true;
            struct swap swap = {.story = &late, .rule = bring_late};
            const struct cluster_options options = swap_options(4);
            swap_init(&swap, &options);
            swap_submit(&swap, 0, false);
            swap_await_epoch(&swap, 1, 20000);
            if (!late.misses[late.first]) {
                stories++;
                assert_int_equal(late.hears, 2);
                for (uint32_t node = SWAP_OLD; node < SWAP_ALL; node++) {
                    assert_int_equal(cluster_timeouts(swap.cluster, node), 0);
                }
                const struct checks *checks = cluster_checks(swap.cluster);
                assert_int_equal(late.child->view, swap.change->view + 3);
                assert_memory_equal(checks->committed[late.child->height].bytes,
                                    late.child->hash.bytes, INGOT_HASH_BYTES);
            }
            block_unref(late.child);
            swap_deinit(&swap);
        }
    }
    assert_int_equal(stories, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_proposal_of_an_epoch_waits_for_the_block_that_opens_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

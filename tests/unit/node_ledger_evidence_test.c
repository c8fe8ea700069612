/*
 * Goal: evidence is kept for good, the first of a position and no other, within its bounds, in the
 * order in which it was recorded; what the App has been shown is known after a crash; and a record
 * that was touched is damage. Method: a ledger on each store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/ledger_world.h"
#include "node/evidence.h"
#include "node/ledger_evidence.h"
#include "node/ledger_internal.h"

/* No signature is real: the ledger keeps what it is given. */
static struct ingot_evidence evidence_of(uint32_t validator, uint64_t epoch, uint64_t view)
{
    struct ingot_evidence evidence = {.power = 5, .epoch = epoch, .view = view, .height = 9};
    memcpy(evidence.validator.bytes, &validator, sizeof validator);
    evidence.is_leader = validator % 2 == 1;
    memset(evidence.validators_hash.bytes, (int)epoch + 1, INGOT_HASH_BYTES);
    for (uint32_t i = 0; i < 2; i++) {
        evidence.votes[i].phase = i;
        memset(evidence.votes[i].block.bytes, (int)(validator + i), INGOT_HASH_BYTES);
        memset(evidence.votes[i].signature.bytes, (int)(view + i), INGOT_SIGNATURE_BYTES);
    }
    return evidence;
}

static enum ledger_evidence_taken put(struct world *world, uint32_t validator, uint64_t epoch,
                                      uint64_t view)
{
    const struct ingot_evidence evidence = evidence_of(validator, epoch, view);
    return ledger_put_evidence(world->ledger, &evidence);
}

static void assert_same(const struct ingot_evidence *a, const struct ingot_evidence *b)
{
    struct ingot_buffer first = {0};
    struct ingot_buffer second = {0};
    evidence_encode(a, 0, &first);
    evidence_encode(b, 0, &second);
    assert_true(ingot_slice_equal(ingot_buffer_slice(&first), ingot_buffer_slice(&second)));
    ingot_buffer_deinit(&first);
    ingot_buffer_deinit(&second);
}

static uint32_t kept(const struct world *world)
{
    uint32_t count = 0;
    (void)ledger_evidence(world->ledger, &count);
    return count;
}

static uint32_t fresh(const struct world *world)
{
    uint32_t count = 0;
    (void)ledger_fresh_evidence(world->ledger, &count);
    return count;
}

static void assert_kept(const struct world *world, uint32_t at, uint32_t validator, uint64_t epoch,
                        uint64_t view)
{
    uint32_t count = 0;
    const struct ingot_evidence *all = ledger_evidence(world->ledger, &count);
    const struct ingot_evidence expected = evidence_of(validator, epoch, view);
    assert_in_range(at, 0, count - 1);
    assert_same(&all[at], &expected);
}

/* --- Keeping. --- */

static void evidence_is_kept_in_the_order_in_which_it_was_recorded(void **state)
{
    struct world *world = *state;
    world_open(world);
    assert_int_equal(kept(world), 0);
    assert_int_equal(put(world, 3, 1, 2), LEDGER_EVIDENCE_NEW);
    assert_int_equal(put(world, 1, 0, 700), LEDGER_EVIDENCE_NEW);
    assert_true(ledger_has_changes(world->ledger));
    assert_int_equal(kept(world), 0); /* not before it is durable */
    assert_int_equal(fresh(world), 0);
    world_sync(world);
    assert_int_equal(put(world, 2, 1, 1), LEDGER_EVIDENCE_NEW);
    world_sync(world);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(kept(world), 3);
        assert_kept(world, 0, 3, 1, 2);
        assert_kept(world, 1, 1, 0, 700);
        assert_kept(world, 2, 2, 1, 1);
        world_restart(world);
    }
}

static void what_was_not_durable_is_gone_after_a_crash(void **state)
{
    struct world *world = *state;
    world_open(world);
    assert_int_equal(put(world, 1, 0, 5), LEDGER_EVIDENCE_NEW);
    world_restart(world);
    assert_int_equal(kept(world), 0);
    assert_int_equal(put(world, 1, 0, 5), LEDGER_EVIDENCE_NEW);
}

static void the_first_evidence_of_a_position_is_never_replaced(void **state)
{
    struct world *world = *state;
    world_open(world);
    assert_int_equal(put(world, 1, 0, 5), LEDGER_EVIDENCE_NEW);
    for (uint32_t i = 0; i < 2; i++) {
        struct ingot_evidence second = evidence_of(1, 0, 5);
        second.votes[1].block.bytes[0] ^= 0xff;
        assert_int_equal(ledger_put_evidence(world->ledger, &second), LEDGER_EVIDENCE_KNOWN);
        world_sync(world);
        world_restart(world);
        assert_int_equal(kept(world), 1);
        assert_kept(world, 0, 1, 0, 5);
    }
    /* Another member, another view, another epoch. */
    assert_int_equal(put(world, 2, 0, 5), LEDGER_EVIDENCE_NEW);
    assert_int_equal(put(world, 1, 0, 6), LEDGER_EVIDENCE_NEW);
    assert_int_equal(put(world, 1, 1, 5), LEDGER_EVIDENCE_NEW);
}

static void evidence_is_bounded_for_each_validator(void **state)
{
    struct world *world = *state;
    world_open(world);
    for (uint64_t view = 1; view <= INGOT_EVIDENCE_PER_VALIDATOR_MAX + 10; view++) {
        assert_int_equal(put(world, 1, view / 20, view), view <= INGOT_EVIDENCE_PER_VALIDATOR_MAX
                                                             ? LEDGER_EVIDENCE_NEW
                                                             : LEDGER_EVIDENCE_FULL);
    }
    world_sync(world);
    world_restart(world);
    assert_int_equal(kept(world), INGOT_EVIDENCE_PER_VALIDATOR_MAX);
    assert_int_equal(put(world, 1, 9, 1), LEDGER_EVIDENCE_FULL);
    assert_int_equal(put(world, 1, 0, 1), LEDGER_EVIDENCE_KNOWN);
    assert_int_equal(put(world, 2, 0, 1), LEDGER_EVIDENCE_NEW);
}

/* Keys come and go with the epochs, so the number of validators is no bound. */
static void evidence_is_bounded_in_all(void **state)
{
    struct world *world = *state;
    world_open(world);
    for (uint32_t i = 0; i < INGOT_EVIDENCE_MAX; i++) {
        assert_int_equal(put(world, i / 32, 0, 1 + i % 32), LEDGER_EVIDENCE_NEW);
    }
    assert_int_equal(put(world, INGOT_EVIDENCE_MAX, 0, 1), LEDGER_EVIDENCE_FULL);
    world_sync(world);
    world_restart(world);
    assert_int_equal(kept(world), INGOT_EVIDENCE_MAX);
    assert_kept(world, INGOT_EVIDENCE_MAX - 1, (INGOT_EVIDENCE_MAX - 1) / 32, 0, 32);
    assert_int_equal(put(world, INGOT_EVIDENCE_MAX, 0, 1), LEDGER_EVIDENCE_FULL);
}

static void pruning_leaves_evidence_alone(void **state)
{
    struct world *world = *state;
    world->options.retain_blocks = 4;
    world->options.prune_blocks_min = 1;
    world->options.apply_blocks_max = 1;
    world_open(world);
    assert_int_equal(put(world, 1, 0, 1), LEDGER_EVIDENCE_NEW);
    struct block *tip = block_ref(world->genesis);
    for (uint64_t height = 1; height <= 30; height++) {
        struct ledger_entry entry = world_child(world, tip, "key=value");
        world_put(world, &entry);
        world_commit(world, &entry);
        world_sync(world);
        block_unref(tip);
        tip = block_ref(entry.block);
        ledger_entry_deinit(&entry);
    }
    block_unref(tip);
    assert_true(ledger_lowest_height(world->ledger) > 20);
    world_restart(world);
    assert_int_equal(kept(world), 1);
    assert_kept(world, 0, 1, 0, 1);
}

/* --- Showing it to the App. --- */

static void what_the_app_was_shown_is_known_once_that_is_durable(void **state)
{
    struct world *world = *state;
    world_open(world);
    for (uint64_t view = 1; view <= 3; view++) {
        assert_int_equal(put(world, 1, 0, view), LEDGER_EVIDENCE_NEW);
    }
    world_sync(world);
    assert_int_equal(fresh(world), 3);
    ledger_show_evidence(world->ledger, 3);
    assert_int_equal(fresh(world), 0);
    world_restart(world); /* the mark was not durable */
    assert_int_equal(fresh(world), 3);
    ledger_show_evidence(world->ledger, 2);
    world_sync(world);
    world_restart(world);
    uint32_t count = 0;
    const struct ingot_evidence *left = ledger_fresh_evidence(world->ledger, &count);
    const struct ingot_evidence expected = evidence_of(1, 0, 3);
    assert_int_equal(count, 1);
    assert_same(left, &expected);
    assert_int_equal(kept(world), 3);
}

/* --- Damage. --- */

static struct ingot_slice first_key(struct world *world, uint8_t key[64],
                                    struct ingot_buffer *record)
{
    enum ingot_error error = INGOT_OK;
    struct ingot_store_snapshot *snapshot = ledger_snapshot(world->ledger, &error);
    struct ingot_store_cursor *cursor = NULL;
    struct ingot_slice found;
    struct ingot_slice value;
    assert_int_equal(error, INGOT_OK);
    assert_int_equal(ingot_store_cursor_open(snapshot, LEDGER_EVIDENCE, &cursor), INGOT_OK);
    assert_int_equal(ingot_store_cursor_seek(cursor, ingot_slice_of(NULL, 0)), INGOT_OK);
    ingot_store_cursor_item(cursor, &found, &value);
    assert_true(found.size <= 64);
    memcpy(key, found.data, found.size);
    const size_t size = found.size;
    ingot_buffer_append_slice(record, value);
    ingot_store_cursor_close(cursor);
    return ingot_slice_of(key, size);
}

static void expect_damage(struct world *world, const char *text)
{
    world_crash(world);
    assert_int_equal(world_try_open(world), INGOT_ERROR_CORRUPT);
    if (strstr(world->why, text) == NULL) {
        print_message("found: %s\nexpected: %s\n", world->why, text);
        fail();
    }
}

static void begin_with_two(struct world *world)
{
    world_open(world);
    assert_int_equal(put(world, 1, 0, 1), LEDGER_EVIDENCE_NEW);
    assert_int_equal(put(world, 2, 0, 2), LEDGER_EVIDENCE_NEW);
    world_sync(world);
}

static void a_record_that_was_changed_is_damage(void **state)
{
    struct world *world = *state;
    uint8_t bytes[64];
    struct ingot_buffer record = {0};
    begin_with_two(world);
    const struct ingot_slice key = first_key(world, bytes, &record);
    record.data[record.size - 1] ^= 1;
    ingot_store_batch_put(ledger_open_batch(world->ledger), LEDGER_EVIDENCE, key,
                          ingot_buffer_slice(&record));
    world_sync(world);
    expect_damage(world, "a record of evidence does not match its checksum");
    ingot_buffer_deinit(&record);
}

static void a_record_that_is_missing_is_damage(void **state)
{
    struct world *world = *state;
    uint8_t bytes[64];
    struct ingot_buffer record = {0};
    begin_with_two(world);
    const struct ingot_slice key = first_key(world, bytes, &record);
    ingot_store_batch_delete(ledger_open_batch(world->ledger), LEDGER_EVIDENCE, key);
    world_sync(world);
    expect_damage(world, "a record of evidence is missing");
    ingot_buffer_deinit(&record);
}

static void a_record_under_the_key_of_another_is_damage(void **state)
{
    struct world *world = *state;
    struct ingot_buffer content = {0};
    const struct ingot_evidence evidence = evidence_of(3, 0, 3);
    const uint8_t key[] = {'k', 'e', 'y'};
    begin_with_two(world);
    evidence_encode(&evidence, 2, &content);
    ledger_store_sealed(world->ledger, LEDGER_EVIDENCE, ingot_slice_of(key, sizeof key),
                        ingot_buffer_slice(&content));
    world_sync(world);
    expect_damage(world, "under the key of another");
    ingot_buffer_deinit(&content);
}

static void a_mark_beyond_the_evidence_is_damage(void **state)
{
    struct world *world = *state;
    struct ingot_buffer content = {0};
    begin_with_two(world);
    ingot_buffer_append_u64(&content, 3);
    ledger_store_meta(world->ledger, LEDGER_KEY_EVIDENCE, &content);
    world_sync(world);
    expect_damage(world, "the record 'evidence' does not fit");
    ingot_buffer_deinit(&content);
}

/* What decodes encodes to the same bytes, so nothing else passes. */
static void bytes_that_encoding_never_makes_do_not_decode(void **state)
{
    const struct ingot_evidence evidence = evidence_of(1, 2, 3);
    struct ingot_evidence decoded;
    struct ingot_buffer content = {0};
    uint64_t number = 0;
    uint32_t refused = 0;
    (void)state;
    evidence_encode(&evidence, 7, &content);
    assert_true(evidence_decode(ingot_buffer_slice(&content), &decoded, &number));
    assert_int_equal(number, 7);
    assert_same(&decoded, &evidence);
    for (size_t size = 0; size < content.size; size++) {
        assert_false(evidence_decode(ingot_slice_of(content.data, size), &decoded, &number));
    }
    for (size_t at = 0; at < content.size; at++) {
        for (uint32_t value = 0; value < 256; value++) {
            const uint8_t before = content.data[at];
            content.data[at] = (uint8_t)value;
            if (evidence_decode(ingot_buffer_slice(&content), &decoded, &number)) {
                struct ingot_buffer again = {0};
                evidence_encode(&decoded, number, &again);
                assert_true(
                    ingot_slice_equal(ingot_buffer_slice(&again), ingot_buffer_slice(&content)));
                ingot_buffer_deinit(&again);
            } else {
                refused++;
            }
            content.data[at] = before;
        }
    }
    assert_true(refused > 700); /* the flag and the two phases, at least */
    ingot_buffer_append_u8(&content, 0);
    assert_false(evidence_decode(ingot_buffer_slice(&content), &decoded, &number));
    ingot_buffer_deinit(&content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_MEMORY(evidence_is_kept_in_the_order_in_which_it_was_recorded),
        WORLD_DISK(evidence_is_kept_in_the_order_in_which_it_was_recorded),
        WORLD_MEMORY(what_was_not_durable_is_gone_after_a_crash),
        WORLD_DISK(what_was_not_durable_is_gone_after_a_crash),
        WORLD_MEMORY(the_first_evidence_of_a_position_is_never_replaced),
        WORLD_MEMORY(evidence_is_bounded_for_each_validator),
        WORLD_DISK(evidence_is_bounded_in_all),
        WORLD_MEMORY(pruning_leaves_evidence_alone),
        WORLD_DISK(pruning_leaves_evidence_alone),
        WORLD_MEMORY(what_the_app_was_shown_is_known_once_that_is_durable),
        WORLD_DISK(what_the_app_was_shown_is_known_once_that_is_durable),
        WORLD_MEMORY(a_record_that_was_changed_is_damage),
        WORLD_MEMORY(a_record_that_is_missing_is_damage),
        WORLD_MEMORY(a_record_under_the_key_of_another_is_damage),
        WORLD_MEMORY(a_mark_beyond_the_evidence_is_damage),
        cmocka_unit_test(bytes_that_encoding_never_makes_do_not_decode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

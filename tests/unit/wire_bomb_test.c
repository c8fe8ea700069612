/*
 * Goal: a frame costs memory in proportion to its size, whatever is in it. Method: frames of
 * several megabytes made of the smallest things that protobuf-c allocates for are decoded in a
 * child process whose address space is limited to what the promise allows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/fast_crypto.h"
#include "lib/wire_samples.h"
#include "wire/arena.h"
#include "wire/wire.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SHADOW_MEMORY 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SHADOW_MEMORY 1
#endif
#ifndef HAS_SHADOW_MEMORY
#define HAS_SHADOW_MEMORY 0
#endif

#define FRAME_BYTES ((size_t)5 * 1024 * 1024)

static size_t address_space_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/*
 * Decodes with no more memory than promised; exits with the reject reason. The process dies when
 * an allocation fails, and that is not an exit.
 */
static enum reject decode_in_little_memory(struct ingot_slice frame)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const size_t promised = WIRE_DECODE_BYTES_FACTOR * frame.size + WIRE_DECODE_BYTES_BASE;
        /* The allocator's own rounding and its arena's top come on top. */
        const size_t limit = address_space_bytes() + promised + promised / 8 + 1024 * 1024;
        const struct rlimit space = {limit, limit};
        const struct rlimit no_core = {0, 0};
        if (setrlimit(RLIMIT_CORE, &no_core) != 0 ||
            (!HAS_SHADOW_MEMORY && setrlimit(RLIMIT_AS, &space) != 0)) {
            _exit(99);
        }
        struct message *message;
        _exit((int)wire_decode(frame, &message));
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return (enum reject)WEXITSTATUS(status);
}

/* A frame of `unit` repeated inside field `field` of the envelope (0: directly in it). */
static struct ingot_buffer frame_of(unsigned field, struct ingot_slice unit)
{
    struct ingot_buffer frame = {0};
    const size_t size = FRAME_BYTES / unit.size * unit.size;
    if (field != 0) {
        ingot_buffer_append_u8(&frame, (uint8_t)(field << 3 | 2));
        for (size_t rest = size; rest > 0; rest >>= 7) {
            ingot_buffer_append_u8(&frame, (uint8_t)((rest & 0x7F) | (rest > 0x7F ? 0x80 : 0)));
        }
    }
    for (size_t at = 0; at < size; at += unit.size) {
        ingot_buffer_append_slice(&frame, unit);
    }
    return frame;
}

static void no_frame_costs_more_memory_than_promised(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        unsigned field;
        size_t size;
        uint8_t unit[8];
    } rows[] = {
        {"empty blocks in a sync response", 7, 2, {0x12, 0x00}},
        {"blocks with an empty justify", 7, 4, {0x12, 0x02, 0x3A, 0x00}},
        {"unknown numbers in the envelope", 0, 3, {0xF8, 0x07, 0x01}},
        {"unknown bytes in a vote", 2, 3, {0xFA, 0x07, 0x00}},
        {"the envelope's message again and again", 0, 2, {0x0A, 0x00}},
        {"a certificate's QC again and again", 4, 4, {0x0A, 0x02, 0x08, 0x01}},
        {"a bytes field again and again", 2, 3, {0x1A, 0x01, 0xAA}},
        {"a number again and again", 6, 2, {0x08, 0x01}},
        {"groups in groups", 0, 1, {0x0B}},
        {"nothing but zeros", 0, 1, {0x00}},
        {"nothing but continuation bits", 0, 1, {0xFF}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ingot_buffer frame =
            frame_of(rows[i].field, ingot_slice_of(rows[i].unit, rows[i].size));
        const enum reject reject = decode_in_little_memory(ingot_buffer_slice(&frame));
        if (reject != REJECT_OVERSIZE && reject != REJECT_MALFORMED &&
            reject != REJECT_NOT_CANONICAL) {
            fail_msg("%s: %d", rows[i].why, (int)reject);
        }
        ingot_buffer_deinit(&frame);
    }
}

static void the_largest_honest_answer_fits_the_promise(void **state)
{
    (void)state;
    /* Blocks as small as they get, of a set of one: most objects for the bytes. */
    struct samples samples;
    samples_init(&samples, &fast_crypto, 1, 0, 1);
    struct message *message = samples_sync_response(&samples, INGOT_SYNC_BLOCKS_MAX);
    struct ingot_buffer frame = {0};
    wire_encode(message, &frame);
    struct message *back;
    assert_int_equal(wire_decode(ingot_buffer_slice(&frame), &back), REJECT_NONE);
    assert_int_equal(back->sync_response.block_count, INGOT_SYNC_BLOCKS_MAX);
    message_unref(back);
    message_unref(message);
    ingot_buffer_deinit(&frame);
    samples_deinit(&samples);
}

static void one_block_more_than_allowed_is_refused(void **state)
{
    (void)state;
    struct samples samples;
    samples_init(&samples, &fast_crypto, 1, 0, 1);
    struct message *message = samples_sync_response(&samples, INGOT_SYNC_BLOCKS_MAX + 1);
    struct ingot_buffer frame = {0};
    wire_encode(message, &frame);
    struct message *back;
    assert_int_equal(wire_decode(ingot_buffer_slice(&frame), &back), REJECT_OVERSIZE);
    message_unref(message);
    ingot_buffer_deinit(&frame);
    samples_deinit(&samples);
}

static void an_arena_gives_no_more_than_its_budget(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 16, 17, 100, 4095, 4096, 30000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct arena arena;
        const size_t budget = 200000;
        size_t given = 0;
        arena_init(&arena, budget);
        for (;;) {
            uint8_t *memory = arena_alloc(&arena, sizes[i]);
            if (memory == NULL) {
                break;
            }
            assert_int_equal((uintptr_t)memory % 16, 0);
            memset(memory, 0xEE, sizes[i]); /* a sanitizer sees what is not ours */
            given += sizes[i];
        }
        assert_true(arena.exhausted);
        assert_true(given <= budget);
        assert_true(given + 30000 > budget / 16);
        arena_deinit(&arena);
    }
}

static void bytes_taken_from_an_arena_outlive_it(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, ARENA_LARGE_BYTES - 1, ARENA_LARGE_BYTES, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct arena arena;
        struct ingot_buffer taken = {0};
        arena_init(&arena, 300000);
        assert_non_null(arena_alloc(&arena, 50000));
        ProtobufCBinaryData bytes = {sizes[i], NULL};
        if (sizes[i] > 0) {
            bytes.data = arena_alloc(&arena, sizes[i]);
            assert_non_null(bytes.data);
            memset(bytes.data, 0xAB, sizes[i]);
        }
        assert_non_null(arena_alloc(&arena, 50000));
        arena_take(&arena, bytes, &taken);
        arena_deinit(&arena);
        assert_int_equal(taken.size, sizes[i]);
        for (size_t at = 0; at < taken.size; at++) {
            assert_int_equal(taken.data[at], 0xAB);
        }
        ingot_buffer_deinit(&taken);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_frame_costs_more_memory_than_promised),
        cmocka_unit_test(the_largest_honest_answer_fits_the_promise),
        cmocka_unit_test(one_block_more_than_allowed_is_refused),
        cmocka_unit_test(an_arena_gives_no_more_than_its_budget),
        cmocka_unit_test(bytes_taken_from_an_arena_outlive_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

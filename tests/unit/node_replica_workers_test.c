/*
 * A replica that catches up, with and without threads that verify ahead. Goal: it verifies each
 * signature once, all threads taken together, what a liar sends is refused alike, and the processor
 * is offered to others between any two blocks, but only while it is behind. Method: one
 * replica with the real ed25519, whose three peers are the test: they let it wait for the lowest
 * blocks until its workers have verified all that they can.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#include "base/alloc.h"
#include "lib/lone_replica.h"
#include "wire/wire.h"

#define BLOCKS 300
#define COMMITTED (BLOCKS - 2) /* as far as its peers say */
#define RANGE 128              /* blocks of a request: 1 to 128, 129 to 256, and the rest */
#define QUORUM_SIGNATURES 3
#define WORKERS 2
#define DEADLINE_MS 120000
#define PEERS (LONE_VALIDATORS - 1)

struct scene {
    struct lone lone;
    struct block *chain[BLOCKS + 1];
    uint64_t forged; /* the last block of this height comes with a forged certificate, once */
    uint32_t answers;
};

struct outcome {
    uint64_t committed;
    uint32_t answers;
    uint64_t verifications;
    uint64_t ahead;
    uint64_t invalid; /* answers that were refused for what is in them */
    uint32_t gave_way;
};

static struct metrics *metrics_of(struct scene *scene)
{
    return replica_metrics(scene->lone.replica);
}

static void set_up(struct scene *scene, uint32_t threads)
{
    struct lone *lone = &scene->lone;
    lone_init(lone, 0);
    lone->verify_threads = threads;
    lone_crash(lone);
    assert_int_equal(lone_open(lone), INGOT_OK);
    scene->chain[0] = block_ref(lone->genesis);
    for (uint64_t height = 1; height <= BLOCKS; height++) {
        scene->chain[height] = lone_block(lone, scene->chain[height - 1], height);
    }
}

static void tear_down(struct scene *scene)
{
    for (uint64_t height = 0; height <= BLOCKS; height++) {
        block_unref(scene->chain[height]);
    }
    lone_deinit(&scene->lone);
}

static void advertise(struct scene *scene)
{
    for (uint32_t peer = 1; peer <= PEERS; peer++) {
        struct message *message = message_new(MESSAGE_ADVERTISE);
        message->advertise.committed_height = COMMITTED;
        message->advertise.high_qc = lone_qc(&scene->lone, scene->chain[BLOCKS]);
        lone_receive(&scene->lone, peer, message);
    }
}

/* What a peer has to say to a request. */
static struct message *answer_to(struct scene *scene, const struct sync_request *request)
{
    struct message *message = message_new(MESSAGE_SYNC_RESPONSE);
    struct sync_response *response = &message->sync_response;
    response->committed_height = COMMITTED;
    response->blocks = alloc_zeroed((size_t)request->blocks_max, sizeof(struct block *));
    for (uint64_t height = request->base_height + 1;
         height <= BLOCKS && response->block_count < request->blocks_max; height++) {
        response->blocks[response->block_count++] = block_ref(scene->chain[height]);
    }
    const uint64_t last = request->base_height + response->block_count;
    response->tail_qc = lone_qc(&scene->lone, scene->chain[last]);
    if (last == scene->forged) {
        response->tail_qc->signatures[1].bytes[5] ^= 1;
        scene->forged = 0;
    }
    return message;
}

/* Answers the requests that are open, of those whose base has one of these heights. */
static void answer(struct scene *scene, uint64_t least, uint64_t most)
{
    struct message *requests[LONE_FRAMES_MAX];
    uint32_t peers[LONE_FRAMES_MAX];
    uint32_t count = 0;
    const struct lone_frame *frame;
    while ((frame = lone_find(&scene->lone, MESSAGE_SYNC_REQUEST, count)) != NULL) {
        peers[count] = frame->to;
        assert_int_equal(wire_decode(ingot_buffer_slice(&frame->bytes), &requests[count]),
                         REJECT_NONE);
        count++;
    }
    if (least == 0) {
        lone_forget(&scene->lone);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct sync_request *request = &requests[i]->sync_request;
        if (request->base_height >= least && request->base_height <= most) {
            scene->answers++;
            lone_receive(&scene->lone, peers[i], answer_to(scene, request));
        }
        message_unref(requests[i]);
    }
}

static void await_ahead(struct scene *scene, uint64_t count)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    for (uint32_t i = 0; metrics_of(scene)->verifications_ahead < count; i++) {
        assert_true(i < DEADLINE_MS);
        nanosleep(&moment, NULL);
    }
    assert_int_equal(metrics_of(scene)->verifications_ahead, count);
}

static struct outcome catch_up(uint32_t threads, uint64_t forged)
{
    static struct scene scene;
    scene = (struct scene){.forged = forged};
    set_up(&scene, threads);
    advertise(&scene);
    lone_wait(&scene.lone, 20);
    answer(&scene, 1, UINT64_MAX);
    if (threads > 0) {
        /* All but the last, which was advertised; of a forged one two signatures of three. */
        await_ahead(&scene, (BLOCKS - RANGE - 1) * QUORUM_SIGNATURES - (forged > 0));
    }
    answer(&scene, 0, 0);
    for (uint32_t i = 0; lone_status(&scene.lone).last_committed->height < COMMITTED; i++) {
        assert_true(i < 20);
        answer(&scene, 0, UINT64_MAX);
        lone_wait(&scene.lone, 20);
    }
    const struct metrics *metrics = metrics_of(&scene);
    const struct outcome outcome = {.committed = lone_status(&scene.lone).last_committed->height,
                                    .answers = scene.answers,
                                    .verifications = metrics->verifications,
                                    .ahead = metrics->verifications_ahead,
                                    .invalid = metrics->sync_client.penalties[SYNC_FAULT_INVALID],
                                    .gave_way = scene.lone.gave_way};
    tear_down(&scene);
    print_message("%u threads: %llu signatures verified, %llu of them ahead\n", threads,
                  (unsigned long long)outcome.verifications, (unsigned long long)outcome.ahead);
    return outcome;
}

/* But for what a worker is at when the turn of it comes: that one certificate is not waited for. */
static void each_signature_is_verified_once_by_whatever_thread(void **state)
{
    (void)state;
    const struct outcome alone = catch_up(0, 0);
    const struct outcome helped = catch_up(WORKERS, 0);
    assert_int_equal(alone.ahead, 0);
    /* The one that was advertised may be forgotten by the time that it comes again. */
    assert_in_range(alone.verifications, BLOCKS * QUORUM_SIGNATURES,
                    (BLOCKS + 1) * QUORUM_SIGNATURES);
    assert_in_range(helped.verifications, BLOCKS * QUORUM_SIGNATURES,
                    (BLOCKS + 1 + WORKERS) * QUORUM_SIGNATURES);
    assert_true(helped.ahead >= (BLOCKS - RANGE - 1) * QUORUM_SIGNATURES);
    assert_int_equal(helped.committed, alone.committed);
    assert_int_equal(helped.answers, alone.answers);
    assert_int_equal(helped.invalid, 0);
}

static void a_forged_certificate_is_refused_with_and_without_workers(void **state)
{
    (void)state;
    const struct outcome alone = catch_up(0, 2 * RANGE);
    const struct outcome helped = catch_up(WORKERS, 2 * RANGE);
    assert_int_equal(alone.invalid, 1);
    assert_int_equal(helped.invalid, 1);
    assert_int_equal(helped.committed, alone.committed);
    assert_int_equal(helped.answers, alone.answers);
}

/* After each block that it executes, and each certificate that no worker has verified for it. */
static void the_processor_is_offered_between_any_two_parts_of_catching_up(void **state)
{
    (void)state;
    const struct outcome alone = catch_up(0, 0);
    const struct outcome helped = catch_up(WORKERS, 0);
    assert_in_range(alone.gave_way, 2 * (COMMITTED - RANGE), 2 * (BLOCKS + 1));
    assert_in_range(helped.gave_way, COMMITTED - RANGE, BLOCKS + RANGE + 1);
}

static void whoever_is_not_behind_keeps_the_processor(void **state)
{
    (void)state;
    struct lone lone;
    lone_init(&lone, 3);
    struct block *parent = block_ref(lone.genesis);
    for (uint64_t view = 1; view <= INGOT_LEADER_TENURE_DEFAULT; view++) {
        struct block *block = lone_block(&lone, parent, view);
        block_unref(parent);
        parent = block_ref(block);
        lone_receive(&lone, lone_leader(&lone, view), lone_propose(&lone, block, NULL));
    }
    assert_true(lone_status(&lone).last_committed->height >= 1);
    assert_int_equal(lone.gave_way, 0);
    block_unref(parent);
    lone_deinit(&lone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_signature_is_verified_once_by_whatever_thread),
        cmocka_unit_test(a_forged_certificate_is_refused_with_and_without_workers),
        cmocka_unit_test(the_processor_is_offered_between_any_two_parts_of_catching_up),
        cmocka_unit_test(whoever_is_not_behind_keeps_the_processor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Certificates that are verified on other threads before their turn. Goal: nothing is proven but
 * what was verified; no signature is verified twice, unless a worker is stuck with it; workers hold
 * nobody up, and do no more than they have to. Method: the real ed25519 behind a gate, which counts
 * who comes by and stops workers where a test wants them to be.
 */
#define _GNU_SOURCE /* sched_setaffinity, pthread_condattr_setclock */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/alloc.h"
#include "lib/verify_fixture.h"
#include "node/verify_ahead.h"

#define CHAIN 30     /* blocks */
#define SIGNATURES 4 /* of each certificate of samples_sync_response */
#define DEADLINE_S 120
#define VIEW_AT 88 /* of a vote's preimage: after the tag, the chain and the set */
#define VIEWS_MAX 256

/* --- The gate. --- */

static struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t loop; /* everybody else is a worker */
    bool is_closed; /* to workers */
    uint32_t waiting;
    uint32_t by_loop; /* verifications */
    uint32_t by_workers;
    uint64_t views[VIEWS_MAX]; /* what workers came by with, in order */
} gate = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static uint64_t view_of(struct ingot_slice preimage)
{
    uint64_t view = 0;
    for (uint32_t i = 0; i < 8; i++) {
        view |= (uint64_t)preimage.data[VIEW_AT + i] << (8 * i);
    }
    return view;
}

static bool verify_at_the_gate(const struct ingot_public_key *key, struct ingot_slice message,
                               const struct ingot_signature *signature)
{
    pthread_mutex_lock(&gate.mutex);
    if (pthread_equal(pthread_self(), gate.loop)) {
        gate.by_loop++;
    } else {
        gate.views[gate.by_workers++ % VIEWS_MAX] = view_of(message);
        gate.waiting++;
        pthread_cond_broadcast(&gate.changed);
        while (gate.is_closed) {
            pthread_cond_wait(&gate.changed, &gate.mutex);
        }
        gate.waiting--;
    }
    pthread_mutex_unlock(&gate.mutex);
    return crypto_ed25519.verify(key, message, signature);
}

static void set_gate(bool is_closed)
{
    pthread_mutex_lock(&gate.mutex);
    gate.is_closed = is_closed;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.mutex);
}

static bool some_wait(const void *count)
{
    return gate.waiting == *(const uint32_t *)count;
}

/* Under the gate's mutex. */
typedef bool gate_condition(const void *context);

static void await_gate(gate_condition *holds, const void *context)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += DEADLINE_S;
    pthread_mutex_lock(&gate.mutex);
    int failed = 0;
    while (!holds(context) && failed == 0) {
        failed = pthread_cond_timedwait(&gate.changed, &gate.mutex, &deadline);
    }
    pthread_mutex_unlock(&gate.mutex);
    assert_int_equal(failed, 0);
}

static void await_waiting(uint32_t count)
{
    await_gate(some_wait, &count);
}

static void await_verified(struct verify_ahead *ahead, uint64_t count)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    for (uint32_t i = 0; verify_ahead_verifications(ahead) < count; i++) {
        assert_true(i < DEADLINE_S * 1000);
        nanosleep(&moment, NULL);
    }
    assert_int_equal(verify_ahead_verifications(ahead), count);
}

/* --- The scene. --- */

struct scene {
    struct verify_fixture *fixture;
    struct crypto_scheme scheme;
    struct message *chain; /* CHAIN blocks with a tail */
    struct verify_ahead *ahead;
};

static int set_up(void **state)
{
    static struct scene scene;
    memset(&scene, 0, sizeof scene);
    void *fixture = NULL;
    if (verify_fixture_set_up(&fixture) != 0) {
        return -1;
    }
    scene.fixture = fixture;
    scene.scheme = crypto_ed25519;
    scene.scheme.verify = verify_at_the_gate;
    scene.fixture->verifier.scheme = &scene.scheme;
    scene.chain = samples_sync_response(&scene.fixture->samples, CHAIN);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&gate.changed, &attributes);
    pthread_condattr_destroy(&attributes);
    gate.loop = pthread_self();
    gate.is_closed = false;
    gate.waiting = gate.by_loop = gate.by_workers = 0;
    *state = &scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    void *fixture = scene->fixture;
    set_gate(false);
    verify_ahead_free(scene->ahead);
    message_unref(scene->chain);
    pthread_cond_destroy(&gate.changed);
    return verify_fixture_tear_down(&fixture);
}

static void start(struct scene *scene, uint32_t threads)
{
    scene->ahead = verify_ahead_new(threads, &scene->fixture->samples.chain, &scene->scheme);
    assert_non_null(scene->ahead);
}

static void show(struct scene *scene, struct message *answer)
{
    verify_ahead_show(scene->ahead, &scene->fixture->verifier, answer);
}

/* `count` blocks of the chain from its block `first` on, as an answer of their own. */
static struct message *part_of(const struct message *chain, uint32_t first, uint32_t count)
{
    const struct sync_response *whole = &chain->sync_response;
    struct message *message = message_new(MESSAGE_SYNC_RESPONSE);
    struct sync_response *part = &message->sync_response;
    part->blocks = alloc_zeroed(count, sizeof *part->blocks);
    for (uint32_t i = 0; i < count; i++) {
        part->blocks[part->block_count++] = block_ref(whole->blocks[first + i]);
    }
    part->tail_qc =
        qc_ref(first + count < whole->block_count ? whole->blocks[first + count]->justify
                                                  : whole->tail_qc);
    return message;
}

struct outcome {
    enum reject reject;
    uint32_t count;  /* blocks that stand */
    uint32_t proven; /* certificates */
};

/* The turn of the blocks of an answer from `first` on, in one run. */
static struct outcome take_turn(struct scene *scene, const struct message *answer, uint32_t first)
{
    struct verifier *verifier = &scene->fixture->verifier;
    struct message *message = part_of(answer, first, answer->sync_response.block_count - first);
    const struct sync_response *run = &message->sync_response;
    bool *proven = alloc_zeroed((size_t)run->block_count + 1, sizeof *proven);
    struct outcome outcome = {0};
    verify_ahead_settle(scene->ahead, verifier, answer, first, run, proven);
    for (uint32_t i = 0; i <= run->block_count; i++) {
        outcome.proven += proven[i];
    }
    outcome.reject = verify_sync_prefix(verifier, run, 0, proven, &outcome.count);
    free(proven);
    message_unref(message);
    return outcome;
}

static struct qc *certificate_of(const struct message *answer, uint32_t i)
{
    const struct sync_response *response = &answer->sync_response;
    return i < response->block_count ? response->blocks[i]->justify : response->tail_qc;
}

/* Spoils one signature of certificate number `i`. */
static void forge(struct message *answer, uint32_t i, uint32_t signature)
{
    struct qc *qc = certificate_of(answer, i);
    qc->signatures[signature].bytes[9] ^= 1;
    wire_seal_qc(qc);
}

/* --- What is proven, and by whom. --- */

static void what_waits_is_verified_before_its_turn_and_no_signature_twice(void **state)
{
    struct scene *scene = *state;
    start(scene, 3);
    show(scene, scene->chain);
    await_verified(scene->ahead, CHAIN * SIGNATURES);
    const struct outcome outcome = take_turn(scene, scene->chain, 0);
    assert_int_equal(outcome.reject, REJECT_NONE);
    assert_int_equal(outcome.count, CHAIN);
    assert_int_equal(outcome.proven, CHAIN);
    assert_int_equal(gate.by_loop, 0);
    assert_int_equal(gate.by_workers, CHAIN * SIGNATURES);
}

static void the_first_certificate_is_left_to_the_answer_before(void **state)
{
    struct scene *scene = *state;
    start(scene, 2);
    struct message *low = part_of(scene->chain, 0, 10);
    struct message *high = part_of(scene->chain, 10, 20);
    show(scene, high);
    show(scene, low);
    await_verified(scene->ahead, CHAIN * SIGNATURES);
    assert_int_equal(take_turn(scene, low, 0).count, 10);
    assert_int_equal(take_turn(scene, high, 0).count, 20);
    assert_int_equal(gate.by_loop, 0);
    message_unref(low);
    message_unref(high);
}

static void
what_nobody_has_begun_is_verified_in_its_turn_and_nobody_waits_for_a_worker(void **state)
{
    struct scene *scene = *state;
    start(scene, 2);
    set_gate(true);
    show(scene, scene->chain);
    await_waiting(2);
    const struct outcome outcome = take_turn(scene, scene->chain, 0);
    assert_int_equal(outcome.reject, REJECT_NONE);
    assert_int_equal(outcome.count, CHAIN);
    assert_int_equal(outcome.proven, CHAIN - 2);
    assert_int_equal(gate.by_workers, 2); /* they stand at their first signatures */
    assert_int_equal(gate.by_loop, CHAIN * SIGNATURES);
}

static void a_run_in_the_middle_of_an_answer_leaves_out_what_is_known_by_another_way(void **state)
{
    struct scene *scene = *state;
    start(scene, 1);
    set_gate(true);
    show(scene, scene->chain);
    await_waiting(1);
    const struct outcome outcome = take_turn(scene, scene->chain, 20);
    assert_int_equal(outcome.reject, REJECT_NONE);
    assert_int_equal(outcome.count, 10);
    assert_int_equal(outcome.proven, 11); /* with the one in its first block */
    assert_int_equal(gate.by_loop, 11 * SIGNATURES);
}

static void sets_that_become_known_later_are_used_when_the_answer_is_shown_again(void **state)
{
    struct scene *scene = *state;
    struct message *changing = fixture_changing_chain(scene->fixture);
    scene->fixture->epochs_known = 1;
    start(scene, 2);
    show(scene, changing);
    await_verified(scene->ahead, 3 * (CHANGES_AT + 1));
    show(scene, changing);
    assert_int_equal(take_turn(scene, changing, 0).count, CHANGES_AT + 1);

    scene->fixture->epochs_known = 2;
    show(scene, changing);
    await_verified(scene->ahead, 3 * CHAIN_LENGTH);
    const struct outcome outcome = take_turn(scene, changing, CHANGES_AT + 1);
    assert_int_equal(outcome.reject, REJECT_NONE);
    assert_int_equal(outcome.count, CHAIN_LENGTH - CHANGES_AT - 1);
    assert_int_equal(gate.by_loop, 0);
    message_unref(changing);
}

/* --- Liars. --- */

static void a_forged_certificate_is_refused_whoever_looks_at_it_first(void **state)
{
    struct scene *scene = *state;
    for (uint32_t i = 1; i <= CHAIN; i += i < 3 || i > CHAIN - 3 ? 1 : 8) {
        struct message *spoilt = samples_sync_response(&scene->fixture->samples, CHAIN);
        forge(spoilt, i, i % SIGNATURES);
        const uint64_t up_to_it = (uint64_t)(i - 1) * SIGNATURES + i % SIGNATURES + 1;

        /* A worker. What comes behind costs nobody anything. */
        start(scene, 1);
        show(scene, spoilt);
        await_verified(scene->ahead, up_to_it);
        gate.by_loop = 0;
        struct outcome outcome = take_turn(scene, spoilt, 0);
        assert_int_equal(outcome.reject, REJECT_BAD_SIGNATURE);
        assert_int_equal(outcome.count, i - 1);
        assert_int_equal(outcome.proven, i - 1);
        assert_in_range(gate.by_loop, 1, SIGNATURES); /* the bad one, to say why */
        assert_int_equal(verify_ahead_verifications(scene->ahead), up_to_it);
        verify_ahead_free(scene->ahead);

        /* The caller, while the worker stands at the first one. */
        verifier_init(&scene->fixture->verifier, &scene->fixture->samples.chain, &scene->scheme,
                      verify_fixture_find_set, scene->fixture);
        start(scene, 1);
        set_gate(true);
        show(scene, spoilt);
        await_waiting(1);
        outcome = take_turn(scene, spoilt, 0);
        assert_int_equal(outcome.reject, REJECT_BAD_SIGNATURE);
        assert_int_equal(outcome.count, i - 1);
        set_gate(false);
        verify_ahead_free(scene->ahead);
        scene->ahead = NULL;
        message_unref(spoilt);
        verifier_init(&scene->fixture->verifier, &scene->fixture->samples.chain, &scene->scheme,
                      verify_fixture_find_set, scene->fixture);
    }
}

/* The signatures are good, and it goes no further than without workers. */
static void what_is_wrong_in_any_other_way_is_refused_all_the_same(void **state)
{
    struct scene *scene = *state;
    start(scene, 1);
    struct message *strange = samples_sync_response(&scene->fixture->samples, CHAIN);
    strange->sync_response.blocks[10]->height++;
    show(scene, strange);
    await_verified(scene->ahead, 9 * SIGNATURES);
    const struct outcome outcome = take_turn(scene, strange, 0);
    assert_int_equal(outcome.reject, REJECT_BINDING);
    assert_int_equal(outcome.count, 9);
    assert_int_equal(gate.by_loop, 0);
    message_unref(strange);
}

static void a_certificate_in_the_place_of_another_is_not_proven_by_it(void **state)
{
    struct scene *scene = *state;
    start(scene, 1);
    struct message *answer = part_of(scene->chain, 0, 10);
    show(scene, answer);
    await_verified(scene->ahead, 10 * SIGNATURES);
    /* A run may end with a certificate of ours. */
    struct message *run = part_of(answer, 0, 10);
    struct qc *ours = samples_qc(&scene->fixture->samples, QUORUM, 10, 10,
                                 &run->sync_response.blocks[9]->hash, PHASE_GENERIC);
    qc_unref(run->sync_response.tail_qc);
    run->sync_response.tail_qc = ours;
    bool proven[11];
    verify_ahead_settle(scene->ahead, &scene->fixture->verifier, answer, 0, &run->sync_response,
                        proven);
    assert_true(proven[9]);
    assert_false(proven[10]);
    message_unref(run);
    message_unref(answer);
}

/* --- The workers. --- */

static void the_lowest_answers_come_first(void **state)
{
    struct scene *scene = *state;
    start(scene, 1);
    struct message *parts[3];
    for (uint32_t i = 0; i < 3; i++) {
        parts[i] = part_of(scene->chain, 10 * i, 10);
    }
    set_gate(true);
    show(scene, parts[1]);
    await_waiting(1);
    show(scene, parts[2]);
    show(scene, parts[0]);
    set_gate(false);
    await_verified(scene->ahead, CHAIN * SIGNATURES);
    assert_int_equal(gate.views[0], 11); /* what it was at; then the others in order */
    for (uint32_t i = 1; i < CHAIN; i++) {
        assert_int_equal(gate.views[SIGNATURES * i], i <= 10 ? i : i + 1);
    }
    for (uint32_t i = 0; i < 3; i++) {
        message_unref(parts[i]);
    }
}

static void what_is_dropped_costs_no_more_than_what_was_begun(void **state)
{
    struct scene *scene = *state;
    start(scene, 1);
    struct message *low = part_of(scene->chain, 0, 10);
    struct message *high = part_of(scene->chain, 10, 10);
    set_gate(true);
    show(scene, low);
    await_waiting(1);
    verify_ahead_drop(scene->ahead, low);
    verify_ahead_drop(scene->ahead, scene->chain); /* which was never shown */
    message_unref(low);                            /* the worker still reads it */
    show(scene, high);
    set_gate(false);
    await_verified(scene->ahead, SIGNATURES + 10 * SIGNATURES);
    assert_int_equal(take_turn(scene, high, 0).count, 10);
    verify_ahead_drop(scene->ahead, high);
    assert_int_equal(take_turn(scene, high, 0).proven, 0); /* it is forgotten */
    message_unref(high);
}

static void it_ends_with_work_left(void **state)
{
    struct scene *scene = *state;
    start(scene, 2);
    set_gate(true);
    show(scene, scene->chain);
    await_waiting(2);
    set_gate(false);
    verify_ahead_free(scene->ahead);
    scene->ahead = NULL;
    assert_in_range(gate.by_workers, 2, CHAIN * SIGNATURES);
}

/* The niceness of the threads of this process: field 19 of each one's stat, as proc(5) has it. */
static uint32_t threads_of_niceness(int niceness)
{
    DIR *folder = opendir("/proc/self/task");
    assert_non_null(folder);
    uint32_t count = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[300];
        char line[1024] = "";
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/stat", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file == NULL) {
            continue; /* . and .., and a thread that has ended */
        }
        const char *at = fgets(line, sizeof line, file) == NULL ? NULL : strrchr(line, ')');
        (void)fclose(file);
        int found = 0;
        count += at != NULL &&
                 sscanf(at, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %d",
                        &found) == 1 &&
                 found == niceness;
    }
    (void)closedir(folder);
    return count;
}

static void workers_give_way_to_the_thread_that_started_them(void **state)
{
    struct scene *scene = *state;
    const int own = getpriority(PRIO_PROCESS, 0);
    const int nicer = own + 10 < 19 ? own + 10 : 19;
    if (own == nicer) {
        skip(); /* nobody can give way to us */
    }
    start(scene, 2);
    set_gate(true);
    show(scene, scene->chain);
    await_waiting(2);
    assert_int_equal(threads_of_niceness(nicer), 2);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), own);
}

static void there_are_no_more_threads_than_processors_beside_the_loop(void **state)
{
    (void)state;
    cpu_set_t before;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    const uint32_t processors = (uint32_t)CPU_COUNT(&before);
    assert_int_equal(verify_ahead_threads(1000), processors - 1);
    assert_int_equal(verify_ahead_threads(0), 0);
    size_t first = 0;
    while (!CPU_ISSET(first, &before)) {
        first++;
    }
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(verify_ahead_threads(4), 0);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

static void without_threads_there_is_nobody_to_ask(void **state)
{
    struct scene *scene = *state;
    assert_null(verify_ahead_new(0, &scene->fixture->samples.chain, &scene->scheme));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(what_waits_is_verified_before_its_turn_and_no_signature_twice),
        TEST(the_first_certificate_is_left_to_the_answer_before),
        TEST(what_nobody_has_begun_is_verified_in_its_turn_and_nobody_waits_for_a_worker),
        TEST(a_run_in_the_middle_of_an_answer_leaves_out_what_is_known_by_another_way),
        TEST(sets_that_become_known_later_are_used_when_the_answer_is_shown_again),
        TEST(a_forged_certificate_is_refused_whoever_looks_at_it_first),
        TEST(what_is_wrong_in_any_other_way_is_refused_all_the_same),
        TEST(a_certificate_in_the_place_of_another_is_not_proven_by_it),
        TEST(the_lowest_answers_come_first),
        TEST(what_is_dropped_costs_no_more_than_what_was_begun),
        TEST(it_ends_with_work_left),
        TEST(workers_give_way_to_the_thread_that_started_them),
        TEST(there_are_no_more_threads_than_processors_beside_the_loop),
        TEST(without_threads_there_is_nobody_to_ask),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

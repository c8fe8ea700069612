/*
 * Workers that verify certificates before their turn. See verify_ahead.h.
 *
 * One mutex guards what both sides change: which certificates of an answer are taken, by whom, and
 * what came of them. References are counted on the loop's thread alone; a worker only reads what it
 * points to, and an answer that a worker is at is not let go.
 */
#define _GNU_SOURCE /* sched_getaffinity */
#include "node/verify_ahead.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/give_way.h"
#include "base/log.h"
#include "base/mutant.h"

/*
 * So much nicer than the node are its workers: what they do can be done later, or by the node's own
 * thread, and must not keep a validator on the same machine from its votes.
 */
#define WORKER_NICENESS 10

/* One certificate. */
struct entry {
    struct qc *qc;             /* of the answer */
    struct validator_set *set; /* owned reference; NULL: there is nothing to verify */
    bool is_good;
};

/* One answer. */
struct batch {
    struct batch *next;     /* the same height or a higher one */
    struct message *answer; /* owned reference */
    uint64_t height;        /* of its first block */
    bool is_dropped;
    bool is_spoiled;    /* a signature in it is bad: nobody looks at the others */
    uint32_t count;     /* certificates that were entered */
    uint32_t taken;     /* of these, in order: by a worker, or by the caller */
    uint32_t under_way; /* of these, with workers */
    struct entry entries[];
};

struct worker {
    struct verify_ahead *ahead;
    pthread_t thread;
    struct verifier verifier; /* the worker's alone */
};

struct verify_ahead {
    pthread_mutex_t mutex;
    pthread_cond_t work;
    bool is_ending;
    uint64_t verifications;
    struct batch *batches; /* the list is changed by the loop's thread alone, under the mutex */
    uint32_t worker_count;
    struct worker workers[];
};

static void lock(struct verify_ahead *ahead)
{
    const int failed = pthread_mutex_lock(&ahead->mutex);
    INGOT_ASSERT(failed == 0);
}

static void unlock(struct verify_ahead *ahead)
{
    const int failed = pthread_mutex_unlock(&ahead->mutex);
    INGOT_ASSERT(failed == 0);
}

/* --- Taking and finishing certificates; under the mutex. --- */

/* The next one below `end` that nobody has taken, or NULL. */
static struct entry *take(struct batch *batch, uint32_t end)
{
    while (batch->taken < end) {
        struct entry *entry = &batch->entries[batch->taken++];
        if (entry->set != NULL) {
            return entry;
        }
    }
    return NULL;
}

static void finish(struct batch *batch, struct entry *entry, bool is_good)
{
    entry->is_good = is_good;
    if (!is_good) {
        batch->is_spoiled = true;
        batch->taken = batch->count;
    }
}

/* --- Workers. --- */

/* On Linux a thread has a niceness of its own. More of it is granted to everybody. */
static void become_nicer(void)
{
    const int niceness = getpriority(PRIO_PROCESS, 0);
    (void)setpriority(PRIO_PROCESS, 0, niceness + WORKER_NICENESS);
}

static struct entry *take_lowest(struct verify_ahead *ahead, struct batch **batch)
{
    struct entry *entry = NULL;
    *batch = NULL;
    for (struct batch *at = ahead->batches; entry == NULL && at != NULL; at = at->next) {
        entry = take(at, at->count);
        *batch = at;
    }
    return entry;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct verify_ahead *ahead = worker->ahead;
    struct give_way way = {0};
    become_nicer();
    lock(ahead);
    while (!ahead->is_ending) {
        struct batch *batch;
        struct entry *entry = take_lowest(ahead, &batch);
        if (entry == NULL) {
            const int failed = pthread_cond_wait(&ahead->work, &ahead->mutex);
            INGOT_ASSERT(failed == 0);
            continue;
        }
        batch->under_way++;
        unlock(ahead);
        const uint64_t before = worker->verifier.counters.verifications;
        const bool is_good =
            verify_qc_signatures(&worker->verifier, entry->set, entry->qc) == REJECT_NONE ||
            MUTANT(BAD_IS_PROVEN);
        give_way(&way);
        lock(ahead);
        ahead->verifications += worker->verifier.counters.verifications - before;
        batch->under_way--;
        finish(batch, entry, is_good);
    }
    unlock(ahead);
    return NULL;
}

uint32_t verify_ahead_threads(uint32_t threads_max)
{
    cpu_set_t processors;
    if (sched_getaffinity(0, sizeof processors, &processors) != 0) {
        return threads_max; /* there are more than the set has room for */
    }
    const uint32_t others = (uint32_t)CPU_COUNT(&processors) - 1;
    return others < threads_max ? others : threads_max;
}

/* Signals are for the thread of the loop. */
static bool start(struct worker *worker)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(&worker->thread, NULL, work, worker);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0;
}

struct verify_ahead *verify_ahead_new(uint32_t threads, const struct ingot_hash *chain,
                                      const struct crypto_scheme *scheme)
{
    struct verify_ahead *ahead =
        alloc_zeroed(1, sizeof *ahead + threads * sizeof ahead->workers[0]);
    const int failed =
        pthread_mutex_init(&ahead->mutex, NULL) + pthread_cond_init(&ahead->work, NULL);
    INGOT_ASSERT(failed == 0);
    while (ahead->worker_count < threads) {
        struct worker *worker = &ahead->workers[ahead->worker_count];
        worker->ahead = ahead;
        verifier_init(&worker->verifier, chain, scheme, NULL, NULL);
        if (!start(worker)) {
            LOG(LOG_WARN, "the system gives no more threads to verify signatures with",
                log_u64("threads", ahead->worker_count), log_u64("wanted", threads));
            break;
        }
        (void)pthread_setname_np(worker->thread, "ingot-verify");
        ahead->worker_count++;
    }
    if (ahead->worker_count == 0) {
        verify_ahead_free(ahead);
        return NULL;
    }
    return ahead;
}

/* --- Answers. --- */

static struct batch *find(const struct verify_ahead *ahead, const struct message *answer)
{
    struct batch *batch = ahead->batches;
    while (batch != NULL && batch->answer != answer) {
        batch = batch->next;
    }
    return batch;
}

static struct batch *add(struct verify_ahead *ahead, struct message *answer)
{
    const struct sync_response *response = &answer->sync_response;
    struct batch *batch = alloc_zeroed(1, sizeof *batch + ((size_t)response->block_count + 1) *
                                                              sizeof batch->entries[0]);
    batch->answer = message_ref(answer);
    batch->height = response->blocks[0]->height;
    /*
     * The first certificate is that of the block before, which is the last one of the answer
     * before, so it is known by the time that this one's turn comes.
     */
    batch->count = 1;
    lock(ahead);
    struct batch **place = &ahead->batches;
    while (*place != NULL && (*place)->height < batch->height) {
        place = &(*place)->next;
    }
    batch->next = *place;
    *place = batch;
    unlock(ahead);
    return batch;
}

static void free_all(struct batch *batch)
{
    while (batch != NULL) {
        struct batch *next = batch->next;
        for (uint32_t i = 0; i < batch->count; i++) {
            validator_set_unref(batch->entries[i].set);
        }
        message_unref(batch->answer);
        free(batch);
        batch = next;
    }
}

/* Dropped ones that no worker is at any more. */
static void sweep(struct verify_ahead *ahead)
{
    struct batch *gone = NULL;
    lock(ahead);
    struct batch **place = &ahead->batches;
    while (*place != NULL) {
        struct batch *batch = *place;
        if (batch->is_dropped && batch->under_way == 0) {
            *place = batch->next;
            batch->next = gone;
            gone = batch;
        } else {
            place = &batch->next;
        }
    }
    unlock(ahead);
    free_all(gone);
}

/* Enters as many more as can be judged by now. */
static uint32_t enter(struct batch *batch, struct verifier *verifier)
{
    const struct sync_response *response = &batch->answer->sync_response;
    uint32_t count = batch->count;
    while (count <= response->block_count) {
        struct entry *entry = &batch->entries[count];
        struct validator_set *set;
        if (verify_sync_fields(verifier, response, count, &entry->qc, &set) != REJECT_NONE) {
            break;
        }
        if (set != NULL) {
            entry->set = validator_set_ref(set);
        }
        count++;
    }
    return count;
}

void verify_ahead_show(struct verify_ahead *ahead, struct verifier *verifier,
                       struct message *answer)
{
    INGOT_ASSERT(answer->sync_response.block_count > 0);
    struct batch *batch = find(ahead, answer);
    if (batch == NULL) {
        batch = add(ahead, answer);
    }
    /* Only this thread changes the count. */
    if (batch->count > answer->sync_response.block_count) {
        return;
    }
    const uint32_t count = enter(batch, verifier);
    if (count == batch->count) {
        return;
    }
    lock(ahead);
    batch->taken = batch->is_spoiled ? count : batch->taken;
    batch->count = count;
    const int failed = pthread_cond_broadcast(&ahead->work);
    INGOT_ASSERT(failed == 0);
    unlock(ahead);
}

void verify_ahead_drop(struct verify_ahead *ahead, const struct message *answer)
{
    struct batch *batch = find(ahead, answer);
    if (batch != NULL) {
        lock(ahead);
        batch->is_dropped = true;
        batch->taken = batch->count;
        unlock(ahead);
    }
    sweep(ahead);
}

/* Certificate number `i` of a run is number `first` + `i` of its answer, but for a tail of ours. */
static bool is_proven(const struct batch *batch, uint32_t first, const struct sync_response *run,
                      uint32_t i)
{
    const struct qc *qc = i < run->block_count ? run->blocks[i]->justify : run->tail_qc;
    const struct entry *entry = &batch->entries[first + i];
    return entry->qc == qc && (entry->is_good || (MUTANT(BEGUN_IS_PROVEN) && entry->set != NULL));
}

void verify_ahead_settle(struct verify_ahead *ahead, struct verifier *verifier,
                         const struct message *answer, uint32_t first,
                         const struct sync_response *run, bool *proven)
{
    struct batch *batch = find(ahead, answer);
    const uint32_t entered = batch == NULL ? 0 : batch->count;
    const uint32_t run_end = first + run->block_count + 1;
    const uint32_t end = run_end < entered ? run_end : entered;
    memset(proven, 0, ((size_t)run->block_count + 1) * sizeof *proven);
    if (first >= end) {
        return;
    }
    lock(ahead);
    /* What comes before is known by another way. */
    batch->taken = batch->taken > first ? batch->taken : first;
    struct entry *entry;
    while ((entry = take(batch, end)) != NULL) {
        unlock(ahead);
        const bool is_good = verify_qc_signatures(verifier, entry->set, entry->qc) == REJECT_NONE;
        lock(ahead);
        finish(batch, entry, is_good);
    }
    for (uint32_t i = 0; first + i < end; i++) {
        proven[i] = is_proven(batch, first, run, i);
    }
    unlock(ahead);
}

uint64_t verify_ahead_verifications(struct verify_ahead *ahead)
{
    lock(ahead);
    const uint64_t verifications = ahead->verifications;
    unlock(ahead);
    return verifications;
}

void verify_ahead_free(struct verify_ahead *ahead)
{
    if (ahead == NULL) {
        return;
    }
    lock(ahead);
    ahead->is_ending = true;
    const int failed = pthread_cond_broadcast(&ahead->work);
    INGOT_ASSERT(failed == 0);
    unlock(ahead);
    for (uint32_t i = 0; i < ahead->worker_count; i++) {
        const int not_joined = pthread_join(ahead->workers[i].thread, NULL);
        INGOT_ASSERT(not_joined == 0);
    }
    free_all(ahead->batches);
    (void)pthread_cond_destroy(&ahead->work);
    (void)pthread_mutex_destroy(&ahead->mutex);
    free(ahead);
}

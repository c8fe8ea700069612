/*
 * The command line: records workloads, makes images, judges each in turn, and says what it found.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "lib/table.h"
#include "power/judge.h"
#include "power/lines.h"
#include "power/workloads.h"

#define ROUNDS_MAX 100000
/* Then the next seed is taken, and the workloads run differently. */
#define ROUND_IMAGES 3000
#define DRAWN_LOSSES 24
#define ATTEMPTS_MAX 96

static const char usage[] =
    "usage: power_loss [--images N] [--seed S] [--jobs J] [--workload NAME] [--image "
    "NODE.OP.LOSS]\n"
    "                  [--fault NAME] [--keep FOLDER]\n"
    "\n"
    "Records what nodes write and sync, makes images of what a disk may hold after the power has\n"
    "gone, and starts a node from each. Ends with a line of JSON; status 1: something was lost.\n"
    "\n"
    "  --images N         so many that differ (default 2000)\n"
    "  --seed S           of the first round; each further round takes the next (default 1)\n"
    "  --jobs J           in so many processes (default 1)\n"
    "  --workload NAME    this one only\n"
    "  --image N.O.L      this image only: as a failure has named it\n"
    "  --fault NAME       a mistake on purpose: no-sync, no-meta-sync, data-unsynced,\n"
    "                     journal-unsynced, folder-unsynced, sent-early, lines-unsynced,\n"
    "                     told-early\n"
    "  --keep FOLDER      where images that failed are kept (default power-loss-kept)\n";

struct fault_name {
    const char *name;
    enum record_fault fault;
};

static const struct fault_name fault_names[] = {
    {"none", FAULT_NONE},
    {"no-sync", FAULT_NO_SYNC},
    {"no-meta-sync", FAULT_NO_META_SYNC},
    {"data-unsynced", FAULT_DATA_UNSYNC},
    {"journal-unsynced", FAULT_JOURNAL_UNSYNC},
    {"folder-unsynced", FAULT_FOLDER_UNSYNC},
    {"sent-early", FAULT_SENT_EARLY},
    {"lines-unsynced", FAULT_FILE_UNSYNC},
    {"told-early", FAULT_TOLD_EARLY},
};

struct place {
    uint32_t node;
    uint32_t op;
    uint32_t loss;
};

struct arguments {
    uint64_t images;
    uint64_t seed;
    uint64_t jobs;
    const char *workload; /* or NULL: all */
    bool has_place;
    struct place place;
    const char *fault;
    const char *keep;
};

/* What all processes of a run share. */
struct progress {
    uint64_t images;
    uint64_t distinct;
    uint64_t violations;
    uint64_t cuts;
    uint64_t recorded; /* a digest of all that was recorded, in whatever order */
    uint32_t next;     /* workload that nobody has taken */
    struct worker {
        const struct workload *workload;
        char folder[48]; /* "": none */
        bool is_busy;    /* with the judgement of an image: */
        struct place place;
    } workers[64];
};

struct run {
    const struct arguments *arguments;
    struct progress *progress;
    uint64_t seed;
    struct worker *worker;
    const struct workload *workload;
    const struct record *record;
    uint32_t index;                /* of the record among those of the workload */
    const struct power_node *node; /* whose it is; NULL: of quorum broadcast */
    struct disk disk;
    struct duty duty;
    struct table seen;   /* of images */
    struct table judged; /* of images together with what was due */
    uint64_t distinct_count;
    bool has_failed;
};

/* --- Files. --- */

/* In memory where there is such a place. */
static void make_folder(char *path, size_t size)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(path, size, "%s/ingot-power-XXXXXX", base);
    const char *made = mkdtemp(path);
    INGOT_ASSERT(made != NULL);
}

/* The table of readers is no part of the record: it may hold anything after a crash. */
static void write_lock_table(const char *folder, uint32_t variant)
{
    char path[288];
    uint8_t bytes[8192] = {0};
    if (variant % 4 < 2 || access(folder, F_OK) != 0) {
        return;
    }
    for (size_t i = 0; i < sizeof bytes && variant % 4 == 3; i++) {
        bytes[i] = (uint8_t)(i * 37 + variant);
    }
    (void)snprintf(path, sizeof path, "%s/lock.mdb", folder);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    INGOT_ASSERT(fd >= 0);
    const ssize_t written = write(fd, bytes, sizeof bytes);
    INGOT_ASSERT(written == (ssize_t)sizeof bytes);
    (void)close(fd);
}

/* --- One image. --- */

/* `place` may be NULL: all of the workload. */
static void print_command(const struct arguments *arguments, const struct workload *workload,
                          uint64_t seed, const struct place *place)
{
    printf("to see it again: power_loss --workload %s --seed %" PRIu64, workload->name, seed);
    if (place != NULL) {
        printf(" --image %u.%u.%u", place->node, place->op, place->loss);
    }
    if (strcmp(arguments->fault, "none") != 0) {
        printf(" --fault %s", arguments->fault);
    }
    printf("\n");
    (void)fflush(stdout);
}

static void report(struct run *run, struct place place, const struct image *image, const char *why)
{
    char folder[256];
    (void)mkdir(run->arguments->keep, 0700);
    (void)snprintf(folder, sizeof folder, "%s/%s-%" PRIu64 "-%u.%u.%u", run->arguments->keep,
                   run->workload->name, run->seed, place.node, place.op, place.loss);
    folder_remove(folder);
    image_write(image, folder);
    printf("VIOLATED: workload %s, seed %" PRIu64 ", node %u, in the middle of operation %u: %s\n"
           "the image is kept in %s\n",
           run->workload->name, run->seed, place.node, place.op, why, folder);
    print_command(run->arguments, run->workload, run->seed, &place);
    run->has_failed = true;
    __atomic_fetch_add(&run->progress->violations, 1, __ATOMIC_RELAXED);
}

static void judge(struct run *run, struct place place, const struct image *image)
{
    char folder[256];
    char why[512] = "";
    (void)snprintf(folder, sizeof folder, "%s/judge", run->worker->folder);
    folder_remove(folder);
    const int rc = mkdir(folder, 0700);
    INGOT_ASSERT(rc == 0);
    (void)snprintf(folder, sizeof folder, "%s/judge/data", run->worker->folder);
    image_write(image, folder);
    write_lock_table(folder, place.loss);
    run->worker->place = place;
    run->worker->is_busy = true;
    const bool is_right =
        run->node != NULL ? judge_image(run->node, place.op, &run->duty, folder, why, sizeof why)
                          : lines_judge(run->record, place.op, &run->duty, folder, why, sizeof why);
    run->worker->is_busy = false;
    if (!is_right) {
        report(run, place, image, why);
    }
}

/* Judged, unless it was with the same things due. True: there was no such image before. */
static bool try_loss(struct run *run, uint32_t number)
{
    const struct place place = {run->index, run->disk.next, number};
    struct loss loss;
    struct image image;
    struct ingot_hash hash;
    disk_choose(&run->disk, number, run->seed, &loss);
    disk_image(&run->disk, &loss, &image);
    loss_deinit(&loss);
    image_hash(&image, &hash);
    const uint64_t key = table_key_of_hash(&hash);
    const uint64_t key_and_duty = key ^ (run->duty.serial + 1) * UINT64_C(0x9E3779B97F4A7C15);
    const bool is_new = table_find(&run->seen, key) == NULL;
    if (is_new) {
        table_add(&run->seen, key, run);
        __atomic_fetch_add(&run->progress->distinct, 1, __ATOMIC_RELAXED);
    }
    if (table_find(&run->judged, key_and_duty) == NULL) {
        table_add(&run->judged, key_and_duty, run);
        __atomic_fetch_add(&run->progress->images, 1, __ATOMIC_RELAXED);
        judge(run, place, &image);
    }
    image_deinit(&image);
    return is_new;
}

/* --- All images of a node. --- */

static uint32_t count_cuts(const struct record *record)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < record->count; i++) {
        count += op_is_of_disk(&record->ops[i]);
    }
    return count;
}

/* So many as bring the number of images to `wanted`, in an order that has all sorts early. */
static void try_cut(struct run *run, uint64_t wanted)
{
    const uint32_t total = disk_plain_losses(&run->disk) + DRAWN_LOSSES;
    const uint32_t limit = total < ATTEMPTS_MAX ? total : ATTEMPTS_MAX;
    uint32_t stride = total * 5 / 8 | 1;
    while (total % stride == 0 && stride > 1) {
        stride += 2;
    }
    uint32_t number = (run->disk.next * 7) % total;
    for (uint32_t i = 0; i < limit && run->distinct_count < wanted && !run->has_failed; i++) {
        run->distinct_count += try_loss(run, number);
        number = (number + stride) % total;
    }
}

/*
 * Of what happened and in which order. A seed and a place name an image only as long as the same
 * happens each time; bytes may differ, since each journal has a key of its own.
 */
static void add_recorded(struct run *run)
{
    struct crypto_hasher hasher;
    struct ingot_hash hash;
    const uint64_t of_which[] = {run->seed, (uint64_t)(run->workload - workloads), run->index};
    crypto_hasher_begin(&hasher);
    crypto_hasher_add(&hasher, ingot_slice_of((const uint8_t *)of_which, sizeof of_which));
    for (uint32_t i = 0; i < run->record->count; i++) {
        const struct op *op = &run->record->ops[i];
        const uint64_t fields[] = {op->kind, op->file, op->at, op->bytes.size, op->is_synced};
        crypto_hasher_add(&hasher, ingot_slice_of((const uint8_t *)fields, sizeof fields));
    }
    crypto_hasher_end(&hasher, &hash);
    __atomic_fetch_xor(&run->progress->recorded, table_key_of_hash(&hash), __ATOMIC_RELAXED);
}

static void run_record(struct run *run, uint64_t quota)
{
    const struct record *record = run->record;
    const uint32_t cuts = count_cuts(record);
    uint32_t cut = 0;
    uint32_t told = 0;
    run->duty = (struct duty){0};
    run->seen = (struct table){0};
    run->judged = (struct table){0};
    run->distinct_count = 0;
    add_recorded(run);
    disk_init(&run->disk, record);
    while (!run->has_failed && disk_begin(&run->disk)) {
        for (; told < run->disk.next; told++) {
            duty_add(&run->duty, record, told);
        }
        cut++;
        if (!run->arguments->has_place) {
            try_cut(run, quota * cut / cuts);
        } else if (run->disk.next == run->arguments->place.op) {
            record_print(record, run->disk.next > 40 ? run->disk.next - 40 : 0, run->disk.next + 4);
            (void)try_loss(run, run->arguments->place.loss);
        }
        disk_complete(&run->disk);
    }
    __atomic_fetch_add(&run->progress->cuts, cuts, __ATOMIC_RELAXED);
    disk_deinit(&run->disk);
    duty_deinit(&run->duty);
    table_deinit(&run->seen);
    table_deinit(&run->judged);
}

static void fail_workload(struct run *run, const char *why)
{
    printf("VIOLATED: workload %s, seed %" PRIu64 ": %s\n", run->workload->name, run->seed, why);
    print_command(run->arguments, run->workload, run->seed, NULL);
    run->has_failed = true;
    __atomic_fetch_add(&run->progress->violations, 1, __ATOMIC_RELAXED);
}

static void run_log(struct run *run, uint64_t quota)
{
    char why[512] = "";
    struct power_world *world = alloc_zeroed(1, sizeof *world);
    if (!world_run(world, run->workload, run->seed, run->worker->folder, why, sizeof why)) {
        fail_workload(run, why);
    }
    for (uint32_t i = 0; i < world->node_count && !run->has_failed; i++) {
        run->index = i;
        run->node = &world->nodes[i];
        run->record = &world->nodes[i].record;
        if (!run->arguments->has_place || run->arguments->place.node == i) {
            run_record(run, (quota + world->node_count - 1) / world->node_count);
        }
    }
    world_deinit(world);
    free(world);
}

static void run_broadcast(struct run *run, uint64_t quota)
{
    char why[512] = "";
    struct lines *lines = alloc_zeroed(1, sizeof *lines);
    if (!lines_run(lines, run->workload, run->seed, run->worker->folder, why, sizeof why)) {
        fail_workload(run, why);
    } else {
        run->index = 0;
        run->node = NULL;
        run->record = &lines->record;
        run_record(run, quota);
    }
    lines_deinit(lines);
    free(lines);
}

static void run_workload(struct run *run, const struct workload *workload, uint64_t quota)
{
    run->workload = workload;
    run->worker->workload = workload;
    make_folder(run->worker->folder, sizeof run->worker->folder);
    if (workload->is_broadcast) {
        run_broadcast(run, quota);
    } else {
        run_log(run, quota);
    }
    folder_remove(run->worker->folder);
    run->worker->folder[0] = '\0';
}

static bool is_wanted(const struct arguments *arguments, const struct workload *workload)
{
    return arguments->workload == NULL || strcmp(arguments->workload, workload->name) == 0;
}

/* --- Processes and rounds. --- */

static void work(const struct arguments *arguments, struct progress *progress,
                 struct worker *worker, uint64_t seed, uint64_t quota)
{
    struct run run = {.arguments = arguments, .progress = progress, .seed = seed, .worker = worker};
    for (uint32_t i = __atomic_fetch_add(&progress->next, 1, __ATOMIC_RELAXED); i < workload_count;
         i = __atomic_fetch_add(&progress->next, 1, __ATOMIC_RELAXED)) {
        if (is_wanted(arguments, &workloads[i]) && !run.has_failed) {
            run_workload(&run, &workloads[i], quota);
        }
    }
}

/*
 * A worker that died was a node that met what is left of its disk: LMDB ends the process where a
 * page is not what it should be. That may be an image that is judged, or the next life of a node
 * whose power has gone while it was recorded.
 */
static void bury(const struct arguments *arguments, struct progress *progress,
                 struct worker *worker, uint64_t seed, int status)
{
    const struct place *place = worker->is_busy ? &worker->place : NULL;
    char where[96] = "while it was recorded";
    char how[64];
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return;
    }
    if (place != NULL) {
        (void)snprintf(where, sizeof where, "node %u, in the middle of operation %u", place->node,
                       place->op);
    }
    if (WIFSIGNALED(status)) {
        (void)snprintf(how, sizeof how, "signal %d", WTERMSIG(status));
    } else {
        (void)snprintf(how, sizeof how, "status %d", WEXITSTATUS(status));
    }
    progress->violations++;
    printf("VIOLATED: workload %s, seed %" PRIu64 ", %s: the process ended with %s\n",
           worker->workload->name, seed, where, how);
    print_command(arguments, worker->workload, seed, place);
    folder_remove(worker->folder);
}

static void run_round(const struct arguments *arguments, struct progress *progress, uint64_t seed,
                      uint64_t quota)
{
    pid_t workers[64];
    progress->next = 0;
    (void)fflush(stdout);
    for (uint64_t i = 0; i < arguments->jobs; i++) {
        workers[i] = fork();
        INGOT_ASSERT(workers[i] >= 0);
        if (workers[i] == 0) {
            work(arguments, progress, &progress->workers[i], seed, quota);
            exit(0);
        }
    }
    for (uint64_t i = 0; i < arguments->jobs; i++) {
        int status = 0;
        const pid_t ended = waitpid(workers[i], &status, 0);
        INGOT_ASSERT(ended == workers[i]);
        bury(arguments, progress, &progress->workers[i], seed, status);
    }
}

static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int run_all(const struct arguments *arguments)
{
    const double begin = seconds_now();
    struct progress *progress =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    INGOT_ASSERT(progress != MAP_FAILED);
    uint32_t wanted = 0;
    for (uint32_t i = 0; i < workload_count; i++) {
        wanted += is_wanted(arguments, &workloads[i]);
    }
    for (uint64_t round = 0; round < ROUNDS_MAX && progress->violations == 0; round++) {
        uint64_t left = arguments->images - progress->distinct;
        if (left > ROUND_IMAGES) {
            left = ROUND_IMAGES;
        }
        run_round(arguments, progress, arguments->seed + round, left / wanted + 1);
        if (arguments->has_place || progress->distinct >= arguments->images) {
            break;
        }
    }
    printf("{\"torture\":\"power\",\"images\":%" PRIu64 ",\"distinct\":%" PRIu64
           ",\"workloads\":%u,\"cuts\":%" PRIu64 ",\"recorded\":\"%016" PRIx64
           "\",\"seconds\":%.1f,\"violations\":%" PRIu64 "}\n",
           progress->images, progress->distinct, wanted, progress->cuts, progress->recorded,
           seconds_now() - begin, progress->violations);
    return progress->violations == 0 ? 0 : 1;
}

/* --- The command line. --- */

static bool parse_number(const char *text, uint64_t low, uint64_t high, uint64_t *number)
{
    char *end = NULL;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || value < low || value > high) {
        return false;
    }
    *number = value;
    return true;
}

static bool parse_place(const char *text, struct arguments *arguments)
{
    struct place *place = &arguments->place;
    int used = 0;
    arguments->has_place = true;
    return sscanf(text, "%u.%u.%u%n", &place->node, &place->op, &place->loss, &used) == 3 &&
           text[used] == '\0';
}

static bool parse_fault(const char *text, struct arguments *arguments)
{
    for (size_t i = 0; i < sizeof fault_names / sizeof fault_names[0]; i++) {
        if (strcmp(text, fault_names[i].name) == 0) {
            record_fault = fault_names[i].fault;
            arguments->fault = text;
            return true;
        }
    }
    return false;
}

static bool parse_workload(const char *text, struct arguments *arguments)
{
    arguments->workload = text;
    for (uint32_t i = 0; i < workload_count; i++) {
        if (strcmp(text, workloads[i].name) == 0) {
            return true;
        }
    }
    return false;
}

static bool parse_value(const char *name, const char *value, struct arguments *arguments)
{
    if (strcmp(name, "--images") == 0) {
        return parse_number(value, 1, 1000000000, &arguments->images);
    }
    if (strcmp(name, "--seed") == 0) {
        return parse_number(value, 0, UINT32_MAX, &arguments->seed);
    }
    if (strcmp(name, "--jobs") == 0) {
        return parse_number(value, 1, 64, &arguments->jobs);
    }
    if (strcmp(name, "--workload") == 0) {
        return parse_workload(value, arguments);
    }
    if (strcmp(name, "--image") == 0) {
        return parse_place(value, arguments);
    }
    if (strcmp(name, "--fault") == 0) {
        return parse_fault(value, arguments);
    }
    arguments->keep = value;
    return strcmp(name, "--keep") == 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {
        .images = 2000, .seed = 1, .jobs = 1, .fault = "none", .keep = "power-loss-kept"};
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        (void)fputs(usage, stdout);
        return 0;
    }
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc || !parse_value(argv[i], argv[i + 1], &arguments)) {
            (void)fprintf(stderr, "power_loss: cannot use '%s%s%s'\n%s", argv[i],
                          i + 1 == argc ? "" : " ", i + 1 == argc ? "" : argv[i + 1], usage);
            return 2;
        }
    }
    return run_all(&arguments);
}

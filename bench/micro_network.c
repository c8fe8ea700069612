/*
 * All that a transaction costs a validator between its client and the disk: four replicas that
 * exchange their frames in memory. Each gets transactions of its own clients, shows them to the
 * others, and takes part until all have committed all of them, in blocks that name most of what
 * they hold. No signatures, sockets or disk are in it: the stand-in of the simulator signs.
 */
#include <ingot/apps.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/log.h"
#include "bench/micro.h"
#include "lib/fast_crypto.h"
#include "lib/wire_samples.h"
#include "node/replica.h"
#include "storage/memory.h"
#include "wire/wire.h"

#define VALIDATORS 4
#define ALL_TXS (VALIDATORS * MICRO_BLOCK_TXS)
#define SUBMITTED_AT_ONCE 8
/* Views in which nothing is proposed end far later than anything here takes. */
#define NEVER_MS 3600000
#define MEMPOOL_BYTES ((size_t)4 * 1024 * 1024)

struct member {
    uint32_t index;
    struct ingot_app app;
    struct ingot_store *store;
    struct replica *replica;
    bool is_woken;
    uint32_t committed; /* transactions of this step */
};

struct frame {
    struct frame *next;
    uint32_t from;
    uint32_t to;
    size_t size;
    uint8_t bytes[];
};

static struct samples samples;
static struct block *genesis;
static struct member members[VALIDATORS];
static struct frame *oldest;
static struct frame **newest = &oldest;
static struct ingot_buffer packed; /* the transactions */
static size_t transaction_bytes;
static uint64_t counter;

/* --- What a replica sees of the world. --- */

static void queue(const struct member *from, uint32_t to, struct ingot_slice content)
{
    struct frame *frame = alloc_resize(NULL, sizeof *frame + content.size, 1);
    *frame = (struct frame){.from = from->index, .to = to, .size = content.size};
    memcpy(frame->bytes, content.data, content.size);
    *newest = frame;
    newest = &frame->next;
}

static void send(void *context, uint32_t peer, enum ingot_frame_class frame_class,
                 struct ingot_slice content)
{
    (void)frame_class;
    queue(context, peer, content);
}

static void broadcast(void *context, enum ingot_frame_class frame_class, struct ingot_slice content)
{
    const struct member *member = context;
    (void)frame_class;
    for (uint32_t to = 0; to < VALIDATORS; to++)
        if (to != member->index)
            queue(member, to, content);
}

static void arm(void *context, uint64_t deadline_ms)
{
    (void)context;
    (void)deadline_ms;
}

static void wake(void *context)
{
    struct member *member = context;
    member->is_woken = true;
}

static void committed(void *context, struct block *block, struct execution *execution)
{
    struct member *member = context;
    (void)execution;
    member->committed += block->transaction_count;
}

static void stopped(void *context, enum replica_stop stop, const char *why)
{
    (void)context;
    (void)stop;
    (void)fprintf(stderr, "%s\n", why);
    INGOT_ASSERT(false);
}

/* Time stands still, so that nothing is ever due. */
static uint64_t monotonic_us(void *context)
{
    (void)context;
    return 1000000;
}

static uint64_t wall_ms(void *context)
{
    (void)context;
    return UINT64_C(1780000000000);
}

/* --- The network. --- */

static void open_member(uint32_t index, const char *app)
{
    struct member *member = &members[index];
    char why[200];
    *member = (struct member){.index = index};
    enum ingot_error error = ingot_app_init_by_name(app, NULL, &member->app);
    INGOT_ASSERT(error == INGOT_OK);
    member->store = ingot_store_memory_new(ledger_table_count);
    const struct replica_options options = {
        .store = member->store,
        .app = &member->app,
        .genesis = genesis,
        .genesis_set = samples.set,
        .output = {member, send, broadcast, arm, wake, committed, stopped, monotonic_us, wall_ms,
                   NULL, NULL},
        .scheme = &fast_crypto,
        .has_key = true,
        .key = samples.set->validators[index].key,
        .secret = samples.secrets[index],
        .leader_tenure = INGOT_LEADER_TENURE_DEFAULT,
        .replay_window_blocks = INGOT_REPLAY_WINDOW_BLOCKS_DEFAULT,
        .block_payload_bytes_max = INGOT_BLOCK_PAYLOAD_BYTES_DEFAULT,
        .transaction_bytes_max = INGOT_BLOCK_PAYLOAD_BYTES_DEFAULT / 4,
        .base_timeout_ms = INGOT_BASE_TIMEOUT_MS_MAX,
        .empty_block_interval_ms = NEVER_MS,
        .timeout_resend_ms = NEVER_MS,
        .advertise_interval_ms = NEVER_MS,
        .fetch_timeout_ms = NEVER_MS,
        .mempool_bytes_max = MEMPOOL_BYTES,
        .compact_payload_bytes_min = INGOT_COMPACT_PAYLOAD_BYTES_MIN};
    error = replica_open(&options, &member->replica, why, sizeof why);
    INGOT_ASSERT(error == INGOT_OK);
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        if (i != index) {
            replica_set_peer(member->replica, i, true, &samples.set->validators[i].key);
            replica_set_connected(member->replica, i, true);
        }
    }
    replica_start(member->replica);
}

static void flush(struct member *member)
{
    do {
        member->is_woken = false;
        replica_flush(member->replica);
    } while (member->is_woken);
}

/* Everything that waits now goes to its receivers, which flush once. */
static void turn(void)
{
    struct frame *frame = oldest;
    oldest = NULL;
    newest = &oldest;
    while (frame != NULL) {
        struct frame *next = frame->next;
        replica_receive(members[frame->to].replica, frame->from,
                        ingot_slice_of(frame->bytes, frame->size));
        free(frame);
        frame = next;
    }
    for (uint32_t i = 0; i < VALIDATORS; i++)
        flush(&members[i]);
}

static bool begin(const char *argument)
{
    char app[8];
    INGOT_ASSERT(sscanf(argument, "%7s %zu", app, &transaction_bytes) == 2);
    log_configure(LOG_PLAIN, LOG_NONE);
    samples_init(&samples, &fast_crypto, VALIDATORS, 0, 1);
    genesis = wire_genesis_block(&samples.chain, samples.set, UINT64_C(1700000000000));
    for (uint32_t i = 0; i < VALIDATORS; i++)
        open_member(i, app);
    counter = 0;
    while (oldest != NULL)
        turn();
    return true;
}

static void prepare(void)
{
    ingot_buffer_clear(&packed);
    for (uint32_t i = 0; i < ALL_TXS; i++, counter++) {
        char text[512];
        memset(text, '.', sizeof text);
        const int size = snprintf(text, sizeof text, "%06llu=%llu",
                                  (unsigned long long)(counter * UINT64_C(2654435761) % 1000000),
                                  (unsigned long long)counter);
        text[size] = '.';
        INGOT_ASSERT(transaction_bytes <= sizeof text);
        ingot_buffer_append_u32(&packed, (uint32_t)transaction_bytes);
        ingot_buffer_append(&packed, text, transaction_bytes);
    }
    for (uint32_t i = 0; i < VALIDATORS; i++)
        members[i].committed = 0;
}

static bool all_have_committed(void)
{
    for (uint32_t i = 0; i < VALIDATORS; i++)
        if (members[i].committed < ALL_TXS)
            return false;
    return true;
}

static uint32_t find_leader(void)
{
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        struct core_status status;
        replica_get_status(members[i].replica, &status);
        if (status.is_leader)
            return i;
    }
    return 0;
}

/* As the listener for clients does it. */
static void submit_all(void)
{
    struct ingot_slice rest = ingot_buffer_slice(&packed);
    struct ingot_slice some[SUBMITTED_AT_ONCE];
    struct ingot_hash digests[SUBMITTED_AT_ONCE];
    uint32_t count;
    for (uint32_t to = 0;
         (count = wire_packed_digests(&rest, SUBMITTED_AT_ONCE, some, digests)) > 0; to++) {
        for (uint32_t i = 0; i < count; i++) {
            struct ingot_check_response response = {0};
            const enum ingot_error error = replica_submit_digested(members[to % VALIDATORS].replica,
                                                                   some[i], &digests[i], &response);
            INGOT_ASSERT(error == INGOT_OK && response.code == 0);
        }
    }
}

/* The leader turns last, so that it has heard of everything when it builds its block. */
static void step(void)
{
    const uint32_t leader = find_leader();
    submit_all();
    for (uint32_t i = 0; i < VALIDATORS; i++)
        if (i != leader)
            flush(&members[i]);
    while (!all_have_committed()) {
        INGOT_ASSERT(oldest != NULL);
        turn();
    }
}

static void end(void)
{
    while (oldest != NULL)
        turn();
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        replica_free(members[i].replica);
        ingot_app_deinit(&members[i].app);
        ingot_store_close(members[i].store);
    }
    block_unref(genesis);
    samples_deinit(&samples);
    ingot_buffer_deinit(&packed);
}

/* A transaction is done by each of four. */
#define DONE (ALL_TXS * VALIDATORS)

const struct micro_row micro_network_rows[] = {
    {"null-network", "null, 32 bytes: a transaction's way through a validator", DONE, "null 32",
     begin, prepare, step, end},
    {"null-network-512", "null, 512 bytes: the same way", DONE, "null 512", begin, prepare, step,
     end},
    {"kv-network", "kv, 128 bytes, a million keys: the same way", DONE, "kv 128", begin, prepare,
     step, end},
    {.id = NULL}};

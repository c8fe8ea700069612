/*
 * The sync client in a world of numbers: blocks bear marks instead of signatures, peers are
 * functions with a delay and a habit, time jumps from event to event. It executes what the client
 * hands over as the core would, and fails when something forged or unlinked is handed over.
 */
#ifndef INGOT_TESTS_SYNC_WORLD_H
#define INGOT_TESTS_SYNC_WORLD_H

#include "node/sync_client.h"

#define SYNC_WORLD_TIMEOUT_MS 1000
#define SYNC_WORLD_PEERS_MAX 9
#define SYNC_WORLD_EVENTS_MAX 64
#define SYNC_WORLD_CHAIN_MAX 3200
#define SYNC_WORLD_SHOWN_MAX 12 /* as many as it may hold */
/* A frame of so many bytes for each block; the payload only stands for it. */
#define SYNC_WORLD_BLOCK_BYTES 1000

/* The last byte but one of a hash: which chain a block is of. */
#define MARK_CHAIN 0
#define MARK_FORK 1
#define MARK_FORGED 2
/* The heights of the certified blocks that are not committed. */
#define FORK_FIRST 40
#define FORK_LAST 44

enum sync_habit {
    HONEST,
    SILENT,     /* never answers */
    SLOW,       /* answers after several deadlines */
    FORGES,     /* one block in the middle of each answer does not verify */
    FORKS,      /* certified blocks of another branch, which end soon */
    BOASTS,     /* claims far more than there is */
    HIDES,      /* claims what there is, and answers that it has nothing */
    STRAYS,     /* blocks of other heights than asked for */
    GARBLES,    /* what it sends does not decode */
    OVERFILLS,  /* more blocks than asked for */
    DRIPS,      /* one block at a time */
    HALVES,     /* half of what was asked for */
    UNCERTIFIED /* no certificate of the block that was asked for: it has not heard of one */
};

struct sync_world_peer {
    enum sync_habit habit;
    uint64_t has;    /* committed height */
    uint64_t lowest; /* of its history */
    uint32_t delay_ms;
    uint32_t asked;
    uint32_t asked_by_number;      /* requests without a base */
    uint32_t asked_from_committed; /* requests whose base is our committed block, not the first */
};

struct sync_world_event {
    uint64_t at_ms;
    uint32_t peer;
    struct message *answer; /* owned */
};

struct sync_world {
    struct sync_client *client;
    uint64_t now_ms;
    struct block *chain[SYNC_WORLD_CHAIN_MAX + 1]; /* the true one */
    struct block *fork[SYNC_WORLD_CHAIN_MAX + 1];
    uint64_t chain_height;
    size_t block_bytes;        /* of each block in a frame */
    uint64_t set_change_every; /* 0: never */

    struct block
        *tree[SYNC_WORLD_CHAIN_MAX + 1][2]; /* what we have, by height: of the chain, of the fork */
    uint64_t high;                          /* of the chain, executed without a gap */
    uint64_t known_epoch;
    struct qc *waiting_qc; /* borrowed */
    struct message *taken; /* what the core was given and has not executed */
    uint32_t runs;
    uint32_t run_longest;
    uint32_t certificates;
    size_t held_most;
    const struct message *shown[SYNC_WORLD_SHOWN_MAX]; /* answers that wait for their turn */
    uint32_t shown_count;
    uint32_t shown_most;

    struct sync_world_peer peers[SYNC_WORLD_PEERS_MAX];
    uint32_t peer_count;
    struct sync_world_event events[SYNC_WORLD_EVENTS_MAX];
    uint32_t event_count;
};

/* A chain of so many blocks; each `set_change_every`-th changes the set (0: none does). */
struct sync_world *sync_world_new(uint64_t chain_height, uint64_t set_change_every);
void sync_world_free(struct sync_world *world);
/* A peer that claims and serves blocks up to `has`, from `lowest` on, and is connected. */
void sync_world_add_peer(struct sync_world *world, enum sync_habit habit, uint64_t has,
                         uint64_t lowest);
/* We have executed the fork to its end, and of the chain only what is below it. */
void sync_world_follow_fork(struct sync_world *world);
/* All peers advertise. */
void sync_world_say_heights(struct sync_world *world);
/* The client's turns, and the core's, until nothing is left to do now. */
void sync_world_step(struct sync_world *world);
/* Runs until a time, or until we have what there is; true if we have it. */
bool sync_world_run(struct sync_world *world, uint64_t until_ms, bool stops_when_complete);
bool sync_world_completes(struct sync_world *world, uint64_t limit_ms);
struct sync_client_status sync_world_status(const struct sync_world *world);
/* The certificate of a block. */
struct qc *sync_world_qc(const struct sync_world *world, uint64_t height, uint8_t mark);

#endif

/*
 * A play in progress, for the files that it is made of.
 */
#ifndef INGOT_TESTS_TWINS_PLAY_STATE_H
#define INGOT_TESTS_TWINS_PLAY_STATE_H

#include "twins/play.h"

#define HELD_MAX 16

struct envelope {
    uint8_t from;
    uint8_t to;
    struct message *message; /* owned reference */
};

struct instance {
    struct core *core;
    /* Its disk. */
    struct core_safety safety; /* owned */
    uint32_t last_committed;
    uint32_t tree[BLOCKS_MAX]; /* uncommitted, each after its parent */
    uint32_t tree_count;
    struct validator_set *sets[EPOCHS_MAX]; /* borrowed from the blocks */
    uint32_t set_count;
    uint64_t has[BLOCKS_MAX / 64]; /* a bit for each block that it can show to others */
    /* Its process. */
    uint64_t armed_ms;
    uint32_t timeouts_said;  /* since somebody moved */
    struct ingot_hash asked; /* the block that it has asked for in this view */
    bool has_asked;
    struct envelope held[HELD_MAX]; /* of an epoch that it has not entered */
    uint32_t held_count;
};

struct player {
    const struct scenario *scenario;
    FILE *trace;
    struct judge judge;
    struct blocks blocks;
    struct instance instances[INSTANCES];
    struct core_effects effects;
    struct core_effects spare_effects; /* empty */
    struct envelope *queue;            /* what is under way, from queue_head on */
    uint32_t queue_head;
    uint32_t queue_end;
    uint32_t queue_capacity;
    uint64_t now_ms;
    struct prng prng;
    bool is_whole;  /* somebody has come beyond the views of the scenario */
    bool is_lifted; /* the split, until somebody moves */
    bool has_restarted;
    bool proposed[2]; /* by `a` and by `b`, in this view: */
    struct position proposed_at;
    struct tally one; /* of this play */
};

/* play_network.c */
void network_send(struct player *player, uint32_t from, const struct ingot_public_key *key,
                  struct message *message);
void network_broadcast(struct player *player, uint32_t from, struct message *message);
void network_answer(struct player *player, uint32_t from, uint32_t to, struct message *message);
bool network_is_connected(const struct player *player, uint32_t from, uint32_t to);
/* The next envelope, whose reference is the caller's; false if there is none. */
bool network_take(struct player *player, struct envelope *envelope);
/* Drops what is under way to an instance. */
void network_forget(struct player *player, uint32_t to);
void network_clear(struct player *player);
void network_trace(const struct player *player, const char *verb, uint32_t from, uint32_t to,
                   const struct message *message);

/* play_instance.c */
void instance_start(struct player *player, uint32_t instance);
void instance_deinit(struct instance *instance);
void instance_step(struct player *player, uint32_t instance, struct core_event event);
void instance_crash(struct player *player, uint32_t instance);
/* Verified, so far as it matters here, and given to the core; or kept for its epoch. */
void instance_receive(struct player *player, const struct envelope *envelope);
/* Asks somebody for the block that its highest certificate lacks. */
void instance_fetch(struct player *player, uint32_t instance);

#endif

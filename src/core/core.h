/*
 * The consensus core: a function of its inputs. Events go in, an ordered list of effects comes
 * out; it reads no clock, socket, disk or random source. docs/protocol.md maps each rule of the
 * HotStuff paper (Yin et al., PODC 2019) to the file that holds it.
 *
 * The driver performs effects strictly in order: it may merge several persists into one durable
 * write, but nothing is sent, signed or reported before every persist that precedes it is durable.
 * Certificates alone may be sent before: they hold signatures that stand whatever their sender
 * forgets (docs/adr/0021-a-sync-that-nobody-waits-for.md).
 */
#ifndef INGOT_CORE_CORE_H
#define INGOT_CORE_CORE_H

#include "core/message.h"
#include "core/reject.h"

struct core;

struct core_config {
    struct block *genesis;       /* height 0; its hash is the chain's name. Borrowed. */
    bool has_key;                /* false: an observer that never signs */
    struct ingot_public_key key; /* ours */
    bool withholds_signing;      /* until CORE_ALLOW_SIGNING: follows, and signs nothing */
    uint32_t leader_tenure;      /* K: views that one leader keeps, 1 to INGOT_LEADER_TENURE_MAX */
    uint32_t base_timeout_ms;    /* a view's shortest deadline */
    uint32_t empty_block_interval_ms; /* how long an idle leader waits before an empty block */
    uint32_t timeout_resend_ms;       /* a Timeout is said again this often while the view lasts */
    uint32_t advertise_interval_ms;   /* every node says what it has this often */
};

/* What must be durable before anything that depends on it is sent. */
struct core_safety {
    struct position current;
    struct position last_voted;
    bool has_vote;    /* last_voted was reached by `vote`, not by a timeout */
    struct vote vote; /* the preimage; voter is not set, the signature is zero */
    struct position locked;
    struct qc *high_qc; /* owned reference where the struct is owned */
    struct tc *high_tc; /* or NULL */
};

/* The state of a chain nobody has worked on. */
struct core_safety core_safety_at_genesis(struct qc *genesis_qc);
void core_safety_deinit(struct core_safety *safety);

/* What a restart brings back. All pointers are borrowed for the call. */
struct core_restored {
    const struct core_safety *safety;
    struct block *last_committed;
    struct block *const *blocks;            /* uncommitted, executed, each after its parent */
    struct validator_set *const *next_sets; /* the set that each opens, or NULL */
    uint32_t block_count;
    struct validator_set *const *sets; /* every known epoch's set, in order of epoch */
    uint32_t set_count;
};

/* A peer is a channel, numbered by the driver; CORE_SELF is our own signed message coming back. */
#define CORE_SELF UINT32_MAX

enum core_event_kind {
    CORE_START,     /* once, first */
    CORE_TICK,      /* time has passed, or a deadline that was armed is reached */
    CORE_MESSAGE,   /* a message whose signatures and certificates have been verified */
    CORE_BUILT,     /* the App's answer to CORE_ASK_PROPOSE */
    CORE_VALIDATED, /* the App's answer to CORE_ASK_VALIDATE */
    CORE_PAYLOAD,   /* the mempool has become empty or not empty */
    CORE_CONNECTED, /* a channel has come up: what was sent to it before may be lost */
    CORE_BEHIND, /* a channel has brought a leftover (core_is_leftover): its peer may be behind */
    CORE_ALLOW_SIGNING /* what withheld signing is over; nothing is signed up to `position` */
};

struct core_event {
    enum core_event_kind kind;
    uint64_t now_ms;          /* monotonic; given with every event, never less than before */
    uint32_t peer;            /* MESSAGE: the channel it came by, or CORE_SELF; CONNECTED, BEHIND */
    struct message *message;  /* MESSAGE: borrowed */
    struct block *block;      /* BUILT: borrowed, NULL when nothing was built; VALIDATED */
    struct position position; /* BUILT: as asked; ALLOW_SIGNING: not above the current one */
    struct validator_set *next_set; /* BUILT, VALIDATED: the set in the next epoch that the block
                                       opens, borrowed; NULL when it changes nothing */
    bool valid;                     /* VALIDATED */
    bool available;                 /* PAYLOAD */
    uint32_t timeout_floor_ms; /* TICK: no deadline is shorter; the driver knows the disk's pace */
};

enum core_effect_kind {
    CORE_PERSIST_BLOCK,  /* block: store it with what executing it does */
    CORE_PERSIST_SAFETY, /* safety */
    CORE_COMMIT,         /* block: the next committed one, in order of height */
    CORE_ABANDON,     /* block: left the tree uncommitted; its transactions may be proposed again */
    CORE_SEND,        /* message to validators (by key); may be unsigned; may include ourselves */
    CORE_BROADCAST,   /* message to every connected peer; may be unsigned: then also to ourselves */
    CORE_ANSWER,      /* message to `peer` */
    CORE_ASK_PROPOSE, /* build a block on `block` with `justify` in `position`; answer BUILT */
    CORE_ASK_VALIDATE, /* execute `block`; answer VALIDATED */
    CORE_EVIDENCE, /* two different votes of one validator in one position, the first seen first */
    CORE_ARM,      /* tick at deadline_ms; replaces the earlier one */
    CORE_STOP_SIGNING, /* somebody else signs with our key: never sign again; alarm */
    CORE_HALT          /* safety is broken (conflicting commit): stop the process; `reason` */
};

#define CORE_RECIPIENTS_MAX 3

struct core_effect {
    enum core_effect_kind kind;
    struct block *block;            /* owned reference or NULL */
    struct validator_set *next_set; /* COMMIT: the set that the block opens; owned, or NULL */
    struct message *message;        /* owned reference or NULL */
    struct qc *justify;             /* ASK_PROPOSE: owned reference */
    struct core_safety safety;      /* PERSIST_SAFETY: owned */
    struct position position;       /* ASK_PROPOSE */
    uint32_t peer;                  /* ANSWER */
    uint32_t recipient_count;       /* SEND */
    struct ingot_public_key recipients[CORE_RECIPIENTS_MAX];
    struct vote evidence[2]; /* EVIDENCE */
    uint64_t deadline_ms;    /* ARM */
    const char *reason;      /* HALT, STOP_SIGNING: static text */
};

/* The effects of one or more steps, in order. All zero is empty. */
struct core_effects {
    struct core_effect *items;
    uint32_t count;
    uint32_t capacity;
};

void core_effect_deinit(struct core_effect *effect);
/* Frees what the effects hold and empties the list; keeps the memory of the list. */
void core_effects_clear(struct core_effects *effects);
void core_effects_deinit(struct core_effects *effects);

/*
 * Makes a core from what is durable. Returns NULL and a static sentence in `*why` when the parts
 * do not fit together (a damaged or foreign safety record).
 */
struct core *core_new(const struct core_config *config, const struct core_restored *restored,
                      const char **why);
void core_free(struct core *core);

/*
 * Takes one event and appends what is to be done. Returns why a message was not used, or
 * REJECT_NONE.
 */
enum reject core_step(struct core *core, const struct core_event *event,
                      struct core_effects *effects);

/*
 * Checks every numbered invariant (src/core/invariants.c). Returns 0, or the number of the first
 * that does not hold with a static sentence in `*why`. Runs after every step in debug builds.
 */
int core_check_invariants(const struct core *core, const char **why);

/* What a driver may read. Pointers are borrowed until the next step. */
struct core_status {
    struct position current;
    struct position last_voted;
    struct position locked;
    struct position high;           /* of high_qc */
    struct ingot_public_key leader; /* of the current view */
    struct block *last_committed;
    struct qc *high_qc;
    struct tc *high_tc;        /* or NULL */
    struct qc *waiting_qc;     /* the highest verified one whose block we lack, or NULL */
    uint32_t waiting_peer;     /* who showed it */
    bool taking_blocks;        /* a run of fetched blocks is being executed */
    struct validator_set *set; /* of the current epoch */
    bool is_leader;
    bool is_member;
    bool has_stopped_signing; /* somebody else signs with our key */
    bool withholds_signing;   /* until CORE_ALLOW_SIGNING */
    uint32_t tree_blocks;     /* uncommitted blocks held */
    size_t pending_bytes;     /* messages held for later */
    uint64_t timeouts;        /* views of ours that ended by our own deadline */
    uint64_t views_entered;
};

void core_get_status(const struct core *core, struct core_status *status);
/* The set of an epoch that has been entered, or NULL: for verification by the driver. Borrowed. */
struct validator_set *core_find_set(const struct core *core, uint64_t epoch);
/* A block of the tree (uncommitted, or the last committed one), or NULL. Borrowed. */
struct block *core_find_block(const struct core *core, const struct ingot_hash *hash);
/*
 * Is the block still wanted that CORE_ASK_PROPOSE has asked for in this position? What came since,
 * as a CORE_PAYLOAD after a commit, may have left nothing to propose.
 */
bool core_wants_block(const struct core *core, struct position position);
/* Would a vote of this position still be of use? A cheap test before its signature is checked. */
bool core_wants_vote(const struct core *core, struct position position);
/*
 * Has its voter been seen to vote otherwise in this position, and not been reported for it? For a
 * vote as it was decoded: if its signature is good, it is evidence, of use or not.
 */
bool core_is_contradicted(const struct core *core, const struct vote *vote);
/* Would a Propose or Timeout of this position itself be used, beyond its certificates? */
bool core_is_past(const struct core *core, struct position position);

/*
 * Is this Propose or Timeout of no use to us, however well it is signed: its view has ended, its
 * vote would be dropped and contradicts none, and no certificate in it is above ours? For messages
 * as they were decoded, before anything is verified.
 */
bool core_is_leftover(const struct core *core, const struct message *message);

/*
 * Is it worth while to get the bytes that this verified Propose lacks: is its view not over, is it
 * from that view's leader, and does it prove that the view was entered? REJECT_NONE, or why not.
 */
enum reject core_check_propose(const struct core *core, const struct propose *propose);

/* The leader of a view: tenure (view - 1) / K, spread by power. Returns an index in the set. */
uint32_t leader_of_view(const struct validator_set *set, uint64_t view, uint32_t leader_tenure);

#endif

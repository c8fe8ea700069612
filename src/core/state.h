/*
 * The core's own state and the functions its files share. Reads as the model of the core: each
 * variable names the one function that writes it.
 */
#ifndef INGOT_CORE_STATE_H
#define INGOT_CORE_STATE_H

#include "base/assert.h"
#include "base/mutant.h"
#include "core/core.h"
#include "core/tree.h"

/* How the current view was entered: decides whether its leader may wait when idle. */
enum entry { ENTRY_FIRST, ENTRY_QC, ENTRY_TC, ENTRY_EPOCH };

/* The highest vote, and the highest timeout, of one member of the current set, and our doubt. */
struct slot {
    bool has_vote;
    struct vote vote;
    struct message *timeout;   /* owned, or NULL */
    uint64_t doubted_until_ms; /* a tenure of its failed: less patience until then; doubt.c */
};

/* A vote that a member has cast (witness.c). */
struct witnessed {
    bool is_there;
    bool is_reported; /* with another one of the same position */
    struct vote vote;
};

/* What one channel made us keep, and when it was answered last. */
struct peer_state {
    /* Proposes and Nudges whose block has no place yet, lowest first; owned. */
    struct message *orphans[INGOT_ORPHANS_PER_PEER_MAX];
    uint32_t orphan_count;
    uint64_t answered_ms;
    bool was_answered;
};

/* The blocks of a sync response on their way into the tree, oldest first (fetch.c). */
struct fetched {
    struct message *response; /* owned, or NULL */
    uint32_t next;            /* the first that is not in the tree yet */
    bool is_asked;            /* the App is executing it */
    uint32_t peer;            /* of whom */
};

struct core {
    struct core_config config;
    struct validator_set **sets; /* by epoch, from 0 to the current one; core_new, epoch.c */
    uint32_t set_count;

    /* Durable before anything that depends on it is sent. */
    struct core_safety safety; /* current: view_enter · last_voted, vote: vote.c, timeout.c ·
                                  locked, high_qc: certify_qc · high_tc: certify_tc */
    bool safety_is_dirty;      /* changed since the last PERSIST_SAFETY (effect.c) */
    bool tree_has_grown;       /* votes may have waited for the block that came */
    struct tree tree;          /* tree.c; its root is the last committed block */

    /* The current view; all of it is set by view_enter. */
    enum entry entry;
    uint64_t entered_ms;
    uint64_t deadline_ms;   /* our Timeout is due */
    uint64_t propose_at_ms; /* an idle leader waits until then */
    bool has_announced;     /* the waiting leader has shown the QC that it stands on */
    bool has_asked;         /* the App is building our block */
    bool has_proposed;
    struct message *proposal; /* our Propose or Nudge of this view, once it is sent; owned */
    bool has_timed_out;
    uint64_t resend_at_ms;     /* our Timeout is due again */
    bool has_candidate;        /* a Propose of this view was taken up; a second one is not */
    struct message *candidate; /* it, while the App validates it; owned */

    uint64_t now_ms;
    uint32_t timeout_floor_ms;
    uint64_t pace_ms; /* what a view takes that ends well; doubt.c */
    uint64_t advertise_at_ms;
    uint64_t armed_ms; /* UINT64_MAX: not armed */
    bool has_payload;
    bool has_stopped_signing;

    struct slot *slots;          /* one for each member of the current set */
    struct witnessed *witnessed; /* for each, INGOT_WITNESSED_VIEWS by view; witness.c */
    struct peer_state *peers;
    uint32_t peer_count;

    struct qc *waiting_qc; /* the highest verified QC whose block is unknown; owned */
    uint32_t waiting_peer; /* who showed it */
    struct fetched fetched;

    uint64_t timeouts;
    uint64_t views_entered;

    struct core_effects *out; /* of the step that runs */
};

/* core.c */
struct validator_set *core_set(const struct core *core);   /* of the current epoch */
uint32_t core_member(const struct core *core);             /* our index, or VALIDATOR_NONE */
struct tree_node *core_high_node(const struct core *core); /* the high QC's block */
void core_tree_take(struct core *core, struct block *block, struct validator_set *next_set);
bool core_may_sign(const struct core *core);
bool core_is_own_key(const struct core *core, uint32_t member);
struct peer_state *core_peer(struct core *core, uint32_t peer);

/* effect.c: what leaves. Each persists what changed first where the effect depends on it. */
void effect_flush_safety(struct core *core);
void effect_persist_block(struct core *core, struct block *block);
void effect_commit(struct core *core, const struct tree_node *node);
void effect_abandon(struct core *core, struct block *block);
/* Takes over the message. */
void effect_broadcast(struct core *core, struct message *message);
void effect_answer(struct core *core, uint32_t peer, struct message *message);
/* Each key once; takes over the message. */
void effect_send(struct core *core, const struct ingot_public_key *keys, uint32_t count,
                 struct message *message);
void effect_ask_propose(struct core *core, struct block *parent);
void effect_ask_validate(struct core *core, struct block *block);
void effect_evidence(struct core *core, const struct vote *first, const struct vote *second);
void effect_arm(struct core *core, uint64_t deadline_ms);
void effect_stop_signing(struct core *core, const char *reason);
void effect_halt(struct core *core, struct block *block, const char *reason);

/* view.c: the pacemaker. */
struct position view_next(struct position position);
uint64_t view_after_tc(uint64_t view, uint32_t leader_tenure);
struct position view_tc_entry(const struct core *core, const struct tc *tc);
uint32_t view_leader(const struct core *core, uint64_t view);
uint64_t view_base_ms(const struct core *core);
/* How long the leader of the current view may take. */
uint64_t view_wait_ms(const struct core *core);
bool view_is_idle(const struct core *core);
const struct ingot_public_key *view_leader_key(const struct core *core, uint64_t view);
void view_enter(struct core *core, struct position position, enum entry entry);
void view_payload(struct core *core, bool available);

/* doubt.c: patience with a leader whose last tenure failed. */
/* What is learnt by entering `position`, while the view that it ends is still the current one. */
void doubt_enter(struct core *core, struct position position, enum entry entry);
/* Has the leader of the current view less patience than others? */
bool doubt_is_in_force(const struct core *core);
uint64_t doubt_patience_ms(const struct core *core);

/* certify.c: using certificates. */
/* Applies q when its block is in the tree, else lets it wait; REJECT_NONE or why not. */
enum reject certify_qc(struct core *core, uint32_t peer, struct qc *qc);
enum reject certify_tc(struct core *core, uint32_t peer, struct tc *tc);
void certify_waiting(struct core *core);

/* epoch.c */
void epoch_add_set(struct core *core, struct validator_set *set);
void epoch_enter(struct core *core, struct qc *commit_qc);

/* commit.c */
void commit_by(struct core *core, const struct qc *qc);

/* vote.c: when to vote, and for what. */
bool vote_is_allowed(const struct core *core, const struct qc *justify);
void vote_record(struct core *core, const struct block *block, enum phase phase);
void vote_send(struct core *core);
/* The saved vote once more, where it can still be of use. */
void vote_resend(struct core *core);
enum reject vote_on_candidate(struct core *core, struct block *block);

/* collect.c: from votes to a QC. */
enum reject collect_vote(struct core *core, uint32_t peer, const struct vote *vote);
/* Certificates that only waited for their block. */
void collect_retry(struct core *core);

/* witness.c: votes that contradict each other. */
/* Forgets what it has, for a set that votes anew. */
void witness_begin(struct core *core);
/* Verified votes; what they prove leaves as an effect. */
void witness_vote(struct core *core, const struct vote *vote);
void witness_qc(struct core *core, const struct qc *qc);

/* own_key.c: true where somebody else signs with our key, and we sign no more. */
bool own_key_check_vote(struct core *core, const struct vote *vote);
bool own_key_check_timeout(struct core *core, uint32_t voter, struct position position);
void own_key_check_qc(struct core *core, const struct qc *qc);
void own_key_check_tc(struct core *core, const struct tc *tc);

/* propose.c */
void propose_if_due(struct core *core);
/* Are we to speak as the leader of this view, and have not yet? */
bool propose_is_due(const struct core *core);
/* The TC that proves our entry into this view, a reference, or NULL where the justify does. */
struct tc *propose_entry_tc(const struct core *core, const struct qc *justify);
/* Is it from the leader of `position`, and does it prove that this view was entered? */
enum reject propose_check_sender(const struct core *core, struct position position,
                                 const struct qc *justify, const struct tc *tc, uint32_t voter);
void propose_built(struct core *core, const struct core_event *event);
enum reject propose_receive(struct core *core, uint32_t peer, struct message *message);
/* The parent is in the tree and the justify has been applied. */
enum reject propose_judge(struct core *core, struct message *message);
/* What a block must say of itself, given its parent. */
enum reject propose_check_block(const struct core *core, const struct block *block,
                                const struct block *parent);

/* nudge.c */
void nudge_propose(struct core *core, struct block *block);
enum reject nudge_receive(struct core *core, uint32_t peer, struct message *message);
/* The nudge's block is in the tree and its justify has been applied. */
enum reject nudge_judge(struct core *core, const struct nudge *nudge);

/* orphan.c: a few Proposes and Nudges for each channel, until what they stand on is here. */
enum reject orphan_keep(struct core *core, uint32_t peer, struct message *message);
bool orphan_retry(struct core *core);
void orphan_forget(struct peer_state *state);
size_t orphan_bytes(const struct peer_state *state);

/* timeout.c */
void timeout_if_due(struct core *core);
enum reject timeout_receive(struct core *core, uint32_t peer, struct message *message);
void timeout_count(struct core *core);

/* fetch.c */
enum reject fetch_receive(struct core *core, uint32_t peer, struct message *message);
/* One step towards emptying the queue of fetched blocks; true if something changed. */
bool fetch_advance(struct core *core);
/* The App has answered; the block is in the tree now, or never will be. */
void fetch_validated(struct core *core, struct block *block, bool is_in_tree);
/* Do we hold a certificate for a block that is on its way into the tree? */
bool fetch_is_certified(const struct core *core, const struct block *block);

/* answer.c: telling others what we have. */
void answer_with_ours(struct core *core, uint32_t peer);
enum reject answer_advertise(struct core *core, uint32_t peer, const struct advertise *advertise);
void answer_connected(struct core *core, uint32_t peer);
void answer_if_due(struct core *core);

#endif

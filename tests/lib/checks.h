/*
 * The checkers of a simulated cluster: they see every message that leaves a replica, what was on
 * its disk at that moment, and every commit, and derive the rules again without the core's help.
 * The first violation is kept; nothing is checked after it.
 */
#ifndef INGOT_TESTS_CHECKS_H
#define INGOT_TESTS_CHECKS_H

#include "core/core.h"
#include "lib/kv_model.h"
#include "lib/set_app.h"
#include "lib/table.h"
#include "node/execution.h"
#include "node/ledger.h"
#include "wire/preimage.h"

#define CHECKS_NODES_MAX SET_APP_NODES_MAX
/* Runs open fewer epochs than this. */
#define CHECKS_EPOCHS_MAX 255
#define CHECKS_NOBODY UINT32_MAX
/* Certificates that are known to be signed by a quorum; then all are forgotten. */
#define CHECKS_SOUND_MAX 4096

/* Each has a name for people; a test of the checkers asks which of them fired. */
#define CHECK_LIST(X)                                                                              \
    X(NONE, "none")                                                                                \
    X(COMMITTED_PREFIX, "committed chains are prefixes of one another")                            \
    X(COMMITTED_STAYS, "committed never changes across restarts")                                  \
    X(ONE_CERTIFICATE, "one certificate for each epoch and view")                                  \
    X(REAL_QUORUM, "a certificate holds the valid signatures of a quorum")                         \
    X(TC_CLAIM, "a timeout certificate carries the highest QC that was claimed")                   \
    X(ONE_VOTE, "one vote of a replica for each view")                                             \
    X(VOTE_RULE, "every vote satisfies the vote rule")                                             \
    X(MEMBERS, "only members of an epoch's set vote and give up in it")                            \
    X(ENTRY, "a view is entered by a certificate of its own epoch alone")                          \
    X(LOCK, "the lock is at least what the highest certificate gives")                             \
    X(DISK_MONOTONIC, "positions on disk never decrease")                                          \
    X(DURABLE_FIRST, "whatever is sent was durable first")                                         \
    X(COMMIT_CHAIN, "every commit has its gap-free certified chain")                               \
    X(SAME_STATE, "equal height means equal state")                                                \
    X(SAME_SET, "the set of an epoch is what the chain says, on disk too")                         \
    X(TRANSACTION_ONCE, "a transaction is committed once in a replay window")                      \
    X(RESULT_OF_REPLAY, "the reply to a transaction is what a replay gives")                       \
    X(CAPS, "every buffer stays within its cap")                                                   \
    X(ACKNOWLEDGED, "an acknowledged transaction is there once, at every replica")                 \
    X(EVIDENCE, "evidence is true, names only who lies, and stays")                                \
    X(EVIDENCE_KEPT, "who has heard two votes of a view keeps evidence of it")                     \
    X(BLAME, "no honest peer is blamed")                                                           \
    X(INVARIANT, "the core's own invariants hold")                                                 \
    X(DAMAGE, "a damaged record is never used")                                                    \
    X(STOPPED, "no honest replica stops, or is accused")                                           \
    X(LIVENESS, "after healing the network commits")                                               \
    X(LIVELOCK, "positions do not go round without a commit")

#define CHECK_ENUM(name, text) CHECK_##name,
enum check { CHECK_LIST(CHECK_ENUM) CHECK_COUNT };
#undef CHECK_ENUM

const char *check_text(enum check check);

/* A replica has heard two votes of this liar in this position, and its turn is not over. */
struct checks_expected {
    uint32_t liar;
    struct position position;
};
#define CHECKS_EXPECTED_MAX 8

/* What one replica has shown, and what its disk held. Survives its restarts. */
struct checks_node {
    bool is_honest;
    struct position voted;           /* the highest vote that it sent */
    struct position timed_out;       /* the highest Timeout that it sent */
    struct position lock_floor;      /* its lock is at least this: it voted on such a branch, */
    struct position lock_floor_from; /* in this view */
    struct position disk_current;
    struct position disk_voted;
    struct position disk_vote; /* the last that was a vote, not a Timeout */
    struct position disk_locked;
    uint64_t committed_height;
    uint32_t evidence_count; /* that its store holds */
    uint32_t evidence_against[CHECKS_NODES_MAX];
    uint32_t life; /* how often it has stopped: what it had heard is forgotten then */
    struct checks_expected expected[CHECKS_EXPECTED_MAX];
    uint32_t expected_count;
};

struct checks {
    enum check violated;
    char violation[400];

    struct ingot_hash chain;
    const struct set_app_keys *keys;               /* of the nodes; borrowed */
    struct validator_set *sets[CHECKS_EPOCHS_MAX]; /* as the chain opened them; owned references */
    uint32_t set_count;
    const struct crypto_scheme *scheme;
    struct kv_model *model; /* borrowed; NULL: the App is not the kv App */
    uint32_t leader_tenure;
    uint32_t replay_window_blocks;
    struct checks_node nodes[CHECKS_NODES_MAX];

    struct table blocks;       /* hash -> struct checks_block */
    struct table nudges;       /* position -> struct checks_nudge, the first of a list */
    struct table votes;        /* voter, position -> struct checks_vote */
    struct table certificates; /* position -> struct checks_certificate */
    struct table heard;        /* replica, liar, position -> struct checks_heard */
    struct table sound;        /* digest -> anything: of QCs and TCs that a quorum has signed */

    struct ingot_hash *committed; /* by height, 0 is genesis */
    uint64_t committed_count;
    uint64_t committed_capacity;
    uint64_t transactions_committed;
    uint64_t evidence_kept;       /* by all replicas together */
    uint64_t equivocations_heard; /* two votes of a liar by one replica, while it compares them */
    bool has_odd_frames;    /* one came twice, changed or late, as none does on a connection */
    uint64_t final_height;  /* the highest block with a gap-free chain on top of it */
    uint64_t highest_block; /* that was ever proposed */
};

/* Borrows genesis, keys and model for the life of the checks. */
struct checks *checks_new(struct block *genesis, struct validator_set *set,
                          const struct set_app_keys *keys, const struct crypto_scheme *scheme,
                          uint32_t leader_tenure, uint32_t replay_window_blocks,
                          struct kv_model *model);
void checks_free(struct checks *checks);

/* Records a violation, unless there was one already. */
void checks_fail(struct checks *checks, enum check check, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The disk of a node holds this now; the core that wrote it is at hand. */
void checks_disk(struct checks *checks, uint32_t node, const struct core_safety *safety,
                 const struct core *core);
/* Blocks and nudges that somebody might vote for, whoever made them. */
void checks_learn(struct checks *checks, const struct message *message);
/*
 * What the bytes say, NULL if they say nothing; a reference. A Propose that names transactions
 * comes whole, if anybody has ever shown its block.
 */
struct message *checks_decode(const struct checks *checks, struct ingot_slice bytes);
/* The same proposal with this block; a reference. */
struct message *checks_whole(const struct propose *propose, struct block *block);
/* A node hands this to the network; `safety` is what its disk holds. */
void checks_send(struct checks *checks, uint32_t node, const struct message *message,
                 const struct core_safety *safety);
/* checks_chain.c: certificates that a node stands on, or shows to others. */
void checks_qc(struct checks *checks, uint32_t node, struct qc *qc);
void checks_tc(struct checks *checks, uint32_t node, struct tc *tc);
/* Signed by a quorum of its block's set. */
bool checks_qc_is_sound(struct checks *checks, struct qc *qc);
/* And what nobody signs is right as well. Not for the genesis QC. */
bool checks_qc_is_real(struct checks *checks, struct qc *qc);
/* Signed by a quorum, and its QC is as high as the highest claim. */
bool checks_tc_is_sound(struct checks *checks, struct tc *tc, uint64_t *claim);
/* A node reports a commit as durable. */
void checks_commit(struct checks *checks, uint32_t node, const struct block *block,
                   const struct execution *execution);
/* A node has come back with this. */
void checks_restart(struct checks *checks, uint32_t node, const struct core *core);
/* After every step. */
void checks_core(struct checks *checks, uint32_t node, const struct core *core);

/* checks_clients.c: all that was acknowledged can be looked up in this ledger, and nothing else. */
void checks_clients(struct checks *checks, uint32_t node, struct ledger *ledger);
/* Its blocks are those that were committed, with each transaction where it was acknowledged. */
void checks_chain_of(struct checks *checks, uint32_t node, struct ledger *ledger);

/* checks_evidence.c: the durable evidence of a node, after each of its turns. */
void checks_evidence(struct checks *checks, uint32_t node, const struct ingot_evidence *evidence,
                     uint32_t count);
/* Something of a liar's reaches an honest node, which is as it is now. */
void checks_hear(struct checks *checks, uint32_t node, const struct message *message,
                 const struct core *core);
/* It has stopped. */
void checks_forget_heard(struct checks *checks, uint32_t node);

/* checks_vote.c: a vote, and where it was seen. */
enum checks_source { CHECKS_SENT, CHECKS_ON_DISK, CHECKS_IN_CERTIFICATE };
void checks_vote(struct checks *checks, uint32_t node, const struct vote *vote,
                 enum checks_source source);

/* A timeout certificate that leads into a view, and the highest QC view that it claims. */
struct checks_entry {
    bool has_tc;
    uint64_t tc_claim;
};

/* What is known of a block that somebody has proposed. */
struct checks_block {
    struct block *block; /* owned reference */
    struct checks_entry entry;
    bool has_sound_justify;
    bool is_final;
    bool is_forbidden; /* its maker knows that no honest replica may vote for it */
};

/* A nudge that somebody has sent, or wrote down and did not live to send. */
struct checks_nudge {
    struct checks_nudge *next; /* of the same position, by a leader that lies */
    struct qc *justify;        /* owned reference; signed by a quorum */
    struct ingot_hash digest;  /* of the justify */
    struct ingot_public_key leader;
    struct checks_entry entry;
};

struct checks_block *checks_find_block(const struct checks *checks, const struct ingot_hash *hash);
void checks_add_block(struct checks *checks, struct block *block, struct tc *tc);
/* A liar has made it wrong on purpose: a vote for it is against the rule, whatever else is seen. */
void checks_forbid(struct checks *checks, struct block *block);
/* Notes a TC that came with a block or a nudge of `position`, if it is sound and leads there. */
void checks_note_entry(struct checks *checks, struct position position, struct tc *tc,
                       struct checks_entry *entry);
/* checks_vote.c */
void checks_add_nudge(struct checks *checks, struct position position, struct qc *justify,
                      struct tc *tc, const struct ingot_public_key *leader);
void checks_free_nudges(struct checks *checks);
/* The lock of whoever has used this certificate: at least this. */
struct position checks_lock_of(const struct checks *checks, const struct qc *qc);

/*
 * checks_sets.c: positions and sets, without the core's own functions for them, which may be what
 * is wrong.
 */
int checks_compare(struct position a, struct position b);
struct position checks_position(const struct qc *qc);
uint64_t checks_epoch(const struct block *block);
/* NULL: nothing has opened it. */
struct validator_set *checks_set(const struct checks *checks, uint64_t epoch);
/* The last that was opened. */
struct validator_set *checks_last_set(const struct checks *checks);
/* The node with this key, or CHECKS_NOBODY. */
uint32_t checks_node_of(const struct checks *checks, const struct ingot_public_key *key);
/* The node that a member's index in an epoch's set stands for, or CHECKS_NOBODY. */
uint32_t checks_voter(const struct checks *checks, uint64_t epoch, uint32_t member);
bool checks_is_member(const struct checks *checks, uint64_t epoch, uint32_t node);
struct set_app_powers checks_powers(const struct checks *checks, const struct validator_set *set);
/* The set that a block leaves behind it, in the epoch of its child; the caller's reference. */
struct validator_set *checks_next_set(const struct checks *checks, const struct block *block);
/* A block is certified for good: if it changes the set, the next epoch is open. */
void checks_open_epoch(struct checks *checks, const struct block *block);
/* A replica takes this for the set of its epoch. */
void checks_same_set(struct checks *checks, uint32_t node, const struct validator_set *set);
/* The node that leads a view of an epoch, by the definition, with 128-bit arithmetic. */
uint32_t checks_leader_at(const struct checks *checks, struct position position);
/* In the first epoch. */
uint32_t checks_leader(const struct checks *checks, uint64_t view);

#endif

/*
 * The judge of one scenario: it sees what the five instances write to their disks, send and
 * commit, and derives the rules again without the core's help. The first violation is kept.
 *
 * It looks at numbers alone, as there are no signatures here: that a validator stands behind a
 * certificate means that one of its instances has sent just that vote. tests/lib/checks.h, which
 * judges the simulator, verifies real messages and is a hundred times slower.
 */
#ifndef INGOT_TESTS_TWINS_JUDGE_H
#define INGOT_TESTS_TWINS_JUDGE_H

#include "twins/blocks.h"

#define JUDGE_VIEWS_MAX 64
#define JUDGE_NUDGES_MAX 4 /* of one position: two twins, and what they did before a restart */

#define JUDGE_RULES(X)                                                                             \
    X(NONE, "none")                                                                                \
    X(AGREEMENT, "committed chains are prefixes of one another")                                   \
    X(ONE_CERTIFICATE, "one certificate for each epoch and view")                                  \
    X(REAL_QUORUM, "a certificate holds votes of a quorum that were cast")                         \
    X(TC_CLAIM, "a timeout certificate carries the highest QC that was claimed")                   \
    X(ONE_VOTE, "one vote of an instance for each view")                                           \
    X(VOTE_RULE, "every vote satisfies the vote rule")                                             \
    X(LOCK, "the lock is at least what the highest certificate gives")                             \
    X(DISK_MONOTONIC, "positions on disk never decrease")                                          \
    X(DURABLE_FIRST, "whatever is sent was durable first")                                         \
    X(COMMIT_CHAIN, "every commit has its gap-free certified chain")                               \
    X(INVARIANT, "the core's own invariants hold")                                                 \
    X(STOPPED, "nobody stops, and only the twins are accused")                                     \
    X(LIVENESS, "a whole network commits within the bound")

#define JUDGE_ENUM(name, text) JUDGE_##name,
enum judge_rule { JUDGE_RULES(JUDGE_ENUM) JUDGE_RULE_COUNT };
#undef JUDGE_ENUM

const char *judge_rule_text(enum judge_rule rule);

/* A block in a phase. */
struct judge_choice {
    bool is_set;
    uint8_t phase;
    uint16_t block;
};

struct judge_nudge {
    struct position justify;
    uint8_t justify_phase;
    uint16_t block;
};

/* What is known of one position. */
struct judge_position {
    struct judge_choice votes[INSTANCES];
    uint64_t claims[INSTANCES]; /* of each one's Timeouts: a bit for each claimed view */
    struct judge_choice certificate;
    bool has_tc;
    uint8_t lowest_tc_claim; /* of the timeout certificates of this view */
    uint8_t nudge_count;
    struct judge_nudge nudges[JUDGE_NUDGES_MAX];
};

struct judge_instance {
    struct position current; /* on its disk, as are the next two */
    struct position voted;
    struct position locked;
    bool has_vote;
    struct judge_choice vote;
    struct position timed_out;
    struct position floor; /* its lock is at least this */
    uint64_t height;
    uint16_t last_committed;
};

struct judge {
    const struct scenario *scenario;
    const struct blocks *blocks;
    struct judge_position positions[EPOCHS_MAX][JUDGE_VIEWS_MAX];
    uint64_t highest_view; /* that is in use there */
    struct judge_instance instances[INSTANCES];
    uint16_t committed[BLOCKS_MAX]; /* by height, of the honest ones */
    uint64_t committed_height;
    bool forks_only; /* no rule but agreement counts */
    bool is_over;    /* there is no use in going on */
    enum judge_rule violated;
    char violation[200];
};

/* The judge is all zero but forks_only, or has judged another scenario. Borrows both. */
void judge_begin(struct judge *judge, const struct scenario *scenario, const struct blocks *blocks);
/* Only the first counts; the play is over. */
void judge_fail(struct judge *judge, enum judge_rule rule, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void judge_disk(struct judge *judge, uint32_t instance, const struct core_safety *safety);
/* A certificate that an instance stands on. */
void judge_qc(struct judge *judge, const struct qc *qc);
void judge_send(struct judge *judge, uint32_t instance, const struct message *message);
void judge_commit(struct judge *judge, uint32_t instance, const struct block *block);
/* All of what a step has committed has been told. */
void judge_committed(struct judge *judge, uint32_t instance);

#endif

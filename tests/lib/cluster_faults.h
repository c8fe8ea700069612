/*
 * What can go wrong in a simulated cluster. Each class has a mark: how often it has really hit, not
 * how often somebody asked for it.
 */
#ifndef INGOT_TESTS_CLUSTER_FAULTS_H
#define INGOT_TESTS_CLUSTER_FAULTS_H

/* The names are what people type and read: one word each. */
#define CLUSTER_FAULT_LIST(X)                                                                      \
    /* frames */                                                                                   \
    X(LOSS, "loss")                                                                                \
    X(DELAY, "delay")           /* far longer than others take */                                  \
    X(REORDERING, "reordering") /* one arrives before another that was sent earlier */             \
    X(DUPLICATION, "duplication")                                                                  \
    X(CORRUPTION, "corruption") /* a changed frame arrives, and is refused */                      \
    X(PARTITION, "partition")   /* lost between two that do not reach each other */                \
    X(ONE_WAY_CUT, "one-way-cut")                                                                  \
    X(SLOW_LINK, "slow-link")       /* so few bytes a second that others wait behind it */         \
    X(CLOGGED_LINK, "clogged-link") /* nothing moves for a while, and then all comes at once */    \
    X(FULL_QUEUE, "full-queue")     /* and what is too much is dropped */                          \
    /* processes */                                                                                \
    X(CRASH, "crash")                                                                              \
    X(CRASH_IN_SEND, "crash-in-send") /* part of what it sends has left */                         \
    X(CRASH_ALL, "crash-all")                                                                      \
    X(CRASH_BEFORE_WRITE, "crash-before-write") /* nothing of it is on the disk, */                \
    X(CRASH_AFTER_WRITE, "crash-after-write")   /* or all of it; nothing has been sent */          \
    X(DEAD, "dead")                             /* for good */                                     \
    X(PAUSE, "pause")                                                                              \
    X(CLOCK_JUMP, "clock-jump")                                                                    \
    X(CLOCK_DRIFT, "clock-drift") /* a timer runs out by a clock that is fast or slow */           \
    /* disks */                                                                                    \
    X(REFUSED_WRITE, "refused-write")                                                              \
    X(LOST_WRITE, "lost-write")       /* of unknown outcome; it is not there, */                   \
    X(APPLIED_WRITE, "applied-write") /* or it is */                                               \
    X(FULL_DISK, "full-disk")         /* all writes are refused until there is space */            \
    X(SLOW_DISK, "slow-disk")                                                                      \
    X(DAMAGED_RECORD, "damaged-record") /* a start is refused; then the disk is as before */       \
    X(LOST_DISK, "lost-disk")           /* it is not, and the node follows without a key */        \
    X(OLD_COPY, "old-copy")             /* started as it is: Byzantine from then on */             \
    X(BACKUP, "backup")                 /* a copy behind a watermark */                            \
    /* no fault: how it is checked */                                                              \
    X(REAL_CRYPTO, "real-crypto")

#define CLUSTER_FAULT_ENUM(name, text) FAULT_##name,
enum cluster_fault { CLUSTER_FAULT_LIST(CLUSTER_FAULT_ENUM) CLUSTER_FAULTS };
#undef CLUSTER_FAULT_ENUM

extern const char *const cluster_fault_texts[CLUSTER_FAULTS];

#endif

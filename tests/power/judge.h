/*
 * What a node has shown to others, and whether an image of its disk still covers it.
 */
#ifndef INGOT_TESTS_POWER_JUDGE_H
#define INGOT_TESTS_POWER_JUDGE_H

#include "power/disk.h"
#include "power/world.h"

/* What must be on the disk, whatever is lost. */
struct duty {
    uint32_t serial;           /* rises whenever more is due */
    bool has_batch;            /* a commit of LMDB's has returned: */
    uint32_t batch;            /* the operation that says so */
    struct shown shown;        /* the highest of each */
    uint64_t height;           /* committed and reported */
    struct ingot_hash *hashes; /* of the committed blocks, by height */
    uint64_t hash_capacity;
    struct vote *votes; /* that were sent */
    uint32_t vote_count;
    uint32_t vote_capacity;
    struct position given_up; /* the highest Timeout */
};

void duty_deinit(struct duty *duty);
/* What this operation adds to it. */
void duty_add(struct duty *duty, const struct record *record, uint32_t index);

/*
 * Is all that LMDB has as a commit left it? An image was lost in the middle of the operation `at`.
 */
bool judge_content(const struct record *record, uint32_t at, const struct duty *duty,
                   const char *folder, char *why, size_t why_size);

/*
 * Opens a folder with an image that was lost in the middle of the operation `at` of the node, and
 * starts a replica from it, which is shown what the node was shown afterwards. False: it forgets or
 * contradicts something, and `why` says what. The folder is changed.
 */
bool judge_image(const struct power_node *node, uint32_t at, const struct duty *duty,
                 const char *folder, char *why, size_t why_size);

#endif

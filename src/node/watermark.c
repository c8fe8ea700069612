/*
 * The bodies of watermark.h, where the rule and its reason are.
 */
#include "node/watermark.h"

#include <string.h>

#include "base/assert.h"

void watermark_init(struct watermark *watermark, uint32_t leader_tenure,
                    const struct position *mark)
{
    INGOT_ASSERT(leader_tenure >= 1);
    *watermark = (struct watermark){.leader_tenure = leader_tenure, .has_mark = mark != NULL};
    if (mark != NULL) {
        watermark->mark = *mark;
    }
}

static const struct watermark_heard *find(const struct watermark *watermark,
                                          const struct ingot_public_key *key)
{
    for (uint32_t i = 0; i < watermark->heard_count; i++) {
        if (memcmp(watermark->heard[i].key.bytes, key->bytes, sizeof key->bytes) == 0) {
            return &watermark->heard[i];
        }
    }
    return NULL;
}

void watermark_heard(struct watermark *watermark, const struct ingot_public_key *key,
                     struct position position)
{
    /* Peers are at most as many as there is room for; whoever comes beyond that is not counted. */
    if (watermark->has_mark || watermark->heard_count == INGOT_PEERS_MAX ||
        find(watermark, key) != NULL) {
        return;
    }
    watermark->heard[watermark->heard_count++] =
        (struct watermark_heard){.key = *key, .position = position};
}

/* The power of those who signed after they were heard. */
static uint64_t fresh_power(const struct watermark *watermark, const struct validator_set *set,
                            const struct qc *qc, struct position justify)
{
    uint64_t power = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        const struct watermark_heard *heard =
            signers_has(&qc->signers, i) ? find(watermark, &set->validators[i].key) : NULL;
        if (heard != NULL && position_compare(heard->position, justify) < 0) {
            power += set->validators[i].power;
        }
    }
    return power;
}

bool watermark_certified(struct watermark *watermark, const struct validator_set *set,
                         const struct qc *qc, const struct block *block)
{
    const struct qc *justify = block->justify;
    if (watermark->has_mark || qc->phase != PHASE_GENERIC || justify == NULL) {
        return false;
    }
    INGOT_ASSERT(set->epoch == qc->epoch);
    /* The first block of an epoch is justified by the QC that opened it: also at the view before.
     */
    const struct position stands = qc_position(justify);
    if (stands.epoch != qc->epoch || stands.view + 1 != qc->view ||
        fresh_power(watermark, set, qc, stands) < set->quorum_power) {
        return false;
    }
    watermark->mark = (struct position){qc->epoch, qc->view + watermark->leader_tenure};
    watermark->has_mark = true;
    return true;
}

bool watermark_is_passed(const struct watermark *watermark, struct position committed)
{
    return watermark->has_mark && position_compare(committed, watermark->mark) > 0;
}

/*
 * Who stands behind a digest, and whether that is enough. It only reads. A member counts once for
 * each kind of message: the first one is in its slot, whatever else it says.
 */
#include "broadcast/round.h"

bool member_has(const struct member_bits *bits, uint32_t member)
{
    return (bits->bits[member / 8] >> (member % 8) & 1) != 0;
}

void member_add(struct member_bits *bits, uint32_t member)
{
    bits->bits[member / 8] = (uint8_t)(bits->bits[member / 8] | 1U << (member % 8));
}

void member_remove(struct member_bits *bits, uint32_t member)
{
    bits->bits[member / 8] = (uint8_t)(bits->bits[member / 8] & ~(1U << (member % 8)));
}

static bool is_for(const struct broadcast_message *vote, const struct broadcast_digest *digest)
{
    return vote != NULL &&
           (broadcast_digest_equal(&vote->digest, digest) || MUTANT(DIGEST_IGNORED));
}

static uint64_t power_of(const struct quorum_broadcast *broadcast,
                         struct broadcast_message *const *votes,
                         const struct broadcast_digest *digest)
{
    uint64_t power = 0;
    for (uint32_t i = 0; i < broadcast->config.member_count; i++) {
        if (is_for(votes[i], digest)) {
            power += broadcast->members[i].power;
        }
    }
    return power;
}

bool tally_is_committed(const struct quorum_broadcast *broadcast, const struct round *round,
                        const struct broadcast_digest *digest)
{
    struct broadcast_message *const *votes =
        MUTANT(DELIVER_ON_PREPARES) ? round->live->prepares : round->live->commits;
    return power_of(broadcast, votes, digest) >= broadcast->quorum_power;
}

bool tally_is_prepared(const struct quorum_broadcast *broadcast, const struct round *round,
                       const struct broadcast_digest *digest)
{
    return power_of(broadcast, round->live->prepares, digest) >= broadcast->quorum_power ||
           power_of(broadcast, round->live->commits, digest) >= broadcast->one_honest_power;
}

bool tally_has_payload(const struct round *round, uint32_t member,
                       const struct broadcast_digest *digest)
{
    const struct live_round *live = round->live;
    if (member_has(&live->returned, member)) {
        return false;
    }
    return round->place == ROUND_FINISHED
               ? member_has(&live->prepared, member)
               : is_for(live->prepares[member], digest) || is_for(live->commits[member], digest);
}

bool tally_has_commit(const struct round *round, uint32_t member)
{
    const struct live_round *live = round->live;
    if (member_has(&live->returned, member)) {
        return false;
    }
    return round->place == ROUND_FINISHED ? member_has(&live->committed, member)
                                          : live->commits[member] != NULL;
}

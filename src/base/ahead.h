/*
 * Reading ahead. The tables of the mempool, of the replay window and of waiting clients are far
 * larger than the processor's caches, and every digest leads to another place of them. Whoever has
 * many digests asks for the places of the next ones to be fetched while it works on this one; a
 * read that waits for memory costs as much as all else that is done with a small transaction.
 *
 * It changes nothing but time.
 */
#ifndef INGOT_BASE_AHEAD_H
#define INGOT_BASE_AHEAD_H

/* How many ahead: fetching takes about as long as work on so many. */
#define AHEAD 8

static inline void ahead_fetch(const void *place)
{
    __builtin_prefetch(place);
}

#endif

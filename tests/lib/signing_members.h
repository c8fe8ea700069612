/*
 * Members of a network that runs quorum broadcast, as far as signing goes: each has a key, a store
 * in memory and a signatures file on disk. The test calls their callbacks as the protocol would.
 */
#ifndef INGOT_TESTS_SIGNING_MEMBERS_H
#define INGOT_TESTS_SIGNING_MEMBERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "node/home_ledger.h"
#include "node/quorum_signing.h"

#define SIGNING_MEMBERS 4
#define SIGNING_QUORUM 3
#define SIGNING_PAYLOAD_BYTES_MAX 64

extern struct genesis signing_genesis;
extern struct home_genesis signing_set;
extern struct crypto_secret_key signing_secrets[SIGNING_MEMBERS]; /* in the set's order */
extern struct ingot_store *signing_stores[SIGNING_MEMBERS];
extern struct quorum_signing *signing_members[SIGNING_MEMBERS]; /* NULL: down */

/* The genesis and its members' keys; home_genesis_deinit and genesis_deinit undo it. */
void signing_make_genesis(const char *chain_id);
/* All members are up, with nothing signed. */
int signing_set_up(void **state);
int signing_tear_down(void **state);

/* Of the signatures file. */
void signing_path(uint32_t member, char path[64]);
/* The member is down. As quorum_signing_open. */
enum ingot_error signing_start(uint32_t member, char *why, size_t why_size);
/* What has been synced stays. */
void signing_crash(uint32_t member);
/* A member that is down gets an empty store. */
void signing_lose_store(uint32_t member);
/* A crash and a start, which goes well. */
void signing_reopen(uint32_t member);

/* Of the originator 0. */
struct broadcast_round_view signing_round(const char *id, const char *payload);
/* What a member says: with its attachment. */
struct broadcast_message *signing_say_commit(uint32_t member,
                                             const struct broadcast_round_view *round);
/* A round that all others commit, as `member` sees it. */
enum broadcast_verdict signing_end_round(uint32_t member, const char *id, const char *payload);
/* The first record of an id, as signed_records_find. */
enum ingot_error signing_find(uint32_t member, const char *id, struct ingot_buffer *line);

#endif

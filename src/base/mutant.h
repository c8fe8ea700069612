/*
 * Deliberate faults, one of which can be chosen when a test starts: each breaks one rule, and
 * tests/mutants shows which tests notice. In every other build MUTANT() is the constant false and
 * nothing of it is left.
 */
#ifndef INGOT_BASE_MUTANT_H
#define INGOT_BASE_MUTANT_H

#include <stdbool.h>

#ifdef INGOT_MUTANTS

/* What is wrong with each; tests/mutants/killers.txt has the rules and the tests. */
#define MUTANT_LIST(X)                                                                             \
    /* Of the core. */                                                                             \
    X(NO_DURABLE_VOTE, "a vote is not made durable")                                               \
    X(LOCK_LOWERED, "an old QC lowers the lock")                                                   \
    X(GAP_ALLOWED, "three certified blocks commit whatever their views")                           \
    X(SMALL_QUORUM, "the quorum is one too small")                                                 \
    X(DUPLICATE_SIGNER, "a vote that comes twice counts twice")                                    \
    X(TWO_VOTES, "a second vote in a view is allowed")                                             \
    X(TC_WITHOUT_HIGH_QC, "a TC carries any QC, and its leader builds on any")                     \
    X(VIEWS_ALONE, "positions are compared without their epochs")                                  \
    X(COMMIT_AT_OWN_VIEW, "a Commit QC stands at the view that it was formed in")                  \
    X(OLD_TC_MOVES, "a TC of an earlier epoch moves views of this one")                            \
    X(OLD_SET_VOTES, "the old set's votes count for the new one")                                  \
    X(COMMIT_WITHOUT_PRECOMMIT, "a Precommit QC of any view before leads to Commit")               \
    X(NO_PRECOMMIT_LOCK, "a Precommit QC takes no lock")                                           \
    X(CHILD_OF_UNCOMMITTED, "a set-changing block that is not committed gets a child")             \
    X(SET_RECORD_DROPPED, "the commit that opens an epoch does not store its set")                 \
    X(TAIL_QC_UNVERIFIED, "one certificate of what a peer sends is not verified")                  \
    X(LOCK_IGNORED, "a vote does not ask for the lock")                                            \
    X(ENTRY_UNPROVEN, "a proposal needs no proof that its view was entered")                       \
    X(CLAIM_IGNORED, "a proposal may build below the highest claim of its TC")                     \
    X(ANYBODY_LEADS, "a proposal of any member is voted for")                                      \
    X(VOTE_AFTER_TIMEOUT, "a replica votes in a view that it has given up")                        \
    X(TIMEOUT_NOT_DURABLE, "giving up on a view is not made durable")                              \
    X(LOCK_NOT_DURABLE, "a new lock and high QC are not made durable")                             \
    X(TC_NOT_KEPT, "a replica forgets the TC by which it entered")                                 \
    X(TC_NOT_BROADCAST, "who forms a TC keeps it")                                                 \
    X(QC_NOT_BROADCAST, "who forms a QC and does not lead next keeps it")                          \
    X(NEXT_LEADER_ALONE, "votes go to the next leader only")                                       \
    X(NEW_LEADER_LEFT_OUT, "Commit votes do not go to the new set's first leader")                 \
    X(NO_JOINING, "the Timeouts of one honest do not make a replica give up")                      \
    X(TIMEOUT_SAID_ONCE, "a Timeout is not repeated")                                              \
    X(TIMEOUT_QC_IGNORED, "the QC of a Timeout is not used")                                       \
    X(LEADER_NOT_TOLD, "who enters by a TC keeps its higher QC from the new leader")               \
    X(TC_TO_NEXT_VIEW, "a TC leads to the next view")                                              \
    X(NO_ANSWERS, "who is behind is not answered")                                                 \
    X(ANSWERS_UNLIMITED, "every leftover is answered, however many come")                          \
    X(NOT_ADVERTISED, "nobody says at intervals what it has")                                      \
    X(VOTE_NOT_RESENT, "the saved vote is not sent again after a restart")                         \
    X(QC_UNBOUND, "a QC's epoch, phase and view need not fit its block")                           \
    X(BLOCK_VIEW_TRUSTED, "the view of its block is taken from a QC unseen")                       \
    X(UNKNOWN_QC_DROPPED, "a QC of an unknown block is dropped")                                   \
    X(HEIGHT_UNCHECKED, "a block's height need not follow its parent's")                           \
    X(TIME_UNCHECKED, "a block's time may be before its parent's")                                 \
    X(SET_UNCHECKED, "a block may name any set as its own")                                        \
    X(JUSTIFY_VIEW_UNCHECKED, "the view that a block's justify gives its parent is not looked at") \
    X(ORPHANS_UNBOUNDED, "a channel may make us keep any number of bytes")                         \
    X(TREE_UNBOUNDED, "blocks that lost their view pile up")                                       \
    X(OLD_VOTE_REPLACES, "an old vote takes the slot of a newer one")                              \
    X(EVIDENCE_OF_NOTHING, "the same vote, seen twice, is held against its voter")                 \
    X(NO_EVIDENCE, "two votes of one position are not reported")                                   \
    X(OWN_KEY_ELSEWHERE, "a vote of our key that we did not cast is nothing special")              \
    X(DIFFERENCE_IGNORED, "a certified block that executes differently here stops nobody")         \
    X(UNCERTIFIED_FETCHED, "fetched blocks that nothing certifies are executed")                   \
    X(JUSTIFY_NOT_APPLIED, "a fetched block enters before its justify is applied")                 \
    X(EPOCH_NOT_TOLD, "who enters an epoch keeps the Commit QC")                                   \
    X(LEADERS_IN_TURN, "leaders take turns whatever their power")                                  \
    X(WAIT_NEVER_GROWS, "deadlines stay the same, however many views fail")                        \
    X(WAIT_UNLIMITED, "deadlines grow without end")                                                \
    X(NOBODY_DOUBTED, "a leader whose tenure failed gets as much time as any other")               \
    X(DOUBT_AFTER_FAILURE, "less patience for a leader in doubt after a tenure that failed, too")  \
    X(DOUBT_NOT_CLEARED, "a QC of its view does not end the doubt in a leader")                    \
    X(DOUBT_FOR_EVER, "a leader in doubt never gets all patience again")                           \
    X(PACE_IGNORED, "patience with a leader in doubt does not look at how long views take")        \
    X(PACE_NEVER_FALLS, "one slow view makes all views slow for ever")                             \
    X(IDLE_AFTER_TC, "a leader that entered by a TC waits for transactions")                       \
    X(PAYLOAD_OUTLIVES_COMMIT, "transactions that were committed just now make another block")     \
    X(CLOCKS_IN_STEP, "deadlines have no room for clocks that run apart while a leader waits")     \
    X(BUILT_ON_OLD_QC, "a block that was built on a QC that is no longer the highest is proposed") \
    X(OBSERVER_SIGNS, "a node outside the set votes and gives up")                                 \
    X(ANCESTORS_NOT_COMMITTED, "a commit leaves out the ancestors")                                \
    X(LAST_SIGNATURE_UNVERIFIED, "the last signature of a QC is not verified")                     \
    X(SIGNERS_UNWEIGHED, "a certificate needs no quorum")                                          \
    X(GENESIS_QC_LOOSE, "whatever has no signatures passes for the genesis QC")                    \
    X(CLAIMS_UNCHECKED, "a TC's QC may be below what its signers claim")                           \
    X(CLAIM_NOT_SIGNED, "the signature of a Timeout does not cover its claim")                     \
    X(CHAIN_NOT_SIGNED, "the signature of a vote does not cover the chain")                        \
    X(PHASE_NOT_SIGNED, "the signature of a vote does not cover its phase")                        \
    X(VOTE_UNVERIFIED, "the signature of a vote is not verified")                                  \
    X(TIMEOUT_UNVERIFIED, "the signature of a Timeout is not verified")                            \
    X(PROPOSER_UNBOUND, "the vote that comes with a block may be for another")                     \
    X(REMEMBERED_WRONGLY, "a certificate that was refused is taken the second time")               \
    X(KNOWN_FOR_ANYTHING, "a signature that is known is good for any statement of its signer")     \
    X(KNOWN_BY_STATEMENT, "whatever claims to be a known signature is taken for it")               \
    X(LATE_VOTES_UNSEEN, "a vote of a certified view is dropped, whatever it contradicts")         \
    X(DIGEST_OF_ANOTHER, "a certificate that was put right keeps the digest that it had")          \
    X(ENTRY_TC_ANY, "the TC of a message may be of any view")                                      \
    X(TWO_ENCODINGS, "bytes that do not encode again to themselves are taken")                     \
    X(UNKNOWN_FIELDS, "unknown fields are taken")                                                  \
    X(BITMAP_LOOSE, "a bitmap may have bits beyond the set")                                       \
    X(ROOT_UNCHECKED, "the transactions root need not cover the payload")                          \
    X(LANES_CROSSED, "hashes that are taken at once come out as those of each other")              \
    X(DIGESTS_UNCHECKED, "the transactions root need not cover the digests that a proposal names") \
    X(LINK_UNCHECKED, "blocks of an answer need not be linked")                                    \
    X(JUSTIFY_UNVERIFIED, "the certificates inside of an answer are not verified")                 \
    X(BEGUN_IS_PROVEN, "what was handed to a worker is taken for verified")                        \
    X(BAD_IS_PROVEN, "a worker calls every certificate good")                                      \
    X(UPDATES_UNCHECKED, "a block whose updates hash is wrong is valid")                           \
    X(NEXT_SET_UNCHECKED, "a block may name any set as the next")                                  \
    X(REPEATS_TAKEN, "a transaction may be in a block again")                                      \
    X(WINDOW_OF_BLOCKS_SHORT, "the replay window is one block short")                              \
    X(BRANCH_UNSEEN, "what uncommitted ancestors changed is not read")                             \
    X(COMMITTED_STAYS_IN_POOL, "committed transactions stay in the mempool")                       \
    X(NOT_CHECKED_AGAIN, "what waits is not checked again after a commit")                         \
    X(ABANDONED_LOST, "transactions of abandoned blocks are lost")                                 \
    X(OLD_BATCHES_TAKEN, "transactions of who is far behind are taken")                            \
    X(STUCK_SHOWN_LATE, "who gives up a view does not show its transactions again at once")        \
    X(ANSWER_UNCHECKED, "transactions that were asked for need not have the digests named")        \
    X(MISSING_NOT_ASKED, "transactions that a proposal names and nobody has sent are waited for")  \
    X(INCOMPLETE_UNBOUNDED, "incomplete proposals of a channel may fill the memory")               \
    X(REQUESTS_UNLIMITED, "who asks for a block's transactions is answered without end")           \
    X(WITHHELD_FOR_GOOD, "what a failed proposal brought is not passed on afterwards")             \
    X(NAMED_AFTER_ANOTHER, "a transaction goes into a block under the digest of another")          \
    X(POOL_UNWEIGHED, "the mempool weighs its transactions by their bytes alone")                  \
    X(UNASKED_SYNC_FORGOTTEN, "a sync that nobody waits for is never made up for")                 \
    X(VOTE_WITH_CERTIFICATES, "a vote leaves as certificates do, before the sync")                 \
    X(TIMEOUT_WITH_CERTIFICATES, "a Timeout leaves as certificates do, before the sync")           \
    X(ADVERTISED_WITH_CERTIFICATES, "what a node has is advertised before the sync")               \
    X(WAITERS_KEPT, "who waits for a commit is kept for a later sync")                             \
    X(COMMIT_TOLD_EARLY, "a commit whose sync may wait is told before it")                         \
    X(SHOWN_BEFORE_SYNC, "clients are shown what waits for a sync")                                \
    X(EPOCH_SYNCED_LATER, "the sync of a new set may wait, as others")                             \
    X(EVIDENCE_SYNCED_LATER, "the sync of evidence may wait, as others")                           \
    X(SENT_BEFORE_SYNC, "messages leave before the sync")                                          \
    X(FAILED_WRITE_IGNORED, "a failed durable write is taken for success")                         \
    X(STEP_IN_TWO,                                                                                 \
      "the safety record is written after the step's blocks, in a transaction of its own")         \
    X(HEIGHT_LEFT_BEHIND, "a commit does not move the committed height on the disk")               \
    X(APPLIED_TOO_EARLY, "the applied height moves before all updates are in the state")           \
    X(APPLIED_UNSETTLED, "the applied height moves on the disk before the state is durable")       \
    X(BEHIND_THE_SWEEP_LOST, "updates of keys that the sweep has passed are not put any more")     \
    X(SWEEP_STAYS_AT_THE_END, "blocks that come after a lap come in where the last one ended")     \
    X(FIRST_CHANGE_WINS, "of one key's changes the first is applied")                              \
    X(PRUNED_TOO_MUCH, "blocks leave that a start has to read")                                    \
    X(PRUNED_UNSETTLED, "blocks leave whose updates the state may lose again")                     \
    X(SETS_PRUNED, "blocks that change the set are pruned like others")                            \
    X(CHECKSUM_UNCHECKED, "records are taken whatever their checksum says")                        \
    X(STORED_BLOCK_UNCHECKED, "a stored block need not have the hash it is kept under")            \
    X(SCHEMA_UNCHECKED, "data of another schema version are read")                                 \
    X(VOTE_FORGOTTEN, "a start does not read the saved vote")                                      \
    X(ABANDONED_STORED, "abandoned blocks stay on the disk")                                       \
    X(OUTCOME_FORGOTTEN, "the store goes on after a failed commit")                                \
    X(COMMITS_UNSYNCED, "commits to the LMDB file are not synced")                                 \
    X(FOLDER_UNLOCKED, "a second process may open the data folder")                                \
    X(OPENED_TWICE, "the data folder may be opened twice in a process")                            \
    X(ROOM_NOT_RESERVED, "a batch does not ask for room on the disk first")                        \
    X(CUT_FILE_OPENED, "a data file that was cut is opened")                                       \
    X(EMPTY_FILE_TAKEN, "an empty data file is taken for a new one")                               \
    X(HALF_A_BATCH, "the last operation of a batch is lost in the store")                          \
    X(JOURNAL_UNSYNCED, "records of the journal are not synced")                                   \
    X(JOURNAL_UNVERIFIED, "a start takes a torn record of the journal for a whole one")            \
    X(JOURNAL_GAP_TAKEN, "a start goes over a record of the journal that is missing")              \
    X(SEGMENT_REUSED_EARLY, "the journal is written over before LMDB has what it holds")           \
    X(OLDER_DATA_TAKEN, "a journal is taken to LMDB data older than what it relies on")            \
    X(SETTLED_TOO_EARLY, "the store says that lazy tables are durable before LMDB has them")       \
    X(BULK_OUT_OF_TURN, "what goes past the journal does not wait for what is in it")              \
    X(RECORD_SKIPPED, "a start leaves out the first record of the journal")                        \
    X(APPLYING_UNSEEN, "reads do not see what is on its way from the journal to LMDB")             \
    X(ANSWER_UNBOUNDED, "an answer may be longer than what was asked for")                         \
    X(LIARS_UNBLAMED, "a peer that serves badly is asked again at once")                           \
    X(LATE_ANSWERS_BLAMED, "an answer that comes late is held against its sender")                 \
    X(UNREQUESTED_TAKEN, "answers that nobody asked for are decoded")                              \
    X(HELD_UNBOUNDED, "answers that wait may fill the memory")                                     \
    X(SILENCE_ENDURED, "a peer that does not answer is waited for")                                \
    X(STUCK_FOR_GOOD, "who has fetched blocks that do not commit never begins anew")               \
    X(BRANCH_NOT_WALKED, "a branch of which more is known than one answer holds is not followed")  \
    X(SERVED_CHEAPLY, "what a peer is sent is not counted")                                        \
    X(SERVED_OVERSIZE, "an answer takes no limit of bytes")                                        \
    X(SERVED_WITHOUT_TAIL, "an answer has no certificate of its last block")                       \
    X(EPOCH_NOT_HELD, "messages of the epoch that is about to open are dropped")                   \
    X(EVIDENCE_FORGOTTEN, "evidence is not stored")                                                \
    X(EVIDENCE_UNBOUNDED, "evidence against one validator has no end")                             \
    X(UNINDEXED_LOST, "a start does not read the transactions that wait for the index")            \
    /* Of the broadcast protocols; SMALL_QUORUM too. */                                            \
    X(VOTES_ADD_UP, "a member's vote counts as often as it comes")                                 \
    X(DIGEST_IGNORED, "votes for any payload count for this one")                                  \
    X(DELIVER_ON_PREPARES, "a quorum of PREPAREs delivers")                                        \
    X(ONE_COMMIT, "COMMIT on the COMMIT of anybody")                                               \
    X(TWO_PREPARES, "PREPARE for each payload that is shown")                                      \
    X(DELIVERED_TWICE, "a delivered round stays open")                                             \
    X(ANY_ORIGINATOR, "a PRE-PREPARE of somebody else is taken")                                   \
    X(QUOTA_OF_ALL, "the quota of rounds is one for all members together")                         \
    X(JUNK_EVICTS, "a new round takes the place of another that is in flight")                     \
    X(START_RESETS, "a second start begins the round again")                                       \
    X(NOT_SAID_AGAIN, "ticks repeat nothing")                                                      \
    X(ANSWERED_FOR_GOOD, "who has had an answer gets no other")                                    \
    X(MEMORY_TAKEN_FOR_GOOD, "who connects anew is taken to know what it knew")                    \
    X(VETO_ENDS_ROUND, "a veto keeps a member from following the others")                          \
    X(GOSSIP_GOES_BACK, "gossip is forwarded to where it came from too")                           \
    X(GOSSIP_SAID_ONCE, "own gossip is not said again")

#define MUTANT_ENUM(name, text) MUTANT_##name,
enum mutant { MUTANT_NONE, MUTANT_LIST(MUTANT_ENUM) MUTANT_COUNT };
#undef MUTANT_ENUM

/* Defined by the test: tests/mutants/chosen.c. */
extern enum mutant mutant_active;
/* For each mutant, whether its place in the code has run: MUTANT_COUNT bytes. */
extern unsigned char *mutant_reached;

static inline bool mutant_is(enum mutant mutant)
{
    mutant_reached[mutant] = 1;
    return mutant_active == mutant;
}

#define MUTANT(name) mutant_is(MUTANT_##name)
#else
#define MUTANT(name) false
#endif

#endif

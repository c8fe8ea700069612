/*
 * The checkers of the simulator. Goal: each fires on a history that is wrong in its own way, and on
 * none that is right. Method: the history is made up, message by message, by four members of whom
 * some count as honest. checks_cluster_test.c has those for which a cluster must run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/checks.h"
#include "lib/fast_crypto.h"

#define MEMBERS 4
#define ALL 0xFu
#define HONEST 3 /* the others are liars where a test says so */

/* --- A history that is made up. --- */

struct world {
    struct set_app_keys keys;
    struct crypto_secret_key secrets[MEMBERS];
    struct validator_set *set;
    struct block *genesis;
    struct checks *checks;
    struct core_safety disk; /* covers everything */
};

static int set_up(void **state)
{
    static struct world world;
    world = (struct world){.keys.count = MEMBERS};
    struct ingot_validator members[MEMBERS];
    for (uint32_t i = 0; i < MEMBERS; i++) {
        const uint8_t seed[CRYPTO_SEED_BYTES] = {(uint8_t)(i + 1)};
        fast_crypto.key_from_seed(seed, &world.secrets[i], &members[i].key);
        members[i].power = 1;
    }
    const char *why = NULL;
    world.set = validator_set_new(0, members, MEMBERS, &why);
    wire_seal_set(world.set);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        const uint32_t index = validator_set_find(world.set, &members[i].key);
        world.keys.of[index] = members[i].key;
    }
    struct crypto_secret_key secrets[MEMBERS];
    memcpy(secrets, world.secrets, sizeof secrets);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        world.secrets[validator_set_find(world.set, &members[i].key)] = secrets[i];
    }
    const struct ingot_hash chain = {.bytes = {0xC7}};
    world.genesis = wire_genesis_block(&chain, world.set, 1000);
    world.checks = checks_new(world.genesis, world.set, &world.keys, &fast_crypto, 4, 256, NULL);
    world.disk.high_qc = wire_genesis_qc(&world.genesis->hash);
    world.disk.current = (struct position){0, 1000};
    world.disk.last_voted = (struct position){0, 1000};
    *state = &world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    checks_free(world->checks);
    core_safety_deinit(&world->disk);
    block_unref(world->genesis);
    validator_set_unref(world->set);
    return 0;
}

static void make_liars(struct world *world)
{
    for (uint32_t i = 0; i < MEMBERS; i++) {
        world->checks->nodes[i].is_honest = i == HONEST;
    }
}

static void expect(const struct world *world, enum check check)
{
    if (world->checks->violated != check) {
        fail_msg("'%s' was expected, and seen: '%s': %s", check_text(check),
                 check_text(world->checks->violated), world->checks->violation);
    }
}

static struct vote vote_of(struct world *world, uint32_t member, uint64_t view,
                           const struct ingot_hash *block)
{
    struct wire_signer signer = {.scheme = &fast_crypto,
                                 .secret = &world->secrets[member],
                                 .key = world->keys.of[member],
                                 .chain = world->genesis->hash};
    struct vote vote = {.view = view, .block = *block};
    assert_true(wire_sign_vote(&signer, world->set, &vote));
    return vote;
}

/* Signed by these members. */
static struct qc *certify(struct world *world, uint64_t view, const struct ingot_hash *block,
                          uint32_t members)
{
    struct qc *qc = qc_new(MEMBERS);
    qc->signature_count = 0;
    qc->view = view;
    qc->block_view = view;
    qc->block = *block;
    qc->validator_count = MEMBERS;
    for (uint32_t i = 0; i < MEMBERS; i++) {
        if ((members >> i & 1U) != 0) {
            signers_add(&qc->signers, i);
            qc->signatures[qc->signature_count++] = vote_of(world, i, view, block).signature;
        }
    }
    return qc;
}

/* By the view's leader; takes over the justify. `salt` makes it unlike others. */
static struct message *propose(struct world *world, uint64_t view, uint64_t height,
                               struct qc *justify, uint64_t salt)
{
    const uint32_t leader = checks_leader(world->checks, view);
    struct message *message = message_new(MESSAGE_PROPOSE);
    struct block *block = block_new();
    block->version = BLOCK_VERSION;
    block->chain = world->genesis->hash;
    block->parent = justify->block;
    block->height = height;
    block->view = view;
    block->time_ms = 2000 + salt;
    block->justify = justify;
    block->proposer = world->keys.of[leader];
    block->validators_hash = world->set->hash;
    block->next_validators_hash = world->set->hash;
    wire_seal_block(block);
    message->propose.block = block;
    message->propose.vote = vote_of(world, leader, view, &block->hash);
    checks_learn(world->checks, message);
    return message;
}

static struct qc *genesis_qc(const struct world *world)
{
    return wire_genesis_qc(&world->genesis->hash);
}

static void send_vote(struct world *world, uint32_t node, struct vote vote)
{
    struct message *message = message_new(MESSAGE_VOTE);
    message->vote = vote;
    checks_send(world->checks, node, message, &world->disk);
    message_unref(message);
}

/* Three blocks in a row from this view on; returns the first, borrowed from the checkers. */
static struct block *chain_from(struct world *world, uint64_t view)
{
    struct block *first = NULL;
    struct qc *qc = genesis_qc(world);
    for (uint32_t i = 0; i < 3; i++) {
        struct message *message = propose(world, view + i, i + 1, qc, view);
        struct block *block = message->propose.block;
        first = i == 0 ? block : first;
        qc = certify(world, view + i, &block->hash, ALL & ~(1U << HONEST));
        checks_qc(world->checks, HONEST, qc);
        message_unref(message);
    }
    qc_unref(qc);
    return first;
}

static void commit(struct world *world, const struct block *block)
{
    struct execution execution = {.updates_hash = block->updates_hash};
    checks_commit(world->checks, HONEST, block, &execution);
}

/* --- Commits and certificates. --- */

static void two_chains_that_are_both_final_are_a_fork(void **state)
{
    struct world *world = *state;
    make_liars(world);
    commit(world, chain_from(world, 1));
    expect(world, CHECK_NONE);
    commit(world, chain_from(world, 11));
    expect(world, CHECK_COMMITTED_PREFIX);
}

static void a_commit_needs_two_certified_blocks_on_it(void **state)
{
    struct world *world = *state;
    make_liars(world);
    struct message *message = propose(world, 1, 1, genesis_qc(world), 0);
    commit(world, message->propose.block);
    expect(world, CHECK_COMMIT_CHAIN);
    message_unref(message);
}

static void another_result_of_executing_is_another_state(void **state)
{
    struct world *world = *state;
    make_liars(world);
    const struct block *block = chain_from(world, 1);
    struct execution execution = {.updates_hash = {.bytes = {9}}};
    checks_commit(world->checks, HONEST, block, &execution);
    expect(world, CHECK_SAME_STATE);
}

static void two_certificates_of_one_view_are_seen(void **state)
{
    struct world *world = *state;
    make_liars(world);
    for (uint64_t i = 0; i < 2; i++) {
        expect(world, CHECK_NONE);
        struct message *message = propose(world, 1, 1, genesis_qc(world), i);
        struct qc *qc = certify(world, 1, &message->propose.block->hash, 7);
        checks_qc(world->checks, HONEST, qc);
        qc_unref(qc);
        message_unref(message);
    }
    expect(world, CHECK_ONE_CERTIFICATE);
}

static void less_than_a_quorum_is_no_certificate(void **state)
{
    struct world *world = *state;
    make_liars(world);
    struct message *message = propose(world, 1, 1, genesis_qc(world), 0);
    struct qc *qc = certify(world, 1, &message->propose.block->hash, 3);
    checks_qc(world->checks, 0, qc);
    expect(world, CHECK_NONE); /* a liar may show what it likes */
    checks_qc(world->checks, HONEST, qc);
    expect(world, CHECK_REAL_QUORUM);
    qc_unref(qc);
    message_unref(message);
}

/* Of all members, with the genesis QC, whatever they claim to have. */
static struct tc *give_up(struct world *world, uint64_t view, uint64_t claim)
{
    struct tc *tc = tc_new(MEMBERS);
    tc->validator_count = MEMBERS;
    tc->view = view;
    tc->high_qc = genesis_qc(world);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        uint8_t preimage[WIRE_TIMEOUT_PREIMAGE_BYTES];
        signers_add(&tc->signers, i);
        tc->claims[i].view = claim;
        wire_timeout_preimage(&world->genesis->hash, &world->set->hash, view,
                              (struct position){0, claim}, preimage);
        fast_crypto.sign(&world->secrets[i], ingot_slice_of(preimage, sizeof preimage),
                         &tc->claims[i].signature);
    }
    return tc;
}

static void a_tc_below_its_highest_claim_is_seen(void **state)
{
    struct world *world = *state;
    make_liars(world);
    struct tc *tc = give_up(world, 5, 2);
    checks_tc(world->checks, HONEST, tc);
    expect(world, CHECK_TC_CLAIM);
    tc_unref(tc);
}

/* --- Votes. --- */

static void a_second_vote_in_a_view_is_seen(void **state)
{
    struct world *world = *state;
    for (uint64_t i = 0; i < 2; i++) {
        expect(world, CHECK_NONE);
        struct message *message = propose(world, 1, 1, genesis_qc(world), i);
        send_vote(world, HONEST, vote_of(world, HONEST, 1, &message->propose.block->hash));
        message_unref(message);
    }
    expect(world, CHECK_ONE_VOTE);
}

static void a_vote_for_what_was_never_proposed_is_seen(void **state)
{
    struct world *world = *state;
    const struct ingot_hash nothing = {.bytes = {1}};
    send_vote(world, HONEST, vote_of(world, HONEST, 1, &nothing));
    expect(world, CHECK_VOTE_RULE);
}

static void a_vote_for_a_block_that_its_leader_made_wrong_is_seen(void **state)
{
    struct world *world = *state;
    struct message *message = propose(world, 1, 1, genesis_qc(world), 0);
    checks_forbid(world->checks, message->propose.block);
    send_vote(world, HONEST, vote_of(world, HONEST, 1, &message->propose.block->hash));
    expect(world, CHECK_VOTE_RULE);
    message_unref(message);
}

static void a_vote_below_the_lock_is_seen(void **state)
{
    struct world *world = *state;
    make_liars(world);
    struct message *first = propose(world, 1, 1, genesis_qc(world), 0);
    struct qc *one = certify(world, 1, &first->propose.block->hash, ALL);
    struct message *second = propose(world, 2, 2, one, 0);
    struct qc *two = certify(world, 2, &second->propose.block->hash, ALL);
    struct message *third = propose(world, 3, 3, two, 0);
    struct message *rival = propose(world, 5, 1, genesis_qc(world), 7);
    /* A TC without claims lets its leader in. */
    struct tc *tc = give_up(world, 4, 0);
    checks_add_block(world->checks, rival->propose.block, tc);
    send_vote(world, HONEST, vote_of(world, HONEST, 3, &third->propose.block->hash));
    expect(world, CHECK_NONE);
    send_vote(world, HONEST, vote_of(world, HONEST, 5, &rival->propose.block->hash));
    expect(world, CHECK_VOTE_RULE);
    tc_unref(tc);
    message_unref(first);
    message_unref(second);
    message_unref(third);
    message_unref(rival);
}

/* The disk of a leader that has gone on in the same step has the newer TC already. */
static void a_tc_that_came_later_does_not_hide_the_proof_of_an_entry(void **state)
{
    struct world *world = *state;
    make_liars(world);
    struct tc *tcs[] = {give_up(world, 6, 0), give_up(world, 4, 1), give_up(world, 4, 0)};
    struct message *proven = propose(world, 5, 1, genesis_qc(world), 0);
    struct message *unproven = propose(world, 8, 1, genesis_qc(world), 0);
    for (size_t i = 0; i < sizeof tcs / sizeof tcs[0]; i++) {
        checks_add_block(world->checks, proven->propose.block, tcs[i]);
        checks_add_block(world->checks, unproven->propose.block, tcs[i]);
        tc_unref(tcs[i]);
    }
    send_vote(world, HONEST, vote_of(world, HONEST, 5, &proven->propose.block->hash));
    expect(world, CHECK_NONE);
    send_vote(world, HONEST, vote_of(world, HONEST, 8, &unproven->propose.block->hash));
    expect(world, CHECK_VOTE_RULE);
    message_unref(proven);
    message_unref(unproven);
}

static void a_vote_that_the_disk_does_not_cover_is_seen(void **state)
{
    struct world *world = *state;
    struct message *message = propose(world, 1, 1, genesis_qc(world), 0);
    world->disk.last_voted = (struct position){0, 0};
    send_vote(world, HONEST, vote_of(world, HONEST, 1, &message->propose.block->hash));
    expect(world, CHECK_DURABLE_FIRST);
    message_unref(message);
}

static void who_is_no_member_neither_votes_nor_gives_up(void **state)
{
    struct world *world = *state;
    struct message *message = propose(world, 1, 1, genesis_qc(world), 0);
    const struct vote vote = vote_of(world, HONEST, 1, &message->propose.block->hash);
    world->keys.of[HONEST].bytes[0] ^= 1; /* the node has another key than the member */
    send_vote(world, HONEST, vote);
    expect(world, CHECK_MEMBERS);
    message_unref(message);
}

/* --- Evidence. --- */

static struct ingot_evidence evidence_against(struct world *world, uint32_t member)
{
    struct ingot_evidence evidence = {.validator = world->keys.of[member], .view = 3};
    for (uint8_t i = 0; i < 2; i++) {
        evidence.votes[i].block.bytes[0] = i;
        evidence.votes[i].signature = vote_of(world, member, 3, &evidence.votes[i].block).signature;
    }
    return evidence;
}

static void evidence_against_a_liar_is_right_until_it_is_gone(void **state)
{
    struct world *world = *state;
    make_liars(world);
    const struct ingot_evidence evidence = evidence_against(world, 0);
    checks_evidence(world->checks, HONEST, &evidence, 1);
    expect(world, CHECK_NONE);
    checks_evidence(world->checks, HONEST, &evidence, 0);
    expect(world, CHECK_EVIDENCE);
}

static void evidence_against_an_honest_member_is_seen(void **state)
{
    struct world *world = *state;
    const struct ingot_evidence evidence = evidence_against(world, 0);
    checks_evidence(world->checks, HONEST, &evidence, 1);
    expect(world, CHECK_EVIDENCE);
}

static void evidence_that_proves_nothing_is_seen(void **state)
{
    struct world *world = *state;
    make_liars(world);
    struct ingot_evidence evidence = evidence_against(world, 0);
    evidence.votes[1] = evidence.votes[0];
    checks_evidence(world->checks, HONEST, &evidence, 1);
    expect(world, CHECK_EVIDENCE);
}

static void evidence_with_a_signature_that_is_none_is_seen(void **state)
{
    struct world *world = *state;
    make_liars(world);
    struct ingot_evidence evidence = evidence_against(world, 0);
    evidence.votes[1].signature.bytes[3] ^= 1;
    checks_evidence(world->checks, HONEST, &evidence, 1);
    expect(world, CHECK_EVIDENCE);
}

#define WORLD(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD(two_chains_that_are_both_final_are_a_fork),
        WORLD(a_commit_needs_two_certified_blocks_on_it),
        WORLD(another_result_of_executing_is_another_state),
        WORLD(two_certificates_of_one_view_are_seen),
        WORLD(less_than_a_quorum_is_no_certificate),
        WORLD(a_tc_below_its_highest_claim_is_seen),
        WORLD(a_second_vote_in_a_view_is_seen),
        WORLD(a_vote_for_what_was_never_proposed_is_seen),
        WORLD(a_vote_for_a_block_that_its_leader_made_wrong_is_seen),
        WORLD(a_vote_below_the_lock_is_seen),
        WORLD(a_tc_that_came_later_does_not_hide_the_proof_of_an_entry),
        WORLD(a_vote_that_the_disk_does_not_cover_is_seen),
        WORLD(who_is_no_member_neither_votes_nor_gives_up),
        WORLD(evidence_against_a_liar_is_right_until_it_is_gone),
        WORLD(evidence_against_an_honest_member_is_seen),
        WORLD(evidence_that_proves_nothing_is_seen),
        WORLD(evidence_with_a_signature_that_is_none_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * `ingot verify` from the outside. Goal: it finds what a quorum signed and says who; each variant
 * of the files that was tampered with is refused with the reason, by an exit status for scripts.
 * Method: files of a chain with three changes of its validators, made with real keys, one thing
 * changed in each row: in the values, and signed again where a forger could, or in the text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/attest_world.h"
#include "lib/storage_test.h"

#define EPOCHS 3
#define DOCUMENT "release 1.0\n"

static struct attest_world world;
static struct attest_world other; /* another chain of the same shape, with other keys */
static char folder[64];
static char output[8192];

/* The files of one run, before they are written. */
struct bundle {
    const char *document;
    struct attestation attestation;
    struct set_proof proof;
    struct ingot_buffer text; /* of the attestation's file */
    const struct genesis *genesis;
};

static int set_up(void **state)
{
    (void)state;
    if (!crypto_init())
        return -1;
    attest_world_init(&world, "chain", 4, EPOCHS);
    attest_world_init(&other, "other", 4, EPOCHS);
    storage_test_folder(folder, sizeof folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    storage_test_remove(folder);
    attest_world_deinit(&world);
    attest_world_deinit(&other);
    return 0;
}

static struct bundle bundle_new(uint64_t epoch)
{
    struct bundle bundle = {.document = DOCUMENT, .genesis = &world.genesis};
    attest_world_attest(&world, epoch, text(DOCUMENT), ATTEST_WORLD_ALL, &bundle.attestation);
    for (uint64_t at = 0; at < epoch; at++)
        set_proof_add(&bundle.proof,
                      attest_world_change(&world, at, world.sets[at + 1], ATTEST_WORLD_ALL));
    return bundle;
}

static void bundle_format(struct bundle *bundle)
{
    ingot_buffer_clear(&bundle->text);
    attestation_file_format(&bundle->attestation, &bundle->proof, &bundle->text);
}

static void bundle_deinit(struct bundle *bundle)
{
    attestation_deinit(&bundle->attestation);
    set_proof_deinit(&bundle->proof);
    ingot_buffer_deinit(&bundle->text);
}

static void write_file(const char *name, struct ingot_slice content)
{
    char path[96];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(content.data, 1, content.size, file), content.size);
    assert_int_equal(fclose(file), 0);
}

static void bundle_write(const struct bundle *bundle)
{
    struct ingot_buffer genesis = {0};
    genesis_format(bundle->genesis, &genesis);
    write_file("document", text(bundle->document));
    write_file("document.attestation", ingot_buffer_slice(&bundle->text));
    write_file("genesis.json", ingot_buffer_slice(&genesis));
    ingot_buffer_deinit(&genesis);
}

/* Runs the program in the folder; both of its streams are the output. Returns the exit status. */
static int run(const char *arguments)
{
    char command[512];
    const char *program = getenv("INGOT_PROGRAM");
    (void)snprintf(command, sizeof command, "cd %s && exec 2>&1; '%s' verify %s", folder,
                   program != NULL ? program : INGOT_TEST_BUILD_DIR "/ingot", arguments);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    const size_t size = fread(output, 1, sizeof output - 1, pipe);
    output[size] = '\0';
    const int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define FILES "document document.attestation --genesis genesis.json"

static void assert_run(const char *arguments, int expected_status, const char *expected_text)
{
    const int status = run(arguments);
    if (status != expected_status || strstr(output, expected_text) == NULL)
        fail_msg("ingot verify %s\nexpected status %d and '%s', found %d and:\n%s", arguments,
                 expected_status, expected_text, status, output);
}

/* --- What holds. --- */

static void a_quorum_that_signed_is_named(void **state)
{
    (void)state;
    struct bundle bundle = bundle_new(0);
    bundle_format(&bundle);
    bundle_write(&bundle);
    assert_run(FILES, 0,
               "verified: 4 of 4 validators signed document, with power 10 of 10 where 7 is a "
               "quorum\n");
    static const char *const lines[] = {
        "\nchain     chain\n", "\nheight    12\n", "\ntime      2026-01-02T03:05:06.789Z\n",
        "\nepoch     0\n",     " power 1 node0\n", " power 4 node3\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (strstr(output, lines[i]) == NULL)
            fail_msg("no '%s' in:\n%s", lines[i], output);
    assert_run("--quiet " FILES, 0, "");
    assert_string_equal(output, "");
    assert_run("- document.attestation --genesis genesis.json <document", 0, "standard input");
    bundle_deinit(&bundle);
}

static void a_later_set_follows_from_the_genesis(void **state)
{
    (void)state;
    struct bundle bundle = bundle_new(EPOCHS);
    struct ingot_buffer proof = {0};
    bundle_format(&bundle);
    bundle_write(&bundle);
    assert_run(FILES, 0, "\nepoch     3\n");
    assert_non_null(strstr(output, " power 4 node3\n"));
    assert_non_null(strstr(output, " power 7\n")); /* joined later: the genesis has no name */
    set_proof_format(&world.proof, world.genesis.sha256, &proof);
    write_file("proof.json", ingot_buffer_slice(&proof));
    assert_run(FILES " --validator-sets proof.json", 0, "verified: ");
    /* Without the changes inside, those outside do; without any, none does. */
    set_proof_deinit(&bundle.proof);
    bundle_format(&bundle);
    bundle_write(&bundle);
    assert_run(FILES " --validator-sets proof.json", 0, "verified: ");
    assert_run(FILES, 1,
               "end before epoch 3: that of epoch 0 is missing; 'ingot validator proof' writes");
    ingot_buffer_deinit(&proof);
    bundle_deinit(&bundle);
}

static void a_payload_may_travel_along(void **state)
{
    (void)state;
    struct bundle bundle = bundle_new(0);
    bundle.attestation.has_payload = true;
    ingot_buffer_append_slice(&bundle.attestation.payload, text(DOCUMENT));
    bundle_format(&bundle);
    bundle_write(&bundle);
    assert_run(FILES, 0, "verified: ");
    bundle_deinit(&bundle);
}

/* --- What does not. --- */

static void sign_again(struct bundle *bundle)
{
    struct attestation *attestation = &bundle->attestation;
    for (uint32_t i = 0; i < attestation->signer_count; i++)
        attestation->signers[i] = attest_world_sign(
            &world, attest_world_number(&world, attestation->epoch, i), &attestation->statement);
}

static void flip_file(struct bundle *bundle)
{
    bundle->document = "release 1.1\n";
}

static void cut_file(struct bundle *bundle)
{
    bundle->document = "release 1.0";
}

static void change_digest(struct bundle *bundle)
{
    bundle->attestation.statement.digest[0] ^= 1;
}

static void change_id(struct bundle *bundle)
{
    bundle->attestation.statement.id.bytes[31] ^= 1;
}

static void change_height(struct bundle *bundle)
{
    bundle->attestation.statement.height++;
}

static void change_time(struct bundle *bundle)
{
    bundle->attestation.statement.time_ms -= 1000;
}

static void change_genesis(struct bundle *bundle)
{
    bundle->attestation.statement.genesis[0] ^= 1;
}

static void change_chain_id(struct bundle *bundle)
{
    (void)snprintf(bundle->attestation.chain_id, sizeof bundle->attestation.chain_id, "chain2");
}

static void change_set(struct bundle *bundle)
{
    bundle->attestation.statement.set[31] ^= 1;
}

static void lower_epoch(struct bundle *bundle)
{
    bundle->attestation.epoch--;
}

static void raise_epoch(struct bundle *bundle)
{
    bundle->attestation.epoch++;
}

static void flip_signature(struct bundle *bundle)
{
    bundle->attestation.signers[0].signature.bytes[0] ^= 1;
}

static void flip_surplus_signature(struct bundle *bundle)
{
    bundle->attestation.signers[3].signature.bytes[63] ^= 1;
}

static void change_key(struct bundle *bundle)
{
    bundle->attestation.signers[0].key = bundle->attestation.signers[1].key;
    bundle->attestation.signers[0].power = bundle->attestation.signers[1].power;
}

static void raise_power(struct bundle *bundle)
{
    bundle->attestation.signers[0].power += 100;
}

static void sign_twice(struct bundle *bundle)
{
    bundle->attestation.signers[3] = bundle->attestation.signers[0];
}

/* The heaviest one alone has no quorum, and neither have the two lightest. */
static void too_few(struct bundle *bundle)
{
    struct attestation *attestation = &bundle->attestation;
    for (uint32_t i = 0; i < attestation->signer_count; i++)
        if (attestation->signers[i].power == attestation->epoch + 4)
            attestation->signers[0] = attestation->signers[i];
    attestation->signer_count = 1;
}

static void add_foreign_signer(struct bundle *bundle)
{
    bundle->attestation.signers[0] = attest_world_sign(&other, 0, &bundle->attestation.statement);
}

/* One that was a validator once is none any more. */
static void add_former_signer(struct bundle *bundle)
{
    bundle->attestation.signers[0] = attest_world_sign(&world, 0, &bundle->attestation.statement);
}

static void sign_another_statement(struct bundle *bundle)
{
    struct statement statement = bundle->attestation.statement;
    statement.height++;
    bundle->attestation.signers[1] = attest_world_sign(
        &world, attest_world_number(&world, bundle->attestation.epoch, 1), &statement);
}

static void reorder_signers(struct bundle *bundle)
{
    const struct attestation_signer last = bundle->attestation.signers[3];
    bundle->attestation.signers[3] = bundle->attestation.signers[2];
    bundle->attestation.signers[2] = last;
}

static void give_other_genesis(struct bundle *bundle)
{
    bundle->genesis = &other.genesis;
}

static void attach_other_payload(struct bundle *bundle)
{
    bundle->attestation.has_payload = true;
    ingot_buffer_append_slice(&bundle->attestation.payload, text("release 1.1\n"));
}

/* Signed by the validators of the present, as if they had been those of the set before. */
static void sign_as_another_set(struct bundle *bundle)
{
    bundle->attestation.epoch--;
    statement_set_hash(world.sets[bundle->attestation.epoch], bundle->attestation.statement.set);
    const struct statement *statement = &bundle->attestation.statement;
    for (uint32_t i = 0; i < 4; i++)
        bundle->attestation.signers[i] =
            attest_world_sign(&world, attest_world_number(&world, EPOCHS, i), statement);
}

static void forget_last_change(struct bundle *bundle)
{
    set_change_deinit(&bundle->proof.changes[--bundle->proof.change_count]);
}

static void forget_first_change(struct bundle *bundle)
{
    struct set_proof proof = {0};
    set_change_deinit(&bundle->proof.changes[0]);
    for (uint32_t i = 1; i < bundle->proof.change_count; i++)
        set_proof_add(&proof, bundle->proof.changes[i]);
    bundle->proof.change_count = 0;
    set_proof_deinit(&bundle->proof);
    bundle->proof = proof;
}

static void give_change(struct bundle *bundle, struct set_change change)
{
    set_change_deinit(&bundle->proof.changes[1]);
    bundle->proof.changes[1] = change;
}

static void give_change_of_other_chain(struct bundle *bundle)
{
    give_change(bundle, attest_world_change(&other, 1, other.sets[2], ATTEST_WORLD_ALL));
}

static void give_change_without_quorum(struct bundle *bundle)
{
    give_change(bundle, attest_world_change(&world, 1, world.sets[2], 0x3));
}

static void give_wrong_certificate(struct bundle *bundle)
{
    qc_unref(bundle->proof.changes[1].commit_qc);
    bundle->proof.changes[1].commit_qc = qc_ref(bundle->proof.changes[2].commit_qc);
}

static void flip_certificate(struct bundle *bundle)
{
    bundle->proof.changes[1].commit_qc->signatures[2].bytes[40] ^= 1;
}

static void give_wrong_next_set(struct bundle *bundle)
{
    validator_set_unref(bundle->proof.changes[1].next_set);
    bundle->proof.changes[1].next_set = attest_world_set(&world, 2, 7, 4);
    bundle->proof.changes[1].next_set->first_view = bundle->proof.changes[2].header->view - 1;
}

static void change_header(struct bundle *bundle)
{
    bundle->proof.changes[1].header->time_ms++;
}

/* The forger's own set, voted in by the forger's own keys. */
static void forge_all_changes(struct bundle *bundle)
{
    set_proof_deinit(&bundle->proof);
    for (uint64_t at = 0; at < EPOCHS; at++) {
        struct set_change change =
            attest_world_change(&other, at, other.sets[at + 1], ATTEST_WORLD_ALL);
        change.header->chain = world.genesis.hash;
        set_proof_add(&bundle->proof, change);
    }
    statement_set_hash(other.sets[EPOCHS], bundle->attestation.statement.set);
    for (uint32_t i = 0; i < 4; i++)
        bundle->attestation.signers[i] = attest_world_sign(
            &other, attest_world_number(&other, EPOCHS, i), &bundle->attestation.statement);
}

/* In the text. */

static void edit(struct bundle *bundle, const char *old, const char *new)
{
    struct ingot_buffer edited = {0};
    ingot_buffer_append_u8(&bundle->text, 0);
    const char *begin = (const char *)bundle->text.data;
    const char *at = strstr(begin, old);
    assert_non_null(at);
    ingot_buffer_append(&edited, begin, (size_t)(at - begin));
    ingot_buffer_append_slice(&edited, text(new));
    ingot_buffer_append_slice(&edited, text(at + strlen(old)));
    ingot_buffer_deinit(&bundle->text);
    bundle->text = edited;
}

static void cut_text(struct bundle *bundle)
{
    bundle->text.size /= 2;
}

static void add_member(struct bundle *bundle)
{
    edit(bundle, "\"height\"", "\"note\":\"approved\",\"height\"");
}

static void repeat_member(struct bundle *bundle)
{
    edit(bundle, "\"height\"", "\"height\":\"99\",\"height\"");
}

static void drop_member(struct bundle *bundle)
{
    edit(bundle, "\"height\":\"12\",", "");
}

static void another_type(struct bundle *bundle)
{
    edit(bundle, "ingot/attestation/1", "ingot/attestation/2");
}

static void two_attestations(struct bundle *bundle)
{
    edit(bundle, "]}\n", "]}\n{}\n");
}

struct row {
    const char *label;
    uint64_t epoch;
    void (*spoil)(struct bundle *bundle);
    bool in_text; /* of the file, which is written before */
    bool again;   /* and all validators of the set sign what has become of it */
    const char *reason;
};

static const struct row rows[] = {
    {"a byte of the file", 0, flip_file, false, false, "document: it is not what was signed"},
    {"a byte less of the file", 0, cut_file, false, false, "document: it is not what was signed"},
    {"digest", 0, change_digest, false, false, "is not one of this statement"},
    {"digest of another file", 0, change_digest, false, true, "document: it is not what was"},
    {"id", 0, change_id, false, false, "is not one of this statement"},
    {"height", 0, change_height, false, false, "is not one of this statement"},
    {"time", 0, change_time, false, false, "is not one of this statement"},
    {"genesis", 0, change_genesis, false, false, "it is of another chain: its genesis is"},
    {"genesis, signed", 0, change_genesis, false, true, "it is of another chain: its genesis is"},
    {"chain's id", 0, change_chain_id, false, false, "it says that it is of chain chain2"},
    {"set", 0, change_set, false, false, "it names the validator set"},
    {"set, signed", 0, change_set, false, true, "it names the validator set"},
    {"an epoch less", EPOCHS, lower_epoch, false, false, "it names the validator set"},
    {"an epoch more", EPOCHS, raise_epoch, false, false, "before epoch 4: that of epoch 3"},
    {"signature", 0, flip_signature, false, false, "is not one of this statement"},
    {"a surplus signature", 0, flip_surplus_signature, false, false, "is not one of this"},
    {"key", 0, change_key, false, false, "is there twice"},
    {"power", 0, raise_power, false, false, " in the set, not "},
    {"a signer twice", 0, sign_twice, false, false, "is there twice"},
    {"too few signers", 0, too_few, false, false, "power 4 of 10, a quorum is 7"},
    {"too few signers later", EPOCHS, too_few, false, false, "power 7 of 22, a quorum is 15"},
    {"a foreign signer", 0, add_foreign_signer, false, false, "is no validator of epoch 0"},
    {"a former signer", EPOCHS, add_former_signer, false, false, "is no validator of epoch 3"},
    {"signature of another statement", 0, sign_another_statement, false, false,
     "is not one of this statement"},
    {"order of the signers", 0, reorder_signers, false, false, "is out of place"},
    {"another chain's genesis", 0, give_other_genesis, false, false, "it is of another chain"},
    {"another chain's genesis later", EPOCHS, give_other_genesis, false, false,
     "it is of another chain"},
    {"payload", 0, attach_other_payload, false, false, "its payload is not what was signed"},
    {"validators of another epoch", EPOCHS, sign_as_another_set, false, false,
     "is no validator of epoch 2"},
    {"the last change is missing", EPOCHS, forget_last_change, false, false,
     "end before epoch 3: that of epoch 2 is missing"},
    {"the first change is missing", EPOCHS, forget_first_change, false, false,
     "begin with that of epoch 1: that of epoch 0 is missing"},
    {"a change of another chain", EPOCHS, give_change_of_other_chain, false, false,
     "of epoch 1: its block is of another chain"},
    {"a change without a quorum", EPOCHS, give_change_without_quorum, false, false,
     "of epoch 1: its certificate is not signed by a quorum"},
    {"a change's certificate", EPOCHS, give_wrong_certificate, false, false,
     "of epoch 1: its certificate is of another block or phase"},
    {"a change's signature", EPOCHS, flip_certificate, false, false,
     "of epoch 1: its certificate has a signature that does not verify"},
    {"a change's next set", EPOCHS, give_wrong_next_set, false, false,
     "of epoch 1: its next validator set is not the one that was voted in"},
    {"a change's block", EPOCHS, change_header, false, false,
     "of epoch 1: its certificate is of another block or phase"},
    {"all changes forged", EPOCHS, forge_all_changes, false, false,
     "of epoch 0: its block is not of the validator set"},
    {"text cut off", 0, cut_text, true, false, "document.attestation: expected valid JSON"},
    {"unknown member", 0, add_member, true, false, "note: unknown member"},
    {"a member twice", 0, repeat_member, true, false, "duplicate object key"},
    {"a member less", 0, drop_member, true, false, "height: missing"},
    {"another type", 0, another_type, true, false, "type: expected \"ingot/attestation/1\""},
    {"two attestations", 0, two_attestations, true, false, "expected valid JSON"},
};

static void each_tampered_variant_is_refused_with_its_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bundle bundle = bundle_new(rows[i].epoch);
        bundle_format(&bundle);
        rows[i].spoil(&bundle);
        if (rows[i].again)
            sign_again(&bundle);
        if (!rows[i].in_text)
            bundle_format(&bundle);
        bundle_write(&bundle);
        const int status = run(FILES);
        if (status != 1 || strncmp(output, "ingot: refused: document", 24) != 0 ||
            strstr(output, rows[i].reason) == NULL)
            fail_msg("%s: expected status 1 and '%s', found %d and:\n%s", rows[i].label,
                     rows[i].reason, status, output);
        /* One sentence. */
        assert_ptr_equal(strchr(output, '\n') + 1, output + strlen(output));
        bundle_deinit(&bundle);
    }
}

static void a_proof_that_is_given_takes_the_place_of_what_travels_along(void **state)
{
    (void)state;
    struct bundle bundle = bundle_new(EPOCHS);
    struct ingot_buffer proof = {0};
    bundle_format(&bundle);
    bundle_write(&bundle);
    set_proof_format(&other.proof, world.genesis.sha256, &proof);
    write_file("proof.json", ingot_buffer_slice(&proof));
    assert_run(FILES " --validator-sets proof.json", 1, "of epoch 0: its block is of another");
    ingot_buffer_clear(&proof);
    set_proof_format(&other.proof, other.genesis.sha256, &proof);
    write_file("proof.json", ingot_buffer_slice(&proof));
    assert_run(FILES " --validator-sets proof.json", 1,
               "refused: proof.json: genesis: it is of another chain");
    write_file("proof.json", text("{}"));
    assert_run(FILES " --validator-sets proof.json", 1, "refused: proof.json: type: missing");
    ingot_buffer_deinit(&proof);
    bundle_deinit(&bundle);
}

static void files_that_cannot_be_read_are_no_refusal(void **state)
{
    (void)state;
    struct bundle bundle = bundle_new(0);
    bundle_format(&bundle);
    bundle_write(&bundle);
    assert_run("", 2, "expected a file and its attestation");
    assert_run("document", 2, "expected a file and its attestation");
    assert_run("a b c --genesis genesis.json", 2, "unexpected argument 'c'");
    assert_run("document document.attestation", 2, "--genesis is missing");
    assert_run("none document.attestation --genesis genesis.json", 2, "none: cannot be read");
    assert_run(". document.attestation --genesis genesis.json", 2, ".: cannot be read");
    assert_run("document none --genesis genesis.json", 2, "none: cannot be read");
    assert_run("document document.attestation --genesis none", 2, "none: cannot be read");
    assert_run("document document.attestation --genesis document", 2, "expected valid JSON");
    assert_run(FILES " --validator-sets none", 2, "none: cannot be read");
    bundle_deinit(&bundle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quorum_that_signed_is_named),
        cmocka_unit_test(a_later_set_follows_from_the_genesis),
        cmocka_unit_test(a_payload_may_travel_along),
        cmocka_unit_test(each_tampered_variant_is_refused_with_its_reason),
        cmocka_unit_test(a_proof_that_is_given_takes_the_place_of_what_travels_along),
        cmocka_unit_test(files_that_cannot_be_read_are_no_refusal),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/*
 * Checkpoints out of one ledger and into another: what arrives, and what is refused. Files are
 * spoiled byte by byte, where their checksum finds it, and record by record with a checksum that is
 * right again, where only what the records prove can tell.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "lib/checkpoint_chain.h"
#include "lib/fast_crypto.h"
#include "lib/storage_test.h"
#include "node/ledger_internal.h"
#include "node/ledger_watermark.h"
#include "storage/memory.h"
#include "wire/wire.h"

#define HEIGHT 12

struct scene {
    struct checkpoint_chain chain;
    struct ingot_buffer file;
    struct checkpoint_info info;
    struct ingot_store *store; /* that is imported into */
    struct ledger *ledger;     /* of it */
    char why[256];
};

/* A chain of `height` blocks, of which those in `changes` (bit h: height h) change the set. */
static struct scene *scene_new(uint64_t height, unsigned changes, uint64_t retain_blocks)
{
    struct scene *scene = test_calloc(1, sizeof *scene);
    checkpoint_chain_init(&scene->chain, retain_blocks);
    for (uint64_t h = 1; h <= height; h++)
        checkpoint_chain_commit(&scene->chain, (changes >> h & 1) != 0);
    checkpoint_chain_finish(&scene->chain);
    checkpoint_chain_export(&scene->chain, &scene->file, &scene->info);
    scene->store = ingot_store_memory_new(ledger_table_count);
    return scene;
}

static void scene_free(struct scene *scene)
{
    ledger_free(scene->ledger);
    ingot_store_close(scene->store);
    ingot_buffer_deinit(&scene->file);
    checkpoint_chain_deinit(&scene->chain);
    test_free(scene);
}

static enum ingot_error import_bytes(struct scene *scene, struct ingot_slice file,
                                     const struct ingot_hash *expected,
                                     struct checkpoint_info *info)
{
    ingot_store_close(scene->store);
    scene->store = ingot_store_memory_new(ledger_table_count);
    ingot_store_memory_set_lazy(scene->store, ledger_lazy_tables);
    return checkpoint_chain_import(&scene->chain, file, scene->store, expected, info, scene->why,
                                   sizeof scene->why);
}

static enum ingot_error open_imported(struct scene *scene, bool read_only)
{
    const struct ledger_options options = {.genesis = scene->chain.world->genesis,
                                           .genesis_set = scene->chain.world->samples.set,
                                           .read_only = read_only};
    return ledger_open(scene->store, &options, &scene->ledger, scene->why, sizeof scene->why);
}

/* What a power failure right after the import leaves, of which nobody could make the state again.
 */
static void keep_durable(struct scene *scene)
{
    struct ingot_store *durable = ingot_store_memory_clone_durable(scene->store);
    ingot_store_close(scene->store);
    scene->store = durable;
}

static void import_and_open(struct scene *scene, bool read_only)
{
    struct checkpoint_info info;
    if (import_bytes(scene, ingot_buffer_slice(&scene->file), &scene->info.hash, &info) != INGOT_OK)
        fail_msg("%s", scene->why);
    keep_durable(scene);
    if (open_imported(scene, read_only) != INGOT_OK)
        fail_msg("%s", scene->why);
    assert_memory_equal(&info, &scene->info, sizeof info);
}

/* Nothing but an error, with a sentence, and a store that no node starts on. */
static void assert_refused(struct scene *scene, struct ingot_slice file, enum ingot_error expected,
                           const char *sentence)
{
    struct checkpoint_info info;
    assert_int_equal(import_bytes(scene, file, NULL, &info), expected);
    if (strstr(scene->why, sentence) == NULL)
        fail_msg("'%s' does not say '%s'", scene->why, sentence);
    assert_int_not_equal(open_imported(scene, true), INGOT_OK);
}

/* --- What arrives. --- */

static void assert_has(struct ledger *ledger, const char *key, const char *expected)
{
    struct ingot_slice value;
    const enum ingot_error error = ledger_state_get(ledger, text(key), &value);
    assert_int_equal(error, expected == NULL ? INGOT_ERROR_NOT_FOUND : INGOT_OK);
    if (expected != NULL)
        assert_true(ingot_slice_equal(value, text(expected)));
}

static void the_state_of_the_last_committed_block_arrives(void **state)
{
    (void)state;
    struct scene *scene = scene_new(HEIGHT, 0, 0);
    /* The exporter has not applied all of it: what it has not is there all the same. */
    assert_true(ledger_applied_height(scene->chain.world->ledger) < HEIGHT);
    import_and_open(scene, false);
    assert_int_equal(scene->info.keys, 4);
    assert_int_equal(ledger_applied_height(scene->ledger), HEIGHT);
    assert_has(scene->ledger, "shared", "12");
    assert_has(scene->ledger, "h09", NULL);
    assert_has(scene->ledger, "h10", "10");
    assert_has(scene->ledger, "h12", "12");
    assert_has(scene->ledger, "h13", NULL); /* of a block that is not committed */
    scene_free(scene);
}

static void assert_starts_a_core(struct scene *scene)
{
    struct ledger_start start;
    assert_int_equal(ledger_load(scene->ledger, &start, scene->why, sizeof scene->why), INGOT_OK);
    assert_int_equal(start.uncommitted_count, 0);
    assert_int_equal(start.unapplied_count, 0);
    assert_int_equal(start.set_count, scene->chain.epoch_count);
    assert_int_equal(start.safety.last_voted.view, 0);
    assert_false(start.safety.has_vote);
    const struct core_config config = {
        .genesis = scene->chain.world->genesis, .leader_tenure = 4, .base_timeout_ms = 1};
    const struct core_restored restored = {.safety = &start.safety,
                                           .last_committed = start.last_committed.block,
                                           .sets = start.sets,
                                           .set_count = start.set_count};
    const char *why = NULL;
    struct core *core = core_new(&config, &restored, &why);
    if (core == NULL)
        fail_msg("%s", why);
    core_free(core);
    ledger_start_deinit(&start);
}

static void the_chain_goes_on_from_the_checkpoint_without_history(void **state)
{
    (void)state;
    struct scene *scene = scene_new(HEIGHT, 0, 0);
    import_and_open(scene, false);
    assert_int_equal(ledger_committed_height(scene->ledger), HEIGHT);
    assert_int_equal(ledger_lowest_height(scene->ledger), HEIGHT - CHECKPOINT_CHAIN_WINDOW);
    for (uint64_t height = 1; height <= HEIGHT; height++) {
        struct ledger_entry entry;
        const enum ingot_error error = ledger_read_block(scene->ledger, height, &entry);
        assert_int_equal(error, height < HEIGHT - CHECKPOINT_CHAIN_WINDOW ? INGOT_ERROR_NOT_FOUND
                                                                          : INGOT_OK);
        ledger_entry_deinit(&entry);
    }
    assert_starts_a_core(scene);
    scene_free(scene);
}

static void a_chain_shorter_than_the_replay_window_arrives_whole(void **state)
{
    (void)state;
    struct scene *scene = scene_new(3, 0, 0);
    import_and_open(scene, false);
    assert_int_equal(ledger_lowest_height(scene->ledger), 0);
    struct ledger_entry entry;
    assert_int_equal(ledger_read_block(scene->ledger, 0, &entry), INGOT_OK);
    ledger_entry_deinit(&entry);
    assert_starts_a_core(scene);
    scene_free(scene);
}

static void what_was_imported_may_not_sign(void **state)
{
    (void)state;
    struct scene *scene = scene_new(HEIGHT, 0, 0);
    import_and_open(scene, false);
    struct ledger_withheld withheld;
    assert_int_equal(ledger_read_withheld(scene->ledger, &withheld, scene->why, sizeof scene->why),
                     INGOT_OK);
    assert_true(withheld.is_withheld);
    assert_false(withheld.has_mark);
    scene_free(scene);
}

static enum ingot_error append(void *context, struct ingot_slice bytes)
{
    ingot_buffer_append_slice(context, bytes);
    return INGOT_OK;
}

/* So nothing that a checkpoint needs is lost on the way, its proofs included. */
static void an_import_exports_the_same_checkpoint(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        uint64_t height;
        unsigned changes;
        uint64_t retain_blocks;
    } rows[] = {
        {"one set", HEIGHT, 0, 0},
        {"a change long ago", HEIGHT, 1 << 2, 0},
        {"a change at the first block of the window", HEIGHT, 1 << (HEIGHT - 4), 0},
        {"a change just below the window", HEIGHT, 1 << (HEIGHT - 5), 0},
        {"the last block changes the set", HEIGHT, 1 << HEIGHT, 0},
        {"two changes in a row", HEIGHT, 3 << 5, 0},
        {"the first block changes the set", HEIGHT, 1 << 1, 0},
        {"three changes, pruned", HEIGHT, 1 << 2 | 1 << 6 | 1 << 11, 5},
        {"changes in a row, pruned", HEIGHT, 7 << 2, 5},
        {"shorter than the window", 2, 1 << 1, 0},
        {"a single block", 1, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene *scene = scene_new(rows[i].height, rows[i].changes, rows[i].retain_blocks);
        import_and_open(scene, true);
        assert_starts_a_core(scene);
        struct ingot_buffer again = {0};
        struct checkpoint_info info;
        const struct checkpoint_sink sink = {.write = append, .context = &again};
        if (checkpoint_export(scene->ledger, CHECKPOINT_CHAIN_WINDOW, sink, &info, scene->why,
                              sizeof scene->why) != INGOT_OK ||
            !ingot_slice_equal(ingot_buffer_slice(&again), ingot_buffer_slice(&scene->file)))
            fail_msg("%s: %s", rows[i].why, scene->why);
        ingot_buffer_deinit(&again);
        scene_free(scene);
    }
}

static void nothing_committed_is_nothing_to_export(void **state)
{
    (void)state;
    struct checkpoint_chain chain;
    checkpoint_chain_init(&chain, 0);
    struct checkpoint_info info;
    struct ingot_buffer file = {0};
    char why[256];
    const struct checkpoint_sink sink = {.write = append, .context = &file};
    assert_int_equal(checkpoint_export(chain.world->ledger, CHECKPOINT_CHAIN_WINDOW, sink, &info,
                                       why, sizeof why),
                     INGOT_ERROR_NOT_FOUND);
    ingot_buffer_deinit(&file);
    checkpoint_chain_deinit(&chain);
}

/* --- What is refused. --- */

static void every_damaged_byte_is_found(void **state)
{
    (void)state;
    struct scene *scene = scene_new(6, 1 << 3, 0);
    for (size_t i = 0; i < scene->file.size; i++) {
        scene->file.data[i] ^= (uint8_t)(1 << (i % 8));
        struct checkpoint_info info;
        const enum ingot_error error =
            import_bytes(scene, ingot_buffer_slice(&scene->file), NULL, &info);
        if (error == INGOT_OK || scene->why[0] == '\0' || open_imported(scene, true) == INGOT_OK)
            fail_msg("byte %zu of %zu: %s", i, scene->file.size, scene->why);
        scene->file.data[i] ^= (uint8_t)(1 << (i % 8));
    }
    scene_free(scene);
}

static void every_cut_is_found(void **state)
{
    (void)state;
    struct scene *scene = scene_new(6, 1 << 3, 0);
    for (size_t size = 0; size < scene->file.size; size += size < 400 ? 1 : 13)
        assert_refused(scene, ingot_slice_of(scene->file.data, size), INGOT_ERROR_CORRUPT,
                       "was cut");
    ingot_buffer_append_u8(&scene->file, 0);
    assert_refused(scene, ingot_buffer_slice(&scene->file), INGOT_ERROR_CORRUPT,
                   "something follows the end");
    scene_free(scene);
}

static void another_version_chain_or_hash_is_refused(void **state)
{
    (void)state;
    struct scene *scene = scene_new(6, 0, 0);
    struct checkpoint_info info;
    struct ingot_hash other = scene->info.hash;
    other.bytes[0] ^= 1;
    assert_int_equal(import_bytes(scene, ingot_buffer_slice(&scene->file), &other, &info),
                     INGOT_ERROR_INVALID);
    assert_non_null(strstr(scene->why, "another checkpoint"));
    assert_int_not_equal(open_imported(scene, true), INGOT_OK);
    scene->file.data[20] ^= 1;
    assert_refused(scene, ingot_buffer_slice(&scene->file), INGOT_ERROR_INVALID, "another chain");
    scene->file.data[16] = 2;
    assert_refused(scene, ingot_buffer_slice(&scene->file), INGOT_ERROR_VERSION, "version 2");
    scene_free(scene);
}

static void a_checkpoint_without_the_whole_replay_window_is_refused(void **state)
{
    (void)state;
    struct scene *scene = scene_new(HEIGHT, 0, 0);
    struct ingot_buffer file = {0};
    const struct checkpoint_sink sink = {.write = append, .context = &file};
    assert_int_equal(checkpoint_export(scene->chain.world->ledger, CHECKPOINT_CHAIN_WINDOW - 1,
                                       sink, &scene->info, scene->why, sizeof scene->why),
                     INGOT_OK);
    assert_refused(scene, ingot_buffer_slice(&file), INGOT_ERROR_CORRUPT, "replay window");
    ingot_buffer_deinit(&file);
    scene_free(scene);
}

/* What becomes of a record, when a file is copied with a right checksum. */
enum act { KEEP, DROP, TWICE, SPOIL };
typedef enum act rewriter(enum checkpoint_kind kind, uint32_t number, struct ingot_buffer *content);

static enum ingot_error give(void *context, uint8_t *bytes, size_t size, size_t *got)
{
    struct ingot_slice *rest = context;
    *got = size < rest->size ? size : rest->size;
    memcpy(bytes, rest->data, *got);
    rest->data += *got;
    rest->size -= *got;
    return INGOT_OK;
}

/* `number` counts the records of each kind from 0. */
static void rewrite(const struct scene *scene, rewriter *change, struct ingot_buffer *result)
{
    struct ingot_slice rest = ingot_buffer_slice(&scene->file);
    struct checkpoint_reader reader = {.source = {.read = give, .context = &rest}};
    struct checkpoint_writer writer = {.sink = {.write = append, .context = result}};
    struct checkpoint_header header;
    char why[256];
    uint32_t numbers[CHECKPOINT_END + 1] = {0};
    assert_int_equal(checkpoint_read_header(&reader, &header, why, sizeof why), INGOT_OK);
    checkpoint_write_header(&writer, &header);
    enum checkpoint_kind kind = CHECKPOINT_PROOF;
    struct ingot_slice content;
    for (;;) {
        assert_int_equal(checkpoint_read(&reader, &kind, &content, why, sizeof why), INGOT_OK);
        if (kind == CHECKPOINT_END)
            break;
        struct ingot_buffer changed = {0};
        ingot_buffer_append_slice(&changed, content);
        const enum act act = change(kind, numbers[kind]++, &changed);
        for (int times = act == DROP ? 0 : act == TWICE ? 2 : 1; times > 0; times--)
            checkpoint_write(&writer, kind, ingot_buffer_slice(&changed));
        ingot_buffer_deinit(&changed);
    }
    struct ingot_hash hash;
    assert_int_equal(checkpoint_write_end(&writer, &hash), INGOT_OK);
    checkpoint_writer_deinit(&writer);
    checkpoint_reader_deinit(&reader);
}

#define REWRITER(name, condition, outcome)                                                         \
    static enum act name(enum checkpoint_kind kind, uint32_t number, struct ingot_buffer *content) \
    {                                                                                              \
        (void)kind;                                                                                \
        (void)number;                                                                              \
        (void)content;                                                                             \
        return (condition) ? (outcome) : KEEP;                                                     \
    }

/* The last byte of a certificate is of a signature, that of a set of a power. */
static enum act spoil_end(struct ingot_buffer *content)
{
    content->data[content->size - 1] ^= 1;
    return SPOIL;
}

/* Of a block, whose end is a log, which nothing covers. */
static enum act spoil_middle(struct ingot_buffer *content)
{
    content->data[content->size / 2] ^= 1;
    return SPOIL;
}

/* A certificate that lacks one signer of the quorum. */
static enum act drop_signer(struct ingot_buffer *content)
{
    struct qc *qc = NULL;
    assert_int_equal(wire_decode_qc(ingot_buffer_slice(content), &qc), REJECT_NONE);
    qc->signers.bits[0] &= 0xfb;
    qc->signature_count--;
    ingot_buffer_clear(content);
    wire_encode_qc(qc, content);
    qc_unref(qc);
    return SPOIL;
}

static enum act longer_key(struct ingot_buffer *content)
{
    ingot_buffer_clear(content);
    ingot_buffer_append_u32(content, INGOT_STATE_KEY_BYTES_MAX + 1);
    for (int i = 0; i <= INGOT_STATE_KEY_BYTES_MAX; i++)
        ingot_buffer_append_u8(content, 0);
    return SPOIL;
}

REWRITER(no_proof, kind == CHECKPOINT_PROOF, DROP)
REWRITER(no_set, kind == CHECKPOINT_SET, DROP)
REWRITER(no_change, kind <= CHECKPOINT_SET, DROP)
REWRITER(two_proofs, kind == CHECKPOINT_PROOF, TWICE)
REWRITER(two_sets, kind == CHECKPOINT_SET, TWICE)
REWRITER(other_set, kind == CHECKPOINT_SET, spoil_end(content))
REWRITER(no_first_block, kind == CHECKPOINT_BLOCK && number == 0, DROP)
REWRITER(no_middle_block, kind == CHECKPOINT_BLOCK && number == 2, DROP)
REWRITER(no_last_block, kind == CHECKPOINT_BLOCK && number == 4, DROP)
REWRITER(block_twice, kind == CHECKPOINT_BLOCK && number == 1, TWICE)
REWRITER(other_block, kind == CHECKPOINT_BLOCK && number == 1, spoil_middle(content))
REWRITER(no_certificate, kind == CHECKPOINT_CERTIFICATE, DROP)
REWRITER(two_certificates, kind == CHECKPOINT_CERTIFICATE, TWICE)
REWRITER(other_signature, kind == CHECKPOINT_CERTIFICATE, spoil_end(content))
REWRITER(no_quorum, kind == CHECKPOINT_CERTIFICATE, drop_signer(content))
REWRITER(key_twice, kind == CHECKPOINT_STATE && number == 1, TWICE)
REWRITER(long_key, kind == CHECKPOINT_STATE && number == 1, longer_key(content))
REWRITER(nothing_but_state, kind != CHECKPOINT_STATE, DROP)
REWRITER(nothing, true, DROP)

static void a_file_that_proves_too_little_is_refused_whatever_its_checksum(void **state)
{
    (void)state;
    static const struct {
        rewriter *rewriter;
        const char *sentence;
    } rows[] = {
        {no_proof, "without its proof"},
        {no_set, "a block out of its place"},
        {no_change, "a block out of its place"},
        {two_proofs, "a proof out of its place"},
        {two_sets, "without its proof"},
        {other_set, "not the one that was voted in"},
        {no_first_block, "expected 4"},
        {no_middle_block, "expected 6"},
        {no_last_block, "not the one that the header names"},
        {block_twice, "expected 6"},
        {other_block, "does not follow"},
        {no_certificate, "out of its place"},
        {two_certificates, "a certificate out of its place"},
        {other_signature, "the certificate of height 8"},
        {no_quorum, "the certificate of height 8"},
        {key_twice, "do not ascend"},
        {long_key, "breaks the limits"},
        {nothing_but_state, "out of its place"},
        {nothing, "before its certificate"},
    };
    struct scene *scene = scene_new(8, 1 << 3, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ingot_buffer spoiled = {0};
        rewrite(scene, rows[i].rewriter, &spoiled);
        assert_refused(scene, ingot_buffer_slice(&spoiled), INGOT_ERROR_CORRUPT, rows[i].sentence);
        ingot_buffer_deinit(&spoiled);
    }
    scene_free(scene);
}

/* A proof whose child carries the Commit QC, without one of the signatures. */
static enum act weak_proof(enum checkpoint_kind kind, uint32_t number, struct ingot_buffer *content)
{
    (void)number;
    if (kind != CHECKPOINT_PROOF)
        return KEEP;
    struct ingot_slice rest = ingot_buffer_slice(content);
    struct ingot_slice change = {0};
    struct ingot_slice child = {0};
    uint32_t size = 0;
    assert_true(ingot_slice_take_u32(&rest, &size) && ingot_slice_take(&rest, size, &change));
    assert_true(ingot_slice_take_u32(&rest, &size) && ingot_slice_take(&rest, size, &child));
    struct ledger_entry entry;
    const struct ingot_hash chain = samples_hash(0xC4);
    assert_null(ledger_decode_value(&chain, child, &entry));
    entry.block->justify->signers.bits[0] &= 0xfb;
    entry.block->justify->signature_count--;
    wire_seal_qc(entry.block->justify);
    wire_seal_block(entry.block);
    struct ingot_buffer value = {0};
    ledger_encode_entry(entry.block, entry.execution, &value);
    struct ingot_buffer changed = {0};
    ingot_buffer_append_u32(&changed, (uint32_t)change.size);
    ingot_buffer_append_slice(&changed, change);
    ingot_buffer_append_u32(&changed, (uint32_t)value.size);
    ingot_buffer_append_slice(&changed, ingot_buffer_slice(&value));
    ingot_buffer_append_u32(&changed, 0);
    ingot_buffer_clear(content);
    ingot_buffer_append_slice(content, ingot_buffer_slice(&changed));
    ingot_buffer_deinit(&changed);
    ingot_buffer_deinit(&value);
    ledger_entry_deinit(&entry);
    return SPOIL;
}

static void a_change_of_the_set_that_no_quorum_committed_is_refused(void **state)
{
    (void)state;
    struct scene *scene = scene_new(8, 1 << 3, 0);
    struct ingot_buffer spoiled = {0};
    rewrite(scene, weak_proof, &spoiled);
    assert_refused(scene, ingot_buffer_slice(&spoiled), INGOT_ERROR_CORRUPT,
                   "the certificate of height 3");
    ingot_buffer_deinit(&spoiled);
    scene_free(scene);
}

static void an_import_whose_write_failed_leaves_nothing_that_opens(void **state)
{
    (void)state;
    struct scene *scene = scene_new(HEIGHT, 1 << 3, 0);
    static const enum store_memory_fault faults[] = {STORE_MEMORY_NO_SPACE,
                                                     STORE_MEMORY_FAILED_LOST};
    for (size_t i = 0; i < 2; i++) {
        struct ingot_slice file = ingot_buffer_slice(&scene->file);
        struct checkpoint_info info;
        ingot_store_close(scene->store);
        scene->store = ingot_store_memory_new(ledger_table_count);
        ingot_store_memory_fail_commit(scene->store, 1, faults[i]);
        assert_int_not_equal(checkpoint_chain_import(&scene->chain, file, scene->store, NULL, &info,
                                                     scene->why, sizeof scene->why),
                             INGOT_OK);
        assert_non_null(strstr(scene->why, "cannot be written"));
        struct ingot_store *durable = ingot_store_memory_clone_durable(scene->store);
        ingot_store_close(scene->store);
        scene->store = durable;
        assert_int_not_equal(open_imported(scene, true), INGOT_OK);
    }
    scene_free(scene);
}

int main(void)
{
    log_configure(LOG_PLAIN, LOG_NONE);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_state_of_the_last_committed_block_arrives),
        cmocka_unit_test(the_chain_goes_on_from_the_checkpoint_without_history),
        cmocka_unit_test(a_chain_shorter_than_the_replay_window_arrives_whole),
        cmocka_unit_test(what_was_imported_may_not_sign),
        cmocka_unit_test(an_import_exports_the_same_checkpoint),
        cmocka_unit_test(nothing_committed_is_nothing_to_export),
        cmocka_unit_test(every_damaged_byte_is_found),
        cmocka_unit_test(every_cut_is_found),
        cmocka_unit_test(another_version_chain_or_hash_is_refused),
        cmocka_unit_test(a_checkpoint_without_the_whole_replay_window_is_refused),
        cmocka_unit_test(a_file_that_proves_too_little_is_refused_whatever_its_checksum),
        cmocka_unit_test(a_change_of_the_set_that_no_quorum_committed_is_refused),
        cmocka_unit_test(an_import_whose_write_failed_leaves_nothing_that_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

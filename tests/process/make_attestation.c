/*
 * make_attestation FOLDER: a document, its attestation, the genesis of its chain and that of
 * another, for the tests of verifiers in other languages. "later" is of the same chain after a
 * change of its validators.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/attest_world.h"

#define DOCUMENT "release 1.0\n"

static void write_file(const char *folder, const char *name, const struct ingot_buffer *content)
{
    struct report report;
    char why[256];
    char *path = path_join(folder, name);
    report_init(&report, why, sizeof why);
    if (file_write(path, ingot_buffer_slice(content), 0644, FILE_REPLACE, &report) != INGOT_OK) {
        (void)fprintf(stderr, "%s\n", why);
        exit(1);
    }
    free(path);
}

static void write_attestation(const char *folder, const char *name,
                              const struct attest_world *world, uint64_t epoch)
{
    struct ingot_buffer content = {0};
    struct attestation attestation;
    attest_world_attest(world, epoch, ingot_slice_of_text(DOCUMENT), ATTEST_WORLD_ALL,
                        &attestation);
    attestation_file_format(&attestation, &world->proof, &content);
    write_file(folder, name, &content);
    attestation_deinit(&attestation);
    ingot_buffer_deinit(&content);
}

static void write_proof(const char *folder, const char *name, const struct attest_world *world)
{
    struct ingot_buffer content = {0};
    set_proof_format(&world->proof, world->genesis.sha256, &content);
    write_file(folder, name, &content);
    ingot_buffer_deinit(&content);
}

static void write_genesis(const char *folder, const char *name, const struct attest_world *world)
{
    struct ingot_buffer content = {0};
    genesis_format(&world->genesis, &content);
    write_file(folder, name, &content);
    ingot_buffer_deinit(&content);
}

int main(int argc, char **argv)
{
    struct attest_world world;
    struct attest_world other;
    struct ingot_buffer document = {0};
    if (argc != 2 || !crypto_init()) {
        (void)fputs("usage: make_attestation FOLDER\n", stderr);
        return 2;
    }
    attest_world_init(&world, "chain", 4, 1);
    attest_world_init(&other, "other", 4, 0);
    ingot_buffer_format(&document, DOCUMENT);
    write_file(argv[1], "document", &document);
    write_attestation(argv[1], "document.attestation", &world, 0);
    write_attestation(argv[1], "later.attestation", &world, 1);
    write_proof(argv[1], "later.validator-sets", &world);
    write_genesis(argv[1], "genesis.json", &world);
    write_genesis(argv[1], "other.json", &other);
    ingot_buffer_deinit(&document);
    attest_world_deinit(&other);
    attest_world_deinit(&world);
    return 0;
}

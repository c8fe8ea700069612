/*
 * Prints as JSON what a validator that does not run has on its disk: its safety record, and every
 * certificate that its blocks carry, so that a test can see who signed what, and when.
 *
 *     print_ledger HOME [LOWEST_HEIGHT]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"
#include "lib/process_home.h"

static void print_hash(const char *name, const struct ingot_hash *hash)
{
    char hex[2 * INGOT_HASH_BYTES + 1];
    hex_encode_lower(hash->bytes, sizeof hash->bytes, hex);
    (void)printf("\"%s\": \"%s\"", name, hex);
}

static void print_position(const char *name, struct position position)
{
    (void)printf("\"%s\": [%" PRIu64 ", %" PRIu64 "], ", name, position.epoch, position.view);
}

/* The keys behind a certificate's bits: those of its epoch's set. */
static void print_signers(const struct process_home *home, uint64_t epoch,
                          const struct signers *signers)
{
    const char *separator = "";
    if (epoch >= home->start.set_count) {
        process_fail("a certificate of epoch %" PRIu64 ", whose set is not there", epoch);
    }
    const struct validator_set *set = home->start.sets[epoch];
    (void)printf(", \"signers\": [");
    for (uint32_t i = 0; i < set->count; i++) {
        if (signers_has(signers, i)) {
            char hex[2 * INGOT_PUBLIC_KEY_BYTES + 1];
            hex_encode_lower(set->validators[i].key.bytes, INGOT_PUBLIC_KEY_BYTES, hex);
            (void)printf("%s\"%s\"", separator, hex);
            separator = ", ";
        }
    }
    (void)printf("]");
}

static void print_qc(const struct process_home *home, const struct qc *qc)
{
    (void)printf("{\"epoch\": %" PRIu64 ", \"view\": %" PRIu64 ", \"phase\": %d, ", qc->epoch,
                 qc->view, (int)qc->phase);
    print_hash("block", &qc->block);
    print_signers(home, qc->epoch, &qc->signers);
    (void)printf("}");
}

static void print_safety(const struct process_home *home)
{
    const struct core_safety *safety = &home->start.safety;
    print_position("current", safety->current);
    print_position("last_voted", safety->last_voted);
    print_position("locked", safety->locked);
    (void)printf("\"vote\": ");
    if (safety->has_vote) {
        (void)printf("{\"epoch\": %" PRIu64 ", \"view\": %" PRIu64 ", \"phase\": %d, ",
                     safety->vote.epoch, safety->vote.view, (int)safety->vote.phase);
        print_hash("block", &safety->vote.block);
        (void)printf("}");
    } else {
        (void)printf("null");
    }
    (void)printf(", \"high_tc\": ");
    if (safety->high_tc != NULL) {
        (void)printf("{\"epoch\": %" PRIu64 ", \"view\": %" PRIu64, safety->high_tc->epoch,
                     safety->high_tc->view);
        print_signers(home, safety->high_tc->epoch, &safety->high_tc->signers);
        (void)printf("}");
    } else {
        (void)printf("null");
    }
}

static void print_certificates(const struct process_home *home, uint64_t lowest)
{
    const uint64_t committed = ledger_committed_height(home->ledger);
    (void)printf(",\n\"qcs\": [");
    for (uint64_t height = lowest; height <= committed; height++) {
        struct ledger_entry entry;
        if (ledger_read_block(home->ledger, height, &entry) != INGOT_OK) {
            process_fail("the block at height %" PRIu64 " cannot be read", height);
        }
        if (entry.block->justify != NULL) {
            print_qc(home, entry.block->justify);
            (void)printf(",\n");
        }
        ledger_entry_deinit(&entry);
    }
    for (uint32_t i = 0; i < home->start.uncommitted_count; i++) {
        print_qc(home, home->start.uncommitted[i].block->justify);
        (void)printf(",\n");
    }
    print_qc(home, home->start.safety.high_qc);
    (void)printf("]");
}

int main(int argc, char **argv)
{
    struct process_home home;
    if (argc < 2) {
        process_fail("usage: print_ledger HOME [LOWEST_HEIGHT]");
    }
    process_home_open(&home, argv[1]);
    (void)printf("{\"committed\": %" PRIu64 ", ", ledger_committed_height(home.ledger));
    print_safety(&home);
    print_certificates(&home, argc > 2 ? strtoull(argv[2], NULL, 10) : 0);
    (void)printf("}\n");
    process_home_close(&home);
    return 0;
}

/*
 * The Merkle root over a block's transactions: the tree of RFC 6962 with BLAKE2b-256. It reads a
 * packed payload in place, allocates nothing, and keeps one hash for each level of the tree. Hashes
 * are taken as many at once as there are: leaves and their lower nodes by the group.
 */
#include <string.h>

#include "base/assert.h"
#include "wire/preimage.h"

#define LEAF_PREFIX 0x00
#define NODE_PREFIX 0x01

/*
 * In a packed payload the byte before a transaction is the highest byte of its length, which is
 * zero because no transaction reaches 2^24 bytes. It serves as the leaf's prefix, so that a leaf
 * is hashed in one piece where it lies.
 */
#define PACKED_BYTES_MAX ((1 << 24) - 1)
static_assert(INGOT_TRANSACTION_BYTES_MAX <= PACKED_BYTES_MAX,
              "the highest byte of a length is zero");
static_assert(LEAF_PREFIX == 0, "the byte before a packed transaction is the leaf's prefix");

#define NODE_BYTES (1 + 2 * INGOT_HASH_BYTES)

static struct ingot_slice put_node(const struct ingot_hash *left, const struct ingot_hash *right,
                                   uint8_t bytes[NODE_BYTES])
{
    bytes[0] = NODE_PREFIX;
    memcpy(bytes + 1, left->bytes, INGOT_HASH_BYTES);
    memcpy(bytes + 1 + INGOT_HASH_BYTES, right->bytes, INGOT_HASH_BYTES);
    return ingot_slice_of(bytes, NODE_BYTES);
}

static void hash_node(const struct ingot_hash *left, const struct ingot_hash *right,
                      struct ingot_hash *node)
{
    uint8_t bytes[NODE_BYTES];
    crypto_blake2b(put_node(left, right, bytes), node);
}

/* So many leaves are a complete subtree, which is hashed by itself. */
#define GROUP_LEVELS 5
#define GROUP_LEAVES (1 << GROUP_LEVELS)
static_assert(WIRE_DIGESTS_AT_ONCE % GROUP_LEAVES == 0, "leaves come in whole groups");

/* The root of a complete subtree of GROUP_LEAVES leaves. */
static void hash_group(const struct ingot_hash *leaves, struct ingot_hash *root)
{
    uint8_t bytes[GROUP_LEAVES / 2][NODE_BYTES];
    struct ingot_slice nodes[GROUP_LEAVES / 2];
    struct ingot_hash level[GROUP_LEAVES / 2];
    for (uint32_t count = GROUP_LEAVES / 2; count > 0; count /= 2) {
        for (uint32_t i = 0; i < count; i++) {
            nodes[i] = put_node(&leaves[2 * i], &leaves[2 * i + 1], bytes[i]);
        }
        crypto_blake2b_each(nodes, count, level);
        leaves = level;
    }
    *root = level[0];
}

/*
 * The roots of complete subtrees that wait for their right sibling, largest first. After n leaves
 * there is one for each bit that is set in n.
 */
struct forest {
    uint32_t leaves;
    uint32_t roots_count;
    struct ingot_hash roots[32];
};

/* Adds a complete subtree of 2^levels leaves, where as many fit without a gap. */
static void forest_add(struct forest *forest, const struct ingot_hash *subtree, uint32_t levels)
{
    struct ingot_hash root = *subtree;
    for (uint32_t complete = forest->leaves >> levels; (complete & 1) != 0; complete >>= 1) {
        forest->roots_count--;
        hash_node(&forest->roots[forest->roots_count], &root, &root);
    }
    INGOT_ASSERT(forest->roots_count < 32);
    forest->roots[forest->roots_count++] = root;
    forest->leaves += UINT32_C(1) << levels;
}

/* Adds what comes next: groups, as long as there are whole ones, then leaves. */
static void forest_add_all(struct forest *forest, const struct ingot_hash *leaves, uint32_t count)
{
    INGOT_ASSERT(forest->leaves % GROUP_LEAVES == 0);
    uint32_t done = 0;
    for (; count - done >= GROUP_LEAVES; done += GROUP_LEAVES) {
        struct ingot_hash root;
        hash_group(&leaves[done], &root);
        forest_add(forest, &root, GROUP_LEVELS);
    }
    for (; done < count; done++) {
        forest_add(forest, &leaves[done], 0);
    }
}

static void forest_end(const struct forest *forest, struct ingot_hash *root)
{
    if (forest->roots_count == 0) {
        crypto_blake2b(ingot_slice_of(NULL, 0), root);
        return;
    }
    *root = forest->roots[forest->roots_count - 1];
    for (uint32_t i = forest->roots_count - 1; i > 0; i--) {
        hash_node(&forest->roots[i - 1], root, root);
    }
}

void wire_transaction_digest(struct ingot_slice transaction, struct ingot_hash *digest)
{
    static const uint8_t prefix = LEAF_PREFIX;
    struct crypto_hasher hasher;
    crypto_hasher_begin(&hasher);
    crypto_hasher_add(&hasher, ingot_slice_of(&prefix, 1));
    crypto_hasher_add(&hasher, transaction);
    crypto_hasher_end(&hasher, digest);
}

uint32_t wire_packed_digests(struct ingot_slice *packed, uint32_t count_max,
                             struct ingot_slice *transactions, struct ingot_hash *digests)
{
    struct ingot_slice leaves[WIRE_DIGESTS_AT_ONCE];
    uint32_t count = 0;
    INGOT_ASSERT(count_max <= WIRE_DIGESTS_AT_ONCE);
    while (count < count_max && payload_next(packed, &transactions[count])) {
        const struct ingot_slice transaction = transactions[count];
        INGOT_ASSERT(transaction.size <= PACKED_BYTES_MAX);
        leaves[count++] = ingot_slice_of(transaction.data - 1, transaction.size + 1);
    }
    crypto_blake2b_each(leaves, count, digests);
    return count;
}

void wire_payload_root(struct ingot_slice payload, struct ingot_hash *root,
                       struct ingot_hash *digests)
{
    struct forest forest;
    forest.leaves = 0;
    forest.roots_count = 0;
    struct ingot_slice rest = payload;
    struct ingot_slice transactions[WIRE_DIGESTS_AT_ONCE];
    struct ingot_hash leaves[WIRE_DIGESTS_AT_ONCE];
    uint32_t count;
    while ((count = wire_packed_digests(&rest, WIRE_DIGESTS_AT_ONCE, transactions, leaves)) > 0) {
        if (digests != NULL) {
            memcpy(&digests[forest.leaves], leaves, count * sizeof leaves[0]);
        }
        forest_add_all(&forest, leaves, count);
    }
    INGOT_ASSERT(rest.size == 0);
    forest_end(&forest, root);
}

void wire_digests_root(const struct ingot_hash *digests, uint32_t count, struct ingot_hash *root)
{
    struct forest forest;
    forest.leaves = 0;
    forest.roots_count = 0;
    forest_add_all(&forest, digests, count);
    forest_end(&forest, root);
}

bool wire_payload_is_sound(struct ingot_slice payload, uint32_t count)
{
    struct ingot_slice rest = payload;
    struct ingot_slice transaction;
    uint32_t seen = 0;
    while (rest.size > 0) {
        if (!payload_next(&rest, &transaction) || transaction.size == 0 ||
            transaction.size > INGOT_TRANSACTION_BYTES_MAX || seen == count) {
            return false;
        }
        seen++;
    }
    return seen == count;
}

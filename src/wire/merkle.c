/*
 * The Merkle root over a block's transactions: the tree of RFC 6962 with BLAKE2b-256. It reads a
 * packed payload in place, allocates nothing, and keeps one hash for each level of the tree.
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
static_assert(INGOT_TRANSACTION_BYTES_MAX < 1 << 24, "the highest byte of a length is zero");
static_assert(LEAF_PREFIX == 0, "the byte before a packed transaction is the leaf's prefix");

static void hash_node(const struct ingot_hash *left, const struct ingot_hash *right,
                      struct ingot_hash *node)
{
    uint8_t bytes[1 + 2 * INGOT_HASH_BYTES];
    bytes[0] = NODE_PREFIX;
    memcpy(bytes + 1, left->bytes, INGOT_HASH_BYTES);
    memcpy(bytes + 1 + INGOT_HASH_BYTES, right->bytes, INGOT_HASH_BYTES);
    crypto_blake2b(ingot_slice_of(bytes, sizeof bytes), node);
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

static void forest_add(struct forest *forest, const struct ingot_hash *leaf)
{
    struct ingot_hash root = *leaf;
    for (uint32_t complete = forest->leaves; (complete & 1) != 0; complete >>= 1) {
        forest->roots_count--;
        hash_node(&forest->roots[forest->roots_count], &root, &root);
    }
    INGOT_ASSERT(forest->roots_count < 32);
    forest->roots[forest->roots_count++] = root;
    forest->leaves++;
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

void wire_payload_root(struct ingot_slice payload, struct ingot_hash *root,
                       struct ingot_hash *digests)
{
    struct forest forest;
    forest.leaves = 0;
    forest.roots_count = 0;
    struct ingot_slice rest = payload;
    struct ingot_slice transaction;
    while (payload_next(&rest, &transaction)) {
        INGOT_ASSERT(transaction.size <= INGOT_TRANSACTION_BYTES_MAX);
        struct ingot_hash leaf;
        crypto_blake2b(ingot_slice_of(transaction.data - 1, transaction.size + 1), &leaf);
        if (digests != NULL) {
            digests[forest.leaves] = leaf;
        }
        forest_add(&forest, &leaf);
    }
    INGOT_ASSERT(rest.size == 0);
    forest_end(&forest, root);
}

void wire_digests_root(const struct ingot_hash *digests, uint32_t count, struct ingot_hash *root)
{
    struct forest forest;
    forest.leaves = 0;
    forest.roots_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        forest_add(&forest, &digests[i]);
    }
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

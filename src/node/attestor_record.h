/*
 * The bytes of the attestor's records in the ledger's table; storage/FORMAT.md has them.
 */
#ifndef INGOT_NODE_ATTESTOR_RECORD_H
#define INGOT_NODE_ATTESTOR_RECORD_H

#include "attest/statement.h"

/* Where the attestor stands. */
struct attest_meta {
    uint64_t next;               /* height of the first block that is not entered */
    uint64_t file_size;          /* of the signatures file, as far as the table knows its lines */
    uint64_t attested;           /* statements with an attestation */
    uint64_t pending;            /* statements that may still get one */
    uint64_t refused;            /* statements that too many have declined */
    uint64_t own;                /* below this height all shares of `key` that are due are made */
    struct ingot_public_key key; /* our validator's; zero: none */
};

/* The file is being written anew; whoever finds this begins again. */
#define ATTEST_FILE_SIZE_NONE UINT64_MAX

/* --- Keys. --- */

#define ATTEST_KEY_BYTES_MAX 80

struct attest_key {
    uint8_t bytes[ATTEST_KEY_BYTES_MAX];
    size_t size;
};

struct ingot_slice attest_key_slice(const struct attest_key *key);
struct attest_key attest_key_meta(void);
struct attest_key attest_key_block(uint64_t height);
struct attest_key attest_key_pending(uint64_t height);
/* A block that is done, though not all members have spoken. The newest comes first. */
struct attest_key attest_key_late(uint64_t height);
/* A statement that was attested in the file before its block was committed here. */
struct attest_key attest_key_ahead(const struct statement_id *id);
struct attest_key attest_key_share(uint64_t height, uint32_t voter);
struct attest_key attest_key_id(const uint8_t id[32]);
struct attest_key attest_key_digest(const uint8_t digest[32], uint64_t height, uint32_t index);
/* The height in a key of the kind of `like`; false: the key is of another kind. */
bool attest_key_height(struct ingot_slice key, const struct attest_key *like, uint64_t *height);
/* The same of such a block. */
bool attest_key_late_height(struct ingot_slice key, uint64_t *height);
/* The voter in the key of a share in this block, or the height and index behind a digest. */
bool attest_key_voter(struct ingot_slice key, uint64_t height, uint32_t *voter);
bool attest_key_place(struct ingot_slice key, const uint8_t digest[32], uint64_t *height,
                      uint32_t *index);

/* --- Contents. --- */

void attest_meta_encode(const struct attest_meta *meta, struct ingot_buffer *content);
bool attest_meta_decode(struct ingot_slice content, struct attest_meta *meta);

void attest_place_encode(uint64_t height, uint32_t index, struct ingot_buffer *content);
bool attest_place_decode(struct ingot_slice content, uint64_t *height, uint32_t *index);

/* A block's statements: first the head, then each of them. */
void attest_block_encode(uint64_t epoch, uint64_t time_ms, uint32_t count,
                         struct ingot_buffer *content);

struct attest_entry {
    const uint8_t *id;     /* 32 bytes */
    const uint8_t *digest; /* 32 bytes */
    bool is_declined;      /* our own validator does not sign it */
    bool has_payload;
    struct ingot_slice payload;
};

void attest_entry_encode(const struct attest_entry *entry, struct ingot_buffer *content);
/* Takes the head off the front; false: it is none. */
bool attest_block_decode(struct ingot_slice *content, uint64_t *epoch, uint64_t *time_ms,
                         uint32_t *count);
/* Takes the next statement off the front. Borrowed. */
bool attest_entry_decode(struct ingot_slice *content, struct attest_entry *entry);

/* What is known of one validator's signatures for a block. */
struct attest_share_record {
    bool is_whole;                 /* it has spoken: what is zero here it has declined */
    const uint8_t *message;        /* 64 bytes: the signature of its message; zero: not known */
    struct ingot_slice signatures; /* 64 bytes for each statement; zero: none */
};

void attest_share_encode(const struct attest_share_record *share, struct ingot_buffer *content);
/* False unless it has `count` signatures. Borrowed. */
bool attest_share_decode(struct ingot_slice content, uint32_t count,
                         struct attest_share_record *share);

/* Of a record, without a look at its signatures. */
bool attest_share_is_whole(struct ingot_slice content);

/* Are all of these bytes zero? */
bool attest_is_zero(const uint8_t *bytes, size_t size);

#endif

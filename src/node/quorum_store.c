/*
 * Sealed records under keys that name what they are of. What is new is kept in memory until a sync
 * puts it into one batch, so that a batch that found no room can be made again.
 */
#include "node/quorum_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "node/seal.h"

#define SCHEMA_MARK "ingot quorum broadcast"
#define SCHEMA_VERSION 1
#define KEY_SCHEMA "schema"
#define KEY_FILE "file"

/* In seals, the ledger's tables have the numbers below. */
#define SEAL_TABLE_FIRST INGOT_STORE_TABLES_MAX

enum table {
    TABLE_META,    /* name -> record */
    TABLE_CHOICES, /* originator, id -> digest */
    TABLE_RECORDS  /* length of the id, id, digest -> place in the file, size */
};

const char *const quorum_store_tables[QUORUM_STORE_TABLE_COUNT] = {
    [TABLE_META] = "meta", [TABLE_CHOICES] = "choices", [TABLE_RECORDS] = "records"};

#define DIGEST_BYTES 32
/* The longest is that of a record; a choice's has four bytes before the id. */
#define KEY_BYTES_MAX (1 + STATEMENT_ID_BYTES_MAX + DIGEST_BYTES)
#define CONTENT_BYTES_MAX DIGEST_BYTES

struct key {
    size_t size;
    uint8_t bytes[KEY_BYTES_MAX];
};

/* New, and not synced. */
struct entry {
    enum table table;
    struct key key;
    size_t content_size;
    uint8_t content[CONTENT_BYTES_MAX];
};

struct quorum_store {
    struct ingot_store *store;
    struct ingot_hash chain;
    bool is_new;                           /* it holds nothing, not even what it is */
    struct ingot_store_snapshot *snapshot; /* of what is durable; NULL: begun when needed */
    uint64_t file_size;
    uint64_t record_count;
    struct entry *entries;
    size_t entry_count;
    size_t entry_capacity;
};

/* --- Keys. --- */

static void add_to_key(struct key *key, const void *bytes, size_t size)
{
    INGOT_ASSERT(size <= sizeof key->bytes - key->size);
    memcpy(key->bytes + key->size, bytes, size);
    key->size += size;
}

static struct ingot_slice key_slice(const struct key *key)
{
    return ingot_slice_of(key->bytes, key->size);
}

static struct key choice_key(uint32_t originator, const struct broadcast_id *id)
{
    struct key key = {0};
    for (uint32_t i = 0; i < 4; i++) {
        const uint8_t byte = (uint8_t)(originator >> (24 - 8 * i));
        add_to_key(&key, &byte, 1);
    }
    add_to_key(&key, id->bytes, id->size);
    return key;
}

/* The id alone begins the keys of all records of it, and of nothing else. */
static struct key record_key(const struct statement_id *id, const uint8_t *digest)
{
    struct key key = {0};
    const uint8_t size = (uint8_t)id->size;
    add_to_key(&key, &size, 1);
    add_to_key(&key, id->bytes, id->size);
    if (digest != NULL) {
        add_to_key(&key, digest, DIGEST_BYTES);
    }
    return key;
}

/* --- Reading. --- */

static enum ingot_error begin_snapshot(struct quorum_store *store)
{
    return store->snapshot != NULL ? INGOT_OK
                                   : ingot_store_snapshot_begin(store->store, &store->snapshot);
}

static void end_snapshot(struct quorum_store *store)
{
    if (store->snapshot != NULL) {
        ingot_store_snapshot_end(store->snapshot);
        store->snapshot = NULL;
    }
}

static bool unseal(const struct quorum_store *store, enum table table, struct ingot_slice key,
                   struct ingot_slice record, struct ingot_slice *content)
{
    return record_unseal(&store->chain, SEAL_TABLE_FIRST + table, key, record, content);
}

/* A durable record; borrowed until the next sync. */
static enum ingot_error get(struct quorum_store *store, enum table table, struct ingot_slice key,
                            struct ingot_slice *content)
{
    struct ingot_slice record;
    enum ingot_error error = begin_snapshot(store);
    if (error == INGOT_OK) {
        error = ingot_store_snapshot_get(store->snapshot, table, key, &record);
    }
    if (error == INGOT_OK && !unseal(store, table, key, record, content)) {
        error = INGOT_ERROR_CORRUPT;
    }
    return error;
}

static const struct entry *find_entry(const struct quorum_store *store, enum table table,
                                      const struct key *key)
{
    for (size_t i = 0; i < store->entry_count; i++) {
        const struct entry *entry = &store->entries[i];
        if (entry->table == table && ingot_slice_equal(key_slice(&entry->key), key_slice(key))) {
            return entry;
        }
    }
    return NULL;
}

static void add_entry(struct quorum_store *store, enum table table, const struct key *key,
                      struct ingot_slice content)
{
    INGOT_ASSERT(content.size <= CONTENT_BYTES_MAX);
    if (store->entry_count == store->entry_capacity) {
        store->entry_capacity = 2 * store->entry_capacity + 16;
        store->entries =
            alloc_resize(store->entries, store->entry_capacity, sizeof *store->entries);
    }
    struct entry *entry = &store->entries[store->entry_count++];
    *entry = (struct entry){.table = table, .key = *key, .content_size = content.size};
    memcpy(entry->content, content.data, content.size);
}

/* --- Choices. --- */

enum ingot_error quorum_store_find_choice(struct quorum_store *store, uint32_t originator,
                                          const struct broadcast_id *id,
                                          struct broadcast_digest *digest)
{
    const struct key key = choice_key(originator, id);
    const struct entry *entry = find_entry(store, TABLE_CHOICES, &key);
    struct ingot_slice content = {0};
    enum ingot_error error = INGOT_OK;
    if (entry != NULL) {
        content = ingot_slice_of(entry->content, entry->content_size);
    } else {
        error = get(store, TABLE_CHOICES, key_slice(&key), &content);
    }
    if (error == INGOT_OK && content.size != sizeof digest->bytes) {
        error = INGOT_ERROR_CORRUPT;
    }
    if (error == INGOT_OK) {
        memcpy(digest->bytes, content.data, sizeof digest->bytes);
    }
    return error;
}

void quorum_store_choose(struct quorum_store *store, uint32_t originator,
                         const struct broadcast_id *id, const struct broadcast_digest *digest)
{
    const struct key key = choice_key(originator, id);
    add_entry(store, TABLE_CHOICES, &key, ingot_slice_of(digest->bytes, sizeof digest->bytes));
}

/* --- Records. --- */

static bool decode_record(struct ingot_slice content, struct quorum_record *record)
{
    return ingot_slice_take_u64(&content, &record->at) &&
           ingot_slice_take_u32(&content, &record->size) && content.size == 0;
}

/* The one that is first in the file, of those whose key begins with the id. */
static enum ingot_error find_first(struct quorum_store *store, struct quorum_record *record)
{
    const struct key prefix = record_key(&record->id, NULL);
    struct ingot_store_cursor *cursor = NULL;
    bool is_found = false;
    enum ingot_error error = ingot_store_cursor_open(store->snapshot, TABLE_RECORDS, &cursor);
    if (error == INGOT_OK) {
        error = ingot_store_cursor_seek(cursor, key_slice(&prefix));
    }
    while (error == INGOT_OK) {
        struct quorum_record found;
        struct ingot_slice key;
        struct ingot_slice sealed;
        struct ingot_slice content;
        ingot_store_cursor_item(cursor, &key, &sealed);
        if (key.size < prefix.size || memcmp(key.data, prefix.bytes, prefix.size) != 0) {
            break;
        }
        if (key.size != prefix.size + DIGEST_BYTES ||
            !unseal(store, TABLE_RECORDS, key, sealed, &content) ||
            !decode_record(content, &found)) {
            error = INGOT_ERROR_CORRUPT;
            break;
        }
        if (!is_found || found.at < record->at) {
            record->at = found.at;
            record->size = found.size;
            memcpy(record->digest, key.data + prefix.size, DIGEST_BYTES);
        }
        is_found = true;
        error = ingot_store_cursor_next(cursor);
    }
    ingot_store_cursor_close(cursor);
    if (error == INGOT_OK || error == INGOT_ERROR_NOT_FOUND) {
        error = is_found ? INGOT_OK : INGOT_ERROR_NOT_FOUND;
    }
    return error;
}

enum ingot_error quorum_store_find_record(struct quorum_store *store, const uint8_t *digest,
                                          struct quorum_record *record)
{
    struct ingot_slice content;
    enum ingot_error error = begin_snapshot(store);
    if (error != INGOT_OK) {
        return error;
    }
    if (digest == NULL) {
        return find_first(store, record);
    }
    const struct key key = record_key(&record->id, digest);
    error = get(store, TABLE_RECORDS, key_slice(&key), &content);
    if (error == INGOT_OK && !decode_record(content, record)) {
        error = INGOT_ERROR_CORRUPT;
    }
    memcpy(record->digest, digest, DIGEST_BYTES);
    return error;
}

void quorum_store_add_record(struct quorum_store *store, const struct quorum_record *record)
{
    const struct key key = record_key(&record->id, record->digest);
    struct ingot_buffer content = {0};
    INGOT_ASSERT(record->at == store->file_size);
    ingot_buffer_append_u64(&content, record->at);
    ingot_buffer_append_u32(&content, record->size);
    add_entry(store, TABLE_RECORDS, &key, ingot_buffer_slice(&content));
    ingot_buffer_deinit(&content);
    store->file_size += (uint64_t)record->size + 1; /* the line break */
    store->record_count++;
}

uint64_t quorum_store_file_size(const struct quorum_store *store)
{
    return store->file_size;
}

uint64_t quorum_store_record_count(const struct quorum_store *store)
{
    return store->record_count;
}

/* --- Writing. --- */

static void put_sealed(const struct quorum_store *store, struct ingot_store_batch *batch,
                       enum table table, struct ingot_slice key, struct ingot_slice content)
{
    struct ingot_buffer record = {0};
    record_seal(&store->chain, SEAL_TABLE_FIRST + table, key, content, &record);
    ingot_store_batch_put(batch, table, key, ingot_buffer_slice(&record));
    ingot_buffer_deinit(&record);
}

static void put_file(const struct quorum_store *store, struct ingot_store_batch *batch)
{
    struct ingot_buffer content = {0};
    ingot_buffer_append_u64(&content, store->file_size);
    ingot_buffer_append_u64(&content, store->record_count);
    put_sealed(store, batch, TABLE_META, ingot_slice_of_text(KEY_FILE),
               ingot_buffer_slice(&content));
    ingot_buffer_deinit(&content);
}

static void put_schema(const struct quorum_store *store, struct ingot_store_batch *batch)
{
    struct ingot_buffer schema = {0};
    ingot_buffer_append_slice(&schema, ingot_slice_of_text(SCHEMA_MARK));
    ingot_buffer_append_u32(&schema, SCHEMA_VERSION);
    ingot_buffer_append(&schema, store->chain.bytes, sizeof store->chain.bytes);
    ingot_store_batch_put(batch, TABLE_META, ingot_slice_of_text(KEY_SCHEMA),
                          ingot_buffer_slice(&schema));
    ingot_buffer_deinit(&schema);
}

enum ingot_error quorum_store_sync(struct quorum_store *store)
{
    if (store->entry_count == 0 && !store->is_new) {
        return INGOT_OK;
    }
    end_snapshot(store);
    struct ingot_store_batch *batch = ingot_store_batch_begin(store->store);
    for (size_t i = 0; i < store->entry_count; i++) {
        const struct entry *entry = &store->entries[i];
        put_sealed(store, batch, entry->table, key_slice(&entry->key),
                   ingot_slice_of(entry->content, entry->content_size));
    }
    put_file(store, batch);
    if (store->is_new) {
        put_schema(store, batch);
    }
    const enum ingot_error error = ingot_store_batch_commit(batch);
    if (error == INGOT_OK) {
        store->entry_count = 0;
        store->is_new = false;
    }
    return error;
}

/* --- Opening. --- */

static enum ingot_error check_schema(const struct quorum_store *store, struct ingot_slice schema,
                                     char *why, size_t why_size)
{
    struct ingot_slice mark;
    uint32_t version = 0;
    if (!ingot_slice_take(&schema, sizeof SCHEMA_MARK - 1, &mark) ||
        !ingot_slice_equal(mark, ingot_slice_of_text(SCHEMA_MARK)) ||
        !ingot_slice_take_u32(&schema, &version)) {
        (void)snprintf(why, why_size,
                       "the data is not of [node] protocol = quorum-broadcast; a chain and "
                       "quorum-broadcast need a [node] data_folder each");
        return INGOT_ERROR_INVALID;
    }
    if (version != SCHEMA_VERSION) {
        (void)snprintf(why, why_size,
                       "the data is of schema version %u; this program knows version %d only",
                       version, SCHEMA_VERSION);
        return INGOT_ERROR_VERSION;
    }
    if (!ingot_slice_equal(schema, ingot_slice_of(store->chain.bytes, sizeof store->chain.bytes))) {
        (void)snprintf(why, why_size, "the data is of another chain: its genesis file is not ours");
        return INGOT_ERROR_INVALID;
    }
    return INGOT_OK;
}

static enum ingot_error resume(struct quorum_store *store, char *why, size_t why_size)
{
    struct ingot_slice content = {0};
    enum ingot_error error = get(store, TABLE_META, ingot_slice_of_text(KEY_FILE), &content);
    if (error == INGOT_OK && (!ingot_slice_take_u64(&content, &store->file_size) ||
                              !ingot_slice_take_u64(&content, &store->record_count))) {
        error = INGOT_ERROR_CORRUPT;
    }
    if (error != INGOT_OK) {
        (void)snprintf(why, why_size, "the record '%s' cannot be read: %s", KEY_FILE,
                       ingot_error_text(error));
        return error == INGOT_ERROR_NOT_FOUND ? INGOT_ERROR_CORRUPT : error;
    }
    return INGOT_OK;
}

enum ingot_error quorum_store_open(struct ingot_store *store, const struct ingot_hash *chain,
                                   struct quorum_store **opened, char *why, size_t why_size)
{
    struct quorum_store *taken = alloc_zeroed(1, sizeof *taken);
    struct ingot_slice schema;
    taken->store = store;
    taken->chain = *chain;
    enum ingot_error error = begin_snapshot(taken);
    if (error == INGOT_OK) {
        error = ingot_store_snapshot_get(taken->snapshot, TABLE_META,
                                         ingot_slice_of_text(KEY_SCHEMA), &schema);
    }
    if (error == INGOT_ERROR_NOT_FOUND) {
        taken->is_new = true;
        error = INGOT_OK;
    } else if (error != INGOT_OK) {
        (void)snprintf(why, why_size, "the store cannot be read: %s", ingot_error_text(error));
    } else {
        error = check_schema(taken, schema, why, why_size);
        if (error == INGOT_OK) {
            error = resume(taken, why, why_size);
        }
    }
    if (error != INGOT_OK) {
        quorum_store_close(taken);
        taken = NULL;
    }
    *opened = taken;
    return error;
}

void quorum_store_close(struct quorum_store *store)
{
    if (store == NULL) {
        return;
    }
    end_snapshot(store);
    free(store->entries);
    free(store);
}

bool quorum_store_is_new(const struct quorum_store *store)
{
    return store->is_new;
}

/*
 * The list of what happened, and the digest of an LMDB file's content. See record.h.
 */
#include "power/record.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "power/disk.h"
#include "power/record_calls.h"
#include "wire/crypto.h"

enum record_fault record_fault;

void record_init(struct record *record, const char *folder)
{
    *record = (struct record){.is_told_of = true};
    (void)snprintf(record->folder, sizeof record->folder, "%s", folder);
    record_calls_add(record);
}

void record_deinit(struct record *record)
{
    record_calls_remove(record);
    for (uint32_t i = 0; i < record->count; i++) {
        ingot_buffer_deinit(&record->ops[i].bytes);
        image_free(record->ops[i].image);
    }
    free(record->ops);
    *record = (struct record){0};
}

struct op *record_mark(struct record *record, enum op_kind kind)
{
    if (record->count == record->capacity) {
        record->capacity = record->capacity == 0 ? 256 : record->capacity * 2;
        record->ops = alloc_resize(record->ops, record->capacity, sizeof *record->ops);
    }
    struct op *op = &record->ops[record->count++];
    *op = (struct op){.kind = kind};
    return op;
}

void record_plan_death(struct record *record, uint32_t operations)
{
    record->is_planned = true;
    record->dies_after = operations;
}

void record_reborn(struct record *record)
{
    record->is_planned = false;
    record->is_dead = false;
}

bool op_is_of_disk(const struct op *op)
{
    return op->kind <= OP_FOLDER_SYNC;
}

/* Where a batch, or a write to the signatures file, began: behind what was shown before. */
static uint32_t begin_of_writes(const struct record *record, uint32_t from)
{
    uint32_t i = from;
    while (i > 0 && !op_is_of_disk(&record->ops[i - 1])) {
        i--;
    }
    while (i > 0 && (op_is_of_disk(&record->ops[i - 1]) || record->ops[i - 1].kind == OP_BATCH)) {
        i--;
    }
    return i;
}

static void move_op(struct record *record, uint32_t from, uint32_t to)
{
    const struct op moved = record->ops[from];
    memmove(&record->ops[to + 1], &record->ops[to], (from - to) * sizeof moved);
    record->ops[to] = moved;
}

void record_apply_fault(struct record *record)
{
    for (uint32_t i = 0; i < record->count; i++) {
        const enum op_kind kind = record->ops[i].kind;
        if ((record_fault == FAULT_SENT_EARLY && (kind == OP_SENT || kind == OP_REPORTED)) ||
            (record_fault == FAULT_TOLD_EARLY && (kind == OP_TOLD || kind == OP_SIGNED))) {
            move_op(record, i, begin_of_writes(record, i));
        }
    }
}

void record_print(const struct record *record, uint32_t first, uint32_t last)
{
    static const char *const texts[] = {[OP_FOLDER_MADE] = "folder made",
                                        [OP_PARENT_SYNC] = "parent synced",
                                        [OP_CREATE] = "create",
                                        [OP_RENAME] = "rename",
                                        [OP_UNLINK] = "unlink",
                                        [OP_WRITE] = "write",
                                        [OP_EXTEND] = "extend",
                                        [OP_CUT] = "cut",
                                        [OP_SYNC] = "sync",
                                        [OP_POWER] = "the power goes",
                                        [OP_FOLDER_SYNC] = "folder sync",
                                        [OP_BATCH] = "batch committed",
                                        [OP_SENT] = "sent",
                                        [OP_RECEIVED] = "received",
                                        [OP_REPORTED] = "reported",
                                        [OP_SIGNED] = "signed",
                                        [OP_TOLD] = "told",
                                        [OP_LEFT] = "the process has died"};
    for (uint32_t i = first; i < last && i < record->count; i++) {
        const struct op *op = &record->ops[i];
        printf("%6u %s file %u at %llu, %zu bytes%s %s %s\n", i, texts[op->kind], op->file,
               (unsigned long long)op->at, op->bytes.size, op->is_synced ? ", synced" : "",
               op->name, op->name2);
    }
}

/* --- The content of an LMDB file. --- */

static void add_number(struct crypto_hasher *hasher, uint64_t number)
{
    crypto_hasher_add(hasher, ingot_slice_of((const uint8_t *)&number, sizeof number));
}

static void add_value(struct crypto_hasher *hasher, const MDB_val *value)
{
    add_number(hasher, value->mv_size);
    crypto_hasher_add(hasher, ingot_slice_of(value->mv_data, value->mv_size));
}

/* The table's shape and its items; with `of_tables` each item of it is a table too. */
static int add_table(MDB_txn *txn, MDB_dbi table, bool of_tables, struct crypto_hasher *hasher)
{
    MDB_stat shape;
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    int rc = mdb_stat(txn, table, &shape);
    if (rc == 0) {
        rc = mdb_cursor_open(txn, table, &cursor);
    }
    if (rc != 0) {
        return rc;
    }
    add_number(hasher, shape.ms_depth);
    add_number(hasher, shape.ms_branch_pages);
    add_number(hasher, shape.ms_leaf_pages);
    add_number(hasher, shape.ms_overflow_pages);
    add_number(hasher, shape.ms_entries);
    while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        add_value(hasher, &key);
        if (!of_tables) {
            add_value(hasher, &value);
            continue;
        }
        char name[RECORD_NAME_BYTES] = "";
        MDB_dbi inner = 0;
        memcpy(name, key.mv_data, key.mv_size < sizeof name ? key.mv_size : sizeof name - 1);
        rc = mdb_dbi_open(txn, name, 0, &inner);
        if (rc == 0) {
            rc = add_table(txn, inner, false, hasher);
        }
        if (rc != 0) {
            break;
        }
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

bool record_read_lmdb(const char *path, uint64_t *transaction, struct ingot_hash *digest,
                      const char **why)
{
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    int rc = mdb_env_create(&env);
    INGOT_ASSERT(rc == 0);
    if ((rc = mdb_env_set_maxdbs(env, 16)) == 0 &&
        (rc = mdb_env_set_mapsize(env, (size_t)64 << 20)) == 0 &&
        (rc = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0600)) == 0) {
        rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    }
    if (rc == 0) {
        struct crypto_hasher hasher;
        crypto_hasher_begin(&hasher);
        *transaction = mdb_txn_id(txn);
        /* Tables 0 and 1 are LMDB's own: the free pages, and the names of all others. */
        rc = add_table(txn, 0, false, &hasher);
        if (rc == 0) {
            rc = add_table(txn, 1, true, &hasher);
        }
        crypto_hasher_end(&hasher, digest);
        mdb_txn_abort(txn);
    }
    mdb_env_close(env);
    *why = mdb_strerror(rc);
    return rc == 0;
}

void record_mark_content(struct record *record, enum op_kind kind, const char *name)
{
    char path[sizeof record->folder + RECORD_NAME_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", record->folder, name);
    uint64_t transaction = 0;
    struct ingot_hash digest;
    const char *why = NULL;
    record->is_told_of = false;
    const bool is_read = record_read_lmdb(path, &transaction, &digest, &why);
    record->is_told_of = true;
    if (is_read) {
        struct op *op = record_mark(record, kind);
        op->at = transaction;
        op->digest = digest;
    }
}

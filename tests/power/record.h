/*
 * What a node does to its disk, written down: every write, sync, rename and change of length in its
 * data folder, in order, and between them what the node showed to others. The calls are taken in
 * this process (record_calls.c); LMDB's own go the same way.
 *
 * lock.mdb and LOCK are left out: nothing in them outlives a process.
 */
#ifndef INGOT_TESTS_POWER_RECORD_H
#define INGOT_TESTS_POWER_RECORD_H

#include <ingot/types.h>

#include "core/types.h"

enum op_kind {
    /* Of the disk. */
    OP_FOLDER_MADE,
    OP_PARENT_SYNC, /* of the folder that the data folder is in */
    OP_CREATE,      /* file, name */
    OP_RENAME,      /* name -> name2 */
    OP_UNLINK,      /* name */
    OP_WRITE,       /* file, at, bytes */
    OP_EXTEND,      /* file: at least `at` bytes long */
    OP_CUT,         /* file: `at` bytes long */
    OP_SYNC,        /* file */
    OP_POWER,       /* the power went, and came back: image is what the disk has now */
    OP_FOLDER_SYNC,
    /* Between its operations. */
    OP_BATCH, /* LMDB's transaction number `at` has been committed; digest of all that is there */
    OP_SENT,  /* bytes: a frame; shown */
    OP_RECEIVED, /* bytes: a frame of the peer `at` */
    OP_REPORTED, /* the block of height `at` and this digest was reported committed */
    OP_SIGNED,   /* our signature of the round `at` of quorum broadcast has left */
    OP_TOLD, /* of the round `at`; bytes: a line of the signatures file that a client was told of */
    OP_LEFT  /* a process has died, and left LMDB's transaction `at` with this digest */
};

/* Where a replica stood when it sent something. */
struct shown {
    struct position current;
    struct position last_voted;
    struct position locked;
    struct position high;
};

#define RECORD_NAME_BYTES 32

struct image;

struct op {
    enum op_kind kind;
    uint32_t file;
    bool is_synced; /* WRITE: durable when it returns */
    uint64_t at;
    char name[RECORD_NAME_BYTES];
    char name2[RECORD_NAME_BYTES];
    struct ingot_buffer bytes;
    struct ingot_hash digest;
    struct shown shown;
    struct image *image; /* owned */
};

/* What is not as it should be, on purpose: to see that it is found. */
enum record_fault {
    FAULT_NONE,
    FAULT_NO_SYNC,       /* LMDB runs with MDB_NOSYNC */
    FAULT_NO_META_SYNC,  /* LMDB runs with MDB_NOMETASYNC */
    FAULT_FOLDER_UNSYNC, /* syncs of folders do nothing */
    FAULT_FILE_UNSYNC,   /* syncs of the signatures file do nothing */
    FAULT_DATA_UNSYNC,   /* syncs of LMDB's file do nothing, but for the page that it syncs alone */
    FAULT_JOURNAL_UNSYNC, /* syncs of its records do nothing */
    FAULT_SENT_EARLY,     /* what is sent leaves before the batch that precedes it is durable */
    FAULT_TOLD_EARLY      /* clients are told of lines before their sync */
};

struct record {
    char folder[96];
    struct op *ops;
    uint32_t count;
    uint32_t capacity;
    uint32_t file_count;
    struct {
        char name[RECORD_NAME_BYTES];
        uint32_t file;
    } names[8]; /* that there are now */
    uint32_t name_count;
    bool is_told_of;     /* operations are written down */
    bool is_planned;     /* the process dies in the middle of an operation: */
    uint32_t dies_after; /* so many further ones are carried out */
    bool is_dead;        /* every further one fails */
    bool cannot_reserve; /* fallocate is refused */
};

extern enum record_fault record_fault;

/* Begins with a folder that is not there yet; its parent is. */
void record_init(struct record *record, const char *folder);
void record_deinit(struct record *record);
/* A mark: its fields but `kind` are filled in by the caller. Borrowed until the next one. */
struct op *record_mark(struct record *record, enum op_kind kind);
/*
 * From now on, until the next record_reborn, the process dies in the middle of its nth operation,
 * or with RECORD_AT_SYNCED of the next write that syncs itself.
 */
#define RECORD_AT_SYNCED UINT32_MAX
void record_plan_death(struct record *record, uint32_t operations);
void record_reborn(struct record *record);
/* Puts what was shown where a faulty store would have let it out (FAULT_SENT_EARLY, _TOLD_EARLY).
 */
void record_apply_fault(struct record *record);

/* BATCH or LEFT, of the LMDB file of this name as it is now; nothing when it cannot be read. */
void record_mark_content(struct record *record, enum op_kind kind, const char *name);

/* For people. */
void record_print(const struct record *record, uint32_t first, uint32_t last);

bool op_is_of_disk(const struct op *op);

/* All that is in an LMDB file: its transaction's number, and a digest of every table and of what it
 * knows of free pages. False: it cannot be read; `why` has LMDB's word. */
bool record_read_lmdb(const char *path, uint64_t *transaction, struct ingot_hash *digest,
                      const char **why);

#endif

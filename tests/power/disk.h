/*
 * What a disk may hold after the power has gone: everything that a completed sync covers, and any
 * part of the rest. See docs/testing.md, "Power loss", for what is taken for granted.
 */
#ifndef INGOT_TESTS_POWER_DISK_H
#define INGOT_TESTS_POWER_DISK_H

#include "lib/prng.h"
#include "power/record.h"

#define DISK_FILES_MAX 32
#define DISK_PAGE_BYTES 4096
#define DISK_SECTOR_BYTES 512

struct disk_file {
    struct ingot_buffer bytes; /* what lies behind them up to the length is zero */
    uint64_t length;
};

struct disk_name {
    char name[RECORD_NAME_BYTES];
    uint32_t file;
};

/* The folder: files that have a name. */
struct disk_names {
    struct disk_name items[8];
    uint32_t count;
};

struct disk {
    const struct record *record;
    uint32_t next; /* the first operation that has not begun */
    bool has_folder;
    bool has_folder_for_good;
    struct disk_file files[DISK_FILES_MAX]; /* as the completed syncs left them */
    struct disk_names names;
    uint32_t *waiting; /* operations on files that are not covered yet, in order */
    uint32_t waiting_count;
    uint32_t waiting_capacity;
    uint32_t *naming; /* those on names */
    uint32_t naming_count;
    uint32_t naming_capacity;
};

/* What is lost: of each unit (a page of a write, or a length) whether it is kept. */
struct loss {
    uint8_t *kept;
    uint32_t unit_count;
    uint32_t torn;       /* of this unit, only some sectors are kept; UINT32_MAX: of none */
    uint8_t sectors;     /* those */
    uint32_t names_kept; /* of the operations on names so many, from the first on */
    bool has_folder;
};

struct image {
    bool has_folder;
    struct disk_file files[DISK_FILES_MAX];
    struct disk_names names;
};

void disk_init(struct disk *disk, const struct record *record);
void disk_deinit(struct disk *disk);
/* The next operation on the disk begins. False: there is none. */
bool disk_begin(struct disk *disk);
/* It is complete, and everything up to the next one has happened. */
void disk_complete(struct disk *disk);

/* The units that may be lost, in the middle of the operation that has begun. */
uint32_t disk_units(const struct disk *disk);
/* How many ways of losing them are told apart by number; chance draws more. */
uint32_t disk_plain_losses(const struct disk *disk);
/* The loss of this number; those from disk_plain_losses on are drawn. */
void disk_choose(const struct disk *disk, uint32_t number, uint64_t seed, struct loss *loss);
void loss_deinit(struct loss *loss);
void disk_image(const struct disk *disk, const struct loss *loss, struct image *image);

void image_deinit(struct image *image);
/* Of one that was allocated. NULL is fine. */
void image_free(struct image *image);
void image_hash(const struct image *image, struct ingot_hash *hash);
/* Into a folder that is not there yet. */
void image_write(const struct image *image, const char *folder);
void folder_remove(const char *path);

/* Has the folder what the record says that was written? It must, or the record has missed
 * something. */
bool disk_is_as_recorded(const struct record *record);
/*
 * The power goes, with the loss of this number or one that is drawn, and the folder gets what is
 * left. Nobody has it open.
 */
void disk_lose_power(struct record *record, struct prng *prng);

#endif

/*
 * The signatures backend: an append-only file with one attestation a line, on disk before anybody
 * is told. What a crash tore is cut off at the next start. It does not verify, and knows lines
 * only.
 */
#ifndef INGOT_ATTEST_SIGNATURES_FILE_H
#define INGOT_ATTEST_SIGNATURES_FILE_H

#include <ingot/types.h>

/* In a node's data folder. */
#define SIGNATURES_FILE_NAME "attestations.jsonl"

struct signatures_file;

enum signatures_line {
    SIGNATURES_LINE_TAKEN,
    /* What a write that was never synced has left: it goes, and all that is behind it. For bytes
     * that nobody was ever told of alone. */
    SIGNATURES_LINE_CUT,
    SIGNATURES_LINE_REFUSED /* damage, or not of this place: nothing goes */
};

/*
 * Told of each whole line at or after the place where reading began: its text without the line
 * break, borrowed. What is longer than ATTESTATION_JSON_BYTES_MAX, broken or not, is shown as its
 * first ATTESTATION_JSON_BYTES_MAX + 1 bytes, and cannot be taken. Any other verdict than TAKEN
 * ends it; `why` says why.
 */
typedef enum signatures_line signatures_file_visit(void *context, struct ingot_slice line,
                                                   char *why, size_t why_size);

/*
 * Opens or makes the file (mode 0600), shows the lines from byte `from` on, cuts off an incomplete
 * last line and what the visitor says, and syncs the file and its folder, so that all that was
 * taken is durable. What is cut off is logged. Locks the file against other processes. What an
 * interrupted replacement left behind is removed.
 *
 * @from  a place that was a whole number of lines; 0: all. Beyond the end of the file:
 *        INGOT_ERROR_NOT_FOUND, the file has lost lines.
 * Returns INGOT_OK; INGOT_ERROR_CORRUPT when the visitor refused a line, or took one that is too
 * long, or when no line begins at `from`; INGOT_ERROR_LOCKED;
 * INGOT_ERROR_INVALID (no regular file); INGOT_ERROR_IO, _PERMISSION, _NO_SPACE; with a sentence
 * that names the file and the byte. Unless it is INGOT_OK, nothing was cut off.
 */
INGOT_MUST_USE enum ingot_error signatures_file_open(const char *path, uint64_t from,
                                                     signatures_file_visit *visit, void *context,
                                                     struct signatures_file **file, char *why,
                                                     size_t why_size);
/* What has not been synced is lost. NULL is fine. */
void signatures_file_close(struct signatures_file *file);

/* Keeps a line, which has no line break in it, for the next sync. Bytes are copied; the line break
 * is added. */
void signatures_file_append(struct signatures_file *file, struct ingot_slice line);

/*
 * Writes what was appended since the last success, with one write, and syncs it.
 *
 * Returns INGOT_OK: durable. INGOT_ERROR_NO_SPACE: what was written of it is cut off again, the
 * lines are kept, and a later call tries again. INGOT_ERROR_UNKNOWN_OUTCOME: anything else, now and
 * from then on; the process must stop and read the file back at the next start.
 */
INGOT_MUST_USE enum ingot_error signatures_file_sync(struct signatures_file *file);

/* Bytes that are durable; the place to begin reading at the next start. */
uint64_t signatures_file_size(const struct signatures_file *file);
/* Lines that wait for a sync. */
uint32_t signatures_file_pending(const struct signatures_file *file);

/*
 * Begins a new file to take the place of the present one, for lines that were lost and are known
 * from elsewhere. What is appended and synced from now on goes to `<path>.new`, until
 * signatures_file_replace_end renames it over the old one and syncs the folder; it is the open file
 * of that path from then on. The present one must be closed. Closed before its end, it changes
 * nothing.
 *
 * Returns INGOT_OK, INGOT_ERROR_LOCKED, _IO, _PERMISSION or _NO_SPACE, with a sentence.
 */
INGOT_MUST_USE enum ingot_error signatures_file_replace_begin(const char *path,
                                                              struct signatures_file **file,
                                                              char *why, size_t why_size);
/* Nothing waits for a sync. INGOT_OK; otherwise INGOT_ERROR_UNKNOWN_OUTCOME, as above. */
INGOT_MUST_USE enum ingot_error signatures_file_replace_end(struct signatures_file *file);

#endif

/**
 * Error codes of the public interface, and their texts.
 *
 * Every function that can fail for a reason outside the program returns one of
 * these; 0 is success. Our own bugs never come back as a code: they stop the
 * process (see INGOT_ASSERT).
 */
#ifndef INGOT_ERROR_H
#define INGOT_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#define INGOT_API __attribute__((visibility("default")))
#define INGOT_MUST_USE __attribute__((warn_unused_result))

enum ingot_error {
    INGOT_OK = 0,
    INGOT_ERROR_INVALID = -1,          /* input breaks a stated rule */
    INGOT_ERROR_NOT_FOUND = -2,        /* no such key, block, transaction, file */
    INGOT_ERROR_EXISTS = -3,           /* already there; nothing was changed */
    INGOT_ERROR_TOO_LARGE = -4,        /* above a limit of limits.h or of the configuration */
    INGOT_ERROR_FULL = -5,             /* a bounded queue, pool or map has no room; retry later */
    INGOT_ERROR_IO = -6,               /* the operating system failed a read, write or sync */
    INGOT_ERROR_NO_SPACE = -7,         /* the disk or the store's map limit is full */
    INGOT_ERROR_LOCKED = -8,           /* another process holds the data folder */
    INGOT_ERROR_CORRUPT = -9,          /* stored data does not decode or does not check out */
    INGOT_ERROR_VERSION = -10,         /* stored data is of a schema this program does not know */
    INGOT_ERROR_REJECTED = -11,        /* the App refused */
    INGOT_ERROR_UNKNOWN_OUTCOME = -12, /* a durable commit failed: it may or may not be on disk */
    INGOT_ERROR_NETWORK = -13,         /* a connection could not be made or was lost */
    INGOT_ERROR_TIMEOUT = -14,         /* the deadline passed */
    INGOT_ERROR_PERMISSION = -15       /* a file's mode or owner forbids the use */
};

/**
 * The English text of an error code, such as "not found".
 *
 * The text is static; unknown codes give "unknown error".
 */
INGOT_API const char *ingot_error_text(enum ingot_error error);

#ifdef __cplusplus
}
#endif
#endif

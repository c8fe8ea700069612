/*
 * The texts of the public error codes.
 */
#include <ingot/error.h>

const char *ingot_error_text(enum ingot_error error)
{
    switch (error) {
    case INGOT_OK:
        return "ok";
    case INGOT_ERROR_INVALID:
        return "invalid input";
    case INGOT_ERROR_NOT_FOUND:
        return "not found";
    case INGOT_ERROR_EXISTS:
        return "already exists";
    case INGOT_ERROR_TOO_LARGE:
        return "too large";
    case INGOT_ERROR_FULL:
        return "no room left, try again later";
    case INGOT_ERROR_IO:
        return "input or output failed";
    case INGOT_ERROR_NO_SPACE:
        return "no space left on the disk or in the store";
    case INGOT_ERROR_LOCKED:
        return "locked by another process";
    case INGOT_ERROR_CORRUPT:
        return "stored data is damaged";
    case INGOT_ERROR_VERSION:
        return "stored data has an unknown schema version";
    case INGOT_ERROR_REJECTED:
        return "rejected by the app";
    case INGOT_ERROR_UNKNOWN_OUTCOME:
        return "a durable commit failed with unknown outcome";
    case INGOT_ERROR_NETWORK:
        return "connection failed";
    case INGOT_ERROR_TIMEOUT:
        return "deadline passed";
    case INGOT_ERROR_PERMISSION:
        return "permission denied";
    }
    return "unknown error";
}

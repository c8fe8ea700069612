/*
 * Strict reading of the JSON of this module: every member is known and has the one form in which it
 * is written here, so that no two texts of different looks mean the same. The first thing that is
 * wrong goes into a sentence that names the member.
 */
#ifndef INGOT_ATTEST_JSON_H
#define INGOT_ATTEST_JSON_H

#include <ingot/bytes.h>
#include <jansson.h>

/* An object, and how complaints name its members: "" or "signers[3]." before the name. */
struct attest_json {
    json_t *object;
    char path[32];
    char *why;
    size_t why_size;
};

/*
 * Parses a text that is one JSON object, no member of which is there twice. False, with a sentence,
 * if it is not or is longer than size_max; otherwise json_decref(json->object) is due.
 */
bool attest_json_begin(struct ingot_slice text, size_t size_max, struct attest_json *json,
                       char *why, size_t why_size);
/* Writes the sentence "<path><name>: <text>" and returns false. */
bool attest_json_fail(const struct attest_json *json, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Each of these is true, or false with a sentence. */

/* No members but those of the NULL-terminated list. */
bool attest_json_known(const struct attest_json *json, const char *const *known);
/* The member is this string. */
bool attest_json_is(const struct attest_json *json, const char *name, const char *expected);
/* Borrowed from the object; has no NUL. */
bool attest_json_text(const struct attest_json *json, const char *name, struct ingot_slice *text);
/* Lower case. */
bool attest_json_hex(const struct attest_json *json, const char *name, uint8_t *bytes, size_t size);
/* A string of digits, without leading zeros. */
bool attest_json_u64(const struct attest_json *json, const char *name, uint64_t min, uint64_t max,
                     uint64_t *number);
bool attest_json_base64(const struct attest_json *json, const char *name,
                        struct ingot_buffer *bytes);
/* An array of at most count_max objects. */
bool attest_json_array(const struct attest_json *json, const char *name, size_t count_max,
                       json_t **array);
/* One of them. */
bool attest_json_element(const struct attest_json *json, const char *name, json_t *array,
                         size_t index, struct attest_json *element);

#endif

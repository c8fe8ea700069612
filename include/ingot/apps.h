/**
 * The Apps that come with the library, by name.
 */
#ifndef INGOT_APPS_H
#define INGOT_APPS_H

#include <ingot/app_kv.h>
#include <ingot/app_null.h>
#include <ingot/app_signing.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The names of the Apps that come with the library, `ingot_app_names_count` of them. */
INGOT_API extern const char *const ingot_app_names[];
INGOT_API extern const unsigned ingot_app_names_count;
/** What a chain runs whose genesis names no App. */
#define INGOT_APP_DEFAULT "signing"

/**
 * Makes the App called `name` ("signing", "kv", "null").
 *
 * @options  copied; NULL is the same as all zero.
 *
 * Returns INGOT_OK, or INGOT_ERROR_NOT_FOUND and leaves `*app` alone. End it with
 * ingot_app_deinit().
 */
INGOT_API INGOT_MUST_USE enum ingot_error
ingot_app_init_by_name(const char *name, const struct ingot_app_options *options,
                       struct ingot_app *app);

/** Frees an App's context, if it has a function for that, and clears the struct. */
INGOT_API void ingot_app_deinit(struct ingot_app *app);

#ifdef __cplusplus
}
#endif
#endif

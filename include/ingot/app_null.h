/**
 * The null App: accepts every transaction and keeps nothing. For measuring the protocol alone.
 */
#ifndef INGOT_APP_NULL_H
#define INGOT_APP_NULL_H

#include <ingot/app.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Makes a null App; end it with ingot_app_deinit() of <ingot/apps.h>. */
INGOT_API void ingot_app_null_init(struct ingot_app *app);

#ifdef __cplusplus
}
#endif
#endif

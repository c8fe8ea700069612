/*
 * The Apps that come with the library, by name.
 */
#include <ingot/apps.h>

#include <string.h>

const char *const ingot_app_names[] = {"signing", "kv", "null"};
const unsigned ingot_app_names_count = sizeof ingot_app_names / sizeof ingot_app_names[0];

static void init_null(const struct ingot_app_options *options, struct ingot_app *app)
{
    (void)options;
    ingot_app_null_init(app);
}

static void (*const constructors[])(const struct ingot_app_options *options,
                                    struct ingot_app *app) = {
    ingot_app_signing_init,
    ingot_app_kv_init,
    init_null,
};

static_assert(sizeof constructors / sizeof constructors[0] ==
                  sizeof ingot_app_names / sizeof ingot_app_names[0],
              "every name has its constructor");

enum ingot_error ingot_app_init_by_name(const char *name, const struct ingot_app_options *options,
                                        struct ingot_app *app)
{
    for (unsigned i = 0; i < ingot_app_names_count; i++) {
        if (strcmp(name, ingot_app_names[i]) == 0) {
            constructors[i](options, app);
            return INGOT_OK;
        }
    }
    return INGOT_ERROR_NOT_FOUND;
}

void ingot_app_deinit(struct ingot_app *app)
{
    if (app->free != NULL)
        app->free(app->context);
    *app = (struct ingot_app){0};
}

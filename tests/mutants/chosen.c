/*
 * Which deliberate mistake a scenario test runs with: the number in INGOT_MUTANT, as
 * stories_test.sh reads it off src/base/mutant.h. Without one there is none.
 */
#include <stdlib.h>

#include "base/mutant.h"

enum mutant mutant_active = MUTANT_NONE;

__attribute__((constructor)) static void choose(void)
{
    const char *number = getenv("INGOT_MUTANT");
    if (number != NULL) {
        mutant_active = (enum mutant)strtol(number, NULL, 10);
    }
}

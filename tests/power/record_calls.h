/*
 * This process's calls to the disk, as far as they concern a recorded folder.
 */
#ifndef INGOT_TESTS_POWER_RECORD_CALLS_H
#define INGOT_TESTS_POWER_RECORD_CALLS_H

#include "power/record.h"

void record_calls_add(struct record *record);
void record_calls_remove(struct record *record);

#endif

/*
 * The table of workloads. Each has its own emphasis; a node's data stay below a few megabytes, so
 * that thousands of images can be made of them.
 */
#include "power/workloads.h"

const struct workload workloads[] = {
    {.name = "chain", .height = 24, .submit = 300000, .transaction_size = 60},
    {.name = "losses", .height = 12, .loss = 150000, .submit = 200000, .transaction_size = 200},
    {.name = "sets",
     .height = 24,
     .joiners = 1,
     .loss = 5000,
     .submit = 200000,
     .transaction_size = 60,
     .change = 60000},
    {.name = "behind", .height = 30, .submit = 300000, .transaction_size = 300, .away_until = 24},
    {.name = "pruned",
     .height = 110,
     .submit = 800000,
     .transaction_size = 40,
     .replay_window = 4,
     .retain_blocks = 8},
    {.name = "large", .height = 14, .submit = 150000, .transaction_size = 160000},
    {.name = "restarts",
     .height = 20,
     .loss = 10000,
     .submit = 300000,
     .transaction_size = 100,
     .restart = 60000},
    {.name = "deaths",
     .height = 20,
     .joiners = 1,
     .loss = 10000,
     .submit = 300000,
     .transaction_size = 100,
     .change = 30000,
     .die = 80000},
    {.name = "unreserved",
     .height = 20,
     .submit = 300000,
     .transaction_size = 3000,
     .restart = 20000,
     .die = 20000,
     .cannot_reserve = true},
};

const uint32_t workload_count = sizeof workloads / sizeof workloads[0];

/*
 * Durations in buckets that grow with the value, so that any percentile is known to 1.6 %, and
 * never understated, in a fixed amount of memory.
 */
#ifndef INGOT_CLI_BENCH_HISTOGRAM_H
#define INGOT_CLI_BENCH_HISTOGRAM_H

#include <stdint.h>

#define BENCH_HISTOGRAM_STEPS 64 /* buckets between a power of two and the next */
#define BENCH_HISTOGRAM_BUCKETS (36 * BENCH_HISTOGRAM_STEPS)

struct bench_histogram {
    uint64_t count;
    uint64_t sum_us;
    uint64_t max_us;
    uint64_t buckets[BENCH_HISTOGRAM_BUCKETS];
};

void bench_histogram_add(struct bench_histogram *histogram, uint64_t duration_us);

/*
 * The smallest duration that `per_mille` thousandths of all are at or below, rounded up to its
 * bucket's end; 0 when nothing was added.
 */
uint64_t bench_histogram_quantile_us(const struct bench_histogram *histogram, uint32_t per_mille);

#endif

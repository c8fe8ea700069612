/*
 * Durations in buckets: the first two times BENCH_HISTOGRAM_STEPS hold one microsecond each, then
 * each power of two is cut into BENCH_HISTOGRAM_STEPS equal parts.
 */
#include "cli/bench_histogram.h"

#define STEPS_BITS 6

_Static_assert(BENCH_HISTOGRAM_STEPS == 1 << STEPS_BITS, "the steps are a power of two");

static uint32_t bucket_of(uint64_t duration_us)
{
    if (duration_us < BENCH_HISTOGRAM_STEPS)
        return (uint32_t)duration_us;
    const uint32_t shift = 63 - (uint32_t)__builtin_clzll(duration_us) - STEPS_BITS;
    const uint64_t bucket = (uint64_t)shift * BENCH_HISTOGRAM_STEPS + (duration_us >> shift);
    return bucket < BENCH_HISTOGRAM_BUCKETS ? (uint32_t)bucket : BENCH_HISTOGRAM_BUCKETS - 1;
}

/* The largest duration of a bucket. */
static uint64_t end_of(uint32_t bucket)
{
    if (bucket < BENCH_HISTOGRAM_STEPS)
        return bucket;
    const uint32_t shift = bucket / BENCH_HISTOGRAM_STEPS - 1;
    const uint64_t step = bucket % BENCH_HISTOGRAM_STEPS + BENCH_HISTOGRAM_STEPS;
    return ((step + 1) << shift) - 1;
}

void bench_histogram_add(struct bench_histogram *histogram, uint64_t duration_us)
{
    histogram->buckets[bucket_of(duration_us)]++;
    histogram->count++;
    histogram->sum_us += duration_us;
    if (duration_us > histogram->max_us)
        histogram->max_us = duration_us;
}

uint64_t bench_histogram_quantile_us(const struct bench_histogram *histogram, uint32_t per_mille)
{
    const uint64_t wanted = (histogram->count * per_mille + 999) / 1000;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < BENCH_HISTOGRAM_BUCKETS && histogram->count > 0; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted && histogram->buckets[i] > 0) {
            const uint64_t end_us = end_of(i);
            return end_us < histogram->max_us ? end_us : histogram->max_us;
        }
    }
    return 0;
}

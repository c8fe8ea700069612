/*
 * Prints results. It computes nothing but ratios.
 */
#include "cli/bench_report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

static const struct {
    const char *name;
    uint32_t per_mille;
} quantiles[] = {{"p50", 500}, {"p90", 900}, {"p99", 990}, {"p999", 999}};

#define QUANTILE_COUNT (sizeof quantiles / sizeof quantiles[0])

static double quantile_ms(const struct bench_result *result, size_t which)
{
    return (double)bench_histogram_quantile_us(&result->latency, quantiles[which].per_mille) / 1e3;
}

static uint64_t error_count(const struct bench_result *result)
{
    uint64_t count = 0;
    for (uint32_t i = BENCH_COMMITTED + 1; i < BENCH_OUTCOME_COUNT; i++)
        count += result->outcomes[i];
    return count;
}

static double transactions_per_block(const struct bench_report *report)
{
    const uint64_t blocks = report->after.height - report->before.height;
    const uint64_t committed = report->after.committed - report->before.committed;
    return blocks > 0 ? (double)committed / (double)blocks : 0;
}

/* Of all nodes together, clients' requests included; the whole load, not just the interval. */
static double node_cpu_us_per_transaction(const struct bench_report *report)
{
    const uint64_t committed = report->after.committed - report->before.committed;
    const double used_s = report->after.cpu_s - report->before.cpu_s;
    return committed > 0 ? used_s * 1e6 / (double)committed : 0;
}

static void print_errors(const struct bench_result *result)
{
    (void)printf("errors      %" PRIu64, error_count(result));
    for (uint32_t i = BENCH_COMMITTED + 1; i < BENCH_OUTCOME_COUNT; i++)
        if (result->outcomes[i] > 0)
            (void)printf("  %s %" PRIu64, bench_outcome_name((enum bench_outcome)i),
                         result->outcomes[i]);
    if (result->first_error[0] != '\0')
        (void)printf("  (first: %s)", result->first_error);
    (void)putchar('\n');
}

static void print_memory(const struct bench_network *network)
{
    if (!network->is_own)
        return;
    (void)printf("RssAnon     ");
    for (uint32_t i = 0; i < network->node_count; i++)
        (void)printf("%s%.1f", i == 0 ? "" : ", ",
                     (double)network->rss_anon_bytes_max[i] / (1024 * 1024));
    (void)printf(" MiB at most, node by node\n");
}

void bench_report_text(const struct bench_report *report)
{
    const struct bench_options *options = report->options;
    const struct bench_result *result = report->result;
    const struct bench_machine *machine = report->machine;
    (void)printf("app %s, %u validators, %u-byte transactions, ", report->network->app,
                 report->network->validator_count, options->tx_bytes);
    if (options->rate > 0)
        (void)printf("open loop at %" PRIu64 " tx/s", options->rate);
    else
        (void)printf("closed loop of %u clients with %u outstanding each", options->clients,
                     options->outstanding);
    (void)printf(", %s, %.0f s\n", options->http ? "submitted with JSON-RPC" : "submitted as bytes",
                 result->seconds);
    (void)printf("committed   %.0f tx/s, %s, %.1f transactions a block\n",
                 (double)result->committed / result->seconds,
                 report->network->is_durable ? "durable" : "NOT durable",
                 transactions_per_block(report));
    (void)printf("latency     ");
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        (void)printf("%s %.2f  ", quantiles[i].name, quantile_ms(result, i));
    (void)printf("max %.2f ms%s\n", (double)result->latency.max_us / 1e3,
                 options->rate > 0 ? ", from the intended time of sending" : "");
    print_errors(result);
    (void)printf("views       %" PRIu64 " timed out\n",
                 report->after.timeouts - report->before.timeouts);
    print_memory(report->network);
    if (report->network->is_own)
        (void)printf("processors  %.1f us for a transaction, all nodes together\n",
                     node_cpu_us_per_transaction(report));
    (void)printf("generator   %.2f processors, nice %d\n", result->generator_cpu,
                 result->generator_nice);
    (void)printf(
        "machine     %u processors; ed25519 %.0f verifies/s, %.0f signs/s; LMDB %.0f synced "
        "commits/s; loopback %.0f round trips/s\n",
        machine->processors, machine->ed25519_verifies_per_s, machine->ed25519_signs_per_s,
        machine->synced_commits_per_s, machine->loopback_round_trips_per_s);
}

static json_t *real(double value)
{
    /* Three decimals say all there is to say, and read better than seventeen. */
    return json_real((double)(int64_t)(value * 1000 + 0.5) / 1000);
}

static json_t *machine_json(const struct bench_machine *machine)
{
    return json_pack("{s:i, s:o, s:o, s:o, s:{s:o}}", "processors", (int)machine->processors,
                     "ed25519_verifies_per_s", real(machine->ed25519_verifies_per_s),
                     "ed25519_signs_per_s", real(machine->ed25519_signs_per_s),
                     "synced_commits_per_s", real(machine->synced_commits_per_s), "loopback",
                     "round_trips_per_s", real(machine->loopback_round_trips_per_s));
}

static json_t *latency_json(const struct bench_result *result)
{
    json_t *latency = json_object();
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        (void)json_object_set_new(latency, quantiles[i].name, real(quantile_ms(result, i)));
    (void)json_object_set_new(latency, "max", real((double)result->latency.max_us / 1e3));
    return latency;
}

static json_t *errors_json(const struct bench_result *result)
{
    json_t *errors = json_object();
    for (uint32_t i = BENCH_COMMITTED + 1; i < BENCH_OUTCOME_COUNT; i++)
        (void)json_object_set_new(errors, bench_outcome_name((enum bench_outcome)i),
                                  json_integer((json_int_t)result->outcomes[i]));
    return errors;
}

static json_t *load_json(const struct bench_options *options)
{
    json_t *load = options->rate > 0
                       ? json_pack("{s:s, s:I}", "loop", "open", "rate", (json_int_t)options->rate)
                       : json_pack("{s:s, s:i, s:i}", "loop", "closed", "clients",
                                   (int)options->clients, "outstanding", (int)options->outstanding);
    (void)json_object_set_new(load, "submission",
                              json_string(options->http ? "json-rpc" : "binary"));
    return load;
}

void bench_report_json(const struct bench_report *report)
{
    const struct bench_options *options = report->options;
    const struct bench_network *network = report->network;
    const struct bench_result *result = report->result;
    json_t *memory = json_array();
    for (uint32_t i = 0; network->is_own && i < network->node_count; i++)
        (void)json_array_append_new(memory,
                                    json_integer((json_int_t)network->rss_anon_bytes_max[i]));
    json_t *root = json_pack(
        "{s:o, s:o, s:b, s:i, s:i, s:s, s:o, s:i, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:i, s:o}",
        "committed_tx_per_s", real((double)result->committed / result->seconds), "latency_ms",
        latency_json(result), "durable", (int)network->is_durable, "validators",
        (int)network->validator_count, "tx_bytes", (int)options->tx_bytes, "app", network->app,
        "errors", errors_json(result), "seconds", (int)options->seconds, "load", load_json(options),
        "offered_tx_per_s", real((double)result->offered / result->seconds),
        "transactions_per_block", real(transactions_per_block(report)), "view_timeouts",
        (json_int_t)(report->after.timeouts - report->before.timeouts), "rss_anon_bytes", memory,
        "node_cpu_us_per_tx", real(node_cpu_us_per_transaction(report)), "generator_processors",
        real(result->generator_cpu), "generator_nice", result->generator_nice, "machine",
        machine_json(report->machine));
    INGOT_ASSERT(root != NULL);
    char *text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    INGOT_ASSERT(text != NULL);
    (void)puts(text);
    free(text);
    json_decref(root);
}

/*
 * Measures the machine's own limits: the same library calls that a validator makes, alone.
 */
#include "cli/bench_machine.h"

#include <errno.h>
#include <ingot/store.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/temporary.h"
#include "config/file.h"
#include "wire/crypto.h"

#define MEASURE_US 400000
#define MESSAGE_BYTES 128

static double per_second(uint64_t count, uint64_t begin_us)
{
    return (double)count * 1e6 / (double)(clock_monotonic_us() - begin_us + 1);
}

static bool time_is_left(uint64_t begin_us)
{
    return clock_monotonic_us() - begin_us < MEASURE_US;
}

static bool measure_signatures(struct bench_machine *machine)
{
    static const uint8_t seed[CRYPTO_SEED_BYTES] = {7};
    uint8_t bytes[MESSAGE_BYTES] = {0};
    struct crypto_secret_key secret;
    struct ingot_public_key key;
    struct ingot_signature signature;
    const struct ingot_slice message = ingot_slice_of(bytes, sizeof bytes);
    uint64_t count = 0;
    crypto_ed25519.key_from_seed(seed, &secret, &key);
    uint64_t begin_us = clock_monotonic_us();
    for (; time_is_left(begin_us); count++)
        crypto_ed25519.sign(&secret, message, &signature);
    machine->ed25519_signs_per_s = per_second(count, begin_us);
    bool is_valid = true;
    count = 0;
    begin_us = clock_monotonic_us();
    for (; is_valid && time_is_left(begin_us); count++)
        is_valid = crypto_ed25519.verify(&key, message, &signature);
    machine->ed25519_verifies_per_s = per_second(count, begin_us);
    return is_valid;
}

static bool measure_commits(const char *folder, struct bench_machine *machine, char *why,
                            size_t why_size)
{
    static const char *const tables[] = {"probe"};
    const struct ingot_store_lmdb_options options = {
        .folder = folder, .tables = tables, .table_count = 1};
    struct ingot_store *store;
    uint8_t value[1024] = {0};
    enum ingot_error error = ingot_store_lmdb_open(&options, &store, why, why_size);
    if (error != INGOT_OK)
        return false;
    const uint64_t begin_us = clock_monotonic_us();
    uint64_t count = 0;
    for (; error == INGOT_OK && time_is_left(begin_us); count++) {
        uint8_t key[8];
        for (uint32_t i = 0; i < sizeof key; i++)
            key[i] = (uint8_t)(count >> (56 - 8 * i));
        struct ingot_store_batch *batch = ingot_store_batch_begin(store);
        ingot_store_batch_put(batch, 0, ingot_slice_of(key, sizeof key),
                              ingot_slice_of(value, sizeof value));
        error = ingot_store_batch_commit(batch);
    }
    machine->synced_commits_per_s = per_second(count, begin_us);
    ingot_store_close(store);
    if (error != INGOT_OK)
        (void)snprintf(why, why_size, "%s: %s", folder, ingot_error_text(error));
    return error == INGOT_OK;
}

/* Sends or receives all of a message. */
static bool transfer(int socket, bool is_sending, uint8_t *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t moved =
            is_sending ? send(socket, bytes, size, MSG_NOSIGNAL) : recv(socket, bytes, size, 0);
        if (moved <= 0)
            return false;
        bytes += moved;
        size -= (size_t)moved;
    }
    return true;
}

static _Noreturn void echo(int socket)
{
    uint8_t bytes[MESSAGE_BYTES];
    while (transfer(socket, false, bytes, sizeof bytes) &&
           transfer(socket, true, bytes, sizeof bytes)) {
    }
    _exit(0);
}

/* Two ends of a TCP connection on the loopback interface. */
static bool connect_pair(int pair[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int on = 1;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pair[1] = -1;
    if (listener >= 0 && pair[0] >= 0 &&
        bind(listener, (const struct sockaddr *)&address, sizeof address) == 0 &&
        getsockname(listener, (struct sockaddr *)&address, &size) == 0 &&
        listen(listener, 1) == 0 &&
        connect(pair[0], (const struct sockaddr *)&address, sizeof address) == 0)
        pair[1] = accept(listener, NULL, NULL);
    for (uint32_t i = 0; i < 2 && pair[1] >= 0; i++)
        (void)setsockopt(pair[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (listener >= 0)
        (void)close(listener);
    return pair[1] >= 0;
}

static bool measure_loopback(struct bench_machine *machine, char *why, size_t why_size)
{
    uint8_t bytes[MESSAGE_BYTES] = {0};
    int pair[2];
    if (!connect_pair(pair)) {
        (void)snprintf(why, why_size, "the loopback interface cannot be used: %s", strerror(errno));
        return false;
    }
    const pid_t child = fork();
    if (child == 0) {
        (void)close(pair[0]);
        echo(pair[1]);
    }
    (void)close(pair[1]);
    const uint64_t begin_us = clock_monotonic_us();
    uint64_t count = 0;
    while (child > 0 && time_is_left(begin_us) && transfer(pair[0], true, bytes, sizeof bytes) &&
           transfer(pair[0], false, bytes, sizeof bytes))
        count++;
    machine->loopback_round_trips_per_s = per_second(count, begin_us);
    (void)close(pair[0]);
    if (child > 0)
        (void)waitpid(child, NULL, 0);
    if (count == 0)
        (void)snprintf(why, why_size, "the loopback interface cannot be measured");
    return count > 0;
}

bool bench_machine_measure(const char *folder, struct bench_machine *machine, char *why,
                           size_t why_size)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    *machine = (struct bench_machine){.processors = processors > 0 ? (uint32_t)processors : 1};
    if (!measure_signatures(machine)) {
        (void)snprintf(why, why_size, "a signature of this machine does not verify");
        return false;
    }
    char *probe = path_join(folder, "probe");
    bool is_done = measure_commits(probe, machine, why, why_size);
    temporary_remove(probe);
    free(probe);
    return is_done && measure_loopback(machine, why, why_size);
}

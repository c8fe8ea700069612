/*
 * Serves the client listener over a chain in memory, so that real clients can be tried against it
 * without a network of validators. Commits twenty blocks a second; prints its URL.
 *
 *     rpc_fixture [PORT [BLOCKS]]
 *
 * BLOCKS 0: only commits when there is something to commit, so that the chain begins at height 0.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/rpc_fake.h"

static void on_timer(evutil_socket_t socket, short what, void *context)
{
    struct rpc_fake *fake = context;
    (void)socket;
    (void)what;
    if (fake->pending_count > 0 && fake->status.height + 1 < RPC_FAKE_BLOCKS_MAX) {
        rpc_fake_commit(fake);
    }
}

int main(int argc, char **argv)
{
    static struct rpc_fake fake;
    unsigned long blocks = argc > 2 ? strtoul(argv[2], NULL, 10) : 3;
    rpc_fake_init(&fake);
    fake.options.port = argc > 1 ? (uint16_t)strtoul(argv[1], NULL, 10) : 0;
    rpc_fake_listen(&fake);
    for (unsigned long i = 0; i < blocks; i++) {
        char transaction[32];
        (void)snprintf(transaction, sizeof transaction, "block=%lu", i);
        rpc_fake_submit(&fake, transaction);
        rpc_fake_commit(&fake);
    }
    rpc_fake_add_evidence(&fake);
    rpc_fake_add_evidence(&fake);
    struct timeval interval = {.tv_usec = 50000};
    struct event *timer = event_new(fake.base, -1, EV_PERSIST, on_timer, &fake);
    (void)event_add(timer, &interval);
    (void)printf("http://127.0.0.1:%u\n", (unsigned)rpc_port(fake.rpc));
    (void)fflush(stdout);
    (void)event_base_dispatch(fake.base);
    return 0;
}

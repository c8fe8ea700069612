/*
 * A network of its own for programs under test: namespaces with one interface each, and this
 * program as the switch between them, which loses, delays and repeats frames as it is told. It
 * needs root and /dev/net/tun, and nothing else of the kernel: no bridge, no netem, no firewall.
 * What belongs to the namespaces goes with the processes in them and with this program.
 *
 *     frame_switch COUNT SEED
 *
 * Interface number I has the address 10.77.0.(I+1). Once all is there it prints
 * {"namespaces": [...]}: numbers of descriptors of its own, /proc/PID/fd/NUMBER for nsenter.
 * Then it takes lines from standard input, answers each with one, and ends with the input:
 *
 *     link FROM TO LOSS DUPLICATES DELAY JITTER   of frames from FROM to TO: parts in a million
 *                                                 that are lost, and that come twice;
 *                                                 microseconds, JITTER at most besides
 *     counts                                      what happened to frames so far, as JSON
 *
 * A loss of a million is a link that is cut.
 */
#define _GNU_SOURCE /* unshare */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "lib/prng.h"
#include "lib/process_home.h"

#define PORTS_MAX 16
#define FRAME_BYTES_MAX 1600
/* What waits to be delivered; a frame beyond that is lost, as in any switch. */
#define WAITING_MAX 65536
#define MILLION 1000000

struct link {
    uint32_t loss;
    uint32_t duplicates;
    uint32_t delay_us;
    uint32_t jitter_us;
};

struct waiting {
    uint64_t due_us;
    uint64_t number; /* of two that are due at one time the first comes first */
    size_t to;
    size_t size;
    uint8_t *bytes;
};

struct frame_switch {
    size_t count;
    int taps[PORTS_MAX];
    int namespaces[PORTS_MAX];
    struct link links[PORTS_MAX][PORTS_MAX];
    struct prng prng;
    struct waiting *heap;
    size_t waiting_count;
    uint64_t next_number;
    uint64_t delivered, lost, cut, repeated, overtaken, overflowed;
    uint64_t last_number[PORTS_MAX]; /* delivered there, to see who is overtaken */
};

static uint64_t now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * MILLION + (uint64_t)now.tv_nsec / 1000;
}

/* --- Namespaces and interfaces. --- */

static void must(int result, const char *what)
{
    if (result < 0)
        process_fail("%s: %s", what, strerror(errno));
}

static struct ifreq request_of(const char *name)
{
    struct ifreq request = {0};
    (void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    return request;
}

static void set_address(int control, unsigned long request_code, const char *text)
{
    struct ifreq request = request_of("ingot0");
    struct sockaddr_in address = {.sin_family = AF_INET};
    (void)inet_pton(AF_INET, text, &address.sin_addr);
    memcpy(&request.ifr_addr, &address, sizeof address);
    must(ioctl(control, request_code, &request), "the address of an interface");
}

static void bring_up(int control, const char *name)
{
    struct ifreq request = request_of(name);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    must(ioctl(control, SIOCSIFFLAGS, &request), "an interface cannot be brought up");
}

/* A new namespace with the loopback interface and one that is connected to the switch. */
static void add_port(struct frame_switch *self, size_t port)
{
    must(unshare(CLONE_NEWNET), "a network namespace");
    self->namespaces[port] = open("/proc/self/ns/net", O_RDONLY);
    must(self->namespaces[port], "/proc/self/ns/net");
    self->taps[port] = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    must(self->taps[port], "/dev/net/tun");
    struct ifreq request = request_of("ingot0");
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    must(ioctl(self->taps[port], TUNSETIFF, &request), "an interface");

    const int control = socket(AF_INET, SOCK_DGRAM, 0);
    must(control, "a socket");
    request = request_of("ingot0");
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    const uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)port};
    memcpy(request.ifr_hwaddr.sa_data, mac, sizeof mac);
    must(ioctl(control, SIOCSIFHWADDR, &request), "the hardware address of an interface");
    char address[32];
    (void)snprintf(address, sizeof address, "10.77.0.%u", (unsigned)port + 1);
    set_address(control, SIOCSIFADDR, address);
    set_address(control, SIOCSIFNETMASK, "255.255.255.0");
    bring_up(control, "ingot0");
    bring_up(control, "lo");
    (void)close(control);
}

/* --- What waits: a heap by the time at which it is due. --- */

static bool is_before(const struct waiting *a, const struct waiting *b)
{
    return a->due_us < b->due_us || (a->due_us == b->due_us && a->number < b->number);
}

static void swap(struct waiting *a, struct waiting *b)
{
    const struct waiting held = *a;
    *a = *b;
    *b = held;
}

static void push(struct frame_switch *self, const struct waiting *frame)
{
    size_t at = self->waiting_count++;
    self->heap[at] = *frame;
    while (at > 0 && is_before(&self->heap[at], &self->heap[(at - 1) / 2])) {
        swap(&self->heap[at], &self->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static struct waiting pop(struct frame_switch *self)
{
    const struct waiting first = self->heap[0];
    self->heap[0] = self->heap[--self->waiting_count];
    for (size_t at = 0;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < self->waiting_count && is_before(&self->heap[child], &self->heap[least]))
                least = child;
        if (least == at)
            return first;
        swap(&self->heap[at], &self->heap[least]);
        at = least;
    }
}

/* --- Frames. --- */

static void send_to(struct frame_switch *self, size_t from, size_t to, const uint8_t *bytes,
                    size_t size)
{
    const struct link *link = &self->links[from][to];
    if (link->loss == MILLION) {
        self->cut++;
        return;
    }
    if (prng_chance(&self->prng, link->loss)) {
        self->lost++;
        return;
    }
    const bool comes_twice = prng_chance(&self->prng, link->duplicates);
    self->repeated += comes_twice;
    for (int copy = 0; copy <= comes_twice; copy++) {
        if (self->waiting_count == WAITING_MAX) {
            self->overflowed++;
            return;
        }
        push(self, &(struct waiting){
                       .due_us = now_us() + link->delay_us +
                                 prng_between(&self->prng, 0, link->jitter_us),
                       .number = self->next_number++,
                       .to = to,
                       .size = size,
                       .bytes = alloc_copy(bytes, size),
                   });
    }
}

/* The last byte of a hardware address is the port's number; the first says whether it is for all.
 */
static void take_frame(struct frame_switch *self, size_t from, const uint8_t *bytes, size_t size)
{
    const bool is_for_all = (bytes[0] & 1) != 0;
    for (size_t to = 0; to < self->count; to++)
        if (to != from && (is_for_all || bytes[5] == to))
            send_to(self, from, to, bytes, size);
}

static void read_frames(struct frame_switch *self, size_t port)
{
    uint8_t bytes[FRAME_BYTES_MAX];
    for (int i = 0; i < 64; i++) {
        const ssize_t size = read(self->taps[port], bytes, sizeof bytes);
        if (size < 14)
            return;
        take_frame(self, port, bytes, (size_t)size);
    }
}

static void deliver_due(struct frame_switch *self)
{
    const uint64_t now = now_us();
    while (self->waiting_count > 0 && self->heap[0].due_us <= now) {
        const struct waiting frame = pop(self);
        if (write(self->taps[frame.to], frame.bytes, frame.size) >= 0)
            self->delivered++;
        if (frame.number < self->last_number[frame.to])
            self->overtaken++;
        else
            self->last_number[frame.to] = frame.number;
        free(frame.bytes);
    }
}

/* --- Commands. --- */

static void set_link(struct frame_switch *self, const char *line)
{
    size_t from;
    size_t to;
    struct link link;
    if (sscanf(line, "link %zu %zu %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32, &from, &to,
               &link.loss, &link.duplicates, &link.delay_us, &link.jitter_us) != 6 ||
        from >= self->count || to >= self->count || link.loss > MILLION ||
        link.duplicates > MILLION)
        process_fail("expected link FROM TO LOSS DUPLICATES DELAY JITTER, found %s", line);
    self->links[from][to] = link;
    (void)puts("ok");
}

/* False: the input has ended. */
static bool take_command(struct frame_switch *self)
{
    char line[256];
    if (fgets(line, sizeof line, stdin) == NULL)
        return false;
    if (strcmp(line, "counts\n") == 0)
        (void)printf("{\"delivered\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"cut\": %" PRIu64
                     ", \"repeated\": %" PRIu64 ", \"overtaken\": %" PRIu64
                     ", \"overflowed\": %" PRIu64 "}\n",
                     self->delivered, self->lost, self->cut, self->repeated, self->overtaken,
                     self->overflowed);
    else
        set_link(self, line);
    (void)fflush(stdout);
    return true;
}

static void run(struct frame_switch *self)
{
    struct pollfd polled[PORTS_MAX + 1] = {{.fd = STDIN_FILENO, .events = POLLIN}};
    for (size_t i = 0; i < self->count; i++)
        polled[i + 1] = (struct pollfd){.fd = self->taps[i], .events = POLLIN};
    for (;;) {
        struct timespec wait = {.tv_sec = 1};
        if (self->waiting_count > 0) {
            const uint64_t now = now_us();
            const uint64_t due = self->heap[0].due_us;
            const uint64_t left = due > now ? due - now : 0;
            wait = (struct timespec){(time_t)(left / MILLION), (long)(left % MILLION) * 1000};
        }
        if (ppoll(polled, self->count + 1, &wait, NULL) < 0 && errno != EINTR)
            process_fail("poll: %s", strerror(errno));
        /* One line at a time is asked for and answered, so none stays behind in a buffer. */
        if (polled[0].revents != 0 && !take_command(self))
            return;
        for (size_t i = 0; i < self->count; i++)
            if (polled[i + 1].revents != 0)
                read_frames(self, i);
        deliver_due(self);
    }
}

int main(int argc, char **argv)
{
    struct frame_switch self = {.count = argc == 3 ? strtoul(argv[1], NULL, 10) : 0};
    if (self.count < 1 || self.count > PORTS_MAX)
        process_fail("usage: frame_switch COUNT SEED, with a COUNT of 1 to %d", PORTS_MAX);
    prng_init(&self.prng, strtoull(argv[2], NULL, 10), 0);
    self.heap = alloc_zeroed(WAITING_MAX, sizeof *self.heap);
    for (size_t i = 0; i < self.count; i++)
        add_port(&self, i);
    (void)printf("{\"namespaces\": [");
    for (size_t i = 0; i < self.count; i++)
        (void)printf("%s%d", i > 0 ? ", " : "", self.namespaces[i]);
    (void)printf("]}\n");
    (void)fflush(stdout);
    run(&self);
    while (self.waiting_count > 0)
        free(pop(&self).bytes);
    free(self.heap);
    return 0;
}

/*
 * A peer that serves blocks badly: it has a validator's transport key and a data folder with a true
 * chain, dials a node, and answers its requests for blocks with lies. For lying_sync_test.py.
 *
 *     lying_peer HOME PORT wrong-block|truncated|inflated|slow|huge|silent
 *
 * It speaks TLS itself, so that it can also send frames a byte at a time and lengths that no frame
 * may have. Cut off, it dials again. SIGTERM ends it; it then prints what it did as JSON.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "lib/process_home.h"
#include "net/frame.h"
#include "net/tls.h"
#include "wire/preimage.h"
#include "wire/wire.h"

#define ADVERTISE_INTERVAL_US 200000
#define RECEIVE_TIMEOUT_US 20000
#define REDIAL_US 200000
#define DRIP_US 1000000 /* one byte */
#define HEIGHT_INVENTED 1000000000
#define BLOCKS_MAX 128

enum lie { WRONG_BLOCK, TRUNCATED, INFLATED, SLOW, HUGE, SILENT };
#define LIE_COUNT 6
static const char *const lie_names[LIE_COUNT] = {"wrong-block", "truncated", "inflated",
                                                 "slow",        "huge",      "silent"};

struct liar {
    struct process_home home;
    enum lie lie;
    uint16_t port;
    struct tls tls;
    int fd;
    SSL *session;
    uint64_t advertised_us;
    struct ingot_buffer received; /* of the frame that is coming in */
    struct ingot_buffer out;      /* scratch */
    uint32_t connections;
    uint32_t requests;
    uint32_t lies;
};

static volatile sig_atomic_t is_over;

static void on_signal(int number)
{
    (void)number;
    is_over = 1;
}

static bool accept_any(void *connection, const struct ingot_public_key *key)
{
    (void)connection;
    (void)key;
    return true;
}

static void nap(uint64_t us)
{
    const struct timespec time = {.tv_sec = (time_t)(us / 1000000),
                                  .tv_nsec = (long)(us % 1000000) * 1000};
    (void)nanosleep(&time, NULL);
}

/* --- The connection. --- */

static bool send_bytes(struct liar *liar, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    while (size > 0 && !is_over) {
        const int sent = SSL_write(liar->session, at, size > 65536 ? 65536 : (int)size);
        if (sent > 0) {
            at += sent;
            size -= (size_t)sent;
        } else if (SSL_get_error(liar->session, sent) != SSL_ERROR_WANT_WRITE) {
            return false;
        }
    }
    return size == 0;
}

static bool send_frame(struct liar *liar, struct ingot_slice body)
{
    struct ingot_buffer header = {0};
    ingot_buffer_append_u32(&header, (uint32_t)body.size);
    const bool is_sent =
        send_bytes(liar, header.data, header.size) && send_bytes(liar, body.data, body.size);
    ingot_buffer_deinit(&header);
    return is_sent;
}

/* Each byte in a TLS record of its own. */
static bool send_slowly(struct liar *liar, struct ingot_slice body)
{
    struct ingot_buffer frame = {0};
    ingot_buffer_append_u32(&frame, (uint32_t)body.size);
    ingot_buffer_append_slice(&frame, body);
    bool is_sent = true;
    for (size_t i = 0; i < frame.size && is_sent && !is_over; i++) {
        nap(DRIP_US);
        is_sent = send_bytes(liar, frame.data + i, 1);
    }
    ingot_buffer_deinit(&frame);
    return is_sent;
}

static bool dial(struct liar *liar)
{
    const struct timeval timeout = {.tv_usec = RECEIVE_TIMEOUT_US};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(liar->port)};
    const struct ingot_hash *chain = &liar->home.home.genesis.hash;
    uint8_t hello[HELLO_BYTES];
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    liar->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    liar->session = net_tls_session_new(&liar->tls, liar->fd, liar);
    if (connect(liar->fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        SSL_connect(liar->session) != 1) {
        return false;
    }
    (void)setsockopt(liar->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    net_hello_encode((uint64_t)getpid(), ingot_slice_of(chain->bytes, sizeof chain->bytes), hello);
    ingot_buffer_clear(&liar->received);
    liar->advertised_us = 0;
    liar->connections++;
    return send_frame(liar, ingot_slice_of(hello, sizeof hello));
}

static void hang_up(struct liar *liar)
{
    SSL_free(liar->session);
    (void)close(liar->fd);
}

/* --- Lies. --- */

static bool send_message(struct liar *liar, const struct message *message)
{
    ingot_buffer_clear(&liar->out);
    wire_encode(message, &liar->out);
    return send_frame(liar, ingot_buffer_slice(&liar->out));
}

/* What makes it worth asking: a true certificate, and a height that is true for all but one. */
static bool advertise(struct liar *liar)
{
    struct message *message = message_new(MESSAGE_ADVERTISE);
    message->advertise.committed_height =
        liar->lie == INFLATED ? HEIGHT_INVENTED : ledger_committed_height(liar->home.ledger);
    message->advertise.high_qc = qc_ref(liar->home.start.safety.high_qc);
    const bool is_sent = send_message(liar, message);
    message_unref(message);
    return is_sent;
}

/* The true answer, or none if it has nothing. */
static struct message *answer_to(struct liar *liar, const struct sync_request *request)
{
    struct message *message = message_new(MESSAGE_SYNC_RESPONSE);
    struct sync_response *response = &message->sync_response;
    const uint64_t committed = ledger_committed_height(liar->home.ledger);
    const uint32_t limit = request->blocks_max < BLOCKS_MAX ? request->blocks_max : BLOCKS_MAX;
    response->committed_height = committed;
    response->lowest_height = 1;
    response->blocks = alloc_zeroed(BLOCKS_MAX, sizeof *response->blocks);
    for (uint64_t height = request->base_height + 1; height <= committed; height++) {
        struct ledger_entry entry;
        if (ledger_read_block(liar->home.ledger, height, &entry) != INGOT_OK) {
            process_fail("the block at height %" PRIu64 " cannot be read", height);
        }
        if (response->block_count == limit) {
            response->tail_qc = qc_ref(entry.block->justify);
            ledger_entry_deinit(&entry);
            break;
        }
        response->blocks[response->block_count++] = block_ref(entry.block);
        ledger_entry_deinit(&entry);
    }
    return message;
}

/*
 * Every other time in the middle of the answer, else at its end and with a certificate that names
 * it: only its signatures are of another block.
 */
static void spoil_block(struct liar *liar, struct sync_response *response)
{
    const bool is_last = liar->lies % 2 == 1 && response->tail_qc != NULL;
    const uint32_t at = is_last ? response->block_count - 1 : response->block_count / 2;
    struct ingot_buffer bytes = {0};
    struct block *block = NULL;
    wire_encode_block(response->blocks[at], &bytes);
    if (wire_decode_block(ingot_buffer_slice(&bytes), &block) != REJECT_NONE) {
        process_fail("a block of our own cannot be decoded");
    }
    block->updates_hash.bytes[0] ^= 1;
    wire_block_hash(block, &block->hash);
    block_unref(response->blocks[at]);
    response->blocks[at] = block;
    if (is_last) {
        response->tail_qc->block = block->hash;
        wire_seal_qc(response->tail_qc);
    }
    ingot_buffer_deinit(&bytes);
}

/* Every other time the last certificate is missing, else the frame ends in the middle. */
static bool send_truncated(struct liar *liar, struct message *message)
{
    if (liar->lies % 2 == 0) {
        qc_unref(message->sync_response.tail_qc);
        message->sync_response.tail_qc = NULL;
        return send_message(liar, message);
    }
    ingot_buffer_clear(&liar->out);
    wire_encode(message, &liar->out);
    return send_frame(liar, ingot_slice_of(liar->out.data, liar->out.size / 2 + 1));
}

/* The largest frame there may be, with the head of an answer; then a length that none may have. */
static bool send_huge(struct liar *liar, struct message *message)
{
    static const uint8_t length[] = {0xff, 0xff, 0xff, 0xff};
    static const uint8_t noise[65536];
    ingot_buffer_clear(&liar->out);
    wire_encode(message, &liar->out);
    while (liar->out.size < INGOT_FRAME_BYTES_MAX) {
        const size_t room = INGOT_FRAME_BYTES_MAX - liar->out.size;
        ingot_buffer_append(&liar->out, noise, room < sizeof noise ? room : sizeof noise);
    }
    return send_frame(liar, ingot_buffer_slice(&liar->out)) &&
           send_frame(liar, ingot_buffer_slice(&liar->out)) &&
           send_bytes(liar, length, sizeof length);
}

static bool lie(struct liar *liar, const struct sync_request *request)
{
    bool is_sent = true;
    struct message *message = answer_to(liar, request);
    struct sync_response *response = &message->sync_response;
    liar->requests++;
    switch (liar->lie) {
    case WRONG_BLOCK:
        if (response->block_count > 0) {
            spoil_block(liar, response);
        }
        is_sent = send_message(liar, message);
        break;
    case TRUNCATED:
        is_sent = send_truncated(liar, message);
        break;
    case INFLATED:
        while (response->block_count > 0) {
            block_unref(response->blocks[--response->block_count]);
        }
        qc_unref(response->tail_qc);
        response->tail_qc = NULL;
        response->committed_height = HEIGHT_INVENTED;
        is_sent = send_message(liar, message);
        break;
    case SLOW:
        ingot_buffer_clear(&liar->out);
        wire_encode(message, &liar->out);
        is_sent = send_slowly(liar, ingot_buffer_slice(&liar->out));
        break;
    case HUGE:
        is_sent = send_huge(liar, message);
        break;
    case SILENT:
        break;
    }
    liar->lies++;
    message_unref(message);
    return is_sent;
}

/* --- The loop. --- */

static bool take_frame(struct liar *liar, struct ingot_slice frame)
{
    struct message *message = NULL;
    bool is_fine = true;
    if (wire_decode(frame, &message) == REJECT_NONE) {
        if (message->kind == MESSAGE_SYNC_REQUEST) {
            is_fine = lie(liar, &message->sync_request);
        }
        message_unref(message);
    }
    return is_fine;
}

static bool receive(struct liar *liar)
{
    uint8_t bytes[65536];
    const int size = SSL_read(liar->session, bytes, sizeof bytes);
    if (size <= 0) {
        return SSL_get_error(liar->session, size) == SSL_ERROR_WANT_READ;
    }
    struct ingot_buffer *received = &liar->received;
    ingot_buffer_append(received, bytes, (size_t)size);
    size_t done = 0;
    bool is_fine = true;
    while (is_fine && received->size - done >= FRAME_HEADER_BYTES) {
        const uint32_t body = net_frame_body_size(received->data + done);
        if (received->size - done - FRAME_HEADER_BYTES < body) {
            break;
        }
        is_fine =
            take_frame(liar, ingot_slice_of(received->data + done + FRAME_HEADER_BYTES, body));
        done += FRAME_HEADER_BYTES + body;
    }
    memmove(received->data, received->data + done, received->size - done);
    received->size -= done;
    return is_fine;
}

static void talk(struct liar *liar)
{
    bool is_fine = dial(liar);
    while (is_fine && !is_over) {
        const uint64_t now_us = clock_monotonic_us();
        if (now_us - liar->advertised_us >= ADVERTISE_INTERVAL_US) {
            liar->advertised_us = now_us;
            is_fine = advertise(liar);
        }
        is_fine = is_fine && receive(liar);
    }
    hang_up(liar);
}

int main(int argc, char **argv)
{
    static struct liar liar;
    const struct sigaction action = {.sa_handler = on_signal};
    int kind = 0;
    while (argc == 4 && kind < LIE_COUNT && strcmp(argv[3], lie_names[kind]) != 0) {
        kind++;
    }
    if (argc != 4 || kind == LIE_COUNT) {
        process_fail("usage: lying_peer HOME PORT LIE");
    }
    (void)sigaction(SIGTERM, &action, NULL);
    process_home_open(&liar.home, argv[1]);
    liar.port = (uint16_t)strtoul(argv[2], NULL, 10);
    liar.lie = (enum lie)kind;
    net_tls_init(&liar.tls, liar.home.home.transport_key.seed, accept_any);
    while (!is_over) {
        talk(&liar);
        nap(REDIAL_US);
    }
    (void)printf("{\"lie\": \"%s\", \"connections\": %u, \"requests\": %u, \"lies\": %u}\n",
                 argv[3], liar.connections, liar.requests, liar.lies);
    net_tls_deinit(&liar.tls);
    ingot_buffer_deinit(&liar.received);
    ingot_buffer_deinit(&liar.out);
    process_home_close(&liar.home);
    return 0;
}

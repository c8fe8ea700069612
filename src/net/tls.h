/*
 * TLS 1.3 with mutual ed25519 certificates that are judged by their key alone. Names, dates and
 * issuers in a certificate mean nothing here: the peers table is the only authority.
 */
#ifndef INGOT_NET_TLS_H
#define INGOT_NET_TLS_H

#include <event2/util.h>
#include <ingot/types.h>
#include <openssl/ssl.h>

#define TLS_SEED_BYTES 32

/*
 * Asked in the handshake, once the other side's certificate is there: may this key connect? False
 * ends the handshake. That the other side holds the private key is proven right after.
 */
typedef bool tls_accept_key(void *connection, const struct ingot_public_key *key);

struct tls {
    SSL_CTX *context;
    tls_accept_key *accept_key;
    struct ingot_public_key key; /* our own */
};

/* `seed` is the ed25519 private key; it is not kept outside OpenSSL. */
void net_tls_init(struct tls *tls, const uint8_t seed[TLS_SEED_BYTES], tls_accept_key *accept_key);
/* Sessions may outlive it. */
void net_tls_deinit(struct tls *tls);
/* A session over a connected socket; the caller owns both. `connection` goes to accept_key. */
SSL *net_tls_session_new(struct tls *tls, evutil_socket_t fd, void *connection);

/* The key that a certificate is about; false: none of ours. */
bool net_tls_key_of(const X509 *certificate, struct ingot_public_key *key);

/* What an OpenSSL error code of a failed handshake says about the other side. */
enum tls_failure { TLS_FAILURE_OTHER, TLS_FAILURE_PROTOCOL, TLS_FAILURE_NO_KEY, TLS_FAILURE_ALERT };
enum tls_failure net_tls_failure_of(unsigned long code);

#endif

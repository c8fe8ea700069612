/*
 * Certificates, the TLS settings, and the socket under a session. The handshake itself is
 * libevent's and OpenSSL's.
 */
#include "net/tls.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/assert.h"

/* Ours has about 300 bytes; nobody may make us hold more before the handshake is done. */
#define CERTIFICATE_LIST_BYTES_MAX 4096

/*
 * The socket under a session. OpenSSL's own writes with write(2), which raises SIGPIPE when the
 * peer is gone; a library must not depend on its host ignoring that signal.
 */
static int socket_write(BIO *bio, const char *data, int size)
{
    BIO_clear_retry_flags(bio);
    if (data == NULL || size <= 0) {
        return 0;
    }
    ssize_t sent = send((int)BIO_get_fd(bio, NULL), data, (size_t)size, MSG_NOSIGNAL);
    if (sent < 0 && BIO_sock_should_retry(-1)) {
        BIO_set_retry_write(bio);
    }
    return (int)sent;
}

static int socket_read(BIO *bio, char *data, int size)
{
    BIO_clear_retry_flags(bio);
    if (data == NULL || size <= 0) {
        return 0;
    }
    errno = 0;
    ssize_t received = recv((int)BIO_get_fd(bio, NULL), data, (size_t)size, 0);
    if (received < 0 && BIO_sock_should_retry(-1)) {
        BIO_set_retry_read(bio);
    } else if (received == 0) {
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    }
    return (int)received;
}

/* The descriptor is libevent's to close, so freeing a session never closes it. */
static long socket_control(BIO *bio, int command, long number, void *pointer)
{
    intptr_t descriptor;
    (void)number;
    switch (command) {
    case BIO_C_SET_FD:
        INGOT_ASSERT(pointer != NULL);
        descriptor = *(int *)pointer;
        BIO_set_data(bio, (void *)descriptor);
        BIO_set_init(bio, 1);
        return 1;
    case BIO_C_GET_FD:
        descriptor = BIO_get_init(bio) ? (intptr_t)BIO_get_data(bio) : -1;
        if (pointer != NULL) {
            *(int *)pointer = (int)descriptor;
        }
        return (long)descriptor;
    case BIO_CTRL_SET_CLOSE:
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    default:
        return 0;
    }
}

/*
 * Made once for the process and never freed: libevent frees sessions a turn of the loop later than
 * it is told to, which may be after the network is gone.
 */
static BIO_METHOD *socket_method;
static pthread_once_t socket_method_once = PTHREAD_ONCE_INIT;

static void make_socket_method(void)
{
    int type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR;
    socket_method = BIO_meth_new(type, "ingot socket");
    INGOT_ASSERT(socket_method != NULL);
    (void)BIO_meth_set_write(socket_method, socket_write);
    (void)BIO_meth_set_read(socket_method, socket_read);
    (void)BIO_meth_set_ctrl(socket_method, socket_control);
}

bool net_tls_key_of(const X509 *certificate, struct ingot_public_key *key)
{
    size_t size = sizeof key->bytes;
    EVP_PKEY *public_key = X509_get0_pubkey(certificate);
    return public_key != NULL && EVP_PKEY_get_base_id(public_key) == EVP_PKEY_ED25519 &&
           EVP_PKEY_get_raw_public_key(public_key, key->bytes, &size) == 1 &&
           size == sizeof key->bytes;
}

/* Asks the owner about the key of the certificate, and about nothing else in it. */
static int verify_certificate(X509_STORE_CTX *store, void *argument)
{
    const struct tls *tls = argument;
    const SSL *session = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    const X509 *certificate = X509_STORE_CTX_get0_cert(store);
    struct ingot_public_key key;

    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
    if (session == NULL || certificate == NULL || !net_tls_key_of(certificate, &key) ||
        !tls->accept_key(SSL_get_app_data(session), &key)) {
        return 0;
    }
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

/* A certificate that says nothing but the key: dates are as wide as X.509 has them. */
static X509 *certificate_new(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    INGOT_ASSERT(certificate != NULL);
    X509_NAME *name = X509_get_subject_name(certificate);
    const unsigned char common_name[] = "ingot";
    int done = X509_set_version(certificate, X509_VERSION_3) == 1 &&
               ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
               ASN1_TIME_set_string(X509_getm_notBefore(certificate), "19700101000000Z") == 1 &&
               ASN1_TIME_set_string(X509_getm_notAfter(certificate), "99991231235959Z") == 1 &&
               X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common_name, -1, -1, 0) == 1 &&
               X509_set_issuer_name(certificate, name) == 1 &&
               X509_set_pubkey(certificate, key) == 1 && X509_sign(certificate, key, NULL) > 0;
    INGOT_ASSERT(done);
    return certificate;
}

static void set_protocol(SSL_CTX *context)
{
    /* OpenSSL's macros for these take them as if they were to be written. */
    char groups[] = "X25519";
    char algorithms[] = "ed25519";
    int done = SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
               SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
               SSL_CTX_set_ciphersuites(
                   context, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256") == 1 &&
               SSL_CTX_set1_groups_list(context, groups) == 1 &&
               SSL_CTX_set1_sigalgs_list(context, algorithms) == 1 &&
               SSL_CTX_set1_client_sigalgs_list(context, algorithms) == 1;
    INGOT_ASSERT(done);
    /* Each connection proves its keys anew: nothing is resumed. */
    (void)SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_clear_options(context, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
    (void)SSL_CTX_set_num_tickets(context, 0);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_max_early_data(context, 0);
    /* A large queue leaves in records, not in one call that runs until the socket is full. */
    (void)SSL_CTX_set_mode(context,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_max_cert_list(context, CERTIFICATE_LIST_BYTES_MAX);
    (void)SSL_CTX_set_read_ahead(context, 0);
}

void net_tls_init(struct tls *tls, const uint8_t seed[TLS_SEED_BYTES], tls_accept_key *accept_key)
{
    tls->accept_key = accept_key;
    (void)pthread_once(&socket_method_once, make_socket_method);
    tls->context = SSL_CTX_new(TLS_method());
    INGOT_ASSERT(tls->context != NULL);
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, TLS_SEED_BYTES);
    INGOT_ASSERT(key != NULL);
    size_t size = sizeof tls->key.bytes;
    int done = EVP_PKEY_get_raw_public_key(key, tls->key.bytes, &size);
    INGOT_ASSERT(done == 1);

    set_protocol(tls->context);
    X509 *certificate = certificate_new(key);
    done = SSL_CTX_use_certificate(tls->context, certificate) == 1 &&
           SSL_CTX_use_PrivateKey(tls->context, key) == 1;
    INGOT_ASSERT(done);
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(tls->context, verify_certificate, tls);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void net_tls_deinit(struct tls *tls)
{
    SSL_CTX_free(tls->context);
    tls->context = NULL;
}

SSL *net_tls_session_new(struct tls *tls, evutil_socket_t fd, void *connection)
{
    SSL *session = SSL_new(tls->context);
    BIO *bio = BIO_new(socket_method);
    INGOT_ASSERT(session != NULL);
    INGOT_ASSERT(bio != NULL);
    (void)BIO_set_fd(bio, fd, BIO_NOCLOSE);
    SSL_set_bio(session, bio, bio);
    (void)SSL_set_app_data(session, connection);
    return session;
}

enum tls_failure net_tls_failure_of(unsigned long code)
{
    if (code == 0 || ERR_GET_LIB(code) != ERR_LIB_SSL) {
        return TLS_FAILURE_OTHER;
    }
    int reason = ERR_GET_REASON(code);
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        return TLS_FAILURE_NO_KEY;
    }
    /* OpenSSL reports a received alert as its number above this offset. */
    return reason >= SSL_AD_REASON_OFFSET ? TLS_FAILURE_ALERT : TLS_FAILURE_PROTOCOL;
}

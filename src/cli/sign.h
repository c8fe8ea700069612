/*
 * `ingot sign`, in two files: sign.c makes the request and deals with the attestation, sign_wait.c
 * gets it through the node.
 */
#ifndef INGOT_CLI_SIGN_H
#define INGOT_CLI_SIGN_H

#include <ingot/app_signing.h>

#include "attest/attestation.h"
#include "cli/client.h"
#include "cli/command.h"
#include "config/genesis.h"
#include "wire/crypto.h"

struct sign {
    struct client client;
    bool has_trusted;
    struct genesis trusted; /* of a file */
    bool has_genesis;
    struct genesis genesis; /* of the node */
    struct ingot_buffer payload;
    uint8_t nonce[CRYPTO_SEED_BYTES];
    struct ingot_signing_request request;
    struct ingot_buffer transaction;
    struct ingot_hash id; /* the transaction's digest */
    char id_text[2 * INGOT_HASH_BYTES + 1];
    struct attestation attestation; /* once there is one */
};

void sign_deinit(struct sign *sign);

/* Hands it in, and does not wait. */
enum ingot_exit sign_submit(struct sign *sign);

/*
 * Hands it in and waits until `sign->attestation` is there, as the node gives it. Otherwise a
 * complaint was made.
 */
enum ingot_exit sign_wait(struct sign *sign, uint32_t timeout_ms);

#endif

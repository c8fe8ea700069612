/*
 * The body of attestor_forgery.h.
 */
#include "lib/attestor_forgery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/broadcast.h"

void attestor_forge(const struct attestor_cluster *cluster, const struct attestor_forgery *forgery,
                    struct ingot_buffer *frame)
{
    const struct samples *samples = &cluster->samples;
    struct broadcast_message *message = broadcast_message_new(BROADCAST_GOSSIP);
    const uint64_t id = forgery->height;
    message->sender = forgery->signer;
    message->originator = forgery->signer;
    message->topic = BROADCAST_TOPIC_SHARES;
    assert_true(broadcast_id_from(ingot_slice_of(&id, sizeof id), &message->id));
    ingot_buffer_append_u64(&message->payload, forgery->epoch);
    ingot_buffer_append_u64(&message->payload, forgery->height);
    struct ingot_signature signature;
    samples->scheme->sign(&samples->secrets[forgery->signer],
                          ingot_slice_of_text(forgery->what != NULL ? forgery->what : "else"),
                          &signature);
    for (uint32_t i = 0; i < forgery->count; i++) {
        ingot_buffer_append(&message->payload, signature.bytes, sizeof signature.bytes);
    }
    wire_broadcast_digest(ingot_buffer_slice(&message->payload), &message->digest);
    struct wire_signer signer = {.scheme = samples->scheme,
                                 .secret = &samples->secrets[forgery->signer],
                                 .key = samples->set->validators[forgery->signer].key,
                                 .chain = samples->chain};
    if (forgery->is_of_other_chain) {
        signer.chain.bytes[0] ^= 1;
    }
    assert_true(wire_broadcast_sign(&signer, samples->set, message));
    message->sender = forgery->sender;
    message->originator = forgery->sender;
    ingot_buffer_clear(frame);
    wire_broadcast_encode(message, frame);
    broadcast_message_unref(message);
}

/*
 * The kv App, and on top of it the simplest transaction that changes the validator set: a put of
 * one key, whose value says who is to be a member with what power. It needs no signature and no
 * state of its own. Nodes are named by their number in the cluster.
 *
 * The value also names the members that it starts from. What comes when others are members changes
 * nothing, so a client's request that was held up by faults never does what nobody planned. Of
 * several in a block the last one counts.
 */
#ifndef INGOT_TESTS_SET_APP_H
#define INGOT_TESTS_SET_APP_H

#include <ingot/app.h>

#define SET_APP_NODES_MAX 16
#define SET_APP_POWER_MAX 15

/* By the cluster's numbers; power 0: not a member. */
struct set_app_powers {
    uint64_t of[SET_APP_NODES_MAX];
};

/* Who the nodes are; the App keeps the pointer. */
struct set_app_keys {
    uint32_t count;
    struct ingot_public_key of[SET_APP_NODES_MAX];
};

void set_app_init(struct ingot_app *app, const struct set_app_keys *keys);

/* The transaction that asks for a change from one set of members to another; `nonce` makes it
 * unlike all others. */
void set_app_make(struct ingot_buffer *transaction, const struct set_app_powers *from,
                  const struct set_app_powers *to, uint32_t nonce);
/* False: another kind of transaction. */
bool set_app_is_change(struct ingot_slice transaction);
/* What a block with this as its last change makes of these members. */
void set_app_apply(struct ingot_slice transaction, struct set_app_powers *powers);

#endif

/*
 * Getting the blocks below a certificate that names an unknown one. Peers are asked one after
 * another; what comes is verified by the driver and enters the tree oldest first, each block only
 * after its justify has been applied and the App has executed it.
 */
#include <string.h>

#include "core/state.h"

/* A block often follows its certificate by a moment, over another channel. */
#define FETCH_GRACE_MS 10

static void request(struct core *core)
{
    struct fetch *fetch = &core->fetch;
    const struct tree_node *high = tree_find(&core->tree, &core->safety.high_qc->block);
    INGOT_ASSERT(high != NULL);
    const struct block *base = fetch->base != NULL ? fetch->base : high->block;
    struct message *message = message_new(MESSAGE_SYNC_REQUEST);
    message->sync_request =
        (struct sync_request){.committed_height = tree_root(&core->tree)->block->height,
                              .base_height = base->height,
                              .base = base->hash,
                              .target = core->waiting_qc->block,
                              .blocks_max = INGOT_SYNC_BLOCKS_MAX,
                              .bytes_max = INGOT_SYNC_BYTES_MAX};
    fetch->target = core->waiting_qc->block;
    fetch->is_in_flight = true;
    fetch->deadline_ms = core->now_ms + core->config.fetch_timeout_ms;
    effect_fetch(core, fetch->peer, fetch->attempt, message);
}

static void clear_base(struct core *core)
{
    block_unref(core->fetch.base);
    core->fetch.base = NULL;
}

static void drop_fetched(struct core *core)
{
    message_unref(core->fetched.response);
    core->fetched = (struct fetched){0};
}

void fetch_if_due(struct core *core)
{
    struct fetch *fetch = &core->fetch;
    if (core->waiting_qc == NULL) {
        if (core->fetched.response == NULL) {
            clear_base(core);
            *fetch = (struct fetch){0};
        }
        return;
    }
    if (!fetch->is_active) {
        *fetch = (struct fetch){.is_active = true,
                                .peer = core->waiting_peer,
                                .deadline_ms = core->now_ms + FETCH_GRACE_MS};
        return;
    }
    if (core->fetched.response != NULL || core->now_ms < fetch->deadline_ms) {
        return;
    }
    if (fetch->is_in_flight) {
        fetch->attempt++; /* this one does not answer, or has nothing for us */
        clear_base(core);
    }
    request(core);
}

enum reject fetch_receive(struct core *core, struct message *message)
{
    if (core->fetched.response != NULL) {
        return REJECT_DUPLICATE;
    }
    core->fetched = (struct fetched){.response = message_ref(message)};
    return REJECT_NONE;
}

/* Far less than was asked for, and not the end either: the next request goes to somebody else. */
static bool is_meagre(const struct core *core, const struct sync_response *response)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < response->block_count; i++) {
        bytes += block_size_bytes(response->blocks[i]);
    }
    return response->block_count < INGOT_SYNC_BLOCKS_MAX / 2 && bytes < INGOT_SYNC_BYTES_MAX / 2 &&
           tree_find(&core->tree, &core->fetch.target) == NULL;
}

/*
 * The response is used up: ask for more at once if it helped, else soon somebody else. What does
 * not help never puts off what is due anyway, or a flood of it would keep us from ever asking.
 */
static void finish(struct core *core)
{
    struct fetch *fetch = &core->fetch;
    const struct sync_response *response = &core->fetched.response->sync_response;
    if (response->tail_qc != NULL) {
        (void)certify_qc(core, fetch->peer, response->tail_qc);
    }
    if (core->fetched.made_progress) {
        fetch->is_in_flight = false;
        fetch->deadline_ms = core->now_ms;
        fetch->attempt += is_meagre(core, response);
    } else {
        const uint64_t soon_ms = core->now_ms + core->config.fetch_timeout_ms / 8;
        fetch->deadline_ms = soon_ms < fetch->deadline_ms ? soon_ms : fetch->deadline_ms;
    }
    drop_fetched(core);
}

/*
 * Brings the head of the queue to the App. False if the block does not fit where it claims to, or
 * nothing certifies it: blocks that are fetched bear no signature of their own, so that anybody
 * could invent a child of the highest block, and another, and keep us busy with them for ever.
 */
static bool offer(struct core *core, struct block *block)
{
    if (!fetch_is_certified(core, block)) {
        return false;
    }
    const struct tree_node *parent = tree_find(&core->tree, &block->parent);
    if (parent == NULL || certify_qc(core, core->fetch.peer, block->justify) != REJECT_NONE) {
        return false;
    }
    parent = tree_find(&core->tree, &block->parent);
    INGOT_ASSERT(parent != NULL);
    if (propose_check_block(core, block, parent->block) != REJECT_NONE) {
        return false;
    }
    effect_ask_validate(core, block);
    return true;
}

bool fetch_advance(struct core *core)
{
    struct fetched *fetched = &core->fetched;
    if (fetched->response == NULL || fetched->is_asked) {
        return false;
    }
    const struct sync_response *response = &fetched->response->sync_response;
    while (fetched->next < response->block_count) {
        struct block *block = response->blocks[fetched->next];
        if (block->height > tree_root(&core->tree)->block->height &&
            tree_find(&core->tree, &block->hash) == NULL) {
            break;
        }
        fetched->next++;
    }
    if (fetched->next < response->block_count) {
        fetched->is_asked = offer(core, response->blocks[fetched->next]);
        if (fetched->is_asked) {
            return true;
        }
    }
    finish(core);
    return true;
}

bool fetch_is_certified(const struct core *core, const struct block *block)
{
    if (core->waiting_qc != NULL &&
        memcmp(core->waiting_qc->block.bytes, block->hash.bytes, INGOT_HASH_BYTES) == 0) {
        return true;
    }
    if (memcmp(core->fetch.target.bytes, block->hash.bytes, INGOT_HASH_BYTES) == 0) {
        return true;
    }
    if (core->fetched.response == NULL) {
        return false;
    }
    const struct sync_response *response = &core->fetched.response->sync_response;
    const uint32_t next = core->fetched.next + 1;
    const struct qc *qc =
        next < response->block_count ? response->blocks[next]->justify : response->tail_qc;
    return qc != NULL && memcmp(qc->block.bytes, block->hash.bytes, INGOT_HASH_BYTES) == 0;
}

void fetch_validated(struct core *core, struct block *block, bool is_in_tree)
{
    struct fetched *fetched = &core->fetched;
    if (!fetched->is_asked) {
        return;
    }
    const struct sync_response *response = &fetched->response->sync_response;
    if (memcmp(response->blocks[fetched->next]->hash.bytes, block->hash.bytes, INGOT_HASH_BYTES) !=
        0) {
        return;
    }
    fetched->is_asked = false;
    if (!is_in_tree) {
        finish(core);
        return;
    }
    fetched->next++;
    fetched->made_progress = true;
    clear_base(core);
    core->fetch.base = block_ref(block);
}

/*
 * Runs of blocks that the driver has fetched and verified: they enter the tree oldest first, each
 * block only after its justify has been applied and the App has executed it. Whom to ask for
 * blocks, and when, is the driver's part: core_get_status says which certificate waits for one.
 */
#include <string.h>

#include "core/state.h"

enum reject fetch_receive(struct core *core, uint32_t peer, struct message *message)
{
    if (core->fetched.response != NULL) {
        return REJECT_DUPLICATE;
    }
    core->fetched = (struct fetched){.response = message_ref(message), .peer = peer};
    return REJECT_NONE;
}

static void finish(struct core *core)
{
    struct fetched fetched = core->fetched;
    core->fetched = (struct fetched){0};
    if (fetched.response->sync_response.tail_qc != NULL) {
        (void)certify_qc(core, fetched.peer, fetched.response->sync_response.tail_qc);
    }
    message_unref(fetched.response);
}

/*
 * Brings the head of the queue to the App. False if the block does not fit where it claims to, or
 * nothing certifies it: blocks that are fetched bear no signature of their own, so that anybody
 * could invent a child of the highest block, and another, and keep us busy with them for ever.
 */
static bool offer(struct core *core, struct block *block)
{
    if (!fetch_is_certified(core, block) && !MUTANT(UNCERTIFIED_FETCHED)) {
        return false;
    }
    const struct tree_node *parent = tree_find(&core->tree, &block->parent);
    if (parent == NULL || (!MUTANT(JUSTIFY_NOT_APPLIED) &&
                           certify_qc(core, core->fetched.peer, block->justify) != REJECT_NONE)) {
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
}

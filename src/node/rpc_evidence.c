/*
 * Method evidence: who has signed two different votes in one view, with all that is needed to
 * verify it offline.
 */
#include "node/evidence.h"
#include "node/rpc_internal.h"
#include "node/rpc_json.h"

static json_t *vote_json(const struct ingot_evidence_vote *vote)
{
    json_t *object = rpc_json(json_object());
    rpc_json_set(object, "phase", rpc_json(json_string(evidence_phase_text(vote->phase))));
    rpc_json_set(object, "block_hash", rpc_json_hash(&vote->block));
    rpc_json_set(
        object, "signature",
        rpc_json_base64(ingot_slice_of(vote->signature.bytes, sizeof vote->signature.bytes)));
    return object;
}

static json_t *evidence_json(const struct ingot_evidence *evidence)
{
    json_t *object = rpc_json(json_object());
    json_t *votes = rpc_json(json_array());
    rpc_json_set(object, "kind", rpc_json(json_string(evidence->is_leader ? "leader" : "voter")));
    rpc_json_set(object, "address", rpc_json_address(&evidence->validator));
    rpc_json_set(object, "pub_key", rpc_json_public_key(&evidence->validator));
    rpc_json_set(object, "voting_power", rpc_json_u64(evidence->power));
    rpc_json_set(object, "epoch", rpc_json_u64(evidence->epoch));
    rpc_json_set(object, "view", rpc_json_u64(evidence->view));
    rpc_json_set(object, "validators_hash", rpc_json_hash(&evidence->validators_hash));
    rpc_json_set(object, "recorded_height", rpc_json_u64(evidence->height));
    for (uint32_t i = 0; i < 2; i++) {
        rpc_json_append(votes, vote_json(&evidence->votes[i]));
    }
    rpc_json_set(object, "votes", votes);
    return object;
}

enum { EVIDENCE_PAGE, EVIDENCE_PER_PAGE };

void rpc_method_evidence(struct rpc_call *call, const struct rpc_argument *arguments)
{
    const struct rpc *rpc = call->exchange->rpc;
    uint32_t total = 0;
    const struct ingot_evidence *evidence = rpc->backend.evidence(rpc->backend.context, &total);
    uint32_t first = 0;
    uint32_t end = 0;
    if (!rpc_call_page(call, &arguments[EVIDENCE_PAGE], &arguments[EVIDENCE_PER_PAGE], total,
                       &first, &end)) {
        return;
    }
    json_t *list = rpc_json(json_array());
    for (uint32_t i = first; i < end; i++) {
        rpc_json_append(list, evidence_json(&evidence[i]));
    }
    json_t *result = rpc_json(json_object());
    rpc_json_set(result, "genesis_hash", rpc_json_hash(&rpc->identity.genesis_block->hash));
    rpc_json_set(result, "evidence", list);
    rpc_json_set(result, "count", rpc_json_u64(end - first));
    rpc_json_set(result, "total", rpc_json_u64(total));
    rpc_call_result(call, result);
}

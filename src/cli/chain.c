/*
 * Reads a chain's genesis and its proof of validator sets from a node.
 */
#include "cli/chain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define CALL_TIMEOUT_MS 15000
/* The answer's code for an epoch whose set has not been changed. */
#define NOT_CHANGED 1

enum ingot_exit chain_genesis(struct client *client, struct genesis *genesis)
{
    char why[1024];
    struct report report;
    json_t *result = NULL;
    report_init(&report, why, sizeof why);
    if (client_call(client, "genesis", NULL, CALL_TIMEOUT_MS, &result) != CLIENT_OK)
        return command_fail(INGOT_EXIT_FAILURE, "%s", client->why);
    char *text = json_dumps(client_member(result, "genesis.app_state"), JSON_COMPACT);
    json_decref(result);
    enum ingot_error error = INGOT_ERROR_INVALID;
    if (text != NULL)
        error = genesis_parse(ingot_slice_of_text(text), "the node's genesis", genesis, &report);
    else
        report_add(&report, "the node does not show its genesis");
    free(text);
    return error == INGOT_OK ? INGOT_EXIT_OK : command_fail(INGOT_EXIT_FAILURE, "%s", why);
}

static enum ingot_exit parse_page(struct ingot_slice json, uint64_t first_epoch,
                                  const uint8_t genesis_sha256[32], struct set_proof *page)
{
    char why[512];
    if (set_proof_parse(json, genesis_sha256, page, why, sizeof why) != INGOT_OK)
        return command_fail(INGOT_EXIT_FAILURE, "the node's validator sets: %s", why);
    if (page->change_count == 0 || page->first_epoch == first_epoch)
        return INGOT_EXIT_OK;
    return command_fail(INGOT_EXIT_FAILURE,
                        "the node's validator sets: expected those from epoch %" PRIu64
                        " on, found epoch %" PRIu64,
                        first_epoch, page->first_epoch);
}

/* One answer: the changes from an epoch on, as many as the node likes to give; none if it has
 * none. Its size is added to `size_bytes`, which no node can make longer than a proof may be. */
static enum ingot_exit read_page(struct client *client, uint64_t first_epoch,
                                 const uint8_t genesis_sha256[32], struct set_proof *page,
                                 size_t *size_bytes)
{
    char number[24];
    json_t *result = NULL;
    struct ingot_buffer value = {0};
    enum ingot_exit code = INGOT_EXIT_OK;
    *page = (struct set_proof){0};
    const int size = snprintf(number, sizeof number, "%" PRIu64, first_epoch);
    if (client_call(client, "abci_query",
                    client_query_params("/attestations/validator-sets",
                                        ingot_slice_of(number, (size_t)size)),
                    CALL_TIMEOUT_MS, &result) != CLIENT_OK)
        return command_fail(INGOT_EXIT_FAILURE, "%s", client->why);
    const uint64_t answer = client_u64(result, "response.code");
    const bool is_shown = client_bytes(result, "response.value", &value);
    *size_bytes += value.size;
    if (*size_bytes > SET_PROOF_JSON_BYTES_MAX)
        code = command_fail(INGOT_EXIT_FAILURE,
                            "the node's validator sets: expected at most %d bytes of proof",
                            SET_PROOF_JSON_BYTES_MAX);
    else if (answer != NOT_CHANGED && (answer != 0 || !is_shown))
        code = command_fail(INGOT_EXIT_FAILURE, "the node does not show its validator sets: %s",
                            client_text(result, "response.log"));
    else if (answer != NOT_CHANGED)
        code = parse_page(ingot_buffer_slice(&value), first_epoch, genesis_sha256, page);
    ingot_buffer_deinit(&value);
    json_decref(result);
    if (code != INGOT_EXIT_OK)
        set_proof_deinit(page);
    return code;
}

enum ingot_exit chain_set_changes(struct client *client, uint64_t epoch,
                                  const uint8_t genesis_sha256[32], struct set_proof *proof)
{
    size_t size_bytes = 0;
    *proof = (struct set_proof){0};
    while (proof->change_count < epoch) {
        struct set_proof page;
        enum ingot_exit code =
            read_page(client, proof->change_count, genesis_sha256, &page, &size_bytes);
        const bool is_end = code == INGOT_EXIT_OK && page.change_count == 0;
        if (code == INGOT_EXIT_OK && is_end && epoch != UINT64_MAX)
            code = command_fail(INGOT_EXIT_FAILURE,
                                "the node shows the changes of %" PRIu32
                                " validator sets, and the attestation is of epoch %" PRIu64,
                                proof->change_count, epoch);
        set_proof_truncate(&page, epoch - proof->change_count);
        if (code == INGOT_EXIT_OK && !set_proof_extend(proof, &page))
            code = command_fail(INGOT_EXIT_FAILURE, "the node's validator sets have a gap");
        set_proof_deinit(&page);
        if (code != INGOT_EXIT_OK) {
            set_proof_deinit(proof);
            return code;
        }
        if (is_end)
            break;
    }
    return INGOT_EXIT_OK;
}

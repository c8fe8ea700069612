/*
 * `ingot evidence`: what a node has kept of validators that voted twice in one view.
 */
#include <stdio.h>
#include <stdlib.h>

#include <ingot/limits.h>

#include "base/assert.h"
#include "base/hex.h"
#include "cli/client.h"
#include "cli/command.h"

#define EVIDENCE_TIMEOUT_MS 5000
#define PER_PAGE 100

/* False when this is no answer of ours. */
static bool print_line(const json_t *item)
{
    const json_t *votes = client_member(item, "votes");
    char key[2 * INGOT_PUBLIC_KEY_BYTES + 1];
    struct ingot_buffer bytes = {0};
    const bool is_ours = client_bytes(item, "pub_key.value", &bytes) &&
                         bytes.size == INGOT_PUBLIC_KEY_BYTES && json_array_size(votes) == 2;
    if (is_ours) {
        hex_encode_lower(bytes.data, bytes.size, key);
        (void)printf("%s %s power %s epoch %s view %s height %s", client_text(item, "kind"), key,
                     client_text(item, "voting_power"), client_text(item, "epoch"),
                     client_text(item, "view"), client_text(item, "recorded_height"));
        for (size_t i = 0; i < 2; i++) {
            const json_t *vote = json_array_get(votes, i);
            (void)printf(" %s %s", client_text(vote, "phase"), client_text(vote, "block_hash"));
        }
        (void)printf("\n");
    }
    ingot_buffer_deinit(&bytes);
    return is_ours;
}

/* One array with the items of all pages, each as the node gives it. */
static void print_json(const json_t *all)
{
    char *text = json_dumps(all, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    INGOT_ASSERT(text != NULL);
    (void)printf("%s\n", text);
    free(text);
}

/* Appends the items of a page; false when this is no answer of ours, which has an end. */
static bool take_page(json_t *all, const json_t *page, uint64_t *total)
{
    json_t *items = json_object_get(page, "evidence");
    *total = client_u64(page, "total");
    return *total <= INGOT_EVIDENCE_MAX && json_is_array(items) &&
           json_array_extend(all, items) == 0 &&
           (json_array_size(items) > 0 || json_array_size(all) >= *total);
}

/* What is recorded meanwhile comes behind what is there, so pages stay what they are. */
static enum ingot_exit read_all(struct client *client, json_t *all)
{
    uint64_t total = 1;
    for (unsigned page = 1; json_array_size(all) < total; page++) {
        json_t *result = NULL;
        json_t *params =
            json_pack("{s:I, s:I}", "page", (json_int_t)page, "per_page", (json_int_t)PER_PAGE);
        INGOT_ASSERT(params != NULL);
        if (client_call(client, "evidence", params, EVIDENCE_TIMEOUT_MS, &result) != CLIENT_OK)
            return command_fail(INGOT_EXIT_FAILURE, "%s", client->why);
        const bool is_page = take_page(all, result, &total);
        json_decref(result);
        if (!is_page)
            return command_fail(INGOT_EXIT_FAILURE,
                                "the node's answer to 'evidence' is not understood");
    }
    return INGOT_EXIT_OK;
}

static enum ingot_exit show(const struct endpoint *endpoint, bool as_json)
{
    struct client client;
    json_t *all = json_array();
    INGOT_ASSERT(all != NULL);
    enum ingot_exit code = client_init(&client, endpoint)
                               ? read_all(&client, all)
                               : command_fail(INGOT_EXIT_FAILURE, "%s", client.why);
    if (code == INGOT_EXIT_OK && as_json) {
        print_json(all);
    } else if (code == INGOT_EXIT_OK) {
        for (size_t i = 0; i < json_array_size(all) && code == INGOT_EXIT_OK; i++)
            if (!print_line(json_array_get(all, i)))
                code = command_fail(INGOT_EXIT_FAILURE,
                                    "the node's answer to 'evidence' is not understood");
    }
    json_decref(all);
    client_deinit(&client);
    return code;
}

static enum ingot_exit run(const struct command *command, int argc, char **argv)
{
    return command_ask_node(command, argc, argv, show);
}

const struct command command_evidence = {
    .name = "evidence",
    .summary = "list validators that were caught voting twice in a view",
    .help = "usage: ingot evidence [--node URL] [--json]\n"
            "\n"
            "Asks a node for the evidence that it keeps: validators that signed two different\n"
            "votes in one view, in the order in which it noticed them. Other nodes may have\n"
            "noticed others. A line says whether the validator led the view, its public key, its\n"
            "power, epoch and view, the height at which it was recorded, and of each vote the\n"
            "phase and the block. No line: there is none.\n"
            "\n"
            "  --node URL   the node's address for clients (" COMMAND_NODE_URL_DEFAULT ")\n"
            "  --json       print all, with the signatures\n",
    .run = run,
};

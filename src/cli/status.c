/*
 * `ingot status`: what a node says of itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/client.h"
#include "cli/command.h"

#define STATUS_TIMEOUT_MS 5000

static void print_row(const char *label, const char *text)
{
    (void)printf("%-12s %s\n", label, text[0] != '\0' ? text : "-");
}

static void print_log(const json_t *status)
{
    const json_t *catching_up = client_member(status, "sync_info.catching_up");
    print_row("height", client_text(status, "sync_info.latest_block_height"));
    print_row("block", client_text(status, "sync_info.latest_block_hash"));
    print_row("block time", client_text(status, "sync_info.latest_block_time"));
    print_row("catching up", json_is_true(catching_up) ? "yes" : "no");
    print_row("epoch", client_text(status, "ingot.epoch"));
    print_row("view", client_text(status, "ingot.view"));
    print_row("leader", client_text(status, "ingot.leader"));
    print_row("peers", client_text(status, "ingot.peers"));
    print_row("committed", client_text(status, "ingot.committed_txs"));
    print_row("mempool", client_text(status, "ingot.mempool_txs"));
}

static void print_status(const json_t *status)
{
    const json_t *is_member = client_member(status, "ingot.is_member");
    const char *protocol = client_text(status, "ingot.protocol");
    print_row("chain", client_text(status, "node_info.network"));
    print_row("protocol", protocol);
    print_row("node", client_text(status, "node_info.moniker"));
    print_row("validator", client_text(status, "validator_info.address"));
    print_row("member", json_is_true(is_member) ? "yes" : "no, it follows");
    print_row("signing", client_text(status, "ingot.signing"));
    print_row("power", client_text(status, "validator_info.voting_power"));
    if (strcmp(protocol, "hotstuff") == 0) {
        print_log(status);
    } else {
        print_row("peers", client_text(status, "ingot.peers"));
        print_row("delivered", client_text(status, "ingot.deliveries"));
        print_row("in flight", client_text(status, "ingot.open_rounds"));
    }
}

static enum ingot_exit show(const struct endpoint *endpoint, bool as_json)
{
    struct client client;
    json_t *status = NULL;
    enum ingot_exit code = INGOT_EXIT_OK;
    if (!client_init(&client, endpoint) ||
        client_call(&client, "status", NULL, STATUS_TIMEOUT_MS, &status) != CLIENT_OK) {
        code = command_fail(INGOT_EXIT_FAILURE, "%s", client.why);
    } else if (as_json) {
        char *text = json_dumps(status, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        INGOT_ASSERT(text != NULL);
        (void)printf("%s\n", text);
        free(text);
    } else {
        print_status(status);
    }
    json_decref(status);
    client_deinit(&client);
    return code;
}

static enum ingot_exit run(const struct command *command, int argc, char **argv)
{
    return command_ask_node(command, argc, argv, show);
}

const struct command command_status = {
    .name = "status",
    .summary = "show a node's height, view, leader, power and peers",
    .help = "usage: ingot status [--node URL] [--json]\n"
            "\n"
            "Asks a node for its state: the committed height, its view and leader, its peers, and\n"
            "whether it is a member of the present validator set.\n"
            "\n"
            "  --node URL   the node's address for clients (" COMMAND_NODE_URL_DEFAULT ")\n"
            "  --json       print the whole answer\n",
    .run = run,
};

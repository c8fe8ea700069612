/*
 * A validator inside a program of one's own: it starts from a home that `ingot testnet` made,
 * hands in one transaction, and ends when a block with transactions is committed and durable.
 */
#include <ingot/ingot.h>
#include <inttypes.h>
#include <stdio.h>

static void on_committed(void *context, const struct ingot_block_info *block, uint32_t count)
{
    struct ingot_node **node = context;
    printf("block %" PRIu64 " holds %" PRIu32 " transactions\n", block->height, count);
    if (count > 0)
        ingot_node_stop(*node);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: embed HOME TRANSACTION\n");
        return INGOT_EXIT_USAGE;
    }
    struct ingot_node *node = NULL;
    struct ingot_node_options options = {
        .home = argv[1], .handle_signals = true, .committed = on_committed, .context = &node};
    char why[1024];
    enum ingot_exit status = ingot_node_open(&options, &node, why, sizeof why);
    if (status != INGOT_EXIT_OK) {
        fprintf(stderr, "%s\n", why);
        return (int)status;
    }
    enum ingot_error error = ingot_node_submit(node, ingot_slice_of_text(argv[2]));
    if (error != INGOT_OK)
        fprintf(stderr, "not submitted: %s\n", ingot_error_text(error));
    status = error == INGOT_OK ? ingot_node_run(node) : INGOT_EXIT_FAILURE;
    ingot_node_free(node);
    return (int)status;
}

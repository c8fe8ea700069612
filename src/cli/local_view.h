/*
 * What `ingot local` shows: one row for each node, from what the nodes say of themselves.
 */
#ifndef INGOT_CLI_LOCAL_VIEW_H
#define INGOT_CLI_LOCAL_VIEW_H

#include <ingot/types.h>
#include <stdio.h>

enum row_state {
    ROW_STARTING, /* has not answered yet */
    ROW_ANSWERS,
    ROW_SILENT, /* answered before, does not now */
    ROW_ENDED   /* the process is gone; `end` says how */
};

struct local_row {
    enum row_state state;
    char url[64];
    char address[2 * INGOT_ADDRESS_BYTES + 1]; /* of its validator key, "" before it is known */
    char end[64];
    uint64_t height;
    uint64_t view;
    char leader[2 * INGOT_ADDRESS_BYTES + 1];
    uint64_t peers;
    uint64_t mempool_txs;   /* without a chain: rounds in flight */
    uint64_t committed_txs; /* without a chain: deliveries */
    double txs_per_s;
};

struct local_view {
    struct local_row *rows; /* borrowed */
    uint32_t count;
    bool is_broadcast; /* the nodes have no chain: no height, view and leader */
    bool is_terminal;
    uint32_t lines_drawn; /* of the table on the terminal */
};

/* Draws the table over the last one, or prints one line. */
void local_view_show(struct local_view *view, FILE *stream);

/* Appends the text that local_view_show prints. */
void local_view_table(const struct local_view *view, struct ingot_buffer *text);
void local_view_line(const struct local_view *view, struct ingot_buffer *text);

#endif

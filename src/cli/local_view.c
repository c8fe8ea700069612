/*
 * The table and the lines of `ingot local`. It asks nobody anything.
 */
#include "cli/local_view.h"

#include <inttypes.h>
#include <string.h>

/* "node2" for the address of its key, as people know the nodes by that. */
static void append_leader(const struct local_view *view, const char *leader,
                          struct ingot_buffer *text)
{
    for (uint32_t i = 0; i < view->count; i++) {
        if (leader[0] != '\0' && strcmp(view->rows[i].address, leader) == 0) {
            ingot_buffer_format(text, "node%" PRIu32, i);
            return;
        }
    }
    ingot_buffer_format(text, "%.8s", leader[0] != '\0' ? leader : "-");
}

/* How far a node was that is not there now. */
static void append_last(const struct local_view *view, const struct local_row *row,
                        struct ingot_buffer *text)
{
    if (view->is_broadcast)
        ingot_buffer_format(text, "; had delivered %" PRIu64, row->committed_txs);
    else
        ingot_buffer_format(text, "; last height %" PRIu64, row->height);
}

static void append_row(const struct local_view *view, uint32_t index, struct ingot_buffer *text)
{
    const struct local_row *row = &view->rows[index];
    ingot_buffer_format(text, "node%-4" PRIu32 " ", index);
    switch (row->state) {
    case ROW_STARTING:
        ingot_buffer_format(text, "starting");
        break;
    case ROW_SILENT:
        ingot_buffer_format(text, "does not answer");
        append_last(view, row, text);
        break;
    case ROW_ENDED:
        ingot_buffer_format(text, "%s", row->end);
        append_last(view, row, text);
        break;
    case ROW_ANSWERS: {
        struct ingot_buffer leader = {0};
        if (view->is_broadcast) {
            ingot_buffer_format(text, "%9" PRIu64 " %9" PRIu64 " %5" PRIu64 " %8.0f  %s",
                                row->committed_txs, row->mempool_txs, row->peers, row->txs_per_s,
                                row->url);
            break;
        }
        append_leader(view, row->leader, &leader);
        ingot_buffer_format(text,
                            "%9" PRIu64 " %9" PRIu64 "  %-9.*s %5" PRIu64 " %9" PRIu64 " %8.0f  %s",
                            row->height, row->view, (int)leader.size, (const char *)leader.data,
                            row->peers, row->mempool_txs, row->txs_per_s, row->url);
        ingot_buffer_deinit(&leader);
        break;
    }
    }
    ingot_buffer_append_u8(text, '\n');
}

void local_view_table(const struct local_view *view, struct ingot_buffer *text)
{
    if (view->is_broadcast)
        ingot_buffer_format(text, "%-8s %9s %9s %5s %8s  %s\n", "node", "delivered", "in flight",
                            "peers", "per s", "clients");
    else
        ingot_buffer_format(text, "%-8s %9s %9s  %-9s %5s %9s %8s  %s\n", "node", "height", "view",
                            "leader", "peers", "mempool", "tx/s", "clients");
    for (uint32_t i = 0; i < view->count; i++)
        append_row(view, i, text);
}

/* One number of each node, in order; "-" of those that do not answer. */
static void append_each(const struct local_view *view, struct ingot_buffer *text)
{
    for (uint32_t i = 0; i < view->count; i++) {
        const struct local_row *row = &view->rows[i];
        const uint64_t number = view->is_broadcast ? row->committed_txs : row->height;
        if (row->state == ROW_ANSWERS)
            ingot_buffer_format(text, "%s%" PRIu64, i > 0 ? "," : "", number);
        else
            ingot_buffer_format(text, "%s-", i > 0 ? "," : "");
    }
}

void local_view_line(const struct local_view *view, struct ingot_buffer *text)
{
    const struct local_row *highest = NULL;
    uint32_t answering = 0;
    for (uint32_t i = 0; i < view->count; i++) {
        const struct local_row *row = &view->rows[i];
        if (row->state != ROW_ANSWERS)
            continue;
        answering++;
        if (highest == NULL || row->height > highest->height)
            highest = row;
    }
    ingot_buffer_format(text, "nodes=%" PRIu32 "/%" PRIu32, answering, view->count);
    if (highest == NULL)
        return;
    if (view->is_broadcast) {
        ingot_buffer_format(text, " peers=%" PRIu64 " delivered/s=%.0f delivered=", highest->peers,
                            highest->txs_per_s);
        append_each(view, text);
        return;
    }
    ingot_buffer_format(text, " height=%" PRIu64 " view=%" PRIu64 " leader=", highest->height,
                        highest->view);
    append_leader(view, highest->leader, text);
    ingot_buffer_format(text, " peers=%" PRIu64 " tx/s=%.0f heights=", highest->peers,
                        highest->txs_per_s);
    append_each(view, text);
}

void local_view_show(struct local_view *view, FILE *stream)
{
    struct ingot_buffer text = {0};
    if (view->is_terminal) {
        if (view->lines_drawn > 0)
            ingot_buffer_format(&text, "\033[%" PRIu32 "A\033[J", view->lines_drawn);
        /* A line that the terminal wrapped would be two lines the next time. */
        ingot_buffer_format(&text, "\033[?7l");
        local_view_table(view, &text);
        ingot_buffer_format(&text, "\033[?7h");
        view->lines_drawn = view->count + 1;
    } else {
        local_view_line(view, &text);
        ingot_buffer_append_u8(&text, '\n');
    }
    (void)fwrite(text.data, 1, text.size, stream);
    (void)fflush(stream);
    ingot_buffer_deinit(&text);
}

/*
 * The table and the lines of `ingot local`. Goal: each state of a node shows as what it is, and
 * leaders go by the names that people gave. Method: rows by hand, texts compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/local_view.h"

static struct local_row rows[4] = {
    {.state = ROW_ANSWERS,
     .url = "http://127.0.0.1:1",
     .address = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
     .leader = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB",
     .height = 12,
     .view = 15,
     .peers = 3,
     .mempool_txs = 7,
     .txs_per_s = 99.6},
    {.state = ROW_SILENT, .address = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB", .height = 11},
    {.state = ROW_ENDED, .end = "killed by signal 9", .height = 10},
    {.state = ROW_STARTING},
};

static void assert_text(struct ingot_buffer *text, const char *expected)
{
    ingot_buffer_append_u8(text, 0);
    assert_string_equal((const char *)text->data, expected);
    ingot_buffer_deinit(text);
}

static void the_table_has_a_row_for_each_node(void **state)
{
    (void)state;
    const struct local_view view = {.rows = rows, .count = 4};
    struct ingot_buffer text = {0};
    local_view_table(&view, &text);
    assert_text(&text, "node        height      view  leader    peers   mempool     tx/s  clients\n"
                       "node0           12        15  node1         3         7      100  "
                       "http://127.0.0.1:1\n"
                       "node1    does not answer; last height 11\n"
                       "node2    killed by signal 9; last height 10\n"
                       "node3    starting\n");
}

static void nodes_without_a_chain_show_what_they_delivered(void **state)
{
    (void)state;
    struct local_row broadcast_rows[2] = {rows[0], rows[2]};
    const struct local_view view = {.rows = broadcast_rows, .count = 2, .is_broadcast = true};
    struct ingot_buffer text = {0};
    broadcast_rows[0].committed_txs = 1234;
    broadcast_rows[1].committed_txs = 1200;
    local_view_table(&view, &text);
    assert_text(&text, "node     delivered in flight peers    per s  clients\n"
                       "node0         1234         7     3      100  http://127.0.0.1:1\n"
                       "node1    killed by signal 9; had delivered 1200\n");
    local_view_line(&view, &text);
    assert_text(&text, "nodes=1/2 peers=3 delivered/s=100 delivered=1234,-");
}

static void the_line_says_who_answers_and_how_far_they_are(void **state)
{
    (void)state;
    const struct local_view view = {.rows = rows, .count = 4};
    struct ingot_buffer text = {0};
    local_view_line(&view, &text);
    assert_text(&text,
                "nodes=1/4 height=12 view=15 leader=node1 peers=3 tx/s=100 heights=12,-,-,-");
    const struct local_view none = {.rows = rows + 1, .count = 3};
    local_view_line(&none, &text);
    assert_text(&text, "nodes=0/3");
}

static void a_leader_outside_the_table_goes_by_its_address(void **state)
{
    (void)state;
    const struct local_view view = {.rows = rows, .count = 1};
    struct ingot_buffer text = {0};
    local_view_line(&view, &text);
    assert_text(&text, "nodes=1/1 height=12 view=15 leader=BBBBBBBB peers=3 tx/s=100 heights=12");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_has_a_row_for_each_node),
        cmocka_unit_test(nodes_without_a_chain_show_what_they_delivered),
        cmocka_unit_test(the_line_says_who_answers_and_how_far_they_are),
        cmocka_unit_test(a_leader_outside_the_table_goes_by_its_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Scenarios as text: the views, each as its two sides and its leader, then what differs from the
 * plain case, all separated by commas: `a1/b23:0,ab123/:2,order=7`. Instances are a, b, 1, 2, 3.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "twins/scenario.h"

static const char names[INSTANCES] = {'a', '1', '2', '3', 'b'};
/* In which they are written. */
static const uint8_t written[INSTANCES] = {TWIN_A, TWIN_B, 1, 2, 3};

static void write_side(char *text, uint8_t other_side, unsigned side)
{
    size_t length = strlen(text);
    for (uint32_t i = 0; i < INSTANCES; i++) {
        if ((unsigned)(other_side >> written[i] & 1) == side) {
            text[length++] = names[written[i]];
        }
    }
    text[length] = '\0';
}

static void write_view(char *text, struct scenario_view view)
{
    write_side(text, view.other_side, 0);
    strcat(text, "/");
    write_side(text, view.other_side, 1);
    const size_t length = strlen(text);
    (void)snprintf(text + length, SCENARIO_TEXT_MAX - length, ":%u", view.leader);
}

__attribute__((format(printf, 2, 3))) static void add(char *text, const char *format, ...)
{
    const size_t length = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text + length, SCENARIO_TEXT_MAX - length, format, arguments);
    va_end(arguments);
}

static void write_powers(char *text, const char *name, const uint8_t powers[VALIDATORS])
{
    add(text, ",%s=%u-%u-%u-%u", name, powers[0], powers[1], powers[2], powers[3]);
}

void scenario_text(const struct scenario *scenario, char text[SCENARIO_TEXT_MAX])
{
    static const uint8_t equal[VALIDATORS] = {1, 1, 1, 1};
    text[0] = '\0';
    for (uint32_t i = 0; i < scenario->view_count; i++) {
        if (i > 0) {
            add(text, ",");
        }
        write_view(text, scenario->views[i]);
    }
    if (scenario->tenure != 1) {
        add(text, ",tenure=%" PRIu32, scenario->tenure);
    }
    if (scenario->has_product_leaders) {
        add(text, ",leaders=product");
    }
    if (memcmp(scenario->powers, equal, sizeof equal) != 0) {
        write_powers(text, "powers", scenario->powers);
    }
    if (scenario->order != 0) {
        add(text, ",order=%" PRIu64, scenario->order);
    }
    if (scenario->has_hasty_timers) {
        add(text, ",timers=hasty");
    }
    if (scenario->change_view != 0) {
        add(text, ",change=%" PRIu32, scenario->change_view);
        write_powers(text, "next", scenario->next_powers);
    }
    if (scenario->restart != 0) {
        add(text, ",restart=%" PRIu32 "-%" PRIu32, scenario->restart, scenario->restart_view);
    }
}

/* --- And back. --- */

/* The number after `*text`, 0 to `highest`. */
static bool read_number(const char **text, uint64_t highest, uint64_t *number)
{
    char *end = NULL;
    if (**text < '0' || **text > '9') {
        return false;
    }
    *number = strtoull(*text, &end, 10);
    *text = end;
    return *number <= highest;
}

static bool read_powers(const char **text, uint8_t powers[VALIDATORS])
{
    uint64_t others = 0;
    for (uint32_t i = 0; i < VALIDATORS; i++) {
        uint64_t number = 0;
        if (i > 0 && *(*text)++ != '-') {
            return false;
        }
        if (!read_number(text, 50, &number)) {
            return false;
        }
        powers[i] = (uint8_t)number;
        others += i > 0 ? number : 0;
    }
    return powers[0] > 0 && 2U * powers[0] < others;
}

static bool read_view(const char **text, struct scenario_view *view)
{
    uint32_t seen = 0;
    uint32_t side = 0;
    *view = (struct scenario_view){0};
    for (; **text != ':'; (*text)++) {
        if (**text == '/' && side == 0) {
            side = 1;
            continue;
        }
        const char *name = **text == '\0' ? NULL : memchr(names, **text, sizeof names);
        if (name == NULL) {
            return false;
        }
        seen |= 1U << (name - names);
        view->other_side = (uint8_t)(view->other_side | side << (name - names));
    }
    (*text)++;
    uint64_t leader = 0;
    const bool has_leader = read_number(text, VALIDATORS - 1, &leader);
    view->leader = (uint8_t)leader;
    return has_leader && side == 1 && seen == (1U << INSTANCES) - 1;
}

static bool take_word(const char **text, const char *word)
{
    const size_t length = strlen(word);
    if (strncmp(*text, word, length) != 0) {
        return false;
    }
    *text += length;
    return true;
}

static bool read_option(const char **text, struct scenario *scenario)
{
    uint64_t number = 0;
    uint64_t second = 0;
    if (take_word(text, "tenure=")) {
        const bool is_right = read_number(text, 100, &number) && number >= 1;
        scenario->tenure = (uint32_t)number;
        return is_right;
    }
    if (take_word(text, "leaders=product")) {
        return scenario->has_product_leaders = true;
    }
    if (take_word(text, "timers=hasty")) {
        return scenario->has_hasty_timers = true;
    }
    if (take_word(text, "order=")) {
        return read_number(text, UINT64_MAX, &scenario->order);
    }
    if (take_word(text, "powers=")) {
        return read_powers(text, scenario->powers);
    }
    if (take_word(text, "next=")) {
        return read_powers(text, scenario->next_powers);
    }
    if (take_word(text, "change=")) {
        const bool is_right = read_number(text, SCENARIO_VIEWS_MAX, &number);
        scenario->change_view = (uint32_t)number;
        return is_right;
    }
    if (take_word(text, "restart=")) {
        const bool is_right = read_number(text, 3, &number) && take_word(text, "-") &&
                              read_number(text, SCENARIO_VIEWS_MAX + 1, &second);
        scenario->restart = (uint32_t)number;
        scenario->restart_view = (uint32_t)second;
        return is_right;
    }
    return false;
}

bool scenario_parse(const char *text, struct scenario *scenario, const char **why)
{
    *scenario = (struct scenario){.tenure = 1, .powers = {1, 1, 1, 1}};
    for (bool is_first = true; is_first || *text == ','; is_first = false) {
        text += is_first ? 0 : 1;
        const bool is_view = strchr(text, ':') != NULL && strcspn(text, ":") < strcspn(text, ",=");
        if (is_view && scenario->view_count == SCENARIO_VIEWS_MAX) {
            *why = "a scenario has at most 12 views";
            return false;
        }
        if (is_view) {
            if (!read_view(&text, &scenario->views[scenario->view_count++])) {
                *why = "a view is two sides of a, b, 1, 2, 3 and a leader, such as a1/b23:0";
                return false;
            }
        } else if (!read_option(&text, scenario)) {
            *why = "after the views there may be tenure=K, leaders=product, powers=W-X-Y-Z, "
                   "order=N, timers=hasty, change=VIEW with next=W-X-Y-Z, restart=VALIDATOR-VIEW; "
                   "the first power is less than a third";
            return false;
        }
    }
    if (scenario->view_count == 0 || *text != '\0') {
        *why = "views and options are separated by commas, and there is at least one view";
        return false;
    }
    if (scenario->change_view != 0 && scenario->next_powers[0] == 0) {
        *why = "a change needs the powers of the next set, such as next=1-1-1-1";
        return false;
    }
    return true;
}

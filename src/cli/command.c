/*
 * What all subcommands share. No subcommand's own logic.
 */
#include "cli/command.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

enum ingot_exit command_print_help(const struct command *command)
{
    (void)fputs(command->help, stdout);
    return INGOT_EXIT_OK;
}

enum ingot_exit command_usage_seen(const struct command *command)
{
    (void)fprintf(stderr, "Try 'ingot %s --help'.\n", command->name);
    return INGOT_EXIT_USAGE;
}

enum ingot_exit command_usage(const struct command *command, const char *format, ...)
{
    va_list arguments;
    (void)fprintf(stderr, "ingot %s: ", command->name);
    va_start(arguments, format);
    (void)vfprintf(stderr, format, arguments);
    va_end(arguments);
    (void)fputc('\n', stderr);
    return command_usage_seen(command);
}

/* Some of it may be a node's words, or a file's: control characters, also those of C1 in UTF-8, do
 * not reach the terminal. */
static void make_plain(char *text)
{
    for (unsigned char before = 0; *text != '\0'; text++) {
        const unsigned char byte = (unsigned char)*text;
        const bool is_control = byte < 0x20 || byte == 0x7f;
        if ((is_control && byte != '\n' && byte != '\t') ||
            (before == 0xC2 && byte >= 0x80 && byte < 0xA0))
            *text = '?';
        before = byte;
    }
}

enum ingot_exit command_fail(enum ingot_exit code, const char *format, ...)
{
    char text[8192];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    make_plain(text);
    for (const char *line = text; *line != '\0';) {
        size_t size = strcspn(line, "\n");
        (void)fprintf(stderr, "ingot: %.*s\n", (int)size, line);
        line += size + (line[size] == '\n' ? 1 : 0);
    }
    return code;
}

/* What getopt calls short options: those whose value is a letter. */
static void list_letters(const struct option *known, char *letters, size_t size)
{
    size_t used = 0;
    letters[used++] = 'h';
    for (; known->name != NULL; known++) {
        if (known->val >= COMMAND_OPTION_HELP)
            continue;
        INGOT_ASSERT(used + 2 < size);
        letters[used++] = (char)known->val;
        if (known->has_arg == required_argument)
            letters[used++] = ':';
    }
    letters[used] = '\0';
}

bool command_take_options(const struct command *command, int argc, char **argv,
                          const struct option *known, command_take *take, void *options,
                          enum ingot_exit *code)
{
    *code = INGOT_EXIT_OK;
    char letters[16];
    list_letters(known, letters, sizeof letters);
    int option;
    while ((option = getopt_long(argc, argv, letters, known, NULL)) != -1) {
        if (option == 'h' || option == COMMAND_OPTION_HELP) {
            *code = command_print_help(command);
            return false;
        }
        *code = take(command, option, options);
        if (*code != INGOT_EXIT_OK)
            return false;
    }
    return true;
}

bool command_number(const char *text, uint64_t min, uint64_t max, uint64_t *number)
{
    uint64_t value = 0;
    if (text[0] == '\0')
        return false;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c < '0' || *c > '9' || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(*c - '0'), &value))
            return false;
    }
    *number = value;
    return value >= min && value <= max;
}

enum ingot_exit command_option_number(const struct command *command, const char *name, uint64_t min,
                                      uint64_t max, uint64_t *number)
{
    if (!command_number(optarg, min, max, number))
        return command_usage(command, "--%s: expected %llu to %llu, found '%s'", name,
                             (unsigned long long)min, (unsigned long long)max, optarg);
    return INGOT_EXIT_OK;
}

bool command_url(const char *text, struct endpoint *endpoint)
{
    static const char scheme[] = "http://";
    if (strncmp(text, scheme, strlen(scheme)) != 0)
        return false;
    struct ingot_slice rest = ingot_slice_of_text(text + strlen(scheme));
    if (rest.size > 0 && rest.data[rest.size - 1] == '/')
        rest.size--;
    return endpoint_parse(rest, ENDPOINT_PORT_NONZERO, endpoint);
}

enum ingot_exit command_option_node(const struct command *command, const char *text,
                                    struct endpoint *endpoint)
{
    if (!command_url(text, endpoint))
        return command_usage(command, "--node: expected http://host:port, found '%s'", text);
    return INGOT_EXIT_OK;
}

enum { OPTION_NODE = COMMAND_OPTION_OWN, OPTION_JSON };

struct ask_options {
    const char *url;
    bool as_json;
};

static enum ingot_exit take_ask_option(const struct command *command, int option, void *context)
{
    struct ask_options *options = context;
    switch (option) {
    case OPTION_NODE:
        options->url = optarg;
        return INGOT_EXIT_OK;
    case OPTION_JSON:
        options->as_json = true;
        return INGOT_EXIT_OK;
    default:
        return command_usage_seen(command);
    }
}

enum ingot_exit command_ask_node(const struct command *command, int argc, char **argv,
                                 command_show *show)
{
    static const struct option known[] = {COMMAND_HELP_OPTION,
                                          {"node", required_argument, NULL, OPTION_NODE},
                                          {"json", no_argument, NULL, OPTION_JSON},
                                          {NULL, 0, NULL, 0}};
    struct ask_options options = {.url = COMMAND_NODE_URL_DEFAULT};
    enum ingot_exit code = INGOT_EXIT_OK;
    if (!command_take_options(command, argc, argv, known, take_ask_option, &options, &code))
        return code;
    struct endpoint endpoint;
    if (optind < argc)
        return command_usage(command, "unexpected argument '%s'", argv[optind]);
    code = command_option_node(command, options.url, &endpoint);
    return code == INGOT_EXIT_OK ? show(&endpoint, options.as_json) : code;
}

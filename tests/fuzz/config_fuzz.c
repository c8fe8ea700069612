/*
 * The readers of config.ini and of the peers file on arbitrary text. The first byte says which.
 * What is accepted must, written out and read again, say the same; what is refused must come with a
 * complaint.
 */
#include <string.h>

#include "config/peers.h"
#include "config/settings.h"
#include "fuzz/fuzz.h"

static void read_settings(struct ingot_slice text, struct report *report)
{
    struct settings settings;
    if (settings_parse(text, "config.ini", &settings, report) != INGOT_OK) {
        require(report->count > 0 && strncmp(report->text, "config.ini:", 11) == 0);
        return;
    }
    struct settings again;
    struct ingot_buffer written = {0};
    struct ingot_buffer written_again = {0};
    settings_format(&settings, &written);
    require(settings_parse(ingot_buffer_slice(&written), "again", &again, report) == INGOT_OK);
    settings_format(&again, &written_again);
    require(ingot_slice_equal(ingot_buffer_slice(&written), ingot_buffer_slice(&written_again)));
    ingot_buffer_deinit(&written);
    ingot_buffer_deinit(&written_again);
}

static void read_peers(struct ingot_slice text, struct report *report)
{
    struct peer_list peers;
    if (peers_parse(text, "peers", &peers, report) != INGOT_OK) {
        require(report->count > 0 && strncmp(report->text, "peers:", 6) == 0);
        return;
    }
    struct peer_list again;
    struct ingot_buffer written = {0};
    for (uint32_t i = 0; i < peers.count; i++) {
        peers_format_entry(&peers.entries[i], &written);
    }
    require(peers_parse(ingot_buffer_slice(&written), "again", &again, report) == INGOT_OK);
    require(again.count == peers.count);
    ingot_buffer_deinit(&written);
    peers_deinit(&again);
    peers_deinit(&peers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char complaints[4096] = "";
    struct report report;
    report_init(&report, complaints, sizeof complaints);
    /* A file that holds a NUL byte is refused before its text is looked at. */
    if (size == 0 || memchr(data, '\0', size) != NULL) {
        return 0;
    }
    const struct ingot_slice text = {data + 1, size - 1};
    if (data[0] % 2 == 0) {
        read_settings(text, &report);
    } else {
        read_peers(text, &report);
    }
    return 0;
}

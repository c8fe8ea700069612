/*
 * The reader of genesis.json on arbitrary bytes. What is accepted must, written out and read again,
 * be the same chain; what is refused must come with a complaint.
 */
#include <string.h>

#include "config/genesis.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char complaints[1024];
    struct report report;
    struct genesis genesis;
    report_init(&report, complaints, sizeof complaints);
    if (genesis_parse(ingot_slice_of(data, size), "genesis.json", &genesis, &report) != INGOT_OK) {
        require(report.count > 0 && strncmp(complaints, "genesis.json:", 13) == 0);
        return 0;
    }
    struct ingot_buffer json = {0};
    struct genesis again;
    genesis_format(&genesis, &json);
    require(genesis_parse(ingot_buffer_slice(&json), "again", &again, &report) == INGOT_OK);
    require(memcmp(&genesis.hash, &again.hash, sizeof genesis.hash) == 0);
    ingot_buffer_deinit(&json);
    genesis_deinit(&again);
    genesis_deinit(&genesis);
    return 0;
}

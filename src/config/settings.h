/*
 * config.ini: what one node's operator chooses. Nothing here can make two validators disagree;
 * that is the genesis file's part.
 *
 * One table (settings_table) holds section, key, type, default, range and meaning of every value;
 * parsing, checking and the commented default file all follow it.
 */
#ifndef INGOT_CONFIG_SETTINGS_H
#define INGOT_CONFIG_SETTINGS_H

#include <ingot/types.h>

#include "config/file.h"
#include "config/peers.h"

#define SETTINGS_FOLDER_BYTES_MAX 150
#define SETTINGS_FILE_BYTES_MAX (256 * 1024)

/* SETTINGS_APP_GENESIS: whatever the genesis file names. */
enum settings_app {
    SETTINGS_APP_GENESIS,
    SETTINGS_APP_KV,
    SETTINGS_APP_NULL,
    SETTINGS_APP_SIGNING
};

enum settings_protocol {
    SETTINGS_PROTOCOL_HOTSTUFF,
    SETTINGS_PROTOCOL_QUORUM_BROADCAST,
    SETTINGS_PROTOCOL_GOSSIP
};

#define SETTINGS_PROTOCOLS 3

/* The word that config.ini has for it. Static. */
const char *settings_protocol_name(enum settings_protocol protocol);

/* Public keys, in the order in which the file has them. */
#define SETTINGS_KEYS_MAX 64

struct settings_keys {
    uint32_t count;
    struct ingot_public_key list[SETTINGS_KEYS_MAX];
};

#define SETTINGS_ROWS_MAX 64

struct settings {
    /* [node] */
    char data_folder[SETTINGS_FOLDER_BYTES_MAX + 1]; /* relative to the home folder, or absolute */
    enum settings_app app;
    enum settings_protocol protocol;
    bool observer; /* no validator key: follow only */
    uint64_t verify_threads_max;

    /* [consensus] */
    uint64_t base_timeout_ms;
    uint64_t empty_block_interval_ms;
    uint64_t timeout_resend_ms;
    uint64_t advertise_interval_ms;
    uint64_t fetch_timeout_ms;

    /* [network] */
    struct endpoint network_listen;
    uint64_t peer_queue_bytes_max;
    uint64_t handshakes_max;
    uint64_t handshake_timeout_ms;
    uint64_t reconnect_delay_ms_min;
    uint64_t reconnect_delay_ms_max;

    /* [rpc] */
    struct endpoint rpc_listen;
    bool rpc_index_tx;
    uint64_t rpc_connections_max;
    uint64_t rpc_body_bytes_max;
    uint64_t rpc_idle_timeout_ms;
    uint64_t rpc_commit_timeout_ms;

    /* [mempool] */
    uint64_t mempool_bytes_max;

    /* [signing] */
    uint64_t signing_payload_bytes_max;
    struct settings_keys signing_submitters; /* none: anybody */

    /* [storage] */
    uint64_t storage_map_size_initial;
    uint64_t storage_map_size_max;
    uint64_t storage_retain_blocks; /* 0: all */

    uint32_t lines[SETTINGS_ROWS_MAX]; /* of the file, for each row of the table; 0: not there */
};

/* KEYS may be on several lines, each of which adds some, as a line has room for a few only. Any
 * other is there once. */
enum setting_kind {
    SETTING_NUMBER,
    SETTING_FLAG,
    SETTING_CHOICE,
    SETTING_TEXT,
    SETTING_ENDPOINT,
    SETTING_KEYS
};

struct setting {
    const char *section;
    const char *key;
    enum setting_kind kind;
    size_t offset;        /* in struct settings */
    const char *fallback; /* the default, as written in the file */
    uint64_t min;         /* NUMBER: the range; TEXT: of the length in bytes */
    uint64_t max;
    const char *const *choices; /* CHOICE: the words in the order of the enum, NULL at the end */
    const char *meaning;        /* full sentences, for the default file */
};

extern const struct setting settings_table[];
extern const size_t settings_table_count;

/* The defaults of the table. */
void settings_init(struct settings *settings);
/* The (first) line that sets it, for complaints; 0 if none does. The table must have that setting.
 */
uint32_t settings_line(const struct settings *settings, const char *section, const char *key);

/*
 * Reads settings from the text of a config.ini; what it does not name keeps its default. `name` is
 * how complaints call it. All complaints are reported, each with line and expectation: unknown
 * section or key, a key given twice, a bad value, a value out of its range.
 *
 * Returns INGOT_OK or INGOT_ERROR_INVALID.
 */
INGOT_MUST_USE enum ingot_error settings_parse(struct ingot_slice text, const char *name,
                                               struct settings *settings, struct report *report);
/* As settings_parse, or the error of file_read. */
INGOT_MUST_USE enum ingot_error settings_load(const char *path, struct settings *settings,
                                              struct report *report);

/*
 * Appends a config.ini with these values, each under a comment of its meaning and range; values
 * that equal their default are written as comments, but for addresses.
 */
void settings_format(const struct settings *settings, struct ingot_buffer *text);

#endif

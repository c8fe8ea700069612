/*
 * Every setting of config.ini: section, key, type, default, range and meaning. Code that reads,
 * checks or writes settings follows this table; docs/operations.md is the longer story.
 */
#include "config/settings.h"

#define MIB UINT64_C(1048576)
#define GIB (UINT64_C(1024) * MIB)

static const char *const app_choices[] = {"genesis", "kv", "null", "signing", NULL};
static const char *const protocol_choices[] = {"hotstuff", "quorum-broadcast", "gossip", NULL};

#define NUMBER(member, least, most)                                                                \
    .kind = SETTING_NUMBER, .offset = offsetof(struct settings, member), .min = (least),           \
    .max = (most)
#define FLAG(member) .kind = SETTING_FLAG, .offset = offsetof(struct settings, member)
#define CHOICE(member, words)                                                                      \
    .kind = SETTING_CHOICE, .offset = offsetof(struct settings, member), .choices = (words)
#define TEXT(member, least, most)                                                                  \
    .kind = SETTING_TEXT, .offset = offsetof(struct settings, member), .min = (least), .max = (most)
#define KEYS(member) .kind = SETTING_KEYS, .offset = offsetof(struct settings, member)
#define ENDPOINT(member) .kind = SETTING_ENDPOINT, .offset = offsetof(struct settings, member)

const struct setting settings_table[] = {
    {"node", "data_folder", TEXT(data_folder, 1, SETTINGS_FOLDER_BYTES_MAX), .fallback = "data",
     .meaning = "Where the node keeps the chain and its state. Relative to this file's folder, or "
                "absolute."},
    {"node", "app", CHOICE(app, app_choices), .fallback = "genesis",
     .meaning = "What transactions mean. 'genesis' is what genesis.json says; another word must "
                "agree with it."},
    {"node", "protocol", CHOICE(protocol, protocol_choices), .fallback = "hotstuff",
     .meaning = "What the node runs: the replicated log, or one of the protocols that deliver "
                "payloads without a chain. The same on all nodes of a network."},
    {"node", "observer", FLAG(observer), .fallback = "no",
     .meaning = "Follow the chain without a validator key."},
    {"node", "verify_threads_max", NUMBER(verify_threads_max, 0, 64), .fallback = "4",
     .meaning = "Threads that verify signatures of blocks that are fetched, besides the node's own "
                "thread. Never more than there are processors for them. 0: none."},

    {"consensus", "base_timeout_ms", NUMBER(base_timeout_ms, 10, INGOT_BASE_TIMEOUT_MS_MAX),
     .fallback = "500",
     .meaning = "How long a view may last before its leader is given up. It grows by half with "
                "each failed tenure, up to 8 times this."},
    {"consensus", "empty_block_interval_ms", NUMBER(empty_block_interval_ms, 0, 3600000),
     .fallback = "1000",
     .meaning = "How long an idle leader waits before it proposes an empty block."},
    {"consensus", "timeout_resend_ms", NUMBER(timeout_resend_ms, 10, 60000), .fallback = "500",
     .meaning = "How often a node says again that it has given up a view."},
    {"consensus", "advertise_interval_ms", NUMBER(advertise_interval_ms, 10, 60000),
     .fallback = "1000", .meaning = "How often a node tells its peers what it has."},
    {"consensus", "fetch_timeout_ms", NUMBER(fetch_timeout_ms, 10, 60000), .fallback = "1000",
     .meaning = "After how long another peer is asked for blocks that did not come."},

    {"network", "listen", ENDPOINT(network_listen), .fallback = "127.0.0.1:27650",
     .meaning = "Where other nodes connect. Port 0 takes any free one."},
    {"network", "peer_queue_bytes_max",
     NUMBER(peer_queue_bytes_max, INGOT_PEER_QUEUE_BYTES_MIN, INGOT_PEER_QUEUE_BYTES_MAX),
     .fallback = "33554432",
     .meaning = "What may wait to be sent to one peer. A peer that falls further behind is "
                "disconnected."},
    {"network", "handshakes_max", NUMBER(handshakes_max, 1, 4096), .fallback = "256",
     .meaning = "Connections from outside that have not proved their key yet, at one time."},
    {"network", "handshake_timeout_ms", NUMBER(handshake_timeout_ms, 100, 60000),
     .fallback = "5000", .meaning = "The longest that a connection may take to prove its key."},
    {"network", "reconnect_delay_ms_min", NUMBER(reconnect_delay_ms_min, 10, 60000),
     .fallback = "50",
     .meaning = "The wait before a lost peer is tried again. It doubles with "
                "each failure, with a random part."},
    {"network", "reconnect_delay_ms_max", NUMBER(reconnect_delay_ms_max, 10, 600000),
     .fallback = "2000", .meaning = "The longest such wait."},

    {"rpc", "listen", ENDPOINT(rpc_listen), .fallback = "127.0.0.1:27651",
     .meaning = "Where clients connect. Port 0 takes any free one."},
    {"rpc", "index_tx", FLAG(rpc_index_tx), .fallback = "yes",
     .meaning = "Keep an index from a transaction's hash to its block, which the method tx reads."},
    {"rpc", "connections_max", NUMBER(rpc_connections_max, 1, INGOT_RPC_CONNECTIONS_MAX),
     .fallback = "256", .meaning = "Clients connected at one time."},
    {"rpc", "body_bytes_max", NUMBER(rpc_body_bytes_max, 1024, INGOT_RPC_BODY_BYTES_MAX),
     .fallback = "2097152", .meaning = "The largest request body."},
    {"rpc", "idle_timeout_ms", NUMBER(rpc_idle_timeout_ms, 100, 3600000), .fallback = "60000",
     .meaning = "A connection that sends nothing for this long is closed."},
    {"rpc", "commit_timeout_ms", NUMBER(rpc_commit_timeout_ms, 100, 600000), .fallback = "10000",
     .meaning = "How long a client's call waits for a commit, an attestation or a delivery."},

    {"mempool", "bytes_max", NUMBER(mempool_bytes_max, 64 * 1024, 4 * GIB), .fallback = "16777216",
     .meaning = "What transactions that wait for a block may take."},

    {"signing", "payload_bytes_max",
     NUMBER(signing_payload_bytes_max, 0, INGOT_SIGNING_PAYLOAD_BYTES_MAX), .fallback = "65536",
     .meaning =
         "The signing App: the largest document that a client may hand in whole. With 0 this "
         "node takes digests only. Quorum broadcast: the largest payload that this node signs."},
    {"signing", "submitters", KEYS(signing_submitters), .fallback = "",
     .meaning = "The signing App: whose transactions this node takes, and its validator signs. "
                "Empty: anybody's, with or without a key."},

    {"storage", "map_size_initial", NUMBER(storage_map_size_initial, MIB, 16384 * GIB),
     .fallback = "67108864",
     .meaning = "Room on the disk given to the store's file at first, in bytes. It grows by "
                "itself."},
    {"storage", "map_size_max", NUMBER(storage_map_size_max, MIB, 16384 * GIB),
     .fallback = "1099511627776",
     .meaning = "The size beyond which the store's file does not grow, in bytes. That much "
                "address space is reserved."},
    {"storage", "retain_blocks", NUMBER(storage_retain_blocks, 0, UINT64_C(1000000000000)),
     .fallback = "0",
     .meaning = "How many of the newest blocks are kept; older ones are deleted while the node "
                "runs. 0 keeps all. Otherwise at least the genesis file's replay_window_blocks + "
                "2."},
};

const size_t settings_table_count = sizeof settings_table / sizeof settings_table[0];

const char *settings_protocol_name(enum settings_protocol protocol)
{
    return protocol_choices[protocol];
}

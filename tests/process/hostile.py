"""Whatever outsiders send, the network commits on; for hostile_test.py and hostile_long_test.py.

Method: a network of real programs under a little load is attacked on both of its ports; afterwards
the counters must name the reasons, memory must not have grown, and a transaction must commit
through every node.
"""

import json
import os
import random
import socket
import ssl
import subprocess
import time

from checks import check_equal
from load import Load
from network import BUILD_FOLDER, SANITIZED, Failure, Network, say

GROWTH_KIB_MAX = 16 * 1024


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def ends(connection):
    """Reads until the other side closes; what it said. A reset is an end, too."""
    said = b""
    try:
        while True:
            part = connection.recv(65536)
            if not part:
                return said
            said += part
    except OSError:
        return said
    finally:
        connection.close()


def total(node, metric, reason=None):
    """A counter, or the sum over its reasons."""
    wanted = metric if reason is None else f'{metric}{{reason="{reason}"}}'
    return sum(value for name, value in node.metrics().items()
               if name == wanted or (reason is None and name.startswith(metric + "{")))


def must_rise(node, reason, attack):
    """An attack on the peers' port must be counted as refused for this reason."""
    before = total(node, "ingot_peer_refused_total", reason)
    attack()
    deadline = time.monotonic() + 30
    while total(node, "ingot_peer_refused_total", reason) <= before:
        if time.monotonic() > deadline:
            reasons = {name: value for name, value in node.metrics().items() if "refused" in name}
            raise Failure(f"{attack.__name__} was not counted as {reason}: {reasons}")
        time.sleep(0.05)


def commits_everywhere(nodes, value):
    for node in nodes:
        height, why = node.commit(f"after-{value}-{node}=yes".encode())
        if height is None:
            raise Failure(f"{node} does not commit after {value}: {why}")


def strangers_at_the_peers_port():
    """Nobody without a key of the peers file gets past the handshake, and each is counted."""
    with Network(settings="[network]\nhandshake_timeout_ms = 1500\n") as network:
        network.start()
        node = network.nodes[0]
        port = node.peer_port
        choice = random.Random(3)
        slow = []

        def tls(**versions):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            for name, version in versions.items():
                setattr(context, name, version)
            try:
                with connect(port) as plain, context.wrap_socket(plain) as wrapped:
                    # A server of TLS 1.3 judges the certificate after the client is done.
                    wrapped.sendall(b"\x01\x00\x00\x00x")
                    wrapped.recv(1)
                raise Failure(f"TLS with {versions} and without a certificate was let in")
            except OSError:
                pass

        def random_bytes():
            for size in (1, 5, 100, 5000, 100000):
                with connect(port) as connection:
                    try:
                        connection.sendall(choice.randbytes(size))
                        connection.shutdown(socket.SHUT_WR)
                    except OSError:
                        continue
                    ends(connection)

        def plaintext_frame():
            connection = connect(port)
            connection.sendall(b"\x10\x00\x00\x00" + b"a plaintext frame")
            ends(connection)

        def huge_declared_length():
            connection = connect(port)
            connection.sendall(b"\xff\xff\xff\xff" + bytes(1000))
            ends(connection)

        def tls_record_of_no_handshake():
            connection = connect(port)
            connection.sendall(b"\x17\x03\x03\x40\x00" + bytes(0x4000))
            ends(connection)

        def tls_1_2():
            tls(maximum_version=ssl.TLSVersion.TLSv1_2)

        def no_certificate():
            tls(minimum_version=ssl.TLSVersion.TLSv1_3)

        def half_open():
            slow.extend(connect(port) for _ in range(20))
            slow[0].sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")

        def one_byte_at_a_time():
            connection = connect(port)
            hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
            began = time.monotonic()
            try:
                for byte in hello:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.02)
            except OSError:
                pass
            connection.close()
            if time.monotonic() - began > 8:
                raise Failure("a handshake of one byte at a time was not cut at its deadline")

        def unknown_key():
            result = run_hostile(network, network.nodes[3].home, 2, 1, "stranger")
            if result["connections"] != 0:
                raise Failure(f"a stranger's key was let in: {result}")

        # The stranger listens where node3 would, so node3 makes room.
        network.nodes[3].stop()
        must_rise(node, "not_tls", random_bytes)
        must_rise(node, "not_tls", plaintext_frame)
        must_rise(node, "not_tls", huge_declared_length)
        must_rise(node, "not_tls", tls_record_of_no_handshake)
        must_rise(node, "not_tls", tls_1_2)
        must_rise(node, "key_unknown", no_certificate)
        must_rise(node, "handshake_timeout", half_open)
        must_rise(node, "handshake_timeout", one_byte_at_a_time)
        must_rise(node, "key_unknown", unknown_key)
        for connection in slow:
            connection.close()
        commits_everywhere(network.running(), "strangers")
        check_equal(network)


def run_hostile(network, home, seconds, seed, *mode):
    """The hostile peer (hostile_peer.c) with a home's keys, to its end."""
    tool = os.path.join(BUILD_FOLDER, "hostile_peer")
    result = subprocess.run([tool, home, str(seconds), str(seed), *mode],
                            capture_output=True, text=True, timeout=seconds + 60)
    network.check_alive()
    if result.returncode != 0:
        raise Failure(f"hostile_peer: {result.returncode}\n{result.stderr[-4000:]}")
    return json.loads(result.stdout)


def a_validator_gone_bad(seconds, seed):
    """One of four mangles every kind of message, replays, and votes twice: three commit on."""
    say(f"seed {seed}")
    with Network() as network:
        network.start()
        *honest, bad = network.nodes
        with Load(network.nodes, clients_per_node=1) as load:
            network.until("the load commits", lambda: load.count() >= 20)
        bad.stop()
        logs = sum(os.path.getsize(node.log) for node in honest)
        with Load(honest, clients_per_node=2) as load:
            first = run_hostile(network, bad.home, max(1, seconds // 3), seed)
            memory = max(node.rss_anon_kib() for node in honest)
            second = run_hostile(network, bad.home, seconds, seed + 1)
            growth = max(node.rss_anon_kib() for node in honest) - memory
            count = load.count()
        rejects = {}
        for node in honest:
            for name, value in node.metrics().items():
                if name.startswith("ingot_rejects_total") and value > 0:
                    reason = name.split('"')[1]
                    rejects[reason] = rejects.get(reason, 0) + int(value)
        logs = sum(os.path.getsize(node.log) for node in honest) - logs
        say(f"sent {sum(second['sent'])} frames {second['sent']}, {second['double_votes']} double "
            f"votes, {second['requests']} requests; received {second['received_by_kind']}")
        say(f"committed meanwhile {count}; memory grew by {growth} KiB, logs by {logs} bytes; "
            f"rejected {rejects}")
        if first["connections"] < len(honest) or sum(second["sent"]) == 0:
            raise Failure(f"the hostile peer did not get to do its work: {first} {second}")
        if count == 0:
            raise Failure("nothing was committed during the attack")
        for reason in ("malformed", "bad_signature"):
            if reason not in rejects:
                raise Failure(f"nothing was rejected as {reason}")
        if growth > GROWTH_KIB_MAX and not SANITIZED:
            raise Failure(f"memory grew by {growth} KiB under attack")
        if logs > 200 * 1024 * seconds:
            raise Failure(f"the attack made the nodes write {logs} bytes of logs")
        commits_everywhere(honest, "the attack")
        # The validator is restored to its senses, with the data it had.
        bad.start()
        network.ready(bad)
        commits_everywhere([bad], "its return")
        # A put that was mangled is a put like any other, so only the keys are compared.
        _, state = check_equal(network)
        missing = load.acknowledged.keys() - state.keys()
        if missing:
            raise Failure(f"acknowledged, but not there: {sorted(missing)[:5]}")


REQUESTS = [
    b"\r\n\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
    b"GET /status HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n",
    b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
]
CALLS = [
    b"{", b"[]", b"null", b"[" * 100000, b'{"jsonrpc":"2.0","id":1,"method":"nothing"}',
    b'{"jsonrpc":"2.0","id":1,"method":"block","params":{"height":"99999999999999999999"}}',
    b'{"jsonrpc":"2.0","id":1,"method":"broadcast_tx_sync","params":{"tx":"***"}}',
    b"\xff\xfe\x00", b'{"jsonrpc":"2.0","id":{"a":[]},"method":7}',
]


def rude_clients():
    """Requests that are no HTTP, and calls that are no JSON-RPC, are refused; the rest go on."""
    with Network() as network:
        network.start()
        node = network.nodes[0]
        idle = [connect(node.client_port) for _ in range(50)]
        for request in REQUESTS:
            connection = connect(node.client_port)
            try:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            said = ends(connection)
            if said and not said.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5", b"HTTP/1.0 4",
                                             b"HTTP/1.0 5")):
                raise Failure(f"{request[:60]} was answered with {said[:80]}")
        for call in CALLS:
            client = node.client()
            status, body = client.request("POST", "/", call)
            client.close()
            if status < 400 and b"error" not in body and body not in (b"", b"[]"):
                raise Failure(f"{call[:60]} was answered with {status} {body[:80]}")
        if node.metrics()["ingot_rpc_bad_requests_total"] == 0:
            raise Failure("no bad request was counted")
        for connection in idle:
            connection.close()
        commits_everywhere(network.nodes, "rude clients")

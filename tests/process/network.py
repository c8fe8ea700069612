"""A network of real `ingot` programs on this machine, for the tests of whole programs.

It makes the homes on free ports, starts, kills, pauses and restarts nodes by their process ids,
asks them over HTTP, and waits for conditions. Whatever happens it ends what it started and removes
its folder. It judges nothing: that is the tests' part (checks.py has what several share).
"""

import base64
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

PROGRAM = os.environ.get("INGOT_PROGRAM", "build/release/ingot")
BUILD_FOLDER = os.environ.get("INGOT_BUILD_DIR", os.path.dirname(PROGRAM))
# Generous: a machine that is busy with something else must not fail a test.
DEADLINE_S = 60


class Failure(Exception):
    """What a test found wrong; the message is for the reader of the test's output."""


def is_sanitized():
    """Sanitizers make the program several times slower and larger; limits allow for that."""
    with open(PROGRAM, "rb") as file:
        content = file.read()
    return b"__asan_init" in content or b"__tsan_init" in content


SANITIZED = is_sanitized()


def say(text):
    print(text, flush=True)


def tail(path, lines=15):
    try:
        with open(path, errors="replace") as file:
            return "".join(line[:240].rstrip() + "\n" for line in file.readlines()[-lines:])
    except OSError as error:
        return f"({error})\n"


def free_port_run(count):
    """`count` consecutive free ports, below those that the system gives to outgoing connections."""
    for _ in range(200):
        base = random.randrange(12000, 31000 - count)
        sockets = []
        try:
            for port in range(base, base + count):
                held = socket.socket()
                sockets.append(held)
                held.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
        finally:
            for held in sockets:
                held.close()
    raise Failure("no run of free ports found")


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def protobuf_fields(data):
    """(number, value) of each field; only varints and byte strings occur in what is read here."""
    at = 0

    def read_varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = read_varint()
        if tag & 7 == 2:
            size = read_varint()
            yield tag >> 3, data[at : at + size]
            at += size
        else:
            yield tag >> 3, read_varint()


class Client:
    """One connection to a node's listener for clients, opened when it is needed. `connect` makes
    it, given the port and the time that anything on it may take."""

    def __init__(self, port, timeout_s=20, connect=None):
        self.port = port
        self.timeout_s = timeout_s
        self.connect = connect or self.connect_here
        self.connection = None

    @staticmethod
    def connect_here(port, timeout_s):
        return http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def request(self, method, path, body=None):
        """The status and the body; OSError and HTTPException are the caller's."""
        try:
            if self.connection is None:
                self.connection = self.connect(self.port, self.timeout_s)
            self.connection.request(method, path, body)
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def call(self, method, **parameters):
        """A method's result, or its error as {"error": ...}."""
        query = urllib.parse.urlencode(parameters)
        _, body = self.request("GET", f"/{method}?{query}")
        answer = json.loads(body)
        return answer["result"] if "result" in answer else {"error": answer["error"]}

    def broadcast(self, method, transaction):
        """Submits bytes: the result, or None and the reason."""
        parameters = {"tx": base64.b64encode(transaction).decode()}
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        _, body = self.request("POST", "/", json.dumps(call))
        answer = json.loads(body)
        if "error" in answer:
            return None, str(answer["error"])
        result = answer["result"]
        for part in ("check_tx", "tx_result"):
            if result[part]["code"] != 0:
                return None, f"{part}: code {result[part]['code']} {result[part]['log']}"
        return result, ""

    def commit(self, transaction):
        """broadcast_tx_commit of bytes: the height, or None and the reason."""
        result, why = self.broadcast("broadcast_tx_commit", transaction)
        return None if result is None else int(result["height"]), why

    def attest(self, transaction):
        """broadcast_tx_attest of bytes: the attestation, or None and the reason."""
        result, why = self.broadcast("broadcast_tx_attest", transaction)
        return None if result is None else result["attestation"], why


class Node:
    def __init__(self, folder, index, peer_port):
        self.index = index
        self.home = os.path.join(folder, f"node{index}")
        self.data = os.path.join(self.home, "data")
        self.log = os.path.join(folder, f"node{index}.log")
        self.peers = os.path.join(self.home, "peers")
        self.peer_port = peer_port
        self.client_port = peer_port + 1
        self.process = None
        self.command = []  # what to run the program with, to have it somewhere else
        self.connect = None  # and how clients get there then
        self.started_at = 0.0
        self.public_key = self.read_public_key("validator.key")
        self.transport_key = self.read_public_key("transport.key")

    def __str__(self):
        return f"node{self.index}"

    def read_public_key(self, name):
        with open(os.path.join(self.home, name)) as file:
            return re.search(r"public (\w+)", file.read()).group(1)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.client_port}"

    def start(self, *arguments):
        assert self.process is None, f"{self} runs already"
        with open(self.log, "a") as log:
            self.started_at = time.monotonic()
            self.process = subprocess.Popen(
                [*self.command, PROGRAM, "node", "--home", self.home, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """SIGKILL, and waits until it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self):
        """SIGTERM; it must end with status 0."""
        self.process.terminate()
        status = self.wait()
        if status != 0:
            raise Failure(f"{self} ended with {status} after SIGTERM\n{tail(self.log)}")

    def wait(self, seconds=DEADLINE_S):
        """The exit status of a node that is expected to end."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self} did not end within {seconds} s\n{tail(self.log)}") from None
        self.process = None
        return status

    def write_peer(self, line):
        """Appends a line to the peers file; the node reads it at its start or its next reload()."""
        with open(self.peers, "a") as file:
            file.write(line + "\n")

    def erase_peer(self, transport_key):
        with open(self.peers) as file:
            lines = [line for line in file if not line.startswith(transport_key)]
        with open(self.peers, "w") as file:
            file.writelines(lines)

    def reload(self):
        """SIGHUP; it returns at once. See Network.reload_peers."""
        self.process.send_signal(signal.SIGHUP)

    def log_count(self, text):
        """How many lines of the log have it."""
        with open(self.log, errors="replace") as file:
            return sum(text in line for line in file)

    def connected_keys(self):
        """The transport keys of the peers that it is connected to."""
        peers = self.call("net_info")["peers"]
        return {base64.b64decode(p["ingot"]["transport_key"]["value"]).hex() for p in peers}

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def client(self, timeout_s=20):
        return Client(self.client_port, timeout_s, self.connect)

    def call(self, method, **parameters):
        client = self.client()
        try:
            return client.call(method, **parameters)
        finally:
            client.close()

    def commit(self, transaction):
        client = self.client()
        try:
            return client.commit(transaction)
        finally:
            client.close()

    def status(self):
        return self.call("status")

    def height(self):
        """The committed height, or -1 while it does not answer."""
        try:
            return int(self.status()["sync_info"]["latest_block_height"])
        except (OSError, http.client.HTTPException, ValueError):
            return -1

    def summary(self):
        """Where it stands, in a line, for the reader of a failure."""
        try:
            status = self.client(timeout_s=2).call("status")["ingot"]
            rejects = {name: int(value) for name, value in self.metrics().items()
                       if "rejects_total" in name and value > 0}
        except (OSError, http.client.HTTPException, ValueError) as error:
            return f"runs, but does not answer: {error!r}"
        return f"runs, height {self.height()}, {status}, {rejects}"

    def metrics(self):
        """Name (with labels) -> number."""
        client = self.client()
        try:
            _, text = client.request("GET", "/metrics")
        finally:
            client.close()
        lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def rss_anon_kib(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            found = re.search(r"RssAnon:\s+(\d+) kB", file.read())
        if found is None:
            raise Failure(f"{self} has ended by itself\n{tail(self.log)}")
        return int(found.group(1))

    def epoch(self):
        return int(self.status()["ingot"]["epoch"])

    def is_member(self):
        return self.status()["ingot"]["is_member"]

    def validators(self):
        """What `ingot validator list` prints."""
        asked = subprocess.run([PROGRAM, "validator", "list", "--node", self.url],
                               capture_output=True, text=True)
        if asked.returncode != 0:
            raise Failure(f"validator list of {self}: {asked.returncode}\n{asked.stderr}")
        return asked.stdout

    def transactions(self, height):
        """Those of one block, or None if it is not there yet."""
        block = self.call("block", height=height)
        if "error" in block:
            return None
        return [base64.b64decode(text) for text in block["block"]["data"]["txs"]]

    def get(self, key):
        """The committed value of a key, or None."""
        answer = self.call("abci_query", data="0x" + key.encode().hex())["response"]
        return base64.b64decode(answer["value"] or "") if answer["log"] == "exists" else None

    def state_pages(self):
        """The kv App's whole state in order of its keys, as answers to range queries, one after the
        other: (height, the answer's bytes, [(key, value)])."""
        client, first = self.client(), b""
        try:
            while first is not None:
                query = b"\x0a" + varint(len(first)) + first if first else b""
                answer = client.call("abci_query", path='"/range"', data="0x" + query.hex())
                response = answer["response"]
                if response["code"] != 0:
                    raise Failure(f"{self}: the range query failed: {response}")
                page, items, more = base64.b64decode(response["value"] or ""), [], False
                for number, value in protobuf_fields(page):
                    if number == 1:
                        item = dict(protobuf_fields(value))
                        items.append((item.get(1, b""), item.get(2, b"")))
                    else:
                        more = bool(value)
                yield int(response["height"]), page, items
                first = items[-1][0] + b"\0" if more else None
        finally:
            client.close()

    def state(self):
        """(height, {key: value}) of the kv App, or None if a transaction came in between. Blocks
        without transactions change nothing, and an idle chain makes one now and then."""
        committed = self.metrics()["ingot_committed_transactions_total"]
        items, heights = {}, set()
        for height, _, page_items in self.state_pages():
            heights.add(height)
            items.update(page_items)
        if len(heights) > 1 and self.metrics()["ingot_committed_transactions_total"] != committed:
            return None
        return max(heights), items

    def block_hash(self, height):
        block = self.call("block", height=height)
        if "error" in block:
            raise Failure(f"{self} does not give the block at height {height}: {block['error']}")
        return block["block_id"]["hash"]


class Network:
    """Used as `with Network() as network:`; nodes are started by hand or with start()."""

    def __init__(self, validators=4, app="kv", settings="", protocol="hotstuff"):
        self.folder = tempfile.mkdtemp(prefix="ingot-test-")
        base_port = free_port_run(2 * validators)
        homes = os.path.join(self.folder, "network")
        self.homes = homes
        arguments = ["--validators", str(validators), "--output", homes]
        arguments += ["--base-port", str(base_port), "--app", app, "--protocol", protocol]
        made = subprocess.run([PROGRAM, "testnet", *arguments], capture_output=True, text=True)
        if made.returncode != 0:
            shutil.rmtree(self.folder)
            raise Failure(f"ingot testnet: {made.returncode}\n{made.stderr}")
        self.settings = settings
        self.protocol = protocol
        self.nodes = []
        for index in range(validators):
            self.nodes.append(Node(homes, index, base_port + 2 * index))
            self.write_settings(self.nodes[-1])

    def write_settings(self, node):
        with open(os.path.join(node.home, "config.ini"), "a") as file:
            file.write(self.settings)

    def __enter__(self):
        return self

    def __exit__(self, kind, failure, trace):
        for node in self.nodes:
            if node.process is not None and kind is not None:
                status = node.process.poll()
                say(f"--- {node}: {node.summary() if status is None else f'ended with {status}'}")
        for node in self.nodes:
            if kind is not None:
                say(f"--- the end of the log of {node}:\n{tail(node.log)}")
            if node.process is not None:
                node.process.send_signal(signal.SIGCONT)
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, *nodes):
        for node in nodes or self.nodes:
            node.start()
        self.ready(*(nodes or self.nodes))

    def ready(self, *nodes):
        for node in nodes or self.nodes:
            self.until(f"{node} answers clients", lambda node=node: node.height() >= 0)

    def check_alive(self):
        for node in self.nodes:
            if node.process is not None and node.process.poll() is not None:
                raise Failure(f"{node} ended by itself with {node.process.returncode}")

    def until(self, what, condition, seconds=DEADLINE_S, interval_s=0.05):
        """Waits for a condition and returns its value; a node that dies meanwhile is a failure."""
        deadline = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            self.check_alive()
            if time.monotonic() > deadline:
                heights = [f"{n}: {n.height()}" for n in self.nodes if n.is_running]
                raise Failure(f"waited {seconds} s in vain until {what}; heights {heights}")
            time.sleep(interval_s)

    # --- Networks that grow and shrink. ---

    def init_home(self):
        """One more home, made by `ingot init` from the files of a node that is there, and the line
        for the others' peers files. Nobody has been told of it and nothing runs."""
        index = len(self.nodes)
        # Those of nodes that have gone are free, but still in the files of others.
        known = {port for node in self.nodes for port in (node.peer_port, node.client_port)}
        peer_port = free_port_run(2)
        while not known.isdisjoint((peer_port, peer_port + 1)):
            peer_port = free_port_run(2)
        model = self.nodes[-1].home
        made = subprocess.run(
            [PROGRAM, "init", "--home", os.path.join(self.homes, f"node{index}"),
             "--genesis", os.path.join(model, "genesis.json"),
             "--peers", os.path.join(model, "peers"),
             "--listen", f"127.0.0.1:{peer_port}", "--rpc", f"127.0.0.1:{peer_port + 1}"],
            capture_output=True, text=True)
        if made.returncode != 0:
            raise Failure(f"ingot init: {made.returncode}\n{made.stderr}")
        node = Node(self.homes, index, peer_port)
        self.write_settings(node)
        if self.protocol != "hotstuff":
            with open(os.path.join(node.home, "config.ini"), "a") as file:
                file.write(f"\n[node]\nprotocol = {self.protocol}\n")
        return node, made.stdout.splitlines()[-1]

    def add_observer(self):
        """One more node, outside the validator set: its home is made, everybody is told of it, it is
        started and connected to all that run. It stays an observer until a committed block makes
        it a validator; its validator key is node.public_key."""
        node, line = self.init_home()
        others = self.running()
        self.nodes.append(node)
        for each in self.nodes:  # itself too: the next one's home takes after its file
            each.write_peer(line)
        self.reload_peers(*others)
        node.start()
        self.ready(node)
        self.until_connected(node, *others)
        return node

    def remove_peer(self, node):
        """The others strike it off their peers files and close their connections to it. It may
        run on, or be stopped by then."""
        others = [other for other in self.nodes if other is not node]
        for other in others:
            other.erase_peer(node.transport_key)
        running = [other for other in others if other.is_running]
        self.reload_peers(*running)
        self.until(f"nobody is connected to {node}",
                   lambda: all(node.transport_key not in o.connected_keys() for o in running))

    def set_powers(self, powers, node=None, timeout_s=DEADLINE_S):
        """`ingot validator set`: (exit status, output). `powers` is a list of (node, power); asked
        of `node`, or of the first that runs."""
        arguments = [text for member, power in powers for text in (member.public_key, str(power))]
        asked = subprocess.run(
            [PROGRAM, "validator", "set", *arguments, "--node", (node or self.running()[0]).url,
             "--admin", os.path.join(self.homes, "administrator.key"),
             "--timeout", str(timeout_s)],
            capture_output=True, text=True)
        return asked.returncode, asked.stdout + asked.stderr

    def reload_peers(self, *nodes):
        """Lets them read their peers files again (all that run, if none is named), and waits until
        they have; a file that is refused is a failure."""
        read, refused = "the peers file was read again", "the peers file is not used"
        nodes = nodes or self.running()
        before = {node: (node.log_count(read), node.log_count(refused)) for node in nodes}
        for node in nodes:
            node.reload()
        for node in nodes:
            reads, refusals = before[node]
            self.until(f"{node} has read its peers file again",
                       lambda n=node, r=reads, x=refusals:
                       n.log_count(read) > r or n.log_count(refused) > x)
            if node.log_count(refused) > refusals:
                raise Failure(f"{node} refuses its peers file\n{tail(node.log)}")

    def until_connected(self, node, *others):
        for other in others:
            self.until(f"{node} and {other} are connected",
                       lambda other=other: node.transport_key in other.connected_keys() and
                       other.transport_key in node.connected_keys())

    def running(self):
        return [node for node in self.nodes if node.process is not None]


def main(*tests):
    """Runs the tests in turn, or those named on the command line; the first failure ends it."""
    names = sys.argv[1:]
    for test in tests:
        if names and test.__name__ not in names:
            continue
        say(f"[ RUN  ] {test.__name__}")
        began = time.monotonic()
        try:
            test()
        except Failure as failure:
            say(f"[ FAIL ] {test.__name__}: {failure}")
            say(f"again with: INGOT_PROGRAM={PROGRAM} INGOT_BUILD_DIR={BUILD_FOLDER} "
                f"python3 {sys.argv[0]} {test.__name__}")
            sys.exit(1)
        say(f"[   OK ] {test.__name__} ({time.monotonic() - began:.1f} s)")

"""What an operator can run into with the data folder and the machine: the exit status and the
message say what is wrong and where, nothing is lost, and what can be repaired goes on afterwards.

Wrong configuration, keys, flags, locks and foreign data are in cli_flags_test.sh and
cli_network_test.sh.
"""

import os
import random
import shutil
import socket
import subprocess

from catch_up import make_chain
from checks import check_acknowledged, check_equal, check_no_evidence
from load import Load
from network import BUILD_FOLDER, SANITIZED, Failure, Network, main, say, tail

BLOCKS = 60


def run_node(node, seconds=30):
    """Runs a node that is expected to end by itself: its status and what it said. Status None: it
    answers clients, so it was ended."""
    open(node.log, "w").close()
    node.start()
    for _ in range(int(seconds / 0.02)):
        try:
            status = node.process.wait(0.02)
            node.process = None
            return status, tail(node.log)
        except subprocess.TimeoutExpired:
            if node.height() >= 0:
                node.kill()
                return None, tail(node.log)
    raise Failure(f"{node} neither ends nor answers\n{tail(node.log)}")


def expect(node, status, *texts):
    found, said = run_node(node)
    missing = [text for text in texts if text not in said]
    if found != status or missing:
        raise Failure(f"expected status {status} and {texts}, found {found} and:\n{said}")


class Prepared:
    """One node with a chain, whose data each case damages and then gets back."""

    def __init__(self, network):
        self.node = network.nodes[0]
        make_chain(network, BLOCKS, 2, [self.node])
        self.sound = self.node.data + ".sound"
        shutil.copytree(self.node.data, self.sound)

    def restore(self):
        shutil.rmtree(self.node.data)
        shutil.copytree(self.sound, self.node.data)

    def spoil(self, table, key, offset):
        self.restore()
        tool = os.path.join(BUILD_FOLDER, "spoil_ledger")
        arguments = [self.node.data, table, key, offset]
        result = subprocess.run([tool, *arguments], capture_output=True, text=True)
        if result.returncode != 0:
            raise Failure(f"spoil_ledger {arguments}: {result.stderr}")


def a_damaged_record_stops_the_start_and_is_named():
    with Network() as network:
        prepared = Prepared(network)
        node = prepared.node
        for key in ("safety", "index", "heights", "chain"):
            prepared.spoil("meta", key, "-1")
            expect(node, 3, node.data, f"'{key}'", "checksum")
            prepared.spoil("meta", key, "remove")
            expect(node, 3, node.data, f"'{key}'", "missing")
        prepared.spoil("meta", "schema", "-8")
        expect(node, 3, node.data, "version 249", "versions 4 to 6")
        prepared.spoil("meta", "schema", "0")
        expect(node, 3, node.data)
        prepared.spoil("sets", "first", "-1")
        expect(node, 3, node.data, "validator set", "checksum")
        prepared.spoil("blocks", "last", "40")
        expect(node, 3, node.data, "uncommitted block")
        prepared.spoil("blocks", "last", "remove")
        expect(node, 3, node.data)
        prepared.spoil("chain", "last", "0")
        expect(node, 3, node.data, f"height {BLOCKS}")
        prepared.restore()
        expect(node, None, "running", f"height={BLOCKS}")


def a_damaged_file_never_makes_a_node_run_on_something_else():
    """Random damage to the file that LMDB cannot see all of: the node may refuse, or run when what
    was hit is not read at a start; it must not crash."""
    seed = 7
    choice = random.Random(seed)
    outcomes = {}
    with Network() as network:
        prepared = Prepared(network)
        node = prepared.node
        path = os.path.join(node.data, "data.mdb")

        def cut(size):
            prepared.restore()
            with open(path, "r+b") as file:
                file.truncate(size)

        cut(0)
        expect(node, 3, path)
        cut(5000)
        expect(node, 3, path)
        cut(40960)
        expect(node, 3, path)
        used = os.path.getsize(os.path.join(prepared.sound, "data.mdb"))
        with open(os.path.join(prepared.sound, "data.mdb"), "rb") as file:
            while used > 4096:
                file.seek(used - 4096)
                if any(file.read(4096)):
                    break
                used -= 4096
        for number in range(10 if SANITIZED else 40):
            prepared.restore()
            page = choice.randrange(used // 4096)
            with open(path, "r+b") as file:
                file.seek(page * 4096 + choice.randrange(0, 4096, 8))
                file.write(choice.randbytes(8 if number % 2 else 64))
            status, said = run_node(node)
            outcomes[status] = outcomes.get(status, 0) + 1
            # A damaged size of the map can look like a want of memory.
            if status not in (None, 3) and not (status == 1 and f"{path}: cannot be" in said):
                raise Failure(f"seed {seed}, case {number}, page {page}: status {status}\n{said}")
        prepared.restore()
        expect(node, None, "running", f"height={BLOCKS}")
    say(f"seed {seed}: of random damage to the {used // 4096} pages in use, statuses {outcomes}")


def a_port_in_use_is_named():
    with Network() as network:
        node = network.nodes[0]
        for what, port in (("peers", node.peer_port), ("clients", node.client_port)):
            with socket.socket() as held:
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                held.bind(("127.0.0.1", port))
                held.listen()
                found, said = None, ""
                try:
                    node.start()
                    found = node.wait()
                    said = tail(node.log)
                finally:
                    node.kill()
                if found != 1 or what not in said or str(port) not in said or "in use" not in said:
                    raise Failure(f"{what}: expected 1 and the address, found {found}:\n{said}")
        expect(node, None, "running")


def fill_up(network, full):
    """Load until the node that is short of room has ended; returns the load."""
    with Load(network.nodes, clients_per_node=2, value_bytes=20000) as load:
        for _ in range(3000):
            try:
                status = full.process.wait(0.02)
                break
            except subprocess.TimeoutExpired:
                continue
        else:
            raise Failure(f"{full} did not run out of room")
        full.process = None
        before = load.count()
        network.until("the others commit on", lambda: load.count() >= before + 20)
    said = tail(full.log, lines=6)
    if status != 5 or "durable write" not in said:
        raise Failure(f"expected status 5 for want of room, found {status}:\n{said}")
    say(f"{full} ended with 5: {said.strip().splitlines()[-1][:200]}")
    return load


def comes_back(network, full, load):
    full.start()
    network.ready(full)
    goal = max(node.height() for node in network.nodes if node is not full)
    network.until(f"{full} has caught up", lambda: full.height() >= goal)
    _, state = check_equal(network)
    check_acknowledged(load, state)
    check_no_evidence(network.nodes)


def a_store_at_its_limit_stops_and_goes_on_when_the_limit_is_raised():
    with Network() as network:
        full = network.nodes[0]
        config = os.path.join(full.home, "config.ini")
        with open(config) as file:
            original = file.read()
        with open(config, "w") as file:
            file.write(original + "[storage]\nmap_size_initial = 2097152\nmap_size_max = 4194304\n")
        network.start()
        load = fill_up(network, full)
        found, said = run_node(full)
        if found not in (None, 5):
            raise Failure(f"a start at the limit: expected it to run or 5, found {found}:\n{said}")
        with open(config, "w") as file:
            file.write(original)
        comes_back(network, full, load)


def a_full_disk_stops_the_node_and_it_goes_on_when_there_is_room():
    with Network() as network:
        full = network.nodes[0]
        os.mkdir(full.data, 0o700)

        def mount(*options):
            return subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs",
                                   full.data], capture_output=True).returncode == 0

        if not mount("size=40m", "mode=0700"):
            say("skipped: no small file system can be mounted here (it takes root)")
            return
        try:
            network.start()
            load = fill_up(network, full)
            found, said = run_node(full)
            if found not in (None, 5):
                raise Failure(f"a start on a full disk: expected 5 or a node that waits, "
                              f"found {found}:\n{said}")
            if not mount("remount", "size=400m"):
                raise Failure("the file system cannot be enlarged")
            comes_back(network, full, load)
        finally:
            full.kill()
            subprocess.run(["umount", "-l", full.data], check=False)


main(
    a_damaged_record_stops_the_start_and_is_named,
    a_damaged_file_never_makes_a_node_run_on_something_else,
    a_port_in_use_is_named,
    a_store_at_its_limit_stops_and_goes_on_when_the_limit_is_raised,
    a_full_disk_stops_the_node_and_it_goes_on_when_there_is_room,
)

"""Network namespaces for validators, with a switch between them that loses, delays, repeats and cuts
(frame_switch.c), for the tests of whole programs.

Nothing has to be cleaned up, whoever dies: namespaces have no names, and end with the processes in
them; the switch ends with its input, that is with this process.
"""

import ctypes
import http.client
import json
import os
import socket
import subprocess
import threading

from network import BUILD_FOLDER

CUT = 1_000_000  # parts in a million
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    """This machine does not allow it; the message says what is missing."""


class Connection(http.client.HTTPConnection):
    def __init__(self, switch, index, port, timeout_s):
        super().__init__("127.0.0.1", port, timeout=timeout_s)
        self.switch = switch
        self.index = index

    def connect(self):
        self.sock = self.switch.socket_in(self.index)
        self.sock.settimeout(self.timeout)
        self.sock.connect((self.host, self.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Switch:
    """Used as `with Switch(4, seed) as switch:`. Every link is perfect at first."""

    def __init__(self, count, seed):
        self.count = count
        self.lock = threading.Lock()
        self.process = subprocess.Popen(
            [os.path.join(BUILD_FOLDER, "frame_switch"), str(count), str(seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        first = self.process.stdout.readline()
        if not first:
            _, why = self.process.communicate()
            raise Unavailable(why.strip().splitlines()[-1] if why.strip() else "no reason given")
        descriptors = json.loads(first)["namespaces"]
        self.paths = [f"/proc/{self.process.pid}/fd/{number}" for number in descriptors]
        # Held open, so that a client can enter as long as this process lives.
        self.entries = [os.open(path, os.O_RDONLY) for path in self.paths]
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            self.socket_in(0).close()
        except OSError as error:
            self.close()
            raise Unavailable(f"a namespace cannot be entered: {error}") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for descriptor in [*self.entries, self.home]:
            os.close(descriptor)

    @staticmethod
    def address(index):
        return f"10.77.0.{index + 1}"

    def enter_command(self, index):
        """What to put before a command that is to run in there."""
        return ["nsenter", f"--net={self.paths[index]}"]

    def socket_in(self, index):
        """A TCP socket of that namespace. A thread's namespace is its own, and a socket keeps the
        one that it was made in."""
        if LIBC.setns(self.entries[index], CLONE_NEWNET) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
        try:
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        finally:
            if LIBC.setns(self.home, CLONE_NEWNET) != 0:
                os._exit(1)  # it would be somewhere else than it thinks

    def connect(self, index, port, timeout_s):
        """To a listener on the loopback address in there: it is in reach whatever is cut."""
        return Connection(self, index, port, timeout_s)

    def ask(self, line):
        with self.lock:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            return self.process.stdout.readline()

    def link(self, sender, receiver, loss=0, duplicates=0, delay_us=0, jitter_us=0):
        """One direction. Parts in a million; microseconds."""
        answer = self.ask(f"link {sender} {receiver} {loss} {duplicates} {delay_us} {jitter_us}")
        assert answer == "ok\n", f"the switch answers {answer!r}"

    def all_links(self, **how):
        for sender in range(self.count):
            for receiver in range(self.count):
                if sender != receiver:
                    self.link(sender, receiver, **how)

    def cut(self, senders, receivers):
        """What these send does not reach those."""
        for sender in senders:
            for receiver in receivers:
                if sender != receiver:
                    self.link(sender, receiver, loss=CUT)

    def counts(self):
        return json.loads(self.ask("counts"))

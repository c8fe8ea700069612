"""Clients that write all the time and remember what they were told, for the tests of whole programs."""

import http.client
import random
import threading
import time

from network import DEADLINE_S, Failure


class Load:
    """Clients that put keys in a closed loop: each waits for the commit, then puts the next.

    What was acknowledged is remembered with its value and height. Keys are never put twice, so the
    state must hold exactly these values; a put without an answer may or may not be there.
    """

    counter = 0

    def __init__(self, nodes, clients_per_node=4, value_bytes=32):
        Load.counter += 1
        self.name = f"l{Load.counter}"
        self.value_bytes = value_bytes
        self.acknowledged = {}
        self.times = []  # (when, height) of each acknowledgement
        self.failures = []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.places = []  # for each client the node that it is to ask
        self.seats = []  # and the one that it asks just now
        self.threads = []
        for node in nodes:
            self.add_clients(node, clients_per_node)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def add_clients(self, node, count):
        for _ in range(count):
            self.places.append(node)
            self.seats.append(None)
            thread = threading.Thread(target=self.run, args=(len(self.threads),), daemon=True)
            self.threads.append(thread)
            thread.start()

    def leave(self, node, *others):
        """The clients of a node go to others, each once it has the answer that it waits for. On
        return nobody asks this node any more."""
        movers = [number for number, place in enumerate(self.places) if place is node]
        for turn, number in enumerate(movers):
            self.places[number] = others[turn % len(others)]
        deadline = time.monotonic() + DEADLINE_S
        while any(self.seats[number] is node for number in movers):
            if time.monotonic() > deadline:
                raise Failure(f"clients of {node} still wait for an answer; {self.failures[-3:]}")
            time.sleep(0.01)

    def run(self, number):
        node, client, sequence = None, None, 0
        while not self.stopping.is_set():
            if self.places[number] is not node:
                if client is not None:
                    client.close()
                node = self.places[number]
                client = node.client()
                self.seats[number] = node
            sequence += 1
            try:
                why = self.submit(node, client, number, sequence)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.failures.append(f"{node}: {error!r}")
                self.stopping.wait(0.02)
                continue
            if why:
                self.failures.append(f"{node}: {why}")
        client.close()

    def submit(self, node, client, number, sequence):
        """One transaction, remembered if it was acknowledged; otherwise why it was not."""
        key = f"{self.name}-{number}-{sequence}".encode()
        value = random.randbytes(self.value_bytes // 2).hex().encode()
        height, why = client.commit(key + b"=" + value)
        if height is not None:
            with self.lock:
                self.acknowledged[key] = (value, height)
                self.times.append((time.monotonic(), height))
        return why

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)

    def count(self):
        return len(self.acknowledged)

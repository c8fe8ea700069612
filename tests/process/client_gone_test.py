"""Clients that go away while they are answered: the node goes on."""

import socket

from network import Failure, Network, main, say, tail

# Together far more than is written to a socket at once.
REQUESTS = 200


def a_client_that_closes_with_answers_under_way_does_not_end_the_node():
    """The node stands still while the client asks and closes, so it finds requests and the end
    together. What it writes first is answered with a reset, and it has more to write."""
    with Network() as network:
        node = network.nodes[0]
        network.start(node)
        for path in ("/metrics", "/status", "/genesis"):
            node.pause()
            with socket.create_connection(("127.0.0.1", node.client_port)) as client:
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * REQUESTS)
            node.resume()
            for _ in range(20):
                try:
                    node.status()
                except OSError:
                    raise Failure(f"{REQUESTS} times {path}, and the client is gone: {node} "
                                  f"ended with {node.wait()}\n{tail(node.log)}") from None
        say(f"{node} still answers")


main(a_client_that_closes_with_answers_under_way_does_not_end_the_node)

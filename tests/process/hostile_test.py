"""Outsiders at both ports, and a validator that has gone bad: the network commits on. See
hostile.py."""

import hostile
from network import SANITIZED, main


def strangers_do_not_get_past_the_handshake():
    hostile.strangers_at_the_peers_port()


def a_validator_that_mangles_everything_it_sends_stops_nobody():
    hostile.a_validator_gone_bad(seconds=3 if SANITIZED else 6, seed=1)


def rude_clients_are_refused_and_the_others_are_served():
    hostile.rude_clients()


main(
    strangers_do_not_get_past_the_handshake,
    a_validator_that_mangles_everything_it_sends_stops_nobody,
    rude_clients_are_refused_and_the_others_are_served,
)

"""A validator that was killed, paused, or begins late catches up with the others' height and
state. See catch_up.py."""

import catch_up
from network import SANITIZED, main


def a_validator_killed_under_load_catches_up():
    catch_up.killed_under_load(blocks=40 if SANITIZED else 150)


def a_validator_that_starts_late_from_nothing_catches_up():
    catch_up.starts_late_from_nothing(blocks=300 if SANITIZED else 2000)


def a_validator_that_was_paused_catches_up_without_a_second_vote():
    catch_up.paused(seconds=4)


main(
    a_validator_killed_under_load_catches_up,
    a_validator_that_starts_late_from_nothing_catches_up,
    a_validator_that_was_paused_catches_up_without_a_second_vote,
)

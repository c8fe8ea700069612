"""No attestation is lost, torn or doubled when all validators are killed at once: a few rounds. See
signing_killed.py."""

from network import SANITIZED, main
from signing_killed import run, run_one_down


def killing_all_at_once_while_clients_sign_loses_and_doubles_nothing():
    run(rounds=2 if SANITIZED else 6, seed=1)


def a_validator_that_was_down_adds_its_signatures_later():
    run_one_down(seed=1)


main(killing_all_at_once_while_clients_sign_loses_and_doubles_nothing,
     a_validator_that_was_down_adds_its_signatures_later)

"""No attestation is lost, torn or doubled when all validators are killed at once: fifty rounds. See
signing_killed.py."""

from network import main
from signing_killed import run, run_one_down


def killing_all_at_once_fifty_times_while_clients_sign_loses_and_doubles_nothing():
    run(rounds=50, seed=2)


def each_time_a_validator_that_was_down_adds_its_signatures_later():
    for seed in range(10, 15):
        run_one_down(seed)


main(killing_all_at_once_fifty_times_while_clients_sign_loses_and_doubles_nothing,
     each_time_a_validator_that_was_down_adds_its_signatures_later)

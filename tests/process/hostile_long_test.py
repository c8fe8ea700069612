"""As hostile_test.py, with a validator that is bad for minutes, from several seeds."""

import hostile
from network import main


def a_validator_that_mangles_everything_for_long_stops_nobody():
    for seed in range(10, 15):
        hostile.a_validator_gone_bad(seconds=60, seed=seed)


main(a_validator_that_mangles_everything_for_long_stops_nobody)

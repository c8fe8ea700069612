"""As catch_up_test.py, after longer absences."""

import catch_up
from network import main


def a_validator_killed_under_load_catches_up_by_thousands_of_blocks():
    catch_up.killed_under_load(blocks=4000)


def a_validator_that_starts_late_from_nothing_catches_up_with_a_long_chain():
    catch_up.starts_late_from_nothing(blocks=20000)


def a_validator_that_was_paused_for_a_minute_catches_up_without_a_second_vote():
    catch_up.paused(seconds=60)


main(
    a_validator_killed_under_load_catches_up_by_thousands_of_blocks,
    a_validator_that_starts_late_from_nothing_catches_up_with_a_long_chain,
    a_validator_that_was_paused_for_a_minute_catches_up_without_a_second_vote,
)

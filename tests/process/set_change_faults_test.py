"""Validators die while the validator set changes. See set_change_faults.py."""

from network import SANITIZED, main
from set_change_faults import (a_command_outlives_its_node, killed_in_the_middle,
                               one_is_dead_for_good)


def changes_come_into_force_whoever_is_killed_meanwhile():
    killed_in_the_middle(changes=2 if SANITIZED else 5, seed=21)


def a_dead_validator_is_replaced_by_one_change():
    one_is_dead_for_good(replaces_it_at_once=True)


def the_set_changes_beside_a_dead_validator():
    one_is_dead_for_good(replaces_it_at_once=False)


def a_change_is_made_although_its_node_forgot_it():
    a_command_outlives_its_node()


main(changes_come_into_force_whoever_is_killed_meanwhile,
     a_dead_validator_is_replaced_by_one_change, the_set_changes_beside_a_dead_validator,
     a_change_is_made_although_its_node_forgot_it)

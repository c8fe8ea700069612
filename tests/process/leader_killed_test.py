"""A network whose leader is killed under load commits again soon. See leader_killed.py."""

from leader_killed import run
from network import SANITIZED, main


def the_survivors_of_a_killed_leader_commit_again_soon():
    run(kills=1 if SANITIZED else 2)


main(the_survivors_of_a_killed_leader_commit_again_soon)

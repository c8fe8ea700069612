"""How long a network whose leader is killed stands still: ten kills. See leader_killed.py."""

from leader_killed import run
from network import main


def the_survivors_of_ten_killed_leaders_commit_again_soon():
    run(kills=10)


main(the_survivors_of_ten_killed_leaders_commit_again_soon)

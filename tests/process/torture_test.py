"""Real validators that are killed, paused, cut off and left without room under a load whose history
is judged: a short run. See torture.py."""

from network import Failure, main
from torture import run


def a_short_torture_finds_nothing():
    if run("--kills", "5", "--cluster-kills", "1", "--pauses", "1", "--full-disks", "1",
           "--cuts", "2", "--operations", "1500", "--seed", "1"):
        raise Failure("what was violated is above")


main(a_short_torture_finds_nothing)

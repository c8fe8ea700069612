"""The same as torture_test.py, for some minutes. `./dev torture` and torture.py go on for longer."""

from network import Failure, main
from torture import run


def a_longer_torture_finds_nothing():
    if run("--kills", "60", "--cluster-kills", "8", "--operations", "20000", "--seed", "2"):
        raise Failure("what was violated is above")


main(a_longer_torture_finds_nothing)

"""The judges of torture.py see what they are there for: clients that are told lies, and validators
with a deliberate mistake, where there is a build of those (tests/mutants)."""

import base64
import os
import threading

import network
from network import BUILD_FOLDER, Failure, main, say
from register_load import BROKEN, Answer, RegisterLoad
from torture import run

QUIET = ["--kills", "0", "--cluster-kills", "0", "--pauses", "0", "--full-disks", "0"]


class Early(RegisterLoad):
    """Its writers are told of a commit before a node has the transaction."""

    def attempt(self, client, bytes_):
        if bytes_[1] >> 3 != 1:
            return RegisterLoad.attempt(client, bytes_)
        # Later than any commit takes, so that others surely read what was there before.
        threading.Timer(0.3, submit_late, (client, bytes_)).start()
        return Answer(bytes_, 1, 0, b""), False


class Stale(RegisterLoad):
    """Its readers ask one node, and are told what was there when somebody last read that key: it was
    committed, and is old."""

    def __init__(self, *arguments):
        self.last_read = {}
        super().__init__(*arguments)

    def submit(self, choice, clients, node, bytes_, patience_s):
        if bytes_[1] >> 3 != 4:
            return super().submit(choice, clients, node, bytes_, patience_s)
        key = bytes_[5:5 + bytes_[4]]
        response = clients[node].call("abci_query", data="0x" + key.hex())["response"]
        value = base64.b64decode(response["value"] or "")
        code = 0 if response["log"] == "exists" else 5
        answer = Answer(bytes_, int(response["height"]), code, value)
        with self.lock:
            old = self.last_read.get(key, answer)
            self.last_read[key] = answer
        return old._replace(transaction=bytes_), True, node


class Repeated(RegisterLoad):
    """Now and then a write that was acknowledged is submitted once more, as another transaction."""

    def attempt(self, client, bytes_):
        answer = RegisterLoad.attempt(client, bytes_)
        if bytes_[1] >> 3 == 1 and bytes_[-1:] == b"7":
            again = bytes_[:-1] + b"!"  # another nonce
            threading.Timer(0.1, submit_late, (client, again)).start()
        return answer


def submit_late(client, bytes_):
    try:
        other = network.Client(client.port, client.timeout_s, client.connect)
        other.call("broadcast_tx_async", tx="0x" + bytes_.hex())
        other.close()
    except BROKEN:
        pass


def expect(violations, *texts, how=all):
    if not how(any(text in violation for violation in violations) for text in texts):
        raise Failure(f"expected violations with {how.__name__} of {texts}, found {violations}")


def a_commit_that_is_acknowledged_early_is_found():
    expect(run(*QUIET, "--cuts", "1", "--operations", "600", load=Early),
           "not linearizable", "was acknowledged with")


def a_stale_read_is_found():
    expect(run(*QUIET, "--cuts", "0", "--operations", "600", load=Stale), "not linearizable")


def a_write_that_takes_effect_twice_is_found():
    expect(run(*QUIET, "--cuts", "0", "--operations", "1500", load=Repeated), "not linearizable")


def mistaken(mutant, *arguments):
    """What is violated by validators with a deliberate mistake; None: there are none here."""
    program = os.path.join(BUILD_FOLDER, "mutants", "ingot")
    if not os.path.exists(program):
        say("skipped: this build has no validators with deliberate mistakes")
        return None
    sound, network.PROGRAM = network.PROGRAM, program
    os.environ["INGOT_MUTANT"] = mutant
    try:
        return run("--pauses", "0", "--full-disks", "0", "--operations", "100", *arguments)
    finally:
        network.PROGRAM = sound
        del os.environ["INGOT_MUTANT"]


def a_vote_that_was_sent_and_is_not_on_disk_is_found():
    violations = mistaken("NO_DURABLE_VOTE", "--kills", "0", "--cluster-kills", "20",
                          "--cuts", "0")
    if violations is not None:
        expect(violations, "was sent, but its disk ends at")


def a_second_vote_after_a_kill_is_found():
    """Who is shown in time what it forgot signs no more, and votes only once. So each run has to
    find one of the two, and one of them that somebody did vote twice."""
    found = []
    for seed in range(1, 21):
        violations = mistaken("NO_DURABLE_VOTE", "--kills", "20", "--cluster-kills", "0",
                              "--cuts", "0", "--seed", str(seed))
        if violations is None:
            return
        expect(violations, "double votes", "signs no more", how=any)
        found += violations
        if any("double votes" in violation for violation in violations):
            break
    expect(found, "double votes")


def two_halves_that_both_commit_are_found():
    violations = mistaken("SMALL_QUORUM", "--kills", "0", "--cluster-kills", "0", "--cuts", "20",
                          "--cut-kinds", "halves")
    if violations is not None:
        expect(violations, "stands on", "ended by itself with 6", "two chains", how=any)


main(
    a_commit_that_is_acknowledged_early_is_found,
    a_stale_read_is_found,
    a_write_that_takes_effect_twice_is_found,
    a_vote_that_was_sent_and_is_not_on_disk_is_found,
    a_second_vote_after_a_kill_is_found,
    two_halves_that_both_commit_are_found,
)

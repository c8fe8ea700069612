"""The administrator changes the validators of a running network: `ingot validator`.

Method: four validators under a load. One is removed, another gets more power, the first comes back
and is needed for a quorum; after each step the command has returned, so all nodes must show the
new set in its epoch. No write may fail meanwhile.
"""

import base64
import concurrent.futures
import subprocess

from checks import check_acknowledged, check_equal, check_no_evidence
from load import Load
from network import PROGRAM, Failure, Network, main, say


def expect(what, found, wanted):
    if found != wanted:
        raise Failure(f"{what}: expected {wanted}, found {found}")


def set_of(node, **parameters):
    """{public key: power} and the epoch, as the node shows them; None while it does not."""
    answer = node.call("validators", **parameters)
    if "error" in answer:
        return None
    powers = {base64.b64decode(member["pub_key"]["value"]).hex(): int(member["voting_power"])
              for member in answer["validators"]}
    return powers, int(answer["ingot"]["epoch"])


def change(network, powers, epoch, wanted):
    """Makes a change and checks that everybody is in the epoch that it opens."""
    status, output = network.set_powers(powers)
    if status != 0 or f"in force in epoch {epoch}:" not in output:
        raise Failure(f"ingot validator set ended with {status}: {output}")
    height = int(output.split("committed at height ")[1].split()[0])
    wanted = {node.public_key: power for node, power in wanted.items()}
    expect("the set where the change was asked for", set_of(network.nodes[0]), (wanted, epoch))
    for node in network.running():
        network.until(f"{node} shows epoch {epoch}",
                      lambda node=node: set_of(node, height=height + 1) == (wanted, epoch))
        expect(f"the set of the changing block at {node}",
               set_of(node, height=height)[1], epoch - 1)
        info = node.status()
        power = wanted.get(node.public_key, 0)
        expect(f"the power of {node}", int(info["validator_info"]["voting_power"]), power)
        expect(f"membership of {node}", info["ingot"]["is_member"], power > 0)
        with open(node.log) as file:
            logged = [line for line in file if "the validator set changes" in line][-1]
        fields = (f"epoch={epoch} members={len(wanted)} total_power={sum(wanted.values())} "
                  f"this_node_is_member={'yes' if power > 0 else 'no'}")
        if f"height={height} {fields}" not in logged:
            raise Failure(f"{node} logs {logged} and not {fields}")
    network.until("the first block of the new set", lambda: network.nodes[0].height() > height)
    headers = [network.nodes[0].call("block", height=at)["block"]["header"]
               for at in (height, height + 1)]
    expect("the changing block's next set", headers[0]["next_validators_hash"],
           headers[1]["validators_hash"])
    if headers[0]["validators_hash"] == headers[1]["validators_hash"]:
        raise Failure(f"block {height} changes nothing")
    say(f"epoch {epoch} from block {height + 1} on: {sorted(wanted.values())}")


def await_writes(network, load):
    before = load.count()
    network.until("writes go on", lambda: load.count() >= before + 20)


def validators_leave_return_and_change_their_power_under_load():
    with Network() as network:
        network.start()
        n0, n1, n2, n3 = network.nodes
        with Load(network.nodes, clients_per_node=2) as load:
            await_writes(network, load)
            change(network, [(n3, 0)], 1, {n0: 1, n1: 1, n2: 1})
            await_writes(network, load)
            change(network, [(n0, 3)], 2, {n0: 3, n1: 1, n2: 1})
            await_writes(network, load)
            # Two changes at once; node3 votes again.
            change(network, [(n3, 2), (n0, 1)], 3, {n0: 1, n1: 1, n2: 1, n3: 2})
            await_writes(network, load)
        if load.failures:
            raise Failure(f"{len(load.failures)} writes failed, such as {load.failures[0]}")
        # 4 of 5 are a quorum, so without node1 the others are all needed.
        n1.kill()
        height, why = n2.commit(b"without=node1")
        if height is None:
            raise Failure(f"the validator that came back does not vote: {why}")
        n1.start()
        network.ready(n1)
        _, state = check_equal(network)
        check_acknowledged(load, state)
        check_no_evidence(network.nodes)
        expect("the first set", set_of(n1, height=1), ({n.public_key: 1 for n in network.nodes}, 0))


def what_cannot_be_done_is_refused_with_its_reason():
    with Network() as network:
        network.start()
        everybody = [(node, 0) for node in network.nodes]
        n0, _, _, n3 = network.nodes
        too_much = [(n0, 1 << 60)]
        for powers, status, reason in (
            (everybody, 1, "refused: code 12: no validator would be left"),
            (too_much, 1, "refused: code 12: the total power would be above"),
            ([(n3, 1)], 0, f"{n3.public_key} has power 1 already\nnothing to change in epoch 0"),
        ):
            found, output = network.set_powers(powers)
            if found != status or reason not in output:
                raise Failure(f"expected {status} and '{reason}', found {found}: {output}")
        # The reserve was tried, not taken: the first number is still the next.
        change(network, [(n3, 0)], 1, {node: 1 for node in network.nodes[:3]})
        # Whoever is no member cannot be removed, and what comes with that is not done either.
        found, output = network.set_powers([(n0, 2), (n3, 0)])
        if found != 1 or f"{n3.public_key} is no validator in epoch 1" not in output:
            raise Failure(f"a stranger was removed: {found}, {output}")
        expect("the set after that", set_of(n0), ({n.public_key: 1 for n in network.nodes[:3]}, 1))
        # What was committed once is worth nothing a second time, however it is brought back.
        height = next(at for at in range(1, n0.height() + 1)
                      if n0.call("block", height=at)["block"]["data"]["txs"])
        transaction = base64.b64decode(n0.call("block", height=height)["block"]["data"]["txs"][0])
        done, why = n0.commit(transaction)
        if done is not None:
            raise Failure("a change of the set was made twice")
        say(f"a second time: {why}")
        # Without a quorum nothing is promised: node3 has no vote any more, so two are too few.
        network.nodes[2].kill()
        found, output = network.set_powers([(n3, 1)], timeout_s=2)
        if found != 1 or "not known to be committed after 2 s" not in output:
            raise Failure(f"expected a timeout, found {found}: {output}")
        put = subprocess.run([PROGRAM, "kv", "put", "without", "quorum", "--node", n0.url],
                             capture_output=True, text=True)
        if put.returncode != 1 or "not known to be committed" not in put.stderr or \
                "refused" in put.stderr:
            raise Failure(f"a put without a quorum ended with {put.returncode}: {put.stderr}")
        network.nodes[2].start()
        network.ready(network.nodes[2])
        change_again = network.set_powers([(n3, 1)])
        if change_again[0] != 0:
            raise Failure(f"the same command again: {change_again}")


def of_two_changes_with_one_number_one_is_made():
    for settings in ("", "[rpc]\nindex_tx = no\n"):
        two_changes_at_once(settings)


def two_changes_at_once(settings):
    with Network(settings=settings) as network:
        network.start()
        n0, n1, n2, n3 = network.nodes
        wanted = ([(n2, 0)], n0), ([(n3, 0)], n1)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            asked = [pool.submit(network.set_powers, powers, node) for powers, node in wanted]
            answers = [each.result() for each in asked]
        # The second may have begun only when the first was in force; then both are.
        made = sum(status == 0 for status, _ in answers)
        say(f"{made} made: {[output.strip() for _, output in answers]}")
        if made == 0:
            raise Failure("neither change was made")
        for node in network.nodes:
            network.until(f"{node} shows what was made and nothing else",
                          lambda node=node: (len(set_of(node)[0]), set_of(node)[1])
                          == (4 - made, made))
            network.until(f"nothing waits at {node} for a number that is gone",
                          lambda node=node: node.call("num_unconfirmed_txs")["total"] == "0")


def the_list_shows_keys_powers_and_shares():
    with Network() as network:
        network.start()
        listed = subprocess.run([PROGRAM, "validator", "list", "--node", network.nodes[1].url],
                                capture_output=True, text=True)
        expect("status of ingot validator list", listed.returncode, 0)
        expect("epoch", listed.stdout.splitlines()[0].split(), ["epoch", "0"])
        rows = [line.split() for line in listed.stdout.splitlines()[-4:]]
        expect("the members", sorted(row[0] for row in rows),
               sorted(node.public_key for node in network.nodes))
        expect("powers and shares", {(row[1], row[2]) for row in rows}, {("1", "25.0%")})
        addresses = {node.status()["validator_info"]["address"] for node in network.nodes}
        expect("the addresses", {row[3] for row in rows}, addresses)


main(
    the_list_shows_keys_powers_and_shares,
    what_cannot_be_done_is_refused_with_its_reason,
    of_two_changes_with_one_number_one_is_made,
    validators_leave_return_and_change_their_power_under_load,
)

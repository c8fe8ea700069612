"""A validator set grows, shrinks and is replaced while clients write without an error. See
membership.py."""

from load import Load
from membership import change, has_retired, join, judge, newcomer, retire
from network import Network, main


def four_grow_to_seven_and_shrink_to_three_others():
    with Network() as network:
        network.start()
        founders = network.nodes[:]
        with Load(founders, clients_per_node=1) as load:
            network.until("the load commits", lambda: load.count() >= 20)
            for _ in range(2):
                join(network, newcomer(network, load))
            change(network, (network.nodes[4], 3))
            join(network, newcomer(network, load))
            joined = network.nodes[4:]
            retire(network, load, founders[0])
            change(network, (joined[0], 1))
            retire(network, load, *founders[1:3])
            retire(network, load, founders[3])
            network.until("the three commit", lambda n=load.count(): load.count() >= n + 20)
        judge(network, load, joined)


def several_members_are_swapped_in_one_transaction():
    with Network() as network:
        network.start()
        stay, grow, *leave = network.nodes
        with Load(network.nodes, clients_per_node=1) as load:
            network.until("the load commits", lambda: load.count() >= 20)
            come = [newcomer(network, load) for _ in range(2)]
            change(network, *((node, 0) for node in leave), *((node, 1) for node in come),
                   (grow, 2))
            for node in leave:
                has_retired(network, node)
            # And back: who has left keeps its data folder, so it may return.
            change(network, (come[0], 0), (leave[0], 1))
            has_retired(network, come[0])
            network.until("the clients commit", lambda n=load.count(): load.count() >= n + 20)
        judge(network, load, [stay, grow, leave[0], come[1]])


if __name__ == "__main__":
    main(four_grow_to_seven_and_shrink_to_three_others,
         several_members_are_swapped_in_one_transaction)

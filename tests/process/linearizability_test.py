"""The checker of histories itself: known histories of both kinds, thousands of small random ones
against trying every order, and one of 100,000 operations, sound and with one stale read."""

import itertools
import random
import time

from linearizability import (ABSENT, FOREVER, Operation, check, explain,
                             is_register_linearizable)
from network import Failure, main, say


def put(called, returned, value):
    return Operation(b"k", "put", called, returned, argument=value)


def get(called, returned, found):
    return Operation(b"k", "get", called, returned, found=found)


def delete(called, returned, held):
    return Operation(b"k", "delete", called, returned, held=held)


def swap(called, returned, expected, value, held, found=ABSENT):
    return Operation(b"k", "compare-and-set", called, returned, argument=value,
                     expected=expected, held=held, found=found)


KNOWN_HISTORIES = [
    ("nothing", True, []),
    ("a read of nothing", True, [get(1, 2, ABSENT)]),
    ("a write is read", True, [put(1, 2, b"a"), get(3, 4, b"a")]),
    ("a stale read", False, [put(1, 2, b"a"), put(3, 4, b"b"), get(5, 6, b"a")]),
    ("a stale read of nothing", False, [put(1, 2, b"a"), get(3, 4, ABSENT)]),
    ("a read during the write may see either", True,
     [put(1, 2, b"a"), put(3, 8, b"b"), get(4, 5, b"a"), get(6, 7, b"b")]),
    ("but not the new value first and then the old one", False,
     [put(1, 2, b"a"), put(3, 8, b"b"), get(4, 5, b"b"), get(6, 7, b"a")]),
    ("two writes at a time, read in one order", True,
     [put(1, 4, b"a"), put(2, 3, b"b"), get(5, 6, b"a"), get(7, 8, b"a")]),
    ("two writes at a time, read in both orders", False,
     [put(1, 4, b"a"), put(2, 3, b"b"), get(5, 6, b"a"), get(7, 8, b"b")]),
    ("two readers at a time that disagree on the order", False,
     [put(1, 10, b"a"), put(1, 10, b"b"), get(2, 3, b"a"), get(4, 5, b"b"), get(6, 7, b"a")]),
    ("a value that nobody wrote", False, [put(1, 2, b"a"), get(3, 4, b"z")]),
    ("a read before its write", False, [get(1, 2, b"a"), put(3, 4, b"a")]),
    ("a lost update: two comparisons with one value hold", False,
     [put(1, 2, b"0"), swap(3, 6, b"0", b"1", True), swap(4, 5, b"0", b"2", True)]),
    ("one of two holds", True,
     [put(1, 2, b"0"), swap(3, 6, b"0", b"1", True), swap(4, 5, b"0", b"2", False, b"1")]),
    ("a comparison executed twice would fail on itself", False,
     [put(1, 2, b"0"), swap(3, 4, b"0", b"1", False, b"1"), get(5, 6, b"1")]),
    ("a comparison that fails although it holds", False,
     [put(1, 2, b"0"), swap(3, 4, b"0", b"1", False, b"0")]),
    ("two creations of one key", False,
     [swap(1, 2, ABSENT, b"a", True), swap(3, 4, ABSENT, b"b", True)]),
    ("created, deleted, created", True,
     [swap(1, 2, ABSENT, b"a", True), delete(3, 4, True), swap(5, 6, ABSENT, b"b", True)]),
    ("a delete that found something twice", False,
     [put(1, 2, b"a"), delete(3, 4, True), delete(5, 6, True)]),
    ("a delete that found nothing though it was there", False,
     [put(1, 2, b"a"), delete(3, 4, False)]),
    ("a write that took effect twice", False,
     [put(1, 2, b"a"), put(3, 4, b"b"), get(5, 6, b"b"), get(7, 8, b"a")]),
    ("an unknown write that is never seen", True,
     [put(1, 2, b"a"), put(3, FOREVER, b"b"), get(4, 5, b"a"), get(6, 7, b"a")]),
    ("an unknown write that takes effect much later", True,
     [put(1, 2, b"a"), put(3, FOREVER, b"b"), get(4, 5, b"a"), put(6, 7, b"c"), get(8, 9, b"c"),
      get(90, 91, b"b")]),
    ("but not before it was called", False, [get(1, 2, b"b"), put(3, FOREVER, b"b")]),
    ("and only once", False,
     [put(1, FOREVER, b"b"), get(2, 3, b"b"), put(4, 5, b"c"), get(6, 7, b"b")]),
    ("an unknown delete explains that nothing is there", True,
     [put(1, 2, b"a"), delete(3, FOREVER, True), get(4, 5, b"a"), get(6, 7, ABSENT)]),
    ("an unknown comparison explains one value after the other", True,
     [put(1, 2, b"a"), swap(3, FOREVER, b"b", b"c", True), put(4, FOREVER, b"b"),
      get(5, 6, b"a"), get(7, 8, b"c")]),
    ("an unknown write that nobody read explains why a delete found something", True,
     [put(1, FOREVER, b"a"), delete(2, 3, True)]),
    ("one unknown write does not explain two deletes", False,
     [put(1, FOREVER, b"a"), delete(2, 3, True), delete(4, 5, True)]),
    ("unknown reads say nothing", True, [put(1, 2, b"a"), get(3, FOREVER, b"z")]),
]


def known_histories_are_judged_right():
    for name, expected, history in KNOWN_HISTORIES:
        if is_register_linearizable(history) != expected:
            raise Failure(f"'{name}' is taken to be linearizable: {not expected}")


def explained_by_trying_all(history):
    """The definition itself: some order of the known operations and of any of the unknown ones, in
    which none comes before one that had returned when it was called, gives these answers."""
    known = [operation for operation in history if operation.is_known]
    unknown = [operation for operation in history if not operation.is_known]
    for count in range(len(unknown) + 1):
        for some in itertools.combinations(unknown, count):
            for order in itertools.permutations(known + list(some)):
                if respects_time(order) and answers_fit(order):
                    return True
    return False


def respects_time(order):
    return all(later.returned >= earlier.called
               for at, earlier in enumerate(order) for later in order[at + 1:])


def answers_fit(order):
    value = ABSENT
    for operation in order:
        fits, value = operation.after(value)
        if not fits:
            return False
    return True


def random_history(choice):
    """Up to six operations on few values, with answers that are right often enough to matter."""
    history = []
    values = [b"a", b"b"]
    for _ in range(choice.randrange(1, 7)):
        called = choice.randrange(12)
        returned = FOREVER if choice.random() < 0.25 else called + choice.randrange(1, 8)
        kind = choice.choice(["put", "put", "get", "get", "delete", "swap", "swap"])
        found = choice.choice([ABSENT, *values])
        if kind == "put":
            history.append(put(called, returned, choice.choice(values)))
        elif kind == "get":
            history.append(get(called, returned, found))
        elif kind == "delete":
            history.append(delete(called, returned, choice.random() < 0.5))
        else:
            history.append(swap(called, returned, choice.choice([ABSENT, *values]),
                                choice.choice(values), choice.random() < 0.6, found))
    return history


def small_histories_are_judged_as_by_trying_every_order():
    choice = random.Random(11)
    counts = {True: 0, False: 0}
    for number in range(8000):
        history = random_history(choice)
        expected = explained_by_trying_all(history)
        counts[expected] += 1
        if is_register_linearizable(history) != expected:
            text = "\n".join(map(str, history))
            raise Failure(f"history {number}: trying every order says {expected}:\n{text}")
    say(f"{counts[True]} linearizable, {counts[False]} not")
    if min(counts.values()) < 1000:
        raise Failure("one of the answers hardly occurs")


def long_history(choice, operations, keys, clients):
    """What clients of a register that works would see; a few answers are lost."""
    values = dict.fromkeys(range(keys), ABSENT)
    free_at = [0.0] * clients
    history = []
    for number in range(operations):
        client = min(range(clients), key=free_at.__getitem__)
        called = free_at[client]
        returned = called + choice.uniform(1, 5)
        # All take effect in the order of this loop, and so within their times.
        key = choice.randrange(keys)
        kind = choice.choice(["put", "get", "get", "delete", "swap"])
        value = values[key]
        new = b"%d" % number
        is_lost = choice.random() < 0.002
        if kind == "put":
            made, values[key] = put(called, returned, new), new
        elif kind == "get":
            made = get(called, returned, value)
        elif kind == "delete":
            made, values[key] = delete(called, returned, value is not ABSENT), ABSENT
        else:
            expected = value if choice.random() < 0.5 else b"else"
            held = expected == value
            made = swap(called, returned, expected, new, held, ABSENT if held else value)
            values[key] = new if held else value
        made = made._replace(key=b"%d" % key)
        history.append(made._replace(returned=FOREVER) if is_lost else made)
        free_at[client] = returned
    return history


def a_hundred_thousand_operations_are_judged_soon():
    choice = random.Random(5)
    history = long_history(choice, 100_000, 300, 16)
    began = time.monotonic()
    failing = check(history)
    took = time.monotonic() - began
    if failing:
        raise Failure(f"keys {failing} are taken for wrong")
    # A stale read: what some key held a hundred operations before.
    reads = [at for at, o in enumerate(history) if o.kind == "get" and o.is_known and o.found]
    for at in choice.sample(reads[len(reads) // 2:], 20):
        old = [o for o in history[:at] if o.key == history[at].key and o.kind == "put"
               and o.argument != history[at].found][-20]
        spoilt = list(history)
        spoilt[at] = history[at]._replace(found=old.argument)
        of_key = [o for o in spoilt if o.key == history[at].key]
        if is_register_linearizable(of_key):
            raise Failure(f"a stale read passes: {spoilt[at]} after {old}")
        if str(spoilt[at]) not in explain(of_key).splitlines()[-1]:
            raise Failure(f"the stale read {spoilt[at]} is not where it is named:\n"
                          f"{explain(of_key)}")
    say(f"100,000 operations on 300 keys in {took:.1f} s; 20 stale reads found")


main(
    known_histories_are_judged_right,
    small_histories_are_judged_as_by_trying_every_order,
    a_hundred_thousand_operations_are_judged_soon,
)

"""Is a history of operations on registers linearizable? For the tests of whole programs under load.

Keys are independent, so each key's history is judged alone (Horn and Kroening, "Faster
linearizability checking via P-compositionality"). For one key it is the search of Wing and Gong as
Lowe made it fast ("Testing for linearizability"): the calls and returns stand in a list in the order
of time; the search takes a call that may come next out of the list with its return, as long as no
return stands before it, goes back when nothing fits, and remembers every pair of what was taken and
the value then, so that it never looks at one twice.

An operation whose outcome is unknown has a call and no return: it may take effect at any moment
from its call on, also after the end of the history, or never. One that failed is not part of the
history. Nothing here knows of Ingot.
"""

from typing import NamedTuple, Optional

ABSENT = None  # what a key without a value reads as
FOREVER = float("inf")


class Operation(NamedTuple):
    """What one client did to one key, and what it was told.

    `kind` is put, delete, compare-and-set or get. `argument` is the value to write, and `expected`
    what a compare-and-set asks for (ABSENT: nothing must be there). `found` is what the answer says
    was there before: for a get the value, for a delete whether there was one, for a
    compare-and-set whether it held or, when it did not, the value found instead.
    """

    key: bytes
    kind: str
    called: float
    returned: float  # FOREVER when the outcome is unknown
    argument: Optional[bytes] = None
    expected: Optional[bytes] = None
    held: bool = True  # delete: there was a value; compare-and-set: the comparison held
    found: Optional[bytes] = None  # get; compare-and-set that did not hold

    @property
    def is_known(self):
        return self.returned != FOREVER

    def after(self, value):
        """(whether what was told fits a register with this value, the value afterwards)."""
        if self.kind == "put":
            return True, self.argument
        if not self.is_known:
            if self.kind == "delete":
                return True, ABSENT
            # One that compares and fails, or reads, does nothing: no need to say when.
            return self.kind == "compare-and-set" and value == self.expected, self.argument
        if self.kind == "get":
            return self.found == value, value
        if self.kind == "delete":
            return self.held == (value is not ABSENT), ABSENT
        if self.kind == "compare-and-set":
            if self.held:
                return value == self.expected, self.argument
            return value != self.expected and self.found == value, value
        raise ValueError(f"unknown kind of operation: {self.kind}")

    def __str__(self):
        told = {"put": f"{self.argument}", "get": f"-> {self.found}", "delete": f"-> {self.held}"}
        if self.kind == "compare-and-set":
            text = f"{self.expected} to {self.argument} -> " + (
                "held" if self.held else f"found {self.found}")
        else:
            text = told[self.kind]
        if not self.is_known:
            return f"[{self.called} .. unknown] {self.kind} {text.split(' ->')[0]}"
        return f"[{self.called} .. {self.returned}] {self.kind} {text}"


class Entry:
    """A call or a return in the list; one that was taken out keeps its own links, to be put back."""

    __slots__ = ("operation", "number", "partner", "before", "behind")

    def __init__(self, operation, number):
        self.operation = operation
        self.number = number
        self.partner = None  # of a call: its return
        self.before = self.behind = None

    @property
    def is_call(self):
        return self.partner is not None

    def take_out(self):
        self.before.behind = self.behind
        if self.behind is not None:
            self.behind.before = self.before

    def put_back(self):
        self.before.behind = self
        if self.behind is not None:
            self.behind.before = self


def entry_list(operations):
    """The list, as its head, which is no entry. At equal times calls stand first: the operations
    then overlap, which accuses nobody wrongly."""
    moments = []
    for number, operation in enumerate(operations):
        call, end = Entry(operation, number), Entry(operation, number)
        call.partner = end
        moments += [(operation.called, 0, number, call), (operation.returned, 1, number, end)]
    head = last = Entry(None, -1)
    for _, _, _, entry in sorted(moments, key=lambda moment: moment[:3]):
        entry.before, last.behind = last, entry
        last = entry
    return head


def without_idle_unknowns(operations):
    """Leaves out what cannot help to explain anything: an operation with an unknown outcome that
    writes nothing, or a value that nobody was ever told or asked for. Whatever explains the history
    with it explains the history without it."""
    seen = set()
    for operation in operations:
        if operation.is_known:
            seen.add(operation.found)
        if operation.kind == "compare-and-set":
            seen.add(operation.expected)

    def helps(operation):
        if operation.is_known:
            return True
        if operation.kind == "get":
            return False
        return operation.kind == "delete" or operation.argument in seen

    # A delete of a value can be told to have found one, so a put that nobody read may be needed.
    if any(o.is_known and o.kind == "delete" and o.held for o in operations):
        return [o for o in operations if o.is_known or o.kind != "get"]
    return [operation for operation in operations if helps(operation)]


class Search:
    """For one order of the operations of one key that explains all answers.

    Operations with unknown outcomes are not in the list: they are tried, in the order of their
    calls, where no known one fits. What was taken is remembered as the number of known operations
    that are taken without a gap, the bits of those behind it, and the bits of the unknown ones.
    """

    def __init__(self, operations, initial):
        operations = sorted(without_idle_unknowns(operations), key=lambda o: o.called)
        known = [operation for operation in operations if operation.is_known]
        self.unknown = [operation for operation in operations if not operation.is_known]
        self.head = entry_list(known)
        self.missing = len(known)
        self.place = (0, 0, 0, initial)  # known without a gap, bits behind, unknown, value
        self.seen = set()
        self.steps = []  # (call, or the number of the unknown operation; the place before it)

    def run(self):
        entry, number = self.head.behind, 0
        while self.missing > 0:
            # Known calls up to the first return first, then unknown ones from before that return.
            if entry.is_call:
                if self.take_known(entry):
                    entry, number = self.head.behind, 0
                else:
                    entry = entry.behind
            elif number < len(self.unknown) and self.unknown[number].called <= \
                    entry.operation.returned:
                if self.take_unknown(number):
                    entry, number = self.head.behind, 0
                else:
                    number += 1
            elif not self.steps:
                return False
            else:
                entry, number = self.go_back()
        return True

    def go_to(self, step, place):
        if place in self.seen:
            return False
        self.seen.add(place)
        self.steps.append((step, self.place))
        self.place = place
        return True

    def take_known(self, entry):
        taken, behind, unknown, value = self.place
        fits, value = entry.operation.after(value)
        if not fits:
            return False
        behind |= 1 << (entry.number - taken)
        while behind & 1:
            behind >>= 1
            taken += 1
        if not self.go_to(entry, (taken, behind, unknown, value)):
            return False
        entry.take_out()
        entry.partner.take_out()
        self.missing -= 1
        return True

    def take_unknown(self, number):
        taken, behind, unknown, value = self.place
        if unknown >> number & 1:
            return False
        fits, value = self.unknown[number].after(value)
        return fits and self.go_to(number, (taken, behind, unknown | 1 << number, value))

    def go_back(self):
        """Undoes the last step: where to look on for another."""
        step, self.place = self.steps.pop()
        if isinstance(step, Entry):
            step.partner.put_back()
            step.put_back()
            self.missing += 1
            return step.behind, 0
        entry = self.head.behind
        while entry.is_call:
            entry = entry.behind
        return entry, step + 1


def is_register_linearizable(operations, initial=ABSENT):
    return Search(operations, initial).run()


def by_key(operations):
    histories = {}
    for operation in operations:
        histories.setdefault(operation.key, []).append(operation)
    return histories


def check(operations):
    """The keys whose history no order explains."""
    histories = by_key(operations)
    return [key for key, history in histories.items() if not is_register_linearizable(history)]


def shortest_failing(history):
    """The history up to the first return at which nothing explains it any more."""
    low, high = 1, sum(operation.is_known for operation in history)
    while low < high:
        middle = (low + high) // 2
        if is_register_linearizable(prefix(history, middle)):
            low = middle + 1
        else:
            high = middle
    return prefix(history, low)


def explain(history, last=8):
    """For the reader of a failure: the operation whose answer has no explanation, those around it,
    and who wrote what they were told."""
    known = sorted((o for o in shortest_failing(history) if o.is_known), key=lambda o: o.returned)
    near = known[-last:]
    told = ({o.found for o in near} | {o.expected for o in near}) - {ABSENT}
    writers = [o for o in history if o.argument in told and o not in near]
    return "\n".join(str(o) for o in sorted(writers, key=lambda o: o.called) + near)


def prefix(history, count):
    """What was known when `count` operations had returned: those, and what had been called by then,
    with unknown outcomes."""
    end = sorted(o.returned for o in history)[count - 1]
    return [o if o.returned <= end else o._replace(returned=FOREVER)
            for o in history if o.called <= end]

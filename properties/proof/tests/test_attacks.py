"""Further attacks on the prover, each of another kind: all are refuted, or refused with file and line."""

import pytest

from properties.proof.tests.attacking import Attack, failures, report_of

CONSERVED = "cycles are conserved"
NATURAL = "naturals are not negative"
NATURALS = frozenset({NATURAL})


def refuted(title: str, extra: str, **parts: str) -> Attack:
    """Cycles appear, and the prover has to see it."""
    return Attack(title, CONSERVED, extra=extra, **parts)


def refused(title: str, expected: str, extra: str = "0", **parts: str) -> Attack:
    """The prover has to say that it cannot follow."""
    return Attack(title, expected, extra=extra, is_refused=True, **parts)


A_MESSAGE = """
require(amount in state.messages, "the message exists")
message = state.messages[amount]"""

ODD_CLASS = '''
@frozen{options}
class Purse:
    """Some coins."""

    coins: Cycles
    {more}
'''

VALUES = [
    refuted(
        "a number compared with a member of an enumeration of numbers",
        "1 if amount < code else 0",
        choices="code: RejectCode",
    ),
    refuted("the value of a member", "1 if code.value == 4 else 0", choices="code: RejectCode"),
    refuted("the name of a member", "1 if code.name == 'CANISTER_REJECT' else 0", choices="code: RejectCode"),
    refuted("a truth value compared with a number", "1 if (canister.balance > 5) == 1 else 0"),
    refuted("membership in a tuple", "1 if amount in (7, 8) else 0"),
    refuted("a chain of comparisons", "1 if 0 <= amount <= 5 else 0"),
    refuted("a number that is zero counts as false", "1 if not amount else 0"),
    refuted("an empty blob counts as false", "1 if (canister.certified_data or b'') == b'' else 0"),
    refuted("an empty map has no entries", "1 if len(canister.snapshots) == 0 else 0"),
    refuted("the least of some numbers by a key", "min(amount, 5, key=lambda one: 0 - one) - amount"),
    refuted("a number is True", "1 if amount == True else 0"),
    refuted(
        "a blob matches bytes()",
        "extra_of(canister)",
        helpers='''
def extra_of(canister: Canister) -> int:
    """One for blobs."""
    match canister.certified_data:
        case bytes():
            return 1
        case _:
            return 0
''',
    ),
    refuted(
        "a member matches its value",
        "extra_of(canister)",
        helpers='''
def extra_of(canister: Canister) -> int:
    """One for a hook that is ready."""
    match canister.low_memory_hook:
        case HookStatus.READY:
            return 1
        case _:
            return 0
''',
    ),
    refuted("a map is a Map", "1 if isinstance(canister.snapshots, Map) else 0"),
    refuted("a choice with a default is what its default says", "bonus", choices="bonus: Cycles = 0"),
    refuted(
        "an entry that is given to itself",
        "0",
        choices="other: CanisterId",
        step=(
            "Step(evolve(after, canisters=state.canisters"
            ".set(canister_id, evolve(canister, balance=canister.balance - least))"
            ".set(other, evolve(state.canisters[other], balance=state.canisters[other].balance + least))))"
        ),
        conditions="""
require(other in state.canisters, "the other canister exists")
least = min(canister.balance, amount)""",
    ),
]

IDENTITIES = [
    refuted(
        "functions that differ in a default given by keyword",
        ("0 if state.canisters.every(above(0)) == state.canisters.every(above(5)) else 1"),
        helpers='''
def above(least: int) -> Callable[[Any, Canister], bool]:
    """At least so much."""
    return lambda _, each, *, bound=least: each.balance >= bound
''',
    ),
    refuted(
        "classes with the same name",
        "weight(Gold.Purse(1)) - weight(Silver.Purse(1))",
        helpers='''
class Gold:
    @frozen
    class Purse:
        coins: int


class Silver:
    @frozen
    class Purse:
        coins: int


@opaque
def weight(purse: object) -> Cycles:
    """What it weighs."""
    return 1
''',
    ),
    refuted(
        "a tuple and a list of the same",
        "weight((1,)) - weight([1])",
        helpers='''
@opaque
def weight(purse: object) -> Cycles:
    """What it weighs."""
    return 1
''',
    ),
    refuted(
        "an older item is behind a younger one",
        (
            "0 if state.messages.none_older(amount, lambda each: True)"
            " == state.messages.prepend(message).none_older(amount, lambda each: True) else 1"
        ),
        conditions=A_MESSAGE,
    ),
    refused(
        "methods of different blobs",
        "as argument of an unknown function",
        "weight(b'x'.startswith) - weight(b'y'.startswith)",
        helpers='''
@opaque
def weight(purse: object) -> Cycles:
    """What it weighs."""
    return 1
''',
    ),
    refused(
        "an id that depends on how many items entered",
        "enters behind others",
        ("0 if state.messages.extend(canister.logs.map(lambda _: message)).prepend(message) else 1"),
        conditions=A_MESSAGE,
    ),
    refuted(
        "different changes of all canisters",
        (
            "0 if state.canisters.change_where(lambda _, each: each.balance > 5, with_nothing)"
            " == state.canisters.change_where(lambda _, each: each.balance > 6, with_nothing) else 1"
        ),
        helpers='''
def with_nothing(canister: Canister) -> Canister:
    """Without cycles."""
    return evolve(canister, balance=0)
''',
    ),
]

DEFINEDNESS = [
    refused(
        "an entry is read that need not exist",
        "need not exist",
        "state.canisters[other].balance * 0",
        choices="other: CanisterId",
    ),
    refused(
        "an entry is removed that need not exist",
        "need not exist",
        "0 * len(state.canisters.remove(other))",
        choices="other: CanisterId",
    ),
    refused("an item is taken behind the end of a list", "need not exist", "0 * len(canister.logs.take(3)[1])"),
    refused("more of the newest items than there are", "than there need be", "0 * len(canister.logs.newest(2))"),
    refused("a negative divisor", "may be zero or negative", "0 * (amount // (0 - 3))"),
    refused(
        "a condition for each element",
        "is not defined for every element",
        "0 if state.canisters.every(lambda _, each: require(each.balance > 5, 'it is rich') is None) else 0",
    ),
    refused(
        "an entry that need not exist, for each element",
        "is not defined for every element",
        "state.call_contexts.total(lambda each: 0 * state.canisters[each.caller].balance)",
    ),
    refused("an assertion that need not hold", "AssertionError", before="assert amount < 5"),
    refused("a rule that gives nothing", "instead of a step", step="Step(after) if amount > 5 else None"),
    refused("a rule that gives a state", "instead of a step", step="after if amount > 5 else Step(after)"),
    Attack("a rule that never fires", "some path fires", conditions="require(amount < 0, 'it cannot be')"),
    Attack(
        "a rule that contradicts an invariant",
        "some path fires",
        conditions="require(canister.balance < 0, 'it cannot be')",
    ),
    refused(
        "the largest of two names",
        "is no number",
        "1 if max(canister_id, other) == other else 0",
        choices="other: CanisterId",
    ),
    refused("half of a number", "is no number", "0 * int(amount * 0.5)"),
    refused("a truth value in a sum", "unsupported operand", "(canister.balance > 5) + 0"),
    refused("the first byte of a name", "is not subscriptable", "canister_id[0]"),
]

TEXTS = [
    refused("the text of a number", "a text of the unknown value", "1 if str(amount) == '5' else 0"),
    refused("a number inside a text", "a text of the unknown value", "1 if f'{amount}' == '5' else 0"),
    refused("the old way to make a text", "a text of the unknown value", "1 if '%s' % amount == '5' else 0"),
    refused("how a record is shown", "a text of the unknown value", "len(repr(canister)) * 0"),
    refused("a table of known values", "the hash of the unknown value", "{5: 1}.get(amount, 0)"),
    refused("a set of known and unknown values", "the hash of the unknown value", "len({amount, 5}) - 1"),
    refused("so many times", "the exact number", "len(range(amount))"),
    refused("more often than anybody waits for", "a range of more than", before="for _ in range(10**15):\n    pass"),
    refused("for ever", "while, which may go round for ever", before="while amount >= 0:\n    pass"),
    refused(
        "for ever in a function",
        "while, which may go round for ever",
        "times(amount)",
        helpers='''
def times(amount: Cycles) -> int:
    """How often, which no path tells."""
    number = 0
    while number < amount:
        number += 1
    return number - amount
''',
    ),
    refused("a loop over a list", "the parts", "sum(1 for _ in canister.logs)"),
    refused("a loop over a queue", "the parts", "len([each for each in state.messages])"),
    refused("the truth of a queue", "the truth of the unknown value", "0 if state.messages else 1"),
    refused("the truth of a list", "the truth of the unknown value", "0 if canister.logs else 1"),
]

FORMS = [
    refused(
        "identity inside a method",
        "compares with `is`",
        "1 if purse.is_same(purse) else 0",
        choices="purse: Purse",
        helpers=ODD_CLASS.format(
            options="", more="def is_same(self, other: object) -> bool:\n        return self is other"
        ),
    ),
    refused(
        "equality by identity",
        "compared in a way of their own",
        "1 if purse == purse else 0",
        choices="purse: Purse",
        helpers=ODD_CLASS.format(options="(eq=False)", more=""),
    ),
    refuted(
        "a field that does not count",
        "1 if evolve(purse, weight=amount) == purse else 0",
        choices="purse: Purse",
        helpers=ODD_CLASS.format(options="", more="weight: int = field(eq=False, default=0)"),
    ),
    refused(
        "something happens when an instance is made",
        "__attrs_post_init__",
        "purse.coins * 0",
        choices="purse: Purse",
        helpers=ODD_CLASS.format(
            options="", more="def __attrs_post_init__(self) -> None:\n        assert self.coins > 5"
        ),
    ),
    refused(
        "an empty purse counts as false",
        "__bool__",
        "1 if purse else 0",
        choices="purse: Purse",
        helpers=ODD_CLASS.format(options="", more="def __bool__(self) -> bool:\n        return self.coins > 5"),
    ),
    refused(
        "errors are suppressed",
        "contains with",
        helpers='''
from contextlib import suppress


def extra_of(amount: int) -> int:
    """What comes of it."""
    with suppress(Exception):
        return hash(amount) * 0
    return 1
''',
        extra="extra_of(amount)",
    ),
    refused(
        "a default that remembers",
        "which may change",
        "extra_of()",
        helpers='''
def extra_of(seen: list[int] = []) -> int:
    """How often it was called, in hundreds."""
    seen.append(1)
    return len(seen) // 100
''',
    ),
    refused(
        "a function that remembers",
        "is changed in place",
        "extra_of()",
        helpers='''
def extra_of() -> int:
    """Whether it was called before."""
    extra_of.called = 1
    return 0
''',
    ),
    refused(
        "a cache",
        "which may change",
        "extra_of(canister.subnet.subnet_id)",
        helpers='''
from functools import cache


@cache
def extra_of(subnet_id: Principal) -> int:
    """Nothing."""
    return 0
''',
    ),
    refused("chance", "which the prover does not know", "0 * random()", helpers="from random import random"),
    refused("a field by its name", "unknown values cannot answer", "getattr(canister, 'bal' + 'ance') * 0"),
    refused("the class of a value", "unknown values cannot answer", "0 if type(canister) == Canister else 1"),
    refused("a function with some arguments", "which the prover does not know", "partial(max, 1)(0) - 1"),
    refused(
        "what else a module can do",
        "which further functions",
        "0 if isinstance(module, CompositeQueries) else 1",
        helpers="from spec.canister.module import CompositeQueries",
        conditions="module = module_of(state.profile, code_of(canister))",
    ),
    refused(
        "two modules are compared",
        "comparison",
        "0 if module == module_of(state.profile, code_of(state.canisters[other])) else 1",
        choices="other: CanisterId",
        conditions='require(other in state.canisters, "it is")\nmodule = module_of(state.profile, code_of(canister))',
    ),
    refused(
        "an opaque function that is another each time",
        "for the same arguments",
        "0 * gift(canister.version)",
        helpers='''
from random import random


@opaque
def gift(version: Cycles) -> Cycles:
    """A gift."""
    return int(random() * 10**9)
''',
    ),
]

NEGATIVE = [
    Attack(
        "a negative amount is shown",
        NATURAL,
        obligations=NATURALS,
        step="Step(after, outputs=(transitions.Executed(canister_id, 0 - 5, None),))",
    ),
    Attack(
        "a state is made anew",
        NATURAL,
        obligations=NATURALS,
        step="Step(State(state.profile, state.root_key, 0 - 1, state.subnet, canisters=state.canisters))",
    ),
    Attack(
        "a negative amount is burned",
        NATURAL,
        obligations=NATURALS,
        step="Step(after, burned=(Burned(0 - 5, BurnReason.LOST),))",
    ),
    Attack(
        "a list of negative numbers",
        NATURAL,
        obligations=NATURALS,
        conditions="""
require(not canister.logs.is_empty(), "there are logs")
early = canister.logs.map(lambda record: evolve(record, timestamp=0 - 5))
changed = evolve(canister, logs=early)""",
        step="Step(evolve(after, canisters=state.canisters.set(canister_id, changed)))",
    ),
]

ATTACKS = [*VALUES, *IDENTITIES, *DEFINEDNESS, *TEXTS, *FORMS, *NEGATIVE]


def test_there_are_more_than_thirty():
    assert len({attack.title for attack in ATTACKS}) == len(ATTACKS) > 30


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_an_attack_fails(attack, tmp_path, shared_session):
    found = failures(report_of(attack, tmp_path, shared_session))
    assert any(attack.expected in name for name in found), found
    if attack.is_refused and attack.expected != "instead of a step":
        assert any("attacked_" in name and ".py:" in name for name in found), found

"""
Attacks by way of names and classes: what a text reaches without a name of its module for it.

All are refused with file and line, as are enumerations whose values are more than their members.
"""

import sys

import pytest

from properties.proof.claims.proof import Demand, prove_rule
from properties.proof.tests.attacking import Attack, attacked, failures, report_of
from properties.proof.tests.test_attacks import refused
from spec.invariants import INVARIANTS, Invariant

CHANGES = "which may change"
PAST = "is asked past"
COUNTING = "SEEN = list[int]()"
CATCHING = """
        try:
            return len({much: 1})
        except Exception:
            return 0
"""

ATTACKS = [
    refused(
        "something changing of a module",
        CHANGES,
        "1 if os.environ.get('NOBODY_SETS_THIS') else 0",
        helpers="import os",
    ),
    refused(
        "a list of a class counts the calls",
        "Counter.seen is a list",
        "len(Counter.seen) // 100",
        helpers='''
class Counter:
    """Counts."""

    seen: list[int] = []
''',
        before="Counter.seen.append(1)",
    ),
    refused(
        "a list of a class is found by way of an instance",
        "Counter.seen is a list",
        "len(Counter(amount).counted()) // 100",
        helpers='''
@frozen
class Counter:
    """Counts."""

    seen = list[int]()
    one: int

    def counted(self) -> list[int]:
        """With one more."""
        self.seen.append(1)
        return self.seen
''',
    ),
    refused(
        "a variable of a comprehension has the name of a list",
        CHANGES,
        "len(SEEN) // 100 + sum(0 for SEEN in (1, 2))",
        helpers=COUNTING,
        before="SEEN.append(1)",
    ),
    refused(
        "a parameter within has the name of a list",
        CHANGES,
        "len(SEEN) // 100 + (lambda SEEN: 0)(1)",
        helpers=COUNTING,
        before="SEEN.append(1)",
    ),
    refused(
        "a parameter within has the list by default",
        CHANGES,
        "(lambda SEEN=SEEN: len(SEEN) // 100)() + (lambda SEEN=SEEN: SEEN.append(1) or 0)()",
        helpers=COUNTING,
    ),
    refused(
        "a parameter within has the name of a builtin",
        "hasattr is a builtin",
        "(1 if hasattr(amount, 'bit_count') else 0) + (lambda hasattr: 0)(1)",
    ),
    refused(
        "a list that a function has captured counts the calls",
        "what count has captured is a list",
        "counted()",
        helpers='''
def make() -> Callable[[], int]:
    """Makes what counts."""
    seen = list[int]()

    def count() -> int:
        """Counts."""
        seen.append(1)
        return len(seen) // 100

    return count


counted = make()
''',
    ),
    refused(
        "what a field has by default counts the calls",
        "SEEN is a list",
        "Purse().much",
        helpers=f'''
{COUNTING}


def count() -> int:
    """Counts."""
    SEEN.append(1)
    return len(SEEN) // 100


@frozen
class Purse:
    """Some coins."""

    much: int = field(factory=count)
''',
    ),
    refused(
        "a place in a class that computes its value",
        "Purse.extra is a Peeking",
        "Purse(amount).extra",
        helpers='''
class Peeking:
    """Looks from outside."""

    def __get__(self, instance: Any, owner: Any = None) -> int:
        return 1


@frozen
class Purse:
    """Some coins."""

    much: int
    extra = Peeking()
''',
    ),
    refused(
        "a known value that can be called",
        "contains try",
        "peek(amount)",
        helpers=f'''
@frozen
class Peeks:
    """Looks from outside."""

    def __call__(self, much: int) -> int:{CATCHING}

peek = Peeks()
''',
    ),
    refused(
        "a text with a method of its own",
        "contains try",
        "WORD.extra(amount)",
        helpers=f'''
class Word(str):
    """Looks from outside."""

    def extra(self, much: int) -> int:{CATCHING}

WORD = Word("x")
''',
    ),
    refused("a number is asked whether it is equal", PAST, "0 if (5).__eq__(amount) else 1"),
    refused("a blob is asked whether it is equal", PAST, "0 if b''.__eq__(name) else 1", choices="name: Blob"),
    refused("the class of an unknown number", PAST, "1 if amount.__class__ == int else 0"),
    refused(
        "two members at once",
        "not just its members",
        "0 if color in (Color.RED, Color.BLUE) else 1",
        helpers='''
from enum import Flag


class Color(Flag):
    """Colors that can be mixed."""

    RED = 1
    BLUE = 2
''',
        choices="color: Color",
    ),
    refused(
        "members that are all equal",
        "compared in a way of their own",
        "0 if color == Color.RED or color == Color.BLUE else 1",
        helpers='''
class Color(Enum):
    """All are the same."""

    RED = 1
    BLUE = 2

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = None
''',
        choices="color: Color",
    ),
]  # fmt: skip

RIGHT = Attack(
    "what does not change may be named in any of these ways",
    "",
    helpers='''
class Rates:
    """Prices."""

    NOTHING = 0
    names = ("one", "two")


def nothing(amount: int, rates: Any = Rates) -> int:
    """Nothing."""
    return sum(amount * Rates.NOTHING for amount in (1, 2)) + (lambda Rates: 0)(amount)
''',
    extra="nothing(amount) + Rates.NOTHING",
)


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_an_attack_is_refused(attack, tmp_path, shared_session):
    found = failures(report_of(attack, tmp_path, shared_session))
    assert any(attack.expected in name for name in found), found
    assert any("attacked_" in name and ".py:" in name for name in found), found


def test_names_of_what_does_not_change_are_followed(tmp_path, shared_session):
    assert failures(report_of(RIGHT, tmp_path, shared_session)) == []


def test_an_invariant_is_read_like_a_rule(tmp_path, monkeypatch):
    attack = Attack(
        "an invariant compares unknown members with `is`",
        "compares with `is`",
        helpers='''
def hook_is_never_due(state: State) -> bool:
    """False in some states."""
    return state.canisters.every(lambda _, each: each.low_memory_hook is not HookStatus.READY)
''',
    )
    with attacked(attack, tmp_path) as rule:
        holds = sys.modules[rule.body.__module__].hook_is_never_due
        monkeypatch.setitem(INVARIANTS, "never due", Invariant("never due", "No hook is due", ("ours",), holds))
        report = prove_rule(rule, demand=Demand(wanted=lambda name: False), stop_at_failure=True)
    assert any(attack.expected in name and "attacked_" in name for name in failures(report)), failures(report)

"""The lint of the rules finds each kind of fault, and the rules have none."""

import textwrap

import pytest

from spec.tooling.lint import File, findings, findings_beside_rules, findings_in
from spec.tooling.sources import Source

GOOD = '''
@transition(title="A title", source="abstract-behavior#a-section")
def a_rule(state: State, *, message_id: MessageId) -> Step:
    """What is true."""
    # CONDITIONS
    require(message_id in state.messages, "the message exists")

    # STATE AFTER
    return Step(evolve(state, messages=state.messages.remove(message_id)))
'''
SOURCES = {"a_rule": Source("abstract-behavior#a-section", "00")}
ERRATA = frozenset({"our-entry"})


def faults(text):
    return [found.what for found in findings_in(File("rules/some.py", text), SOURCES, ERRATA)]


def test_the_rules_have_no_faults():
    assert [str(found) for found in findings()] == []


def test_a_good_rule_has_no_faults():
    assert faults(GOOD) == []
    assert faults(GOOD.replace("message_id: MessageId", "message_id: MessageId = 0")) == []
    assert faults(GOOD.replace("abstract-behavior#a-section", "ours#our-entry")) == []


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("What is true.", "what", "the docstring does not begin with a sentence"),
        ("*, message_id: MessageId", "message_id: MessageId", "does not begin with `state: State` and a star"),
        ("message_id: MessageId", "message_id", "the choice message_id has no type"),
        (
            "message_id: MessageId",
            "message_id: MessageId = len(b'')",
            "the default of the choice message_id is no constant",
        ),
        ("-> Step", "-> State", "does not return a Step"),
        ("    # CONDITIONS\n", "", "does not have `# CONDITIONS` and then `# STATE AFTER`"),
        ("# STATE AFTER", "# CONDITIONS", "does not have `# CONDITIONS` and then `# STATE AFTER`"),
        ("    # CONDITIONS\n", "    early = 1\n    # CONDITIONS\n", "does something before `# CONDITIONS`"),
        ("    return Step", "    require(True, 'late')\n    return Step", "states a condition after `# STATE AFTER`"),
        ("\n    # STATE", "    return Step(state)\n\n    # STATE", "returns before `# STATE AFTER`"),
        ("A title", "", "has no title"),
        ("a-section", "another-section", "spec/sources.toml does not have its source"),
        ("abstract-behavior#a-section", "ours#no-entry", "docs/errata.md has no entry `no-entry`"),
        ("\n    # STATE", "    for one in state.messages:\n        pass\n\n    # STATE", "contains a loop"),
        ("\n    # STATE", "    ids = [one for one in state.messages]\n\n    # STATE", "contains a comprehension"),
        ("\n    # STATE", "    while True:\n        pass\n\n    # STATE", "contains a loop"),
        ("\n    # STATE", "    try:\n        pass\n    finally:\n        pass\n\n    # STATE", "contains try"),
        ("\n    # STATE", "    known = {}\n\n    # STATE", "a dictionary display"),
        ("\n    # STATE", "    known = [1]\n\n    # STATE", "a list display"),
        ("\n    # STATE", "    known = {1}\n\n    # STATE", "a set display"),
        ("\n    # STATE", "    text = f'{message_id}'\n\n    # STATE", "an f-string"),
        ("\n    # STATE", "    first = next(iter(state.messages))\n\n    # STATE", "calls next()"),
        ("\n    # STATE", "    raise ValueError\n\n    # STATE", "contains raise"),
        ("\n    # STATE", "    def inner() -> None:\n        pass\n\n    # STATE", "a function of its own"),
        ("\n    # STATE", "    require(a is not None, 'a')\n    assert a is not None\n\n    # STATE", "asserts what"),
        (
            "    return Step",
            "    require_kind(a, A, '')\n    return Step",
            "states a condition after `# STATE AFTER`",
        ),
        ("\n    # STATE", "    same = state.flag is True\n\n    # STATE", "compares with `is`"),
        ("\n    # STATE", "    known = isinstance(message_id, int)\n\n    # STATE", "asks whether something is a int"),
        ("\n    # STATE", "    text = '{}'.format(message_id)\n\n    # STATE", "makes a text of a value"),
        ("\n    # STATE", "    text = '%s' % message_id\n\n    # STATE", "makes a text of a value"),
        ("\n    # STATE", "    kind = type(message_id)\n\n    # STATE", "calls type()"),
        ("\n    # STATE", "    kind = state.__class__\n\n    # STATE", "uses __class__"),
        ("\n    # STATE", "    state.flag = 1\n\n    # STATE", "changes something in place"),
        (
            "\n    # STATE",
            "    more = 1\n    change = lambda each: each + more\n    more = 0\n\n    # STATE",
            "a function inside uses more, which gets several values",
        ),
        (
            "\n    # STATE",
            "    match message_id:\n        case int():\n            pass\n\n    # STATE",
            "has a case of the class int",
        ),
        (
            "\n    # STATE",
            "    match state.flag:\n        case True:\n            pass\n\n    # STATE",
            "has a case of True or False",
        ),
        ("\n@transition", "\n@generous\n@transition", "has the decorator `generous`"),
        ("\n    # STATE", "    pass\n" * 45 + "\n    # STATE", "lines, more than 45"),
    ],
)
def test_each_fault_is_found(before, after, fault):
    changed = GOOD.replace(before, after, 1)
    assert changed != GOOD
    assert any(fault in found for found in faults(changed)), faults(changed)


def test_a_source_may_be_a_constant_of_the_module():
    named = GOOD.replace('source="abstract-behavior#a-section"', "source=SECTION")
    assert faults('SECTION = "abstract-behavior#a-section"\n' + named) == []
    assert faults(named) == ["a_rule: spec/sources.toml does not have its source ''"]


def test_helpers_are_held_to_the_same_subset():
    helper = '''
    def helper(state: State) -> int:
        """The answer."""
        return sum(1 for _ in state.messages)
    '''
    assert faults(textwrap.dedent(helper)) == ["helper calls sum()", "helper contains a comprehension"]


def test_opaque_functions_may_compute_as_they_like():
    helper = '''
    @opaque
    def helper(state: State) -> int:
        """The answer."""
        return sum(1 for _ in state.messages)
    '''
    assert faults(textwrap.dedent(helper)) == []


def test_methods_of_classes_are_held_to_the_same_subset():
    text = '''
    class Safe:
        """Catches what the prover says."""

        def extra(self) -> int:
            """The answer."""
            try:
                return 1
            except Exception:
                return 0
    '''
    assert faults(textwrap.dedent(text)) == ["extra contains try"]


def test_opaque_functions_state_no_conditions():
    helper = '''
    @opaque
    def helper(state: State) -> int:
        """The answer."""
        require(state.flag, "the flag is set")
        return 1
    '''
    assert faults(textwrap.dedent(helper)) == ["helper is opaque and calls require()"]


def test_functions_use_no_values_of_their_module_that_may_change():
    text = '''
    SEEN = list[int]()
    KNOWN: Final[Mapping[str, int]] = {"one": 1}

    def helper(state: State) -> int:
        """The answer."""
        return len(SEEN) + len(KNOWN)
    '''
    assert faults(textwrap.dedent(text)) == [
        "helper uses SEEN, which may change; use Map, List, a tuple or a frozenset"
    ]


def test_fields_keep_what_is_put_into_them():
    text = '''
    class Purse:
        """Coins."""

        coins: int = field(converter=half)
    '''
    assert faults(textwrap.dedent(text)) == ["a field has a converter, which unknown values do not know"]


def test_functions_beside_the_rules_are_held_to_what_proofs_can_follow():
    text = "def is_first(one, other):\n    return one is other"
    found = findings_beside_rules(File("state/some.py", text))
    assert [str(each) for each in found] == ["state/some.py:2: is_first compares with `is`; use =="]

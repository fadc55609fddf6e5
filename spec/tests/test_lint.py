"""The lint of the rules finds each kind of fault, and the rules have none."""

import textwrap

import pytest

from spec.tooling.lint import File, findings, findings_in
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

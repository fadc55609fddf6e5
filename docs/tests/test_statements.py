"""Statements of rules in words."""

import ast

from docs.render.functions import Function
from docs.render.outline import markdown
from docs.render.statements import Scope, block


def told(text, returns="Step"):
    """The lines for the body of a function."""
    tree = ast.parse(text)

    def body():
        """Stands for the function whose globals names are looked up in."""

    function = Function("rule", body, ast.parse(f"def rule(state) -> {returns}:\n    pass").body[0])
    return list(markdown(block(tree.body, Scope(function, {}, tells_rejects=True))))


def test_a_condition_has_its_words_its_formula_and_its_reject():
    assert told('require(a < b, "a is less")') == ["- a is less: `a < b`"]
    assert told('require(a, "it holds", RejectReason.X)') == [
        "- it holds: `a` (else the call is rejected: `RejectReason.X`)"
    ]


def test_a_value_that_must_be_there_or_of_a_kind_gets_its_name_and_then_its_condition():
    assert told('a = require_present(f(b), "there is one", RejectReason.X)') == [
        "- let `a` = `f(b)`",
        "- there is one: `a is not None` (else the call is rejected: `RejectReason.X`)",
    ]
    assert told('a = require_kind(b.status, Running, "it runs")') == [
        "- let `a` = `b.status`",
        "- it runs: `isinstance(a, Running)`",
    ]


def test_changes_of_containers_are_told_one_by_one():
    step = (
        "return Step(evolve(state, messages=state.messages.remove(k).append(m), canisters=state.canisters.set(k, c)))"
    )
    assert told(step) == [
        "- `messages`: `k` is removed",
        "- `messages`: at the end comes `m`",
        "- `canisters` at `k` becomes `c`",
    ]


def test_a_changed_record_is_told_field_by_field():
    step = "return Step(evolve(state, canisters=state.canisters.set(k, evolve(c, balance=1, version=2))))"
    assert told(step) == ["- `canisters` at `k` becomes `c` with", "  - `balance`: `1`", "  - `version`: `2`"]


def test_burned_cycles_are_told():
    assert told("return Step(state, burned=(Burned(fee, REASON),))") == [
        "- the state stays as it is",
        "- cycles burned: `Burned(fee, REASON)`",
    ]


def test_cases_are_told_in_order():
    text = "if a:\n    return Step(state)\nif b:\n    return Step(state)\nreturn Step(evolve(state, time=t))"
    assert told(text) == [
        "- if `a`:",
        "  - the state stays as it is",
        "- otherwise, if `b`:",
        "  - the state stays as it is",
        "- otherwise:",
        "  - `time` becomes `t`",
    ]

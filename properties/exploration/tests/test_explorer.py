"""Small worlds are exhausted, and planted bugs of rules are found in them."""

from collections.abc import Callable

import pytest
from attrs import evolve

from properties.exploration.explorer import explore
from properties.exploration.worlds import WORLDS
from spec.transition import RULES, Rule, Step


@pytest.mark.checklist(
    "inv.prop-04-interleaving",
    "inv.prop-01-atomic-sequential",
    "inv.prop-10-cycles-conserved",
    "unspec.order.enabled-rules",
    "inv.referenced-contexts.calls",
    "inv.referenced-contexts.responses",
    "inv.referenced-contexts.contexts",
    "inv.referenced-contexts.stop-origins",
    "inv.canister-parts",
)
@pytest.mark.parametrize("name", list(WORLDS))
def test_a_world_is_exhausted_without_violation(name: str) -> None:
    found = explore(WORLDS[name])

    assert found.violation is None
    assert found.exhausted
    assert found.states > 50
    assert found.final_states >= 1
    assert found.fired["message_execution"] >= 2


def test_a_depth_cuts_the_exploration_short_and_says_so() -> None:
    found = explore(WORLDS["two-callers"], depth=3)

    assert not found.exhausted
    assert found.depth <= 3


def planted(rule: str, change: Callable[[Step], Step]) -> Callable[[pytest.MonkeyPatch], None]:
    """A rule whose step is changed."""

    def plant(monkeypatch: pytest.MonkeyPatch) -> None:
        right = RULES[rule]

        def wrong(state, **choices):  # type: ignore[no-untyped-def]
            result = right.body(state, **choices)
            return change(result)

        monkeypatch.setitem(
            RULES,
            rule,
            Rule(right.name, right.title, right.source, _with_signature(right, wrong), right.completes_execution),
        )

    return plant


def _with_signature(right: Rule, wrong: Callable[..., Step]) -> Callable[..., Step]:
    wrong.__signature__ = __import__("inspect").signature(right.body)  # type: ignore[attr-defined]
    wrong.__annotations__ = dict(right.body.__annotations__)
    return wrong


def loses_refund(step: Step) -> Step:
    messages = step.state.messages
    last = messages.entries[-1]
    cheaper = evolve(last[1], refunded_cycles=0)
    return evolve(step, state=evolve(step.state, messages=messages.replace(last[0], cheaper)))


def forgets_message(step: Step) -> Step:
    messages = step.state.messages
    return evolve(step, state=evolve(step.state, messages=messages.remove(messages.entries[-1][0])))


def doubles_message(step: Step) -> Step:
    messages = step.state.messages
    return evolve(step, state=evolve(step.state, messages=messages.append(messages.entries[-1][1])))


def burns_nothing(step: Step) -> Step:
    return evolve(step, burned=())


def keeps_contexts_waiting(step: Step) -> Step:
    contexts = step.state.call_contexts.change_where(
        lambda _, context: context.deleted, lambda context: evolve(context, needs_to_respond=True)
    )
    return evolve(step, state=evolve(step.state, call_contexts=contexts))


def raises_balance(step: Step) -> Step:
    canisters = step.state.canisters.change_where(
        lambda _, __: True, lambda canister: evolve(canister, balance=canister.balance + 1)
    )
    return evolve(step, state=evolve(step.state, canisters=canisters))


def forgets_contexts(step: Step) -> Step:
    return evolve(step, state=evolve(step.state, call_contexts=type(step.state.call_contexts)()))


BUGS = {
    "a trapped call is refunded nothing": ("trapping-callee", "call_context_starvation", loses_refund),
    "an execution is charged but not burned": ("two-callers", "message_execution", burns_nothing),
    "an answered execution forgets its response": ("two-callers", "message_execution", forgets_message),
    "an execution sends its last message twice": ("two-callers", "message_execution", doubles_message),
    "uninstalling leaves contexts that wait": ("uninstall-while-awaiting", "uninstall_code", keeps_contexts_waiting),
    "uninstalling forgets the rejects": ("uninstall-while-awaiting", "uninstall_code", forgets_message),
    "invoking a callback raises balances": ("trap-after-await", "callback_invocation", raises_balance),
    "stopping forgets the answer": ("stop-while-awaiting", "stop_completion", forgets_message),
    "upgrading forgets all call contexts": ("upgrade-between", "upgrade_code", forgets_contexts),
    "creating a call context loses a message": ("two-callers", "call_context_creation", forgets_message),
}


@pytest.mark.parametrize("bug", list(BUGS))
def test_a_planted_bug_is_found(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world, rule, change = BUGS[bug]
    planted(rule, change)(monkeypatch)

    found = explore(WORLDS[world])

    assert found.violation is not None
    assert found.violation.schedule[-1].rule == rule or found.violation.what.startswith("the request")

"""
Transitions that cannot be taken: what an implementation that is told which ones to take has to leave.

Of every rule labels are made with the messages, call contexts, requests and canisters that there are, and with some
that there are not. Those that the specification does not enable are impossible.
"""

from collections.abc import Iterable, Iterator
from itertools import chain, product
from typing import Any

from spec.machine import OUTSIDE, canonical_label, defaults_of, free_variables, step, values_of
from spec.state.label import Label
from spec.state.state import State
from spec.transition import RULES, NotEnabled, Rule
from spec.values.identifiers import MANAGEMENT_CANISTER, CallContextId, MessageId, Principal, RequestId, SnapshotId
from spec.values.quantities import Count
from spec.values.rejects import RejectCode

NOBODY = Principal(b"\x00\x00\x00\x00\x00\x00\x77\x77\x01\x01")
"""No canister has this id."""

PARTS = 10
"""In how many turns all rules have theirs."""

EXECUTIONS: dict[str, Iterable[Any]] = {
    "refused_calls": ((5,),),
    "refused_growths": ((5,),),
    "trapping_growths": ((5,),),
    "deadlines_in_seconds": (True,),
    "system_records": ((b"", b"told without cause"),),
    "keeps_logs": (False,),
}
"""What a label may choose about an execution that chooses nothing."""


def impossible_labels(state: State, turn: Count) -> Iterator[Label]:
    """Labels that cannot be taken in a state, each once: of a part of the rules, which goes by the turn."""
    seen: set[Label] = set()
    rules = [rule for name, rule in RULES.items() if name not in OUTSIDE]
    for rule in rules[turn % PARTS :: PARTS]:
        for label in _labels(state, rule):
            if label not in seen and isinstance(step(state, label), NotEnabled):
                yield label
            seen.add(label)


def _labels(state: State, rule: Rule) -> Iterator[Label]:
    """Every value of each variable, with every value of the first one."""
    variables = free_variables(rule.body)
    defaults = defaults_of(rule.body)
    values = {name: list(_values(state, rule, name, kind)) for name, kind in variables.items()}
    first, *others = variables
    if not all(values.values()):
        return
    usual = {name: defaults.get(name, values[name][0]) for name in variables}
    pairs = ({first: one, name: other} for name in others for one, other in product(values[first], values[name]))
    for chosen in chain(({first: one} for one in values[first]), pairs):
        label = Label(rule.name, usual | chosen)
        yield canonical_label(label) if defaults else label


def _values(state: State, rule: Rule, name: str, kind: Any) -> Iterable[Any]:
    """What a variable could be: what there is of its kind, and what there is not."""
    if name in EXECUTIONS:
        return EXECUTIONS[name]
    if kind is MessageId:
        return [*state.messages.ids(), max(state.messages.ids(), default=0) + 77]
    if kind is RequestId:
        return [*state.requests.keys(), bytes(32)]
    if kind is CallContextId:
        contexts = list(state.call_contexts.keys())
        return [max(contexts, default=0) + 77, *contexts]
    if kind is RejectCode:
        return list(RejectCode)
    if kind is SnapshotId:
        taken = [one for _, canister in state.canisters.items() for one, _ in canister.snapshots.items()]
        return [*values_of(state, rule, name, kind), *taken]
    if kind is Principal:
        return [*state.canisters.keys(), NOBODY, MANAGEMENT_CANISTER, state.subnet.subnet_id]
    canisters = [canister for _, canister in state.canisters.items()]
    match name:
        case "index":
            return [0, 1]
        case "balance":
            return _around(amount for each in canisters for amount in (each.balance, each.reserved_balance))
        case "version" | "orchestrator_version":
            return _around(each.version for each in canisters)
        case "kept":
            return _around(len(kept) for each in canisters for kept in (each.history.recent_changes, each.logs))
        case "time":
            return _around([state.system_time, *(each.time for each in canisters)])
    return values_of(state, rule, name, kind)


def _around(numbers: Iterable[int]) -> list[int]:
    """The numbers, their neighbours, and zero."""
    return sorted({0, *(near for number in numbers for near in (number - 1, number, number + 1) if near >= 0)})

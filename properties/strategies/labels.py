"""Labels that may be taken or not: every variable has a value that somebody could choose."""

from typing import Any

from hypothesis import strategies as st

from spec.machine import OUTSIDE, free_variables, values_of
from spec.state.label import Label
from spec.state.state import State
from spec.transition import RULES
from spec.values.containers import List
from spec.values.identifiers import ANONYMOUS, CallContextId, MessageId, Principal, RequestId, SnapshotId, SubnetId
from spec.values.rejects import RejectCode

RULES_OF_THE_SYSTEM = [name for name in RULES if name not in OUTSIDE]
NUMBERS = (0, 1, 2, 19, 20, 21, 10**9, 10**15)
NOBODY = Principal(b"\x09\x09")


@st.composite
def labels(draw: st.DrawFn, state: State) -> Label:
    """A label of any rule but those of users."""
    name = draw(st.sampled_from(RULES_OF_THE_SYSTEM))
    rule = RULES[name]
    choices = {}
    for variable, kind in free_variables(rule.body).items():
        known = list(listed(state, name, variable, kind))
        others = unlisted(state, variable, kind)
        choices[variable] = draw(st.sampled_from([*known, *known, *others] or [None]))
    return Label(name, choices)


def listed(state: State, rule_name: str, variable: str, kind: Any) -> list[Any]:
    """The values that `enabled` tries."""
    if variable == "index":
        return [0]
    return list(values_of(state, RULES[rule_name], variable, kind))


def unlisted(state: State, variable: str, kind: Any) -> list[Any]:
    """Values that exist for something else, or for nothing."""
    if kind is MessageId:
        return [*state.messages.ids(), state.messages.next_id]
    if kind is RequestId:
        return [RequestId(bytes(32))]
    if kind is CallContextId:
        return [*state.call_contexts.keys(), max(state.call_contexts.keys(), default=0) + 7]
    if kind is RejectCode:
        return list(RejectCode)
    if kind is SnapshotId:
        return [*state.used_snapshot_ids.items, SnapshotId(b"own choice")]
    match variable:
        case "canister_id" | "new_canister_id" | "orchestrator" | "caller":
            return [*state.canisters.keys(), NOBODY, *state.deleted_canisters.items[:2]]
        case "index" | "balance" | "version" | "kept" | "orchestrator_version":
            return list(NUMBERS)
        case "time":
            return [0, state.system_time, state.system_time + 1, state.system_time + 10**12]
        case "admins":
            return [List(), List.of(ANONYMOUS), List.of(NOBODY)]
        case "subnet_id":
            return [SubnetId(b"nowhere"), *(canister.subnet.subnet_id for _, canister in state.canisters.items())]
    return []

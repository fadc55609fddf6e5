"""
States up to the names of things that nobody can see.

Ids of messages and call contexts, and the order of messages that no rule looks at, depend on the order in which
unrelated things happened. Two states with equal canonical forms differ in nothing else, so the judge follows only one
of them.
"""

from collections import Counter
from collections.abc import Hashable
from typing import Any

from attrs import evolve

from spec.state.call_context import CallContext
from spec.state.canister import Canister, Stopping
from spec.state.message import CallMessage, FuncMessage, Message, Unordered
from spec.state.origin import CallOrigin, Expired, FromCanister, FromUser
from spec.state.state import State
from spec.values.checklist import defines
from spec.values.identifiers import CallContextId

Names = dict[CallContextId, Any]
"""For each call context a name that does not depend on when it was created."""


def _name(state: State, context_id: CallContextId, names: Names) -> Any:
    if context_id in names:
        return names[context_id]
    if context_id not in state.call_contexts:
        return ("gone", context_id)
    context = state.call_contexts[context_id]
    origin = context.origin
    name: Any
    match origin:
        case FromUser(request_id):
            name = ("request", request_id)
        case FromCanister(deadline=Expired()):
            # Nobody waits for the response any more, and the id of the calling context may be another one's by now.
            name = ("expired call", context.canister, origin.callback)
        case FromCanister():
            name = ("call", _name(state, origin.calling_context, names), context.canister, origin.callback)
        case _:
            name = ("task", context.canister)
    names[context_id] = name
    return name


def _names(state: State) -> Names:
    """Distinct names: contexts that would get the same one are numbered in the order of their ids."""
    names: Names = {}
    taken: Counter[Any] = Counter()
    for context_id, _ in state.call_contexts.items():
        name = _name(state, context_id, names)
        if taken[name]:
            names[context_id] = (name, taken[name])
        taken[name] += 1
    return names


def _renamed_origin(origin: CallOrigin, names: Names) -> CallOrigin:
    match origin:
        case FromCanister(deadline=Expired()):
            return evolve(origin, calling_context=CallContextId(-1))
        case FromCanister(calling_context=context_id):
            return evolve(origin, calling_context=names.get(context_id, ("gone", context_id)))
        case _:
            return origin


def _renamed_message(message: Message, names: Names) -> Hashable:
    if isinstance(message, FuncMessage):
        return evolve(message, call_context=names[message.call_context])
    return evolve(message, origin=_renamed_origin(message.origin, names))


def _renamed_canister(canister: Canister, names: Names) -> Hashable:
    if not isinstance(canister.status, Stopping):
        return canister
    calls = canister.status.stop_calls.map(lambda call: evolve(call, origin=_renamed_origin(call.origin, names)))
    return evolve(canister, status=Stopping(calls))


def _renamed_context(context: CallContext, names: Names) -> Hashable:
    return evolve(context, origin=_renamed_origin(context.origin, names))


@defines("unspec.fn.abstract-ids", "unspec.order.sets")
def canonical_form(state: State) -> Hashable:
    """Equal for two states if they differ in hidden ids and irrelevant order only."""
    names = _names(state)
    unordered: Counter[Hashable] = Counter()
    ordered: dict[Hashable, list[Hashable]] = {}
    for message in state.messages:
        renamed = _renamed_message(message, names)
        if isinstance(message, CallMessage | FuncMessage) and not isinstance(message.queue, Unordered):
            ordered.setdefault(message.queue, []).append(renamed)
        else:
            unordered[renamed] += 1
    return (
        state.system_time,
        state.requests,
        frozenset((key, _renamed_canister(canister, names)) for key, canister in state.canisters.items()),
        frozenset((names[key], _renamed_context(context, names)) for key, context in state.call_contexts.items()),
        frozenset(unordered.items()),
        frozenset((queue, tuple(messages)) for queue, messages in ordered.items()),
        state.subnet_admins,
        frozenset(state.deleted_canisters),
        frozenset(state.used_snapshot_ids),
    )

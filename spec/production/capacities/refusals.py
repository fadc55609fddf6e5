"""
The calls and growths of memories of an execution that production refuses, because there is no room for them.

Which calls and growths an execution tries may depend on those that failed before. So they are found one after the
other, in the order in which they are tried, and the execution is looked at anew after each.
"""

from collections import Counter
from collections.abc import Callable, Mapping

from attrs import frozen

from spec.canister.outcome import Growth, MethodCall, Outcome, Returned, Trapped
from spec.fees import larger
from spec.production.capacities.room import Room, room_of
from spec.production.capacities.usage import memory_for_call, open_origins
from spec.profile import Profile
from spec.rules.messages.budgets import is_response
from spec.rules.resources import memory_usage
from spec.state.message import FuncMessage
from spec.state.state import State
from spec.values.identifiers import CanisterId
from spec.values.quantities import ByteCount, Count

Numbers = tuple[Count, ...]

Run = Callable[[Numbers, Numbers], Outcome]
"""What an execution gives if these calls and these growths are refused."""


@frozen
class Before:
    """What an execution finds."""

    profile: Profile
    room: Room
    open_calls: Mapping[CanisterId, Count]
    """How many calls of its canister are open, by callee."""
    allocation: ByteCount
    """What its canister has allocated."""
    usage: ByteCount
    """What its canister uses."""
    is_callback: bool


def open_calls(state: State, canister_id: CanisterId) -> Mapping[CanisterId, Count]:
    """How many calls a canister has made whose responses it has not begun to handle, by callee."""
    return Counter(origin.callee for origin in open_origins(state) if origin.maker == canister_id)


def found_by(state: State, message: FuncMessage, room: Room | None = None) -> Before:
    """What the execution of a message finds; what is left on its core, or else what the state leaves for one."""
    canister = state.canisters[message.receiver]
    return Before(
        profile=state.profile,
        room=room_of(state) if room is None else room,
        open_calls=open_calls(state, message.receiver),
        allocation=canister.settings.memory_allocation,
        usage=memory_usage(state.profile, canister),
        is_callback=is_response(message.entry_point),
    )


def refusals(before: Before, run: Run) -> tuple[Numbers, Numbers]:
    """The numbers of the calls and of the growths that are refused."""
    calls: Numbers = ()
    growths: Numbers = ()
    while True:
        outcome = run(calls, growths)
        call = call_without_room(before, calls_of(outcome))
        growth = growth_without_room(before, outcome)
        if growth is not None and (call is None or outcome.tried_growths[growth].calls_before <= call):
            growths += (growth,)
        elif call is not None:
            calls += (call,)
        else:
            return calls, growths


def calls_refused(before: Before, run: Callable[[Numbers], Outcome]) -> Numbers:
    """The numbers of the calls that are refused, whatever becomes of growths."""
    calls: Numbers = ()
    while (number := call_without_room(before, calls_of(run(calls)))) is not None:
        calls += (number,)
    return calls


def growths_refused(before: Before, run: Callable[[Numbers], Outcome]) -> Numbers:
    """The numbers of the growths that are refused, whatever becomes of calls."""
    growths: Numbers = ()
    while (number := growth_without_room(before, run(growths))) is not None:
        growths += (number,)
    return growths


def calls_of(outcome: Outcome) -> tuple[MethodCall, ...]:
    """The calls that an execution made, also where they are undone because it failed; a cleanup closure makes none."""
    match outcome:
        case Trapped():
            return outcome.made_calls
        case Returned(cleaned_up_after=Trapped() as trapped):
            return trapped.made_calls
        case Returned():
            return tuple(outcome.new_calls)


def call_without_room(before: Before, made: tuple[MethodCall, ...]) -> Count | None:
    """
    The number of the first call for which there is no slot of the callee, no callback or no message memory.

    A canister with few open calls may make more of them even if the subnet has none left.
    """
    capacities, limits = before.profile.capacities, before.profile.limits
    to_callee = Counter(before.open_calls)
    own, callbacks, memory = sum(before.open_calls.values()), before.room.callbacks, before.room.guaranteed_messages
    for call in made:
        needed = memory_for_call(limits, call) if call.timeout is None else 0
        has_callback = callbacks > 0 or own < capacities.callbacks_of_canister
        if to_callee[call.callee] >= limits.open_calls or not has_callback or needed > max(memory, 0):
            return call.number
        to_callee[call.callee] += 1
        own, callbacks, memory = own + 1, callbacks - 1, memory - needed
    return None


def growth_without_room(before: Before, outcome: Outcome) -> Count | None:
    """The number of the first growth for which the subnet has no memory left."""
    undone = outcome.cleaned_up_after.growths if isinstance(outcome, Returned) and outcome.cleaned_up_after else 0
    first = first_beyond(before, outcome.tried_growths[:undone])
    if first is not None:
        return first
    following = first_beyond(before, outcome.tried_growths[undone:])
    return None if following is None else undone + following


def first_beyond(before: Before, growths: tuple[Growth, ...]) -> Count | None:
    """The number of the first of some growths for which there is no memory left; what is allocated is there."""
    has = larger(before.allocation, before.usage)
    grown = 0
    for number, growth in enumerate(growths):
        grown += growth.granted
        taken = larger(before.allocation, before.usage + grown) - has
        if growth.granted and taken > max(before.room.memory_of(before.is_callback), 0):
            return number
    return None

"""Whether what the engine keeps of canisters, requests and the memory for messages is what it would find out anew."""

from typing import Final
from weakref import WeakKeyDictionary

from attrs import fields

from properties.agreement.difference import difference
from reference_impl.durability.contents import Contents
from reference_impl.environments.kept_environment import CallPrices, KeptEnvironment
from reference_impl.messages.pending_function import method_start
from reference_impl.reads.state_tree import overlooked
from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.capacities import Capacities
from reference_impl.subnet.message_memory import guaranteed_room, is_guaranteed, response_room
from reference_impl.subnet.subnet_instance import SubnetInstance
from reference_impl.wasm.system_api.costs import call_prices, freezing_limit
from spec.canister.environment import Environment
from spec.values.identifiers import Text
from spec.values.quantities import ByteCount, Cycles

_followed: Final[WeakKeyDictionary[SubnetInstance, Contents]] = WeakKeyDictionary()
"""By instance, what a directory would keep of it."""


def stale(instance: SubnetInstance) -> Text | None:
    """The first difference between what is kept and what would be found out now; None if there is none."""
    changed = overlooked(instance)
    if changed is not None:
        return f"the state tree has something old of {changed.hex()}"
    contents = _followed.setdefault(instance, Contents())
    contents.changes_of_parts(instance)
    changed = contents.overlooked(instance)
    if changed is not None:
        return f"a checkpoint would have something old of {changed.hex()}"
    differences = (_difference(instance, canister) for canister in instance.canisters.values())
    return _difference_of_messages(instance) or next((found for found in differences if found is not None), None)


def _difference_of_messages(instance: SubnetInstance) -> Text | None:
    limits, capacities = instance.profile.limits, Capacities(instance)
    waiting = sum(guaranteed_room(limits, message) for _, message in instance.messages.in_order())
    begun = sum(map(is_guaranteed, capacities.origins_in_progress()))
    in_use = waiting + 2 * response_room(limits) * begun
    return difference(capacities.message_memory_in_use, in_use, "kept of messages: memory of calls without bound")


def _difference(instance: SubnetInstance, canister: CanisterRecord) -> Text | None:
    kept = canister.standing
    if kept is None:
        return None
    seen_before = {replicated: instance.environment(canister, 0, replicated=replicated) for replicated in (True, False)}
    canister.standing = None
    now = instance.standing(canister)
    prices = {limit: instance.price_of_execution(canister, limit) for limit in kept.prices}
    methods = {name: method_start(instance, canister, name) for name in kept.methods}
    limits = _limits(seen_before[True])
    seen_now = {replicated: instance.environment(canister, 0, replicated=replicated) for replicated in (True, False)}
    place = f"kept of canister {canister.canister_id.hex()}"
    canister.standing = kept
    return (
        difference(kept.memory_usage, now.memory_usage, f"{place}: memory usage")
        or difference(kept.freezing_limit, now.freezing_limit, f"{place}: freezing limit")
        or difference(kept.ledger.base(10**6), now.ledger.base(10**6), f"{place}: prices")
        or difference(kept.prices, prices, f"{place}: prices of executions")
        or difference(kept.methods, methods, f"{place}: how methods start")
        or difference(kept.largest_easy_heap, now.largest_easy_heap, f"{place}: largest easy heap")
        or difference(seen_before[True].prices, _prices(seen_before[True]), f"{place}: prices of calls")
        or difference(seen_before[True].freezing_limits, limits, f"{place}: freezing limits of executions")
        or difference(_told(seen_before[True]), _told(seen_now[True]), f"{place}: replicated environment")
        or difference(_told(seen_before[False]), _told(seen_now[False]), f"{place}: environment of queries")
    )


def _prices(seen: KeptEnvironment) -> dict[bool, CallPrices]:
    """What calls take as an environment is now."""
    plain = _plain(seen)
    return {is_64_bit: call_prices(is_64_bit, plain) for is_64_bit in seen.prices}


def _limits(seen: KeptEnvironment) -> dict[tuple[ByteCount, ByteCount], Cycles]:
    """Freezing limits as an environment is now."""
    plain = _plain(seen)
    return {(state, messages): freezing_limit(state, messages, plain) for state, messages in seen.freezing_limits}


def _plain(seen: KeptEnvironment) -> Environment:
    """The same without anything that is kept."""
    return Environment(**{attribute.name: getattr(seen, attribute.name) for attribute in fields(Environment)})


def _told(environment: KeptEnvironment) -> tuple[object, ...]:
    return tuple(getattr(environment, attribute.name) for attribute in fields(Environment))

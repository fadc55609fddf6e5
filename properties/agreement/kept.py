"""Whether what the engine keeps of canisters, requests and the memory for messages is what it would find out anew."""

from attrs import fields

from properties.agreement.difference import difference
from reference_impl.environments.kept_environment import KeptEnvironment
from reference_impl.reads.state_tree import overlooked
from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.capacities import Capacities
from reference_impl.subnet.message_memory import guaranteed_room, is_guaranteed, response_room
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.canister.environment import Environment
from spec.values.identifiers import Text


def stale(instance: SubnetInstance) -> Text | None:
    """The first difference between what is kept and what would be found out now; None if there is none."""
    changed = overlooked(instance)
    if changed is not None:
        return f"the state tree has something old of {changed.hex()}"
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
    seen_now = {replicated: instance.environment(canister, 0, replicated=replicated) for replicated in (True, False)}
    place = f"kept of canister {canister.canister_id.hex()}"
    canister.standing = kept
    return (
        difference(kept.memory_usage, now.memory_usage, f"{place}: memory usage")
        or difference(kept.freezing_limit, now.freezing_limit, f"{place}: freezing limit")
        or difference(kept.ledger.base(10**6), now.ledger.base(10**6), f"{place}: prices")
        or difference(kept.prices, prices, f"{place}: prices of executions")
        or difference(_told(seen_before[True]), _told(seen_now[True]), f"{place}: replicated environment")
        or difference(_told(seen_before[False]), _told(seen_now[False]), f"{place}: environment of queries")
    )


def _told(environment: KeptEnvironment) -> tuple[object, ...]:
    return tuple(getattr(environment, attribute.name) for attribute in fields(Environment))

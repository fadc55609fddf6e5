"""What the system may do to canisters at any time: let time pass, charge them, count on, trim, change admins."""

from attrs import evolve

from reference_impl.management.uninstallation import forget_code, reject_open_calls
from reference_impl.subnet.observations import NotTaken, Purpose
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.values.containers import List
from spec.values.identifiers import CanisterId, Principal, SubnetId
from spec.values.quantities import CanisterVersion, Count, Cycles, Nanoseconds

CHANGES_KEPT: Count = 20
"""So many of the newest changes stay in any case. Source: abstract-behavior, trimming canister history."""

NO_SUCH_CANISTER = NotTaken("there is no such canister")


def canister_time_progress(instance: SubnetInstance, canister_id: CanisterId, time: Nanoseconds) -> NotTaken | None:
    """A canister's clock moves on."""
    canister = instance.canisters.get(canister_id)
    if canister is None or time <= canister.time:
        return NotTaken("there is no such canister, or time does not progress")
    instance.set_time(canister, time)
    return None


def system_time_progress(instance: SubnetInstance, time: Nanoseconds) -> NotTaken | None:
    """The system's clock moves on."""
    if time <= instance.system_time:
        return NotTaken("time does not progress")
    instance.system_time = time
    return None


def payment_from_reserved_balance(
    instance: SubnetInstance, canister_id: CanisterId, balance: Cycles
) -> NotTaken | None:
    """A canister pays for resources with cycles that it has reserved; so much of them is left."""
    canister = instance.canisters.get(canister_id)
    if canister is None or not 0 <= balance < canister.reserved_balance:
        return NotTaken("there is no such canister, or nothing is paid")
    instance.burn(canister, canister.reserved_balance - balance, Purpose.RESOURCES)
    canister.reserved_balance = balance
    return None


def payment_from_main_balance(instance: SubnetInstance, canister_id: CanisterId, balance: Cycles) -> NotTaken | None:
    """A canister that has nothing reserved pays for resources; so much of its balance is left."""
    canister = instance.canisters.get(canister_id)
    if canister is None or canister.reserved_balance or not 0 <= balance < canister.balance:
        return NotTaken("there is no such canister, or it pays otherwise")
    instance.burn(canister, canister.balance - balance, Purpose.RESOURCES)
    canister.balance = balance
    return None


def canister_out_of_cycles(instance: SubnetInstance, canister_id: CanisterId) -> NotTaken | None:
    """A canister without any cycles loses its code, its snapshots, its allocations and the list of its changes."""
    canister = instance.canisters.get(canister_id)
    if canister is None or canister.balance or canister.reserved_balance:
        return NotTaken("there is no such canister, or it has cycles")
    canister.version += 1
    forget_code(instance, canister)
    canister.snapshots.clear()
    canister.history.trim(0)
    canister.settings = evolve(canister.settings, compute_allocation=0, memory_allocation=0)
    instance.recount_memory(canister)
    reject_open_calls(instance, canister)
    return None


def canister_version_increment(
    instance: SubnetInstance, canister_id: CanisterId, version: CanisterVersion
) -> NotTaken | None:
    """The version of a canister grows without any other reason."""
    canister = instance.canisters.get(canister_id)
    if canister is None or version <= canister.version:
        return NotTaken("there is no such canister, or its version does not grow")
    canister.version = version
    instance.to_keep[canister_id] = None
    return None


def canister_history_trimming(instance: SubnetInstance, canister_id: CanisterId, kept: Count) -> NotTaken | None:
    """Older changes of a canister are forgotten; at least 20 are kept."""
    canister = instance.canisters.get(canister_id)
    if canister is None:
        return NO_SUCH_CANISTER
    if not CHANGES_KEPT <= kept < len(canister.history.changes):
        return NotTaken("so few changes cannot be left")
    canister.history.trim(kept)
    instance.recount_memory(canister)
    return None


def canister_log_trimming(instance: SubnetInstance, canister_id: CanisterId, kept: Count) -> NotTaken | None:
    """Older entries of a log that is too long are forgotten."""
    canister = instance.canisters.get(canister_id)
    if canister is None:
        return NO_SUCH_CANISTER
    if not canister.has_long_log or not 0 <= kept < len(canister.logs):
        return NotTaken("the log is not too long, or nothing is forgotten")
    canister.keep_logs(kept)
    instance.to_keep[canister_id] = None
    return None


def subnet_admins_change(instance: SubnetInstance, subnet_id: SubnetId, admins: List[Principal]) -> NotTaken | None:
    """A subnet gets other admins, or none."""
    if instance.subnet_admins.get(subnet_id, List[Principal]()) == admins:
        return NotTaken("these are the admins already")
    if admins.is_empty():
        del instance.subnet_admins[subnet_id]
    else:
        instance.subnet_admins[subnet_id] = admins
    return None

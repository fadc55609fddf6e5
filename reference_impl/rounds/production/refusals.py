"""
Management calls that find no capacity, or come too soon after others: the system rejects them.

Sources: rs/execution_environment/src/canister_manager.rs (what is compared), rs/types/error_types/src/lib.rs (codes).
"""

from attrs import frozen

from reference_impl.rounds.production.blocks import Capacity
from reference_impl.rounds.production.conductor import Conductor
from reference_impl.rounds.production.usage import custom_sections_in_use, spare_memory
from spec.state.message import CallMessage, Unordered
from spec.values.identifiers import MANAGEMENT_CANISTER, CanisterId, MethodName
from spec.values.quantities import ByteCount, Count, Percent
from spec.values.rejects import RejectCode


@frozen
class Refused:
    """Why a call is refused, and how its caller is told."""

    capacity: Capacity
    code: RejectCode


@frozen
class Counts:
    """What management calls may take more of, beside memory."""

    canisters: Count
    compute: Percent
    custom_sections: ByteCount


def refused_before(conductor: Conductor, method: MethodName, about: CanisterId | None) -> Refused | None:
    """A call that is refused whatever it would do, if nothing else is wrong with it."""
    instance = conductor.instance
    if method == "http_request":
        if outcalls(conductor) >= instance.profile.capacities.outcalls:
            return Refused(Capacity.OUTCALLS, RejectCode.CANISTER_REJECT)  # CanisterRejectedMessage, 406
        return None
    book = None if about is None else conductor.books.get(about)
    if book is None:
        return None
    if method in ("install_code", "install_chunked_code") and book.installed > 0:
        return Refused(Capacity.INSTALLATION_RATE, RejectCode.SYS_TRANSIENT)  # CanisterInstallCodeRateLimited, 209
    if method in CHANGING and book.heap_delta >= instance.profile.rounds.heap_delta_of_canister:
        return Refused(Capacity.HEAP_DELTA_RATE, RejectCode.SYS_TRANSIENT)  # CanisterHeapDeltaRateLimited, 210
    return None


CHANGING = frozenset(
    (
        "upload_chunk",
        "take_canister_snapshot",
        "load_canister_snapshot",
        "upload_canister_snapshot_metadata",
        "upload_canister_snapshot_data",
    )
)
"""The methods that may come too soon after changes of memory."""


def outcalls(conductor: Conductor) -> Count:
    """How many HTTP requests the outside world has."""
    return sum(
        isinstance(message, CallMessage)
        and message.callee == MANAGEMENT_CANISTER
        and message.method_name == "http_request"
        and isinstance(message.queue, Unordered)
        for _, message in conductor.instance.messages.in_order()
    )


def counts(conductor: Conductor) -> Counts:
    """What is taken now."""
    instance = conductor.instance
    own = instance.subnet.subnet_id
    settings = [one.settings for one in instance.canisters.values() if one.subnet.subnet_id == own]
    compute = sum(each.compute_allocation for each in settings)
    return Counts(len(settings), compute, custom_sections_in_use(instance))


def refused_after(conductor: Conductor, memory_before: ByteCount, before: Counts) -> Refused | None:
    """A call that was tried, and took more of something than there is. What is taken already may stay."""
    instance = conductor.instance
    capacities, cores, now = instance.profile.capacities, instance.profile.rounds.threads, counts(conductor)
    grown = instance.memory_in_use[instance.subnet.subnet_id] - memory_before
    if now.canisters > max(capacities.canisters, before.canisters):
        return Refused(Capacity.CANISTERS, RejectCode.SYS_FATAL)  # MaxNumberOfCanistersReached, 102
    if now.compute > max(capacities.compute, before.compute):
        return Refused(Capacity.COMPUTE, RejectCode.SYS_FATAL)  # SubnetOversubscribed, 101, as the next two
    if grown > max((spare_memory(instance) + grown) // cores, 0):
        return Refused(Capacity.MEMORY_FOR_MANAGEMENT, RejectCode.SYS_FATAL)
    left = (capacities.custom_sections_memory - before.custom_sections) // cores
    if now.custom_sections - before.custom_sections > max(left, 0):
        return Refused(Capacity.CUSTOM_SECTIONS, RejectCode.SYS_FATAL)
    return None

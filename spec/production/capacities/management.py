"""
The management calls that production rejects because a capacity of the subnet is exhausted, or because they come too
soon after others. The rules let the system reject any of them.

Sources in dfinity/ic: `rs/execution_environment/src/canister_manager.rs` (what is compared when memory or compute is
validated, and rate limits), `rs/types/error_types/src/lib.rs` (errors).
"""

from typing import Final

from attrs import frozen

from spec.production.capacities.room import Room
from spec.production.capacities.usage import canisters_of, compute_taken, custom_sections_taken, memory_taken
from spec.production.errors import REJECTED_MESSAGE, ProductionError
from spec.profile import Capacities, Rounds
from spec.state.message import CallMessage, Unordered
from spec.state.state import State
from spec.values.identifiers import MANAGEMENT_CANISTER, MethodName
from spec.values.quantities import ByteCount, Count, Instructions

NO_MEMORY: Final = ProductionError(
    "SubnetOversubscribed",
    101,
    "Canister requested {requested} of memory but only {available} are available in the subnet.",
)
NO_CUSTOM_SECTION_MEMORY: Final = ProductionError(
    "SubnetOversubscribed",
    101,
    "Canister requested {requested} of Wasm custom sections memory but only {available} are available in the subnet.",
)
NO_COMPUTE: Final = ProductionError(
    "SubnetOversubscribed",
    101,
    "Canister requested a compute allocation of {requested}% which cannot be satisfied because the Subnet's remaining"
    " compute capacity is {available}%.",
)
TOO_MANY_CANISTERS: Final = ProductionError("MaxNumberOfCanistersReached", 102)
INSTALLED_TOO_SOON: Final = ProductionError(
    "CanisterInstallCodeRateLimited",
    209,
    "Canister {canister_id} is rate limited because it executed too many instructions in the previous install_code"
    " messages. Please retry installation after several minutes.",
)
CHANGED_TOO_MUCH: Final = ProductionError("CanisterHeapDeltaRateLimited", 210)
TOO_MANY_OUTCALLS: Final = REJECTED_MESSAGE

INSTALLING: Final = frozenset(("install_code", "install_chunked_code"))
CHANGING_MEMORY: Final = frozenset(
    (
        "upload_chunk",
        "take_canister_snapshot",
        "load_canister_snapshot",
        "upload_canister_snapshot_metadata",
        "upload_canister_snapshot_data",
    )
)
"""The methods that wait for a canister to have changed less memory."""


@frozen
class Debits:
    """What a canister has used up in recent rounds."""

    heap_delta: ByteCount = 0
    installations: Instructions = 0


def error_for_soon(method_name: MethodName, debits: Debits, rounds: Rounds) -> ProductionError | None:
    """The error of a call that comes too soon after others about the same canister; None if it does not."""
    if method_name in INSTALLING and debits.installations > 0:
        return INSTALLED_TOO_SOON
    if method_name in CHANGING_MEMORY and debits.heap_delta >= rounds.heap_delta_of_canister:
        return CHANGED_TOO_MUCH
    return None


def error_for_lack(before: State, after: State, room: Room) -> ProductionError | None:
    """The error of a call that would lead from one state to another, if there is no room for that."""
    capacities = before.profile.capacities
    if len(canisters_of(after)) > max(capacities.canisters, len(canisters_of(before))):
        return TOO_MANY_CANISTERS
    if compute_taken(after) > max(capacities.compute, compute_taken(before)):
        return NO_COMPUTE
    if memory_taken(after) - memory_taken(before) > max(room.memory, 0):
        return NO_MEMORY
    if custom_sections_taken(after) - custom_sections_taken(before) > max(room.custom_sections, 0):
        return NO_CUSTOM_SECTION_MEMORY
    return None


def outcalls_under_way(state: State) -> Count:
    """How many HTTPS outcalls of the subnet's canisters and users the outside world has."""
    others = {one for one, canister in state.canisters.items() if canister.subnet.subnet_id != state.subnet.subnet_id}
    return sum(
        isinstance(message, CallMessage)
        and message.callee == MANAGEMENT_CANISTER
        and message.method_name == "http_request"
        and isinstance(message.queue, Unordered)
        and message.caller.principal not in others
        for message in state.messages
    )


def error_for_outcall(state: State, capacities: Capacities) -> ProductionError | None:
    """The error of another HTTPS outcall, if there are too many."""
    return TOO_MANY_OUTCALLS if outcalls_under_way(state) >= capacities.outcalls else None

"""What the management canister makes of a call: a transition that applies, or a reject."""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen

from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.canister.outcome import LogEntry
from spec.state.history import ChangeFromCanister, ChangeFromUser, ChangeOrigin
from spec.state.message import CallMessage, ResponseMessage
from spec.state.origin import FromUser
from spec.values.identifiers import Blob, CanisterId, Principal, Text
from spec.values.management import EMPTY_RESULT
from spec.values.quantities import CanisterVersion, Cycles
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply, system_reject


@frozen
class ManagementCall:
    """A call that the management canister is about to handle."""

    message_id: int
    message: CallMessage
    choices: Mapping[Text, Any] = field(factory=dict)
    """The free variables that were chosen, besides the message; the engine chooses those that are missing."""

    @property
    def caller(self) -> Principal:
        """Who made the call."""
        return self.message.caller.principal


@frozen
class Applies:
    """A transition fits the call."""

    rule: Text
    apply: Callable[[], None]
    """Takes the transition."""
    choices: tuple[tuple[Text, object], ...] = ()
    """Its free variables besides the message."""


@frozen
class DoesNotFit:
    """The free variables that were chosen do not fit the call."""

    because: Text


@frozen
class HooksFailed:
    """An installation fails whose hooks ran; what they wrote to the log may be kept."""

    reject: Reject
    canister: CanisterRecord
    logs: tuple[LogEntry, ...]


@frozen
class WorldFailed:
    """The outside world, asked by the engine itself, gives no answer that fits."""

    code: RejectCode


@frozen
class Leaves:
    """The call leaves the subnet, and its answer comes later."""


Verdict = Applies | Reject | HooksFailed | DoesNotFit | WorldFailed | Leaves


PRODUCTION_CODES: Mapping[RejectReason, RejectCode] = {
    RejectReason.CANISTER_NOT_FOUND: RejectCode.DESTINATION_INVALID,  # CanisterNotFound, 301
    RejectReason.SNAPSHOT_NOT_FOUND: RejectCode.DESTINATION_INVALID,  # CanisterSnapshotNotFound, 305
    RejectReason.UNKNOWN_KEY: RejectCode.DESTINATION_INVALID,  # the call cannot be routed to a subnet with the key
    RejectReason.INSUFFICIENT_CYCLES_ATTACHED: RejectCode.CANISTER_REJECT,  # 403; 406 for services
    RejectReason.INVALID_ARGUMENT: RejectCode.CANISTER_REJECT,  # InvalidManagementPayload, 408
    RejectReason.OUT_OF_RANGE: RejectCode.CANISTER_REJECT,  # InvalidManagementPayload, 408
    RejectReason.SNAPSHOT_NOT_LOADABLE: RejectCode.CANISTER_REJECT,  # InvalidManagementPayload, 408
    RejectReason.SNAPSHOT_NOT_UPLOADED: RejectCode.CANISTER_REJECT,  # CanisterSnapshotImmutable, 409
    RejectReason.INVALID_OUTCALL: RejectCode.CANISTER_REJECT,  # CanisterRejectedMessage, 406
    RejectReason.METADATA_NOT_FOUND: RejectCode.CANISTER_REJECT,  # CanisterRejectedMessage, 406
    RejectReason.SNAPSHOT_LIMIT_EXCEEDED: RejectCode.CANISTER_REJECT,  # CanisterRejectedMessage, 406
}
"""
The codes of production for reasons whose error is none of the canister. Source: rs/types/error_types/src/lib.rs and
rs/execution_environment/src/canister_manager/types.rs.
"""


def rejection(reason: RejectReason, code: RejectCode | None = None, detail: Text = "") -> Reject:
    """A reject of the management canister, with production's code for the reason if no other is given."""
    usual = PRODUCTION_CODES.get(reason, RejectCode.CANISTER_ERROR)
    return system_reject(usual if code is None else code, reason, detail)


def finish(
    instance: SubnetInstance, call: ManagementCall, data: Blob = EMPTY_RESULT, refund: Cycles | None = None
) -> None:
    """Takes the call out and replies; all its cycles go back unless said otherwise."""
    instance.messages.remove(call.message_id)
    refunded = call.message.transferred_cycles if refund is None else refund
    instance.messages.append(ResponseMessage(call.message.origin, Reply(data), refunded))


def change_origin(call: ManagementCall, told_version: CanisterVersion | None) -> ChangeOrigin:
    """Who made a change, for the history."""
    if isinstance(call.message.origin, FromUser):
        return ChangeFromUser(call.caller)
    return ChangeFromCanister(call.caller, told_version)


def existing_canister(instance: SubnetInstance, canister_id: CanisterId) -> CanisterRecord | Reject:
    """The canister, if it exists."""
    canister = instance.canisters.get(canister_id)
    if canister is None:
        return rejection(RejectReason.CANISTER_NOT_FOUND)
    return canister


def controlled_canister(
    instance: SubnetInstance, call: ManagementCall, canister_id: CanisterId
) -> CanisterRecord | Reject:
    """The canister, if it exists and the caller is a controller."""
    canister = existing_canister(instance, canister_id)
    if isinstance(canister, Reject):
        return canister
    if not canister.is_controlled_by(call.caller):
        return rejection(RejectReason.NOT_AUTHORIZED)
    return canister


def administered_canister(
    instance: SubnetInstance, call: ManagementCall, canister_id: CanisterId
) -> CanisterRecord | Reject:
    """The canister, if it exists and the caller is a controller or a subnet admin."""
    canister = existing_canister(instance, canister_id)
    if isinstance(canister, Reject):
        return canister
    if not canister.is_controlled_by(call.caller) and not instance.administers(call.caller, canister):
        return rejection(RejectReason.NOT_AUTHORIZED)
    return canister

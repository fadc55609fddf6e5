"""
The errors of production: their names, numbers and texts, and the reasons that they stand for.

The first digit of a number is the reject code. A reason may be told by several errors, depending on the method; the
text of the interface specification knows neither, so no verdict depends on this table.

Sources in dfinity/ic: `rs/types/error_types/src/lib.rs` (names, numbers, reject codes),
`rs/execution_environment/src/canister_manager/types.rs` (which failure of the management canister gives which error,
and texts), `rs/execution_environment/src/canister_manager.rs` (`should_accept_ingress_message`, for submissions).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import frozen

from spec.transition import NotEnabled
from spec.values.identifiers import Text
from spec.values.rejects import Reject, RejectCode, RejectReason


@frozen
class ProductionError:
    """One error of production."""

    name: Text
    number: int
    """Users see it as `error_code`, written `IC0` and the number."""
    text: Text = ""
    """How the message reads, with what differs in braces; empty where it is not recorded."""

    @property
    def code(self) -> RejectCode:
        """The reject code of the error."""
        return RejectCode(self.number // 100)

    @property
    def shown(self) -> Text:
        """The error code as users see it."""
        return f"IC{self.number:04}"


INVALID_PAYLOAD: Final = ProductionError("InvalidManagementPayload", 408)
REJECTED_MESSAGE: Final = ProductionError("CanisterRejectedMessage", 406)
CONTRACT_VIOLATION: Final = ProductionError("CanisterContractViolation", 504)
OUT_OF_CYCLES: Final = ProductionError("CanisterOutOfCycles", 207)
NOT_FOUND: Final = ProductionError("CanisterNotFound", 301, "Canister {canister_id} not found.")
METHOD_NOT_FOUND: Final = ProductionError("CanisterMethodNotFound", 536)
INVALID_CONTROLLER_OR_ADMIN: Final = ProductionError("CanisterInvalidControllerOrSubnetAdmin", 541)
STATUS_ACCESS_DENIED: Final = ProductionError("CanisterStatusAccessDenied", 542)
CHUNK_STORE: Final = ProductionError("CanisterContractViolation", 504, "Error from Wasm chunk store: {message}.")

ERRORS: Final[Mapping[RejectReason, tuple[ProductionError, ...]]] = MappingProxyType(
    {
        RejectReason.EXPLICIT: (REJECTED_MESSAGE,),
        RejectReason.CANISTER_NOT_FOUND: (NOT_FOUND,),
        RejectReason.CANISTER_HAS_NO_CODE: (
            ProductionError("CanisterWasmModuleNotFound", 537),
            ProductionError(
                "CanisterRejectedMessage", 406, "Failed to create snapshot for empty canister {canister_id}:"
            ),
            ProductionError(
                "CanisterRejectedMessage",
                406,
                "The canister {canister_id} has no Wasm module and hence no metadata is available.",
            ),
        ),
        RejectReason.METHOD_NOT_FOUND: (METHOD_NOT_FOUND,),
        RejectReason.CANISTER_STOPPING: (ProductionError("CanisterStopping", 509),),
        RejectReason.CANISTER_STOPPED: (ProductionError("CanisterStopped", 508),),
        RejectReason.CANISTER_NOT_STOPPED: (
            ProductionError("CanisterNotStopped", 510, "Canister {canister_id} must be stopped before it is deleted."),
        ),
        RejectReason.CANISTER_RESTARTED: (ProductionError("CanisterStoppingCancelled", 511),),
        RejectReason.CANISTER_NOT_EMPTY: (
            ProductionError(
                "CanisterNonEmpty",
                514,
                "Canister {canister_id} cannot be installed because the canister is not empty."
                " Try installing with mode='reinstall' instead.",
            ),
        ),
        RejectReason.CANISTER_FROZEN: (OUT_OF_CYCLES,),
        RejectReason.CANISTER_OUT_OF_CYCLES: (
            ProductionError("CanisterOutOfCycles", 207, "Canister installation failed with `{error}`."),
            ProductionError("InsufficientCyclesInComputeAllocation", 530),
            ProductionError("InsufficientCyclesInMemoryAllocation", 531),
            ProductionError("InsufficientCyclesInMemoryGrow", 532),
        ),
        RejectReason.CODE_UNINSTALLED: (REJECTED_MESSAGE,),
        RejectReason.INSUFFICIENT_CYCLES_ATTACHED: (
            ProductionError(
                "InsufficientCyclesForCreateCanister",
                403,
                "Creating a canister requires a fee of {required} that is deducted from the canister's initial balance"
                " but only {sent} cycles were received with the create_canister request.",
            ),
            ProductionError(
                "CanisterRejectedMessage",
                406,
                "{method_name} request sent with {sent} cycles, but {required} cycles are required.",
            ),
            ProductionError("InsufficientCyclesInCall", 520),
        ),
        RejectReason.CANISTER_DID_NOT_RESPOND: (ProductionError("CanisterDidNotReply", 506),),
        RejectReason.CANISTER_TRAPPED: (
            ProductionError("CanisterTrapped", 502),
            ProductionError("CanisterCalledTrap", 503),
        ),
        RejectReason.INSTRUCTION_LIMIT_EXCEEDED: (ProductionError("CanisterInstructionLimitExceeded", 522),),
        RejectReason.SLICE_OVERRUN: (ProductionError("CanisterInstructionLimitExceeded", 522),),
        RejectReason.CALL_TIMED_OUT: (
            ProductionError("DeadlineExpired", 601),
            ProductionError("StopCanisterRequestTimeout", 206),
        ),
        RejectReason.REQUEST_EXPIRED: (ProductionError("IngressMessageTimeout", 202),),
        RejectReason.NOT_AUTHORIZED: (
            ProductionError(
                "CanisterInvalidController", 512, "Only the controllers of the canister {canister_id} can control it."
            ),
            INVALID_CONTROLLER_OR_ADMIN,
            STATUS_ACCESS_DENIED,
            ProductionError(
                "CanisterRejectedMessage",
                406,
                "Only a controller of the canister that snapshot {snapshot_id} belongs to can load it on canister"
                " {canister_id}.",
            ),
            ProductionError("CanisterRejectedMessage", 406, "Only canisters can call ic00 method {method_name}"),
            ProductionError("InvalidSubnetAdmin", 410),
            NOT_FOUND,
        ),
        RejectReason.INVALID_ARGUMENT: (INVALID_PAYLOAD, CONTRACT_VIOLATION),
        RejectReason.INVALID_SETTINGS: (
            ProductionError("CanisterContractViolation", 504, "Could not validate the settings: {message}"),
            ProductionError("ReservedCyclesLimitIsTooLow", 540),
            INVALID_PAYLOAD,
        ),
        RejectReason.INVALID_MODULE: (ProductionError("CanisterInvalidWasm", 505),),
        RejectReason.MANAGEMENT_METHOD_NOT_FOUND: (
            ProductionError("CanisterMethodNotFound", 536, "Management canister has no method '{method_name}'"),
        ),
        RejectReason.CANISTER_ID_TAKEN: (
            ProductionError("CanisterAlreadyInstalled", 538, "Canister {canister_id} is already installed."),
            ProductionError("CanisterNotHostedBySubnet", 405, "Unsuccessful validation of specified ID: {message}"),
            INVALID_PAYLOAD,
        ),
        RejectReason.PERSISTENCE_OPTION_NEEDED: (
            ProductionError("CanisterContractViolation", 504, "Missing upgrade option: {message}"),
            ProductionError("CanisterContractViolation", 504, "Invalid upgrade option: {message}"),
        ),
        RejectReason.MEMORY_LIMIT_EXCEEDED: (ProductionError("CanisterWasmMemoryLimitExceeded", 539),),
        RejectReason.RESERVATION_LIMIT_EXCEEDED: (
            ProductionError("ReservedCyclesLimitExceededInMemoryAllocation", 533),
            ProductionError("ReservedCyclesLimitExceededInMemoryGrow", 534),
        ),
        RejectReason.CHUNK_TOO_LARGE: (CHUNK_STORE,),
        RejectReason.CHUNK_STORE_FULL: (CHUNK_STORE,),
        RejectReason.CHUNK_NOT_FOUND: (CHUNK_STORE,),
        RejectReason.MODULE_HASH_MISMATCH: (CHUNK_STORE,),
        RejectReason.DIFFERENT_SUBNETS: (CONTRACT_VIOLATION,),
        RejectReason.SNAPSHOT_NOT_FOUND: (
            ProductionError(
                "CanisterSnapshotNotFound",
                305,
                "Could not find the snapshot ID {snapshot_id} for canister {canister_id}.",
            ),
            ProductionError(
                "CanisterRejectedMessage", 406, "The snapshot {snapshot_id} does not belong to canister {canister_id}."
            ),
        ),
        RejectReason.SNAPSHOT_LIMIT_EXCEEDED: (
            ProductionError(
                "CanisterRejectedMessage",
                406,
                "Canister {canister_id} has reached the maximum number of snapshots allowed: {limit}.",
            ),
        ),
        RejectReason.SNAPSHOT_NOT_LOADABLE: (INVALID_PAYLOAD,),
        RejectReason.SNAPSHOT_NOT_UPLOADED: (
            ProductionError(
                "CanisterSnapshotImmutable",
                409,
                "Only canister snapshots created by metadata upload can be mutated.",
            ),
        ),
        RejectReason.OUT_OF_RANGE: (
            ProductionError(
                "InvalidManagementPayload",
                408,
                "Invalid subslice into wasm module / main memory / stable memory: offset: {offset}, size: {size}",
            ),
        ),
        RejectReason.METADATA_NOT_FOUND: (
            ProductionError(
                "CanisterRejectedMessage",
                406,
                "The canister {canister_id} has no metadata section with the name {section_name}.",
            ),
        ),
        RejectReason.INVALID_OUTCALL: (REJECTED_MESSAGE,),
        RejectReason.QUERY_CALLS_TOO_DEEP: (ProductionError("QueryCallGraphTooDeep", 525),),
        RejectReason.OUTSIDE_WORLD_FAILED: (),
        RejectReason.UNKNOWN_KEY: (),
        RejectReason.SYSTEM_OVERLOADED: (
            ProductionError("IngressHistoryFull", 204),
            ProductionError("CanisterQueueFull", 201),
        ),
    }
)
"""
By reason, the usual error first.

Two reasons have no error with a number: a call that names an unknown key is rejected where it is routed, with
DESTINATION_INVALID, and failures of the outside world bring codes of their own.
"""


def error_of(reject: Reject) -> ProductionError | None:
    """The first error of production that stands for the reason and has the code of a reject; None if there is none."""
    return next((error for error in ERRORS[reject.reason] if error.code == reject.code), None)


OF_ADMINS: Final = frozenset(
    {
        "the caller is a controller or an admin of the subnet",
        "the user is a controller or an admin of the subnet",
        "the user is an admin of the subnet, or the status visibility admits the user",
    }
)
"""The conditions that fail with an error of their own on a subnet that has admins."""


def error_of_refusal(refusal: NotEnabled, has_admins: bool) -> ProductionError | None:
    """The error of production for the condition that a request or management call fails; None if there is none."""
    if refusal.condition == "the caller may see the status":
        return STATUS_ACCESS_DENIED
    if has_admins and refusal.condition in OF_ADMINS:
        return INVALID_CONTROLLER_OR_ADMIN
    return None if refusal.reject is None else error_of(refusal.reject)

"""
How rejects are told to clients: the names and numbers of production's errors, and codes by their names.

Clients know these names alone, so nothing else is told. Sources: `rs/types/error_types/src/lib.rs` in dfinity/ic, and
`packages/pocket-ic/src/lib.rs` there, `ErrorCode` and `RejectCode`.
"""

from collections.abc import Mapping
from typing import Any, Final

from spec.values.identifiers import Text
from spec.values.rejects import Reject, RejectCode, RejectReason

CODE_NAMES: Final[Mapping[RejectCode, Text]] = {
    RejectCode.SYS_FATAL: "SysFatal",
    RejectCode.SYS_TRANSIENT: "SysTransient",
    RejectCode.DESTINATION_INVALID: "DestinationInvalid",
    RejectCode.CANISTER_REJECT: "CanisterReject",
    RejectCode.CANISTER_ERROR: "CanisterError",
    RejectCode.SYS_UNKNOWN: "SysUnknown",
}

NUMBERS: Final[Mapping[Text, int]] = {
    "SubnetOversubscribed": 101,
    "CanisterQueueFull": 201,
    "IngressMessageTimeout": 202,
    "StopCanisterRequestTimeout": 206,
    "CanisterOutOfCycles": 207,
    "CanisterNotFound": 301,
    "CanisterSnapshotNotFound": 305,
    "InsufficientCyclesForCreateCanister": 403,
    "CanisterRejectedMessage": 406,
    "InvalidManagementPayload": 408,
    "CanisterSnapshotImmutable": 409,
    "CanisterTrapped": 502,
    "CanisterCalledTrap": 503,
    "CanisterContractViolation": 504,
    "CanisterInvalidWasm": 505,
    "CanisterDidNotReply": 506,
    "CanisterStopped": 508,
    "CanisterStopping": 509,
    "CanisterNotStopped": 510,
    "CanisterStoppingCancelled": 511,
    "CanisterInvalidController": 512,
    "CanisterNonEmpty": 514,
    "CanisterInstructionLimitExceeded": 522,
    "QueryCallGraphTooDeep": 525,
    "InsufficientCyclesInMemoryGrow": 532,
    "ReservedCyclesLimitExceededInMemoryGrow": 534,
    "CanisterMethodNotFound": 536,
    "CanisterWasmModuleNotFound": 537,
    "CanisterAlreadyInstalled": 538,
    "CanisterWasmMemoryLimitExceeded": 539,
    "DeadlineExpired": 601,
    "ResponseDropped": 602,
}
"""The number of each error that is told here. Its first digit is the reject code."""

NAMES: Final[Mapping[RejectReason, tuple[Text, ...]]] = {
    RejectReason.EXPLICIT: ("CanisterRejectedMessage",),
    RejectReason.CANISTER_NOT_FOUND: ("CanisterNotFound",),
    RejectReason.CANISTER_HAS_NO_CODE: ("CanisterWasmModuleNotFound",),
    RejectReason.METHOD_NOT_FOUND: ("CanisterMethodNotFound",),
    RejectReason.CANISTER_STOPPING: ("CanisterStopping",),
    RejectReason.CANISTER_STOPPED: ("CanisterStopped",),
    RejectReason.CANISTER_NOT_STOPPED: ("CanisterNotStopped",),
    RejectReason.CANISTER_RESTARTED: ("CanisterStoppingCancelled",),
    RejectReason.CANISTER_NOT_EMPTY: ("CanisterNonEmpty",),
    RejectReason.CANISTER_FROZEN: ("CanisterOutOfCycles",),
    RejectReason.CANISTER_OUT_OF_CYCLES: ("CanisterOutOfCycles", "InsufficientCyclesInMemoryGrow"),
    RejectReason.INSUFFICIENT_CYCLES_ATTACHED: ("InsufficientCyclesForCreateCanister", "CanisterContractViolation"),
    RejectReason.CANISTER_DID_NOT_RESPOND: ("CanisterDidNotReply",),
    RejectReason.CANISTER_TRAPPED: ("CanisterTrapped",),
    RejectReason.INSTRUCTION_LIMIT_EXCEEDED: ("CanisterInstructionLimitExceeded",),
    RejectReason.SLICE_OVERRUN: ("CanisterInstructionLimitExceeded",),
    RejectReason.CALL_TIMED_OUT: ("DeadlineExpired", "StopCanisterRequestTimeout"),
    RejectReason.REQUEST_EXPIRED: ("IngressMessageTimeout",),
    RejectReason.NOT_AUTHORIZED: ("CanisterInvalidController", "CanisterRejectedMessage"),
    RejectReason.INVALID_ARGUMENT: ("InvalidManagementPayload", "CanisterContractViolation"),
    RejectReason.INVALID_SETTINGS: ("CanisterContractViolation", "InvalidManagementPayload"),
    RejectReason.INVALID_MODULE: ("CanisterInvalidWasm",),
    RejectReason.MANAGEMENT_METHOD_NOT_FOUND: ("CanisterMethodNotFound",),
    RejectReason.CANISTER_ID_TAKEN: ("CanisterAlreadyInstalled", "InvalidManagementPayload"),
    RejectReason.MEMORY_LIMIT_EXCEEDED: ("CanisterWasmMemoryLimitExceeded",),
    RejectReason.RESERVATION_LIMIT_EXCEEDED: ("ReservedCyclesLimitExceededInMemoryGrow",),
    RejectReason.SNAPSHOT_NOT_FOUND: ("CanisterSnapshotNotFound", "CanisterRejectedMessage"),
    RejectReason.SNAPSHOT_NOT_LOADABLE: ("InvalidManagementPayload",),
    RejectReason.SNAPSHOT_NOT_UPLOADED: ("CanisterSnapshotImmutable",),
    RejectReason.OUT_OF_RANGE: ("InvalidManagementPayload",),
    RejectReason.QUERY_CALLS_TOO_DEEP: ("QueryCallGraphTooDeep",),
    RejectReason.OUTSIDE_WORLD_FAILED: ("CanisterRejectedMessage",),
}
"""The errors that stand for a reason, the usual one first; of these, that with the code of the reject is told."""

OTHERS: Final[Mapping[RejectCode, Text]] = {
    RejectCode.SYS_FATAL: "SubnetOversubscribed",
    RejectCode.SYS_TRANSIENT: "CanisterQueueFull",
    RejectCode.DESTINATION_INVALID: "CanisterNotFound",
    RejectCode.CANISTER_REJECT: "CanisterRejectedMessage",
    RejectCode.CANISTER_ERROR: "CanisterContractViolation",
    RejectCode.SYS_UNKNOWN: "ResponseDropped",
}
"""What is told by the code alone, where no error stands for the reason."""

TRAP_SAID: Final = f"{RejectReason.CANISTER_TRAPPED.value}: "


def name_of(reject: Reject) -> Text:
    """The error that stands for a reject."""
    if reject.reason is RejectReason.CANISTER_TRAPPED and reject.message.startswith(TRAP_SAID):
        return "CanisterCalledTrap"
    named = (name for name in NAMES.get(reject.reason, ()) if NUMBERS[name] // 100 == reject.code)
    return next(named, OTHERS[reject.code])


def number_of(reject: Reject) -> Text:
    """The error that stands for a reject, as its number is written."""
    return f"IC{NUMBERS[name_of(reject)]:04}"


def message_of(reject: Reject) -> Text:
    """A canister's own message as it is; one of the system with the number of the error before it."""
    return reject.message if reject.reason is RejectReason.EXPLICIT else f"{number_of(reject)}: {reject.message}"


def told(reject: Reject, *, is_certified: bool) -> dict[Text, Any]:
    """A reject as the answer of an operation of PocketIC."""
    return {
        "reject_code": CODE_NAMES[reject.code],
        "reject_message": message_of(reject),
        "error_code": name_of(reject),
        "certified": is_certified,
    }

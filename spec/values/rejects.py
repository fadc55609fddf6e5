"""Responses: replies, rejects, reject codes and reject reasons."""

from collections.abc import Mapping
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Final

from attrs import frozen

from spec.values.checklist import defines
from spec.values.identifiers import Blob, Text


@defines(
    "http.reject-code.1",
    "http.reject-code.2",
    "http.reject-code.3",
    "http.reject-code.4",
    "http.reject-code.5",
    "http.reject-code.6",
)
class RejectCode(IntEnum):
    """Why a call was rejected, as a canister or a user sees it. Source: https-interface, reject codes."""

    SYS_FATAL = 1
    """Fatal system error, retry unlikely to be useful."""
    SYS_TRANSIENT = 2
    """Transient system error, retry might be possible."""
    DESTINATION_INVALID = 3
    """Invalid destination, for instance a canister that does not exist."""
    CANISTER_REJECT = 4
    """Explicit reject by the canister."""
    CANISTER_ERROR = 5
    """Canister error, for instance a trap or no response."""
    SYS_UNKNOWN = 6
    """Response unknown; the call was abandoned by the system, for instance after a time-out."""


class RejectReason(Enum):
    """
    What a reject of the system means, free of any implementation's wording.

    Reject texts are implementation-specific; suites compare reasons. The value is the text that the specification
    itself uses; `source` texts of other implementations are mapped to these by their authors.
    """

    EXPLICIT = "rejected by the canister"
    CANISTER_NOT_FOUND = "the canister does not exist"
    CANISTER_HAS_NO_CODE = "the canister has no code"
    METHOD_NOT_FOUND = "the canister has no such method"
    CANISTER_STOPPING = "the canister is stopping"
    CANISTER_STOPPED = "the canister is stopped"
    CANISTER_NOT_STOPPED = "the canister is not stopped"
    CANISTER_RESTARTED = "the canister was started while it was stopping"
    CANISTER_NOT_EMPTY = "the canister already has code"
    CANISTER_FROZEN = "the canister is frozen"
    CANISTER_OUT_OF_CYCLES = "the canister has not enough cycles"
    CODE_UNINSTALLED = "the code of the canister was uninstalled"
    INSUFFICIENT_CYCLES_ATTACHED = "not enough cycles are attached"
    CANISTER_DID_NOT_RESPOND = "the canister did not respond"
    CANISTER_TRAPPED = "the canister trapped"
    INSTRUCTION_LIMIT_EXCEEDED = "the execution exceeded its instruction limit"
    SLICE_OVERRUN = "a single memory operation is too large for a slice"
    CALL_TIMED_OUT = "the call timed out"
    REQUEST_EXPIRED = "the request expired"
    NOT_AUTHORIZED = "the caller may not do this"
    INVALID_ARGUMENT = "the argument cannot be decoded"
    INVALID_SETTINGS = "the settings are not allowed"
    INVALID_MODULE = "the module is not valid"
    MANAGEMENT_METHOD_NOT_FOUND = "the management canister has no such method"
    CANISTER_ID_TAKEN = "the canister id is taken or not allowed"
    PERSISTENCE_OPTION_NEEDED = "the persistence option does not fit the module"
    MEMORY_LIMIT_EXCEEDED = "the memory limit is exceeded"
    RESERVATION_LIMIT_EXCEEDED = "the limit of reserved cycles is exceeded"
    CHUNK_TOO_LARGE = "the chunk is too large"
    CHUNK_STORE_FULL = "the chunk store is full"
    CHUNK_NOT_FOUND = "the chunk is not in the store"
    MODULE_HASH_MISMATCH = "the module does not have the hash given"
    DIFFERENT_SUBNETS = "the canisters are on different subnets"
    SNAPSHOT_NOT_FOUND = "the canister has no such snapshot"
    SNAPSHOT_LIMIT_EXCEEDED = "the canister has as many snapshots as it may have"
    SNAPSHOT_NOT_LOADABLE = "the snapshot does not fit its module or the canister"
    SNAPSHOT_NOT_UPLOADED = "the snapshot was not created by an upload"
    OUT_OF_RANGE = "the range is not inside"
    METADATA_NOT_FOUND = "the caller may see no such metadata"
    UNKNOWN_KEY = "there is no such key"
    INVALID_OUTCALL = "the request to the outside world is not allowed"
    QUERY_CALLS_TOO_DEEP = "the calls of the query nest too deep"
    OUTSIDE_WORLD_FAILED = "the outside world did not answer"
    SYSTEM_OVERLOADED = "the system is overloaded"


@frozen
class Reply:
    """A successful response."""

    data: Blob
    """The reply data, usually Candid."""


@frozen
class Reject:
    """A response that says that the call failed."""

    code: RejectCode
    """What kind of failure it is."""
    message: Text
    """Says more, in words. The system's own texts are implementation-specific."""
    reason: RejectReason = RejectReason.EXPLICIT
    """What a reject of the system means; `EXPLICIT` for a canister's own."""


Response = Reply | Reject

USUAL_CODES: Final[Mapping[RejectReason, RejectCode]] = MappingProxyType(
    {
        RejectReason.CANISTER_FROZEN: RejectCode.SYS_TRANSIENT,
        RejectReason.REQUEST_EXPIRED: RejectCode.SYS_TRANSIENT,
        RejectReason.CANISTER_NOT_FOUND: RejectCode.DESTINATION_INVALID,
        RejectReason.SNAPSHOT_NOT_FOUND: RejectCode.DESTINATION_INVALID,
        RejectReason.UNKNOWN_KEY: RejectCode.DESTINATION_INVALID,
        RejectReason.INSUFFICIENT_CYCLES_ATTACHED: RejectCode.CANISTER_REJECT,
        RejectReason.INVALID_ARGUMENT: RejectCode.CANISTER_REJECT,
        RejectReason.INVALID_OUTCALL: RejectCode.CANISTER_REJECT,
        RejectReason.METADATA_NOT_FOUND: RejectCode.CANISTER_REJECT,
        RejectReason.OUT_OF_RANGE: RejectCode.CANISTER_REJECT,
        RejectReason.SNAPSHOT_LIMIT_EXCEEDED: RejectCode.CANISTER_REJECT,
        RejectReason.SNAPSHOT_NOT_LOADABLE: RejectCode.CANISTER_REJECT,
        RejectReason.SNAPSHOT_NOT_UPLOADED: RejectCode.CANISTER_REJECT,
    }
)
"""
With which code production rejects a management call for a reason, if it is not CANISTER_ERROR.

It is what conditions predict that name no other code; the text leaves it open. Source: `spec/production/errors.py`.
"""


def system_reject(code: RejectCode, reason: RejectReason, detail: Text = "") -> Reject:
    """A reject made by the system, in the specification's words."""
    return Reject(code, text_of_reject(reason, detail), reason)


def text_of_reject(reason: RejectReason, detail: Text) -> Text:
    """What a reject made by the system says. To a proof it is some text that depends on reason and detail."""
    return f"{reason.value}: {detail}" if detail else reason.value

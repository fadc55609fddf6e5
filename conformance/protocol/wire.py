"""Values of the protocol as JSON, both ways. Reading is strict: what `PROTOCOL.md` does not allow is a `WireError`."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, TypeVar

from conformance.protocol.frames import MOST_DIGITS, WireError
from conformance.protocol.interface import (
    Answer,
    CanisterElsewhere,
    Done,
    Instance,
    Path,
    Processing,
    Query,
    Received,
    Refused,
    Rejected,
    Replied,
    SeenReject,
    UnknownRequest,
)
from conformance.protocol.quoting import quoted, quoted_value, shown
from spec.state.request import Done as DoneStatus
from spec.state.request import Endpoint, Request, RequestStatus, SenderInfo
from spec.state.request import Processing as ProcessingStatus
from spec.state.request import Received as ReceivedStatus
from spec.state.request import Rejected as RejectedStatus
from spec.state.request import Replied as RepliedStatus
from spec.values.identifiers import MAXIMUM_PRINCIPAL_LENGTH, Blob, Principal, RequestId
from spec.values.quantities import Nanoseconds
from spec.values.rejects import Reject, RejectCode, RejectReason

END_OF_TIME: Final[Nanoseconds] = 2**64
"""Canisters are told the time in 64 bits."""

LARGEST_NUMBER: Final[int] = 2**53 - 1
"""Larger integers travel as strings: JSON readers in many languages round them."""

Read = TypeVar("Read")


# Writing


def write_integer(value: int) -> int | str:
    """A number, or a string of digits beyond 2^53."""
    return int(value) if abs(value) <= LARGEST_NUMBER else str(int(value))


def write_blob(value: bytes) -> str:
    """`0x` and hexadecimal digits."""
    return "0x" + value.hex()


def write_optional_blob(value: Blob | None) -> str | None:
    """A blob or null."""
    return None if value is None else write_blob(value)


# Reading


def read_natural(value: Any, place: str) -> int:
    """A natural number: a number, or a string of decimal digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise WireError(f"{place}: {quoted_value(value)} is not a natural number")


def read_time(value: Any, place: str) -> Nanoseconds:
    """A time, or a span of time."""
    time = read_natural(value, place)
    if time >= END_OF_TIME:
        raise WireError(f"{place}: times are below 2^64 nanoseconds")
    return time


def read_blob(value: Any, place: str) -> bytes:
    """A blob: `0x` and lower-case hexadecimal digits, two a byte."""
    blob = _blob(value) if isinstance(value, str) else None
    if blob is None:
        raise WireError(f"{place}: {quoted_value(value)} is not a blob, 0x and lower-case hexadecimal digits")
    return blob


def _blob(text: str) -> bytes | None:
    """What a text stands for, if it is just as blobs are written."""
    try:
        blob = bytes.fromhex(text[2:])
    except ValueError:
        return None
    return blob if write_blob(blob) == text else None


def read_principal(value: Any, place: str) -> Principal:
    """A principal, which is not too long for one."""
    principal = read_blob(value, place)
    if len(principal) > MAXIMUM_PRINCIPAL_LENGTH:
        raise WireError(f"{place}: a principal has at most {MAXIMUM_PRINCIPAL_LENGTH} bytes")
    return Principal(principal)


def read_request_id(value: Any, place: str) -> RequestId:
    """A request id of 32 bytes."""
    request_id = read_blob(value, place)
    if len(request_id) != 32:
        raise WireError(f"{place}: a request id has 32 bytes")
    return RequestId(request_id)


def read_text(value: Any, place: str) -> str:
    """A text."""
    if not isinstance(value, str):
        raise WireError(f"{place}: {quoted_value(value)} is not a text")
    return value


def read_texts(value: Any, place: str) -> dict[str, str]:
    """An object all of whose values are texts."""
    if not isinstance(value, dict):
        raise WireError(f"{place}: {quoted_value(value)} is not an object")
    return {name: read_text(each, f"{place}.{shown(name)}") for name, each in value.items()}


def read_truth(value: Any, place: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise WireError(f"{place}: {quoted_value(value)} is neither true nor false")
    return value


def read_list(value: Any, place: str, item: Callable[[Any, str], Read]) -> tuple[Read, ...]:
    """A list, each item read by `item`."""
    if not isinstance(value, list):
        raise WireError(f"{place}: a list is needed")
    return tuple(item(each, f"{place}[{index}]") for index, each in enumerate(value))


def read_optional(value: Any, place: str, kind: Callable[[Any, str], Read]) -> Read | None:
    """A value or null."""
    return None if value is None else kind(value, place)


class Fields:
    """The fields of an object, each of which must be read once; `close` complains about the others."""

    def __init__(self, value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise WireError(f"{place}: an object is needed")
        self._values: dict[str, Any] = dict(value)
        self._place = place

    def take(self, name: str, kind: Callable[[Any, str], Read]) -> Read:
        """A field that must be there."""
        if name not in self._values:
            raise WireError(f"{self._place}.{name}: the field is missing")
        return kind(self._values.pop(name), f"{self._place}.{name}")

    def take_optional(self, name: str, kind: Callable[[Any, str], Read]) -> Read | None:
        """A field that may be missing or null."""
        return read_optional(self._values.pop(name, None), f"{self._place}.{name}", kind)

    def has(self, name: str) -> bool:
        """The field is there and not read yet."""
        return name in self._values

    def allow_only(self, names: Collection[str]) -> None:
        """There are no fields but these."""
        for name in sorted(self._values.keys() - set(names)):
            raise WireError(f"{self._place}.{shown(name, 60)}: the field is not known")

    def close(self) -> None:
        """All fields have been read."""
        if self._values:
            self.allow_only(())


# Requests


def read_endpoint(value: Any, place: str) -> Endpoint:
    """The name of an endpoint."""
    name = read_text(value, place)
    if name not in {known.value for known in Endpoint}:
        raise WireError(f"{place}: {quoted(name)} is not an endpoint")
    return Endpoint(name)


def write_request(request: Request) -> dict[str, Any]:
    """A request as an object."""
    written: dict[str, Any] = {
        "nonce": write_blob(request.nonce),
        "ingress_expiry": write_integer(request.ingress_expiry),
        "sender": write_blob(request.sender),
        "canister_id": write_blob(request.canister_id),
        "method_name": request.method_name,
        "argument": write_blob(request.argument),
    }
    if request.sender_info is not None:
        written["sender_info"] = {
            "info": write_blob(request.sender_info.info),
            "signer": write_blob(request.sender_info.signer),
            "signature": write_blob(request.sender_info.signature),
        }
    return written


def read_sender_info(value: Any, place: str) -> SenderInfo:
    """What is told of a sender, signed."""
    fields = Fields(value, place)
    sender_info = SenderInfo(
        info=fields.take("info", read_blob),
        signer=fields.take("signer", read_principal),
        signature=fields.take("signature", read_blob),
    )
    fields.close()
    return sender_info


def read_request(value: Any, place: str) -> Request:
    """A request."""
    fields = Fields(value, place)
    request = Request(
        nonce=fields.take("nonce", read_blob),
        ingress_expiry=fields.take("ingress_expiry", read_time),
        sender=fields.take("sender", read_principal),
        canister_id=fields.take("canister_id", read_principal),
        method_name=fields.take("method_name", read_text),
        argument=fields.take("argument", read_blob),
        sender_info=fields.take_optional("sender_info", read_sender_info),
    )
    fields.close()
    return request


def write_query(query: Query) -> dict[str, Any]:
    """A query as an object."""
    return {
        "nonce": write_blob(query.nonce),
        "ingress_expiry": write_integer(query.ingress_expiry),
        "sender": write_blob(query.sender),
        "canister_id": write_blob(query.canister_id),
        "method_name": query.method_name,
        "argument": write_blob(query.argument),
    }


def read_query(value: Any, place: str) -> Query:
    """A query."""
    fields = Fields(value, place)
    query = Query(
        nonce=fields.take("nonce", read_blob),
        ingress_expiry=fields.take("ingress_expiry", read_time),
        sender=fields.take("sender", read_principal),
        canister_id=fields.take("canister_id", read_principal),
        method_name=fields.take("method_name", read_text),
        argument=fields.take("argument", read_blob),
    )
    fields.close()
    return query


def write_paths(paths: Sequence[Path]) -> list[list[str]]:
    """Paths into the state tree as lists."""
    return [[write_blob(label) for label in path] for path in paths]


def read_paths(value: Any, place: str) -> tuple[Path, ...]:
    """Paths into the state tree."""
    return read_list(value, place, lambda path, inner: read_list(path, inner, read_blob))


# Rejects and answers


def write_instance_ids(instance: Instance) -> dict[str, Any]:
    """What an implementation chose for an instance, but for its time."""
    other = {} if instance.other_subnet_id is None else {"other_subnet_id": write_blob(instance.other_subnet_id)}
    return {"subnet_id": write_blob(instance.subnet_id), "root_key": write_blob(instance.root_key), **other}


def write_elsewhere(elsewhere: Sequence[CanisterElsewhere]) -> list[dict[str, Any]]:
    """Canisters on a second subnet."""
    return [
        {
            "canister_id": write_blob(each.canister_id),
            "controllers": [write_blob(controller) for controller in each.controllers],
            "version": write_integer(each.version),
            "total_changes": write_integer(each.total_changes),
            "cycles": write_integer(each.cycles),
        }
        for each in elsewhere
    ]


def read_elsewhere(value: Any, place: str) -> tuple[CanisterElsewhere, ...]:
    """Canisters on a second subnet."""
    return read_list(value, place, _read_canister_elsewhere)


def _read_canister_elsewhere(value: Any, place: str) -> CanisterElsewhere:
    fields = Fields(value, place)
    canister = CanisterElsewhere(
        canister_id=fields.take("canister_id", read_principal),
        controllers=fields.take("controllers", lambda value, place: read_list(value, place, read_principal)),
        version=fields.take("version", read_natural),
        total_changes=fields.take("total_changes", read_natural),
        cycles=fields.take("cycles", read_natural),
    )
    fields.close()
    return canister


def read_reason(value: Any, place: str) -> RejectReason:
    """The name of a reject reason."""
    try:
        return RejectReason[read_text(value, place)]
    except KeyError:
        raise WireError(f"{place}: {quoted_value(value)} is not a reject reason") from None


def write_seen_reject(reject: SeenReject) -> dict[str, Any]:
    """A reject as an object."""
    reason = None if reject.reason is None else reject.reason.name
    return {"code": reject.code, "reason": reason, "message": reject.message}


def read_seen_reject(value: Any, place: str) -> SeenReject:
    """A reject."""
    fields = Fields(value, place)
    reject = SeenReject(
        code=fields.take("code", read_natural),
        reason=fields.take_optional("reason", read_reason),
        message=fields.take("message", read_text),
    )
    fields.close()
    if reject.code not in set(RejectCode):
        raise WireError(f"{place}.code: {quoted_value(reject.code)} is not a reject code")
    return reject


def seen(reject: Reject) -> SeenReject:
    """A reject of the specification as an implementation reports it."""
    return SeenReject(int(reject.code), reject.reason, reject.message)


def write_refused(refused: Refused) -> dict[str, Any]:
    """A refusal as an object."""
    return {"code": refused.code, "reason": None if refused.reason is None else refused.reason.name}


def read_refused(value: Any, place: str) -> Refused:
    """A refusal."""
    fields = Fields(value, place)
    refused = Refused(fields.take_optional("code", read_natural), fields.take_optional("reason", read_reason))
    fields.close()
    return refused


def write_answer(answer: Answer) -> dict[str, Any]:
    """The status of a request as an object."""
    match answer:
        case UnknownRequest():
            return {"status": "unknown"}
        case Received() | Processing() | Done():
            return {"status": type(answer).__name__.lower()}
        case Replied(data):
            return {"status": "replied", "data": write_blob(data)}
        case Rejected(reject):
            return {"status": "rejected", "reject": write_seen_reject(reject)}


def read_answer(value: Any, place: str) -> Answer:
    """The status of a request."""
    fields = Fields(value, place)
    status = fields.take("status", read_text)
    answer: Answer
    match status:
        case "unknown":
            answer = UnknownRequest()
        case "received":
            answer = Received()
        case "processing":
            answer = Processing()
        case "done":
            answer = Done()
        case "replied":
            answer = Replied(fields.take("data", read_blob))
        case "rejected":
            answer = Rejected(fields.take("reject", read_seen_reject))
        case _:
            raise WireError(f"{place}.status: {quoted(status)} is not a status")
    fields.close()
    return answer


def answer_of(status: RequestStatus | None) -> Answer:
    """How an implementation reports a request with this status; None stands for a request that is not known."""
    match status:
        case None:
            return UnknownRequest()
        case ReceivedStatus():
            return Received()
        case ProcessingStatus():
            return Processing()
        case DoneStatus():
            return Done()
        case RepliedStatus(data):
            return Replied(data)
        case RejectedStatus(reject):
            return Rejected(seen(reject))

"""Values of the protocol as JSON, both ways. Reading is strict: what `PROTOCOL.md` does not allow is a `WireError`."""

from collections.abc import Callable, Collection
from typing import Any, Final, TypeVar

from conformance.protocol.frames import MOST_DIGITS, WireError
from conformance.protocol.interface import (
    Answer,
    Claim,
    Done,
    Processing,
    Received,
    Refused,
    Rejected,
    Replied,
    SeenReject,
    Unknown,
)
from conformance.protocol.quoting import quoted, quoted_value, shown
from spec.state.call_context import FailedExecution
from spec.state.label import Label
from spec.state.request import Done as DoneStatus
from spec.state.request import Endpoint, Request, RequestStatus, SenderInfo
from spec.state.request import Processing as ProcessingStatus
from spec.state.request import Received as ReceivedStatus
from spec.state.request import Rejected as RejectedStatus
from spec.state.request import Replied as RepliedStatus
from spec.transition import Executed, Output, RequestStatusChanged
from spec.values.containers import List
from spec.values.identifiers import Blob, Principal, RequestId, Text
from spec.values.management import decode_result, encode_result
from spec.values.rejects import Reject, RejectCode, RejectReason

HEXADECIMAL: Final = frozenset("0123456789abcdef")
"""The digits of a blob."""

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


# Reading


def read_natural(value: Any, place: str) -> int:
    """A natural number: a number, or a string of decimal digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise WireError(f"{place}: {quoted_value(value)} is not a natural number")


def read_blob(value: Any, place: str) -> bytes:
    """A blob: `0x` and lower-case hexadecimal digits, two a byte."""
    digits = value.removeprefix("0x") if isinstance(value, str) else None
    if digits is None or digits == value or len(digits) % 2 or not HEXADECIMAL.issuperset(digits):
        raise WireError(f"{place}: {quoted_value(value)} is not a blob, 0x and lower-case hexadecimal digits")
    return bytes.fromhex(digits)


def read_principal(value: Any, place: str) -> Principal:
    """A principal of at most 29 bytes."""
    principal = read_blob(value, place)
    if len(principal) > 29:
        raise WireError(f"{place}: a principal has at most 29 bytes")
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
            raise WireError(f"{self._place}: the field '{name}' is missing")
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
            raise WireError(f"{self._place}: the field {quoted(name, 60)} is not known")

    def close(self) -> None:
        """All fields have been read."""
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


def _read_sender_info(value: Any, place: str) -> SenderInfo:
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
        ingress_expiry=fields.take("ingress_expiry", read_natural),
        sender=fields.take("sender", read_principal),
        canister_id=fields.take("canister_id", read_principal),
        method_name=fields.take("method_name", read_text),
        argument=fields.take("argument", read_blob),
        sender_info=fields.take_optional("sender_info", _read_sender_info),
    )
    fields.close()
    return request


# Rejects and answers


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
        case Unknown() | Received() | Processing() | Done():
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
            answer = Unknown()
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
            return Unknown()
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


def _status_of(answer: Answer, place: str) -> RequestStatus | None:
    match answer:
        case Unknown():
            return None
        case Received():
            return ReceivedStatus()
        case Processing():
            return ProcessingStatus()
        case Done():
            return DoneStatus()
        case Replied(data):
            return RepliedStatus(data)
        case Rejected(reject):
            if reject.reason is None:
                raise WireError(f"{place}: an output needs the reason of a reject")
            return RejectedStatus(Reject(RejectCode(reject.code), reject.message, reject.reason))


# Labels and outputs


RESULTS: Final = frozenset({"answer", "metrics", "percentiles", "samples"})
"""The free variables that are the result of a method; they are written as its reply."""

TEXTS: Final = frozenset({"replica_version"})
"""The free variables that are texts."""


def write_choice(rule: Text, name: Text, value: Any) -> Any:
    """The value of a free variable."""
    if name in RESULTS:
        try:
            return write_blob(encode_result(rule, value))
        except KeyError:
            raise WireError(f"{rule} has no result") from None
    match value:
        case bytes():
            return write_blob(value)
        case bool() | str():
            return value
        case int():
            return write_integer(value)
        case List():
            return [write_choice(rule, name, each) for each in value]
        case Request():
            return write_request(value)
        case _:
            raise WireError(f"a choice cannot be a {type(value).__name__}")


def read_choice(rule: Text, name: Text, value: Any, place: str) -> Any:
    """The value of a free variable."""
    if name in RESULTS:
        try:
            return decode_result(rule, read_blob(value, place))
        except (KeyError, ValueError):
            raise WireError(f"{place}: a reply of {quoted(rule, 60)} is needed") from None
    if name in TEXTS:
        return read_text(value, place)
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        return List(read_list(value, place, read_principal))
    if isinstance(value, dict):
        return read_request(value, place)
    if isinstance(value, str) and value.startswith("0x"):
        return read_blob(value, place)
    return read_natural(value, place)


def write_label(label: Label) -> dict[str, Any]:
    """A label as an object."""
    choices = {name: write_choice(label.rule, name, value) for name, value in label.choices}
    return {"rule": label.rule, "choices": choices}


def _read_label(fields: Fields, place: str) -> Label:
    rule = fields.take("rule", read_text)
    choices = fields.take("choices", lambda value, _: value)
    if not isinstance(choices, dict):
        raise WireError(f"{place}.choices: an object is needed")
    return Label(
        rule,
        {name: read_choice(rule, name, each, f"{place}.choices.{shown(name, 60)}") for name, each in choices.items()},
    )


def read_label(value: Any, place: str) -> Label:
    """A label."""
    fields = Fields(value, place)
    label = _read_label(fields, place)
    fields.close()
    return label


def write_output(output: Output) -> dict[str, Any]:
    """What a step showed, as an object."""
    match output:
        case RequestStatusChanged(request_id, status):
            return {"kind": "status", "request_id": write_blob(request_id), "status": write_answer(answer_of(status))}
        case Executed(canister_id, instructions, failure):
            return {
                "kind": "executed",
                "canister_id": write_blob(canister_id),
                "instructions": write_integer(instructions),
                "failure": None if failure is None else {"reason": failure.reason.name, "message": failure.message},
            }


def _read_failure(value: Any, place: str) -> FailedExecution:
    fields = Fields(value, place)
    failure = FailedExecution(fields.take("reason", read_reason), fields.take("message", read_text))
    fields.close()
    return failure


def read_output(value: Any, place: str) -> Output:
    """What a step showed."""
    fields = Fields(value, place)
    kind = fields.take("kind", read_text)
    output: Output
    match kind:
        case "status":
            request_id = fields.take("request_id", read_request_id)
            output = RequestStatusChanged(request_id, _status_of(fields.take("status", read_answer), place))
        case "executed":
            output = Executed(
                canister_id=fields.take("canister_id", read_principal),
                instructions=fields.take("instructions", read_natural),
                failure=fields.take_optional("failure", _read_failure),
            )
        case _:
            raise WireError(f"{place}.kind: {quoted(kind)} is not a kind of output")
    fields.close()
    return output


def write_claim(claim: Claim) -> dict[str, Any]:
    """A claimed transition as an object."""
    return {**write_label(claim.label), "outputs": [write_output(output) for output in claim.outputs]}


def read_claim(value: Any, place: str) -> Claim:
    """A claimed transition."""
    fields = Fields(value, place)
    label = _read_label(fields, place)
    outputs = fields.take("outputs", lambda each, where: read_list(each, where, read_output))
    fields.close()
    return Claim(label, outputs)


def write_optional_blob(value: Blob | None) -> str | None:
    """A blob or null."""
    return None if value is None else write_blob(value)

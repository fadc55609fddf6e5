"""
Values of the conformance protocol as JSON, both ways.

Written from conformance/PROTOCOL.md, independently of the judge's own reader and writer. Reading is strict: an unknown
field, a missing one or a value of the wrong type is a `Malformed` request.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from reference_impl.reads.queries import Query
from reference_impl.reads.state_reads import status_name
from reference_impl.subnet.observations import ExecutionShown, NotTaken, Observation, StatusChange
from spec.state.label import Label
from spec.state.request import Endpoint, Rejected, Replied, Request, RequestStatus, SenderInfo
from spec.values.containers import List
from spec.values.identifiers import MAXIMUM_PRINCIPAL_LENGTH, Principal, RequestId
from spec.values.management import decode_result, encode_result
from spec.values.quantities import Nanoseconds
from spec.values.rejects import Reject

Json = Any
"""What the JSON module reads and writes."""

Value = TypeVar("Value")
Reader = Callable[[Json, str], Value]

NUMBERS_END: Final = 2**53
"""Integers from here on are written as decimal digits in a string."""


DIGITS_LIMIT: Final = 100
"""Digits of an integer. Source: PROTOCOL.md, values."""


TIME_BITS: Final = 64
"""A time has so many bits at most. Source: PROTOCOL.md, values."""

REQUEST_ID_LENGTH: Final = 32
"""Bytes of a request id, which is a SHA-256 hash."""


class Malformed(Exception):
    """The request breaks the protocol. The message names the place."""


def integer_of(value: Json, place: str) -> int:
    """A natural number: a JSON number, or a string of decimal digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= DIGITS_LIMIT:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise Malformed(f"{place}: a natural number is needed")


def truth_of(value: Json, place: str) -> bool:
    """A truth value."""
    if not isinstance(value, bool):
        raise Malformed(f"{place}: true or false is needed")
    return value


def time_of(value: Json, place: str) -> Nanoseconds:
    """A time, or how much of it passes."""
    time = integer_of(value, place)
    if time.bit_length() > TIME_BITS:
        raise Malformed(f"{place}: a time has at most {TIME_BITS} bits")
    return time


def text_of(value: Json, place: str) -> str:
    """A text."""
    if not isinstance(value, str):
        raise Malformed(f"{place}: a text is needed")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Malformed(f"{place}: the text is not Unicode") from None
    return value


def blob_of(value: Json, place: str) -> bytes:
    """A blob: `0x` and an even number of lower-case hexadecimal digits."""
    text = text_of(value, place)
    try:
        found = bytes.fromhex(text[2:])
    except ValueError:
        found = b""
    # Reason: `fromhex` also takes spaces and upper-case digits.
    if blob(found) != text:
        raise Malformed(f"{place}: a blob is needed, 0x and lower-case hexadecimal digits")
    return found


def principal_of(value: Json, place: str) -> Principal:
    """A principal."""
    principal = Principal(blob_of(value, place))
    if len(principal) > MAXIMUM_PRINCIPAL_LENGTH:
        raise Malformed(f"{place}: a principal has at most {MAXIMUM_PRINCIPAL_LENGTH} bytes")
    return principal


def request_id_of(value: Json, place: str) -> RequestId:
    """A request id."""
    request_id = RequestId(blob_of(value, place))
    if len(request_id) != REQUEST_ID_LENGTH:
        raise Malformed(f"{place}: a request id has {REQUEST_ID_LENGTH} bytes")
    return request_id


def blob_or_none_of(value: Json, place: str) -> bytes | None:
    """A blob, or nothing."""
    return None if value is None else blob_of(value, place)


def list_of(item: Reader[Value]) -> Reader[tuple[Value, ...]]:
    """A reader of lists."""

    def read(value: Json, place: str) -> tuple[Value, ...]:
        if not isinstance(value, list):
            raise Malformed(f"{place}: a list is needed")
        return tuple(item(each, f"{place}[{index}]") for index, each in enumerate(value))

    return read


def object_of(
    value: Json, place: str, fields: Mapping[str, Reader[Any]], optional: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The fields of an object, each read; an optional one that is absent or null gives None."""
    if not isinstance(value, dict):
        raise Malformed(f"{place}: an object is needed")
    if value.keys() != fields.keys():
        for name in sorted(value.keys() - fields.keys()):
            raise Malformed(f"{place}.{name}: unknown field")
        for name in sorted(fields.keys() - value.keys() - optional):
            raise Malformed(f"{place}.{name}: missing field")
    return {
        name: None if name in optional and value.get(name) is None else read(value[name], f"{place}.{name}")
        for name, read in fields.items()
    }


_SENDER_INFO: Final[dict[str, Reader[Any]]] = {"info": blob_of, "signer": principal_of, "signature": blob_of}


def _sender_info_of(value: Json, place: str) -> SenderInfo:
    return SenderInfo(**object_of(value, place, _SENDER_INFO))


_QUERY: Final[dict[str, Reader[Any]]] = {
    "nonce": blob_of,
    "ingress_expiry": time_of,
    "sender": principal_of,
    "canister_id": principal_of,
    "method_name": text_of,
    "argument": blob_of,
}


def request_of(value: Json, place: str) -> Request:
    """A request."""
    fields = {**_QUERY, "sender_info": _sender_info_of}
    return Request(**object_of(value, place, fields, frozenset({"sender_info"})))


def query_of(value: Json, place: str) -> Query:
    """A query."""
    return Query(**object_of(value, place, _QUERY))


def endpoint_of(value: Json, place: str) -> Endpoint:
    """Where a request is handed in."""
    match text_of(value, place):
        case "canister":
            return Endpoint.CANISTER
        case "subnet":
            return Endpoint.SUBNET
        case other:
            raise Malformed(f"{place}: there is no endpoint {other!r}")


CHOICES: Final[dict[str, Reader[Any]]] = {
    "request": request_of,
    "effective_id": principal_of,
    "canister_id": principal_of,
    "request_id": request_id_of,
    "randomness": blob_of,
    "message_id": integer_of,
    "context_id": integer_of,
    "code": integer_of,
    "index": integer_of,
    "time": time_of,
    "balance": integer_of,
    "version": integer_of,
    "kept": integer_of,
    "subnet_id": principal_of,
    "admins": lambda value, place: List(list_of(principal_of)(value, place)),
    "snapshot_id": blob_of,
    "public_key": blob_of,
    "chain_code": blob_of,
    "signature": blob_of,
    "encrypted_key": blob_of,
    "satoshi": integer_of,
    "caller": principal_of,
    "orchestrator": principal_of,
    "orchestrator_version": integer_of,
    "new_canister_id": principal_of,
    "replica_version": text_of,
    "registry_version": integer_of,
    "refused_growths": lambda value, place: tuple(list_of(integer_of)(value, place)),
    "trapping_growths": lambda value, place: tuple(list_of(integer_of)(value, place)),
    "refused_calls": lambda value, place: tuple(list_of(integer_of)(value, place)),
    "deadlines_in_seconds": truth_of,
    "system_records": lambda value, place: tuple(list_of(blob_or_none_of)(value, place)),
    "keeps_logs": truth_of,
    "refunds_cycles": truth_of,
    "may_unfreeze": truth_of,
    "reject_message": lambda value, place: None if value is None else text_of(value, place),
}
"""How each free variable is read, by its name, if it is none of `RESULTS`."""

RESULTS: Final = frozenset({"answer", "metrics", "percentiles", "samples"})
"""The free variables that are the result of a method; they are written as the reply, a blob of Candid."""


def _result_of(rule: str, value: Json, place: str) -> Any:
    reply = blob_of(value, place)
    try:
        return decode_result(rule, reply)
    except (KeyError, ValueError):
        raise Malformed(f"{place}: a reply of {rule} is needed") from None


def _choice_of(rule: str, name: str, value: Json, place: str) -> Any:
    if name in RESULTS:
        return _result_of(rule, value, place)
    if name not in CHOICES:
        raise Malformed(f"{place}: unknown field")
    return CHOICES[name](value, place)


def label_of(value: Json, place: str) -> Label:
    """A label."""
    fields = object_of(value, place, {"rule": text_of, "choices": lambda choices, _: choices})
    choices = fields["choices"]
    if not isinstance(choices, dict):
        raise Malformed(f"{place}.choices: an object is needed")
    rule = fields["rule"]
    read = {name: _choice_of(rule, name, choice, f"{place}.choices.{name}") for name, choice in choices.items()}
    return Label(rule, read)


def integer(value: int) -> Json:
    """An integer as JSON."""
    return int(value) if abs(value) < NUMBERS_END else str(int(value))


def blob(value: bytes) -> Json:
    """A blob as JSON."""
    return f"0x{value.hex()}"


def request(value: Request) -> Json:
    """A request as JSON."""
    written = {
        "nonce": blob(value.nonce),
        "ingress_expiry": integer(value.ingress_expiry),
        "sender": blob(value.sender),
        "canister_id": blob(value.canister_id),
        "method_name": value.method_name,
        "argument": blob(value.argument),
    }
    if value.sender_info is None:
        return written
    info = value.sender_info
    sender_info = {"info": blob(info.info), "signer": blob(info.signer), "signature": blob(info.signature)}
    return {**written, "sender_info": sender_info}


def reject(value: Reject) -> Json:
    """A reject as JSON."""
    return {"code": int(value.code), "reason": value.reason.name, "message": value.message}


def refused(value: NotTaken) -> Json:
    """A refusal as JSON; its words stay here."""
    if value.reject is None:
        return {"code": None, "reason": None}
    return {"code": int(value.reject.code), "reason": value.reject.reason.name}


def status(value: RequestStatus | None) -> Json:
    """The status of a request as JSON."""
    match value:
        case None:
            return {"status": "unknown"}
        case Replied():
            return {"status": "replied", "data": blob(value.data)}
        case Rejected():
            return {"status": "rejected", "reject": reject(value.reject)}
        case _:
            return {"status": status_name(value)}


def _choice(rule: str, name: str, value: object) -> Json:
    if name in RESULTS:
        return blob(encode_result(rule, value))
    match value:
        case List() | tuple():
            return [_choice(rule, name, item) for item in value]
        case str() | bool() | None:
            return value
        case Request():
            return request(value)
        case bytes():
            return blob(value)
        case int():
            return integer(value)
    raise TypeError(f"a {type(value).__name__} is no choice of a label")


def label(value: Label) -> dict[str, Json]:
    """A label as JSON."""
    return {"rule": value.rule, "choices": {name: _choice(value.rule, name, choice) for name, choice in value.choices}}


def output(value: Observation) -> Json:
    """Something that a step showed, as JSON."""
    match value:
        case StatusChange():
            return {"kind": "status", "request_id": blob(value.request_id), "status": status(value.status)}
        case ExecutionShown():
            failure = value.failure
            return {
                "kind": "executed",
                "canister_id": blob(value.canister_id),
                "instructions": integer(value.instructions),
                "failure": None if failure is None else {"reason": failure.reason.name, "message": failure.message},
            }

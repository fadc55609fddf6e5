"""
Labels, and what steps show, as JSON, both ways.

The kind of a choice is that of the free variables of its name; so a label that can be read has values of the right
kind, whatever rule it names.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, Final, get_args, get_origin

from conformance.protocol.frames import WireError
from conformance.protocol.interface import Answer, Claim, Done, Processing, Received, Rejected, Replied, UnknownRequest
from conformance.protocol.quoting import quoted, shown
from conformance.protocol.wire import (
    Fields,
    answer_of,
    read_answer,
    read_blob,
    read_list,
    read_natural,
    read_optional,
    read_principal,
    read_reason,
    read_request,
    read_request_id,
    read_text,
    read_time,
    read_truth,
    write_answer,
    write_blob,
    write_integer,
    write_request,
)
from spec.machine import free_variables
from spec.state.call_context import FailedExecution
from spec.state.label import Label
from spec.state.request import Done as DoneStatus
from spec.state.request import Processing as ProcessingStatus
from spec.state.request import Received as ReceivedStatus
from spec.state.request import Rejected as RejectedStatus
from spec.state.request import Replied as RepliedStatus
from spec.state.request import Request, RequestStatus
from spec.transition import RULES, Executed, Output, RequestStatusChanged
from spec.values.containers import List
from spec.values.identifiers import Principal, RequestId, Text
from spec.values.management import decode_result, encode_result
from spec.values.rejects import Reject, RejectCode

Reader = Callable[[Any, str], Any]
"""Reads a value at a place; raises `WireError`."""

RESULTS: Final = frozenset({"answer", "metrics", "percentiles", "samples"})
"""The free variables that are the result of a method; they are written as its reply."""

TIMES: Final = frozenset({"time"})
"""The free variables that are times."""


# Choices


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
        case bool() | str() | None:
            return value
        case int():
            return write_integer(value)
        case List() | tuple():
            return [write_choice(rule, name, each) for each in value]
        case Request():
            return write_request(value)
        case _:
            raise WireError(f"a choice cannot be a {type(value).__name__}")


@cache
def readers() -> Mapping[Text, Reader]:
    """How each free variable of the rules is read, by its name, if it is none of `RESULTS`."""
    kinds = {name: kind for rule in RULES.values() for name, kind in free_variables(rule.body).items()}
    return {
        name: read_time if name in TIMES else reader_of(kind) for name, kind in kinds.items() if name not in RESULTS
    }


def reader_of(kind: Any) -> Reader:
    """How a value of a type is read."""
    if get_origin(kind) is Annotated:
        return reader_of(get_args(kind)[0])
    if get_origin(kind) is List:
        item = reader_of(get_args(kind)[0])
        return lambda value, place: List(read_list(value, place, item))
    if get_origin(kind) is tuple:
        member = reader_of(get_args(kind)[0])
        return lambda value, place: tuple(read_list(value, place, member))
    options = get_args(kind)
    if type(None) in options:
        (present,) = (reader_of(each) for each in options if each is not type(None))
        return lambda value, place: read_optional(value, place, present)
    if Request in options:
        return read_request
    if kind in SPECIAL:
        return SPECIAL[kind]
    basis = kind
    while hasattr(basis, "__supertype__"):
        basis = basis.__supertype__
    return next(read for base, read in BASES if issubclass(basis, base))


SPECIAL: Final[Mapping[Any, Reader]] = {Principal: read_principal, RequestId: read_request_id}
"""Types of bytes that have a length."""

BASES: Final[tuple[tuple[type, Reader], ...]] = (
    (bool, read_truth),
    (int, read_natural),
    (str, read_text),
    (bytes, read_blob),
)
"""Truth values come first: Python takes them for integers."""


def read_choice(rule: Text, name: Text, value: Any, place: str) -> Any:
    """The value of a free variable."""
    if name in RESULTS:
        try:
            return decode_result(rule, read_blob(value, place))
        except (KeyError, ValueError):
            raise WireError(f"{place}: a reply of {quoted(rule, 60)} is needed") from None
    if name not in readers():
        raise WireError(f"{place}: the field is not known; no rule has such a free variable")
    return readers()[name](value, place)


# Labels


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


# What steps show


def _status_of(answer: Answer, place: str) -> RequestStatus | None:
    match answer:
        case UnknownRequest():
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

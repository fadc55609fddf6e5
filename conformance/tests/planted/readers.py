"""Implementations that read Candid wrongly: the specification, and before it something that looks at arguments."""

from collections.abc import Callable
from typing import Any, Final

from conformance.protocol.interface import Accepted, Refused
from conformance.suite.candid_forms import LARGEST_ID, typed
from conformance.tests.planted.bugs import BlackBox
from spec.state.request import Endpoint, Request
from spec.values.candid import CandidError, Opt, Primitive, Record, Service, read_as_sent
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, Principal


class Strict(BlackBox):
    """Arguments of management methods that it does not like are refused."""

    def __init__(self, dislikes: Callable[[Blob], bool]) -> None:
        super().__init__()
        self.dislikes = dislikes

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        if request.canister_id == MANAGEMENT_CANISTER and self.dislikes(request.argument):
            return Refused()
        return super().submit(request, effective_id, endpoint)


def _is_read(argument: Blob) -> bool:
    return not isinstance(read_as_sent(argument), CandidError)


def _fields(argument: Blob) -> dict[Any, Any]:
    if not _is_read(argument):
        return {}
    return {label: content for part in typed(argument)[:1] for label, content in getattr(part.type, "fields", ())}


def extra_field(argument: Blob) -> bool:
    """A record has a field of an id that no method has."""
    return LARGEST_ID in _fields(argument)


def extra_argument(argument: Blob) -> bool:
    """There is more than one argument."""
    return _is_read(argument) and len(typed(argument)) > 1


def longer_number(argument: Blob) -> bool:
    """The number of types is not in the shortest form."""
    return argument[4:5] > b"\x7f" and argument[5:6] in (b"\x00", b"\x80")


def missing_option(argument: Blob) -> bool:
    """Settings come without any option beside them."""
    fields = _fields(argument).values()
    return any(isinstance(each, Record) for each in fields) and not any(isinstance(each, Opt) for each in fields)


def null_for_an_option(argument: Blob) -> bool:
    """A field has the type null."""
    return Primitive.NULL in _fields(argument).values()


def service_for_a_principal(argument: Blob) -> bool:
    """A field has the type of a service."""
    return Service() in _fields(argument).values()


def recursive_type(argument: Blob) -> bool:
    """The table begins with an option of the second entry."""
    return argument[5:7] == b"\x6e\x01"


class ReadsWhatIsLeft(BlackBox):
    """Bytes after the last value are taken for nothing."""

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        seen = super().submit(request, effective_id, endpoint)
        is_longer = (
            not _is_read(request.argument) and request.argument[-1:] == b"\0" and _is_read(request.argument[:-1])
        )
        if isinstance(seen, Refused) and request.canister_id == MANAGEMENT_CANISTER and is_longer:
            return Accepted(bytes(32))  # type: ignore[arg-type]
        return seen


READERS: Final[dict[str, tuple[Callable[[], BlackBox], str, str]]] = {
    "an extra field": (lambda: Strict(extra_field), "candid/more_fields_in_every_record", "more fields"),
    "an extra argument": (lambda: Strict(extra_argument), "candid/more_arguments", "more arguments"),
    "a longer number": (
        lambda: Strict(longer_number),
        "candid/numbers_with_bytes_that_do_not_change_them",
        "numbers with bytes",
    ),
    "an option that is left out": (
        lambda: Strict(missing_option),
        "candid/options_that_are_not_given_left_out",
        "left out",
    ),
    "null for an option": (lambda: Strict(null_for_an_option), "candid/null_where_options_are_expected", "null where"),
    "a service for a principal": (
        lambda: Strict(service_for_a_principal),
        "candid/services_where_principals_are_expected",
        "services where",
    ),
    "a recursive type": (lambda: Strict(recursive_type), "candid/a_field_of_a_recursive_type", "recursive"),
    "bytes after the last value": (ReadsWhatIsLeft, "candid/lifecycle", "bytes after the last value"),
}
"""What each does not take, or takes though it should not; the scenario that catches it, and what the verdict says."""

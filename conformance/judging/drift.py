"""
What the system may do at any time although nothing waits for it, and what is seen of that.

The judge takes such a transition only if an answer tells that it was taken: the version of a canister that was raised,
an answer that was forgotten. Checklist: `unspec.spont.version`, `unspec.spont.request-cleanup`,
`unspec.env.done-status`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from conformance.judging.candid_replies import VERSIONS
from conformance.protocol.interface import (
    Answer,
    Done,
    Path,
    Query,
    QueryAnswer,
    Refused,
    Replied,
    UnknownRequest,
    Values,
)
from spec.machine import step
from spec.reads.management_query import managed_by_query
from spec.state.label import Label
from spec.state.request import Request
from spec.state.state import State
from spec.transition import Step
from spec.values import management
from spec.values.candid import CandidValue, Case, Message, Some, field_id, read_as_sent
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, RequestId, Text
from spec.values.quantities import CanisterVersion

WORD: Final = 8
"""How many bytes a version takes where code tells it, the least first."""

LONGEST: Final = 256
"""Longer replies are not searched for versions that code tells."""

STATUS: Final = "canister_status"
"""The method that tells the version of a canister."""

TOLD_BY_CODE: Final[Text] = "ic0.canister_version"
"""In a record with a field of this name code tells its version, and what it keeps, which may be versions as well."""

FAR: Final = 2**32
"""A number that is higher by more than this is no version."""


def with_forgotten(state: State, answers: Mapping[RequestId, Answer]) -> State:
    """The state in which the answers that are no longer told have been forgotten, as far as they may be."""
    for request_id, seen in answers.items():
        if isinstance(seen, Done):
            state = _after(state, Label("request_done", {"request_id": request_id}))
        elif isinstance(seen, UnknownRequest):
            state = _after(state, Label("request_deletion", {"request_id": request_id}))
    return state


def statuses_read(paths: Sequence[Path], read: Values | Refused) -> Mapping[RequestId, Answer]:
    """Which requests are done or not known any more, as the certified state tells it."""
    told: dict[RequestId, Answer] = {}
    for path, value in zip(paths, read.values if isinstance(read, Values) else (), strict=False):
        match path, value:
            case (b"request_status", request_id, b"status"), b"done":
                told[RequestId(request_id)] = Done()
            case (b"request_status", request_id, b"status"), None:
                told[RequestId(request_id)] = UnknownRequest()
    return told


def answers_not_told(paths: Sequence[Path], read: Values | Refused) -> Mapping[RequestId, Answer]:
    """The requests of which the certified state has nothing that was read: their answers may have been forgotten."""
    told: dict[RequestId, list[Blob | None]] = {}
    for path, value in zip(paths, read.values if isinstance(read, Values) else (), strict=False):
        match path:
            case (b"request_status", request_id, _):
                told.setdefault(RequestId(request_id), []).append(value)
    return {request_id: Done() for request_id, values in told.items() if all(value is None for value in values)}


def _after(state: State, label: Label) -> State:
    fired = step(state, label)
    return fired.state if isinstance(fired, Step) else state


def with_version_told(state: State, asked: Request | Query, answer: Answer | QueryAnswer) -> State:
    """
    The state in which a canister has the version that the answer tells of its status, if it had a lower one.

    While the answer was on its way, the version may have risen further.
    """
    if asked.canister_id != MANAGEMENT_CANISTER or asked.method_name != STATUS or not isinstance(answer, Replied):
        return state
    canister_id = managed_by_query(STATUS, asked.argument)
    try:
        version = management.decode_canister_status(answer.data).version
    except ValueError:
        return state
    if canister_id is None or canister_id not in state.canisters:
        return state
    return _after(state, Label("canister_version_increment", {"canister_id": canister_id, "version": version}))


def versions_told(replies: Iterable[Blob]) -> tuple[CanisterVersion, ...]:
    """What may be versions in replies: fields of that name in Candid, and words in what code gives."""
    versions: set[CanisterVersion] = set()
    for reply in replies:
        message = read_as_sent(reply)
        if isinstance(message, Message):
            versions.update(_in_fields(message.values))
        else:
            versions.update(_in_words(reply))
    return tuple(sorted(versions))


def _in_words(content: Blob) -> Iterator[CanisterVersion]:
    places = range(len(content) - WORD + 1 if len(content) <= LONGEST else 0)
    return (int.from_bytes(content[start : start + WORD], "little") for start in places)


def _anywhere(value: CandidValue) -> Iterator[CanisterVersion]:
    """All numbers, and the words of bytes."""
    match value:
        case dict():
            for part in value.values():
                yield from _anywhere(part)
        case int():
            yield value
        case bytes():
            yield from _in_words(value)


def _in_fields(value: CandidValue) -> Iterator[CanisterVersion]:
    match value:
        case dict() if field_id(TOLD_BY_CODE) in value:
            yield from _anywhere(value)
        case dict():
            for name, part in value.items():
                if name in VERSIONS and isinstance(part, int):
                    yield part
                yield from _in_fields(part)
        case tuple():
            for part in value:
                yield from _in_fields(part)
        case Some(inside) | Case(_, inside):
            yield from _in_fields(inside)


def raised(state: State, versions: tuple[CanisterVersion, ...]) -> Iterator[tuple[Label, Step]]:
    """The canisters with their versions raised to those that were told, and to the numbers just below them."""
    near = sorted({version for told in versions for version in (told - 1, told)})
    for canister_id, canister in state.canisters.items():
        for version in near:
            if canister.version < version <= canister.version + FAR:
                label = Label("canister_version_increment", {"canister_id": canister_id, "version": version})
                fired = step(state, label)
                assert isinstance(fired, Step), "the version is higher than before"
                yield label, fired

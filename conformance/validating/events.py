"""
What a trace of a system holds: one JSON object a line, each an event with any of the fields that it may have.

`schema.json` says the same for other languages. What is there must be right; what is not there may be anything.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from conformance.protocol.frames import WireError
from conformance.protocol.quoting import quoted_value, shown
from conformance.protocol.wire import (
    read_blob,
    read_endpoint,
    read_list,
    read_natural,
    read_optional,
    read_paths,
    read_principal,
    read_reason,
    read_request_id,
    read_sender_info,
    read_text,
    read_time,
    read_truth,
)
from spec.values.identifiers import Text
from spec.values.quantities import Count

FORMAT: Final = "observed/1"

STATUSES: Final = ("unknown", "received", "processing", "done", "replied", "rejected", "refused")

Reading = Callable[[Any, str], Any]


def _read_status(value: Any, place: str) -> str:
    if value not in STATUSES:
        raise WireError(f"{place}: {quoted_value(value)} is none of {', '.join(STATUSES)}")
    return str(value)


def _read_format(value: Any, place: str) -> str:
    if value != FORMAT:
        raise WireError(f"{place}: {quoted_value(value)} is not {FORMAT!r}")
    return FORMAT


def _read_kinds(value: Any, place: str) -> tuple[str, ...]:
    kinds = read_list(value, place, read_text)
    if set(kinds) - {"execution"}:
        raise WireError(f"{place}: all events can be told of the kind 'execution' alone")
    return kinds


def _read_values(value: Any, place: str) -> tuple[bytes | None, ...]:
    return read_list(value, place, lambda each, inner: read_optional(each, inner, read_blob))


_ASKED: Final[Mapping[Text, Reading]] = {
    "nonce": read_blob,
    "ingress_expiry": read_time,
    "sender": read_principal,
    "canister_id": read_principal,
    "method_name": read_text,
    "argument": read_blob,
    "effective_id": read_principal,
}
_ANSWERED: Final[Mapping[Text, Reading]] = {
    "status": _read_status,
    "data": read_blob,
    "code": read_natural,
    "reason": read_reason,
    "message": read_text,
}

EVENTS: Final[Mapping[Text, Mapping[Text, Reading]]] = {
    "start": {
        "format": _read_format,
        "profile": read_text,
        "subnet_size": read_natural,
        "subnet_id": read_principal,
        "root_key": read_blob,
        "system_time": read_time,
        "subnet_admins": lambda value, place: read_list(value, place, read_principal),
        "tells_all": _read_kinds,
    },
    "request": {
        **_ASKED,
        "sender_info": read_sender_info,
        "endpoint": read_endpoint,
        "request_id": read_request_id,
        "taken_in": read_truth,
    },
    "execution": {
        "canister_id": read_principal,
        "instructions": read_natural,
        "failed": read_truth,
        "failure": read_reason,
    },
    "response": {"request_id": read_request_id, **_ANSWERED},
    "balance": {"canister_id": read_principal, "cycles": read_natural},
    "query": {**_ASKED, **_ANSWERED},
    "read": {"sender": read_principal, "effective_id": read_principal, "paths": read_paths, "values": _read_values},
    "time": {"system_time": read_time},
    "rest": {},
}
"""The kinds of events, with their fields and how each is read."""

REQUIRED: Final = ("format", "system_time")
"""What the first event, `start`, has to tell."""


class TraceError(Exception):
    """A trace cannot be read. The message names the file and the line."""


@frozen
class Event:
    """Something that was recorded."""

    line: Count
    kind: Text
    told: Mapping[Text, Any] = field(factory=dict)
    """Its fields, as far as they were recorded."""

    def get(self, name: Text) -> Any:
        """A field; None if it was not recorded."""
        return self.told.get(name)

    def has(self, *names: Text) -> bool:
        """All of these fields were recorded."""
        return all(name in self.told for name in names)


@frozen
class Trace:
    """A trace of a system: how it began, and what happened."""

    start: Event
    events: tuple[Event, ...]


def read_trace(path: Path) -> Trace:
    """The trace in a file. Raises `TraceError`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as problem:
        raise TraceError(f"{path}: {problem.strerror}") from None
    except UnicodeDecodeError as problem:
        raise TraceError(f"{path}: it is no text in UTF-8: {problem.reason}") from None
    return trace_of(lines, str(path))


def trace_of(lines: Sequence[Text], name: Text) -> Trace:
    """The trace in these lines. Raises `TraceError`."""
    events = list(_events(lines, name))
    if not events or events[0].kind != "start":
        raise TraceError(f"{name}:1: a trace begins with the event 'start'")
    for field_name in REQUIRED:
        if not events[0].has(field_name):
            raise TraceError(f"{name}:{events[0].line}: start.{field_name}: the field is missing")
    for event in events[1:]:
        if event.kind == "start":
            raise TraceError(f"{name}:{event.line}: a trace has one event 'start'")
    return Trace(events[0], tuple(events[1:]))


def _events(lines: Sequence[Text], name: Text) -> Iterator[Event]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield event_of(json.loads(line), number)
        except (json.JSONDecodeError, RecursionError) as problem:
            raise TraceError(f"{name}:{number}: it is no JSON: {problem}") from None
        except (WireError, ValueError) as problem:
            raise TraceError(f"{name}:{number}: {problem}") from None


def event_of(value: Any, line: Count) -> Event:
    """An event as it was parsed. Raises `WireError`."""
    if not isinstance(value, dict):
        raise WireError("an event is an object")
    kind = value.get("event")
    if not isinstance(kind, str) or kind not in EVENTS:
        raise WireError(f"event: {quoted_value(kind)} is none of {', '.join(EVENTS)}")
    told: dict[Text, Any] = {}
    for name, written in value.items():
        if name == "event":
            continue
        if name not in EVENTS[kind]:
            raise WireError(f"{kind}.{shown(name, 60)}: the field is not known")
        told[name] = EVENTS[kind][name](written, f"{kind}.{name}")
    return Event(line, kind, told)

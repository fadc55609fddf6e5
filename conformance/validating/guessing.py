"""What a trace does not tell: values that the system chose, found elsewhere in it, and likely ones of requests."""

from itertools import product
from typing import Any, Final

from attrs import frozen

from conformance.judging.moves import Bindings, bindings_from
from conformance.protocol.interface import Query, Rejected, Replied, SeenReject
from conformance.validating.events import Event, Trace
from spec.state.request import Request
from spec.state.state import State
from spec.values import management
from spec.values.identifiers import (
    ANONYMOUS,
    MANAGEMENT_CANISTER,
    Blob,
    CanisterId,
    MethodName,
    Principal,
    SnapshotId,
    Text,
)
from spec.values.quantities import NANOSECONDS_PER_SECOND, Count, Nanoseconds

LIFETIME: Final[Nanoseconds] = 240 * NANOSECONDS_PER_SECOND
"""A request that does not tell it expires so long after it was handed in."""

MOST_TRIED: Final[Count] = 16
"""So many requests are tried where one was not recorded whole."""

ESSENTIAL: Final = ("sender", "canister_id", "method_name", "argument")
"""Without these nobody knows what a request asks for."""


@frozen
class Guessed:
    """What a request may have been, each with its effective id."""

    requests: tuple[tuple[Request, Principal], ...]
    doubt: Text | None
    """What was not recorded, and may have been something else."""
    is_another: bool
    """Its id is not the one that was recorded."""


class Guesses:
    """Values for what was not recorded, from the rest of the trace."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        asked = [event for event in trace.events if event.kind in ("request", "query")]
        self._seen: dict[Text, list[Any]] = {
            name: list(dict.fromkeys(event.get(name) for event in asked if event.has(name)))
            for name in (*ESSENTIAL, "effective_id")
        }
        self._arguments: dict[Text, list[Any]] = {}
        for event in asked:
            if event.has("method_name", "argument"):
                self._arguments.setdefault(event.get("method_name"), []).append(event.get("argument"))

    def of_request(self, event: Event, state: State) -> Guessed:
        """What a request may have been."""
        missing = [name for name in ESSENTIAL if not event.has(name)]
        choices = product(
            self._values(event, "sender", [ANONYMOUS]),
            self._values(event, "canister_id", [event.get("effective_id") or MANAGEMENT_CANISTER]),
            self._values(event, "method_name", ["update"]),
        )
        made: list[tuple[Request, Principal]] = []
        for sender, canister_id, method_name in choices:
            arguments = self._arguments.get(method_name, []) + [b"", b"DIDL\x00\x00"]
            for argument in [event.get("argument")] if event.has("argument") else dict.fromkeys(arguments):
                request = Request(
                    nonce=event.get("nonce") or b"",
                    ingress_expiry=event.get("ingress_expiry") or state.system_time + LIFETIME,
                    sender=sender,
                    canister_id=canister_id,
                    method_name=method_name,
                    argument=argument,
                    sender_info=event.get("sender_info"),
                )
                made += [(request, each) for each in self._effective_ids(event, request)]
        if not event.has("effective_id") and event.get("canister_id") == MANAGEMENT_CANISTER:
            missing.append("effective_id")
        doubt = f"{', '.join(missing)} of a request was not recorded" if missing else None
        is_another = not event.has("nonce", "ingress_expiry", *ESSENTIAL)
        return Guessed(tuple(made[:MOST_TRIED]), doubt, is_another)

    def query(self, event: Event, state: State) -> tuple[Query, Principal] | None:
        """A query with its effective id; None if nobody knows what it asks for."""
        if not event.has(*ESSENTIAL):
            return None
        expiry = event.get("ingress_expiry") or state.system_time + LIFETIME
        told = [event.get(name) for name in ESSENTIAL]
        query = Query(event.get("nonce") or b"", expiry, *told)
        if query.canister_id == MANAGEMENT_CANISTER and not event.has("effective_id"):
            return None
        return query, event.get("effective_id") or query.canister_id

    def next_time(self, event: Event) -> Nanoseconds | None:
        """The time that is recorded next, or follows from when the next request expires."""
        for later in self._trace.events:
            if later.line > event.line and later.kind == "time" and later.has("system_time"):
                return Nanoseconds(later.get("system_time"))
        return None

    def _values(self, event: Event, name: Text, otherwise: list[Any]) -> list[Any]:
        return [event.get(name)] if event.has(name) else self._seen[name] or otherwise

    def _effective_ids(self, event: Event, request: Request) -> list[Principal]:
        if event.has("effective_id"):
            return [event.get("effective_id")]
        if request.canister_id != MANAGEMENT_CANISTER:
            return [request.canister_id]
        try:
            about = getattr(management.decode_arguments(request.method_name, request.argument), "canister_id", None)
        except (KeyError, ValueError):
            about = None
        return [MANAGEMENT_CANISTER if about is None else about]


def bindings_of(trace: Trace) -> Bindings:
    """What the system chose, as far as answers show it or requests name it."""
    answers: list[Any] = []
    for event in trace.events:
        if event.kind == "response" and event.has("data"):
            answers.append(Replied(event.get("data")))
        elif event.kind == "response" and event.has("code"):
            answers.append(Rejected(SeenReject(event.get("code"), None, "")))
    found = bindings_from(answers)
    named = [
        CanisterId(event.get(name))
        for event in trace.events
        for name in ("canister_id", "effective_id")
        if event.has(name) and event.get(name) != MANAGEMENT_CANISTER
    ]
    return Bindings(
        canister_ids=tuple(dict.fromkeys((*found.canister_ids, *named))),
        randomness=found.randomness,
        replies=tuple(dict.fromkeys((*found.replies, *_replies_with_snapshots(trace)))),
        codes=found.codes,
    )


def _replies_with_snapshots(trace: Trace) -> list[Blob]:
    """Replies that would tell the ids of snapshots that lists of them show, or requests name."""
    ids: dict[SnapshotId, None] = {}
    for event in trace.events:
        try:
            if event.kind == "response" and event.has("data"):
                listed = management.decode_result(MethodName("list_canister_snapshots"), event.get("data"))
                ids |= dict.fromkeys(each.id for each in listed)
            elif event.kind in ("request", "query") and event.has("method_name", "argument"):
                named = management.decode_arguments(event.get("method_name"), event.get("argument"))
                if isinstance(found := getattr(named, "snapshot_id", None), bytes):
                    ids[SnapshotId(found)] = None
        except (KeyError, ValueError):
            continue
    taken, uploaded = MethodName("take_canister_snapshot"), MethodName("upload_canister_snapshot_metadata")
    return [
        reply
        for each in ids
        for reply in (
            management.encode_result(taken, management.SnapshotSummary(each, 0, 0)),
            management.encode_result(uploaded, each),
        )
    ]

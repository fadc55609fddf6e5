"""
A trace is explained by a run of the specification, or refused at the first event that none explains.

For each event there are the places where the run may be after it, computed as far as somebody looks: as long as the
first explains what comes next, no other is. Between events the specification takes any transitions, those that process
what waits before those that nothing waits for.

What was not recorded may be anything. Where the specification cannot go on without it, likely values are tried; if none
explains what comes later, that is no proof, and the trace counts as explained as far as it can be told.
"""

import json
from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Final

from attrs import evolve, frozen

from conformance.judging.candidates import Candidate
from conformance.judging.clocks import with_time
from conformance.judging.drift import with_forgotten
from conformance.judging.environment import CALM, Environment
from conformance.judging.following import Following
from conformance.judging.judge import Terms, first_state, status_in, submission, submission_labels
from conformance.judging.lazily import Lazily
from conformance.judging.moves import FEW_HEARTBEATS, Silence, by_itself, refunds, work
from conformance.judging.patterns import replies_agree
from conformance.judging.querying import Leeway, judged
from conformance.judging.reading import values_agree, values_in
from conformance.judging.verdicts import Judged
from conformance.judging.wording import shown, shown_id
from conformance.protocol.interface import (
    Answer,
    Done,
    Instance,
    Refused,
    Rejected,
    Replied,
    SeenReject,
    UnknownRequest,
    Values,
)
from conformance.validating.events import Event, Trace
from conformance.validating.guessing import Guesses, bindings_of
from spec.machine import submission_label
from spec.profile import load_profile
from spec.state.canonical import canonical_form
from spec.state.message import FuncMessage
from spec.state.request import Endpoint
from spec.transition import Executed, Step
from spec.values.identifiers import CanisterId, Principal, RequestId, Text
from spec.values.quantities import Count

DEFAULT_SECONDS: Final = 60.0
"""So much processor time a trace may take."""

DEFAULT_STEPS: Final[Count] = 100_000
SHOWN: Final[Count] = 8
"""So many things that would have been admitted are listed."""


@frozen
class Explained:
    """A run of the specification explains all events."""

    name = "explained"
    doubts: tuple[Text, ...] = ()
    """What was not recorded, and was chosen so that it fits."""


@frozen
class Open:
    """The events before this one are explained; whether it is right depends on what was not recorded."""

    name = "explained as far as it can be told"
    event: Event
    doubts: tuple[Text, ...]


@frozen
class NotExplained:
    """No run that explains the events before explains this one."""

    name = "refused"
    event: Event
    why: Text
    admitted: tuple[Text, ...]
    """What would have been admitted there."""


@frozen
class Undecided:
    """It could not be told within the budget, or the specification is silent."""

    name = "undecided"
    event: Event
    why: Text


Explanation = Explained | Open | NotExplained | Undecided


@frozen
class Place:
    """Where a run may be."""

    candidate: Candidate
    ids: tuple[tuple[RequestId, RequestId], ...] = ()
    """Ids of requests that were recorded, with those that the requests have in the run, where they differ."""
    unnamed: tuple[RequestId, ...] = ()
    """Ids in the run of requests whose ids were not recorded, and may be others."""
    executed: tuple[Executed, ...] = ()
    """Executions of the last transition whose events are still to come."""

    def named(self, request_id: RequestId) -> "Iterator[tuple[Place, RequestId]]":
        """The places in which a request has an id that was recorded, each with its id in the run."""
        known = dict(self.ids)
        if request_id in known:
            yield self, known[request_id]
            return
        if request_id not in self.candidate.state.requests:
            for own in self.unnamed:
                left = tuple(each for each in self.unnamed if each != own)
                yield evolve(self, ids=(*self.ids, (request_id, own)), unnamed=left), own
        yield self, request_id


def explain(
    trace: Trace, environment: Environment = CALM, seconds: float = DEFAULT_SECONDS, steps: Count = DEFAULT_STEPS
) -> Explanation:
    """Looks for a run that explains a trace."""
    return _Explaining(trace, environment, seconds, steps).explained()


class _Explaining:
    def __init__(self, trace: Trace, environment: Environment, seconds: float, steps: Count) -> None:
        start = trace.start
        self._trace = trace
        self._terms = Terms(
            profile=load_profile(start.get("profile") or "production"),
            subnet_size=start.get("subnet_size") or 13,
            subnet_admins=start.get("subnet_admins") or (),
            environment=environment,
            costs_are_exact=start.has("profile"),
            steps=steps,
            seconds=seconds,
        )
        self._instance = Instance(
            start.get("subnet_id") or Principal(b"\x01" * 29), start.get("root_key") or b"", start.get("system_time")
        )
        self._tells_executions = "execution" in (start.get("tells_all") or ())
        self._following = Following(self._terms, FEW_HEARTBEATS)
        self._bindings = bindings_of(trace)
        self._guesses = Guesses(trace)
        self._doubts: dict[Text, None] = {}
        self._admitted: dict[Text, None] = {}
        self._heard = False
        self._latest = start

    def explained(self) -> Explanation:
        places = Lazily[Place](iter([Place(Candidate(first_state(self._terms, self._instance)))]))
        for event in self._trace.events:
            self._admitted.clear()
            self._latest = event
            try:
                places = self._after(places, event)
                if places.is_empty():
                    return self._refused(event)
            except Judged as judged:
                return Undecided(event, judged.verdict.why)
        return Explained(tuple(self._doubts))

    def _refused(self, event: Event) -> Explanation:
        if self._following.silences:
            return Undecided(event, f"the specification is silent: {'; '.join(self._following.silences)}")
        if self._heard:
            self._doubts["code heard what the system says of a reject, which may be anything"] = None
        if self._doubts:
            return Open(event, tuple(self._doubts))
        more = len(self._admitted) - SHOWN
        listed = tuple(self._admitted)[:SHOWN] + ((f"and {more} more",) if more > 0 else ())
        return NotExplained(event, f"no run of the specification explains {words_of(event)}", listed)

    def _after(self, before: Lazily[Place], event: Event) -> Lazily[Place]:
        """The places after an event, which is explained there."""
        if event.kind == "rest":
            self._following.rests += 1
        visited: set[Hashable] = set()
        return Lazily[Place](chain.from_iterable(self._explaining(place, event, visited) for place in before))

    def _explaining(self, start: Place, event: Event, visited: set[Hashable]) -> Iterator[Place]:
        if start.executed and event.kind == "execution":
            yield from self._next_of_same_transition(start, event)
            if self._tells_executions:
                return
        elif start.executed and self._tells_executions:
            return
        for place in self._reachable(evolve(start, executed=()), event, visited):
            if event.kind != "execution":
                try:
                    yield from self._at[event.kind](self, place, event)
                except Silence as silence:
                    self._following.silences[str(silence)] = None
            elif place.executed:
                yield from self._next_of_same_transition(place, event)

    # Executions

    def _next_of_same_transition(self, place: Place, event: Event) -> Iterator[Place]:
        """An execution of the last transition is the one that was recorded; any of them, if not all are."""
        most = 1 if self._tells_executions else len(place.executed)
        for index, executed in enumerate(place.executed[:most]):
            self._admit(event, partial(_words_of_execution, executed))
            if self._is_execution(executed, event):
                yield evolve(place, executed=place.executed[index + 1 :])

    def _is_execution(self, executed: Executed, event: Event) -> bool:
        told = {"canister_id": executed.canister_id, "failed": executed.failure is not None}
        if self._terms.costs_are_exact:
            told["instructions"] = executed.instructions
        return all(event.get(name) == value for name, value in told.items() if event.has(name))

    # Which places can be reached

    def _reachable(self, start: Place, event: Event, visited: set[Hashable]) -> Iterator[Place]:
        """
        The places that can be reached by transitions that are no events, the start first, depth first.

        For an execution: those after one more transition in which code ran.
        """
        waiting: list[Iterator[Place]] = [iter([start])]
        rare: list[Iterator[Place]] = []
        while sources := waiting or rare:
            place = next(sources[-1], None)
            if place is None:
                sources.pop()
                continue
            if place.executed and event.kind == "execution":
                yield place
                continue
            candidate = place.candidate
            self._heard = self._heard or bool(candidate.heard)
            key = (canonical_form(candidate.state), candidate.rejections, candidate.beaten, place.ids, place.unnamed)
            if key in visited:
                continue
            visited.add(key)
            if event.kind != "execution":
                yield place
            waiting.append(self._usual(place, event))
            rare.append(self._rare(place, event))

    def _usual(self, place: Place, event: Event) -> Iterator[Place]:
        candidate, bindings = place.candidate, self._bindings
        moved = self._following.moved
        for moves in (work(candidate.state, bindings), by_itself(candidate.state, bindings)):
            yield from self._allowed(place, moved(candidate, moves), event)

    def _rare(self, place: Place, event: Event) -> Iterator[Place]:
        candidate = place.candidate
        for moved in (
            self._following.beating(candidate),
            self._following.refused([candidate]),
            self._following.moved(candidate, refunds(candidate.state)),
            self._following.troubled(candidate),
        ):
            yield from self._allowed(place, moved, event)

    def _allowed(self, place: Place, moved: Iterator[Candidate], event: Event) -> Iterator[Place]:
        """The places after these moves; where all executions are told, those without executions but the one told."""
        for candidate in moved:
            executed = candidate.last_executed
            if executed and event.kind != "execution" and self._tells_executions:
                continue
            yield evolve(place, candidate=candidate, executed=executed if event.kind == "execution" else ())
            if executed and event.kind == "execution" and not self._tells_executions:
                yield evolve(place, candidate=candidate, executed=())

    # What events say of a place

    def _request(self, place: Place, event: Event) -> Iterator[Place]:
        state = place.candidate.state
        taken_in = event.get("taken_in")
        guesses = self._guesses.of_request(event, state)
        if guesses.doubt:
            if taken_in is False:
                yield place  # Something that was not recorded may be the reason.
                return
            self._doubts[f"line {event.line}: {guesses.doubt}"] = None
        for request, effective_id in guesses.requests:
            label = submission_label(request, effective_id, event.get("endpoint") or Endpoint.CANISTER)
            for each in submission_labels(state, label):
                outcome = submission(state, request, each)
                if isinstance(outcome, str):
                    self._following.silences[outcome] = None
                    continue
                accepted = not isinstance(outcome[0], Refused)
                self._admit(event, partial(str, "it is taken in" if accepted else "it is refused"))
                if taken_in in (None, accepted):
                    later = evolve(place, candidate=place.candidate.after(each, Step(outcome[1])))
                    if isinstance(outcome[0], Refused):
                        yield later
                        break
                    own, told = outcome[0].request_id, event.get("request_id")
                    if told is None:
                        yield evolve(later, unnamed=(*place.unnamed, own)) if guesses.is_another else later
                        break
                    if own != told and not guesses.is_another:
                        self._admit(event, partial("its id is {}".format, shown_id(own)))
                        continue
                    yield later if own == told else evolve(later, ids=(*place.ids, (told, own)))
                    break

    def _response(self, place: Place, event: Event) -> Iterator[Place]:
        told = event.get("request_id")
        if told is None:
            state = place.candidate.state
            known: list[RequestId] = [each for each, _ in state.requests.items()]
            found = [each for request_id in known for each in self._status(place, request_id, event)]
            yield from found[:1]
            if not found and self._says(event, UnknownRequest()):
                yield place
            return
        for named, own in place.named(told):
            yield from self._status(named, own, event)

    def _status(self, place: Place, request_id: RequestId, event: Event) -> Iterator[Place]:
        candidate = place.candidate
        forgotten: list[Answer] = [Done(), UnknownRequest()] if event.get("status") in ("done", "unknown", None) else []
        states = [candidate.state, *(with_forgotten(candidate.state, {request_id: each}) for each in forgotten)]
        for state in dict.fromkeys(states) if forgotten else states:
            allowed = status_in(state, request_id)
            self._admit(event, partial(shown, allowed))
            if self._says(event, allowed):
                yield evolve(place, candidate=evolve(candidate, state=state))
                return

    def _says(self, event: Event, allowed: Answer) -> bool:
        """What was recorded of an answer is said by this one."""
        if event.get("status") not in (None, type(allowed).__name__.lower(), _NAMES.get(type(allowed))):
            return False
        if event.has("data"):
            if not isinstance(allowed, Replied):
                return False
            if not replies_agree(allowed.data, event.get("data"), self._terms.costs_are_exact):
                return False
        if event.has("code") and not (isinstance(allowed, Rejected) and allowed.reject.code == event.get("code")):
            return False
        if event.has("message") and isinstance(allowed, Rejected) and allowed.reject.reason is not None:
            explicit = allowed.reject.reason.name == "EXPLICIT"
            return not explicit or allowed.reject.message == event.get("message")
        return True

    def _balance(self, place: Place, event: Event) -> Iterator[Place]:
        canisters = place.candidate.state.canisters
        told = event.get("canister_id")
        for canister_id, canister in canisters.items():
            if told not in (None, canister_id):
                continue
            self._admit(event, partial("{:,} cycles".format, canister.balance))
            is_told = event.has("cycles") and self._terms.costs_are_exact
            if not is_told or canister.balance == event.get("cycles"):
                yield place
                return

    def _query(self, place: Place, event: Event) -> Iterator[Place]:
        asked = self._guesses.query(event, place.candidate.state)
        seen = _answer_told(event)
        if asked is None or seen is None:
            yield place  # A query changes nothing, so what was not recorded of it is no matter.
            return
        query, effective_id = asked
        leeway = Leeway(self._terms.costs_are_exact, place.candidate.failures, None)
        judgement = judged(place.candidate.state, query, effective_id, seen, leeway)
        self._admit(event, lambda: shown(judgement.allowed))
        if judgement.agrees:
            yield place

    def _read(self, place: Place, event: Event) -> Iterator[Place]:
        if not event.has("sender", "effective_id", "paths", "values"):
            yield place
            return
        state, paths = place.candidate.state, event.get("paths")
        allowed = values_in(state, event.get("sender"), CanisterId(event.get("effective_id")), paths)
        self._admit(event, lambda: "other values")
        if values_agree(state, paths, allowed, Values(event.get("values"))):
            yield place

    def _time(self, place: Place, event: Event) -> Iterator[Place]:
        now = event.get("system_time")
        if now is None:
            now = self._guesses.next_time(event)
            self._doubts[f"line {event.line}: the time was not recorded"] = None
        if now is None or now >= place.candidate.state.system_time:
            state = place.candidate.state if now is None else with_time(place.candidate.state, now)
            yield evolve(place, candidate=evolve(place.candidate, state=state))
        else:
            self._admit(event, lambda: f"{place.candidate.state.system_time} or later")

    def _rest(self, place: Place, event: Event) -> Iterator[Place]:
        state = place.candidate.state
        self._admit(event, lambda: "something waits to be processed")
        is_running = any(isinstance(each, FuncMessage) for each in state.messages)
        if not is_running and next(work(state, self._bindings), None) is None:
            yield place

    def _admit(self, event: Event, words: Callable[[], Text]) -> None:
        """This would have been admitted of the latest event, in words that are made only as long as some are wanted."""
        if event is self._latest and len(self._admitted) <= 4 * SHOWN:
            self._admitted[words()] = None

    _at: Final = {
        "request": _request,
        "response": _response,
        "balance": _balance,
        "query": _query,
        "read": _read,
        "time": _time,
        "rest": _rest,
    }


_NAMES: Final[Mapping[type[Answer], Text]] = {UnknownRequest: "unknown"}
"""Those of statuses whose class has another name."""


def _answer_told(event: Event) -> Replied | Rejected | Refused | None:
    """The answer to a query, if it was recorded."""
    match event.get("status"):
        case "replied" if event.has("data"):
            return Replied(event.get("data"))
        case "rejected" if event.has("code"):
            return Rejected(SeenReject(event.get("code"), event.get("reason"), event.get("message") or ""))
        case "refused":
            return Refused(event.get("code"), event.get("reason"))
    return None


def _words_of_execution(executed: Executed) -> Text:
    ending = "which succeeds" if executed.failure is None else f"which fails: {executed.failure.reason.name}"
    return f"an execution of 0x{executed.canister_id.hex()} with {executed.instructions:,} instructions, {ending}"


def words_of(event: Event) -> Text:
    """An event in words."""
    told = {name: f"0x{value.hex()}" if isinstance(value, bytes) else str(value) for name, value in event.told.items()}
    cut = {name: value if len(value) <= 80 else f"{value[:80]}…" for name, value in told.items()}
    return f"the {event.kind} of line {event.line}, {json.dumps(cut, ensure_ascii=False)}"

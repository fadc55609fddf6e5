"""What users of a scenario do to an implementation: the judge is told, and a transcript is kept."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

from attrs import frozen

from conformance.canisters.disassemble import MalformedProgram, on_one_line
from conformance.judging.candid_text import candid_text
from conformance.judging.judge import Judge, Terms
from conformance.judging.missing import not_there
from conformance.judging.moves import shown_label
from conformance.judging.replaying import Replay
from conformance.judging.verdicts import Judged, NotApplicable, inconclusive
from conformance.judging.wording import shown, shown_blob, shown_values
from conformance.protocol.interface import (
    Accepted,
    Advanced,
    Answer,
    Capability,
    Description,
    Implementation,
    Instance,
    InstanceKind,
    Path,
    Processing,
    Query,
    QueryAnswer,
    Received,
    Refused,
    Seen,
    Values,
)
from conformance.protocol.quoting import shown as shown_text
from conformance.protocol.serving import respond
from conformance.protocol.stdio import StdioImplementation
from conformance.protocol.versions import BOUNDS, PATHS, SETTINGS, has
from conformance.suite.people import ALICE
from conformance.suite.transcript import STEP, Event, Transcript
from spec.machine import choices_of, submission_label
from spec.state.label import Label
from spec.state.request import Endpoint, Request, SenderInfo
from spec.values import management
from spec.values.identifiers import (
    MANAGEMENT_CANISTER,
    Blob,
    CanisterId,
    MethodName,
    Principal,
    RequestId,
    SubnetId,
    Text,
)
from spec.values.quantities import NANOSECONDS_PER_SECOND, Count, Nanoseconds, Seconds

START: Final[Nanoseconds] = 1_750_000_000 * NANOSECONDS_PER_SECOND
"""The system time at which scenarios begin, in June 2025."""

REQUEST_LIFETIME: Final[Seconds] = 240
"""How long requests of scenarios are good for. Source: clients' habits; at most 5 minutes are allowed."""

ROUNDS_AT_ONCE: Final[Count] = 20
"""How many rounds `settle` asks for at a time."""

SETTLING_ROUNDS: Final[Count] = 400
"""After so many the system counts as not coming to rest."""

SETTLING_SECONDS: Final = 60.0
"""Likewise after so long."""

Played = list[tuple[object, object, Blob]]
"""What was asked and what was seen, in order, with the request's id or the query's nonce where there is one."""


def essence(asked: Request | Query) -> tuple[object, ...]:
    """What a request or query asks, whenever it does."""
    return asked.sender, asked.canister_id, asked.method_name, asked.argument


@frozen
class Sent:
    """A request that was handed in."""

    request: Request
    request_id: RequestId | None
    """None if it was refused."""
    refusal: Refused | None


class Listens:
    """A judge who admits everything and refuses nothing, and knows the names of fields that another judge knows."""

    has_refused = False

    def __init__(self, other: Judge) -> None:
        self.field_names = other.field_names

    def _admits(self, *_: object) -> None:
        """Nothing is objected to."""

    submitted = settled = answered = queried = was_read = _admits

    def new_steps(self) -> Sequence[Text]:
        return ()

    def said_after_refusals(self) -> Sequence[dict[Blob, Seen]]:
        return ()


class Acting:
    """One run of a scenario on one implementation."""

    finds_out_more = True
    """After a failure more may be asked, to tell what it is about."""

    def __init__(
        self,
        implementation: Implementation,
        description: Description,
        judge: Judge,
        terms: Terms,
        instance: Instance,
    ) -> None:
        self._implementation = implementation
        self._description = description
        self._judge = judge
        self._terms = terms
        self._instance = instance
        self._now = instance.system_time
        self._nonce = 0
        self._open: dict[RequestId, Sent] = {}
        self._answers: dict[RequestId, Answer] = {}
        self._scripted: set[CanisterId] = set()
        """Canisters whose arguments are programs."""
        self._is_over = False
        self._transcript = Transcript()
        self.accepted: list[tuple[Sent, Principal]] = []
        """The requests that were taken in, with their effective ids."""
        self.when_settled: Callable[[], None] | None = None
        """What the judge does by itself whenever the system came to rest."""
        self.played: Played = []
        """What the scenario has done and seen."""

    @property
    def transcript(self) -> list[Event]:
        """What was done and seen, in words."""
        return self._transcript.events

    @property
    def subnet_id(self) -> SubnetId:
        """The subnet on which all happens."""
        return self._instance.subnet_id

    @property
    def now(self) -> Nanoseconds:
        """The system time."""
        return self._now

    def name(self, canister_id: CanisterId) -> Text:
        """What the transcript calls a canister."""
        return self._transcript.canister(canister_id)

    # What users do

    def send(
        self,
        canister_id: CanisterId,
        method_name: MethodName,
        argument: Blob,
        *,
        sender: Principal = ALICE,
        effective_id: Principal | None = None,
        endpoint: Endpoint = Endpoint.CANISTER,
        ingress_expiry: Nanoseconds | None = None,
        sender_info: SenderInfo | None = None,
    ) -> Sent:
        """Hands in an update call, and does not wait for anything."""
        self._nonce += 1
        request = Request(
            nonce=self._nonce.to_bytes(8, "big"),
            ingress_expiry=self._expiry() if ingress_expiry is None else ingress_expiry,
            sender=sender,
            canister_id=canister_id,
            method_name=method_name,
            argument=argument,
            sender_info=sender_info,
        )
        return self.resend(request, canister_id if effective_id is None else effective_id, endpoint)

    def resend(self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER) -> Sent:
        """Hands in a request as it is."""
        self._need_method(request.canister_id, request.method_name)
        self._need_settings(request)
        place = self.name(request.canister_id)
        self._transcript.note(
            self._transcript.user(request.sender),
            lambda: f"calls {place}.{request.method_name}{self._shown_argument(request.canister_id, request.argument)}",
        )
        seen = self._implementation.submit(request, effective_id, endpoint)
        self._remember((*essence(request), effective_id, endpoint), seen)
        self._judge.submitted(request, submission_label(request, effective_id, endpoint), seen)
        self._note_steps()
        match seen:
            case Accepted(request_id):
                sent = Sent(request, request_id, None)
                self._open[request_id] = sent
                self.accepted.append((sent, effective_id))
                return sent
            case Refused():
                self._transcript.note("the system", shown(seen))
                return Sent(request, None, seen)

    def settle(self, seconds: Seconds = 0) -> None:
        """Lets time pass, and the system process everything that it can."""
        advanced = self._advance(seconds * NANOSECONDS_PER_SECOND)
        answers = {request_id: self._implementation.answer(request_id) for request_id in self._open}
        for request_id, answer in answers.items():
            self._remember(request_id, answer, request_id)
        self._answers.update(answers)
        self._judge.settled(advanced, answers)
        self._note_steps()
        for request_id, answer in answers.items():
            if not isinstance(answer, Received | Processing):
                method_name = self._open.pop(request_id).request.method_name
                self._transcript.note("the system", partial(self._shown_answer, f"answers {method_name}", answer))
        if self.when_settled is not None:
            self.when_settled()

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Inside, the judge looks by itself: it does not look while it looks, and tells what it did if that fails."""
        before, self.when_settled = self.when_settled, None
        try:
            with self._transcript.looking():
                yield
        finally:
            self.when_settled = before

    @contextmanager
    def unjudged(self) -> Iterator[None]:
        """Inside, nothing is judged and nothing is told: after a failure, to find out more about it."""
        listening: Any = Listens(self._judge)
        judge, self._judge = self._judge, listening
        transcript, self._transcript = self._transcript, Transcript()
        try:
            with self.looking():
                yield
        finally:
            self._judge, self._transcript = judge, transcript

    def settle_what_is_open(self) -> None:
        """Lets the system process the requests that have no answer yet."""
        if self._open:
            self.settle()

    @property
    def is_over(self) -> bool:
        """There is no instance any more."""
        return self._is_over

    def _advance(self, nanoseconds: Nanoseconds) -> Advanced:
        deadline = time.monotonic() + SETTLING_SECONDS
        for attempt in range(SETTLING_ROUNDS // ROUNDS_AT_ONCE):
            passing = 0 if attempt else nanoseconds
            advanced = self._implementation.advance(ROUNDS_AT_ONCE, passing)
            self._remember(passing, advanced)
            self._now = advanced.system_time
            if advanced.is_quiescent or (self._is_live and self._all_answered()):
                return advanced
            if time.monotonic() > deadline:
                raise inconclusive(f"the system does not come to rest within {SETTLING_SECONDS:g} seconds")
        raise inconclusive(f"the system does not come to rest within {SETTLING_ROUNDS} rounds")

    def answer(self, sent: Sent) -> Seen:
        """What is known of a request after the last `settle`."""
        if sent.refusal is not None:
            return sent.refusal
        assert sent.request_id is not None
        return self._answers.get(sent.request_id, Received())

    def ask_again(self, sent: Sent) -> Seen:
        """Asks the implementation once more for the status of a request."""
        assert sent.request_id is not None, "the request was accepted"
        answer = self._implementation.answer(sent.request_id)
        self._remember(sent.request_id, answer, sent.request_id)
        self._judge.answered(sent.request_id, answer)
        return answer

    def call(
        self, canister_id: CanisterId, argument: Blob, method_name: MethodName = "update", sender: Principal = ALICE
    ) -> Seen:
        """An update call, with its answer once the system is at rest."""
        sent = self.send(canister_id, method_name, argument, sender=sender)
        self.settle()
        return self.answer(sent)

    def query(
        self,
        canister_id: CanisterId,
        argument: Blob,
        method_name: MethodName = "query",
        sender: Principal = ALICE,
        effective_id: Principal | None = None,
        nonce: Blob | None = None,
        ingress_expiry: Nanoseconds | None = None,
    ) -> QueryAnswer:
        """A query call."""
        self._need("query")
        self._need_method(canister_id, method_name)
        self._nonce += 1
        once = self._nonce.to_bytes(8, "big") if nonce is None else nonce
        expiry = self._expiry() if ingress_expiry is None else ingress_expiry
        query = Query(once, expiry, sender, canister_id, method_name, argument)
        effective = canister_id if effective_id is None else effective_id
        self._transcript.note(
            self._transcript.user(sender),
            lambda: f"queries {self.name(canister_id)}.{method_name}{self._shown_argument(canister_id, argument)}",
        )
        seen = self._implementation.query(query, effective)
        self._remember((*essence(query), effective), seen, query.nonce)
        self._transcript.note("the system", partial(self._shown_answer, "answers", seen))
        self._judge.queried(query, effective, seen)
        return seen

    def probe(self, canister_id: CanisterId, argument: Blob, method_name: MethodName) -> QueryAnswer:
        """A query that is not judged: after a failure, to find out more about it."""
        self._nonce += 1
        query = Query(self._nonce.to_bytes(8, "big"), self._expiry(), ALICE, canister_id, method_name, argument)
        return self._implementation.query(query, canister_id)

    def read(self, effective_id: Principal, paths: Sequence[Path], sender: Principal = ALICE) -> Values | Refused:
        """Reads from the certified state."""
        self._need("read")
        for leaf in (path[-1] for path in paths if path):
            self._need_version(PATHS.get(leaf), leaf.decode(errors="replace"))
        seen = self._implementation.read(sender, effective_id, paths)
        self._remember((sender, effective_id, *paths), seen)
        self._transcript.note(self._transcript.user(sender), lambda: f"reads {shown_values(seen, paths)}")
        self._judge.was_read(sender, effective_id, paths, seen)
        return seen

    def take(self, rule: Text, **choices: Any) -> bool:
        """
        Tells the implementation to take a transition, and says if it did; it must `schedule` and `explain`.

        Choices that are not given are those of the first label of the rule that is possible with those given, or else
        that is possible at all.
        """
        possible = self._replay.possible(rule)
        fitting = [label for label in possible if choices.items() <= choices_of(label).items()]
        others = {} if fitting or not possible else possible[0].arguments()
        return self._take(fitting[0] if fitting else Label(rule, others | choices))

    def take_next(self) -> bool:
        """Tells the implementation to take a transition that something waits for; false if nothing does."""
        label = self._replay.something_to_do()
        return label is not None and self._take(label)

    def takes_nothing_impossible(self, turn: Count) -> None:
        """Tells the implementation to take what cannot be taken now, of other rules each turn; it takes nothing."""
        labels = self._replay.impossible(turn)
        self._replay.attempted(labels, self._first_taken(labels))
        self._transcript.note("the scenario", f"asks for {len(labels)} transitions that cannot be taken: none is")

    def _first_taken(self, labels: Sequence[Label]) -> Count | None:
        """The place of the first of these transitions that the implementation takes; None if it takes none."""
        if Capability.ATTEMPT in self._description.capabilities:
            return self._implementation.attempt(labels)
        each = (self._implementation.schedule([label]) for label in labels)
        return next((place for place, seen in enumerate(each) if seen.stopped_by is None), None)

    def can_take(self, rule: Text) -> bool:
        """The implementation takes transitions in a given order and tells them, and one of this rule is possible."""
        is_told = isinstance(self._judge, Replay) and Capability.SCHEDULE in self._description.capabilities
        return is_told and bool(self._replay.possible(rule))

    @property
    def _replay(self) -> Replay:
        assert isinstance(self._judge, Replay), "only an implementation that explains shares the ids that labels name"
        return self._judge

    def _take(self, label: Label) -> bool:
        seen = self._implementation.schedule([label])
        self._replay.scheduled(label, seen)
        self._transcript.note("the scenario", f"has {shown_label(label)} taken: {seen.stopped_by or 'done'}")
        self._note_steps()
        return seen.stopped_by is None

    # The protocol itself

    def exchange(self, frame: Callable[[int], bytes]) -> tuple[int, Any]:
        """Sends a line as it is, made from an id, and gives the id and what answers it."""
        self._transcript.note("the judge", f"sends the line {shown_text(frame(0))}")
        asked = getattr(self._implementation, "inner", self._implementation)
        if isinstance(asked, StdioImplementation):
            return asked.exchange(frame)
        return 0, respond(asked, frame(0))[0]

    def stop(self) -> None:
        """Ends the instance, and with it the scenario."""
        self._transcript.note("the judge", "says stop")
        self._is_over = True
        self._implementation.stop()

    # Helpers

    @property
    def _is_live(self) -> bool:
        return self._description.instance is InstanceKind.LIVE

    def _all_answered(self) -> bool:
        return not any(
            isinstance(self._implementation.answer(request_id), Received | Processing) for request_id in self._open
        )

    def _expiry(self) -> Nanoseconds:
        return self._now + REQUEST_LIFETIME * NANOSECONDS_PER_SECOND

    def _need(self, name: Text) -> None:
        """Ends the scenario if the implementation says that it does not have this."""
        if name in self._description.missing:
            raise not_there(name)

    def _need_method(self, canister_id: CanisterId, method_name: MethodName) -> None:
        if canister_id == MANAGEMENT_CANISTER:
            self._need(method_name)

    def _need_settings(self, request: Request) -> None:
        """Ends the scenario if a user gives settings that came, or were bounded, later than what is followed."""
        sinces = [*SETTINGS.values(), *(since for since, _ in BOUNDS.values())]
        if request.canister_id != MANAGEMENT_CANISTER or all(map(self._has, sinces)):
            return
        settings = getattr(management.decode_arguments(request.method_name, request.argument), "settings", None)
        for name, since in SETTINGS.items():
            if getattr(settings, name, None) is not None:
                self._need_version(since, name)
        for name, (since, greatest) in BOUNDS.items():
            if (getattr(settings, name, None) or 0) > greatest:
                self._need_version(since, f"the bound of {name}")

    def _has(self, since: Text) -> bool:
        return has(self._description.interface_specification, since)

    def _need_version(self, since: Text | None, name: Text) -> None:
        """Ends the scenario if the implementation follows a version that does not have this."""
        if since is not None and not self._has(since):
            raise Judged(NotApplicable(f"{name} came with version {since} of the interface specification"))

    def _shown_argument(self, canister_id: CanisterId, argument: Blob) -> Text:
        if canister_id in self._scripted:
            with suppress(MalformedProgram):
                return f"({on_one_line(argument)})"
        return candid_text(argument, self._judge.field_names) or f"({shown_blob(argument)})"

    def _shown_answer(self, words: Text, seen: Seen) -> Text:
        return f"{words}: {shown(seen, self._judge.field_names)}"

    def _remember(self, asked: object, seen: object, identifier: Blob = b"") -> None:
        """What the scenario asks, but for what the judge asks by itself."""
        if not self._transcript.is_looking:
            self.played.append((asked, seen, identifier))

    def _note_steps(self) -> None:
        for text in self._judge.new_steps():
            self._transcript.note(STEP, text)

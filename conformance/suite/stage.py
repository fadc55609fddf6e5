"""
The stage on which a scenario plays: it acts on the implementation, tells the judge, and keeps a transcript.

A scenario says what users do. What may come of it is the judge's affair; `expect` only pins what a scenario is about.
"""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Final

from attrs import frozen

from conformance.canisters.disassemble import MalformedProgram, on_one_line
from conformance.canisters.library import SCRIPTED, load
from conformance.judging.candid_text import candid_text, names_of_interface, names_of_module, shown_principal
from conformance.judging.judge import Judge, Terms
from conformance.judging.missing import not_there
from conformance.judging.moves import shown_label
from conformance.judging.patterns import Pattern, replies
from conformance.judging.replaying import Replay
from conformance.judging.verdicts import Judged, NotApplicable, fail, inconclusive
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
    Replied,
    Seen,
    Values,
)
from conformance.protocol.quoting import shown as shown_text
from conformance.protocol.serving import respond
from conformance.protocol.stdio import StdioImplementation
from conformance.suite.transcript import STEP, Event
from spec.machine import choices_of, submission_label
from spec.state.label import Label
from spec.state.request import Endpoint, Request, SenderInfo
from spec.values import management
from spec.values.identifiers import (
    ANONYMOUS,
    MANAGEMENT_CANISTER,
    Blob,
    CanisterId,
    MethodName,
    Principal,
    RequestId,
    SubnetId,
    Text,
)
from spec.values.quantities import NANOSECONDS_PER_SECOND, Count, Cycles, Nanoseconds, Seconds


def user(name: Text) -> Principal:
    """The principal of a user: as long and as ending as those derived from a public key."""
    return Principal(hashlib.sha224(f"user {name}".encode()).digest() + b"\x02")


ALICE: Final = user("alice")
BOB: Final = user("bob")
EVE: Final = user("eve")
ADMIN: Final = user("admin")
"""The admin of the subnet, in scenarios that have one."""

USERS: Final[Mapping[Principal, Text]] = {
    ALICE: "alice",
    BOB: "bob",
    EVE: "eve",
    ADMIN: "the admin",
    ANONYMOUS: "anonymous",
}

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

TOLD_OF_LOOKS: Final[Count] = 12
"""So many of its last lines are told of a look of the judge's own that failed."""

MUCH: Final[Cycles] = 10**14
"""Enough for anything that a scenario does."""


Played = list[tuple[object, object, Blob]]
"""What was asked and what was seen, in order, with the request's id or the query's nonce where there is one."""

MetInstead = Callable[[Played, Count, Mapping[Blob, Seen]], bool]
"""Given what was done, how much was pinned, and what the specification says instead of some answers."""


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


class Stage:
    """One run of a scenario on one implementation."""

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
        self._names: dict[CanisterId, Text] = {}
        self._people: dict[Principal, Text] = dict(USERS)
        self._scripted: set[CanisterId] = set()
        """Canisters whose arguments are programs."""
        self._is_over = False
        self._told: list[tuple[Text, Text | Callable[[], Text]]] = []
        self.accepted: list[tuple[Sent, Principal]] = []
        """The requests that were taken in, with their effective ids."""
        self._unsaid: deque[tuple[Text, Text | Callable[[], Text]]] | None = None
        self.when_settled: Callable[[], None] | None = None
        """What the judge does by itself whenever the system came to rest."""
        self.played: Played = []
        """What the scenario has done and seen."""
        self.is_met_instead: MetInstead | None = None
        """Whether the specification meets what the scenario pins, as far as it has pinned; None if nobody knows."""
        self._pinned = 0

    @property
    def transcript(self) -> list[Event]:
        """What was done and seen. It is put into words when it is asked for: of most scenarios nobody reads it."""
        return [Event(actor, text if isinstance(text, str) else text()) for actor, text in self._told]

    @property
    def subnet_id(self) -> SubnetId:
        """The subnet on which all happens."""
        return self._instance.subnet_id

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
        place = self.name(request.canister_id)
        self._note(
            self._called(request.sender),
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
                self._note("the system", shown(seen))
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
                self._note("the system", partial(self._shown_answer, f"answers {method_name}", answer))
        if self.when_settled is not None:
            self.when_settled()

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Inside, the judge looks by itself: it does not look while it looks, and tells what it did if that fails."""
        before, self.when_settled = self.when_settled, None
        self._note("the judge", "looks at what can be observed")
        self._unsaid = deque(maxlen=TOLD_OF_LOOKS)
        try:
            yield
        except Judged:
            self._told += self._unsaid
            raise
        finally:
            self.when_settled, self._unsaid = before, None

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
    ) -> QueryAnswer:
        """A query call."""
        self._need("query")
        self._need_method(canister_id, method_name)
        self._nonce += 1
        query = Query(self._nonce.to_bytes(8, "big"), self._expiry(), sender, canister_id, method_name, argument)
        effective = canister_id if effective_id is None else effective_id
        self._note(
            self._called(sender),
            lambda: f"queries {self.name(canister_id)}.{method_name}{self._shown_argument(canister_id, argument)}",
        )
        seen = self._implementation.query(query, effective)
        self._remember((*essence(query), effective), seen, query.nonce)
        self._note("the system", partial(self._shown_answer, "answers", seen))
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
        seen = self._implementation.read(sender, effective_id, paths)
        self._remember((sender, effective_id, *paths), seen)
        self._note(self._called(sender), lambda: f"reads {shown_values(seen, paths)}")
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
        self._note("the scenario", f"asks for {len(labels)} transitions that cannot be taken: none is")

    def _first_taken(self, labels: Sequence[Label]) -> Count | None:
        """The place of the first of these transitions that the implementation takes; None if it takes none."""
        if Capability.ATTEMPT in self._description.capabilities:
            return self._implementation.attempt(labels)
        each = (self._implementation.schedule([label]) for label in labels)
        return next((place for place, seen in enumerate(each) if seen.stopped_by is None), None)

    @property
    def _replay(self) -> Replay:
        assert isinstance(self._judge, Replay), "only an implementation that explains shares the ids that labels name"
        return self._judge

    def _take(self, label: Label) -> bool:
        seen = self._implementation.schedule([label])
        self._replay.scheduled(label, seen)
        self._note("the scenario", f"has {shown_label(label)} taken: {seen.stopped_by or 'done'}")
        self._note_steps()
        return seen.stopped_by is None

    # The protocol itself

    def exchange(self, frame: Callable[[int], bytes]) -> tuple[int, Any]:
        """Sends a line as it is, made from an id, and gives the id and what answers it."""
        self._note("the judge", f"sends the line {shown_text(frame(0))}")
        if isinstance(self._implementation, StdioImplementation):
            return self._implementation.exchange(frame)
        return 0, respond(self._implementation, frame(0))[0]

    def stop(self) -> None:
        """Ends the instance, and with it the scenario."""
        self._note("the judge", "says stop")
        self._is_over = True
        self._implementation.stop()

    # The management canister

    def send_managed(
        self,
        method_name: MethodName,
        argument: Blob | management.ManagementArguments,
        canister_id: CanisterId = MANAGEMENT_CANISTER,
        sender: Principal = ALICE,
    ) -> Sent:
        """A call to the management canister about a canister."""
        encoded = argument if isinstance(argument, bytes) else management.encode_arguments(argument)
        return self.send(MANAGEMENT_CANISTER, method_name, encoded, sender=sender, effective_id=canister_id)

    def manage(
        self,
        method_name: MethodName,
        argument: Blob | management.ManagementArguments,
        canister_id: CanisterId = MANAGEMENT_CANISTER,
        sender: Principal = ALICE,
    ) -> Seen:
        """A call to the management canister, with its answer."""
        sent = self.send_managed(method_name, argument, canister_id, sender)
        self.settle()
        return self.answer(sent)

    def about(self, method_name: MethodName, canister_id: CanisterId, sender: Principal = ALICE) -> Seen:
        """A management method that takes a canister id and nothing else."""
        return self.manage(method_name, management.CanisterIdArguments(canister_id), canister_id, sender)

    def create(
        self,
        cycles: Cycles | None = MUCH,
        settings: management.SettingsArguments | None = None,
        sender: Principal = ALICE,
        name: Text | None = None,
    ) -> CanisterId:
        """A new canister without code."""
        arguments = management.ProvisionalCreateArguments(
            amount=cycles,
            settings=management.SettingsArguments() if settings is None else settings,
            specified_id=None,
            sender_canister_version=None,
        )
        created = self._must(self.manage("provisional_create_canister_with_cycles", arguments, sender=sender))
        canister_id = management.decode_canister_id_result(created)
        self._names[canister_id] = name or f"canister {len(self._names) + 1}"
        return canister_id

    def install(
        self,
        canister_id: CanisterId,
        module: Blob,
        argument: Blob = b"",
        mode: management.CanisterInstallMode | None = None,
        sender: Principal = ALICE,
    ) -> Seen:
        """Installs code."""
        self._judge.field_names |= names_of_module(module)
        if module in map(load, SCRIPTED):
            self._scripted.add(canister_id)
        return self.manage(
            "install_code",
            management.InstallCodeArguments(
                mode=management.InstallMode() if mode is None else mode,
                canister_id=canister_id,
                wasm_module=module,
                arg=argument,
                sender_canister_version=None,
            ),
            canister_id,
            sender,
        )

    def name_user(self, principal: Principal, name: Text) -> None:
        """The transcript calls a user so."""
        self._people.setdefault(principal, name)

    def name_fields(self, interface: Text) -> None:
        """Messages are shown with the names of fields that a Candid interface has."""
        self._judge.field_names |= names_of_interface(interface)

    def create_with_code(
        self,
        module: Blob,
        argument: Blob = b"",
        cycles: Cycles | None = MUCH,
        settings: management.SettingsArguments | None = None,
        name: Text | None = None,
    ) -> CanisterId:
        """A new canister with code, which runs."""
        canister_id = self.create(cycles, settings, name=name)
        self._must(self.install(canister_id, module, argument))
        return canister_id

    def status(self, canister_id: CanisterId) -> management.CanisterStatusResult:
        """A canister, as its controller sees it."""
        return management.decode_canister_status(self._must(self.about("canister_status", canister_id)))

    def balance(self, canister_id: CanisterId) -> Cycles:
        """The cycles of a canister, as its controller sees them."""
        return self.status(canister_id).cycles

    # What a scenario is about

    def expect(self, seen: Seen, pattern: Pattern) -> None:
        """Pins what the scenario is about, unless trouble may have come first."""
        if not self._pins(pattern.admits(seen)):
            raise fail(f"the answer is {shown(seen)}", (f"an answer that {pattern.words}",))

    def require(self, holds: bool, words: Text) -> None:
        """Pins a fact about what was seen, under the same condition."""
        if not self._pins(holds):
            raise fail(f"it does not hold that {words}")

    def _pins(self, holds: bool) -> bool:
        """
        What the scenario pins holds, or need not.

        In an environment that is not calm it need not. Where the system may have refused something to code that ran, it
        need not hold if the specification, which went on after the same refusal, does not meet it either.
        """
        self._pinned += 1
        if holds or not self._terms.environment.is_calm:
            return True
        is_met, pinned = self.is_met_instead, self._pinned
        if is_met is None:
            return self._judge.has_refused
        # Reason: with prices of its own, what code replies after a refusal may look like a reply without one.
        if self._terms.costs_are_exact and not self._judge.has_refused:
            return False
        return not all(is_met(self.played, pinned, said) for said in self._judge.said_after_refusals())

    @property
    def knows_prices(self) -> bool:
        """The implementation follows the profile to the last cycle; else its prices, and its limits, are its own."""
        return self._terms.costs_are_exact

    @property
    def now(self) -> Nanoseconds:
        """The system time."""
        return self._now

    def name(self, canister_id: CanisterId) -> Text:
        """What the transcript calls a canister."""
        if canister_id == MANAGEMENT_CANISTER:
            return "management"
        return self._names.get(canister_id) or shown_principal(canister_id)

    # Helpers

    def _called(self, sender: Principal) -> Text:
        """What the transcript calls a user."""
        return self._people.get(sender, "somebody")

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

    def _shown_argument(self, canister_id: CanisterId, argument: Blob) -> Text:
        if canister_id in self._scripted:
            with suppress(MalformedProgram):
                return f"({on_one_line(argument)})"
        return candid_text(argument, self._judge.field_names) or f"({shown_blob(argument)})"

    def _shown_answer(self, words: Text, seen: Seen) -> Text:
        return f"{words}: {shown(seen, self._judge.field_names)}"

    def _remember(self, asked: object, seen: object, identifier: Blob = b"") -> None:
        """What the scenario asks, but for what the judge asks by itself."""
        if self._unsaid is None:
            self.played.append((asked, seen, identifier))

    def _note(self, actor: Text, text: Text | Callable[[], Text]) -> None:
        """Adds a line to the transcript; of those of a look of the judge's own the last are kept if it fails."""
        (self._told if self._unsaid is None else self._unsaid).append((actor, text))

    def _note_steps(self) -> None:
        for text in self._judge.new_steps():
            self._note(STEP, text)

    def _must(self, seen: Seen) -> Blob:
        if isinstance(seen, Replied):
            return seen.data
        if self._judge.has_refused:
            raise Judged(NotApplicable(f"memories grow, and calls are taken, only sometimes: {shown(seen)}"))
        if not self._terms.environment.is_calm:
            raise inconclusive(f"trouble came before the scenario's point: {shown(seen)}")
        raise fail(f"a preparation was answered with {shown(seen)}", (f"an answer that {replies().words}",))

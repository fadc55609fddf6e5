"""
Implementations that are right and do what the text leaves open otherwise than production, and partners that go beyond.

Each is the specification with one thing changed, judged as a black box. The right ones pass every scenario.
"""

import random
from collections.abc import Sequence

from attrs import evolve

from conformance.judging.moves import Bindings, Move, by_itself, lacks_method, work
from conformance.protocol.interface import (
    Accepted,
    Answer,
    Path,
    Query,
    QueryAnswer,
    Refused,
    Rejected,
    Replied,
    SeenReject,
    Values,
)
from conformance.served.certificates import certificate_of
from conformance.tests.planted.bugs import BlackBox
from spec.certification.certificate import decode_certificate, encode_certificate
from spec.machine import candidates, choices_of, enabled, step, submission_label
from spec.rules.ingress.request_ids import request_id_of
from spec.rules.messages.rejection import reject_call_to_frozen_canister, reject_call_to_stopped_canister
from spec.state.canister import LogRecord, Stopping
from spec.state.label import Label
from spec.state.message import CallMessage, FuncMessage, ResponseMessage
from spec.state.request import Endpoint, Request
from spec.state.request import Rejected as RejectedStatus
from spec.state.state import State
from spec.transition import RULES, Executed, Step
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, Principal, RequestId, SnapshotId
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply


class Chooses(BlackBox):
    """It takes what comes next with another choice, if the rule admits that."""

    def other(self, label: Label, fired: Step) -> Label | None:
        """The label that is taken instead; None if it is the same."""
        raise NotImplementedError

    def next(self) -> Move | None:
        move = super().next()
        other = None if move is None else self.other(*move)
        if other is None:
            return move
        fired = step(self.current, other)
        return (other, fired) if isinstance(fired, Step) else move


def with_choices(label: Label, **choices: object) -> Label:
    """The label with other values for some of its free variables."""
    return Label(label.rule, {**label.arguments(), **choices})


# Reject codes

OPEN_REJECTIONS = (
    "management_call_rejection",
    "reject_call_to_missing_canister",
    "reject_call_to_empty_canister",
    "reject_call_to_canister_out_of_cycles",
)


class RejectsWith(Chooses):
    """Where the text names no reject code, it is always the same one."""

    code: RejectCode

    def other(self, label: Label, fired: Step) -> Label | None:
        return with_choices(label, code=self.code) if label.rule in OPEN_REJECTIONS else None


class RejectsAsFatal(RejectsWith):
    code = RejectCode.SYS_FATAL


class RejectsAsTransient(RejectsWith):
    code = RejectCode.SYS_TRANSIENT


class RejectsAsInvalidDestination(RejectsWith):
    code = RejectCode.DESTINATION_INVALID


class RejectsAsCanisters(RejectsWith):
    code = RejectCode.CANISTER_REJECT


class RejectsAsErrors(RejectsWith):
    code = RejectCode.CANISTER_ERROR


class RejectsInTurn(RejectsWith):
    """One code after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def other(self, label: Label, fired: Step) -> Label | None:
        if label.rule not in OPEN_REJECTIONS:
            return None
        self.count += 1
        return with_choices(label, code=RejectCode(1 + self.count % 5))


class ChangesCodesOf(BlackBox):
    """The rejects that a rule makes have a code that the text does not give them."""

    rules: tuple[str, ...]
    code: RejectCode

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule not in self.rules:
            return state
        for message_id, message in state.messages.entries:
            known = message_id in self.current.messages and self.current.messages[message_id] == message
            if isinstance(message, ResponseMessage) and isinstance(message.response, Reject) and not known:
                changed = evolve(message, response=evolve(message.response, code=self.code))
                state = evolve(state, messages=state.messages.replace(message_id, changed))
        return state


class RejectsForStoppedAsTransient(ChangesCodesOf):
    rules, code = (reject_call_to_stopped_canister.name,), RejectCode.SYS_TRANSIENT


class RejectsForFrozenAsError(ChangesCodesOf):
    rules, code = (reject_call_to_frozen_canister.name,), RejectCode.CANISTER_ERROR


class RejectsForTooFewCyclesAsTransient(ChangesCodesOf):
    rules, code = ("reject_call_with_insufficient_cycles",), RejectCode.SYS_TRANSIENT


class RejectsOfUninstalledAsError(ChangesCodesOf):
    rules, code = ("uninstall_code",), RejectCode.CANISTER_ERROR


class RejectsOfRestartedAsTransient(ChangesCodesOf):
    rules, code = ("start_stopping_canister",), RejectCode.SYS_TRANSIENT


class RejectsOfStarvedAsTransient(ChangesCodesOf):
    rules, code = ("call_context_starvation",), RejectCode.SYS_TRANSIENT


class LeavesUsersUnsure(ChangesCodesOf):
    """Calls without bound are answered with SYS_UNKNOWN."""

    rules, code = OPEN_REJECTIONS, RejectCode.SYS_UNKNOWN


class RejectsMissingMethodsAtOnce(BlackBox):
    """A call to a method that there is not never begins."""

    def next(self) -> Move | None:
        for message_id, message in self.current.messages.entries:
            if isinstance(message, CallMessage) and lacks_method(self.current, message):
                choices = {"message_id": message_id, "code": RejectCode.DESTINATION_INVALID}
                fired = step(self.current, Label("spontaneous_call_rejection", choices))
                if isinstance(fired, Step):
                    return Label("spontaneous_call_rejection", choices), fired
        return super().next()


class RejectsSomeMethodsAtOnce(BlackBox):
    """A call to a method that there is never begins."""

    def next(self) -> Move | None:
        for message_id, message in self.current.messages.entries:
            if isinstance(message, CallMessage) and message.callee in self.current.canisters:
                choices = {"message_id": message_id, "code": RejectCode.DESTINATION_INVALID}
                fired = step(self.current, Label("spontaneous_call_rejection", choices))
                if isinstance(fired, Step):
                    return Label("spontaneous_call_rejection", choices), fired
        return super().next()


# What is told of rejects and refusals


class TellsRejects(BlackBox):
    """It tells rejects in its own way."""

    def told(self, reject: SeenReject) -> SeenReject:
        """What is told of a reject."""
        raise NotImplementedError

    def answer(self, request_id: RequestId) -> Answer:
        answer = super().answer(request_id)
        return Rejected(self.told(answer.reject)) if isinstance(answer, Rejected) else answer

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        answer = super().query(query, effective_id)
        return Rejected(self.told(answer.reject)) if isinstance(answer, Rejected) else answer


class SaysItInItsOwnWords(TellsRejects):
    """The texts of the system are others."""

    def told(self, reject: SeenReject) -> SeenReject:
        own = reject.reason is RejectReason.EXPLICIT
        return reject if own else evolve(reject, message="IC0503: " + reject.message.upper())


class ChangesWhatCanistersSay(TellsRejects):
    """The texts of canisters are others."""

    def told(self, reject: SeenReject) -> SeenReject:
        return evolve(reject, message=reject.message + ".")


class TellsNoReasons(TellsRejects):
    """It cannot tell reasons."""

    def told(self, reject: SeenReject) -> SeenReject:
        return evolve(reject, reason=None)


class TellsOtherReasons(TellsRejects):
    """The reasons of the system are told in other words of the list."""

    def told(self, reject: SeenReject) -> SeenReject:
        own = reject.reason is RejectReason.EXPLICIT
        return reject if own else evolve(reject, reason=RejectReason.OUTSIDE_WORLD_FAILED)


class BlamesCanisters(TellsRejects):
    """It says of every reject that the canister gave it."""

    def told(self, reject: SeenReject) -> SeenReject:
        return evolve(reject, reason=RejectReason.EXPLICIT)


class RefusesInItsOwnWay(BlackBox):
    """Refusals of requests have another code and reason."""

    refusal = Refused(1, RejectReason.SYSTEM_OVERLOADED)

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        seen = super().submit(request, effective_id, endpoint)
        return self.refusal if isinstance(seen, Refused) else seen


class RefusesWithoutAWord(RefusesInItsOwnWay):
    """Refusals tell nothing."""

    refusal = Refused()


class RefusesNothing(BlackBox):
    """Every request is said to be taken in."""

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        super().submit(request, effective_id, endpoint)
        return Accepted(request_id_of(request))


class TakesNoChangeForFrozen(BlackBox):
    """No change of settings is taken for a frozen canister, however short."""

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        label = submission_label(request, effective_id, endpoint)
        if not isinstance(step(self.current, label), Step):
            return Refused()
        return super().submit(request, effective_id, endpoint)


class TakesAnythingForFrozen(BlackBox):
    """A request about a frozen canister is taken in."""

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        seen = super().submit(request, effective_id, endpoint)
        if isinstance(seen, Refused) and seen.reason is RejectReason.CANISTER_FROZEN:
            return Accepted(request_id_of(request))
        return seen


# Queries and reads


class RejectsManagementQueries(BlackBox):
    """A query that the management canister does not answer is rejected instead of refused."""

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        answer = super().query(query, effective_id)
        if query.canister_id == MANAGEMENT_CANISTER and isinstance(answer, Refused):
            return Rejected(SeenReject(4, answer.reason, "not for you"))
        return answer


class AnswersEverybody(BlackBox):
    """The management canister answers the queries of anybody."""

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        answer = super().query(query, effective_id)
        if query.canister_id == MANAGEMENT_CANISTER and isinstance(answer, Refused):
            return Replied(management.encode_result("fetch_canister_logs", List()))
        return answer


class RefusesQueriesToNobody(BlackBox):
    """A query to a canister that does not exist, or has no code, is refused."""

    reasons: frozenset[RejectReason | None] = frozenset(
        {RejectReason.CANISTER_NOT_FOUND, RejectReason.CANISTER_HAS_NO_CODE}
    )

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        answer = super().query(query, effective_id)
        if isinstance(answer, Rejected) and answer.reject.reason in self.reasons:
            return Refused(3, answer.reject.reason)
        return answer


class RefusesQueriesToStopped(RefusesQueriesToNobody):
    """A query to a stopped canister is refused."""

    reasons = frozenset({RejectReason.CANISTER_STOPPED, RejectReason.CANISTER_STOPPING})


class TellsErrorCodesAndTheNetwork(BlackBox):
    """It has an error code for every reject, and tells what the subnet is."""

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Values | Refused:
        read = super().read(sender, effective_id, paths)
        if isinstance(read, Refused):
            return read
        return Values(tuple(self.value(path, value) for path, value in zip(paths, read.values, strict=True)))

    def value(self, path: Path, value: bytes | None) -> bytes | None:
        """What stands at a path."""
        match path:
            case (b"request_status", request_id, b"error_code" | b"reject_message"):
                known = self.current.requests
                status = known[RequestId(request_id)].status if RequestId(request_id) in known else None
                if not isinstance(status, RejectedStatus):
                    return value
                own = status.reject.reason is RejectReason.EXPLICIT
                return value if own and path[-1] == b"reject_message" else b"IC0503"
            case (b"subnet", _, b"type"):
                return b"application"
            case _:
                return value


class HidesRejectMessages(BlackBox):
    """It tells no text of a reject."""

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Values | Refused:
        read = super().read(sender, effective_id, paths)
        if isinstance(read, Refused):
            return read
        pairs = zip(paths, read.values, strict=True)
        return Values(tuple(None if path and path[-1] == b"reject_message" else value for path, value in pairs))


class LetsReadEverything(BlackBox):
    """Nobody is refused a reading."""

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[Path]) -> Values | Refused:
        read = super().read(sender, effective_id, paths)
        return Values((None,) * len(paths)) if isinstance(read, Refused) else read


# Logs


class Records(Chooses):
    """The system writes to the log of a canister whose code fails."""

    record: bytes | None = b"[TRAP]: something else"

    def other(self, label: Label, fired: Step) -> Label | None:
        if label.rule != "message_execution" or all(each.failure is None for each in executed(fired)):
            return None
        return with_choices(label, system_records=(self.record,))


class RecordsNothingOfFailures(Chooses):
    """What a failed execution printed is not kept."""

    def other(self, label: Label, fired: Step) -> Label | None:
        if label.rule != "message_execution" or all(each.failure is None for each in executed(fired)):
            return None
        return with_choices(label, keeps_logs=False)


def executed(fired: Step) -> list[Executed]:
    """The executions of a step."""
    return [output for output in fired.outputs if isinstance(output, Executed)]


class ChangesLogs(BlackBox):
    """It does something to the log of a canister after each of its executions."""

    def log(self, before: List[LogRecord], after: List[LogRecord]) -> List[LogRecord]:
        """The log that is kept."""
        raise NotImplementedError

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        for output in executed(fired):
            if output.failure is None and output.canister_id in self.current.canisters:
                before, canister = self.current.canisters[output.canister_id], state.canisters[output.canister_id]
                changed = evolve(canister, logs=self.log(before.logs, canister.logs))
                state = evolve(state, canisters=state.canisters.set(output.canister_id, changed))
        return state


class PrintsNothing(ChangesLogs):
    """What code prints is lost."""

    def log(self, before: List[LogRecord], after: List[LogRecord]) -> List[LogRecord]:
        return before


class PrintsSomethingElse(ChangesLogs):
    """What code prints is changed."""

    def log(self, before: List[LogRecord], after: List[LogRecord]) -> List[LogRecord]:
        return List(tuple(evolve(record, content=record.content.swapcase()) for record in after))


class DatesLogsLater(ChangesLogs):
    """Records of logs have another time."""

    def log(self, before: List[LogRecord], after: List[LogRecord]) -> List[LogRecord]:
        kept = after.items[: len(before)]
        return List((*kept, *(evolve(each, timestamp=each.timestamp + 1) for each in after.items[len(kept) :])))


# Orders


class Postpones(BlackBox):
    """Some transitions come only when nothing else can be taken."""

    rules: tuple[str, ...]

    def next(self) -> Move | None:
        moves = [
            (label, fired)
            for label in enabled(self.current)
            if label.rule != "heartbeat_context_creation" and isinstance(fired := step(self.current, label), Step)
        ]
        prompt = [move for move in moves if move[0].rule not in self.rules]
        return next(iter([*prompt, *moves]), None)


class StopsLate(Postpones):
    rules = ("stop_completion",)


class CleansUpLate(Postpones):
    rules = ("call_context_removal", "call_context_starvation", "callback_of_deleted_context")


class AnswersUsersLate(Postpones):
    rules = ("respond_to_user", "callback_invocation")


class RunsTimersLate(Postpones):
    rules = ("global_timer_context_creation", "on_low_wasm_memory_context_creation")


class BeginsOneRequestAfterTheOther(Postpones):
    rules = ("initiate_call",)


class StopsAtOnce(BlackBox):
    """A canister that is asked to stop has stopped, whatever it still waits for."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        for canister_id, canister in state.canisters.items():
            if label.rule == "stop_running_canister" and isinstance(canister.status, Stopping):
                answers = [
                    ResponseMessage(call.origin, Reply(management.EMPTY_RESULT), call.cycles)
                    for call in canister.status.stop_calls
                ]
                waiting = evolve(canister, status=Stopping(List()))
                state = evolve(
                    state,
                    canisters=state.canisters.set(canister_id, waiting),
                    messages=state.messages.append(*answers),
                )
        return state


class FiresTimersEarly(BlackBox):
    """A timer fires as soon as it is set."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        for canister_id, canister in state.canisters.items():
            if canister.global_timer > canister.time:
                early = evolve(canister, global_timer=canister.time)
                state = evolve(state, canisters=state.canisters.set(canister_id, early))
        return state


class BeatsHearts(BlackBox):
    """The heartbeats of all canisters run once whenever the system is advanced."""

    def __init__(self) -> None:
        super().__init__()
        self.beaten: set[CanisterId] = set()

    def advance(self, rounds: int, nanoseconds: int) -> object:
        self.beaten = set()
        return super().advance(rounds, nanoseconds)

    def next(self) -> Move | None:
        waiting = any(isinstance(message, FuncMessage) for message in self.current.messages)
        for label in [] if waiting else candidates(self.current, RULES["heartbeat_context_creation"]):
            fired = step(self.current, label)
            canister_id = label.arguments()["canister_id"]
            if isinstance(fired, Step) and canister_id not in self.beaten:
                self.beaten.add(canister_id)
                return label, fired
        return super().next()


class BeatsHeartsTwice(BeatsHearts):
    """They run twice."""

    def advance(self, rounds: int, nanoseconds: int) -> object:
        self.beats_again = True
        return super().advance(rounds, nanoseconds)

    def next(self) -> Move | None:
        move = super().next()
        if move is None and self.beats_again:
            self.beats_again, self.beaten = False, set()
            move = super().next()
        return move


class RepeatsTimers(BlackBox):
    """A timer that fired stays set."""

    def __init__(self) -> None:
        super().__init__()
        self.repeated = False

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule == "global_timer_context_creation" and not self.repeated:
            self.repeated = True
            canister_id = label.arguments()["canister_id"]
            canister = evolve(
                state.canisters[canister_id], global_timer=self.current.canisters[canister_id].global_timer
            )
            return evolve(state, canisters=state.canisters.set(canister_id, canister))
        return state


class ExpiresCalls(BlackBox):
    """Calls expire as soon as their deadlines have come."""

    def next(self) -> Move | None:
        if not any(isinstance(message, FuncMessage) for message in self.current.messages):
            for label, fired in by_itself(self.current):
                if label.rule.startswith("call_expiry"):
                    return label, fired
        return super().next()


class RefundsExpiredCalls(ExpiresCalls):
    """The cycles of a call that expired come back."""

    def taken(self, label: Label, fired: Step) -> State:
        state = fired.state
        if label.rule != "call_expiry_of_message":
            return state
        message = self.current.messages[label.arguments()["message_id"]]
        if not isinstance(message, CallMessage):
            return state
        message_id, response = state.messages.entries[-1]
        changed = evolve(response, refunded_cycles=message.transferred_cycles)
        return evolve(state, messages=state.messages.replace(message_id, changed))


# Ids


class CountsCanistersOtherwise(Chooses):
    """Ids of canisters are numbered in steps of seven, from the end of a range."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 2**20

    def id(self) -> CanisterId:
        """The next id."""
        self.number += 7
        return CanisterId(Principal(self.number.to_bytes(8, "big") + b"\x01\x01"))

    def other(self, label: Label, fired: Step) -> Label | None:
        if label.rule not in ("create_canister", "provisional_create_canister_with_cycles"):
            return None
        return with_choices(label, canister_id=self.id())


class UsesIdsOfUsers(CountsCanistersOtherwise):
    """Ids of canisters are such as users have."""

    def next(self) -> Move | None:
        move = BlackBox.next(self)
        if move is None or move[0].rule not in ("create_canister", "provisional_create_canister_with_cycles"):
            return move
        label, fired = move
        made = label.arguments()["canister_id"]
        self.number += 1
        wrong = CanisterId(Principal(self.number.to_bytes(28, "big") + b"\x02"))
        renamed = evolve(
            fired.state,
            canisters=fired.state.canisters.remove(made).set(wrong, fired.state.canisters[made]),
            messages=renamed_result(fired.state, wrong),
        )
        return label, evolve(fired, state=renamed)


def renamed_result(state: State, canister_id: CanisterId) -> object:
    """The messages, with another id in the last response."""
    message_id, message = state.messages.entries[-1]
    response = evolve(message.response, data=management.encode_canister_id_result(canister_id))
    return state.messages.replace(message_id, evolve(message, response=response))


class NamesSnapshotsOtherwise(Chooses):
    """Snapshots have long ids that count down."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 2**64

    def other(self, label: Label, fired: Step) -> Label | None:
        if "snapshot_id" not in choices_of(label):
            return None
        self.number -= 1
        return with_choices(label, snapshot_id=SnapshotId(b"snapshot " + self.number.to_bytes(9, "big")))


class NamesSnapshotsAlike(BlackBox):
    """The id of a deleted snapshot is used again."""

    def taken(self, label: Label, fired: Step) -> State:
        return evolve(fired.state, used_snapshot_ids=List())


class ShufflesBySeed(BlackBox):
    """What waits is taken in a random order."""

    seed = 1

    def __init__(self) -> None:
        super().__init__()
        self.random = random.Random(self.seed)

    def next(self) -> Move | None:
        if any(isinstance(message, FuncMessage) for message in self.current.messages):
            return super().next()
        moves = list(work(self.current, Bindings()))
        return self.random.choice(moves) if moves else None


class ShufflesAgain(ShufflesBySeed):
    seed = 2


class ShufflesOnceMore(ShufflesBySeed):
    seed = 3


# Certificates


class GivesOldCertificates(BlackBox):
    """The certificates are of ten seconds ago."""

    def certificate(self, canister_id: CanisterId) -> Blob | None:
        return certificate_of(evolve(self.current, system_time=self.current.system_time - 10**10), canister_id)


class GivesCertificatesOfTheFuture(BlackBox):
    """The certificates are of a time that has not come."""

    def certificate(self, canister_id: CanisterId) -> Blob | None:
        return certificate_of(evolve(self.current, system_time=self.current.system_time + 1), canister_id)


class CertifiesSomethingElse(BlackBox):
    """The certificates are of other data."""

    def certificate(self, canister_id: CanisterId) -> Blob | None:
        state = self.current
        if canister_id not in state.canisters:
            return None
        other = evolve(state.canisters[canister_id], certified_data=b"something else")
        return certificate_of(evolve(state, canisters=state.canisters.set(canister_id, other)), canister_id)


class SignsNothing(BlackBox):
    """The signatures of the certificates are of something else."""

    def certificate(self, canister_id: CanisterId) -> Blob | None:
        made = certificate_of(self.current, canister_id)
        if made is None:
            return None
        certificate = decode_certificate(made)
        return encode_certificate(evolve(certificate, signature=certificate.signature[::-1]))


class GivesNoCertificates(BlackBox):
    """No query sees a certificate."""

    def certificate(self, canister_id: CanisterId) -> Blob | None:
        return None

"""
Implementations whose reject codes, words and refusals are others.

Each is the specification with one thing changed, judged as a black box: right ones, and partners that go beyond.
"""

from attrs import evolve

from conformance.judging.moves import Move, lacks_method
from conformance.protocol.interface import (
    Accepted,
    Answer,
    Query,
    QueryAnswer,
    Refused,
    Rejected,
    SeenReject,
)
from conformance.tests.planted.bugs import BlackBox
from conformance.tests.planted.choosing import Chooses, with_choices
from spec.machine import step, submission_label
from spec.rules.ingress.request_ids import request_id_of
from spec.rules.messages.rejection import reject_call_to_frozen_canister, reject_call_to_stopped_canister
from spec.state.label import Label
from spec.state.message import CallMessage, ResponseMessage
from spec.state.request import Endpoint, Request
from spec.state.state import State
from spec.transition import Step
from spec.values.identifiers import Principal, RequestId
from spec.values.quantities import Count
from spec.values.rejects import Reject, RejectCode, RejectReason

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


class SaysItOtherwiseEachTime(TellsRejects):
    """The texts of the system are others each time that they are told."""

    times: Count = 0

    def told(self, reject: SeenReject) -> SeenReject:
        self.times += 1
        is_own = reject.reason is RejectReason.EXPLICIT
        return reject if is_own else evolve(reject, message=f"said {self.times} times: {reject.message}")


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

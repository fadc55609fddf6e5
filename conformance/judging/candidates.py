"""The states in which a black box may be, each with what led to it."""

from collections.abc import Mapping

from attrs import evolve, frozen

from conformance.judging.lazily import Lazily
from conformance.judging.logs import NONE_FAILED, Failures, failures_after
from conformance.judging.moves import LOGGED
from conformance.judging.patterns import agrees_by_leave
from conformance.judging.unseen import answer_for_all
from conformance.judging.words import text_heard
from conformance.protocol.interface import Seen
from spec.commutation import has_bound
from spec.production.choices import POLICIES, departure
from spec.rules.ingress.submission import changes_settings
from spec.state.canister import StopCall
from spec.state.label import Label
from spec.state.message import CallMessage
from spec.state.request import Received, content_of
from spec.state.state import State
from spec.transition import Executed, Step
from spec.values.identifiers import Blob, CanisterId, RequestId, Text
from spec.values.quantities import Count


def departures_of_label(
    state: State, label: Label, fired: Step, untold: frozenset[Text] = frozenset()
) -> tuple[Text, ...]:
    """What a label that was taken chooses otherwise than production does, but for what nobody was told."""
    match label.rule:
        case "message_execution" if has_no_choice(state, label, fired):
            return ()
        case "submit_management_request" if not changes_settings(content_of(label.arguments()["request"])):
            return ()
        case rule if rule not in POLICIES:
            return ()
    other = departure(state, label, untold)
    return () if other is None else (f"{label.rule} {other}",)


def has_no_choice(state: State, label: Label, fired: Step) -> bool:
    """
    The execution did nothing of which the text leaves open how it is done.

    It chose nothing, did not fail, wrote nothing to the log, and made no bounded-wait calls nor too many. Reason: what
    production chooses is known only after another execution.
    """
    after = fired.state
    executed = [output for output in fired.outputs if isinstance(output, Executed)]
    sent = [message for message_id, message in after.messages.entries if message_id not in state.messages]
    return (
        len(label.choices) == 1
        and all(output.failure is None for output in executed)
        and all(
            state.canisters[output.canister_id].next_log_index == after.canisters[output.canister_id].next_log_index
            for output in executed
        )
        and not any(isinstance(message, CallMessage) and has_bound(message.origin) for message in sent)
        and len(after.messages.ids()) <= state.profile.limits.open_calls
    )


@frozen
class Candidate:
    """A state in which the implementation may be."""

    state: State
    rejections: Count = 0
    """How many rejections without reason led here."""
    beaten: tuple[CanisterId, ...] = ()
    """Whose heartbeats ran, each as often as it ran."""
    has_refused: bool = False
    """The system let a memory not grow, or took no call, though nothing obliged it to."""
    has_drifted: bool = False
    """A version was raised though nothing changed the canister."""
    heard: frozenset[Text] = frozenset()
    """The usual texts of the rejects of the system that code heard, in place of which there may be any."""
    answers_for_all: frozenset[Blob] = frozenset()
    """What code was answered from outside the subnet, where it stands for other answers, longer or shorter."""
    has_just_heard: bool = False
    """It did so since the last thing was seen."""
    hears_marks: bool = False
    """Code hears a mark in place of such a text."""
    failures: Failures = NONE_FAILED
    overdue: tuple[tuple[CanisterId, StopCall], ...] = ()
    """The stop calls that have waited for some time."""
    lost: tuple[Label, ...] = ()
    """The submissions after which a request did not become known. It may yet do so."""
    departures: tuple[Text, ...] = ()
    """What was done on the way otherwise than production does it."""
    last_executed: tuple[Executed, ...] = ()
    """The executions of the transition that led here."""
    instead: tuple[tuple[Blob, Seen], ...] = ()
    """
    What the specification says where another reply was taken for it since costs are the implementation's own, by the
    request's id or the query's nonce.
    """

    def after(self, label: Label, fired: Step) -> "Candidate":
        """
        The candidate one step later.

        A black box does not say what it chose about an execution, so nothing that the label chooses departs, nor what
        it wrote to a log.
        """
        text = text_heard(self.state, label)
        answer = answer_for_all(self.state, label, fired)
        is_told = label.rule != "message_execution"
        return evolve(
            self,
            state=fired.state,
            heard=self.heard if text is None else self.heard | {text},
            answers_for_all=self.answers_for_all if answer is None else self.answers_for_all | {answer},
            has_just_heard=self.has_just_heard or text is not None,
            failures=failures_after(self.failures, self.state, label, fired),
            last_executed=tuple(output for output in fired.outputs if isinstance(output, Executed)),
            departures=(*self.departures, *(departures_of_label(self.state, label, fired, LOGGED) if is_told else ())),
        )

    def without(self, submissions: Mapping[RequestId, Label]) -> "Candidate":
        """
        The candidate in which those of these submissions were lost that nothing has come of.

        Each counts as a rejection. Checklist: `unspec.spont.request-loss`.
        """
        requests = self.state.requests
        lost = [each for each in submissions if each in requests and isinstance(requests[each].status, Received)]
        for each in lost:
            requests = requests.remove(each)
        return evolve(
            self,
            state=evolve(self.state, requests=requests),
            rejections=self.rejections + len(lost),
            lost=(*self.lost, *(submissions[each] for each in lost)),
        )

    def saying(self, identifier: Blob, allowed: Seen, seen: Seen, costs_are_exact: bool) -> "Candidate":
        """The candidate with what the specification says of this request or query, if that is not what was seen."""
        if not agrees_by_leave(allowed, seen, costs_are_exact):
            return self
        return evolve(self, instead=(*self.instead, (identifier, allowed)))

    def departing(self, departures: tuple[Text, ...]) -> "Candidate":
        """The candidate with what was told otherwise than production tells it."""
        return evolve(self, departures=(*self.departures, *departures)) if departures else self


class Candidates(Lazily[Candidate]):
    """Those that there are."""

    def have_refused(self) -> bool:
        """In all that are known the system refused something to code that ran."""
        return all(each.has_refused for each in self.known)

    def have_marks(self) -> bool:
        """In one of them code heard a mark in place of what the system says."""
        return any(each.hears_marks for each in self)

    def have_drifted(self) -> bool:
        """In all that are known a version was raised though nothing changed the canister."""
        return all(each.has_drifted for each in self.known)

    def departures(self) -> tuple[Text, ...]:
        """Those of the known candidate that has the fewest, each once."""
        fewest = min((each.departures for each in self.known), key=len, default=())
        return tuple(dict.fromkeys(fewest))

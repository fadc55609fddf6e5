"""Judges an implementation that says which transitions it took, by taking the same ones."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

from conformance.judging.answers_told import AnswersTold
from conformance.judging.candid_text import MANAGEMENT_NAMES, FieldNames, shown_principal
from conformance.judging.candidates import departures_of_label
from conformance.judging.clocks import MOST_AHEAD, period, with_time_read
from conformance.judging.concerning import rules_about, rules_about_outputs
from conformance.judging.differing_fields import MOST_FIELDS, differing_fields
from conformance.judging.impossible import impossible_labels
from conformance.judging.judge import (
    FiredRules,
    Terms,
    first_state,
    is_repetition,
    refused_otherwise,
    shown_submission,
    status_in,
    submission,
    submission_agrees,
    submission_labels,
)
from conformance.judging.log_numbers import NumbersTold
from conformance.judging.logs import NONE_FAILED, failures_after
from conformance.judging.missing import require_calls
from conformance.judging.moves import (
    TROUBLE,
    Silence,
    is_of_expired,
    is_of_stop_call,
    shown_label,
    something_to_do,
    stop_calls,
)
from conformance.judging.patterns import agrees, agrees_by_leave, departures_of
from conformance.judging.querying import Leeway, judged, may_have_taken_too_long
from conformance.judging.reading import values_agree, values_in
from conformance.judging.refusals import GROWTHS, REJECTION, TRAPS, chooses_growths
from conformance.judging.verdicts import Fail, Judged, fail, silent
from conformance.judging.wording import differences, shown, shown_other, shown_status, shown_values
from conformance.protocol.interface import (
    Accepted,
    Advanced,
    Answer,
    Capability,
    Implementation,
    Instance,
    Path,
    Query,
    QueryAnswer,
    Refused,
    Scheduled,
    Seen,
    Values,
)
from conformance.protocol.wire import answer_of
from spec.machine import OUTSIDE, candidates, canonical_label, defaults_of, step
from spec.state.canister import StopCall
from spec.state.digest import state_digest
from spec.state.dump import dumped
from spec.state.label import Label
from spec.state.message import CallMessage
from spec.state.request import Replied, Request
from spec.state.state import State
from spec.transition import RULES, Executed, NotEnabled, Output, RequestStatusChanged, Step, Unspecified
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, Principal, RequestId, Text
from spec.values.quantities import Count, Nanoseconds

NO_FAILURE: Final = "a condition of the method does not hold"
"""What the rule that rejects calls to the management canister asks of each."""


class Replay:
    """The judge of an implementation that explains itself."""

    def __init__(
        self,
        terms: Terms,
        instance: Instance,
        implementation: Implementation,
        capabilities: frozenset[Capability],
    ) -> None:
        self.field_names = dict(MANAGEMENT_NAMES)
        self._terms = terms
        self._began = instance.system_time if terms.is_live else None
        self._implementation = implementation
        self._gives_fields = Capability.DUMP in capabilities
        self._gives_state = Capability.STATE in capabilities and terms.costs_are_exact
        self._state = first_state(terms, instance)
        self._steps = 0
        self._instructions = 0
        self._rejections = 0
        self._overdue: tuple[tuple[CanisterId, StopCall], ...] = ()
        """The stop calls that have waited for some time."""
        self._lost: list[Label] = []
        """Submissions that it did not claim."""
        self._gathered: list[Label] | None = None
        """The submissions that are not followed yet, while several are handed in; None if each is followed at once."""
        self._gathering: State = self._state
        """The state after them."""
        self._has_refused = False
        self._instead: dict[Blob, Seen] = {}
        self._fired = FiredRules()
        self._new_steps: list[Callable[[], Text]] = []
        self._failures = NONE_FAILED
        self._numbers = NumbersTold()
        self._answers = AnswersTold()
        self._departures: list[Text] = []
        self._compare_state("at the start")

    @property
    def effort(self) -> Mapping[str, int]:
        return {"steps": self._steps, "instructions": self._instructions}

    @property
    def has_refused(self) -> bool:
        return self._has_refused

    def said_after_refusals(self) -> Iterator[Mapping[Blob, Seen]]:
        return iter([self._instead] if self._has_refused else [])

    @property
    def fired(self) -> FiredRules:
        return self._fired

    @property
    def departures(self) -> Sequence[Text]:
        return tuple(dict.fromkeys(self._departures))

    @property
    def likely_state(self) -> State:
        return self._state

    def knows(self, identifier: Blob) -> bool:
        """Whoever explains itself tells all ids."""
        return True

    @property
    def knows_the_order(self) -> bool:
        return True

    @property
    def knows_all_values(self) -> bool:
        """And all values."""
        return True

    def new_steps(self) -> Sequence[Callable[[], Text]]:
        steps, self._new_steps = self._new_steps, []
        return steps

    def submitted(self, request: Request, label: Label, seen: Accepted | Refused) -> None:
        others: dict[Text, None] = {}
        state = self._state if self._gathered is None else self._gathering
        if is_repetition(state, label, seen):
            self._follow_submissions([], state)
            return
        for each in submission_labels(state, label):
            outcome = submission(state, request, each)
            if isinstance(outcome, str):
                raise silent(outcome)
            allowed, after = outcome
            if submission_agrees(allowed, seen):
                self._has_refused |= chooses_growths(each)
                self._departures += refused_otherwise(allowed, seen)
                self._follow_submissions([each] if isinstance(seen, Accepted) else [], after)
                return
            if isinstance(seen, Refused) and self._terms.environment.admits(self._rejections + 1):
                self._rejections += 1
                self._follow([])
                return
            others[shown_submission(allowed)] = None
        what = f"the submission of {request.method_name!r} was {shown_submission(seen)}"
        raise fail(f"{what}, which the specification does not allow", tuple(others), (label.rule,))

    def _follow_submissions(self, submissions: list[Label], after: State) -> None:
        """Follows the submissions that were just made, which lead to this state, or keeps them until all are made."""
        if self._gathered is None:
            self._follow(submissions, may_be_lost=True)
        else:
            self._gathered += submissions
            self._gathering = after

    @contextmanager
    def following_at_rest(self) -> Iterator[None]:
        """Inside, what is handed in is followed when the system came to rest, unless it moves by itself before."""
        if not self._terms.is_live and self._terms.environment.is_calm:
            self._gathered, self._gathering = [], self._state
        try:
            yield
        finally:
            self._gathered = None

    def settled(self, advanced: Advanced, answers: Mapping[RequestId, Answer]) -> None:
        self._follow(self._gathered or [])
        if self._gathered is not None:
            self._gathered, self._gathering = [], self._state
        if not self._may_be_the_time(advanced.system_time):
            raise fail(
                f"the system time is {advanced.system_time}", (f"{self._state.system_time}, by the steps it claims",)
            )
        left = something_to_do(self._state) if advanced.is_quiescent else None
        if left is not None:
            raise fail("the implementation says that nothing is left to do", (shown_label(left),), (left.rule,))
        for request_id, seen in answers.items():
            self.answered(request_id, seen)
        self._compare_state("at rest")

    def answered(self, request_id: RequestId, seen: Answer) -> None:
        self._answers.take_in({request_id: seen})
        allowed = status_in(self._state, request_id)
        if not agrees(allowed, seen, self._terms.costs_are_exact, versions_rise=False):
            raise fail(
                f"{shown_status(request_id, seen, self.field_names)}, which does not follow from the steps claimed",
                (shown_other(allowed, seen, self.field_names),),
                rules_about([self._state.requests[request_id].request] if request_id in self._state.requests else []),
            )
        self._departures += departures_of(allowed, seen)
        self._note_instead(request_id, allowed, seen)

    def _note_instead(self, identifier: Blob, allowed: Seen, seen: Seen) -> None:
        if agrees_by_leave(allowed, seen, self._terms.costs_are_exact):
            self._instead[identifier] = allowed

    def queried(self, query: Query, effective_id: Principal, seen: QueryAnswer) -> None:
        try:
            judgement = judged(self._state, query, effective_id, seen, self._leeway)
        except Silence as silence:
            raise silent(str(silence)) from None
        allowed = judgement.allowed
        if not judgement.agrees:
            takes_long = may_have_taken_too_long(allowed, seen)
            if takes_long and self._terms.environment.admits(self._rejections + 1):
                self._rejections += 1
                return
            raise fail(
                f"the query {query.method_name!r} gave {shown(seen, self.field_names)}",
                (shown_other(allowed, seen, self.field_names),),
                ("query",),
            )
        self._has_refused |= judgement.has_refused
        self._departures += judgement.departures + departures_of(allowed, seen)
        self._numbers.take_in(self._state, query, seen)
        self._note_instead(query.nonce, allowed, seen)

    def was_read(
        self, sender: Principal, effective_id: Principal, paths: Sequence[Path], seen: Values | Refused
    ) -> None:
        self._answers.take_in_read(paths, seen)
        now = with_time_read(self._state, paths, seen) if self._terms.is_live else self._state
        allowed = values_in(now, sender, effective_id, paths)
        if not values_agree(now, paths, allowed, seen, period(now, self._began)):
            raise fail(f"reading gave {shown_values(seen, paths)}", (shown_values(allowed, paths),), ("read_state",))

    @property
    def _leeway(self) -> Leeway:
        return Leeway(self._terms.costs_are_exact, self._failures, self._began, versions_rise=False)

    def _may_be_the_time(self, told: Nanoseconds) -> bool:
        """It is that of the steps claimed; the clock of a live instance may have moved before they were."""
        ahead = self._state.system_time - told
        return 0 <= ahead <= MOST_AHEAD if self._terms.is_live else ahead == 0

    def scheduled(self, label: Label, seen: Scheduled) -> None:
        """The implementation was told to take a transition, so nothing of what was chosen is held against it."""
        departures, rule = self._departures.copy(), label.rule
        can_be_taken = isinstance(step(self._state, label), Step)
        if can_be_taken != (seen.stopped_by is None):
            allowed = "that it is taken" if can_be_taken else "that it cannot be taken"
            raise fail(f"told to take {shown_label(label)}, {seen.stopped_by or 'it did'}", (allowed,), (rule,))
        claims = self._implementation.explain()
        if [same_label(claim.label) for claim in claims] != ([same_label(label)] if can_be_taken else []):
            raise fail(f"told to take {shown_label(label)}, it claims {len(claims)} transitions", rules=(rule,))
        for claim in claims:
            self._rejections -= label.rule in TROUBLE
            self._take(claim.label, claim.outputs)
        self._departures = departures

    def possible(self, rule: Text) -> Sequence[Label]:
        """The labels of a rule that can be taken now."""
        labels = candidates(self._state, RULES[rule])
        return [label for label in labels if isinstance(step(self._state, label), Step)]

    def something_to_do(self) -> Label | None:
        """A transition that something waits for; None if the system is at rest."""
        return something_to_do(self._state)

    def impossible(self, turn: Count) -> Sequence[Label]:
        """Labels that cannot be taken now, of another part of the rules each turn."""
        return list(impossible_labels(self._state, turn))

    def attempted(self, labels: Sequence[Label], taken: Count | None) -> None:
        """The implementation was told to take one of several that cannot be taken; which of them it says it took."""
        if taken is not None:
            label = labels[taken]
            raise fail(f"told to take {shown_label(label)}, it did", ("that it cannot be taken",), (label.rule,))

    def _follow(self, submissions: list[Label], may_be_lost: bool = False) -> None:
        """
        Takes the transitions that the implementation claims; of the submissions, just the given ones.

        One that may be lost need not be claimed where the environment admits it, and may be claimed later.
        """
        claims = self._implementation.explain()
        claimed = [without_choices(claim.label) for claim in claims if claim.label.rule in OUTSIDE]
        expected = list(map(without_choices, submissions))
        for late in [label for label in claimed if label in self._lost and label not in expected]:
            claimed.remove(late)
            self._lost.remove(late)
        if may_be_lost and expected and not claimed and self._terms.environment.admits(self._rejections + 1):
            self._rejections += 1
            self._lost, expected = [*self._lost, *expected], []
        if claimed != expected:
            shown_claims = ", ".join(shown_label(label) for label in claimed) or "none"
            raise fail(
                f"the implementation claims other submissions than were made: {shown_claims}",
                tuple(shown_label(label) for label in submissions),
                tuple(dict.fromkeys(label.rule for label in [*claimed, *submissions])),
            )
        for claim in claims:
            self._take(claim.label, claim.outputs)

    def _lets_less_grow(self, label: Label, fired: Step) -> bool:
        """The label has a memory not grow that the code would have grown; a number that no growth has says nothing."""
        given = {name: value for name, value in label.arguments().items() if name not in (GROWTHS, TRAPS)}
        return len(given) < len(label.choices) and step(self._state, Label(label.rule, given)) != fired

    def _take(self, label: Label, outputs: tuple[Output, ...]) -> None:
        self._rejections += label.rule in TROUBLE and not self._has_reason(label)
        if not self._terms.environment.admits(self._rejections):
            raise fail(
                f"more rejections without reason than the environment {self._terms.environment.name} admits",
                rules=(label.rule,),
            )
        try:
            result = step(self._state, label)
        except ValueError as problem:
            raise fail(f"{self._place(label)}: {problem}", rules=(label.rule,)) from None
        if label.rule == "system_time_progress":
            self._overdue = tuple(stop_calls(self._state))
        match result:
            case NotEnabled(condition):
                raise fail(f"{self._place(label)}: {self._why_not(label, condition)}", rules=(label.rule,))
            case Unspecified(because):
                raise silent(because, f"{self._place(label)}: ")
            case Step():
                self._compare_outputs(label, result.outputs, outputs)
                require_calls(result.state, self._terms.missing)
                self._has_refused |= self._lets_less_grow(label, result)
                self._departures += departures_of_label(self._state, label, result)
                self._failures = failures_after(self._failures, self._state, label, result)
                self._state = result.state
        self._steps += 1
        self._fired.add(label.rule)
        executed = [each for each in result.outputs if isinstance(each, Executed)]
        self._new_steps.append(partial(shown_step, label, executed, self.field_names))
        self._instructions += sum(each.instructions for each in executed)

    def _why_not(self, label: Label, condition: Text) -> Text:
        """Why the label cannot be taken; of a call to the management canister the method is named."""
        message_id = label.arguments().get("message_id")
        message = self._state.messages[message_id] if message_id in self._state.messages.ids() else None
        if isinstance(message, CallMessage) and message.callee == MANAGEMENT_CANISTER:
            if label.rule == REJECTION and condition == NO_FAILURE:
                return f"the call of {message.method_name!r} is rejected, though every condition of the method holds"
            return f"the call of {message.method_name!r}: not enabled: it does not hold that {condition}"
        return f"not enabled: it does not hold that {condition}"

    def _has_reason(self, label: Label) -> bool:
        """There is a reason for a rejection that needs none."""
        return is_of_expired(self._state, label) or is_of_stop_call(self._state, label, self._overdue)

    def _place(self, label: Label) -> Text:
        return f"step {self._steps}, {shown_label(label)}"

    def _compare_outputs(self, label: Label, allowed: tuple[Output, ...], seen: tuple[Output, ...]) -> None:
        exact = self._terms.costs_are_exact
        agree = len(allowed) == len(seen) and all(
            outputs_agree(one, other, exact) for one, other in zip(allowed, seen, strict=True)
        )
        if not agree:
            known = self.field_names
            shows = [shown_output(each, known) for each in seen]
            instead = [*differing_replies(allowed, seen, known), *(shown_output(each, known) for each in allowed)]
            rules = rules_about_outputs(self._state, label.rule, allowed, seen)
            shows_it = f"{self._place(label)}: shows {_joined(shows)}"
            is_unseen = differ_unseen(allowed, seen, exact)
            raise Judged(Fail(shows_it, (_joined(instead),), rules, is_unseen=is_unseen))

    def _compare_state(self, when: Text) -> None:
        if not self._gives_state:
            return
        seen, allowed = self._implementation.state(), state_digest(self._state)
        if seen == allowed:
            return
        if not self._gives_fields:
            raise Judged(Fail(f"{when}: the state has the digest {seen.hex()}", (allowed.hex(),), is_unseen=True))
        differing = differing_fields(dumped(self._state), self._implementation.dump())
        if not differing:
            raise fail(f"{when}: the state has the digest {seen.hex()}, though every field is right", (allowed.hex(),))
        shown_first = [f"{each.place} is {each.seen}" for each in differing[:MOST_FIELDS]]
        more = len(differing) - len(shown_first)
        others = f"; {more} more fields differ" if more else ""
        allowed_first = tuple(f"{each.place} is {each.allowed}" for each in differing[:MOST_FIELDS])
        # Reason: the digest of a part of a memory says as little as that of the whole state.
        is_unseen = any(each.is_digest for each in differing)
        raise Judged(Fail(f"{when}: in its state {'; '.join(shown_first)}{others}", allowed_first, is_unseen=is_unseen))


def same_label(label: Label) -> Label:
    """The canonical form of a label; a label that makes no sense stays as it is, and is not taken."""
    try:
        return canonical_label(label)
    except ValueError:
        return label


def without_choices(label: Label) -> Label:
    """The label with no value for what it may omit."""
    rule = RULES.get(label.rule)
    optional = defaults_of(rule.body) if rule is not None else {}
    return Label(label.rule, {name: value for name, value in label.arguments().items() if name not in optional})


def outputs_agree(allowed: Output, seen: Output, costs_are_exact: bool) -> bool:
    """A step shows what the specification says: statuses as far as the text goes, instructions to the last one."""
    match allowed, seen:
        case RequestStatusChanged(request_id, status), RequestStatusChanged(seen_id, seen_status):
            return request_id == seen_id and agrees(answer_of(status), answer_of(seen_status), costs_are_exact)
        case Executed(canister_id, instructions, failure), Executed(seen_id, counted, seen_failure):
            same = instructions == counted or not costs_are_exact
            return canister_id == seen_id and same and (failure is None) == (seen_failure is None)
        case _:
            return False


def differ_unseen(allowed: tuple[Output, ...], seen: tuple[Output, ...], costs_are_exact: bool) -> bool:
    """What differs is only how code ran, which users do not see."""
    return len(allowed) == len(seen) and all(
        outputs_agree(one, other, costs_are_exact) or (isinstance(one, Executed) and isinstance(other, Executed))
        for one, other in zip(allowed, seen, strict=True)
    )


def _joined(texts: Sequence[Text]) -> Text:
    return "; ".join(texts) or "nothing"


def differing_replies(allowed: tuple[Output, ...], seen: tuple[Output, ...], known: FieldNames) -> Iterator[Text]:
    """What is otherwise in replies that should be equal."""
    for one, other in zip(allowed, seen, strict=False):
        match one, other:
            case RequestStatusChanged(status=Replied(first)), RequestStatusChanged(status=Replied(second)):
                yield from differences(first, second, known)


def shown_step(label: Label, executed: Sequence[Executed], known: FieldNames) -> Text:
    """A step that was taken, in words."""
    return "; ".join([shown_label(label), *(shown_output(each, known) for each in executed)])


def shown_output(output: Output, known: FieldNames) -> Text:
    """What a step showed, in words."""
    match output:
        case RequestStatusChanged(request_id, status):
            return shown_status(request_id, answer_of(status), known)
        case Executed(canister_id, instructions, failure):
            failed = "" if failure is None else f", failed: {failure.reason.name} {failure.message}"
            return f"canister {shown_principal(canister_id)} used {instructions} instructions{failed}"

"""
Executions in which the system refuses what it may refuse at any time: to let a memory grow, to take a call.

How often an execution tries may depend on what was refused before, so what is refused is found one after the other.
"""

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any, Final

from conformance.judging.moves import Move, choosing_labels, taken
from spec.canister.outcome import Outcome
from spec.machine import choices_of, step
from spec.production.executions import executed_outcome
from spec.rules.ingress.submission import inspection
from spec.state.canister import Code
from spec.state.label import Label
from spec.state.message import CallMessage, FuncMessage
from spec.state.request import content_of
from spec.state.state import State
from spec.transition import Step
from spec.values.identifiers import Text
from spec.values.quantities import Count
from spec.values.rejects import RejectCode

Numbers = tuple[Count, ...]
"""What is refused, by its numbers."""

Tries = Callable[[Numbers], Count]
"""How often an execution tries what may be refused, if this is refused."""

MOST_TRIED: Final = 80
"""How many ways to refuse something in one execution are considered; all of them, if it tries up to six times."""

GROWTHS: Final = "refused_growths"
TRAPS: Final = "trapping_growths"
CALLS: Final = "refused_calls"
"""The choices of message execution."""


def refusing_growths(state: State) -> Iterator[Move]:
    """The pending execution, with growths of memories refused that it tries, ended by one, or first this, then that."""
    yield from refusing(state, GROWTHS)
    yield from refusing(state, TRAPS)
    yield from of_executions(state, trapping_after_refusals)
    yield from refusing_growths_of_hooks(state)


def refusing_calls(state: State) -> Iterator[Move]:
    """The pending execution, with calls refused that it tries."""
    return refusing(state, CALLS)


def refusing(state: State, choice: Text) -> Iterator[Move]:
    """The pending execution in the ways that this choice offers."""

    def choosing(state: State, label: Label) -> Iterator[Label]:
        for refused in refusals(partial(tried, state, label, choice)):
            yield with_choice(label, choice, refused)

    return of_executions(state, choosing)


GROWTHS_OF_HOOKS: Final = 6
"""Among so many growths of the hooks of an installation all may be refused; more only together with all after them."""


def refusing_growths_of_hooks(state: State) -> Iterator[Move]:
    """Installations whose hooks are refused growths of memories, or ended by one, and so may fail."""
    for message_id, message in state.messages.entries:
        if isinstance(message, CallMessage) and message.method_name == "install_code":
            yield from refusing_growths_of_installation(state, message_id)


def refusing_growths_of_installation(state: State, message_id: int) -> Iterator[Move]:
    """The same for one call: each way in which it comes out otherwise, once."""
    plainly = outcomes_of_installation(state, message_id, {})
    everything = tuple(range(MOST_TRIED))
    extremes: tuple[dict[Text, Numbers], ...] = ({GROWTHS: everything}, {TRAPS: everything})
    if all(outcomes_of_installation(state, message_id, each) == plainly for each in extremes):
        return
    known = [plainly]
    for choices in islice(growths_of_hooks(), MOST_TRIED):
        outcomes = outcomes_of_installation(state, message_id, choices)
        if outcomes not in known:
            known.append(outcomes)
            yield from taken(state, installing_labels({"message_id": message_id, **choices}))


def outcomes_of_installation(state: State, message_id: int, choices: dict[Text, Numbers]) -> list[object]:
    """What may become of an installation. With another code, a rejection comes out as with the one that is tried."""
    labels = installing_labels({"message_id": message_id, **choices})
    tried_code = RejectCode.CANISTER_ERROR
    return [
        step(state, label) for label in labels if label.rule != REJECTION or label.arguments()["code"] == tried_code
    ]


REJECTION: Final = "management_call_rejection"


def installing_labels(choices: dict[Text, Any]) -> list[Label]:
    """What may become of an installation: it succeeds, or is rejected with any code."""
    succeeding = [Label(rule, choices) for rule in ("install_code", "upgrade_code")]
    return [*succeeding, *(Label(REJECTION, {**choices, "code": code}) for code in RejectCode)]


def growths_of_hooks() -> Iterator[dict[Text, Numbers]]:
    """The growths that may be refused to hooks, or end them, few before many."""

    def tries(_refused: Numbers) -> Count:
        return GROWTHS_OF_HOOKS

    for first in range(GROWTHS_OF_HOOKS):
        yield {GROWTHS: tuple(range(first, MOST_TRIED))}
        yield {TRAPS: (first,)}
    for refused, number in islice(trapping_after(tries), MOST_TRIED // 4):
        yield {GROWTHS: refused, TRAPS: (number,)}
    for refused in refusals(tries):
        yield {GROWTHS: refused}


def trapping_after_refusals(state: State, label: Label) -> Iterator[Label]:
    """The execution, with some growths of memories refused that it tries, and ended by one that it tries after them."""
    for refused, number in trapping_after(partial(tried, state, label, GROWTHS)):
        yield with_choice(with_choice(label, GROWTHS, refused), TRAPS, (number,))


def trapping_after(tries: Tries) -> Iterator[tuple[Numbers, Count]]:
    """Growths that may be refused, each time with one that is tried after them."""
    for refused in refusals(tries):
        for number in range(refused[-1] + 1, tries(refused)):
            yield refused, number


def chooses_growths(label: Label) -> bool:
    """The label says of growths of memories that they fail, or end what runs."""
    return not {GROWTHS, TRAPS}.isdisjoint(label.arguments())


def with_choice(label: Label, choice: Text, numbers: Numbers) -> Label:
    """The label with these numbers for one of its choices."""
    return Label(label.rule, {**label.arguments(), choice: numbers})


def of_executions(state: State, choosing: Callable[[State, Label], Iterator[Label]]) -> Iterator[Move]:
    """The pending execution in some of these ways, as production does it otherwise, and plainly."""
    for message_id, message in state.messages.entries:
        if isinstance(message, FuncMessage):
            label = Label("message_execution", {"message_id": message_id})
            for other in islice(choosing(state, label), MOST_TRIED):
                fired = step(state, other)
                if isinstance(fired, Step):
                    yield from taken(state, choosing_labels(state, other, fired))
                    yield other, fired


def refusing_growths_of_inspection(state: State, label: Label) -> Iterator[Label]:
    """The submission of a call to a canister, with growths refused that its inspection tries, or ended by one."""
    request = content_of(label.arguments()["request"])
    if label.rule != "submit_request" or request.canister_id not in state.canisters:
        return
    canister = state.canisters[request.canister_id]
    code = canister.code
    if not isinstance(code, Code):
        return

    def tries(refused: Numbers) -> Count:
        return inspection(state, canister, code, request, refused).growths

    for refused in islice(refusals(tries), MOST_TRIED):
        yield with_choice(label, GROWTHS, refused)
    for number in range(min(tries(()), MOST_TRIED)):
        yield with_choice(label, TRAPS, (number,))
    for refused, number in islice(trapping_after(tries), MOST_TRIED):
        yield with_choice(with_choice(label, GROWTHS, refused), TRAPS, (number,))


def refusals(tries: Tries) -> Iterator[Numbers]:
    """
    The numbers of what may be refused, each tuple once: all from one on, then few before many.

    Each is of an execution that tries all that is refused.
    """
    seen: set[Numbers] = {()}

    def new(refused: Numbers) -> bool:
        is_new = refused not in seen
        seen.add(refused)
        return is_new

    for first in range(tries(())):
        refused = all_from(tries, first)
        if new(refused):
            yield refused
    waiting: deque[Numbers] = deque([()])
    extended: set[Numbers] = set()
    while waiting:
        before = waiting.popleft()
        for number in range(before[-1] + 1 if before else 0, tries(before)):
            refused = (*before, number)
            if refused not in extended:
                extended.add(refused)
                waiting.append(refused)
            if new(refused):
                yield refused


def all_from(tries: Tries, first: Count) -> Numbers:
    """Everything that is tried is refused, from one on; no more than are considered."""
    refused: Numbers = (first,)
    while len(refused) < MOST_TRIED and tries(refused) > refused[-1] + 1:
        refused = (*refused, refused[-1] + 1)
    return refused


def tried(state: State, label: Label, choice: Text, refused: Numbers) -> Count:
    """How often the execution tries what may be refused, if this is."""
    outcome = executed_outcome(state, choices_of(with_choice(label, choice, refused)))
    return 0 if outcome is None else times(outcome, choice)


def times(outcome: Outcome, choice: Text) -> Count:
    """How often an execution tried it."""
    return outcome.calls_tried if choice == CALLS else outcome.growths

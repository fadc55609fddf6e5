"""Whether the answer to a query may be given in a state."""

from collections import deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice, product
from typing import Final

from attrs import evolve, frozen

from conformance.judging.certificates import STAND_INS, certificates_in, is_valid, tells_it_as_it_is
from conformance.judging.clocks import period
from conformance.judging.logs import Failures, log_agrees
from conformance.judging.moves import Silence
from conformance.judging.patterns import agrees, is_of_the_system
from conformance.judging.reading import USUAL, LeftOpen, OpenCodes, evaluated, metrics_told, query_in
from conformance.judging.refusals import MOST_TRIED, Numbers, refusals, trapping_after
from conformance.judging.words import (
    LEFT_OPEN,
    always,
    bytes_more,
    depends_on_words,
    longer,
    marked,
    texts_told,
    words_for_marks,
)
from conformance.protocol.interface import Query, QueryAnswer, Refused, Rejected, Replied
from spec.reads.answers import QueryRefused, QueryResponse, Wording, as_usual, usual_code
from spec.reads.management_query import managed_by_query
from spec.rules.modules import code_of, module_of
from spec.state.canister import Code
from spec.state.state import State
from spec.values.containers import List, Map
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, Principal, Text
from spec.values.management import CanisterLogRecord, decode_result
from spec.values.quantities import Count, Nanoseconds
from spec.values.rejects import RejectCode, RejectReason

OPEN_REASONS: Final = frozenset({RejectReason.CANISTER_NOT_FOUND, RejectReason.CANISTER_HAS_NO_CODE})
"""Why a query is not evaluated although the text says nothing of it: it speaks of canisters with code alone."""

OPEN_REASONS_OF_CALLS: Final = (
    RejectReason.CANISTER_NOT_FOUND,
    RejectReason.NOT_AUTHORIZED,
    RejectReason.MANAGEMENT_METHOD_NOT_FOUND,
    RejectReason.INVALID_ARGUMENT,
    RejectReason.DIFFERENT_SUBNETS,
)
"""
Why a call that a composite query makes is rejected with a code that the text does not name: there is no such canister,
or the management canister does not answer. Checklist: `unspec.value.composite-management-rejects`.
"""

MOST_ORDERS: Final = 120
"""In how many orders the calls of a query are tried: all of them, if there are five calls."""


@frozen
class Judgement:
    """Whether an answer may be given, and what the specification would have given."""

    agrees: bool
    allowed: QueryAnswer
    departures: tuple[Text, ...] = ()
    """What happened otherwise than production does it, besides what the answers themselves tell."""
    has_refused: bool = False
    """The answer is explained only if memories did not grow though there was room."""


@frozen
class Leeway:
    """What else may be told than a state says."""

    costs_are_exact: bool
    failures: Failures
    began: Nanoseconds | None
    """When the instance began, if it is live."""
    versions_rise: bool = True
    """Versions may have risen without being told."""


def judged(
    state: State,
    asked: Query,
    effective_id: Principal,
    seen: QueryAnswer,
    leeway: Leeway,
) -> Judgement:
    """
    Compares the answer to a query with what it gives in a state, with any codes and orders of its calls that the text
    leaves open, or else with growths of memories that are not granted.

    Raises `Silence` if the specification does not say what that is, or if it depends on a certificate that the answer
    need not contain, and does not.
    """
    likely = judged_with(USUAL, state, asked, effective_id, seen, leeway)
    if likely.agrees:
        return likely
    relayed = logs_in(likely.allowed)
    if relayed is not None and relays_the_log(state, relayed, seen, leeway):
        return Judgement(True, likely.allowed)
    silence: Silence | None = None
    for of_calls in ways_to_call(state, asked, effective_id):
        judgement = judged_with(of_calls, state, asked, effective_id, seen, leeway)
        if judgement.agrees:
            return evolve(judgement, departures=departures_in(of_calls))
        try:
            if agrees_in_other_words(of_calls, state, asked, effective_id, seen):
                return Judgement(True, likely.allowed, departures_in(of_calls))
        except Silence as problem:
            silence = problem
    for refusing in ways_to_refuse(state, asked, effective_id):
        judgement = judged_with(refusing, state, asked, effective_id, seen, leeway)
        if judgement.agrees:
            return evolve(judgement, has_refused=True)
    if silence is not None:
        raise silence
    if relayed is None and may_call(state, asked) and depends_on_logs(state, asked, effective_id, leeway.failures):
        raise Silence("the answer depends on a log in which the system may have written")
    return likely


def may_have_taken_too_long(allowed: QueryAnswer, seen: QueryAnswer) -> bool:
    """
    A query that would be evaluated is rejected by the system or refused, as one is whose evaluation takes too long.

    Source: https-interface, query call (`MAX_WALL_CLOCK_TIME_COMPOSITE_QUERY`), which names no code.
    """
    by_system = isinstance(seen, Rejected) and is_of_the_system(seen.reject)
    return not isinstance(allowed, Refused) and (by_system or isinstance(seen, Refused))


def ways_to_call(state: State, asked: Query, effective_id: Principal) -> Iterator[LeftOpen]:
    """The orders and codes of the calls that a composite query makes."""
    if not may_call(state, asked):
        return
    for order in orders(state, asked, effective_id):
        yield LeftOpen(order=order)
        yield from other_codes(state, asked, effective_id, order)


def ways_to_refuse(state: State, asked: Query, effective_id: Principal) -> Iterator[LeftOpen]:
    """The growths of memories that a query tries and that may fail, or end it, or first one, then the other."""

    def tries(refused: Numbers, trapping: Numbers = ()) -> Count:
        chosen = LeftOpen(refused_growths=refused, trapping_growths=trapping)
        return growths_in(evaluated(state, asked, effective_id, STAND_INS[0], None, chosen))

    for refused in islice(refusals(tries), MOST_TRIED):
        yield LeftOpen(refused_growths=refused)
    for trapping in islice(refusals(partial(tries, ())), MOST_TRIED):
        yield LeftOpen(trapping_growths=trapping)
    for refused, number in islice(trapping_after(tries), MOST_TRIED):
        yield LeftOpen(refused_growths=refused, trapping_growths=(number,))


def may_call(state: State, asked: Query) -> bool:
    """The query is a composite one, so that it may call."""
    if asked.canister_id not in state.canisters or not isinstance(state.canisters[asked.canister_id].code, Code):
        return False
    module = module_of(state.profile, code_of(state.canisters[asked.canister_id]))
    return asked.method_name in module.composite_query_methods


def orders(state: State, asked: Query, effective_id: Principal) -> Iterator[tuple[Count, ...]]:
    """
    The orders in which the calls can be made, in the query and in those that it calls, one for each answer that they
    give; the usual one first. Raises `Silence` if there are more than are tried.
    """
    answers: set[QueryAnswer] = set()
    waiting: deque[tuple[Count, ...]] = deque([()])
    for _ in range(MOST_ORDERS):
        if not waiting:
            return
        order = waiting.popleft()
        chosen = LeftOpen(order=order)
        answer = query_in(state, asked, effective_id, STAND_INS[0], None, chosen)
        turns = turns_in(evaluated(state, asked, effective_id, STAND_INS[0], None, chosen))
        if answer not in answers:
            answers.add(answer)
            yield order
        oldest = (0,) * (len(turns) - len(order))
        for turn in range(len(order), len(turns)):
            before = (*order, *oldest[: turn - len(order)])
            waiting.extend((*before, place) for place in range(1, turns[turn]))
    if waiting:
        raise Silence(f"the calls of the query can be made in more than {MOST_ORDERS} orders")


def other_codes(state: State, asked: Query, effective_id: Principal, order: tuple[Count, ...]) -> Iterator[LeftOpen]:
    """The codes of calls that are left open, as far as the answer depends on each."""

    def given(open_codes: OpenCodes) -> QueryAnswer:
        return query_in(state, asked, effective_id, STAND_INS[0], None, LeftOpen(open_codes, order))

    usual = given(Map())
    changing = [
        reason
        for reason in OPEN_REASONS_OF_CALLS
        if any(given(Map.of([(reason, code)])) != usual for code in RejectCode)
    ]
    for codes in product(RejectCode, repeat=len(changing)) if changing else ():
        yield LeftOpen(Map.of(list(zip(changing, codes, strict=True))), order)


def agrees_in_other_words(
    of_calls: LeftOpen, state: State, asked: Query, effective_id: Principal, seen: QueryAnswer
) -> bool:
    """
    The answer may be given because what the system says where it rejects calls of queries is its own choice.

    Raises `Silence` if the answer depends on that, and shows neither what was said nor how long it was.
    """

    def given(wording: Wording) -> QueryAnswer:
        return query_in(state, asked, effective_id, STAND_INS[0], None, evolve(of_calls, wording=wording))

    usual, with_marks = given(as_usual), given(marked)
    if usual == with_marks:
        return False
    if words_for_marks(with_marks, seen) is not None:
        return True
    if any(agrees(given(always(text)), seen) for text in texts_told(seen)):
        return True
    answers: Mapping[Hashable, QueryAnswer] = {usual: seen, with_marks: seen}
    told = [int(more) for *_, more in bytes_more([usual], [with_marks], answers) if more.denominator == 1]
    if any(agrees(given(longer(more)), seen) for more in told):
        return True
    if depends_on_words([usual], [with_marks], answers):
        raise Silence(LEFT_OPEN)
    return False


def logs_in(answer: QueryAnswer) -> tuple[CanisterLogRecord, ...] | None:
    """The records of a log that an answer is; None if it is none."""
    try:
        return tuple(decode_result("fetch_canister_logs", answer.data)) if isinstance(answer, Replied) else None
    except ValueError:
        return None


def relays_the_log(state: State, ours: Sequence[CanisterLogRecord], seen: QueryAnswer, leeway: Leeway) -> bool:
    """What was seen may be told of a log of which the specification tells these records."""
    theirs = logs_in(seen)
    times = period(state, leeway.began)
    return theirs is not None and any(
        log_agrees(canister_id, tuple(canister.logs), ours, leeway.failures, times)
        and log_agrees(canister_id, tuple(canister.logs), theirs, leeway.failures, times)
        for canister_id, canister in state.canisters.items()
    )


def depends_on_logs(state: State, asked: Query, effective_id: Principal, failures: Failures) -> bool:
    """The query tells something of logs in which the system may have written."""
    without = state
    for canister_id in {failure.canister_id for failure in failures.places}:
        if canister_id in state.canisters:
            emptied = evolve(state.canisters[canister_id], logs=List())
            without = evolve(without, canisters=without.canisters.set(canister_id, emptied))
    return query_in(without, asked, effective_id, STAND_INS[0]) != query_in(state, asked, effective_id, STAND_INS[0])


def turns_in(answer: QueryResponse | QueryRefused) -> tuple[Count, ...]:
    """How many calls were open each time that one was made."""
    return answer.turns if isinstance(answer, QueryResponse) else ()


def growths_in(answer: QueryResponse | QueryRefused) -> Count:
    """How often memories are to grow where a query is answered."""
    return answer.growths if isinstance(answer, QueryResponse) else 0


def departures_in(of_calls: LeftOpen) -> tuple[Text, ...]:
    """The codes that are not those of production, in words. Which order production takes is not known."""
    return tuple(
        f"a call of a query is rejected with {code.name}; production: {usual_code(reason).name}"
        for reason, code in of_calls.codes.items()
        if code is not usual_code(reason)
    )


def judged_with(
    of_calls: LeftOpen,
    state: State,
    asked: Query,
    effective_id: Principal,
    seen: QueryAnswer,
    leeway: Leeway,
) -> Judgement:
    """Compares the answer to a query with what it gives in a state, where its calls are made so."""
    metrics = metrics_told(asked, seen)
    times = period(state, leeway.began)
    latest = state.system_time if times is None else times.latest
    told = certificates_in(seen.data) if asked.canister_id in state.canisters and isinstance(seen, Replied) else ()
    for certificate in told:
        allowed = query_in(state, asked, effective_id, certificate, metrics, of_calls)
        if answer_agrees(state, asked, allowed, seen, leeway):
            return Judgement(is_valid(state, asked.canister_id, certificate, latest), allowed)
    others: list[QueryAnswer] = []
    for stand_in in STAND_INS if asked.canister_id in state.canisters else (None,):
        others.append(query_in(state, asked, effective_id, stand_in, metrics, of_calls))
        if answer_agrees(state, asked, others[-1], seen, leeway):
            return Judgement(True, others[-1])
    replies = [each.data for each in others if isinstance(each, Replied)]
    if len(set(others)) > 1 and not (len(replies) == len(STAND_INS) and tells_it_as_it_is(replies)):
        raise Silence("the answer depends on a certificate that it does not contain")
    return Judgement(False, others[-1])


def answer_agrees(
    state: State,
    asked: Query,
    allowed: QueryAnswer,
    seen: QueryAnswer,
    leeway: Leeway,
) -> bool:
    """The answer may be given where the specification gives another or the same."""
    is_managing = asked.canister_id == MANAGEMENT_CANISTER
    match allowed, seen:
        case Refused() | Rejected(), Refused() | Rejected() if is_managing or is_open(allowed):
            return True
        case Replied(_), Replied(data) if is_managing and asked.method_name == "fetch_canister_logs":
            return tells_the_log(state, asked, data, leeway)
        case _:
            return agrees(allowed, seen, leeway.costs_are_exact, leeway.versions_rise)


def is_open(allowed: QueryAnswer) -> bool:
    """The text says nothing of such a query, so any reject or refusal answers it."""
    return isinstance(allowed, Rejected) and allowed.reject.reason in OPEN_REASONS


def tells_the_log(state: State, asked: Query, data: Blob, leeway: Leeway) -> bool:
    """The reply tells what may be told of the log of the canister asked about."""
    managed = managed_by_query(asked.method_name, asked.argument)
    if managed is None:
        return False
    try:
        told = decode_result(asked.method_name, data)
    except ValueError:
        return False
    times = period(state, leeway.began)
    return log_agrees(managed, tuple(state.canisters[managed].logs), tuple(told), leeway.failures, times)

"""Whether the answer to a query may be given in a state."""

from collections import deque
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice, product
from typing import Final

from attrs import evolve, frozen

from conformance.judging.certificates import STAND_INS, certificates_in, is_valid
from conformance.judging.logs import Failures, log_agrees
from conformance.judging.moves import Silence
from conformance.judging.patterns import agrees
from conformance.judging.reading import growths_of_query_in, metrics_told, query_in, query_with_turns_in
from conformance.judging.refusals import MOST_TRIED, Numbers, refusals, trapping_after
from conformance.protocol.interface import Query, QueryAnswer, Refused, Rejected, Replied
from spec.reads.answers import usual_code
from spec.reads.management_query import managed_by_query
from spec.rules.modules import code_of, module_of
from spec.state.canister import Code
from spec.state.state import State
from spec.values.containers import Map
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, Principal, Text
from spec.values.management import CyclesConsumed, decode_result
from spec.values.quantities import Count
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

OpenCodes = Map[RejectReason, RejectCode]
"""Codes of rejects for reasons for which the text names none."""


@frozen
class OfCalls:
    """What the text leaves open about a query: about the calls that it makes, and about growths of memories."""

    codes: OpenCodes = Map()
    order: tuple[Count, ...] = ()
    """Which open call is made next, in the query and in those that it calls, by its place; the oldest by default."""
    refused_growths: tuple[Count, ...] = ()
    trapping_growths: tuple[Count, ...] = ()


USUAL: Final = OfCalls()

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


def judged(
    state: State,
    asked: Query,
    effective_id: Principal,
    seen: QueryAnswer,
    costs_are_exact: bool,
    failures: Failures,
) -> Judgement:
    """
    Compares the answer to a query with what it gives in a state, with any codes and orders of its calls that the text
    leaves open, or else with growths of memories that are not granted.

    Raises `Silence` if the specification does not say what that is, or if it depends on a certificate that the answer
    does not contain.
    """
    likely = judged_with(USUAL, state, asked, effective_id, seen, costs_are_exact, failures)
    if likely.agrees:
        return likely
    for of_calls in chain(ways_to_call(state, asked, effective_id), ways_to_refuse(state, asked, effective_id)):
        judgement = judged_with(of_calls, state, asked, effective_id, seen, costs_are_exact, failures)
        if judgement.agrees:
            has_refused = bool(of_calls.refused_growths or of_calls.trapping_growths)
            return evolve(judgement, departures=departures_in(of_calls), has_refused=has_refused)
    return likely


def ways_to_call(state: State, asked: Query, effective_id: Principal) -> Iterator[OfCalls]:
    """The orders and codes of the calls that a composite query makes."""
    if not may_call(state, asked):
        return
    for order in orders(state, asked, effective_id):
        yield OfCalls(order=order)
        yield from other_codes(state, asked, effective_id, order)


def ways_to_refuse(state: State, asked: Query, effective_id: Principal) -> Iterator[OfCalls]:
    """The growths of memories that a query tries and that may fail, or end it, or first one, then the other."""

    def tries(refused: Numbers, trapping: Numbers = ()) -> Count:
        return growths_of_query_in(state, asked, effective_id, STAND_INS[0], refused, trapping)

    for refused in islice(refusals(tries), MOST_TRIED):
        yield OfCalls(refused_growths=refused)
    for trapping in islice(refusals(partial(tries, ())), MOST_TRIED):
        yield OfCalls(trapping_growths=trapping)
    for refused, number in islice(trapping_after(tries), MOST_TRIED):
        yield OfCalls(refused_growths=refused, trapping_growths=(number,))


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
        answer, turns = query_with_turns_in(state, asked, effective_id, STAND_INS[0], order=order)
        if answer not in answers:
            answers.add(answer)
            yield order
        oldest = (0,) * (len(turns) - len(order))
        for turn in range(len(order), len(turns)):
            before = (*order, *oldest[: turn - len(order)])
            waiting.extend((*before, place) for place in range(1, turns[turn]))
    if waiting:
        raise Silence(f"the calls of the query can be made in more than {MOST_ORDERS} orders")


def other_codes(state: State, asked: Query, effective_id: Principal, order: tuple[Count, ...]) -> Iterator[OfCalls]:
    """The codes of calls that are left open, as far as the answer depends on each."""

    def given(open_codes: OpenCodes) -> QueryAnswer:
        return query_in(state, asked, effective_id, STAND_INS[0], open_codes=open_codes, order=order)

    usual = given(Map())
    changing = [
        reason
        for reason in OPEN_REASONS_OF_CALLS
        if any(given(Map.of([(reason, code)])) != usual for code in RejectCode)
    ]
    for codes in product(RejectCode, repeat=len(changing)) if changing else ():
        yield OfCalls(Map.of(list(zip(changing, codes, strict=True))), order)


def departures_in(of_calls: OfCalls) -> tuple[Text, ...]:
    """The codes that are not those of production, in words. Which order production takes is not known."""
    return tuple(
        f"a call of a query is rejected with {code.name}; production: {usual_code(reason).name}"
        for reason, code in of_calls.codes.items()
        if code is not usual_code(reason)
    )


def judged_with(
    of_calls: OfCalls,
    state: State,
    asked: Query,
    effective_id: Principal,
    seen: QueryAnswer,
    costs_are_exact: bool,
    failures: Failures,
) -> Judgement:
    """Compares the answer to a query with what it gives in a state, where its calls are made so."""
    metrics = metrics_told(asked, seen)
    told = certificates_in(seen.data) if asked.canister_id in state.canisters and isinstance(seen, Replied) else ()
    for certificate in told:
        allowed = query_with(of_calls, state, asked, effective_id, certificate, metrics)
        if answer_agrees(state, asked, allowed, seen, costs_are_exact, failures):
            return Judgement(is_valid(state, asked.canister_id, certificate), allowed)
    others: list[QueryAnswer] = []
    for stand_in in STAND_INS if asked.canister_id in state.canisters else (None,):
        others.append(query_with(of_calls, state, asked, effective_id, stand_in, metrics))
        if answer_agrees(state, asked, others[-1], seen, costs_are_exact, failures):
            return Judgement(True, others[-1])
    if len(set(others)) > 1:
        raise Silence("the answer depends on a certificate that it does not contain")
    return Judgement(False, others[-1])


def query_with(
    of_calls: OfCalls,
    state: State,
    asked: Query,
    effective_id: Principal,
    certificate: Blob | None,
    metrics: Map[CanisterId, CyclesConsumed] | None,
) -> QueryAnswer:
    """What a query gives in a state with what it leaves open chosen so."""
    codes, order = of_calls.codes, of_calls.order
    refused = (of_calls.refused_growths, of_calls.trapping_growths)
    return query_in(state, asked, effective_id, certificate, metrics, codes, order, *refused)


def answer_agrees(
    state: State,
    asked: Query,
    allowed: QueryAnswer,
    seen: QueryAnswer,
    costs_are_exact: bool,
    failures: Failures,
) -> bool:
    """The answer may be given where the specification gives another or the same."""
    is_managing = asked.canister_id == MANAGEMENT_CANISTER
    match allowed, seen:
        case Refused() | Rejected(), Refused() | Rejected() if is_managing or is_open(allowed):
            return True
        case Replied(_), Replied(data) if is_managing and asked.method_name == "fetch_canister_logs":
            return tells_the_log(state, asked, data, failures)
        case _:
            return agrees(allowed, seen, costs_are_exact)


def is_open(allowed: QueryAnswer) -> bool:
    """The text says nothing of such a query, so any reject or refusal answers it."""
    return isinstance(allowed, Rejected) and allowed.reject.reason in OPEN_REASONS


def tells_the_log(state: State, asked: Query, data: Blob, failures: Failures) -> bool:
    """The reply tells what may be told of the log of the canister asked about."""
    managed = managed_by_query(asked.method_name, asked.argument)
    if managed is None:
        return False
    try:
        told = decode_result(asked.method_name, data)
    except ValueError:
        return False
    return log_agrees(managed, tuple(state.canisters[managed].logs), tuple(told), failures)

"""
Query methods and the calls that composite ones make.

Source: abstract-behavior, query call (`composite_query_helper`).
"""

from attrs import evolve, field, frozen

from spec.canister.environment import Caller, Environment
from spec.canister.module import CompositeQueries
from spec.canister.outcome import MethodCall, Outcome, Returned, Trapped
from spec.canister.wasm_state import WasmState
from spec.reads.answers import QueryResponse, QueryStatistic, Question, Surroundings, open_code, payload_size, refused
from spec.reads.management_query import answer_to_canister
from spec.rules.environments import counted_from, environment_of
from spec.rules.messages.callback_invocation import in_other_words, is_of_the_system
from spec.rules.messages.settlement import failure_of_trap
from spec.rules.modules import module_of
from spec.rules.resources import liquid_balance
from spec.state.call_context import FailedExecution
from spec.state.canister import Canister, Code, Running, Stopping
from spec.transition import Unspecified
from spec.values.checklist import defines
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob
from spec.values.quantities import Count, Instructions
from spec.values.rejects import Reject, RejectCode, RejectReason, Response, system_reject


@frozen
class Evaluation:
    """A query method that has run and has not responded yet."""

    given: Surroundings
    question: Question
    depth: Count
    """How many calls lead from the user's call to this one."""
    budget: Instructions
    """What it and all that it calls may use."""
    canister: Canister
    code: Code
    """The code, with the state of before the query."""
    wasm_state: WasmState
    """The latest state; it is forgotten when the query has been answered."""
    used: Instructions = 0
    """By all executions, those of canisters that it called included."""
    used_by_itself: Instructions = 0
    open_calls: List[MethodCall] = field(factory=List)
    turns: tuple[Count, ...] = ()
    """How many calls of a query were open each time that one was made, here and in the queries that it called."""
    growths: Count = 0
    """How often memories were to grow, here and in the queries that it called."""
    failure: FailedExecution | None = None
    """Of the latest callback that trapped and was cleaned up after."""
    statistics: List[QueryStatistic] = field(factory=List)
    """Of the canisters that it called."""


@defines("rule.query.preconditions", "http.query.limits")
def evaluate(
    given: Surroundings, question: Question, budget: Instructions, depth: Count = 0
) -> QueryResponse | Unspecified:
    """What a call of a query method is answered with. The state does not change."""
    state = given.state
    if question.canister_id not in state.canisters:
        return refused(open_code(given, RejectReason.CANISTER_NOT_FOUND), RejectReason.CANISTER_NOT_FOUND)
    canister = state.canisters[question.canister_id]
    if not isinstance(canister.code, Code):
        return refused(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_HAS_NO_CODE)
    if isinstance(canister.status, Stopping):
        return refused(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_STOPPING)
    if not isinstance(canister.status, Running):
        return refused(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_STOPPED)
    module = module_of(state.profile, canister.code)
    if question.method_name not in module.query_methods | module.composite_query_methods:
        return refused(RejectCode.CANISTER_ERROR, RejectReason.METHOD_NOT_FOUND)
    if budget <= 0:
        return refused(RejectCode.CANISTER_ERROR, RejectReason.INSTRUCTION_LIMIT_EXCEEDED)
    if liquid_balance(state.profile, canister) < 0:
        return refused(RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_FROZEN)
    begun = Evaluation(given, question, depth, budget, canister, canister.code, canister.code.wasm_state)
    return finished(after(begun, run_method(begun)))


def finished(evaluation: Evaluation | QueryResponse | Unspecified) -> QueryResponse | Unspecified:
    """Makes open calls one after the other until there is a response, or no call that could lead to one."""
    while isinstance(evaluation, Evaluation):
        if evaluation.open_calls.is_empty():
            return rejected_in_silence(evaluation)
        evaluation = after_next_call(evaluation)
    return evaluation


# Executions


def instruction_limit(evaluation: Evaluation) -> Instructions:
    """MAX_CYCLES_PER_MESSAGE and MAX_CYCLES_PER_RESPONSE: what one execution may use, within what is left."""
    limit = evaluation.given.state.profile.limits.query_instructions
    return min(limit, evaluation.budget - evaluation.used)


def environment(evaluation: Evaluation, certificate: Blob | None = None) -> Environment:
    """`Env` of an execution on one node."""
    plain = environment_of(evaluation.given.state, evaluation.canister, evaluation.code, instruction_limit(evaluation))
    given = with_growths_left(evaluation)
    return evolve(
        plain,
        replicated=False,
        certificate=certificate,
        refused_growths=given.refused_growths,
        trapping_growths=given.trapping_growths,
        call_context_instructions=evaluation.used_by_itself,
    )


def with_growths_left(evaluation: Evaluation) -> Surroundings:
    """The surroundings, with the growths that are not granted numbered from those on that come next."""
    given = evaluation.given
    return evolve(
        given,
        refused_growths=counted_from(given.refused_growths, evaluation.growths),
        trapping_growths=counted_from(given.trapping_growths, evaluation.growths),
    )


@defines("rule.query.method-execution", "rule.query.certificate")
def run_method(evaluation: Evaluation) -> Outcome:
    """Runs the method. Only the canister that the user called sees a certificate."""
    given, question = evaluation.given, evaluation.question
    certificate = given.certificate if question.canister_id == given.root_canister_id else None
    seen = environment(evaluation, certificate)
    module = module_of(given.state.profile, evaluation.code)
    if question.method_name in module.query_methods:
        return module.query(question.method_name, evaluation.wasm_state, question.argument, question.caller, seen, 0)
    return composite_queries_of(evaluation).composite_query(
        question.method_name, evaluation.wasm_state, question.argument, question.caller, seen
    )


def composite_queries_of(evaluation: Evaluation) -> CompositeQueries:
    """The module, as one that has composite queries."""
    module = module_of(evaluation.given.state.profile, evaluation.code)
    assert isinstance(module, CompositeQueries), "modules of the specification have composite queries"
    return module


@defines("rule.query.method-execution", "rule.query.composite-callbacks", "inv.query-discards-state")
def after(evaluation: Evaluation, outcome: Outcome) -> Evaluation | QueryResponse:
    """Takes in what an execution of the method or of a callback gave."""
    limit = instruction_limit(evaluation)
    used = min(outcome.instructions_used, limit)
    evaluation = evolve(
        evaluation,
        used=evaluation.used + used,
        used_by_itself=evaluation.used_by_itself + used,
        growths=evaluation.growths + outcome.growths,
    )
    match outcome:
        case _ if outcome.instructions_used > limit:
            return rejected(evaluation, RejectReason.INSTRUCTION_LIMIT_EXCEEDED)
        case Trapped():
            failure = failure_of_trap(outcome)
            return rejected(evaluation, failure.reason, failure.message)
        case Returned(response=None):
            trap = outcome.cleaned_up_after
            return evolve(
                evaluation,
                wasm_state=outcome.new_state,
                open_calls=evaluation.open_calls.append(*outcome.new_calls),
                failure=evaluation.failure if trap is None else failure_of_trap(trap),
            )
        case Returned(response=response):
            assert response is not None
            return ended(evaluation, response)


# Calls


@defines("rule.query.composite-calls", "unspec.order.composite-calls")
def after_next_call(evaluation: Evaluation) -> Evaluation | QueryResponse | Unspecified:
    """Makes the open call whose turn it is and runs its callback."""
    limits = evaluation.given.state.profile.limits
    if evaluation.depth >= limits.query_call_depth:
        return rejected(evaluation, RejectReason.QUERY_CALLS_TOO_DEEP)
    place = place_of_next_call(evaluation)
    call = evaluation.open_calls.items[place]
    others = evaluation.open_calls.items[:place] + evaluation.open_calls.items[place + 1 :]
    if is_elsewhere(evaluation, call):
        return rejected(evaluation, RejectReason.DIFFERENT_SUBNETS)
    price = min(limits.query_call_instructions, evaluation.budget - evaluation.used)
    turns = (*evaluation.turns, len(evaluation.open_calls.items))
    evaluation = evolve(evaluation, open_calls=List(others), turns=turns, used=evaluation.used + price)
    answer = answer_to(evaluation, call)
    if isinstance(answer, Unspecified):
        return answer
    evaluation = evolve(
        evaluation,
        used=evaluation.used + answer.instructions,
        turns=evaluation.turns + answer.turns,
        growths=evaluation.growths + answer.growths,
        statistics=evaluation.statistics.append(*answer.statistics),
    )
    if evaluation.used >= evaluation.budget:
        return rejected(evaluation, RejectReason.INSTRUCTION_LIMIT_EXCEEDED)
    return after(evaluation, run_callback(evaluation, call, answer.response))


def place_of_next_call(evaluation: Evaluation) -> Count:
    """The place among the open calls of the one that is made next; 0 for the oldest."""
    order, turn = evaluation.given.order, len(evaluation.turns)
    wanted = order[turn] if turn < len(order) else 0
    return wanted if wanted < len(evaluation.open_calls.items) else 0


def is_elsewhere(evaluation: Evaluation, call: MethodCall) -> bool:
    """The callee is on another subnet."""
    canisters = evaluation.given.state.canisters
    return call.callee in canisters and canisters[call.callee].subnet.subnet_id != evaluation.canister.subnet.subnet_id


def answer_to(evaluation: Evaluation, call: MethodCall) -> QueryResponse | Unspecified:
    """What a call is answered with. The canister is the caller, and nothing more is told of it."""
    caller = evaluation.question.canister_id
    if call.callee == MANAGEMENT_CANISTER:
        return answer_to_canister(evaluation.given, caller, call.method_name, call.argument)
    question = Question(Caller(caller), call.callee, call.method_name, call.argument)
    given = evolve(with_growths_left(evaluation), order=evaluation.given.order[len(evaluation.turns) :])
    return evaluate(given, question, evaluation.budget - evaluation.used, evaluation.depth + 1)


@defines("rule.query.composite-callbacks", "rule.query.certificate")
def run_callback(evaluation: Evaluation, call: MethodCall, response: Response) -> Outcome:
    """Runs a callback on the latest state, for the caller of the method, without a certificate."""
    told = in_the_words(evaluation.given, response)
    return composite_queries_of(evaluation).composite_callback(
        call.callback,
        told,
        evaluation.wasm_state,
        evaluation.question.caller,
        environment(evaluation),
        needs_to_respond=True,
    )


@defines("unspec.value.reject-messages")
def in_the_words(given: Surroundings, response: Response) -> Response:
    """The response as a callback hears it: a reject of the system may say anything."""
    if not isinstance(response, Reject) or not is_of_the_system(response):
        return response
    return in_other_words(response, given.wording(response.message))


# Answers


def rejected_in_silence(evaluation: Evaluation) -> QueryResponse:
    """Nothing will respond any more: the reject tells of the latest callback that failed, as for update calls."""
    if evaluation.failure is None:
        return rejected(evaluation, RejectReason.CANISTER_DID_NOT_RESPOND)
    return rejected(evaluation, evaluation.failure.reason, evaluation.failure.message)


def rejected(evaluation: Evaluation, reason: RejectReason, detail: str = "") -> QueryResponse:
    """The query fails."""
    return ended(evaluation, system_reject(RejectCode.CANISTER_ERROR, reason, detail))


@defines("rule.query.statistics")
def ended(evaluation: Evaluation, response: Response) -> QueryResponse:
    """The answer, with what it adds to the statistics."""
    statistic = QueryStatistic(
        canister_id=evaluation.question.canister_id,
        timestamp=evaluation.canister.time,
        num_instructions=evaluation.used_by_itself,
        request_payload_bytes=len(evaluation.question.argument),
        response_payload_bytes=payload_size(response),
    )
    statistics = evaluation.statistics.append(statistic)
    return QueryResponse(response, evaluation.used, statistics, evaluation.turns, evaluation.growths)

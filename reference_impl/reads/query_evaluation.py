"""Runs query methods, and follows the calls of composite ones, within one budget of instructions."""

from collections import deque

from attrs import define, field, frozen

from reference_impl.environments.kept_environment import KeptEnvironment
from reference_impl.management.status import status_reply
from reference_impl.messages.message_execution import failure_of
from reference_impl.messages.requests import stopped_reason
from reference_impl.reads.kept_answers import KeptAnswers, Question, Reads
from reference_impl.reads.management_queries import TELLING, canister_in
from reference_impl.reads.management_queries import answer as answer_of_management
from reference_impl.reads.query_certificates import certificate_for
from reference_impl.subnet.canister_record import CanisterRecord
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.canister.environment import Caller
from spec.canister.module import CompositeQueries
from spec.canister.outcome import MethodCall, Outcome, Trapped
from spec.canister.wasm_state import WasmState
from spec.state.canister import Running
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, MethodName
from spec.values.quantities import Count, Instructions
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply, Response, system_reject


def error(reason: RejectReason, detail: str = "") -> Reject:
    """A reject for what a canister did or is."""
    return system_reject(RejectCode.CANISTER_ERROR, reason, detail)


@define
class Budget:
    """Instructions that are left for the whole query call."""

    left: Instructions

    def take(self, instructions: Instructions) -> None:
        """Uses some; there are never fewer than none."""
        self.left = max(self.left - instructions, 0)


@frozen
class Target:
    """The canister that the user asks, with the certificate that its methods see, and nobody else's."""

    canister_id: CanisterId
    certificate: Blob | None
    reads: Reads | None
    """What the query reads; None if nobody notes that."""


@define
class QueryRun:
    """One query method that runs, with what it has left behind so far."""

    instance: SubnetInstance
    budget: Budget
    target: Target
    depth: Count
    canister: CanisterRecord
    caller: Caller
    state: WasmState
    used: Instructions = 0
    open_calls: deque[MethodCall] = field(factory=deque)
    failure: Reject = error(RejectReason.CANISTER_DID_NOT_RESPOND)
    """What the query fails with if nothing responds."""
    seen: KeptEnvironment | None = None
    """What the latest execution saw."""

    def environment(self, certificate: Blob | None = None) -> KeptEnvironment:
        """What the next execution sees. It may use no more than what is left."""
        limit = min(self.instance.profile.limits.query_instructions, self.budget.left)
        self.seen = self.instance.environment(
            self.canister, limit, replicated=False, context_instructions=self.used, certificate=certificate
        )
        return self.seen

    def _seen_by_method(self) -> KeptEnvironment:
        is_target = self.canister.canister_id == self.target.canister_id
        return self.environment(self.target.certificate if is_target else None)

    def run(self, method_name: MethodName, argument: Blob) -> Response:
        """The answer of the method and of all that it leads to."""
        code = self.canister.code
        assert code is not None, "only canisters with code are asked"
        module, seen = code.installed.module, self._seen_by_method()
        if method_name in module.query_methods:
            outcome = module.query(method_name, self.state, argument, self.caller, seen, 0)
            return self._take_in(outcome) or self.failure
        assert isinstance(module, CompositeQueries), "the engine runs composite queries"
        response = self._take_in(module.composite_query(method_name, self.state, argument, self.caller, seen))
        while response is None and self.open_calls:
            response = self._make_call(module, self.open_calls.popleft())
        return response or self.failure

    def _take_in(self, outcome: Outcome) -> Response | None:
        if self.target.reads is not None and self.seen is not None:
            self.target.reads.learn(self.canister.canister_id, self.seen)
        self.used += outcome.instructions_used
        self.budget.take(outcome.instructions_used)
        if isinstance(outcome, Trapped):
            failure = failure_of(outcome)
            return error(failure.reason, failure.message)
        if outcome.response is None:
            self.state = outcome.new_state
            self.open_calls.extend(outcome.new_calls)
            if outcome.cleaned_up_after is not None:
                failure = failure_of(outcome.cleaned_up_after)
                self.failure = error(failure.reason, failure.message)
        return outcome.response

    def _make_call(self, module: CompositeQueries, call: MethodCall) -> Response | None:
        limits = self.instance.profile.limits
        if self.target.reads is not None:
            self.target.reads.reach(call.callee)
        if self.depth == limits.query_call_depth:
            return error(RejectReason.QUERY_CALLS_TOO_DEEP)
        callee = self.instance.canisters.get(call.callee)
        if callee is not None and not callee.is_beside(self.canister):
            return error(RejectReason.DIFFERENT_SUBNETS)
        self.budget.take(limits.query_call_instructions)
        if call.callee == MANAGEMENT_CANISTER:
            response = self._ask_management(call)
        else:
            caller = Caller(self.canister.canister_id)
            response = evaluate(
                self.instance,
                self.budget,
                caller,
                call.callee,
                call.method_name,
                call.argument,
                self.depth + 1,
                self.target,
            )
        if self.budget.left == 0:
            return error(RejectReason.INSTRUCTION_LIMIT_EXCEEDED)
        return self._take_in(
            module.composite_callback(call.callback, response, self.state, self.caller, self.environment(), True)
        )

    def _ask_management(self, call: MethodCall) -> Response:
        if self.target.reads is not None:
            self.target.reads.may_change = True
        own_id = self.canister.canister_id
        if call.method_name == "canister_status" and canister_in(call.argument) == own_id:
            return Reply(status_reply(self.instance, self.canister))
        about = self.instance.canisters.get(canister_in(call.argument) or own_id)
        if call.method_name in TELLING and about is not None and not about.is_beside(self.canister):
            return error(RejectReason.DIFFERENT_SUBNETS)
        told = answer_of_management(self.instance, own_id, call.method_name, call.argument, own_id)
        if isinstance(told, Reply):
            return told
        if told is RejectReason.CANISTER_NOT_FOUND:
            return system_reject(RejectCode.DESTINATION_INVALID, told)
        return error(told)


def evaluate(
    instance: SubnetInstance,
    budget: Budget,
    caller: Caller,
    callee: CanisterId,
    method_name: MethodName,
    argument: Blob,
    depth: Count = 0,
    target: Target | None = None,
    answers: KeptAnswers | None = None,
) -> Response:
    """What a call of a query method is answered with: what is kept among the answers, if they are given."""
    canister = instance.canisters.get(callee)
    if canister is None:
        return system_reject(RejectCode.DESTINATION_INVALID, RejectReason.CANISTER_NOT_FOUND)
    if canister.code is None:
        return error(RejectReason.CANISTER_HAS_NO_CODE)
    if not isinstance(canister.status, Running):
        return error(stopped_reason(canister))
    module = canister.code.installed.module
    if method_name not in module.query_methods and method_name not in module.composite_query_methods:
        return error(RejectReason.METHOD_NOT_FOUND)
    if budget.left == 0:
        return error(RejectReason.INSTRUCTION_LIMIT_EXCEEDED)
    if instance.liquid(canister) < 0:
        return system_reject(RejectCode.SYS_TRANSIENT, RejectReason.CANISTER_FROZEN)
    if answers is not None:
        return _kept_or_evaluated(instance, budget, canister, Question(callee, method_name, argument, caller), answers)
    asked = Target(callee, certificate_for(instance, canister), None) if target is None else target
    return QueryRun(instance, budget, asked, depth, canister, caller, canister.code.wasm_state).run(
        method_name, argument
    )


def _kept_or_evaluated(
    instance: SubnetInstance, budget: Budget, canister: CanisterRecord, question: Question, answers: KeptAnswers
) -> Response:
    """The answer to a user, whose question may be put to the canister: the one that is kept, or a new one."""
    kept = answers.find(instance, question)
    if kept is not None:
        return kept
    assert canister.code is not None, "only canisters with code are asked"
    reads = Reads()
    reads.reach(question.canister_id)
    target = Target(question.canister_id, certificate_for(instance, canister), reads)
    run = QueryRun(instance, budget, target, 0, canister, question.caller, canister.code.wasm_state)
    response = run.run(question.method_name, question.argument)
    answers.keep(instance, question, reads, response)
    return response

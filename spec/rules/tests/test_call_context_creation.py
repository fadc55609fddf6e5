"""Call contexts are created, for calls and for system tasks."""

import pytest
from attrs import evolve

from spec.canister.environment import Caller
from spec.rules.resources import freezing_limit
from spec.rules.tests.worlds import (
    NOW,
    PROFILE,
    RICH,
    SET_ASIDE,
    A,
    B,
    C,
    a_call,
    a_context,
    a_request,
    a_user_call,
    canister,
    code,
    contexts,
    execution,
    fire,
    from_canister,
    is_refused,
    module,
    returns,
    world,
)
from spec.state.call_context import CallContext
from spec.state.canister import Empty, HookStatus, Stopped, Stopping
from spec.state.message import Between, FuncMessage, GlobalTimer, Heartbeat, PublicMethod
from spec.state.origin import Expired, FromSystemTask
from spec.transition import RULES, Step
from spec.values.containers import Queue
from spec.values.identifiers import MANAGEMENT_CANISTER

HEARTBEAT, TIMER = "heartbeat_context_creation", "global_timer_context_creation"


def tasks(canister_id):
    """Code that exports both system tasks."""
    return code(canister_id, module(gives={"heartbeat": returns(), "global_timer": returns()}))


@pytest.mark.checklist(
    "rule.call-context-creation.public-method", "def.message-shapes", "seed2.input-queue", "seed2.canister-id"
)
def test_a_call_becomes_an_execution_at_its_place_in_a_new_context_and_cycles_are_set_aside():
    call, younger = a_call(), a_call(callee=C)
    callee = canister(B)
    state = world((A, canister(A)), (B, callee), messages=(call, younger), call_contexts=contexts(a_context()))
    fired = fire(state, "call_context_creation", message_id=0, context_id=5)
    entry_point = PublicMethod("go", b"argument")
    function = FuncMessage(5, Caller(A), B, entry_point, Between(A, B), SET_ASIDE)
    context = CallContext(B, call.origin, Caller(A), True, False, 1_000_000)
    assert fired == Step(
        evolve(
            state,
            messages=Queue(((0, function), (1, younger)), 2),
            call_contexts=state.call_contexts.set(5, context),
            canisters=state.canisters.set(B, evolve(callee, balance=RICH - SET_ASIDE)),
        )
    )


@pytest.mark.checklist("rule.call-context-creation.public-method")
def test_caller_info_of_a_user_goes_with_the_execution_and_the_context():
    caller = Caller(A, b"info", B)
    state = world((B, canister(B)), messages=(evolve(a_user_call(a_request(B)), caller=caller),))
    fired = fire(state, "call_context_creation", message_id=0, context_id=0)
    assert (fired.state.messages[0].caller, fired.state.call_contexts[0].caller) == (caller, caller)


@pytest.mark.checklist("rule.call-context-creation.public-method", "inv.stopping-processes-responses")
@pytest.mark.parametrize(
    ("callee", "because"),
    [
        (None, "the canister exists"),
        ({"installed": Empty()}, "the canister has code"),
        ({"status": Stopping()}, "the callee is running"),
        ({"status": Stopped()}, "the callee is running"),
        ({"balance": SET_ASIDE - 1}, "the callee can set aside the cycles for the execution"),
    ],
)
def test_a_call_starts_only_at_a_running_canister_with_code_and_cycles(callee, because):
    canisters = [] if callee is None else [(B, canister(B, **({"freezing_threshold": 0} | callee)))]
    state = world((A, canister(A)), *canisters, messages=(a_call(),), call_contexts=contexts(a_context()))
    assert is_refused(state, "call_context_creation", because, message_id=0, context_id=1)


@pytest.mark.checklist(
    "rule.call-context-creation.public-method",
    "def.liquid-balance",
    "unspec.const.max-cycles-per-message",
    "prod.cam.test_consume_with_threshold",
    "prod.cam.cycles_withdraw_for_execution",
)
@pytest.mark.parametrize(
    "settings",
    [{"freezing_threshold": 0}, {"freezing_threshold": 10, "compute_allocation": 90, "memory_allocation": 2**32}],
)
def test_a_liquid_balance_of_just_what_is_set_aside_is_enough(settings):
    limit = freezing_limit(PROFILE, canister(B, **settings))
    assert limit == (0 if settings["freezing_threshold"] == 0 else 10 * (90 * 10_000_000 + 4 * 317_500))

    def called(balance):
        callee = canister(B, balance=balance, **settings)
        return world((B, callee), messages=(a_user_call(a_request(B)),))

    fired = fire(called(limit + SET_ASIDE), "call_context_creation", message_id=0, context_id=1)
    assert fired.state.canisters[B].balance == limit
    because = "the callee can set aside the cycles for the execution"
    assert is_refused(called(limit + SET_ASIDE - 1), "call_context_creation", because, message_id=0, context_id=1)


@pytest.mark.checklist("rule.call-context-creation.public-method", "inv.no-context-for-management")
def test_the_context_id_is_fresh_and_the_callee_is_no_management_canister():
    state = world((A, canister(A)), (B, canister(B)), messages=(a_call(),), call_contexts=contexts(a_context()))
    assert is_refused(state, "call_context_creation", "the call context id is fresh", message_id=0, context_id=0)
    managing = evolve(state, messages=Queue().append(a_call(callee=MANAGEMENT_CANISTER)))
    because = "the callee is not the management canister"
    assert is_refused(managing, "call_context_creation", because, message_id=0, context_id=1)


@pytest.mark.checklist("def.message-eligibility", "inv.prop-03-fifo-per-pair")
def test_the_older_of_two_calls_between_the_same_canisters_starts_first():
    messages = (a_call(), a_call(caller=C), a_call())
    state = world((A, canister(A)), (B, canister(B)), messages=messages, call_contexts=contexts(a_context()))
    because = "no older call of the same queue waits"
    assert is_refused(state, "call_context_creation", because, message_id=2, context_id=1)
    fire(state, "call_context_creation", message_id=1, context_id=1)
    fire(state, "call_context_creation", message_id=0, context_id=1)


@pytest.mark.checklist(
    "inv.order.ingress-unordered", "def.message-eligibility", "unspec.order.ingress", "seed2.queue-order"
)
def test_calls_of_users_start_in_any_order():
    messages = tuple(a_user_call(a_request(B, name)) for name in ("one", "two"))
    fire(world((B, canister(B)), messages=messages), "call_context_creation", message_id=1, context_id=1)


@pytest.mark.checklist("rule.call-context-creation.public-method", "rule.call-expiry.message")
def test_a_call_whose_deadline_has_expired_may_still_start():
    call = a_call(origin=from_canister(9, Expired(NOW)))
    fire(world((B, canister(B)), messages=(call,)), "call_context_creation", message_id=0, context_id=1)


@pytest.mark.checklist(
    "rule.call-context-creation.heartbeat",
    "inv.system-task-context",
    "unspec.spont.heartbeat",
    "unspec.order.system-tasks",
)
def test_a_heartbeat_runs_in_front_of_all_messages_in_a_context_that_owes_no_response():
    older, beating = a_call(), canister(B, tasks(B))
    state = world((A, canister(A)), (B, beating), messages=(older,), call_contexts=contexts(a_context()))
    fired = fire(state, HEARTBEAT, canister_id=B, context_id=1)
    system = Caller(MANAGEMENT_CANISTER)
    function = FuncMessage(1, system, B, Heartbeat(), Between(MANAGEMENT_CANISTER, B), SET_ASIDE)
    assert fired == Step(
        evolve(
            state,
            messages=Queue(((1, function), (0, older)), 2),
            call_contexts=state.call_contexts.set(1, CallContext(B, FromSystemTask(), system, False, False, 0)),
            canisters=state.canisters.set(B, evolve(beating, balance=RICH - SET_ASIDE)),
        )
    )


@pytest.mark.checklist("rule.call-context-creation.global-timer", "inv.timer-fires-once")
def test_a_timer_that_is_due_is_switched_off_and_its_hook_runs():
    waiting = canister(B, tasks(B), global_timer=NOW)
    state = world((B, waiting))
    fired = fire(state, TIMER, canister_id=B, context_id=0)
    system = Caller(MANAGEMENT_CANISTER)
    function = FuncMessage(0, system, B, GlobalTimer(), Between(MANAGEMENT_CANISTER, B), SET_ASIDE)
    assert fired == Step(
        evolve(
            state,
            messages=Queue(((0, function),), 1),
            call_contexts=contexts(CallContext(B, FromSystemTask(), system, False, False, 0)),
            canisters=state.canisters.set(B, evolve(waiting, global_timer=0, balance=RICH - SET_ASIDE)),
        )
    )


@pytest.mark.checklist("rule.call-context-creation.global-timer", "inv.timer-fires-once", "unspec.spont.global-timer")
@pytest.mark.parametrize(("timer", "because"), [(0, "the timer is set"), (NOW + 1, "the time of the timer has come")])
def test_a_timer_that_is_not_set_or_not_due_does_not_run(timer, because):
    state = world((B, canister(B, tasks(B), global_timer=timer)))
    assert is_refused(state, TIMER, because, canister_id=B, context_id=0)


@pytest.mark.checklist(
    "rule.call-context-creation.heartbeat",
    "rule.call-context-creation.global-timer",
    "inv.stopping-processes-responses",
    "inv.cycles.frozen-no-new-work",
)
@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"code": Empty()}, "the canister has code"),
        ({"status": Stopping()}, "the canister is running"),
        ({"status": Stopped()}, "the canister is running"),
        ({"balance": SET_ASIDE - 1}, "the canister can set aside the cycles for the execution"),
    ],
)
@pytest.mark.parametrize("rule", [HEARTBEAT, TIMER])
def test_system_tasks_run_only_at_a_running_canister_with_code_and_cycles(rule, changes, because):
    plain = canister(B, tasks(B), global_timer=NOW, freezing_threshold=0)
    state = world((B, evolve(plain, **changes)))
    assert is_refused(state, rule, because, canister_id=B, context_id=0)


@pytest.mark.checklist("rule.call-context-creation.heartbeat", "rule.call-context-creation.global-timer")
def test_system_tasks_that_the_module_does_not_export_do_not_run():
    state = world((B, canister(B, global_timer=NOW)))
    assert is_refused(state, HEARTBEAT, "the module exports a heartbeat", canister_id=B, context_id=0)
    assert is_refused(state, TIMER, "the module exports a global timer", canister_id=B, context_id=0)
    other = world((A, canister(A, tasks(A), global_timer=NOW)), call_contexts=contexts(a_context(A)))
    for rule in (HEARTBEAT, TIMER):
        assert is_refused(other, rule, "the canister exists", canister_id=B, context_id=1)
        assert is_refused(other, rule, "the call context id is fresh", canister_id=A, context_id=0)


@pytest.mark.checklist(
    "inv.func-message-transient",
    "rule.call-context-creation.public-method",
    "rule.call-context-creation.heartbeat",
    "rule.call-context-creation.global-timer",
    "rule.callback-invocation.live-context",
    "unspec.order.enabled-rules",
)
@pytest.mark.parametrize("name", sorted(set(RULES) - {"message_execution"}))
def test_while_an_execution_waits_every_other_rule_waits(name):
    state = world((A, canister(A)), messages=(execution(),), call_contexts=contexts(a_context()))
    parameters = RULES[name].body.__code__.co_varnames[1 : 1 + RULES[name].body.__code__.co_kwonlyargcount]
    choices = dict.fromkeys(parameters, 1)
    assert is_refused(state, name, "no created call context waits for its execution", **choices)


@pytest.mark.checklist("inv.low-memory-hook-once", "rule.message-execution.selection", "unspec.order.system-tasks")
def test_while_the_low_memory_hook_is_due_neither_calls_nor_other_tasks_begin():
    due = canister(B, tasks(B), global_timer=NOW, low_memory_hook=HookStatus.READY)
    state, because = world((B, due), messages=(a_user_call(a_request(B)),)), "the low-memory hook is not due"
    assert is_refused(state, "call_context_creation", because, message_id=0, context_id=0)
    for rule in (HEARTBEAT, TIMER):
        assert is_refused(state, rule, because, canister_id=B, context_id=0)


@pytest.mark.checklist("rule.call-context-creation.heartbeat", "rule.call-context-creation.global-timer")
@pytest.mark.parametrize("rule", [HEARTBEAT, TIMER])
def test_a_liquid_balance_of_just_what_is_set_aside_is_enough_for_a_task(rule):
    state = world((B, canister(B, tasks(B), global_timer=NOW, freezing_threshold=0, balance=SET_ASIDE)))
    assert fire(state, rule, canister_id=B, context_id=0).state.canisters[B].balance == 0

"""Code of a canister runs, and its effects are kept or dropped as a whole."""

import pytest
from attrs import evolve

from spec.canister.environment import Caller, SimpleStatus
from spec.canister.outcome import Trapped, TrapReason
from spec.rules.tests.executing import FEE_OF_REPLY, REPLY, RESPONDING, USED, execute, reason_of_failure, running
from spec.rules.tests.worlds import (
    CALLBACK,
    FAKES,
    NOTHING_LOST,
    NOW,
    PROFILE,
    RESERVED_FOR_RESPONSE,
    RICH,
    SET_ASIDE,
    SET_ASIDE_FOR_QUERY,
    SUBNET,
    USER,
    A,
    B,
    a_call,
    a_context,
    canister,
    code,
    contexts,
    execution,
    from_canister,
    is_refused,
    module,
    performed,
    returns,
    traps,
    world,
)
from spec.state.call_context import FailedExecution
from spec.state.canister import Empty, HookStatus, LogRecord, Stopping
from spec.state.message import Between, CallbackInvocation, CallMessage, GlobalTimer, Heartbeat, ResponseMessage
from spec.state.origin import Deadline, Expired, FromCanister, FromSystemTask, NoDeadline
from spec.transition import Burned, BurnReason, Executed, Step
from spec.values.containers import List, Queue
from spec.values.rejects import RejectReason

# Selection.


@pytest.mark.checklist("rule.message-execution.selection", "inv.low-memory-hook-once")
def test_while_the_low_memory_hook_is_due_only_callbacks_run():
    due = {"low_memory_hook": HookStatus.READY}
    because = "the low-memory hook is not due, or this is a callback"
    assert is_refused(running({"update go": returns()}, **due), "message_execution", because, message_id=0)
    execute(running({"callback": returns()}, RESPONDING, **due))


@pytest.mark.checklist("rule.message-execution.selection", "def.message-eligibility")
def test_an_execution_needs_its_canister_its_code_its_context_and_its_turn():
    state = running({"update go": returns()})
    rule = "message_execution"
    assert is_refused(evolve(state, canisters=state.canisters.remove(A)), rule, "the canister exists", message_id=0)
    empty = evolve(state, canisters=state.canisters.set(A, canister(A, Empty())))
    assert is_refused(empty, rule, "the canister has code", message_id=0)
    assert is_refused(evolve(state, call_contexts=contexts()), rule, "the call context exists", message_id=0)
    assert is_refused(world(messages=(a_call(),)), rule, "the message is a function about to run", message_id=0)
    assert is_refused(state, rule, "the message exists", message_id=4)
    queue = Between(B, A)
    late = running({}, others=(a_call(A, B, queue=queue),), function={"queue": queue})
    assert is_refused(late, rule, "no older call of the same queue waits", message_id=1)


# What runs.


@pytest.mark.checklist(
    "rule.message-execution.update-method",
    "def.message-execution-env",
    "def.canister-module-functions",
    "seed2.input-queue",
    "seed2.payload",
)
def test_an_update_method_sees_its_argument_its_caller_and_the_state_before():
    raw_module = module(gives={"update go": returns()})
    context = a_context(A, from_canister(9, Deadline(NOW + 3)), available_cycles=77, instructions_used=12)
    executed = canister(A, code(A, raw_module), balance=RICH, reserved_balance=5, status=Stopping(), global_timer=NOW)
    caller = Caller(B, b"info", B)
    state = world((A, executed), messages=(execution(caller=caller),), call_contexts=contexts(context))
    execute(state)
    ((name, seen),) = FAKES[raw_module].seen
    environment = seen.pop("environment")
    assert (name, seen) == (
        "update go",
        {
            "wasm_state": executed.code.wasm_state,
            "argument": b"argument",
            "caller": caller,
            "deadline": NOW + 3,
            "available_cycles": 77,
        },
    )
    settings = executed.settings
    assert environment == evolve(
        environment,
        profile=PROFILE,
        instruction_limit=PROFILE.limits.message_instructions,
        time=NOW,
        controllers=settings.controllers,
        global_timer=NOW,
        balance=RICH,
        reserved_balance=5,
        reserved_balance_limit=settings.reserved_balance_limit,
        compute_allocation=0,
        memory_allocation=0,
        memory_usage_raw_module=len(raw_module),
        memory_usage_canister_history=0,
        memory_usage_chunk_store=0,
        memory_usage_snapshots=0,
        freezing_threshold=settings.freezing_threshold,
        subnet_id=SUBNET.subnet_id,
        subnet_size=13,
        root_key=b"root key",
        certificate=None,
        status=SimpleStatus.STOPPING,
        canister_version=7,
        call_context_instructions=12,
        replicated=True,
    )


@pytest.mark.checklist("def.deadline-of-context")
@pytest.mark.parametrize(
    ("origin", "deadline"),
    [
        (from_canister(9, Deadline(5)), 5),
        (from_canister(9, Expired(5)), 5),
        (from_canister(9, NoDeadline()), None),
        (None, None),
    ],
)
def test_the_deadline_of_a_context_is_that_of_its_origin_also_after_it_expired(origin, deadline):
    raw_module = module(gives={"update go": returns()})
    state = world(
        (A, canister(A, code(A, raw_module))), messages=(execution(),), call_contexts=contexts(a_context(A, origin))
    )
    execute(state)
    assert FAKES[raw_module].seen[0][1]["deadline"] == deadline


@pytest.mark.checklist(
    "rule.message-execution.update-method",
    "rule.message-execution.commit-effects",
    "inv.version.monotone",
    "seed1.pay-from-canister",
    "seed2.execution-paid-in-cycles",
    "seed2.commit-on-success",
)
def test_a_successful_update_keeps_its_state_raises_the_version_and_is_charged_what_it_used():
    state = running({"update go": returns(heap=b"new")})
    before = state.canisters[A]
    after = evolve(
        before,
        code=code(A, before.code.raw_module),
        version=8,
        balance=RICH + SET_ASIDE - USED,
    )
    fired = execute(state)
    heap = fired.state.canisters[A].code.wasm_state
    assert heap.wasm_memory.read(0, 3) == b"new"
    assert fired == Step(
        evolve(
            state,
            messages=Queue((), 1),
            canisters=state.canisters.set(A, evolve(after, code=evolve(after.code, wasm_state=heap))),
            call_contexts=contexts(evolve(state.call_contexts[0], instructions_used=1_000)),
        ),
        outputs=(Executed(A, 1_000, None),),
        burned=(
            Burned(USED, BurnReason.EXECUTION),
            Burned(0, BurnReason.TRANSMISSION),
            Burned(0, BurnReason.REQUESTED),
            NOTHING_LOST,
        ),
    )


@pytest.mark.checklist("rule.message-execution.query-method", "def.query-as-update", "inv.query-discards-state")
def test_a_query_executed_as_an_update_responds_and_is_charged_but_changes_nothing():
    effects = {
        "response": REPLY,
        "cycles_accepted": 3,
        "new_calls": List.of(performed()),
        "new_certified_data": b"data",
        "new_global_timer": NOW,
    }
    context = a_context(A, from_canister(0), available_cycles=10)
    state = running(
        {"query go": returns(heap=b"dropped", **effects)},
        context=context,
        function={"reserved_cycles": SET_ASIDE_FOR_QUERY},
        wasm_memory_limit=1,
    )
    fired = execute(state)
    response = ResponseMessage(context.origin, REPLY, 7)
    assert fired.state == evolve(
        state,
        messages=Queue(((1, response),), 2),
        canisters=state.canisters.set(A, evolve(state.canisters[A], balance=RICH + 3 + SET_ASIDE_FOR_QUERY - USED)),
        call_contexts=contexts(evolve(context, needs_to_respond=False, available_cycles=0, instructions_used=1_000)),
    )


@pytest.mark.checklist("def.query-as-update")
def test_a_query_executed_as_an_update_that_traps_is_an_execution_that_traps():
    gives = {"query go": traps()}
    assert reason_of_failure(running(gives)) == RejectReason.CANISTER_TRAPPED


@pytest.mark.checklist("rule.message-execution.query-method", "inv.composite-not-replicated")
def test_a_composite_query_method_is_not_found_by_an_update():
    raw_module = module(composite_query_methods=frozenset({"go"}))
    executed = canister(A, code(A, raw_module))
    state = world((A, executed), messages=(execution(),), call_contexts=contexts(a_context()))
    assert reason_of_failure(state) == RejectReason.METHOD_NOT_FOUND


@pytest.mark.checklist("rule.message-execution.heartbeat", "def.system-task-as-update", "inv.system-task-context")
def test_a_heartbeat_makes_calls_and_neither_responds_nor_accepts_cycles():
    effects = {"response": REPLY, "cycles_accepted": 3, "new_calls": List.of(performed())}
    context = a_context(A, FromSystemTask(), needs_to_respond=False)
    fired = execute(running({"heartbeat": returns(heap=b"kept", **effects)}, Heartbeat(), context, wasm_memory_limit=1))
    (message,) = fired.state.messages
    assert isinstance(message, CallMessage)
    after = fired.state.canisters[A]
    assert (after.version, after.code.wasm_state.wasm_memory.read(0, 4)) == (8, b"kept")
    assert after.balance == RICH + SET_ASIDE - USED - 50 - 1_000 - RESERVED_FOR_RESPONSE
    assert fired.state.call_contexts[0] == evolve(context, instructions_used=1_000)


@pytest.mark.checklist("rule.message-execution.global-timer", "inv.timer-fires-once", "def.system-task-as-update")
def test_a_timer_set_while_the_timer_hook_runs_is_the_next_one_and_the_hook_sees_none():
    raw_module = module(gives={"global_timer": returns(new_global_timer=NOW + 9)})
    state = world(
        (A, canister(A, code(A, raw_module))),
        messages=(execution(A, GlobalTimer()),),
        call_contexts=contexts(a_context(A, FromSystemTask(), needs_to_respond=False)),
    )
    fired = execute(state)
    assert (fired.state.canisters[A].global_timer, fired.state.canisters[A].version) == (NOW + 9, 8)
    assert FAKES[raw_module].seen[0][1]["environment"].global_timer == 0


@pytest.mark.checklist("rule.message-execution.global-timer", "def.system-task-as-update")
def test_a_timer_whose_hook_traps_stays_off():
    context = a_context(A, FromSystemTask(), needs_to_respond=False)
    fired = execute(running({"global_timer": traps()}, GlobalTimer(), context))
    assert fired.state.canisters[A].global_timer == 0


@pytest.mark.checklist("rule.message-execution.callback", "inv.cycles.response-reserve", "inv.version.monotone")
def test_a_callback_is_charged_for_the_response_and_gets_the_rest_of_the_reserve():
    state = running({"callback": returns(heap=b"kept")}, RESPONDING, status=Stopping(), balance=0, wasm_memory_limit=1)
    fired = execute(state)
    after = fired.state.canisters[A]
    assert after.balance == RESERVED_FOR_RESPONSE - USED - FEE_OF_REPLY
    assert (after.version, after.code.wasm_state.wasm_memory.read(0, 4)) == (8, b"kept")


@pytest.mark.checklist("rule.message-execution.callback", "inv.cleanup-iff-trap")
def test_a_callback_after_which_the_cleanup_returned_keeps_its_effects_and_its_failure():
    trapped = Trapped(300, TrapReason.TRAPPED, "ouch")
    state = running({"callback": returns(heap=b"clean", cleaned_up_after=trapped)}, RESPONDING)
    fired = execute(state)
    failure = FailedExecution(RejectReason.CANISTER_TRAPPED, "ouch")
    assert fired.outputs == (Executed(A, 1_000, failure),)
    after = fired.state.canisters[A]
    assert (after.version, after.code.wasm_state.wasm_memory.read(0, 5)) == (8, b"clean")
    assert fired.state.call_contexts[0].last_failure == failure


@pytest.mark.checklist("rule.message-execution.callback")
def test_a_callback_sees_the_response_and_the_refund():
    raw_module = module(gives={"callback": returns()})
    entry_point = CallbackInvocation(CALLBACK, REPLY, 44)
    context = a_context(A, from_canister(3, Deadline(5)), available_cycles=6)
    state = world(
        (A, canister(A, code(A, raw_module))),
        messages=(execution(A, entry_point),),
        call_contexts=contexts(context),
    )
    execute(state)
    ((name, seen),) = FAKES[raw_module].seen
    del seen["environment"], seen["wasm_state"]
    assert (name, seen) == (
        "callback",
        {
            "callback": CALLBACK,
            "response": REPLY,
            "refunded_cycles": 44,
            "caller": Caller(USER),
            "deadline": 5,
            "available_cycles": 6,
        },
    )


# Effects.


@pytest.mark.checklist(
    "rule.message-execution.new-calls",
    "rule.message-execution.commit-effects",
    "inv.order.calls-of-one-execution",
    "inv.prop-02-call-splits-execution",
    "seed1.network-charge",
    "seed2.output-queue",
    "seed2.actor-send",
)
def test_new_calls_and_then_the_response_are_appended_in_order_and_paid_for():
    calls = List.of(performed(B, "first", b"1"), performed(B, "second", b"2", timeout=5))
    context = a_context(A, available_cycles=0)
    older = a_call(A, B)
    state = running({"update go": returns(new_calls=calls, response=REPLY)}, context=context, others=(older,))
    fired = execute(state)

    def sent(name, argument, deadline):
        origin = FromCanister(0, CALLBACK, deadline, Caller(USER), B, A)
        return CallMessage(origin, Caller(A), B, name, argument, 1_000, Between(A, B))

    expected = (
        (0, older),
        (2, sent("first", b"1", NoDeadline())),
        (3, sent("second", b"2", Deadline(NOW + 5 * 10**9))),
        (4, ResponseMessage(context.origin, REPLY, 0)),
    )
    assert fired.state.messages == Queue(expected, 5)
    left = RICH + SET_ASIDE - USED - 2 * (RESERVED_FOR_RESPONSE + 1_000 + 50)
    assert fired.state.canisters[A].balance == left
    assert fired.burned == (
        Burned(USED, BurnReason.EXECUTION),
        Burned(100, BurnReason.TRANSMISSION),
        Burned(0, BurnReason.REQUESTED),
        NOTHING_LOST,
    )


@pytest.mark.checklist(
    "rule.message-execution.response",
    "inv.responded-context-no-cycles",
    "inv.cycles.context-bound",
    "inv.prop-08-unbounded-wait-first-response",
)
def test_a_response_refunds_what_was_not_accepted_and_closes_the_context():
    context = a_context(A, from_canister(0), available_cycles=100)
    state = running({"update go": returns(response=REPLY, cycles_accepted=60)}, context=context)
    fired = execute(state)
    assert fired.state.messages == Queue(((1, ResponseMessage(context.origin, REPLY, 40)),), 2)
    answered = evolve(context, needs_to_respond=False, available_cycles=0, instructions_used=1_000)
    assert fired.state.call_contexts == contexts(answered)
    assert fired.state.canisters[A].balance == RICH + 60 + SET_ASIDE - USED


@pytest.mark.checklist("rule.message-execution.response", "inv.cycles.context-bound")
def test_without_a_response_the_context_keeps_what_was_not_accepted():
    context = a_context(A, from_canister(0), available_cycles=100)
    fired = execute(running({"update go": returns(cycles_accepted=60)}, context=context))
    assert fired.state.call_contexts == contexts(evolve(context, available_cycles=40, instructions_used=1_000))
    assert fired.state.messages == Queue((), 1)


@pytest.mark.checklist("rule.message-execution.commit-effects")
def test_certified_data_timer_and_burned_cycles_take_effect():
    effects = {"new_certified_data": b"data", "new_global_timer": NOW + 1, "cycles_burned": 500}
    fired = execute(running({"update go": returns(**effects)}))
    after = fired.state.canisters[A]
    assert (after.certified_data, after.global_timer) == (b"data", NOW + 1)
    assert after.balance == RICH + SET_ASIDE - USED - 500
    assert fired.burned[-2:] == (Burned(500, BurnReason.REQUESTED), NOTHING_LOST)


@pytest.mark.checklist("rule.message-execution.commit-effects")
def test_certified_data_and_timer_stay_if_the_execution_does_not_set_them():
    fired = execute(running({"update go": returns()}, certified_data=b"old", global_timer=NOW + 7))
    after = fired.state.canisters[A]
    assert (after.certified_data, after.global_timer) == (b"old", NOW + 7)


@pytest.mark.checklist("rule.message-execution.commit-effects", "inv.log-sequence", "unspec.fn.logs")
def test_logs_are_appended_numbered_on_with_the_time_of_the_canister():
    older = LogRecord(4, NOW - 1, b"old")
    logs = (b"one", b"two")
    for outcome in (returns(logs=logs), traps(logs=logs)):
        fired = execute(running({"update go": outcome}, logs=List.of(older)))
        records = (older, LogRecord(5, NOW, b"one"), LogRecord(6, NOW, b"two"))
        assert fired.state.canisters[A].logs == List(records)


@pytest.mark.checklist("inv.log-sequence", "mgmt.fetch-canister-logs")
def test_no_number_of_a_log_is_given_twice_even_if_the_log_was_purged():
    purged = running({"update go": returns(logs=(b"one", b"two"))}, logs=List(), next_log_index=5)
    after = execute(purged).state.canisters[A]
    assert after.logs == List((LogRecord(5, NOW, b"one"), LogRecord(6, NOW, b"two")))
    assert after.next_log_index == 7

"""Executions that fail, or that are told as answered with a reject: what they leave and what they cost."""

import pytest
from attrs import evolve

from spec.canister.outcome import TrapReason
from spec.rules.tests.executing import FEE_OF_REPLY, REPLY, RESPONDING, USED, execute, reason_of_failure, running
from spec.rules.tests.worlds import (
    FIXED,
    NOTHING_LOST,
    RESERVED_FOR_RESPONSE,
    RICH,
    SET_ASIDE,
    A,
    B,
    a_context,
    canister,
    code,
    contexts,
    from_canister,
    module,
    performed,
    returns,
    traps,
)
from spec.state.call_context import FailedExecution
from spec.state.message import GlobalTimer, Heartbeat
from spec.transition import Burned, BurnReason, Executed, Step
from spec.values import management
from spec.values.containers import List, Queue
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.rejects import Reject, RejectCode, RejectReason


@pytest.mark.checklist(
    "rule.message-execution.rollback",
    "inv.prop-05-trap-rolls-back",
    "inv.atomic.entry-point",
    "seed2.failed-execution-charged",
    "seed2.no-commit-on-failure",
    "seed2.output-queue",
)
@pytest.mark.parametrize(
    ("reason", "failure"),
    [
        (TrapReason.TRAPPED, RejectReason.CANISTER_TRAPPED),
        (TrapReason.OUT_OF_INSTRUCTIONS, RejectReason.INSTRUCTION_LIMIT_EXCEEDED),
    ],
)
def test_an_execution_that_traps_is_charged_and_changes_nothing(reason, failure):
    context = a_context(A, from_canister(0), available_cycles=100)
    state = running({"update go": traps(1_000, reason, message="ouch")}, context=context)
    fired = execute(state)
    failed = FailedExecution(failure, "ouch")
    assert fired == Step(
        evolve(
            state,
            messages=Queue((), 1),
            canisters=state.canisters.set(A, evolve(state.canisters[A], balance=RICH + SET_ASIDE - USED)),
            call_contexts=contexts(evolve(context, instructions_used=1_000, last_failure=failed)),
        ),
        outputs=(Executed(A, 1_000, failed),),
        burned=(Burned(USED, BurnReason.EXECUTION), NOTHING_LOST),
    )


@pytest.mark.checklist(
    "rule.message-execution.rollback", "unspec.const.max-cycles-per-message", "unspec.fn.cycles-used"
)
def test_a_failed_execution_is_charged_its_budget_at_most():
    state = running({"update go": traps(40_000_000_000)}, function={"reserved_cycles": 10**9})
    fired = execute(state)
    assert fired.burned == (Burned(10**9, BurnReason.EXECUTION), NOTHING_LOST)
    assert fired.state.canisters[A].balance == RICH


@pytest.mark.checklist("unspec.const.max-cycles-per-response", "unspec.fn.cycles-used")
@pytest.mark.parametrize(
    ("is_wide", "was_wide", "used", "cost"),
    [
        (False, False, 10**9, FIXED + 10**9),
        (True, True, 10**9, FIXED + 2 * 10**9),
        (True, False, 10**9, 0),
        (True, False, 25 * 10**9, FIXED + 10 * 10**9),
        (True, False, 40 * 10**9, FIXED + 40 * 10**9),
        (False, True, 10**9, FIXED + 41 * 10**9),
    ],
)
def test_what_is_left_of_a_callback_comes_back_at_the_rate_of_the_module_that_runs_it(is_wide, was_wide, used, cost):
    """An instruction costs one cycle, or two with wider addresses; so much was set aside at the call for 40 * 10^9."""
    reserved = RESERVED_FOR_RESPONSE + (40 * 10**9 if was_wide else 0)
    state = running({}, RESPONDING, function={"reserved_cycles": reserved})
    installed = code(A, module(gives={"callback": returns(used)}, has_64_bit_memory=is_wide))
    fired = execute(evolve(state, canisters=state.canisters.set(A, canister(A, installed))))
    assert fired.burned[0] == Burned(cost + FEE_OF_REPLY, BurnReason.EXECUTION)
    assert fired.state.canisters[A].balance == RICH + reserved - cost - FEE_OF_REPLY


def version_call(method_name, argument):
    return List.of(performed(MANAGEMENT_CANISTER, method_name, management.encode_arguments(argument)))


VERSIONED = {
    "create_canister": lambda n: management.CreateCanisterArguments(sender_canister_version=n),
    "update_settings": lambda n: management.UpdateSettingsArguments(B, management.SettingsArguments(), n),
    "install_code": lambda n: management.InstallCodeArguments(management.InstallMode(), B, b"", b"", n),
    "uninstall_code": lambda n: management.UninstallCodeArguments(B, n),
    "provisional_create_canister_with_cycles": lambda n: management.ProvisionalCreateArguments(
        sender_canister_version=n
    ),
}


@pytest.mark.checklist(
    "def.validate-sender-canister-version",
    "rule.message-execution.commit-conditions",
    "mgmt-general.sender-canister-version",
)
@pytest.mark.parametrize("method_name", VERSIONED)
def test_a_management_call_names_the_version_of_its_sender_or_none(method_name):
    for version in (7, None):
        execute(running({"update go": returns(new_calls=version_call(method_name, VERSIONED[method_name](version)))}))
    for version in (6, 8):
        gives = {"update go": returns(new_calls=version_call(method_name, VERSIONED[method_name](version)))}
        assert reason_of_failure(running(gives)) == RejectReason.INVALID_ARGUMENT


@pytest.mark.checklist("def.validate-sender-canister-version")
def test_the_version_in_calls_to_other_canisters_and_in_arguments_that_do_not_decode_does_not_matter():
    wrong = management.encode_arguments(management.UninstallCodeArguments(B, 99))
    for call in (performed(B, "uninstall_code", wrong), performed(MANAGEMENT_CANISTER, "uninstall_code", b"rubbish")):
        execute(running({"update go": returns(new_calls=List.of(call))}))


TOO_EXPENSIVE = List.of(performed(transferred_cycles=RICH + SET_ASIDE))


@pytest.mark.checklist(
    "rule.message-execution.commit-conditions",
    "inv.cycles.non-negative",
    "error.insufficient-cycles-memory-grow",
    "error.wasm-memory-limit",
)
@pytest.mark.parametrize(
    ("outcome", "changes", "reason"),
    [
        (returns(40_000_000_001), {"function": {"reserved_cycles": FIXED}}, RejectReason.CANISTER_OUT_OF_CYCLES),
        (returns(cycles_accepted=1), {}, RejectReason.CANISTER_TRAPPED),
        (
            returns(new_calls=TOO_EXPENSIVE),
            {},
            RejectReason.CANISTER_OUT_OF_CYCLES,
        ),
        (returns(cycles_burned=RICH + SET_ASIDE), {}, RejectReason.CANISTER_OUT_OF_CYCLES),
        (returns(heap=b"x"), {"wasm_memory_limit": 65535}, RejectReason.MEMORY_LIMIT_EXCEEDED),
        (returns(heap=b"x"), {"freezing_threshold": 2**60}, RejectReason.CANISTER_OUT_OF_CYCLES),
        (returns(response=REPLY), {"context": a_context(A, needs_to_respond=False)}, RejectReason.CANISTER_TRAPPED),
    ],
)
def test_an_execution_that_returns_but_breaks_a_bound_fails_like_a_trap(outcome, changes, reason):
    assert reason_of_failure(running({"update go": outcome}, **changes)) == reason


@pytest.mark.checklist("rule.message-execution.commit-conditions", "setting.wasm-memory-limit")
def test_bounds_may_be_reached_exactly():
    context = a_context(A, from_canister(0), available_cycles=5)
    execute(running({"update go": returns(cycles_accepted=5)}, context=context))
    execute(running({"update go": returns(heap=b"x")}, wasm_memory_limit=65536))
    execute(running({"update go": returns(40_000_000_000)}))
    everything = RICH + SET_ASIDE - USED - RESERVED_FOR_RESPONSE - 50
    calls = List.of(performed(transferred_cycles=everything))
    fired = execute(running({"update go": returns(new_calls=calls)}, freezing_threshold=0))
    assert fired.state.canisters[A].balance == 0
    calls = List.of(performed(transferred_cycles=everything + 1))
    gives = {"update go": returns(new_calls=calls)}
    assert reason_of_failure(running(gives, freezing_threshold=0)) == RejectReason.CANISTER_OUT_OF_CYCLES


@pytest.mark.checklist(
    "rule.message-execution.commit-conditions",
    "inv.cycles.reserved-limit",
    "unspec.fn.cycles-to-reserve",
    "error.reserved-limit-memory-grow",
)
def test_memory_that_grows_on_a_full_subnet_reserves_cycles_up_to_the_limit():
    big = canister(B, memory_allocation=10**12)
    fitting, small = (running({"update go": returns(heap=b"x")}, reserved_balance_limit=limit) for limit in (10**12, 1))
    fitting, small = (evolve(state, canisters=state.canisters.set(B, big)) for state in (fitting, small))
    after = execute(fitting).state.canisters[A]
    assert after.reserved_balance > 1
    assert after.balance + after.reserved_balance == RICH + SET_ASIDE - USED
    assert reason_of_failure(small) == RejectReason.RESERVATION_LIMIT_EXCEEDED


@pytest.mark.checklist("rule.message-execution.update-method", "inv.reject-code-fixed-by-protocol")
def test_an_explicit_reject_is_a_response_as_any_other():
    no = Reject(RejectCode.CANISTER_REJECT, "no")
    fired = execute(running({"update go": returns(response=no)}))
    assert [message.response for message in fired.state.messages] == [no]


@pytest.mark.checklist("rule.message-execution.commit-conditions")
def test_a_reservation_beyond_the_limit_is_told_before_the_lack_of_cycles_for_it():
    plain = {"freezing_threshold": 0, "balance": 0}
    for limit, told in ((1, RejectReason.RESERVATION_LIMIT_EXCEEDED), (10**15, RejectReason.CANISTER_OUT_OF_CYCLES)):
        function = {"reserved_cycles": USED}
        state = running({"update go": returns(heap=b"x")}, function=function, reserved_balance_limit=limit, **plain)
        crowded = evolve(state, canisters=state.canisters.set(B, canister(B, memory_allocation=10**12)))
        assert reason_of_failure(crowded) == told


@pytest.mark.checklist("rule.message-execution.rollback", "unspec.error.unknown-method", "unspec.fn.cycles-used")
@pytest.mark.parametrize("entry_point", [None, Heartbeat(), GlobalTimer()])
def test_a_method_or_hook_that_the_module_does_not_have_costs_nothing(entry_point):
    state = running({}, entry_point)
    fired = execute(state)
    failed = FailedExecution(RejectReason.METHOD_NOT_FOUND, "")
    assert (fired.outputs, fired.burned) == ((Executed(A, 0, failed),), (Burned(0, BurnReason.EXECUTION), NOTHING_LOST))
    assert fired.state.canisters[A].balance == RICH + SET_ASIDE

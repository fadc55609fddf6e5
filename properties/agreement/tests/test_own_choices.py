"""Run by itself, the reference implementation chooses as production does, and its labels say what it chose."""

import pytest
from attrs import evolve

from conformance.canisters import ic0
from conformance.canisters import scripted as s
from conformance.canisters.library import load
from conformance.canisters.scripted import call, program, reply
from properties.agreement.stage import ALICE, Stage
from properties.agreement.tests.test_logs import told
from reference_impl.subnet.observations import Accepted
from spec.machine import canonical_label, step, submission_label
from spec.production.capacities.refusals import open_calls
from spec.production.choices import FREE_SETTINGS_CHANGE, as_production
from spec.profile import load_profile
from spec.state.request import Replied, Request
from spec.transition import Step
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER
from spec.values.management import SettingsArguments, UpdateSettingsArguments, encode_arguments
from spec.values.quantities import NANOSECONDS_PER_SECOND

MODULE = load("scripted")
PROFILE = load_profile()
FEW = evolve(PROFILE, limits=evolve(PROFILE.limits, open_calls=3))
"""Three calls to one callee may be open."""


def run_alone(stage, canister, *arguments, method_name="update"):
    """
    Submits calls to the engine, which runs until nothing is left to do.

    The labels of executions are given; the specification has followed them, and production would choose the same.
    """
    engine, state, executions = stage.lockstep.engine, stage.state, []
    engine.explain()
    for number, argument in enumerate(arguments):
        expiry = state.system_time + 240 * NANOSECONDS_PER_SECOND
        engine.submit(Request(bytes([number]), expiry, ALICE, canister, method_name, argument), canister)
    engine.drain()
    for claimed in engine.explain():
        fired = step(state, claimed.label)
        assert isinstance(fired, Step), f"{claimed.label}: {fired}"
        assert as_production(state, claimed.label) == canonical_label(claimed.label) or is_unknown(state, claimed.label)
        state = fired.state
        if claimed.label.rule == "message_execution":
            executions.append(claimed.label.arguments())
    stage.lockstep.state = state
    stage.lockstep.compare_states()
    for canister_id, record in engine.instance.canisters.items():
        assert dict(record.open_calls) == open_calls(state, canister_id)
    return executions


def is_unknown(state, label):
    """The policy of production does not say which calls of a failing execution are refused."""
    return label.rule == "message_execution" and "refused_calls" in label.arguments()


def records_of(text):
    stage = Stage()
    canister = stage.installed(MODULE)
    (made,) = run_alone(stage, canister, text)
    return made.get("system_records", ()), [record.content for record in told(stage, canister)]


@pytest.mark.checklist(
    "unspec.fn.logs",
    "api.trap",
    "prod.canister_logging.test_logging_explicit_canister_trap_with_message",
    "prod.canister_logging.test_logging_explicit_canister_trap_without_message",
)
def test_traps_are_recorded_in_the_words_of_production():
    assert records_of(program(ic0.debug_print(b"one"), ic0.trap(b"why"))) == (
        (b"[TRAP]: why",),
        [b"one", b"[TRAP]: why"],
    )
    assert records_of(program(ic0.trap(b""))) == ((b"[TRAP]: (no message)",), [b"[TRAP]: (no message)"])
    assert records_of(program(reply(b""), reply(b""))) == ((), [])


@pytest.mark.checklist("prod.canister_logging.test_logging_in_trapped_wasm_execution")
def test_a_read_behind_the_end_of_stable_memory_is_recorded():
    reading = program(s.ignore(ic0.stable64_grow(1)), s.ignore(ic0.stable64_read(0, 70_000)))
    assert records_of(reading)[1] == [b"[TRAP]: stable memory out of bounds"]


@pytest.mark.checklist(
    "prod.canister_logging.test_appending_logs_in_trapped_update_call",
    "prod.canister_logging.test_appending_logs_in_replied_replicated_query_call",
    "prod.canister_logging.test_appending_logs_in_trapped_replicated_query_call",
    "prod.canister_logging.test_canister_log_record_index_increment_for_different_calls",
)
@pytest.mark.parametrize("method_name", ["update", "query"])
def test_what_is_printed_and_a_trap_behind_it_are_records_with_numbers_and_times(method_name):
    stage = Stage()
    canister = stage.installed(MODULE)
    printing = program(ic0.debug_print(b"one"), ic0.debug_print(b"two"), reply(b""))
    trapping = program(ic0.debug_print(b"message"), ic0.trap(b""))
    expected = []
    for argument, texts in (
        (printing, (b"one", b"two")),
        (printing, (b"one", b"two")),
        (trapping, (b"message", b"[TRAP]: (no message)")),
    ):
        stage.lockstep.advance(NANOSECONDS_PER_SECOND)
        expected += [(stage.state.system_time, text) for text in texts]
        run_alone(stage, canister, argument, method_name=method_name)
    assert [(one.idx, one.timestamp_nanos, one.content) for one in told(stage, canister)] == [
        (number, *each) for number, each in enumerate(expected)
    ]


@pytest.mark.checklist("prod.canister_logging.test_logging_trap_in_timer")
def test_a_timer_that_prints_and_traps_leaves_two_records():
    stage = Stage()
    canister = stage.installed(MODULE)
    failing = program(ic0.debug_print(b"timer"), ic0.trap(b"timer trap!"))
    run_alone(
        stage,
        canister,
        program(s.set_global_timer_program(failing), s.ignore(ic0.global_timer_set(1)), reply(b"")),
    )
    assert [(one.idx, one.content) for one in told(stage, canister)] == [(0, b"timer"), (1, b"[TRAP]: timer trap!")]


@pytest.mark.checklist("unspec.fn.logs", "mgmt.fetch-canister-logs")
def test_a_log_is_trimmed_by_the_size_of_records_in_production():
    stage = Stage()
    canister = stage.installed(MODULE)
    run_alone(stage, canister, program(*[ic0.debug_print(b"")] * 110, reply(b"")))
    assert [record.idx for record in told(stage, canister)] == list(range(110 - 4_096 // 40, 110))


@pytest.mark.checklist("unspec.fn.system-cannot-call-now")
@pytest.mark.parametrize("traps", [False, True])
def test_calls_to_a_callee_to_which_too_many_are_open_are_refused(traps):
    stage = Stage(FEW)
    canister, other, third = (stage.installed(MODULE) for _ in range(3))

    def one(callee):
        return call(callee, "update", program(reply(b"")), cycles=1_000, if_refused=s.add_to_counter(1))

    made = program(
        one(other),
        one(third),
        one(other),
        one(other),
        one(other),
        one(third),
        one(other),
        ic0.trap(s.bytes_of_u64(s.counter(1))) if traps else s.reply(s.bytes_of_u64(s.counter(1))),
    )
    executions = run_alone(stage, canister, made)
    assert executions[0]["refused_calls"] == (4, 6)
    if not traps:
        statuses = [known.status for _, known in stage.state.requests.items()]
        assert Replied((2).to_bytes(8, "little")) in statuses


@pytest.mark.checklist("unspec.fn.system-cannot-call-now")
def test_slots_are_free_again_when_responses_are_handled():
    stage = Stage(FEW)
    canister, other = stage.installed(MODULE), stage.installed(MODULE)
    three = program(*[call(other, "update", program(reply(b"")))] * 3, reply(b""))
    run_alone(stage, canister, three)
    assert all("refused_calls" not in made for made in run_alone(stage, canister, three))


@pytest.mark.checklist("rule.submit-call.mgmt-controller-methods")
@pytest.mark.parametrize("controllers", [1, 10])
def test_a_frozen_canister_takes_a_change_of_its_settings_that_is_short(controllers):
    stage = Stage()
    canister = stage.installed(MODULE)
    stage.manage("update_settings", UpdateSettingsArguments(canister, SettingsArguments(freezing_threshold=2**50)))
    engine, state = stage.lockstep.engine, stage.state
    engine.explain()
    thawed = SettingsArguments(freezing_threshold=0, controllers=List((ALICE,) * controllers))
    argument = encode_arguments(UpdateSettingsArguments(canister, thawed))
    expiry = state.system_time + 240 * NANOSECONDS_PER_SECOND
    request = Request(b"thaw", expiry, ALICE, MANAGEMENT_CANISTER, "update_settings", argument)
    taken = engine.submit(request, canister)
    assert isinstance(taken, Accepted) == (len(argument) <= FREE_SETTINGS_CHANGE) == (controllers == 1)
    labels = [claimed.label for claimed in engine.explain()]
    assert labels == ([as_production(state, submission_label(request, canister))] if controllers == 1 else [])


@pytest.mark.checklist("api.msg-deadline")
def test_deadlines_are_in_seconds():
    stage = Stage()
    canister = stage.installed(MODULE)
    bounded = program(call(canister, "update", program(reply(b"")), timeout_seconds=5), reply(b""))
    executions = run_alone(stage, canister, bounded)
    assert executions[0]["deadlines_in_seconds"]
    assert all("deadlines_in_seconds" not in made for made in executions[1:])


@pytest.mark.checklist("prod.canister_logging.test_canister_log_in_state_stays_within_limit", "unspec.fn.logs")
def test_ten_updates_that_print_and_trap_as_much_as_they_can_leave_a_log_within_its_bound():
    stage = Stage()
    canister = stage.installed(MODULE)
    largest = bytes(40_000)
    for number in range(10):
        run_alone(stage, canister, program(ic0.debug_print(largest), ic0.trap(largest + bytes([number]))))
    sizes = [len(record.content) for record in told(stage, canister)]
    assert 0 < sum(sizes) <= sum(40 + size for size in sizes) <= 4_096

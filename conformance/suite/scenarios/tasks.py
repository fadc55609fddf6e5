"""Time, timers and versions."""

from conformance.canisters import ic0
from conformance.canisters.scripted import (
    append_to_slot,
    bytes_of_u32,
    bytes_of_u64,
    call,
    concat,
    ignore,
    program,
    reply,
    set_global_timer_program,
    set_heartbeat,
    slot,
    trap,
)
from conformance.judging.patterns import replies, replies_with
from conformance.protocol.interface import Needs
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.canister_terms import EnvironmentVariable
from spec.values.containers import List
from spec.values.quantities import NANOSECONDS_PER_SECOND

DETERMINISTIC = Needs(deterministic=True)


@scenario(
    "A canister sees the time, and it moves forward",
    covers=("api.time", "inv.time.monotone", "rule.time-progress.canister", "rule.time-progress.system"),
    needs=DETERMINISTIC,
)
def time_passes(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    tell = program(reply(bytes_of_u64(ic0.time())))
    # Then
    stage.expect(stage.call(canister, tell), replies_with(stage.now.to_bytes(8, "little")))
    stage.settle(seconds=100)
    stage.expect(stage.call(canister, tell), replies_with(stage.now.to_bytes(8, "little")))


@scenario(
    "The global timer fires once when its time has come, and not before; it may call other canisters",
    covers=(
        "entry.global-timer",
        "api.global-timer-set",
        "rule.call-context-creation.global-timer",
        "rule.message-execution.global-timer",
        "inv.timer-fires-once",
    ),
    needs=DETERMINISTIC,
)
def global_timer(stage: Stage) -> None:
    # Given
    canister, callee = scripted(stage), scripted(stage)
    due = stage.now + 60 * NANOSECONDS_PER_SECOND
    called = program(append_to_slot(0, b"called "), reply())
    noting = program(append_to_slot(0, b"fired "), call(callee, "update", called))
    stage.call(canister, program(set_global_timer_program(noting), ignore(ic0.global_timer_set(due)), reply()))
    # When
    stage.settle(seconds=30)
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b""))
    stage.settle(seconds=40)
    # Then
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"fired "))
    stage.settle(seconds=60)
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"fired "))
    stage.expect(stage.call(callee, program(reply(slot(0)))), replies_with(b"called "))
    stage.balance(canister)


@scenario(
    "A global timer that traps is charged and leaves no trace",
    covers=("rule.message-execution.global-timer", "def.system-task-as-update", "inv.system-task-context"),
    needs=DETERMINISTIC,
)
def trapping_timer(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    failing = program(append_to_slot(0, b"lost"), trap(b"in the timer"))
    stage.call(canister, program(set_global_timer_program(failing), ignore(ic0.global_timer_set(1)), reply()))
    # When
    stage.settle(seconds=1)
    # Then
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b""))
    stage.balance(canister)


@scenario(
    "The version of a canister grows with each change of code, settings, status and state",
    covers=("inv.version.monotone", "api.canister-version"),
)
def versions(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    tell = program(reply(bytes_of_u64(ic0.canister_version())))
    # Then
    for _ in range(2):
        stage.expect(stage.call(canister, tell), replies())
    stage.call(canister, tell, "query")
    stage.query(canister, tell)
    stage.about("stop_canister", canister)
    stage.about("start_canister", canister)
    stage.manage(
        "update_settings",
        management.UpdateSettingsArguments(canister, management.SettingsArguments(freezing_threshold=1_000)),
        canister,
    )
    stage.expect(stage.call(canister, tell), replies())


@scenario(
    "A canister knows its id, its controllers, its status, its subnet and its cycles",
    covers=(
        "api.canister-self-copy",
        "api.is-controller",
        "api.canister-status",
        "api.subnet-self-copy",
        "api.canister-cycle-balance128",
        "api.canister-liquid-cycle-balance128",
    ),
)
def self_knowledge(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # Then
    stage.expect(stage.call(canister, program(reply(ic0.canister_self()))), replies_with(canister))
    everything = concat(
        bytes_of_u32(ic0.is_controller(ic0.msg_caller())),
        bytes_of_u32(ic0.is_controller(ic0.canister_self())),
        bytes_of_u32(ic0.canister_status()),
        ic0.subnet_self(),
        ic0.root_key(),
        ic0.canister_cycle_balance128(),
        ic0.canister_liquid_cycle_balance128(),
    )
    stage.expect(stage.call(canister, program(reply(everything))), replies())


@scenario(
    "A canister sees what its instructions and calls cost",
    covers=("api.performance-counter", "api.cost-call", "api.cost-create-canister"),
    needs=Needs(exact_costs=True),
)
def costs(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    everything = concat(
        ic0.cost_call(10, 1_000),
        ic0.cost_create_canister(),
        bytes_of_u64(ic0.performance_counter(0)),
        bytes_of_u64(ic0.performance_counter(1)),
    )
    # Then
    stage.expect(stage.call(canister, program(reply(everything))), replies())


@scenario(
    "A canister burns cycles, but not those that it needs to go on",
    covers=("api.cycles-burn128", "inv.cycles.non-negative"),
)
def burning(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # Then
    stage.expect(
        stage.call(canister, program(reply(ic0.cycles_burn128(1_000)))), replies_with((1_000).to_bytes(16, "little"))
    )
    stage.balance(canister)
    stage.expect(stage.call(canister, program(reply(ic0.cycles_burn128(10**30)))), replies())
    stage.balance(canister)


@scenario(
    "A canister reads the environment variables that its controllers set",
    covers=("setting.environment-variables", "api.env-var-count", "api.env-var-value-copy"),
)
def environment_variables(stage: Stage) -> None:
    # Given
    variables = List.of(EnvironmentVariable("colour", "blue"), EnvironmentVariable("size", "large"))
    canister = scripted(stage, settings=management.SettingsArguments(environment_variables=variables))
    # Then
    tell = concat(bytes_of_u32(ic0.env_var_count()), ic0.env_var_value(b"colour"))
    stage.expect(stage.call(canister, program(reply(tell))), replies_with(b"\x02\0\0\0blue"))


@scenario(
    "A canister with a heartbeat keeps what it did, however often the system lets it run",
    covers=("entry.heartbeat", "rule.call-context-creation.heartbeat"),
    needs=DETERMINISTIC,
)
def heartbeat_at_pleasure(stage: Stage) -> None:
    # Given
    beating = set_heartbeat(program(append_to_slot(0, b"beat ")))
    canister = scripted(stage, program(beating), name="scripted_tasks")
    # Then
    for _ in range(2):
        stage.settle(seconds=1)
        stage.expect(stage.call(canister, program(reply(slot(0)))), replies())
        stage.balance(canister)

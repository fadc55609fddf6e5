"""
What cannot be taken is not taken: along some stories, transitions of every rule that the specification does not enable.

After each step of a story the implementation is told to take labels that are not possible then: of messages that are of
another kind, of calls of other methods, of contexts that still wait, of times that are past, of what there is not.
"""

from collections.abc import Callable
from itertools import count

from conformance.canisters import ic0
from conformance.canisters.expressions import Action
from conformance.canisters.scripted import (
    append_to_slot,
    call,
    ignore,
    memory_grow,
    program,
    reply,
    set_global_timer_program,
    set_heartbeat,
    set_on_low_wasm_memory,
    trap,
)
from conformance.judging.impossible import PARTS
from conformance.judging.patterns import replies
from conformance.suite.people import ALICE
from conformance.suite.scenario import Scenario, scenario
from conformance.suite.scenarios.lifecycle import about, stopping_canister
from conformance.suite.scenarios.management_calls import asking
from conformance.suite.scenarios.outside import FEE, HTTP, under_way
from conformance.suite.scenarios.preparations import controlled_by, freeze, scripted, stop
from conformance.suite.scenarios.requests import NOBODY
from conformance.suite.scenarios.snapshots import taken
from conformance.suite.scenarios.spontaneous import SCHEDULED
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.identifiers import Blob, CanisterId, Text
from spec.values.quantities import NANOSECONDS_PER_SECOND, WASM_PAGE
from spec.values.rejects import RejectCode

PATIENCE = 10
"""Seconds that bounded-wait calls wait."""


def take_nothing(stage: Stage) -> None:
    """Nothing of all that is impossible now is taken."""
    for turn in range(PARTS):
        stage.takes_nothing_impossible(turn)


def walk(stage: Stage) -> None:
    """One step after another, until nothing is left to do; before each, some of what is impossible is asked for."""
    turns = count()
    stage.takes_nothing_impossible(next(turns))
    while stage.take_next():
        stage.takes_nothing_impossible(next(turns))
    stage.settle()


Story = Callable[[Stage], None]


def _story(title: Text, *covers: Text) -> Callable[[Story], Scenario]:
    """A story, along which nothing impossible is taken."""
    return scenario(f"{title}: nothing impossible is taken on the way", covers=covers, needs=SCHEDULED)


def _asking(callee: CanisterId, method_name: Text = "update", *more: Action, cycles: int = 0) -> Action:
    """An unbounded-wait call that leaves a mark where it arrives."""
    return call(callee, method_name, program(append_to_slot(0, b"x"), *(more or (reply(),))), cycles=cycles)


@_story(
    "Calls to a canister and to itself are answered", "def.message-eligibility", "rule.callback-invocation.live-context"
)
def calls(stage: Stage) -> None:
    caller, callee = scripted(stage), scripted(stage)
    itself = call(caller, "update", program(ic0.debug_print(b"here"), reply()), timeout_seconds=PATIENCE)
    stage.send(caller, "update", program(_asking(callee, cycles=100), _asking(callee, "nothing"), itself, reply()))
    stage.send(callee, "update", program(_asking(callee, "update", trap(b"no"))))
    walk(stage)


@_story(
    "Calls to canisters that cannot answer are rejected",
    "rule.reject-call.insufficient-cycles",
    "def.message-eligibility",
)
def calls_to_nobody(stage: Stage) -> None:
    caller, empty, stopped, frozen = scripted(stage), stage.create(), scripted(stage), scripted(stage)
    stop(stage, stopped)
    freeze(stage, frozen)
    stage.send(caller, "update", program(*(_asking(each) for each in (NOBODY, empty, stopped, frozen)), reply()))
    walk(stage)


@_story("Requests are taken in, answered and forgotten", "rule.request-cleanup.delete", "inv.ingress.status-monotone")
def requests(stage: Stage) -> None:
    canister = scripted(stage)
    done = stage.send(canister, "update", program(reply(b"done")))
    walk(stage)
    stage.take("request_done", request_id=done.request_id)
    stage.send(canister, "update", program(ic0.msg_reject(b"no")))
    stage.send(canister, "update", program(_asking(canister)))
    stage.settle(seconds=1_000)
    stage.send(canister, "update", program(reply(b"late")))
    walk(stage)


@_story("A canister is made, changed and removed by another", "mgmt-general.facade", "def.message-eligibility")
def management_calls(stage: Stage) -> None:
    # Given
    manager = scripted(stage)
    managed = scripted(stage, settings=controlled_by(ALICE, manager))
    stopped = stage.create(settings=controlled_by(ALICE, manager))
    stop(stage, stopped)
    begun: tuple[tuple[Text, Blob | management.AnyArguments, int], ...] = (
        ("create_canister", management.CreateCanisterArguments(), 2_000_000_000_000),
        ("provisional_create_canister_with_cycles", management.ProvisionalCreateArguments(amount=1_000), 0),
        ("canister_status", about(managed), 0),
        ("take_canister_snapshot", about(managed), 0),
        ("start_canister", about(stopped), 0),
        ("deposit_cycles", about(managed), 10),
        ("delete_canister", about(stopped), 0),
        ("uninstall_code", about(managed), 0),
        ("no_such_method", about(managed), 0),
    )
    # When
    for method_name, argument, cycles in begun:
        under_way(stage, manager, method_name, argument, cycles)
        take_nothing(stage)
        stage.settle()
    # Then
    stage.balance(manager)


@_story(
    "Canisters are stopped while calls are open", "rule.mgmt.stop-canister.completion", "rule.call-expiry.stop-canister"
)
def stopping(stage: Stage) -> None:
    canister, helper, _ = stopping_canister(stage)
    stage.send_managed("stop_canister", about(canister), canister)
    stage.send(helper, "update", asking("stop_canister", about(helper)))
    walk(stage)
    stage.send_managed("start_canister", about(canister), canister)
    walk(stage)


@_story("Calls with a deadline wait beyond it", "rule.call-expiry.message", "rule.drop-expired-message")
def deadlines(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    onward = program(_asking(caller))
    waiting = (call(callee, "update", onward, timeout_seconds=PATIENCE, cycles=1_000) for _ in range(2))
    stage.send(caller, "update", program(*waiting))
    for rule in (
        "initiate_call",
        "call_context_creation",
        "message_execution",
        "call_context_creation",
        "message_execution",
    ):
        stage.take(rule)
    take_nothing(stage)
    # When
    for rule in ("call_expiry_of_call_context", "call_expiry_of_message", "drop_expired_message"):
        stage.take(rule)
        take_nothing(stage)
    # Then
    walk(stage)
    stage.balance(caller)


@_story("Calls wait for the outside world", "unspec.value.http-outcalls", "mgmt.http-request")
def outside(stage: Stage) -> None:
    caller = scripted(stage)
    under_way(stage, caller, "http_request", HTTP, FEE)
    take_nothing(stage)
    stage.take("outside_call_departure")
    take_nothing(stage)
    stage.take("outside_call_failure", code=RejectCode.SYS_TRANSIENT)
    walk(stage)


@_story(
    "Heartbeats, timers and the low-memory hook", "rule.call-context-creation.heartbeat", "inv.low-memory-hook-once"
)
def tasks(stage: Stage) -> None:
    # Given
    marks = (
        set_heartbeat(program(append_to_slot(0, b"beat"))),
        set_global_timer_program(program(append_to_slot(0, b"time"))),
        set_on_low_wasm_memory(program(append_to_slot(0, b"low"))),
    )
    limits = management.SettingsArguments(wasm_memory_limit=64 * WASM_PAGE, wasm_memory_threshold=32 * WASM_PAGE)
    busy = scripted(stage, program(*marks), settings=limits, name="scripted_tasks")
    idle, stopped = scripted(stage), scripted(stage, program(*marks), name="scripted_tasks")
    stop(stage, stopped)
    due = stage.now + NANOSECONDS_PER_SECOND
    stage.send(busy, "update", program(ignore(ic0.global_timer_set(due)), ignore(memory_grow(40)), reply()))
    stage.send(idle, "update", program(ignore(ic0.global_timer_set(due)), reply()))
    walk(stage)
    # When
    for canister in (busy, idle):
        stage.take("canister_time_progress", canister_id=canister, time=due)
    take_nothing(stage)
    stage.take("heartbeat_context_creation", canister_id=busy)
    walk(stage)
    # Then
    stage.balance(busy)
    stage.balance(idle)


@_story(
    "Balances, versions, histories, logs and snapshots", "rule.version-increment", "rule.trim-logs", "rule.trim-history"
)
def possessions(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    poor = scripted(stage, settings=management.SettingsArguments(compute_allocation=1, memory_allocation=2**20))
    taken(stage, canister)
    stage.expect(stage.call(canister, program(ic0.debug_print(b"told"), reply())), replies())
    stop(stage, poor)
    # When
    stage.take("payment_from_main_balance", canister_id=poor, balance=0)
    take_nothing(stage)
    stage.take("canister_out_of_cycles", canister_id=poor)
    # Then
    walk(stage)

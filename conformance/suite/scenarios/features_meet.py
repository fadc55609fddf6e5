"""Where features meet: callbacks and limits, upgrades and timers, stopping and tasks, order and deadlines."""

from attrs import asdict

from conformance.canisters import ic0
from conformance.canisters.library import load
from conformance.canisters.scripted import (
    append_to_slot,
    bytes_of_u32,
    bytes_of_u64,
    call,
    concat,
    ignore,
    memory_grow,
    memory_size,
    memory_write,
    program,
    reply,
    set_global_timer_program,
    set_on_low_wasm_memory,
    set_pre_upgrade,
    slot,
    stable_append,
    stable_content,
    trap,
)
from conformance.judging.patterns import rejects, replies, replies_with
from conformance.protocol.interface import Needs, Rejected, Replied
from conformance.suite.people import ALICE, BOB
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.installation import REINSTALL, UPGRADE
from conformance.suite.scenarios.lifecycle import about, managing, stopping_canister
from conformance.suite.scenarios.management_calls import DONE, status_of, update_settings
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.scenarios.snapshots import load_snapshot, metadata, taken
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.canister_terms import AllowedViewers, EnvironmentVariable, Public
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId
from spec.values.quantities import NANOSECONDS_PER_SECOND, WASM_PAGE
from spec.values.rejects import RejectCode, RejectReason

SCRIPTED = load("scripted")
MINUTE = 60 * NANOSECONDS_PER_SECOND
DETERMINISTIC = Needs(deterministic=True)


def certified(stage: Stage, canister: CanisterId) -> Blob:
    """The certified data of a canister, as a snapshot tells them."""
    snapshot = taken(stage, canister)
    return metadata(stage, canister, snapshot.id).certified_data


# Callbacks

CALL_RECORD = 0x4C4C4143
"""What a record of a call of the scripted canister begins with."""


def call_record(address: int, on_reply: Blob, on_reject: Blob) -> tuple[int, Blob]:
    """A record of a call, as the scripted canister's callbacks expect it at their environment."""
    numbers = (CALL_RECORD, 0, len(on_reply) + len(on_reject), len(on_reply), len(on_reject), 0)
    return address, b"".join(each.to_bytes(4, "little") for each in numbers) + on_reply + on_reject


@scenario(
    "Each callback gets the environment that the call gave it",
    covers=("api.call-new", "entry.reject-callback"),
)
def environments_of_callbacks(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    of_reply, of_reject = (
        call_record(
            WASM_PAGE + 1_024 * place,
            program(reply(name + b" in on_reply")),
            program(reply(name + b" in on_reject")),
        )
        for place, name in enumerate((b"first", b"second"))
    )
    for answer, expected in (
        (program(reply()), b"first in on_reply"),
        (program(ic0.msg_reject(b"no")), b"second in on_reject"),
    ):
        # When
        begin = ic0.call_new_with_closures(callee, b"update", 200, of_reply[0], 201, of_reject[0])
        asking = program(
            ignore(memory_grow(1)),
            memory_write(*of_reply),
            memory_write(*of_reject),
            begin,
            ic0.call_data_append(answer),
            ignore(ic0.call_perform()),
        )
        # Then
        stage.expect(stage.call(caller, asking), replies_with(expected))


@scenario(
    "The limit of the heap holds for methods, and not for callbacks",
    covers=("setting.wasm-memory-limit", "entry.reject-callback"),
)
def limit_and_callbacks(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    growing = ignore(memory_grow(4))
    stage.expect(update_settings(stage, caller, wasm_memory_limit=3 * WASM_PAGE), DONE)
    # When
    in_method = stage.call(caller, program(growing, reply()))
    after_reply = program(growing, reply(bytes_of_u32(memory_size())))
    in_callback = stage.call(caller, program(call(callee, "update", program(reply()), on_reply=after_reply)))
    # Then
    stage.require(isinstance(in_method, Rejected), "the method is rejected")
    stage.expect(in_callback, replies_with((5).to_bytes(4, "little")))


# Upgrades


@scenario(
    "No timer that was set before an upgrade fires after it",
    covers=("rule.mgmt.upgrade.effects", "api.global-timer-set"),
    needs=DETERMINISTIC,
)
def timer_and_upgrade(stage: Stage) -> None:
    for mode in (UPGRADE, REINSTALL):
        # Given
        canister = scripted(stage, program(ignore(ic0.global_timer_set(stage.now + MINUTE))))
        # When
        noting = set_global_timer_program(program(append_to_slot(0, b"fired")))
        stage.expect(stage.install(canister, SCRIPTED, program(noting), mode), DONE)
        stage.settle(seconds=120)
        # Then
        before = bytes_of_u64(ic0.global_timer_set(0))
        stage.expect(stage.call(canister, program(reply(concat(slot(0), before)))), replies_with(bytes(8)))


@scenario(
    "A timer that is set while upgrading fires when its time has come",
    covers=("rule.mgmt.upgrade.effects", "api.global-timer-set"),
    needs=DETERMINISTIC,
)
def timer_of_upgrade(stage: Stage) -> None:
    # Given
    canister = scripted(stage, program(ignore(ic0.global_timer_set(stage.now + MINUTE // 2))))
    noting = set_global_timer_program(program(append_to_slot(0, b"fired")))
    # When
    again = ignore(ic0.global_timer_set(stage.now + MINUTE))
    stage.expect(stage.install(canister, SCRIPTED, program(noting, again), UPGRADE), DONE)
    # Then
    stage.settle(seconds=45)
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b""))
    stage.settle(seconds=30)
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"fired"))


@scenario(
    "Certified data that canister_pre_upgrade sets stay, unless canister_post_upgrade sets others",
    covers=("rule.mgmt.upgrade.effects", "api.certified-data-set"),
)
def certified_while_upgrading(stage: Stage) -> None:
    # Given
    hook = set_pre_upgrade(program(ic0.certified_data_set(b"before")))
    canister = scripted(stage, program(ic0.certified_data_set(b"at first"), hook))
    # When
    stage.expect(stage.install(canister, SCRIPTED, program(hook), UPGRADE), DONE)
    first = certified(stage, canister)
    stage.expect(stage.install(canister, SCRIPTED, program(ic0.certified_data_set(b"after")), UPGRADE), DONE)
    second = certified(stage, canister)
    # Then
    stage.require(first == b"before", "what canister_pre_upgrade certified stays")
    stage.require(second == b"after", "what canister_post_upgrade certified comes after it")


@scenario(
    "What canister_pre_upgrade did is undone if canister_post_upgrade traps",
    covers=("inv.atomic.upgrade", "rule.mgmt.upgrade.post-upgrade"),
)
def trap_after_pre_upgrade(stage: Stage) -> None:
    # Given
    hook = set_pre_upgrade(
        program(
            stable_append(b", saved"),
            append_to_slot(0, b", seen"),
            ic0.certified_data_set(b"saved"),
            ic0.debug_print(b"x"),
        )
    )
    canister = scripted(
        stage, program(stable_append(b"stable"), append_to_slot(0, b"heap"), ic0.certified_data_set(b"first"), hook)
    )
    # When
    answer = stage.install(canister, SCRIPTED, program(trap(b"in post_upgrade")), UPGRADE)
    # Then
    stage.require(isinstance(answer, Rejected), "the upgrade is rejected")
    tell = program(reply(concat(stable_content(), b" ", slot(0))))
    stage.expect(stage.call(canister, tell), replies_with(b"stable heap"))
    stage.require(certified(stage, canister) == b"first", "the certified data are those of before")


# Stopping


@scenario(
    "No timer fires while its canister is stopping or stopped; it fires when the canister was started again",
    covers=(
        "entry.global-timer",
        "rule.call-context-creation.global-timer",
        "rule.mgmt.stop-canister.completion",
        "prod.hypervisor.cannot_stop_canister_with_open_call_context",
        "prod.response.execute_response_when_stopping_status",
    ),
    needs=DETERMINISTIC,
)
def timer_and_stopping(stage: Stage) -> None:
    # Given
    endless, helper, _ = stopping_canister(stage)
    holding = managing("stop_canister", about(endless))
    canister = scripted(stage)
    noting = set_global_timer_program(program(append_to_slot(0, b"timer ")))
    due = ignore(ic0.global_timer_set(stage.now + MINUTE))
    answered = program(append_to_slot(0, b"callback "), reply())
    open_call = stage.send(canister, "update", program(noting, due, call(helper, "update", holding, on_reply=answered)))
    stage.settle()
    stopping = stage.send_managed("stop_canister", management.CanisterIdArguments(canister), canister)
    stage.settle()
    # When
    stage.settle(seconds=120)
    stage.expect(stage.about("start_canister", endless), DONE)
    # Then
    stage.expect(stage.answer(open_call), replies())
    stage.expect(stage.answer(stopping), DONE | rejects(RejectCode.SYS_TRANSIENT, RejectReason.CALL_TIMED_OUT))
    stage.expect(stage.about("start_canister", canister), DONE)
    stage.settle(seconds=1)
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"callback timer "))


@scenario(
    "A canister that runs cannot be deleted, with code or without; once it is stopped it can",
    covers=("error.delete-not-stopped", "rule.mgmt.delete-canister"),
)
def deleting_what_runs(stage: Stage) -> None:
    for canister in (stage.create(), scripted(stage)):
        # When
        refused = stage.about("delete_canister", canister)
        status_of(stage, canister)
        stage.about("stop_canister", canister)
        # Then
        stage.require(isinstance(refused, Rejected), "a running canister is not deleted")
        stage.expect(stage.about("delete_canister", canister), DONE)


# Settings

CHANGED: tuple[tuple[str, object], ...] = (
    ("controllers", List(tuple(sorted((ALICE, BOB))))),
    ("compute_allocation", 1),
    ("memory_allocation", 10**9),
    ("freezing_threshold", 1_000_000),
    ("reserved_cycles_limit", 10**12),
    ("minimum_incoming_canister_call_cycles", 5),
    ("log_visibility", Public()),
    ("snapshot_visibility", AllowedViewers(List.of(BOB))),
    ("status_visibility", Public()),
    ("wasm_memory_limit", 10**9),
    ("wasm_memory_threshold", 10**6),
    ("environment_variables", List.of(EnvironmentVariable("colour", "blue"))),
)


def settings_in_any_order(stage: Stage, canister: CanisterId) -> dict[str, object]:
    """The settings of a canister; those that are sets, which may be listed in any order, are sorted."""
    settings = asdict(stage.status(canister).settings, recurse=False)
    return {name: sorted(value) if isinstance(value, List) else value for name, value in settings.items()}


@scenario(
    "A setting stays as it is when others are changed",
    covers=("mgmt.update-settings",),
)
def settings_stay(stage: Stage) -> None:
    # Given
    canister = stage.create()
    expected = settings_in_any_order(stage, canister)
    for name, value in CHANGED:
        # When
        stage.expect(update_settings(stage, canister, **{name: value}), DONE)
        # Then
        expected[name] = sorted(value) if isinstance(value, List) else value
        settings = settings_in_any_order(stage, canister)
        other = [each for each in expected if settings[each] != expected[each]]
        stage.require(other == [], f"after {name} was set, {', '.join(other) or 'every setting'} is what was set last")


@scenario(
    "The low-memory hook runs when less than the threshold is left, and not when just that is left",
    covers=("rule.low-wasm-memory-scheduling", "setting.wasm-memory-threshold"),
    needs=DETERMINISTIC,
)
def hook_at_equality(stage: Stage) -> None:
    # Given
    canister = scripted(
        stage, program(set_on_low_wasm_memory(program(append_to_slot(0, b"low")))), name="scripted_tasks"
    )
    size = stage.call(canister, program(reply(bytes_of_u32(memory_size()))))
    pages = int.from_bytes(size.data, "little") if isinstance(size, Replied) else 0
    limit = (pages + 10) * WASM_PAGE
    update_settings(stage, canister, wasm_memory_limit=limit, wasm_memory_threshold=5 * WASM_PAGE)
    for more, seen in ((4, b""), (1, b""), (1, b"low")):
        # When
        stage.call(canister, program(ignore(memory_grow(more)), reply()))
        stage.settle()
        # Then
        stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(seen))


# Snapshots


@scenario(
    "Loading a snapshot brings back its certified data",
    covers=("rule.mgmt.load-snapshot.effects", "mgmt.load-canister-snapshot"),
)
def certified_data_and_snapshots(stage: Stage) -> None:
    # Given
    canister = scripted(stage, program(ic0.certified_data_set(b"old")))
    snapshot = taken(stage, canister)
    stage.call(canister, program(ic0.certified_data_set(b"new"), reply()))
    stage.require(certified(stage, canister) == b"new", "the certified data are new")
    # When
    stage.expect(load_snapshot(stage, canister, snapshot.id), DONE)
    # Then
    stage.require(certified(stage, canister) == b"old", "the certified data are those of the snapshot")


# Calls


@scenario(
    "Who had called a canister whose code is uninstalled gets a reject, once, and the cycles that were not accepted",
    covers=("rule.mgmt.uninstall-code", "inv.cycles.context-bound"),
)
def uninstalled_while_called(stage: Stage) -> None:
    # Given
    endless, helper, _ = stopping_canister(stage)
    caller, callee = scripted(stage), scripted(stage)
    holding = call(helper, "update", managing("stop_canister", about(endless)))
    accepting = program(ignore(ic0.msg_cycles_accept128(1_000)), holding)
    told = reply(concat(bytes_of_u32(ic0.msg_reject_code()), ic0.msg_cycles_refunded128()))
    telling = program(append_to_slot(0, b"rejected "), told)
    calling = program(call(callee, "update", accepting, cycles=10**9, on_reply=program(reply()), on_reject=telling))
    sent = stage.send(caller, "update", calling)
    stage.settle()
    # When
    stage.expect(stage.about("uninstall_code", callee), DONE)
    # Then
    code = int(RejectCode.CANISTER_REJECT).to_bytes(4, "little")
    stage.expect(stage.answer(sent), replies_with(code + (10**9 - 1_000).to_bytes(16, "little")))
    # When
    stage.expect(stage.about("start_canister", endless), DONE)
    # Then
    stage.expect(stage.call(caller, program(reply(slot(0)))), replies_with(b"rejected "))
    stage.balance(caller)
    stage.balance(callee)


@scenario(
    "Calls from one canister to another arrive in the order in which they were made, with a deadline or without",
    covers=("inv.order.calls-of-one-execution", "seed2.queue-order"),
)
def order_and_deadlines(stage: Stage) -> None:
    # Given
    caller, callee = scripted(stage), scripted(stage)
    for timeouts in ((None, 60), (60, None), (None, 60, None, 30)):
        calls = [
            call(callee, "update", program(append_to_slot(0, b"%d " % place), reply()), timeout_seconds=timeout)
            for place, timeout in enumerate(timeouts)
        ]
        # When
        stage.expect(stage.call(caller, program(*calls, reply())), replies())
        # Then
        expected = b"".join(b"%d " % place for place in range(len(timeouts)))
        stage.expect(stage.call(callee, program(reply(slot(0)))), replies_with(expected))
        stage.call(callee, program(call(caller, "update", program(reply())), reply()))
        stage.expect(stage.install(callee, SCRIPTED, mode=REINSTALL), DONE)


@scenario(
    "A request whose time is over before it is started is never run",
    covers=("rule.initiate-call", "http.ingress-expiry"),
    needs=DETERMINISTIC,
)
def expired_before_it_starts(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    noting = program(append_to_slot(0, b"run"), reply(b"run"))
    sent = stage.send(canister, "update", noting, ingress_expiry=stage.now + MINUTE)
    # When
    stage.settle(seconds=120)
    # Then
    stage.require(stage.answer(sent) != Replied(b"run"), "the request is not answered with a reply")
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b""))

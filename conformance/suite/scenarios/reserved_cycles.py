"""
What becomes of the cycles that a canister has reserved for its memory: nothing gives them back, deletion loses them.

The system reserves them when much memory is taken. A failure names the event after which they are not right.
"""

from collections.abc import Callable

from conformance.canisters import ic0
from conformance.canisters.library import load
from conformance.canisters.scripted import ignore, memory_grow, program, reply, stable_append, trap
from conformance.judging.patterns import fails, refuses, replies, replies_with
from conformance.protocol.interface import Needs
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.cells import cell
from conformance.suite.scenarios.installation import REINSTALL, UPGRADE
from conformance.suite.scenarios.kept_or_lost import PLAIN
from conformance.suite.scenarios.management_calls import DONE, manage, status_of, update_settings
from conformance.suite.scenarios.preparations import scripted, stop
from conformance.suite.scenarios.snapshots import load_snapshot, take, taken
from conformance.suite.scenarios.spontaneous import SCHEDULED
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.identifiers import CanisterId, Text
from spec.values.quantities import Cycles

COVERS = ("inv.cycles.reserved-one-way", "setting.reserved-cycles-limit")
OF_THE_PROFILE = Needs(exact_costs=True, own_subnet=True)
"""
Whether anything is reserved, and how much, is for an implementation to say that has prices of its own; it hangs on all
that the subnet holds.
"""

LARGE = 10**12
"""A memory for which cycles are reserved, in bytes."""

Event = Callable[[Stage, CanisterId], None]


def reserving(stage: Stage) -> CanisterId:
    """A canister with code that has reserved cycles."""
    canister = scripted(stage, cycles=10**18)
    stage.expect(update_settings(stage, canister, reserved_cycles_limit=10**18), DONE)
    stage.expect(update_settings(stage, canister, memory_allocation=LARGE), DONE)
    stage.require(status_of(stage, canister).reserved_cycles > 0, "cycles were reserved")
    return canister


def _set(**settings: object) -> Event:
    return lambda stage, canister: stage.expect(update_settings(stage, canister, **settings), DONE)


def _install(mode: management.CanisterInstallMode) -> Event:
    return lambda stage, canister: stage.expect(stage.install(canister, PLAIN, mode=mode), DONE)


def _run(argument: bytes) -> Event:
    return lambda stage, canister: stage.expect(stage.call(canister, argument), replies() | fails())


def _uninstall(stage: Stage, canister: CanisterId) -> None:
    arguments = management.UninstallCodeArguments(canister)
    stage.expect(manage(stage, canister, "uninstall_code", arguments), DONE)


def _stop_and_start(stage: Stage, canister: CanisterId) -> None:
    stop(stage, canister)
    stage.expect(stage.about("start_canister", canister), DONE)


def _snapshot(stage: Stage, canister: CanisterId) -> None:
    snapshot = taken(stage, canister)
    stage.expect(load_snapshot(stage, canister, snapshot.id), DONE)
    stage.expect(take(stage, canister, replace_snapshot=snapshot.id), replies())


def _chunk(stage: Stage, canister: CanisterId) -> None:
    arguments = management.UploadChunkArguments(canister, bytes(1_000))
    stage.expect(manage(stage, canister, "upload_chunk", arguments), replies())


KEEPING: dict[Text, Event] = {
    "a message changed its memory": _run(program(stable_append(b"x"), ignore(memory_grow(3)), reply())),
    "a message failed": _run(program(ignore(memory_grow(3)), trap(b"undone"))),
    "a chunk was uploaded": _chunk,
    "its code was upgraded": _install(UPGRADE),
    "its code was installed again": _install(REINSTALL),
    "snapshots were taken, loaded and replaced": _snapshot,
    "it was stopped and started": _stop_and_start,
    "other settings were changed": _set(freezing_threshold=1_000, compute_allocation=1),
    "less memory was allocated": _set(memory_allocation=LARGE // 2),
    "no memory was allocated": _set(memory_allocation=0),
    "its code was uninstalled": _uninstall,
}
"""After each of these as much is reserved as before."""


@scenario("Whatever happens to a canister, its reserved cycles stay reserved", covers=COVERS, needs=OF_THE_PROFILE)
def kept(stage: Stage) -> None:
    # Given
    canister = reserving(stage)
    before = status_of(stage, canister).reserved_cycles
    for words, event in KEEPING.items():
        # When
        with cell(f"when {words}"):
            event(stage, canister)
        # Then
        with cell(f"after {words}"):
            stage.require(status_of(stage, canister).reserved_cycles == before, "as much is reserved as before")


@scenario(
    "More memory reserves more cycles, up to the limit, which cannot be set below them",
    covers=COVERS,
    needs=OF_THE_PROFILE,
)
def more(stage: Stage) -> None:
    # Given
    canister = reserving(stage)

    def reserved() -> Cycles:
        return status_of(stage, canister).reserved_cycles

    first = reserved()
    # When
    stage.expect(update_settings(stage, canister, memory_allocation=LARGE + 10**9), DONE)
    second = reserved()
    too_low = update_settings(stage, canister, reserved_cycles_limit=second - 1)
    at_it = update_settings(stage, canister, reserved_cycles_limit=second)
    beyond = update_settings(stage, canister, memory_allocation=LARGE + 2 * 10**9)
    within = update_settings(stage, canister, memory_allocation=LARGE)
    # Then
    stage.require(second > first, "more memory reserves more")
    for seen, pattern in ((too_low, fails()), (at_it, DONE), (beyond, fails()), (within, DONE)):
        stage.expect(seen, pattern)
    stage.require(reserved() == second, "nothing was given back")


@scenario("Reserved cycles pay for resources, and are of no use for anything else", covers=COVERS, needs=SCHEDULED)
def spent(stage: Stage) -> None:
    # Given
    canister = reserving(stage)
    # When
    stage.take("payment_from_reserved_balance", canister_id=canister, balance=1)
    early = stage.take("payment_from_main_balance", canister_id=canister, balance=10**15)
    stage.take("payment_from_reserved_balance", canister_id=canister, balance=0)
    then = stage.take("payment_from_main_balance", canister_id=canister, balance=10**15)
    # Then
    stage.require(not early and then, "the balance pays when nothing is reserved any more")
    status = status_of(stage, canister)
    stage.require((status.reserved_cycles, status.cycles <= 10**15) == (0, True), "both have paid")
    stage.expect(stage.call(canister, program(reply())), replies())


@scenario("A canister with reserved cycles can be deleted; they are gone with it", covers=COVERS, needs=OF_THE_PROFILE)
def deleted(stage: Stage) -> None:
    # Given
    canister = reserving(stage)
    stop(stage, canister)
    # When
    stage.expect(stage.about("delete_canister", canister), DONE)
    # Then
    stage.expect(stage.about("canister_status", canister), refuses())


@scenario(
    "Code is installed and runs in a canister that may reserve nothing, while nothing has to be reserved",
    covers=COVERS,
    needs=OF_THE_PROFILE,
)
def nothing_reserved(stage: Stage) -> None:
    # Given
    canister = stage.create(settings=management.SettingsArguments(reserved_cycles_limit=0))
    # When
    installed = stage.install(canister, load("scripted"))
    # Then
    stage.expect(installed, replies())
    stage.expect(stage.call(canister, program(ignore(ic0.stable64_grow(1)), reply(b"runs"))), replies_with(b"runs"))
    stage.balance(canister)


@scenario(
    "What a loaded snapshot takes is reserved when it is loaded, and not once more with what is taken later",
    covers=(*COVERS, "rule.mgmt.load-snapshot.effects"),
    needs=OF_THE_PROFILE,
)
def loaded(stage: Stage) -> None:
    # Given
    reserving(stage)
    canister = scripted(stage, cycles=10**18, settings=management.SettingsArguments(reserved_cycles_limit=10**18))
    stage.expect(stage.call(canister, program(ignore(memory_grow(100)), reply())), replies())
    snapshot = taken(stage, canister)
    stage.expect(stage.install(canister, PLAIN, mode=REINSTALL), DONE)
    before = status_of(stage, canister).reserved_cycles
    # When
    stage.expect(load_snapshot(stage, canister, snapshot.id), DONE)
    with_snapshot = status_of(stage, canister).reserved_cycles
    _chunk(stage, canister)
    with_chunk = status_of(stage, canister).reserved_cycles
    # Then
    stage.require(before < with_snapshot < with_chunk, "both reserve something")
    stage.require(with_chunk - with_snapshot < with_snapshot - before, "the chunk takes less than the snapshot")

"""A canister that has exactly as many cycles as its freezing limit is not frozen; with one less it is."""

from collections.abc import Callable, Mapping
from typing import Final

from attrs import evolve

from conformance.canisters.library import load
from conformance.canisters.scripted import REPLY_REJECT_CODE, call, ignore, memory_grow, program, reply
from conformance.judging.patterns import denies, fails, is_unanswered, refuses, replies
from conformance.protocol.interface import Needs, Replied
from conformance.suite.people import ALICE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.cells import cell
from conformance.suite.scenarios.installation import REINSTALL
from conformance.suite.scenarios.lifecycle import about
from conformance.suite.scenarios.management_calls import DONE, asking, manage, told, update_settings
from conformance.suite.scenarios.preparations import controlled_by, scripted
from conformance.suite.scenarios.snapshots import load_snapshot, taken
from conformance.suite.stage import MUCH, Stage
from spec.values import management
from spec.values.identifiers import CanisterId, SnapshotId, Text
from spec.values.quantities import Cycles
from spec.values.rejects import RejectCode

COVERS = ("setting.freezing-threshold", "def.freezing-limit", "def.liquid-balance")
EXACT = Needs(exact_costs=True)
DAY = 86_400
THRESHOLD = 10**13
"""Seconds of a freezing threshold beyond what the canister has cycles for."""


def short_of_the_limit(stage: Stage, cycles: Cycles) -> tuple[CanisterId, CanisterId]:
    """A canister that lacks so many cycles of its freezing limit, and one that controls it."""
    manager = scripted(stage, cycles=10**18)
    settings = controlled_by(ALICE, manager)
    canister = scripted(stage, settings=settings)
    arguments = management.UpdateSettingsArguments(canister, management.SettingsArguments(freezing_threshold=THRESHOLD))
    stage.expect(stage.call(manager, asking("update_settings", arguments)), replies())
    status = status_told_to(stage, manager, canister)
    limit = status.idle_cycles_burned_per_day * THRESHOLD // DAY
    stage.require(limit > status.cycles, "it is frozen")
    given = limit - status.cycles - cycles
    stage.expect(stage.call(manager, asking("deposit_cycles", about(canister), given)), replies())
    return canister, manager


def status_told_to(stage: Stage, manager: CanisterId, canister: CanisterId) -> management.CanisterStatusResult:
    """The status of a canister, asked for by another one, so that the one that is looked at pays nothing."""
    answer = stage.call(manager, asking("canister_status", about(canister)))
    stage.expect(answer, replies())
    assert isinstance(answer, Replied)
    return management.decode_canister_status(answer.data)


@scenario("A canister at its freezing limit takes in requests and answers queries", covers=COVERS, needs=EXACT)
def at_the_limit(stage: Stage) -> None:
    # Given
    canister, _ = short_of_the_limit(stage, 0)
    # When
    with cell("a query"):
        stage.expect(stage.query(canister, program(reply(b"told"))), replies())
    with cell("a request"):
        # It is taken in, though nothing is left that an execution could use; until more is there, it may wait.
        stage.expect(stage.call(canister, program(reply())), fails() | is_unanswered())


@scenario("A canister with one cycle less than its freezing limit is frozen", covers=COVERS, needs=EXACT)
def below_the_limit(stage: Stage) -> None:
    # Given
    canister, manager = short_of_the_limit(stage, 1)
    # When
    with cell("a query"):
        stage.expect(stage.query(canister, program(reply(b"told"))), denies())
    with cell("a request"):
        stage.expect(stage.call(canister, program(reply())), refuses())
    with cell("a call"):
        calling = call(canister, "update", program(reply()), on_reject=REPLY_REJECT_CODE)
        stage.expect(stage.call(manager, program(calling)), told(RejectCode.SYS_TRANSIENT))


PAID: Final[Mapping[Text, Callable[[CanisterId], management.AnyArguments]]] = {
    "upload_chunk": lambda canister: management.UploadChunkArguments(canister, b"a chunk"),
    "upload_canister_snapshot_metadata": lambda canister: management.UploadSnapshotMetadataArguments(canister, 8, 0, 0),
}
"""Methods that the canister pays for which they are about."""


@scenario(
    "A canister without freezing threshold pays for a method with all that it has, and not with one cycle less",
    covers=(*COVERS, "rule.mgmt.upload-chunk"),
    needs=EXACT,
)
def to_the_last_cycle(stage: Stage) -> None:
    # Given
    teller = scripted(stage)
    settings = evolve(controlled_by(ALICE, teller), freezing_threshold=0)
    for method_name, made in PAID.items():
        rich = stage.create(settings=settings)
        stage.expect(manage(stage, rich, method_name, made(rich)), replies())
        price = MUCH - status_told_to(stage, teller, rich).cycles
        # When
        able, unable = stage.create(price, settings), stage.create(price - 1, settings)
        # Then
        with cell(f"{method_name} with what it costs"):
            stage.expect(manage(stage, able, method_name, made(able)), replies())
            stage.require(status_told_to(stage, teller, able).cycles == 0, "nothing is left")
        with cell(f"{method_name} with one cycle less"):
            stage.expect(manage(stage, unable, method_name, made(unable)), fails())


def with_large_snapshot(stage: Stage) -> tuple[CanisterId, SnapshotId]:
    """A canister with a small heap, and a snapshot of it with a large one."""
    canister = scripted(stage)
    stage.expect(stage.call(canister, program(ignore(memory_grow(100)), reply())), replies())
    snapshot = taken(stage, canister).id
    stage.expect(stage.install(canister, load("scripted"), mode=REINSTALL), DONE)
    return canister, snapshot


@scenario(
    "A canister loads a snapshot only if it can keep what it has then: the memory of the snapshot, and its snapshots",
    covers=(*COVERS, "rule.mgmt.load-snapshot.conditions"),
    needs=EXACT,
)
def loading_a_snapshot(stage: Stage) -> None:
    # Given
    (canister, snapshot), (rich, other) = with_large_snapshot(stage), with_large_snapshot(stage)
    before = stage.status(rich)
    stage.expect(load_snapshot(stage, rich, other), DONE)
    after = stage.status(rich)
    burned = (before.idle_cycles_burned_per_day + after.idle_cycles_burned_per_day) // 2
    stage.require(burned < after.idle_cycles_burned_per_day, "it has more memory then")
    # When it has enough for the memory that it has, and not for what it would have
    frozen_below = before.cycles * DAY // burned
    stage.expect(update_settings(stage, canister, freezing_threshold=frozen_below), DONE)
    # Then
    stage.expect(load_snapshot(stage, canister, snapshot), fails())
    stage.expect(update_settings(stage, canister, freezing_threshold=frozen_below // 2), DONE)
    stage.expect(load_snapshot(stage, canister, snapshot), DONE)
    stage.balance(canister)

"""
A stopped canister gets the id of one that stands stopped on another subnet, which is gone then.

The instance begins with canisters elsewhere, and the implementation is told to rename, so it has to take schedules.
Where the text does not say what becomes of something, no scenario has it: stored chunks, and histories that list more
changes than the canister that is replaced ever had.
"""

from typing import Final

from conformance.canisters import ic0
from conformance.canisters.scripted import (
    RELAY_REPLY,
    REPLY_REJECT_CODE,
    append_to_slot,
    call,
    ignore,
    program,
    reply,
    set_global_timer_program,
    slot,
)
from conformance.judging.patterns import fails, replies, replies_with
from conformance.protocol.interface import CanisterElsewhere, Capability, Needs
from conformance.suite.people import ALICE, BOB, EVE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.kept_or_lost import ALL, Rich, after_event, look, managing
from conformance.suite.scenarios.management_calls import DONE, asking, manage, result_of, update_settings
from conformance.suite.scenarios.preparations import scripted, stop
from conformance.suite.scenarios.snapshots import taken
from conformance.suite.stage import MUCH, Stage
from spec.state.history import ChangeFromCanister, RenameCanister
from spec.values import management
from spec.values.canister_terms import SimpleStatus
from spec.values.containers import List
from spec.values.identifiers import CanisterId, Principal, Text
from spec.values.quantities import NANOSECONDS_PER_SECOND, CanisterVersion, Count
from spec.values.rejects import RejectCode, RejectReason

TOLD: Final = Needs(
    capabilities=frozenset({Capability.ELSEWHERE, Capability.SCHEDULE, Capability.EXPLAIN}), deterministic=True
)

ORCHESTRATOR: Final = Principal(bytes.fromhex("00000000ffe0000a0101"))
"""The canister that has canisters renamed. It is no canister of the instance: only what controls them counts."""

ORCHESTRATOR_VERSION: Final[CanisterVersion] = 9
"""Its version when it does."""

YOUNG: Final = Principal(bytes.fromhex("00000000ffe0000b0101"))
"""A canister elsewhere with a low version."""

OLD: Final = Principal(bytes.fromhex("00000000ffe0000c0101"))
"""A canister elsewhere with a high version."""

CONTROLLERS: Final = (ALICE, ORCHESTRATOR)

ELSEWHERE: Final = (
    CanisterElsewhere(YOUNG, CONTROLLERS, version=1, total_changes=30, cycles=3_000_000_000_000),
    CanisterElsewhere(OLD, CONTROLLERS, version=1_000, total_changes=200, cycles=0),
)

COVERS: Final = (
    "rule.canister-renaming.effects",
    "unspec.spont.renaming",
    "prod.canister_manager.can_rename_canister",
)

REFUSED: Final = ("rule.canister-renaming.conditions",)


def may_be_renamed(stage: Stage, canister: CanisterId) -> None:
    """The orchestrator controls a canister too, and it has stopped."""
    stage.expect(update_settings(stage, canister, controllers=List(CONTROLLERS)), DONE)
    stop(stage, canister)


def rename(stage: Stage, canister: CanisterId, new_id: CanisterId, caller: Principal = ALICE) -> bool:
    """Has a canister renamed, and says if it was."""
    is_renamed = stage.take(
        "canister_renaming",
        canister_id=canister,
        new_canister_id=new_id,
        orchestrator=ORCHESTRATOR,
        orchestrator_version=ORCHESTRATOR_VERSION,
        caller=caller,
    )
    if is_renamed:
        stage.name_renamed(canister, new_id, f"{stage.name(canister)} renamed")
    return is_renamed


def renamed(stage: Stage, canister: CanisterId, new_id: CanisterId) -> CanisterId:
    """A canister under its new id, still stopped."""
    may_be_renamed(stage, canister)
    stage.require(rename(stage, canister, new_id), "the canister is renamed")
    return new_id


def start(stage: Stage, canister: CanisterId) -> None:
    """Starts a canister."""
    stage.expect(stage.about("start_canister", canister), replies())


def _renaming(subject: Rich) -> None:
    stage = subject.stage
    managing("clear_chunk_store")(subject)
    for snapshot in result_of("list_canister_snapshots", stage.about("list_canister_snapshots", subject.canister)):
        one = management.SnapshotArguments(subject.canister, snapshot.id)
        stage.expect(manage(stage, subject.canister, "delete_canister_snapshot", one), replies())
    subject.canister = renamed(stage, subject.canister, OLD)
    look(subject, "after it was renamed", None)
    start(stage, subject.canister)


after_event(__name__, "renaming", "it was renamed", _renaming, ALL, needs=TOLD, elsewhere=ELSEWHERE)


# What changes


def _told_as(name: Text, title: Text, new_id: CanisterId, least_version: CanisterVersion, total: Count) -> None:
    """The version and the history of a canister that got an id."""

    def script(stage: Stage) -> None:
        # Given
        asker, canister = scripted(stage), scripted(stage)
        before = stage.status(canister).version
        # When
        renamed(stage, canister, new_id)
        # Then
        after = stage.status(new_id).version
        stage.require(after > max(before, least_version), "its version is higher than those of both were")
        about = management.CanisterInfoArguments(new_id, 20)
        info = result_of("canister_info", stage.call(asker, asking("canister_info", about)))
        *_, last = info.recent_changes
        stage.require(info.total_num_changes == total, f"its history counts {total} changes")
        stage.require(
            isinstance(last.details, RenameCanister)
            and (last.details.canister_id, last.details.requested_by) == (canister, ALICE)
            and last.origin == ChangeFromCanister(ORCHESTRATOR, ORCHESTRATOR_VERSION),
            "the last change is the renaming, by the orchestrator, which alice asked",
        )

    script.__name__, script.__module__ = name, __name__
    scenario(title, covers=COVERS, needs=TOLD, elsewhere=ELSEWHERE)(script)


_told_as(
    "history_of_an_older_one",
    "A canister that gets the id of one with a higher version has one that is higher still, and counts its changes",
    OLD,
    1_000,
    201,
)
_told_as(
    "history_of_a_younger_one",
    "A canister that gets the id of one with a lower version goes on from its own, and counts the changes of the other",
    YOUNG,
    1,
    31,
)


@scenario(
    "What ran under the old id runs under the new one: code learns its new id, calls itself by it, and its timer fires",
    covers=COVERS,
    needs=TOLD,
    elsewhere=ELSEWHERE,
)
def code_goes_on(stage: Stage) -> None:
    # Given
    canister = scripted(stage, program(set_global_timer_program(program(append_to_slot(0, b"fired")))))
    due = stage.now + 60 * NANOSECONDS_PER_SECOND
    setting = program(ic0.certified_data_set(b"mine"), ignore(ic0.global_timer_set(due)), reply())
    stage.expect(stage.call(canister, setting), replies())
    # When
    renamed(stage, canister, YOUNG)
    stage.settle(seconds=120)
    # Then
    start(stage, YOUNG)
    stage.settle()
    stage.expect(stage.query(YOUNG, program(reply(slot(0)))), replies_with(b"fired"))
    stage.expect(stage.call(YOUNG, program(reply(ic0.canister_self()))), replies_with(YOUNG))
    itself = call(YOUNG, "also_update", program(reply(ic0.msg_caller())), on_reply=RELAY_REPLY)
    stage.expect(stage.call(YOUNG, program(itself)), replies_with(YOUNG))


@scenario(
    "The old id is nobody's: calls to it fail, and no canister gets it again; the cycles of the one replaced are gone",
    covers=(*COVERS, "inv.id-not-reused"),
    needs=TOLD,
    elsewhere=ELSEWHERE,
)
def old_id(stage: Stage) -> None:
    # Given
    caller, canister = scripted(stage), scripted(stage)
    before = stage.balance(canister)
    # When
    renamed(stage, canister, YOUNG)
    # Then
    stage.require(stage.balance(YOUNG) <= before, "it has no cycles but its own")
    start(stage, YOUNG)
    for callee, answer in (
        (canister, replies_with(RejectCode.DESTINATION_INVALID.to_bytes(4, "little"))),
        (YOUNG, replies_with(b"here")),
    ):
        asked = call(callee, "update", program(reply(b"here")), on_reply=RELAY_REPLY, on_reject=REPLY_REJECT_CODE)
        stage.expect(stage.call(caller, program(asked)), answer)
    again = management.ProvisionalCreateArguments(amount=MUCH, specified_id=canister)
    stage.expect(stage.manage("provisional_create_canister_with_cycles", again), fails(RejectReason.CANISTER_ID_TAKEN))


@scenario(
    "A canister without code is renamed too, and one that was renamed is renamed again",
    covers=COVERS,
    needs=TOLD,
    elsewhere=ELSEWHERE,
)
def renamed_twice(stage: Stage) -> None:
    # Given
    canister = stage.create()
    # When
    first = renamed(stage, canister, YOUNG)
    stage.require(rename(stage, first, OLD), "it is renamed again")
    # Then
    stage.require(stage.status(OLD).status is SimpleStatus.STOPPED, "it is still stopped")
    start(stage, OLD)
    stage.expect(stage.install(OLD, b"\0asm\1\0\0\0"), DONE)


# What it takes


@scenario(
    "A canister is renamed only if both have stopped, it has no snapshot, and caller and orchestrator control both",
    covers=(
        *REFUSED,
        "prod.canister_manager.cannot_rename_running_canister",
        "prod.canister_manager.cannot_rename_with_snapshots",
        "prod.canister_manager.only_controllers_can_rename",
    ),
    needs=TOLD,
    elsewhere=ELSEWHERE,
)
def what_it_takes(stage: Stage) -> None:
    # Given
    canister, other = scripted(stage), scripted(stage)

    def is_refused(words: Text, new_id: CanisterId = YOUNG, caller: Principal = ALICE) -> None:
        stage.require(not rename(stage, canister, new_id, caller), f"it is not renamed {words}")

    # When, then
    stage.expect(update_settings(stage, canister, controllers=List(CONTROLLERS)), DONE)
    is_refused("while it runs")
    snapshot = taken(stage, canister)
    stop(stage, canister)
    is_refused("while it has a snapshot")
    named = management.SnapshotArguments(canister, snapshot.id)
    stage.expect(manage(stage, canister, "delete_canister_snapshot", named), replies())
    is_refused("for somebody who controls neither", caller=EVE)
    stage.expect(update_settings(stage, canister, controllers=List((*CONTROLLERS, BOB))), DONE)
    is_refused("for somebody who does not control the other one", caller=BOB)
    may_be_renamed(stage, other)
    is_refused("to an id of the same subnet", new_id=other)
    start(stage, OLD)
    is_refused("to the id of one that runs", new_id=OLD)
    stage.expect(update_settings(stage, YOUNG, controllers=List.of(ALICE)), DONE)
    is_refused("if the orchestrator does not control the other one")
    stage.expect(update_settings(stage, canister, controllers=List.of(ALICE)), DONE)
    is_refused("if the orchestrator controls neither")
    for one in (canister, YOUNG):
        stage.expect(update_settings(stage, one, controllers=List(CONTROLLERS)), DONE)
    stage.require(rename(stage, canister, YOUNG), "it is renamed where all of this holds")

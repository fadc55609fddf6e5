"""Snapshots: taking, loading, listing and deleting."""

from collections.abc import Callable, Mapping
from typing import Final

from conformance.canisters import ic0
from conformance.canisters.expressions import Action
from conformance.canisters.library import load
from conformance.canisters.scripted import (
    append_to_slot,
    bytes_of_u64,
    concat,
    global_value,
    program,
    reply,
    sequence,
    set_global,
    set_slot,
    slot,
    stable_append,
    stable_content,
    trap,
)
from conformance.judging.patterns import fails, refuses, replies, replies_with
from conformance.protocol.interface import Needs, Seen
from conformance.suite.people import ALICE, BOB, EVE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.cells import cell
from conformance.suite.scenarios.chunks import digest
from conformance.suite.scenarios.management_calls import (
    DONE,
    REJECTED,
    asking,
    manage,
    result_of,
    status_of,
    update_settings,
)
from conformance.suite.scenarios.preparations import controlled_by, freeze, scripted
from conformance.suite.scenarios.traps import TRAPPED
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.canister_terms import AllowedViewers, Public
from spec.values.changes import LoadSnapshot
from spec.values.containers import List
from spec.values.identifiers import CanisterId, SnapshotId, Text
from spec.values.rejects import RejectReason

PAGE = 65_536
WRONG = SnapshotId(b"no such snapshot")
Part = management.SnapshotPart


def take(stage: Stage, canister: CanisterId, **other: object) -> Seen:
    """A snapshot is taken."""
    arguments = management.TakeSnapshotArguments(canister, **other)  # type: ignore[arg-type]
    return manage(stage, canister, "take_canister_snapshot", arguments)


def taken(stage: Stage, canister: CanisterId, **other: object) -> management.SnapshotSummary:
    """A snapshot is taken, as it must be."""
    summary: management.SnapshotSummary = result_of("take_canister_snapshot", take(stage, canister, **other))
    return summary


def load_snapshot(stage: Stage, canister: CanisterId, snapshot: SnapshotId, sender: object = ALICE) -> Seen:
    """A snapshot is loaded."""
    arguments = management.LoadSnapshotArguments(canister, snapshot)
    return manage(stage, canister, "load_canister_snapshot", arguments, sender=sender)


def listed(stage: Stage, canister: CanisterId) -> List[management.SnapshotSummary]:
    """The snapshots of a canister."""
    summaries: List[management.SnapshotSummary] = result_of(
        "list_canister_snapshots", stage.about("list_canister_snapshots", canister)
    )
    return summaries


def read(stage: Stage, canister: CanisterId, snapshot: SnapshotId, kind: Part) -> Seen:
    """Data of a snapshot are read."""
    arguments = management.ReadSnapshotDataArguments(canister, snapshot, kind)
    return manage(stage, canister, "read_canister_snapshot_data", arguments)


def metadata(stage: Stage, canister: CanisterId, snapshot: SnapshotId) -> management.SnapshotMetadata:
    """What a snapshot says of itself."""
    arguments = management.encode_arguments(management.SnapshotArguments(canister, snapshot))
    answer = stage.manage("read_canister_snapshot_metadata", arguments, canister)
    told: management.SnapshotMetadata = result_of("read_canister_snapshot_metadata", answer)
    return told


def refused_with(reason: RejectReason) -> Callable[[Stage, Seen], None]:
    """Expects a reject for this reason."""
    return lambda stage, seen: stage.expect(seen, fails(reason))


@scenario(
    "Loading a snapshot brings back heap, stable memory, globals and code as they were",
    covers=(
        "rule.mgmt.take-snapshot.keep-code",
        "mgmt.take-canister-snapshot",
        "rule.mgmt.load-snapshot.effects",
        "mgmt.load-canister-snapshot",
        "prod.pocket_ic.test_canister_snapshots",
        "prod.ee_canister_snapshots.snapshot_must_include_globals",
    ),
)
def back_and_forth(stage: Stage) -> None:
    # Given
    canister = scripted(stage, program(set_slot(0, b"heap"), set_global(9), stable_append(b"stable")))
    snapshot = taken(stage, canister)
    # When
    stage.call(canister, program(append_to_slot(0, b" changed"), stable_append(b" changed"), reply()))
    stage.install(canister, load("scripted_keep"), mode=management.ReinstallMode())
    stage.expect(load_snapshot(stage, canister, snapshot.id), DONE)
    failed = stage.call(canister, program(append_to_slot(0, b" lost"), stable_append(b" lost"), trap()))
    # Then
    stage.expect(failed, TRAPPED)
    stage.expect(stage.call(canister, program(reply(concat(slot(0), stable_content())))), replies_with(b"heapstable"))
    stage.expect(stage.call(canister, program(reply(bytes_of_u64(global_value())))), replies_with(b"\x09" + bytes(7)))
    stage.require(status_of(stage, canister).module_hash == digest(load("scripted")), "the code is the old one")
    stage.balance(canister)


FIRST_TOUCHES: Final[Mapping[Text, Action]] = {
    "stable_read": append_to_slot(0, ic0.stable_read(8, 6)),
    "stable64_read": append_to_slot(0, ic0.stable64_read(8, 6)),
    "stable_write": sequence(ic0.stable_write(8, b"s"), append_to_slot(0, stable_content())),
    "stable64_write": sequence(ic0.stable64_write(8, b"s"), append_to_slot(0, stable_content())),
}
"""What code does first with stable memory that holds `stable` from its ninth byte on, and then notes."""


@scenario(
    "Whatever code does first with stable memory after a snapshot was loaded, it finds what the snapshot has",
    covers=("rule.mgmt.load-snapshot.effects", "api.stable-read", "api.stable-write", "api.stable64-read"),
)
def first_touch(stage: Stage) -> None:
    # Given
    canister = scripted(stage, program(stable_append(b"stable")))
    snapshot = taken(stage, canister)
    for name, touch in FIRST_TOUCHES.items():
        with cell(name):
            # When
            stage.expect(stage.call(canister, program(ic0.stable64_write(8, b"SOME ONE"), reply())), replies())
            stage.expect(load_snapshot(stage, canister, snapshot.id), DONE)
            # Then
            stage.expect(stage.call(canister, program(touch, reply(slot(0)))), replies_with(b"stable"))


@scenario(
    "A snapshot can be taken and the code uninstalled in one step",
    covers=("rule.mgmt.take-snapshot.uninstall", "mgmt.take-canister-snapshot"),
)
def take_and_uninstall(stage: Stage) -> None:
    # Given
    canister = scripted(stage, program(set_slot(0, b"kept")))
    # When
    snapshot = taken(stage, canister, uninstall_code=True)
    without_code = status_of(stage, canister).module_hash
    stage.expect(load_snapshot(stage, canister, snapshot.id), DONE)
    # Then
    stage.require(without_code is None, "the code is gone")
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"kept"))


@scenario(
    "Snapshots are listed with their time and size, and those that are deleted no more",
    covers=(
        "rule.mgmt.list-snapshots",
        "mgmt.list-canister-snapshots",
        "rule.mgmt.delete-snapshot",
        "mgmt.delete-canister-snapshot",
        "prod.pocket_ic.test_canister_snapshots",
    ),
    needs=Needs(deterministic=True),
)
def list_and_delete(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    first, second = taken(stage, canister), taken(stage, canister)
    # When
    both = listed(stage, canister)
    deleted = manage(stage, canister, "delete_canister_snapshot", management.SnapshotArguments(canister, first.id))
    # Then
    stage.require(set(both) == {first, second}, "both are listed")
    stage.require(first.taken_at_timestamp == stage.now, "the time is that of the canister")
    stage.expect(deleted, DONE)
    stage.require(listed(stage, canister) == List.of(second), "one is left")


@scenario(
    "Snapshots count as memory of the canister",
    covers=("unspec.fn.memory-usage", "mgmt.canister-status.memory-metrics"),
)
def memory_of_snapshots(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    before = status_of(stage, canister).memory_size
    # When
    snapshot = taken(stage, canister)
    # Then
    status = status_of(stage, canister)
    stage.require(status.memory_metrics.snapshots_size == snapshot.total_size, "the metrics show its size")
    stage.require(status.memory_size == before + snapshot.total_size, "the memory is that much larger")
    stage.expect(
        manage(stage, canister, "delete_canister_snapshot", management.SnapshotArguments(canister, snapshot.id)), DONE
    )
    stage.require(status_of(stage, canister).memory_size == before, "without it, the memory is as before")


@scenario(
    "A canister has at most ten snapshots",
    covers=(
        "unspec.const.max-snapshots",
        "inv.snapshot-count",
        "prod.ee_canister_snapshots.canister_request_take_canister_snapshot_fails_when_limit_is_reached",
        "prod.canister_snapshots.take_canister_snapshot_fails_when_limit_is_reached",
    ),
    needs=Needs(exact_costs=True),
)
def too_many(stage: Stage) -> None:
    # Given
    canister = stage.create_with_code(TINY)
    snapshots = [taken(stage, canister) for _ in range(10)]
    # When
    one_more = take(stage, canister)
    replacing = take(stage, canister, replace_snapshot=snapshots[3].id)
    # Then
    refused_with(RejectReason.SNAPSHOT_LIMIT_EXCEEDED)(stage, one_more)
    stage.expect(replacing, replies())
    stage.require(snapshots[3] not in set(listed(stage, canister)), "the replaced one is gone")


TINY = bytes.fromhex("0061736d01000000")
"""The smallest module."""


def _failing(name: Text, title: Text, reason: RejectReason, *covers: Text) -> Callable[[Callable[[Stage], Seen]], None]:
    """A scenario in which something about snapshots is rejected."""

    def register(act: Callable[[Stage], Seen]) -> None:
        def script(stage: Stage) -> None:
            # When
            answer = act(stage)
            # Then
            refused_with(reason)(stage, answer)

        script.__name__ = name
        scenario(title, covers=covers)(script)

    return register


_failing(
    "take_of_empty",
    "A canister without code has nothing to take a snapshot of",
    RejectReason.CANISTER_HAS_NO_CODE,
    "rule.mgmt.take-snapshot.keep-code",
    "unspec.error.snapshot-of-empty-canister",
)(lambda stage: take(stage, stage.create()))
_failing(
    "take_replacing_nothing",
    "A snapshot that does not exist cannot be replaced",
    RejectReason.SNAPSHOT_NOT_FOUND,
    "rule.mgmt.take-snapshot.keep-code",
    "error.snapshot-not-found",
)(lambda stage: take(stage, scripted(stage), replace_snapshot=WRONG))
_failing(
    "load_missing",
    "A snapshot that does not exist cannot be loaded",
    RejectReason.SNAPSHOT_NOT_FOUND,
    "rule.mgmt.load-snapshot.conditions",
    "error.snapshot-not-found",
)(lambda stage: load_snapshot(stage, scripted(stage), WRONG))
_failing(
    "delete_missing",
    "A snapshot that does not exist cannot be deleted",
    RejectReason.SNAPSHOT_NOT_FOUND,
    "rule.mgmt.delete-snapshot",
    "error.snapshot-not-found",
)(lambda stage: _of_snapshot(stage, "delete_canister_snapshot", scripted(stage)))
_failing(
    "metadata_missing",
    "A snapshot that does not exist has no metadata",
    RejectReason.SNAPSHOT_NOT_FOUND,
    "rule.mgmt.read-snapshot-metadata",
    "error.snapshot-not-found",
)(lambda stage: _of_snapshot(stage, "read_canister_snapshot_metadata", scripted(stage)))
_failing(
    "data_missing",
    "A snapshot that does not exist has no data",
    RejectReason.SNAPSHOT_NOT_FOUND,
    "rule.mgmt.read-snapshot-data",
    "error.snapshot-not-found",
)(lambda stage: read(stage, scripted(stage), WRONG, management.ModulePart(0, 1)))


def _of_snapshot(stage: Stage, method_name: Text, canister: CanisterId) -> Seen:
    arguments = management.encode_arguments(management.SnapshotArguments(canister, WRONG))
    return stage.manage(method_name, arguments, canister)


@scenario(
    "A snapshot can be loaded onto another canister of the same controller",
    covers=("rule.mgmt.load-snapshot.effects", "mgmt.load-canister-snapshot"),
)
def onto_another(stage: Stage) -> None:
    # Given
    source, target = scripted(stage, program(set_slot(0, b"copied"))), scripted(stage)
    snapshot = taken(stage, source)
    # When
    stage.expect(load_snapshot(stage, target, snapshot.id), DONE)
    # Then
    stage.expect(stage.call(target, program(reply(slot(0)))), replies_with(b"copied"))
    asked = management.CanisterInfoArguments(target, 1)
    info = result_of("canister_info", stage.call(source, asking("canister_info", asked)))
    details = next(iter(info.recent_changes)).details
    stage.require(isinstance(details, LoadSnapshot) and details.from_canister_id == source, "the history tells of it")


@scenario(
    "Who does not control the owner of a snapshot cannot load it",
    covers=("rule.mgmt.load-snapshot.conditions", "error.snapshot-not-controller"),
)
def foreign_snapshot(stage: Stage) -> None:
    # Given
    source, target = scripted(stage), scripted(stage, settings=controlled_by(ALICE, BOB))
    snapshot = taken(stage, source)
    # Then
    refused_with(RejectReason.NOT_AUTHORIZED)(stage, load_snapshot(stage, target, snapshot.id, BOB))


@scenario(
    "A canister that cannot pay for a snapshot has none taken",
    covers=("rule.mgmt.take-snapshot.keep-code", "mgmt.take-canister-snapshot"),
)
def take_unpaid(stage: Stage) -> None:
    # Given
    owner = scripted(stage)
    canister = scripted(stage, settings=controlled_by(ALICE, owner))
    freeze(stage, canister)
    # Then
    stage.expect(
        stage.call(owner, asking("take_canister_snapshot", management.TakeSnapshotArguments(canister))), REJECTED
    )
    listing = asking("list_canister_snapshots", management.CanisterIdArguments(canister))
    stage.expect(stage.call(owner, listing), replies_with(management.encode_result("list_canister_snapshots", List())))


@scenario("A deleted snapshot cannot be loaded", covers=("rule.mgmt.delete-snapshot", "error.snapshot-not-found"))
def deleted_snapshot(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    snapshot = taken(stage, canister)
    manage(stage, canister, "delete_canister_snapshot", management.SnapshotArguments(canister, snapshot.id))
    # Then
    refused_with(RejectReason.SNAPSHOT_NOT_FOUND)(stage, load_snapshot(stage, canister, snapshot.id))


@scenario(
    "Users who are no controllers may not take, load, list, delete, read or upload snapshots",
    covers=("error.snapshot-not-controller", "rule.submit-call.mgmt-controller-methods"),
)
def users_without_rights(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    one = management.SnapshotArguments(canister, WRONG)
    asked: tuple[tuple[Text, management.AnyArguments], ...] = (
        ("take_canister_snapshot", management.TakeSnapshotArguments(canister)),
        ("load_canister_snapshot", management.LoadSnapshotArguments(canister, WRONG)),
        ("list_canister_snapshots", management.CanisterIdArguments(canister)),
        ("delete_canister_snapshot", one),
        ("read_canister_snapshot_metadata", one),
        (
            "read_canister_snapshot_data",
            management.ReadSnapshotDataArguments(canister, WRONG, management.ModulePart(0, 1)),
        ),
        ("upload_canister_snapshot_metadata", management.UploadSnapshotMetadataArguments(canister, 8, 0, 0)),
        (
            "upload_canister_snapshot_data",
            management.UploadSnapshotDataArguments(canister, WRONG, management.ModulePart(0), b""),
        ),
    )
    # Then
    for method_name, arguments in asked:
        stage.expect(manage(stage, canister, method_name, arguments, sender=EVE), refuses())


@scenario(
    "Canisters that are no controllers may not take, load or delete snapshots",
    covers=("error.snapshot-not-controller", "error.invalid-controller"),
)
def canisters_without_rights(stage: Stage) -> None:
    # Given
    stranger, canister = scripted(stage), scripted(stage)
    snapshot = taken(stage, canister)
    asked: tuple[tuple[Text, management.AnyArguments], ...] = (
        ("take_canister_snapshot", management.TakeSnapshotArguments(canister)),
        ("load_canister_snapshot", management.LoadSnapshotArguments(canister, snapshot.id)),
        ("list_canister_snapshots", management.CanisterIdArguments(canister)),
        ("delete_canister_snapshot", management.SnapshotArguments(canister, snapshot.id)),
    )
    # Then
    for method_name, arguments in asked:
        stage.expect(stage.call(stranger, asking(method_name, arguments)), REJECTED)


@scenario(
    "Snapshots are seen by those whom their visibility admits, and changed by controllers",
    covers=("setting.snapshot-visibility", "mgmt-general.visibility"),
)
def visibility(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    snapshot = taken(stage, canister)
    listing = management.CanisterIdArguments(canister)
    # When
    update_settings(stage, canister, snapshot_visibility=AllowedViewers(List.of(EVE)))
    allowed = stage.manage("list_canister_snapshots", listing, canister, EVE)
    another = stage.manage("list_canister_snapshots", listing, canister, BOB)
    update_settings(stage, canister, snapshot_visibility=Public())
    public = stage.manage("list_canister_snapshots", listing, canister, BOB)
    deleting = management.SnapshotArguments(canister, snapshot.id)
    deleted = manage(stage, canister, "delete_canister_snapshot", deleting, sender=BOB)
    # Then
    stage.expect(allowed, replies())
    stage.expect(another, refuses())
    stage.expect(public, replies())
    stage.expect(deleted, refuses())

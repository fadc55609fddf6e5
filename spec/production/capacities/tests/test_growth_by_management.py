"""
Management calls that let a canister grow fail in three ways: for want of memory, of cycles to reserve, and of cycles.

Each is tried with one byte, or one cycle, less than it needs, and with just enough.
"""

import pytest
from attrs import evolve

from spec.canister.outcome import Returned
from spec.production.capacities.tests.test_executions import holding, with_stable
from spec.production.capacities.tests.test_management import OVERSUBSCRIBED, snapshotting
from spec.production.capacities.usage import memory_taken
from spec.production.rounds.tests.playing import Played
from spec.production.rounds.tests.test_management import installing, managing, uploading
from spec.rules.resources import memory_usage
from spec.rules.tests.services import module_with_globals
from spec.rules.tests.worlds import NOW, PROFILE, A, canister, module
from spec.state.canister import Empty
from spec.state.request import Rejected, Replied
from spec.state.snapshot import Snapshot, SnapshotSource
from spec.values import management
from spec.values.containers import List, Map
from spec.values.identifiers import SnapshotId
from spec.values.management import ReinstallMode, StoredChunk, UpgradeMode
from spec.values.rejects import RejectReason

MIB, GIB_OF_PAGES = 2**20, 16_384
PLENTY = 2**41
SNAPSHOT = SnapshotId(b"snapshot")


def grows(gibibytes):
    """An execution that grows heap and stable memory by so many GiB each."""

    def outcome(before):
        more = gibibytes * GIB_OF_PAGES
        heap = before.wasm_memory.with_pages(before.wasm_memory.wasm_pages + more, ())
        stable = before.stable_memory.with_pages(before.stable_memory.wasm_pages + more, ())
        return Returned(evolve(before, wasm_memory=heap, stable_memory=stable), 1_000)

    return outcome


def uploaded_snapshot():
    """A snapshot that was created by uploading."""
    code = with_stable(A, module(), 1)
    return Snapshot(SnapshotSource.METADATA_UPLOAD, NOW, code.raw_module, code.wasm_state, List(), 1, b"", 0, None)


METADATA = management.UploadSnapshotMetadataArguments(
    canister_id=A,
    replace_snapshot=None,
    wasm_module_size=10,
    globals=List(),
    wasm_memory_size=65_536,
    stable_memory_size=2 * 65_536,
    certified_data=b"",
    global_timer=None,
    on_low_wasm_memory_hook_status=None,
)


def having(installed, **changes):
    """A canister with this code."""
    return canister(A, installed, **changes)


GROWING = {
    "install": lambda: (having(Empty()), installing(A, module(gives={"init": grows(1)}))),
    "reinstall": lambda: (having(None), installing(A, module(gives={"init": grows(2)}), ReinstallMode())),
    "upgrade": lambda: (
        having(with_stable(A, module(gives={"pre_upgrade": grows(1)}), 0)),
        installing(A, module(gives={"post_upgrade": grows(2)}), UpgradeMode()),
    ),
    "upload_chunk": lambda: (having(None), uploading(A, bytes(MIB))),
    "take_canister_snapshot": lambda: (having(with_stable(A, module_with_globals(), 16)), snapshotting(A)),
    "upload_canister_snapshot_metadata": lambda: (
        having(None),
        managing(METADATA, "upload_canister_snapshot_metadata"),
    ),
    "upload_canister_snapshot_data": lambda: (
        having(None, snapshots=Map.of([(SNAPSHOT, uploaded_snapshot())])),
        managing(
            management.UploadSnapshotDataArguments(A, SNAPSHOT, StoredChunk(), bytes(MIB)),
            "upload_canister_snapshot_data",
        ),
    ),
}


def status(grower, asked, memory=PLENTY, threshold=None, **changes):
    """What becomes of the request on a subnet with one core and so much memory, and the state then."""
    given = evolve(grower, balance=changes.pop("balance", 10**20))
    given = evolve(given, settings=evolve(given.settings, **{"reserved_balance_limit": 10**30, **changes}))
    state = holding((A, given), threads=1, memory=memory, memory_for_callbacks=0)
    if threshold is not None:
        limits = evolve(state.profile.limits, subnet_memory_threshold=threshold)
        state = evolve(state, profile=evolve(state.profile, limits=limits))
    played = Played(state).round(asked)
    return played.status(asked.request), played.state


def succeeds(grower, asked, **given):
    """The request is answered."""
    return isinstance(status(grower, asked, **given)[0], Replied)


def reason(grower, asked, **given):
    """Why the request is rejected, and with which code."""
    found = status(grower, asked, **given)[0]
    assert isinstance(found, Rejected), found
    return found.reject.reason, found.reject.code


@pytest.mark.parametrize("freezing_threshold", [0, 10**7])
@pytest.mark.parametrize(
    "method",
    [
        pytest.param(
            "install",
            marks=pytest.mark.checklist(
                "prod.memory_matrix.test_memory_suite_install_code",
            ),
        ),
        pytest.param(
            "reinstall",
            marks=pytest.mark.checklist(
                "prod.memory_matrix.test_memory_suite_reinstall_code_and_grow_memory",
            ),
        ),
        pytest.param(
            "upgrade",
            marks=pytest.mark.checklist(
                "prod.memory_matrix.test_memory_suite_upgrade_code_and_grow_memory",
            ),
        ),
        pytest.param(
            "upload_chunk",
            marks=pytest.mark.checklist(
                "prod.memory_matrix.test_memory_suite_upload_chunk",
            ),
        ),
        pytest.param(
            "take_canister_snapshot",
            marks=pytest.mark.checklist(
                "prod.memory_matrix.test_memory_suite_take_snapshot_growing_memory_usage",
            ),
        ),
        pytest.param(
            "upload_canister_snapshot_metadata",
            marks=pytest.mark.checklist(
                "prod.memory_matrix.test_memory_suite_upload_canister_snapshot_metadata_growing_memory_usage",
            ),
        ),
        pytest.param(
            "upload_canister_snapshot_data",
            marks=pytest.mark.checklist(
                "prod.memory_matrix.test_memory_suite_upload_canister_snapshot_data_wasm_chunk",
            ),
        ),
    ],
)
def test_growth_needs_memory_a_reservation_and_cycles(method, freezing_threshold):
    grower, asked = GROWING[method]()
    given = {"freezing_threshold": freezing_threshold}
    found, after = status(grower, asked, **given)
    assert isinstance(found, Replied), found
    taken = memory_taken(after)
    assert taken > memory_usage(PROFILE, grower)

    # Memory.
    assert succeeds(grower, asked, memory=taken, **given)
    assert reason(grower, asked, memory=taken - 1, **given) == (RejectReason.SYSTEM_OVERLOADED, OVERSUBSCRIBED)

    # The reservation.
    crowded = {"memory": 2 * taken, "threshold": 0, **given}
    reserved = status(grower, asked, **crowded)[1].canisters[A].reserved_balance
    assert reserved > 0
    assert succeeds(grower, asked, reserved_balance_limit=reserved, **crowded)
    too_low = reason(grower, asked, reserved_balance_limit=reserved - 1, **crowded)
    assert too_low[0] is RejectReason.RESERVATION_LIMIT_EXCEEDED

    # Cycles.
    few, enough = reserved, 2**50
    assert succeeds(grower, asked, **{**crowded, "balance": enough})
    while enough - few > 1 and freezing_threshold:
        middle = (few + enough) // 2
        if succeeds(grower, asked, **{**crowded, "balance": middle}):
            enough = middle
        else:
            few = middle
    assert reason(grower, asked, **{**crowded, "balance": few})[0] is RejectReason.CANISTER_OUT_OF_CYCLES


@pytest.mark.checklist("prod.hypervisor.subnet_available_memory_is_not_updated_by_canister_pre_upgrade_wasm_memory")
def test_a_heap_that_grows_in_pre_upgrade_takes_no_memory():
    """On a subnet of 2 GiB the heap grows by 2 GiB, and is dropped."""

    def grown(before):
        return Returned(evolve(before, wasm_memory=before.wasm_memory.with_pages(32_768, ())), 1_000)

    old, new = module(gives={"pre_upgrade": grown}), module()
    asked = installing(A, new, UpgradeMode())
    found, after = status(having(with_stable(A, old, 0)), asked, memory=2**31)
    assert isinstance(found, Replied)
    assert memory_taken(after) - memory_usage(PROFILE, having(with_stable(A, old, 0))) == 184 + len(new) - len(old)

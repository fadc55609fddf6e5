"""Management calls about chunks, snapshots and information: a strategy for each kind, so that a caller may choose."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from hypothesis import strategies as st

from properties.strategies.management import ManagementCall
from spec.values import management
from spec.values.canister_terms import GlobalType, HookStatus
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, MethodName, Principal, SnapshotId

ABSENT: Final[CanisterId] = Principal(b"\x09\x09")
"""No canister has this id."""
ODD_SIZES: Final = (0, 1, 100, 65536, 2_000_000, 2_000_001, 2**63)
HeldSnapshot = tuple[CanisterId, SnapshotId]
"""A canister, and the id of a snapshot that it has or does not have."""
StoredModule = tuple[CanisterId, Blob]
"""A canister, and a module that its chunk store has as one chunk, or has not."""
GLOBALS_OF_SCRIPTED: Final[List[management.SnapshotGlobal]] = List(
    (
        *(management.SnapshotGlobal(GlobalType.I32, number) for number in range(5)),
        management.SnapshotGlobal(GlobalType.I64, 2**64 - 1),
    )
)
"""Of the types that the globals of the scripted module have."""


def named(method_name: MethodName, arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[ManagementCall]:
    """Calls of a method with generated arguments."""
    return arguments.map(lambda one: (method_name, management.encode_arguments(one)))


def about(canisters: Sequence[CanisterId]) -> st.SearchStrategy[CanisterId]:
    """One of the canisters, seldom one that does not exist."""
    return st.sampled_from([*canisters, *canisters, *canisters, ABSENT])


def digest(chunk: Blob) -> Blob:
    """Under which a chunk store keeps a chunk."""
    return hashlib.sha256(chunk).digest()


def chunk_calls(
    canisters: Sequence[CanisterId], modules: Sequence[Blob], stored: Sequence[StoredModule] = ()
) -> list[st.SearchStrategy[ManagementCall]]:
    """Calls about chunk stores, some of which have modules. Modules are stored whole or in halves."""
    halves = [half for module in modules for half in (module[: len(module) // 2], module[len(module) // 2 :])]
    chunks = st.sampled_from([*modules, *modules, *halves, b"small", bytes(2**20 + 1)])
    only = st.builds(management.CanisterIdArguments, about(canisters))
    return [
        named("upload_chunk", st.builds(management.UploadChunkArguments, about(canisters), chunks)),
        named("upload_chunk", st.builds(management.UploadChunkArguments, about(canisters), st.sampled_from(modules))),
        named("clear_chunk_store", only),
        named("stored_chunks", only),
        chunked_installations(canisters, modules, stored),
        chunked_installations(canisters, modules, stored),
    ]


def chunked_installations(
    canisters: Sequence[CanisterId], modules: Sequence[Blob], stored: Sequence[StoredModule]
) -> st.SearchStrategy[ManagementCall]:
    """Installations of modules that were stored, whole or in halves, and of what was not."""
    modes = st.sampled_from([management.ReinstallMode(), management.InstallMode(), *[management.UpgradeMode()] * 2])

    def arguments(
        mode: management.CanisterInstallMode, target: CanisterId | None, found: StoredModule, how: int
    ) -> management.InstallChunkedCodeArguments:
        store, module = found
        middle = len(module) // 2
        pieces: tuple[Blob, ...] = ((module,), (module,), (module[:middle], module[middle:]), (b"never stored",))[how]
        hashes = List(tuple(digest(one) for one in pieces))
        if target is None:
            return management.InstallChunkedCodeArguments(mode, store, digest(module), None, hashes)
        return management.InstallChunkedCodeArguments(mode, target, digest(module), store, hashes)

    anywhere = st.tuples(about(canisters), st.sampled_from(modules))
    known = st.one_of(st.sampled_from(stored), st.sampled_from(stored), anywhere) if stored else anywhere
    given = st.builds(arguments, modes, st.one_of(st.none(), about(canisters)), known, st.integers(0, 3))
    return named("install_chunked_code", given)


def snapshot_calls(
    canisters: Sequence[CanisterId],
    modules: Sequence[Blob],
    held: Sequence[HeldSnapshot],
    uploaded: Sequence[HeldSnapshot],
) -> list[st.SearchStrategy[ManagementCall]]:
    """Calls that take, load, list, delete, read and upload snapshots; some are about those that exist already."""
    never = [(canister_id, SnapshotId(bytes(7) + b"\x63")) for canister_id in canisters]
    known = st.sampled_from([*[*held] * 8, *never[:1]])
    replaced = st.one_of(*[st.none()] * (3 if held else 12), known.map(lambda one: one[1]))
    taken = st.builds(
        management.TakeSnapshotArguments, about(canisters), replaced, st.sampled_from([None, False, True])
    )
    calls = [
        named("take_canister_snapshot", taken),
        named("take_canister_snapshot", taken),
        named("list_canister_snapshots", st.builds(management.CanisterIdArguments, about(canisters))),
        named(
            "load_canister_snapshot",
            st.builds(
                lambda canister_id, one: management.LoadSnapshotArguments(canister_id or one[0], one[1]),
                st.one_of(st.none(), about(canisters)),
                known,
            ),
        ),
        named("delete_canister_snapshot", known.map(lambda one: management.SnapshotArguments(*one))),
        named("read_canister_snapshot_metadata", known.map(lambda one: management.SnapshotArguments(*one))),
        named(
            "read_canister_snapshot_data",
            st.builds(
                lambda one, part: management.ReadSnapshotDataArguments(one[0], one[1], part), known, parts_read(modules)
            ),
        ),
        uploads_of_metadata(canisters, modules, replaced),
        named(
            "upload_canister_snapshot_data",
            st.builds(
                lambda one, part, chunk: management.UploadSnapshotDataArguments(one[0], one[1], part, chunk),
                st.sampled_from(uploaded) if uploaded else known,
                parts_written(),
                st.sampled_from([b"", b"small", b"small", *modules]),
            ),
        ),
    ]
    # Without a snapshot, most calls would be about none.
    return calls if held else [*calls[:2], *calls[:2], *calls[-2:-1], *calls]


def parts_read(modules: Sequence[Blob]) -> st.SearchStrategy[management.SnapshotPart]:
    """Which part of a snapshot is read: mostly a small one."""
    offsets, sizes = st.sampled_from([0, 0, 0, *ODD_SIZES]), st.sampled_from([1, 100, 100, *ODD_SIZES])
    return st.one_of(
        st.builds(management.ModulePart, offsets, sizes),
        st.builds(management.HeapPart, offsets, sizes),
        st.builds(management.StableMemoryPart, offsets, sizes),
        st.builds(management.StoredChunk, st.sampled_from([*map(digest, modules), b"none"])),
    )


def parts_written() -> st.SearchStrategy[management.SnapshotPart]:
    """Where to a part of a snapshot is uploaded."""
    offsets = st.sampled_from([0, 0, 0, *ODD_SIZES])
    return st.one_of(
        st.builds(management.ModulePart, offsets),
        st.builds(management.HeapPart, offsets),
        st.builds(management.StableMemoryPart, offsets),
        st.just(management.StoredChunk()),
    )


def uploads_of_metadata(
    canisters: Sequence[CanisterId], modules: Sequence[Blob], replaced: st.SearchStrategy[SnapshotId | None]
) -> st.SearchStrategy[ManagementCall]:
    """Snapshots to be uploaded, most of which may fit a module."""

    def metadata(
        canister_id: CanisterId,
        replaced: SnapshotId | None,
        module: int,
        heap: int,
        stable: int,
        hook: HookStatus | None,
    ) -> management.UploadSnapshotMetadataArguments:
        kept = GLOBALS_OF_SCRIPTED if module == len(modules[0]) else List[management.SnapshotGlobal]()
        return management.UploadSnapshotMetadataArguments(
            canister_id, module, heap, stable, replaced, kept, b"certified", 0, hook
        )

    return named(
        "upload_canister_snapshot_metadata",
        st.builds(
            metadata,
            about(canisters),
            replaced,
            st.sampled_from([len(modules[0])] * 4 + [0, 10**9]),
            st.sampled_from([0, 65536, 65536, 2 * 65536, 2 * 65536, 1, 2**40]),
            st.sampled_from([0, 65536, 65536, 1]),
            st.one_of(st.none(), st.sampled_from(list(HookStatus))),
        ),
    )


def information_calls(canisters: Sequence[CanisterId]) -> list[st.SearchStrategy[ManagementCall]]:
    """What canisters learn about canisters, nodes and subnets, and random numbers."""
    numbers = st.one_of(st.none(), st.integers(0, 30))
    sections = st.sampled_from(["enhanced-orthogonal-persistence"] * 3 + ["candid:service"])
    times = st.sampled_from(ODD_SIZES)
    return [
        named("canister_info", st.builds(management.CanisterInfoArguments, about(canisters), numbers)),
        named("canister_metadata", st.builds(management.CanisterMetadataArguments, about(canisters), sections)),
        named("canister_metrics", st.builds(management.CanisterIdArguments, about(canisters))),
        named("node_metrics_history", st.builds(management.NodeMetricsHistoryArguments, about(canisters), times)),
        named("subnet_info", st.builds(management.SubnetInfoArguments, about(canisters))),
        named("raw_rand", st.just(management.RawRandArguments())),
    ]


def uses_of_cycles(canisters: Sequence[CanisterId]) -> list[st.SearchStrategy[ManagementCall]]:
    """New canisters, and deposits, for the cycles that the call brings."""
    settings = st.sampled_from(
        [management.SettingsArguments(), management.SettingsArguments(freezing_threshold=0, memory_allocation=2**20)]
    )
    return [
        named("create_canister", st.builds(management.CreateCanisterArguments, settings)),
        named("deposit_cycles", st.builds(management.CanisterIdArguments, about(canisters))),
    ]

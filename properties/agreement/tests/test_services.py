"""Chunks, snapshots, information and the outside world, on both sides."""

import hashlib
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.canisters.library import load
from conformance.canisters.scripted import RELAY_REPLY, call, program
from properties.agreement.stage import ALICE, BOB, Stage
from spec.machine import enabled
from spec.state.request import Replied
from spec.values import management
from spec.values.canister_terms import GlobalType, HookStatus, Public
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal, SnapshotId
from spec.values.management import (
    BitcoinNetwork,
    CanisterIdArguments,
    EcdsaCurve,
    EcdsaKeyId,
    HeapPart,
    HttpMethod,
    HttpRequestArguments,
    HttpTransform,
    ModulePart,
    SchnorrAlgorithm,
    SchnorrKeyId,
    SettingsArguments,
    SnapshotGlobal,
    StableMemoryPart,
    StoredChunk,
    TaprootTweak,
    VetkdCurve,
    VetkdKeyId,
)

A, B, EMPTY, ABSENT = (Principal(number.to_bytes(8, "big") + b"\x01\x01") for number in (0, 1, 2, 99))
MODULE = load("scripted")
CHUNKS = (MODULE[: len(MODULE) // 2], MODULE[len(MODULE) // 2 :])
canisters = st.sampled_from([A, A, A, A, A, B, B, EMPTY, ABSENT])
snapshot_ids = st.integers(0, 4).map(lambda number: SnapshotId(number.to_bytes(8, "big")))
sizes = st.sampled_from([0, 1, 100, 65536, 2_000_000, 2_000_001, 2**63])
hashes = st.sampled_from([hashlib.sha256(chunk).digest() for chunk in (*CHUNKS, b"small")] + [b"none"])
read_parts = st.one_of(
    st.builds(ModulePart, sizes, sizes),
    st.builds(HeapPart, sizes, sizes),
    st.builds(StableMemoryPart, sizes, sizes),
    st.builds(StoredChunk, hashes),
)
write_parts = st.one_of(
    st.builds(ModulePart, sizes), st.builds(HeapPart, sizes), st.builds(StableMemoryPart, sizes), st.just(StoredChunk())
)
modes = st.sampled_from([management.InstallMode(), management.ReinstallMode(), management.UpgradeMode()])
key_names = st.sampled_from(["key_1", "key_1", "other"])
paths = st.sampled_from([List(), List.of(b"path"), List((b"",) * 256)])
ecdsa = st.builds(EcdsaKeyId, st.just(EcdsaCurve.SECP256K1), key_names)
schnorr = st.builds(SchnorrKeyId, st.sampled_from(list(SchnorrAlgorithm)), key_names)
vetkd = st.builds(VetkdKeyId, st.just(VetkdCurve.BLS12_381_G2), key_names)
some_canister = st.one_of(st.none(), canisters, st.just(Principal(b"\x04")))
networks = st.sampled_from(list(BitcoinNetwork))


def metadata(canister_id, replaced, module, heap, stable, hook):
    """A snapshot that may fit the scripted module or not."""
    kept = GLOBALS if module == len(MODULE) else List()
    return management.UploadSnapshotMetadataArguments(
        canister_id, module, heap, stable, replaced, kept, b"certified", 0, hook
    )


ABOUT_A_CANISTER = (
    "clear_chunk_store",
    "stored_chunks",
    "list_canister_snapshots",
    "canister_metrics",
    "canister_status",
    "uninstall_code",
)
by_users = st.one_of(
    st.tuples(st.sampled_from(ABOUT_A_CANISTER[:-1]), st.builds(CanisterIdArguments, canisters)),
    st.tuples(st.just("uninstall_code"), st.builds(management.UninstallCodeArguments, canisters)),
    st.tuples(
        st.just("upload_chunk"),
        st.builds(management.UploadChunkArguments, canisters, st.sampled_from([*CHUNKS, b"small", bytes(2**20 + 1)])),
    ),
    st.tuples(
        st.just("install_chunked_code"),
        st.builds(
            management.InstallChunkedCodeArguments,
            modes,
            canisters,
            st.sampled_from([hashlib.sha256(MODULE).digest(), b"other"]),
            st.one_of(st.none(), canisters),
            st.one_of(
                st.just(List(tuple(hashlib.sha256(chunk).digest() for chunk in CHUNKS))),
                st.lists(hashes, max_size=3).map(lambda some: List(tuple(some))),
            ),
        ),
    ),
    st.tuples(
        st.just("take_canister_snapshot"),
        st.builds(
            management.TakeSnapshotArguments,
            canisters,
            st.one_of(st.none(), st.none(), snapshot_ids),
            st.sampled_from([None, None, False, True]),
        ),
    ),
    st.tuples(st.just("load_canister_snapshot"), st.builds(management.LoadSnapshotArguments, canisters, snapshot_ids)),
    st.tuples(
        st.sampled_from(["delete_canister_snapshot", "read_canister_snapshot_metadata"]),
        st.builds(management.SnapshotArguments, canisters, snapshot_ids),
    ),
    st.tuples(
        st.just("read_canister_snapshot_data"),
        st.builds(management.ReadSnapshotDataArguments, canisters, snapshot_ids, read_parts),
    ),
    st.tuples(
        st.just("upload_canister_snapshot_metadata"),
        st.builds(
            metadata,
            canisters,
            st.one_of(st.none(), snapshot_ids),
            st.sampled_from([0, len(MODULE), 10**9]),
            st.sampled_from([0, 65536, 2 * 65536, 1, 2**40]),
            st.sampled_from([0, 65536, 1]),
            st.one_of(st.none(), st.sampled_from(list(HookStatus))),
        ),
    ),
    st.tuples(
        st.just("upload_canister_snapshot_data"),
        st.builds(
            management.UploadSnapshotDataArguments,
            canisters,
            snapshot_ids,
            write_parts,
            st.sampled_from([b"", b"small", MODULE]),
        ),
    ),
    st.tuples(
        st.just("update_settings"),
        st.builds(
            management.UpdateSettingsArguments,
            canisters,
            st.sampled_from(
                [
                    SettingsArguments(snapshot_visibility=Public()),
                    SettingsArguments(controllers=List.of(ALICE, A)),
                    SettingsArguments(wasm_memory_limit=2**20, wasm_memory_threshold=2**20),
                    SettingsArguments(snapshot_visibility=Public(), freezing_threshold=0),
                ]
            ),
        ),
    ),
)
by_canisters = st.one_of(
    st.tuples(
        st.just("canister_info"),
        st.builds(management.CanisterInfoArguments, canisters, st.one_of(st.none(), st.integers(0, 30))),
    ),
    st.tuples(
        st.just("canister_metadata"),
        st.builds(management.CanisterMetadataArguments, canisters, st.sampled_from(["candid:service", "none"])),
    ),
    st.tuples(st.just("node_metrics_history"), st.builds(management.NodeMetricsHistoryArguments, canisters, sizes)),
    st.tuples(st.just("subnet_info"), st.builds(management.SubnetInfoArguments, canisters)),
    st.tuples(st.just("ecdsa_public_key"), st.builds(management.EcdsaPublicKeyArguments, ecdsa, some_canister, paths)),
    st.tuples(
        st.just("sign_with_ecdsa"),
        st.builds(management.SignWithEcdsaArguments, st.sampled_from([bytes(32), b""]), ecdsa, paths),
    ),
    st.tuples(
        st.just("schnorr_public_key"), st.builds(management.SchnorrPublicKeyArguments, schnorr, some_canister, paths)
    ),
    st.tuples(
        st.just("sign_with_schnorr"),
        st.builds(
            management.SignWithSchnorrArguments,
            st.just(b"message"),
            schnorr,
            paths,
            st.sampled_from([None, TaprootTweak(b""), TaprootTweak(bytes(32)), TaprootTweak(b"odd")]),
        ),
    ),
    st.tuples(st.just("vetkd_public_key"), st.builds(management.VetkdPublicKeyArguments, vetkd, some_canister)),
    st.tuples(
        st.just("vetkd_derive_key"),
        st.builds(management.VetkdDeriveKeyArguments, st.just(b"in"), st.sampled_from([bytes(48), b""]), vetkd),
    ),
    st.tuples(
        st.just("http_request"),
        st.builds(
            HttpRequestArguments,
            st.sampled_from(["https://example.org", "http://example.org", "https://" + "a" * 9000]),
            st.sampled_from(list(HttpMethod)),
            st.sampled_from([None, 0, 1000, 2_000_001]),
            body=st.sampled_from([None, b"body"]),
            transform=st.sampled_from([None, HttpTransform(A, "query"), HttpTransform(B, "absent")]),
            is_replicated=st.sampled_from([None, True, False]),
        ),
    ),
    st.tuples(
        st.just("bitcoin_get_utxos"),
        st.builds(
            management.GetUtxosArguments,
            st.just("address"),
            networks,
            st.sampled_from([None, management.Confirmations(144), management.Confirmations(145)]),
        ),
    ),
    st.tuples(
        st.just("bitcoin_get_balance"),
        st.builds(management.GetBalanceArguments, st.just("address"), networks, st.sampled_from([None, 145])),
    ),
    st.tuples(
        st.just("bitcoin_send_transaction"), st.builds(management.SendTransactionArguments, st.just(b"tx"), networks)
    ),
    st.tuples(st.just("bitcoin_get_current_fee_percentiles"), st.builds(management.FeePercentilesArguments, networks)),
    st.tuples(
        st.just("bitcoin_get_block_headers"),
        st.builds(management.GetBlockHeadersArguments, st.just(5), networks, st.sampled_from([None, 4, 7])),
    ),
)
actions = st.one_of(
    st.tuples(st.just("user"), st.sampled_from([ALICE, ALICE, ALICE, BOB]), by_users),
    st.tuples(st.just("canister"), st.sampled_from([A, B]), st.one_of(by_users, by_canisters)),
)
fired: Counter[str] = Counter()
"""Over all examples, how often each rule fired."""


def act(stage, kind, actor, wanted, draw):
    """A user or a canister makes a management call."""
    method_name, arguments = wanted
    argument = management.encode_arguments(arguments)
    if kind == "user":
        stage.lockstep.submit(actor, MANAGEMENT_CANISTER, method_name, argument)
    else:
        cycles = draw(st.sampled_from([0, 10**10, 10**12]))
        relayed = program(call(MANAGEMENT_CANISTER, method_name, argument, cycles=cycles, on_reply=RELAY_REPLY))
        stage.lockstep.submit(ALICE, actor, "update", relayed)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_both_sides_agree_on_random_calls(data):
    stage = Stage()
    assert stage.installed(MODULE) == A and stage.installed(MODULE) == B and stage.create() == EMPTY
    for _ in range(data.draw(st.integers(5, 25))):
        kind, actor, wanted = data.draw(actions)
        act(stage, kind, actor, wanted, data.draw)
        if data.draw(st.integers(0, 3)) == 0:
            one_by_one(stage, data.draw)
        stage.lockstep.settle()
    fired.update(stage.lockstep.fired)


def one_by_one(stage, draw):
    """Labels in any order, those of the outside world among them."""
    for _ in range(draw(st.integers(1, 8))):
        stage.lockstep.finish_execution()
        labels = enabled(stage.state, spontaneous=True)
        chosen = [label for label in labels if label.rule.startswith("outside") or label in enabled(stage.state)]
        if not chosen:
            return
        assert stage.lockstep.take(draw(st.sampled_from(chosen)))
    stage.lockstep.finish_execution()


def snapshot_id(number):
    """The id that the number-th snapshot gets."""
    return SnapshotId(number.to_bytes(8, "big"))


KEY, SCHNORR_KEY = EcdsaKeyId(EcdsaCurve.SECP256K1, "key_1"), SchnorrKeyId(SchnorrAlgorithm.ED25519, "key_1")
MASTER_KEY, MAINNET = VetkdKeyId(VetkdCurve.BLS12_381_G2, "key_1"), BitcoinNetwork.MAINNET
HASHES = List(tuple(hashlib.sha256(chunk).digest() for chunk in CHUNKS))
GLOBALS = List(
    (*(SnapshotGlobal(GlobalType.I32, number) for number in range(5)), SnapshotGlobal(GlobalType.I64, 2**64 - 1))
)
"""Of the types that the globals of the scripted module have."""
UPLOADED = management.UploadSnapshotMetadataArguments(
    B, len(MODULE), 65536, 65536, None, GLOBALS, b"certified", 7, HookStatus.CONDITION_NOT_SATISFIED
)
OF_USERS = (
    ("upload_chunk", management.UploadChunkArguments(B, CHUNKS[0])),
    ("upload_chunk", management.UploadChunkArguments(B, CHUNKS[1])),
    ("stored_chunks", CanisterIdArguments(B)),
    (
        "install_chunked_code",
        management.InstallChunkedCodeArguments(
            management.InstallMode(), EMPTY, hashlib.sha256(MODULE).digest(), B, HASHES
        ),
    ),
    ("take_canister_snapshot", management.TakeSnapshotArguments(B)),
    ("take_canister_snapshot", management.TakeSnapshotArguments(B, snapshot_id(0))),
    ("canister_status", CanisterIdArguments(B)),
    ("clear_chunk_store", CanisterIdArguments(B)),
    ("list_canister_snapshots", CanisterIdArguments(B)),
    ("read_canister_snapshot_metadata", management.SnapshotArguments(B, snapshot_id(1))),
    (
        "read_canister_snapshot_data",
        management.ReadSnapshotDataArguments(B, snapshot_id(1), StoredChunk(HASHES.items[0])),
    ),
    ("read_canister_snapshot_data", management.ReadSnapshotDataArguments(B, snapshot_id(1), HeapPart(5, 100))),
    ("load_canister_snapshot", management.LoadSnapshotArguments(EMPTY, snapshot_id(1))),
    ("take_canister_snapshot", management.TakeSnapshotArguments(EMPTY, None, True)),
    ("load_canister_snapshot", management.LoadSnapshotArguments(EMPTY, snapshot_id(2))),
    ("upload_canister_snapshot_metadata", UPLOADED),
    (
        "upload_canister_snapshot_data",
        management.UploadSnapshotDataArguments(B, snapshot_id(3), ModulePart(0), MODULE),
    ),
    ("upload_canister_snapshot_data", management.UploadSnapshotDataArguments(B, snapshot_id(3), HeapPart(9), b"abc")),
    (
        "upload_canister_snapshot_data",
        management.UploadSnapshotDataArguments(B, snapshot_id(3), StableMemoryPart(4095), b"abc"),
    ),
    ("upload_canister_snapshot_data", management.UploadSnapshotDataArguments(B, snapshot_id(3), StoredChunk(), b"x")),
    ("load_canister_snapshot", management.LoadSnapshotArguments(B, snapshot_id(3))),
    ("delete_canister_snapshot", management.SnapshotArguments(B, snapshot_id(1))),
    ("canister_metrics", CanisterIdArguments(B)),
)
OF_CANISTERS = (
    ("canister_info", management.CanisterInfoArguments(EMPTY, 20)),
    ("canister_info", management.CanisterInfoArguments(B, 2)),
    ("node_metrics_history", management.NodeMetricsHistoryArguments(A, 0)),
    ("subnet_info", management.SubnetInfoArguments(A)),
    ("ecdsa_public_key", management.EcdsaPublicKeyArguments(KEY, B)),
    ("sign_with_ecdsa", management.SignWithEcdsaArguments(bytes(32), KEY)),
    ("schnorr_public_key", management.SchnorrPublicKeyArguments(SCHNORR_KEY)),
    ("sign_with_schnorr", management.SignWithSchnorrArguments(b"message", SCHNORR_KEY)),
    ("vetkd_public_key", management.VetkdPublicKeyArguments(MASTER_KEY)),
    ("vetkd_derive_key", management.VetkdDeriveKeyArguments(b"input", bytes(48), MASTER_KEY)),
    ("http_request", HttpRequestArguments("https://example.org")),
    ("http_request", HttpRequestArguments("https://example.org", transform=HttpTransform(A, "query", b"context"))),
    ("bitcoin_get_utxos", management.GetUtxosArguments("address", MAINNET)),
    ("bitcoin_get_balance", management.GetBalanceArguments("address", MAINNET)),
    ("bitcoin_send_transaction", management.SendTransactionArguments(b"transaction", MAINNET)),
    ("bitcoin_get_current_fee_percentiles", management.FeePercentilesArguments(MAINNET)),
    ("bitcoin_get_block_headers", management.GetBlockHeadersArguments(5, MAINNET, 8)),
)


def test_both_sides_agree_when_all_goes_well():
    stage = Stage()
    assert stage.installed(MODULE) == A and stage.installed(MODULE) == B and stage.create() == EMPTY
    for method_name, arguments in OF_USERS:
        status = stage.call(MANAGEMENT_CANISTER, method_name, management.encode_arguments(arguments))
        assert isinstance(status, Replied), (method_name, arguments, status)
    for method_name, arguments in OF_CANISTERS:
        argument = management.encode_arguments(arguments)
        relayed = program(call(MANAGEMENT_CANISTER, method_name, argument, cycles=10**12, on_reply=RELAY_REPLY))
        status = stage.call(A, "update", relayed)
        assert isinstance(status, Replied), (method_name, arguments, status)
    wanted = {name for name, _ in (*OF_USERS, *OF_CANISTERS)} - {"take_canister_snapshot_and_uninstall"}
    assert {name for name in wanted if not stage.lockstep.fired[name]} == set()
    assert stage.lockstep.fired["take_canister_snapshot_and_uninstall"] == 1

"""Chunks, snapshots, information and the outside world, on both sides."""

import hashlib

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.canisters.library import load
from conformance.canisters.scripted import RELAY_REPLY, call, program
from properties.agreement.stage import ALICE, BOB, Stage
from properties.strategies.outside import outside_calls
from properties.strategies.services import (
    GLOBALS_OF_SCRIPTED,
    chunk_calls,
    information_calls,
    named,
    snapshot_calls,
)
from spec.machine import enabled
from spec.state.request import Replied
from spec.values import management
from spec.values.canister_terms import HookStatus, Public
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal, SnapshotId
from spec.values.management import (
    BitcoinNetwork,
    CanisterIdArguments,
    EcdsaCurve,
    EcdsaKeyId,
    HeapPart,
    HttpRequestArguments,
    HttpTransform,
    ModulePart,
    SchnorrAlgorithm,
    SchnorrKeyId,
    SettingsArguments,
    StableMemoryPart,
    StoredChunk,
    VetkdCurve,
    VetkdKeyId,
)

A, B, EMPTY = (Principal(number.to_bytes(8, "big") + b"\x01\x01") for number in range(3))
MODULE = load("scripted")
TRANSPORT_KEY = bytes.fromhex(
    "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
)
"""The generator of the group in which transport keys are."""
CHUNKS = (MODULE[: len(MODULE) // 2], MODULE[len(MODULE) // 2 :])
CANISTERS = (A, A, A, B, EMPTY)
"""One of them gets most of the calls."""
SETTINGS = st.sampled_from(
    [
        SettingsArguments(snapshot_visibility=Public()),
        SettingsArguments(controllers=List.of(ALICE, A)),
        SettingsArguments(wasm_memory_limit=2**20, wasm_memory_threshold=2**20),
        SettingsArguments(snapshot_visibility=Public(), freezing_threshold=0),
    ]
)


def calls_of_users(stage):
    """Calls that users and canisters may make."""
    held = [(one, taken) for one, canister in stage.state.canisters.items() for taken, _ in canister.snapshots.items()]
    changes = st.builds(management.UpdateSettingsArguments, st.sampled_from(CANISTERS), SETTINGS)
    return st.one_of(
        *chunk_calls(CANISTERS, (MODULE,), [(A, MODULE), (B, MODULE)]),
        *snapshot_calls(CANISTERS, (MODULE,), held, held),
        named("update_settings", changes),
        named("uninstall_code", st.builds(management.UninstallCodeArguments, st.sampled_from(CANISTERS))),
        named("canister_status", st.builds(CanisterIdArguments, st.sampled_from(CANISTERS))),
    )


def act(stage, draw):
    """A user or a canister makes a management call."""
    if draw(st.booleans()):
        method_name, argument = draw(calls_of_users(stage))
        stage.lockstep.submit(
            draw(st.sampled_from([ALICE, ALICE, ALICE, BOB])), MANAGEMENT_CANISTER, method_name, argument
        )
        return
    calls = st.one_of(
        calls_of_users(stage), st.one_of(*information_calls(CANISTERS)), st.one_of(*outside_calls((A, B)))
    )
    method_name, argument = draw(calls)
    cycles = draw(st.sampled_from([0, 10**10, 10**12]))
    relayed = program(call(MANAGEMENT_CANISTER, method_name, argument, cycles=cycles, on_reply=RELAY_REPLY))
    stage.lockstep.submit(ALICE, draw(st.sampled_from([A, B])), "update", relayed)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_both_sides_agree_on_random_calls(data):
    stage = Stage()
    assert stage.installed(MODULE) == A and stage.installed(MODULE) == B and stage.create() == EMPTY
    for _ in range(data.draw(st.integers(5, 25))):
        act(stage, data.draw)
        if data.draw(st.integers(0, 3)) == 0:
            one_by_one(stage, data.draw)
        stage.lockstep.settle()


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
UPLOADED = management.UploadSnapshotMetadataArguments(
    B, len(MODULE), 65536, 65536, None, GLOBALS_OF_SCRIPTED, b"certified", 7, HookStatus.CONDITION_NOT_SATISFIED
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
    ("vetkd_derive_key", management.VetkdDeriveKeyArguments(b"input", TRANSPORT_KEY, MASTER_KEY)),
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

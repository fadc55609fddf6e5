"""Arguments and results of the methods about chunks, snapshots, information and the outside world."""

import pytest

from spec.values.canister_terms import GlobalType, HookStatus, SnapshotSource
from spec.values.changes import (
    Change,
    ChangeFromCanister,
    ChangeFromUser,
    CodeDeployment,
    CodeDeploymentMode,
    CodeUninstall,
    ControllersChange,
    Creation,
    LoadSnapshot,
)
from spec.values.containers import List
from spec.values.identifiers import Principal, SnapshotId
from spec.values.management import (
    BitcoinNetwork,
    BlockHeadersResult,
    CanisterInfoArguments,
    CanisterInfoResult,
    CanisterMetadataArguments,
    Confirmations,
    CyclesConsumed,
    EcdsaCurve,
    EcdsaKeyId,
    EcdsaPublicKeyArguments,
    FeePercentilesArguments,
    GetBalanceArguments,
    GetBlockHeadersArguments,
    GetUtxosArguments,
    HeapPart,
    HttpHeader,
    HttpMethod,
    HttpRequestArguments,
    HttpResponse,
    HttpTransform,
    InstallChunkedCodeArguments,
    LoadSnapshotArguments,
    ModulePart,
    NodeMetrics,
    NodeMetricsHistoryArguments,
    NodeMetricsSample,
    Outpoint,
    Page,
    PublicKeyResult,
    ReadSnapshotDataArguments,
    SchnorrAlgorithm,
    SchnorrKeyId,
    SchnorrPublicKeyArguments,
    SendTransactionArguments,
    SignWithEcdsaArguments,
    SignWithSchnorrArguments,
    SnapshotArguments,
    SnapshotGlobal,
    SnapshotMetadata,
    SnapshotSummary,
    StableMemoryPart,
    StoredChunk,
    SubnetInfoArguments,
    SubnetInfoResult,
    TakeSnapshotArguments,
    TaprootTweak,
    UpgradeMode,
    UploadChunkArguments,
    UploadSnapshotDataArguments,
    UploadSnapshotMetadataArguments,
    Utxo,
    UtxosResult,
    VetkdCurve,
    VetkdDeriveKeyArguments,
    VetkdKeyId,
    VetkdPublicKeyArguments,
    decode_arguments,
    decode_result,
    encode_arguments,
    encode_result,
)

CANISTER = Principal(bytes([0, 0, 0, 0, 0, 0, 0, 7, 1, 1]))
SNAPSHOT = SnapshotId(b"snapshot")
ECDSA = EcdsaKeyId(EcdsaCurve.SECP256K1, "key_1")
SCHNORR = SchnorrKeyId(SchnorrAlgorithm.ED25519, "key_1")
VETKD = VetkdKeyId(VetkdCurve.BLS12_381_G2, "key_1")
MAINNET = BitcoinNetwork.MAINNET
GLOBALS = List.of(
    SnapshotGlobal(GlobalType.I32, 2**32 - 1),
    SnapshotGlobal(GlobalType.I64, 2**63),
    SnapshotGlobal(GlobalType.F32, 0x3FC00000),
    SnapshotGlobal(GlobalType.F32, 0xFFA0_0001),
    SnapshotGlobal(GlobalType.F64, 0x8000000000000000),
    SnapshotGlobal(GlobalType.F64, 0x7FF4_0000_0000_0001),
    SnapshotGlobal(GlobalType.V128, 2**128 - 1),
)

CALLS = [
    ("upload_chunk", UploadChunkArguments(CANISTER, b"chunk")),
    ("install_chunked_code", InstallChunkedCodeArguments(UpgradeMode(), CANISTER, b"hash")),
    (
        "install_chunked_code",
        InstallChunkedCodeArguments(UpgradeMode(True), CANISTER, b"h", CANISTER, List.of(b"1"), b"a", 3),
    ),
    ("take_canister_snapshot", TakeSnapshotArguments(CANISTER)),
    ("take_canister_snapshot", TakeSnapshotArguments(CANISTER, SNAPSHOT, True, 4)),
    ("load_canister_snapshot", LoadSnapshotArguments(CANISTER, SNAPSHOT, 4)),
    ("delete_canister_snapshot", SnapshotArguments(CANISTER, SNAPSHOT)),
    ("read_canister_snapshot_metadata", SnapshotArguments(CANISTER, SNAPSHOT)),
    ("read_canister_snapshot_data", ReadSnapshotDataArguments(CANISTER, SNAPSHOT, ModulePart(1, 2))),
    ("read_canister_snapshot_data", ReadSnapshotDataArguments(CANISTER, SNAPSHOT, StoredChunk(b"hash"))),
    ("upload_canister_snapshot_data", UploadSnapshotDataArguments(CANISTER, SNAPSHOT, HeapPart(1), b"x")),
    ("upload_canister_snapshot_data", UploadSnapshotDataArguments(CANISTER, SNAPSHOT, StableMemoryPart(1), b"x")),
    ("upload_canister_snapshot_data", UploadSnapshotDataArguments(CANISTER, SNAPSHOT, StoredChunk(), b"x")),
    ("upload_canister_snapshot_metadata", UploadSnapshotMetadataArguments(CANISTER, 1, 2, 3)),
    (
        "upload_canister_snapshot_metadata",
        UploadSnapshotMetadataArguments(CANISTER, 1, 2, 3, SNAPSHOT, GLOBALS, b"c", 0, HookStatus.READY),
    ),
    ("canister_info", CanisterInfoArguments(CANISTER)),
    ("canister_info", CanisterInfoArguments(CANISTER, 20)),
    ("canister_metadata", CanisterMetadataArguments(CANISTER, "candid:service")),
    ("node_metrics_history", NodeMetricsHistoryArguments(CANISTER, 5)),
    ("subnet_info", SubnetInfoArguments(CANISTER)),
    ("ecdsa_public_key", EcdsaPublicKeyArguments(ECDSA, CANISTER, List.of(b"", b"path"))),
    ("sign_with_ecdsa", SignWithEcdsaArguments(bytes(32), ECDSA)),
    ("schnorr_public_key", SchnorrPublicKeyArguments(SCHNORR)),
    ("sign_with_schnorr", SignWithSchnorrArguments(b"message", SCHNORR, List.of(b"path"), TaprootTweak(b""))),
    ("vetkd_public_key", VetkdPublicKeyArguments(VETKD, None, b"context")),
    ("vetkd_derive_key", VetkdDeriveKeyArguments(b"input", bytes(48), VETKD, b"context")),
    ("http_request", HttpRequestArguments("https://example.org")),
    (
        "http_request",
        HttpRequestArguments(
            "https://example.org",
            HttpMethod.POST,
            1000,
            List.of(HttpHeader("name", "value")),
            b"body",
            HttpTransform(CANISTER, "transform", b"context"),
            False,
        ),
    ),
    ("bitcoin_get_utxos", GetUtxosArguments("address", MAINNET)),
    ("bitcoin_get_utxos", GetUtxosArguments("address", MAINNET, Confirmations(6))),
    ("bitcoin_get_utxos", GetUtxosArguments("address", BitcoinNetwork.TESTNET, Page(b"page"))),
    ("bitcoin_get_balance", GetBalanceArguments("address", MAINNET, 6)),
    ("bitcoin_send_transaction", SendTransactionArguments(b"transaction", MAINNET)),
    ("bitcoin_get_current_fee_percentiles", FeePercentilesArguments(MAINNET)),
    ("bitcoin_get_block_headers", GetBlockHeadersArguments(5, MAINNET, 6)),
]

CHANGES = List.of(
    Change(1, 0, ChangeFromUser(CANISTER), Creation(List.of(CANISTER), b"hash")),
    Change(2, 1, ChangeFromCanister(CANISTER, None), CodeDeployment(CodeDeploymentMode.REINSTALL, b"hash")),
    Change(3, 2, ChangeFromCanister(CANISTER, 8), CodeUninstall()),
    Change(4, 3, ChangeFromUser(CANISTER), ControllersChange(List())),
    Change(5, 4, ChangeFromUser(CANISTER), LoadSnapshot(CANISTER, SNAPSHOT, 2, 3, SnapshotSource.METADATA_UPLOAD)),
)

RESULTS = [
    ("upload_chunk", b"hash"),
    ("stored_chunks", List.of(b"1", b"2")),
    ("take_canister_snapshot", SnapshotSummary(SNAPSHOT, 1, 2)),
    ("list_canister_snapshots", List.of(SnapshotSummary(SNAPSHOT, 1, 2))),
    (
        "read_canister_snapshot_metadata",
        SnapshotMetadata(
            SnapshotSource.TAKEN_FROM_CANISTER, 1, 2, GLOBALS, 3, 4, List.of(b"hash"), 5, b"c", 6, HookStatus.EXECUTED
        ),
    ),
    ("read_canister_snapshot_data", b"bytes"),
    ("upload_canister_snapshot_metadata", SNAPSHOT),
    ("canister_info", CanisterInfoResult(9, CHANGES, None, List.of(CANISTER))),
    ("canister_metadata", b"content"),
    ("canister_metrics", CyclesConsumed(1, 2, 3, 4, 5, 6, 7, 8, 9)),
    ("node_metrics_history", List.of(NodeMetricsSample(1, List.of(NodeMetrics(CANISTER, 2, 3))))),
    ("subnet_info", SubnetInfoResult("version", 4)),
    ("ecdsa_public_key", PublicKeyResult(b"key", b"code")),
    ("sign_with_ecdsa", b"signature"),
    ("vetkd_derive_key", b"key"),
    ("http_request", HttpResponse(200, List.of(HttpHeader("name", "value")), b"body")),
    ("bitcoin_get_utxos", UtxosResult(b"hash", 7, List.of(Utxo(Outpoint(b"id", 1), 2, 3)), b"page")),
    ("bitcoin_get_balance", 21),
    ("bitcoin_get_current_fee_percentiles", List.of(1, 2)),
    ("bitcoin_get_block_headers", BlockHeadersResult(7, List.of(bytes(80)))),
]


@pytest.mark.parametrize(("method_name", "arguments"), CALLS)
def test_arguments_survive_encoding_and_decoding(method_name, arguments):
    assert decode_arguments(method_name, encode_arguments(arguments)) == arguments


@pytest.mark.parametrize(("method_name", "result"), RESULTS)
def test_results_survive_encoding_and_decoding(method_name, result):
    assert decode_result(method_name, encode_result(method_name, result)) == result


def test_a_reply_of_another_type_is_no_result():
    with pytest.raises(ValueError, match="not the expected result"):
        decode_result("subnet_info", encode_result("upload_chunk", b"hash"))

"""The chunk store, and installing code from it."""

import hashlib

from conformance.canisters.library import load
from conformance.canisters.scripted import program, reply, set_slot, slot
from conformance.judging.patterns import fails, refuses, replies_with
from conformance.protocol.interface import Needs
from conformance.suite.people import ALICE, BOB, EVE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.management_calls import (
    DONE,
    REJECTED,
    asking,
    manage,
    result_of,
    results_in,
    status_of,
)
from conformance.suite.scenarios.preparations import controlled_by, scripted
from conformance.suite.scenarios.requests import NOBODY
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId
from spec.values.rejects import RejectReason

MODULE = load("scripted")
FIRST, SECOND = MODULE[:3_000], MODULE[3_000:]


def digest(content: Blob) -> Blob:
    """The SHA-256 of a chunk or module."""
    return hashlib.sha256(content).digest()


def upload(stage: Stage, canister: CanisterId, *chunks: Blob) -> None:
    """Chunks are put into the store of a canister."""
    for chunk in chunks:
        answer = manage(stage, canister, "upload_chunk", management.UploadChunkArguments(canister, chunk))
        stage.expect(answer, results_in("upload_chunk", digest(chunk)))


def stored(stage: Stage, canister: CanisterId) -> List[Blob]:
    """The hashes of the chunks of a canister."""
    hashes: List[Blob] = result_of("stored_chunks", stage.about("stored_chunks", canister))
    return hashes


def chunked(
    target: CanisterId,
    *chunks: Blob,
    store: CanisterId | None = None,
    module: Blob = MODULE,
    mode: management.CanisterInstallMode | None = None,
    arg: Blob = b"",
) -> management.InstallChunkedCodeArguments:
    """Installs a module from chunks."""
    return management.InstallChunkedCodeArguments(
        management.InstallMode() if mode is None else mode,
        target,
        digest(module),
        store,
        List(tuple(digest(chunk) for chunk in chunks)),
        arg,
    )


@scenario(
    "A chunk is known by its hash, and stored once however often it is uploaded",
    covers=(
        "rule.mgmt.upload-chunk",
        "mgmt.upload-chunk",
        "rule.mgmt.stored-chunks",
        "mgmt.stored-chunks",
        "prod.canister_manager.upload_chunk_works_from_white_list",
        "prod.pocket_ic.test_wasm_chunk_store",
    ),
)
def uploading(stage: Stage) -> None:
    # Given
    canister = stage.create()
    # When
    upload(stage, canister, FIRST, SECOND, FIRST)
    # Then
    stage.require(sorted(stored(stage, canister)) == sorted((digest(FIRST), digest(SECOND))), "two are stored")
    stage.balance(canister)


@scenario(
    "Every chunk counts as 1 MiB of the canister's memory",
    covers=(
        "unspec.fn.memory-usage",
        "mgmt.canister-status.memory-metrics",
        "prod.ee_tests.get_canister_status_memory_metrics_wasm_chunk_store_size",
    ),
)
def memory_of_chunks(stage: Stage) -> None:
    # Given
    canister = stage.create()
    before = status_of(stage, canister).memory_size
    # When
    upload(stage, canister, b"a", b"b")
    # Then
    stage.require(status_of(stage, canister).memory_size == before + 2 * 2**20, "two chunks take 2 MiB")
    stage.require(status_of(stage, canister).memory_metrics.wasm_chunk_store_size == 2 * 2**20, "the metrics say so")


@scenario(
    "A chunk has at most 1 MiB",
    covers=(
        "rule.mgmt.upload-chunk",
        "error.wasm-chunk-store",
        "prod.canister_manager.upload_chunk_fails_when_it_exceeds_chunk_size",
    ),
)
def largest_chunk(stage: Stage) -> None:
    # Given
    canister = stage.create()
    # When
    upload(stage, canister, bytes(2**20))
    larger = manage(stage, canister, "upload_chunk", management.UploadChunkArguments(canister, bytes(2**20 + 1)))
    # Then
    stage.expect(larger, fails(RejectReason.CHUNK_TOO_LARGE))


@scenario(
    "A store has at most a hundred chunks",
    covers=("unspec.const.chunk-store-size", "inv.chunk-store-bounded", "error.wasm-chunk-store"),
    needs=Needs(exact_costs=True),
)
def full_store(stage: Stage) -> None:
    # Given
    canister = stage.create()
    upload(stage, canister, *(bytes([number]) for number in range(100)))
    # When
    one_more = manage(stage, canister, "upload_chunk", management.UploadChunkArguments(canister, b"one more"))
    upload(stage, canister, bytes([7]))
    # Then
    stage.expect(one_more, fails(RejectReason.CHUNK_STORE_FULL))


@scenario(
    "A cleared store is empty",
    covers=(
        "rule.mgmt.clear-chunk-store",
        "mgmt.clear-chunk-store",
        "prod.canister_manager.clear_chunk_store_works",
        "prod.pocket_ic.test_wasm_chunk_store",
    ),
)
def clearing(stage: Stage) -> None:
    # Given
    canister = stage.create()
    before = status_of(stage, canister).memory_size
    upload(stage, canister, FIRST)
    # When
    stage.expect(stage.about("clear_chunk_store", canister), DONE)
    # Then
    stage.require(status_of(stage, canister).memory_size == before, "their memory is free again")
    stage.require(stored(stage, canister).is_empty(), "nothing is stored")


@scenario(
    "A canister that cannot pay for an upload keeps its store as it was",
    covers=("rule.mgmt.upload-chunk", "mgmt.upload-chunk"),
)
def unpaid_upload(stage: Stage) -> None:
    # Given
    canister = stage.create(cycles=1_000_000)
    # When
    answer = manage(stage, canister, "upload_chunk", management.UploadChunkArguments(canister, b"chunk"))
    # Then
    stage.expect(answer, fails(RejectReason.CANISTER_OUT_OF_CYCLES))
    stage.require(stored(stage, canister).is_empty(), "nothing is stored")
    stage.balance(canister)


@scenario(
    "A canister may use its own chunk store although it does not control itself",
    covers=(
        "rule.mgmt.upload-chunk",
        "rule.mgmt.clear-chunk-store",
        "rule.mgmt.stored-chunks",
        "prod.canister_manager.chunk_store_methods_succeed_from_canister_itself",
    ),
)
def own_store(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    own = management.CanisterIdArguments(canister)
    # When
    uploaded = stage.call(canister, asking("upload_chunk", management.UploadChunkArguments(canister, b"mine")))
    listed = stage.call(canister, asking("stored_chunks", own))
    cleared = stage.call(canister, asking("clear_chunk_store", own))
    # Then
    stage.expect(uploaded, results_in("upload_chunk", digest(b"mine")))
    stage.expect(listed, results_in("stored_chunks", List.of(digest(b"mine"))))
    stage.expect(cleared, DONE)


@scenario(
    "The chunk store of a canister is closed to other canisters and users",
    covers=(
        "rule.mgmt.upload-chunk",
        "error.invalid-controller",
        "rule.submit-call.mgmt-controller-methods",
        "prod.canister_manager.chunk_store_methods_fail_from_non_controller",
    ),
)
def foreign_store(stage: Stage) -> None:
    # Given
    stranger, canister = scripted(stage), stage.create()
    # Then
    for method_name in ("upload_chunk", "stored_chunks", "clear_chunk_store"):
        arguments: management.AnyArguments = management.CanisterIdArguments(canister)
        if method_name == "upload_chunk":
            arguments = management.UploadChunkArguments(canister, b"")
        stage.expect(stage.call(stranger, asking(method_name, arguments)), REJECTED)
        stage.expect(manage(stage, canister, method_name, arguments, sender=EVE), refuses())


@scenario("There is no chunk store of a canister that does not exist", covers=("error.canister-not-found",))
def missing_store(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # Then
    stage.expect(stage.call(canister, asking("upload_chunk", management.UploadChunkArguments(NOBODY, b""))), REJECTED)
    for method_name in ("stored_chunks", "clear_chunk_store"):
        stage.expect(stage.call(canister, asking(method_name, management.CanisterIdArguments(NOBODY))), REJECTED)


@scenario(
    "Code is installed from chunks as if it had been sent at once, and the chunks stay",
    covers=("rule.mgmt.install-chunked-code", "mgmt.install-chunked-code"),
)
def installing(stage: Stage) -> None:
    # Given
    canister = stage.create()
    upload(stage, canister, SECOND, FIRST)
    # When
    init = program(set_slot(0, b"from chunks"))
    answer = manage(stage, canister, "install_chunked_code", chunked(canister, FIRST, SECOND, arg=init))
    # Then
    stage.expect(answer, DONE)
    stage.expect(stage.call(canister, program(reply(slot(0)))), replies_with(b"from chunks"))
    stage.require(len(stored(stage, canister)) == 2, "the chunks are still there")
    stage.balance(canister)


@scenario(
    "Code is installed from the chunk store of another canister of the same controller",
    covers=(
        "rule.mgmt.install-chunked-code",
        "prod.install_code.install_chunked_works_from_other_canister",
        "prod.pocket_ic.test_wasm_chunk_store",
    ),
)
def from_other_store(stage: Stage) -> None:
    # Given
    store, target = stage.create(), scripted(stage)
    upload(stage, store, MODULE)
    # When
    arguments = chunked(target, MODULE, store=store, mode=management.UpgradeMode())
    # Then
    stage.expect(manage(stage, target, "install_chunked_code", arguments), DONE)
    stage.expect(stage.call(target, program(reply(b"upgraded"))), replies_with(b"upgraded"))


def _refused_installation(
    name: str, title: str, reason: RejectReason, *chunks: Blob, module: Blob = MODULE, stored_chunk: Blob = MODULE
) -> None:
    def script(stage: Stage) -> None:
        # Given
        canister = stage.create()
        upload(stage, canister, stored_chunk)
        # When
        answer = manage(stage, canister, "install_chunked_code", chunked(canister, *chunks, module=module))
        # Then
        stage.expect(answer, fails(reason))
        stage.require(status_of(stage, canister).module_hash is None, "nothing is installed")

    script.__name__ = name
    scenario(title, covers=("rule.mgmt.install-chunked-code", "error.wasm-chunk-store"))(script)


_refused_installation(
    "missing_chunk",
    "Code is not installed from a chunk that is not in the store",
    RejectReason.CHUNK_NOT_FOUND,
    FIRST,
)
_refused_installation(
    "other_hash",
    "Code is not installed from chunks that do not make the module with the hash given",
    RejectReason.MODULE_HASH_MISMATCH,
    MODULE,
    module=b"another module",
)
_refused_installation(
    "too_many_chunks",
    "A module has at most a hundred chunks",
    RejectReason.INVALID_ARGUMENT,
    *([MODULE] * 101),
)
_refused_installation(
    "no_module_in_chunks",
    "Chunks that make no module are refused like any bad module",
    RejectReason.INVALID_MODULE,
    b"no module",
    module=b"no module",
    stored_chunk=b"no module",
)


@scenario(
    "Who does not control the store cannot install from it, even into a canister of one's own",
    covers=("rule.mgmt.install-chunked-code", "error.invalid-controller"),
)
def foreign_chunks(stage: Stage) -> None:
    # Given
    store = stage.create()
    target = stage.create(settings=controlled_by(ALICE, BOB))
    upload(stage, store, MODULE)
    # When
    arguments = chunked(target, MODULE, store=store)
    answer = manage(stage, target, "install_chunked_code", arguments, sender=BOB)
    # Then
    stage.expect(answer, fails(RejectReason.NOT_AUTHORIZED))


@scenario(
    "A store canister that does not exist has no chunks",
    covers=("rule.mgmt.install-chunked-code", "error.canister-not-found"),
)
def chunks_of_nobody(stage: Stage) -> None:
    # Given
    target = stage.create()
    # When
    answer = manage(stage, target, "install_chunked_code", chunked(target, MODULE, store=NOBODY))
    # Then
    stage.expect(answer, fails(RejectReason.CANISTER_NOT_FOUND))


@scenario(
    "A canister installs code into one that it controls from its own chunk store",
    covers=(
        "rule.mgmt.install-chunked-code",
        "mgmt.install-chunked-code",
        "prod.install_code.install_chunked_succeeds_from_store_canister",
    ),
)
def installer_with_own_store(stage: Stage) -> None:
    # Given
    installer = scripted(stage)
    target = stage.create(settings=controlled_by(installer))
    stage.call(installer, asking("upload_chunk", management.UploadChunkArguments(installer, MODULE)))
    # When
    answer = stage.call(installer, asking("install_chunked_code", chunked(target, MODULE, store=installer)))
    # Then
    stage.expect(answer, DONE)
    stage.expect(stage.call(target, program(reply(b"runs"))), replies_with(b"runs"))

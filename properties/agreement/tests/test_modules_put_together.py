"""What it costs to put a module together from chunks: by rounds both engines charge it, as production does."""

import hashlib

import pytest
import wasmtime

from properties.agreement.rounds import RoundLockstep
from properties.agreement.stage import ALICE, Stage
from spec.production.rounds import Batch, Ingress
from spec.state.request import Replied, Request
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, MethodName
from spec.values.quantities import NANOSECONDS_PER_SECOND, Count, Cycles

MODULE = bytes(wasmtime.wat2wasm('(module (memory 1) (func (export "canister_update go")))'))


def pieces(count: Count) -> list[Blob]:
    """The module in so many chunks, far shorter than chunks may be."""
    length = -(-len(MODULE) // count)
    return [MODULE[start : start + length] for start in range(0, len(MODULE), length)]


def in_chunks(canister_id: CanisterId, chunks: list[Blob]) -> management.InstallChunkedCodeArguments:
    """An installation of the module from chunks that are stored."""
    hashes = List(tuple(hashlib.sha256(chunk).digest() for chunk in chunks))
    whole = hashlib.sha256(MODULE).digest()
    return management.InstallChunkedCodeArguments(management.InstallMode(), canister_id, whole, None, hashes)


def charged(
    stage: Stage, canister_id: CanisterId, method: MethodName, arguments: management.ManagementArguments
) -> Cycles:
    """What both engines' rounds charge a canister for a management call."""
    rounds, before = RoundLockstep(stage.lockstep), stage.canister(canister_id).balance
    time = stage.state.system_time + NANOSECONDS_PER_SECOND
    expiry, argument = time + 100 * NANOSECONDS_PER_SECOND, management.encode_arguments(arguments)
    request = Request(b"", expiry, ALICE, MANAGEMENT_CANISTER, method, argument)
    rounds.round(Batch(time, (Ingress(request, canister_id),)))
    (answered,) = (known.status for _, known in rounds.state.requests.items() if known.request == request)
    assert isinstance(answered, Replied)
    return before - rounds.state.canisters[canister_id].balance


@pytest.mark.parametrize("count", [1, 2])
def test_a_module_costs_an_instruction_more_for_each_byte_that_its_chunks_may_have(count: Count) -> None:
    chunks, stage = pieces(count), Stage()
    canister_id = stage.create()
    for chunk in chunks:
        stage.manage("upload_chunk", management.UploadChunkArguments(canister_id, chunk))
    whole = Stage()
    other = whole.create()
    install = management.InstallCodeArguments(management.InstallMode(), other, MODULE)
    at_once = charged(whole, other, "install_code", install)
    from_chunks = charged(stage, canister_id, "install_chunked_code", in_chunks(canister_id, chunks))
    assert len(chunks) == count
    assert from_chunks - at_once == count * 1_048_576


def test_by_single_transitions_nothing_is_charged_for_it() -> None:
    """The text says of no price; it is paid for by a transition of its own, which rounds take."""
    stage = Stage()
    one, other = stage.create(), stage.create()
    for chunk in pieces(2):
        stage.manage("upload_chunk", management.UploadChunkArguments(other, chunk))
    before = stage.canister(one).balance, stage.canister(other).balance
    stage.install(one, MODULE)
    assert isinstance(stage.manage("install_chunked_code", in_chunks(other, pieces(2))), Replied)
    after = stage.canister(one).balance, stage.canister(other).balance
    assert before[0] - after[0] == before[1] - after[1] > 0

"""Chunks are uploaded, listed, put together and removed."""

import pytest
from attrs import evolve

from spec.rules.tests.services import answer, rejection, reply_of, sha256
from spec.rules.tests.worlds import PROFILE, RICH, STRANGER, SUBNET, USER, A, B, asked, canister, fire, managing
from spec.state.canister import Empty
from spec.transition import Burned, BurnReason
from spec.values import management
from spec.values.containers import List, Map
from spec.values.identifiers import Principal
from spec.values.rejects import RejectReason, Reply

PRICE = 200_000_000
ONE, TWO = b"one", b"two"
STORE = Map.of([(sha256(ONE), ONE), (sha256(TWO), TWO)])
FULL = Map.of((sha256(b"%d" % number), b"%d" % number) for number in range(PROFILE.limits.chunk_store))
MEBIBYTE = 2**20


def uploading(chunk=ONE, caller=USER, **changes):
    arguments = management.UploadChunkArguments(A, chunk)
    return managing((A, canister(A, **changes)), call=asked(arguments, "upload_chunk", caller))


def about_chunks(method_name, caller=USER, **changes):
    arguments = management.CanisterIdArguments(A)
    return managing((A, canister(A, **changes)), call=asked(arguments, method_name, caller))


@pytest.mark.checklist(
    "rule.mgmt.upload-chunk",
    "mgmt.upload-chunk",
    "unspec.const.chunk-store-size",
    "prod.canister_manager.upload_chunk_charges_canister_cycles",
)
@pytest.mark.parametrize("caller", [USER, A])
def test_a_chunk_is_stored_under_its_hash_and_paid_for(caller):
    before = uploading(caller=caller)
    fired = fire(before, "upload_chunk", message_id=0)
    after = fired.state.canisters[A]
    assert after == evolve(canister(A, after.code), chunk_store=Map.of([(sha256(ONE), ONE)]), balance=RICH - PRICE)
    assert fired.burned == (Burned(PRICE, BurnReason.EXECUTION),)
    response, refunded = answer(fired.state)
    assert (response, refunded) == (Reply(management.encode_result("upload_chunk", sha256(ONE))), 1_000_000)


@pytest.mark.checklist("rule.mgmt.upload-chunk", "inv.chunk-store-bounded")
def test_a_full_store_takes_only_chunks_that_it_has():
    assert rejection(uploading(b"new", chunk_store=FULL)) is RejectReason.CHUNK_STORE_FULL
    assert fire(uploading(b"0", chunk_store=FULL), "upload_chunk", message_id=0).state.canisters[A].chunk_store == FULL


@pytest.mark.checklist("rule.mgmt.upload-chunk", "mgmt.upload-chunk", "error.wasm-chunk-store")
@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (uploading(bytes(MEBIBYTE + 1)), RejectReason.CHUNK_TOO_LARGE),
        (uploading(caller=STRANGER), RejectReason.NOT_AUTHORIZED),
        (uploading(balance=PRICE - 1), RejectReason.CANISTER_OUT_OF_CYCLES),
        (uploading(balance=10**12, freezing_threshold=2**63), RejectReason.CANISTER_OUT_OF_CYCLES),
        (
            managing(call=asked(management.UploadChunkArguments(A, ONE), "upload_chunk")),
            RejectReason.CANISTER_NOT_FOUND,
        ),
        (managing(call=asked(b"DIDL", "upload_chunk")), RejectReason.INVALID_ARGUMENT),
    ],
)
def test_an_upload_that_cannot_be_is_rejected(state, reason):
    assert rejection(state) is reason


@pytest.mark.checklist("rule.mgmt.upload-chunk")
def test_the_largest_chunk_is_stored():
    assert fire(uploading(bytes(MEBIBYTE)), "upload_chunk", message_id=0)


@pytest.mark.checklist("rule.mgmt.clear-chunk-store", "mgmt.clear-chunk-store")
def test_clearing_removes_all_chunks():
    after = fire(about_chunks("clear_chunk_store", A, chunk_store=STORE), "clear_chunk_store", message_id=0).state
    assert after.canisters[A].chunk_store == Map()
    assert answer(after) == (Reply(management.EMPTY_RESULT), 1_000_000)
    assert rejection(about_chunks("clear_chunk_store", STRANGER)) is RejectReason.NOT_AUTHORIZED


@pytest.mark.checklist(
    "rule.mgmt.stored-chunks", "mgmt.stored-chunks", "unspec.order.sets", "prod.canister_manager.stored_chunks_works"
)
def test_the_hashes_of_all_chunks_are_listed():
    after = fire(about_chunks("stored_chunks", chunk_store=STORE), "stored_chunks", message_id=0).state
    assert management.decode_result("stored_chunks", reply_of(after)) == List(tuple(sorted((sha256(ONE), sha256(TWO)))))
    for store in (Map(), Map.of([(sha256(ONE), ONE)])):
        after = fire(about_chunks("stored_chunks", chunk_store=store), "stored_chunks", message_id=0).state
        assert management.decode_result("stored_chunks", reply_of(after)) == List(tuple(store.keys()))
    assert rejection(about_chunks("stored_chunks", STRANGER)) is RejectReason.NOT_AUTHORIZED


def assembling(store_id=B, hashes=(ONE, TWO, ONE), whole=ONE + TWO + ONE, caller=USER, store=None, **changes):
    arguments = management.InstallChunkedCodeArguments(
        management.InstallMode(), A, sha256(whole), store_id, List(tuple(map(sha256, hashes))), b"arg", 4
    )
    holder = canister(B, chunk_store=STORE) if store is None else store
    return managing(
        (A, canister(A, Empty(), **changes)), (B, holder), call=asked(arguments, "install_chunked_code", caller)
    )


@pytest.mark.checklist("rule.mgmt.install-chunked-code", "mgmt.install-chunked-code")
def test_chunks_become_a_call_to_install_code_at_the_same_place():
    before = assembling()
    after = fire(before, "install_chunked_code", message_id=0).state
    call = after.messages[0]
    assert call == evolve(before.messages[0], method_name="install_code", argument=call.argument)
    assert management.decode_arguments("install_code", call.argument) == management.InstallCodeArguments(
        management.InstallMode(), A, ONE + TWO + ONE, b"arg", 4
    )


@pytest.mark.checklist("rule.mgmt.install-chunked-code")
def test_without_a_store_the_chunks_are_those_of_the_target():
    state = assembling(None, chunk_store=STORE)
    assert fire(state, "install_chunked_code", message_id=0).state.messages[0].method_name == "install_code"
    assert rejection(assembling(None)) is RejectReason.CHUNK_NOT_FOUND


@pytest.mark.checklist(
    "rule.mgmt.install-chunked-code",
    "mgmt.install-chunked-code",
    "error.wasm-chunk-store",
    "unspec.const.max-chunks-in-large-wasm",
)
@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (assembling(caller=STRANGER), RejectReason.NOT_AUTHORIZED),
        (assembling(store=canister(B, chunk_store=STORE, controllers=List())), RejectReason.NOT_AUTHORIZED),
        (assembling(Principal(b"\x09\x01\x01")), RejectReason.CANISTER_NOT_FOUND),
        (
            assembling(store=canister(B, chunk_store=STORE, subnet=evolve(SUBNET, subnet_id=Principal(b"other")))),
            RejectReason.DIFFERENT_SUBNETS,
        ),
        (assembling(hashes=(ONE,) * 101), RejectReason.INVALID_ARGUMENT),
        (assembling(hashes=(b"three",)), RejectReason.CHUNK_NOT_FOUND),
        (assembling(whole=b"other"), RejectReason.MODULE_HASH_MISMATCH),
    ],
)
def test_chunks_that_do_not_fit_are_rejected(state, reason):
    assert rejection(state) is reason


@pytest.mark.checklist(
    "rule.mgmt.install-chunked-code", "prod.install_code.install_chunked_succeeds_from_store_canister"
)
def test_a_store_that_controls_the_target_may_install_its_own_chunks():
    state = assembling(caller=B, store=canister(B, chunk_store=STORE, controllers=List()), controllers=List.of(B))
    assert fire(state, "install_chunked_code", message_id=0)

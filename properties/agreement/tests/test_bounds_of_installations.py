"""How much code may be installed, and how much it may do: both engines draw the same line."""

import hashlib

import pytest
import wasmtime
from attrs import evolve

from properties.agreement.stage import Stage
from properties.agreement.tests.books import Books
from spec.profile import load_profile
from spec.rules.modules import module_or_defect
from spec.state.request import Rejected, Replied
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import Blob
from spec.values.management import InstallMode, UpgradeMode
from spec.values.rejects import RejectReason

PROFILE = load_profile()
MIB = 2**20


def binary(text: str) -> Blob:
    """A module."""
    return bytes(wasmtime.wat2wasm(f"(module {text})"))


@pytest.mark.checklist("prod.canister_manager.install_code_respects_instruction_limit")
def test_an_installation_may_use_its_last_instruction_and_none_more() -> None:
    hooks = """(func $idle (drop (i32.const 1)) (drop (i32.const 2)))
        (export "canister_init" (func $idle)) (export "canister_post_upgrade" (func $idle))"""
    module = binary(hooks)
    stage = Stage()
    canister = stage.create()
    books = Books(stage, canister)
    assert isinstance(stage.install(canister, module), Replied)
    compiling = module_or_defect(PROFILE, module).instructions_to_compile  # type: ignore[union-attr]
    whole = books.spent(canister) - 5_000_000
    assert whole > compiling

    def installed(limit: int, mode: management.CanisterInstallMode) -> bool:
        """The installation succeeds with so many instructions, after one that had enough."""
        limits = evolve(PROFILE.limits, install_code_instructions=limit)
        stage = Stage(evolve(PROFILE, limits=limits))
        canister = stage.create()
        if isinstance(mode, UpgradeMode):
            assert isinstance(stage.install(canister, binary("")), Replied)
        status = stage.install(canister, module, mode)
        if isinstance(status, Rejected):
            assert status.reject.reason is RejectReason.INSTRUCTION_LIMIT_EXCEEDED
        return isinstance(status, Replied)

    for mode in (InstallMode(), UpgradeMode()):
        assert installed(whole, mode)
        assert not installed(whole - 1, mode)
        assert not installed(compiling + 3, mode)


@pytest.mark.checklist("prod.pocket_ic.install_very_large_wasm")
def test_a_module_of_five_megabytes_is_installed_by_chunks_and_works() -> None:
    size = 5_000_000
    content = "a" * (size - 1) + "z"
    module = binary(f"""(import "ic0" "msg_reply" (func $reply))
        (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
        (memory 80) (data (i32.const 0) "{content}")
        (func (export "canister_update last") (call $append (i32.const {size - 2}) (i32.const 2)) (call $reply))""")
    assert len(module) > size
    stage = Stage()
    canister = stage.create()
    chunks = [module[offset : offset + MIB] for offset in range(0, len(module), MIB)]
    for chunk in chunks:
        assert isinstance(stage.manage("upload_chunk", management.UploadChunkArguments(canister, chunk)), Replied)
    hashes = tuple(hashlib.sha256(chunk).digest() for chunk in chunks)
    arguments = management.InstallChunkedCodeArguments(
        InstallMode(), canister, hashlib.sha256(module).digest(), chunk_hashes_list=List(hashes)
    )
    assert isinstance(stage.manage("install_chunked_code", arguments), Replied)
    assert stage.call(canister, "last", b"") == Replied(b"az")

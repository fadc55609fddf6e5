"""Compiled modules are kept from one process to the next, and no file is used that somebody else may have written."""

import threading
from pathlib import Path

import pytest
import wasmtime
from attrs import evolve

from reference_impl.wasm.running import kept_modules, module
from reference_impl.wasm.running.module import WasmtimeModule, load_module
from reference_impl.wasm.tests.conftest import USER
from spec.canister.environment import Caller
from spec.canister.outcome import Returned
from spec.profile import load_profile
from spec.tooling import kept_files
from spec.tooling.tests.spoiling import SPOILING

PROFILE = load_profile()


def large(word: int) -> bytes:
    """A module that is worth keeping; it writes a word."""
    return bytes(
        wasmtime.wat2wasm(f"""(module (memory 1) (func {"nop " * kept_modules.SMALLEST_KEPT})
            (func (export "canister_update go") (i32.store (i32.const 0) (i32.const {word}))))""")
    )


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which modules are kept, empty; no module is in memory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(kept_files.SWITCH, raising=False)
    monkeypatch.setattr(module, "_cache", type(module._cache)())
    return tmp_path / kept_modules.FOLDER


def loaded(raw: bytes, **limits: int) -> WasmtimeModule:
    """The module as another process would load it."""
    module._cache.clear()
    found = load_module(raw, evolve(PROFILE, limits=evolve(PROFILE.limits, **limits)))
    assert isinstance(found, WasmtimeModule)
    return found


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the modules that are compiled."""
    sizes: list[int] = []
    compile_module = kept_modules.compile_module

    def watched(binary: bytes, is_hard: bool) -> wasmtime.Module:
        sizes.append(len(binary))
        return compile_module(binary, is_hard)

    monkeypatch.setattr(kept_modules, "compile_module", watched)
    return sizes


def test_a_module_is_compiled_once_and_is_the_same_afterwards(files, compilations, environment):
    first, second = loaded(large(7)), loaded(large(7))
    assert len(compilations) == 1
    assert second.compiled.instrumented == first.compiled.instrumented
    outcomes = [
        one.update("go", one.initial_state(b"self"), b"", Caller(USER), None, environment, 0) for one in (first, second)
    ]
    assert isinstance(outcomes[0], Returned)
    assert outcomes[0] == outcomes[1]
    assert outcomes[1].new_state.wasm_memory.read(0, 1) == b"\x07"


def test_other_modules_and_other_bounds_have_files_of_their_own(files, compilations):
    loaded(large(7))
    loaded(large(8))
    loaded(large(7), function_complexity=999_999)
    assert len(compilations) == len(list(files.iterdir())) == 3


def test_small_modules_are_not_kept(files):
    loaded(bytes(wasmtime.wat2wasm("(module)")))
    assert not files.exists() or not list(files.iterdir())


def test_nothing_is_kept_if_that_is_switched_off(files, compilations, monkeypatch):
    monkeypatch.setenv(kept_files.SWITCH, kept_files.OFF)
    loaded(large(7))
    loaded(large(7))
    assert len(compilations) == 2
    assert not files.exists()


@pytest.mark.parametrize("spoil", SPOILING)
def test_a_file_that_is_spoiled_or_not_safe_is_not_used(files, compilations, spoil):
    loaded(large(7))
    (path,) = files.iterdir()
    spoil(path)
    loaded(large(7))
    assert len(compilations) == 2


def test_whoever_writes_at_the_same_time_leaves_a_whole_file(files, compilations):
    instrumented = loaded(large(7)).compiled.instrumented
    bounds = loaded(large(7)).compiled.bounds
    writers = [threading.Thread(target=kept_modules.compiled, args=(b"one", bounds, instrumented)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    found = kept_modules.kept(b"one", bounds)
    assert found is not None
    assert found[0] == instrumented
    assert len(list(files.iterdir())) == 2


def test_the_oldest_files_make_room(files, monkeypatch):
    monkeypatch.setattr(kept_modules, "MOST_FILES", 2)
    for word in range(3):
        loaded(large(word))
    assert len(list(files.iterdir())) == 2

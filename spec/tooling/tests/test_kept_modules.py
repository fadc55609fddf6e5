"""Modules that were accepted are remembered, and no file is used that somebody else may have written."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import wasmtime
from attrs import evolve

from spec.canister.module import MalformedModule
from spec.profile import load_profile
from spec.system_api import accepted_modules, requirements
from spec.system_api.requirements import DecodedModule, decode_module
from spec.tooling import kept_files, kept_modules
from spec.tooling.kept_modules import OnDisk
from spec.tooling.tests.spoiling import SPOILING
from spec.wasm.binary import decode
from spec.wasm.syntax import LaterFunction

PROFILE = load_profile()

ENOUGH = 300
"""Bytes of a module that are worth it in these tests."""


def large(word: int, more: str = "") -> bytes:
    """A module that is worth remembering."""
    return bytes(
        wasmtime.wat2wasm(f"""(module (memory 1) (func {"nop " * ENOUGH}) {more}
            (func (export "canister_update go") (local i64) (i32.store (i32.const 0) (i32.const {word}))))""")
    )


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which modules are remembered; nothing is remembered elsewhere."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(kept_files.SWITCH, raising=False)
    monkeypatch.setattr(accepted_modules, "_registers", [OnDisk()])
    monkeypatch.setattr(kept_modules, "SMALLEST_KEPT", ENOUGH)
    return tmp_path / kept_modules.FOLDER


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The sizes of the modules that are checked in full."""
    found: list[int] = []
    check = requirements.first_violation

    def watched(module: object, limits: object) -> str | None:
        found.append(len(module.functions))
        return check(module, limits)

    monkeypatch.setattr(requirements, "first_violation", watched)
    decode.cache_clear()
    yield found
    decode.cache_clear()


def decoded(raw: bytes, **limits: int) -> DecodedModule:
    """The module as another process would decode it."""
    decode.cache_clear()
    found = decode_module(raw, evolve(PROFILE, limits=evolve(PROFILE.limits, **limits)))
    assert isinstance(found, DecodedModule)
    return found


def test_a_module_is_checked_once_and_is_the_same_afterwards(files, checks):
    first, second = decoded(large(7)), decoded(large(7))
    assert len(checks) == 1
    assert all(isinstance(one, LaterFunction) for one in second.module.functions)
    for before, after in zip(first.module.functions, second.module.functions, strict=True):
        assert (before.type_index, before.local_groups, before.body) == (
            after.type_index,
            after.local_groups,
            after.body,
        )
    assert second.known is not None
    assert second.known.instructions_to_compile == requirements.instructions_to_compile(first.module)
    assert evolve(second, module=first.module, known=None) == first


def test_functions_are_not_decoded_before_they_are_asked_for(files, checks):
    decoded(large(7))
    function = decoded(large(7)).module.functions[0]
    with pytest.raises(AttributeError):
        object.__getattribute__(function, "body")
    assert len(function.body) == ENOUGH + 1
    assert object.__getattribute__(function, "body") is function.body


def test_other_modules_and_other_limits_are_checked(files, checks):
    decoded(large(7))
    decoded(large(8))
    decoded(large(7), function_complexity=999_999)
    assert len(checks) == len(list(files.iterdir())) == 3


def test_a_module_that_is_refused_is_not_remembered(files, checks):
    refused = large(7, "(table 1 funcref) (func (drop (table.grow 0 (ref.null func) (i32.const 1))))")
    for _ in range(2):
        decode.cache_clear()
        assert isinstance(decode_module(refused, PROFILE), MalformedModule)
    assert len(checks) == 2
    assert not list(files.iterdir())


def test_small_modules_are_not_remembered(files, checks):
    decoded(bytes(wasmtime.wat2wasm("(module)")))
    assert not files.exists()


def test_nothing_is_remembered_if_that_is_switched_off(files, checks, monkeypatch):
    monkeypatch.setenv(kept_files.SWITCH, kept_files.OFF)
    decoded(large(7))
    decoded(large(7))
    assert len(checks) == 2
    assert not files.exists()


def test_another_text_of_the_specification_has_other_files(files, checks, monkeypatch):
    decoded(large(7))
    monkeypatch.setattr(kept_modules, "_text", lambda: b"another text")
    decoded(large(7))
    assert len(checks) == len(list(files.iterdir())) == 2


def too_long(path: Path) -> None:
    path.write_bytes(path.read_bytes() + bytes(kept_modules.LONGEST_FILE))


@pytest.mark.parametrize("spoil", [*SPOILING, too_long])
def test_a_file_that_is_spoiled_or_not_safe_is_not_used(files, checks, spoil: Callable[[Path], None]):
    decoded(large(7))
    (path,) = files.iterdir()
    spoil(path)
    decoded(large(7))
    assert len(checks) == 2


def test_the_oldest_files_make_room(files, checks, monkeypatch):
    monkeypatch.setattr(kept_modules, "MOST_FILES", 2)
    for word in range(3):
        decoded(large(word))
    assert len(list(files.iterdir())) == 2


def test_without_a_register_nothing_is_remembered(files, checks, monkeypatch):
    monkeypatch.setattr(accepted_modules, "_registers", [accepted_modules.NothingKnown()])
    decoded(large(7))
    decoded(large(7))
    assert len(checks) == 2
    assert not files.exists()

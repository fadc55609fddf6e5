"""`icspec count` tells what an execution is charged, on both engines."""

import gzip
import json
from pathlib import Path

import pytest
import wasmtime

from properties.commands import count as command_count
from properties.commands.count import AGREED, DIFFERENT, USAGE_ERROR, main
from reference_impl.wasm.running.count import Count
from spec.profile import load_profile
from spec.system_api.requirements import decode_module

GOLDEN = Path(__file__).parents[2] / "docs" / "facts" / "golden_counts.json"

LOOP = """
    (module (memory 1) (global $g (mut i32) (i32.const 0))
      (start $prepare)
      (func $prepare (global.set $g (i32.const 3)))
      (func (export "canister_update go")
        (loop $again
          (i32.store (i32.const 0) (global.get $g))
          (global.set $g (i32.sub (global.get $g) (i32.const 1)))
          (br_if $again (global.get $g))))
      (func (export "canister_update trap") unreachable)
      (func (export "takes") (param i32)))
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "loop.wat"
    path.write_text(LOOP)
    return path


def counts(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, dict[str, object]]:
    code = main([*map(str, arguments), "--json"])
    printed = capsys.readouterr()
    assert code == AGREED, printed
    found: dict[str, dict[str, object]] = json.loads(printed.out)
    return found


def golden_programs() -> list[dict[str, object]]:
    return json.loads(GOLDEN.read_text())["programs"]


@pytest.mark.parametrize("program", golden_programs(), ids=lambda program: program["id"])
def test_a_golden_program_has_its_count_on_both_engines(program, capsys, tmp_path: Path) -> None:
    path = tmp_path / "golden.wat"
    path.write_text(program["wat"])
    if "v128" in program["wat"]:
        decoded = decode_module(bytes(wasmtime.wat2wasm(program["wat"])), load_profile())
        if "SIMD" in getattr(decoded, "because", ""):
            pytest.skip(f"the specification does not decode it yet: {decoded.because}")
    limit = program.get("instruction_limit", load_profile().limits.message_instructions)
    found = counts(capsys, path, "--call", program["run"], "--limit", limit)
    total = program.get("heap", {}).get("count_with_older_page_rule", program["count"])
    for engine in ("spec", "reference"):
        assert found[engine]["outcome"] == program["outcome"]
        assert found[engine]["instructions"] == program["count"]
        assert found[engine]["accounted"] == program.get("accounted", total)


def test_the_golden_programs_are_there() -> None:
    assert len(golden_programs()) >= 43


def test_the_start_function_has_run_and_is_not_counted(module: Path, capsys) -> None:
    found = counts(capsys, module, "--call", "canister_update go")
    # The function costs 1, each of three turns 14; and a page is changed.
    expected = {"instructions": 43, "page_charge": 1000, "accounted": 1043, "outcome": "returns"}
    assert found["spec"].items() >= expected.items()
    assert found["reference"].items() >= expected.items()


def test_a_compressed_module_counts_like_a_plain_one(module: Path, capsys, tmp_path: Path) -> None:
    compressed = tmp_path / "loop.wasm"
    compressed.write_bytes(gzip.compress(wasmtime.wat2wasm(LOOP)))
    expected = counts(capsys, module, "--call", "canister_update go")
    assert counts(capsys, compressed, "--call", "canister_update go") == expected


@pytest.mark.parametrize("engine", ["spec", "reference"])
def test_one_engine_may_be_asked_alone(module: Path, capsys, engine: str) -> None:
    found = counts(capsys, module, "--call", "canister_update trap", "--engine", engine)
    assert list(found) == [engine]
    assert found[engine]["outcome"] == "traps"


def test_a_limit_ends_the_execution_on_both_engines(module: Path, capsys) -> None:
    found = counts(capsys, module, "--call", "canister_update go", "--limit", 5)
    assert {one["outcome"] for one in found.values()} == {"out_of_instructions"}
    assert {one["accounted"] for one in found.values()} == {5}


def test_engines_that_disagree_are_an_error(module: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(command_count.COUNTERS, "reference", lambda *_: Count(1, 0, 1, "returns", ""))
    assert main([str(module), "--call", "canister_update go"]) == DIFFERENT
    assert "the engines disagree" in capsys.readouterr().err


def test_a_module_that_only_one_engine_refuses_is_an_error(module: Path, capsys, monkeypatch) -> None:
    def refuse(*_: object) -> Count:
        raise command_count.reference.CountError("no")

    monkeypatch.setitem(command_count.COUNTERS, "reference", refuse)
    assert main([str(module), "--call", "canister_update go"]) == DIFFERENT
    assert "only the engine 'reference' refuses: no" in capsys.readouterr().err


def refusal(capsys, *arguments: object) -> str:
    assert main([*map(str, arguments)]) == USAGE_ERROR
    printed = capsys.readouterr()
    assert not printed.out
    assert printed.err.startswith("icspec count: ")
    assert printed.err.count("\n") == 1
    return printed.err


def test_bad_input_is_told_in_one_line(module: Path, capsys, tmp_path: Path) -> None:
    assert "no function 'go'" in refusal(capsys, module, "--call", "go")
    assert "has parameters or results" in refusal(capsys, module, "--call", "takes")
    assert "No such file" in refusal(capsys, tmp_path / "missing.wasm", "--call", "go")
    assert "Is a directory" in refusal(capsys, tmp_path, "--call", "go")
    assert "no such profile" in refusal(capsys, module, "--call", "go", "--profile", "nowhere")
    broken = tmp_path / "broken.wat"
    broken.write_text("(module\n  (func (foo)))")
    assert "broken.wat: line 2, column 10" in refusal(capsys, broken, "--call", "go")
    broken.write_bytes(b"\xff\xfe")
    assert "neither a WebAssembly binary nor text" in refusal(capsys, broken, "--call", "go")
    cut = tmp_path / "cut.wasm"
    cut.write_bytes(wasmtime.wat2wasm(LOOP)[:-3])
    assert "cut.wasm: " in refusal(capsys, cut, "--call", "go")
    cut.write_bytes(b"not a module")
    assert "neither a WebAssembly binary nor a gzip stream" in refusal(capsys, cut, "--call", "go")
    never = tmp_path / "never.wat"
    never.write_text('(module (start $s) (func $s unreachable) (func (export "canister_update go")))')
    assert "the start function does not return" in refusal(capsys, never, "--call", "canister_update go")

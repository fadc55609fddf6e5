"""`icspec count` tells what an execution is charged, on both engines."""

import gzip
import json
from pathlib import Path

import pytest
import wasmtime

from properties.commands import count as command_count
from properties.commands.count import AGREED, DIFFERENT, TRAPPED, USAGE_ERROR, main
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
    found: dict[str, dict[str, object]] = json.loads(printed.out)
    returns = {one["outcome"] for one in found.values()} == {"returns"}
    assert code == (AGREED if returns else TRAPPED), printed
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


COUNTER = Path(__file__).parents[2] / "conformance" / "canisters" / "motoko" / "counter.wasm"


def test_a_call_has_an_argument_a_caller_and_cycles_after_the_installation(capsys) -> None:
    """What `set` is charged in a canister that was installed, when it runs there."""
    given = (
        "--init",
        "()",
        "--call",
        "canister_update set",
        "--arg",
        "(41)",
        "--caller",
        "aaaaa-aa",
        "--cycles",
        1_000,
    )
    found = counts(capsys, COUNTER, *given)
    assert {(one["outcome"], one["accounted"]) for one in found.values()} == {("returns", 21_717)}


def test_what_a_call_is_given_is_seen_by_both_engines(capsys, tmp_path: Path) -> None:
    path = tmp_path / "given.wat"
    path.write_text(
        """(module (import "ic0" "msg_arg_data_size" (func $size (result i32)))
          (import "ic0" "msg_caller_size" (func $caller (result i32)))
          (import "ic0" "msg_cycles_available" (func $cycles (result i64)))
          (global $ready (mut i32) (i32.const 0))
          (func (export "canister_init") (global.set $ready (call $size)))
          (func (export "canister_update go")
            (if (i32.ne (global.get $ready) (i32.const 7)) (then unreachable))
            (if (i32.ne (call $size) (i32.const 10)) (then unreachable))
            (if (i32.ne (call $caller) (i32.const 0)) (then unreachable))
            (if (i64.ne (call $cycles) (i64.const 5)) (then unreachable))))"""
    )
    given = (
        "--init",
        "(null)",
        "--arg",
        '("ab")',
        "--caller",
        "aaaaa-aa",
        "--cycles",
        5,
        "--call",
        "canister_update go",
    )
    assert {one["outcome"] for one in counts(capsys, path, *given).values()} == {"returns"}


def test_a_call_that_does_not_return_is_told_and_has_an_exit_code_of_its_own(module: Path, capsys) -> None:
    assert main([str(module), "--call", "canister_update trap"]) == TRAPPED
    assert capsys.readouterr().err == "icspec count: canister_update trap: traps: no count of a call that returns\n"


def test_what_makes_no_sense_about_a_call_is_told_in_one_line(capsys) -> None:
    assert "there are: canister_global_timer, canister_init" in refusal(capsys, COUNTER, "--call", "canister_update no")
    assert "--arg (-1): -1 is no nat" in refusal(capsys, COUNTER, "--call", "canister_update set", "--arg", "(-1)")
    assert "--init (5): there are 1 values, not 0" in refusal(
        capsys, COUNTER, "--call", "canister_init", "--init", "(5)"
    )


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

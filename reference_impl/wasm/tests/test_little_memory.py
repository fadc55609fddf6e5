"""Where the machine has too little memory for the engine, this is an error in one line, and no outcome."""

import subprocess
import sys

import pytest
import wasmtime

from reference_impl.wasm.instances.wasmtime_engine import in_what_memory_there_is, require_memory

resource = pytest.importorskip("resource")

GIBIBYTE = 2**30
LITTLE = f"import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (3 * {GIBIBYTE}, 3 * {GIBIBYTE}))"
MODULE = '(module (memory 1) (func (export "canister_update go")))'

GROWING = """(module (memory 1) (func (export "canister_update go")
    (i32.store (i32.const 0) (memory.grow (i32.const 65535)))
    (if (i32.eq (i32.load (i32.const 0)) (i32.const -1)) (then unreachable))))"""


def with_little_memory(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `icspec` with three gibibytes of addresses."""
    code = f"{LITTLE}; from spec.tooling.command_line import main; sys.exit(main({list(arguments)!r}))"
    return subprocess.run([sys.executable, "-c", code], input="", capture_output=True, text=True, check=False)


def test_with_enough_memory_nothing_is_said():
    require_memory()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere addresses are not bounded")
@pytest.mark.parametrize("verb", ["stdio", "count"])
def test_too_little_memory_is_told_in_one_line(verb, tmp_path):
    module = tmp_path / "module.wat"
    module.write_text(MODULE)
    ended = with_little_memory(verb, *([str(module), "--call", "canister_update go"] if verb == "count" else []))
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"icspec {verb}: this machine has too little memory for the WebAssembly engine: ")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere addresses are not bounded")
def test_a_heap_for_which_the_machine_has_no_room_is_told_in_one_line_and_gives_no_outcome(tmp_path):
    """The result of `memory.grow` never depends on the machine."""
    module = tmp_path / "grow.wat"
    module.write_text(GROWING)
    ended = with_little_memory("count", str(module), "--call", "canister_update go", "--engine", "spec")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.splitlines() == ["icspec count: this machine has no room for a memory of 65536 pages"]


def test_other_problems_of_the_engine_stay_what_they_are():
    with pytest.raises(wasmtime.WasmtimeError), in_what_memory_there_is():
        wasmtime.wat2wasm("(module (memory -1))")

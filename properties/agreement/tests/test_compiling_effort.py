"""Modules that are made to be hard to compile are compiled in bounded time, and do the same on both engines."""

import time

import pytest
import wasmtime

from conformance.canisters.library import MOTOKO, load
from properties.agreement.modules import load_pair, running_canister
from properties.bench.kernels import KERNELS, large
from reference_impl.wasm.running.module import WasmtimeModule, load_module
from spec.canister.outcome import Returned, Trapped
from spec.profile import load_profile

PROFILE = load_profile()
ENVIRONMENT = running_canister(PROFILE)
SECONDS = 15
"""Of the processor; several times of what it takes. Optimized, the first of the programs takes over a minute."""


def lines(text: str, number: int) -> str:
    """The text with each number for `N`."""
    return "\n".join(text.replace("N", str(index)) for index in range(number))


LOAD = "(i32.load offset=0 (i32.const N))"
STORED = lines("(i32.store offset=8 (i32.const N) (local.get N))", 500)
ADDED = "(local.set N (i32.add (local.get N) (i32.const 1)))"

HARD = {
    "values across a call": f"""{lines(LOAD, 60_000)} call $leaf
        {"i32.add " * 59_999} local.set 0 (i32.store (i32.const 0) (i32.add (local.get 0) (i32.const 1)))""",
    "locals that change in nested loops": f"""{"loop " * 500} {lines(ADDED, 500)}
        {lines(f"(br_if 0 {LOAD}) end", 500)} {STORED}""",
    "locals that change before branches to one place": f"""(block
        {lines(f"{ADDED} (br_if 0 {LOAD})", 1_300)}) {STORED}""",
    "locals that change where a table branches to": f"""{"block " * 500} {LOAD.replace("N", "0")}
        br_table {" ".join(map(str, range(500)))} {lines(f"end {ADDED}", 500)} {STORED}""",
    "a long sum of constants": f"""(i32.const 0) {LOAD.replace("N", "1")}
        {lines("i32.const N i32.add", 120_000)} i32.store""",
}


def module(body: str, end: str = "") -> bytes:
    return bytes(
        wasmtime.wat2wasm(
            f"""(module (memory 2) (func $leaf)
            (func (export "canister_update go") (local {"i32 " * 1_300}) {body} {end}))"""
        )
    )


@pytest.mark.parametrize("kind", HARD)
def test_a_hard_module_is_compiled_in_bounded_time_and_runs_alike(kind: str) -> None:
    raw = module(HARD[kind])
    start = time.process_time()
    reference = load_module(raw, PROFILE)
    assert isinstance(reference, WasmtimeModule)
    assert time.process_time() - start < SECONDS
    assert reference.compiled.instrumented.is_hard_to_compile
    pair = load_pair(raw, PROFILE)
    assert pair is not None
    outcome = pair.update("go", pair.initial_state(), ENVIRONMENT)
    assert isinstance(outcome, Returned)
    assert outcome.new_state != pair.initial_state()


def test_a_hard_module_that_traps_is_compiled_in_bounded_time_again() -> None:
    pair = load_pair(module(HARD["locals that change in nested loops"], "(drop (i32.load (i32.const -1)))"), PROFILE)
    assert pair is not None
    start = time.process_time()
    assert isinstance(pair.update("go", pair.initial_state(), ENVIRONMENT), Trapped)
    assert time.process_time() - start < SECONDS
    assert pair.reference.compiled.exact


USUAL = {
    **{name: bytes(wasmtime.wat2wasm(text)) for name, text in KERNELS.items()},
    "many functions": bytes(wasmtime.wat2wasm(large(1_000))),
    **{name: load(name) for name in MOTOKO},
}


@pytest.mark.parametrize("name", USUAL)
def test_usual_modules_are_optimized(name: str) -> None:
    reference = load_module(USUAL[name], PROFILE)
    assert isinstance(reference, WasmtimeModule)
    assert not reference.compiled.instrumented.is_hard_to_compile

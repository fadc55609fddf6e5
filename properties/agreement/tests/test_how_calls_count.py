"""What functions call, and how deep calls nest, is charged and ends alike on both engines."""

import pytest
import wasmtime
from attrs import evolve

from properties.agreement.modules import load_pair, running_canister
from spec.canister.outcome import Outcome, Returned, SystemRecord, TrapCause, Trapped
from spec.profile import load_profile

PROFILE = load_profile()
ENVIRONMENT = running_canister(PROFILE)
DEPTH = PROFILE.limits.call_stack_depth
LIMITS = (*range(12, 200, 11), 10**9)
"""Limits of instructions with which each module runs."""

HEAD = """(import "ic0" "performance_counter" (func $now (param i32) (result i64)))
    (memory 1) (global $seen (mut i64) (i64.const 0))"""
SEE = "(func $see (global.set $seen (i64.add (i64.mul (global.get $seen) (i64.const 31)) (call $now (i32.const 0)))))"
"""Mixes the counter into a global."""

MANY = " ".join("i32" for _ in range(998))
ZEROES = " ".join("(i32.const 0)" for _ in range(998))

MODULES = {
    "an imported function instead of returning": f"""{HEAD} {SEE}
        (func $last (param i32) (result i64) (return_call $now (i32.const 0)))
        (func (export "canister_update go") (global.set $seen (call $last (i32.const 5))) call $see)""",
    "functions instead of returning, many times": f"""{HEAD} {SEE} (table 2 funcref) (elem (i32.const 0) $even $odd)
        (func $even (param i32) (result i32) (call $see)
          (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
          (return_call $odd (i32.sub (local.get 0) (i32.const 1))))
        (func $odd (param i32) (result i32)
          (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
          (return_call_indirect (param i32) (result i32) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0)))
        (func (export "canister_update go")
          (i32.store (i32.const 8) (call $even (i32.const {2 * DEPTH})))
          (i32.store (i32.const 12) (call_indirect (param i32) (result i32) (i32.const 7) (i32.const 1))))""",
    "a function of which only the export is told": f"""{HEAD} {SEE}
        (func $other (export "canister_update other") call $see)
        (func (export "canister_update go")
          (if (i32.eqz (ref.is_null (ref.func $other))) (then call $other)) call $see)""",
    "imported functions through a table": f"""{HEAD} {SEE} (table 2 funcref) (elem (i32.const 0) $now $own)
        (func $own (param i32) (result i64) (call $see) (i64.extend_i32_u (local.get 0)))
        (func $through (param i32) (result i64)
          (call_indirect (param i32) (result i64) (i32.const 0) (local.get 0)))
        (func (export "canister_update go")
          (i64.store (i32.const 8) (i64.add (call $through (i32.const 0)) (call $through (i32.const 1)))))""",
    "several calls in a row, and charges by size between them": f"""{HEAD} {SEE}
        (func $three (result i32 i64 i32) (i32.const 3) (i64.const 4) (call $see) (i32.const 5))
        (func (export "canister_update go") (local i32 i64 i32)
          call $three local.set 2 local.set 1 local.set 0
          (memory.fill (i32.const 8) (local.get 2) (i32.wrap_i64 (local.get 1)))
          (call $see) (call $see) (memory.copy (i32.const 64) (i32.const 8) (local.get 0)) (call $see)
          (global.set $seen (i64.add (global.get $seen) (call $now (i32.const 0)))))""",
    "as many parameters as leave room": f"""{HEAD} {SEE}
        (func $many (param {MANY}) (result i32) (local i64) (call $see) (local.get 997))
        (func (export "canister_update go") (i32.store (i32.const 8) (call $many {ZEROES})))""",
    "more parameters": f"""{HEAD} {SEE}
        (func $many (param {MANY} i32 i32) (result i32) (local i64) (call $see) (local.get 999))
        (func (export "canister_update go")
          (i32.store (i32.const 8) (call $many {ZEROES} (i32.const 1) (i32.const 2))))""",
    "as many locals as may be": f"""{HEAD} {SEE}
        (func $many (local {"i32 " * 50_000}) (local.set 49999 (i32.const 7)) (call $see)
          (i32.store (i32.const 8) (local.get 49999)))
        (func (export "canister_update go") (call $many) (call $see))""",
}

DEEP = {
    "call": "(call $down (i32.sub (local.get 0) (i32.const 1)))",
    "call_indirect": "(call_indirect (param i32) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))",
    "one call after another": """(call $down (i32.const 0))
        (call_indirect (param i32) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))""",
}


def outcomes(text: str, limits: tuple[int, ...]) -> list[Outcome]:
    """What comes of the module, the same on both engines, with each limit."""
    pair = load_pair(bytes(wasmtime.wat2wasm(f"(module {text})")), PROFILE)
    assert pair is not None
    state = pair.initial_state()
    return [pair.update("go", state, evolve(ENVIRONMENT, instruction_limit=limit)) for limit in limits]


@pytest.mark.parametrize("name", MODULES)
def test_calls_are_charged_alike(name: str) -> None:
    ends = {type(one) for one in outcomes(MODULES[name], LIMITS)}
    assert ends == {Returned, Trapped}


@pytest.mark.parametrize("has_imports", [False, True], ids=["no import in the table", "an import in the table"])
@pytest.mark.parametrize("kind", DEEP)
def test_calls_that_nest_too_deep_end_alike(kind: str, has_imports: bool) -> None:
    imported = "(elem (i32.const 1) $now)" if has_imports else ""
    text = f"""{HEAD} (table 2 funcref) (elem (i32.const 0) $down) {imported}
        (func $down (param i32) (if (local.get 0) (then {DEEP[kind]})))
        (func (export "canister_update go") (call $down (i32.const TURNS)))"""
    fits, too_deep = (outcomes(text.replace("TURNS", str(DEPTH + more)), (10**9,))[0] for more in (-2, -1))
    assert isinstance(fits, Returned)
    assert isinstance(too_deep, Trapped)
    assert too_deep.logs == (SystemRecord(None, TrapCause.STACK_OVERFLOW),)


def test_unreachable_in_the_deepest_call_is_told_as_such() -> None:
    text = f"""{HEAD} (func $down (param i32)
          (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1)))) (else (unreachable))))
        (func (export "canister_update go") (call $down (i32.const {DEPTH - 2})))"""
    [trapped] = outcomes(text, (10**9,))
    assert isinstance(trapped, Trapped)
    assert trapped.logs == (SystemRecord(None, TrapCause.UNREACHABLE),)

"""`count_export` gives the golden counts."""

import json
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from spec.profile import Profile, load_profile
from spec.system_api.count import CannotCount, Count, count_export

PROFILE = load_profile()
LIMIT = PROFILE.limits.message_instructions


def compiled(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


NEEDS_SIMD = {"simd_mul"}
"""Programs with vector instructions; they count once the interpreter has those."""


def programs() -> list[Any]:
    path = Path(__file__).parents[3] / "docs" / "facts" / "golden_counts.json"
    found: list[Any] = json.loads(path.read_text(encoding="utf-8"))["programs"]
    return found


@pytest.mark.parametrize("profile", [PROFILE, load_profile("production-2026-08")], ids=lambda profile: profile.name)
def test_the_golden_counts_hold(profile: Profile) -> None:
    """Also for newer production, of which the rule for pages is not in its profile."""
    refused = set()
    for program in programs():
        limit = program.get("instruction_limit", LIMIT)
        try:
            counted = count_export(compiled(program["wat"]), program["run"], limit, profile)
        except CannotCount as problem:
            assert "SIMD" in str(problem), program["id"]
            refused.add(program["id"])
            continue
        assert (counted.outcome, counted.instructions) == (program["outcome"], program["count"]), program["id"]
        if "heap" in program:
            total = program["heap"].get("count_with_older_page_rule", program["count"])
            assert counted.instructions + counted.page_charge == total, program["id"]
        expected = program.get("accounted", counted.instructions + counted.page_charge)
        assert counted.accounted == expected, program["id"]
    assert refused <= NEEDS_SIMD


def test_what_newer_production_counts_for_pages_is_not_predicted() -> None:
    """Golden programs of which the facts tell both counts. Errata: pages-of-newer-production."""
    newer = load_profile("production-2026-08")
    given = [program for program in programs() if "count_with_newer_page_rule" in program.get("heap", {})]
    assert len(given) == 5
    for program in given:
        counted = count_export(compiled(program["wat"]), program["run"], LIMIT, newer)
        assert counted.accounted != program["heap"]["count_with_newer_page_rule"]["value"], program["id"]


STABLE = """(module
    (import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))
    (import "ic0" "stable64_write" (func $write (param i64 i64 i64)))
    (import "ic0" "stable64_read" (func $read (param i64 i64 i64)))
    (memory 1) (global $g (mut i32) (i32.const 0))
    (func (export "canister_update go")
      (drop (call $grow (i64.const 1)))
      (i32.store (i32.const 0) (i32.const 5)) (i32.store (i32.const 8) (i32.const 6))
      (call $write (i64.const 0) (i64.const 0) (i64.const 1)) (call $write (i64.const 4096) (i64.const 0) (i64.const 1))
      (call $read (i64.const 8) (i64.const 0) (i64.const 1))
      (global.set $g (i32.load (i32.const 0)))))"""


def test_a_message_that_overshoots_with_its_heap_pages_succeeds() -> None:
    assert count_export(compiled(STABLE), "canister_update go", LIMIT, PROFILE).accounted == 3205
    counted = count_export(compiled(STABLE), "canister_update go", 3204, PROFILE)
    assert counted == Count(205, 3000, 3204, "returns", "")


def test_a_store_is_counted_with_its_page() -> None:
    raw = bytes(
        wasmtime.wat2wasm("""
        (module (memory i64 1) (func (export "canister_update go") (i64.store (i64.const 0) (i64.const 1))))""")
    )
    assert count_export(raw, "canister_update go", LIMIT, PROFILE) == Count(5, 4000, 4005, "returns", "")


def test_an_aborted_execution_is_not_charged_for_pages_of_the_heap() -> None:
    raw = compiled("""
        (module (memory 1)
          (func (export "canister_update go") (i32.store (i32.const 0) (i32.const 1)) (loop (br 0))))""")
    counted = count_export(raw, "canister_update go", 100, PROFILE)
    assert (counted.page_charge, counted.accounted, counted.outcome) == (0, 100, "out_of_instructions")


def test_what_cannot_be_counted_is_told() -> None:
    raw = compiled('(module (func (export "f") (param i32)))')
    for module, export in ((b"", "f"), (raw, "canister_update go"), (raw, "f")):
        with pytest.raises(CannotCount):
            count_export(module, export, LIMIT, PROFILE)

"""Instructions are counted as the facts say."""

import json
from pathlib import Path

import pytest
import wasmtime

from reference_impl.wasm.layout.parsed_module import parse
from reference_impl.wasm.rewriting.instruction_table import (
    OPCODES,
    weights_of_bulk,
    weights_of_bytes,
    weights_of_vectors,
)
from reference_impl.wasm.rewriting.lexer import instructions, number_after_prefix


def in_update(body, before=""):
    return f'(module {before} (func (export "canister_update go") {body}))'


@pytest.mark.checklist("seed1.instrumentation", "seed2.instruction-weights")
def test_all_golden_programs_have_their_counts(facts: Path, count, profile) -> None:
    programs = json.loads((facts / "golden_counts.json").read_text())["programs"]
    assert len(programs) > 40
    for program in programs:
        limit = program.get("instruction_limit", profile.limits.message_instructions)
        found = count(program["wat"], limit, program["run"])
        total = program.get("heap", {}).get("count_with_older_page_rule", program["count"])
        expected = (program["outcome"], program["count"], program.get("accounted", total))
        assert (found.outcome, found.instructions, found.accounted) == expected, program["id"]


def immediates_of(name: str) -> str:
    """Immediates that the text format needs after an instruction."""
    if name in (
        "br",
        "br_if",
        "br_table",
        "call",
        "return_call",
        "data.drop",
        "elem.drop",
        "memory.init",
        "table.init",
    ):
        return "0"
    if name.startswith(("local.", "global.", "table.g", "table.s", "table.f")) or name == "ref.func":
        return "0"
    if name == "table.copy":
        return "0 0"
    if name in ("call_indirect", "return_call_indirect"):
        return "(type 0)"
    if name == "ref.null":
        return "func"
    if name == "v128.const":
        return "i32x4 1 2 3 4"
    if name == "i8x16.shuffle":
        return " ".join(map(str, range(16)))
    if name.endswith(".const"):
        return "3"
    if "_lane" in name:
        return "0"
    return ""


@pytest.mark.checklist("seed2.instruction-weights")
@pytest.mark.parametrize("width", ["wasm32", "wasm64"])
def test_every_instruction_has_its_weight(facts: Path, width: str) -> None:
    weights = json.loads((facts / "instruction_weights.json").read_text())["weights"]
    plain, bulk = weights_of_bytes(width == "wasm64"), weights_of_bulk(width == "wasm64")
    vectors = weights_of_vectors(width == "wasm64")
    assert len(weights) > 400
    for name, expected in weights.items():
        if name in ("else", "end", "select (result t)"):
            continue
        closing = "end" if name in ("block", "loop", "if") else ""
        text = (
            "(module (type (func)) (memory 1) (table 1 funcref) (global i32 (i32.const 0)) (elem func) (data)"
            f" (func (local i32) {name} {immediates_of(name)} {closing}))"
        )
        body = parse(bytes(wasmtime.wat2wasm(text))).bodies[0]
        first, *rest = instructions(body[3:])
        assert len(rest) == (2 if closing else 1), name
        by_number = {0xFC: bulk, 0xFD: vectors}.get(first[0])
        weight = by_number[number_after_prefix(first)] if by_number else plain[first[0]]
        assert weight == expected[width], name


def test_every_one_byte_instruction_has_a_name() -> None:
    valid = {
        *range(6),
        *range(0x0B, 0x14),
        *range(0x1A, 0x1D),
        *range(0x20, 0x27),
        *range(0x28, 0xC5),
        *range(0xD0, 0xD3),
    }
    assert set(OPCODES.values()) == valid


def test_long_forms_of_numbers_and_long_branch_tables_are_cut_alike() -> None:
    labels = b"\x00" * 301
    table = b"\x0e\xac\x02" + labels
    code = (
        b"\x41\x80\x00"
        + table
        + b"\xfc\x8b\x80\x00\x80\x00"
        + b"\xfd\x8c\x00"
        + bytes(16)
        + b"\x1c\x81\x00\x7f"
        + b"\x0b"
    )
    found = instructions(code)
    assert found == [b"\x41\x80\x00", table, b"\xfc\x0b\x80\x00", b"\xfd\x0c" + bytes(16), b"\x1c\x81\x00\x7f", b"\x0b"]


def test_a_segment_runs_on_across_calls_and_blocks(count) -> None:
    # 1 + 5 + 0 + 1 + 1, and 1 for the callee.
    found = count(in_update("call $f block nop end nop", "(func $f)"))
    assert found.instructions == 1 + 5 + 1 + 1 + 1


def test_a_trap_in_the_middle_leaves_the_whole_segment_charged(count) -> None:
    found = count(in_update("i32.const 1 i32.const 0 i32.div_u drop nop nop nop"))
    assert (found.outcome, found.instructions) == ("traps", 1 + 1 + 1 + 10 + 1 + 3)


def test_a_bulk_operation_at_the_start_of_a_segment_is_noticed_before_the_segment(count) -> None:
    # The size lies on the stack when the loop starts a segment with memory.fill.
    body = "i32.const 0 i32.const 0 i32.const 50 loop (param i32 i32 i32) memory.fill end"
    before = "(memory 1)"
    whole = count(in_update(body, before))
    assert whole.instructions == 1 + 3 + 100 + 50
    # The dynamic charge fits, then the checked segment does not.
    assert count(in_update(body, before), 4 + 60).outcome == "out_of_instructions"
    unchecked = (
        "i32.const 0 i32.const 0 i32.const 50 i32.const 1 if (param i32 i32 i32) memory.fill else drop drop drop end"
    )
    # The segment after `if` is not checked: a negative counter stays unnoticed if only the segment overdraws.
    assert count(in_update(unchecked, before), 7 + 50).outcome == "returns"
    assert count(in_update(unchecked, before), 7 + 49).outcome == "out_of_instructions"


def test_the_limit_is_noticed_at_functions_and_loops_only(count) -> None:
    body = in_update("nop nop nop")
    assert count(body, 4).outcome == "returns"
    found = count(body, 3)
    assert (found.outcome, found.instructions, found.accounted) == ("out_of_instructions", 4, 3)
    unchecked = in_update("i32.const 1 if nop nop nop end")
    found = count(unchecked, 4)
    assert (found.outcome, found.instructions, found.accounted) == ("returns", 7, 4)


def test_a_size_with_its_top_bit_set_runs_out(count, profile) -> None:
    body = in_update("i64.const 0 i32.const 0 i64.const -1 memory.fill", "(memory i64 1)")
    assert count(body).outcome == "overruns_slice"
    assert count(body, profile.rounds.slice_instructions).outcome == "out_of_instructions"
    body = in_update("i32.const 0 i32.const 0 i32.const -1 memory.fill", "(memory 1)")
    found = count(body)
    assert (found.outcome, found.instructions) == ("overruns_slice", 104 + 2**32 - 1)


@pytest.mark.checklist("error.slice-overrun")
def test_a_bulk_operation_is_as_large_as_two_slices_less_what_was_used(count, profile) -> None:
    used, one_slice = 104, profile.rounds.slice_instructions
    text = in_update("i32.const 0 i32.const 0 i32.const %d memory.fill", "(memory 1)")
    largest = 2 * one_slice - used - 1
    found = [count(text % size) for size in (largest, largest + 1)]
    assert [one.outcome for one in found] == ["traps", "overruns_slice"]
    assert [one.instructions for one in found] == [2 * one_slice - 1, 2 * one_slice]


@pytest.mark.parametrize(("memory", "charge", "access"), [("(memory 1)", 1000, 1), ("(memory i64 1)", 4000, 2)])
def test_changed_heap_pages_are_charged_by_the_width_of_the_memory(count, memory, charge, access) -> None:
    pointer = "i64" if "i64" in memory else "i32"
    store = f"{pointer}.const %d i32.const 7 i32.store"
    found = count(in_update(store % 0 + " " + store % 8192 + " " + store % 8196, memory))
    assert (found.instructions, found.page_charge) == (1 + 3 * (2 + access), 2 * charge)


def test_a_trap_pays_for_changed_pages_and_a_query_does_not(count) -> None:
    body = "i32.const 0 i32.const 7 i32.store unreachable"
    assert count(in_update(body, "(memory 1)")).page_charge == 1000
    query = '(module (memory 1) (func (export "canister_query q") i32.const 0 i32.const 7 i32.store))'
    assert count(query, export="canister_query q").page_charge == 0


def test_newly_written_stable_pages_are_charged_once(count) -> None:
    imports = (
        '(import "ic0" "stable64_grow" (func $grow (param i64) (result i64)))'
        '(import "ic0" "stable64_write" (func $write (param i64 i64 i64)))(memory 1)'
    )
    write = "i64.const %d i64.const 0 i64.const 10 call $write "
    found = count(in_update("i64.const 1 call $grow drop " + write % 4090 + write % 0, imports))
    static = 1 + 1 + 5 + 1 + 2 * 8
    assert (found.instructions, found.page_charge) == (static + 100 + 2 * 30, 2000)


def test_calls_nest_as_deep_as_the_profile_says(count, profile) -> None:
    depth = profile.limits.call_stack_depth
    text = """(module (func $f (param i32) local.get 0 if local.get 0 i32.const 1 i32.sub call $f end)
        (func (export "canister_update go") i32.const %d call $f))"""
    assert count(text % (depth - 2)).outcome == "returns"
    assert count(text % (depth - 1)).outcome == "traps"


def test_tail_calls_do_not_nest(count) -> None:
    text = """(module (func $f (param i32) local.get 0 if local.get 0 i32.const 1 i32.sub return_call $f end)
        (func (export "canister_update go") i32.const 100000 call $f))"""
    assert count(text).outcome == "returns"


def test_debug_print_is_charged_by_the_log_capacity(count) -> None:
    text = """(module (import "ic0" "debug_print" (func $p (param i32 i32))) (memory 1)
        (func (export "canister_update go") i32.const 0 i32.const %d call $p))"""
    found = [count(text % size).instructions for size in (0, 1, 10, 100, 1000, 10000)]
    assert found == [108, 160, 628, 5308, 52108, 213100]


def test_what_compilation_counts_is_as_the_facts_say(load) -> None:
    module = load(
        "(module (memory 1) (global (mut i32) (i32.const 0)) (func i32.const 1 memory.grow drop) (func loop end))"
    )
    original = 4 + 3
    checked, helpers, global_part = 3 * 10, 66, 2 * 4
    assert module.instructions_to_compile == 20_000_000 + 6000 * (original + checked + 3 + helpers + global_part)


def test_a_system_function_is_not_charged_if_the_limit_is_overdrawn_already(count) -> None:
    text = """(module (import "ic0" "msg_reply" (func $reply))
        (func (export "canister_update go") i32.const 1 if nop nop call $reply end))"""
    found = count(text, 10)
    assert (found.outcome, found.instructions, found.accounted) == ("out_of_instructions", 1 + 3 + 2 + 5, 10)

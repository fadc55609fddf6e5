"""What executions are charged. The figures in the cases are derived by hand from the weights and rules."""

import json

import pytest
import wasmtime

from spec.wasm.binary import decode
from spec.wasm.execute import Instance, OutOfInstructions, Trap, instantiate
from spec.wasm.metering import (
    LOWEST_COUNTER,
    WEIGHTS,
    Segment,
    accounted,
    after_dynamic_charge,
    after_segment,
    overruns_slice,
    segments,
    weight,
)
from spec.wasm.opcodes import OPCODES
from spec.wasm.syntax import ExternalKind
from spec.wasm.traps import SliceOverrun
from spec.wasm.validate import validate

LIMIT = 40_000_000_000

PROGRAMS = {
    "an empty function costs 1": ("(module (func (export {go})))", "returns", 1),
    "globals weigh 2": (
        "(module (global $x (mut i64) (i64.const 3)) (func (export {go})"
        " global.get $x i64.const 5 i64.mul global.set $x))",
        "returns",
        1 + 2 + 1 + 1 + 2,
    ),
    "the weight of unreachable belongs to the segment it closes": (
        "(module (func (export {go}) nop unreachable nop nop))",
        "unreachable",
        1 + 1 + 1,
    ),
    "a trap in the middle of a segment gives nothing back": (
        "(module (func (export {go}) i32.const 1 i32.const 0 i32.div_u drop nop nop nop))",
        "integer divide by zero",
        1 + 1 + 1 + 10 + 1 + 3,
    ),
    "a trap in a callee leaves the rest of the caller's segment charged": (
        "(module (func $f unreachable) (func (export {go}) call $f nop nop))",
        "unreachable",
        (1 + 5 + 2) + (1 + 1),
    ),
    "only the part of an if that is taken is charged": (
        "(module (func (export {go}) (local i32) i32.const 1 if nop else nop nop nop end nop))",
        "returns",
        (1 + 1 + 2) + 1 + 1,
    ),
    "the else part is charged when the condition is zero": (
        "(module (func (export {go}) (local i32) i32.const 0 if nop else nop nop nop end nop))",
        "returns",
        (1 + 1 + 2) + 3 + 1,
    ),
    "an if without else skips its body": (
        "(module (func (export {go}) i32.const 0 if nop nop nop end nop nop))",
        "returns",
        (1 + 1 + 2) + 2,
    ),
    "br 1 passes over the code behind the inner end": (
        "(module (func (export {go}) block block i32.const 3 drop br 1 nop nop end nop end nop))",
        "returns",
        (1 + 1 + 1 + 2) + 1,
    ),
    "br 0 charges what stands behind the inner end": (
        "(module (func (export {go}) block block i32.const 3 drop br 0 nop nop end nop nop nop end nop))",
        "returns",
        (1 + 1 + 1 + 2) + 3 + 1,
    ),
    "br_if that is not taken charges the rest of the block": (
        "(module (func (export {go}) block i32.const 0 br_if 0 nop nop end nop))",
        "returns",
        (1 + 1 + 2) + 2 + 1,
    ),
    "br_table takes the default beyond its list": (
        "(module (func (export {go}) block block block i32.const 7 br_table 0 1 2"
        " end nop nop nop br 1 end nop nop end nop))",
        "returns",
        (1 + 1 + 2) + 1,
    ),
    "br_table takes the first label for zero": (
        "(module (func (export {go}) block block block i32.const 0 br_table 0 1 2"
        " end nop nop nop br 1 end nop nop end nop))",
        "returns",
        (1 + 1 + 2) + (3 + 2) + 1,
    ),
    "a loop is charged at every pass": (
        "(module (func (export {go}) (local i32) i32.const 4 local.set 0"
        " loop local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0 end))",
        "returns",
        (1 + 1 + 1) + 4 * (4 + 2),
    ),
    "a loop in a loop charges the inner one at its own start": (
        "(module (func (export {go}) (local i32) loop nop loop local.get 0 i32.const 1 i32.add local.tee 0"
        " i32.const 3 i32.lt_u br_if 0 end end))",
        "returns",
        1 + 1 + 3 * (6 + 2),
    ),
    "recursion is charged at every entry": (
        "(module (func $f (param i32) (result i32) local.get 0 i32.eqz"
        " if (result i32) i32.const 1 else local.get 0 local.get 0 i32.const 1 i32.sub call $f i32.mul end)"
        " (func (export {go}) i32.const 5 call $f drop))",
        "returns",
        (1 + 1 + 5 + 1) + 5 * ((1 + 1 + 1 + 2) + (1 + 1 + 1 + 1 + 5 + 1)) + ((1 + 1 + 1 + 2) + 1),
    ),
    "a tail call weighs 3 and closes its segment": (
        "(module (func $f nop) (func (export {go}) return_call $f nop nop))",
        "returns",
        (1 + 3) + (1 + 1),
    ),
    "an indirect tail call weighs 60": (
        "(module (type $t (func)) (table 1 funcref) (elem (i32.const 0) $g) (func $g (type $t))"
        " (func (export {go}) i32.const 0 return_call_indirect (type $t)))",
        "returns",
        (1 + 1 + 60) + 1,
    ),
    "return ends the function and its segment": (
        "(module (func (export {go}) nop return nop nop))",
        "returns",
        1 + 1 + 1,
    ),
    "filling is charged by the byte": (
        "(module (memory 1) (func (export {go}) i32.const 0 i32.const 7 i32.const 1000 memory.fill))",
        "returns",
        (1 + 3 + 100) + 1000,
    ),
    "filling is charged before the bounds are checked": (
        "(module (memory 1) (func (export {go}) i32.const 0 i32.const 1 i32.const 70000 memory.fill))",
        "out of bounds memory access",
        (1 + 3 + 100) + 70000,
    ),
    "copying is charged before the bounds are checked": (
        "(module (memory i64 1) (func (export {go}) i64.const 65536 i64.const 0 i64.const 1 memory.copy nop))",
        "out of bounds memory access",
        (1 + 3 + 100 + 1) + 1,
    ),
    "initialising is charged by the byte": (
        '(module (memory 1) (data "abcdef") (func (export {go})'
        " i32.const 9 i32.const 1 i32.const 3 memory.init 0 data.drop 0))",
        "returns",
        (1 + 3 + 100 + 300) + 3,
    ),
    "tables are charged by the element": (
        "(module (table 9 funcref) (func (export {go}) i32.const 0 ref.null func i32.const 8 table.fill 0))",
        "returns",
        (1 + 3 + 100) + 8,
    ),
    "memory accesses weigh 2 with a 64-bit memory": (
        "(module (memory i64 1) (func (export {go}) i64.const 0 i64.const 0 i64.load i64.store))",
        "returns",
        1 + 1 + 1 + 2 + 2,
    ),
    "growing has no charge by the page": (
        "(module (memory 1) (func (export {go}) i32.const 2 memory.grow drop memory.size drop))",
        "returns",
        1 + 1 + 300 + 1 + 20 + 1,
    ),
    "references have weights of their own": (
        "(module (table 1 funcref) (elem (i32.const 0) $h) (func $h) (func (export {go})"
        " ref.func $h drop ref.null func ref.is_null drop i32.const 0 table.get 0 drop table.size 0 drop))",
        "returns",
        1 + 130 + 1 + 1 + 5 + 1 + 1 + 5 + 1 + 100 + 1,
    ),
    "a select with a type weighs 1": (
        "(module (func (export {go}) i64.const 1 i64.const 2 i32.const 0 select (result i64) drop))",
        "returns",
        1 + 3 + 1 + 1,
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_costs_what_was_derived_by_hand(name, run):
    text, ending, cost = PROGRAMS[name]
    assert run(text.replace("{go}", '"go"')) == (ending, cost)


def test_the_golden_counts_of_the_facts_are_met(facts):
    programs = json.loads((facts / "golden_counts.json").read_text())["programs"]
    checked = 0
    for program in programs:
        if "ic0" in program["wat"] or "v128" in program["wat"]:
            continue
        module = decode(bytes(wasmtime.wat2wasm(program["wat"])))
        validate(module)
        limit = program.get("limit", program.get("instruction_limit", LIMIT))
        options = {"memory": None, "globals": None, "maximum_call_depth": 1000, "maximum_memory_pages": None}
        instance = instantiate(module, {}, counter=limit, **options)
        try:
            instance.invoke(module.exported(program["run"], ExternalKind.FUNCTION), ())
            ending = "returns"
        except Trap:
            ending = "traps"
        except OutOfInstructions:
            ending = "out_of_instructions"
        assert (program["id"], ending, limit - instance.counter) == (
            program["id"],
            program["outcome"],
            program["count"],
        )
        assert instance.changed_pages() == program.get("heap", {}).get("changed_4KiB_pages", 0)
        checked += 1
    assert checked >= 37


def test_the_segments_of_the_golden_programs_are_cut_in_the_same_places(facts):
    programs = json.loads((facts / "golden_counts.json").read_text())["programs"]
    checked = 0
    for program in programs:
        if "v128" in program["wat"] or "segments_by_function" not in program:
            continue
        module = decode(bytes(wasmtime.wat2wasm(program["wat"])))
        cut = [
            [
                {"cost": segment.cost, "checked": segment.is_re_entrant}
                for segment in segments(function.body, module.has_64_bit_memory)
                if segment.is_charged
            ]
            for function in module.functions
        ]
        assert cut == program["segments_by_function"], program["id"]
        checked += 1
    assert checked >= 40


def test_the_weights_are_those_of_the_facts(facts):
    told = json.loads((facts / "instruction_weights.json").read_text())
    assert {name: (entry["wasm32"], entry["wasm64"]) for name, entry in told["weights"].items()} == WEIGHTS
    assert len(WEIGHTS) == told["count_of_entries"] == 439


def test_every_instruction_of_the_table_has_a_listed_weight():
    assert [opcode.name for opcode in OPCODES if opcode.name not in WEIGHTS] == []
    assert weight("something.unknown", True) == 1


def test_exactly_the_limit_is_enough(run):
    loop = '(module (func (export "go") (local i32) loop local.get 0 i32.const 1 i32.add local.tee 0 br 0 end))'
    assert run(loop, counter=1 + 6 * 10) == ("out of instructions", 1 + 6 * 11)
    empty = '(module (func (export "go")))'
    assert run(empty, counter=1) == ("returns", 1)
    assert run(empty, counter=0) == ("out of instructions", 1)


def test_an_overshoot_in_a_segment_without_check_succeeds_and_is_not_accounted(make):
    text = '(module (func (export "go") i32.const 1 if nop nop nop nop end nop))'
    instance = make(text, counter=4)
    instance.invoke(0, ())
    assert instance.counter == 4 - (1 + 1 + 2) - 4 - 1
    assert accounted(4, instance.counter) == 4
    assert accounted(100, 30) == 70


def test_the_start_of_a_loop_is_checked_even_if_its_segment_costs_nothing(make):
    text = '(module (func (export "go") i32.const 1 if nop nop end loop loop nop nop nop end end))'
    instance = make(text, counter=4)
    with pytest.raises(OutOfInstructions):
        instance.invoke(0, ())
    assert instance.counter == 4 - (1 + 1 + 2) - 2


def test_a_bulk_operation_is_checked_at_once(run):
    text = '(module (memory 1) (func (export "go") i32.const 0 i32.const 7 i32.const 1000 memory.fill unreachable))'
    assert run(text, counter=1104) == ("out of instructions", 105 + 1000)
    assert run(text, counter=1105) == ("unreachable", 105 + 1000)


def test_the_dynamic_charge_comes_before_the_segment_that_starts_there(make):
    """A loop that begins with a bulk operation runs out at the dynamic charge, before the loop's own charge."""
    text = """(module (memory 1) (func (export "go")
        i32.const 0 i32.const 7 i32.const 1000
        loop (param i32 i32 i32) memory.fill end))"""
    instance = make(text, counter=50)
    with pytest.raises(OutOfInstructions):
        instance.invoke(0, ())
    assert instance.counter == 50 - (1 + 3) - 1000


def test_an_absurd_size_takes_the_counter_to_the_lowest_number(make):
    text = '(module (memory i64 1) (func (export "go") i64.const 0 i32.const 7 i64.const -1 memory.fill))'
    instance = make(text)
    with pytest.raises(OutOfInstructions):
        instance.invoke(0, ())
    assert instance.counter == LOWEST_COUNTER


def test_dynamic_charges_saturate_and_segments_wrap():
    assert after_dynamic_charge(5, 7) == -2
    assert after_dynamic_charge(-5, (1 << 63) - 1) == LOWEST_COUNTER
    assert after_dynamic_charge(5, 1 << 63) == LOWEST_COUNTER
    assert after_segment(5, Segment(0, 7, False)) == -2
    assert after_segment(LOWEST_COUNTER, Segment(0, 1, False)) == (1 << 63) - 1


def test_a_system_function_is_charged_before_and_after_the_comparison_with_zero(make):
    instance = make('(module (func (export "go")))', counter=10)
    instance.charge(10)
    assert instance.counter == 0
    with pytest.raises(OutOfInstructions):
        instance.charge(1)
    assert instance.counter == -1
    with pytest.raises(OutOfInstructions):
        instance.charge(5)
    assert instance.counter == -1
    instance.counter = 10
    with pytest.raises(OutOfInstructions):
        instance.charge(1 << 63)
    assert instance.counter == 10


def test_an_imported_function_costs_the_weight_of_the_call_and_what_it_charges(run):
    def host(instance: Instance, arguments):
        instance.charge(arguments[0])
        return (7,)

    text = """(module (import "ic0" "f" (func $f (param i32) (result i32)))
        (func (export "go") i32.const 50 call $f drop))"""
    assert run(text, host={("ic0", "f"): host}) == ("returns", 1 + 1 + 5 + 1 + 50)


ONE_SLICE = 1_000

OVERRUNS = {
    # (limit, used before): the smallest charge that is too large; None if all that is too large exceeds the limit.
    (10_000, 0): 2_000,
    (10_000, 1): 1_999,
    (10_000, 1_000): 1_000,
    (10_000, 1_001): 1_999,
    (10_000, 8_999): 1_001,
    (10_000, 9_000): 1_000,
    (10_000, 9_001): None,
    (10_000, 10_001): None,
    (1_001, 0): 2_000,
    (1_000, 0): None,
    (999, 0): None,
    (0, 0): None,
}


@pytest.mark.checklist("error.slice-overrun")
@pytest.mark.parametrize(("limit", "used"), OVERRUNS)
def test_a_dynamic_charge_is_too_large_from_the_end_of_the_next_slice_on(limit, used):
    smallest = OVERRUNS[limit, used]
    for amount in (0, 1, 998, 999, 1_000, 1_001, 1_998, 1_999, 2_000, 2_001, 10_000, 1 << 64):
        expected = smallest is not None and amount >= smallest
        assert overruns_slice(limit, ONE_SLICE, limit - used, amount) is expected, amount


FILL = '(module (memory 1) (func (export "go") (param i32) i32.const 0 i32.const 7 local.get 0 memory.fill))'
FILLING = 1 + 3 + 100


@pytest.mark.checklist("error.slice-overrun")
def test_a_bulk_operation_that_is_too_large_for_slices_ends_the_execution(run, make):
    largest = 2 * ONE_SLICE - FILLING - 1
    assert run(FILL, largest, counter=10_000, one_slice=ONE_SLICE) == ("returns", 2 * ONE_SLICE - 1)
    assert run(FILL, largest + 1, counter=10_000) == ("returns", 2 * ONE_SLICE)
    instance = make(FILL, counter=10_000, one_slice=ONE_SLICE)
    with pytest.raises(SliceOverrun):
        instance.invoke(0, (largest + 1,))
    assert instance.counter == 10_000 - 2 * ONE_SLICE
    assert instance.memory.read(0, 1) == b"\0"


def test_a_charge_of_a_system_function_may_be_too_large_for_slices(make):
    instance = make('(module (func (export "go")))', counter=10_000, one_slice=ONE_SLICE)
    instance.charge(1_500)
    with pytest.raises(SliceOverrun):
        instance.charge(1_500)
    assert instance.counter == 7_000

"""What an instance takes from earlier executions and what it gives to later ones."""

import pytest
import wasmtime

from spec.values.memory import LinearMemory
from spec.wasm.binary import decode
from spec.wasm.execute import LinkError, Trap, instantiate
from spec.wasm.initial import initial_memory
from spec.wasm.syntax import FunctionType, ValueType
from spec.wasm.validate import validate

COUNTER = """
(module
  (memory 1)
  (data (i32.const 8) "abc")
  (data $passive "xyz")
  (global $fixed i32 (i32.const 5))
  (global $shown (export "shown") i64 (i64.const 6))
  (global $mutable (mut i32) (i32.const 7))
  (table 3 funcref)
  (elem (i32.const 1) $bump $other)
  (func $bump (export "bump") (param i32)
    (i32.store8 (i32.const 8) (i32.add (i32.load8_u (i32.const 8)) (local.get 0)))
    (global.set $mutable (i32.add (global.get $mutable) (local.get 0))))
  (func $other (param i64))
  (func (export "passive") i32.const 4095 i32.const 0 i32.const 3 memory.init $passive data.drop $passive)
  (func (export "clear") i32.const 0 ref.null func table.set 0 i32.const 1 ref.null func table.set 0)
  (func (export "grow") i32.const 1 memory.grow drop)
  (func (export "same") i32.const 9 i32.const 98 i32.store8)
)
"""


def test_an_instance_without_a_past_starts_with_what_the_module_says(make):
    instance = make(COUNTER)
    assert instance.memory.read(7, 5) == b"\0abc\0"
    assert instance.persistent_globals() == (6, 7)
    assert instance.linear_memory() == initial_memory(instance.module)
    assert instance.changed_pages() == 0


def test_an_instance_goes_on_where_an_earlier_one_stopped(make):
    first = make(COUNTER)
    first.invoke(0, (3,))
    second = make(COUNTER, memory=first.linear_memory(), globals=first.persistent_globals())
    assert second.memory.read(8, 3) == b"dbc"
    assert second.persistent_globals() == (6, 10)
    assert (first.changed_pages(), second.changed_pages()) == (1, 0)


def test_data_segments_are_not_applied_to_a_memory_that_is_given(make):
    instance = make(COUNTER, memory=LinearMemory(wasm_pages=2), globals=(6, 7))
    assert instance.memory.size == 2 * 65536
    assert instance.memory.read(8, 3) == bytes(3)


def test_tables_and_passive_segments_are_fresh_each_time(make):
    first = make(COUNTER)
    first.invoke(2, ())
    first.invoke(3, ())
    with pytest.raises(Trap):
        first.invoke(2, ())
    second = make(COUNTER, memory=first.linear_memory(), globals=first.persistent_globals())
    second.invoke(2, ())
    second.invoke_table_element(1, (1,))
    assert second.memory.read(4095, 3) == b"xyz"


def test_changed_pages_are_those_whose_bytes_differ(make):
    instance = make(COUNTER)
    before = instance.linear_memory()
    instance.invoke(5, ())
    assert instance.changed_pages() == 0
    instance.invoke(2, ())
    instance.invoke(4, ())
    assert instance.changed_pages() == 2
    after = instance.linear_memory()
    assert list(after.differing_pages(before)) == [0, 1]
    assert after.size == 2 * 65536
    assert before == initial_memory(instance.module)


def test_a_store_across_the_end_of_a_page_changes_both_pages(make):
    instance = make('(module (memory 1) (func (export "go") i32.const 4095 i32.const -1 i32.store))')
    instance.invoke(0, ())
    assert instance.changed_pages() == 2
    assert instance.linear_memory().read(4094, 6) == b"\0\xff\xff\xff\xff\0"


def test_active_segments_count_as_dropped(make):
    text = """(module (memory 1) (data (i32.const 0) "a") (table 1 funcref) (elem (i32.const 0) $f)
        (func $f (export "memory") i32.const 0 i32.const 0 i32.const 1 memory.init 0)
        (func (export "table") i32.const 0 i32.const 0 i32.const 1 table.init 0)
        (func (export "nothing") i32.const 0 i32.const 0 i32.const 0 memory.init 0))"""
    instance = make(text)
    instance.invoke(2, ())
    with pytest.raises(Trap, match="out of bounds memory access"):
        instance.invoke(0, ())
    with pytest.raises(Trap, match="out of bounds table access"):
        instance.invoke(1, ())


def test_bytes_that_the_embedder_writes_count_as_changed(make):
    instance = make(COUNTER)
    instance.memory.write(4096 * 3 - 1, b"12")
    assert instance.changed_pages() == 2
    with pytest.raises(Trap, match="out of bounds memory access"):
        instance.memory.read(65535, 2)
    assert instance.memory.grow(1) == 1
    assert instance.memory.read(65535, 2) == b"\0\0"


def test_the_memory_grows_up_to_the_limit_of_the_embedder(make):
    instance = make(COUNTER, maximum_memory_pages=3)
    assert [instance.memory.grow(pages) for pages in (1, 2, 1, 0, 1)] == [1, -1, 2, 3, -1]


@pytest.mark.checklist("seed2.wasm-memory-limit")
def test_a_memory_with_addresses_of_32_bits_ends_at_4_gib_whoever_embeds_it(make):
    memory = make(COUNTER, maximum_memory_pages=2**20).memory
    assert memory.maximum_pages * 65_536 == 4 * 2**30
    assert [memory.grow(65_536), memory.grow(2**20), memory.size] == [-1, -1, 65_536]


def test_a_machine_without_room_within_the_limit_is_told_and_is_no_outcome(make):
    instance = make(COUNTER, maximum_memory_pages=2**44)
    instance.memory.maximum_pages = 2**44
    with pytest.raises(MemoryError, match="no room for a memory of 17592186044416 pages"):
        instance.memory.grow(2**44 - 1)
    assert instance.memory.grow(1) == 1
    assert instance.memory.grow(2**44) == -1


def test_growing_is_reported_to_the_embedder(make):
    instance = make(COUNTER, maximum_memory_pages=2)
    seen = []
    instance.after_memory_grow = lambda before, pages: seen.append((before, pages))
    instance.invoke(4, ())
    instance.invoke(4, ())
    assert seen == [(1, 1), (-1, 1)]


def test_growing_fails_where_the_embedder_does_not_let_the_memory_grow(make):
    instance = make(COUNTER, maximum_memory_pages=9)
    seen, answers = [], iter([True, False, True])
    instance.after_memory_grow = lambda before, pages: seen.append((before, pages))
    instance.may_grow = lambda: next(answers)
    for _ in range(3):
        instance.invoke(4, ())
    assert seen == [(1, 1), (-1, 1), (2, 1)]


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        (0, "uninitialized element"),
        (2, "indirect call type mismatch"),
        (3, "undefined element"),
        (1 << 40, "undefined element"),
    ],
)
def test_a_callback_is_checked_like_an_indirect_call(make, index, reason):
    with pytest.raises(Trap, match=reason):
        make(COUNTER).invoke_table_element(index, (1,))


def test_a_callback_may_have_a_type_that_is_given(make):
    instance = make(COUNTER)
    assert instance.invoke_table_element(2, (1,), FunctionType((ValueType.I64,))) == []
    with pytest.raises(Trap, match="undefined element"):
        make("(module)").invoke_table_element(0, (1,))


def test_callbacks_of_64_bit_modules_take_64_bit_values(make):
    text = "(module (memory i64 1) (table 1 funcref) (elem (i32.const 0) $f) (func $f (param i64)))"
    assert make(text).invoke_table_element(0, (1,)) == []


def test_imports_that_are_missing_cannot_be_linked(make):
    with pytest.raises(LinkError, match=r"unknown import ic0\.nothing"):
        make('(module (import "ic0" "nothing" (func)))')
    with pytest.raises(LinkError, match="only functions can be imported"):
        make('(module (import "env" "memory" (memory 1)))')


def test_host_functions_see_the_instance_and_may_trap(make):
    def host(instance, arguments):
        assert instance.memory.read(0, 2) == b"hi"
        instance.memory.write(0, b"yo")
        if arguments[1] == 0:
            raise Trap("the host does not like this")
        return (arguments[0] - arguments[1],)

    text = """(module (import "m" "f" (func $f (param i32 i64) (result i32))) (memory 1) (data (i32.const 0) "hi")
        (func (export "go") (param i64) (result i32) i32.const 9 local.get 0 call $f i32.const 1 i32.add))"""
    instance = make(text, host={("m", "f"): host})
    assert instance.invoke(1, (4,)) == [6]
    assert instance.changed_pages() == 1
    with pytest.raises(Trap, match="does not like"):
        make(text, host={("m", "f"): host}).invoke(1, (0,))


def test_active_segments_that_do_not_fit_trap(make):
    with pytest.raises(Trap, match="out of bounds memory access"):
        make('(module (memory 1) (data (i32.const 65535) "ab"))')
    with pytest.raises(Trap, match="out of bounds table access"):
        make("(module (table 1 funcref) (elem (i32.const 1) $f) (func $f))")


def test_the_start_function_is_not_run_by_instantiation(make):
    instance = make("(module (global $g (mut i32) (i32.const 0)) (func $s i32.const 1 global.set $g) (start $s))")
    assert instance.globals == [0]
    instance.invoke(instance.module.start, ())
    assert instance.globals == [1]


def test_equal_bytes_share_their_prepared_code():
    raw = bytes(wasmtime.wat2wasm('(module (func (export "go")))'))
    module = decode(raw)
    validate(module)
    assert decode(bytes(bytearray(raw))) is module
    options = {"counter": 10, "memory": None, "globals": None, "maximum_call_depth": 5, "maximum_memory_pages": None}
    first, second = (instantiate(module, {}, **options) for _ in range(2))
    first.invoke(0, ())
    assert first.code is second.code and 0 in second.code


@pytest.mark.parametrize("address", [65_529, 65_536, 2**32 - 1, 2**63 - 8, 2**63, 2**64 - 8, 2**64 - 1])
@pytest.mark.parametrize("access", ["i64.load drop", "i64.const 1 i64.store", "v128.load drop"])
def test_no_access_reaches_beyond_the_end_of_a_memory_however_far_away_it_is(make, address, access):
    instance = make(f'(module (memory i64 1) (func (export "go") (param i64) local.get 0 {access}))')
    with pytest.raises(Trap, match="out of bounds memory access"):
        instance.invoke(0, (address,))
    instance.invoke(0, (65_520,))

"""Programs give what wasmtime gives: results, and reasons of traps."""

import pytest
import wasmtime

from spec.wasm.binary import decode
from spec.wasm.execute import Trap, instantiate
from spec.wasm.syntax import ExternalKind
from spec.wasm.validate import validate

LOADS = ("i32.load", "i32.load8_s", "i32.load8_u", "i32.load16_s", "i32.load16_u") + tuple(
    f"i64.load{suffix}" for suffix in ("", "8_s", "8_u", "16_s", "16_u", "32_s", "32_u")
)
STORES = ("i32.store", "i32.store8", "i32.store16", "i64.store", "i64.store8", "i64.store16", "i64.store32")

CONTROL = """
(module
  (type $pair (func (param i32) (result i32 i64)))
  (type $binary (func (param i32 i32) (result i32)))
  (table 5 funcref)
  (elem (i32.const 0) $add $sub $pair)
  (global $count (mut i32) (i32.const 0))
  (func $add (type $binary) local.get 0 local.get 1 i32.add)
  (func $sub (type $binary) local.get 0 local.get 1 i32.sub)
  (func $pair (type $pair) local.get 0 local.get 0 i64.extend_i32_s i64.const 3 i64.mul)
  (func (export "multiple") (param i32) (result i64) (local i64)
    local.get 0 call $pair local.set 1 i64.extend_i32_u local.get 1 i64.sub)
  (func (export "block with parameters") (param i32) (result i32)
    i32.const 100 local.get 0
    block (param i32 i32) (result i32) i32.const 5 local.get 0 i32.const 3 i32.gt_u br_if 0 drop i32.sub end)
  (func (export "branch drops") (param i32) (result i32)
    i32.const 1 i32.const 2
    block (result i32) i32.const 3 i32.const 4 i32.const 5 local.get 0 br_table 0 0 1 end
    i32.add i32.add)
  (func (export "loop with parameters") (param i32) (result i32)
    i32.const 1 loop (param i32) (result i32)
      i32.const 3 i32.mul local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0 end)
  (func (export "table") (param i32) (result i32)
    block block block block local.get 0 br_table 0 1 2 3 end i32.const 10 return end i32.const 11 return
    end i32.const 12 return end i32.const 13)
  (func (export "indirect") (param i32) (result i32) i32.const 50 i32.const 8 local.get 0 call_indirect (type $binary))
  (func (export "tail indirect") (param i32) (result i32)
    i32.const 50 i32.const 8 local.get 0 return_call_indirect (type $binary))
  (func $even (param i32) (result i32) local.get 0 i32.eqz
    if (result i32) i32.const 1 else local.get 0 i32.const 1 i32.sub return_call $odd end)
  (func $odd (param i32) (result i32) local.get 0 i32.eqz
    if (result i32) i32.const 0 else local.get 0 i32.const 1 i32.sub return_call $even end)
  (func (export "even") (param i32) (result i32) local.get 0 call $even)
  (func (export "if with parameters") (param i32) (result i32)
    i32.const 7 local.get 0 if (param i32) (result i32) i32.const 2 i32.mul else i32.const 3 i32.add end)
  (func (export "select") (param i32) (result i32) i32.const 7 i32.const 8 local.get 0 select)
  (func (export "return drops") (param i32) (result i32) i32.const 1 i32.const 2 local.get 0 return)
  (func (export "global") (param i32) (result i32)
    global.get $count local.get 0 i32.add global.set $count global.get $count)
  (func (export "unreachable code") (param i32) (result i32)
    block (result i32) local.get 0 br 0 i32.add drop if (result i32) i32.const 1 else i32.const 2 end end)
  (func (export "endless block in a block") (param i32) (result i32)
    block local.get 0 br_if 0 i32.const 4 return end i32.const 5)
)
"""

TABLES = """
(module
  (table $t 4 8 funcref) (table $u 3 funcref)
  (type $f (func (result i32)))
  (elem $passive func $one $two $three) (elem declare func $two)
  (elem (table $u) (i32.const 1) func $three)
  (func $one (result i32) i32.const 1) (func $two (result i32) i32.const 2) (func $three (result i32) i32.const 3)
  (func (export "init") (param i32 i32 i32) local.get 0 local.get 1 local.get 2 table.init $t $passive)
  (func (export "copy") (param i32 i32 i32) local.get 0 local.get 1 local.get 2 table.copy $t $t)
  (func (export "copy from u") (param i32 i32 i32) local.get 0 local.get 1 local.get 2 table.copy $t $u)
  (func (export "fill two") (param i32 i32) local.get 0 ref.func $two local.get 1 table.fill $t)
  (func (export "grow") (param i32) (result i32) ref.null func local.get 0 table.grow $t)
  (func (export "size") (result i32) table.size $t)
  (func (export "set null") (param i32) local.get 0 ref.null func table.set $t)
  (func (export "is null") (param i32) (result i32) local.get 0 table.get $t ref.is_null)
  (func (export "drop") elem.drop $passive)
  (func (export "call") (param i32) (result i32) local.get 0 call_indirect $t (type $f))
)
"""

MEMORIES = """
(module
  (memory ADDRESS 1 3)
  (data (ADDRESS.const 100) "the first segment") (data $passive "passive bytes")
  (func (export "init") (param ADDRESS i32 i32) local.get 0 local.get 1 local.get 2 memory.init $passive)
  (func (export "copy") (param ADDRESS ADDRESS ADDRESS) local.get 0 local.get 1 local.get 2 memory.copy)
  (func (export "fill") (param ADDRESS i32 ADDRESS) local.get 0 local.get 1 local.get 2 memory.fill)
  (func (export "drop") data.drop $passive)
  (func (export "grow") (param ADDRESS) (result ADDRESS) local.get 0 memory.grow)
  (func (export "size") (result ADDRESS) memory.size)
  (func (export "peek") (param ADDRESS) (result i64) local.get 0 i64.load)
  (func (export "peek far") (param ADDRESS) (result i32) local.get 0 i32.load8_u offset=65530)
)
"""


class Both:
    """One module on both engines; every call is made on both and compared."""

    def __init__(self, text: str) -> None:
        self.module = decode(bytes(wasmtime.wat2wasm(text)))
        validate(self.module)
        self.instance = instantiate(
            self.module,
            {},
            counter=1 << 62,
            memory=None,
            globals=None,
            maximum_call_depth=1000,
            maximum_memory_pages=None,
        )
        self.store = wasmtime.Store()
        self.other = wasmtime.Instance(self.store, wasmtime.Module(self.store.engine, text), [])
        self.endings: list[list[int] | str] = []

    def call(self, name: str, *arguments: int) -> list[int] | str:
        index = self.module.exported(name, ExternalKind.FUNCTION)
        widths = [int(entry.value[1:]) for entry in self.module.function_type(index).results]
        try:
            expected = self.other.exports(self.store)[name](self.store, *arguments)
            listed = [] if expected is None else expected if isinstance(expected, list) else [expected]
            expected = [entry & ((1 << width) - 1) for entry, width in zip(listed, widths, strict=True)]
        except wasmtime.Trap as trap:
            expected = trap.message
        try:
            actual = self.instance.invoke(index, arguments)
        except Trap as trap:
            assert isinstance(expected, str), (name, arguments, trap.reason, expected)
            assert trap.reason.split()[-2:] == expected.split()[-2:] or trap.reason in expected, (
                trap.reason,
                expected,
            )
            actual = trap.reason
        else:
            assert actual == expected, (name, arguments)
        self.endings.append(actual)
        return actual


def test_control_flow_and_calls():
    both = Both(CONTROL)
    names = [entry.name for entry in both.module.exports]
    for name in names:
        for argument in (0, 1, 2, 3, 4, 5, 6, 200, 0xFFFFFFFF):
            if name in ("even", "loop with parameters") and argument > 200:
                continue
            if name == "loop with parameters" and argument == 0:
                continue
            both.call(name, argument)
    assert "undefined element" in both.endings
    assert "uninitialized element" in both.endings
    assert "indirect call type mismatch" in both.endings


def test_tables():
    both = Both(TABLES)
    for name, *arguments in (
        *(("call", 0), ("init", 1, 0, 2), ("call", 1), ("call", 2), ("is null", 0), ("is null", 1), ("copy", 0, 1, 3)),
        *(("call", 0), ("copy", 1, 0, 3), ("call", 2), ("copy", 3, 0, 2), ("copy", 0, 4, 0), ("copy", 0, 5, 0)),
        *(("copy from u", 3, 1, 1), ("call", 3), ("copy from u", 0, 3, 1), ("size",), ("grow", 3), ("size",)),
        *(("grow", 2), ("grow", 0), ("fill two", 4, 3), ("call", 6), ("fill two", 6, 2), ("set null", 6)),
        *(("set null", 7), ("is null", 6), ("is null", 7), ("call", 6), ("init", 0, 2, 2), ("init", 6, 0, 2)),
        *(("drop",), ("init", 0, 0, 0), ("init", 0, 0, 1), ("call", 8), ("call", 0xFFFFFFFF)),
    ):
        both.call(name, *arguments)
    assert both.endings.count("out of bounds table access") == 9


@pytest.mark.parametrize("address", ["i32", "i64"])
def test_memories(address):
    both = Both(MEMORIES.replace("ADDRESS", address))
    minus_one = (1 << int(address[1:])) - 1
    for name, *arguments in (
        *(("peek", 100), ("peek", 109), ("peek", 65528), ("peek", 65529), ("peek", minus_one), ("peek far", 5)),
        *(("peek far", 6), ("peek far", minus_one), ("init", 200, 2, 9), ("peek", 200), ("init", 0, 13, 0)),
        *(("init", 0, 14, 0), ("init", 0, 13, 1), ("init", 65536, 0, 0), ("init", 65537, 0, 0), ("init", 65535, 0, 2)),
        *(("copy", 101, 100, 8), ("peek", 101), ("copy", 100, 102, 8), ("peek", 100), ("copy", 65535, 0, 2)),
        *(("copy", 0, 65536, 0), ("copy", 0, 65537, 0), ("fill", 65500, 0x1FF, 36), ("peek", 65500)),
        *(("fill", 65500, 1, 37), ("peek", 65500), ("size",), ("grow", 1), ("grow", 2), ("size",), ("grow", 1)),
        *(("grow", minus_one), ("size",), ("peek", 65532), ("drop",), ("init", 0, 0, 0), ("init", 0, 0, 1)),
    ):
        both.call(name, *arguments)
    assert both.endings.count("out of bounds memory access") == 12


@pytest.mark.parametrize("address", ["i32", "i64"])
def test_loads_and_stores(address):
    functions = [
        f'(func (export "{name}") (param {address}) (result {name[:3]}) local.get 0 {name} offset=3)' for name in LOADS
    ] + [
        f'(func (export "{name}") (param {address} {name[:3]}) local.get 0 local.get 1 {name} offset=3)'
        for name in STORES
    ]
    content = "".join(f"\\{byte:02x}" for byte in (0x01, 0x82, 0x7F, 0x80, 0xFF, 0x90, 0x12, 0xF4, 0x85, 0x6E, 0xC7))
    both = Both(f'(module (memory {address} 1) (data ({address}.const 3) "{content}") {" ".join(functions)})')
    for name in STORES:
        both.call(name, 40, 0x8182838485868788 & ((1 << int(name[1:3])) - 1))
        for place in (65536 - 3 - 8, 65536 - 3 - 3, 65536 - 3 - 1, 65536 - 3, 65536):
            both.call(name, place, 0xA1)
        both.call("i64.load", 40)
    for name in LOADS:
        for place in (0, 1, 2, 3, 65536 - 3 - 8, 65536 - 3 - 4, 65536 - 3 - 2, 65536 - 3 - 1, 65536 - 3):
            both.call(name, place)
    assert "out of bounds memory access" in both.endings


def test_endless_recursion_exhausts_the_call_stack(run):
    assert run('(module (func $f (export "go") call $f nop))')[0] == "call stack exhausted"
    nested = (
        '(module (func $f (param i32) local.get 0 if local.get 0 i32.const 1 i32.sub call $f end) (func (export "go")'
    )
    assert run(f"{nested} i32.const 998 call $f))", maximum_call_depth=1001)[0] == "returns"
    assert run(f"{nested} i32.const 999 call $f))", maximum_call_depth=1000)[0] == "call stack exhausted"


def test_tail_calls_do_not_use_the_call_stack(run):
    text = """(module (func $f (param i32) (result i32)
        local.get 0 i32.eqz if (result i32) i32.const 9 else local.get 0 i32.const 1 i32.sub return_call $f end)
        (func (export "go") i32.const 20000 call $f drop))"""
    assert run(text)[0] == "returns"


def test_a_branch_may_come_between_an_operand_and_the_instruction_behind_it():
    both = Both("""(module (func (export "sum") (param i32) (result i32)
      i32.const 5 (block (result i32) i32.const 1 local.get 0 br_if 0 drop i32.const 2) i32.add))""")
    assert [both.call("sum", 0), both.call("sum", 1)] == [[7], [6]]

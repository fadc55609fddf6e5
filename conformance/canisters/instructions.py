"""
The source of the instruction canister: one function for every instruction, run on operands that come as argument.

The methods `run` and `run_in_query` take two sizes of 4 bytes, that of a record and that of a result, and then records.
A record is the index of an operation (8 bytes) and its operands; each leaves a result, and the reply is the results one
after another. So thousands of instructions run in one call, each told apart by its place. An operand takes 8 bytes, or
16 in operations on vectors or memory; a result is the value (8 or 16 bytes), and for operations on memory then some
bytes of memory as they are afterwards.

Memory, in bytes: 0 .. 131072 is for operations, then come the records, and from 1245184 on the results. `build` makes
a module with 32-bit and one with 64-bit addresses of it.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Final

from attrs import frozen

from conformance.canisters.instructions_of_control import CONTROL, CONTROL_FUNCTIONS
from spec.wasm.opcodes import OPCODES
from spec.wasm.syntax import ADDRESS, Immediates, Opcode, SignatureType, ValueType

PAGES: Final = 24
"""The size of the memory at first; it can grow by two pages."""

RECORDS: Final = 131_072
RESULTS: Final = 1_245_184

TABLE_SIZE: Final = 8
"""The table of things has functions at 1, 2, 3 and 7, which give 1, 2, 3 and 5, and else null."""

SHOWN_BYTES: Final = 32
"""How many bytes of memory an operation on memory shows, from the address on that its fourth operand gives."""

PATTERN: Final = bytes.fromhex("80ff7f0001fe8142c3240566a7e8298a0b4c8dce1f5091d2133455f697b8d9fa")
"""What these bytes are before the operation."""

SEGMENT: Final = bytes(range(0xA0, 0xB0))
"""The passive data segment."""


@frozen
class Operation:
    """Something that the canister can run."""

    name: str
    opcode: str
    """The instruction that it is about."""
    operands: tuple[SignatureType, ...]
    result: SignatureType | None
    body: str
    """In the text format, with the operands on the stack."""
    shows_memory: bool = False
    """Some bytes of memory are shown afterwards."""

    @cached_property
    def is_wide(self) -> bool:
        """Its operands take 16 bytes each."""
        return self.shows_memory or ValueType.V128 in (*self.operands, self.result)


def _simple() -> Iterator[Operation]:
    """Instructions without immediates."""
    for opcode in OPCODES:
        if opcode.immediates is Immediates.NONE and opcode.parameters and opcode.results:
            yield Operation(opcode.name, opcode.name, opcode.parameters, opcode.results[0], opcode.name)


_DIVISORS: Final = (1, -1, 2, -2, 3, -3, 7, 10, 16, -16, 2**31 - 1, -(2**31))
_COUNTS: Final = (0, 1, 7, 31, 32, 33, 63, 64, 65, -1)


def _with_constants() -> Iterator[Operation]:
    """Instructions whose right operand is a constant, which compilers treat apart."""
    for kind in ("i32", "i64"):
        for names, constants in (
            (("div_s", "div_u", "rem_s", "rem_u", "mul"), _DIVISORS),
            (("shl", "shr_s", "shr_u", "rotl", "rotr"), _COUNTS),
        ):
            for name in names:
                for constant in constants:
                    opcode = f"{kind}.{name}"
                    body = f"{kind}.const {constant} {opcode}"
                    yield Operation(f"{opcode} by {constant}", opcode, (ValueType(kind),), ValueType(kind), body)


_CONSTANTS: Final = {
    "i32": ("0", "63", "64", "-64", "-65", "8191", "-8193", "0x7fffffff", "-0x80000000"),
    "i64": ("0", "63", "64", "-64", "-65", "0x7fffffff", "-0x80000001", "0x7fffffffffffffff", "-0x8000000000000000"),
    "f32": ("0x0p+0", "-0x0p+0", "0x1p-149", "0x1.fffffep+127", "-inf", "nan", "nan:0x200001", "-nan:0x7fffff"),
    "f64": ("0x0p+0", "-0x0p+0", "0x1p-1074", "0x1.fffffffffffffp+1023", "-inf", "nan", "-nan:0x4000000000001"),
    "v128": ("i64x2 0x0123456789abcdef -2",),
}


def _constants() -> Iterator[Operation]:
    for kind, values in _CONSTANTS.items():
        for value in values:
            yield Operation(f"{kind}.const {value}", f"{kind}.const", (), ValueType(kind), f"{kind}.const {value}")


_SHUFFLES: Final = (
    tuple(range(15, -1, -1)),
    tuple(range(8, 24)),
    (31, 0, 30, 1, 29, 2, 28, 3, 16, 16, 15, 15, 0, 0, 31, 31),
)


def _lanes_of(name: str) -> tuple[int, ...]:
    """The first lane, one in the middle, the last."""
    count = int(name.partition(".")[0].partition("x")[2])
    return tuple(sorted({0, count // 2, count - 1}))


def _on_lanes() -> Iterator[Operation]:
    for opcode in OPCODES:
        if opcode.immediates is Immediates.LANE:
            for lane in _lanes_of(opcode.name):
                yield _of(opcode, f"{opcode.name} {lane}")
        elif opcode.immediates is Immediates.SIXTEEN_LANES:
            for lanes in _SHUFFLES:
                yield _of(opcode, f"{opcode.name} {' '.join(map(str, lanes))}")


def _of(opcode: Opcode, text: str, shows_memory: bool = False) -> Operation:
    assert opcode.parameters is not None
    assert opcode.results is not None
    result = opcode.results[0] if opcode.results else None
    return Operation(text, opcode.name, opcode.parameters, result, text, shows_memory)


def _offsets(bits: int) -> tuple[int, ...]:
    return (0, 3, 2**32 - 1) if bits == 32 else (0, 3, 2**32 - 1, 2**64 - 1)


def _accesses(bits: int) -> Iterator[Operation]:
    """Loads and stores, with small and with the largest offsets."""
    for opcode in OPCODES:
        for offset in _offsets(bits):
            if opcode.immediates is Immediates.MEMORY_ARGUMENT:
                yield _of(opcode, f"{opcode.name} offset={offset} align=1", shows_memory=True)
            elif opcode.immediates is Immediates.MEMORY_ARGUMENT_AND_LANE:
                last = 128 // int("".join(filter(str.isdigit, opcode.name.partition(".")[2]))) - 1
                for lane in sorted({0, last}):
                    yield _of(opcode, f"{opcode.name} offset={offset} align=1 {lane}", shows_memory=True)


def _bulk() -> Iterator[Operation]:
    """Instructions on stretches of memory, and on its size."""
    i32 = ValueType.I32

    def operation(name: str, operands: tuple[SignatureType, ...], result: SignatureType | None, body: str) -> Operation:
        return Operation(name, name.partition(" ")[0], operands, result, body, shows_memory=True)

    yield operation("memory.copy", (ADDRESS, ADDRESS, ADDRESS), None, "memory.copy")
    yield operation("memory.fill", (ADDRESS, i32, ADDRESS), None, "memory.fill")
    yield operation("memory.init", (ADDRESS, i32, i32), None, "memory.init $segment")
    yield operation("memory.init after data.drop", (ADDRESS, i32, i32), None, "data.drop $segment memory.init $segment")
    yield operation("memory.init of an active segment", (ADDRESS, i32, i32), None, "memory.init $active")
    yield operation("memory.size", (), ADDRESS, "memory.size")
    yield operation("memory.grow", (ADDRESS,), ADDRESS, "memory.grow")
    yield operation("memory.grow, then memory.size", (ADDRESS,), ADDRESS, "memory.grow drop memory.size")


def _on_tables() -> Iterator[Operation]:
    """Instructions on a table of functions of which each gives a number. Those that change tables are not accepted."""
    i32 = ValueType.I32

    def operation(name: str, operands: int, body: str) -> Operation:
        return Operation(name, name.partition(" ")[0], (i32,) * operands, i32, body)

    yield operation("table.get", 1, "table.get $things ref.is_null")
    yield operation("table.size", 0, "table.size $things")
    yield operation("table.size of another table", 0, "table.size $callees")
    yield operation("call_indirect", 1, "call_indirect $things (type $thing)")
    yield operation("call_indirect of another type", 1, "call_indirect $things (result i64) i32.wrap_i64")
    yield operation("ref.func", 0, "ref.func $five ref.is_null")
    yield operation("ref.null", 0, "ref.null extern ref.is_null")
    yield operation("elem.drop", 1, "elem.drop $elements elem.drop $elements")


def operations(bits: int) -> tuple[Operation, ...]:
    """Everything that the canister with addresses of so many bits can run; an operation's place is its index."""
    control = [
        Operation(name, opcode, (ValueType.I64, ValueType.I64), ValueType.I64, f"call ${name}")
        for name, opcode in CONTROL.items()
    ]
    return (
        *_simple(),
        *_with_constants(),
        *_constants(),
        *_on_lanes(),
        *control,
        *_accesses(bits),
        *_bulk(),
        *_on_tables(),
    )


# The text


def _function(index: int, operation: Operation, address: str) -> str:
    """One operation as a function of the addresses of its operands and of its result."""
    stride = 16 if operation.is_wide else 8
    lines = [f"(func $operation_{index} (param $in {address}) (param $out {address})"]
    lines.append("(i64.store (local.get $out) (i64.const 0))")
    if operation.is_wide:
        lines.append("(i64.store offset=8 (local.get $out) (i64.const 0))")
    if operation.shows_memory:
        lines.append("(call $prepare_memory (local.get $in))")
    if operation.result is not None:
        lines.append("local.get $out")
    for place, operand in enumerate(operation.operands):
        lines.append(f"({_name(operand, address)}.load offset={place * stride} (local.get $in))")
    lines.append(operation.body)
    if operation.result is not None:
        lines.append(f"{_name(operation.result, address)}.store")
    if operation.shows_memory:
        lines.append("(call $show_memory (local.get $in) (local.get $out))")
    return "\n".join([*lines, ")"])


def _name(kind: SignatureType, address: str) -> str:
    return kind.value if isinstance(kind, ValueType) else address


def _words(content: bytes) -> list[int]:
    return [int.from_bytes(content[start : start + 8], "little") for start in range(0, len(content), 8)]


def _escaped(content: bytes) -> str:
    return "".join(f"\\{byte:02x}" for byte in content)


def source(bits: int) -> str:
    """The module in the text format, for addresses of so many bits."""
    a = f"i{bits}"
    every = operations(bits)
    functions = [_function(index, operation, a) for index, operation in enumerate(every)]
    writes = "\n".join(
        f"(i64.store offset={8 * place} (local.get $shown) (i64.const {word}))"
        for place, word in enumerate(_words(PATTERN))
    )
    copies = "\n".join(
        f"(i64.store offset={16 + place} (local.get $out) (i64.load offset={place} (local.get $shown)))"
        for place in range(0, SHOWN_BYTES, 8)
    )
    extend = "i64.extend_i32_u" if bits == 64 else ""
    return f"""(module
  (import "ic0" "msg_arg_data_size" (func $argument_size (result {a})))
  (import "ic0" "msg_arg_data_copy" (func $argument_copy (param {a} {a} {a})))
  (import "ic0" "msg_reply_data_append" (func $append (param {a} {a})))
  (import "ic0" "msg_reply" (func $reply))
  (type $operation (func (param {a} {a})))
  (type $thing (func (result i32)))
  (type $binary (func (param i64 i64) (result i64)))
  (memory {"i64 " if bits == 64 else ""}{PAGES} {PAGES + 2})
  (data $active ({a}.const 16) "active")
  (data $segment "{_escaped(SEGMENT)}")
  (table $operations {len(every)} funcref)
  (table $things {TABLE_SIZE} funcref)
  (elem (table $things) (i32.const 1) func $one $two $three)
  (elem (table $things) (i32.const 7) func $five)
  (elem (table $operations) (i32.const 0) func {" ".join(f"$operation_{index}" for index in range(len(every)))})
  (elem $elements func $one $two)
  (func $one (result i32) (i32.const 1)) (func $two (result i32) (i32.const 2))
  (func $three (result i32) (i32.const 3)) (func $five (result i32) (i32.const 5))
  {CONTROL_FUNCTIONS}

  (func $run (export "canister_update run") (export "canister_query run_in_query")
    (local $record {a}) (local $end {a}) (local $result {a}) (local $step {a}) (local $width {a})
    (call $argument_copy ({a}.const {RECORDS}) ({a}.const 0) (call $argument_size))
    (local.set $end ({a}.add ({a}.const {RECORDS}) (call $argument_size)))
    (local.set $step (i32.load ({a}.const {RECORDS})) {extend})
    (local.set $width (i32.load ({a}.const {RECORDS + 4})) {extend})
    (local.set $record ({a}.const {RECORDS + 8}))
    (local.set $result ({a}.const {RESULTS}))
    (loop $next
      (call_indirect $operations (type $operation)
        ({a}.add (local.get $record) ({a}.const 8)) (local.get $result) (i32.load (local.get $record)))
      (local.set $record ({a}.add (local.get $record) (local.get $step)))
      (local.set $result ({a}.add (local.get $result) (local.get $width)))
      (br_if $next ({a}.lt_u (local.get $record) (local.get $end))))
    (call $append ({a}.const {RESULTS}) ({a}.sub (local.get $result) ({a}.const {RESULTS})))
    (call $reply))

  (func $prepare_memory (param $in {a}) (local $shown {a})
    (local.set $shown ({a}.load offset=48 (local.get $in)))
    {writes})
  (func $show_memory (param $in {a}) (param $out {a}) (local $shown {a})
    (local.set $shown ({a}.load offset=48 (local.get $in)))
    {copies})

  {chr(10).join(functions)}
)"""

"""
Implementations whose engine has a bug: the specification with one instruction, or one function of the System API,
broken, in a process of its own.

`python -m conformance.tests.planted.engines NAME` serves one of them, with `--explained` one that explains itself.
"""

import math
import struct
import sys
from collections.abc import Callable
from typing import Final

from attrs import evolve

from conformance.protocol.serving import serve
from conformance.served.specification import SpecificationImplementation
from conformance.tests.planted.bugs import BlackBox
from spec.system_api.context import Context
from spec.system_api.execution_state import Execution
from spec.system_api.host import MODULE, ROWS
from spec.system_api.table import IMPORTS
from spec.wasm import flat_code
from spec.wasm.execute import Instance
from spec.wasm.instructions_store import Stack, pop_three
from spec.wasm.memory import OUT_OF_BOUNDS, Memory
from spec.wasm.numerics import BINARY, UNARY
from spec.wasm.store import Store
from spec.wasm.syntax import FunctionType, Instruction
from spec.wasm.traps import Trap

TOP: Final = 1 << 63


def as_double(bits: int) -> float:
    """The number of 64 bits with this pattern."""
    value: float = struct.unpack("<d", struct.pack("<Q", bits))[0]
    return value


def bits_of(value: float) -> int:
    """The pattern of a number of 64 bits."""
    bits: int = struct.unpack("<Q", struct.pack("<d", value))[0]
    return bits


# Numbers


def remainder_is_unsigned() -> None:
    """`i64.rem_s` is `i64.rem_u`."""
    BINARY["i64.rem_s"] = BINARY["i64.rem_u"]


def division_wraps() -> None:
    """The least integer divided by -1 is itself, and no trap."""
    right = BINARY["i64.div_s"]
    BINARY["i64.div_s"] = lambda one, other: TOP if (one, other) == (TOP, 2 * TOP - 1) else right(one, other)


def shifts_out() -> None:
    """A shift by more than the width gives 0."""
    right = BINARY["i32.shl"]
    BINARY["i32.shl"] = lambda value, count: right(value, count) if count < 32 else 0


def shifts_by_five_bits() -> None:
    """The count of a shift of 64 bits is taken modulo 32."""
    right = BINARY["i64.shr_s"]
    BINARY["i64.shr_s"] = lambda value, count: right(value, count & 31)


def extends_with_zeros() -> None:
    """`i64.extend32_s` does not copy the sign."""
    UNARY["i64.extend32_s"] = lambda value: value & 0xFFFF_FFFF


def converts_as_signed() -> None:
    """An unsigned integer above the middle is converted as a negative one."""
    UNARY["f64.convert_i64_u"] = UNARY["f64.convert_i64_s"]


def rounds_half_up() -> None:
    """`f64.nearest` rounds halves away from zero."""
    right = UNARY["f64.nearest"]

    def nearest(bits: int) -> int:
        value = as_double(bits)
        is_half = math.isfinite(value) and abs(value) % 1 == 0.5
        return bits_of(math.copysign(math.floor(abs(value) + 0.5), value)) if is_half else right(bits)

    UNARY["f64.nearest"] = nearest


def demotes_towards_zero() -> None:
    """A number that does not fit is cut, not rounded to the nearest."""
    right = UNARY["f32.demote_f64"]
    UNARY["f32.demote_f64"] = lambda bits: right(bits & ~0x1FFF_FFFF) if as_double(bits) > 1 else right(bits)


def least_of_zeros_is_the_first() -> None:
    """`f64.min` takes 0 and -0 for equal."""
    right = BINARY["f64.min"]
    BINARY["f64.min"] = lambda one, other: one if {one, other} == {0, TOP} else right(one, other)


def negation_quiets() -> None:
    """`f32.neg` of a NaN gives the canonical one, as arithmetic may."""
    right = UNARY["f32.neg"]
    UNARY["f32.neg"] = lambda bits: 0x7FC0_0000 if bits & 0x7FFF_FFFF > 0x7F80_0000 else right(bits)


def not_a_number_is_zero() -> None:
    """`f64.mul` gives 0 where it should give a NaN."""
    right = BINARY["f64.mul"]
    BINARY["f64.mul"] = lambda one, other: 0 if math.isnan(as_double(right(one, other))) else right(one, other)


def not_a_number_keeps_its_payload() -> None:
    """`f32.add` gives the NaN that it got, not the canonical one as in production's profile."""
    right = BINARY["f32.add"]
    BINARY["f32.add"] = lambda one, other: one | 0x0040_0000 if one & 0x7FFF_FFFF > 0x7F80_0000 else right(one, other)


def truncation_is_too_strict() -> None:
    """A number between -2^31 - 1 and -2^31 is refused."""
    right = UNARY["i32.trunc_f64_s"]

    def truncated(bits: int) -> int:
        if as_double(bits) < -(2.0**31):
            raise Trap("integer overflow")
        return right(bits)

    UNARY["i32.trunc_f64_s"] = truncated


def saturation_of_negatives() -> None:
    """`i64.trunc_sat_f64_u` gives the greatest integer for minus infinity."""
    right = UNARY["i64.trunc_sat_f64_u"]
    UNARY["i64.trunc_sat_f64_u"] = lambda bits: 2 * TOP - 1 if as_double(bits) == -math.inf else right(bits)


def swizzles_modulo_sixteen() -> None:
    """An index beyond the last lane wraps."""
    right = BINARY["i8x16.swizzle"]
    BINARY["i8x16.swizzle"] = lambda vector, indices: right(vector, indices & 0x0F0F_0F0F_0F0F_0F0F_0F0F_0F0F_0F0F_0F0F)


# Memory


def copy_wraps() -> None:
    """The sum of address and length is taken modulo 2^32 where the bounds of a copy are checked."""

    def copy(memory: Memory, target: int, source: int, length: int) -> None:
        for start in (source, target):
            if (start + length) % 2**32 > memory.size:
                raise Trap(OUT_OF_BOUNDS)
        if start + length <= memory.size:
            memory.write(target, bytes(memory.content[source : source + length]))

    Memory.copy = copy  # type: ignore[method-assign]


def copies_forwards() -> None:
    """Bytes are copied one after another from the first on, also where that overwrites what is still to be copied."""

    def memory_copy(store: Store, stack: Stack, _: Instruction) -> None:
        target, source, length = pop_three(stack)
        store.heap.copy(target, source, length)
        start = bytearray(store.heap.content[target : target + length])
        if source < target < source + length:
            distance = target - source
            start = bytearray(store.heap.content[source:target]) * (length // distance + 1)
            store.heap.write(target, bytes(start[:length]))

    flat_code.ON_STORE["memory.copy"] = memory_copy


def nothing_is_never_out_of_bounds() -> None:
    """Filling no bytes beyond the end does not trap."""
    right = Memory.fill

    def fill(memory: Memory, offset: int, value: int, length: int) -> None:
        if length:
            right(memory, offset, value, length)

    Memory.fill = fill  # type: ignore[method-assign]


def growing_gives_the_new_size() -> None:
    """`memory.grow` gives the number of pages afterwards."""
    right = Memory.grow

    def grow(memory: Memory, pages: int) -> int:
        before = right(memory, pages)
        return before if before < 0 else before + pages

    Memory.grow = grow  # type: ignore[method-assign]


def addresses_wrap() -> None:
    """The sum of address and offset is taken modulo 2^32 in 32-bit loads."""
    right = flat_code.LOADS["i32.load"]
    flat_code.LOADS["i32.load"] = lambda memory, address: right(memory, address % 2**32)


def bounds_are_off_by_one() -> None:
    """A byte beyond the end can be read by `i64.load32_u`."""
    right = flat_code.LOADS["i64.load32_u"]
    flat_code.LOADS["i64.load32_u"] = lambda memory, address: (
        0 if address + 4 == memory.size + 1 else right(memory, address)
    )


def loads_without_sign() -> None:
    """`i32.load8_s` is `i32.load8_u`."""
    flat_code.LOADS["i32.load8_s"] = flat_code.LOADS["i32.load8_u"]


def stores_too_much() -> None:
    """`i64.store16` stores four bytes."""
    flat_code.STORES["i64.store16"] = flat_code.STORES["i64.store32"]


# Control


def indirect_calls_are_unchecked() -> None:
    """A function of another type is called all the same."""

    def referenced(_instance: Instance, reference: int, _expected: FunctionType) -> int:
        return reference

    Instance.referenced = referenced  # type: ignore[method-assign]


def table_indices_wrap() -> None:
    """The index of an indirect call is taken modulo the size of the table."""
    right = Instance.callee

    def callee(instance: Instance, table: int, index: int, expected: FunctionType) -> int:
        return right(instance, table, index % len(instance.tables[table].elements), expected)

    Instance.callee = callee  # type: ignore[method-assign]


def chooses_the_other() -> None:
    """`ref.is_null` tells the opposite."""

    def ref_is_null(_store: Store, stack: Stack, _: Instruction) -> None:
        stack[-1] = 0 if stack[-1] == -1 else 1

    flat_code.ON_STORE["ref.is_null"] = ref_is_null


# System API


def _with_row(name: str, **other: object) -> None:
    """A function of the System API is another one, or may be called elsewhere."""
    IMPORTS[name] = ROWS[(MODULE, name)] = evolve(IMPORTS[name], **other)


def reject_code_in_methods() -> None:
    """`ic0.msg_reject_code` gives 0 in update methods."""
    row = IMPORTS["msg_reject_code"]
    _with_row("msg_reject_code", contexts=row.contexts | {Context.UPDATE}, function=lambda _: 0)


def no_root_key_in_cleanup() -> None:
    """`ic0.root_key_size` traps in cleanup callbacks."""
    _with_row("root_key_size", contexts=IMPORTS["root_key_size"].contexts - {Context.CLEANUP})


def deadline_is_forgotten() -> None:
    """`ic0.msg_deadline` gives 0 always."""
    _with_row("msg_deadline", function=lambda _: 0)


def replicated_everywhere() -> None:
    """`ic0.in_replicated_execution` gives 1 always."""
    _with_row("in_replicated_execution", function=lambda _: 1)


def caller_is_forgotten_in_callbacks() -> None:
    """`ic0.msg_caller_size` gives 0 in reply callbacks."""
    right = IMPORTS["msg_caller_size"].function

    def size(execution: Execution) -> int | None:
        return 0 if execution.context is Context.REPLY_CALLBACK else right(execution)

    _with_row("msg_caller_size", function=size)


ENGINES: Final[dict[str, tuple[Callable[[], None], str]]] = {
    made.__name__: (made, f"webassembly/{scenario}" if "/" not in scenario else scenario)
    for made, scenario in (
        (remainder_is_unsigned, "integers_of_64_bits"),
        (division_wraps, "integers_of_64_bits"),
        (shifts_out, "integers_of_32_bits"),
        (shifts_by_five_bits, "integers_of_64_bits"),
        (extends_with_zeros, "integers_of_64_bits"),
        (converts_as_signed, "integers_of_64_bits"),
        (rounds_half_up, "floats_of_64_bits"),
        (demotes_towards_zero, "floats_of_64_bits"),
        (least_of_zeros_is_the_first, "floats_of_64_bits"),
        (negation_quiets, "floats_of_32_bits"),
        (not_a_number_is_zero, "floats_of_64_bits"),
        (not_a_number_keeps_its_payload, "floats_of_32_bits"),
        (truncation_is_too_strict, "floats_of_64_bits"),
        (saturation_of_negatives, "floats_of_64_bits"),
        (swizzles_modulo_sixteen, "vectors"),
        (copy_wraps, "webassembly_memory/bulk_32"),
        (copies_forwards, "webassembly_memory/bulk_32"),
        (nothing_is_never_out_of_bounds, "webassembly_memory/bulk_64"),
        (growing_gives_the_new_size, "webassembly_memory/growing_32"),
        (addresses_wrap, "webassembly_memory/out_of_bounds_32"),
        (bounds_are_off_by_one, "webassembly_memory/out_of_bounds_64"),
        (loads_without_sign, "webassembly_memory/loads_and_stores_32"),
        (stores_too_much, "webassembly_memory/loads_and_stores_64"),
        (indirect_calls_are_unchecked, "control_32"),
        (table_indices_wrap, "control_32"),
        (chooses_the_other, "control_64"),
        (reject_code_in_methods, "asked_everywhere/not_theirs"),
        (no_root_key_in_cleanup, "asked_everywhere/cleanup"),
        (deadline_is_forgotten, "asked_everywhere/update_of_canister"),
        (replicated_everywhere, "asked_everywhere/in_query"),
        (caller_is_forgotten_in_callbacks, "asked_everywhere/reply_callback"),
    )
}
"""Each with the scenario that catches it."""

if __name__ == "__main__":
    ENGINES[sys.argv[1]][0]()
    served = SpecificationImplementation() if "--explained" in sys.argv else BlackBox()
    serve(served, sys.stdin.buffer, sys.stdout.buffer)

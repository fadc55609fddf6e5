"""
Instructions that work on the store: references, tables, segments, and those on memory as a whole.

One function each; it takes the store, the stack of operands and the instruction. Addresses, indices and sizes are
unsigned. A failed growth gives -1, as bit pattern of the type of the address or index. Dynamic charges are made
before, by the metering, not here.
"""

from collections.abc import Callable
from typing import Final

from spec.values.quantities import WASM_PAGE
from spec.wasm.instructions_vector_memory import LOAD_LANE
from spec.wasm.memory import OUT_OF_BOUNDS
from spec.wasm.numerics_vector import v128_bitselect
from spec.wasm.store import TABLE_OUT_OF_BOUNDS, Store
from spec.wasm.syntax import NULL, Instruction, Limits
from spec.wasm.traps import Trap

Stack = list[int]
StoreInstruction = Callable[[Store, Stack, Instruction], None]


def as_address(value: int, limits: Limits) -> int:
    """A result of growing, as bit pattern."""
    return value & (0xFFFFFFFFFFFFFFFF if limits.is_64_bit else 0xFFFFFFFF)


def pop_three(stack: Stack) -> tuple[int, int, int]:
    """The three operands on top, in the order in which they were pushed."""
    third, second, first = stack.pop(), stack.pop(), stack.pop()
    return first, second, third


def unreachable(_store: Store, _stack: Stack, _instruction: Instruction) -> None:
    """`unreachable` always traps."""
    raise Trap("unreachable")


def memory_size(store: Store, stack: Stack, _: Instruction) -> None:
    """`memory.size` gives the number of pages of 64 KiB."""
    stack.append(store.heap.size // WASM_PAGE)


def memory_grow(store: Store, stack: Stack, _: Instruction) -> None:
    """`memory.grow` gives the number of pages before, or -1."""
    pages = stack.pop()
    before = store.heap.grow(pages) if store.may_grow is None or store.may_grow() else -1
    if store.after_memory_grow is not None:
        store.after_memory_grow(before, pages)
    stack.append(as_address(before, store.module.memories[0].limits))


def memory_fill(store: Store, stack: Stack, _: Instruction) -> None:
    """`memory.fill` puts the lowest byte of a value into a range."""
    store.heap.fill(*pop_three(stack))


def memory_copy(store: Store, stack: Stack, _: Instruction) -> None:
    """`memory.copy` copies a range; ranges may overlap."""
    store.heap.copy(*pop_three(stack))


def memory_init(store: Store, stack: Stack, instruction: Instruction) -> None:
    """`memory.init` copies a part of a data segment."""
    target, source, length = pop_three(stack)
    content = store.data_segments[instruction.index]
    if source + length > len(content):
        raise Trap(OUT_OF_BOUNDS)
    store.heap.write(target, content[source : source + length])


def data_drop(store: Store, _: Stack, instruction: Instruction) -> None:
    """`data.drop` makes a data segment empty."""
    store.data_segments[instruction.index] = b""


def ref_is_null(_store: Store, stack: Stack, _: Instruction) -> None:
    """`ref.is_null` tells whether a reference is null."""
    stack[-1] = 1 if stack[-1] == NULL else 0


def table_get(store: Store, stack: Stack, instruction: Instruction) -> None:
    """`table.get` gives an element."""
    stack[-1] = store.tables[instruction.index].get(stack[-1])


def table_set(store: Store, stack: Stack, instruction: Instruction) -> None:
    """`table.set` replaces an element."""
    reference, index = stack.pop(), stack.pop()
    store.tables[instruction.index].put(index, (reference,))


def table_size(store: Store, stack: Stack, instruction: Instruction) -> None:
    """`table.size` gives the number of elements."""
    stack.append(len(store.tables[instruction.index].elements))


def table_grow(store: Store, stack: Stack, instruction: Instruction) -> None:
    """`table.grow` gives the number of elements before, or -1."""
    number, reference = stack.pop(), stack.pop()
    before = store.tables[instruction.index].grow(reference, number)
    stack.append(as_address(before, store.module.tables[instruction.index].limits))


def table_fill(store: Store, stack: Stack, instruction: Instruction) -> None:
    """`table.fill` puts one reference into a range."""
    store.tables[instruction.index].fill(*pop_three(stack))


def table_copy(store: Store, stack: Stack, instruction: Instruction) -> None:
    """`table.copy` copies elements between tables or inside one."""
    target, source, number = pop_three(stack)
    from_table = store.tables[instruction.second_index]
    from_table.check(source, number)
    store.tables[instruction.index].check(target, number)
    store.tables[instruction.index].put(target, from_table.elements[source : source + number])


def table_init(store: Store, stack: Stack, instruction: Instruction) -> None:
    """`table.init` copies a part of an element segment."""
    target, source, number = pop_three(stack)
    references = store.element_segments[instruction.index]
    if source + number > len(references):
        raise Trap(TABLE_OUT_OF_BOUNDS)
    store.tables[instruction.second_index].put(target, references[source : source + number])


def elem_drop(store: Store, _: Stack, instruction: Instruction) -> None:
    """`elem.drop` makes an element segment empty."""
    store.element_segments[instruction.index] = ()


def load_lane(store: Store, stack: Stack, instruction: Instruction) -> None:
    """`v128.load8_lane` and the like replace one lane of a vector by a value from memory."""
    vector, address = stack.pop(), stack.pop() + instruction.offset
    stack.append(LOAD_LANE[instruction.name](instruction.index)(store.heap, address, vector))


def bitselect(_store: Store, stack: Stack, _instruction: Instruction) -> None:
    """`v128.bitselect`, the only numeric instruction with three operands."""
    stack.append(v128_bitselect(*pop_three(stack)))


ON_STORE: Final[dict[str, StoreInstruction]] = {
    "unreachable": unreachable,
    "memory.size": memory_size,
    "memory.grow": memory_grow,
    "memory.fill": memory_fill,
    "memory.copy": memory_copy,
    "memory.init": memory_init,
    "data.drop": data_drop,
    "ref.is_null": ref_is_null,
    "table.get": table_get,
    "table.set": table_set,
    "table.size": table_size,
    "table.grow": table_grow,
    "table.fill": table_fill,
    "table.copy": table_copy,
    "table.init": table_init,
    "elem.drop": elem_drop,
    "v128.bitselect": bitselect,
    **dict.fromkeys(LOAD_LANE, load_lane),
}
"""Each of them by its name in the text format."""

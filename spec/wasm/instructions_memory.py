"""
Instructions on memory: loads and stores by table, the others one function each.

Loads take the memory and the effective address and give a value; stores take the value too. The effective address is
the operand plus the offset, as a natural number, so it does not wrap. Numbers are stored in little-endian order.
"""

import struct
from collections.abc import Callable
from typing import Final

from spec.wasm.memory import OS_PAGE_BITS, OUT_OF_BOUNDS, Memory
from spec.wasm.traps import Trap

Load = Callable[[Memory, int], int]
Store = Callable[[Memory, int, int], None]

LOADS: Final[dict[str, tuple[str, int]]] = {
    "i32.load": ("I", 32),
    "i64.load": ("Q", 64),
    "f32.load": ("I", 32),
    "f64.load": ("Q", 64),
    "i32.load8_s": ("b", 32),
    "i32.load8_u": ("B", 32),
    "i32.load16_s": ("h", 32),
    "i32.load16_u": ("H", 32),
    "i64.load8_s": ("b", 64),
    "i64.load8_u": ("B", 64),
    "i64.load16_s": ("h", 64),
    "i64.load16_u": ("H", 64),
    "i64.load32_s": ("i", 64),
    "i64.load32_u": ("I", 64),
}
"""What is loaded, as a format of the `struct` module (lower case: signed), and the width of the value."""

STORES: Final[dict[str, str]] = {
    "i32.store": "I",
    "i64.store": "Q",
    "f32.store": "I",
    "f64.store": "Q",
    "i32.store8": "B",
    "i32.store16": "H",
    "i64.store8": "B",
    "i64.store16": "H",
    "i64.store32": "I",
}
"""What is stored, as a format of the `struct` module: the lowest bits of the value."""


BEYOND_THE_END: Final = (struct.error, OverflowError, IndexError)
"""
What the `struct` module raises where not all bytes lie inside: the memory ends before, or no memory reaches as far.
"""


def _load(code: str, value_width: int) -> Load:
    """The load with this row."""
    packing = struct.Struct(f"<{code}")
    unpack_from = packing.unpack_from
    mask = (1 << value_width) - 1

    def load(memory: Memory, address: int) -> int:
        """An unsigned number of the width of the value, or of fewer bits."""
        try:
            value: int = unpack_from(memory.content, address)[0]
        except BEYOND_THE_END:
            raise Trap(OUT_OF_BOUNDS) from None
        return value

    def load_signed(memory: Memory, address: int) -> int:
        """A signed number, extended to the width of the value."""
        return load(memory, address) & mask

    return load_signed if code.islower() else load


def _store(code: str) -> Store:
    """The store with this row."""
    packing = struct.Struct(f"<{code}")
    pack_into, last = packing.pack_into, packing.size - 1
    mask = (1 << 8 * packing.size) - 1

    def store(memory: Memory, address: int, value: int) -> None:
        """Puts the lowest bits in, and notes the pages."""
        try:
            pack_into(memory.content, address, value & mask)
        except BEYOND_THE_END:
            raise Trap(OUT_OF_BOUNDS) from None
        page, end = address >> OS_PAGE_BITS, address + last >> OS_PAGE_BITS
        memory.written.add(page)
        if end != page:
            memory.written.add(end)

    return store


LOAD: Final[dict[str, Load]] = {name: _load(*row) for name, row in LOADS.items()}
"""Every load by its name."""

STORE: Final[dict[str, Store]] = {name: _store(code) for name, code in STORES.items()}
"""Every store by its name."""

"""
Vector instructions on memory, by name. Source: core specification, memory instructions.

Loads and stores are functions like those of `instructions_memory`; those of one lane are functions of its index that
give such a function.
"""

import struct
from collections.abc import Callable
from typing import Final

from spec.wasm.instructions_memory import STORE, Load, Store
from spec.wasm.memory import OS_PAGE_BITS, OUT_OF_BOUNDS, Memory
from spec.wasm.numerics_vector import replace_lane
from spec.wasm.traps import Trap
from spec.wasm.vector_shapes import INTEGER_SHAPES, VECTOR_BYTES, Shape


def read(memory: Memory, address: int, length: int) -> int:
    """The unsigned integer that these bytes are."""
    if address + length > memory.size:
        raise Trap(OUT_OF_BOUNDS)
    return int.from_bytes(memory.content[address : address + length], "little")


def v128_load(memory: Memory, address: int) -> int:
    """`v128.load`."""
    return read(memory, address, VECTOR_BYTES)


def v128_store(memory: Memory, address: int, vector: int) -> None:
    """`v128.store`."""
    if address + VECTOR_BYTES > memory.size:
        raise Trap(OUT_OF_BOUNDS)
    memory.content[address : address + VECTOR_BYTES] = vector.to_bytes(VECTOR_BYTES, "little")
    memory.written.add(address >> OS_PAGE_BITS)
    memory.written.add(address + VECTOR_BYTES - 1 >> OS_PAGE_BITS)


def load_extend(code: str) -> Load:
    """Eight bytes as lanes, in twice their width. The lanes are a format of the `struct` module."""
    packing = struct.Struct(f"<{code}")
    shape = INTEGER_SHAPES[128 // int(code[0])]

    def load(memory: Memory, address: int) -> int:
        return shape.vector(packing.unpack(read(memory, address, packing.size).to_bytes(packing.size, "little")))

    return load


def load_splat(shape: Shape) -> Load:
    """The same value in every lane."""

    def load(memory: Memory, address: int) -> int:
        return shape.vector((read(memory, address, shape.width // 8),) * shape.count)

    return load


def load_zero(shape: Shape) -> Load:
    """A value in lane 0, and zeros above."""
    return lambda memory, address: read(memory, address, shape.width // 8)


VECTOR_LOAD: Final[dict[str, Load]] = {
    "v128.load": v128_load,
    "v128.load8x8_s": load_extend("8b"),
    "v128.load8x8_u": load_extend("8B"),
    "v128.load16x4_s": load_extend("4h"),
    "v128.load16x4_u": load_extend("4H"),
    "v128.load32x2_s": load_extend("2i"),
    "v128.load32x2_u": load_extend("2I"),
    "v128.load32_zero": load_zero(INTEGER_SHAPES[32]),
    "v128.load64_zero": load_zero(INTEGER_SHAPES[64]),
    **{f"v128.load{width}_splat": load_splat(shape) for width, shape in INTEGER_SHAPES.items()},
}
"""Every load of a vector by its name."""

VECTOR_STORE: Final[dict[str, Store]] = {"v128.store": v128_store}
"""The store of a vector."""

LoadLane = Callable[[Memory, int, int], int]
"""Of the memory, the address, and the vector whose other lanes are kept."""


def load_lane(shape: Shape) -> Callable[[int], LoadLane]:
    """A value from memory in one lane of a vector."""

    def at(index: int) -> LoadLane:
        replace = replace_lane(shape)(index)
        return lambda memory, address, vector: replace(vector, read(memory, address, shape.width // 8))

    return at


def store_lane(shape: Shape) -> Callable[[int], Store]:
    """One lane of a vector to memory."""
    store = STORE["i64.store" if shape.width == 64 else f"i64.store{shape.width}"]

    def at(index: int) -> Store:
        return lambda memory, address, vector: store(memory, address, shape.lanes(vector)[index])

    return at


LOAD_LANE: Final[dict[str, Callable[[int], LoadLane]]] = {
    f"v128.load{width}_lane": load_lane(shape) for width, shape in INTEGER_SHAPES.items()
}
"""By name: from the index of a lane to the load."""

STORE_LANE: Final[dict[str, Callable[[int], Store]]] = {
    f"v128.store{width}_lane": store_lane(shape) for width, shape in INTEGER_SHAPES.items()
}
"""By name: from the index of a lane to the store."""

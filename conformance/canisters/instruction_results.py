"""What the instruction canister replies, by the definitional interpreter."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Final

from attrs import field, frozen

from conformance.canisters.instructions import RECORDS, RESULTS, SHOWN_BYTES, Operation, operations
from conformance.canisters.library import load
from spec.wasm.binary import decode
from spec.wasm.execute import HostFunction, Instance, instantiate
from spec.wasm.syntax import Module, ValueType
from spec.wasm.traps import OutOfInstructions, Trap
from spec.wasm.validate import validate

_SOME_INSTRUCTIONS: Final = 10**9

_CALL_DEPTH: Final = 1_000


@frozen
class Run:
    """An operation on operands."""

    operation: Operation
    index: int
    operands: tuple[int, ...]
    """Bit patterns; of an operation on memory the fourth one says which bytes are shown."""

    @property
    def record(self) -> bytes:
        """As the canister takes it."""
        size = operand_size(self.operation)
        operands = b"".join(value.to_bytes(size, "little") for value in self.operands)
        return self.index.to_bytes(8, "little") + operands.ljust(record_size(self.operation) - 8, b"\0")

    def __str__(self) -> str:
        name, opcode = self.operation.name, self.operation.opcode
        shown = name if name.startswith(opcode) else f"{opcode} (in {name})"
        return f"{shown} of {', '.join(map(hex, self.operands)) or 'nothing'}"


def operand_size(operation: Operation) -> int:
    """In bytes."""
    return 16 if operation.is_wide else 8


def record_size(operation: Operation) -> int:
    """In bytes, the index included."""
    return 8 + operand_size(operation) * (4 if operation.shows_memory else 3 if operation.is_wide else 2)


def result_size(operation: Operation) -> int:
    """In bytes."""
    return operand_size(operation) + (SHOWN_BYTES if operation.shows_memory else 0)


def argument(runs: Sequence[Run]) -> bytes:
    """The argument of the method `run`: runs that share one size of records."""
    sizes = {(record_size(each.operation), result_size(each.operation)) for each in runs}
    assert len(sizes) == 1, "records of one argument are equally long"
    ((record, result),) = sizes
    header = record.to_bytes(4, "little") + result.to_bytes(4, "little")
    return header + b"".join(each.record for each in runs)


@frozen
class Interpreter:
    """The definitional interpreter with the instruction canister."""

    module: Module
    first: int
    """The index of the function of operation 0."""
    instances: list[Instance] = field(factory=list)

    def result(self, run: Run) -> bytes | None:
        """What a run gives in a fresh instance; None if it traps or has not enough instructions."""
        instance = self._instance()
        assert instance.memory is not None
        record = run.record[8:]
        instance.memory.content[RECORDS : RECORDS + len(record)] = record
        try:
            instance.invoke(self.first + run.index, [RECORDS, RESULTS])
        except (Trap, OutOfInstructions):
            self.instances.clear()
            return None
        if run.operation.shows_memory or run.operation.opcode.startswith(("global", "memory", "data", "elem")):
            self.instances.clear()
        size = result_size(run.operation)
        return bytes(instance.memory.content[RESULTS : RESULTS + size])

    def _instance(self) -> Instance:
        """An instance in which nothing was changed that operations see."""
        if not self.instances:
            self.instances.append(
                instantiate(
                    self.module,
                    _HOST,
                    counter=_SOME_INSTRUCTIONS,
                    memory=None,
                    globals=None,
                    maximum_call_depth=_CALL_DEPTH,
                    maximum_memory_pages=None,
                )
            )
        return self.instances[0]


def _unused(instance: Instance, arguments: Sequence[int]) -> Sequence[int]:
    raise AssertionError("operations call nothing of the system")


_HOST: Final[Mapping[tuple[str, str], HostFunction]] = {
    ("ic0", name): _unused for name in ("msg_arg_data_size", "msg_arg_data_copy", "msg_reply_data_append", "msg_reply")
}


@cache
def interpreter(bits: int) -> Interpreter:
    """The interpreter with the canister that has addresses of so many bits."""
    module = decode(load(f"instructions_{bits}"))
    validate(module)
    element = next(each for each in module.elements if len(each.items) == len(operations(bits)))
    return Interpreter(module, element.items[0][0].index)


_SHARED: Final = ("add", "sub", "mul", "div", "min", "max", "sqrt", "ceil", "floor", "trunc", "nearest")

FLOAT_ARITHMETIC: Final = frozenset((*_SHARED, "demote_f64", "promote_f32", "demote_f64x2_zero", "promote_low_f32x4"))
"""The instructions whose NaN the core specification leaves open, within limits."""


def admits(run: Run, specified: bytes, seen: bytes) -> bool:
    """
    The result is what the core specification allows.

    A NaN that arithmetic gives may be another one, as long as it is quiet: sign and payload are open.
    """
    shape, _, name = run.operation.opcode.partition(".")
    if specified == seen or name not in FLOAT_ARITHMETIC or shape not in _NAN_OF:
        return specified == seen
    size, quiet = _NAN_OF[shape]
    lanes = ((specified[at : at + size], seen[at : at + size]) for at in range(0, len(specified), size))
    return all(one == other or (_has_bits(one, quiet) and _has_bits(other, quiet)) for one, other in lanes)


_NAN_OF: Final = {
    "f32": (4, 0x7FC0_0000),
    "f32x4": (4, 0x7FC0_0000),
    "f64": (8, 0x7FF8_0000_0000_0000),
    "f64x2": (8, 0x7FF8_0000_0000_0000),
}
"""The size of a lane, and the bits that a quiet NaN has."""


def _has_bits(lane: bytes, bits: int) -> bool:
    return int.from_bytes(lane, "little") & bits == bits


def runs_of(bits: int, chosen: Iterable[tuple[int, tuple[int, ...]]]) -> list[Run]:
    """Runs from indices and operands."""
    every = operations(bits)
    return [Run(every[index], index, operands) for index, operands in chosen]


def value_types(operation: Operation, bits: int) -> tuple[ValueType, ...]:
    """The types of the operands, addresses included."""
    address = ValueType.I64 if bits == 64 else ValueType.I32
    return tuple(kind if isinstance(kind, ValueType) else address for kind in operation.operands)

"""
Metering: what an execution is charged, in instructions.

The body of every function of the module is cut into segments. When control reaches the start of a segment its whole
cost is taken from the counter, before the first instruction runs, and nothing is given back. Where control can come
again without end, at function entries and loop starts, the counter is compared with zero. Bulk operations are also
charged for each byte or element. Rules are named as in the facts on weights: S1-S10 segments, D1-D6 dynamic charges,
O1 and O2 the end, T1-T7 slices. An execution is not paused between its slices here; all that is seen of them is that a
single dynamic charge may be too large.

There is no rule of its own for some of them. S1: only bodies of the module are metered, as host functions are not
WebAssembly here. S8: a trap gives nothing back because nothing adds to the counter. S9: every function that the system
enters begins with its first segment, like a called one. S10: an imported function costs the weight of the call, and
what it charges itself. D6: growing and dropping have no dynamic charge.

Source: dfinity/ic, rs/embedders/src/wasm_utils/instrumentation.rs, commit c7c500541978.
"""

import tomllib
from pathlib import Path
from typing import Final

from attrs import frozen

from spec.values.checklist import defines
from spec.values.quantities import Instructions
from spec.wasm.opcodes import BY_NAME, OPCODES
from spec.wasm.syntax import Expression, Opcode

DEFAULT_WEIGHT: Final[Instructions] = 1
"""The weight of an instruction that is not listed."""

FUNCTION_ENTRY: Final[Instructions] = 1
"""What the first segment of a function costs beyond its instructions, so that no call is free (S2)."""

LOWEST_COUNTER: Final = -(1 << 63)
HIGHEST_COUNTER: Final = (1 << 63) - 1
"""The counter is a signed 64-bit number."""

RE_ENTRANT_AFTER: Final = BY_NAME["loop"]
"""A segment that starts after this instruction can be entered again and again without another call (S3)."""

CLOSING: Final[frozenset[Opcode]] = frozenset(
    BY_NAME[name]
    for name in (
        "loop",
        "if",
        "else",
        "end",
        "br",
        "br_if",
        "br_table",
        "return",
        "unreachable",
        "return_call",
        "return_call_indirect",
    )
)
"""The instructions that close a segment (S3). All others do not, even those that may trap or call (S4)."""

CHARGED_BY_SIZE: Final[frozenset[Opcode]] = frozenset(
    BY_NAME[name] for name in ("memory.fill", "memory.copy", "memory.init", "table.fill", "table.copy", "table.init")
)
"""The instructions that are charged one instruction for each byte or element of their size operand (D1)."""


def _read_weights() -> dict[str, tuple[Instructions, Instructions]]:
    """The listed weights by name, for 32-bit and 64-bit modules."""
    tables = tomllib.loads(Path(__file__).with_name("weights.toml").read_text(encoding="utf-8"))
    listed: dict[str, tuple[Instructions, Instructions]] = {}
    for table in tables.values():
        for name, weight in table.items():
            listed[name] = (weight[0], weight[1]) if isinstance(weight, list) else (weight, weight)
    return listed


WEIGHTS: Final = _read_weights()
"""The listed weights by name: in modules with a 32-bit, and with a 64-bit memory."""


@defines("seed2.instruction-weights")
def weight(name: str, has_64_bit_memory: bool) -> Instructions:
    """What an instruction adds to its segment, by its name in the text format."""
    return WEIGHTS.get(name, (DEFAULT_WEIGHT, DEFAULT_WEIGHT))[has_64_bit_memory]


OPCODE_WEIGHTS: Final[dict[bool, dict[Opcode, Instructions]]] = {
    has_64_bit_memory: {opcode: weight(opcode.name, has_64_bit_memory) for opcode in OPCODES}
    for has_64_bit_memory in (False, True)
}
"""The same, by row of the table of instructions."""


@frozen
class Segment:
    """Instructions that are charged together."""

    start: int
    """The position, in the flat list of the body, of the first instruction."""
    cost: Instructions
    is_re_entrant: bool
    """It starts a function or the body of a loop; the counter is compared with zero after the charge (S7)."""

    @property
    def is_charged(self) -> bool:
        """A segment that costs nothing is passed over, unless its check is needed (S5)."""
        return self.is_re_entrant or self.cost != 0


def segments(body: Expression, has_64_bit_memory: bool) -> list[Segment]:
    """
    The segments of a body, those that cost nothing included (S2, S3).

    The weight of an instruction that closes a segment belongs to the segment that it closes. A segment starts behind a
    closing instruction: inside the loop, behind the end, in the branch of the `if`. So it is charged however control
    comes there, by falling through or by a branch (S6).
    """
    weights = OPCODE_WEIGHTS[has_64_bit_memory]
    cut: list[Segment] = []
    start, cost, is_re_entrant = 0, FUNCTION_ENTRY, True
    for position, instruction in enumerate(body):
        opcode = instruction.opcode
        cost += weights[opcode]
        if opcode in CLOSING:
            cut.append(Segment(start, cost, is_re_entrant))
            start, cost, is_re_entrant = position + 1, 0, opcode is RE_ENTRANT_AFTER
    return cut


def charged_segments(body: Expression, has_64_bit_memory: bool) -> dict[int, Segment]:
    """The segments that are charged, by their start."""
    return {segment.start: segment for segment in segments(body, has_64_bit_memory) if segment.is_charged}


def after_segment(counter: int, segment: Segment) -> int:
    """
    The counter after the charge of a segment (S6, S7).

    It wraps as a signed 64-bit number does. Executions do not get there: they end at the first check below zero, and
    between two checks only the instructions of one function are charged.
    """
    return (counter - segment.cost - LOWEST_COUNTER) % (1 << 64) + LOWEST_COUNTER


def after_dynamic_charge(counter: int, amount: int) -> int:
    """
    The counter after a charge that is computed at run time (D4): it goes no lower than the lowest number.

    The amount is unsigned. One that is no signed 64-bit number always takes the counter to the lowest number.
    """
    if amount > HIGHEST_COUNTER:
        return LOWEST_COUNTER
    return max(counter - amount, LOWEST_COUNTER)


def is_exhausted(counter: int) -> bool:
    """Where the counter is compared with zero, the execution ends if it is below zero; zero is fine (S7, O1)."""
    return counter < 0


@defines("error.slice-overrun")
def overruns_slice(limit: Instructions, one_slice: Instructions, counter: int, amount: int) -> bool:
    """
    Whether a dynamic charge ends the execution because it is too large for slices (T4, T5).

    After the end of a slice the next one begins, and is shorter by what was charged beyond that end. If nothing is left
    of it, the execution ends. The last slice, which reaches to the limit, is followed by none: what is charged beyond
    its end exceeds the limit. The slice in which the charge comes is told by what was charged before.
    """
    used = limit - counter
    slices = max(1, -(-used // one_slice)) if one_slice < limit else 1
    end_of_slice = slices * one_slice
    return end_of_slice < limit and used + amount >= end_of_slice + one_slice


@defines("seed1.instrumentation")
def accounted(limit: Instructions, counter: int) -> Instructions:
    """How many instructions an execution is accounted with: what the counter lost, at most the limit (O2)."""
    return min(limit - counter, limit)

"""
The code that counts instructions and nested calls, as it is put between the instructions of a module.

There are two ways to hold the counter. `CounterInGlobal` charges a global at the start of every segment, so the global
is exact wherever an execution ends, and counts in another global how deep calls nest. `CounterPassed`, in
`passed_counter`, is the quick way. The host, and the functions that are added, always look at the global.
"""

import re
from itertools import pairwise
from typing import Final

from attrs import field, frozen

from reference_impl.wasm.layout.encoding import signed, unsigned
from reference_impl.wasm.rewriting.instruction_table import OPCODES

UNREACHABLE: Final = b"\x00"
IF, END = b"\x04\x40", b"\x0b"
I32_CONST, I64_CONST, I64_SUB = b"\x41", b"\x42", b"\x7d"
BELOW: Final = b"\x53"
CALL: Final = b"\x10"
LOOP_OPCODE: Final = 0x03
_BLOCK: Final = b"\x02"
_I32_ADD, _I32_SUB, _I32_EQZ, _I32_BELOW = b"\x6a", b"\x6b", b"\x45", b"\x48"
_I32_ONE, _I32_ZERO = b"\x41\x01", b"\x41\x00"

RUN_OUT, OVERRUN, TOO_DEEP = 1, 2, 3
"""
Why an execution ended in the module: no instructions are left, a bulk operation is too large for slices, or calls nest
too deep.
"""


def get_global(index: int) -> bytes:
    """Pushes a global."""
    return b"\x23" + unsigned(index)


def set_global(index: int) -> bytes:
    """Pops into a global."""
    return b"\x24" + unsigned(index)


def opcodes_of(*names: str) -> "re.Pattern[bytes]":
    """Finds these instructions among opcodes."""
    return re.compile(b"[" + b"".join(re.escape(bytes([OPCODES[name]])) for name in names) + b"]")


CLOSING: Final = re.compile(rb"[\x00\x03-\x05\x0b-\x0f\x12\x13]")
"""loop, if, else, end, br, br_if, br_table, return, unreachable, return_call, return_call_indirect. Source: S3."""
_CALLING: Final = opcodes_of("call", "call_indirect", "return_call", "return_call_indirect")


@frozen
class Segment:
    """What segments with the same opcodes have in common."""

    cost: int
    """Without instructions that have a prefix."""
    blocks: int
    """How many blocks begin inside; other control instructions end segments."""
    calls: bool
    """Code outside of the function looks at the counter, and charges."""
    begins_loop: bool


def segment_of(opcodes: bytes, cost: int) -> Segment:
    """The segment with these opcodes."""
    return Segment(
        cost,
        opcodes.count(_BLOCK),
        _CALLING.search(opcodes) is not None,
        opcodes[-1] == LOOP_OPCODE,
    )


def ends(why: int, exhausted: int) -> bytes:
    """Ends the execution for a reason of ours."""
    return I32_CONST + signed(why) + set_global(exhausted) + UNREACHABLE


@frozen
class CounterInGlobal:
    """Charges the global itself."""

    counter: int
    """The index of the global, and of those that follow."""
    depth: int
    exhausted: int
    has_imports_in_table: bool
    """What is called through the table is known only in the callee, and calls of imported functions do not nest."""
    charges: dict[tuple[int, bool], bytes] = field(factory=dict, init=False, eq=False)
    """What has been written already: most charges come again."""
    arrive: bytes = field(init=False)
    """What every function begins with."""
    enter: bytes = field(init=False)
    """What comes before a call."""
    enter_indirectly: bytes = field(init=False)
    """What comes before a call through the table."""
    leave: bytes = field(init=False)
    """What comes after calls."""

    @property
    def _descend(self) -> bytes:
        return get_global(self.depth) + _I32_ONE + _I32_SUB + set_global(self.depth)

    @enter.default
    def _enter(self) -> bytes:
        is_deepest = get_global(self.depth) + _I32_EQZ
        return is_deepest + IF + ends(TOO_DEEP, self.exhausted) + END + self._descend

    @enter_indirectly.default
    def _enter_indirectly(self) -> bytes:
        return self._descend if self.has_imports_in_table else self._enter()

    @arrive.default
    def _arrive(self) -> bytes:
        if not self.has_imports_in_table:
            return b""
        is_too_deep = get_global(self.depth) + _I32_ZERO + _I32_BELOW
        return is_too_deep + IF + ends(TOO_DEEP, self.exhausted) + END

    @leave.default
    def _leave(self) -> bytes:
        return get_global(self.depth) + _I32_ONE + _I32_ADD + set_global(self.depth)

    def settle(self) -> bytes:
        """Charges for what is pending: nothing is."""
        return b""

    def seen_by(self, code: bytes) -> bytes:
        """Code that looks at the global, and charges it."""
        return code

    def charge(self, cost: int, is_checked: bool, segment: Segment, has_dynamic_charge: bool) -> bytes:
        """Charges for a segment."""
        if not cost and not is_checked:
            return b""
        key = (cost, is_checked)
        code = self.charges.get(key)
        if code is None:
            counter = get_global(self.counter)
            code = counter + I64_CONST + signed(cost) + I64_SUB + set_global(self.counter)
            if is_checked:
                code += counter + I64_CONST + signed(0) + BELOW + IF + ends(RUN_OUT, self.exhausted) + END
            self.charges[key] = code
        return code

    def close(self, token: bytes) -> bytes:
        """What comes before the instruction that ends a segment: nothing."""
        return b""

    def nest(self, calls: list[int], tokens: list[bytes], opcodes: bytes) -> None:
        """Counts the depth of calls. Between calls in one segment it may stay as deep as the first one went."""
        nested = [position for position in calls if opcodes[position : position + 1] in _COMING_BACK]
        is_deeper = False
        for position, following in pairwise([*nested, len(opcodes)]):
            token = tokens[position]
            enter = self.enter if token[:1] == CALL else self.enter_indirectly
            stays = CLOSING.search(opcodes, position, following) is None
            tokens[position] = (b"" if is_deeper else enter) + token + (b"" if stays else self.leave)
            is_deeper = stays


_COMING_BACK: Final = (CALL, b"\x11")

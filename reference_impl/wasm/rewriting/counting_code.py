"""
The code that counts instructions, as it is put between the instructions of a module.

The counter is a global, for all functions and the host to see. There are two ways to charge it. `CounterInGlobal` does
it at the start of every segment, so the global is exact wherever an execution ends. `CounterInLocal` is the quick way:
a function holds the counter in a local, which the engine keeps in a register, and puts it into the global where others
can see it, which is in segments that call, return or reach `unreachable`. After any other trap (an access outside of
the memory, a division by zero) the global lags behind; whoever needs it then executes again in the exact way.
"""

import re
from typing import Final

from attrs import define, field, frozen

from reference_impl.wasm.layout.encoding import Reader, signed, unsigned
from reference_impl.wasm.rewriting.instruction_table import OPCODES

MOST_LOCALS: Final = 50_000
"""The locals a function may have, parameters included. Source: the limit that WebAssembly engines share."""

_UNREACHABLE: Final = b"\x00"
_IF, _END = b"\x04\x40", b"\x0b"
_I32_CONST, _I64_CONST, _I64_SUB = b"\x41", b"\x42", b"\x7d"
_BELOW: Final = b"\x53"
_LOOP_OPCODE, _IF_OPCODE, _ELSE_OPCODE, _END_OPCODE = 0x03, 0x04, 0x05, 0x0B
_BRANCH, _BRANCH_IF, _BRANCH_TABLE = 0x0C, 0x0D, 0x0E
_BLOCK: Final = b"\x02"

RUN_OUT, OVERRUN = 1, 2
"""Why an execution ended in the module: no instructions are left, or a bulk operation is too large for slices."""


def _get_global(index: int) -> bytes:
    return b"\x23" + unsigned(index)


def _set_global(index: int) -> bytes:
    return b"\x24" + unsigned(index)


def _get_local(index: int) -> bytes:
    return b"\x20" + unsigned(index)


def _set_local(index: int) -> bytes:
    return b"\x21" + unsigned(index)


def _opcodes(*names: str) -> "re.Pattern[bytes]":
    return re.compile(b"[" + b"".join(re.escape(bytes([OPCODES[name]])) for name in names) + b"]")


_SHOWING: Final = _opcodes("unreachable", "return", "call", "call_indirect", "return_call", "return_call_indirect")
"""While or after these instructions run, code outside of the function looks at the counter."""
_RENEWING: Final = _opcodes("call", "call_indirect")
"""After these instructions the function goes on with what others have charged."""


@frozen
class Segment:
    """What segments with the same opcodes have in common."""

    cost: int
    """Without instructions that have a prefix."""
    blocks: int
    """How many blocks begin inside; other control instructions end segments."""
    shows_counter: bool
    """Code outside of the function looks at the counter."""
    renews_counter: bool
    """Code outside of the function charges, and the function goes on."""
    begins_loop: bool


def segment_of(opcodes: bytes, cost: int) -> Segment:
    """The segment with these opcodes."""
    return Segment(
        cost,
        opcodes.count(_BLOCK),
        _SHOWING.search(opcodes) is not None,
        _RENEWING.search(opcodes) is not None,
        opcodes[-1] == _LOOP_OPCODE,
    )


def run_out(exhausted: int) -> bytes:
    """Ends the execution since it ran out of instructions."""
    return _I32_CONST + signed(RUN_OUT) + _set_global(exhausted) + _UNREACHABLE


@frozen
class CounterInGlobal:
    """Charges the global itself."""

    counter: int
    exhausted: int
    charges: dict[tuple[int, bool], bytes] = field(factory=dict, init=False, eq=False)
    """What has been written already: most charges come again."""

    @property
    def renew(self) -> bytes:
        """Takes over what others have charged: nothing to do."""
        return b""

    def show(self) -> bytes:
        """Makes the global exact: it is."""
        return b""

    def charge(self, cost: int, is_checked: bool, segment: Segment, has_dynamic_charge: bool) -> bytes:
        """Charges for a segment."""
        if not cost and not is_checked:
            return b""
        key = (cost, is_checked)
        code = self.charges.get(key)
        if code is None:
            counter = _get_global(self.counter)
            code = counter + _I64_CONST + signed(cost) + _I64_SUB + _set_global(self.counter)
            if is_checked:
                code += counter + _I64_CONST + signed(0) + _BELOW + _IF + run_out(self.exhausted) + _END
            self.charges[key] = code
        return code

    def close(self, token: bytes) -> bytes:
        """What comes before the instruction that ends a segment: nothing."""
        return b""


@frozen
class LocalCode:
    """What functions with the counter in a certain local share."""

    local: int
    counter: int
    exhausted: int
    renew: bytes = field(init=False)
    """Takes over what others have charged."""
    shows: dict[int, bytes] = field(factory=dict, init=False, eq=False)
    checks: dict[tuple[int, bool], bytes] = field(factory=dict, init=False, eq=False)
    charges: dict[int, bytes] = field(factory=dict, init=False, eq=False)

    @renew.default
    def _renew(self) -> bytes:
        return _get_global(self.counter) + _set_local(self.local)

    def show(self, pending: int) -> bytes:
        """Puts the local, less what is pending, into the global."""
        code = self.shows.get(pending)
        if code is None:
            rest = _I64_CONST + signed(pending) + _I64_SUB if pending else b""
            code = self.shows[pending] = _get_local(self.local) + rest + _set_global(self.counter)
        return code

    def check(self, pending: int, is_shown: bool) -> bytes:
        """Runs out if the local is less than what is pending."""
        key = (pending, is_shown)
        code = self.checks.get(key)
        if code is None:
            shown = b"" if is_shown else self.show(pending)
            is_below = _get_local(self.local) + _I64_CONST + signed(pending) + _BELOW
            code = self.checks[key] = is_below + _IF + shown + run_out(self.exhausted) + _END
        return code

    def charge(self, cost: int) -> bytes:
        """Takes the cost from the local; gives if it is negative."""
        code = self.charges.get(cost)
        if code is None:
            rest = _get_local(self.local) + _I64_CONST + signed(cost) + _I64_SUB
            code = self.charges[cost] = rest + _set_local(self.local)
        return code


@define
class CounterInLocal:
    """
    Charges a local, as late as possible: costs of segments in a row add up to one subtraction.

    What is pending, which is what the local must still be charged for, is known at every place of the code. At a label
    it is what it was where the code first came to it; who comes from elsewhere charges the difference, or gives it
    back. At loops nothing is. A branch table can go to several labels, so in functions with one nothing is pending at
    any label.
    """

    code: LocalCode
    has_branch_table: bool
    pending: int = 0
    labels: list[int | None] = field(init=False)
    """What is pending at the label of each block around, the outermost first; None if no code has come to it."""
    loops: list[bool] = field(factory=lambda: [False], init=False)
    """For each block around, whether it is a loop, whose label is at its start."""

    @labels.default
    def _labels(self) -> list[int | None]:
        return [self._new_label]

    @property
    def _new_label(self) -> int | None:
        return 0 if self.has_branch_table else None

    @property
    def renew(self) -> bytes:
        """Takes over what others have charged."""
        return self.code.renew

    def show(self) -> bytes:
        """Makes the global exact; code must follow that takes over what others have charged, or the end."""
        code, self.pending = self.code.show(self.pending), 0
        return code

    def charge(self, cost: int, is_checked: bool, segment: Segment, has_dynamic_charge: bool) -> bytes:
        """Charges for a segment."""
        self.pending += cost
        if segment.blocks:
            self.labels += [self._new_label] * segment.blocks
            self.loops += [False] * segment.blocks
        is_shown = segment.shows_counter or has_dynamic_charge
        code = self.code.show(self.pending) if is_shown else b""
        if is_checked:
            code += self.code.check(self.pending, is_shown)
        if segment.renews_counter or has_dynamic_charge:
            self.pending = 0
        return code

    def close(self, token: bytes) -> bytes:
        """What comes before the instruction that ends a segment, so that what is pending fits where it leads."""
        opcode = token[0]
        if opcode == _END_OPCODE:
            code = b"" if self.loops.pop() else self._come_to(-1)
            self.labels.pop()
            return code
        if opcode in (_BRANCH_IF, _BRANCH):
            return self._come_to(-1 - (token[1] if len(token) == 2 else Reader(token, 1).unsigned()))
        if opcode in (_IF_OPCODE, _LOOP_OPCODE):
            is_loop = opcode == _LOOP_OPCODE
            # Registers stay free if the turns of a loop begin with nothing pending.
            code = self._move(0) if is_loop or self.has_branch_table else b""
            # Whoever finds the condition of `if` false comes to the end, or to `else`, with just this.
            self.labels.append(self.pending)
            self.loops.append(is_loop)
            return code
        if opcode == _ELSE_OPCODE:
            return self._come_to(-1)
        return self._move(0) if opcode == _BRANCH_TABLE else b""

    def _come_to(self, place: int) -> bytes:
        pending = self.labels[place]
        if pending is None:
            self.labels[place] = self.pending
            return b""
        return b"" if pending == self.pending else self._move(pending)

    def _move(self, pending: int) -> bytes:
        """Charges so that this much is pending."""
        code = b"" if pending == self.pending else self.code.charge(self.pending - pending)
        self.pending = pending
        return code

"""
The quick way to hold the counter: functions pass it to each other.

Every function of the module takes two parameters more, the counter and how many more calls may nest, and gives one
result more, the counter. Inside a function the engine keeps both in registers. The global is set where others look at
it: before imported functions, dynamic charges and `unreachable`. After any other trap (an access outside of the memory,
a division by zero) it lags behind; whoever needs it then executes again in code that charges the global.
"""

from collections.abc import Callable
from typing import Final

from attrs import define, field, frozen

from reference_impl.wasm.layout.encoding import Reader, signed, unsigned
from reference_impl.wasm.layout.parsed_module import I32, I64, FunctionType
from reference_impl.wasm.rewriting.counting_code import (
    BELOW,
    CALL,
    CLOSING,
    END,
    I64_CONST,
    I64_SUB,
    IF,
    LOOP_OPCODE,
    RUN_OUT,
    TOO_DEEP,
    Segment,
    ends,
    get_global,
    set_global,
)

ADDED_PARAMETERS: Final = 2
MOST_ADDED_LOCALS: Final = ADDED_PARAMETERS + 1
"""The parameters, and a local for the place in the table of what is called."""
LARGEST_TYPE: Final = 1000 - ADDED_PARAMETERS
"""Parameters or results that a type can have for some to be added. Source: the limit that WebAssembly engines share."""

_UNREACHABLE_OPCODE, _IF_OPCODE, _ELSE_OPCODE, _END_OPCODE = 0x00, 0x04, 0x05, 0x0B
_BRANCH, _BRANCH_IF, _BRANCH_TABLE, _RETURN = 0x0C, 0x0D, 0x0E, 0x0F
_CALL, _CALL_INDIRECT, _RETURN_CALL = 0x10, 0x11, 0x12
_RETURN_TOKEN: Final = b"\x0f"
_ONE_LESS: Final = b"\x41\x01\x6b"
_IS_ZERO: Final = b"\x45"


def with_counter(one: FunctionType) -> FunctionType:
    """The type of a function that is passed the counter."""
    return FunctionType(one.parameters + bytes([I64, I32]), one.results + bytes([I64]))


def get_local(index: int) -> bytes:
    """Pushes a local."""
    return b"\x20" + unsigned(index)


def set_local(index: int) -> bytes:
    """Pops into a local."""
    return b"\x21" + unsigned(index)


@frozen
class PassedCode:
    """What functions with so many parameters share."""

    parameters: int
    """Those that the function has by itself. The counter follows them, and then the calls that may still nest."""
    counter: int
    """The index of the global."""
    exhausted: int
    get: bytes = field(init=False)
    """Pushes the counter."""
    show: bytes = field(init=False)
    """Puts the counter into the global."""
    renew: bytes = field(init=False)
    """Takes over what others have charged."""
    enter: bytes = field(init=False)
    """What comes before a call that is not the first one in its segment to nest."""
    shows: dict[int, bytes] = field(factory=dict, init=False, eq=False)
    checks: dict[int, bytes] = field(factory=dict, init=False, eq=False)
    charges: dict[int, bytes] = field(factory=dict, init=False, eq=False)

    @get.default
    def _get(self) -> bytes:
        return get_local(self.parameters)

    @show.default
    def _show(self) -> bytes:
        return self._get() + set_global(self.counter)

    @renew.default
    def _renew(self) -> bytes:
        return get_global(self.counter) + set_local(self.parameters)

    @enter.default
    def _enter(self) -> bytes:
        is_deepest = get_local(self.parameters + 1) + _IS_ZERO
        return is_deepest + IF + self._show() + ends(TOO_DEEP, self.exhausted) + END

    @property
    def pass_on(self) -> bytes:
        """The two arguments that a call needs more which takes the place of this function."""
        return self.get + get_local(self.parameters + 1)

    @property
    def take(self) -> bytes:
        """Takes the counter that a call gives."""
        return set_local(self.parameters)

    def rest(self, pending: int) -> bytes:
        """Pushes the counter less what is pending."""
        return self.get + I64_CONST + signed(pending) + I64_SUB if pending else self.get

    def show_rest(self, pending: int) -> bytes:
        """Puts the counter less what is pending into the global."""
        code = self.shows.get(pending)
        if code is None:
            code = self.shows[pending] = self.rest(pending) + set_global(self.counter)
        return code

    def check(self, pending: int) -> bytes:
        """Runs out if the counter is less than what is pending."""
        code = self.checks.get(pending)
        if code is None:
            is_below = self.get + I64_CONST + signed(pending) + BELOW
            code = is_below + IF + self.show_rest(pending) + ends(RUN_OUT, self.exhausted) + END
            self.checks[pending] = code
        return code

    def charge(self, cost: int) -> bytes:
        """Takes the cost from the counter; gives if it is negative."""
        code = self.charges.get(cost)
        if code is None:
            code = self.charges[cost] = self.rest(cost) + self.take
        return code


@define
class CounterPassed:
    """
    Charges as late as possible: costs of segments in a row add up to one subtraction.

    What is pending, which is what the counter must still be charged for, is known at every place of the code. At a
    label it is what it was where the code first came to it; who comes from elsewhere charges the difference, or gives
    it back. At loops nothing is, and in segments that call nothing is from their start. A branch table can go to
    several labels, so in functions with one nothing is pending at any label.
    """

    code: PassedCode
    place: int
    """The local for the place in the table of what is called."""
    has_branch_table: bool
    type_with_counter: Callable[[int], int]
    """The index of the type with the counter, by that of the type without it."""
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
    def arrive(self) -> bytes:
        """What every function begins with: nothing."""
        return b""

    def settle(self) -> bytes:
        """Charges for what is pending."""
        return self._move(0)

    def seen_by(self, code: bytes) -> bytes:
        """Code that looks at the global, and charges it."""
        return self.code.show + code + self.code.renew

    def charge(self, cost: int, is_checked: bool, segment: Segment, has_dynamic_charge: bool) -> bytes:
        """Charges for a segment."""
        self.pending += cost
        if segment.blocks:
            self.labels += [self._new_label] * segment.blocks
            self.loops += [False] * segment.blocks
        code = self.code.check(self.pending) if is_checked else b""
        return code + self._move(0) if segment.calls or has_dynamic_charge else code

    def close(self, token: bytes) -> bytes:
        """What comes before the instruction that ends a segment, so that what is pending fits where it leads."""
        opcode = token[0]
        if opcode == _END_OPCODE:
            code = b"" if self.loops.pop() else self._come_to(-1)
            self.labels.pop()
            return code
        if opcode in (_BRANCH_IF, _BRANCH):
            return self._come_to(-1 - (token[1] if len(token) == 2 else Reader(token, 1).unsigned()))
        if opcode in (_IF_OPCODE, LOOP_OPCODE):
            is_loop = opcode == LOOP_OPCODE
            # Registers stay free if the turns of a loop begin with nothing pending.
            code = self._move(0) if is_loop or self.has_branch_table else b""
            # Whoever finds the condition of `if` false comes to the end, or to `else`, with just this.
            self.labels.append(self.pending)
            self.loops.append(is_loop)
            return code
        if opcode == _ELSE_OPCODE:
            return self._come_to(-1)
        if opcode == _RETURN:
            return self.code.rest(self.pending)
        if opcode == _UNREACHABLE_OPCODE:
            return self.code.show_rest(self.pending)
        return self._move(0) if opcode == _BRANCH_TABLE else b""

    def give(self) -> bytes:
        """What comes at the end of the function: the counter, as the last result."""
        return self.code.rest(self.pending)

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

    def nest(self, calls: list[int], tokens: list[bytes], opcodes: bytes) -> None:
        """
        Passes the counter to what is called. Whether calls nest too deep is asked once for all calls in a segment; what
        is called instead of returning nests no deeper.
        """
        passed, checked = self.code.pass_on, -1
        for position in calls:
            token = tokens[position]
            if opcodes[position] in (_CALL, _CALL_INDIRECT):
                enter = b"" if position < checked else self.code.enter
                if position >= checked:
                    closing = CLOSING.search(opcodes, position)
                    checked = len(opcodes) if closing is None else closing.end()
                tokens[position] = enter + self._called(token, passed + _ONE_LESS) + self.code.take
            else:
                tokens[position] = self._called(token, passed)

    def _called(self, token: bytes, passed: bytes) -> bytes:
        """The call with the arguments that are added."""
        if token[0] in (_CALL, _RETURN_CALL):
            return passed + token
        reader = Reader(token, 1)
        index = reader.unsigned()
        call = token[:1] + unsigned(self.type_with_counter(index)) + token[reader.position :]
        # The place in the table lies above the arguments.
        return set_local(self.place) + passed + get_local(self.place) + call

    def imported_instead(self, function: int) -> bytes:
        """Calls an imported function instead of returning, and gives what it has left of the counter."""
        return self.code.show + CALL + unsigned(function) + get_global(self.code.counter) + _RETURN_TOKEN

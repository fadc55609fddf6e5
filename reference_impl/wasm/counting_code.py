"""
The code that counts instructions, as it is put between the instructions of a module.

The counter is a global, for all functions and the host to see. A function of several segments holds it in a local,
which the engine keeps in a register, and puts it into the global where that can be seen: in segments that may trap,
call or return. So the global is exact wherever anyone can look at it.
"""

import re
from typing import Final

from attrs import field, frozen

from reference_impl.wasm.encoding import signed, unsigned
from reference_impl.wasm.instruction_table import MEMORY, OPCODES

MOST_LOCALS: Final = 50_000
"""The locals a function may have, parameters included. Source: the limit that WebAssembly engines share."""

_UNREACHABLE: Final = b"\x00"
_IF, _END = b"\x04\x40", b"\x0b"
_I32_ONE, _I64_CONST, _I64_ADD, _I64_SUB = b"\x41\x01", b"\x42", b"\x7c", b"\x7d"
_BELOW_ZERO: Final = b"\x42\x00\x53"


def _get_global(index: int) -> bytes:
    return b"\x23" + unsigned(index)


def _set_global(index: int) -> bytes:
    return b"\x24" + unsigned(index)


def _get_local(index: int) -> bytes:
    return b"\x20" + unsigned(index)


def _set_local(index: int) -> bytes:
    return b"\x21" + unsigned(index)


def _shows_counter(name: str) -> bool:
    """While or after this instruction runs, code outside of the function may look at the counter."""
    return (
        name in MEMORY
        or name in ("unreachable", "return", "memory.grow")
        or name.startswith(("call", "return_call", "table."))
        or any(part in name for part in (".div_", ".rem_", ".trunc_f"))
        and name.startswith("i")
    )


SHOWING: Final = re.compile(
    b"[\xfc\xfd" + b"".join(re.escape(bytes([code])) for name, code in OPCODES.items() if _shows_counter(name)) + b"]"
)
"""Opcodes of instructions that may trap, call or return; all with a prefix count as such."""


def run_out(exhausted: int) -> bytes:
    """Ends the execution since it ran out of instructions."""
    return _I32_ONE + _set_global(exhausted) + _UNREACHABLE


@frozen
class CounterInGlobal:
    """Charges the global itself."""

    counter: int
    exhausted: int

    @property
    def show(self) -> bytes:
        """Makes the global exact: it is."""
        return b""

    @property
    def renew(self) -> bytes:
        """Takes over what others have charged: nothing to do."""
        return b""

    def charge(self, cost: int, is_first: bool, is_checked: bool, is_shown: bool) -> bytes:
        """Charges for a segment."""
        counter = _get_global(self.counter)
        code = counter + _I64_CONST + signed(cost) + _I64_SUB + _set_global(self.counter)
        if not is_checked:
            return code
        return code + counter + _BELOW_ZERO + _IF + run_out(self.exhausted) + _END


@frozen
class CounterInLocal:
    """Charges a local that holds the counter, of which the global is told where it can be seen."""

    show: bytes
    """Makes the global exact."""
    renew: bytes
    """Takes over what others have charged."""
    from_global: bytes
    from_local: bytes
    add: bytes
    check: bytes
    check_and_show: bytes
    charges: dict[tuple[int, bool, bool, bool], bytes] = field(factory=dict, init=False, eq=False)
    """What has been written already: most charges come again."""

    def charge(self, cost: int, is_first: bool, is_checked: bool, is_shown: bool) -> bytes:
        """Charges for a segment. The first of a function takes the counter from the global."""
        key = (cost, is_first, is_checked, is_shown)
        code = self.charges.get(key)
        if code is None:
            code = self.charges[key] = self._charge(*key)
        return code

    def _charge(self, cost: int, is_first: bool, is_checked: bool, is_shown: bool) -> bytes:
        # The engine adds up charges in a row if they are additions.
        code = (self.from_global if is_first else self.from_local) + _I64_CONST + signed(-cost) + self.add
        if is_shown:
            code += self.show
        if not is_checked:
            return code
        return code + (self.check if is_shown else self.check_and_show)


def counter_in_local(local: int, counter: int, exhausted: int) -> CounterInLocal:
    """The code for a function whose counter is in this local."""
    show = _get_local(local) + _set_global(counter)
    negative = _get_local(local) + _BELOW_ZERO + _IF
    return CounterInLocal(
        show=show,
        renew=_get_global(counter) + _set_local(local),
        from_global=_get_global(counter),
        from_local=_get_local(local),
        add=_I64_ADD + _set_local(local),
        check=negative + run_out(exhausted) + _END,
        check_and_show=negative + show + run_out(exhausted) + _END,
    )

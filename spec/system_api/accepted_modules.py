"""
Modules that were accepted before, so that they need not be checked again.

That a module fulfils all requirements depends on its bytes, the limits and the text of the specification alone. Here
nothing is remembered; whoever keeps what was found from one process to the next puts a register in place.
"""

from collections.abc import Callable
from typing import Protocol

from attrs import frozen

from spec.profile import Limits
from spec.values.identifiers import Blob
from spec.values.quantities import Instructions


@frozen
class Accepted:
    """What is remembered of a module that fulfils all requirements."""

    instructions_to_compile: Instructions
    """What installing it is charged for compiling it."""


class Register(Protocol):
    """Remembers modules that were accepted."""

    def find(self, binary: Blob, limits: Limits) -> Accepted | None:
        """What is known of a module that was accepted with these limits."""
        ...

    def enter(self, binary: Blob, limits: Limits, accepted: Callable[[], Accepted]) -> None:
        """Remembers that a module was accepted, if it is worth it."""
        ...


class NothingKnown:
    """Remembers nothing."""

    def find(self, _binary: Blob, _limits: Limits) -> Accepted | None:
        """Nothing is known."""
        return None

    def enter(self, _binary: Blob, _limits: Limits, _accepted: Callable[[], Accepted]) -> None:
        """It is forgotten at once."""


_registers: list[Register] = [NothingKnown()]
"""The one that is asked."""


def use(register: Register) -> None:
    """From now on this register remembers."""
    _registers[0] = register


def current_register() -> Register:
    """The register that remembers now."""
    return _registers[0]

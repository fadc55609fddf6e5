"""
How hard a module is to compile.

The optimizing compiler takes some microseconds an instruction for the code that compilers of other languages write. It
takes minutes for a few kilobytes of code that is made for that: every local that changes inside loops or branches must
be brought together wherever branches meet, and what lives across many instructions makes the search for registers
slow. Production has no limit for this, so such modules are not refused: they are compiled in a quick way, without
optimization and with a register allocator of one pass.
"""

from typing import Final

from attrs import define

LARGE_FUNCTION: Final = 50_000
"""Instructions from which on the values of one function alone may take seconds. QuickJS has a function of 20,600."""

LARGE_MODULE: Final = 1_500_000
"""Instructions from which on optimization may take minutes, 0.1 milliseconds each. azle has a module of 1,075,000."""

MERGES: Final = 1e8
"""How much bringing together any module may have: about ten seconds in the worst case."""

MERGES_PER_INSTRUCTION: Final = 300
"""How much more for each instruction. Modules in use have 140 to 200."""


@define
class CompilingEffort:
    """What is known of the functions of a module."""

    instructions: int = 0
    largest_function: int = 0
    merges: float = 0

    def add(self, instructions: int, values: int, segments: int) -> None:
        """
        One more function, with so many values that may change and so many places where control goes on elsewhere.

        Measured on nested loops that change every local: the time grows with the product to the power of 1.5.
        """
        self.instructions += instructions
        self.largest_function = max(self.largest_function, instructions)
        self.merges += (values * segments) ** 1.5

    @property
    def is_too_large(self) -> bool:
        """Optimization may take too long."""
        return (
            self.largest_function > LARGE_FUNCTION
            or self.instructions > LARGE_MODULE
            or self.merges > MERGES + MERGES_PER_INSTRUCTION * self.instructions
        )

"""
Quantities: natural numbers whose type names their unit.

Every alias is a plain `int` at run time. The annotation is what a reader, the document and the symbolic runner see:
`Natural` says that a value is never below zero.
"""

from typing import Annotated, Final

from attrs import frozen

from spec.values.checklist import defines


class Natural:
    """Marks an integer that is never negative, and names its unit; constants may have narrower bounds."""

    __slots__ = ("least", "most", "unit")

    def __init__(self, unit: str, least: int = 0, most: int | None = None) -> None:
        self.unit = unit
        self.least = least
        self.most = most


Cycles = Annotated[int, Natural("cycles")]
"""An amount of cycles. 10^12 cycles correspond to 1 XDR."""

Nanoseconds = Annotated[int, Natural("nanoseconds")]
"""A point in time, in nanoseconds since 1970-01-01, or a duration."""

Seconds = Annotated[int, Natural("seconds")]
"""A duration."""

Instructions = Annotated[int, Natural("instructions")]
"""Executed WebAssembly instructions, as metering defines them."""

ByteCount = Annotated[int, Natural("bytes")]
"""A size."""

Percent = Annotated[int, Natural("percent")]
"""A compute allocation: 100 is one core."""

CanisterVersion = Annotated[int, Natural("versions")]
"""The version of a canister; it never decreases."""

Count = Annotated[int, Natural("items")]
"""A number of things."""

WASM_PAGE: Final[ByteCount] = 65536
"""The size of a WebAssembly page. Source: the WebAssembly core specification."""

OS_PAGE: Final[ByteCount] = 4096
"""The unit in which changed memory is counted. Source: production's page charge."""

NANOSECONDS_PER_SECOND: Final[Nanoseconds] = 10**9

SECONDS_PER_DAY: Final[Seconds] = 24 * 60 * 60
"""Source: the definition of the freezing limit."""

MAXIMUM_CYCLES: Final[Cycles] = 2**128 - 1
"""Balances are 128 bits wide. Source: index, canister cycles."""


@frozen
class Credited:
    """What became of cycles that were added to an amount."""

    total: int
    """The amount after. Negative only if it was so before."""
    lost: Cycles
    """The cycles for which there was no room."""


@defines("inv.cycles.saturating")
def credited(amount: int, added: Cycles) -> Credited:
    """Cycles are added to an amount, as far as 128 bits hold the sum. Source: index, canister cycles."""
    total = min(amount + added, MAXIMUM_CYCLES)
    return Credited(total, amount + added - total)

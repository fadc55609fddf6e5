"""The table of the System API: what may be imported, from where it may be called, and what a call costs."""

from collections.abc import Callable
from enum import Enum
from functools import cache
from typing import Final, Protocol

from attrs import frozen

from reference_impl.wasm.layout.parsed_module import I32, I64, FunctionType
from spec.values.quantities import Instructions

_REPLICATED: Final = ("I", "G", "U", "RQ", "Ry", "Rt", "C", "T", "s")
_WITHOUT_CHANGES: Final = ("RQ", "NRQ", "TQ", "F")
_INSTALLING: Final = ("s", "I", "G")


class Context(Enum):
    """From where the System API is called. The values are those of the canister interface."""

    INIT = "I"
    PRE_UPGRADE = "G"
    UPDATE = "U"
    REPLICATED_QUERY = "RQ"
    NON_REPLICATED_QUERY = "NRQ"
    TRANSFORM = "TQ"
    COMPOSITE_QUERY = "CQ"
    REPLY_CALLBACK = "Ry"
    REJECT_CALLBACK = "Rt"
    COMPOSITE_REPLY_CALLBACK = "CRy"
    COMPOSITE_REJECT_CALLBACK = "CRt"
    CLEANUP = "C"
    COMPOSITE_CLEANUP = "CC"
    START = "s"
    INSPECT_MESSAGE = "F"
    SYSTEM_TASK = "T"

    def __init__(self, letters: str) -> None:
        self.letters = letters
        """The value, quicker to reach."""
        self.is_replicated = letters in _REPLICATED
        """All nodes execute. Source: canister-interface, modes."""
        self.keeps_changes = letters not in _WITHOUT_CHANGES
        """Changes are kept if nothing fails; where they are dropped, changed pages of the heap cost nothing."""
        self.installs = letters in _INSTALLING
        """Slices have the size of those of installations."""


ALL_BUT_START: Final = "I G U RQ NRQ TQ CQ Ry Rt CRy CRt C CC F T"
EVERYWHERE: Final = ALL_BUT_START + " s"

Implementation = Callable[..., int | None]
"""Takes the execution and the parameters as unsigned integers."""


class Logs(Protocol):
    """What a cost may ask of an execution: what its log has room for."""

    def log_cost(self, size: int) -> Instructions:
        """What writing so many bytes into the log costs."""


Cost = Callable[[Logs, list[int]], Instructions]
"""What a call costs beyond the fixed part."""


@frozen
class SystemFunction:
    """One importable function."""

    name: str
    parameters: str
    """A letter for each: `P` pointer-sized, `i` 32 bits, `l` 64 bits."""
    result: str
    """The same for the result, or empty."""
    contexts: frozenset[Context]
    fixed_cost: Instructions
    cost: Cost | None
    """The variable cost, or None if there is none."""
    only_32_bit: bool
    """A module with a 64-bit memory may not import the function."""
    charges_itself: bool
    """The function is replaced by code in the module in production, which charges in its own way. Source: rule C4."""
    implementation: Implementation


SYSTEM_API: Final[dict[str, SystemFunction]] = {}
"""All functions by name; filled by the modules that implement them."""

BUSINESS: Final[Instructions] = 500
"""What most functions cost. Source: facts on System API costs."""

LOG_STORED, LOG_SENT = 2, 50
"""What a byte of the log costs: all that could be stored, and what there is still room for."""


@frozen
class PerByte:
    """The cost of moving as many bytes as parameters say."""

    positions: tuple[int, ...]
    factor: int

    def __call__(self, _: Logs, parameters: list[int]) -> Instructions:
        return self.factor * sum(parameters[position] for position in self.positions)


@frozen
class Logging:
    """The cost of writing a text into the log, whose size is parameter 1."""

    factor: int
    """What a byte costs beside that."""

    def __call__(self, execution: Logs, parameters: list[int]) -> Instructions:
        return self.factor * parameters[1] + execution.log_cost(parameters[1])


def per_byte(*positions: int, factor: int = 1) -> PerByte:
    """The cost of moving as many bytes as the parameters at these positions say."""
    return PerByte(positions, factor)


def system_function(
    parameters: str,
    result: str,
    contexts: str,
    *,
    fixed_cost: Instructions = BUSINESS,
    cost: Cost | None = None,
    only_32_bit: bool = False,
    charges_itself: bool = False,
) -> Callable[[Implementation], Implementation]:
    """Enters a function into the table under its own name, without a trailing underscore."""

    def enter(implementation: Implementation) -> Implementation:
        name = implementation.__name__.rstrip("_")
        allowed = frozenset(map(Context, contexts.split()))
        SYSTEM_API[name] = SystemFunction(
            name, parameters, result, allowed, fixed_cost, cost, only_32_bit, charges_itself, implementation
        )
        return implementation

    return enter


def value_types(letters: str, is_64_bit: bool) -> bytes:
    """The value types that letters stand for."""
    pointer = I64 if is_64_bit else I32
    return bytes({"P": pointer, "i": I32, "l": I64}[letter] for letter in letters)


@cache
def import_types(is_64_bit: bool) -> dict[str, FunctionType]:
    """What a module with a memory of this width may import."""
    return {
        function.name: FunctionType(
            value_types(function.parameters, is_64_bit), value_types(function.result, is_64_bit)
        )
        for function in SYSTEM_API.values()
        if not (is_64_bit and function.only_32_bit)
    }

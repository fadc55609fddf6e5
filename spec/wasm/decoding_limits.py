"""
How large the parts of a module may be. They are checked while it is decoded, so that a hostile one costs little.

Some come from the embedder. The others are those that WebAssembly engines share. Source: WebAssembly JavaScript
interface, implementation-defined limits, and the limits of the parser that production uses.
"""

from typing import Final

from attrs import frozen

MAXIMUM_TYPES: Final = 1_000_000
MAXIMUM_IMPORTS: Final = 1_000_000
MAXIMUM_EXPORTS: Final = 1_000_000
MAXIMUM_TABLES: Final = 100
MAXIMUM_SEGMENTS: Final = 100_000
"""Of elements, and of data."""

MAXIMUM_FUNCTION_BODY: Final = 7_654_321
"""In bytes, locals included."""

COUNTED_INSTRUCTIONS: Final = frozenset(
    (
        *("loop", "if", "else", "end", "br", "br_if", "br_table", "call", "call_indirect"),
        *("memory.grow", "memory.init", "memory.copy", "memory.fill"),
    )
)
"""
At these, counting code is written: they end a segment, nest calls, or are charged by what they move. After an end or
`else` it may be written once more, at the first instruction after which control does not go on.
"""

COUNTED_PER_BODY: Final = 8
"""Where a function begins and ends, as much code may be written as at so many of these instructions."""

MAXIMUM_BRANCH_TARGETS: Final = 65_520
"""Of one `br_table`, without the default. The compiler of production's engine compiles no more."""

MAXIMUM_CONSTANT_INSTRUCTIONS: Final = 1_000
"""Ours: only expressions of one instruction and the end are valid."""

MAXIMUM_PARAMETERS: Final = 1_000
MAXIMUM_RESULTS: Final = 1_000

MAXIMUM_ELEMENTS_IN_SEGMENTS: Final = 10_000_000
"""In all segments together. Ours: engines allow as many in each; more would not fit into the largest table."""

MAXIMUM_CUSTOM_SECTIONS: Final = 100_000
"""Ours: engines do not count them."""


@frozen
class DecodingLimits:
    """The limits that the embedder chooses."""

    functions: int
    """Defined in the module."""
    globals: int
    """Defined in the module."""
    code_section_size: int
    """In bytes."""
    function_instructions: int
    """In the body of one function, all ends included."""
    room_for_counting: int = 0
    """For each of the counted instructions, so many bytes are left free below the largest size of a function body."""


SHARED_LIMITS: Final = DecodingLimits(
    functions=1_000_000, globals=1_000_000, code_section_size=1 << 30, function_instructions=7_654_321
)
"""What engines allow if nobody chooses."""

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


SHARED_LIMITS: Final = DecodingLimits(
    functions=1_000_000, globals=1_000_000, code_section_size=1 << 30, function_instructions=7_654_321
)
"""What engines allow if nobody chooses."""

"""
The mark that joins a definition with the checklist of testable statements.

`@defines("def.freezing-limit")` stands on the function or class that says what the row of that id states, below
`@transition` or `@opaque`. Of a constant or a field the docstring says it: "Checklist: `unspec.const.max-snapshots`."
`icspec coverage` reads both from the source text; at run time neither does anything.
"""

from collections.abc import Callable
from typing import TypeVar

Defined = TypeVar("Defined", bound=Callable[..., object])


def defines(*rows: str) -> Callable[[Defined], Defined]:
    """Says of which rows of the checklist the decorated function or class is the definition."""
    assert rows, "at least one row is named"
    return lambda definition: definition

"""What an execution finds that is counted by itself, outside a system."""

from attrs import frozen

from spec.values.identifiers import ANONYMOUS, Blob, Principal
from spec.values.quantities import Cycles


@frozen
class Occasion:
    """What a function is given, and what ran before it."""

    argument: Blob = b""
    caller: Principal = ANONYMOUS
    cycles: Cycles = 0
    """Attached to the call."""
    init_argument: Blob | None = None
    """If not None, `canister_init` ran before with this argument, and not only the start function."""


PLAIN = Occasion()
"""An empty argument, of nobody, right after the start function."""

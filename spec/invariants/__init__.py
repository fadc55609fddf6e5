"""
What is true in every state that can be reached (`of_states`), and of every step (`of_steps`).

Each statement is proved for each rule (`icspec prove`): if all of them hold in a state, they hold after the step. Where
the interface specification's own list is not enough for that, further ones of ours make it so. Source:
abstract-behavior, invariants.
"""

from spec.invariants import of_states, of_steps
from spec.invariants.registry import (
    INVARIANTS,
    STEP_INVARIANTS,
    Invariant,
    StepInvariant,
    invariant,
    step_invariant,
)

__all__ = [
    "INVARIANTS",
    "STEP_INVARIANTS",
    "Invariant",
    "StepInvariant",
    "invariant",
    "of_states",
    "of_steps",
    "step_invariant",
]

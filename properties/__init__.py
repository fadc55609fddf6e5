"""
Proofs about the rules, and agreement of the specification with the reference implementation.

What is listed here is all that experiments need; `docs/reference/use-from-python.md` shows it at work. What it is
made of may move.
"""

from typing import TYPE_CHECKING, Final

from spec.public_names import public_names

if TYPE_CHECKING:
    from properties.agreement.difference import difference
    from properties.agreement.lockstep import Disagreement, Lockstep
    from properties.exploration.explorer import Exploration, Violation, World, explore
    from properties.exploration.worlds import WORLDS
    from properties.proof.claims.proof import RuleReport, prove_rule

__all__ = [
    "Disagreement",
    "Exploration",
    "Lockstep",
    "RuleReport",
    "Violation",
    "WORLDS",
    "World",
    "difference",
    "explore",
    "prove_rule",
]

_HOMES: Final = {
    "properties.agreement.difference": ("difference",),
    "properties.agreement.lockstep": (
        "Disagreement",
        "Lockstep",
    ),
    "properties.exploration.explorer": (
        "Exploration",
        "Violation",
        "World",
        "explore",
    ),
    "properties.exploration.worlds": ("WORLDS",),
    "properties.proof.claims.proof": (
        "RuleReport",
        "prove_rule",
    ),
}
"""Where each name stands. It is imported when it is asked for."""

__getattr__, __dir__ = public_names(__name__, _HOMES)

"""Formulas and terms of Z3 as they are combined everywhere."""

from collections.abc import Sequence
from typing import Any

import z3

Formula = Any
"""A Z3 term of sort Bool."""
Term = Any
"""A Z3 term of sort Int."""


def conjunction(formulas: Sequence[Formula]) -> Formula:
    """All of the formulas."""
    if not formulas:
        return z3.BoolVal(True)
    return formulas[0] if len(formulas) == 1 else z3.And(*formulas)


def disjunction(formulas: Sequence[Formula]) -> Formula:
    """One of the formulas."""
    if not formulas:
        return z3.BoolVal(False)
    return formulas[0] if len(formulas) == 1 else z3.Or(*formulas)

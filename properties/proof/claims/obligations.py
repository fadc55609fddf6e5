"""What is to be shown of every path of every rule on which it fires."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import attrs

from properties.proof.claims.naturals import is_natural_step
from properties.proof.claims.special import SPECIAL_OBLIGATIONS
from properties.proof.values.merging import merged_number
from spec.invariants import INVARIANTS, STEP_INVARIANTS
from spec.state.state import State, total_cycles
from spec.transition import Rule, Step

Claim = Callable[[], Any]
"""Gives the truth value that is to be proved."""

MINTING_RULES = frozenset({"provisional_create_canister_with_cycles", "provisional_top_up_canister"})
"""The rules that may bring cycles into being: those of the provisional interface of development instances."""


@attrs.frozen(eq=False)
class Fired:
    """A rule ran on unknown values and fired."""

    before: State
    choices: dict[str, Any]
    step: Step


def claims_of(rule: Rule, fired: Fired) -> Iterator[tuple[str, Claim]]:
    """The obligations of a path on which a rule fired."""
    before, step = fired.before, fired.step
    yield "cycles are conserved", partial(conserves_cycles, before, step)
    yield "naturals are not negative", partial(is_natural_step, step)
    if rule.name not in MINTING_RULES:
        yield "no cycles are minted", partial(mints_nothing, step)
    for invariant in INVARIANTS.values():
        yield invariant.name, partial(invariant.holds, step.state)
    for step_invariant in STEP_INVARIANTS.values():
        yield step_invariant.name, partial(step_invariant.holds, before, step)
    for name, special in SPECIAL_OBLIGATIONS.get(rule.name, {}).items():
        yield name, partial(special, before, fired.choices, step)


def conserves_cycles(before: State, step: Step) -> Any:
    """Cycles before and minted are the cycles after and burned."""
    had = merged_number(lambda: total_cycles(before))
    has = merged_number(lambda: total_cycles(step.state))
    return had + sum(each.cycles for each in step.minted) == has + sum(each.cycles for each in step.burned)


def mints_nothing(step: Step) -> bool:
    """The step brings no cycles into being."""
    return all(each.cycles == 0 for each in step.minted)

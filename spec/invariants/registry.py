"""What an invariant is, and the registries in which decorators enter them."""

from collections.abc import Callable
from typing import Final

from attrs import frozen

from spec.state.state import State
from spec.transition import Step
from spec.values.identifiers import Text


@frozen
class Invariant:
    """A statement about states."""

    name: Text
    title: Text
    sources: tuple[Text, ...]
    """Ids of rows of the checklist; `ours` for a statement that only makes the others provable."""
    holds: Callable[[State], bool]


@frozen
class StepInvariant:
    """A statement about the states before and after any step."""

    name: Text
    title: Text
    sources: tuple[Text, ...]
    holds: Callable[[State, Step], bool]
    """Of the state before and the step that leads to the state after."""


INVARIANTS: Final[dict[Text, Invariant]] = {}
"""Every invariant of states, by name."""

STEP_INVARIANTS: Final[dict[Text, StepInvariant]] = {}
"""Every invariant of steps, by name."""


def invariant(title: Text, *sources: Text) -> Callable[[Callable[[State], bool]], Callable[[State], bool]]:
    """Registers an invariant of states."""

    def register(holds: Callable[[State], bool]) -> Callable[[State], bool]:
        INVARIANTS[holds.__name__] = Invariant(holds.__name__, title, sources, holds)
        return holds

    return register


def step_invariant(
    title: Text, *sources: Text
) -> Callable[[Callable[[State, Step], bool]], Callable[[State, Step], bool]]:
    """Registers an invariant of steps."""

    def register(holds: Callable[[State, Step], bool]) -> Callable[[State, Step], bool]:
        STEP_INVARIANTS[holds.__name__] = StepInvariant(holds.__name__, title, sources, holds)
        return holds

    return register

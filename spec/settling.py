"""
The shortest policy: which enabled label comes next, without rounds.

One policy among the many that the specification allows. It finishes what was begun before it begins anything new, so
that a request is answered in as few steps as possible.
"""

from collections.abc import Iterator
from typing import Final

from spec.machine import SPONTANEOUS, candidates, step
from spec.rules.management.rejection import METHODS
from spec.rules.messages import rejection
from spec.state.label import Label
from spec.state.state import State
from spec.transition import RULES, Output, Step

FOLLOWING: Final[tuple[str, ...]] = (
    "respond_to_user",
    "call_context_starvation",
    "call_context_removal",
    "callback_of_deleted_context",
    "stop_completion",
)
"""Rules that run no code, and that nothing but other rules makes necessary."""


CALL_REJECTIONS: Final[tuple[str, ...]] = tuple(
    name for name, rule in RULES.items() if rule.body.__module__ == rejection.__name__ and name not in SPONTANEOUS
)
"""The rules that reject calls to canisters for a reason, in the order of their file."""

ORDER: Final[tuple[str, ...]] = (
    "message_execution",
    "callback_invocation",
    *FOLLOWING,
    *(rule.name for rules in METHODS.values() for rule in rules),
    "management_call_rejection",
    *CALL_REJECTIONS,
    "on_low_wasm_memory_context_creation",
    "call_context_creation",
    "initiate_call",
    "global_timer_context_creation",
)
"""Rules in the order in which the policy tries them. Heartbeats and spontaneous rules are left to the schedule."""


def next_label(state: State) -> tuple[Label, Step] | None:
    """The label that the policy takes, and the step; None if nothing is left to do."""
    for name in ORDER:
        for label in candidates(state, RULES[name]):
            result = step(state, label)
            if isinstance(result, Step):
                return label, result
    return None


def steps(state: State, limit: int = 100_000) -> Iterator[tuple[Label, Step]]:
    """The steps of the policy until nothing is left to do, or the limit is reached."""
    for _ in range(limit):
        taken = next_label(state)
        if taken is None:
            return
        yield taken
        state = taken[1].state


def settled(state: State, limit: int = 100_000) -> tuple[State, tuple[Output, ...], list[Label]]:
    """The state in which nothing is left to do, what was shown on the way, and the schedule that led there."""
    outputs: tuple[Output, ...] = ()
    labels: list[Label] = []
    for label, fired in steps(state, limit):
        state, outputs = fired.state, outputs + fired.outputs
        labels.append(label)
    return state, outputs, labels

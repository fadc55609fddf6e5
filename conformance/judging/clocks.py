"""What an instance tells of its time. The clock of a live one moves by itself, whatever is asked or not."""

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from conformance.protocol.interface import Path, Refused, Values
from spec.machine import step
from spec.state.label import Label
from spec.state.state import State
from spec.transition import Step
from spec.values.identifiers import Blob
from spec.values.leb128 import from_groups
from spec.values.quantities import NANOSECONDS_PER_SECOND, Nanoseconds

MOST_AHEAD: Final[Nanoseconds] = 300 * NANOSECONDS_PER_SECOND
"""
How far the clock of a live instance may be ahead of the time that it told last.

A request is good for no longer than this, so with a clock further ahead each would have expired when it is handed in.
"""


@frozen
class Period:
    """From when to when something may have happened."""

    earliest: Nanoseconds
    latest: Nanoseconds

    def holds(self, times: Sequence[Nanoseconds]) -> bool:
        """These times are in it, each no earlier than the one before."""
        ordered = (self.earliest, *times, self.latest)
        return all(one <= other for one, other in zip(ordered, ordered[1:], strict=False))


def period(state: State, began: Nanoseconds | None) -> Period | None:
    """When what a live instance tells may have happened, which began then; None if the instance is deterministic."""
    return None if began is None else Period(began, state.system_time + MOST_AHEAD)


def is_possible_time(path: Path, allowed: Blob | None, read: Blob | None, possible_times: Period | None) -> bool:
    """
    When a canister was created or its code installed stands there, which happened while the clock moved.

    Source: https-interface, read state (`canister_creation_timestamp`, `last_install_timestamp`).
    """
    match path:
        case (b"canister", _, b"canister_creation_timestamp" | b"last_install_timestamp"):
            return bool(possible_times and allowed and read and possible_times.holds([from_groups(read)]))
        case _:
            return False


def with_time(state: State, now: Nanoseconds) -> State:
    """The state in which all clocks show this time, unless they show a later one."""
    labels = [Label("system_time_progress", {"time": now})] if state.system_time < now else []
    labels += [
        Label("canister_time_progress", {"canister_id": each, "time": now})
        for each, canister in state.canisters.items()
        if canister.time < now
    ]
    for label in labels:
        fired = step(state, label)
        if isinstance(fired, Step):
            state = fired.state
    return state


def with_time_read(state: State, paths: Sequence[Path], read: Values | Refused) -> State:
    """The state of a live instance in which the time is the one that was read, if that may be the time."""
    for path, value in zip(paths, read.values if isinstance(read, Values) else (), strict=False):
        if path == (b"time",) and value and from_groups(value) <= state.system_time + MOST_AHEAD:
            return with_time(state, from_groups(value))
    return state

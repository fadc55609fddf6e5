"""
The reference implementation: a second program for the same canisters, independent of the rules.

What is listed here is all that experiments need; `docs/reference/use-from-python.md` shows it at work. What it is
made of may move.
"""

from typing import TYPE_CHECKING, Final

from spec.public_names import public_names

if TYPE_CHECKING:
    from reference_impl.engine import Engine
    from reference_impl.reads.queries import Query
    from reference_impl.subnet.observations import (
        Accepted,
        ClaimedStep,
        ExecutionShown,
        NotTaken,
        Observation,
        Observed,
        StatusChange,
    )
    from reference_impl.subnet.outside_world import DeterministicWorld, OutsideWorld
    from reference_impl.wasm.running.count import Count, count_export
    from reference_impl.wasm.running.module import load_module

__all__ = [
    "Accepted",
    "ClaimedStep",
    "Count",
    "DeterministicWorld",
    "Engine",
    "ExecutionShown",
    "Observation",
    "Observed",
    "OutsideWorld",
    "Query",
    "NotTaken",
    "StatusChange",
    "count_export",
    "load_module",
]

_HOMES: Final = {
    "reference_impl.engine": ("Engine",),
    "reference_impl.reads.queries": ("Query",),
    "reference_impl.subnet.observations": (
        "Accepted",
        "ClaimedStep",
        "ExecutionShown",
        "Observation",
        "Observed",
        "NotTaken",
        "StatusChange",
    ),
    "reference_impl.subnet.outside_world": (
        "DeterministicWorld",
        "OutsideWorld",
    ),
    "reference_impl.wasm.running.count": (
        "Count",
        "count_export",
    ),
    "reference_impl.wasm.running.module": ("load_module",),
}
"""Where each name stands. It is imported when it is asked for."""

__getattr__, __dir__ = public_names(__name__, _HOMES)

"""The transcript of a run by rounds, round by round."""

from collections.abc import Iterator, Sequence
from typing import Final

from conformance.judging.candid_text import shown_principal
from conformance.suite.transcript import STEP, Event
from spec.machine import OUTSIDE
from spec.production.rounds import Round
from spec.values.identifiers import Text

CLOCKS: Final = ("system_time_progress", "canister_time_progress")
"""Rules that a trace leaves out: every round with a later time begins with them."""


def heading(what: Round) -> list[Text]:
    """What a round did beside its labels: where how much was executed, and the slices that end no execution."""
    cores = ", ".join(f"{used:,}" for used in what.cores)
    lines = [f"round {what.number}: {what.iterations} iterations, instructions of the cores {cores}"]
    if what.management_instructions:
        lines.append(f"  the management canister: {what.management_instructions:,} instructions")
    return lines + [
        f"  a slice of {shown_principal(canister_id)}: {used:,} instructions" for canister_id, used in what.slices
    ]


def trace_by_round(transcript: Sequence[Event], history: Sequence[Round | None]) -> Iterator[Text]:
    """The lines of a transcript, in which the labels of each round stand below its heading; clocks are left out."""
    following, left = iter(history), 0
    for event in transcript:
        if event.actor != STEP:
            yield f"{event.actor} {event.text}"
        elif event.text.startswith(tuple(OUTSIDE)):
            yield f"  {event.text}"
        else:
            while left == 0:
                current = next(following)
                left = 1 if current is None else len(current.labels)
                yield from (f"  {line}" for line in ([] if current is None else heading(current)))
            left -= 1
            if not event.text.startswith(CLOCKS):
                yield f"    {event.text}"

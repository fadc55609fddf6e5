"""
The verdict on a mutant, explained and as a black box.

First it answers, scenario by scenario, what the right implementation was asked. Only where an answer differs is the
scenario judged, by the judge and the limits of `icspec conform`; it is caught if that verdict is `fail`.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from attrs import evolve, field, frozen

from conformance.judging.verdicts import Fail
from conformance.protocol.interface import ImplementationError, TimeLimits
from conformance.running.case import Manner
from conformance.running.run import run_scenario
from conformance.suite.scenario import Scenario
from properties.mutation.measuring import EXPLAINING, Measurement, Recording
from properties.mutation.mutants import Mutant
from properties.mutation.patching import LiveFunctions, apply
from properties.mutation.serving import ForkedImplementation, Patience, end, only_this
from reference_impl.server.service import Service
from reference_impl.server.stdio import respond
from spec.values.identifiers import Text
from spec.values.quantities import Count

SECONDS: Final = 10.0
"""So long a mutant may work at least for an answer. One that works longer gets the verdict of one that is silent."""

MOST_SECONDS: Final = 90.0
"""So long the judge may take, as by default."""

TIMES_SLOWER: Final = 20.0
"""So many times as long as the right implementation it may take, if that is more."""

MOST_JUDGED: Final[Count] = 10
"""So many scenarios at most whose answers differ are judged, in each manner."""

EXPLAINED, BLACK_BOX = "explained", "black box"


@frozen
class Finding:
    """What came of a mutant in one manner."""

    caught_by: Text | None = None
    """The scenario that it fails; None if it fails none."""
    why: Text = ""
    """The verdict's reason."""


@frozen
class Outcome:
    """What came of a mutant."""

    explained: Finding = Finding()
    black_box: Finding = Finding()
    reached_by: tuple[Text, ...] = ()
    """The scenarios in which it runs."""
    differing: tuple[Text, ...] = ()
    """Those of them whose answers differ, as far as they were looked at."""
    judged: Count = field(default=0)
    """How many verdicts were needed."""


class Judging:
    """Judges mutants with the scenarios that were measured."""

    def __init__(self, measurement: Measurement, scenarios: Sequence[Scenario], live: LiveFunctions) -> None:
        self.measurement = measurement
        self._scenarios = {each.id: each for each in scenarios}
        self._live = live

    def outcome(self, mutant: Mutant, first: Sequence[Text] = ()) -> Outcome:
        """What comes of a mutant. The scenarios named `first` are tried before others."""
        reaching = self.measurement.reaching(mutant)
        reaching.sort(key=lambda each: each.scenario not in first)
        case = _Case(self, mutant, bool(self.measurement.loading_through(mutant)))
        outcome = Outcome(reached_by=tuple(each.scenario for each in reaching))
        for_black_box = [each for each in reaching if each.applies_to_black_boxes]
        outcome = case.search(outcome, for_black_box, black_box=True)
        if outcome.explained.caught_by is None:
            outcome = case.search(outcome, reaching, black_box=False)
        return outcome

    def prepared(self, mutant: Mutant, loads_anew: bool) -> Callable[[], None]:
        """What makes a forked process the mutant."""
        return partial(apply, mutant, self._live, loads_anew=loads_anew)

    def verdict(self, case: "_Case", recording: Recording, *, black_box: bool) -> Finding:
        """Judges the mutant with a scenario."""
        limits = TimeLimits.uniform(limit_of(recording))
        implementation = ForkedImplementation(case.prepare, limits)
        try:
            description = implementation.describe()
            manner = Manner(black_box=black_box, seconds=MOST_SECONDS)
            result = run_scenario(self._scenarios[recording.scenario], implementation, description, manner)
        except ImplementationError as problem:
            return Finding(recording.scenario, str(problem))
        finally:
            implementation.close()
        if isinstance(result.verdict, Fail):
            return Finding(recording.scenario, result.verdict.why)
        return Finding()


def limit_of(recording: Recording) -> float:
    """So long a mutant may take for an answer of a scenario."""
    return max(SECONDS, TIMES_SLOWER * recording.seconds)


class _Case:
    """One mutant that is judged."""

    def __init__(self, judging: Judging, mutant: Mutant, loads_anew: bool) -> None:
        self._judging = judging
        self.prepare = judging.prepared(mutant, loads_anew)
        self._judged: dict[tuple[Text, bool], Finding] = {}

    def search(self, outcome: Outcome, recordings: Sequence[Recording], *, black_box: bool) -> Outcome:
        """Looks for a scenario that catches the mutant; as a black box, if need be also one that does so explained."""
        judged = 0
        for recording in differing(self.prepare, recordings, black_box=black_box):
            outcome = evolve(outcome, differing=(*outcome.differing, recording.scenario))
            if black_box and outcome.black_box.caught_by is None:
                outcome = evolve(outcome, black_box=self._verdict(recording, black_box=True))
                judged += 1
            if outcome.explained.caught_by is None:
                outcome = evolve(outcome, explained=self._verdict(recording, black_box=False))
                judged += not black_box
            wanted = outcome.black_box if black_box else outcome.explained
            if wanted.caught_by is not None or judged >= MOST_JUDGED:
                break
        return evolve(outcome, judged=len(self._judged))

    def _verdict(self, recording: Recording, *, black_box: bool) -> Finding:
        key = (recording.scenario, black_box)
        if key not in self._judged:
            self._judged[key] = self._judging.verdict(self, recording, black_box=black_box)
        return self._judged[key]


def differing(prepare: Callable[[], None], recordings: Sequence[Recording], *, black_box: bool) -> Iterator[Recording]:
    """The scenarios in which an answer differs, or does not come in time."""
    waiting = list(recordings)
    while waiting:
        for recording, is_equal in _replayed(prepare, waiting, black_box=black_box):
            waiting = waiting[1:]
            if not is_equal:
                yield recording


def _replayed(
    prepare: Callable[[], None], recordings: Sequence[Recording], *, black_box: bool
) -> Iterator[tuple[Recording, bool]]:
    """Scenarios and whether all answers are right; ends early after one that ended the process or took too long."""
    go_input, go_output = os.pipe()
    told_input, told_output = os.pipe()
    child = os.fork()
    if child == 0:
        with only_this():
            os.close(go_output)
            os.close(told_input)
            prepare()
            for recording in recordings:
                os.read(go_input, 1) or os._exit(0)
                os.write(told_output, b"=" if _answers_alike(recording, black_box) else b"!")
    os.close(go_input)
    os.close(told_output)
    try:
        for recording in recordings:
            with contextlib.suppress(BrokenPipeError):
                os.write(go_output, b".")
            is_ready = Patience(child, limit_of(recording)).has_come(told_input)
            told = os.read(told_input, 1) if is_ready else b""
            yield recording, told == b"="
            if not told:
                return
    finally:
        os.close(go_output)
        os.close(told_input)
        end(child)


def _answers_alike(recording: Recording, black_box: bool) -> bool:
    service = Service()
    for each in recording.exchanges:
        if black_box and each.verb in EXPLAINING:
            continue
        frame, _ = respond(service, each.request)
        if json.dumps(frame).encode() != each.response:
            return False
    return True

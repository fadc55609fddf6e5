"""
The verdict on a mutant, explained and as a black box.

First it answers, scenario by scenario, what the right implementation was asked. Only where an answer differs is the
scenario judged, by the judge and the limits of `icspec conform`; it is caught if that verdict is `fail`.
"""

import contextlib
import json
import os
import struct
import time
from collections import Counter
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from typing import Final

from attrs import field, frozen

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
"""So long the judge may take for a scenario, as by default; no scenario is judged after so long in one manner."""

TIMES_SLOWER: Final = 20.0
"""So many times as long as the right implementation it may take, if that is more."""

MOST_JUDGED: Final[Count] = 10
"""So many scenarios at most whose answers differ are judged, in each manner."""

EXPLAINED, BLACK_BOX = "explained", "black box"

_REQUEST: Final = struct.Struct("<I?")
"""The number of a scenario, and whether the mutant is asked to tell of itself."""


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
        return _Case(self, mutant, bool(self.measurement.loading_through(mutant))).searched(reaching)

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
        self._found = {EXPLAINED: Finding(), BLACK_BOX: Finding()}
        self._judged: Counter[Text] = Counter()
        self._seconds = {EXPLAINED: 0.0, BLACK_BOX: 0.0}

    def searched(self, recordings: Sequence[Recording]) -> Outcome:
        """Looks for the first scenario that catches the mutant, in both manners at once."""
        differing: list[Text] = []
        with Replaying(self.prepare, recordings) as replaying:
            for number, recording in enumerate(recordings):
                manners = [each for each in (BLACK_BOX, EXPLAINED) if self._is_wanted(each, recording)]
                if not manners:
                    continue
                difference = replaying.difference(number, explains=EXPLAINED in manners)
                if difference is Difference.NONE:
                    continue
                differing.append(recording.scenario)
                for manner in manners:
                    if difference is Difference.SEEN or manner == EXPLAINED:
                        self._judge(recording, manner)
        return Outcome(
            explained=self._found[EXPLAINED],
            black_box=self._found[BLACK_BOX],
            reached_by=tuple(each.scenario for each in recordings),
            differing=tuple(differing),
            judged=self._judged.total(),
        )

    def _is_wanted(self, manner: Text, recording: Recording) -> bool:
        return (
            self._found[manner].caught_by is None
            and (manner == EXPLAINED or recording.applies_to_black_boxes)
            and self._judged[manner] < MOST_JUDGED
            and self._seconds[manner] < MOST_SECONDS
        )

    def _judge(self, recording: Recording, manner: Text) -> None:
        began = time.process_time()
        self._found[manner] = self._judging.verdict(self, recording, black_box=manner == BLACK_BOX)
        self._judged[manner] += 1
        self._seconds[manner] += time.process_time() - began


class Difference(Enum):
    """Which answers of a mutant are other ones than those of the right implementation."""

    NONE = b"="
    TOLD = b"?"
    """Only those that tell of itself."""
    SEEN = b"!"
    """One that a black box gives, or it does not come in time."""


class Replaying(contextlib.AbstractContextManager["Replaying"]):
    """A forked process in which a mutant answers what the right implementation was asked in some scenarios."""

    def __init__(self, prepare: Callable[[], None], recordings: Sequence[Recording]) -> None:
        self._prepare = prepare
        self._recordings = recordings
        self._child: int | None = None

    def difference(self, number: Count, *, explains: bool) -> Difference:
        """What differs in the scenario with this number. `explains`: the mutant is also asked to tell of itself."""
        child = self._start() if self._child is None else self._child
        self._child = child
        with contextlib.suppress(BrokenPipeError):
            os.write(self._requests, _REQUEST.pack(number, explains))
        is_ready = Patience(child, limit_of(self._recordings[number])).has_come(self._answers)
        told = os.read(self._answers, 1) if is_ready else b""
        if not told:
            self._end()
        return Difference(told or Difference.SEEN.value)

    def _start(self) -> int:
        their_requests, self._requests = os.pipe()
        self._answers, their_answers = os.pipe()
        child = os.fork()
        if child == 0:
            with only_this():
                os.close(self._requests)
                os.close(self._answers)
                self._prepare()
                while request := os.read(their_requests, _REQUEST.size):
                    number, explains = _REQUEST.unpack(request)
                    os.write(their_answers, _difference(self._recordings[number], explains).value)
        os.close(their_requests)
        os.close(their_answers)
        return child

    def _end(self) -> None:
        if self._child is not None:
            end(self._child)
            os.close(self._requests)
            os.close(self._answers)
            self._child = None

    def __exit__(self, *problem: object) -> None:
        """The process ends."""
        self._end()


def _difference(recording: Recording, explains: bool) -> Difference:
    service = Service()
    found = Difference.NONE
    for each in recording.exchanges:
        is_told = each.verb in EXPLAINING
        if is_told and (not explains or found is Difference.TOLD):
            # Reason: what tells of the engine changes nothing in it.
            continue
        frame, _ = respond(service, each.request)
        if json.dumps(frame).encode() != each.response:
            if not is_told:
                return Difference.SEEN
            found = Difference.TOLD
    return found

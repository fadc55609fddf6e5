"""Runs scenarios, one after the other, on an implementation that is a command."""

import shlex
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from conformance.judging.verdicts import Fail, NotApplicable
from conformance.protocol.interface import (
    DEFAULT_TIME_LIMITS,
    Description,
    ImplementationError,
    InstanceKind,
    TimeLimits,
    Unsupported,
)
from conformance.protocol.quoting import shown
from conformance.protocol.stdio import StdioImplementation
from conformance.protocol.wire_log import WireLog, nobody
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.running.shortening import with_shortest
from conformance.suite.scenario import Scenario
from spec.values.identifiers import Text
from spec.values.quantities import Count

MOST_FAILED_STARTS: Final[Count] = 3
"""After so many handshakes in a row that failed no other is tried: each may take its whole time limit."""

MOST_SHORTENED: Final[Count] = 5
"""For so many failures of a worker the shortest way is looked for in which they are seen from outside."""


@frozen
class Target:
    """What is judged, and how."""

    command: tuple[Text, ...]
    manner: Manner = Manner()
    time_limits: TimeLimits = DEFAULT_TIME_LIMITS
    log: Path | None = None
    """The file to which is appended what goes over the wire."""
    forgets: bool = False
    """The instance is forgotten at `reset` even if it moves by itself, so its process is kept."""

    @property
    def name(self) -> Text:
        """The command as it is typed."""
        return shown(shlex.join(self.command))


def nothing_known(target: Target) -> Description:
    """What is known of an implementation whose handshake failed."""
    return Description(
        name=target.name,
        version="",
        interface_specification="",
        profiles=(),
        capabilities=frozenset(),
        instance=InstanceKind.DETERMINISTIC,
    )


class Runner:
    """Keeps one process of the implementation, and replaces it when it is of no more use."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._process: StdioImplementation | None = None
        self._description: Description | None = None
        self._log = None if target.log is None else WireLog(target.log)
        self._failed_starts: Count = 0
        self._shortened: Count = 0
        self._last_problem: ImplementationError | None = None

    def describe(self) -> Description:
        """What the implementation is. Its process stays for the first scenario. Raises `ImplementationError`."""
        try:
            return self._ready()[1]
        except ImplementationError:
            self.close()
            raise

    def run(self, chosen: Scenario) -> Case:
        """Runs one scenario. Raises `WireLogError` if what went over the wire could not be written down."""
        if self._log is None:
            return self._run(chosen)
        self._log.case = chosen.id
        case = self._run(chosen)
        self._log.check()
        return case

    def _run(self, chosen: Scenario) -> Case:
        try:
            process, description = self._ready()
        except ImplementationError as problem:
            self.close()
            self._failed_starts += 1
            self._last_problem = problem
            return case_without_handshake(chosen, problem)
        self._failed_starts = 0
        manner = self._target.manner
        case = run_scenario(chosen, process, description, manner)
        if self._shortened < MOST_SHORTENED and not case.is_broken:
            case = with_shortest(case, chosen, process, description, manner)
            self._shortened += case.shortest is not None
        is_lasting = description.instance is InstanceKind.LIVE and not self._target.forgets
        if case.is_broken or process.is_over or is_lasting:
            self.close()
        return case

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def _ready(self) -> tuple[StdioImplementation, Description]:
        if self._last_problem is not None and self._failed_starts >= MOST_FAILED_STARTS:
            raise self._last_problem
        if self._process is None:
            self._process = StdioImplementation(self._target.command, self._target.time_limits, self._log or nobody)
            self._description = self._process.describe()
        assert self._description is not None
        return self._process, self._description


def case_without_handshake(chosen: Scenario, problem: ImplementationError) -> Case:
    """The case of a scenario that was not begun, because the handshake failed."""
    return Case(
        id=chosen.id,
        title=chosen.title,
        covers=chosen.covers,
        verdict=NotApplicable(str(problem)) if isinstance(problem, Unsupported) else Fail(str(problem)),
        seconds=0.0,
        judged_by="",
        effort={},
        fired=(),
        transcript=(),
        is_broken=True,
    )


def cases_without_handshake(scenarios: Sequence[Scenario], problem: ImplementationError) -> Generator[Case, None, None]:
    """The cases of scenarios none of which can be begun."""
    for chosen in scenarios:
        yield case_without_handshake(chosen, problem)

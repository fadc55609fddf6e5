"""Runs scenarios on an implementation that is a command: in one process, or in several at a time."""

import atexit
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from attrs import frozen

from conformance.judging.verdicts import Fail
from conformance.protocol.interface import (
    DEFAULT_TIME_LIMITS,
    Description,
    ImplementationError,
    InstanceKind,
    TimeLimits,
)
from conformance.protocol.stdio import StdioImplementation
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.suite.loading import all_scenarios
from conformance.suite.scenario import Scenario
from spec.values.identifiers import Text
from spec.values.quantities import Count


@frozen
class Target:
    """What is judged, and how."""

    command: tuple[Text, ...]
    manner: Manner = Manner()
    time_limits: TimeLimits = DEFAULT_TIME_LIMITS


def describe(target: Target) -> Description:
    """Starts the command, asks what it is, and stops it. Raises `ImplementationError`."""
    implementation = StdioImplementation(target.command, target.time_limits)
    try:
        description = implementation.describe()
        implementation.stop()
        return description
    finally:
        implementation.close()


class Runner:
    """Keeps one process of the implementation, and replaces it when it is of no more use."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._process: StdioImplementation | None = None
        self._description: Description | None = None

    def run(self, chosen: Scenario) -> Case:
        """Runs one scenario."""
        try:
            process, description = self._ready()
        except ImplementationError as problem:
            self.close()
            return _case_without_process(chosen, problem)
        case = run_scenario(chosen, process, description, self._target.manner)
        if case.is_broken or description.instance is InstanceKind.LIVE:
            self.close()
        return case

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def _ready(self) -> tuple[StdioImplementation, Description]:
        if self._process is None:
            self._process = StdioImplementation(self._target.command, self._target.time_limits)
            self._description = self._process.describe()
        assert self._description is not None
        return self._process, self._description


def _case_without_process(chosen: Scenario, problem: ImplementationError) -> Case:
    return Case(
        id=chosen.id,
        title=chosen.title,
        covers=chosen.covers,
        verdict=Fail(str(problem)),
        seconds=0.0,
        judged_by="",
        effort={},
        fired=(),
        transcript=(),
        is_broken=True,
    )


def run_all(target: Target, scenarios: Sequence[Scenario], workers: Count = 1) -> Iterator[Case]:
    """The cases as they become known. With several workers the scenarios must be those of the suite."""
    if workers <= 1:
        runner = Runner(target)
        try:
            for chosen in scenarios:
                yield runner.run(chosen)
        finally:
            runner.close()
        return
    with ProcessPoolExecutor(workers, initializer=_start_worker, initargs=(target,)) as pool:
        for done in as_completed([pool.submit(_run_in_worker, chosen.id) for chosen in scenarios]):
            yield done.result()


def default_workers() -> Count:
    """One worker a core, as far as this process may use them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_worker: tuple[Runner, dict[Text, Scenario]] | None = None
"""What a worker process keeps between scenarios."""


def _start_worker(target: Target) -> None:
    global _worker
    runner = Runner(target)
    atexit.register(runner.close)
    _worker = runner, {chosen.id: chosen for chosen in all_scenarios()}


def _run_in_worker(scenario_id: Text) -> Case:
    assert _worker is not None, "the worker was started"
    runner, scenarios = _worker
    return runner.run(scenarios[scenario_id])

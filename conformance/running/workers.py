"""
Runs scenarios, several at a time: each worker is a process of its own, with a process of the implementation.

Whatever ends the run (its end, an error, Ctrl-C, a signal) ends the workers and all that they started.
"""

import contextlib
import gc
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Collection, Generator, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any, Final, NoReturn

from attrs import define, field

from conformance.judging.verdicts import Inconclusive
from conformance.protocol.interface import Description, ImplementationError
from conformance.protocol.process import descendants, end_all_processes
from conformance.protocol.wire_log import WireLogError
from conformance.running.case import Case
from conformance.running.processes import Runner, Target, nothing_known
from conformance.suite.loading import all_scenarios
from conformance.suite.scenario import Scenario
from spec.values.identifiers import Text
from spec.values.quantities import Count

ALLOCATIONS: Final[Count] = 10_000
"""After so many allocations garbage is looked for. Reason: states are trees, which are freed without that."""

SECONDS_TO_END: Final = 1.0
"""So long workers may take to end when they are told to."""

DESCRIBE: Final = "describe"
"""What a worker is told that shall start its process of the implementation, and say what that is. No scenario's id."""

ENDED_BY_SIGNAL: Final = 128
"""Added to the number of the signal, this is the exit code of a process that a signal ended, as shells have it."""


class Terminated(SystemExit):
    """The run was told to end."""


@contextlib.contextmanager
def ending_on_signals() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise `Terminated`, as Ctrl-C raises `KeyboardInterrupt`."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise Terminated(ENDED_BY_SIGNAL + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Alone:
    """This process runs the scenarios, one after the other."""

    def __init__(self, target: Target) -> None:
        self._runner = Runner(target)

    def describe(self) -> Description:
        """What the implementation is. Raises `ImplementationError`."""
        return self._runner.describe()

    def run(self, scenarios: Sequence[Scenario]) -> Generator[Case, None, None]:
        """The cases as they become known. Raises `WireLogError`."""
        for chosen in scenarios:
            yield self._runner.run(chosen)

    def end(self) -> None:
        """Ends the implementation."""
        self._runner.close()


class Several:
    """Workers run the scenarios, which must be those of the suite."""

    def __init__(self, target: Target, count: Count) -> None:
        self._target = target
        self._workers: list[_Worker] = []
        for _ in range(count):
            self._workers.append(_Worker.start(target))

    def describe(self) -> Description:
        """What the implementation is, while every worker starts its own process of it. Raises `ImplementationError`."""
        for worker in self._workers:
            worker.send(DESCRIBE)
        first, *_ = [worker.answer() for worker in self._workers]
        if isinstance(first, ImplementationError):
            raise first
        return first if isinstance(first, Description) else nothing_known(self._target)

    def run(self, scenarios: Sequence[Scenario]) -> Generator[Case, None, None]:
        """The cases as they become known. Raises `WireLogError`."""
        yield from _run_in(self._workers, scenarios, self._target)

    def end(self) -> None:
        """Ends the workers with all that they started."""
        _end(self._workers)


@contextlib.contextmanager
def workers_for(target: Target, count: Count) -> Iterator[Alone | Several]:
    """So many at a time, ended whatever happens."""
    workers = Alone(target) if count <= 1 else Several(target, count)
    try:
        yield workers
    finally:
        workers.end()


def default_workers() -> Count:
    """One worker a core, as far as this process may use them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@define
class _Worker:
    """A worker as the judge sees it."""

    process: BaseProcess
    connection: "Connection[Any, Any]"
    scenario: Scenario | None = field(default=None)
    """What it is at."""

    @staticmethod
    def start(target: Target) -> "_Worker":
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.Process(target=_work, args=(target, theirs, os.getpid()), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def begin(self, chosen: Scenario) -> None:
        """Hands it a scenario."""
        self.scenario = chosen
        self.send(chosen.id)

    def send(self, task: Text) -> None:
        """Hands it the id of a scenario, or `DESCRIBE`."""
        with contextlib.suppress(OSError):
            self.connection.send(task)

    def answer(self) -> "Description | ImplementationError | Case | WireLogError | None":
        """What it hands back; None if it has ended."""
        try:
            answer: Description | ImplementationError | Case | WireLogError = self.connection.recv()
        except (EOFError, OSError):
            return None
        return answer


class Waiting:
    """
    The scenarios that nobody is at yet, by group, each in the order given.

    A worker stays with a group: the modules of a group are then read and compiled by one worker only.
    """

    def __init__(self, scenarios: Sequence[Scenario]) -> None:
        self._groups: dict[Text, deque[Scenario]] = {}
        for chosen in scenarios:
            self._groups.setdefault(chosen.group, deque()).append(chosen)

    def take(self, last: Scenario | None, at_work: Collection[Scenario]) -> Scenario | None:
        """The next of the group of the last, else of one that nobody is at, else of any; None if none is left."""
        others = {each.group for each in at_work}
        own = () if last is None else (last.group,)
        free = (group for group in self._groups if group not in others)
        group = next((each for each in (*own, *free, *self._groups) if each in self._groups), None)
        if group is None:
            return None
        chosen = self._groups[group].popleft()
        if not self._groups[group]:
            del self._groups[group]
        return chosen


def _run_in(workers: list[_Worker], scenarios: Sequence[Scenario], target: Target) -> Iterator[Case]:
    waiting = Waiting(scenarios)

    def begin(worker: _Worker, last: Scenario | None = None) -> None:
        at_work = [each.scenario for each in workers if each.scenario is not None]
        chosen = waiting.take(last, at_work)
        if chosen is not None:
            worker.begin(chosen)

    for worker in workers:
        begin(worker)
    while busy := {worker.connection: worker for worker in workers if worker.scenario is not None}:
        for connection in wait(list(busy)):
            worker = busy[connection]  # type: ignore[index]
            chosen, worker.scenario = worker.scenario, None
            assert chosen is not None
            case = worker.answer()
            if isinstance(case, WireLogError):
                raise case
            if not isinstance(case, Case):
                case = _case_of_lost_worker(chosen, worker)
                workers.remove(worker)
                _end([worker])
                worker = _Worker.start(target)
                workers.append(worker)
            begin(worker, chosen)
            yield case


def _case_of_lost_worker(chosen: Scenario, worker: _Worker) -> Case:
    worker.process.join(SECONDS_TO_END)
    return Case(
        id=chosen.id,
        title=chosen.title,
        covers=chosen.covers,
        # Reason: what the judge's own process does is never held against the implementation.
        verdict=Inconclusive(f"the judge's worker ended with code {worker.process.exitcode}"),
        seconds=0.0,
        judged_by="",
        effort={},
        fired=(),
        transcript=(),
        is_broken=True,
    )


def _end(workers: Sequence[_Worker]) -> None:
    """Ends workers with all that they started: those that do not end by themselves, by force."""
    for worker in workers:
        worker.process.terminate()
    deadline = time.monotonic() + SECONDS_TO_END
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
        if worker.process.is_alive():
            left = list(descendants(worker.process.pid or 0))
            worker.process.kill()
            for each in left:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(each, signal.SIGKILL)
        worker.connection.close()


# In a worker


def _work(target: Target, connection: "Connection[Any, Any]", judge: int) -> None:
    """Does what comes in, until the judge ends: runs the scenario of an id, or asks the implementation what it is."""
    # Reason: Ctrl-C reaches every process of the terminal; the judge alone decides what follows from it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_worker)
    # Reason: what was imported stays, so there is no garbage to be found in it.
    gc.freeze()
    gc.set_threshold(ALLOCATIONS)
    scenarios = {chosen.id: chosen for chosen in all_scenarios()}
    runner = Runner(target)
    try:
        while _judge_lives(connection, judge):
            task = connection.recv()
            connection.send(_description_by(runner) if task == DESCRIBE else _case_by(runner, scenarios[task]))
    except (EOFError, OSError):
        # Reason: the judge has gone, and with it whoever wanted to know.
        pass
    finally:
        runner.close()


def _description_by(runner: Runner) -> Description | ImplementationError:
    try:
        return runner.describe()
    except ImplementationError as problem:
        return problem


def _case_by(runner: Runner, chosen: Scenario) -> Case | WireLogError:
    try:
        return runner.run(chosen)
    except WireLogError as problem:
        return problem


def _judge_lives(connection: "Connection[Any, Any]", judge: int) -> bool:
    """Waits for a scenario. A worker started after this one may hold the pipe open, so the judge itself is watched."""
    while not connection.poll(1.0):
        if os.getppid() != judge:
            return False
    return True


def _end_worker(number: int, frame: FrameType | None) -> NoReturn:
    end_all_processes()
    os._exit(ENDED_BY_SIGNAL + number)

"""Who runs the scenarios of a campaign: processes of this machine. Those of a cluster are of `cluster`."""

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, Protocol

from attrs import define

from conformance.fuzzing.tasks import Outcome, Task, done, end_implementations
from conformance.protocol.process import end_all_processes
from spec.values.identifiers import Text
from spec.values.quantities import Count

MOST_BEGUN: Final[Count] = 3
"""So often a task is begun whose worker ends before it is done."""


class Workers(Protocol):
    """Those who do tasks, several at a time."""

    @property
    def wanted(self) -> Count:
        """How many more tasks they take now."""
        ...

    def begin(self, task: Task) -> None:
        """Hands out a task."""
        ...

    def outcomes(self, seconds: float) -> Sequence[tuple[Task, Outcome]]:
        """What is done by now, after waiting for so long at most."""
        ...

    def end(self) -> None:
        """Ends the workers, whatever they are at."""
        ...


def given_up(task: Task, why: Text) -> Outcome:
    """The outcome of a task that no worker could do."""
    return Outcome(
        number=task.number,
        drawn=task.drawn,
        verdict="inconclusive",
        why=why,
        cause="",
        allowed=(),
        rules=(),
        paths=(),
        seconds=0.0,
        shrinks=task.shrinks,
    )


@define
class _Worker:
    process: BaseProcess
    connection: "Connection[Any, Any]"
    task: Task | None = None
    begun: Count = 0
    """How often its task was begun."""


class Processes:
    """Workers that are processes of this machine. One that ends is replaced, and its task is done by another."""

    def __init__(self, count: Count) -> None:
        self._workers = [_start() for _ in range(count)]

    @property
    def wanted(self) -> Count:
        return sum(worker.task is None for worker in self._workers)

    @property
    def process_ids(self) -> list[int]:
        """Of the workers that there are."""
        return [worker.process.pid or 0 for worker in self._workers]

    def begin(self, task: Task) -> None:
        self._begin(next(worker for worker in self._workers if worker.task is None), task, 1)

    def _begin(self, worker: _Worker, task: Task, begun: Count) -> None:
        worker.task, worker.begun = task, begun
        with contextlib.suppress(OSError):
            worker.connection.send(task)

    def outcomes(self, seconds: float) -> Sequence[tuple[Task, Outcome]]:
        busy = [worker for worker in self._workers if worker.task is not None]
        found: list[tuple[Task, Outcome]] = []
        ready = wait([worker.connection for worker in busy], seconds)
        for worker in [each for each in busy if each.connection in ready]:
            task, worker.task = worker.task, None
            assert task is not None
            try:
                found.append((task, worker.connection.recv()))
            except (EOFError, OSError):
                self._workers.remove(worker)
                _end(worker)
                replacing = _start()
                self._workers.append(replacing)
                if worker.begun < MOST_BEGUN:
                    self._begin(replacing, task, worker.begun + 1)
                else:
                    found.append((task, given_up(task, f"its worker ended, {worker.begun} times")))
        return found

    def end(self) -> None:
        for worker in self._workers:
            _end(worker)


def _start() -> _Worker:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_work, args=(theirs, os.getpid()), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _end(worker: _Worker) -> None:
    worker.connection.close()
    worker.process.terminate()
    worker.process.join(1.0)
    if worker.process.is_alive():
        worker.process.kill()


def _work(connection: "Connection[Any, Any]", campaign: int) -> None:
    """Does the tasks that come in, until the campaign ends."""
    # Reason: Ctrl-C reaches every process of the terminal; the campaign alone decides what follows from it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: _leave())
    try:
        while True:
            while not connection.poll(1.0):
                if os.getppid() != campaign:
                    return
            connection.send(done(connection.recv()))
    except (EOFError, OSError):
        return
    finally:
        end_implementations()


def _leave() -> None:
    end_all_processes()
    os._exit(0)

"""Workers of a cluster of `dask.distributed`, which is there if this project was installed with `icspec[cluster]`."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

from conformance.fuzzing.tasks import Outcome, Task, done
from conformance.fuzzing.workers import given_up
from spec.values.identifiers import Text
from spec.values.quantities import Count

SECONDS_TO_CONNECT: Final = 10

AHEAD: Final[Count] = 2
"""So many tasks are handed out for each thread of the cluster, so that none waits for the next."""


class ClusterError(Exception):
    """There is no cluster at the address. The message is one line."""


class Cluster:
    """The workers of a cluster. Whoever of them goes, its tasks are done by others."""

    def __init__(self, address: Text) -> None:
        """Raises `ClusterError`."""
        try:
            distributed: Any = import_module("distributed")
        except ImportError:
            raise ClusterError("--cluster needs dask.distributed: pip install 'icspec[cluster]'") from None
        try:
            self._client: Any = distributed.Client(address, timeout=SECONDS_TO_CONNECT)
        except (OSError, ValueError, TypeError) as problem:
            raise ClusterError(f"{address}: there is no cluster: {problem}") from None
        self._distributed = distributed
        self._tasks: dict[Any, Task] = {}
        """What is handed out, by what stands for its outcome."""

    @property
    def wanted(self) -> Count:
        threads = sum(self._client.nthreads().values())
        return max(0, int(AHEAD * threads) - len(self._tasks))

    def begin(self, task: Task) -> None:
        # Reason: the outcome of the same task may differ, since implementations may; so no outcome is used twice.
        self._tasks[self._client.submit(done, task, pure=False)] = task

    def outcomes(self, seconds: float) -> Sequence[tuple[Task, Outcome]]:
        try:
            self._distributed.wait(list(self._tasks), timeout=seconds, return_when="FIRST_COMPLETED")
        except TimeoutError:
            return []
        found: list[tuple[Task, Outcome]] = []
        for future in [each for each in self._tasks if each.done()]:
            task = self._tasks.pop(future)
            problem = future.exception() if future.status == "error" else None
            lost = f"the cluster could not do it: {type(problem).__name__}: {problem}"
            found.append((task, future.result() if future.status == "finished" else given_up(task, lost)))
        return found

    def end(self) -> None:
        self._client.cancel(list(self._tasks), force=True)
        self._client.close()

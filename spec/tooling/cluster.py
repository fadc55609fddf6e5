"""A cluster of `dask.distributed`, which can be had if this project was installed with `icspec[cluster]`."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from itertools import islice
from typing import Any, Final, Generic, Self, TypeVar

from attrs import frozen

from spec.values.identifiers import Text
from spec.values.quantities import Count

Asked = TypeVar("Asked")
Given = TypeVar("Given")

SECONDS_TO_CONNECT: Final = 10
"""So long a scheduler, and then a first worker, may take to answer."""

AHEAD: Final[Count] = 2
"""So many tasks are handed out for each worker, so that none waits for the next."""

SECONDS_AT_ONCE: Final = 1.0
"""So long is waited at a time for what comes back."""


class ClusterError(Exception):
    """There is no cluster at the address, or it could not do what was asked. The message is one line."""


@frozen
class Lost:
    """In place of what was asked for: no worker could do it."""

    why: Text


_at_work: Final = threading.Lock()
"""Held while a worker does something. Its threads share what a process has but once: solvers, implementations."""


def _alone(function: Callable[[Asked], Given], asked: Asked) -> Given:
    with _at_work:
        return function(asked)


class Cluster(Generic[Asked, Given]):
    """
    The workers of a cluster, who call one function. Whoever of them goes, others do what it was asked for.

    The function is given again what a worker was at when it went, so it changes nothing but what it returns. A worker
    calls it once at a time, however many threads it has.
    """

    def __init__(self, address: Text, function: Callable[[Asked], Given]) -> None:
        """Raises `ClusterError`."""
        try:
            distributed: Any = import_module("distributed")
        except ImportError:
            raise ClusterError("--cluster needs dask.distributed: pip install 'icspec[cluster]'") from None
        try:
            self._client: Any = distributed.Client(address, timeout=SECONDS_TO_CONNECT)
        except (OSError, ValueError, TypeError) as problem:
            raise ClusterError(f"{address}: there is no cluster: {problem}") from None
        try:
            self._client.wait_for_workers(1, timeout=SECONDS_TO_CONNECT)
        except TimeoutError:
            self._client.close()
            raise ClusterError(f"{address}: the cluster has no worker") from None
        self._distributed = distributed
        self._function = function
        self._asked: dict[Any, Asked] = {}
        """What is handed out, by the future of what will come of it."""

    @property
    def wanted(self) -> Count:
        """How many more tasks the cluster takes now; if it has none, at least one, though all workers may be away."""
        under_way = sum(not future.done() for future in self._asked)
        return max(0 if under_way else 1, AHEAD * len(self._client.nthreads()) - under_way)

    def begin(self, asked: Asked) -> None:
        """Hands something out."""
        self._submit(asked)

    def finished(self, seconds: float) -> Sequence[tuple[Asked, Given | Lost]]:
        """What came back by now, after waiting for so long at most."""
        self._wait(list(self._asked), seconds)
        return [(self._asked.pop(future), _outcome(future)) for future in list(self._asked) if future.done()]

    def in_order(self, all_asked: Iterable[Asked]) -> Iterator[Given]:
        """What comes of each, in the order in which they are asked. Raises `ClusterError`."""
        to_ask = iter(all_asked)
        under_way: deque[Any] = deque()
        try:
            while True:
                under_way.extend(self._submit(asked) for asked in islice(to_ask, self.wanted))
                if not under_way:
                    return
                self._wait([under_way[0]], SECONDS_AT_ONCE)
                while under_way and under_way[0].done():
                    yield self._came(under_way.popleft())
        finally:
            self._forget(under_way)

    def end(self) -> None:
        """Nothing more is wanted of what is under way."""
        self._forget(list(self._asked))
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _submit(self, asked: Asked) -> Any:
        # Reason: what comes of the same may differ, since implementations may; so nothing is used twice.
        future = self._client.submit(_alone, self._function, asked, pure=False)
        self._asked[future] = asked
        return future

    def _came(self, future: Any) -> Given:
        del self._asked[future]
        outcome: Given | Lost = _outcome(future)
        if isinstance(outcome, Lost):
            raise ClusterError(outcome.why)
        return outcome

    def _forget(self, futures: Iterable[Any]) -> None:
        futures = list(futures)
        self._client.cancel(futures, force=True)
        for future in futures:
            del self._asked[future]

    def _wait(self, futures: list[Any], seconds: float) -> None:
        """Until one of them is done, which also those are that the cluster forgot."""
        with suppress(TimeoutError, self._distributed.CancelledError):
            self._distributed.wait(futures, timeout=seconds, return_when="FIRST_COMPLETED")


def _outcome(future: Any) -> Any:
    if future.status == "finished":
        return future.result()
    problem = future.exception() if future.status == "error" else future.status
    told = f"{type(problem).__name__}: {problem}" if isinstance(problem, BaseException) else problem
    return Lost(f"the cluster could not do it: {told}")

"""Workers of a cluster, in place of processes of this machine."""

from collections.abc import Sequence

from conformance.fuzzing.tasks import Outcome, Task, done
from conformance.fuzzing.workers import given_up
from spec.tooling import cluster
from spec.values.identifiers import Text
from spec.values.quantities import Count


class Cluster:
    """The workers of a cluster."""

    def __init__(self, address: Text) -> None:
        """Raises `ClusterError`."""
        self._cluster: cluster.Cluster[Task, Outcome] = cluster.Cluster(address, done)

    @property
    def wanted(self) -> Count:
        return self._cluster.wanted

    def begin(self, task: Task) -> None:
        self._cluster.begin(task)

    def outcomes(self, seconds: float) -> Sequence[tuple[Task, Outcome]]:
        return [
            (task, given_up(task, outcome.why) if isinstance(outcome, cluster.Lost) else outcome)
            for task, outcome in self._cluster.finished(seconds)
        ]

    def end(self) -> None:
        self._cluster.end()

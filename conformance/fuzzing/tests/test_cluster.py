"""A campaign on a local cluster of four workers, of which one is killed."""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conformance.fuzzing.campaign import Campaign, Steering, run
from conformance.fuzzing.cluster import Cluster
from conformance.fuzzing.corpus import Corpus
from conformance.fuzzing.drawing import SMALL, Vocabulary
from conformance.fuzzing.tasks import Outcome, Task
from conformance.running.case import Manner
from conformance.running.processes import Target
from spec.tooling.cluster import ClusterError

distributed: Any = pytest.importorskip("distributed")

VOCABULARY = Vocabulary((SMALL,), explains=True, schedules=True, has_generated_modules=False)
SPECIFICATION = (sys.executable, "-m", "conformance.tests.planted.bugs", "BlackBox")
COUNT = 12


class KillsOne(Cluster):
    """The cluster, one of whose workers is killed after the first outcome."""

    def __init__(self, address: str, victim: int) -> None:
        super().__init__(address)
        self._victim: int | None = victim
        self.numbers: list[int] = []

    def outcomes(self, seconds: float) -> Sequence[tuple[Task, Outcome]]:
        found = super().outcomes(seconds)
        self.numbers += [task.number for task, _ in found]
        if found and self._victim is not None:
            os.kill(self._victim, signal.SIGKILL)
            self._victim = None
        return found


def test_nothing_is_lost_or_counted_twice_when_a_worker_is_killed(tmp_path: Path) -> None:
    """Each scenario comes back once, and each is counted once."""
    local = distributed.LocalCluster(
        n_workers=4, threads_per_worker=1, dashboard_address=None, processes=True, silence_logs=50
    )
    with local, closing(Corpus(tmp_path / "corpus", {"seed": "1"})) as corpus:
        with distributed.Client(local) as client:
            process_ids = list(client.run(os.getpid).values())
        workers = KillsOne(local.scheduler_address, process_ids[0])
        try:
            target = Target(SPECIFICATION, Manner(seconds=5.0, tells_all=False))
            campaign = Campaign(corpus, Steering(corpus, VOCABULARY, "1"), target, COUNT)
            run(campaign, workers, None, lambda *_: None, 10.0)
        finally:
            workers.end()
        assert sorted(workers.numbers) == list(range(COUNT))
        assert corpus.counts().scenarios == COUNT
        assert corpus.under_way() == []
        assert all("cluster" not in why for _, why, _ in corpus.reasons())


def test_an_address_without_a_cluster_is_told_in_one_line() -> None:
    """Also one that is no address."""
    for address in ("tcp://127.0.0.1:1", "nowhere at all"):
        with pytest.raises(ClusterError, match="there is no cluster"):
            Cluster(address)

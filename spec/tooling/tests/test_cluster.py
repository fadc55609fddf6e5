"""Work is handed to a local cluster, some of whose workers are killed."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spec.tooling.cluster import Cluster, ClusterError, Lost

distributed: Any = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of a cluster of two workers, each with two threads."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, dashboard_address=None, processes=True, silence_logs=50
    ) as local:
        yield local.scheduler_address


def slowly_doubled(number: int) -> int:
    """Twice the number. The smaller it is, the longer that takes."""
    time.sleep(0.2 / (1 + number))
    return 2 * number


def times(path: Path) -> tuple[float, float]:
    """When it began and when it ended."""
    began = time.monotonic()
    time.sleep(0.05)
    return began, time.monotonic()


def raising(number: int) -> int:
    """Nothing."""
    raise ValueError(f"no {number}")


def fatal(number: int) -> int:
    """Nothing; and its worker is killed."""
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_what_comes_is_in_the_order_of_what_was_asked(address: str) -> None:
    """Also if the first takes longest."""
    with Cluster(address, slowly_doubled) as cluster:
        assert list(cluster.in_order(range(30))) == list(range(0, 60, 2))


def test_a_worker_does_one_thing_at_a_time(address: str) -> None:
    """With two threads in each of two workers, never more than two calls overlap."""
    with Cluster(address, times) as cluster:
        spans = list(cluster.in_order(range(12)))
    for began, _ in spans:
        assert sum(start <= began < end for start, end in spans) <= 2


def test_what_a_worker_raises_is_told_in_one_line(address: str) -> None:
    """Whoever asks for one after the other gets the cause as well."""
    with Cluster(address, raising) as cluster:
        with pytest.raises(ClusterError, match="the cluster could not do it: ValueError: no 3"):
            list(cluster.in_order([3]))
        cluster.begin(4)
        while not (found := cluster.finished(1.0)):
            pass
        assert found == [(4, Lost("the cluster could not do it: ValueError: no 4"))]


def test_nothing_is_left_under_way_by_who_stops_listening(address: str) -> None:
    """The next to ask is not in the way of what was asked before."""
    with Cluster(address, slowly_doubled) as cluster:
        assert next(cluster.in_order(range(20))) == 0
        assert cluster.finished(0.0) == []
        assert list(cluster.in_order([7])) == [14]


@pytest.mark.deep
def test_what_kills_each_worker_is_given_up() -> None:
    """It is tried by a few, and told."""
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=None, processes=True, silence_logs=60
        ) as local,
        distributed.Client(local),
        Cluster(local.scheduler_address, fatal) as cluster,
        pytest.raises(ClusterError, match="the cluster could not do it: KilledWorker"),
    ):
        list(cluster.in_order([1]))


def test_a_cluster_without_workers_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """One may join a little later, so it is waited for."""
    monkeypatch.setattr("spec.tooling.cluster.SECONDS_TO_CONNECT", 2)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None, processes=True, silence_logs=50) as local,
        pytest.raises(ClusterError, match="the cluster has no worker"),
    ):
        Cluster(local.scheduler_address, slowly_doubled)


def test_an_address_without_a_cluster_is_told_in_one_line() -> None:
    """Also one that is no address."""
    for nowhere in ("tcp://127.0.0.1:1", "nowhere at all"):
        with pytest.raises(ClusterError, match="there is no cluster"):
            Cluster(nowhere, slowly_doubled)


def test_without_the_package_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an optional one."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"pip install 'icspec\[cluster\]'"):
        Cluster("tcp://127.0.0.1:1", slowly_doubled)

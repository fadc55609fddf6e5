"""Proofs and explorations on a local cluster of four workers, of which one is killed."""

import json
import os
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from properties.commands import explore, prove
from spec.tooling.cluster import Cluster

distributed: Any = pytest.importorskip("distributed")

RULES = ("request_done", "system_time_progress", "drop_expired_message")
WORLD = "trap-after-await"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Four workers, each of which is replaced when it is killed."""
    with distributed.LocalCluster(
        n_workers=4, threads_per_worker=1, dashboard_address=None, processes=True, silence_logs=60
    ) as local:
        yield local


@pytest.fixture
def address(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Of the cluster, of which a worker is killed as soon as the first thing came back."""
    with distributed.Client(cluster) as client:
        victims = list(client.run(os.getpid).values())[:1]

    class KillsOne(Cluster[Any, Any]):
        def in_order(self, all_asked: Iterable[Any]) -> Iterator[Any]:
            for given in super().in_order(all_asked):
                while victims:
                    os.kill(victims.pop(), signal.SIGKILL)
                yield given

    monkeypatch.setattr(prove, "Cluster", KillsOne)
    monkeypatch.setattr(explore, "Cluster", KillsOne)
    yield cluster.scheduler_address
    assert victims == []


def without_seconds(report: Any) -> Any:
    """A report without what differs each time."""
    if isinstance(report, dict):
        return {name: without_seconds(each) for name, each in report.items() if name != "seconds"}
    return [without_seconds(each) for each in report] if isinstance(report, list) else report


def test_nothing_is_lost_or_counted_twice_of_a_world(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """States, steps, and how often each rule fired are those that one process finds."""
    assert explore.main(["--world", WORLD, "--json"]) == 0
    here = without_seconds(json.loads(capsys.readouterr().out))
    assert explore.main(["--world", WORLD, "--json", "--cluster", address]) == 0
    there = without_seconds(json.loads(capsys.readouterr().out))
    assert there == here
    assert here["worlds"][0]["states"] > 100


def test_nothing_is_lost_or_counted_twice_of_proofs(address: str, tmp_path: Path) -> None:
    """Each rule is reported once, in order, with as many paths and obligations; obligations are written as well."""
    reports = []
    asked = [word for rule in RULES for word in ("--rule", rule)]
    for number, where in enumerate((["--workers", "1"], ["--cluster", address])):
        report, obligations = tmp_path / f"{number}.json", tmp_path / f"smtlib {number}"
        assert prove.main([*asked, *where, "--json", str(report), "--smtlib", str(obligations)]) == 0
        reports.append((without_seconds(json.loads(report.read_text())), sorted(os.listdir(obligations))))
    here, there = reports
    assert there == here
    assert [row["rule"] for row in here[0]["rows"]] == list(RULES)
    assert len(here[1]) > len(RULES)


def test_a_cluster_that_is_not_there_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """By both commands, with exit code 2."""
    for command in (prove, explore):
        assert command.main(["--cluster", "nowhere at all"]) == 2
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert "nowhere at all: there is no cluster" in told

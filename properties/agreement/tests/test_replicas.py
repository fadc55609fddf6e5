"""
Four replicas in four processes agree on every certified state, while one after the other is killed and started.

Each is a node of every subnet and signs its share of what is certified; shares of any three make the signature.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from properties.agreement.replicas import NODES, record_of, ticks
from properties.agreement.subnet_worlds import hosted_subnets
from reference_impl.certification.signing import certified_message
from reference_impl.certification.threshold import Committee, combined
from spec.certification.bls_signatures import verify_bls_signature
from spec.values.quantities import Count

WORLD = 0
SIGNED_EACH = 5
"""Signatures are made after each so many ticks, and whenever a process was killed: checking the shares takes long."""
KEY_SIZE = 96
REPLICAS = ((1, 0, 100), (2, 1, 1), (3, 2, 2), (1, 3, 1))
"""Threads, the node whose share comes first, and how many compiled modules are kept."""


class Process:
    """A replica in a process of its own, with a seed of its own for hashes of Python."""

    def __init__(self, directory: Path, number: Count) -> None:
        directory.mkdir(exist_ok=True)
        threads, first_node, modules = REPLICAS[number]
        self._command = [sys.executable, "-m", "properties.agreement.replicas", str(directory)]
        self._command += ["--seed", str(WORLD), "--threads", str(threads)]
        self._command += ["--first-node", str(first_node), "--modules", str(modules)]
        self._command += ["--node", str(number), *(["--by-shares"] if number % 2 else [])]
        self._environment = {**os.environ, "PYTHONHASHSEED": str(number + 1)}
        self.start()

    def start(self) -> None:
        """The process begins."""
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=self._environment
        )

    def give(self, line: str) -> None:
        """The replica gets a tick."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def told(self) -> str:
        """What the replica tells next, on which all must agree; its shares are kept."""
        assert self._process.stdout is not None
        told = self._process.stdout.readline().strip()
        self.shares = [bytes.fromhex(one) for one in self._process.stdout.readline().split()]
        """What it signed of the state of each subnet."""
        return told

    def kill(self) -> None:
        """The process ends, wherever it is."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[list[Process]]:
    """Four replicas, whose processes end with the test."""
    started = [Process(tmp_path / str(number), number) for number in range(len(REPLICAS))]
    yield started
    for one in started:
        one.kill()


COMMITTEES = [(Committee.of(one.secret or b"", NODES), one.public_key) for one in hosted_subnets()]
"""Of each subnet, with its key."""


def require_signatures(processes: list[Process], hashes: list[str], absent: Count) -> None:
    """All shares verify, each by its own node's key, and those of all nodes but one make a subnet's signature."""
    for place, ((committee, key), root_hash) in enumerate(zip(COMMITTEES, hashes, strict=True)):
        message = certified_message(bytes.fromhex(root_hash))
        shares = {node: one.shares[place] for node, one in enumerate(processes)}
        for node, share in shares.items():
            assert verify_bls_signature(committee.public_share(node), share, message), f"the share of node {node}"
        del shares[absent]
        assert verify_bls_signature(key[-KEY_SIZE:], combined(shares), message)


def fed(processes: list[Process], count: Count, kills: Count, random: Random) -> list[str]:
    """What all tell after each of some ticks. Some of the processes are killed, each within a tick."""
    (before,) = {one.told() for one in processes}
    agreed = [before]
    doomed = set(random.sample(range(count), kills))
    for number, tick in enumerate(ticks(WORLD, count)):
        line = record_of(tick).hex()
        for one in processes:
            one.give(line)
        told = {}
        victim = random.randrange(len(processes)) if number in doomed else None
        if victim is not None:
            processes[victim].kill()
            processes[victim].start()
            told[victim] = processes[victim].told()
            if told[victim] == agreed[-1]:
                # Reason: the tick was not on its disk, so nobody was told that it was taken.
                processes[victim].give(line)
                told[victim] = processes[victim].told()
        told.update({place: one.told() for place, one in enumerate(processes) if place != victim})
        assert len(set(told.values())) == 1, f"tick {number + 1}: {told}"
        agreed.append(told[0])
        if number % SIGNED_EACH == 0 or victim is not None:
            require_signatures(processes, told[0].split()[1 : 1 + len(COMMITTEES)], number % len(processes))
    return agreed


@pytest.mark.checklist(
    "seed1.deterministic-state",
    "seed1.deterministic-scheduling",
    "seed1.update-all-nodes",
    "seed1.replicated-on-every-node",
    "seed1.intra-subnet-deterministic",
    "seed1.subnet-parallelism",
    "seed1.random-tape",
    "seed1.deterministic-charging",
)
def test_four_replicas_agree_on_every_certified_state(processes: list[Process]) -> None:
    agreed = fed(processes, 14, 3, Random(3))
    assert len(agreed) == len(set(agreed)) == 15


@pytest.mark.deep
def test_four_replicas_agree_on_the_certified_states_of_two_thousand_rounds(processes: list[Process]) -> None:
    agreed = fed(processes, 667, 12, Random(4))
    assert len(agreed) == len(set(agreed)) == 668

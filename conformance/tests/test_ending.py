"""Whatever ends the judge ends what it judges, within two seconds."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conformance.protocol.interface import Died, TimeLimits
from conformance.protocol.process import Process

SECONDS = 2.0
"""So long the judge and its children may live on."""

HANGING = """
import json, os, sys, time
folder = sys.argv[1]
for line in sys.stdin:
    frame = json.loads(line)
    if frame["verb"] == "describe":
        result = {"protocol": 1, "name": "hanging", "version": "1", "interface_specification": "0.66.0",
                  "profiles": ["production"], "capabilities": [], "instance": "deterministic"}
    elif frame["verb"] == "stop":
        result = {}
    else:
        child = os.fork()
        if child == 0:
            os.setsid()
            time.sleep(100)
        open(os.path.join(folder, f"{os.getpid()}"), "w").close()
        open(os.path.join(folder, f"{child}"), "w").close()
        time.sleep(100)
    print(json.dumps({"id": frame["id"], "result": result}), flush=True)
    if frame["verb"] == "stop":
        break
"""
"""An implementation that starts a child in a session of its own, notes both process ids, and answers no `reset`."""

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell who lives")


def lives(process_id: int) -> bool:
    """The process is there, and no zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def judging(folder: Path, workers: int, verb: str = "conform") -> tuple[subprocess.Popen[bytes], list[int]]:
    """A judge in a process group of its own, as a terminal starts it, once all its implementations hang."""
    script = folder / "hanging.py"
    script.write_text(HANGING)
    noted = folder / "noted"
    noted.mkdir()
    command = [sys.executable, "-m", "spec.tooling.command_line", verb]
    command += ["--implementation", f'"{sys.executable}" "{script}" "{noted}"']
    if verb == "conform":
        command += ["--workers", str(workers), "--only", "starvation"]
    else:
        command += [str(Path(__file__).parents[1] / "suite" / "scenarios" / "requests.py"), "--only", "anonymous_calls"]
    judge = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, process_group=0)
    deadline = time.monotonic() + 60
    while len(list(noted.iterdir())) < 2 * workers:
        assert time.monotonic() < deadline, "the implementations hang"
        assert judge.poll() is None, judge.stderr and judge.stderr.read()
        time.sleep(0.05)
    return judge, [int(path.name) for path in noted.iterdir()]


def workers_of(judge: int) -> list[int]:
    """The children of the judge."""
    return [int(each) for each in Path(f"/proc/{judge}/task/{judge}/children").read_text().split()]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["Ctrl-C", "SIGTERM", "SIGHUP"],
)
def test_a_signal_ends_the_judge_and_all_that_it_started(
    tmp_path: Path, number: signal.Signals, code: int, workers: int
) -> None:
    """Also what the implementation started, in a session of its own, and the judge's workers; nothing is printed."""
    judge, implementations = judging(tmp_path, workers)
    everyone = implementations + workers_of(judge.pid)
    assert all(map(lives, everyone))
    began = time.monotonic()
    if number == signal.SIGINT:
        os.killpg(judge.pid, number)
    else:
        judge.send_signal(number)
    _, complaints = judge.communicate(timeout=30)
    assert judge.returncode == code
    while any(map(lives, everyone)) and time.monotonic() - began < SECONDS:
        time.sleep(0.02)
    assert [each for each in everyone if lives(each)] == []
    assert time.monotonic() - began < SECONDS
    assert b"Traceback" not in complaints


def test_a_signal_ends_the_play_of_a_scenario_file(tmp_path: Path) -> None:
    """`icspec run` is no other."""
    judge, implementations = judging(tmp_path, 1, "run")
    began = time.monotonic()
    judge.terminate()
    judge.communicate(timeout=30)
    assert judge.returncode == 143
    while any(map(lives, implementations)) and time.monotonic() - began < SECONDS:
        time.sleep(0.02)
    assert [each for each in implementations if lives(each)] == []


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(sys.argv[1], "w").write(str(os.getpid()))
        time.sleep(100)
    os._exit(0)
os.wait()
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
if sys.argv[2] == "ends":
    sys.exit(3)
time.sleep(100)
"""
"""An implementation that starts a daemon, which has left its session and its parent, and then ends or hangs."""


@pytest.mark.parametrize("then", ["ends", "hangs"])
def test_a_daemon_ends_with_who_started_it(tmp_path: Path, then: str) -> None:
    """Whether the implementation is ended by the judge or ended before."""
    noted = tmp_path / "daemon"
    process = Process([sys.executable, "-c", DAEMON, str(noted), then], TimeLimits.uniform(60))
    deadline = time.monotonic() + 60
    while not (noted.exists() and noted.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    daemon = int(noted.read_text())
    assert lives(daemon)
    if then == "ends":
        with pytest.raises(Died):
            process.request("describe", {}, lambda result: result)
    process.kill()
    while lives(daemon) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not lives(daemon)


def test_workers_end_when_the_judge_is_killed(tmp_path: Path) -> None:
    """Nobody can tell them; they look. They end after their scenario, which fails here, as its process is killed."""
    judge, implementations = judging(tmp_path, 2)
    workers = [each for each in workers_of(judge.pid) if each not in implementations]
    judge.kill()
    judge.wait(timeout=30)
    for each in implementations:
        with contextlib.suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while any(map(lives, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [each for each in workers if lives(each)] == []

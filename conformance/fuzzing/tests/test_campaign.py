"""Campaigns: what they find, that nothing is lost or counted twice, and that they can be killed."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from conformance.commands.fuzz import duration, main
from conformance.fuzzing.campaign import Campaign, Steering, run
from conformance.fuzzing.corpus import Corpus, CorpusError
from conformance.fuzzing.drawing import SMALL, Drawing, Drawn, Vocabulary
from conformance.fuzzing.expressions import call
from conformance.fuzzing.managing import Managing
from conformance.fuzzing.marking import Marks
from conformance.fuzzing.paths import Paths, without_marks
from conformance.fuzzing.tasks import Outcome, Task
from conformance.fuzzing.workers import Processes
from conformance.running.processes import Target
from conformance.suite.loading import scenarios_of_file
from spec.machine import initial_state
from spec.profile import load_profile
from spec.state.canister import Subnet
from spec.transition import RULES

PLANTED = f'"{sys.executable}" -m conformance.tests.planted.bugs '
VOCABULARY = Vocabulary((SMALL,), explains=False, schedules=False, has_generated_modules=False)
NOBODY = Target(("nobody",))


def outcome_of(number: int, paths: tuple[str, ...] = (), cause: str = "") -> Outcome:
    """What came of a scenario of nothing."""
    verdict = "fail" if cause else "pass"
    return Outcome(number, Drawn((), SMALL), verdict, cause, cause, (), ("canister_status",), paths, 0.1)


def corpus_at(path: Path) -> Corpus:
    """The corpus in a file, of a campaign with the seed 1."""
    return Corpus(path, {"implementation": "nobody", "seed": "1"})


class Inside:
    """Workers that answer at once."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    @property
    def wanted(self) -> int:
        return 2 - len(self.tasks)

    def begin(self, task: Task) -> None:
        self.tasks.append(task)

    def outcomes(self, seconds: float) -> Sequence[tuple[Task, Outcome]]:
        done, self.tasks = self.tasks, []
        return [(task, outcome_of(task.number, (f"path {task.number % 5}",))) for task in done]

    def end(self) -> None:
        """There is nothing to end."""


def test_an_outcome_that_comes_twice_counts_once(tmp_path: Path) -> None:
    """As it does when a worker was taken for dead."""
    with closing(corpus_at(tmp_path / "corpus")) as corpus:
        corpus.hand_out(0, Drawn((), SMALL))
        assert corpus.take_in(outcome_of(0, ("a path",), "a cause"), 1.0)
        assert not corpus.take_in(outcome_of(0, ("a path", "another"), "another cause"), 2.0)
        counts = corpus.counts()
        assert (counts.scenarios, counts.paths, counts.failures) == (1, 1, 1)
        assert [each.times for each in corpus.failures()] == [1]


def test_what_was_under_way_is_run_again(tmp_path: Path) -> None:
    """The numbers of a campaign have no gaps, and what is drawn for a number stays."""
    drawn = Drawn((call("settle", 1),), SMALL)
    with closing(corpus_at(tmp_path / "corpus")) as corpus:
        corpus.hand_out(0, drawn)
        corpus.hand_out(1, drawn)
        corpus.take_in(outcome_of(1), 1.0)
    with closing(corpus_at(tmp_path / "corpus")) as corpus:
        campaign = Campaign(corpus, Steering(corpus, VOCABULARY, "1"), NOBODY, 12)
        assert campaign.next_task() == Task(0, drawn, NOBODY)
        run(campaign, Inside(), None, lambda *_: None, 10.0)
        assert corpus.counts().scenarios == 11, "the first one is still handed out to this test"
        assert [number for number, _ in corpus.under_way()] == [0]
        assert corpus.next_number() == 12


def test_scenarios_with_rare_paths_are_taken_up_more_often(tmp_path: Path) -> None:
    """The weight of a scenario is how rare its paths are together."""
    with closing(corpus_at(tmp_path / "corpus")) as corpus:
        for number in range(10):
            corpus.hand_out(number, Drawn((), SMALL))
            corpus.take_in(outcome_of(number, ("frequent", "rare") if number == 9 else ("frequent",)), 1.0)
        weights = dict(corpus.kept())
        assert weights.keys() == {0, 9}
        assert weights[9] / weights[0] == pytest.approx((1 + 1 / 10) / (1 / 10))


def test_short_scenarios_are_taken_up_more_often(tmp_path: Path) -> None:
    """Of two with a path each that is as rare."""
    with closing(corpus_at(tmp_path / "corpus")) as corpus:
        for number, length in enumerate((1, 20)):
            corpus.hand_out(number, Drawn((call("settle", 0),) * length, SMALL))
            corpus.take_in(outcome_of(number, (f"path {number}",)), 1.0)
        weights = dict(corpus.kept())
        assert weights[0] > 5 * weights[1]
        assert corpus.drawn(1).course == (call("settle", 0),) * 20


def test_what_the_judge_gives_up_is_not_taken_up_again(tmp_path: Path) -> None:
    """The first that passes with the same path is, though the path is known by then."""
    with closing(corpus_at(tmp_path / "corpus")) as corpus:
        for number, verdict in enumerate(("inconclusive", "pass", "pass")):
            corpus.hand_out(number, Drawn((), SMALL))
            corpus.take_in(evolve(outcome_of(number, ("slow",)), verdict=verdict), 1.0)
        assert [number for number, _ in corpus.kept()] == [1]
        assert corpus.counts().paths == 1


def test_what_was_taken_least_is_drawn_most() -> None:
    """Methods whose rules were never taken, and transitions of such rules."""
    seen = {name: 10_000 for name in RULES if name != "canister_metadata"}
    methods = Counter(Managing(random.Random(seed), seen).drawn()[0] for seed in range(400))
    assert methods["canister_metadata"] > 100
    vocabulary = Vocabulary((SMALL,), explains=True, schedules=True, has_generated_modules=False)
    acts = (Drawing(random.Random(seed), vocabulary, seen).act(SMALL) for seed in range(400))
    firsts = Counter(act.arguments[0] for act in acts if act.name == "take")
    assert firsts.most_common(1)[0][0] == "canister_metadata"


def test_a_corpus_is_of_one_implementation(tmp_path: Path) -> None:
    """And a file that is none is told so."""
    corpus_at(tmp_path / "corpus").close()
    with pytest.raises(CorpusError, match="implementation 'nobody', not 'another'"):
        Corpus(tmp_path / "corpus", {"implementation": "another"})
    (tmp_path / "text").write_text("no database, but a text that is long enough " * 50)
    with pytest.raises(CorpusError, match="file is not a database"):
        corpus_at(tmp_path / "text")


def damaged(path: Path, how: str) -> None:
    """Harms a corpus in one of several ways."""
    if how == "cut off":
        raw = path.read_bytes()
        path.write_bytes(raw[: len(raw) // 2])
    elif how == "overwritten":
        raw = path.read_bytes()
        path.write_bytes(raw[:4096] + b"\xff" * (len(raw) - 4096))
    else:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(how)


@pytest.mark.parametrize(
    "how",
    [
        "cut off",
        "overwritten",
        "UPDATE campaign SET value = 'icspec fuzz 1' WHERE name = 'format'",
        "UPDATE scenarios SET drawn = 'nonsense'",
        "UPDATE scenarios SET drawn = '[1]'",
        "ALTER TABLE scenarios RENAME COLUMN drawn TO something",
    ],
)
def test_a_damaged_corpus_or_an_older_one_is_told_in_one_line(tmp_path: Path, how: str) -> None:
    """With the file's name, before anything is run."""
    path = tmp_path / "corpus.sqlite"
    with closing(corpus_at(path)) as corpus:
        corpus.hand_out(0, Drawn((call("settle", 0),) * 500, SMALL))
        corpus.take_in(outcome_of(0, ("canister_status 1",)), 1.0)
    corpus_at(path).close()
    damaged(path, how)
    with pytest.raises(CorpusError) as told:
        corpus_at(path)
    assert str(told.value).startswith(f"{path}: ")
    assert "\n" not in str(told.value)


@pytest.fixture
def paths() -> Iterator[Paths]:
    """Paths of the rules of this process, which are then as they were."""
    yield Paths()
    without_marks()


def test_paths_are_those_of_rules_that_are_taken(paths: Paths) -> None:
    """A rule that cannot be taken has no path."""
    subnet = Subnet(b"\x01" * 29, 13)
    state = initial_state(load_profile(SMALL), subnet, 10**18, b"key")
    with paths.watching():
        RULES["system_time_progress"](state, time=10**18 + 5)
        RULES["system_time_progress"](state, time=0)
        RULES["request_done"](state, request_id=b"none")
    assert len(paths.taken) == 1
    assert next(iter(paths.taken)).startswith("system_time_progress ")


def test_marks_change_nothing_and_go_again(paths: Paths) -> None:
    """What a rule makes of a state is the same with marks; afterwards its code is the one before."""
    state = initial_state(load_profile(SMALL), Subnet(b"\x01" * 29, 13), 10**18, b"key")
    body = RULES["provisional_create_canister_with_cycles"].body
    before = (body, body.__code__)
    known = RULES["system_time_progress"](state, time=10**18 + 5)
    with paths.watching():
        assert RULES["system_time_progress"](state, time=10**18 + 5) == known
        assert RULES["provisional_create_canister_with_cycles"].body is not body
        assert body.__code__ is not before[1]
    without_marks()
    assert (RULES["provisional_create_canister_with_cycles"].body, body.__code__) == before


BRANCHES = """
def chosen(number, others=()):
    \"\"\"Has branches of all kinds.\"\"\"
    if number > 3:
        return "high" if number > 5 else "middle"
    if number == 3 and others or number == 2:
        return [each for each in others]
    match number:
        case 1:
            return "one"
        case _:
            return "none"
"""


def test_each_branch_has_a_mark_of_its_own(tmp_path: Path) -> None:
    """Also the arms of expressions; calls that go the same way take the same marks."""
    (tmp_path / "branches.py").write_text(BRANCHES)
    path = tmp_path / "branches.py"
    space: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    marks = Marks()
    marks.mark(tmp_path)
    ways: dict[frozenset[int], list[object]] = {}
    cases = [(4,), (5,), (6,), (3,), (3, (7,)), (2,), (1,), (0,), (-1,)]
    for case in cases:
        marks.taken.clear()
        space["chosen"](*case)
        ways.setdefault(frozenset(marks.taken), []).append(case)
    assert list(ways.values()) == [[(4,), (5,)], [(6,)], [(3,)], [(3, (7,))], [(2,)], [(1,)], [(0,), (-1,)]]
    assert len(set(marks.places)) == len(marks.places)
    marks.remove()
    marks.taken.clear()
    assert space["chosen"](3, (7,)) == [7]
    assert not marks.taken


def test_a_worker_that_is_killed_is_replaced_and_its_task_done_by_another() -> None:
    """Nothing is lost, and nothing comes twice."""
    workers = Processes(1)
    try:
        workers.begin(Task(5, Drawn((), None), Target(("no such command",))))
        os.kill(workers.process_ids[0], signal.SIGKILL)
        found: list[tuple[Task, Outcome]] = []
        deadline = time.monotonic() + 60
        while not found and time.monotonic() < deadline:
            found += workers.outcomes(1.0)
        assert [(task.number, outcome.number) for task, outcome in found] == [(5, 5)]
        assert workers.outcomes(0.2) == []
    finally:
        workers.end()


def test_a_planted_bug_is_found_and_its_file_replays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure is a scenario of few acts."""
    monkeypatch.chdir(tmp_path)
    arguments = ["--implementation", PLANTED + "RejectsEverything", "--count", "2", "--workers", "1", "--seed", "5"]
    assert main([*arguments, "--json", "report.json"]) == 1
    told = capsys.readouterr().out
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["scenarios"] == 2
    assert report["failures"]
    assert "icspec run fuzz.failures/failure_" in told
    (path, *_) = sorted((tmp_path / "fuzz.failures").iterdir())
    [chosen] = scenarios_of_file(path)
    assert chosen.covers == ()
    assert path.read_text().count("players.") <= 3


def test_a_campaign_that_is_killed_goes_on(tmp_path: Path) -> None:
    """SIGKILL at any time: the corpus is whole, and in the end no number is missing or counted twice."""
    corpus = tmp_path / "corpus.sqlite"
    command = [sys.executable, "-c", f"import sys; from {main.__module__} import main; sys.exit(main(sys.argv[1:]))"]
    command += ["--corpus", str(corpus), "--count", "4", "--workers", "1", "--seed", "2"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if corpus.exists() and run_so_far(corpus) >= 1:
            break
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert 1 <= run_so_far(corpus) < 4
    assert subprocess.run(command, stdout=subprocess.DEVNULL, timeout=300).returncode == 0
    assert run_so_far(corpus) == 4


def run_so_far(path: Path) -> int:
    """How many scenarios of a corpus were run."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            ((count,),) = connection.execute("SELECT count(*) FROM scenarios WHERE verdict IS NOT NULL")
            return int(count)
    except sqlite3.OperationalError:
        return 0


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("8h", 28_800), ("2d", 172_800)])
def test_times_are_written_in_units(text: str, seconds: float) -> None:
    """Of seconds, minutes, hours and days."""
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "arguments",
    [
        ["--time", "soon"],
        ["--time", "0"],
        ["--count", "0"],
        ["--workers", "two"],
        ["--count", "1", "--time", "1s"],
        ["--workers", "1", "--cluster", "tcp://127.0.0.1:1"],
        ["--implementation", "no-such-command-at-all"],
        ["--implementation", ""],
    ],
)
def test_bad_input_is_told_in_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 2."""
    try:
        code = main(arguments)
    except SystemExit as ended:
        code = int(str(ended.code))
    captured = capsys.readouterr()
    assert (code, captured.err.count("\n"), captured.out) == (2, 1, "")
    assert captured.err.startswith("icspec fuzz: ")

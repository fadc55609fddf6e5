"""Fixtures: what the specification writes, and what others make of it."""

import gzip
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from conformance.commands import consume as command_consume
from conformance.commands import fill as command_fill
from conformance.commands.arguments import bundled_implementation
from conformance.fixtures import writing
from conformance.fixtures.consuming import Consumed, consumed
from conformance.fixtures.filling import filled
from conformance.fixtures.folding import Blobs
from conformance.fixtures.reading import Fixtures, read_fixtures
from conformance.judging.verdicts import Fail, NotApplicable, Pass
from conformance.protocol.interface import Capability, Description, Query, QueryAnswer, Scheduled
from conformance.served.specification import SpecificationImplementation
from conformance.suite.loading import all_scenarios
from conformance.tests.planted.bugs import (
    BlackBox,
    ForgetsRollback,
    KeepsTheHeapOnUpgrade,
    LosesACycleOnRefund,
    RejectsEverything,
)
from conformance.tests.planted.ordering import (
    BeatsHearts,
    CountsCanistersOtherwise,
    NamesSnapshotsOtherwise,
    ShufflesBySeed,
)
from conformance.tests.planted.prices import HasOtherPrices
from conformance.tests.planted.rejecting import RejectsAsFatal, SaysItInItsOwnWords
from conformance.tests.planted.renaming import EFFECTS, RenamesWrongly
from spec.state.label import Label
from spec.state.request import Received
from spec.transition import Output, RequestStatusChanged
from spec.values.identifiers import Principal

ONLY = (
    "^(asked_everywhere/inspect_message|calls/some_cycles_accepted|installation/upgrade_clears_heap"
    "|management_rejects/unknown_method|snapshots/list_and_delete|spontaneous/heartbeat|traps/heap_is_rolled_back)$"
)
SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}
NODE = shutil.which("node")
CONSUMER = Path(command_consume.__file__).parents[1] / "fixtures" / "consumer" / "consume.mjs"
INSPECTED = "asked_everywhere/inspect_message"
FORMAT_FOLDERS = ("scenario", "trace")
Main = Callable[[list[str]], int]
SPECIFICATION = (sys.executable, "-m", "conformance.served.specification")
REFERENCE = bundled_implementation()
"""Its root key is another one than in the fixtures."""


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixtures of some scenarios."""
    made = tmp_path_factory.mktemp("filled") / "fixtures"
    assert command_fill.main([str(made), "--only", ONLY, "--workers", "1"]) == 0
    return made


@pytest.fixture
def fixtures(directory: Path) -> Fixtures:
    return read_fixtures(directory)


@pytest.fixture
def own(directory: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(directory, tmp_path / "own"))


def run(fixtures: Fixtures, made: type[SpecificationImplementation], name: str, form: str = "scenario/1") -> Consumed:
    """What comes of one fixture on an implementation in this process."""
    (entry,) = [each for each in fixtures.entries if (each.id, each.format) == (name, form)]
    implementation = made()
    return consumed(fixtures.document(entry), implementation, implementation.describe(), fixtures.blob)


def run_filled(name: str, implementation: SpecificationImplementation) -> Consumed:
    """What comes of the fixture of a scenario on an implementation in this process, without a directory."""
    blobs = Blobs()
    scenario, _ = filled(SCENARIOS[name], blobs)
    assert scenario.document is not None
    return consumed(scenario.document, implementation, implementation.describe(), blobs.contents.__getitem__)


def files_of(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def contents(path: Path) -> bytes:
    """What a file holds, compressed or not."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


# What is written


def test_the_same_bytes_are_written_under_every_hash_seed(tmp_path: Path) -> None:
    """Sets and dictionaries have other orders then."""
    written = []
    for seed in ("1", "2"):
        target = tmp_path / seed
        command = [sys.executable, "-m", "spec.tooling.command_line", "fill", str(target), "--workers", "1"]
        only = ["--only", "^(snapshots/onto_another|calls/some_cycles_accepted)$"]
        subprocess.run([*command, *only], env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True)
        written.append(files_of(target))
    assert written[0] == written[1]
    assert len(written[0]) > 8


def test_the_index_has_every_file_with_its_digest_its_rules_its_needs_and_its_size(directory: Path) -> None:
    index = json.loads((directory / "index.json").read_text())
    assert index["counts"] == {"scenario/1": 6, "trace/1": 7}
    assert "heartbeat_context_creation" in index["rules"]
    assert "raw_rand" in index["rules_without_fixture"]
    entries = [each for part in index["parts"] for each in json.loads((directory / part["path"]).read_text())["files"]]
    for entry in entries:
        content = contents(directory / entry["path"])
        assert (entry["sha256"], entry["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
        document = json.loads(content)
        assert (entry["rules"], entry["needs"]) == (document["rules"], document["needs"])
        assert all((directory / "blobs" / name).is_file() for name in entry["blobs"])
    (heartbeat,) = index["left_out"]
    assert (heartbeat["format"], heartbeat["id"]) == ("scenario/1", "spontaneous/heartbeat")


def test_what_is_long_is_compressed_and_the_index_is_of_its_contents(own: Path) -> None:
    """However well the zlib of a machine compresses, the index is the same."""
    written = {str(path.relative_to(own)): path for path in own.rglob("*.json*") if path.parts[-3] in FORMAT_FOLDERS}
    assert {name for name, path in written.items() if len(contents(path)) > 8_000} == {
        name for name in written if name.endswith(".gz")
    }
    path = written[A_FIXTURE]
    assert path.read_bytes()[4:8] == bytes(4), "it has no time"
    otherwise = gzip.compress(contents(path), compresslevel=1, mtime=1)
    assert otherwise != path.read_bytes()
    path.write_bytes(otherwise)
    (found,) = [each for each in read_fixtures(own).entries if each.path == A_FIXTURE]
    assert read_fixtures(own).document(found)["id"] == "calls/some_cycles_accepted"


def test_what_is_short_stands_there_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is consumed like the rest."""
    monkeypatch.setattr(writing, "LONGEST_PLAIN", 60_000)
    made = tmp_path / "made"
    assert command_fill.main([str(made), "--only", "^requests/anonymous_calls$", "--workers", "1"]) == 0
    fixtures = read_fixtures(made)
    assert {each.path for each in fixtures.entries} == {
        "scenario/requests/anonymous_calls.json",
        "trace/requests/anonymous_calls.json",
    }
    for form in ("scenario/1", "trace/1"):
        assert isinstance(run(fixtures, SpecificationImplementation, "requests/anonymous_calls", form).verdict, Pass)


def test_no_file_is_larger_than_it_may_be(directory: Path) -> None:
    """Modules of more stand in several files."""
    assert max(len(content) for content in files_of(directory).values()) <= 64_000


@pytest.mark.parametrize(
    ("limit", "value", "why"),
    [("LARGEST_FILE", 500, "and a file has at most 500"), ("LARGEST_TOTAL", 1_515_000, "would take more than")],
)
def test_what_does_not_fit_is_left_out_with_the_reason(
    limit: str, value: int, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, limit, value)
    only = "^requests/(anonymous_calls|another_nonce)$"
    command_fill.main([str(tmp_path / "made"), "--only", only, "--workers", "1"])
    left_out = json.loads((tmp_path / "made" / "index.json").read_text())["left_out"]
    assert left_out and all(why in each["why"] for each in left_out)


def test_a_release_that_was_published_is_not_written_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its index has one SHA-256 for ever."""
    published = tmp_path / "releases.json"
    published.write_text(json.dumps({"1.0.0": "0" * 64}))
    monkeypatch.setattr(command_fill, "RELEASES", published)
    arguments = ["--only", "^requests/anonymous_calls$", "--workers", "1", "--release"]
    assert command_fill.main([str(tmp_path / "one"), *arguments, "1.0.0"]) == 2
    assert "release 1.0.0 is another one" in capsys.readouterr().err
    assert command_fill.main([str(tmp_path / "other"), *arguments, "1.0.1"]) == 0


# What others make of it


@pytest.mark.parametrize("implementation", [(), ("--implementation", shlex.join(SPECIFICATION))])
def test_the_reference_and_the_specification_pass_all(
    implementation: tuple[str, ...], directory: Path, tmp_path: Path
) -> None:
    """Every answer is admitted by what stands in the file, without the judge, and is that of production."""
    report = tmp_path / "report.json"
    assert command_consume.main([str(directory), "--json", str(report), *implementation]) == 0
    cases = json.loads(report.read_text())["cases"]
    assert [each["verdict"] for each in cases] == ["pass"] * 13
    assert [each["note"] for each in cases] == [""] * 13
    assert {each["as_production"] for each in cases if each["format"] == "scenario/1"} == {True}


def test_a_request_that_names_the_instance_has_another_id_on_another_instance(fixtures: Fixtures) -> None:
    """So the trace has a name for it, which is told when the request is submitted."""
    (entry,) = [each for each in fixtures.entries if (each.id, each.format) == (INSPECTED, "trace/1")]
    document = fixtures.document(entry)
    assert document["names"] == {"request 1": 32, "root key": 133, "subnet": 29}
    (called,) = [each for each in document["labels"] if each["choices"].get("request_id") == {"name": "request 1"}]
    assert called["rule"] == "initiate_call"


class NamesItsRequestsOtherwise(SpecificationImplementation):
    """Of submitted requests it shows other ids than they have."""

    capabilities = frozenset({Capability.SCHEDULE, Capability.STATE})

    def schedule(self, labels: Sequence[Label]) -> Scheduled:
        scheduled = super().schedule(labels)
        return evolve(scheduled, outputs=tuple(tuple(map(self.otherwise, each)) for each in scheduled.outputs))

    @staticmethod
    def otherwise(output: Output) -> Output:
        is_new = isinstance(output, RequestStatusChanged) and isinstance(output.status, Received)
        return evolve(output, request_id=bytes(32)) if is_new else output


def test_a_name_that_is_told_must_be_the_id_of_the_request(fixtures: Fixtures) -> None:
    assert isinstance(run(fixtures, NamesItsRequestsOtherwise, INSPECTED, "trace/1").verdict, Fail)


class ToldWhatToDo:
    """Mixed into a planted implementation: it takes schedules and tells digests."""

    capabilities = frozenset({Capability.SCHEDULE, Capability.STATE})


class LosesACycleWhenTold(ToldWhatToDo, LosesACycleOnRefund):
    pass


class ForgetsRollbackWhenTold(ToldWhatToDo, ForgetsRollback):
    pass


class KeepsTheHeapWhenTold(ToldWhatToDo, KeepsTheHeapOnUpgrade):
    pass


@pytest.mark.parametrize(
    ("made", "name", "form"),
    [
        (LosesACycleOnRefund, "calls/some_cycles_accepted", "scenario/1"),
        (ForgetsRollback, "traps/heap_is_rolled_back", "scenario/1"),
        (KeepsTheHeapOnUpgrade, "installation/upgrade_clears_heap", "scenario/1"),
        (RejectsEverything, "calls/some_cycles_accepted", "scenario/1"),
        (LosesACycleWhenTold, "calls/some_cycles_accepted", "trace/1"),
        (ForgetsRollbackWhenTold, "traps/heap_is_rolled_back", "trace/1"),
        (KeepsTheHeapWhenTold, "installation/upgrade_clears_heap", "trace/1"),
    ],
)
def test_a_wrong_implementation_is_caught_by_each_format(
    made: type[SpecificationImplementation], name: str, form: str, fixtures: Fixtures
) -> None:
    assert isinstance(run(fixtures, made, name, form).verdict, Fail)


@pytest.mark.parametrize(
    ("made", "name", "by_judge"),
    [
        (BlackBox, "snapshots/list_and_delete", False),
        (CountsCanistersOtherwise, "snapshots/list_and_delete", False),
        (NamesSnapshotsOtherwise, "snapshots/list_and_delete", True),
        (ShufflesBySeed, "calls/some_cycles_accepted", False),
        (HasOtherPrices, "calls/some_cycles_accepted", False),
        (RejectsAsFatal, "management_rejects/unknown_method", False),
        (SaysItInItsOwnWords, "management_rejects/unknown_method", False),
    ],
)
def test_a_rightly_different_implementation_passes(
    made: type[SpecificationImplementation], name: str, by_judge: bool, fixtures: Fixtures
) -> None:
    """Where the file demands more than the text, as in the order of lists, the specification judges."""
    case = run(fixtures, made, name)
    assert isinstance(case.verdict, Pass), case
    assert ("judged by the specification itself" in case.note) is by_judge


class AnswersLongNonces(BlackBox):
    """It answers queries whose nonces are too long."""

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        return super().query(evolve(query, nonce=query.nonce[:32]), effective_id)


class AnswersExpiredQueries(BlackBox):
    """It answers queries that have expired."""

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        return super().query(evolve(query, ingress_expiry=self.current.system_time + 1), effective_id)


@pytest.mark.parametrize(
    ("made", "name"),
    [(AnswersLongNonces, "requests/longest_nonce"), (AnswersExpiredQueries, "queries/expired_query")],
)
def test_the_specification_judges_the_queries_that_the_file_asks(made: type[BlackBox], name: str) -> None:
    """With their nonces and expiries."""
    case = run_filled(name, made())
    assert isinstance(case.verdict, Fail), case
    assert "judged by the specification itself" in case.note
    assert isinstance(run_filled(name, BlackBox()).verdict, Pass)


class RejectsEverythingOfAnEarlierVersion(RejectsEverything):
    def describe(self) -> Description:
        return evolve(super().describe(), interface_specification="0.65.0")


def test_what_came_later_than_the_version_that_an_implementation_follows_does_not_apply() -> None:
    name = "composite/own_status"
    assert isinstance(run_filled(name, RejectsEverything()).verdict, Fail)
    assert isinstance(run_filled(name, RejectsEverythingOfAnEarlierVersion()).verdict, NotApplicable)


def test_what_is_not_as_production_is_told(fixtures: Fixtures) -> None:
    """Though the text admits it."""
    assert run(fixtures, RejectsAsFatal, "management_rejects/unknown_method").as_production is False
    assert run(fixtures, BlackBox, "management_rejects/unknown_method").as_production is True


def test_when_heartbeats_run_is_no_departure_from_production() -> None:
    """A canister's version tells of them, and fixtures know of none; so the judge says what is as in production."""
    case = run_filled("expiry/low_memory_unpaid", BeatsHearts())
    assert isinstance(case.verdict, Pass)
    assert "judged by the specification itself" in case.note
    assert case.as_production is True


def test_a_trace_does_not_apply_to_whoever_takes_no_schedules(fixtures: Fixtures) -> None:
    assert isinstance(run(fixtures, BlackBox, "calls/some_cycles_accepted", "trace/1").verdict, NotApplicable)


def test_a_trace_may_begin_with_canisters_on_a_second_subnet() -> None:
    """It applies to whoever can begin so; the id of that subnet need not be the same."""
    blobs = Blobs()
    scenario, trace = filled(SCENARIOS["renaming/renamed_twice"], blobs)
    assert (scenario.document, trace.document is None) == (None, False)
    assert trace.document is not None

    def verdict_on(implementation: SpecificationImplementation) -> str:
        document, described = trace.document or {}, implementation.describe()
        return consumed(document, implementation, described, blobs.contents.__getitem__).verdict.name

    unable, wrong = SpecificationImplementation(), RenamesWrongly(EFFECTS["its version is not raised"][0])
    unable.capabilities = frozenset({Capability.SCHEDULE})
    wrong.capabilities = frozenset(Capability)
    assert verdict_on(SpecificationImplementation()) == "pass"
    assert verdict_on(unable) == "not_applicable"
    assert verdict_on(wrong) == "fail"


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_a_consumer_in_another_language_passes_the_right_one_and_fails_a_wrong_one(directory: Path) -> None:
    """It is a program of Node that knows nothing of the specification."""

    def consume(*command: str) -> tuple[int, str]:
        given = [str(NODE), str(CONSUMER), str(directory), *command]
        done = subprocess.run(given, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout

    assert consume(*SPECIFICATION) == (0, "13 pass, 0 fail, 0 not applicable\n")
    assert consume(*REFERENCE) == (0, "13 pass, 0 fail, 0 not applicable\n")
    code, printed = consume(sys.executable, "-m", "conformance.tests.planted.bugs", "KeepsTheHeapOnUpgrade")
    assert code == 1
    assert "fail scenario/1 installation/upgrade_clears_heap: step " in printed
    assert printed.endswith("5 pass, 1 fail, 7 not applicable\n")


# Bad input


def complaint_of(main: Main, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that is told of bad input, with exit code 2, also where the parser of arguments ends the program."""
    try:
        code = main(arguments)
    except SystemExit as ended:
        code = int(ended.code or 0)
    printed = capsys.readouterr().err
    assert (code, printed.count("\n")) == (2, 1), printed
    return printed


def changed(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes a fixture, and the digests of it in the index."""
    root = next(each for each in path.parents if (each / "index.json").exists())
    document = json.loads(contents(path))
    change(document)
    content = json.dumps(document).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    index = json.loads((root / "index.json").read_text())
    part = root / index["parts"][0]["path"]
    files = json.loads(part.read_text())
    for entry in files["files"]:
        if entry["path"] == str(path.relative_to(root)):
            entry["sha256"], entry["bytes"] = hashlib.sha256(content).hexdigest(), len(content)
    part.write_text(json.dumps(files))
    index["parts"][0]["sha256"] = hashlib.sha256(part.read_bytes()).hexdigest()
    (root / "index.json").write_text(json.dumps(index))


A_FIXTURE = "scenario/calls/some_cycles_accepted.json.gz"


def change_blob(own: Path) -> None:
    """Every file of a blob is another one."""
    for path in (own / "blobs").iterdir():
        path.write_bytes(path.read_bytes() + b"\0")


SPOILS = {
    "nothing there": (lambda own: shutil.rmtree(own), "there is no index.json"),
    "no JSON": (lambda own: (own / "index.json").write_text("{"), "it is not JSON"),
    "another format": (
        lambda own: (own / "index.json").write_text('{"format": "index/2"}'),
        "its format is 'index/2', not index/1",
    ),
    "a changed file": (lambda own: change_blob(own), "its SHA-256 is not that of the index"),
    "a missing file": (lambda own: (own / A_FIXTURE).unlink(), "No such file"),
    "an unknown field": (
        lambda own: changed(own / A_FIXTURE, lambda each: each.update(more=1)),
        "Additional properties are not allowed",
    ),
    "an unknown pattern": (
        lambda own: changed(own / A_FIXTURE, lambda each: each["steps"][0].update(expect={"perhaps": 1})),
        "steps.0",
    ),
    "no steps": (lambda own: changed(own / A_FIXTURE, lambda each: each.update(steps=[])), "steps"),
    "no gzip": (lambda own: (own / A_FIXTURE).write_bytes(b"{}"), "it is not compressed by gzip"),
    "half of a gzip": (
        lambda own: (own / A_FIXTURE).write_bytes((own / A_FIXTURE).read_bytes()[:-9]),
        "it is not one whole file of gzip",
    ),
    "a gzip and more": (
        lambda own: (own / A_FIXTURE).write_bytes((own / A_FIXTURE).read_bytes() * 2),
        "it is not one whole file of gzip",
    ),
    "a gzip of very much": (
        lambda own: (own / A_FIXTURE).write_bytes(gzip.compress(bytes(10**8))),
        "it holds more than the",
    ),
    "another gzip": (
        lambda own: (own / A_FIXTURE).write_bytes(gzip.compress(b"{}")),
        "its SHA-256 is not that of the index",
    ),
    "a lost blob": (lambda own: shutil.rmtree(own / "blobs"), "No such file"),
}


@pytest.mark.parametrize("name", SPOILS)
def test_fixtures_that_are_spoiled_are_told_in_one_line(
    name: str, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing of them counts as passed."""
    spoil, complaint = SPOILS[name]
    spoil(own)
    arguments = ["--only", "^calls/", "--implementation", shlex.join(SPECIFICATION)]
    assert complaint in complaint_of(command_consume.main, [str(own), *arguments], capsys)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: DIR"),
        (["NEW", "--only", "("], "is not a regular expression"),
        (["NEW", "--only", "nothing is called that"], "no scenario matches"),
        (["NEW", "--workers", "0"], "is no number from 1"),
        (["NEW", "--release", "first"], "is no version of a release"),
        (["NEW", "--what"], "unrecognized arguments: --what"),
        (["FULL"], "it is not empty"),
        (["NEW/in/nothing"], "No such file"),
    ],
)
def test_fill_tells_bad_input_in_one_line(
    arguments: list[str], complaint: str, directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [each.replace("NEW", str(tmp_path / "new")).replace("FULL", str(directory)) for each in arguments]
    assert complaint in complaint_of(command_fill.main, given, capsys)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the following arguments are required: DIR"),
        (["FULL", "--only", "nothing is called that"], "no fixture is called so"),
        (["FULL", "--only", "["], "is not a regular expression"),
        (["FULL", "--format", "scenario/2"], "invalid choice: 'scenario/2'"),
        (["FULL", "--implementation", "no-such-command-here"], "cannot start no-such-command-here"),
        (["FULL", "--implementation", ""], "the command is empty"),
        (["FULL", "--json", "/no/such/directory/report.json"], "No such file"),
        (["FULL", "--time-limit", "-1"], "is no number from 1"),
        (["/no/such/directory"], "there is no index.json"),
    ],
)
def test_consume_tells_bad_input_in_one_line(
    arguments: list[str], complaint: str, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [each.replace("FULL", str(directory)) for each in arguments]
    assert complaint in complaint_of(command_consume.main, given, capsys)

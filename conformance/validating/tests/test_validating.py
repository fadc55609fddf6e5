"""Right traces are explained whatever is left out of them; wrong ones are refused at the first event that is wrong."""

import json
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import conformance.suite
import conformance.validating.events
from conformance.commands.run import main as run_command
from conformance.commands.validate import main
from conformance.protocol.stdio import StdioImplementation
from conformance.running.case import Manner
from conformance.running.run import run_scenario
from conformance.suite.looking import Looking
from conformance.validating.events import EVENTS, Trace, TraceError, trace_of
from conformance.validating.explaining import Explained, NotExplained, Open, Undecided, explain
from conformance.validating.tests.spoiling import (
    Line,
    recorded,
    recorded_of,
    told_by_events,
    with_fields_left_out,
    with_one_event_changed,
)

SCHEMA = Path(conformance.validating.events.__file__).with_name("schema.json")
SCENARIO = str(Path(conformance.suite.__file__).parent / "scenarios" / "calls.py")
QUICK = 20
DEEP = 200
EVERY = 16
"""The traces are those of every so many scenarios."""


def trace(lines: list[Line]) -> Trace:
    """The trace of these events."""
    return trace_of([json.dumps(line) for line in lines], "trace")


def traces(longest: int) -> list[list[Line]]:
    """Traces of the reference implementation with at most so many events."""
    return [lines for _, lines in sorted(recorded(EVERY).items()) if len(lines) <= longest]


def explained_with_omissions(count: int, longest: int) -> Counter[str]:
    """How many traces with random omissions have which outcome."""
    known = traces(longest)
    outcomes: Counter[str] = Counter()
    for seed in range(count):
        outcome = explain(trace(with_fields_left_out(known[seed % len(known)], seed)))
        assert isinstance(outcome, Explained | Open), f"seed {seed}: {outcome}"
        outcomes[outcome.name] += 1
    return outcomes


def refused_with_changes(count: int, longest: int) -> tuple[int, Counter[str]]:
    """How many traces with one event changed are refused, and what was changed in the others."""
    known = traces(longest)
    refused = 0
    passed: Counter[str] = Counter()
    for seed in range(count):
        lines, what = with_one_event_changed(known[seed % len(known)], seed)
        outcome = explain(trace(lines))
        if isinstance(outcome, NotExplained):
            refused += 1
        else:
            passed[f"{what}: {outcome.name}"] += 1
    return refused, passed


def test_right_traces_with_random_omissions_are_explained() -> None:
    """At least a third of them to their ends, so that the outcome is not always that nobody can tell."""
    outcomes = explained_with_omissions(QUICK, 30)
    assert outcomes["explained"] >= QUICK // 3


@pytest.mark.deep
def test_two_hundred_right_traces_with_random_omissions_are_explained() -> None:
    """None is refused, and none is undecided."""
    outcomes = explained_with_omissions(DEEP, 60)
    assert outcomes["explained"] >= DEEP // 3


def test_most_traces_with_one_event_changed_are_refused() -> None:
    """Those that are not have a reason: the text leaves open what was changed, or a refused request stays refused."""
    refused, passed = refused_with_changes(QUICK, 30)
    assert refused >= QUICK // 2, passed


@pytest.mark.deep
def test_most_of_two_hundred_traces_with_one_event_changed_are_refused() -> None:
    """As many as that."""
    refused, passed = refused_with_changes(DEEP, 60)
    assert refused >= DEEP * 3 // 4, passed


# What is refused, and where


@cache
def chain() -> list[Line]:
    """The trace of a chain of calls."""
    [lines] = recorded_of([each for each in told_by_events() if each.id == "calls/chain_of_calls"]).values()
    return lines


def place_of(lines: list[Line], kind: str, last: bool = False) -> int:
    """The place of the first or last event of a kind."""
    places = [place for place, line in enumerate(lines) if line["event"] == kind]
    return places[-1] if last else places[0]


def changed(place: int, **told: Any) -> list[Line]:
    """The trace of the chain with other values in one event."""
    return [{**line, **told} if each == place else line for each, line in enumerate(chain())]


def test_the_trace_of_a_chain_is_explained_without_any_doubt() -> None:
    """It has executions, responses and balances."""
    assert {"execution", "response", "balance", "rest"} <= {line["event"] for line in chain()}
    assert explain(trace(chain())) == Explained()


def test_a_balance_that_is_one_cycle_too_high_is_refused_with_the_right_one() -> None:
    """The message has what would have been admitted."""
    place = place_of(chain(), "balance", last=True)
    right = int(chain()[place]["cycles"])
    outcome = explain(trace(changed(place, cycles=right + 1)))
    assert isinstance(outcome, NotExplained)
    assert (outcome.event.line, outcome.admitted) == (place + 1, (f"{right:,} cycles",))


def test_without_a_profile_costs_may_be_any() -> None:
    """Other costs than production's are admitted."""
    place = place_of(chain(), "balance", last=True)
    lines = changed(place, cycles=5)
    lines = [{name: value for name, value in line.items() if name != "profile"} for line in lines]
    assert isinstance(explain(trace(lines)), Explained)


def test_an_execution_that_did_not_happen_is_refused() -> None:
    """It is told twice."""
    place = place_of(chain(), "execution", last=True)
    outcome = explain(trace([*chain()[:place], chain()[place], *chain()[place:]]))
    assert isinstance(outcome, NotExplained)
    assert outcome.event.line == place + 2


def test_an_execution_that_is_not_told_is_missed_only_where_all_are_told() -> None:
    """Otherwise any may have happened."""
    place = place_of(chain(), "execution", last=True)
    lines = [*chain()[:place], *chain()[place + 1 :]]
    assert isinstance(explain(trace(lines)), NotExplained)
    partly = [{name: value for name, value in line.items() if name != "tells_all"} for line in lines]
    assert isinstance(explain(trace(partly)), Explained)


def test_a_trace_of_responses_alone_is_explained() -> None:
    """Everything in between is found."""
    kinds = ("start", "request", "response")
    lines = [{name: value for name, value in line.items() if name != "tells_all"} for line in chain()]
    assert isinstance(explain(trace([line for line in lines if line["event"] in kinds])), Explained)


def test_an_argument_that_was_not_recorded_leaves_the_rest_open() -> None:
    """What the reply is depends on it."""
    place = place_of(chain(), "request", last=True)
    lines = [dict(line) for line in chain()]
    del lines[place]["argument"]
    outcome = explain(trace(lines))
    assert isinstance(outcome, Open)
    assert outcome.event.line >= place + 1
    assert outcome.doubts == (f"line {place + 1}: argument of a request was not recorded",)


def test_the_id_of_a_snapshot_that_was_not_recorded_is_found_where_it_is_told_later() -> None:
    """Here by a list of all snapshots."""
    [lines] = recorded_of([each for each in told_by_events() if each.id == "kept_or_lost/chunks"]).values()
    taking = next(place for place, line in enumerate(lines) if line.get("method_name") == "take_canister_snapshot")
    told = next(place for place, line in enumerate(lines) if place > taking and line["event"] == "response")
    partly = [{name: value for name, value in line.items() if name != "data"} for line in lines[told : told + 1]]
    assert isinstance(explain(trace([*lines[:told], *partly, *lines[told + 1 :]])), Explained | Open)


def test_a_budget_that_is_used_up_is_told_as_that() -> None:
    """It is no refusal."""
    assert isinstance(explain(trace(chain()), steps=3), Undecided)


# Traces as files


def test_the_schema_knows_the_events_and_their_fields() -> None:
    """And every event that is recorded is as it says."""
    schema = json.loads(SCHEMA.read_text())
    known = {each["$ref"].rpartition("/")[2] for each in schema["oneOf"]}
    assert {kind: set(schema["$defs"][kind]["properties"]) - {"event"} for kind in known} == {
        kind: set(fields) for kind, fields in EVENTS.items()
    }
    validator = Draft202012Validator(schema)
    for line in chain():
        validator.validate(line)
    assert not validator.is_valid({"event": "balance", "cycles": -1})


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ([], "trace:1: a trace begins with the event 'start'"),
        (['{"event": "rest"}'], "trace:1: a trace begins with the event 'start'"),
        (['{"event": "start"}'], "trace:1: start.format: the field is missing"),
        (['{"event": "start", "format": "observed/1"}'], "trace:1: start.system_time: the field is missing"),
        (['{"event": "start", "format": "observed/2"}'], "is not 'observed/1'"),
        (["{"], "trace:1: it is no JSON"),
        (["[]"], "trace:1: an event is an object"),
        (['{"event": "restart"}'], "trace:1: event: 'restart' is none of"),
        (['{"event": "rest", "why": 1}'], "trace:1: rest.why: the field is not known"),
        (['{"event": "balance", "cycles": -1}'], "trace:1: balance.cycles: -1 is not a natural number"),
        (['{"event": "response", "status": "lost"}'], "response.status: 'lost' is none of"),
        (
            ['{"event": "start", "format": "observed/1", "system_time": 1}'] * 2,
            "trace:2: a trace has one event 'start'",
        ),
    ],
)
def test_what_is_no_trace_is_told_with_its_line(lines: list[str], complaint: str) -> None:
    """In one line."""
    with pytest.raises(TraceError) as raised:
        trace_of(lines, "trace")
    assert complaint.replace("'", '"') in str(raised.value).replace("'", '"')


def test_a_recorded_scenario_is_validated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The two commands of the page."""
    recorded_at = tmp_path / "trace.ndjson"
    assert run_command([SCENARIO, "--only", "chain", "--record", str(recorded_at)]) == 0
    assert main([str(recorded_at), "--json", str(tmp_path / "report.json")]) == 0
    assert ": explained, " in capsys.readouterr().out
    [report] = json.loads((tmp_path / "report.json").read_text())
    assert report["outcome"] == "explained"
    recorded_at.write_text(recorded_at.read_text().replace('"replied"', '"processing"'))
    assert main([str(recorded_at)]) == 1
    assert "refused: no run of the specification explains" in capsys.readouterr().out
    assert main([str(tmp_path / "nothing")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("served", [(), ("--spec",)])
def test_what_is_served_writes_a_trace_that_is_explained(served: tuple[str, ...], tmp_path: Path) -> None:
    """`icspec stdio --trace`, whoever asks it; each reset begins the trace anew."""
    written = tmp_path / "a trace.ndjson"
    command = (sys.executable, "-m", "spec.tooling.command_line", "stdio", *served, "--trace", str(written))
    implementation = StdioImplementation(command)
    try:
        for name in ("traps/heap_is_rolled_back", "calls/chain_of_calls"):
            [scenario] = [each for each in told_by_events() if each.id == name]
            case = run_scenario(scenario, implementation, implementation.describe(), Manner(looking=Looking.NEVER))
            assert case.verdict.name == "pass", case
    finally:
        implementation.close()
    lines = [json.loads(line) for line in written.read_text().splitlines()]
    assert [line["event"] for line in lines].count("start") == 1
    assert [line["event"] for line in lines].count("execution") == [line["event"] for line in chain()].count(
        "execution"
    )
    assert explain(trace(lines)) == Explained()
    execution = place_of(lines, "execution", last=True)
    assert isinstance(explain(trace([*lines[:execution], *lines[execution + 1 :]])), NotExplained)


def test_no_trace_begins_with_canisters_on_a_second_subnet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A trace could not tell of them, and would be refused: the scenario does not apply."""
    written = tmp_path / "trace.ndjson"
    renaming = SCENARIO.replace("calls.py", "renaming.py")
    run_command([renaming, "--only", "renaming/old_id", "--record", str(written)])
    assert "a trace does not tell of canisters on a second subnet" in capsys.readouterr().out
    assert written.read_text() == ""

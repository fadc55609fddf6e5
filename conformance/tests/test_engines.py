"""A judge whose canisters another engine executes gives the verdicts that it gives by the interpreter."""

import io
import json
import shlex
import sys
from xml.etree import ElementTree

import pytest

from conformance.canisters.library import load
from conformance.commands.conform import main
from conformance.judging import engines
from conformance.judging.engines import INTERPRETER, executed_by, judges_itself
from conformance.protocol.interface import DEFAULT_TIME_LIMITS, Description, InstanceKind
from conformance.protocol.stdio import StdioImplementation
from conformance.protocol.wire_log import nobody
from conformance.reporting.machines import as_json, write_junit
from conformance.reporting.page import write_html
from conformance.reporting.report import Report
from conformance.reporting.terminal import summary
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.suite.loading import all_scenarios
from conformance.tests.planted import refusing
from conformance.tests.planted.engines import ENGINES
from spec.canister.module import CanisterModule, MalformedModule
from spec.profile import load_profile
from spec.rules.modules import module_or_defect
from spec.system_api.module import WasmCanisterModule, parse_module

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}
PRODUCTION = load_profile("production")
FAST = "fast"
RIGHT = ("calls/reply_comes_back", "traps/cleanup_runs", "composite/composite", "installation/upgrade_clears_heap")
BUGS = {
    "LosesACycleOnRefund": "calls/some_cycles_accepted",
    "MixesUpTheQueue": "calls/calls_keep_their_order",
    "ForgetsRollback": "traps/heap_is_rolled_back",
    "KeepsTheHeapOnUpgrade": "installation/upgrade_clears_heap",
    "MiscountsInstructions": "requests/a_canister_answers",
}
WRONG_ENGINES = (
    "remainder_is_unsigned",
    "copy_wraps",
    "table_indices_wrap",
    "growing_gives_the_new_size",
    "no_root_key_in_cleanup",
)


def described(name: str, version: str = "1") -> Description:
    """An implementation that says so of itself."""
    return Description(name, version, "0.66.0", (), frozenset(), InstanceKind.DETERMINISTIC)


def cases(scenarios: tuple[str, ...], *command: str) -> dict[str, list[Case]]:
    """The cases of an implementation that runs in a process of its own, by the engine of the judge."""
    implementation = StdioImplementation((sys.executable, "-m", *command), DEFAULT_TIME_LIMITS, nobody)
    chosen = [SCENARIOS[each] for each in scenarios]
    try:
        description = implementation.describe()
        return {
            engine: [run_scenario(each, implementation, description, Manner(engine=engine)) for each in chosen]
            for engine in (INTERPRETER, FAST)
        }
    finally:
        implementation.close()


def told(found: list[Case]) -> list[object]:
    """All that two judges must agree on: verdicts and what would be allowed, rules, and whether production goes so."""
    return [(each.verdict, each.fired, each.as_production, each.departures, each.effort) for each in found]


@pytest.mark.parametrize(
    "command", [("spec.tooling.command_line", "stdio", "--spec"), ("conformance.tests.planted.bugs", "BlackBox")]
)
def test_a_right_implementation_has_the_same_cases(command: tuple[str, ...]) -> None:
    found = cases(RIGHT, *command)
    assert told(found[FAST]) == told(found[INTERPRETER])
    assert {each.verdict.name for each in found[FAST]} == {"pass"}


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_has_the_same_case(bug: str) -> None:
    found = cases((BUGS[bug],), "conformance.tests.planted.bugs", bug)
    assert told(found[FAST]) == told(found[INTERPRETER])
    assert {each.verdict.name for each in found[FAST]} == {"fail"}


@pytest.mark.parametrize("engine", WRONG_ENGINES)
def test_a_wrong_engine_has_the_same_case(engine: str) -> None:
    found = cases((ENGINES[engine][1],), "conformance.tests.planted.engines", engine)
    assert told(found[FAST]) == told(found[INTERPRETER])
    assert {each.verdict.name for each in found[FAST]} == {"fail"}


@pytest.mark.parametrize("name", ["RefusesGrowths", "RefusesGrowthsOfHooks", "TrapsAtGrowthsOfHooks"])
def test_what_the_system_may_refuse_is_considered_by_either(name: str) -> None:
    """The engine tells which growths were tried, though that is no part of an outcome."""
    chosen = SCENARIOS["installation/memories_grow_in_hooks"]
    for engine in (INTERPRETER, FAST):
        implementation = getattr(refusing, name)()
        case = run_scenario(chosen, implementation, implementation.describe(), Manner(engine=engine))
        assert case.verdict.name == "pass", case.verdict.why


def test_an_engine_that_is_part_of_what_it_would_judge_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    """By itself, as a command that is named, and as a server."""
    server = shlex.join([sys.executable, "-m", "spec.tooling.command_line", "stdio"])
    for implementation in ((), ("--implementation", server)):
        assert main(["--engine", "fast", "--only", "requests/own_reject", "--workers", "1", *implementation]) == 2
        assert "this engine is a part of what it would judge" in capfd.readouterr().err
    assert judges_itself(FAST, described("http://127.0.0.1:1", "0.1.0, icspec/0.1.0 (icspec reference implementation)"))
    assert not judges_itself(FAST, described("another"))
    assert not judges_itself(INTERPRETER, described("icspec reference implementation"))


def test_the_interpreter_executes_again_afterwards() -> None:
    raw_module = load("scripted")
    with executed_by(FAST):
        assert not isinstance(module_or_defect(PRODUCTION, raw_module), WasmCanisterModule)
    assert isinstance(module_or_defect(PRODUCTION, raw_module), WasmCanisterModule)


class Disagreeing:
    """An engine that takes every module for the same one."""

    part_of = "nothing"

    def load(self, raw_module: bytes, profile: object) -> CanisterModule | MalformedModule:
        """The scripted canister, or a complaint about it."""
        if raw_module == load("scripted"):
            return MalformedModule("it does not like it")
        return parse_module(load("scripted"), PRODUCTION)


def test_what_is_a_module_and_what_it_declares_the_specification_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an engine says otherwise, the interpreter executes."""
    monkeypatch.setattr(engines, "engine_named", lambda name: Disagreeing())
    engines._checked.cache_clear()
    try:
        with executed_by("disagreeing"):
            for name in ("scripted", "scripted_tasks"):
                assert module_or_defect(PRODUCTION, load(name)) is parse_module(load(name), PRODUCTION)
            assert isinstance(module_or_defect(PRODUCTION, b"no module"), MalformedModule)
    finally:
        engines._checked.cache_clear()


def test_reports_say_which_engine_executed_canisters() -> None:
    report = Report(described("another"), Manner(engine=FAST), (), 1.0)
    page, junit = io.StringIO(), io.StringIO()
    write_html(report, page)
    write_junit(report, junit)
    sentence = "canisters executed for the judge by the engine 'fast', which is trusted to do as specified"
    assert sentence in summary(report)
    assert "canisters executed for the judge by the engine" in page.getvalue()
    assert json.loads(json.dumps(as_json(report)))["engine"] == FAST
    found = ElementTree.fromstring(junit.getvalue().partition("\n")[2]).find("properties/property[@name='engine']")
    assert found is not None
    assert found.get("value") == FAST
    usual = Report(described("another"), Manner(), (), 1.0)
    assert "engine" not in summary(usual)
    assert as_json(usual)["engine"] == INTERPRETER

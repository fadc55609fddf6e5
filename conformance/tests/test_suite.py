"""The suite itself: the specification passes it, and it is about what it says it is about."""

import json
import re
from pathlib import Path

import pytest

from conformance.canisters.library import load
from conformance.judging.verdicts import NotApplicable, Pass
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.served.specification import SpecificationImplementation
from conformance.suite.loading import all_scenarios
from spec.profile import PROFILES, known_profiles, load_profile
from spec.system_api.module import MalformedModule, parse_module
from spec.transition import RULES

SCENARIOS = all_scenarios()
CHECKLIST = Path(__file__).parents[2] / "docs" / "facts" / "checklist.json"
BEHAVIOURS = CHECKLIST.with_name("production_tests.jsonl")
PROTOCOL = Path(__file__).parents[1] / "PROTOCOL.md"


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """The suite on the specification itself, replayed."""
    implementation = SpecificationImplementation()
    description = implementation.describe()
    return [run_scenario(chosen, implementation, description, Manner()) for chosen in SCENARIOS]


def test_the_specification_passes_every_scenario(cases: list[Case]) -> None:
    """What a scenario pins is what the specification says."""
    assert [(case.id, case.verdict) for case in cases if case.verdict.name != "pass"] == []


def test_every_rule_fires_in_some_scenario(cases: list[Case]) -> None:
    """There is none without."""
    assert RULES.keys() - {rule for case in cases for rule in case.fired} == set()


def test_there_are_at_least_three_hundred_scenarios_each_with_a_sentence_as_title() -> None:
    """And titles tell them apart."""
    assert len(SCENARIOS) >= 300
    assert len({chosen.title for chosen in SCENARIOS}) == len(SCENARIOS)
    assert all(chosen.title[0].isupper() and not chosen.title.endswith(".") for chosen in SCENARIOS)


def test_the_specification_does_what_production_does(cases: list[Case]) -> None:
    """As served it chooses as production where the text leaves a choice."""
    assert [(case.id, case.departures) for case in cases if case.departures] == []


def test_every_scenario_names_statements_of_the_checklist_or_sections_of_the_protocol() -> None:
    """No invented ids. The behaviours of production are statements, too."""
    lists = json.loads(CHECKLIST.read_text())
    known = {row["id"] for rows in lists.values() if isinstance(rows, list) for row in rows}
    headings = re.findall("^#+ (.*)$", PROTOCOL.read_text(), re.MULTILINE)
    known |= {f"PROTOCOL.md#{heading.lower().replace(' ', '-')}" for heading in headings}
    known |= {json.loads(line)["id"] for line in BEHAVIOURS.read_text().splitlines()}
    unknown = {(chosen.id, named) for chosen in SCENARIOS for named in chosen.covers if named not in known}
    assert unknown == set()
    assert [chosen.id for chosen in SCENARIOS if not chosen.covers] == []


def test_two_runs_of_the_specification_are_equal() -> None:
    """Nothing depends on the clock, on chance or on the run before."""
    implementation = SpecificationImplementation()
    chosen = next(each for each in SCENARIOS if each.id == "calls/chain_of_calls")
    first, second = (run_scenario(chosen, implementation, implementation.describe(), Manner()) for _ in range(2))
    assert first.transcript == second.transcript


def test_a_case_that_passes_is_put_into_words_only_if_somebody_reads_it() -> None:
    implementation = SpecificationImplementation()
    chosen = next(each for each in SCENARIOS if each.id == "calls/chain_of_calls")
    case = run_scenario(chosen, implementation, implementation.describe(), Manner(tells_all=False))
    assert (case.verdict, case.transcript) == (Pass(), ())


def test_a_scenario_that_needs_a_profile_is_not_applicable_where_it_is_not_followed() -> None:
    """An implementation that has production's profile only is not judged by other limits."""
    implementation = SpecificationImplementation({"production": load_profile()})
    chosen = next(each for each in SCENARIOS if each.id == "small_limits/message_limit")
    case = run_scenario(chosen, implementation, implementation.describe(), Manner())
    assert case.verdict == NotApplicable(
        "the implementation does not follow the profile 'small-world' to the last cycle"
    )


def test_a_run_can_be_under_a_profile_of_a_file(tmp_path: Path) -> None:
    """Scenarios that do not need a profile of their own run under that one."""
    path = tmp_path / "few-snapshots.toml"
    path.write_text((PROFILES / "production.toml").read_text().replace("\nsnapshots = 10\n", "\nsnapshots = 0\n"))
    implementation = SpecificationImplementation(known_profiles([str(path)]))
    assert "few-snapshots" in implementation.describe().profiles
    chosen = next(each for each in SCENARIOS if each.profile is None and each.id.startswith("snapshots/"))
    case = run_scenario(chosen, implementation, implementation.describe(), Manner(profile=str(path)))
    assert implementation.current.profile.name == "few-snapshots"
    assert case.verdict.name != "pass"


@pytest.mark.parametrize("name", ["scripted", "scripted_tasks", "scripted_low_memory", "scripted_keep"])
def test_the_scripted_canisters_fit_into_the_small_world_and_leave_something_for_hooks(name: str) -> None:
    """Installing them is charged for compiling them, for every byte."""
    small = load_profile("small-world")
    module = parse_module(load(name), small)
    assert not isinstance(module, MalformedModule)
    assert module.instructions_to_compile + 200_000 < small.limits.install_code_instructions

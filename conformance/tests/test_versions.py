"""Versions of the interface specification: an implementation is judged by what held in the one that it follows."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from attrs import evolve

from conformance.commands import conform as command_conform
from conformance.judging.verdicts import Fail, Inconclusive, NotApplicable, Pass
from conformance.protocol.interface import Accepted, Answer, Description, Query, QueryAnswer, Refused, Replied, Values
from conformance.protocol.interface import Path as StatePath
from conformance.protocol.versions import KNOWN, METHODS, PATHS, ROWS, SETTINGS, has, judged_by, since_rows
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.suite.loading import all_scenarios
from conformance.tests.planted.bugs import BlackBox
from spec.state.request import Endpoint, Request
from spec.values.candid import CandidError, Record, encode, field_id, read_as_sent, resolved
from spec.values.identifiers import Principal, RequestId
from spec.values.management import (
    MANAGEMENT_METHODS,
    SettingsArguments,
    UpdateSettingsArguments,
    decode_arguments,
    decode_canister_status,
    encode_arguments,
    encode_canister_status,
)

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}


class Earlier(BlackBox):
    """It follows 0.63.0, and knows nothing that came later."""

    version = "0.63.0"

    def describe(self) -> Description:
        return evolve(super().describe(), interface_specification=self.version)

    def read(self, sender: Principal, effective_id: Principal, paths: Sequence[StatePath]) -> Values | Refused:
        if any(path[-1] in PATHS for path in paths):
            return Refused()
        return super().read(sender, effective_id, paths)


class TellsFewerSettings(Earlier):
    """Its statuses do not tell the settings that came later."""

    def answer(self, request_id: RequestId) -> Answer:
        answer = super().answer(request_id)
        return Replied(without_later(answer.data)) if isinstance(answer, Replied) else answer

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        answer = super().query(query, effective_id)
        return Replied(without_later(answer.data)) if isinstance(answer, Replied) else answer


class TellsFewerSettingsUnsaid(TellsFewerSettings):
    """Though it says that it follows the newest version."""

    version = "0.65.0"


class TellsOtherSettings(TellsFewerSettings):
    """And of the freezing threshold it tells another one."""

    def query(self, query: Query, effective_id: Principal) -> QueryAnswer:
        answer = BlackBox.query(self, query, effective_id)
        if not isinstance(answer, Replied) or query.method_name != "canister_status":
            return answer
        status = decode_canister_status(answer.data)
        other = evolve(status, settings=evolve(status.settings, freezing_threshold=7))
        return Replied(without_later(encode_canister_status(other)))


def without_later(reply: bytes) -> bytes:
    """A status without the settings that came after 0.63.0; any other reply as it is."""
    message = read_as_sent(reply)
    if isinstance(message, CandidError) or not message.types:
        return reply
    kind, within = resolved(message.types[0], message.definitions), field_id("settings")
    fields = dict(kind.fields) if isinstance(kind, Record) else {}
    if within not in fields:
        return reply
    settings = resolved(fields[within], message.definitions)
    kept = {label: each for label, each in settings.fields if label not in set(map(field_id, SETTINGS))}
    (status,) = message.values
    values = {**status, within: {label: status[within][label] for label in kept}}
    types = Record(tuple((fields | {within: Record(tuple(kept.items()))}).items()))
    return encode((types,), (values,), message.definitions)


class EarlierUnsaid(Earlier):
    """It knows nothing that came after 0.63.0, and says that it follows the newest."""

    version = KNOWN[-1]


class TheFirst(Earlier):
    """It follows 0.60.0, in which nobody could ask for metrics."""

    version = KNOWN[0]

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        if request.method_name == "canister_metrics":
            return Refused()
        return super().submit(request, effective_id, endpoint)


def judged(implementation: BlackBox, name: str, interface: str | None = None) -> Case:
    return run_scenario(SCENARIOS[name], implementation, implementation.describe(), Manner(interface=interface))


def test_what_came_with_a_version_is_there() -> None:
    """Methods and settings of the tables are those of the specification."""
    assert METHODS.keys() <= MANAGEMENT_METHODS
    assert all(hasattr(SettingsArguments(), name) for name in SETTINGS)
    assert {*METHODS.values(), *SETTINGS.values(), *PATHS.values(), *ROWS.values()} <= set(KNOWN)


@pytest.mark.parametrize(
    ("version", "since", "holds"),
    [
        ("0.66.0", "0.66.0", True),
        ("0.65.9", "0.66.0", False),
        ("0.100.0", "0.66.0", True),
        ("1.0.0", "0.66.0", True),
        ("0.9.0", "0.60.0", False),
        ("something", "0.66.0", True),
        ("", "0.66.0", True),
        ("0.66", "0.66.0", True),
    ],
)
def test_versions_are_compared_by_their_numbers(version: str, since: str, holds: bool) -> None:
    """One that cannot be read is taken for the newest."""
    assert has(version, since) is holds


@pytest.mark.parametrize(
    ("version", "judging"),
    [
        *((each, each) for each in KNOWN),
        ("0.65.9", "0.65.0"),
        ("0.59.0", "0.60.0"),
        ("0.67.0", "0.66.0"),
        ("something", "0.66.0"),
        ("", "0.66.0"),
    ],
)
def test_a_version_that_is_not_known_is_judged_by_the_last_one_before_it(version: str, judging: str) -> None:
    """Or by the first, if there is none."""
    assert judged_by(version) == judging


def test_whoever_follows_a_version_before_the_first_is_judged_by_the_first() -> None:
    older = TheFirst()
    older.version = "0.59.0"
    assert isinstance(judged(older, "requests/anonymous_calls").verdict, Pass)
    assert isinstance(judged(older, "information/metrics").verdict, NotApplicable)


def test_a_scenario_is_as_new_as_the_newest_that_it_shows() -> None:
    assert since_rows(()) == KNOWN[0]
    assert since_rows(("entry.heartbeat", "setting.status-visibility", "mgmt.canister-metrics")) == "0.65.0"
    assert SCENARIOS["settings/minimum_incoming_cycles"].since == "0.64.0"
    assert SCENARIOS["calls/reply_comes_back"].since == KNOWN[0]


@pytest.mark.parametrize(
    "name", ["settings/status_for_viewers", "refusals/with_too_few_cycles", "composite/own_status"]
)
def test_what_came_later_does_not_apply(name: str) -> None:
    """Though the scenario passes where it does."""
    verdict = judged(Earlier(), name).verdict
    assert isinstance(verdict, NotApplicable)
    assert "of the interface specification" in verdict.why
    assert isinstance(judged(BlackBox(), name).verdict, Pass)


@pytest.mark.parametrize("name", ["requests/anonymous_calls", "calls/some_cycles_accepted"])
def test_what_held_before_is_judged_and_the_look_leaves_out_what_came_later(name: str) -> None:
    """The same implementation fails if it declares the newest version."""
    assert isinstance(judged(Earlier(), name).verdict, Pass)
    assert isinstance(judged(EarlierUnsaid(), name).verdict, Fail)


def test_a_status_need_not_tell_settings_that_came_later_and_must_tell_the_others() -> None:
    """Whoever follows the version with which they came tells them."""
    name = "lifecycle/stop_and_start"
    assert isinstance(judged(TellsFewerSettings(), name).verdict, Pass)
    assert isinstance(judged(TellsFewerSettingsUnsaid(), name).verdict, Fail | Inconclusive)
    assert isinstance(judged(TellsOtherSettings(), name).verdict, Fail)


IN_PART = {
    "http.sig.webauthn",
    "rule.submit-call.mgmt-canister-status",
    "rule.mgmt.canister-status.update",
    "mgmt-general.visibility",
}
"""Rows of which only the latest part came with that version: scenarios that show them need no later one."""


def test_the_checklist_says_the_same_of_its_rows() -> None:
    """Those of a version are listed, but for those of which only a part came with it."""
    rows: dict[str, str] = {}

    def collect(value: object) -> None:
        if isinstance(value, dict):
            rows[str(value.get("id"))] = value.get("since", "")
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            collect(inner)

    collect(json.loads((Path(__file__).parents[2] / "docs" / "facts" / "checklist.json").read_text()))
    assert {row: rows.get(row) for row in ROWS} == ROWS
    assert {row for row, since in rows.items() if since in KNOWN[1:]} - ROWS.keys() == IN_PART


def test_a_version_can_be_asked_for_whatever_is_declared() -> None:
    name = "requests/anonymous_calls"
    assert isinstance(judged(EarlierUnsaid(), name, "0.65.0").verdict, Pass)
    assert isinstance(judged(Earlier(), name, KNOWN[-1]).verdict, Fail)


def test_a_method_that_came_later_is_none_that_an_implementation_has() -> None:
    """Neither scenarios nor the look call it."""
    assert isinstance(judged(TheFirst(), "information/metrics").verdict, NotApplicable)
    assert isinstance(judged(TheFirst(), "requests/anonymous_calls").verdict, Pass)


def test_a_setting_that_came_later_ends_the_scenario_where_it_is_given() -> None:
    """Also in scenarios that show something else."""
    verdict = judged(Earlier(), "who_may/by_viewer").verdict
    assert isinstance(verdict, NotApplicable), verdict
    assert "status_visibility" in verdict.why


class BoundsNoThreshold(Earlier):
    """It follows 0.63.0, in which the threshold for low memory had no bound of 2^48, and takes more."""

    def submit(
        self, request: Request, effective_id: Principal, endpoint: Endpoint = Endpoint.CANISTER
    ) -> Accepted | Refused:
        if request.method_name == "update_settings":
            given = decode_arguments("update_settings", request.argument)
            assert isinstance(given, UpdateSettingsArguments)
            less = evolve(given, settings=evolve(given.settings, wasm_memory_threshold=2**48))
            request = evolve(request, argument=encode_arguments(less))
        return super().submit(request, effective_id, endpoint)


class BoundsNoThresholdUnsaid(BoundsNoThreshold):
    version = KNOWN[-1]


def test_a_bound_that_came_later_does_not_apply() -> None:
    """Whoever follows the version with which it came refuses what is greater."""
    name = "settings/threshold_above_all_memory"
    verdict = judged(BoundsNoThreshold(), name).verdict
    assert isinstance(verdict, NotApplicable)
    assert "the bound of wasm_memory_threshold came with version 0.64.0" in verdict.why
    assert isinstance(judged(BoundsNoThresholdUnsaid(), name).verdict, Fail)
    assert isinstance(judged(BlackBox(), name).verdict, Pass)


def test_conform_says_by_which_version_it_judges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the report says since when each scenario holds."""
    report = tmp_path / "report.json"
    arguments = ["--workers", "1", "--implementation", f'"{sys.executable}" -m conformance.served.specification']
    only = ["--only", "^(settings/status_for_others|requests/anonymous_calls)$", "--json", str(report)]
    assert command_conform.main([*arguments, *only, "--interface", "0.64.0"]) == 0
    printed = capsys.readouterr().out
    assert "judged by version 0.64.0 of the interface specification: what came later does not apply" in printed
    cases = {each["id"]: each for each in json.loads(report.read_text())["cases"]}
    assert [(each["since"], each["verdict"]) for _, each in sorted(cases.items())] == [
        ("0.60.0", "pass"),
        ("0.65.0", "not_applicable"),
    ]
    assert "--interface 0.64.0" in cases["requests/anonymous_calls"]["repeat"]


@pytest.mark.parametrize("given", ["0.59.0", "newest", "", "0.67.0"])
def test_a_version_that_is_not_known_is_told_in_one_line(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command_conform.main(["--interface", given])
    assert ended.value.code == 2
    printed = capsys.readouterr().err
    assert "is no version that is known; these are 0.60.0, 0.61.0" in printed
    assert printed.count("\n") == 1

"""What may happen at any time is admitted if it shows, and no more than that."""

import pytest

from conformance.judging.drift import TOLD_BY_CODE, versions_told
from conformance.running.case import Case, Manner
from conformance.running.run import run_scenario
from conformance.suite.loading import all_scenarios
from conformance.tests.planted.bugs import BlackBox
from conformance.tests.planted.drifting import (
    ForgetsAnswers,
    ForgetsRequestsTooSoon,
    LowersVersions,
    RaisesVersions,
    TrimsHistories,
)
from spec.values.candid import BLOB, Primitive, Record, Vec, encode

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}

DIFFERENT = (ForgetsAnswers, RaisesVersions, TrimsHistories)
"""Implementations that are right."""


def judged(implementation: BlackBox, scenario_id: str) -> Case:
    """The case of one scenario on an implementation in this process."""
    return run_scenario(SCENARIOS[scenario_id], implementation, implementation.describe(), Manner())


@pytest.mark.parametrize(
    ("different", "scenario_id"),
    [
        (ForgetsAnswers, "requests/answers_stay"),
        (RaisesVersions, "lifecycle/stop_and_start"),
        (RaisesVersions, "information/changes"),
        (RaisesVersions, "system_api_canister/version_told"),
        (TrimsHistories, "information/changes"),
    ],
)
def test_what_may_happen_at_any_time_passes(different: type[BlackBox], scenario_id: str) -> None:
    """Answers that are forgotten, versions that rise, histories that are trimmed."""
    case = judged(different(), scenario_id)
    assert case.verdict.name == "pass", case.verdict.why


@pytest.mark.parametrize(
    ("wrong", "scenario_id"),
    [(ForgetsRequestsTooSoon, "requests/answers_stay"), (LowersVersions, "information/changes")],
)
def test_what_goes_beyond_fails(wrong: type[BlackBox], scenario_id: str) -> None:
    """Requests are known until they expire; a version rises with every change."""
    assert judged(wrong(), scenario_id).verdict.name == "fail"


def test_versions_are_found_in_fields_and_in_what_code_gives() -> None:
    """Fields of records inside others, and words of eight bytes; nothing in long replies."""
    inner = Record({"canister_version": Primitive.NAT64, "other": Primitive.NAT64})
    told = encode((Record({"changes": Vec(inner)}),), ({"changes": ({"canister_version": 7, "other": 9},)},))
    assert versions_told([told]) == (7,)
    assert 5 in versions_told([b"some text" + (5).to_bytes(8, "little")])
    assert versions_told([bytes(1_000)]) == ()


def test_what_code_tells_and_keeps_may_be_versions() -> None:
    """Numbers and words of bytes, beside the version that it tells."""
    record = Record({TOLD_BY_CODE: Primitive.NAT64, "slot 0": BLOB, "counters": Record({0: Primitive.NAT64})})
    values = {TOLD_BY_CODE: 7, "slot 0": (5).to_bytes(8, "little"), "counters": {0: 9}}
    assert versions_told([encode((record,), (values,))]) == (5, 7, 9)

"""Contents that are made to harm who reads them are a failure, told soon and in few words."""

import time

import pytest

from conformance.running.case import Manner
from conformance.running.run import run_scenario
from conformance.suite.loading import all_scenarios
from conformance.tests.planted import harming
from conformance.tests.planted.bugs import BlackBox

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}

HARMFUL: dict[str, tuple[BlackBox, str]] = {
    **{name: (harming.RepliesHarmfully(reply), "lifecycle/new_canister") for name, reply in harming.REPLIES.items()},
    **{
        name: (harming.CertifiesHarmfully(reply), "queries/certificate_told")
        for name, reply in harming.CERTIFICATES.items()
    },
    "a reject of many words": (harming.RejectsAtLength(), "requests/own_reject"),
    "more values than paths": (harming.ReadsTooMuch(), "reads/timestamps"),
}
SECONDS = 20.0
"""Of the judge's processor, for what takes it one or two."""


@pytest.mark.parametrize("name", HARMFUL)
def test_what_harms_fails(name: str) -> None:
    """In seconds, and what is told of it can be read."""
    implementation, scenario_id = HARMFUL[name]
    before = time.process_time()
    case = run_scenario(SCENARIOS[scenario_id], implementation, implementation.describe(), Manner())
    assert case.verdict.name == "fail", case.verdict.why
    assert time.process_time() - before < SECONDS
    assert len(case.verdict.why) < 10_000

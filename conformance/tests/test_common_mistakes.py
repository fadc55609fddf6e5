"""
Mistakes that authors of replicas make where features meet: each is planted, and caught by a scenario that can be read.

That it is caught is tested where it is planted: `test_planted_meetings`, `test_planted_explained`, `test_candid_forms`
and `test_planted_engines`.
"""

import inspect
from collections.abc import Mapping
from typing import Final

import pytest

from conformance.suite.loading import all_scenarios
from conformance.tests.planted.engines import ENGINES
from conformance.tests.planted.meetings import MEETINGS
from conformance.tests.planted.readers import READERS

SCENARIOS = {chosen.id: chosen for chosen in all_scenarios()}

CAUGHT_BY: Final[Mapping[str, str]] = {
    name: row[1] for planted in (MEETINGS, READERS, ENGINES) for name, row in planted.items()
}
"""What is planted, and the scenario that catches it."""

MISTAKES: Final = {
    "calls of an uninstalled canister are not refunded": "UninstallingKeepsCycles",
    "a bounded-wait call overtakes an unbounded one": "BoundedCallsOvertake",
    "the reject callback gets the environment of the reply callback": "RejectGetsReplyEnvironment",
    "a timer survives an upgrade": "TimerSurvivesUpgrade",
    "certified data set in pre_upgrade is lost": "CertifiedDataOfPreUpgradeAreLost",
    "what pre_upgrade wrote stays when post_upgrade traps": "KeepsWhatPreUpgradeWrote",
    "the memory limit is applied to callbacks": "LimitOnCallbacks",
    "a timer runs while its canister is stopping": "TimerRunsWhileStopping",
    "the low-memory hook fires at equality": "HookAtEquality",
    "a running empty canister can be deleted": "DeletesEmptyCanisters",
    "settings that are not given are reset": "SettingsAreReset",
    "loading a snapshot keeps the certified data": "SnapshotKeepsCertifiedData",
    "an extra field in an argument is refused": "an extra field",
    "a copy's bound wraps at 2^32": "copy_wraps",
    "i64.rem_s is unsigned": "remainder_is_unsigned",
    "an expired received request still runs": "RunsExpiredRequests",
}
"""The mistakes, and the names under which they are planted."""

MOST_LINES: Final = 40
"""A scenario of no more lines can be read at a glance."""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_caught_by_a_scenario_that_can_be_read(mistake: str) -> None:
    """It has a sentence for a title, and few lines."""
    chosen = SCENARIOS[CAUGHT_BY[MISTAKES[mistake]]]
    assert len(chosen.title.split()) >= 5
    lines = inspect.getsource(chosen.script).splitlines()
    assert len(lines) <= MOST_LINES, f"{chosen.id} has {len(lines)} lines"

"""A mutant is caught where a scenario can tell and survives where none can; its result holds as long as its ground."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from properties.mutation.results import Answer, Kind, Result, share_of, unanswered

HANDFUL = Path(__file__).with_name("handful.py")

MUTANTS = [
    # Whoever uses no more than was set aside cannot pay.
    [
        "reference_impl/messages/message_execution.py",
        "_check",
        "negated comparison",
        "    if used <= function.reserved_cycles:",
    ],
    # Positions of messages have gaps: the order is the same.
    ["reference_impl/subnet/queues.py", "MessageQueues.append", "one more", "        self._next_position += (1 + 1)"],
]


@pytest.fixture(scope="module")
def told() -> list[dict[str, Any]]:
    """What comes of the mutants, in a process of their own, since the engine is set up in another way for them."""
    wanted = {
        "scenarios": ["traps/heap_is_rolled_back"],
        "other_scenarios": ["requests/unknown_method"],
        "mutants": MUTANTS,
    }
    command = [sys.executable, str(HANDFUL), json.dumps(wanted)]
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root)
    assert ran.returncode == 0, ran.stderr
    found: list[dict[str, Any]] = json.loads(ran.stdout)
    return found


def test_who_fails_executions_that_pay_is_caught_in_both_manners(told: list[dict[str, Any]]) -> None:
    """None of them is committed."""
    assert told[0]["explained"] == told[0]["black_box"] == "traps/heap_is_rolled_back"


def test_who_does_the_same_survives(told: list[dict[str, Any]]) -> None:
    """It runs, and no answer differs, so no verdict is needed."""
    assert (told[1]["explained"], told[1]["black_box"]) == (None, None)
    assert (told[1]["reached_by"], told[1]["differing"]) == (1, 0)


def test_a_result_of_other_scenarios_or_of_another_judge_does_not_hold(told: list[dict[str, Any]]) -> None:
    """It is found again."""
    assert all(each["holds"] for each in told)
    assert not any(each["holds_with_others"] for each in told)
    assert not any(each["holds_for_another_judge"] for each in told)


# The figure


def result(identity: str, explained: str | None, black_box: str | None) -> Result:
    """A result with these verdicts."""
    return Result(
        identity, "reads", "file.py:1", "function", "boundary", (), explained, "", black_box, "", 1, 1, 1, depends_on=""
    )


RESULTS = [
    result("caught", "one", "one"),
    result("same", None, None),
    result("hidden", "one", None),
    result("hole", "one", None),
    result("missed", None, None),
]
ANSWERS = {
    "same": Answer(Kind.EQUIVALENT, "the same"),
    "hidden": Answer(Kind.UNOBSERVABLE, "not told", black_box_only=True),
    "missed": Answer(Kind.UNOBSERVABLE, "not told", black_box_only=True),
    "caught": Answer(Kind.OPEN, "out of date"),
}


def test_a_survivor_with_an_answer_is_left_out_and_one_without_is_told() -> None:
    """An answer for black boxes alone excuses nobody who explains himself."""
    share = share_of("all", RESULTS, ANSWERS)
    assert (share.caught_explained, share.can_be_explained) == (3, 4)
    assert (share.caught_as_black_box, share.can_be_as_black_box) == (1, 2)
    assert [each.identity for each in unanswered(RESULTS, ANSWERS)] == ["hole", "missed"]
    assert (share.drawn, share.excused, share.unanswered) == (5, 3, 2)

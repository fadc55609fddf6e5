"""What the text leaves open about an execution: refused calls, deadlines, and what the log keeps of a failure."""

import pytest
from attrs import evolve

from spec.canister.outcome import SystemRecord, Trapped, TrapReason
from spec.rules.tests.executing import REPLY, RESPONDING, running
from spec.rules.tests.worlds import (
    FAKES,
    NOW,
    A,
    B,
    code,
    fire,
    is_refused,
    module,
    performed,
    returns,
    traps,
)
from spec.state.canister import LogRecord
from spec.state.origin import Deadline
from spec.values.containers import List

RULE = "message_execution"
NO_PLACE = "the system writes where it may"


def executed(state, **choices):
    """The step in which the only message is executed."""
    return fire(state, RULE, message_id=0, **choices)


def texts(state, **choices):
    """The log after the execution of the only message."""
    return [record.content for record in executed(state, **choices).state.canisters[A].logs]


# Records of the system.


@pytest.mark.checklist("unspec.fn.logs", "rule.message-execution.rollback")
def test_the_system_may_record_a_trap_in_words_of_its_own():
    state = running({"update go": traps(logs=(b"one", SystemRecord()))})
    assert texts(state) == [b"one"]
    assert texts(state, system_records=(None,)) == [b"one"]
    assert texts(state, system_records=(b"[TRAP]: unreachable",)) == [b"one", b"[TRAP]: unreachable"]
    assert texts(state, system_records=(b"",)) == [b"one", b""]


@pytest.mark.checklist("unspec.fn.logs", "api.trap")
def test_the_record_of_the_system_stands_in_place_of_what_the_trap_was_given():
    state = running({"update go": traps(logs=(SystemRecord(b"why"),))})
    assert texts(state) == [b"why"]
    assert texts(state, system_records=(b"[TRAP]: why",)) == [b"[TRAP]: why"]


@pytest.mark.checklist("unspec.fn.logs", "api.debug-print")
def test_the_system_chooses_what_is_logged_for_bytes_that_are_not_there():
    state = running({"update go": returns(logs=(SystemRecord(b"outside"), b"two"))})
    assert texts(state) == [b"outside", b"two"]
    assert texts(state, system_records=(b"no such bytes",)) == [b"no such bytes", b"two"]


@pytest.mark.checklist("unspec.fn.logs")
def test_callback_and_cleanup_may_each_have_a_record():
    trapped = Trapped(500, TrapReason.TRAPPED)
    logs = (b"callback", SystemRecord(), b"cleanup", SystemRecord())
    both = running({"callback": traps(logs=logs)}, RESPONDING)
    assert texts(both, system_records=(b"first", b"second")) == [b"callback", b"first", b"cleanup", b"second"]
    assert texts(both, system_records=(None, b"second")) == [b"callback", b"cleanup", b"second"]
    cleaned_up = running({"callback": returns(cleaned_up_after=trapped, logs=logs[:3])}, RESPONDING)
    assert texts(cleaned_up, system_records=(b"first",)) == [b"callback", b"first", b"cleanup"]


@pytest.mark.checklist("unspec.fn.logs", "rule.message-execution.commit-conditions")
def test_an_execution_that_returns_and_fails_may_have_a_record():
    state = running({"update go": returns(logs=(b"one",), cycles_accepted=10**30)})
    assert texts(state, system_records=(b"too many cycles",)) == [b"one", b"too many cycles"]


@pytest.mark.checklist("unspec.fn.logs")
def test_the_system_writes_nowhere_else_and_no_more_than_can_be_told():
    returned = running({"update go": returns(response=REPLY, logs=(b"one",))})
    assert is_refused(returned, RULE, NO_PLACE, message_id=0, system_records=(b"mine",))
    trapped = running({"update go": traps(logs=(SystemRecord(),))})
    assert is_refused(trapped, RULE, NO_PLACE, message_id=0, system_records=(b"mine", b"mine"))
    assert texts(trapped, system_records=(bytes(4_096),)) == [bytes(4_096)]
    assert is_refused(trapped, RULE, NO_PLACE, message_id=0, system_records=(bytes(4_097),))
    missing = running({"update go": traps(reason=TrapReason.NO_SUCH_METHOD)})
    assert is_refused(missing, RULE, NO_PLACE, message_id=0, system_records=(b"no method go",))


@pytest.mark.checklist("inv.log-sequence")
def test_records_are_numbered_as_they_stand_in_the_log():
    state = running(
        {"update go": traps(logs=(b"one", SystemRecord()))},
        logs=List.of(LogRecord(4, NOW - 1, b"old")),
        next_log_index=5,
    )
    after = executed(state, system_records=(b"trap",)).state.canisters[A]
    assert after.logs == List.of(LogRecord(4, NOW - 1, b"old"), LogRecord(5, NOW, b"one"), LogRecord(6, NOW, b"trap"))
    assert after.next_log_index == 7
    assert executed(state).state.canisters[A].next_log_index == 6


@pytest.mark.checklist("rule.message-execution.rollback", "unspec.fn.logs")
def test_what_a_failed_execution_wrote_may_be_dropped():
    state = running({"update go": traps(logs=(b"one", SystemRecord(b"why")))}, logs=List.of(LogRecord(0, NOW, b"old")))
    assert texts(state, keeps_logs=False) == [b"old"]
    assert texts(state, keeps_logs=False, system_records=(b"trap",)) == [b"old", b"trap"]
    returned = running({"update go": returns(logs=(b"one",))})
    assert texts(returned, keeps_logs=False) == [b"one"]


# Refused calls.


@pytest.mark.checklist("unspec.fn.system-cannot-call-now")
def test_the_execution_is_told_which_calls_are_refused():
    raw_module = module(gives={"update go": returns()})
    state = running({})
    state = evolve(state, canisters=state.canisters.set(A, evolve(state.canisters[A], code=code(A, raw_module))))
    executed(state, refused_calls=(0, 3))
    executed(state)
    assert [given["environment"].refused_calls for _, given in FAKES[raw_module].seen] == [(0, 3), ()]


# Deadlines.


@pytest.mark.checklist("api.msg-deadline", "rule.message-execution.new-calls")
def test_a_time_out_counts_from_the_nanosecond_or_from_the_second():
    now = 1_000 * 10**9 + 999_999_999
    state = running({"update go": returns(new_calls=List.of(performed(B, "go", timeout=5)))}, time=now)

    def deadline(**choices):
        return executed(state, **choices).state.messages[1].origin.deadline

    assert deadline() == Deadline(now + 5 * 10**9)
    assert deadline(deadlines_in_seconds=True) == Deadline(1_005 * 10**9)


# Refused growths.


@pytest.mark.checklist("unspec.fn.stable-grow")
def test_the_execution_is_told_which_growths_are_refused():
    raw_module = module(gives={"update go": returns()})
    state = running({})
    state = evolve(state, canisters=state.canisters.set(A, evolve(state.canisters[A], code=code(A, raw_module))))
    executed(state, refused_growths=(1,), trapping_growths=(2,))
    executed(state)
    seen = [given["environment"] for _, given in FAKES[raw_module].seen]
    assert [(each.refused_growths, each.trapping_growths) for each in seen] == [((1,), (2,)), ((), ())]

"""What production chooses about executions."""

import pytest
from attrs import evolve

from spec.canister.outcome import Growth, SystemRecord, TrapCause
from spec.machine import choices_of
from spec.production.capacities.refusals import Before, call_without_room, open_calls
from spec.production.capacities.room import Room
from spec.production.choices import as_production, departure
from spec.production.executions import execution_label
from spec.profile import load_profile
from spec.rules.resources import memory_usage
from spec.rules.tests.executing import RESPONDING, running
from spec.rules.tests.worlds import A, B, C, a_call, from_canister, performed, returns, traps
from spec.state.label import Label
from spec.state.message import Heartbeat, ResponseMessage
from spec.state.origin import Deadline, Expired
from spec.system_api.debugging import UNREADABLE
from spec.values.containers import List
from spec.values.memory import LinearMemory
from spec.values.rejects import Reply

MOST = 500


def chosen(state, **choices):
    """What production chooses where a label has these choices."""
    label = Label("message_execution", {"message_id": state.messages.ids()[-1], **choices})
    return {name: value for name, value in choices_of(as_production(state, label)).items() if name != "message_id"}


def records(*entries, **choices):
    """What production writes of a trap with this log."""
    return chosen(running({"update go": traps(logs=entries)}), **choices)["system_records"]


ASKED = TrapCause.ASKED_FOR


@pytest.mark.checklist("prod.system_api.test_save_log_message_invalid_message_size", "unspec.fn.logs")
def test_traps_are_recorded_in_the_words_of_production():
    assert records(SystemRecord(None, TrapCause.UNREACHABLE)) == (b"[TRAP]: unreachable",)
    assert records(SystemRecord(None, TrapCause.HEAP_OUT_OF_BOUNDS)) == (b"[TRAP]: heap out of bounds",)
    assert records(SystemRecord(None, TrapCause.STACK_OVERFLOW)) == (b"[TRAP]: stack overflow",)
    assert records(b"one", SystemRecord(b"why", ASKED)) == (b"[TRAP]: why",)
    assert records(SystemRecord(b"", ASKED)) == (b"[TRAP]: (no message)",)
    assert records(SystemRecord(UNREADABLE, ASKED)) == (b"[TRAP]: (trap message out of memory bounds)",)
    assert records(SystemRecord(UNREADABLE)) == (b"(debug_print message out of memory bounds)",)


@pytest.mark.checklist("unspec.fn.logs")
def test_violations_and_exceeded_limits_are_not_recorded():
    assert records(SystemRecord()) == ()
    both = records(SystemRecord(), SystemRecord(None, TrapCause.UNREACHABLE))
    assert both == (None, b"[TRAP]: unreachable")


def with_heap(state, pages):
    """The same with so large a heap of A."""
    before = state.canisters[A]
    grown = evolve(before.code.wasm_state, wasm_memory=LinearMemory().with_pages(pages, ()))
    return evolve(state, canisters=state.canisters.set(A, evolve(before, code=evolve(before.code, wasm_state=grown))))


@pytest.mark.checklist("unspec.fn.logs", "setting.wasm-memory-limit")
def test_nothing_is_logged_of_an_update_on_a_heap_beyond_its_limit():
    """Production does not run it, whatever it would have done."""
    trap = SystemRecord(None, TrapCause.UNREACHABLE)
    for outcome in (traps(logs=(b"one", trap)), returns(logs=(b"one",))):
        for limit, runs in ((65_535, False), (65_536, True), (0, True)):
            state = with_heap(running({"update go": outcome}, wasm_memory_limit=limit), 1)
            choices = chosen(state, system_records=())
            label = execution_label(state, state.messages.ids()[-1])
            assert choices_of(label)["keeps_logs"] == choices["keeps_logs"] == runs
            assert choices_of(label)["system_records"] == choices["system_records"]
            assert runs or choices["system_records"] == ()
    for other in (Heartbeat(), RESPONDING):
        gives = {"heartbeat": returns(), "callback": returns()}
        state = with_heap(running(gives, other, wasm_memory_limit=65_535), 1)
        assert chosen(state)["keeps_logs"]


@pytest.mark.checklist("unspec.fn.logs")
def test_the_names_of_active_functions_may_follow():
    named = b"[TRAP]: unreachable\nCanister Backtrace:\ngo\n"
    place = SystemRecord(None, TrapCause.UNREACHABLE)
    assert records(place, system_records=(named,)) == (named,)
    assert records(place, system_records=(b"[TRAP]: unreachable!",)) == (b"[TRAP]: unreachable",)


@pytest.mark.checklist("api.msg-deadline")
def test_deadlines_are_in_seconds():
    bounded = running({"update go": returns(new_calls=List.of(performed(B, "go", timeout=5)))})
    assert chosen(bounded)["deadlines_in_seconds"]
    label = Label("message_execution", {"message_id": 0})
    assert departure(bounded, label) == "rounds deadlines down to seconds: no; production: yes"
    assert departure(bounded, as_production(bounded, label)) is None
    unbounded = running({"update go": returns(new_calls=List.of(performed(B, "go")))})
    assert not chosen(unbounded)["deadlines_in_seconds"]


@pytest.mark.checklist("unspec.fn.system-cannot-call-now")
def test_open_calls_are_those_whose_responses_were_not_begun_to_be_handled():
    others = (
        a_call(B, A, origin=from_canister(0, callee=B)),
        a_call(B, A, origin=from_canister(0, Deadline(5), callee=B)),
        a_call(B, A, origin=from_canister(0, Expired(5), callee=B)),
        ResponseMessage(from_canister(0, callee=C), Reply(b""), 0),
    )
    assert open_calls(running({"update go": returns()}, others=others), A) == {B: 2, C: 1}


@pytest.mark.checklist("unspec.fn.system-cannot-call-now")
def test_calls_are_refused_when_500_to_the_same_callee_are_open():
    calls = [performed(B, "go", number=number) for number in range(MOST)]
    full = running({"update go": returns(new_calls=List(tuple(calls)))})
    assert chosen(full)["refused_calls"] == ()


@pytest.mark.checklist("unspec.fn.system-cannot-call-now")
def test_it_is_the_first_call_without_a_slot_that_is_refused():
    made = [performed(C if number == 1 else B, "go", number=number) for number in (0, 1, 3)]

    def found(opened):
        return Before(load_profile(), Room(0, 0, 0, 10**12, 10**6), opened, 0, 0, False)

    assert call_without_room(found({B: MOST - 1}), tuple(made)) == 3
    assert call_without_room(found({B: MOST, C: MOST}), tuple(made)) == 0
    assert call_without_room(found({B: MOST - 1}), tuple(made[:2])) is None


GROWN, ENOUGH = 655_360_000, 10**30
PAID, UNPAID = Growth(GROWN, 0, balance=ENOUGH), Growth(GROWN, 0, balance=1_400_000_000_000)


def ends_at(*growths, given, entry_point=None, **settings):
    """Where production ends an execution that grows so, where a label ends it at the given growths."""
    grows = returns(tried_growths=growths)
    gives = {"update go": grows, "callback": grows, "heartbeat": grows}
    state = running(gives, entry_point, freezing_threshold=10**9, **settings)
    return chosen(state, trapping_growths=given)["trapping_growths"]


@pytest.mark.checklist(
    "prod.hypervisor.memory_grow_checks_freezing_threshold_in_update",
    "prod.hypervisor.stable_grow_does_not_check_freezing_threshold_in_reply",
    "error.insufficient-cycles-memory-grow",
)
def test_production_ends_an_update_at_the_first_growth_with_which_the_canister_is_frozen():
    """Not one that can pay, nor a callback. Where an execution fails in its end instead, nothing is predicted."""
    assert ends_at(PAID, UNPAID, UNPAID, given=(1,)) == (1,)
    assert ends_at(PAID, UNPAID, UNPAID, given=(2,)) == (1,)
    assert ends_at(PAID, UNPAID, given=(0,)) == (1,)
    assert ends_at(PAID, PAID, given=(0,)) == ()
    assert ends_at(UNPAID, given=()) == ()
    assert ends_at(UNPAID, given=(1,)) == (1,)
    assert ends_at(UNPAID, given=(0,), entry_point=Heartbeat()) == (0,)
    assert ends_at(UNPAID, given=(0,), entry_point=RESPONDING) == ()


def test_production_asks_no_cycles_for_growths_within_the_allocation():
    """Of memory beyond it, it asks, however little; a growth that the system refused takes nothing."""
    state = running({}, memory_allocation=0)
    taken = memory_usage(state.profile, state.canisters[A])
    poor, refused = Growth(GROWN, 0, balance=0), Growth(0, 0, balance=0)
    assert ends_at(poor, given=(0,), memory_allocation=taken + GROWN) == ()
    assert ends_at(poor, given=(0,), memory_allocation=taken + GROWN - 1) == (0,)
    assert ends_at(poor, refused, poor, given=(0,), memory_allocation=taken + GROWN) == (2,)

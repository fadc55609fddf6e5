"""Both sides agree on every outcome of an execution that the text leaves open."""

import pytest

from conformance.canisters import ic0
from conformance.canisters import scripted as s
from conformance.canisters.library import load
from conformance.canisters.scripted import call, program, reply
from properties.agreement.lockstep import START
from properties.agreement.stage import ALICE, Stage
from properties.agreement.tests.test_logs import told
from spec.state.label import Label
from spec.state.message import FuncMessage
from spec.state.origin import Deadline, FromCanister
from spec.state.request import Rejected, Replied, Request

MODULE = load("scripted")


def about_to_run(argument, stage=None, canister=None):
    """A stage on which a canister is about to run a program, and the id of the message."""
    stage = stage or Stage()
    canister = canister or stage.installed(MODULE)
    request_id, _ = stage.lockstep.submit(ALICE, canister, "update", argument)
    assert stage.lockstep.take(Label("initiate_call", {"request_id": request_id}))
    (message_id,) = stage.state.messages.ids()
    assert stage.lockstep.take(Label("call_context_creation", {"message_id": message_id, "context_id": 10_000}))
    return stage, canister, request_id


def execute(stage, **choices):
    """Executes the pending message with these choices; whether they fit."""
    (message_id,) = (one for one, message in stage.state.messages.entries if isinstance(message, FuncMessage))
    return stage.lockstep.take(Label("message_execution", {"message_id": message_id, **choices}))


def contents(stage, canister):
    return [record.content for record in told(stage, canister)]


@pytest.mark.checklist("unspec.fn.logs", "api.trap")
def test_records_of_traps():
    trapping = program(ic0.debug_print(b"before"), ic0.trap(b"why"))
    for choices, log in [
        ({}, [b"before", b"why"]),
        ({"system_records": (b"[TRAP]: why",)}, [b"before", b"[TRAP]: why"]),
        ({"keeps_logs": False}, []),
        ({"keeps_logs": False, "system_records": (b"",)}, [b""]),
    ]:
        stage, canister, _ = about_to_run(trapping)
        assert execute(stage, **choices)
        assert contents(stage, canister) == log


@pytest.mark.checklist("unspec.fn.logs")
def test_records_that_have_no_place_fit_on_neither_side():
    stage, canister, _ = about_to_run(program(ic0.debug_print(b"one"), reply(b"")))
    assert not execute(stage, system_records=(b"mine",))
    assert execute(stage)
    stage, canister, _ = about_to_run(program(ic0.trap(b"why")))
    assert not execute(stage, system_records=(b"mine", None))
    assert not execute(stage, system_records=(bytes(4_097),))
    assert execute(stage, system_records=(bytes(4_000),))
    assert contents(stage, canister) == [bytes(4_000)]


@pytest.mark.checklist("unspec.fn.system-cannot-call-now", "api.call-perform")
def test_calls_that_the_system_refuses_come_back_with_their_cycles():
    stage = Stage()
    canister, other = stage.installed(MODULE), stage.installed(MODULE)
    one = call(other, "update", program(reply(b"")), cycles=1_000, if_refused=s.add_to_counter(1))
    _, _, request_id = about_to_run(program(*[one] * 5, s.reply(s.bytes_of_u64(s.counter(1)))), stage, canister)
    assert execute(stage, refused_calls=(1, 3, 9))
    made = [message for message in stage.state.messages if isinstance(message.origin, FromCanister)]
    assert [message.transferred_cycles for message in made] == [1_000] * 3
    stage.lockstep.settle()
    assert stage.state.requests[request_id].status == Replied((2).to_bytes(8, "little"))


@pytest.mark.checklist("unspec.fn.system-cannot-call-now")
def test_an_execution_all_of_whose_calls_are_refused_goes_on():
    stage, canister, request_id = about_to_run(program(call(b"\0", "go", b"", if_refused=reply(b"alone"))))
    assert execute(stage, refused_calls=(0,))
    stage.lockstep.settle()
    assert stage.state.requests[request_id].status == Replied(b"alone")


@pytest.mark.checklist("api.msg-deadline")
@pytest.mark.parametrize(("in_seconds", "after"), [(False, 5 * 10**9 + 123), (True, 5 * 10**9)])
def test_deadlines_in_nanoseconds_and_in_seconds(in_seconds, after):
    stage = Stage()
    canister = stage.installed(MODULE)
    stage.lockstep.advance(123)
    about_to_run(program(call(canister, "update", program(reply(b"")), timeout_seconds=5), reply(b"")), stage, canister)
    assert execute(stage, deadlines_in_seconds=in_seconds)
    (origin,) = (message.origin for message in stage.state.messages if isinstance(message.origin, FromCanister))
    assert origin.deadline == Deadline(START + after)
    stage.lockstep.settle()


@pytest.mark.checklist("inv.prop-11-bounded-wait-cycles", "unspec.spont.drop-expired")
@pytest.mark.parametrize("refunds", [False, True])
def test_cycles_that_come_too_late_are_lost_or_come_back(refunds):
    stage = Stage()
    caller, callee = stage.installed(MODULE), stage.installed(MODULE)
    sending = call(callee, "update", program(reply(b"")), cycles=1_000, timeout_seconds=5)
    about_to_run(program(sending), stage, caller)
    assert execute(stage)
    (message_id,) = stage.state.messages.ids()
    assert not stage.lockstep.take(Label("drop_expired_message", {"message_id": message_id, "refunds_cycles": refunds}))
    assert stage.lockstep.take(Label("call_expiry_of_message", {"message_id": message_id}))
    before = stage.state.canisters[caller].balance
    assert stage.lockstep.take(Label("drop_expired_message", {"message_id": message_id, "refunds_cycles": refunds}))
    assert stage.state.canisters[caller].balance - before == 1_000 * refunds
    stage.lockstep.settle()


GROWING = program(
    s.set_counter(1, s.memory_grow(1)),
    s.set_counter(2, ic0.stable64_grow(1)),
    s.set_counter(3, ic0.stable_grow(1)),
    s.reply(s.concat(*[s.bytes_of_u64(s.counter(number)) for number in (1, 2, 3)])),
)
"""Tries to grow the heap once and stable memory twice, and tells what it got."""


@pytest.mark.checklist("unspec.fn.stable-grow")
@pytest.mark.parametrize(
    ("refused", "heap_grows", "stable"),
    [
        ((), True, [0, 1]),
        ((0,), False, [0, 1]),
        ((1, 7), True, [-1, 0]),
        ((0, 1, 2), False, [-1, -1]),
        ((2,), True, [0, -1]),
    ],
)
def test_growths_that_the_system_refuses_give_minus_one_and_change_nothing(refused, heap_grows, stable):
    stage, canister, request_id = about_to_run(GROWING)
    before = stage.state.canisters[canister].code.wasm_state.wasm_memory.wasm_pages
    assert execute(stage, refused_growths=refused)
    stage.lockstep.settle()
    told_sizes = stage.state.requests[request_id].status.data
    sizes = [int.from_bytes(told_sizes[at : at + 8], "little", signed=True) for at in (0, 8, 16)]
    assert sizes == [before if heap_grows else -1, *stable]
    after = stage.state.canisters[canister].code.wasm_state
    assert after.wasm_memory.wasm_pages == before + heap_grows
    assert after.stable_memory.wasm_pages == sum(size >= 0 for size in stable)


@pytest.mark.checklist("unspec.fn.stable-grow", "rule.submit-call.regular-canister")
def test_growths_are_refused_and_traps_told_where_a_canister_inspects_a_message():
    stage = Stage()
    canister = stage.installed(MODULE)
    grows = s.when(s.equal(ic0.stable64_grow(1), 0), ic0.accept_message(), ic0.trap(b"no room"))
    stage.call(canister, "update", program(s.set_inspect_message(program(s.ignore(s.memory_grow(1)), grows)), reply()))

    def is_taken(nonce, **growths):
        given = (nonce, START + 10**11, ALICE, canister, "update", program(reply()))
        choices = {"effective_id": canister, **growths}
        return stage.lockstep.take(Label("submit_request", {"request": Request(*given), **choices}))

    assert [is_taken(bytes([number]), refused_growths=(number,)) for number in range(3)] == [True, False, True]
    assert [is_taken(b"x%d" % number, trapping_growths=(number,)) for number in range(3)] == [False, False, True]


@pytest.mark.checklist("unspec.fn.stable-grow")
def test_the_growths_of_a_cleanup_are_counted_after_those_of_its_callback():
    stage = Stage()
    canister = stage.installed(MODULE)
    growing = [s.ignore(ic0.stable64_grow(1)), s.ignore(s.memory_grow(1))]
    calling = call(
        canister,
        "update",
        program(reply(b"")),
        on_reply=program(*growing, ic0.trap(b"why")),
        on_cleanup=program(*growing, s.ignore(ic0.stable64_grow(1))),
    )
    about_to_run(program(calling), stage, canister)
    assert execute(stage)
    before = stage.state.canisters[canister].code.wasm_state.wasm_memory.wasm_pages
    stage.lockstep.execution_choices = {"refused_growths": (0, 3, 4)}
    stage.lockstep.settle()
    after = stage.state.canisters[canister].code.wasm_state
    assert (after.wasm_memory.wasm_pages, after.stable_memory.wasm_pages) == (before, 1)


@pytest.mark.checklist("unspec.fn.stable-grow", "error.out-of-memory", "inv.prop-05-trap-rolls-back")
@pytest.mark.parametrize(
    ("refused", "trapping", "ends"),
    [((), (0,), True), ((), (1,), True), ((), (2, 5), True), ((1,), (2,), True), ((0, 1, 2), (3,), False)],
)
def test_growths_may_end_the_execution_which_then_leaves_nothing(refused, trapping, ends):
    stage, canister, request_id = about_to_run(GROWING)
    before = stage.state.canisters[canister].code.wasm_state
    assert execute(stage, refused_growths=refused, trapping_growths=trapping)
    stage.lockstep.settle()
    assert isinstance(stage.state.requests[request_id].status, Rejected) == ends
    if ends:
        assert stage.state.canisters[canister].code.wasm_state == before


@pytest.mark.checklist("unspec.fn.stable-grow", "inv.cleanup-iff-trap")
def test_a_growth_may_end_a_callback_and_another_one_its_cleanup():
    stage = Stage()
    canister = stage.installed(MODULE)
    grows = s.ignore(ic0.stable64_grow(1))
    clean = program(grows, s.append_to_slot(0, b"cleaned up"), grows)
    calling = call(canister, "update", program(reply(b"")), on_reply=program(grows, reply()), on_cleanup=clean)
    for trapping, left in [((0,), b"cleaned up"), ((0, 2), b"")]:
        about_to_run(program(calling), stage, canister)
        assert execute(stage)
        stage.lockstep.execution_choices = {"trapping_growths": trapping}
        stage.lockstep.settle()
        stage.lockstep.execution_choices = {}
        assert stage.call(canister, "update", program(reply(s.slot(0)), s.set_slot(0, b""))) == Replied(left)


@pytest.mark.checklist("unspec.fn.stable-grow")
def test_a_refusal_of_a_growth_that_there_is_not_changes_nothing():
    stage, canister, _ = about_to_run(GROWING)
    assert execute(stage, refused_growths=(99,), trapping_growths=(98,))
    other, _, _ = about_to_run(GROWING)
    assert execute(other)
    assert stage.state == other.state

"""Requests of users and queries: what is taken in, what is told."""

import pytest
from attrs import evolve

from reference_impl.reads.queries import Query
from reference_impl.subnet.ingress_history import request_id_of
from reference_impl.subnet.observations import NotTaken
from spec.state.canister import Subnet
from spec.state.label import Label
from spec.state.request import Done, Received, Request
from spec.values.containers import List
from spec.values.identifiers import ANONYMOUS, MANAGEMENT_CANISTER, Principal
from spec.values.management import (
    CanisterIdArguments,
    CreateCanisterArguments,
    decode_canister_id_result,
    decode_canister_status,
    encode_arguments,
)
from spec.values.rejects import RejectCode, RejectReason, Reply

USER = Principal(b"a user")


def query(stage, canister_id, method, argument=b"", *, sender=USER, effective_id=None, expires_in=10**9):
    expiry = stage.engine.instance.system_time + expires_in
    asked = Query(b"", expiry, sender, canister_id, method, argument)
    return stage.engine.query(asked, canister_id if effective_id is None else effective_id)


def test_the_request_id_is_that_of_the_worked_example():
    request = Request(b"", 1685570400000000000, ANONYMOUS, Principal(b"\0\0\0\0\0\0\x04\xd2"), "hello", b"DIDL\0\xfd*")
    wanted = "1d1091364d6bb8a6c16b203ee75467d59ead468f523eb058880ae8ec80e2b101"
    assert request_id_of(request).hex() == wanted


def test_a_request_is_taken_in_once_and_waits_until_a_round(stage, counter):
    canister = stage.create(counter)
    request_id = stage.start(canister, "increment")
    assert stage.answer(request_id) == Received()
    known = stage.engine.abstract().requests[request_id]
    assert isinstance(stage.engine.submit(known.request, canister), NotTaken)
    stage.engine.round()
    assert stage.answer(request_id) == b"1"


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"effective_id": Principal(b"another")}, "effective canister id"),
        ({"expires_in": -1}, RejectReason.REQUEST_EXPIRED.value),
    ],
)
def test_requests_that_break_a_condition_leave_no_trace(stage, counter, changes, because):
    canister = stage.create(counter)
    before = stage.engine.abstract()
    assert because in stage.refusal(canister, "increment", **changes).because
    assert stage.engine.abstract() == before


def test_inspection_keeps_a_request_out(stage, script):
    canister = stage.create(
        script(
            updates={"go": lambda entry: entry.returns(b"in")},
            hooks={"inspect_message": lambda entry: entry.argument == b"please"},
        )
    )
    assert isinstance(stage.submit(canister, "go", b"now"), NotTaken)
    assert stage.call(canister, "go", b"please") == b"in"


def test_a_frozen_canister_takes_no_requests_but_callbacks_run(stage, script, counter):
    callee = stage.create(counter)
    caller = stage.create(
        script(
            updates={"go": lambda entry: entry.returns(calls=[entry.call(callee, "increment")])},
            callbacks={1: lambda entry: entry.returns(b"back")},
        ),
        cycles=10**12,
    )
    request_id = stage.start(caller, "go")
    stage.engine.round()
    record = stage.engine.instance.canisters[caller]
    record.settings = evolve(record.settings, freezing_threshold=2**62)
    stage.engine.instance.has_changed(record)
    stage.engine.drain()
    assert stage.answer(request_id) == b"back"
    assert stage.refusal(caller, "go").reject.reason is RejectReason.CANISTER_FROZEN


def test_an_answered_request_is_forgotten_only_after_it_expired(stage, counter):
    canister = stage.create(counter)
    request_id = stage.start(canister, "increment")
    stage.engine.drain()
    forget = Label("request_deletion", {"request_id": request_id})
    assert isinstance(stage.engine.take(forget), NotTaken)
    assert stage.engine.take(Label("request_done", {"request_id": request_id})) is None
    assert stage.answer(request_id) == Done()
    stage.engine.advance(120 * 10**9)
    assert stage.engine.take(forget) is None
    assert stage.answer(request_id) is None


def test_a_request_that_expires_before_it_starts_is_rejected(stage, counter):
    canister = stage.create(counter)
    request_id = stage.start(canister, "increment", expires_in=5)
    stage.engine.advance(10)
    stage.engine.drain()
    assert stage.answer(request_id).code is RejectCode.SYS_TRANSIENT
    assert stage.number(canister) == 0


def test_subnet_admins_create_canisters_without_cycles_and_others_do_not(new_stage):
    admin, none = Principal(b"an admin"), Principal(b"")
    subnet_id = new_stage().engine.instance.subnet.subnet_id
    stage = new_stage(subnet_admins={subnet_id: List.of(admin)})
    arguments = encode_arguments(CreateCanisterArguments())
    refusal = stage.refusal(MANAGEMENT_CANISTER, "create_canister", arguments, effective_id=none)
    assert refusal.reject.reason is RejectReason.NOT_AUTHORIZED
    created = stage.call(MANAGEMENT_CANISTER, "create_canister", arguments, sender=admin, effective_id=none)
    assert stage.canister(decode_canister_id_result(created)).settings.controllers == List.of(admin)


def test_the_effective_canister_id_says_whose_admins_create_canisters(new_stage):
    admin, elsewhere = Principal(b"an admin"), Principal(b"elsewhere")
    stage = new_stage(subnet_admins={elsewhere: List.of(admin)})
    here, there = stage.create(), stage.create()
    stage.engine.instance.canisters[there].subnet = Subnet(elsewhere, 13)
    arguments = encode_arguments(CreateCanisterArguments())
    given = {"sender": admin, "effective_id": here}
    assert stage.refusal(MANAGEMENT_CANISTER, "create_canister", arguments, **given).reject is not None
    stage.start(MANAGEMENT_CANISTER, "create_canister", arguments, **{**given, "effective_id": there})


def test_a_query_answers_and_leaves_no_trace(stage, counter):
    canister = stage.create(counter)
    stage.call(canister, "increment")
    before = stage.engine.abstract()
    assert query(stage, canister, "get") == Reply(b"1")
    assert query(stage, canister, "forget") == Reply(b"gone")
    assert stage.engine.abstract() == before


@pytest.mark.checklist("seed1.query-single-node")
def test_a_query_is_answered_at_once_and_an_update_in_a_round(stage, counter):
    canister = stage.create(counter)
    rounds = stage.engine.rounds
    request_id = stage.start(canister, "increment")
    assert query(stage, canister, "get") == Reply(b"0")
    assert stage.answer(request_id) == Received()
    assert stage.engine.rounds == rounds
    stage.engine.round()
    assert stage.answer(request_id) == b"1"
    assert query(stage, canister, "get") == Reply(b"1")
    assert stage.engine.rounds == rounds + 1


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("fail", RejectReason.CANISTER_TRAPPED),
        ("silent", RejectReason.CANISTER_DID_NOT_RESPOND),
        ("increment", RejectReason.METHOD_NOT_FOUND),
    ],
)
def test_a_query_that_fails_is_rejected(stage, counter, method, reason):
    canister = stage.create(counter)
    assert query(stage, canister, method).reason is reason


def test_queries_expire_for_all_but_the_anonymous_user(stage, counter):
    canister = stage.create(counter)
    assert isinstance(query(stage, canister, "get", expires_in=-1), NotTaken)
    assert query(stage, canister, "get", sender=ANONYMOUS, expires_in=-1) == Reply(b"0")


def test_the_status_can_be_queried_by_those_who_may_see_it(stage, counter):
    canister = stage.create(counter)
    controller = next(iter(stage.canister(canister).settings.controllers))
    argument = encode_arguments(CanisterIdArguments(canister))
    ask = {"method": "canister_status", "argument": argument, "effective_id": canister}
    reply = query(stage, MANAGEMENT_CANISTER, sender=controller, **ask)
    assert decode_canister_status(reply.data).cycles == stage.canister(canister).balance
    assert query(stage, MANAGEMENT_CANISTER, sender=USER, **ask).reject.reason is RejectReason.NOT_AUTHORIZED

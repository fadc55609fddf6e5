"""Requests of users through the PocketIC interface: routes, answers, errors by the names that clients know."""

import pytest

from reference_impl.reads.management_queries import TELLING
from reference_impl.server.pocket_ic.tests.in_process import blob, text
from reference_impl.server.pocket_ic.tests.modules import COUNTER, caller_of
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal, principal_from_text, self_authenticating_id
from spec.values.management import (
    CanisterIdArguments,
    ProvisionalCreateArguments,
    decode_canister_status,
    encode_arguments,
)

USER, OTHER = self_authenticating_id(b"user"), self_authenticating_id(b"other")
NOBODY = principal_from_text("rwlgt-iiaaa-aaaaa-aaaaa-cai")


def test_a_counter_counts(instance):
    counter = instance.created_with(COUNTER)
    assert instance.update(counter, "inc") == b"\1\0\0\0"
    assert instance.update(counter, "inc", effective={"CanisterId": text(counter)}) == b"\2\0\0\0"
    assert blob(instance.query(counter, "get")["Ok"]) == b"\2\0\0\0"
    assert instance.update(counter, "get") == b"\2\0\0\0"


def test_a_request_that_is_submitted_is_not_executed_before_a_round(instance):
    counter = instance.created_with(COUNTER)
    submitted = instance.submit(counter, "inc", sender=USER)["Ok"]
    assert submitted["effective_principal"] == {"SubnetId": text(instance.subnet("Application"))}
    asked = {"raw_message_id": submitted, "raw_caller": {"principal_id": text(USER)}}
    assert instance.post("read/ingress_status", asked) is None
    assert blob(instance.query(counter, "get")["Ok"]) == b"\0\0\0\0"
    instance.tick()
    assert instance.post("read/ingress_status", asked) == {"Ok": text(b"\1\0\0\0")}
    assert instance.post("update/await_ingress_message", submitted) == {"Ok": text(b"\1\0\0\0")}


def test_who_did_not_send_a_request_is_not_told_of_its_end(instance):
    counter = instance.created_with(COUNTER)
    submitted = instance.submit(counter, "inc", sender=USER)["Ok"]
    asked = {"raw_message_id": submitted, "raw_caller": {"principal_id": text(OTHER)}}
    assert instance.post("read/ingress_status", asked) is None
    instance.tick()
    refused = instance.fails("read/ingress_status", asked, status=403)
    assert refused == "The user tries to access Request ID not signed by the caller."
    assert instance.post("read/ingress_status", {"raw_message_id": submitted}) == {"Ok": text(b"\1\0\0\0")}


def test_a_request_that_nobody_made_is_not_waited_for_for_ever(instance):
    message = {"effective_principal": "None", "message_id": text(bytes(32))}
    assert instance.post("read/ingress_status", {"raw_message_id": message}) is None
    assert instance.fails("update/await_ingress_message", message).endswith('after 100 rounds.")')


@pytest.mark.parametrize(
    ("method", "code", "error"),
    [
        ("reject", "CanisterReject", "CanisterRejectedMessage"),
        ("trap", "CanisterError", "CanisterCalledTrap"),
        ("fault", "CanisterError", "CanisterTrapped"),
        ("silent", "CanisterError", "CanisterDidNotReply"),
        ("absent", "CanisterError", "CanisterMethodNotFound"),
    ],
)
def test_an_update_that_fails_is_told_by_the_name_of_the_error(instance, method, code, error):
    counter = instance.created_with(COUNTER)
    rejected = instance.result(counter, method)["Err"]
    assert (rejected["reject_code"], rejected["error_code"], rejected["certified"]) == (code, error, True)


def test_a_message_of_a_canister_is_told_as_it_is(instance):
    counter = instance.created_with(COUNTER)
    assert instance.result(counter, "reject")["Err"]["reject_message"] == "no"
    assert "no" in instance.result(counter, "trap")["Err"]["reject_message"]


def test_a_request_that_inspection_refuses_is_not_taken_in(instance):
    counter = instance.created_with(COUNTER)
    rejected = instance.submit(counter, "refused")["Err"]
    assert (rejected["reject_code"], rejected["error_code"]) == ("CanisterReject", "CanisterRejectedMessage")
    assert rejected["certified"] is False


def test_canisters_that_are_not_ready_are_told_by_the_name_of_the_error(instance):
    empty = instance.create_canister()
    assert instance.query(empty, "get")["Err"]["error_code"] == "CanisterWasmModuleNotFound"
    stopped = instance.created_with(COUNTER)
    instance.update(MANAGEMENT_CANISTER, "stop_canister", encode_arguments(CanisterIdArguments(stopped)))
    assert instance.query(stopped, "get")["Err"]["error_code"] == "CanisterStopped"
    assert instance.submit(stopped, "inc")["Err"]["error_code"] == "CanisterStopped"
    missing = Principal(instance.create_canister()[:7] + b"\x99\1\1")
    assert instance.query(missing, "get")["Err"]["error_code"] == "CanisterNotFound"
    assert instance.submit(missing, "inc")["Err"]["error_code"] == "CanisterNotFound"


@pytest.mark.parametrize("method", TELLING)
def test_the_management_canister_is_queried_about_a_canister_wherever_the_client_sends_it(instance, method):
    counter = instance.created_with(COUNTER)
    subnet = instance.post("read/get_subnet", {"canister_id": text(counter)})["subnet_id"]
    arguments = encode_arguments(CanisterIdArguments(counter))
    for effective in ("None", {"CanisterId": text(counter)}, {"SubnetId": subnet}):
        assert "Ok" in instance.query(MANAGEMENT_CANISTER, method, arguments, effective=effective)


def test_an_id_that_is_taken_is_refused(client):
    instance = client.create(nns=1)
    arguments = encode_arguments(ProvisionalCreateArguments(specified_id=NOBODY))
    instance.create_canister(specified_id=NOBODY)
    taken = instance.result(MANAGEMENT_CANISTER, "provisional_create_canister_with_cycles", arguments)
    assert taken["Err"]["error_code"] == "CanisterAlreadyInstalled"


def test_a_canister_of_no_subnet_cannot_be_asked(instance):
    for rest in ("read/query", "update/submit_ingress_message"):
        refused = instance.fails(rest, instance.call_of(NOBODY, "get"))
        assert "Canister rwlgt-iiaaa-aaaaa-aaaaa-cai does not belong to any subnet." in refused
    wrong_subnet = instance.call_of(NOBODY, "get", effective={"SubnetId": text(USER)})
    assert instance.fails("read/query", wrong_subnet).startswith("SubnetNotFound(")


def test_a_management_call_goes_where_its_canister_is_whatever_the_client_says(client):
    instance = client.create(nns=1, application=1)
    canister_id = instance.create_canister({"SubnetId": text(instance.subnet("NNS"))})
    arguments = encode_arguments(CanisterIdArguments(canister_id))
    for effective in ("None", {"None": None}, {"CanisterId": text(canister_id)}):
        reply = instance.update(MANAGEMENT_CANISTER, "canister_status", arguments, effective)
        assert decode_canister_status(reply).settings.controllers.items == (Principal(b"\4"),)
    refused = instance.fails(
        "update/submit_ingress_message", instance.call_of(MANAGEMENT_CANISTER, "canister_status", b"no Candid")
    )
    assert "Error decoding candid" in refused


def test_a_request_that_is_too_large_is_refused(instance):
    counter = instance.created_with(COUNTER)
    refused = instance.fails("update/submit_ingress_message", instance.call_of(counter, "inc", bytes((2 << 20) + 1)))
    assert "is too large" in refused
    assert "Ok" in instance.submit(counter, "inc", bytes(2 << 20))


def test_canisters_on_different_subnets_call_each_other(client):
    instance = client.create(nns=1, application=2)
    counter = instance.created_with(COUNTER, {"SubnetId": text(instance.subnet("NNS"))})
    caller = instance.created_with(caller_of(counter, "inc"))
    where = [instance.post("read/get_subnet", {"canister_id": text(one)})["subnet_id"] for one in (counter, caller)]
    assert where[0] != where[1]
    assert instance.update(caller, "ask") == b"\1\0\0\0"
    missing = instance.created_with(caller_of(counter, "missing"))
    assert instance.update(missing, "ask")[:4] == b"\5\0\0\0"


def test_what_follows_from_a_request_is_done_in_the_same_round(instance):
    counter = instance.created_with(COUNTER)
    caller = instance.created_with(caller_of(counter, "inc"))
    submitted = instance.submit(caller, "ask")["Ok"]
    instance.tick()
    assert instance.post("read/ingress_status", {"raw_message_id": submitted}) == {"Ok": text(b"\1\0\0\0")}


def test_two_requests_before_a_round_run_in_the_same_one(instance):
    counter = instance.created_with(COUNTER)
    first, second = instance.submit(counter, "inc")["Ok"], instance.submit(counter, "inc")["Ok"]
    assert first["message_id"] != second["message_id"]
    instance.tick()
    assert [instance.post("read/ingress_status", {"raw_message_id": one})["Ok"] for one in (first, second)] == [
        text(b"\1\0\0\0"),
        text(b"\2\0\0\0"),
    ]

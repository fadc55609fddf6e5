"""A subnet is deleted with its canisters, and the others go on."""

import pytest

from reference_impl.server.pocket_ic.tests.in_process import blob, text
from reference_impl.server.pocket_ic.tests.modules import COUNTER, caller_of
from reference_impl.server.pocket_ic.tests.test_state_directories import ended, kept_at, resumed
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal, principal_from_text, principal_to_text
from spec.values.management import HttpRequestArguments, encode_arguments

DELETE = "update/delete_subnet"


def subnets(instance, kind="Application"):
    """The subnets of a kind, in their order."""
    told = instance.get("_/topology")["subnet_configs"]
    return [principal_from_text(one) for one, fields in told.items() if fields["subnet_kind"] == kind]


def on(instance, subnet_id, module):
    """A canister with code on a subnet."""
    return instance.created_with(module, {"SubnetId": text(subnet_id)})


def named(subnet_id):
    return {"subnet_id": text(subnet_id)}


def test_a_deleted_subnet_takes_its_canisters_with_it_and_the_others_go_on(client):
    instance = client.create(application=2, nns=1)
    first, second = subnets(instance)
    gone, stays = on(instance, first, COUNTER), on(instance, second, COUNTER)
    assert instance.update(gone, "inc") == instance.update(stays, "inc") == b"\1\0\0\0"
    assert instance.post(DELETE, named(first)) is None
    assert subnets(instance) == [second]
    assert instance.post("read/get_subnet", {"canister_id": text(gone)}) is None
    assert "does not belong to any subnet" in instance.fails("read/query", instance.call_of(gone, "get"))
    assert instance.update(stays, "inc") == b"\2\0\0\0"
    assert instance.post("read/get_subnet", {"canister_id": text(instance.create_canister())}) == named(second)


def test_canisters_that_wait_for_one_that_goes_are_told_so_and_so_are_those_that_call_it_later(client):
    instance = client.create(application=2)
    first, second = subnets(instance)
    asking = caller_of(MANAGEMENT_CANISTER, "http_request", cycles=10**12)
    waits = on(instance, first, asking)
    caller = on(instance, second, caller_of(waits, "ask"))
    argument = encode_arguments(HttpRequestArguments("https://a", max_response_bytes=100))
    asked = instance.submit(caller, "ask", argument)["Ok"]
    instance.tick()
    instance.tick()
    assert len(instance.get("read/get_canister_http")) == 1
    assert instance.post(DELETE, named(first)) is None
    told = blob(instance.post("update/await_ingress_message", asked)["Ok"])
    assert told[0] == 4, "canister reject"
    assert instance.update(caller, "ask", argument)[0] == 3, "destination invalid"


def test_an_outcall_of_a_canister_that_is_gone_can_be_answered_and_nobody_hears_it(client):
    instance = client.create(application=2)
    first, _ = subnets(instance)
    caller = on(instance, first, caller_of(MANAGEMENT_CANISTER, "http_request", cycles=10**12))
    instance.submit(caller, "ask", encode_arguments(HttpRequestArguments("https://a", max_response_bytes=100)))
    instance.tick()
    instance.tick()
    instance.post(DELETE, named(first))
    for one in instance.get("read/get_canister_http"):
        reject = {"CanisterHttpReject": {"reject_code": 2, "message": "too late"}}
        instance.post("update/mock_canister_http", {**one, "response": reject})
    instance.tick()
    assert instance.get("read/get_canister_http") == []


@pytest.mark.parametrize("kind", ["NNS", "II"])
def test_subnets_with_names_stay(client, kind):
    instance = client.create(nns=1, ii=1, application=1)
    (subnet_id,) = subnets(instance, kind)
    assert "cannot be deleted" in instance.fails(DELETE, named(subnet_id))


def test_what_is_no_subnet_or_the_only_one_is_not_deleted(client):
    instance = client.create(application=1)
    (only,) = subnets(instance)
    assert "is the only one" in instance.fails(DELETE, named(only))
    none = Principal(b"\1\2\3")
    assert instance.fails(DELETE, named(none)) == f"SubnetNotFound({principal_to_text(none)})"


def test_the_subnet_that_was_created_first_can_go_and_its_key_stays_the_root_key(client):
    instance = client.create(application=2)
    first, second = subnets(instance)
    canister_id = on(instance, second, COUNTER)
    instance.post(DELETE, named(first))
    instance.tick()
    assert len(instance.post("read/pub_key", named(second))) == 133
    assert instance.fails("read/pub_key", named(first)).startswith("SubnetNotFound(")
    assert instance.update(canister_id, "inc") == b"\1\0\0\0"


def test_a_state_directory_has_no_place_for_a_subnet_that_is_gone(client, tmp_path):
    instance = kept_at(client, tmp_path, application=2)
    first, second = subnets(instance)
    canister_id = on(instance, second, COUNTER)
    instance.update(canister_id, "inc")
    on(instance, first, COUNTER)
    assert len([one for one in tmp_path.iterdir() if one.is_dir()]) == 2
    instance.post(DELETE, named(first))
    ended(instance)
    assert len([one for one in tmp_path.iterdir() if one.is_dir()]) == 1
    again = resumed(client, tmp_path)
    assert subnets(again) == [second]
    assert blob(again.query(canister_id, "get")["Ok"]) == b"\1\0\0\0"

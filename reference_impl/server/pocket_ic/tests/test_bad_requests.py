"""Requests that make no sense, come at once, or are given up: the right status, and the server goes on."""

import asyncio
import base64
import time

import pytest

from reference_impl.server.pocket_ic.simulation import Simulation
from reference_impl.server.pocket_ic.tests.in_process import Client, configuration

SOON = [(b"processing-timeout-ms", b"1")]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"nanos_since_epoch": NaN}',
        b'{"nanos_since_epoch": 1' + b"0" * 10_000 + b"}",
        b"[]",
        b"null",
        b"",
        b'"text"',
    ],
)
def test_a_body_that_is_not_what_is_asked_for_is_unprocessable(instance, body):
    for rest in ("update/set_time", "read/query", "update/mock_canister_http", "read/ingress_status"):
        answered = instance.client.request("POST", instance.path(rest), body)
        assert answered.status == 422, (rest, answered)
        assert answered.body.count(b"\n") == 0
    assert instance.client.get("/instances") == ["Available"]


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b"{}", b'{"subnet_config_set": []}'])
def test_no_instance_is_made_of_such_a_body(client, body):
    assert client.request("POST", "/instances", body).status == 422
    assert client.get("/instances") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("sender", 5), ("sender", "%"), ("payload", "a"), ("method", None), ("effective_principal", "Some")],
)
def test_a_field_of_a_request_that_is_wrong_is_named(instance, name, value):
    asked = {**instance.call_of(b"", "raw_rand"), name: value}
    answered = instance.client.request("POST", instance.path("read/query"), asked)
    assert answered.status == 422
    assert name.encode() in answered.body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/nothing", 404),
        ("POST", "/instances/0/update/nothing", 404),
        ("GET", "/instances/0/update/tick", 405),
        ("POST", "/instances/0/read/get_time", 405),
        ("DELETE", "/instances", 405),
        ("PUT", "/blobstore", 405),
        ("GET", "/read_graph/a/b", 404),
        ("DELETE", "/prune_graph/a/b", 404),
        ("POST", "/read_graph/a/b", 405),
        ("POST", "/http_gateway/0/stop", 404),
        ("POST", "/http_gateway/x/stop", 404),
        ("GET", "/blobstore/../../etc/passwd", 404),
    ],
)
def test_a_path_or_method_that_there_is_not_is_told_in_json(instance, method, path, status):
    answered = instance.client.request(method, path)
    assert answered.status == status
    assert answered.message


def test_a_slash_at_the_end_does_not_matter(client):
    instance = client.create()
    for path in ("/instances/", "/instances/0/read/get_time/", "/instances/0/_/topology/", "/status/"):
        assert client.request("GET", path).status == 200
    assert client.request("POST", "/instances/0/update/tick/", {}).status == 200
    assert instance.number == 0


def test_pages_of_any_origin_may_ask_for_what_is_of_the_https_interface_and_nothing_else(instance):
    allowed = b"access-control-allow-origin"
    for method, status in (("OPTIONS", 204), ("GET", 200)):
        answered = instance.client.request(method, instance.path("api/v2/status"))
        assert (answered.status, answered.headers[allowed]) == (status, b"*")
    for method, path in (
        ("OPTIONS", "/instances"),
        ("OPTIONS", instance.path("update/tick")),
        ("GET", "/instances"),
        ("GET", instance.path("read/get_time")),
    ):
        answered = instance.client.request(method, path)
        assert allowed not in answered.headers
        assert answered.status == (405 if method == "OPTIONS" else 200)


def test_a_body_that_does_not_say_that_it_is_json_is_not_taken(instance):
    for path in ("/instances", instance.path("update/set_time"), instance.path("auto_progress"), "/http_gateway"):
        answered = instance.client.request("POST", path, b"{}", [(b"content-type", b"text/plain")])
        assert (answered.status, answered.body) == (415, b"Expected request with `Content-Type: application/json`")
    said = [(b"content-type", b"Application/JSON; charset=utf-8")]
    assert instance.client.request("POST", instance.path("update/tick"), b"{}", said).status == 200


def test_half_a_character_is_not_json(instance):
    half = {**instance.call_of(b"", "raw_rand"), "method": "\ud800"}
    whole = {**half, "method": "\U00010000"}
    assert instance.client.request("POST", instance.path("read/query"), half).status == 422
    assert "\U00010000" in instance.client.request("POST", instance.path("read/query"), whole).message


def test_a_path_or_address_that_can_be_none_is_refused(client):
    parts = {"state_config": {"FromPath": "a\0b"}, "instruction_config": "Production"}
    assert client.request("POST", "/instances", {"subnet_config_set": {"application": [parts]}}).status == 422
    assert client.request("POST", "/instances", {**configuration(application=1), "state_dir": "a\0b"}).status == 422
    assert "File name too long" in client.refusal({**configuration(application=1), "state_dir": "x" * 300})
    instance = client.create()
    for address in ("x" * 300, "é" * 100):
        wish = {"forward_to": {"PocketIcInstance": instance.number}, "ip_addr": address}
        assert client.request("POST", "/http_gateway", wish).status == 502


def test_a_number_that_no_instance_or_gateway_has_is_none_of_any_length(client):
    for number in ("9" * 5000, "7", "²", "-1", "x"):
        assert client.request("DELETE", f"/instances/{number}").status == 200
        assert client.request("POST", f"/instances/{number}/update/tick", {}).message == "Instance not found"
        assert client.request("POST", f"/http_gateway/{number}/stop").status == 404


def test_a_body_over_the_limit_is_refused():
    client = Client.of(body_limit=1000)
    assert client.request("POST", "/blobstore", [b"x" * 600, b"y" * 600]).status == 413
    assert client.request("POST", "/blobstore", [b"x" * 600, b"y" * 400]).status == 200
    client.close()


def test_a_client_that_leaves_in_the_middle_changes_nothing(instance):
    before = instance.time
    assert instance.client.request("POST", instance.path("update/tick"), [b"{", None]) is None
    assert instance.time == before
    assert instance.client.get("/instances") == ["Available"]


def both(client, *requests):
    """Requests at once."""

    async def together():
        return await asyncio.gather(*(client.asked(*one) for one in requests))

    return client.runner.run(together())


def test_operations_on_one_instance_wait_for_each_other(instance):
    before = instance.time
    ticks = [("POST", instance.path("update/tick"), {})] * 20
    assert [one.status for one in both(instance.client, *ticks)] == [200] * 20
    assert instance.time == before + 20


@pytest.fixture
def slow(monkeypatch):
    """An operation that takes a second: rounds that take long, until nobody has answered."""
    quick = Simulation.round

    def slowly(simulation):
        time.sleep(0.01)
        quick(simulation)

    monkeypatch.setattr(Simulation, "round", slowly)
    message = {"effective_principal": "None", "message_id": base64.b64encode(bytes(32)).decode()}
    return lambda instance: ("POST", instance.path("update/await_ingress_message"), message)


def test_an_instance_that_is_deleted_while_it_is_busy_ends_after_that(instance, slow):
    client = instance.client

    async def together():
        working = asyncio.create_task(client.asked(*slow(instance)))
        await asyncio.sleep(0.2)
        deleting = asyncio.create_task(client.asked("DELETE", f"/instances/{instance.number}"))
        late = asyncio.create_task(client.asked("POST", instance.path("update/tick"), {}))
        return await asyncio.gather(working, deleting, late)

    done, deleted, late = client.runner.run(together())
    assert done.status == 400
    assert "after 100 rounds" in done.message
    assert deleted.status == 200
    assert (late.status, late.message) == (400, "Instance was deleted")


def test_who_says_how_long_it_waits_is_told_that_an_operation_is_not_done_and_asks_for_it_later(instance, slow):
    client = instance.client
    started = client.request(*slow(instance), SOON)
    assert started.status == 202
    label, name = started.json["state_label"], started.json["op_id"]
    assert name == "await_ingress_message"
    assert client.get("/instances") == [f"Busy({name})"]
    busy = client.request("POST", instance.path("update/tick"), {}, SOON)
    assert (busy.status, busy.json["op_id"]) == (409, name)
    until = time.monotonic() + 60
    while (outcome := client.request("GET", f"/read_graph/{label}/{name}")).status == 404:
        assert time.monotonic() < until
        client.runner.run(asyncio.sleep(0.05))
    assert outcome.status == 400
    assert "after 100 rounds" in outcome.message
    assert client.request("DELETE", f"/prune_graph/{label}/{name}").status == 200
    assert client.request("DELETE", f"/prune_graph/{label}/{name}").status == 404
    assert client.request("POST", instance.path("update/tick"), {}, [(b"processing-timeout-ms", b"x")]).status == 400


def test_instances_work_beside_each_other(client, slow):
    one, other = client.create(), client.create()
    ended = []

    async def asked(*request):
        answered = await client.asked(*request)
        ended.append(request[1])
        return answered.status

    async def together():
        return await asyncio.gather(asked(*slow(one)), asked("POST", other.path("update/tick"), {}))

    assert client.runner.run(together()) == [400, 200]
    assert ended[0] == other.path("update/tick")


def test_an_operation_that_fails_of_itself_is_the_servers_fault_and_the_instance_goes_on(instance, monkeypatch):
    def fails(*_):
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(Simulation, "round", fails)
        assert instance.fails("update/tick", {}, status=500) == "The server failed at tick."
    instance.tick()


def test_deleting_and_creating_at_once_keeps_the_numbers_apart(client):
    made = both(client, *[("POST", "/instances", configuration(application=1))] * 5)
    numbers = [one.json["Created"]["instance_id"] for one in made]
    assert sorted(numbers) == [0, 1, 2, 3, 4]
    both(client, *[("DELETE", f"/instances/{number}") for number in numbers for _ in range(2)])
    assert client.get("/instances") == ["Deleted"] * 5

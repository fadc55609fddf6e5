"""Live mode, and the HTTPS interface of an instance: below its path, and on a port of its own."""

import asyncio
import json
import time
import urllib.error
import urllib.request

import cbor2
import pytest

from reference_impl.server.https_interface.tests.in_process import CBOR, MINUTE, Answered, User
from reference_impl.server.pocket_ic.tests.in_process import START, configuration, text
from reference_impl.server.pocket_ic.tests.modules import COUNTER
from reference_impl.server.tests.installing import ROOT
from spec.certification.bls_signatures import verify_bls_signature
from spec.certification.certificate import decode_certificate, lookup, verify_certificate
from spec.certification.hash_tree import Found
from spec.values.identifiers import principal_to_text
from spec.values.request_id import hash_of_map

WEBSITE = ROOT / "conformance" / "canisters" / "motoko" / "website.wasm"
ON = {"artificial_delay_ms": 0}


def call(canister_id, method, now, **more):
    return {
        "request_type": "call",
        "ingress_expiry": now + 4 * MINUTE,
        "canister_id": canister_id,
        "method_name": method,
        "arg": b"",
        **more,
    }


def sent(instance, path, content, user=None):
    """A request to the HTTPS interface of an instance."""
    envelope = (User.of(1) if user is None else user).envelope(content)
    told = instance.client.request("POST", instance.path(path), cbor2.dumps(envelope), [CBOR])
    return Answered(told.status, told.headers, told.body)


def test_live_mode_is_on_or_off(instance):
    assert instance.get("auto_progress") is False
    assert instance.post("auto_progress", ON) is None
    assert instance.get("auto_progress") is True
    assert START <= instance.time < START + 10**6
    assert instance.fails("auto_progress", ON) == "Auto progress mode has already been enabled."
    assert instance.post("stop_progress", {}) is None
    assert instance.post("stop_progress", "") is None
    assert instance.get("auto_progress") is False


def test_in_live_mode_rounds_run_by_themselves_at_the_time_of_the_clock(instance):
    counter = instance.created_with(COUNTER)
    instance.post("auto_progress", ON)
    message = instance.submit(counter, "inc")["Ok"]
    instance.client.clock[0] += 10**9
    until = time.monotonic() + 30
    while instance.post("read/ingress_status", {"raw_message_id": message}) is None:
        assert time.monotonic() < until
        instance.client.runner.run(asyncio.sleep(0.05))
    assert START + 10**9 <= instance.time < START + 2 * 10**9
    instance.post("stop_progress", {})
    stopped = instance.time
    instance.client.runner.run(asyncio.sleep(0.3))
    assert instance.time == stopped


def test_an_instance_that_is_ahead_of_the_clock_stays_ahead(instance):
    ahead = START + 10**15
    instance.post("update/set_time", {"nanos_since_epoch": ahead})
    instance.post("auto_progress", ON)
    instance.post("stop_progress", {})
    assert ahead <= instance.time < ahead + 10**9


def test_an_instance_can_be_made_in_live_mode_with_a_port(client):
    asked = {"initial_time": {"AutoProgress": {}}, "http_gateway_config": {}}
    instance = client.create_of({**configuration(application=1), **asked})
    assert instance.get("auto_progress") is True
    port = instance.created["http_gateway_info"]["port"]
    assert client.get("/http_gateway") == [
        {"instance_id": 0, "port": port, "forward_to": {"PocketIcInstance": instance.number}}
    ]


@pytest.mark.parametrize("kind", ["NNS", "Application"])
def test_the_interface_of_an_instance_certifies_for_the_subnet_that_is_asked(client, kind):
    instance = client.create(nns=1, application=1)
    subnet = instance.subnet(kind)
    counter = instance.created_with(COUNTER, {"SubnetId": text(subnet)})
    instance.post("auto_progress", ON)
    content = call(counter, "inc", START)
    told = sent(instance, f"api/v3/canister/{principal_to_text(counter)}/call", content)
    assert told.status == 200
    root_key = bytes(instance.post("read/pub_key", {"subnet_id": text(instance.subnet("NNS"))}))
    certificate = decode_certificate(told.fields["certificate"])
    assert verify_certificate(certificate, root_key, verify_bls_signature)
    assert (certificate.delegation is None) is (kind == "NNS")
    request_id = hash_of_map({**content, "sender": User.of(1).sender})
    found = lookup((b"request_status", request_id, b"reply"), certificate)
    assert isinstance(found, Found)
    assert found.value == b"\1\0\0\0"
    status = Answered(200, {}, instance.client.request("GET", instance.path("api/v2/status")).body)
    assert status.fields["root_key"] == root_key


def test_without_live_mode_a_call_ends_when_a_round_is_run(instance):
    counter = instance.created_with(COUNTER)
    path = instance.path(f"api/v3/canister/{principal_to_text(counter)}/call")
    envelope = cbor2.dumps(User.of(1).envelope(call(counter, "inc", instance.time)))

    async def together():
        calling = asyncio.create_task(instance.client.asked("POST", path, envelope, [CBOR]))
        await asyncio.sleep(0.3)
        assert not calling.done()
        await instance.client.asked("POST", instance.path("update/tick"), {})
        return (await calling).status

    assert instance.client.runner.run(together()) == 200


def test_what_the_interface_refuses_is_refused_here_too(instance):
    counter = instance.created_with(COUNTER)
    path = f"api/v2/canister/{principal_to_text(counter)}/call"
    unsigned = {"content": {"sender": User.of(1).sender, **call(counter, "inc", instance.time)}}
    told = instance.client.request("POST", instance.path(path), cbor2.dumps(unsigned), [CBOR])
    assert (told.status, b"sender_sig" in told.body) == (400, True)
    late = sent(instance, path, call(counter, "inc", START))
    assert (late.status, late.body[:22]) == (400, b"Invalid request expiry")
    assert instance.client.request("POST", instance.path(path), b"", []).status == 400
    assert instance.client.request("POST", instance.path(path), bytes(5 << 20), [CBOR]).status == 413
    assert instance.client.request("GET", "/instances/7/api/v2/status").status == 400


def test_without_validation_users_of_the_interface_are_whom_they_name(client):
    instance = client.create_of({**configuration(application=1), "disable_ingress_validation": True})
    counter = instance.created_with(COUNTER)
    path = f"api/v2/canister/{principal_to_text(counter)}/call"
    content = {"sender": User.of(2).sender, **call(counter, "inc", instance.time)}
    sending = instance.client.request("POST", instance.path(path), cbor2.dumps({"content": content}), [CBOR])
    assert (sending.status, sending.body) == (202, b"")
    instance.tick()
    known = {"effective_principal": "None", "message_id": text(hash_of_map(content))}
    assert "Ok" in instance.post("read/ingress_status", {"raw_message_id": known})


def test_a_port_serves_the_interface_of_its_instance_until_it_is_closed(client):
    instance = client.create()
    opened = client.request("POST", "/http_gateway", {"forward_to": {"PocketIcInstance": instance.number}})
    assert opened.status == 201
    port = opened.json["Created"]["port"]

    def fetched(path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answered:
                return answered.status, answered.read()
        except urllib.error.HTTPError as problem:
            return problem.code, problem.read()

    async def in_thread(path):
        return await asyncio.to_thread(fetched, path)

    status, body = client.runner.run(in_thread("/api/v2/status"))
    assert (status, len(cbor2.loads(body)["root_key"])) == (200, 133)
    assert client.runner.run(in_thread("/index.html"))[0] == 404
    website = instance.created_with(WEBSITE.read_bytes())
    named = f"canisterId={principal_to_text(website)}"
    status, body = client.runner.run(in_thread(f"/style.css?{named}"))
    assert (status, body[:6]) == (200, b"body {")
    assert client.runner.run(in_thread(f"/forged?{named}"))[0] == 502
    number = opened.json["Created"]["instance_id"]
    assert client.request("POST", f"/http_gateway/{number}/stop").json is None
    with pytest.raises(urllib.error.URLError):
        client.runner.run(in_thread("/api/v2/status"))
    assert client.get("/http_gateway") == []


@pytest.mark.parametrize(
    "body",
    [
        {"forward_to": {"PocketIcInstance": 7}},
        {"forward_to": {"Replica": "http://127.0.0.1:1"}},
        {"forward_to": {"PocketIcInstance": 0}, "ip_addr": "192.0.2.1"},
        {"forward_to": {"PocketIcInstance": 0}, "https_config": {"cert_path": "a", "key_path": "b"}},
    ],
)
def test_a_port_that_cannot_be_had_is_refused(instance, body):
    told = instance.client.request("POST", "/http_gateway", body)
    assert told.status == 502
    assert json.loads(told.body)["Error"]["message"]


def test_a_deleted_instance_takes_its_ports_and_its_rounds_with_it(instance):
    client = instance.client
    client.request("POST", "/http_gateway", {"forward_to": {"PocketIcInstance": instance.number}})
    instance.post("auto_progress", ON)
    assert client.request("DELETE", f"/instances/{instance.number}").status == 200
    assert client.get("/http_gateway") == []
    assert client.get("/instances") == ["Deleted"]

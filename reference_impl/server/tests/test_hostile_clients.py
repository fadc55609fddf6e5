"""Clients that are slow, many, or gone: the others are served, and nothing is lost, by either server."""

import asyncio
import json
import socket
import time
from contextlib import suppress
from statistics import quantiles

import cbor2
import pytest

from reference_impl.server.http_gateway.tests.setting_up import installed_over_http
from reference_impl.server.https_interface.tests.in_process import COUNTER, MINUTE, User
from reference_impl.server.pocket_ic.tests.in_process import configuration
from reference_impl.server.tests.served import PATIENCE, POCKET_IC, SERVE, Served
from spec.values.identifiers import principal_to_text

SLOW = 600
"""So many clients send a byte a second, half of them in the head, the others in the body."""
MANY = 1_000
ASKED = 100
USER = User.of(1)
JSON = {"content_type": "application/json"}


@pytest.fixture(scope="module", params=[SERVE, POCKET_IC], ids=["icspec serve", "pocket-ic"])
def served(request, tmp_path_factory):
    """Either server; the second has an instance."""
    with Served.begun(tmp_path_factory.mktemp("server"), request.param) as made:
        if request.param is POCKET_IC:
            body = json.dumps(configuration(application=1)).encode()
            assert made.asked("POST", "/instances", body, **JSON)[0] == 201
        yield made
        assert made.process.poll() is None
        assert "Traceback" not in made.log


def is_pocket_ic(served):
    return served.process.args[: len(POCKET_IC)] == list(POCKET_IC)


def posted(served):
    """The path of a request that has a body, and the body."""
    if is_pocket_ic(served):
        return "/instances/0/update/tick", "application/json", b"{}"
    return "/api/v3/canister/aaaaa-aa/query", "application/cbor", b"\xa1\x67content\xa0"


async def asked(port, path="", body=b"", content_type="application/json"):
    """The status of a request on a connection of its own, and the body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    method = "POST" if body else "GET"
    head = f"{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n"
    writer.write(f"{head}connection: close\r\n\r\n".encode() + body)
    answered = await reader.read()
    writer.close()
    return int(answered.split()[1]), answered.partition(b"\r\n\r\n")[2]


async def slowly(port, fast, slow):
    """Sends the first part, and then a byte a second, until it is stopped."""
    with suppress(ConnectionError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(fast)
        for byte in slow:
            await asyncio.sleep(1)
            writer.write(bytes([byte]))


def test_hundreds_of_clients_that_send_a_byte_a_second_keep_nobody_waiting(served, record_property):
    path, content_type, body = posted(served)
    head = f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: {content_type}\r\n".encode()
    whole_head = head + b"content-length: 1000\r\n\r\n"
    status_path = "/status" if is_pocket_ic(served) else "/api/v2/status"

    async def times():
        took = []
        for _ in range(ASKED):
            began = time.perf_counter()
            assert (await asked(served.port, status_path))[0] == 200
            assert (await asked(served.port, path, body, content_type))[0] in (200, 400)
            took.append(time.perf_counter() - began)
        return took

    async def both():
        alone = await times()
        slow = [(head, b"x" * 1000) if number % 2 else (whole_head, b"x" * 1000) for number in range(SLOW)]
        under_way = [asyncio.create_task(slowly(served.port, *one)) for one in slow]
        await asyncio.sleep(2)
        assert not any(one.done() for one in under_way), "the slow clients are still there"
        beside = await times()
        for one in under_way:
            one.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        return alone, beside

    alone, beside = asyncio.run(both())
    middle = [quantiles(one, n=100)[49] for one in (alone, beside)]
    record_property("milliseconds at 50 %, alone and beside slow clients", [round(1000 * one, 1) for one in middle])
    print(
        f"two requests: {1000 * middle[0]:.1f} ms alone, {1000 * middle[1]:.1f} ms beside {SLOW} slow clients, at 50 %"
    )
    # Reason: the slow ones take as long as they like; nobody's answer may wait for any of them.
    assert max(beside) < PATIENCE / 4


def test_a_thousand_connections_at_once_are_all_answered(served):
    path, content_type, body = posted(served)
    wanted = 200 if is_pocket_ic(served) else 400

    async def all_at_once():
        return await asyncio.gather(*(asked(served.port, path, body, content_type) for _ in range(MANY)))

    before = _time(served) if is_pocket_ic(served) else 0
    assert [status for status, _ in asyncio.run(all_at_once())] == [wanted] * MANY
    if is_pocket_ic(served):
        assert _time(served) - before == MANY, "every tick was done once"


def _time(served):
    """What time it is in the instance."""
    return json.loads(served.asked("GET", "/instances/0/read/get_time")[1])["nanos_since_epoch"]


def hang_up(port, whole):
    """Sends all of a request, and does not wait for the answer."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        client.sendall(whole)


def until(is_so):
    """Waits until it is so."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def request(path, content_type, body):
    head = f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def test_what_was_asked_whole_is_done_also_if_the_client_does_not_wait(tmp_path):
    with Served.begun(tmp_path, POCKET_IC) as served:
        served.asked("POST", "/instances", json.dumps(configuration(application=1)).encode(), **JSON)
        before = _time(served)
        for _ in range(20):
            hang_up(served.port, request("/instances/0/update/tick", "application/json", b"{}"))
        until(lambda: _time(served) == before + 20)
        for _ in range(20):
            hang_up(served.port, request("/instances/0/update/tick", "application/json", b"{}")[:-1])
        assert _time(served) == before + 20


def test_a_synchronous_call_whose_client_hangs_up_is_done_once_and_its_answer_can_be_read(tmp_path):
    with Served.begun(tmp_path, SERVE) as served:
        canister_id = installed_over_http(served, COUNTER)
        where = f"/api/v4/canister/{principal_to_text(canister_id)}/call"
        bodies = [call(canister_id, number) for number in range(20)]
        for body in bodies:
            hang_up(served.port, request(where, "application/cbor", body))
        until(lambda: counted(served, canister_id) == 20)
        for body in bodies:
            status, told = served.asked("POST", where, body, content_type="application/cbor")
            assert (status, cbor2.loads(told)["status"]) == (200, "replied")
        assert counted(served, canister_id) == 20
        assert "Traceback" not in served.log


def call(canister_id, number):
    """A call that increases the counter, unlike others."""
    return envelope("call", canister_id, "inc", nonce=bytes([number]))


def envelope(kind, canister_id, method, **more):
    named = {"canister_id": canister_id, "method_name": method, "arg": b""}
    content = {"request_type": kind, "ingress_expiry": time.time_ns() + 4 * MINUTE, **named, **more}
    return cbor2.dumps(USER.envelope(content))


def counted(served, canister_id):
    path = f"/api/v3/canister/{principal_to_text(canister_id)}/query"
    body = envelope("query", canister_id, "get")
    told = cbor2.loads(served.asked("POST", path, body, content_type="application/cbor")[1])
    return int.from_bytes(told["reply"]["arg"], "little")

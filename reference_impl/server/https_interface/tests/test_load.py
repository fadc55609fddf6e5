"""A thousand clients at once, with some among them that misbehave: every one is answered as it should be."""

import asyncio
import resource
import time
from statistics import quantiles

import cbor2
import pytest

from reference_impl.server.http_gateway.tests.setting_up import installed_over_http
from reference_impl.server.https_interface.tests.in_process import COUNTER, MINUTE, User
from reference_impl.server.tests.served import SERVE, Served
from spec.values.identifiers import principal_to_text

CLIENTS = 1_000
OF_EACH_KIND = 20
FILES = 4_096
"""Connections are files, of which a process may have so many open here."""
SECONDS = 300
PIECE_SECONDS = 0.02
LARGE = 5 << 20


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server that may have as many connections as there are clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        pytest.skip(f"a process may have {hard} files open here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))
    with Served.begun(tmp_path_factory.mktemp("server"), SERVE) as made:
        yield made
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Client:
    """One connection, on which requests are written by hand."""

    def __init__(self, port):
        self.port = port

    async def connected(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    def head(self, path, size):
        lines = (f"POST {path} HTTP/1.1", "host: a", "content-type: application/cbor", f"content-length: {size}")
        return "\r\n".join((*lines, "", "")).encode()

    async def status(self):
        """The status of an answer, which is read whole."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").lower().split("\r\n")
        size = next(int(one.removeprefix("content-length:")) for one in lines if one.startswith("content-length:"))
        await self.reader.readexactly(size)
        return int(lines[0].split()[1])

    async def asked(self, path, body):
        """A request as it should be."""
        self.writer.write(self.head(path, len(body)) + body)
        await self.writer.drain()
        return await self.status()

    async def dripping(self, path, body):
        """The same, byte by byte at its end."""
        self.writer.write(self.head(path, len(body)) + body[:-50])
        for place in range(len(body) - 50, len(body)):
            self.writer.write(body[place : place + 1])
            await self.writer.drain()
            await asyncio.sleep(PIECE_SECONDS)
        return await self.status()

    async def hanging_up(self, path, body):
        """Half of a request."""
        self.writer.write(self.head(path, len(body)) + body[: len(body) // 2])
        await self.writer.drain()
        self.writer.transport.abort()


def envelope(user, kind, number, canister_id, method):
    content = {
        "request_type": kind,
        "ingress_expiry": time.time_ns() + 4 * MINUTE,
        "canister_id": canister_id,
        "method_name": method,
        "arg": b"",
        "nonce": b"%d" % number,
    }
    return cbor2.dumps(user.envelope(content))


def test_a_thousand_connections_at_once_lose_nothing_whatever_others_do(served, record_property):
    user = User.of(1)
    canister_id = installed_over_http(served, COUNTER)
    call, query = (f"/api/{one}/canister/{principal_to_text(canister_id)}" for one in ("v2", "v3"))
    calls = [envelope(user, "call", number, canister_id, "inc") for number in range(CLIENTS + OF_EACH_KIND)]
    halves = [envelope(user, "call", CLIENTS * 2 + number, canister_id, "inc") for number in range(OF_EACH_KIND)]
    taken = []

    async def timed(client, number):
        began = time.monotonic()
        status = await client.asked(f"{call}/call", calls[number])
        taken.append(time.monotonic() - began)
        return status

    async def all_at_once():
        everybody = [await Client(served.port).connected() for _ in range(CLIENTS + 4 * OF_EACH_KIND)]
        good, others = everybody[:CLIENTS], everybody[CLIENTS:]
        slow, hasty, large, wrong = (others[at :: len(others) // OF_EACH_KIND] for at in range(4))
        told = await asyncio.gather(
            asyncio.gather(*(timed(one, number) for number, one in enumerate(good))),
            asyncio.gather(*(one.dripping(f"{call}/call", calls[CLIENTS + at]) for at, one in enumerate(slow))),
            asyncio.gather(*(one.hanging_up(f"{call}/call", halves[at]) for at, one in enumerate(hasty))),
            asyncio.gather(*(one.asked(f"{call}/call", bytes(LARGE)) for one in large)),
            asyncio.gather(*(one.asked(f"{call}/call", b"\xa1\x67content") for one in wrong)),
        )
        for one in everybody:
            one.writer.transport.abort()
        return told

    async def within_time():
        async with asyncio.timeout(SECONDS):
            return await all_at_once()

    good, slow, _, large, wrong = asyncio.run(within_time())
    assert good == [202] * CLIENTS
    assert slow == [202] * OF_EACH_KIND
    assert large == [413] * OF_EACH_KIND
    assert wrong == [400] * OF_EACH_KIND
    hundredths = quantiles(taken, n=100)
    record_property("milliseconds at 50 %", round(1000 * hundredths[49]))
    record_property("milliseconds at 99 %", round(1000 * hundredths[98]))
    print(f"{CLIENTS} calls at once: {hundredths[49]:.2f} s at 50 %, {hundredths[98]:.2f} s at 99 %")

    until = time.monotonic() + SECONDS
    while (count := counted(served, user, canister_id, query)) < CLIENTS + OF_EACH_KIND:
        assert time.monotonic() < until
        time.sleep(0.2)
    time.sleep(0.5)
    assert counted(served, user, canister_id, query) == count == CLIENTS + OF_EACH_KIND
    assert served.process.poll() is None
    assert "Traceback" not in served.log


def counted(served, user, canister_id, path):
    """How often the counter was increased."""
    body = envelope(user, "query", 0, canister_id, "get")
    status, told = served.asked("POST", f"{path}/query", body, content_type="application/cbor")
    assert status == 200, told
    return int.from_bytes(cbor2.loads(told)["reply"]["arg"], "little")

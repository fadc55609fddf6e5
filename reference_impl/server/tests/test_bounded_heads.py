"""Heads that do not come, or do not end, keep no connection open."""

import asyncio
from contextlib import suppress

import pytest
import uvicorn

from reference_impl.server.asgi import HttpApplication
from reference_impl.server.bounded_heads import LARGEST_HEAD, BoundedHeads
from reference_impl.server.https_interface.answers import Answer
from reference_impl.server.listening import configuration, listening

PATIENCE = 30
GOOD = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


class Echoing(HttpApplication):
    """Answers with the body that it gets."""

    async def answer(self, scope, receive):
        body = await self.received(receive)
        return body if isinstance(body, Answer) else Answer(200, b"<" + body + b">")


class Impatient(BoundedHeads):
    """Waits for a short time only."""

    head_seconds = 0.3


def told(*pieces, protocol=BoundedHeads, pause=0.0, until_closed=True):
    """What a server says to one who sends these pieces, until it closes the connection, or after one answer."""

    async def run():
        opened = listening("127.0.0.1", 0)
        settings = configuration(Echoing(body_limit=1 << 20))
        settings.http = protocol
        server = uvicorn.Server(settings)
        server.capture_signals = _no_signals
        serving = asyncio.create_task(server.serve(sockets=[opened]))
        reader, writer = await asyncio.open_connection(*opened.getsockname())
        answered = bytearray()

        async def read():
            # Reason: what is written to a closed connection makes the end of it unclean.
            with suppress(ConnectionError):
                while piece := await reader.read(1000):
                    answered.extend(piece)
                    if not until_closed and answered.endswith(b">"):
                        return

        async with asyncio.timeout(PATIENCE):
            reading = asyncio.create_task(read())
            for piece in pieces:
                with suppress(ConnectionError):
                    writer.write(piece)
                    await writer.drain()
                await asyncio.sleep(pause)
                if reading.done():
                    break
            await reading
        writer.close()
        server.should_exit = True
        await serving
        return bytes(answered)

    return asyncio.run(run())


class _no_signals:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_a_head_that_takes_too_long_is_answered_408_and_the_connection_ends():
    answered = told(b"GET / HTTP/1.1\r\nhost: a\r\nx", protocol=Impatient)
    assert answered.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert answered.endswith(b"\r\n\r\nThe head took longer than 0.3 seconds.")


def test_a_head_that_comes_byte_by_byte_gets_no_more_time_for_that():
    pieces = [b"GET / HTTP/1.1\r\nhost: a\r\nx: ", *[b"y"] * 20]
    assert told(*pieces, protocol=Impatient, pause=0.05).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("sent", [(), (b"\r\n",)], ids=["nothing", "no more than the end of a line"])
def test_a_connection_on_which_nothing_is_asked_ends(sent):
    assert b"200" not in told(*sent, protocol=Impatient)


def test_a_second_head_on_a_connection_has_as_much_time_as_the_first():
    answered = told(GOOD, b"GET / HTTP/1.1\r\nhost", protocol=Impatient, pause=0.1)
    assert answered.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in answered


def test_a_body_may_take_longer_than_a_head():
    head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n"
    answered = told(head, *[b"x"] * 10, protocol=Impatient, pause=0.06, until_closed=False)
    assert answered.endswith(b"<xxxxxxxxxx>")


def test_a_connection_may_rest_between_two_requests_for_longer_than_a_head_may_take():
    answered = told(
        GOOD, b"", GOOD.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"), protocol=Impatient, pause=0.5
    )
    assert answered.count(b"HTTP/1.1 200 ") == 2


@pytest.mark.parametrize(
    "piece", [b"x: " + b"y" * 1000 + b"\r\n", b"y" * 1000], ids=["many fields", "one field without an end"]
)
def test_a_head_that_is_too_large_is_answered_431_and_the_connection_ends(piece):
    answered = told(b"GET / HTTP/1.1\r\nhost: a\r\n", *[piece] * (LARGEST_HEAD // 1000 + 1), until_closed=True)
    assert answered.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")


def test_a_large_body_is_no_large_head():
    head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % (4 * LARGEST_HEAD)
    answered = told(head, bytes(4 * LARGEST_HEAD), until_closed=False)
    assert answered.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("times", [1, 3])
def test_whole_requests_with_large_bodies_may_come_in_one_piece(times):
    body = bytes(LARGEST_HEAD + 1)
    request = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    last = GOOD.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    answered = told(request * times + last)
    assert answered.count(b"HTTP/1.1 200 ") == times + 1
    assert b" 431 " not in answered

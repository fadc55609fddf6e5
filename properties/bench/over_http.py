"""
`python -m properties.bench.over_http`: what requests cost over HTTP, against the engine alone and an empty application.

Both are processes of their own on the same server of HTTP; each is asked by the same clients, in turns. Processor time
of the server is what is compared, since other programs disturb any clock on the wall; latencies are told beside it, and
how many cores were used. Then short and long queries are asked of a server with one thread, of one with two, and of two
servers at once, which is the most that processes beside each other could give.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import cbor2
import wasmtime
from attrs import frozen
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from properties.bench.kernels import messages
from properties.bench.messages import Subject, least_in_turns
from spec.certification.certificate import decode_certificate, lookup
from spec.certification.hash_tree import Found
from spec.values.identifiers import (
    MANAGEMENT_CANISTER,
    Blob,
    CanisterId,
    MethodName,
    Principal,
    Text,
    principal_to_text,
    self_authenticating_id,
)
from spec.values.management import (
    InstallCodeArguments,
    InstallMode,
    ProvisionalCreateArguments,
    decode_canister_id_result,
    encode_arguments,
)
from spec.values.quantities import Count
from spec.values.request_id import HashedValue, hash_of_map

CLIENTS: Final[Count] = 16
REQUESTS: Final[Count] = 320
"""So many of each kind are asked in a turn, by all clients together."""
TURNS: Final[Count] = 2
"""The turn with the least processor time counts."""
COMPUTING: Final[Count] = 64
"""So many queries that compute are asked in a turn."""
LOOPS: Final[Count] = 20_000_000
"""So often each of them goes round a loop."""
STARTING_SECONDS: Final = 60.0
ANSWER_SIZE: Final = 250
"""Bytes that the empty application answers: about as many as an answer to a query has."""
DER_OF_ED25519: Final = bytes.fromhex("302a300506032b6570032100")


class Empty:
    """An application that reads what it is asked, and answers always the same."""

    def __init__(self, port_file: Text) -> None:
        self._port_file = port_file

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while scope["type"] == "lifespan":
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
        while (await receive()).get("more_body"):
            pass
        headers = [(b"content-type", b"application/cbor"), (b"content-length", str(ANSWER_SIZE).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": bytes(ANSWER_SIZE)})


def serve_nothing(port_file: Text) -> None:
    """Serves the empty application as instances are served."""
    from reference_impl.server.listening import configuration, listening

    opened = listening("127.0.0.1", 0)
    Path(port_file).write_text(f"{opened.getsockname()[1]}\n")
    import uvicorn

    made: Any = Empty(port_file)
    uvicorn.Server(configuration(made)).run(sockets=[opened])


@frozen
class Server:
    """A server in a process of its own."""

    process: "subprocess.Popen[bytes]"
    port: int

    @property
    def processor_seconds(self) -> float:
        """What it used so far, on all its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def served(command: Sequence[Text]) -> Iterator[Server]:
    """A server that writes its port into a file."""
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        whole = [*command, str(port_file)]
        process = subprocess.Popen(whole, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until = time.monotonic() + STARTING_SECONDS
            while not (port_file.exists() and port_file.read_text().endswith("\n")):
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"{whole[0]} does not serve")
                time.sleep(0.05)
            yield Server(process, int(port_file.read_text()))
        finally:
            process.terminate()
            process.wait()


@frozen
class Sender:
    """Somebody who signs."""

    secret: Ed25519PrivateKey = Ed25519PrivateKey.from_private_bytes(bytes([7]) * 32)
    numbers: "count[int]" = count()

    def envelope(self, kind: Text, canister_id: Principal, method: MethodName, argument: Blob = b"") -> Blob:
        """A signed request, unlike all before."""
        key = DER_OF_ED25519 + self.secret.public_key().public_bytes_raw()
        content: dict[str, HashedValue] = {
            "request_type": kind,
            "ingress_expiry": time.time_ns() + 240 * 10**9,
            "sender": self_authenticating_id(key),
            "canister_id": canister_id,
            "method_name": method,
            "arg": argument,
            "nonce": next(self.numbers).to_bytes(8, "big"),
        }
        signature = self.secret.sign(b"\x0aic-request" + hash_of_map(content))
        return cbor2.dumps({"content": content, "sender_pubkey": key, "sender_sig": signature})


@frozen
class Measured:
    """What requests of a kind cost at a server."""

    processor_seconds: float
    """Of the server, for one request."""
    seconds: float
    """By the wall, for one request, while all clients ask at once."""
    middle: float
    """The latency that half of the requests have at most, in seconds."""
    late: float
    """The same for 99 of 100."""

    @property
    def cores(self) -> float:
        """How many the server kept busy."""
        return self.processor_seconds / self.seconds


async def _asked(port: int, path: Text, bodies: Sequence[Blob]) -> list[float]:
    """Asks on one connection, one after the other; how long each answer took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    for body in bodies:
        head = (
            f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/cbor\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        began = time.perf_counter()
        writer.write(head.encode() + body)
        told = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not told.startswith((b"http/1.1 200", b"http/1.1 202")):
            raise RuntimeError(f"{path}: {told.splitlines()[0]!r}")
        size = next(int(line[15:]) for line in told.split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(size)
        took.append(time.perf_counter() - began)
    writer.close()
    return took


def measured(servers: Sequence[Server], path: Text, bodies: Sequence[Blob]) -> Measured:
    """All clients ask at once, each another server than the one before it."""

    async def all_at_once() -> list[list[float]]:
        ports = [servers[at % len(servers)].port for at in range(CLIENTS)]
        return await asyncio.gather(*(_asked(port, path, bodies[at::CLIENTS]) for at, port in enumerate(ports)))

    before, began = _used(servers), time.perf_counter()
    took = sorted(each for one in asyncio.run(all_at_once()) for each in one)
    seconds, used = time.perf_counter() - began, _used(servers) - before
    number = len(bodies)
    return Measured(used / number, seconds / number, took[number // 2], took[number * 99 // 100])


def _used(servers: Sequence[Server]) -> float:
    return sum(one.processor_seconds for one in servers)


def made_ready(server: Server, sender: Sender, code: Blob) -> CanisterId:
    """A canister with code on a server."""
    creation = encode_arguments(ProvisionalCreateArguments(10**16))
    created = _replied(server, sender, MANAGEMENT_CANISTER, "provisional_create_canister_with_cycles", creation)
    canister_id = decode_canister_id_result(created)
    assert canister_id is not None
    install = encode_arguments(InstallCodeArguments(InstallMode(), canister_id, code))
    _replied(server, sender, canister_id, "install_code", install)
    return canister_id


def _replied(server: Server, sender: Sender, about: Principal, method: MethodName, argument: Blob) -> Blob:
    from http.client import HTTPConnection

    body = sender.envelope("call", MANAGEMENT_CANISTER, method, argument)
    connection = HTTPConnection("127.0.0.1", server.port)
    path = f"/api/v4/canister/{principal_to_text(about)}/call"
    connection.request("POST", path, body, {"content-type": "application/cbor"})
    fields = cbor2.loads(connection.getresponse().read())
    connection.close()
    request_id = hash_of_map(cbor2.loads(body)["content"])
    found = lookup((b"request_status", request_id, b"reply"), decode_certificate(fields["certificate"]))
    assert isinstance(found, Found), fields
    return found.value


KINDS: Final = {
    "queries": ("query", "v3", "look"),
    "updates, not waited for": ("call", "v2", "empty"),
    "updates, with the certified answer": ("call", "v4", "empty"),
}
"""By their words: the kind of request, the version of the interface, the method."""


def _serve(threads: Count) -> list[Text]:
    return [sys.executable, "-m", "spec.tooling.command_line", "serve", "--threads", str(threads), "--port-file"]


def figures() -> Iterator[tuple[Text, Measured, Measured]]:
    """For each kind of request, the instance and the empty application."""
    nothing = [sys.executable, "-m", "properties.bench.over_http", "--empty"]
    with served(_serve(1)) as instance, served(nothing) as empty:
        sender = Sender()
        canister_id = made_ready(instance, sender, bytes(wasmtime.wat2wasm(messages(b""))))
        for words, (kind, version, method) in KINDS.items():
            path = f"/api/{version}/canister/{principal_to_text(canister_id)}/{kind}"
            turns = []
            for _ in range(TURNS):
                bodies = [sender.envelope(kind, canister_id, method) for _ in range(REQUESTS)]
                turns.append((measured([instance], path, bodies), measured([empty], path, bodies)))
            yield words, _least([one for one, _ in turns]), _least([other for _, other in turns])


LOOPING: Final = f"""(module
  (import "ic0" "msg_reply" (func $reply))
  (func (export "canister_query look") (call $reply))
  (func (export "canister_query compute")
    (local $left i32)
    (local.set $left (i32.const {LOOPS}))
    (loop $again
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $again (local.get $left)))
    (call $reply)))"""
"""A canister that is asked short and long queries."""
LENGTHS: Final = {"short queries": ("look", REQUESTS), "queries that compute": ("compute", COMPUTING)}


def cores() -> Iterator[tuple[Text, list[Measured]]]:
    """For each length of queries: one server with one thread, one with two, and two servers with one thread each."""
    with served(_serve(1)) as first, served(_serve(1)) as second, served(_serve(2)) as threaded:
        sender, code = Sender(), bytes(wasmtime.wat2wasm(LOOPING))
        canister_ids = {made_ready(one, sender, code) for one in (first, second, threaded)}
        (canister_id,) = canister_ids
        path = f"/api/v3/canister/{principal_to_text(canister_id)}/query"
        for words, (method, number) in LENGTHS.items():
            turns: list[list[Measured]] = [[], [], []]
            for _ in range(TURNS):
                for servers, taken in zip(([first], [threaded], [first, second]), turns, strict=True):
                    # Reason: an answer that is kept would be told again.
                    arguments = [next(sender.numbers).to_bytes(8, "big") for _ in range(number)]
                    taken.append(
                        measured(
                            servers, path, [sender.envelope("query", canister_id, method, one) for one in arguments]
                        )
                    )
            yield words, [min(taken, key=lambda one: one.seconds) for taken in turns]


def _least(turns: Sequence[Measured]) -> Measured:
    return min(turns, key=lambda one: one.processor_seconds)


def main() -> None:
    """Measures, and prints ratios."""
    if sys.argv[1:2] == ["--empty"]:
        serve_nothing(sys.argv[2])
        return
    subject = Subject()
    runs: dict[Text, Callable[[], object]] = {"queries": subject.query, "updates": partial(subject.update, "empty")}
    alone = least_in_turns(runs, 10)
    print(
        f"{CLIENTS} clients at once: processor time of the server for a request, against the engine alone and an empty"
    )
    print("application; latencies at 50 and 99 %, against those of the empty application; rates by the wall")
    print(f"  {'':<36}{'over HTTP':>12}{'engine':>9}{'empty':>9}{'50 %':>9}{'99 %':>9}{'a second':>10}{'cores':>7}")
    for words, here, empty in figures():
        engine = alone["queries" if words == "queries" else "updates"]
        used = here.processor_seconds
        print(
            f"  {words:<36}{used * 1e6:>9.0f} us{used / engine:>7.1f} x{used / empty.processor_seconds:>7.1f} x"
            f"{here.middle / empty.middle:>7.1f} x{here.late / empty.late:>7.1f} x"
            f"{1 / here.seconds:>10.0f}{here.cores:>7.2f}"
        )
        print(
            f"  {'  the empty application':<36}{empty.processor_seconds * 1e6:>9.0f} us{'':>18}"
            f"{empty.middle * 1e3:>6.1f} ms{empty.late * 1e3:>6.1f} ms{1 / empty.seconds:>10.0f}{empty.cores:>7.2f}",
            flush=True,
        )
        print(
            f"  {'  the latencies of the instance':<36}{'':>30}{here.middle * 1e3:>6.1f} ms{here.late * 1e3:>6.1f} ms"
        )
    print("queries a second by the wall, latencies at 50 and 99 %, cores that the servers kept busy")
    for words, measurements in cores():
        for how, one in zip(("one thread", "two threads", "two servers"), measurements, strict=True):
            print(
                f"  {words + ', ' + how:<36}{1 / one.seconds:>9.0f}{measurements[0].seconds / one.seconds:>9.2f} x"
                f"{one.middle * 1e3:>9.1f} ms{one.late * 1e3:>9.1f} ms{one.cores:>7.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()

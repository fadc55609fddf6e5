"""
The PocketIC interface as an ASGI application: which path is what, and answers as JSON.

A client is trusted as far as the user whose server it is: it may name any directory. So no page of a browser is a
client: what has a body says that it is JSON, which pages of other origins may not, and such pages are told nothing.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import unquote

from reference_impl.server.asgi import PREFLIGHT, HttpApplication, Receive, Scope, content_type, header
from reference_impl.server.https_interface.answers import BAD_GATEWAY, METHOD_NOT_ALLOWED, NOT_FOUND, PLAIN_TEXT, Answer
from reference_impl.server.pocket_ic.configuration import auto_progress_of, configuration_of, gateway_of
from reference_impl.server.pocket_ic.creation import created
from reference_impl.server.pocket_ic.fields import (
    Json,
    Malformed,
    Refused,
    case_of,
    conversion_error,
    fields_of,
    json_of,
    number_in,
    number_of,
    written,
)
from reference_impl.server.pocket_ic.gateways import Gateways
from reference_impl.server.pocket_ic.interface import answer_api
from reference_impl.server.pocket_ic.operations import GET, POST
from reference_impl.server.pocket_ic.server import (
    BAD_REQUEST,
    OK,
    UNPROCESSABLE,
    Outcome,
    PocketServer,
    outcome_of,
)
from reference_impl.server.pocket_ic.signatures import verified
from spec.profile import Profile
from spec.values.identifiers import Text
from spec.values.quantities import ByteCount

JSON: Final = b"application/json"
CREATED: Final = 201
UNSUPPORTED_MEDIA_TYPE: Final = 415
BODY_LIMIT: Final[ByteCount] = 512 << 20
"""Bytes of a body: a stable memory of this size can be set."""
TIMEOUT_HEADER: Final = b"processing-timeout-ms"
API: Final = "api/"
NO_JSON: Final = "Expected request with `Content-Type: application/json`"
INSTANCE: Final = re.compile(r"/instances/([^/]+)(?:/(.*))?")
GRAPH: Final = re.compile(r"/(read_graph|prune_graph)/([^/]+)/(.+)")
GATEWAY: Final = re.compile(r"/http_gateway/([^/]+)/stop")
BLOB: Final = re.compile(r"/blobstore/([^/]+)")

Handler = Callable[[Scope, Receive], Awaitable[Answer]]


def answered(outcome: Outcome) -> Answer:
    """An outcome as JSON, or as text where the real server's framework answers itself."""
    if isinstance(outcome.value, str) and outcome.status == UNPROCESSABLE:
        return Answer(outcome.status, outcome.value.encode(), PLAIN_TEXT)
    return Answer(outcome.status, written(outcome.value), JSON)


def nothing(what: Text) -> Answer:
    """There is no such thing. Some clients take an empty answer for success, so this one says it."""
    return Answer(NOT_FOUND, written({"message": what}), JSON)


def no_such_method(method: Text) -> Answer:
    """There is such a path, but not for this method."""
    return Answer(METHOD_NOT_ALLOWED, written({"message": f"This path takes no {method} requests."}), JSON)


class PocketApplication(HttpApplication):
    """Serves the PocketIC interface."""

    def __init__(self, profile: Profile, server: PocketServer | None = None, *, body_limit: ByteCount = BODY_LIMIT):
        super().__init__(body_limit=body_limit)
        self._profile = profile
        self._server = PocketServer() if server is None else server
        self._gateways = Gateways()
        self._under_way = 0
        self._last_end = time.monotonic()
        self._at_root: dict[tuple[Text, Text], Handler] = {
            ("GET", "/status"): self._status,
            ("GET", "/instances"): self._list,
            ("POST", "/instances"): self._create,
            ("POST", "/blobstore"): self._put_blob,
            ("POST", "/verify_signature"): self._verify,
            ("GET", "/http_gateway"): self._list_gateways,
            ("POST", "/http_gateway"): self._open_gateway,
        }

    @property
    def idle_seconds(self) -> float:
        """So long no request has been under way."""
        return 0.0 if self._under_way else time.monotonic() - self._last_end

    async def stop(self) -> None:
        """Every gateway and every instance ends."""
        await self._gateways.close_of()
        await self._server.close()

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """The answer to a request."""
        self._under_way += 1
        try:
            return await self._answer(scope, receive)
        except Refused as problem:
            return Answer(problem.status, written({"message": str(problem)}), JSON)
        except Malformed as problem:
            return Answer(UNPROCESSABLE, str(problem).encode(), PLAIN_TEXT)
        finally:
            self._under_way -= 1
            self._last_end = time.monotonic()

    def is_open_to_pages(self, path: Text) -> bool:
        """The path is one of the HTTPS interface of an instance."""
        matched = INSTANCE.fullmatch(path)
        return matched is not None and (matched[2] or "").startswith(API)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        method, path = scope["method"], scope["path"].rstrip("/")
        if method == "OPTIONS" and self.is_open_to_pages(path):
            return PREFLIGHT
        if (method, path) in self._at_root:
            return await self._at_root[method, path](scope, receive)
        if matched := INSTANCE.fullmatch(path):
            return await self._of_instance(scope, receive, matched[1], matched[2] or "")
        if matched := GRAPH.fullmatch(path):
            return self._graph(method, *map(unquote, matched.groups()))
        if matched := GATEWAY.fullmatch(path):
            return await self._close_gateway(matched[1])
        if (matched := BLOB.fullmatch(path)) and method == "GET":
            return self._get_blob(matched[1])
        if any(path == known for _, known in self._at_root):
            return no_such_method(method)
        return nothing("There is nothing at this path.")

    async def _json(self, scope: Scope, receive: Receive) -> Json | Answer:
        body = await self.received(receive)
        if isinstance(body, Answer):
            return body
        if body and content_type(scope) != JSON:
            return Answer(UNSUPPORTED_MEDIA_TYPE, NO_JSON.encode(), PLAIN_TEXT)
        return json_of(body)

    # The server

    async def _status(self, scope: Scope, receive: Receive) -> Answer:
        return Answer(OK)

    async def _list(self, scope: Scope, receive: Receive) -> Answer:
        return answered(Outcome(OK, [hosted.status for hosted in self._server.instances]))

    async def _create(self, scope: Scope, receive: Receive) -> Answer:
        body = await self._json(scope, receive)
        if isinstance(body, Answer):
            return body
        try:
            return answered(Outcome(CREATED, {"Created": await self._created(body)}))
        except Refused as problem:
            return answered(Outcome(BAD_REQUEST, {"Error": {"message": str(problem)}}))

    async def _created(self, body: Json) -> Json:
        wanted = configuration_of(body)
        simulation, at_end = await asyncio.to_thread(created, self._profile, wanted)
        hosted = self._server.host(simulation, at_end)
        hosted.runner.needs_proof = wanted.needs_proof
        shown = {"instance_id": hosted.number, "topology": simulation.topology(), "http_gateway_info": None}
        if wanted.auto_progress is not None:
            await hosted.runner.start_progress(wanted.auto_progress.delay_milliseconds)
        if wanted.gateway is not None:
            try:
                number, port = await self._gateways.open(hosted.number, hosted.runner, wanted.gateway)
            except Refused:
                await self._server.delete(hosted.number)
                raise
            shown["http_gateway_info"] = {"instance_id": number, "port": port}
        return shown

    def _graph(self, method: Text, kind: Text, label: Text, name: Text) -> Answer:
        if kind == "read_graph" and method == "GET":
            outcome = self._server.outcome(label, name)
            return (
                nothing("There is no such operation, or it is not done yet.") if outcome is None else answered(outcome)
            )
        if kind == "prune_graph" and method == "DELETE":
            known = self._server.forget(label, name)
            return answered(Outcome(OK, None)) if known else nothing("There is no such operation.")
        return no_such_method(method)

    # Blobs

    async def _put_blob(self, scope: Scope, receive: Receive) -> Answer:
        body = await self.received(receive)
        if isinstance(body, Answer):
            return body
        encoding = (header(scope, b"content-encoding") or b"").decode("latin-1").strip().lower()
        if encoding not in ("", "gzip"):
            raise conversion_error("Only gzip compression is supported")
        return Answer(OK, self._server.blobs.put(body, encoding or None).encode(), PLAIN_TEXT)

    def _get_blob(self, name: Text) -> Answer:
        stored = self._server.blobs.get(name)
        if stored is None:
            return nothing("There is no such blob.")
        headers = () if stored.encoding is None else ((b"content-encoding", stored.encoding.encode()),)
        return Answer(OK, stored.content, b"application/octet-stream", headers)

    async def _verify(self, scope: Scope, receive: Receive) -> Answer:
        body = await self._json(scope, receive)
        return body if isinstance(body, Answer) else answered(verified(body))

    # Gateways

    async def _list_gateways(self, scope: Scope, receive: Receive) -> Answer:
        return answered(Outcome(OK, self._gateways.shown()))

    async def _open_gateway(self, scope: Scope, receive: Receive) -> Answer:
        body = await self._json(scope, receive)
        if isinstance(body, Answer):
            return body
        try:
            return answered(Outcome(CREATED, {"Created": await self._opened(body)}))
        except Refused as problem:
            return answered(Outcome(BAD_GATEWAY, {"Error": {"message": str(problem)}}))

    async def _opened(self, body: Json) -> Json:
        fields = fields_of(body)
        case, content = case_of(fields.get("forward_to"), "forward_to")
        if case != "PocketIcInstance":
            raise Refused("Gateways are opened for instances of this server alone.")
        hosted = self._server.find(str(number_of({case: content}, case)))
        number, port = await self._gateways.open(hosted.number, hosted.runner, gateway_of(fields))
        return {"instance_id": number, "port": port}

    async def _close_gateway(self, number: Text) -> Answer:
        if await self._gateways.close(number):
            return answered(Outcome(OK, None))
        return nothing("There is no such gateway.")

    # Instances

    async def _of_instance(self, scope: Scope, receive: Receive, number: Text, rest: Text) -> Answer:
        method = scope["method"]
        if rest == "" and method == "DELETE":
            return await self._delete(number)
        if rest.startswith(API):
            return await answer_api(self._server.find(number).runner, self, scope, receive, f"/{rest}")
        if rest in ("auto_progress", "stop_progress"):
            return await self._progress(scope, receive, number, rest)
        operations = {"GET": GET, "POST": POST}.get(method, {})
        if rest not in operations:
            is_known = rest in GET or rest in POST or rest == ""
            if is_known:
                return no_such_method(method)
            return nothing("An instance has nothing at this path.")
        body = await self._json(scope, receive) if method == "POST" else None
        if isinstance(body, Answer):
            return body
        name = rest.rsplit("/", 1)[1]
        return answered(await self._server.operate(number, name, operations[rest], body, _patience(scope)))

    async def _delete(self, number: Text) -> Answer:
        named = number_in(number)
        if named is not None:
            await self._gateways.close_of(named)
            await self._server.delete(named)
        return Answer(OK)

    async def _progress(self, scope: Scope, receive: Receive, number: Text, rest: Text) -> Answer:
        method, runner = scope["method"], self._server.find(number).runner
        if method == "GET" and rest == "auto_progress":
            return answered(Outcome(OK, runner.is_live))
        if method != "POST":
            return no_such_method(method)
        body = await self._json(scope, receive)
        if isinstance(body, Answer):
            return body
        if rest == "stop_progress":
            return answered(await outcome_of(runner.stop_progress(), rest))
        wish = auto_progress_of(body)
        return answered(await outcome_of(runner.start_progress(wish.delay_milliseconds), rest))


def _patience(scope: Scope) -> int | None:
    """How many milliseconds the client waits, if it says so."""
    given = header(scope, TIMEOUT_HEADER)
    if given is None:
        return None
    text = given.decode("latin-1").strip()
    if not text.isascii() or not text.isdigit() or len(text) > 20:
        raise Refused(f"Invalid {TIMEOUT_HEADER.decode()} header")
    return int(text)

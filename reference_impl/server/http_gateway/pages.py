"""
Pages of canisters: a request becomes a call of `http_request`, and what the canister answers is checked and passed on.

Source: http-gateway. Queries are evaluated where the canister is. What a canister answers to an update call was agreed
upon, so it needs no certificate; all else does, unless the host says that the page is raw.
"""

import asyncio
import secrets
from typing import Final

from attrs import evolve, field, frozen

from reference_impl.engine import Engine
from reference_impl.reads.queries import Query
from reference_impl.reads.state_reads import may_read
from reference_impl.server.asgi import HttpApplication, Receive, Scope, header
from reference_impl.server.engine_owner import EngineOwner
from reference_impl.server.http_gateway.answers import passed_on, told, told_of
from reference_impl.server.http_gateway.exchange import (
    NEWEST_VERSION,
    Callback,
    NoResponse,
    PageRequest,
    PageResponse,
    piece_of,
    response_of,
)
from reference_impl.server.http_gateway.ranges import Part, is_beginning, put_together, request_for_rest
from reference_impl.server.http_gateway.targets import LOCAL, NoCanister, PageTarget, page_target
from reference_impl.server.http_gateway.verification import NotCertified, Trust, certified
from reference_impl.server.https_interface.answers import BAD_GATEWAY, BAD_REQUEST, NOT_FOUND, Answer
from reference_impl.server.readable import Readable
from reference_impl.subnet.ingress_history import request_id_of
from reference_impl.subnet.observations import NotTaken
from spec.state.request import Rejected, Replied, Request
from spec.values.identifiers import ANONYMOUS, Blob, CanisterId, MethodName, Text
from spec.values.quantities import NANOSECONDS_PER_SECOND, ByteCount, Count, Nanoseconds
from spec.values.rejects import Reject, Reply

GATEWAY_TIMEOUT: Final = 504
QUERY, UPDATE = MethodName("http_request"), MethodName("http_request_update")
EXPIRY: Final[Nanoseconds] = 240 * NANOSECONDS_PER_SECOND
PATIENCE_SECONDS: Final = 30.0
"""So long an update call may take."""
MOST_PIECES: Final[Count] = 1000
LARGEST_BODY: Final[ByteCount] = 512 << 20
SUPPORTED_VERSIONS: Final = "supported_certificate_versions"
"""The section in which a module says how it certifies."""


class Failed(Exception):
    """There is no page, and this is answered in its place."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body.decode())
        self.answer = answer


@frozen
class Pages:
    """The pages of the canisters of an engine."""

    engine: EngineOwner
    domains: tuple[Text, ...] = LOCAL
    patience_seconds: float = field(default=PATIENCE_SECONDS, kw_only=True)

    async def answer(self, application: HttpApplication, scope: Scope, receive: Receive) -> Answer:
        """The answer to any request that is not one of the HTTPS interface."""
        try:
            target = self._target(scope)
        except NoCanister as problem:
            return told(BAD_REQUEST, str(problem))
        if target is None:
            return told(
                NOT_FOUND,
                "There is nothing at this path, and no canister is named whose page it could be: "
                "ask http://<canister id>.localhost:<port>/, or add ?canisterId=<canister id>.",
            )
        body = await application.received(receive)
        if isinstance(body, Answer):
            return body
        try:
            return passed_on(await self.page(request_in(scope, body), target))
        except Failed as problem:
            return problem.answer
        except NoResponse as problem:
            return told(BAD_GATEWAY, f"The canister answered with no page: {problem}.")
        except NotCertified as problem:
            return told(BAD_GATEWAY, f"The answer of the canister is not passed on: {problem}.")

    def _target(self, scope: Scope) -> PageTarget | None:
        host, referer = (_text(header(scope, name)) for name in (b"host", b"referer"))
        return page_target(host, scope["query_string"].decode("latin-1"), referer, self.domains)

    async def page(self, request: PageRequest, target: PageTarget) -> PageResponse:
        """What the canister answers, whole. Raises `Failed`, `NoResponse` and `NotCertified`."""
        first = await self._answered(request, target)
        if not is_beginning(request, first):
            return first
        here = Part.of(first)
        if here.start:
            raise NoResponse("the first part of its page is not the beginning")
        bodies = [first.body]
        while here.end < here.total:
            if len(bodies) > MOST_PIECES or here.total > LARGEST_BODY:
                raise NoResponse("its body does not end")
            more = await self._answered(request_for_rest(request, here.end), target)
            there = Part.of(more)
            if (there.start, there.total) != (here.end, here.total):
                raise NoResponse("the parts of its page do not follow each other")
            bodies.append(more.body)
            here = there
        return put_together(first, bodies)

    async def _answered(self, request: PageRequest, target: PageTarget) -> PageResponse:
        """One answer, whose certificate is checked unless it needs none."""
        first = response_of(await self._queried(target.canister_id, QUERY, request.argument()))
        if first.is_upgraded:
            first = response_of(await self._updated(target.canister_id, request.update_argument()))
            return await self._whole(first, target.canister_id)
        whole = await self._whole(first, target.canister_id)
        if target.is_raw:
            return whole
        trust = await self.engine.read(lambda state: trust_for(state, target.canister_id))
        return await asyncio.to_thread(certified, request, whole, trust)

    async def _whole(self, response: PageResponse, canister_id: CanisterId) -> PageResponse:
        """The response with all pieces of its body."""
        pieces, size, callback = [response.body], len(response.body), response.callback
        while callback is not None:
            if callback.canister_id != canister_id:
                raise NoResponse("its callback is a method of another canister")
            if len(pieces) > MOST_PIECES or size > LARGEST_BODY:
                raise NoResponse("its body does not end")
            piece, callback = await self._piece(callback)
            pieces.append(piece)
            size += len(piece)
        return evolve(response, body=b"".join(pieces), callback=None)

    async def _piece(self, callback: Callback) -> tuple[Blob, Callback | None]:
        reply = await self._queried(callback.canister_id, callback.method_name, callback.token.argument())
        piece, token = piece_of(reply)
        return piece, None if token is None else evolve(callback, token=token)

    # Calls

    async def _queried(self, canister_id: CanisterId, method_name: MethodName, argument: Blob) -> Blob:
        def asked(state: Readable) -> Reply | Reject | NotTaken:
            query = Query(b"", state.now + EXPIRY, ANONYMOUS, canister_id, method_name, argument)
            return state.query(query, canister_id)

        response = await self.engine.read(asked)
        if isinstance(response, Reply):
            return response.data
        raise Failed(_refusal(response))

    async def _updated(self, canister_id: CanisterId, argument: Blob) -> Blob:
        now = await self.engine.read(lambda state: state.now)
        nonce = secrets.token_bytes(16)
        request = Request(nonce, now + EXPIRY, ANONYMOUS, canister_id, UPDATE, argument)
        request_id = request_id_of(request)

        def take(engine: Engine) -> Answer | None:
            outcome = engine.submit(request, canister_id)
            return _refusal(outcome) if isinstance(outcome, NotTaken) else None

        refusal = await self.engine.end_of(request_id, take, self.patience_seconds)
        if refusal is not None:
            raise Failed(refusal)
        known = await self.engine.read(lambda state: state.instance.ingress.get(request_id))
        match None if known is None else known.status:
            case Replied(data=data):
                return data
            case Rejected(reject=reject):
                raise Failed(told_of(reject))
        raise Failed(told(GATEWAY_TIMEOUT, "The canister has not answered in time."))


def trust_for(state: Readable, canister_id: CanisterId) -> Trust:
    """What certificates of a canister are checked against now."""
    instance = state.instance
    path = (b"canister", canister_id, b"metadata", SUPPORTED_VERSIONS.encode())
    canister = instance.canisters.get(canister_id)
    code = None if canister is None else canister.code
    supported = b""
    if code is not None and SUPPORTED_VERSIONS in code.installed.module.public_custom_sections:
        supported = code.installed.module.public_custom_sections[SUPPORTED_VERSIONS]
    is_new = b"%d" % NEWEST_VERSION in (one.strip() for one in supported.split(b","))
    may_be_legacy = not is_new and may_read(instance, ANONYMOUS, canister_id, path)
    return Trust(canister_id, instance.root_key, state.now, may_be_legacy)


def request_in(scope: Scope, body: Blob) -> PageRequest:
    """The request for a page in one over HTTP."""
    query = scope["query_string"].decode("latin-1")
    path = scope.get("raw_path", scope["path"].encode()).decode("latin-1").partition("?")[0]
    url = f"{path}?{query}" if query else path
    headers = tuple((_text(name), _text(value)) for name, value in scope["headers"])
    return PageRequest(scope["method"].upper(), url, headers, body)


def _text(content: Blob | None) -> Text:
    return (content or b"").decode("latin-1")


def _refusal(refused: Reject | NotTaken) -> Answer:
    if isinstance(refused, Reject):
        return told_of(refused)
    if refused.reject is not None:
        return told_of(refused.reject)
    return told(BAD_REQUEST, f"The request was not taken: {refused.because}.")

"""The HTTPS interface and the pages of canisters as an ASGI application."""

from typing import Final

from reference_impl.durability.faults import StateDirectoryFault
from reference_impl.server.asgi import (
    API,
    PREFLIGHT,
    RECEIVE_SECONDS,
    HttpApplication,
    Receive,
    Scope,
    content_type,
    is_preflight,
)
from reference_impl.server.http_gateway.pages import Pages
from reference_impl.server.https_interface.answers import (
    BAD_REQUEST,
    CBOR,
    METHOD_NOT_ALLOWED,
    UNAVAILABLE,
    Answer,
    error,
)
from reference_impl.server.https_interface.endpoints import Endpoints
from reference_impl.server.https_interface.engine_thread import EngineThread
from reference_impl.server.metrics import PATH as METRICS
from reference_impl.server.metrics import Holding, Metrics
from spec.values.identifiers import Text
from spec.values.quantities import ByteCount

BODY_LIMIT: Final[ByteCount] = 4 << 20
"""Bytes of a body. A call of production's largest size, two megabytes, fits with its envelope."""


class Application(HttpApplication):
    """Serves one engine."""

    def __init__(
        self,
        engine: EngineThread,
        endpoints: Endpoints,
        *,
        body_limit: ByteCount = BODY_LIMIT,
        receive_seconds: float = RECEIVE_SECONDS,
    ) -> None:
        super().__init__(body_limit=body_limit, receive_seconds=receive_seconds)
        self._engine = engine
        self._endpoints = endpoints
        self._pages = Pages(engine)
        self._metrics = Metrics()
        engine.at_round = self._metrics.round_took

    async def start(self) -> None:
        """Rounds run by themselves."""
        self._engine.start()

    async def stop(self) -> None:
        """No more rounds."""
        await self._engine.stop()

    def answered(self, path: Text, outcome: Text, seconds: float) -> None:
        """The request is counted."""
        self._metrics.answered(path, outcome, seconds)

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """The answer of the interface; none is given that rests on what cannot be kept."""
        try:
            return await self._answer(scope, receive)
        except StateDirectoryFault:
            return error(UNAVAILABLE, "The state cannot be kept any more, so nothing is answered.")

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        method, path = scope["method"], scope["path"]
        if is_preflight(scope):
            return PREFLIGHT
        if path == METRICS:
            return await self._figures(method)
        if not path.startswith(API):
            return await self._pages.answer(self, scope, receive)
        if method in ("GET", "HEAD"):
            return await self._endpoints.get(path)
        if method != "POST":
            return error(METHOD_NOT_ALLOWED, "Requests are GET or POST.")
        refusal = self._endpoints.refusal(path) or type_refusal(scope)
        body = await self.received(receive)
        if isinstance(body, Answer):
            return body
        return await self._endpoints.post(path, body) if refusal is None else refusal

    async def _figures(self, method: Text) -> Answer:
        if method not in ("GET", "HEAD"):
            return error(METHOD_NOT_ALLOWED, "This path takes GET requests.")
        return self._metrics.shown(await self._engine.read(Holding.of))


def type_refusal(scope: Scope) -> Answer | None:
    """Why a body of this type is not taken, if it is not."""
    if content_type(scope) == CBOR:
        return None
    return error(BAD_REQUEST, "Unexpected content-type, expected application/cbor.")

"""The endpoints: which path takes which requests, and what becomes of them. Source: https-interface."""

import re
from functools import partial
from typing import Final

from attrs import frozen

from reference_impl.authentication.requests import Kind
from reference_impl.server.engine_owner import EngineOwner
from reference_impl.server.https_interface import handling
from reference_impl.server.https_interface.answers import (
    BAD_REQUEST,
    IN_PROGRESS,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    Answer,
    certified_call,
    error,
)
from reference_impl.server.https_interface.envelopes import Malformed, state_read_of, submission_of
from spec.state.request import Endpoint
from spec.values.checklist import defines
from spec.values.identifiers import Blob, Principal, Text, principal_from_text

STATUS: Final = "/api/v2/status"
ROUTE: Final = re.compile(r"/api/(v[0-9]+)/(canister|subnet)/([^/]*)/(call|query|read_state)")

CALL, QUERY, READ_STATE = "call", "query", "read_state"
VERSIONS: Final = {
    (Endpoint.CANISTER, CALL): ("v2", "v3", "v4"),
    (Endpoint.CANISTER, QUERY): ("v2", "v3"),
    (Endpoint.CANISTER, READ_STATE): ("v2", "v3"),
    (Endpoint.SUBNET, CALL): ("v4",),
    (Endpoint.SUBNET, QUERY): ("v3",),
    (Endpoint.SUBNET, READ_STATE): ("v2", "v3"),
}
"""Which versions of the interface have which requests."""

ASYNCHRONOUS: Final = "v2"
"""The version whose calls are answered as soon as they are taken in."""
PATIENCE_SECONDS: Final = 10.0
"""So long the other versions wait for a call to end. Source: production."""


@frozen
class Target:
    """What a path names."""

    version: Text
    endpoint: Endpoint
    effective_id: Principal
    kind: Text


@defines("http.principal.text")
def target_of(path: Text) -> Target | Answer:
    """What the path names, or why it is none of the interface's. Principals may be in upper case."""
    matched = ROUTE.fullmatch(path)
    if matched is None:
        return error(NOT_FOUND, "There is nothing at this path.")
    version, kind = matched[1], matched[4]
    endpoint = Endpoint(matched[2])
    if version not in VERSIONS[endpoint, kind]:
        return error(NOT_FOUND, "This version of the interface has no such path.")
    try:
        return Target(version, endpoint, principal_from_text(matched[3].lower()), kind)
    except ValueError:
        return error(BAD_REQUEST, f"Invalid effective id: {matched[3]!r} is not a principal")


class Endpoints:
    """Answers requests with the help of an engine."""

    def __init__(
        self, engine: EngineOwner, patience_seconds: float = PATIENCE_SECONDS, *, needs_proof: bool = True
    ) -> None:
        """Without need of proof everybody is whom a request names: for tests."""
        self._engine = engine
        self._patience_seconds = patience_seconds
        self._needs_proof = needs_proof

    async def get(self, path: Text) -> Answer:
        """The answer to a request without a body."""
        if path == STATUS:
            return await self._engine.read(handling.status)
        found = target_of(path)
        return found if isinstance(found, Answer) else error(METHOD_NOT_ALLOWED, "This path takes POST requests.")

    def refusal(self, path: Text) -> Answer | None:
        """Why no request with a body is taken at this path, if none is."""
        if path == STATUS:
            return error(METHOD_NOT_ALLOWED, "This path takes GET requests.")
        found = target_of(path)
        return found if isinstance(found, Answer) else None

    async def post(self, path: Text, body: Blob) -> Answer:
        """The answer to a request with a body, at a path that takes such."""
        target = target_of(path)
        assert isinstance(target, Target), "paths without such requests are refused before"
        try:
            match target.kind:
                case "call":
                    return await self._call(target, body)
                case "query":
                    submission = submission_of(body, Kind.QUERY, needs_proof=self._needs_proof)
                    where = (target.effective_id, target.endpoint)
                    return await self._engine.read(lambda state: handling.answer_query(state, submission, *where))
                case _:
                    read = state_read_of(body, needs_proof=self._needs_proof)
                    place = handling.Place(target.effective_id, target.endpoint, target.version == "v2")
                    return await self._engine.read(lambda state: handling.answer_state_read(state, read, place))
        except Malformed as problem:
            return error(BAD_REQUEST, f"Malformed request: {problem}")

    async def _call(self, target: Target, body: Blob) -> Answer:
        is_synchronous = target.version != ASYNCHRONOUS
        submission = submission_of(body, Kind.CALL, needs_proof=self._needs_proof)
        call = handling.Call(submission, target.effective_id, target.endpoint, is_synchronous)
        take = partial(handling.take_call, call=call)
        if not is_synchronous:
            refusal = await self._engine.ask(take)
            self._engine.wake()
            return IN_PROGRESS if refusal is None else refusal
        request_id = call.request_id
        refusal = await self._engine.end_of(request_id, take, self._patience_seconds)
        if refusal is not None:
            return refusal
        certificate = await self._engine.read(lambda state: handling.certificate_of_call(state, request_id))
        return IN_PROGRESS if certificate is None else certified_call(certificate)

"""The HTTPS interface of an instance, below its path or on a port of its own."""

from typing import Final

from reference_impl.server.asgi import HttpApplication, Receive, Scope
from reference_impl.server.https_interface.answers import METHOD_NOT_ALLOWED, Answer, error
from reference_impl.server.https_interface.application import type_refusal
from reference_impl.server.https_interface.endpoints import Endpoints
from reference_impl.server.pocket_ic.fields import Refused
from reference_impl.server.pocket_ic.runner import Runner
from spec.values.identifiers import Text
from spec.values.quantities import ByteCount

API_LIMIT: Final[ByteCount] = 4 << 20
"""Bytes of a body."""


async def answer_api(
    runner: Runner, application: HttpApplication, scope: Scope, receive: Receive, path: Text
) -> Answer:
    """The answer to a request of the interface, with its path there."""
    endpoints = Endpoints(runner, needs_proof=runner.needs_proof)
    try:
        if scope["method"] in ("GET", "HEAD"):
            return await endpoints.get(path)
        if scope["method"] != "POST":
            return error(METHOD_NOT_ALLOWED, "Requests are GET or POST.")
        refusal = endpoints.refusal(path) or type_refusal(scope)
        body = await application.received(receive)
        if isinstance(body, Answer):
            return body
        if len(body) > API_LIMIT:
            return error(413, f"The body is larger than {API_LIMIT} bytes.")
        return await endpoints.post(path, body) if refusal is None else refusal
    except Refused as problem:
        return error(problem.status, str(problem))

"""An application is asked without a socket."""

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

NEVER: Any = object()
"""In place of a piece of a body: nothing comes any more."""


async def asked(
    application: Any, method: str, path: str, pieces: Sequence[Any], headers: Sequence[tuple[bytes, bytes]]
) -> tuple[int, dict[bytes, bytes], bytes] | None:
    """
    The status, headers and body of the answer to one request; None if there is none.

    None in the place of a piece of the body says that the client went away.
    """
    coming = list(pieces)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        piece = coming.pop(0) if coming else NEVER
        if piece is NEVER:
            await asyncio.Event().wait()
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(coming)}

    async def send(message: Any) -> None:
        sent.append(message)

    where, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": unquote(where),
        "raw_path": where.encode(),
        "query_string": query.encode(),
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
    }
    await application(scope, receive, send)
    if not sent:
        return None
    start, *rest = sent
    return start["status"], dict(start["headers"]), b"".join(one["body"] for one in rest)

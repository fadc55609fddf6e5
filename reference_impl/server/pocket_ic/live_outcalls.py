"""
HTTPS outcalls that are made for real, for an instance in live mode, if the server is told to.

One request is made in the place of all nodes. As in production no redirection is followed, and nothing is remembered
from one request to the next. Requests are made by `http.client` and `ssl` of Python's own library; servers prove who
they are by the certificates that this machine trusts.
"""

import http.client
import ssl
import time
from typing import Final
from urllib.parse import urlsplit

from reference_impl.server.pocket_ic.outside import LONGEST_REJECT, Rejected, Told
from spec.values.containers import List
from spec.values.identifiers import Text
from spec.values.management import HttpHeader, HttpRequestArguments, HttpResponse
from spec.values.quantities import ByteCount
from spec.values.rejects import RejectCode

PATIENCE_SECONDS: Final = 30.0
"""So long a server may take for all of its answer. Source: production, the request timeout of its adapter."""
LARGEST_RESPONSE: Final[ByteCount] = 2_000_000
"""Bytes of a response unless the canister says otherwise. Source: index, `http_request`."""
PIECE: Final[ByteCount] = 1 << 16


class _TooLarge(Exception):
    """The response is larger than the canister allows."""


def answer_from_outside(asked: HttpRequestArguments, patience_seconds: float = PATIENCE_SECONDS) -> Told:
    """What the server says, or how the outcall fails. It takes as long as the server likes, within the patience."""
    try:
        return _response(asked, time.monotonic() + patience_seconds)
    except _TooLarge:
        return Rejected(RejectCode.SYS_FATAL, f"Http body exceeds size limit of {_most(asked)} bytes.")
    except TimeoutError:
        return Rejected(RejectCode.SYS_TRANSIENT, f"The server did not answer within {patience_seconds:g} seconds.")
    except (OSError, http.client.HTTPException, ValueError) as problem:
        because = f"The request failed: {problem}".encode()[:LONGEST_REJECT].decode(errors="ignore")
        return Rejected(RejectCode.SYS_TRANSIENT, because)


def _most(asked: HttpRequestArguments) -> ByteCount:
    return LARGEST_RESPONSE if asked.max_response_bytes is None else asked.max_response_bytes


def _response(asked: HttpRequestArguments, until: float) -> HttpResponse:
    connection, target = _connection(asked.url, until)
    try:
        connection.putrequest(asked.method.name, target, skip_host=_has(asked, "host"), skip_accept_encoding=True)
        for one in asked.headers:
            connection.putheader(one.name, one.value)
        if asked.body is not None and not _has(asked, "content-length"):
            connection.putheader("content-length", str(len(asked.body)))
        connection.endheaders(asked.body)
        response = connection.getresponse()
        headers = List(tuple(HttpHeader(name, value) for name, value in response.getheaders()))
        size = sum(len(one.name) + len(one.value) for one in headers)
        return HttpResponse(response.status, headers, _body(response, _most(asked) - size, until))
    finally:
        connection.close()


def _has(asked: HttpRequestArguments, name: Text) -> bool:
    return any(one.name.lower() == name for one in asked.headers)


def _connection(url: Text, until: float) -> tuple[http.client.HTTPSConnection, Text]:
    """A connection to the server that a URL names, and what is asked of it. Raises `ValueError`."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError(f"{url!r} is no URL of HTTPS")
    seconds = max(until - time.monotonic(), 0.001)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    context = ssl.create_default_context()
    return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=seconds, context=context), target


def _body(response: http.client.HTTPResponse, most: ByteCount, until: float) -> bytes:
    """The body, which is not read beyond what the canister allows."""
    body = bytearray()
    while piece := response.read1(PIECE):
        body += piece
        if len(body) > most:
            raise _TooLarge
        if time.monotonic() > until:
            raise TimeoutError
    if most < 0:
        raise _TooLarge
    return bytes(body)

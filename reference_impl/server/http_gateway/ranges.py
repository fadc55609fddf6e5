"""
Pages in parts: a canister answers 206 with the beginning of a page that is too large for one answer.

A browser that asks for a range gets that answer as it is. One that asks for the page gets the page: the canister is
asked for the rest, range by range. Source: `packages/ic-http-gateway/src` in dfinity/http-gateway, handler.rs and
response_handler.rs.
"""

import re
from typing import Final, Self

from attrs import evolve, frozen

from reference_impl.server.http_gateway.exchange import NoResponse, PageRequest, PageResponse
from spec.values.quantities import ByteCount

PARTIAL: Final = 206
WHOLE: Final = 200
CONTENT_RANGE: Final = "content-range"
RANGE: Final = re.compile(r"bytes\s+([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")


@frozen
class Part:
    """Which bytes of a page an answer has."""

    start: ByteCount
    end: ByteCount
    """The first byte behind it."""
    total: ByteCount
    """Bytes of the page."""

    @classmethod
    def of(cls, response: PageResponse) -> Self:
        """As the answer says. Raises `NoResponse` if it says something that cannot be."""
        if response.status != PARTIAL:
            raise NoResponse(f"a part of its page has the status {response.status}")
        told = [value for name, value in response.headers if name.lower() == CONTENT_RANGE]
        matched = RANGE.fullmatch(told[0].strip()) if len(told) == 1 else None
        if matched is None:
            raise NoResponse("a part of its page does not say which part it is")
        start, last, total = map(int, matched.groups())
        if not start <= last < total or last + 1 - start != len(response.body):
            raise NoResponse("a part of its page is not the part that it says it is")
        return cls(start, last + 1, total)


def is_beginning(request: PageRequest, response: PageResponse) -> bool:
    """The answer is a part of a page of which no part was asked for."""
    asks = any(name.lower() in ("range", "if-range") for name, _ in request.headers)
    return response.status == PARTIAL and not asks


def request_for_rest(request: PageRequest, start: ByteCount) -> PageRequest:
    """Asks for the page from a byte on."""
    return evolve(request, headers=(*request.headers, ("range", f"bytes={start}-")))


def put_together(beginning: PageResponse, bodies: list[bytes]) -> PageResponse:
    """The whole page."""
    headers = tuple(one for one in beginning.headers if one[0].lower() != CONTENT_RANGE)
    return evolve(beginning, status=WHOLE, headers=headers, body=b"".join(bodies))

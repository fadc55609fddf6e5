"""What the gateway answers: the page of a canister, or one line that says why there is none."""

import re
from collections.abc import Mapping
from typing import Final

from reference_impl.server.http_gateway.exchange import PageResponse
from reference_impl.server.https_interface.answers import BAD_GATEWAY, NOT_FOUND, UNAVAILABLE, Answer, error
from spec.values.identifiers import Text
from spec.values.rejects import Reject, RejectReason

STATUSES: Final[Mapping[RejectReason, int]] = {
    RejectReason.CANISTER_NOT_FOUND: NOT_FOUND,
    RejectReason.CANISTER_HAS_NO_CODE: NOT_FOUND,
    RejectReason.METHOD_NOT_FOUND: NOT_FOUND,
    RejectReason.CANISTER_STOPPED: UNAVAILABLE,
    RejectReason.CANISTER_STOPPING: UNAVAILABLE,
    RejectReason.CANISTER_FROZEN: UNAVAILABLE,
    RejectReason.CANISTER_OUT_OF_CYCLES: UNAVAILABLE,
}
"""What is answered if the canister does not reply for a reason; for all others, that the canister failed."""
OF_CONNECTION: Final = frozenset(
    ("connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)
"""Headers that are about the connection, which is not the canister's."""
NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def told(status: int, text: Text) -> Answer:
    """An error, in one line."""
    return error(status, " ".join(text.split()))


def told_of(reject: Reject) -> Answer:
    """The canister did not reply."""
    status = STATUSES.get(reject.reason, BAD_GATEWAY)
    return told(status, f"The canister did not answer: {reject.message}")


def passed_on(response: PageResponse) -> Answer:
    """The page of a canister, or why it cannot be one of HTTP."""
    if not 200 <= response.status <= 599:
        return told(BAD_GATEWAY, f"The canister answered with the status {response.status}, which no page has.")
    headers = []
    for name, value in response.headers:
        if NAME.fullmatch(name) is None or VALUE.fullmatch(value) is None:
            return told(BAD_GATEWAY, f"The canister answered with the header {name[:40]!r}, which no page can have.")
        if name.lower() not in OF_CONNECTION:
            headers.append((name.lower().encode(), value.encode("latin-1")))
    return Answer(response.status, response.body, b"", tuple(headers))

"""What goes over the HTTPS interface, and what comes back: the contents of envelopes, rejects, certified values."""

from collections.abc import Mapping
from typing import Any, Final

from conformance.adapters.reasons import reason_of
from conformance.adapters.rest import Answered
from conformance.protocol.interface import (
    BrokeProtocol,
    InternalError,
    Path,
    Query,
    Refused,
    SeenReject,
)
from spec.certification.certificate import Certificate, lookup
from spec.certification.hash_tree import Found
from spec.state.request import Request
from spec.values.identifiers import Blob, Text

CBOR: Final = "application/cbor"
OK, ACCEPTED = 200, 202
REJECT_CODES: Final = range(1, 7)


def content_of(kind: Text, asked: Request | Query) -> dict[Text, Any]:
    """The content of an envelope."""
    content: dict[Text, Any] = {
        "request_type": kind,
        "ingress_expiry": asked.ingress_expiry,
        "sender": asked.sender,
        "canister_id": asked.canister_id,
        "method_name": asked.method_name,
        "arg": asked.argument,
    }
    if asked.nonce:
        content["nonce"] = asked.nonce
    if isinstance(asked, Request) and asked.sender_info is not None:
        told = asked.sender_info
        content["sender_info"] = {"info": told.info, "signer": told.signer, "sig": told.signature}
    return content


def reject_in(fields: Mapping[Text, Any]) -> SeenReject:
    """A reject in CBOR."""
    match fields:
        case {"reject_code": int(code), "reject_message": str(message)} if code in REJECT_CODES:
            error = fields.get("error_code")
            return SeenReject(code, reason_of(error if isinstance(error, str) else None, message), message)
    raise BrokeProtocol("a reject has no code or no message")


def refused(what: Text, answered: Answered) -> Refused:
    """What an error of HTTP says: the request is at fault, or else the server is."""
    if 400 <= answered.status < 500:
        return Refused()
    raise InternalError(f"{what}: status {answered.status}: {answered.text}")


def value_at(certificate: Certificate, path: Path) -> Blob | None:
    """What a certificate shows at a path."""
    found = lookup(path, certificate)
    return found.value if isinstance(found, Found) else None

"""What is answered to requests over HTTP: a status, a type and a body. Source: https-interface."""

from collections.abc import Mapping
from typing import Final

import cbor2
from attrs import frozen

from reference_impl.certification.node_keys import Node
from reference_impl.certification.signing import SELF_DESCRIBED
from reference_impl.server.errors import message_of, number_of
from spec.values.checklist import defines
from spec.values.identifiers import Blob, RequestId, Text
from spec.values.quantities import Nanoseconds
from spec.values.rejects import Reject, Reply, Response
from spec.values.request_id import HashedValue

CBOR: Final = b"application/cbor"
PLAIN_TEXT: Final = b"text/plain; charset=utf-8"

OK: Final = 200
ACCEPTED: Final = 202
NO_CONTENT: Final = 204
BAD_REQUEST: Final = 400
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
METHOD_NOT_ALLOWED: Final = 405
REQUEST_TIMEOUT: Final = 408
CONTENT_TOO_LARGE: Final = 413
SERVER_ERROR: Final = 500
BAD_GATEWAY: Final = 502
UNAVAILABLE: Final = 503


@frozen
class Answer:
    """What goes back to a client."""

    status: int
    body: Blob = b""
    content_type: Blob = PLAIN_TEXT
    headers: tuple[tuple[Blob, Blob], ...] = ()


IN_PROGRESS: Final = Answer(ACCEPTED)
"""The call was taken in and has not ended: reading the state tells more."""


def error(status: int, text: Text) -> Answer:
    """The request is at fault, or the server is; the text says why."""
    return Answer(status, text.encode())


@defines("http.cbor.form")
def cbor(fields: Mapping[Text, object]) -> Answer:
    """Success, with a map that says of itself that it is CBOR."""
    return Answer(OK, cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, fields)), CBOR)


def certified_call(certificate: Blob) -> Answer:
    """The call has ended, and the certificate says how."""
    return cbor({"status": "replied", "certificate": certificate})


def refused_call(reject: Reject, *, with_status: bool) -> Answer:
    """The call was not taken in, and here is why. Answers of the asynchronous endpoint have no field `status`."""
    fields = _rejected(reject)
    return cbor({"status": "non_replicated_rejection", **fields} if with_status else fields)


def _rejected(reject: Reject) -> dict[Text, HashedValue]:
    return {
        "reject_code": int(reject.code),
        "reject_message": message_of(reject),
        "error_code": number_of(reject),
    }


def answered_query(response: Response, request_id: RequestId, now: Nanoseconds, node: Node) -> Answer:
    """The response to a query, signed by a node."""
    fields: dict[str, HashedValue]
    match response:
        case Reply(data=data):
            fields = {"status": "replied", "reply": {"arg": data}}
        case Reject() as reject:
            fields = {"status": "rejected", **_rejected(reject)}
    signature = node.signature_of({**fields, "timestamp": now, "request_id": request_id})
    signed = {"timestamp": now, "signature": signature, "identity": node.node_id}
    return cbor({**fields, "signatures": [signed]})

"""The content of a request as it is signed and hashed, and its id."""

from collections.abc import Mapping
from functools import lru_cache

from spec.certification.envelope import RequestKind
from spec.state.request import Request
from spec.transition import opaque
from spec.values.checklist import defines
from spec.values.identifiers import RequestId
from spec.values.request_id import HashedValue, hash_of_map


@opaque
@defines("http.request-id")
@lru_cache(maxsize=256)
def request_id_of(request: Request) -> RequestId:
    """The representation-independent hash of a call. Source: https-interface, request id."""
    return RequestId(hash_of_map(request_content(request, RequestKind.CALL)))


@opaque
def request_content(request: Request, kind: RequestKind) -> Mapping[str, HashedValue]:
    """The fields of a call or query, without those that are absent. Source: https-interface, CDDL."""
    content: dict[str, HashedValue] = {
        "request_type": kind.value,
        "canister_id": request.canister_id,
        "method_name": request.method_name,
        "arg": request.argument,
        "sender": request.sender,
        "ingress_expiry": request.ingress_expiry,
    }
    if request.nonce:
        content["nonce"] = request.nonce
    if request.sender_info is not None:
        content["sender_info"] = {
            "info": request.sender_info.info,
            "signer": request.sender_info.signer,
            "sig": request.sender_info.signature,
        }
    return content

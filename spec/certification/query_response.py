"""
When the response to a query is correctly signed: by nodes whose keys the subnet certifies.

Source: https-interface, query call (`verify_node_signatures`, `verify_response`, `verify_subnet_response`). How recent
timestamps must be is left to the client.
"""

from collections.abc import Callable, Mapping
from typing import Final

from attrs import frozen

from spec.certification.certificate import Certificate, VerifySignature, lookup, verify_certificate
from spec.certification.hash_tree import Found
from spec.certification.scope import delegated_ranges, ranges_of
from spec.values.checklist import defines
from spec.values.identifiers import Blob, CanisterId, Principal, SubnetId, self_authenticating_id
from spec.values.quantities import Nanoseconds
from spec.values.request_id import HashedValue, hash_of_map

DOMAIN_SEPARATOR: Final = b"\x0bic-response"
"""What precedes that which is signed. Checklist: `http.domain-separators`."""

VerifyOfNode = Callable[[Blob, Blob, Blob], bool]
"""Whether a DER-encoded Ed25519 key made a signature on a message: `(key, signature, message)`."""


@frozen
@defines("http.query.node-signature")
class NodeSignature:
    """One of the signatures of a response. Source: https-interface, query call (`node-signature`)."""

    timestamp: Nanoseconds
    signature: Blob
    identity: Principal


@defines("http.query.node-signature", "http.domain-separators")
def response_message(
    content: Mapping[str, HashedValue], response: Mapping[str, HashedValue], timestamp: Nanoseconds
) -> Blob:
    """What a node signs: the response without its signatures, the time, and the request id of the query's content."""
    named: dict[str, HashedValue] = {**response, "timestamp": timestamp, "request_id": hash_of_map(content)}
    return DOMAIN_SEPARATOR + hash_of_map(named)


@frozen
class Verifiers:
    """What a client believes in, and what checks signatures."""

    root_key: Blob
    of_subnet: VerifySignature
    of_node: VerifyOfNode


@frozen
class SignedResponse:
    """A query's content, the response to it without its signatures, and these."""

    content: Mapping[str, HashedValue]
    response: Mapping[str, HashedValue]
    signatures: tuple[NodeSignature, ...]


@defines("http.query.node-signature")
def are_of_nodes(signed: SignedResponse, certificate: Certificate, subnet_id: SubnetId, verify: VerifyOfNode) -> bool:
    """Every signature is by a node of the subnet."""
    for one in signed.signatures:
        key = lookup((b"subnet", subnet_id, b"node", one.identity, b"public_key"), certificate)
        message = response_message(signed.content, signed.response, one.timestamp)
        if not isinstance(key, Found) or not verify(key.value, one.signature, message):
            return False
    return True


@defines("http.query.verify-response", "seed1.query-trust")
def verify_response(
    signed: SignedResponse, certificate: Certificate, effective_id: CanisterId, verifiers: Verifiers
) -> bool:
    """The response is that of the subnet which has the canister, as a certificate of `/subnet` shows."""
    delegation = certificate.delegation
    if delegation is not None:
        subnet_id, ranges = delegation.subnet_id, delegated_ranges(delegation)
    else:
        subnet_id = self_authenticating_id(verifiers.root_key)
        found = lookup((b"subnet", subnet_id, b"canister_ranges"), certificate)
        ranges = ranges_of(found.value) if isinstance(found, Found) else ()
    return (
        verify_certificate(certificate, verifiers.root_key, verifiers.of_subnet)
        and any(first <= effective_id <= last for first, last in ranges)
        and are_of_nodes(signed, certificate, subnet_id, verifiers.of_node)
    )


@defines("http.query.verify-subnet-response")
def verify_subnet_response(
    signed: SignedResponse, certificate: Certificate, effective_id: SubnetId, verifiers: Verifiers
) -> bool:
    """The response is that of the subnet which was asked. Ranges do not matter."""
    delegation = certificate.delegation
    own = self_authenticating_id(verifiers.root_key) if delegation is None else delegation.subnet_id
    return (
        verify_certificate(certificate, verifiers.root_key, verifiers.of_subnet)
        and effective_id == own
        and are_of_nodes(signed, certificate, own, verifiers.of_node)
    )

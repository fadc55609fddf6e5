"""
For what a certificate may be used: a delegated key certifies for the canisters of its subnet only.

Source: certification, delegation (scope); https-interface, read state and synchronous calls; canister-interface,
certified data.
"""

from typing import Any

from spec.certification.cbor import decode_item
from spec.certification.certificate import SELF_DESCRIBING_TAG, Certificate, Delegation, lookup
from spec.certification.hash_tree import Found, lookup_values
from spec.values.checklist import defines
from spec.values.identifiers import Blob, CanisterId, RequestId, SubnetId

Range = tuple[CanisterId, CanisterId]
"""The first and the last id of a closed interval of canister ids."""


@defines("cert.delegation.scope")
def delegated_ranges(delegation: Delegation) -> tuple[Range, ...]:
    """The canister ids for which the key of a delegation may certify, all shards together."""
    shards = lookup_values((b"canister_ranges", delegation.subnet_id), delegation.certificate.tree)
    return tuple(each for shard in shards for each in ranges_of(shard))


@defines("cert.delegation.scope", "cert.use.read-state")
def is_in_scope(certificate: Certificate, canister_id: CanisterId) -> bool:
    """The certificate may be used for what it says of a canister, or for a request at its effective canister id."""
    if certificate.delegation is None:
        return True
    return any(first <= canister_id <= last for first, last in delegated_ranges(certificate.delegation))


@defines("cert.use.read-state")
def is_of_subnet(certificate: Certificate, subnet_id: SubnetId) -> bool:
    """The certificate may be used for a request at this effective subnet id."""
    return certificate.delegation is None or certificate.delegation.subnet_id == subnet_id


@defines("cert.use.call-response")
def answers_call(certificate: Certificate, request_id: RequestId, canister_id: CanisterId) -> bool:
    """The certificate may be the response to a synchronous call: it tells the status of the call, and the time."""
    shown = (lookup(path, certificate) for path in ((b"request_status", request_id, b"status"), (b"time",)))
    return is_in_scope(certificate, canister_id) and all(isinstance(one, Found) for one in shown)


@defines("cert.use.certified-data")
def certified_data_of(certificate: Certificate, canister_id: CanisterId) -> Blob | None:
    """The certified data of a canister, if the certificate may be used for it and tells them and the time."""
    found = lookup((b"canister", canister_id, b"certified_data"), certificate)
    if not isinstance(found, Found) or not isinstance(lookup((b"time",), certificate), Found):
        return None
    return found.value if is_in_scope(certificate, canister_id) else None


def ranges_of(shard: Blob) -> tuple[Range, ...]:
    """The intervals in one shard; none if it is not the encoding of intervals."""
    try:
        pairs: Any = decode_item(shard.removeprefix(SELF_DESCRIBING_TAG))
    except ValueError:
        return ()
    if not isinstance(pairs, list) or not all(_is_range(pair) for pair in pairs):
        return ()
    return tuple((CanisterId(first), CanisterId(last)) for first, last in pairs)


def _is_range(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(end, bytes) for end in pair)

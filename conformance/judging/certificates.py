"""
The certificate that a query sees, taken from what the implementation shows of it.

A query of a canister is given a certificate of the canister's certified data, which only the implementation can make.
Where a reply contains it, the judge verifies it and evaluates the query with it.
"""

import re
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import islice
from typing import Final

import cbor2

from spec.certification.bls_signatures import verify_bls_signature
from spec.certification.certificate import (
    SELF_DESCRIBING_TAG,
    Certificate,
    CertificateError,
    decode_certificate,
    lookup,
    verify_certificate,
)
from spec.certification.hash_tree import Found, is_well_formed
from spec.certification.scope import certified_data_of
from spec.state.state import State
from spec.values.identifiers import Blob, CanisterId
from spec.values.leb128 import from_groups
from spec.values.quantities import Nanoseconds

STAND_INS: Final = (SELF_DESCRIBING_TAG + bytes(400), SELF_DESCRIBING_TAG + bytes(range(200)))
"""Two blobs of different content and length. A reply that is the same with both does not depend on the certificate."""


MOST_CERTIFICATES: Final = 32
"""So many places of a reply are looked at for a certificate."""

BEGINNING: Final = re.compile(re.escape(SELF_DESCRIBING_TAG) + b"[\xa0-\xbf]")
"""A certificate is a record that says that it is CBOR."""


def certificates_in(reply: Blob) -> Iterator[Blob]:
    """The blobs in a reply that may be certificates, valid or not."""
    for beginning in islice(BEGINNING.finditer(reply), MOST_CERTIFICATES):
        found = item_at(reply, beginning.start())
        if found is not None:
            yield found


def tells_it_as_it_is(replies: Sequence[Blob]) -> bool:
    """The replies with the two stand-ins are the same, but that each contains its stand-in."""
    parts = [reply.partition(stand_in) for reply, stand_in in zip(replies, STAND_INS, strict=True)]
    return all(found for _, found, _ in parts) and len({(before, after) for before, _, after in parts}) == 1


def item_at(content: Blob, at: int) -> Blob | None:
    """The CBOR item that begins there; None if none does."""
    stream = BytesIO(content[at:])
    try:
        cbor2.CBORDecoder(stream).decode()
    except Exception:
        # Reason: the bytes are an implementation's and may be anything.
        return None
    return content[at : at + stream.tell()]


def is_valid(state: State, canister_id: CanisterId, content: Blob, latest: Nanoseconds) -> bool:
    """The blob is a certificate under the root key, of the canister's certified data and of a time that has come."""
    try:
        certificate = decode_certificate(content)
    except CertificateError:
        return False
    return (
        certified_data_of(certificate, canister_id) == state.canisters[canister_id].certified_data
        and is_well_formed(certificate.tree)
        and has_come(certificate, latest)
        and verify_certificate(certificate, state.root_key, verify_bls_signature)
    )


def has_come(certificate: Certificate, latest: Nanoseconds) -> bool:
    """The time of the certificate is not later than this. How old it may be is open: `unspec.env.certificate-age`."""
    time = lookup((b"time",), certificate)
    return isinstance(time, Found) and bool(time.value) and from_groups(time.value) <= latest

"""
Certified slices: what a subnet tells of its stream to another one, and whether that one believes it.

The state tree has each stream at `/streams/SUBNET`: `header`, and `messages` by their indices in eight bytes. A
certificate that shows the header and messages that follow each other is a slice. The receiver takes it if the
certificate verifies under the key of the subnet that is said to have sent it. So no message can be changed, put into
another order, or sent by another subnet. Source: rs/canonical_state/src/lazy_tree_conversion.rs, `streams`;
rs/certification/src/lib.rs; rs/state_manager/src/stream_encoding.rs.
"""

from typing import Final

from spec.certification.certificate import (
    Certificate,
    CertificateError,
    VerifySignature,
    decode_certificate,
    lookup,
    verify_certificate,
)
from spec.certification.hash_tree import Found, LabeledTree, is_well_formed
from spec.production.streams.stream import Slice, Stream
from spec.production.streams.wire import StreamMessage, decode_header, decode_message, encode_header, encode_message
from spec.values.checklist import defines
from spec.values.identifiers import Blob, SubnetId
from spec.values.quantities import Count

STREAMS: Final = b"streams"
INDEX_SIZE: Final = 8


def label_of(index: Count) -> Blob:
    """The label of the message with an index. Labels are in the order of indices."""
    return index.to_bytes(INDEX_SIZE, "big")


@defines("seed1.xnet-certified")
def tree_of_stream(stream: Stream[StreamMessage]) -> LabeledTree:
    """What the state tree has of a stream."""
    messages = {label_of(stream.begin + offset): encode_message(one) for offset, one in enumerate(stream.messages)}
    return {b"header": encode_header(stream.header), b"messages": messages}


def shown_slice(certificate: Certificate, receiver: SubnetId, first: Count) -> Slice[StreamMessage] | None:
    """The header and the messages from an index on that a certificate shows of a stream; None without a header."""
    found = lookup((STREAMS, receiver, b"header"), certificate)
    if not isinstance(found, Found):
        return None
    header = decode_header(found.value)
    messages: list[StreamMessage] = []
    for index in range(first, header.end):
        shown = lookup((STREAMS, receiver, b"messages", label_of(index)), certificate)
        if not isinstance(shown, Found):
            break
        messages.append(decode_message(shown.value))
    return Slice(header, first, tuple(messages))


def is_of(certificate: Certificate, sender: SubnetId, root_subnet: SubnetId) -> bool:
    """The certificate is one of this subnet: its delegation is for it, or it is the root subnet and has none."""
    if certificate.delegation is None:
        return sender == root_subnet
    return certificate.delegation.subnet_id == sender


@defines("seed1.xnet-verification")
def believed(
    encoded: Blob,
    *,
    sender: SubnetId,
    receiver: SubnetId,
    first: Count,
    root_subnet: SubnetId,
    root_key: Blob,
    verify: VerifySignature,
) -> Slice[StreamMessage] | None:
    """
    The slice that a certificate proves to be of the sender's stream to the receiver; None if it proves none.

    A message that is left out, or stands at another index, is not in the certified tree at the index that it is looked
    for, so what is proved is the stream from `first` on, as far as it is shown.
    """
    try:
        certificate = decode_certificate(encoded)
        if not is_well_formed(certificate.tree) or not is_of(certificate, sender, root_subnet):
            return None
        if not verify_certificate(certificate, root_key, verify):
            return None
        return shown_slice(certificate, receiver, first)
    except (CertificateError, TypeError, ValueError):
        return None

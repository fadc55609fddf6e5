"""Identifiers: principals and the abstract ids of messages, call contexts, requests and snapshots."""

import base64
import hashlib
import zlib
from typing import Final, NewType

from spec.values.checklist import defines

Blob = bytes
"""A sequence of bytes."""

Text = str
"""Unicode text."""

Principal = NewType("Principal", bytes)
"""A canister id or a user id, 0 to 29 bytes. Source: index, principals."""

CanisterId = Principal
"""The principal of a canister."""

SubnetId = Principal
"""The principal of a subnet."""

MethodName = str
"""The name of a canister method: any text."""

CallContextId = NewType("CallContextId", int)
"""Identifies a call context (`CallId` in the interface specification, where it is abstract)."""

MessageId = NewType("MessageId", int)
"""Identifies a message. It stays when a message changes shape at its place, and is never used again."""

RequestId = NewType("RequestId", bytes)
"""The representation-independent hash of a request, 32 bytes. Source: https-interface, request id."""

SnapshotId = NewType("SnapshotId", bytes)
"""Identifies a snapshot of a canister."""

MANAGEMENT_CANISTER: Final[CanisterId] = Principal(b"")
"""`aaaaa-aa`, called `ic_principal` in the interface specification."""

ANONYMOUS: Final[Principal] = Principal(b"\x04")
"""The principal of the anonymous user."""

MAXIMUM_PRINCIPAL_LENGTH: Final[int] = 29
"""In bytes. Source: index, principals."""

_NUMBER, _SUFFIX = 8, b"\x01\x01"
"""The parts of the ids of canisters that are numbered in turn: a number of 8 bytes, and what stands behind it."""


def numbered_canister_id(number: int) -> CanisterId:
    """The id of the canister with this number. Source: ours, as in production."""
    return CanisterId(Principal(number.to_bytes(_NUMBER, "big") + _SUFFIX))


def number_of_canister_id(canister_id: CanisterId) -> int | None:
    """The number of a canister; None if its id is not numbered."""
    is_numbered = len(canister_id) == _NUMBER + len(_SUFFIX) and canister_id.endswith(_SUFFIX)
    return int.from_bytes(canister_id[:_NUMBER], "big") if is_numbered else None


@defines("def.identifiers", "http.principal.classes")
def self_authenticating_id(public_key: Blob) -> Principal:
    """The principal of the owner of a DER-encoded public key."""
    return Principal(hashlib.sha224(public_key).digest() + b"\x02")


@defines("def.identifiers", "http.principal.classes")
def derived_id(registrant: Principal, nonce: Blob) -> Principal:
    """The id that a principal derives from a nonce."""
    return Principal(hashlib.sha224(bytes([len(registrant)]) + registrant + nonce).digest() + b"\x03")


@defines("http.principal.text")
def principal_to_text(principal: Principal) -> Text:
    """The textual form: base32 of a CRC-32 checksum and the bytes, in groups of five."""
    checked = zlib.crc32(principal).to_bytes(4, "big") + principal
    letters = base64.b32encode(checked).decode().rstrip("=").lower()
    return "-".join(letters[start : start + 5] for start in range(0, len(letters), 5))


@defines("http.principal.text")
def principal_from_text(text: Text) -> Principal:
    """Reads the textual form. Raises `ValueError` for anything that is not exactly the form of a principal."""
    letters = text.replace("-", "").upper()
    try:
        checked = base64.b32decode(letters + "=" * (-len(letters) % 8))
    except ValueError as problem:
        raise ValueError(f"{text!r} is not a principal: not base32") from problem
    principal = Principal(checked[4:])
    if len(principal) > MAXIMUM_PRINCIPAL_LENGTH or principal_to_text(principal) != text:
        raise ValueError(f"{text!r} is not a principal: wrong checksum, length or grouping")
    return principal

"""
Ed25519 public keys that are derived from other ones.

Source: management-canister, Ed25519 hierarchical key derivation; for the curve RFC 8032, for HKDF RFC 5869. There is
no hardened derivation and no clamping: whoever knows a key and its chain code computes all keys below it.
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

from attrs import frozen

from spec.values.checklist import defines
from spec.values.identifiers import Blob

FIELD: Final[int] = 2**255 - 19
"""Coordinates are numbers modulo this prime."""

ORDER: Final[int] = 2**252 + 27742317777372353535851937790883648493
"""`L`, the order of the subgroup that the base point generates."""

CURVE: Final[int] = -121665 * pow(121666, -1, FIELD) % FIELD
"""`d` of the curve `-x² + y² = 1 + d·x²·y²`."""

SQUARE_ROOT_OF_MINUS_ONE: Final[int] = pow(2, (FIELD - 1) // 4, FIELD)

KEY_BYTES: Final[int] = 32
TWEAK_BYTES: Final[int] = 64

Point = tuple[int, int]
"""The coordinates of a point of the curve."""


@frozen
class ExtendedKey:
    """A public key with the chain code that its derived keys depend on."""

    public_key: Blob
    """A point in the compressed form of 32 bytes."""
    chain_code: Blob
    """32 bytes."""


@defines("mgmt.ed25519-key-derivation")
def derived_key(parent: ExtendedKey, path: Iterable[Blob]) -> ExtendedKey | None:
    """The key at a path of indices below another one; None if that is no point (`KTpub`)."""
    key: ExtendedKey | None = parent
    for index in path:
        key = None if key is None else child_key(key, index)
    return key


@defines("mgmt.ed25519-key-derivation")
def child_key(parent: ExtendedKey, index: Blob) -> ExtendedKey | None:
    """The key at one index, which is any bytes, below another one; None if that is no point (`CKDpub`)."""
    point = decompressed(parent.public_key)
    if point is None:
        return None
    output = hkdf(parent.chain_code, parent.public_key + index, b"Ed25519", TWEAK_BYTES + KEY_BYTES)
    tweak = int.from_bytes(output[:TWEAK_BYTES], "big") % ORDER
    return ExtendedKey(compressed(sum_of(point, multiple(tweak, BASE))), output[TWEAK_BYTES:])


def hkdf(salt: Blob, key_material: Blob, information: Blob, size: int) -> Blob:
    """HKDF with SHA-512. Source: RFC 5869."""
    key = hmac.digest(salt, key_material, "sha512")
    output = block = b""
    for number in range(1, -(-size // hashlib.sha512().digest_size) + 1):
        block = hmac.digest(key, block + information + bytes([number]), "sha512")
        output += block
    return output[:size]


# The curve.


def sum_of(one: Point, other: Point) -> Point:
    """Two points added by the law of the group."""
    (x1, y1), (x2, y2) = one, other
    product = CURVE * x1 * x2 * y1 * y2 % FIELD
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, FIELD) % FIELD
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, FIELD) % FIELD
    return x, y


def multiple(number: int, point: Point) -> Point:
    """A point added to itself so many times."""
    result = (0, 1)
    while number:
        if number & 1:
            result = sum_of(result, point)
        point, number = sum_of(point, point), number >> 1
    return result


def compressed(point: Point) -> Blob:
    """The 32 bytes that stand for a point: `y`, and in the highest bit the lowest one of `x`."""
    x, y = point
    return (y | (x & 1) << 255).to_bytes(KEY_BYTES, "little")


def decompressed(content: Blob) -> Point | None:
    """The point that 32 bytes stand for; None if they stand for none."""
    number = int.from_bytes(content, "little")
    y, is_odd = number & (2**255 - 1), number >> 255
    if len(content) != KEY_BYTES or y >= FIELD:
        return None
    square = (y * y - 1) * pow(CURVE * y * y + 1, -1, FIELD) % FIELD
    x = pow(square, (FIELD + 3) // 8, FIELD)
    if x * x % FIELD != square:
        x = x * SQUARE_ROOT_OF_MINUS_ONE % FIELD
    if x * x % FIELD != square or (x == 0 and is_odd):
        return None
    return (x if x & 1 == is_odd else FIELD - x), y


_base = decompressed((4 * pow(5, -1, FIELD) % FIELD).to_bytes(KEY_BYTES, "little"))
assert _base is not None
BASE: Final[Point] = _base
"""The base point: `y` is 4/5, and `x` is even."""

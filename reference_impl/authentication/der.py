"""Public keys in DER. Source: RFC 5280, section 4.1 (`SubjectPublicKeyInfo`); X.690, section 10.1."""

from typing import Final

from spec.values.identifiers import Blob

SEQUENCE: Final = 0x30
BIT_STRING: Final = 0x03


def _element(tag: int, encoded: Blob) -> Blob | None:
    """What stands in an element with this tag that ends where the bytes end."""
    if len(encoded) < 2 or encoded[0] != tag:
        return None
    length, start = encoded[1], 2
    if length >= 0x80:
        start += length - 0x80
        digits = encoded[2:start]
        length = int.from_bytes(digits, "big")
        # A length has its shortest form: none in front that is zero, and no digits where one byte would do.
        if length < 0x80 or digits[0] == 0:
            return None
    return encoded[start:] if len(encoded) - start == length else None


def public_key_of(algorithm: Blob, encoded: Blob) -> Blob | None:
    """The key in the encoding, whose algorithm identifier is given in DER; None if it is no such key."""
    whole = _element(SEQUENCE, encoded) or b""
    bits = _element(BIT_STRING, whole[len(algorithm) :]) if whole.startswith(algorithm) else None
    # The first byte says how many of the last bits do not count.
    return bits[1:] if bits and bits[0] == 0 else None

"""DER, as far as keys need it: a tag, a length in its shortest form, and the content. Source: RFC 8410, section 4."""

from typing import Final

from spec.values.identifiers import Blob

SEQUENCE: Final = 0x30
BIT_STRING: Final = 0x03


def element(tag: int, content: Blob) -> Blob:
    """One element."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def content_of(tag: int, encoded: Blob) -> Blob | None:
    """The content of one element that takes all the bytes; None if they are no such element."""
    if len(encoded) < 2 or encoded[0] != tag:
        return None
    length_bytes = encoded[1] & 0x7F if encoded[1] & 0x80 else 0
    content = encoded[2 + length_bytes :]
    return content if element(tag, content) == encoded else None


def subject_public_key_info(algorithm: Blob, key: Blob) -> Blob:
    """A key of an algorithm, whose identifier is given in DER."""
    return element(SEQUENCE, algorithm + element(BIT_STRING, b"\0" + key))


def subject_public_key(algorithm: Blob, encoded: Blob) -> Blob | None:
    """The key in such an encoding; None if it is no key of this algorithm."""
    outer = content_of(SEQUENCE, encoded)
    if outer is None or not outer.startswith(algorithm):
        return None
    content = content_of(BIT_STRING, outer[len(algorithm) :])
    return content[1:] if content is not None and content.startswith(b"\0") else None

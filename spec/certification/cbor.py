"""CBOR, as certificates and signatures of canisters are encoded in it. Source: RFC 8949; certification, encoding."""

from io import BytesIO
from typing import Any, Final, Never

import cbor2

from spec.values.identifiers import Blob

MAXIMUM_DEPTH: Final = 127
"""So many arrays, maps and tags may be in each other. Source: `serde_cbor`, with which production reads them."""


def _refuse(decoder: object) -> Never:
    raise ValueError("no item refers to another one")


NO_REFERENCES: Final = {28: _refuse, 29: _refuse}
"""Tags with which an item may be inside itself, or many times in another one. They are none of RFC 8949."""


def decode_item(content: Blob) -> Any:
    """The one item that the bytes are; no map in it has a key twice. Raises `ValueError` for anything else."""
    stream = BytesIO(content)
    decoder = cbor2.CBORDecoder(
        stream, semantic_decoders=NO_REFERENCES, max_depth=MAXIMUM_DEPTH, allow_duplicate_keys=False
    )
    try:
        item = decoder.decode()
    except (cbor2.CBORDecodeError, RecursionError) as problem:
        raise ValueError(f"not CBOR: {problem}") from None
    if stream.tell() < len(content):
        raise ValueError("not CBOR: more follows the item")
    return item

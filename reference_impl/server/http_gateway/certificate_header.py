"""The header `IC-Certificate`, by which a canister proves its answer. Source: http-gateway, the certificate header."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Final

from attrs import frozen

from reference_impl.authentication.cbor import Item
from reference_impl.authentication.certificates import Certificate, Tree, certificate_of, described, tree_of
from spec.values.identifiers import Blob, Text

FIELD: Final = re.compile(r"\s*([a-z_*][a-z0-9_.*-]*)=(?::([A-Za-z0-9+/=]*):|([0-9]{1,9}))\s*")
"""A member of a dictionary: bytes between colons, or an integer. Source: RFC 8941, section 3.2."""
LEGACY_VERSION: Final = 1


class NoCertificate(Exception):
    """The header is no such header. The message is one line."""


@frozen
class Proof:
    """What is in the header."""

    certificate: Certificate
    tree: Item
    """The tree whose hash the canister certifies."""
    read_tree: Tree
    version: int
    expression_path: tuple[Text, ...] | None
    """Where in the tree the answer is."""


def proof_in(header: Text) -> Proof:
    """Reads the header. Raises `NoCertificate`."""
    fields: dict[Text, Blob | int] = {}
    for part in header.split(","):
        matched = FIELD.fullmatch(part)
        if matched is None:
            raise NoCertificate(f"{part.strip()[:40]!r} is no field of it")
        fields.setdefault(matched[1], _bytes(matched[2]) if matched[3] is None else int(matched[3]))
    try:
        tree = described(_required(fields, "tree"))
        return Proof(
            certificate_of(_required(fields, "certificate")),
            tree,
            tree_of(tree),
            _version(fields.get("version", LEGACY_VERSION)),
            _path(fields["expr_path"]) if "expr_path" in fields else None,
        )
    except ValueError as problem:
        raise NoCertificate(str(problem)) from None


def _required(fields: dict[Text, Blob | int], name: Text) -> Blob:
    value = fields.get(name)
    if isinstance(value, bytes):
        return value
    raise NoCertificate(f"it has no {name}")


def _version(value: Blob | int) -> int:
    """The version is an integer, which some canisters write between colons."""
    return value if isinstance(value, int) else -1


def _bytes(text: Text) -> Blob:
    """Bytes in base 64, whose padding may be left out."""
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except binascii.Error as problem:
        raise NoCertificate(f"a field is not in base 64: {problem}") from None


def _path(encoded: Blob | int) -> tuple[Text, ...]:
    item = described(encoded) if isinstance(encoded, bytes) else None
    segments: Sequence[Item] = item if isinstance(item, list) else []
    texts = tuple(one for one in segments if isinstance(one, str))
    if not texts or len(texts) < len(segments):
        raise NoCertificate("its expr_path is no list of texts")
    return texts

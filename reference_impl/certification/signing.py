"""
Certificates that an instance for development makes. Source: certification, certificate and encoding.

An instance for development has no secrets: its secret is known to everybody, so anyone can sign for it.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import cbor2
from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from reference_impl.certification.hash_trees import Path, Tree, shown
from spec.values.identifiers import Blob

SUITE: Final = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
STATE_ROOT: Final = b"\x0dic-state-root"
SELF_DESCRIBED: Final = 55799

DER_OF_BLS_KEY: Final = bytes.fromhex("308182301d060d2b0601040182dc7c0503010201060c2b0601040182dc7c05030201036100")
"""What stands before the 96 bytes of a key: the algorithm 1.3.6.1.4.1.44668.5.3.1.2.1 and its curve."""

SECRET: Final = Scalar(1)
"""The secret of every instance for development."""

ROOT_KEY: Final[Blob] = DER_OF_BLS_KEY + bytes((G2Point() * SECRET).to_compressed_bytes())
"""The public key of the secret, in DER."""


def can_sign_for(root_key: Blob) -> bool:
    """The secret is the one of this root key."""
    return root_key == ROOT_KEY


@lru_cache(maxsize=16)
def signature_of(root_hash: Blob) -> Blob:
    """The signature on a state with this hash. The state often stays as it was, and is signed once."""
    return bytes((G1Point.hash_to_curve(STATE_ROOT + root_hash, SUITE) * SECRET).to_compressed_bytes())


def certificate_of(tree: Tree, paths: Iterable[Path]) -> Blob:
    """A certificate that shows some paths of the tree, signed with the secret of instances for development."""
    fields = {"tree": shown(tree, paths), "signature": signature_of(tree.hash)}
    encoded: Blob = cbor2.dumps(cbor2.CBORTag(SELF_DESCRIBED, fields))
    return encoded

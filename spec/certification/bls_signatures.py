"""
BLS signatures of subnets: short ones, on the curve BLS12-381.

The package `py_arkworks_bls12381` computes pairings and hashes to the curve. Source: certification, certificate.
"""

from functools import lru_cache
from typing import Final

from py_arkworks_bls12381 import GT, G1Point, G2Point

from spec.values.checklist import defines
from spec.values.identifiers import Blob

SUITE: Final = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"
"""The name of the scheme, which separates its hashes from those of others."""


def is_point_of_first_group(encoded: Blob) -> bool:
    """The bytes are a point of the first group, of 48 bytes, in its one compressed form."""
    try:
        return bool(G1Point.from_compressed_bytes(encoded).to_compressed_bytes() == encoded)
    except ValueError:
        return False


@defines("cert.bls")
@lru_cache(maxsize=64)
def verify_bls_signature(key: Blob, signature: Blob, message: Blob) -> bool:
    """
    The key (96 bytes, a point of the second group) made the signature (48 bytes, a point of the first) on the message.

    Anything that encodes no point of its group, in its one compressed form, and the neutral element as a key, verify
    nothing. Several certificates of one state bear one signature, which is verified once.
    """
    try:
        known, signed = G2Point.from_compressed_bytes(key), G1Point.from_compressed_bytes(signature)
    except ValueError:
        return False
    if known == G2Point.identity() or known.to_compressed_bytes() != key or signed.to_compressed_bytes() != signature:
        return False
    hashed = G1Point.hash_to_curve(message, SUITE)
    return bool(GT.pairing_check([signed, -hashed], [G2Point(), known]))

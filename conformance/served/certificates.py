"""
Certificates of the specification served as an implementation.

The tree is `spec.reads.query.certified_data_tree`; what signs it is here, with a secret that is none.
"""

import hashlib
from typing import Final

from py_arkworks_bls12381 import G1Point, G2Point, Scalar

from spec.certification.bls_signatures import SUITE
from spec.certification.certificate import DER_PREFIX, Certificate, Delegation, encode_certificate, signed_message
from spec.certification.hash_tree import HashTree
from spec.reads.query import certified_data_tree
from spec.state.canister import Code
from spec.state.state import State
from spec.values.identifiers import Blob, CanisterId

SECRET: Final = Scalar.from_be_bytes_mod_order(hashlib.sha256(b"the secret of the specification").digest())


def certificate_of(state: State, canister_id: CanisterId) -> Blob | None:
    """The certificate that a query of the canister sees; None if there is no code that could see one."""
    if canister_id not in state.canisters or not isinstance(state.canisters[canister_id].code, Code):
        return None
    return encode_certificate(signed(certified_data_tree(state, canister_id)))


def signed(tree: HashTree, secret: Scalar = SECRET, delegation: Delegation | None = None) -> Certificate:
    """The certificate of a tree, signed with a secret."""
    signature = G1Point.hash_to_curve(signed_message(tree), SUITE) * secret
    return Certificate(tree, bytes(signature.to_compressed_bytes()), delegation)


def public_key(secret: Scalar) -> Blob:
    """The public key of a secret, in DER."""
    return DER_PREFIX + bytes((G2Point() * secret).to_compressed_bytes())


ROOT_KEY: Final[Blob] = public_key(SECRET)

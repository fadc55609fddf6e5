"""
Which keys sign for users: their own, plain or of Web Authentication, and keys of canisters.

Source: index, signatures. The rest of the specification is given these functions and knows no kind of key.
"""

from attrs import frozen

from spec.certification.bls_signatures import verify_bls_signature
from spec.certification.canister_signature import decode_public_key, decode_signature, verify_canister_signature
from spec.certification.certificate import CertificateError, VerifySignature
from spec.certification.envelope import Keys
from spec.certification.plain_signatures import verify_plain_signature
from spec.certification.web_authentication import verify_web_authentication
from spec.values.identifiers import Blob, CanisterId


def verify_own_signature(key: Blob, signature: Blob, message: Blob) -> bool:
    """A key of a user's own, DER-encoded, made the signature."""
    return verify_plain_signature(key, signature, message) or verify_web_authentication(key, signature, message)


@frozen
class Verifier:
    """Verifies signatures by users' own keys with one function, and canister signatures with another."""

    verify_own: VerifySignature
    """For DER-encoded keys; false for kinds of keys that it does not know."""
    root_key: Blob
    """To which the certificates of canister signatures go back, DER-encoded."""
    verify_bls: VerifySignature
    """For the certificates."""

    def verify(self, key: Blob, signature: Blob, message: Blob) -> bool:
        """The DER-encoded key made the signature."""
        canister_key = decode_public_key(key)
        if canister_key is None:
            return self.verify_own(key, signature, message)
        try:
            decoded = decode_signature(signature)
        except CertificateError:
            return False
        return verify_canister_signature(canister_key, decoded, message, self.root_key, self.verify_bls)

    def keys(self) -> Keys:
        """What the verification of envelopes needs."""
        return Keys(self.verify, signing_canister)


def signing_canister(key: Blob) -> CanisterId | None:
    """The canister that a DER-encoded key is of; None for keys of other kinds."""
    decoded = decode_public_key(key)
    return None if decoded is None else decoded.canister_id


def keys_under(root_key: Blob) -> Keys:
    """All keys that users may sign with; those of canisters go back to a root key, DER-encoded."""
    return Verifier(verify_own_signature, root_key, verify_bls_signature).keys()

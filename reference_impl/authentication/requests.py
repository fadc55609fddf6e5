"""Whether a request that bears a signature was signed by its sender. Source: https-interface, authentication."""

from collections.abc import Callable, Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from reference_impl.authentication.authenticators import answered_challenge, authenticator_key
from reference_impl.authentication.canister_signatures import canister_key, certified
from reference_impl.subnet.ingress_history import request_id_of
from spec.state.request import SenderInfo, SignedRequest, Submission
from spec.values.delegations import Delegation, SignedDelegation
from spec.values.identifiers import ANONYMOUS, Blob, self_authenticating_id
from spec.values.quantities import Nanoseconds
from spec.values.request_id import HashedValue, hash_of_map

MOST_DELEGATIONS: Final = 20
MOST_TARGETS: Final = 1000
PERMITTING_CALLS: Final = (None, "all")

REQUEST: Final = b"\x0aic-request"
DELEGATION: Final = b"\x1aic-request-auth-delegation"
SENDER_INFO: Final = b"\x0eic-sender-info"


def _is_ed25519(point: Blob, signature: Blob, message: Blob) -> None:
    ed25519.Ed25519PublicKey.from_public_bytes(point).verify(signature, message)


def _is_ecdsa(curve: ec.EllipticCurve) -> Callable[[Blob, Blob, Blob], None]:
    def check(point: Blob, signature: Blob, message: Blob) -> None:
        if len(signature) != 64:
            raise InvalidSignature
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        key = ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))

    return check


KINDS: Final[Mapping[Blob, tuple[int, Callable[[Blob, Blob, Blob], None]]]] = {
    bytes.fromhex("302a300506032b6570032100"): (32, _is_ed25519),
    bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004"): (64, _is_ecdsa(ec.SECP256R1())),
    bytes.fromhex("3056301006072a8648ce3d020106052b8104000a03420004"): (64, _is_ecdsa(ec.SECP256K1())),
}
"""How keys of each kind begin in DER, how many bytes follow, and what checks a signature."""


def made(key: Blob, signature: Blob, message: Blob, root_key: Blob) -> bool:
    """The key made the signature; if it is a canister's, by what goes back to the root key."""
    of_canister = canister_key(key)
    if of_canister is not None:
        return certified(of_canister, signature, message, root_key)
    authenticator = authenticator_key(key)
    if authenticator is not None:
        return answered_challenge(authenticator, signature, message)
    for beginning, (length, check) in KINDS.items():
        if key.startswith(beginning) and len(key) == len(beginning) + length:
            # The last byte of the beginning of an ECDSA key says that its point is not compressed.
            point = key[-length - 1 :] if length == 64 else key[-length:]
            try:
                check(point, signature, message)
            except (InvalidSignature, ValueError):
                return False
            return True
    return False


def refusal_of(submission: Submission, now: Nanoseconds, root_key: Blob) -> str | None:
    """Why a request is not known to be the sender's; None if it is, or if whoever submits it vouches for that."""
    if not isinstance(submission, SignedRequest):
        is_well_formed = submission.sender != ANONYMOUS or submission.sender_info is None
        return None if is_well_formed else "an anonymous request says something of its sender"
    request = submission.request
    if request.sender != self_authenticating_id(submission.public_key):
        return "the key is not that of the sender"
    if request.sender_info is not None and not _is_stated(request.sender_info, submission.public_key, root_key):
        return "the canister of the sender's key did not sign the sender_info"
    signer = submission.public_key
    used = {signer}
    if len(submission.delegations) > MOST_DELEGATIONS:
        return "there are too many delegations"
    for signed in submission.delegations:
        fault = _fault(signed, signer, now, root_key) or _what_forbids(signed.delegation, request.canister_id)
        signer = signed.delegation.public_key
        if fault is not None or signer in used:
            return fault or "a key delegates to one that came before"
        used.add(signer)
    if not made(signer, submission.signature, REQUEST + request_id_of(request), root_key):
        return "the signature is not that of the key that may sign"
    return None


def _is_stated(stated: SenderInfo, key: Blob, root_key: Blob) -> bool:
    """The key is that of a canister, which says this of its user, whoever signs in the user's stead."""
    of_canister = canister_key(key)
    if of_canister is None or of_canister.canister_id != stated.signer:
        return False
    return certified(of_canister, stated.signature, SENDER_INFO + stated.info, root_key)


def _fault(signed: SignedDelegation, signer: Blob, now: Nanoseconds, root_key: Blob) -> str | None:
    delegation = signed.delegation
    if now > delegation.expiration:
        return "a delegation has expired"
    if not made(signer, signed.signature, DELEGATION + hash_of_map(_fields(delegation)), root_key):
        return "a delegation is not signed by the key before it"
    return None


def _what_forbids(delegation: Delegation, canister_id: Blob) -> str | None:
    if delegation.permissions not in PERMITTING_CALLS:
        return "a delegation does not admit calls"
    if delegation.targets is None:
        return None
    if len(delegation.targets) > MOST_TARGETS:
        return "a delegation has too many targets"
    return None if canister_id in tuple(delegation.targets) else "a delegation does not admit the canister"


def _fields(delegation: Delegation) -> dict[str, HashedValue]:
    fields: dict[str, HashedValue] = {"expiration": delegation.expiration, "pubkey": delegation.public_key}
    if delegation.permissions is not None:
        fields["permissions"] = delegation.permissions
    if delegation.targets is not None:
        fields["targets"] = tuple(delegation.targets)
    return fields

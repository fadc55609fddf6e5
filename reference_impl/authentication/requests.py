"""Whether a request that bears a signature was signed by its sender. Source: https-interface, authentication."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

from attrs import field, frozen
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from reference_impl.authentication.authenticators import answered_challenge, authenticator_key
from reference_impl.authentication.canister_signatures import canister_key, certified
from spec.state.request import SenderInfo, SignedRequest, Submission
from spec.values.containers import List
from spec.values.delegations import Delegation, SignedDelegation
from spec.values.identifiers import ANONYMOUS, Blob, Principal, RequestId, self_authenticating_id
from spec.values.quantities import Nanoseconds
from spec.values.request_id import HashedValue, hash_of_map

MOST_DELEGATIONS: Final = 20
MOST_TARGETS: Final = 1000

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


class Kind(Enum):
    """What a request is, as its field `request_type` has it."""

    CALL = "call"
    QUERY = "query"
    READ_STATE = "read_state"


@frozen
class Proof:
    """What an envelope holds beside its content: who signed that, and why that may be in the sender's stead."""

    public_key: Blob
    signature: Blob
    delegations: List[SignedDelegation] = field(factory=List)


PERMITTING: Final[Mapping[Kind, tuple[str | None, ...]]] = {
    Kind.CALL: (None, "all"),
    Kind.QUERY: (None, "all", "queries"),
    Kind.READ_STATE: (None, "all", "queries"),
}
"""Which permissions admit requests of each kind."""


def refusal_of(
    submission: Submission, request_id: RequestId, now: Nanoseconds, root_key: Blob, kind: Kind = Kind.CALL
) -> str | None:
    """
    Why a call or query with this id is not known to be the sender's; None if it is, or if whoever submits it vouches
    for that.

    Whether the delegations of a query admit the canister that it is about is another question (`admits`).
    """
    if not isinstance(submission, SignedRequest):
        is_well_formed = submission.sender != ANONYMOUS or submission.sender_info is None
        return None if is_well_formed else "an anonymous request says something of its sender"
    request = submission.request
    if request.sender_info is not None and not _is_stated(request.sender_info, submission.public_key, root_key):
        return "the canister of the sender's key did not sign the sender_info"
    proof = Proof(submission.public_key, submission.signature, submission.delegations)
    fault = fault_of(proof, request.sender, request_id, kind, now, root_key)
    if fault is None and kind is Kind.CALL and not admits(proof.delegations, request.canister_id):
        return "a delegation does not admit the canister"
    return fault


def fault_of(
    proof: Proof, sender: Principal, signed: RequestId, kind: Kind, now: Nanoseconds, root_key: Blob
) -> str | None:
    """What is wrong with a proof that the sender signed the request with this id; None if nothing is."""
    if sender != self_authenticating_id(proof.public_key):
        return "the key is not that of the sender"
    signer = proof.public_key
    used = {signer}
    if len(proof.delegations) > MOST_DELEGATIONS:
        return "there are too many delegations"
    for one in proof.delegations:
        fault = _fault(one, signer, now, root_key) or _what_forbids(one.delegation, kind)
        signer = one.delegation.public_key
        if fault is not None or signer in used:
            return fault or "a key delegates to one that came before"
        used.add(signer)
    if not made(signer, proof.signature, REQUEST + signed, root_key):
        return "the signature is not that of the key that may sign"
    return None


def admits(delegations: List[SignedDelegation], canister_id: Blob) -> bool:
    """Every delegation is for the canister, or for all."""
    targets = [one.delegation.targets for one in delegations]
    return all(admitted is None or canister_id in tuple(admitted) for admitted in targets)


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


def _what_forbids(delegation: Delegation, kind: Kind) -> str | None:
    if delegation.permissions not in PERMITTING[kind]:
        return f"a delegation does not admit {kind.value}s"
    if delegation.targets is not None and len(delegation.targets) > MOST_TARGETS:
        return "a delegation has too many targets"
    return None


def _fields(delegation: Delegation) -> dict[str, HashedValue]:
    fields: dict[str, HashedValue] = {"expiration": delegation.expiration, "pubkey": delegation.public_key}
    if delegation.permissions is not None:
        fields["permissions"] = delegation.permissions
    if delegation.targets is not None:
        fields["targets"] = tuple(delegation.targets)
    return fields

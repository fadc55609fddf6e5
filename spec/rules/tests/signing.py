"""Users with keys, and requests that they sign."""

import json
from hashlib import sha256

import cbor2
from attrs import define, evolve
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256K1, SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_arkworks_bls12381 import G1Point, G2Point

from spec.certification.bls_signatures import SUITE
from spec.certification.canister_signature import CanisterSignature, PublicKey, encode_public_key, encode_signature
from spec.certification.certificate import DER_PREFIX, Certificate, signed_message
from spec.certification.der import subject_public_key_info
from spec.certification.envelope import RequestKind, delegation_message, request_message
from spec.certification.hash_tree import hash_tree, reconstruct
from spec.certification.web_authentication import OBJECT_IDENTIFIER, encoded_challenge
from spec.rules.ingress.request_ids import request_content
from spec.rules.tests.worlds import NOW, A, B, a_request
from spec.state.request import Request, SenderInfo, SignedRequest
from spec.values.containers import List
from spec.values.delegations import Delegation, SignedDelegation
from spec.values.identifiers import ANONYMOUS, CanisterId, Principal, self_authenticating_id


@define
class Key:
    """A key pair that is always the same for a name."""

    private: object

    @property
    def public(self) -> bytes:
        """DER-encoded."""
        return self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def user(self) -> Principal:
        """The user whose key it is."""
        return self_authenticating_id(self.public)

    def sign(self, message: bytes) -> bytes:
        """A signature as the interface wants it."""
        if isinstance(self.private, Ed25519PrivateKey):
            return self.private.sign(message)
        numbers = decode_dss_signature(self.private.sign(message, ECDSA(SHA256())))
        return b"".join(number.to_bytes(32, "big") for number in numbers)


@define
class Authenticator(Key):
    """A key pair of P-256 or RSA that answers challenges."""

    @property
    def public(self) -> bytes:
        """A COSE key wrapped in DER."""
        return subject_public_key_info(OBJECT_IDENTIFIER, cbor2.dumps(cose_key(self.private)))

    def sign(self, message: bytes) -> bytes:
        """An assertion."""
        return assertion(self.private, json.dumps({"type": "webauthn.get", "challenge": encoded_challenge(message)}))


@define
class CanisterKey(Key):
    """A canister that certifies what it signs, on a subnet whose secret is 1. The secret is the seed of its key."""

    canister_id: CanisterId

    @property
    def public(self) -> bytes:
        """DER-encoded."""
        return encode_public_key(PublicKey(self.canister_id, self.private))

    def sign(self, message: bytes) -> bytes:
        """A certificate of the tree in which the canister notes the message."""
        tree = hash_tree({b"sig": {sha256(self.private).digest(): {sha256(message).digest(): b""}}})
        certified = hash_tree({b"canister": {self.canister_id: {b"certified_data": reconstruct(tree)}}})
        hashed = G1Point.hash_to_curve(signed_message(certified), SUITE)
        certificate = Certificate(certified, bytes(hashed.to_compressed_bytes()))
        return encode_signature(CanisterSignature(certificate, tree))


def cose_key(private: object) -> dict[int, object]:
    """The public key in COSE."""
    public = private.public_key()
    match public:
        case Ed25519PublicKey():
            return {1: 1, 3: -8, -1: 6, -2: public.public_bytes_raw()}
        case RSAPublicKey():
            numbers = public.public_numbers()
            return {1: 3, 3: -257, -1: numbers.n.to_bytes(256, "big"), -2: numbers.e.to_bytes(3, "big")}
        case _:
            numbers = public.public_numbers()
            return {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}


def assertion(private: object, client_data: str, **changes: object) -> bytes:
    """What an authenticator gives for client data."""
    seen = b"authenticator"
    signed = seen + sha256(client_data.encode()).digest()
    match private:
        case Ed25519PrivateKey():
            signature = private.sign(signed)
        case RSAPrivateKey():
            signature = private.sign(signed, PKCS1v15(), SHA256())
        case _:
            signature = private.sign(signed, ECDSA(SHA256()))
    fields = {"authenticator_data": seen, "client_data_json": client_data, "signature": signature}
    return cbor2.dumps(cbor2.CBORTag(55799, fields | changes))


def key(name: str, curve: object = None) -> Key:
    """A key of Ed25519, or of another curve."""
    secret = sha256(name.encode()).digest()
    if curve is None:
        return Key(Ed25519PrivateKey.from_private_bytes(secret))
    return Key(derive_private_key(int.from_bytes(secret, "big") >> 1, curve))


OWNER, SESSION, DEVICE = key("owner"), key("session", SECP256R1()), key("device", SECP256K1())
PASSKEY = Authenticator(key("passkey", SECP256R1()).private)
BY_CANISTER = CanisterKey(b"seed", B)
ROOT_KEY = DER_PREFIX + bytes(G2Point().to_compressed_bytes())
"""Of the secret 1."""


def delegated(*keys: Key, expiration: int = NOW, **fields: object) -> List[SignedDelegation]:
    """A chain of delegations from each key to the next one; the fields are those of all of them."""
    chain = []
    for giver, taker in zip(keys, keys[1:], strict=False):
        delegation = Delegation(taker.public, expiration, **fields)
        chain.append(SignedDelegation(delegation, giver.sign(delegation_message(delegation))))
    return List(tuple(chain))


def signed(
    request: Request,
    *keys: Key,
    delegations: List[SignedDelegation] | None = None,
    kind: RequestKind = RequestKind.CALL,
) -> SignedRequest:
    """A request that the last of the keys signs, to which the ones before delegate."""
    chain = delegated(*keys) if delegations is None else delegations
    signature = keys[-1].sign(request_message(request_content(request, kind)))
    return SignedRequest(request, keys[0].public, signature, chain)


def of_owner(**changes: object) -> Request:
    """A call that the owner makes."""
    return a_request(sender=OWNER.user, **changes)


def altered(envelope: SignedRequest) -> SignedRequest:
    """The same envelope around another argument."""
    return evolve(envelope, request=evolve(envelope.request, argument=b"another"))


def admitted() -> dict[str, SignedRequest]:
    """Envelopes with which the owner may call canister A."""
    request = of_owner()
    return {
        "the owner's own key": signed(request, OWNER),
        "a delegation": signed(request, OWNER, SESSION),
        "two delegations": signed(request, OWNER, SESSION, DEVICE),
        "a delegation for the callee": signed(
            request, OWNER, SESSION, delegations=delegated(OWNER, SESSION, targets=List.of(A))
        ),
        "a delegation for all requests": signed(
            request, OWNER, SESSION, delegations=delegated(OWNER, SESSION, permissions="all")
        ),
        "twenty delegations": signed(request, OWNER, *(key(f"step {number}") for number in range(20))),
        "a key of P-256": signed(evolve(request, sender=SESSION.user), SESSION),
        "a key of secp256k1": signed(evolve(request, sender=DEVICE.user), DEVICE),
        "a key of an authenticator": signed(evolve(request, sender=PASSKEY.user), PASSKEY),
        "a delegation by an authenticator": signed(evolve(request, sender=PASSKEY.user), PASSKEY, SESSION),
    }


def refused() -> dict[str, SignedRequest]:
    """Envelopes that do not show that the owner calls canister A."""
    request, plain = of_owner(), signed(of_owner(), OWNER)
    chain = delegated(OWNER, SESSION)
    return {
        "another request": altered(plain),
        "another request than the authenticator was asked to sign": altered(
            signed(evolve(request, sender=PASSKEY.user), PASSKEY)
        ),
        "another sender": evolve(plain, request=evolve(request, sender=SESSION.user)),
        "another key than the sender's": evolve(plain, public_key=SESSION.public),
        "a signature by another key": signed(request, OWNER, SESSION, delegations=List()),
        "a signature by the owner in place of the key that it named": signed(request, OWNER, delegations=chain),
        "no signature": evolve(plain, signature=b""),
        "no key": evolve(plain, request=evolve(request, sender=self_authenticating_id(b"")), public_key=b""),
        "a delegation by another key": signed(request, OWNER, SESSION, delegations=delegated(DEVICE, SESSION)),
        "a delegation that is over": signed(
            request, OWNER, SESSION, delegations=delegated(OWNER, SESSION, expiration=NOW - 1)
        ),
        "a delegation for another canister": signed(
            request, OWNER, SESSION, delegations=delegated(OWNER, SESSION, targets=List.of(B))
        ),
        "delegations that have no canister in common": signed(
            request,
            OWNER,
            SESSION,
            DEVICE,
            delegations=delegated(OWNER, SESSION, targets=List.of(A)).extend(
                delegated(SESSION, DEVICE, targets=List.of(B))
            ),
        ),
        "a delegation for too many canisters": signed(
            request, OWNER, SESSION, delegations=delegated(OWNER, SESSION, targets=List((A,) * 1001))
        ),
        "a delegation for queries": signed(
            request, OWNER, SESSION, delegations=delegated(OWNER, SESSION, permissions="queries")
        ),
        "a delegation for something unknown": signed(
            request, OWNER, SESSION, delegations=delegated(OWNER, SESSION, permissions="everything")
        ),
        "a delegation to oneself": signed(request, OWNER, OWNER),
        "delegations in a circle": signed(request, OWNER, SESSION, OWNER),
        "21 delegations": signed(request, OWNER, *(key(f"step {number}") for number in range(21))),
        "a sender_info of a user who is not a canister's": signed(
            of_owner(sender_info=SenderInfo(b"info", B, b"signature")), OWNER
        ),
        "a signature of the anonymous user": signed(evolve(request, sender=ANONYMOUS), OWNER),
    }

"""Keys that the nodes hold together: public keys, signatures and derived keys. All answers come from outside."""

from spec import fees
from spec.certification.bls_signatures import is_point_of_first_group
from spec.profile import Profile
from spec.rules.management.arguments import decoded, management_call, reply
from spec.rules.management.creation import is_system_assigned
from spec.rules.management.services import require_fee, served
from spec.state.message import CallMessage
from spec.state.state import State
from spec.transition import Step, opaque, require, transition
from spec.values import management
from spec.values.checklist import defines
from spec.values.identifiers import Blob, MessageId, Text
from spec.values.management.keys import KNOWN_KEYS
from spec.values.quantities import ByteCount, Count, Cycles
from spec.values.rejects import RejectReason, Reply

DIGEST_BYTES = 32
CHAIN_CODE_BYTES = 32
SIGNATURE_BYTES = 64
"""Of ECDSA and Schnorr signatures. Source: management-canister; likewise the other lengths."""
COMPRESSED_POINT_BYTES = 33
ED25519_KEY_BYTES = 32
G1_BYTES = 48
G2_BYTES = 96


@opaque
def ecdsa_public_key_arguments(argument: Blob) -> management.EcdsaPublicKeyArguments | None:
    """The argument of `ecdsa_public_key`."""
    arguments = management.decode_arguments("ecdsa_public_key", argument)
    return arguments if isinstance(arguments, management.EcdsaPublicKeyArguments) else None


@opaque
def sign_with_ecdsa_arguments(argument: Blob) -> management.SignWithEcdsaArguments | None:
    """The argument of `sign_with_ecdsa`."""
    arguments = management.decode_arguments("sign_with_ecdsa", argument)
    return arguments if isinstance(arguments, management.SignWithEcdsaArguments) else None


@opaque
def schnorr_public_key_arguments(argument: Blob) -> management.SchnorrPublicKeyArguments | None:
    """The argument of `schnorr_public_key`."""
    arguments = management.decode_arguments("schnorr_public_key", argument)
    return arguments if isinstance(arguments, management.SchnorrPublicKeyArguments) else None


@opaque
def sign_with_schnorr_arguments(argument: Blob) -> management.SignWithSchnorrArguments | None:
    """The argument of `sign_with_schnorr`."""
    arguments = management.decode_arguments("sign_with_schnorr", argument)
    return arguments if isinstance(arguments, management.SignWithSchnorrArguments) else None


@opaque
def vetkd_public_key_arguments(argument: Blob) -> management.VetkdPublicKeyArguments | None:
    """The argument of `vetkd_public_key`."""
    arguments = management.decode_arguments("vetkd_public_key", argument)
    return arguments if isinstance(arguments, management.VetkdPublicKeyArguments) else None


@opaque
def vetkd_derive_key_arguments(argument: Blob) -> management.VetkdDeriveKeyArguments | None:
    """The argument of `vetkd_derive_key`."""
    arguments = management.decode_arguments("vetkd_derive_key", argument)
    return arguments if isinstance(arguments, management.VetkdDeriveKeyArguments) else None


@opaque
def ecdsa_fee(profile: Profile, subnet_size: Count) -> Cycles:
    """What an ECDSA signature costs."""
    return fees.ecdsa_signature_fee(profile.fees, subnet_size)


@opaque
def schnorr_fee(profile: Profile, subnet_size: Count) -> Cycles:
    """What a Schnorr signature costs."""
    return fees.schnorr_signature_fee(profile.fees, subnet_size)


@opaque
def vetkd_fee(profile: Profile, subnet_size: Count) -> Cycles:
    """What deriving a key costs."""
    return fees.vetkd_key_fee(profile.fees, subnet_size)


@opaque
@defines("unspec.value.threshold-keys")
def is_known_key(name: Text) -> bool:
    """There is a key of this name."""
    return name in KNOWN_KEYS


@opaque
def is_transport_key(public_key: Blob) -> bool:
    """The bytes are a point of the group G1 of BLS12-381, in compressed form."""
    return is_point_of_first_group(public_key)


@opaque
def is_compressed_point(public_key: Blob) -> bool:
    """The bytes look like a point of secp256k1 in compressed form. Source: SEC1."""
    return len(public_key) == COMPRESSED_POINT_BYTES and public_key[0] in (2, 3)


@opaque
def is_schnorr_public_key(algorithm: management.SchnorrAlgorithm, public_key: Blob) -> bool:
    """The bytes look like a key of the algorithm."""
    if algorithm == management.SchnorrAlgorithm.ED25519:
        return len(public_key) == ED25519_KEY_BYTES
    return is_compressed_point(public_key)


@opaque
def is_allowed_tweak(arguments: management.SignWithSchnorrArguments) -> bool:
    """Only BIP340 signatures are tweaked, with no hash or one of 32 bytes."""
    return arguments.aux is None or (
        arguments.key_id.algorithm == management.SchnorrAlgorithm.BIP340SECP256K1
        and len(arguments.aux.merkle_root_hash) in (0, DIGEST_BYTES)
    )


@opaque
def encoded_public_key(public_key: Blob, chain_code: Blob) -> Blob:
    """The result of `ecdsa_public_key` and `schnorr_public_key`."""
    return management.encode_result("ecdsa_public_key", management.PublicKeyResult(public_key, chain_code))


@opaque
def encoded_signature(signature: Blob) -> Blob:
    """The result of `sign_with_ecdsa` and `sign_with_schnorr`."""
    return management.encode_result("sign_with_ecdsa", signature)


@opaque
def encoded_master_key(public_key: Blob) -> Blob:
    """The result of `vetkd_public_key`."""
    return management.encode_result("vetkd_public_key", public_key)


@opaque
def encoded_derived_key(encrypted_key: Blob) -> Blob:
    """The result of `vetkd_derive_key`."""
    return management.encode_result("vetkd_derive_key", encrypted_key)


def require_known_key(name: Text) -> None:
    """States that there is a key of this name."""
    require(is_known_key(name), "there is such a key", RejectReason.UNKNOWN_KEY)


def require_path(state: State, length: Count) -> None:
    """States that a derivation path of this length is not too long."""
    require(
        length <= state.profile.limits.derivation_path,
        "the derivation path is not too long",
        RejectReason.INVALID_ARGUMENT,
    )


def require_length(content: Blob, length: ByteCount, condition: Text) -> None:
    """States that a part of the argument has the length that it must have."""
    require(len(content) == length, condition, RejectReason.INVALID_ARGUMENT)


def ecdsa_public_key_call(state: State, message_id: MessageId) -> CallMessage:
    """A call to `ecdsa_public_key` that can be served."""
    call = management_call(state, message_id, "ecdsa_public_key")
    arguments = decoded(ecdsa_public_key_arguments(call.argument))
    require_path(state, len(arguments.derivation_path))
    require_known_key(arguments.key_id.name)
    return call


def sign_with_ecdsa_call(state: State, message_id: MessageId) -> tuple[CallMessage, Cycles]:
    """A call to `sign_with_ecdsa` that can be served, and its fee."""
    call = management_call(state, message_id, "sign_with_ecdsa")
    arguments = decoded(sign_with_ecdsa_arguments(call.argument))
    require_path(state, len(arguments.derivation_path))
    require_length(arguments.message_hash, DIGEST_BYTES, "the hash has 32 bytes")
    require_known_key(arguments.key_id.name)
    fee = ecdsa_fee(state.profile, state.subnet.subnet_size)
    require_fee(call, fee)
    return call, fee


def schnorr_public_key_call(
    state: State, message_id: MessageId
) -> tuple[CallMessage, management.SchnorrPublicKeyArguments]:
    """A call to `schnorr_public_key` that can be served, and its argument."""
    call = management_call(state, message_id, "schnorr_public_key")
    arguments = decoded(schnorr_public_key_arguments(call.argument))
    require_path(state, len(arguments.derivation_path))
    require_known_key(arguments.key_id.name)
    return call, arguments


def sign_with_schnorr_call(state: State, message_id: MessageId) -> tuple[CallMessage, Cycles]:
    """A call to `sign_with_schnorr` that can be served, and its fee."""
    call = management_call(state, message_id, "sign_with_schnorr")
    arguments = decoded(sign_with_schnorr_arguments(call.argument))
    require_path(state, len(arguments.derivation_path))
    require(is_allowed_tweak(arguments), "the tweak is allowed", RejectReason.INVALID_ARGUMENT)
    require_known_key(arguments.key_id.name)
    fee = schnorr_fee(state.profile, state.subnet.subnet_size)
    require_fee(call, fee)
    return call, fee


def vetkd_public_key_call(state: State, message_id: MessageId) -> CallMessage:
    """A call to `vetkd_public_key` that can be served."""
    call = management_call(state, message_id, "vetkd_public_key")
    arguments = decoded(vetkd_public_key_arguments(call.argument))
    require(
        arguments.canister_id is None or is_system_assigned(arguments.canister_id),
        "the id can be that of a canister",
        RejectReason.INVALID_ARGUMENT,
    )
    require_known_key(arguments.key_id.name)
    return call


def vetkd_derive_key_call(state: State, message_id: MessageId) -> tuple[CallMessage, Cycles]:
    """A call to `vetkd_derive_key` that can be served, and its fee."""
    call = management_call(state, message_id, "vetkd_derive_key")
    arguments = decoded(vetkd_derive_key_arguments(call.argument))
    require(
        is_transport_key(arguments.transport_public_key),
        "the transport key is a point of the first group",
        RejectReason.INVALID_ARGUMENT,
    )
    require_known_key(arguments.key_id.name)
    fee = vetkd_fee(state.profile, state.subnet.subnet_size)
    require_fee(call, fee)
    return call, fee


@transition(title="ECDSA public key", source="ours#outside-world")
def ecdsa_public_key(state: State, *, message_id: MessageId, public_key: Blob, chain_code: Blob) -> Step:
    """A canister learns an ECDSA public key that belongs to a canister."""
    # CONDITIONS
    call = ecdsa_public_key_call(state, message_id)
    require(is_compressed_point(public_key), "the key is a compressed point")
    require(len(chain_code) == CHAIN_CODE_BYTES, "the chain code has 32 bytes")

    # STATE AFTER
    return reply(state, message_id, call, encoded_public_key(public_key, chain_code))


@transition(title="ECDSA signature", source="ours#outside-world")
def sign_with_ecdsa(state: State, *, message_id: MessageId, signature: Blob) -> Step:
    """A canister gets an ECDSA signature under its own key."""
    # CONDITIONS
    call, fee = sign_with_ecdsa_call(state, message_id)
    require(len(signature) == SIGNATURE_BYTES, "the signature has 64 bytes")

    # STATE AFTER
    return served(state, message_id, call, Reply(encoded_signature(signature)), fee)


@transition(title="Schnorr public key", source="ours#outside-world")
def schnorr_public_key(state: State, *, message_id: MessageId, public_key: Blob, chain_code: Blob) -> Step:
    """A canister learns a Schnorr public key that belongs to a canister."""
    # CONDITIONS
    call, arguments = schnorr_public_key_call(state, message_id)
    require(is_schnorr_public_key(arguments.key_id.algorithm, public_key), "the key is one of the algorithm")
    require(len(chain_code) == CHAIN_CODE_BYTES, "the chain code has 32 bytes")

    # STATE AFTER
    return reply(state, message_id, call, encoded_public_key(public_key, chain_code))


@transition(title="Schnorr signature", source="ours#outside-world")
def sign_with_schnorr(state: State, *, message_id: MessageId, signature: Blob) -> Step:
    """A canister gets a Schnorr signature under its own key."""
    # CONDITIONS
    call, fee = sign_with_schnorr_call(state, message_id)
    require(len(signature) == SIGNATURE_BYTES, "the signature has 64 bytes")

    # STATE AFTER
    return served(state, message_id, call, Reply(encoded_signature(signature)), fee)


@transition(title="vetKD public key", source="ours#outside-world")
def vetkd_public_key(state: State, *, message_id: MessageId, public_key: Blob) -> Step:
    """A canister learns the key with which derived keys of a canister are verified."""
    # CONDITIONS
    call = vetkd_public_key_call(state, message_id)
    require(len(public_key) == G2_BYTES, "the key has 96 bytes")

    # STATE AFTER
    return reply(state, message_id, call, encoded_master_key(public_key))


@transition(title="vetKD key derivation", source="ours#outside-world")
def vetkd_derive_key(state: State, *, message_id: MessageId, encrypted_key: Blob) -> Step:
    """A canister gets a derived key, encrypted under a transport key."""
    # CONDITIONS
    call, fee = vetkd_derive_key_call(state, message_id)
    require(len(encrypted_key) == G1_BYTES + G2_BYTES + G1_BYTES, "the encrypted key has 192 bytes")

    # STATE AFTER
    return served(state, message_id, call, Reply(encoded_derived_key(encrypted_key)), fee)

"""Threshold keys, signatures and derived keys: arguments and results. Source: ic.did."""

from enum import Enum
from typing import Final

from attrs import field, frozen

from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, Text
from spec.values.management.shapes import (
    BLOB_SHAPE,
    PRINCIPAL,
    TEXT,
    enumeration_shape,
    list_shape,
    optional_shape,
    record_shape,
    single_field,
    union_shape,
)

KNOWN_KEYS: Final = ("key_1", "test_key_1")
"""The names of the keys of production, for every curve and algorithm. Ours: the text leaves them open."""


class EcdsaCurve(Enum):
    """The curves of ECDSA keys."""

    SECP256K1 = "secp256k1"


class SchnorrAlgorithm(Enum):
    """The algorithms of Schnorr keys."""

    BIP340SECP256K1 = "bip340secp256k1"
    ED25519 = "ed25519"


class VetkdCurve(Enum):
    """The curves of keys from which others are derived."""

    BLS12_381_G2 = "bls12_381_g2"


@frozen
class EcdsaKeyId:
    """Which ECDSA key."""

    curve: EcdsaCurve
    name: Text


@frozen
class SchnorrKeyId:
    """Which Schnorr key."""

    algorithm: SchnorrAlgorithm
    name: Text


@frozen
class VetkdKeyId:
    """Which master key."""

    curve: VetkdCurve
    name: Text


@frozen
class EcdsaPublicKeyArguments:
    """Argument of `ecdsa_public_key`."""

    key_id: EcdsaKeyId
    canister_id: CanisterId | None = None
    """Whose key; None for the caller's. Likewise in the others."""
    derivation_path: List[Blob] = field(factory=List)


@frozen
class SignWithEcdsaArguments:
    """Argument of `sign_with_ecdsa`."""

    message_hash: Blob
    key_id: EcdsaKeyId
    derivation_path: List[Blob] = field(factory=List)


@frozen
class SchnorrPublicKeyArguments:
    """Argument of `schnorr_public_key`."""

    key_id: SchnorrKeyId
    canister_id: CanisterId | None = None
    derivation_path: List[Blob] = field(factory=List)


@frozen
class TaprootTweak:
    """What makes a BIP340 signature one for a taproot output."""

    merkle_root_hash: Blob
    """Empty, or 32 bytes."""


@frozen
class SignWithSchnorrArguments:
    """Argument of `sign_with_schnorr`."""

    message: Blob
    key_id: SchnorrKeyId
    derivation_path: List[Blob] = field(factory=List)
    aux: TaprootTweak | None = None


@frozen
class VetkdPublicKeyArguments:
    """Argument of `vetkd_public_key`."""

    key_id: VetkdKeyId
    canister_id: CanisterId | None = None
    context: Blob = b""


@frozen
class VetkdDeriveKeyArguments:
    """Argument of `vetkd_derive_key`."""

    input: Blob
    transport_public_key: Blob
    key_id: VetkdKeyId
    context: Blob = b""


@frozen
class PublicKeyResult:
    """Result of `ecdsa_public_key` and `schnorr_public_key`."""

    public_key: Blob
    chain_code: Blob


PATH: Final = {"derivation_path": list_shape(BLOB_SHAPE)}
OF_CANISTER: Final = {"canister_id": optional_shape(PRINCIPAL)}
ECDSA_KEY: Final = {"key_id": record_shape(EcdsaKeyId, {"curve": enumeration_shape(EcdsaCurve), "name": TEXT})}
SCHNORR_KEY: Final = {
    "key_id": record_shape(SchnorrKeyId, {"algorithm": enumeration_shape(SchnorrAlgorithm), "name": TEXT})
}
VETKD_KEY: Final = {"key_id": record_shape(VetkdKeyId, {"curve": enumeration_shape(VetkdCurve), "name": TEXT})}
AUX: Final = union_shape({"bip341": (TaprootTweak, record_shape(TaprootTweak, {"merkle_root_hash": BLOB_SHAPE}))})

ARGUMENTS: Final = {
    "ecdsa_public_key": record_shape(EcdsaPublicKeyArguments, {**OF_CANISTER, **PATH, **ECDSA_KEY}),
    "sign_with_ecdsa": record_shape(SignWithEcdsaArguments, {"message_hash": BLOB_SHAPE, **PATH, **ECDSA_KEY}),
    "schnorr_public_key": record_shape(SchnorrPublicKeyArguments, {**OF_CANISTER, **PATH, **SCHNORR_KEY}),
    "sign_with_schnorr": record_shape(
        SignWithSchnorrArguments, {"message": BLOB_SHAPE, **PATH, **SCHNORR_KEY, "aux": optional_shape(AUX)}
    ),
    "vetkd_public_key": record_shape(VetkdPublicKeyArguments, {**OF_CANISTER, "context": BLOB_SHAPE, **VETKD_KEY}),
    "vetkd_derive_key": record_shape(
        VetkdDeriveKeyArguments,
        {"input": BLOB_SHAPE, "context": BLOB_SHAPE, "transport_public_key": BLOB_SHAPE, **VETKD_KEY},
    ),
}

PUBLIC_KEY: Final = record_shape(PublicKeyResult, {"public_key": BLOB_SHAPE, "chain_code": BLOB_SHAPE})

RESULTS: Final = {
    "ecdsa_public_key": PUBLIC_KEY,
    "sign_with_ecdsa": single_field("signature", BLOB_SHAPE),
    "schnorr_public_key": PUBLIC_KEY,
    "sign_with_schnorr": single_field("signature", BLOB_SHAPE),
    "vetkd_public_key": single_field("public_key", BLOB_SHAPE),
    "vetkd_derive_key": single_field("encrypted_key", BLOB_SHAPE),
}

"""Arguments of calls that reach beyond the subnet: they are about no canister, and the same each time."""

from collections.abc import Mapping
from typing import Final

from spec.values import management
from spec.values.identifiers import Text

ECDSA: Final = management.EcdsaKeyId(management.EcdsaCurve.SECP256K1, "key_1")
SCHNORR: Final = management.SchnorrKeyId(management.SchnorrAlgorithm.ED25519, "key_1")
VETKD: Final = management.VetkdKeyId(management.VetkdCurve.BLS12_381_G2, "key_1")
BITCOIN: Final = management.BitcoinNetwork.MAINNET
TRANSPORT_KEY: Final = bytes.fromhex(
    "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
)
"""The generator of the group, which is a key as good as any."""

FIXED: Final[Mapping[Text, management.AnyArguments]] = {
    "ecdsa_public_key": management.EcdsaPublicKeyArguments(ECDSA),
    "sign_with_ecdsa": management.SignWithEcdsaArguments(bytes(32), ECDSA),
    "schnorr_public_key": management.SchnorrPublicKeyArguments(SCHNORR),
    "sign_with_schnorr": management.SignWithSchnorrArguments(b"message", SCHNORR),
    "vetkd_public_key": management.VetkdPublicKeyArguments(VETKD),
    "vetkd_derive_key": management.VetkdDeriveKeyArguments(b"input", TRANSPORT_KEY, VETKD),
    "http_request": management.HttpRequestArguments("https://example.com/", max_response_bytes=1_000),
    "bitcoin_get_utxos": management.GetUtxosArguments("address", BITCOIN),
    "bitcoin_get_balance": management.GetBalanceArguments("address", BITCOIN),
    "bitcoin_send_transaction": management.SendTransactionArguments(b"transaction", BITCOIN),
    "bitcoin_get_current_fee_percentiles": management.FeePercentilesArguments(BITCOIN),
    "bitcoin_get_block_headers": management.GetBlockHeadersArguments(0, BITCOIN),
}
"""By the name of the method."""

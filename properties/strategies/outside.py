"""Calls that the outside world answers: threshold keys, HTTP requests and Bitcoin."""

from collections.abc import Sequence

from hypothesis import strategies as st

from properties.strategies.management import ManagementCall
from properties.strategies.services import named
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, Principal

TRANSPORT_KEY = bytes.fromhex(
    "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
)
"""The generator of the group in which transport keys are."""
KEY_NAMES = st.sampled_from(["key_1"] * 6 + ["other"])
PATHS = st.sampled_from([List[Blob](), List.of(b"path")] * 3 + [List((b"",) * 256)])
"""The last one is too long."""
ECDSA_KEYS = st.builds(management.EcdsaKeyId, st.just(management.EcdsaCurve.SECP256K1), KEY_NAMES)
SCHNORR_KEYS = st.builds(management.SchnorrKeyId, st.sampled_from(list(management.SchnorrAlgorithm)), KEY_NAMES)
VETKD_KEYS = st.builds(management.VetkdKeyId, st.just(management.VetkdCurve.BLS12_381_G2), KEY_NAMES)
NETWORKS = st.sampled_from(list(management.BitcoinNetwork))


def outside_calls(canisters: Sequence[CanisterId]) -> list[st.SearchStrategy[ManagementCall]]:
    """One strategy for each method; most arguments can be served."""
    return [*threshold_keys(canisters), http_requests(canisters), *bitcoin_calls()]


def threshold_keys(canisters: Sequence[CanisterId]) -> list[st.SearchStrategy[ManagementCall]]:
    """Public keys, signatures and derived keys."""
    whose = st.one_of(st.none(), st.none(), st.sampled_from([*canisters, Principal(b"\x04")]))
    tweaks = st.sampled_from(
        [*[None] * 9, *(management.TaprootTweak(root) for root in (b"", bytes(32), b"not so long"))]
    )
    return [
        named("ecdsa_public_key", st.builds(management.EcdsaPublicKeyArguments, ECDSA_KEYS, whose, PATHS)),
        named(
            "sign_with_ecdsa",
            st.builds(management.SignWithEcdsaArguments, st.sampled_from([bytes(32)] * 4 + [b""]), ECDSA_KEYS, PATHS),
        ),
        named("schnorr_public_key", st.builds(management.SchnorrPublicKeyArguments, SCHNORR_KEYS, whose, PATHS)),
        named(
            "sign_with_schnorr",
            st.builds(management.SignWithSchnorrArguments, st.just(b"message"), SCHNORR_KEYS, PATHS, tweaks),
        ),
        named("vetkd_public_key", st.builds(management.VetkdPublicKeyArguments, VETKD_KEYS, whose)),
        named(
            "vetkd_derive_key",
            st.builds(
                management.VetkdDeriveKeyArguments,
                st.just(b"input"),
                st.sampled_from([TRANSPORT_KEY] * 4 + [b""]),
                VETKD_KEYS,
            ),
        ),
    ]


def http_requests(canisters: Sequence[CanisterId]) -> st.SearchStrategy[ManagementCall]:
    """Requests, some with a transformation that exists and some with one that does not."""
    transforms = st.sampled_from(
        [
            None,
            *(management.HttpTransform(one, "query", b"context") for one in canisters),
            management.HttpTransform(canisters[0], "absent"),
        ]
    )
    return named(
        "http_request",
        st.builds(
            management.HttpRequestArguments,
            st.sampled_from(["https://example.org"] * 6 + ["http://example.org", "https://" + "a" * 9000]),
            st.sampled_from(list(management.HttpMethod)),
            st.sampled_from([None, 0, 1000, 1000, 1000, 2_000_001]),
            body=st.sampled_from([None, b"body"]),
            transform=transforms,
            is_replicated=st.sampled_from([None, True, False]),
        ),
    )


def bitcoin_calls() -> list[st.SearchStrategy[ManagementCall]]:
    """The five methods that ask the Bitcoin network."""
    filters = st.sampled_from([None, None, management.Confirmations(144), management.Confirmations(145)])
    return [
        named("bitcoin_get_utxos", st.builds(management.GetUtxosArguments, st.just("address"), NETWORKS, filters)),
        named(
            "bitcoin_get_balance",
            st.builds(management.GetBalanceArguments, st.just("address"), NETWORKS, st.sampled_from([None, None, 145])),
        ),
        named(
            "bitcoin_send_transaction",
            st.builds(management.SendTransactionArguments, st.just(b"transaction"), NETWORKS),
        ),
        named("bitcoin_get_current_fee_percentiles", st.builds(management.FeePercentilesArguments, NETWORKS)),
        named(
            "bitcoin_get_block_headers",
            st.builds(management.GetBlockHeadersArguments, st.just(5), NETWORKS, st.sampled_from([None, None, 4, 7])),
        ),
    ]

"""Calls that leave the subnet: threshold keys, HTTPS outcalls, Bitcoin."""

from collections.abc import Callable

from conformance.canisters import ic0
from conformance.canisters.scripted import bytes_of_u32, call, concat, program, reply
from conformance.judging.patterns import replies_with
from conformance.protocol.interface import Needs
from conformance.suite.acting import Sent
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.management_calls import DONE, REJECTED, asking, results_in, told_a_reject
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.scenarios.spontaneous import SCHEDULED
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, Principal, Text
from spec.values.management import BitcoinNetwork
from spec.values.rejects import RejectCode

TRANSPORT_KEY = bytes.fromhex(
    "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
)
"""The generator of the group in which transport keys are."""
MAINNET = BitcoinNetwork.MAINNET
FEE = 30_000_000_000
"""More than any of these calls costs on a subnet of 13 nodes."""

ECDSA = management.EcdsaKeyId(management.EcdsaCurve.SECP256K1, "key_1")
ED25519 = management.SchnorrKeyId(management.SchnorrAlgorithm.ED25519, "key_1")
BIP340 = management.SchnorrKeyId(management.SchnorrAlgorithm.BIP340SECP256K1, "test_key_1")
VETKD = management.VetkdKeyId(management.VetkdCurve.BLS12_381_G2, "key_1")
DEEP = List(tuple(bytes([index]) for index in range(256)))
"""A derivation path that is too long."""

POINT = b"\x03" + bytes(range(32))
CHAIN_CODE = bytes(range(32, 64))
SIGNATURE = bytes(range(64))
HTTP = management.HttpRequestArguments("https://example.com/", max_response_bytes=1_000)
NOWHERE = Principal(b"")


def under_way(
    stage: Stage, caller: CanisterId, method_name: Text, arguments: Blob | management.AnyArguments, cycles: int
) -> Sent:
    """The call has left the caller and waits for its answer."""
    sent = stage.send(caller, "update", asking(method_name, arguments, cycles))
    for rule in ("initiate_call", "call_context_creation", "message_execution"):
        stage.take(rule)
    return sent


def answered(
    name: Text,
    title: Text,
    covers: tuple[Text, ...],
    arguments: Callable[[CanisterId], management.AnyArguments],
    answer: dict[str, object],
    result: object,
    cycles: int = 0,
    method_name: Text = "",
) -> None:
    """
    A scenario in which the outside world gives a certain answer, which reaches the caller.

    It has the name of the method, unless that is told.
    """
    method = method_name or name

    def script(stage: Stage) -> None:
        # Given
        caller = scripted(stage)
        sent = under_way(stage, caller, method, arguments(caller), cycles)
        # When
        stage.take(method, **answer)
        stage.settle()
        # Then
        stage.expect(stage.answer(sent), DONE if result is None else results_in(method, result))
        stage.balance(caller)

    script.__name__ = name
    scenario(title, covers=covers, needs=SCHEDULED)(script)


def refused(
    name: Text,
    title: Text,
    covers: tuple[Text, ...],
    method_name: Text,
    arguments: Callable[[CanisterId], management.AnyArguments],
    cycles: int = FEE,
    *,
    is_too_little: bool = False,
) -> None:
    """
    A scenario in which a call is rejected before it leaves the subnet, and its cycles come back.

    What is too little at the prices of the profile may be enough elsewhere.
    """

    def script(stage: Stage) -> None:
        # Given
        caller = scripted(stage)
        # When
        tell = program(reply(concat(bytes_of_u32(ic0.msg_reject_code()), ic0.msg_cycles_refunded128())))
        encoded = management.encode_arguments(arguments(caller))
        answer = stage.call(
            caller,
            program(call(b"", method_name, encoded, cycles=cycles, on_reply=program(reply(b"taken")), on_reject=tell)),
        )
        # Then
        stage.expect(answer, told_a_reject(cycles.to_bytes(16, "little")))
        stage.balance(caller)

    script.__name__ = name
    scenario(title, covers=covers, needs=Needs(exact_costs=is_too_little))(script)


answered(
    "ecdsa_public_key",
    "A canister is told an ECDSA public key, which costs nothing",
    ("mgmt.ecdsa-public-key", "unspec.value.threshold-keys"),
    lambda _: management.EcdsaPublicKeyArguments(ECDSA),
    {"public_key": POINT, "chain_code": CHAIN_CODE},
    management.PublicKeyResult(POINT, CHAIN_CODE),
)
answered(
    "sign_with_ecdsa",
    "A canister has a hash signed with ECDSA; the fee is kept and the rest comes back",
    ("mgmt.sign-with-ecdsa", "mgmt-general.cycles-attached"),
    lambda _: management.SignWithEcdsaArguments(bytes(32), ECDSA),
    {"signature": SIGNATURE},
    SIGNATURE,
    FEE,
)
answered(
    "schnorr_public_key",
    "A canister is told an Ed25519 public key of another canister",
    ("mgmt.schnorr-public-key", "mgmt.ed25519-key-derivation"),
    lambda caller: management.SchnorrPublicKeyArguments(ED25519, caller, List.of(b"path")),
    {"public_key": bytes(range(32)), "chain_code": CHAIN_CODE},
    management.PublicKeyResult(bytes(range(32)), CHAIN_CODE),
)
answered(
    "sign_with_schnorr",
    "A canister has a message signed with BIP340 for a taproot output",
    ("mgmt.sign-with-schnorr",),
    lambda _: management.SignWithSchnorrArguments(b"message", BIP340, aux=management.TaprootTweak(bytes(32))),
    {"signature": SIGNATURE},
    SIGNATURE,
    FEE,
)
answered(
    "vetkd_public_key",
    "A canister is told a public key from which others verify derived keys",
    ("mgmt.vetkd-public-key",),
    lambda _: management.VetkdPublicKeyArguments(VETKD, context=b"context"),
    {"public_key": bytes(range(96))},
    bytes(range(96)),
)
answered(
    "vetkd_derive_key",
    "A canister has a key derived, encrypted for a transport key",
    ("mgmt.vetkd-derive-key",),
    lambda _: management.VetkdDeriveKeyArguments(b"input", TRANSPORT_KEY, VETKD),
    {"encrypted_key": bytes(range(192))},
    bytes(range(192)),
    FEE,
)
RESPONSE = management.HttpResponse(200, List.of(management.HttpHeader("content-type", "text/plain")), b"hello")
answered(
    "http_request",
    "A canister makes an HTTPS outcall and pays for what it sent and for the largest answer",
    ("mgmt.http-request", "unspec.value.http-outcalls"),
    lambda _: HTTP,
    {"answer": RESPONSE},
    RESPONSE,
    FEE,
)
MOST_HEADERS = List(
    tuple(management.HttpHeader(f"{index:02}", "v" * length) for index, length in enumerate((8_192, *[644] * 62, 904)))
)
"""As many headers as an outcall may have, one of them as long as it may be, with 48 KiB together."""
answered(
    "largest_http_request",
    "A canister makes an HTTPS outcall with an address, headers and a body as long as they may be",
    ("mgmt.http-request", "unspec.value.http-outcalls"),
    lambda _: management.HttpRequestArguments(
        "https://" + "u" * 8_184,
        max_response_bytes=2_000_000,
        headers=MOST_HEADERS,
        body=bytes(2_000_000 - 48 * 2**10),
    ),
    {"answer": RESPONSE},
    RESPONSE,
    10**11,
    "http_request",
)
# In the lowest block with six confirmations when the tip is at 100.
UTXOS = management.UtxosResult(bytes(32), 100, List.of(management.Utxo(management.Outpoint(bytes(32), 1), 5_000, 95)))
answered(
    "bitcoin_get_utxos",
    "A canister is told the unspent outputs of a Bitcoin address, and its cycles come back",
    ("mgmt.bitcoin-get-utxos", "unspec.value.bitcoin"),
    lambda _: management.GetUtxosArguments("address", MAINNET, management.Confirmations(6)),
    {"answer": UTXOS},
    UTXOS,
    10**10,
)
answered(
    "bitcoin_get_balance",
    "A canister is told the balance of a Bitcoin address",
    ("mgmt.bitcoin-get-balance",),
    lambda _: management.GetBalanceArguments("address", MAINNET),
    {"satoshi": 123_456},
    123_456,
)
answered(
    "bitcoin_send_transaction",
    "A canister sends a Bitcoin transaction",
    ("mgmt.bitcoin-send-transaction",),
    lambda _: management.SendTransactionArguments(b"transaction", BitcoinNetwork.TESTNET),
    {},
    None,
)
PERCENTILES = List(tuple(range(0, 1_010, 10)))
answered(
    "bitcoin_get_current_fee_percentiles",
    "A canister is told the 101 percentiles of Bitcoin fees",
    ("mgmt.bitcoin-get-current-fee-percentiles",),
    lambda _: management.FeePercentilesArguments(MAINNET),
    {"percentiles": PERCENTILES},
    PERCENTILES,
)
HEADERS = management.BlockHeadersResult(1_000, List.of(bytes(80), bytes(range(80))))
answered(
    "bitcoin_get_block_headers",
    "A canister is told the headers of Bitcoin blocks",
    ("mgmt.bitcoin-get-block-headers",),
    lambda _: management.GetBlockHeadersArguments(10, MAINNET, 11),
    {"answer": HEADERS},
    HEADERS,
)

NO_FEE = ("mgmt-general.cycles-attached",)
refused(
    "ecdsa_unpaid",
    "An ECDSA signature is refused if its fee is not attached in full",
    ("mgmt.sign-with-ecdsa", *NO_FEE),
    "sign_with_ecdsa",
    lambda _: management.SignWithEcdsaArguments(bytes(32), ECDSA),
    9_999_999_999,
    is_too_little=True,
)
refused(
    "schnorr_unpaid",
    "A Schnorr signature is refused without fee",
    ("mgmt.sign-with-schnorr", *NO_FEE),
    "sign_with_schnorr",
    lambda _: management.SignWithSchnorrArguments(b"message", ED25519),
    0,
)
refused(
    "vetkd_unpaid",
    "The derivation of a key is refused without fee",
    ("mgmt.vetkd-derive-key", *NO_FEE),
    "vetkd_derive_key",
    lambda _: management.VetkdDeriveKeyArguments(b"input", TRANSPORT_KEY, VETKD),
    1,
    is_too_little=True,
)
refused(
    "http_unpaid",
    "An HTTPS outcall is refused if what is attached pays only for a smaller one",
    ("mgmt.http-request", *NO_FEE),
    "http_request",
    lambda _: HTTP,
    1_000_000,
    is_too_little=True,
)
refused(
    "ecdsa_key_path",
    "An ECDSA public key with a derivation path of more than 255 parts is refused",
    ("mgmt.ecdsa-public-key",),
    "ecdsa_public_key",
    lambda _: management.EcdsaPublicKeyArguments(ECDSA, derivation_path=DEEP),
)
refused(
    "ecdsa_unknown_key",
    "An ECDSA key of another name is refused",
    ("mgmt.ecdsa-public-key",),
    "ecdsa_public_key",
    lambda _: management.EcdsaPublicKeyArguments(management.EcdsaKeyId(management.EcdsaCurve.SECP256K1, "mine")),
)
refused(
    "ecdsa_hash_length",
    "ECDSA signs hashes of 32 bytes and no others",
    ("mgmt.sign-with-ecdsa",),
    "sign_with_ecdsa",
    lambda _: management.SignWithEcdsaArguments(bytes(31), ECDSA),
)
refused(
    "ecdsa_signing_path",
    "An ECDSA signature with a derivation path of more than 255 parts is refused",
    ("mgmt.sign-with-ecdsa",),
    "sign_with_ecdsa",
    lambda _: management.SignWithEcdsaArguments(bytes(32), ECDSA, DEEP),
)
refused(
    "ecdsa_signing_key",
    "An ECDSA signature with a key that does not exist is refused",
    ("mgmt.sign-with-ecdsa",),
    "sign_with_ecdsa",
    lambda _: management.SignWithEcdsaArguments(bytes(32), management.EcdsaKeyId(ECDSA.curve, "")),
)
refused(
    "schnorr_key_path",
    "A Schnorr public key with a derivation path of more than 255 parts is refused",
    ("mgmt.schnorr-public-key",),
    "schnorr_public_key",
    lambda _: management.SchnorrPublicKeyArguments(ED25519, derivation_path=DEEP),
)
refused(
    "schnorr_unknown_key",
    "A Schnorr key of another name is refused",
    ("mgmt.schnorr-public-key",),
    "schnorr_public_key",
    lambda _: management.SchnorrPublicKeyArguments(management.SchnorrKeyId(ED25519.algorithm, "mine")),
)
refused(
    "taproot_ed25519",
    "A taproot tweak is refused with Ed25519",
    ("mgmt.sign-with-schnorr",),
    "sign_with_schnorr",
    lambda _: management.SignWithSchnorrArguments(b"message", ED25519, aux=management.TaprootTweak(bytes(32))),
)
refused(
    "taproot_length",
    "A taproot tweak that is neither empty nor 32 bytes long is refused",
    ("mgmt.sign-with-schnorr",),
    "sign_with_schnorr",
    lambda _: management.SignWithSchnorrArguments(b"message", BIP340, aux=management.TaprootTweak(bytes(5))),
)
refused(
    "vetkd_other_principal",
    "A public key for a principal that no canister can have is refused",
    ("mgmt.vetkd-public-key",),
    "vetkd_public_key",
    lambda _: management.VetkdPublicKeyArguments(VETKD, NOWHERE),
)
refused(
    "vetkd_unknown_key",
    "A master key of another name is refused",
    ("mgmt.vetkd-public-key",),
    "vetkd_public_key",
    lambda _: management.VetkdPublicKeyArguments(management.VetkdKeyId(VETKD.curve, "mine")),
)
refused(
    "vetkd_transport_key",
    "A transport key that is not 48 bytes long is refused",
    ("mgmt.vetkd-derive-key",),
    "vetkd_derive_key",
    lambda _: management.VetkdDeriveKeyArguments(b"input", bytes(47), VETKD),
)


def http_refused(name: Text, title: Text, **changes: object) -> None:
    """An HTTPS outcall with such a request is refused."""
    arguments = management.HttpRequestArguments(**{"url": "https://example.com/", **changes})  # type: ignore[arg-type]
    refused(name, title, ("mgmt.http-request",), "http_request", lambda _: arguments)


def headers(count: int, length: int) -> List[management.HttpHeader]:
    """So many headers with values of a length."""
    return List(tuple(management.HttpHeader(f"h{index}", "v" * length) for index in range(count)))


http_refused("http_scheme", "An outcall goes to https only", url="http://example.com/")
http_refused("http_url_length", "The address of an outcall has at most 8192 bytes", url="https://" + "u" * 8_185)
http_refused(
    "http_put_replicated",
    "An outcall that changes something elsewhere is not replicated",
    method=management.HttpMethod.PUT,
)
http_refused(
    "http_large_answer", "An outcall cannot ask for an answer above two million bytes", max_response_bytes=2_000_001
)
http_refused("http_many_headers", "An outcall has at most 64 headers", headers=headers(65, 1))
http_refused(
    "http_long_header", "The value of a header of an outcall has at most 8192 bytes", headers=headers(1, 8_193)
)
http_refused("http_headers_size", "The headers of an outcall have at most 48 KiB together", headers=headers(7, 8_000))
http_refused("http_large_body", "An outcall sends at most two million bytes", body=bytes(2_000_001))
http_refused(
    "http_foreign_transform",
    "The transformation of an outcall is a method of the caller itself",
    transform=management.HttpTransform(NOWHERE, "query"),
)
refused(
    "http_update_transform",
    "The transformation of an outcall is a query method, neither update nor composite query",
    ("mgmt.http-request", "entry.transform"),
    "http_request",
    lambda caller: management.HttpRequestArguments(HTTP.url, transform=management.HttpTransform(caller, "composite")),
)
refused(
    "utxos_confirmations",
    "More than 144 confirmations cannot be asked for",
    ("mgmt.bitcoin-get-utxos",),
    "bitcoin_get_utxos",
    lambda _: management.GetUtxosArguments("address", MAINNET, management.Confirmations(145)),
)
refused(
    "balance_confirmations",
    "A balance with more than 144 confirmations cannot be asked for",
    ("mgmt.bitcoin-get-balance",),
    "bitcoin_get_balance",
    lambda _: management.GetBalanceArguments("address", MAINNET, 145),
)
refused(
    "headers_backwards",
    "Headers of blocks are not asked for from a later to an earlier one",
    ("mgmt.bitcoin-get-block-headers",),
    "bitcoin_get_block_headers",
    lambda _: management.GetBlockHeadersArguments(11, MAINNET, 10),
)


@scenario(
    "A call that the outside world does not answer fails, and its fee is gone",
    covers=("mgmt.http-request", "unspec.value.http-outcalls"),
    needs=SCHEDULED,
)
def failure(stage: Stage) -> None:
    # Given
    caller = scripted(stage)
    tell = program(reply(concat(bytes_of_u32(ic0.msg_reject_code()), ic0.msg_cycles_refunded128())))
    asked = call(
        b"",
        "sign_with_ecdsa",
        management.encode_arguments(management.SignWithEcdsaArguments(bytes(32), ECDSA)),
        cycles=FEE,
        on_reject=tell,
    )
    sent = stage.send(caller, "update", program(asked))
    for rule in ("initiate_call", "call_context_creation", "message_execution"):
        stage.take(rule)
    # When
    stage.take("outside_call_failure", code=RejectCode.SYS_TRANSIENT)
    stage.settle()
    # Then
    stage.expect(stage.answer(sent), replies_with(b"\x02\0\0\0" + (FEE - 10_000_000_000).to_bytes(16, "little")))
    stage.balance(caller)


@scenario(
    "A call that waits for the outside world holds up no other call of the canister",
    covers=("def.message-eligibility", "inv.order.responses-unordered"),
    needs=SCHEDULED,
)
def departure(stage: Stage) -> None:
    # Given
    caller = scripted(stage)
    slow = under_way(stage, caller, "bitcoin_get_balance", management.GetBalanceArguments("address", MAINNET), 0)
    # When
    before = under_way(stage, caller, "raw_rand", management.RawRandArguments(), 0)
    held_up = not stage.take("raw_rand", message_id=7, randomness=bytes(32))
    stage.take("outside_call_departure")
    overtaking = stage.take("raw_rand", randomness=bytes(32))
    stage.settle()
    # Then
    stage.require(held_up and overtaking, "the later call overtakes the one that left")
    stage.expect(stage.answer(before), replies_with(management.encode_blob_result(bytes(32))))
    stage.expect(stage.answer(slow), results_in("bitcoin_get_balance", 0))


@scenario(
    "Keys, outcalls and Bitcoin are for canisters, not for users",
    covers=("mgmt-general.facade", "rule.submit-call.mgmt-controller-methods"),
)
def not_for_users(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    sent = stage.send_managed(
        "ecdsa_public_key", management.encode_arguments(management.EcdsaPublicKeyArguments(ECDSA)), canister
    )
    # Then
    stage.require(sent.refusal is not None, "the request is refused")
    stage.expect(stage.call(canister, asking("http_request", b"no Candid")), REJECTED)

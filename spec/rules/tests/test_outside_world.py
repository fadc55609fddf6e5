"""The outside world signs, derives keys, answers requests and tells of Bitcoin."""

import pytest
from attrs import evolve

from spec.machine import enabled
from spec.rules.tests.services import answer, rejection, reply_of
from spec.rules.tests.worlds import A, asked, canister, code, fire, is_refused, managing, module, refusal, returns
from spec.state.message import Between, Unordered
from spec.transition import Burned, BurnReason
from spec.values import management
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal
from spec.values.management import (
    BitcoinNetwork,
    EcdsaCurve,
    EcdsaKeyId,
    HttpHeader,
    HttpMethod,
    HttpRequestArguments,
    HttpResponse,
    HttpTransform,
    SchnorrAlgorithm,
    SchnorrKeyId,
    TaprootTweak,
    VetkdCurve,
    VetkdKeyId,
)
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply, system_reject

TRANSPORT_KEY = bytes.fromhex(
    "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
)
"""The generator of the group in which transport keys are."""
PRICE = 10_000_000_000
ECDSA = EcdsaKeyId(EcdsaCurve.SECP256K1, "key_1")
BIP340 = SchnorrKeyId(SchnorrAlgorithm.BIP340SECP256K1, "test_key_1")
ED25519 = SchnorrKeyId(SchnorrAlgorithm.ED25519, "key_1")
VETKD = VetkdKeyId(VetkdCurve.BLS12_381_G2, "key_1")
LONG_PATH = List((b"",) * 256)
POINT, CODE = b"\x03" + bytes(32), bytes(32)
MAINNET = BitcoinNetwork.MAINNET
URL = "https://example.org"

sign_ecdsa = management.SignWithEcdsaArguments(bytes(32), ECDSA)
sign_schnorr = management.SignWithSchnorrArguments(b"message", BIP340)
derive = management.VetkdDeriveKeyArguments(b"input", TRANSPORT_KEY, VETKD)
get = HttpRequestArguments(URL, max_response_bytes=1_000)
HTTP_PRICE = (3_000_000 + 60_000 * 13 + 400 * len(URL) + 800 * 1_000) * 13
utxos = management.GetUtxosArguments("address", MAINNET)

PRICED = [
    ("sign_with_ecdsa", sign_ecdsa, {"signature": bytes(64)}, bytes(64), PRICE),
    ("sign_with_schnorr", sign_schnorr, {"signature": bytes(64)}, bytes(64), PRICE),
    ("vetkd_derive_key", derive, {"encrypted_key": bytes(192)}, bytes(192), PRICE),
    ("http_request", get, {"answer": HttpResponse(404)}, HttpResponse(404), HTTP_PRICE),
]
TIP = management.UtxosResult(b"tip", 800_000)
HEADERS = management.BlockHeadersResult(9, List((bytes(80),) * 3))
FREE = [
    (
        "ecdsa_public_key",
        management.EcdsaPublicKeyArguments(ECDSA, A),
        {"public_key": POINT, "chain_code": CODE},
        management.PublicKeyResult(POINT, CODE),
    ),
    (
        "schnorr_public_key",
        management.SchnorrPublicKeyArguments(ED25519),
        {"public_key": bytes(32), "chain_code": CODE},
        management.PublicKeyResult(bytes(32), CODE),
    ),
    ("vetkd_public_key", management.VetkdPublicKeyArguments(VETKD, A), {"public_key": bytes(96)}, bytes(96)),
    ("bitcoin_get_utxos", utxos, {"answer": TIP}, TIP),
    ("bitcoin_get_balance", management.GetBalanceArguments("address", MAINNET, 144), {"satoshi": 21}, 21),
    (
        "bitcoin_get_current_fee_percentiles",
        management.FeePercentilesArguments(MAINNET),
        {"percentiles": List(tuple(range(101)))},
        List(tuple(range(101))),
    ),
    ("bitcoin_get_block_headers", management.GetBlockHeadersArguments(5, MAINNET, 8), {"answer": HEADERS}, HEADERS),
]
ROWS = [
    "mgmt.sign-with-ecdsa",
    "mgmt.sign-with-schnorr",
    "mgmt.vetkd-derive-key",
    "mgmt.http-request",
    "unspec.value.threshold-keys",
    "unspec.value.http-outcalls",
]


def calling(arguments, method_name, cycles=HTTP_PRICE + PRICE, **changes):
    """A state in which canister A asks the outside world."""
    return managing((A, canister(A)), call=asked(arguments, method_name, A, transferred_cycles=cycles), **changes)


@pytest.mark.checklist(*ROWS, "mgmt-general.cycles-attached", "seed1.network-charge")
@pytest.mark.parametrize(("method_name", "arguments", "choices", "result", "price"), PRICED)
def test_the_fee_is_taken_from_the_cycles_attached_and_the_rest_refunded(
    method_name, arguments, choices, result, price
):
    fired = fire(calling(arguments, method_name, price + 5), method_name, message_id=0, **choices)
    assert answer(fired.state) == (Reply(management.encode_result(method_name, result)), 5)
    assert fired.burned == (Burned(price, BurnReason.SERVICES),)


@pytest.mark.checklist(*ROWS, "prod.threshold_signatures.test_sign_with_threshold_key_rejected_without_fee")
@pytest.mark.parametrize(("method_name", "arguments", "choices", "result", "price"), PRICED)
def test_without_the_fee_the_call_is_rejected(method_name, arguments, choices, result, price):
    state = calling(arguments, method_name, price - 1)
    assert rejection(state) is RejectReason.INSUFFICIENT_CYCLES_ATTACHED


@pytest.mark.checklist(
    "mgmt.ecdsa-public-key",
    "mgmt.schnorr-public-key",
    "mgmt.vetkd-public-key",
    "mgmt.bitcoin-get-utxos",
    "mgmt.bitcoin-get-balance",
    "mgmt.bitcoin-get-current-fee-percentiles",
    "mgmt.bitcoin-get-block-headers",
    "unspec.value.bitcoin",
)
@pytest.mark.parametrize(("method_name", "arguments", "choices", "result"), FREE)
def test_public_keys_and_bitcoin_are_free(method_name, arguments, choices, result):
    fired = fire(calling(arguments, method_name, 5), method_name, message_id=0, **choices)
    assert answer(fired.state) == (Reply(management.encode_result(method_name, result)), 5)
    assert fired.burned == ()


@pytest.mark.checklist("mgmt.bitcoin-send-transaction")
def test_a_transaction_is_sent():
    arguments = management.SendTransactionArguments(b"transaction", MAINNET)
    fired = fire(calling(arguments, "bitcoin_send_transaction"), "bitcoin_send_transaction", message_id=0)
    assert answer(fired.state)[0] == Reply(management.EMPTY_RESULT)


@pytest.mark.checklist(*ROWS)
@pytest.mark.parametrize(("method_name", "arguments", "choices", "result", "price"), PRICED)
@pytest.mark.parametrize("code", [RejectCode.SYS_TRANSIENT, RejectCode.CANISTER_ERROR])
def test_when_the_outside_world_fails_the_fee_is_kept(method_name, arguments, choices, result, price, code):
    state = calling(arguments, method_name, price + 5)
    fired = fire(state, "outside_call_failure", message_id=0, code=code)
    assert answer(fired.state) == (system_reject(code, RejectReason.OUTSIDE_WORLD_FAILED), 5)
    assert fired.burned == (Burned(price, BurnReason.SERVICES),)


@pytest.mark.checklist("unspec.value.bitcoin", "unspec.value.threshold-keys")
@pytest.mark.parametrize(("method_name", "arguments", "choices", "result"), FREE)
def test_a_failure_of_what_is_free_costs_nothing(method_name, arguments, choices, result):
    fired = fire(
        calling(arguments, method_name, 5), "outside_call_failure", message_id=0, code=RejectCode.CANISTER_REJECT
    )
    response, refunded = answer(fired.state)
    assert isinstance(response, Reject) and refunded == 5


@pytest.mark.checklist("unspec.value.threshold-keys")
def test_what_cannot_be_served_does_not_fail_outside_and_one_code_is_not_used():
    failure = "outside_call_failure"
    unpaid = calling(sign_ecdsa, "sign_with_ecdsa", 0)
    assert is_refused(unpaid, failure, "the fee is attached", message_id=0, code=RejectCode.SYS_FATAL)
    served = calling(sign_ecdsa, "sign_with_ecdsa")
    because = "the outside world fails with such a code"
    assert is_refused(served, failure, because, message_id=0, code=RejectCode.SYS_UNKNOWN)
    assert isinstance(answer(fire(served, failure, message_id=0, code=RejectCode.DESTINATION_INVALID).state)[0], Reject)
    inside = calling(management.CanisterIdArguments(A), "canister_status")
    because = "the outside world answers the call"
    assert is_refused(inside, failure, because, message_id=0, code=RejectCode.SYS_FATAL)


def test_a_call_that_waits_for_the_outside_world_holds_up_no_other():
    state = calling(sign_ecdsa, "sign_with_ecdsa")
    behind = evolve(
        state, messages=state.messages.append(asked(management.CanisterIdArguments(A), "canister_status", A))
    )
    queue = Between(A, MANAGEMENT_CANISTER)
    assert [message.queue for message in behind.messages] == [queue, queue]
    assert is_refused(behind, "canister_status", "no older call of the same queue waits", message_id=1)
    after = fire(behind, "outside_call_departure", message_id=0).state
    assert after.messages[0] == evolve(state.messages[0], queue=Unordered())
    assert fire(after, "canister_status", message_id=1)
    assert is_refused(after, "outside_call_departure", "the call is in a queue", message_id=0)


@pytest.mark.checklist(*ROWS, "mgmt.ecdsa-public-key", "mgmt.schnorr-public-key", "mgmt.vetkd-public-key")
@pytest.mark.parametrize(
    ("method_name", "arguments", "reason"),
    [
        ("ecdsa_public_key", management.EcdsaPublicKeyArguments(ECDSA, None, LONG_PATH), RejectReason.INVALID_ARGUMENT),
        ("sign_with_ecdsa", evolve(sign_ecdsa, derivation_path=LONG_PATH), RejectReason.INVALID_ARGUMENT),
        ("sign_with_ecdsa", evolve(sign_ecdsa, message_hash=bytes(31)), RejectReason.INVALID_ARGUMENT),
        ("sign_with_ecdsa", evolve(sign_ecdsa, key_id=evolve(ECDSA, name="other")), RejectReason.UNKNOWN_KEY),
        ("sign_with_schnorr", evolve(sign_schnorr, key_id=evolve(BIP340, name="")), RejectReason.UNKNOWN_KEY),
        ("sign_with_schnorr", evolve(sign_schnorr, aux=TaprootTweak(bytes(31))), RejectReason.INVALID_ARGUMENT),
        (
            "sign_with_schnorr",
            evolve(sign_schnorr, key_id=ED25519, aux=TaprootTweak(b"")),
            RejectReason.INVALID_ARGUMENT,
        ),
        ("vetkd_derive_key", evolve(derive, transport_public_key=bytes(47)), RejectReason.INVALID_ARGUMENT),
        pytest.param(
            "vetkd_derive_key",
            evolve(derive, transport_public_key=b"\x01" * 48),
            RejectReason.INVALID_ARGUMENT,
            marks=pytest.mark.checklist("prod.ee_tests.test_vetkd_derive_key_rejects_invalid_transport_keys"),
        ),
        (
            "vetkd_public_key",
            management.VetkdPublicKeyArguments(VETKD, Principal(b"\x04")),
            RejectReason.INVALID_ARGUMENT,
        ),
    ],
)
def test_a_request_for_a_key_that_makes_no_sense_is_rejected(method_name, arguments, reason):
    assert rejection(calling(arguments, method_name)) is reason


@pytest.mark.checklist("mgmt.sign-with-schnorr")
@pytest.mark.parametrize("tweak", [TaprootTweak(b""), TaprootTweak(bytes(32))])
def test_bip340_signatures_may_be_tweaked(tweak):
    state = calling(evolve(sign_schnorr, aux=tweak), "sign_with_schnorr")
    assert fire(state, "sign_with_schnorr", message_id=0, signature=bytes(64))


@pytest.mark.checklist("mgmt.ecdsa-public-key", "mgmt.schnorr-public-key", "mgmt.vetkd-derive-key")
@pytest.mark.parametrize(
    ("method_name", "arguments", "choices"),
    [
        ("ecdsa_public_key", management.EcdsaPublicKeyArguments(ECDSA), {"public_key": bytes(33), "chain_code": CODE}),
        ("ecdsa_public_key", management.EcdsaPublicKeyArguments(ECDSA), {"public_key": POINT, "chain_code": b""}),
        ("schnorr_public_key", management.SchnorrPublicKeyArguments(BIP340), {"public_key": CODE, "chain_code": CODE}),
        ("sign_with_ecdsa", sign_ecdsa, {"signature": bytes(63)}),
        ("vetkd_derive_key", derive, {"encrypted_key": bytes(191)}),
    ],
)
def test_what_does_not_look_like_an_answer_is_none(method_name, arguments, choices):
    assert refusal(calling(arguments, method_name), method_name, message_id=0, **choices).reject is None


def transforming(**transform):
    state = calling(
        evolve(get, transform=HttpTransform(**({"canister_id": A, "method_name": "clean"} | transform))), "http_request"
    )
    own = canister(A, code(A, module(gives={"query clean": returns(), "update other": returns()})))
    return evolve(state, canisters=state.canisters.set(A, own))


MANY_HEADERS = List((HttpHeader("n", "v"),) * 65)
LONG_HEADER = List.of(HttpHeader("n", "v" * 8193))
LARGE_HEADERS = List((HttpHeader("", "v" * 8192),) * 7)


@pytest.mark.checklist("mgmt.http-request")
@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://example.org"},
        {"url": "https://" + "a" * 8185},
        {"method": HttpMethod.PUT},
        {"method": HttpMethod.DELETE, "is_replicated": True},
        {"max_response_bytes": 2_000_001},
        {"headers": MANY_HEADERS},
        {"headers": LONG_HEADER},
        {"headers": LARGE_HEADERS},
        {"body": bytes(2_000_001)},
    ],
)
def test_an_outcall_beyond_the_limits_is_rejected(changes):
    assert rejection(calling(evolve(get, **changes), "http_request", 10**13)) is RejectReason.INVALID_OUTCALL


@pytest.mark.checklist("mgmt.http-request")
@pytest.mark.parametrize(
    "changes",
    [
        {"url": "https://" + "a" * 8184},
        {"method": HttpMethod.PATCH, "is_replicated": False},
        {"max_response_bytes": 2_000_000},
        {"max_response_bytes": None},
        {"body": bytes(2_000_000), "method": HttpMethod.POST},
    ],
)
def test_an_outcall_at_the_limits_is_made(changes):
    state = calling(evolve(get, **changes), "http_request", 10**13)
    assert fire(state, "http_request", message_id=0, answer=HttpResponse(200))


@pytest.mark.checklist("mgmt.http-request", "prod.ee_tests.execute_canister_http_request")
def test_a_transformation_is_a_query_method_of_the_caller():
    answered = fire(transforming(), "http_request", message_id=0, answer=HttpResponse(200))
    price = HTTP_PRICE + 400 * len("clean") * 13
    assert answered.burned == (Burned(price, BurnReason.SERVICES),)
    for other in ({"method_name": "other"}, {"method_name": "absent"}, {"canister_id": Principal(b"\x09\x01\x01")}):
        assert rejection(transforming(**other)) is RejectReason.INVALID_OUTCALL


@pytest.mark.checklist("mgmt.http-request")
def test_a_response_keeps_within_what_was_asked_for():
    because = "the response keeps within the limits"
    state, headers = calling(get, "http_request"), List.of(HttpHeader("name", "value"))
    assert fire(state, "http_request", message_id=0, answer=HttpResponse(200, headers, bytes(991)))
    for large in (HttpResponse(200, headers, bytes(992)), HttpResponse(200, MANY_HEADERS), HttpResponse(-1)):
        assert is_refused(state, "http_request", because, message_id=0, answer=large)
    # The encoding of a transformed response counts too.
    large = HttpResponse(200, headers, bytes(991))
    assert is_refused(transforming(), "http_request", because, message_id=0, answer=large)
    # It may have more headers than a server may send.
    assert fire(transforming(), "http_request", message_id=0, answer=HttpResponse(200, MANY_HEADERS))


def outputs(*heights):
    return List(tuple(management.Utxo(management.Outpoint(b"id", 0), 1, height) for height in heights))


@pytest.mark.checklist("mgmt.bitcoin-get-utxos")
@pytest.mark.parametrize(
    ("confirmations", "heights", "is_admitted"),
    [
        (None, (8, 5, 5, 1), True),
        (None, (5, 8), False),
        (None, (11,), False),
        (None, (10,), True),
        (6, (5,), True),
        (6, (6,), False),
        (None, (1,) * 10_001, False),
    ],
)
def test_outputs_come_in_descending_order_with_the_confirmations_asked_for(confirmations, heights, is_admitted):
    asked_for = None if confirmations is None else management.Confirmations(confirmations)
    state = calling(evolve(utxos, filter=asked_for), "bitcoin_get_utxos")
    result = management.UtxosResult(b"tip", 10, outputs(*heights))
    if is_admitted:
        after = fire(state, "bitcoin_get_utxos", message_id=0, answer=result).state
        assert management.decode_result("bitcoin_get_utxos", reply_of(after)) == result
    else:
        because = "the outputs are those asked for"
        assert is_refused(state, "bitcoin_get_utxos", because, message_id=0, answer=result)


@pytest.mark.checklist("mgmt.bitcoin-get-utxos", "mgmt.bitcoin-get-balance", "mgmt.bitcoin-get-block-headers")
def test_requests_about_bitcoin_that_make_no_sense_are_rejected():
    many = evolve(utxos, filter=management.Confirmations(145))
    assert rejection(calling(many, "bitcoin_get_utxos")) is RejectReason.INVALID_ARGUMENT
    balance = management.GetBalanceArguments("address", MAINNET, 145)
    assert rejection(calling(balance, "bitcoin_get_balance")) is RejectReason.INVALID_ARGUMENT
    backwards = management.GetBlockHeadersArguments(5, MAINNET, 4)
    assert rejection(calling(backwards, "bitcoin_get_block_headers")) is RejectReason.INVALID_ARGUMENT


@pytest.mark.checklist("mgmt.bitcoin-get-block-headers")
@pytest.mark.parametrize(("end", "tip", "sizes"), [(8, 7, ()), (8, 9, (80,) * 5), (8, 9, (79,)), (None, 6, (80,) * 3)])
def test_headers_that_were_not_asked_for_are_no_answer(end, tip, sizes):
    state = calling(management.GetBlockHeadersArguments(5, MAINNET, end), "bitcoin_get_block_headers")
    result = management.BlockHeadersResult(tip, List(tuple(map(bytes, sizes))))
    because = "the headers are those asked for"
    assert is_refused(state, "bitcoin_get_block_headers", because, message_id=0, answer=result)


@pytest.mark.checklist("mgmt.bitcoin-get-current-fee-percentiles")
@pytest.mark.parametrize("percentiles", [(1,), (2, *range(100))])
def test_percentiles_are_complete_and_in_order(percentiles):
    state = calling(management.FeePercentilesArguments(MAINNET), "bitcoin_get_current_fee_percentiles")
    choices = {"message_id": 0, "percentiles": List(percentiles)}
    assert is_refused(state, "bitcoin_get_current_fee_percentiles", "the percentiles are in order", **choices)


@pytest.mark.parametrize(
    ("method_name", "arguments"),
    [*((row[0], row[1]) for row in PRICED), *((row[0], row[1]) for row in FREE)],
)
def test_the_machine_knows_an_answer_to_each_call(method_name, arguments):
    labels = enabled(calling(arguments, method_name))
    assert [label.rule for label in labels if label.rule == method_name] == [method_name]
    assert all(label.rule != "management_call_rejection" for label in labels)

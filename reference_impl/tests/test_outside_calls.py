"""Calls that leave the subnet, and what the management canister tells of canisters, nodes and the subnet."""

from reference_impl.subnet.observations import Purpose
from spec.values.changes import CodeDeployment
from spec.values.containers import List
from spec.values.management import (
    BitcoinNetwork,
    CanisterIdArguments,
    CanisterInfoArguments,
    CanisterMetadataArguments,
    EcdsaCurve,
    EcdsaKeyId,
    EcdsaPublicKeyArguments,
    FeePercentilesArguments,
    GetBalanceArguments,
    GetBlockHeadersArguments,
    GetUtxosArguments,
    HttpHeader,
    HttpRequestArguments,
    HttpResponse,
    HttpTransform,
    NodeMetricsHistoryArguments,
    RawRandArguments,
    SchnorrAlgorithm,
    SchnorrKeyId,
    SchnorrPublicKeyArguments,
    SendTransactionArguments,
    SignWithEcdsaArguments,
    SignWithSchnorrArguments,
    SubnetInfoArguments,
    VetkdCurve,
    VetkdDeriveKeyArguments,
    VetkdKeyId,
    VetkdPublicKeyArguments,
    decode_result,
    encode_arguments,
)
from spec.values.rejects import RejectCode, RejectReason, Reply

TRANSPORT_KEY = bytes.fromhex(
    "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"
)
"""The generator of the group in which transport keys are."""
KEY = EcdsaKeyId(EcdsaCurve.SECP256K1, "key_1")
SCHNORR = SchnorrKeyId(SchnorrAlgorithm.ED25519, "test_key_1")
VETKD = VetkdKeyId(VetkdCurve.BLS12_381_G2, "key_1")
FEE = 10**10
NETWORK = BitcoinNetwork.TESTNET
QUESTIONS = [
    ("ecdsa_public_key", EcdsaPublicKeyArguments(KEY), 0),
    ("sign_with_ecdsa", SignWithEcdsaArguments(bytes(32), KEY), FEE),
    ("schnorr_public_key", SchnorrPublicKeyArguments(SCHNORR), 0),
    ("sign_with_schnorr", SignWithSchnorrArguments(b"message", SCHNORR), FEE),
    ("vetkd_public_key", VetkdPublicKeyArguments(VETKD), 0),
    ("vetkd_derive_key", VetkdDeriveKeyArguments(b"", TRANSPORT_KEY, VETKD), FEE),
    (
        "http_request",
        HttpRequestArguments("https://example.com"),
        (3_000_000 + 60_000 * 13 + 400 * 19 + 800 * 2_000_000) * 13,
    ),
    ("bitcoin_get_utxos", GetUtxosArguments("address", NETWORK), 0),
    ("bitcoin_get_balance", GetBalanceArguments("address", NETWORK), 0),
    ("bitcoin_send_transaction", SendTransactionArguments(b"", NETWORK), 0),
    ("bitcoin_get_current_fee_percentiles", FeePercentilesArguments(NETWORK), 0),
    ("bitcoin_get_block_headers", GetBlockHeadersArguments(0, NETWORK), 0),
]


def test_the_engine_answers_every_call_and_keeps_the_fee(stage):
    relay, _ = stage.relay("raw_rand", RawRandArguments())
    for method, arguments, fee in QUESTIONS:
        stage.engine.explain()
        total = stage.total_cycles()
        relay, (response, refunded) = stage.relay(method, arguments, cycles=10**12, relay=relay)
        assert isinstance(response, Reply), (method, response)
        assert 10**12 - refunded == fee, method
        burned = [pair for step in stage.engine.explain() for pair in step.observed.burned]
        assert [cycles for purpose, cycles in burned if purpose is Purpose.SERVICES] == ([fee] if fee else [])
        assert total - stage.total_cycles() == sum(cycles for _, cycles in burned)
    metrics = decode_result("canister_metrics", stage.manage("canister_metrics", CanisterIdArguments(relay)))
    assert metrics.http_outcalls == next(fee for method, _, fee in QUESTIONS if method == "http_request")


def test_a_call_without_the_fee_is_rejected_with_all_its_cycles(stage):
    relay = None
    for method, arguments, fee in QUESTIONS:
        if fee:
            relay, (response, refunded) = stage.relay(method, arguments, cycles=fee - 1, relay=relay)
            assert (response.reason, refunded) == (RejectReason.INSUFFICIENT_CYCLES_ATTACHED, fee - 1)


def test_answers_that_do_not_fit_are_taken_as_failures(stage):
    """The world has no block, so it cannot tell of those up to the height five."""
    _, (response, refunded) = stage.relay("bitcoin_get_block_headers", GetBlockHeadersArguments(0, NETWORK, 5))
    assert (response.code, response.reason) == (RejectCode.SYS_FATAL, RejectReason.OUTSIDE_WORLD_FAILED)


def test_a_world_may_fail_and_the_fee_is_kept(new_stage):
    class Broken:
        def answer(self, call):
            return RejectCode.SYS_TRANSIENT

    stage = new_stage(world=Broken())
    _, (response, refunded) = stage.relay("sign_with_ecdsa", SignWithEcdsaArguments(bytes(32), KEY), cycles=FEE + 5)
    assert (response.code, response.reason) == (RejectCode.SYS_TRANSIENT, RejectReason.OUTSIDE_WORLD_FAILED)
    assert refunded == 5


def test_only_own_queries_transform_answers(stage):
    relay, _ = stage.relay("ecdsa_public_key", EcdsaPublicKeyArguments(KEY))
    for owner, name, is_allowed in [
        (relay, "transform", True),
        (relay, "relay", False),
        (relay, "nothing", False),
        (stage.create(), "transform", False),
    ]:
        arguments = HttpRequestArguments("https://example.com", transform=HttpTransform(owner, name))
        _, (response, _) = stage.relay("http_request", arguments, cycles=10**12, relay=relay)
        assert isinstance(response, Reply) is is_allowed
        assert is_allowed or response.reason is RejectReason.INVALID_OUTCALL


def test_only_headers_that_a_server_sent_are_limited(new_stage):
    class Wordy:
        def answer(self, call):
            return {"answer": HttpResponse(200, List((HttpHeader("n", "v"),) * 65))}

    stage = new_stage(world=Wordy())
    relay, _ = stage.relay("http_request", HttpRequestArguments("https://example.com"), cycles=10**12)
    for transform, fits in ((None, False), (HttpTransform(relay, "transform"), True)):
        arguments = HttpRequestArguments("https://example.com", transform=transform)
        _, (response, _) = stage.relay("http_request", arguments, cycles=10**12, relay=relay)
        assert isinstance(response, Reply) is fits
        assert fits or response.reason is RejectReason.OUTSIDE_WORLD_FAILED


def test_a_call_that_has_left_holds_up_no_other(stage, script):
    calls = [
        ("sign_with_ecdsa", SignWithEcdsaArguments(bytes(32), KEY)),
        ("canister_info", CanisterInfoArguments(b"nobody")),
    ]

    def go(entry):
        return entry.returns(calls=[entry.call(b"", name, encode_arguments(one)) for name, one in calls])

    canister = stage.create(script(updates={"go": go}))
    request = stage.start(canister, "go")
    stage.take("initiate_call", request_id=request)
    message = stage.engine.instance.messages.next_id - 1
    stage.take("call_context_creation", message_id=message, context_id=0)
    stage.take("message_execution", message_id=message)
    signing, telling = message + 1, message + 2
    assert not stage.take("management_call_rejection", message_id=telling, code=4)
    assert not stage.take("outside_call_departure", message_id=telling)
    assert stage.take("outside_call_departure", message_id=signing)
    assert not stage.take("outside_call_departure", message_id=signing)
    assert stage.take("management_call_rejection", message_id=telling, code=4)
    assert stage.take("management_call_rejection", message_id=signing, code=4)


def test_information_about_a_canister(stage, counter):
    canister = stage.create(counter)
    relay, (response, _) = stage.relay("canister_info", CanisterInfoArguments(canister, 1))
    info = decode_result("canister_info", response.data)
    assert info.total_num_changes == 2
    assert [type(change.details) for change in info.recent_changes] == [CodeDeployment]
    _, (response, _) = stage.relay("canister_metadata", CanisterMetadataArguments(canister, "no such"), relay=relay)
    assert response.reason is RejectReason.METADATA_NOT_FOUND


def test_metrics_are_what_the_canister_was_charged(stage, counter):
    canister = stage.create(counter)
    stage.engine.explain()
    stage.call(canister, "increment")
    charged = sum(amount for step in stage.engine.explain() for _, amount in step.observed.burned)

    def metrics():
        return decode_result("canister_metrics", stage.manage("canister_metrics", CanisterIdArguments(canister)))

    first = metrics()
    stage.call(canister, "increment")
    assert metrics().instructions - first.instructions == charged


def test_nodes_and_the_subnet(stage):
    relay, (response, _) = stage.relay("node_metrics_history", NodeMetricsHistoryArguments(b"subnet", 0))
    assert decode_result("node_metrics_history", response.data) == List()
    _, (response, _) = stage.relay("subnet_info", SubnetInfoArguments(b"subnet"), relay=relay)
    assert decode_result("subnet_info", response.data).registry_version == 0

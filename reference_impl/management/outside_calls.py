"""
Calls that leave the subnet: threshold keys, HTTP outcalls and the Bitcoin network.

What a call may ask is checked here. The answer is chosen by whoever takes the transition, or comes from the world that
the engine is given; either way it must fit the call.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen
from py_arkworks_bls12381 import G1Point

from reference_impl.management.verdicts import (
    Applies,
    DoesNotFit,
    Leaves,
    ManagementCall,
    Verdict,
    WorldFailed,
    finish,
    rejection,
)
from reference_impl.messages.delivery import waiting_call
from reference_impl.subnet.observations import NotTaken, Purpose
from reference_impl.subnet.outside_world import Later, OutsideCall
from reference_impl.subnet.subnet_instance import SubnetInstance
from reference_impl.subnet.system_ids import is_system_assigned
from spec.profile import Limits
from spec.state.message import Between, ResponseMessage, Unordered
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, MethodName, Text
from spec.values.management import (
    EMPTY_RESULT,
    BlockHeadersResult,
    Confirmations,
    EcdsaPublicKeyArguments,
    FeePercentilesArguments,
    GetBalanceArguments,
    GetBlockHeadersArguments,
    GetUtxosArguments,
    HttpHeader,
    HttpMethod,
    HttpRequestArguments,
    HttpResponse,
    PublicKeyResult,
    SchnorrAlgorithm,
    SchnorrPublicKeyArguments,
    SendTransactionArguments,
    SignWithEcdsaArguments,
    SignWithSchnorrArguments,
    UtxosResult,
    VetkdDeriveKeyArguments,
    VetkdPublicKeyArguments,
    decode_arguments,
    encode_result,
)
from spec.values.quantities import ByteCount, Cycles
from spec.values.rejects import Reject, RejectCode, RejectReason, system_reject

KEY_NAMES = frozenset({"key_1", "test_key_1"})
"""The names of the keys that there are, of every curve and algorithm."""
HASH_LENGTH = 32
MOST_CONFIRMATIONS = 144
"""Source: management-canister, bitcoin_get_utxos and bitcoin_get_balance."""
MOST_UTXOS = 10_000
HEADER_LENGTH = 80
"""A block header of Bitcoin, in bytes."""
HTTPS = "https://"
UNSAFE_METHODS = frozenset({HttpMethod.PUT, HttpMethod.DELETE, HttpMethod.PATCH})
"""The methods that only a single node may use."""

Choices = Mapping[Text, Any]


@frozen
class Asked:
    """A call that may leave the subnet."""

    fits: Callable[[Choices], bool]
    """The choices are an answer to the call."""
    reply: Callable[[Choices], Blob]
    """The reply that the choices make."""
    fee: Cycles = 0


Question = Callable[[SubnetInstance, ManagementCall, Any], Asked | Reject]

INVALID = rejection(RejectReason.INVALID_ARGUMENT)
NO_KEY = rejection(RejectReason.UNKNOWN_KEY)
NOT_ALLOWED = rejection(RejectReason.INVALID_OUTCALL)


def _path_is_long(instance: SubnetInstance, path: List[Blob]) -> bool:
    return len(path) > instance.profile.limits.derivation_path


def _is_compressed_point(key: Blob) -> bool:
    return len(key) == 33 and key[0] in (2, 3)


def _key_reply(method_name: MethodName) -> Callable[[Choices], Blob]:
    return lambda choices: encode_result(method_name, PublicKeyResult(choices["public_key"], choices["chain_code"]))


def _ecdsa_public_key(
    instance: SubnetInstance, call: ManagementCall, arguments: EcdsaPublicKeyArguments
) -> Asked | Reject:
    if _path_is_long(instance, arguments.derivation_path):
        return INVALID
    if arguments.key_id.name not in KEY_NAMES:
        return NO_KEY
    return Asked(
        fits=lambda choices: _is_compressed_point(choices["public_key"]) and len(choices["chain_code"]) == HASH_LENGTH,
        reply=_key_reply("ecdsa_public_key"),
    )


def _schnorr_public_key(
    instance: SubnetInstance, call: ManagementCall, arguments: SchnorrPublicKeyArguments
) -> Asked | Reject:
    if _path_is_long(instance, arguments.derivation_path):
        return INVALID
    if arguments.key_id.name not in KEY_NAMES:
        return NO_KEY
    is_ed25519 = arguments.key_id.algorithm is SchnorrAlgorithm.ED25519

    def fits(choices: Choices) -> bool:
        key = choices["public_key"]
        is_key = len(key) == 32 if is_ed25519 else _is_compressed_point(key)
        return is_key and len(choices["chain_code"]) == HASH_LENGTH

    return Asked(fits, _key_reply("schnorr_public_key"))


def _blob_of(method_name: MethodName, name: Text, length: ByteCount, fee: Cycles = 0) -> Asked:
    """A question whose answer is a blob of this length."""
    return Asked(
        fits=lambda choices: len(choices[name]) == length,
        reply=lambda choices: encode_result(method_name, choices[name]),
        fee=fee,
    )


def _sign_with_ecdsa(
    instance: SubnetInstance, call: ManagementCall, arguments: SignWithEcdsaArguments
) -> Asked | Reject:
    if _path_is_long(instance, arguments.derivation_path) or len(arguments.message_hash) != HASH_LENGTH:
        return INVALID
    if arguments.key_id.name not in KEY_NAMES:
        return NO_KEY
    fee = instance.ledger_on(instance.home_of(call.message)).service(instance.profile.fees.ecdsa_signature)
    return _blob_of("sign_with_ecdsa", "signature", 64, fee)


def _sign_with_schnorr(
    instance: SubnetInstance, call: ManagementCall, arguments: SignWithSchnorrArguments
) -> Asked | Reject:
    if _path_is_long(instance, arguments.derivation_path):
        return INVALID
    if arguments.aux is not None:
        is_bip340 = arguments.key_id.algorithm is SchnorrAlgorithm.BIP340SECP256K1
        if not is_bip340 or len(arguments.aux.merkle_root_hash) not in (0, HASH_LENGTH):
            return INVALID
    if arguments.key_id.name not in KEY_NAMES:
        return NO_KEY
    fee = instance.ledger_on(instance.home_of(call.message)).service(instance.profile.fees.schnorr_signature)
    return _blob_of("sign_with_schnorr", "signature", 64, fee)


def _vetkd_public_key(
    instance: SubnetInstance, call: ManagementCall, arguments: VetkdPublicKeyArguments
) -> Asked | Reject:
    if arguments.canister_id is not None and not is_system_assigned(arguments.canister_id):
        return INVALID
    if arguments.key_id.name not in KEY_NAMES:
        return NO_KEY
    return _blob_of("vetkd_public_key", "public_key", 96)


def _is_transport_key(key: Blob) -> bool:
    """A compressed point of the group of short keys."""
    try:
        point = G1Point.from_compressed_bytes(key)
    except ValueError:
        return False
    return bytes(point.to_compressed_bytes()) == key


def _vetkd_derive_key(
    instance: SubnetInstance, call: ManagementCall, arguments: VetkdDeriveKeyArguments
) -> Asked | Reject:
    if not _is_transport_key(arguments.transport_public_key):
        return INVALID
    if arguments.key_id.name not in KEY_NAMES:
        return NO_KEY
    fee = instance.ledger_on(instance.home_of(call.message)).service(instance.profile.fees.vetkd_key)
    return _blob_of("vetkd_derive_key", "encrypted_key", 192, fee)


def _headers_size(headers: List[HttpHeader]) -> ByteCount:
    return headers.total(lambda header: len(header.name.encode()) + len(header.value.encode()))


def _headers_allowed(limits: Limits, headers: List[HttpHeader]) -> bool:
    return (
        len(headers) <= limits.http_headers
        and all(len(text.encode()) <= limits.http_header for header in headers for text in (header.name, header.value))
        and _headers_size(headers) <= limits.http_headers_size
    )


def _outcall_allowed(instance: SubnetInstance, call: ManagementCall, arguments: HttpRequestArguments) -> bool:
    limits, url = instance.profile.limits, arguments.url
    return (
        url.startswith(HTTPS)
        and len(url.encode()) <= limits.http_url
        and (arguments.method not in UNSAFE_METHODS or arguments.is_replicated is False)
        and (arguments.max_response_bytes is None or arguments.max_response_bytes <= limits.http_response)
        and _headers_allowed(limits, arguments.headers)
        and _headers_size(arguments.headers) + len(arguments.body or b"") <= limits.http_request
        and _transform_exists(instance, call, arguments)
    )


def _transform_exists(instance: SubnetInstance, call: ManagementCall, arguments: HttpRequestArguments) -> bool:
    transform = arguments.transform
    if transform is None:
        return True
    caller = instance.canisters.get(call.caller)
    if transform.canister_id != call.caller or caller is None or caller.code is None:
        return False
    return transform.method_name in caller.code.installed.module.query_methods


def _http_request(instance: SubnetInstance, call: ManagementCall, arguments: HttpRequestArguments) -> Asked | Reject:
    if not _outcall_allowed(instance, call, arguments):
        return NOT_ALLOWED
    limits, transform = instance.profile.limits, arguments.transform
    largest = limits.http_response if arguments.max_response_bytes is None else arguments.max_response_bytes
    size = len(arguments.url.encode()) + _headers_size(arguments.headers) + len(arguments.body or b"")
    if transform is not None:
        size += len(transform.method_name.encode()) + len(transform.context)

    def fits(choices: Choices) -> bool:
        answer: HttpResponse = choices["answer"]
        if answer.status < 0:
            return False
        if transform is None:
            size = _headers_size(answer.headers) + len(answer.body)
            return _headers_allowed(limits, answer.headers) and size <= largest
        # What the server has sent is gone; of what was made of it, only the encoding is limited.
        return len(encode_result("http_request", answer)) <= largest

    fee = instance.ledger_on(instance.home_of(call.message)).http_request(size, largest)
    return Asked(fits, lambda choices: encode_result("http_request", choices["answer"]), fee)


def _descends(numbers: Sequence[int]) -> bool:
    return all(earlier >= later for earlier, later in zip(numbers, numbers[1:], strict=False))


def _get_utxos(instance: SubnetInstance, call: ManagementCall, arguments: GetUtxosArguments) -> Asked | Reject:
    confirmations = arguments.filter.number if isinstance(arguments.filter, Confirmations) else 0
    if confirmations > MOST_CONFIRMATIONS:
        return INVALID

    def fits(choices: Choices) -> bool:
        answer: UtxosResult = choices["answer"]
        heights = [utxo.height for utxo in answer.utxos]
        if len(heights) > MOST_UTXOS or not _descends(heights):
            return False
        # The outputs of the tip have one confirmation; there is no block above it.
        return all(height + max(confirmations, 1) <= answer.tip_height + 1 for height in heights)

    return Asked(fits, lambda choices: encode_result("bitcoin_get_utxos", choices["answer"]))


def _get_balance(instance: SubnetInstance, call: ManagementCall, arguments: GetBalanceArguments) -> Asked | Reject:
    if (arguments.min_confirmations or 0) > MOST_CONFIRMATIONS:
        return INVALID
    return Asked(
        fits=lambda choices: 0 <= choices["satoshi"] < 2**64,
        reply=lambda choices: encode_result("bitcoin_get_balance", choices["satoshi"]),
    )


def _send_transaction(
    instance: SubnetInstance, call: ManagementCall, arguments: SendTransactionArguments
) -> Asked | Reject:
    return Asked(lambda choices: True, lambda choices: EMPTY_RESULT)


def _fee_percentiles(
    instance: SubnetInstance, call: ManagementCall, arguments: FeePercentilesArguments
) -> Asked | Reject:
    def fits(choices: Choices) -> bool:
        percentiles: List[int] = choices["percentiles"]
        return len(percentiles) in (0, 101) and _descends(percentiles.items[::-1])

    return Asked(fits, lambda choices: encode_result("bitcoin_get_current_fee_percentiles", choices["percentiles"]))


def _block_headers(
    instance: SubnetInstance, call: ManagementCall, arguments: GetBlockHeadersArguments
) -> Asked | Reject:
    start, end = arguments.start_height, arguments.end_height
    if end is not None and start > end:
        return INVALID

    def fits(choices: Choices) -> bool:
        answer: BlockHeadersResult = choices["answer"]
        if end is not None and end > answer.tip_height:
            return False
        last = answer.tip_height if end is None else end
        headers = answer.block_headers
        return all(len(header) == HEADER_LENGTH for header in headers) and len(headers) <= max(last - start + 1, 0)

    return Asked(fits, lambda choices: encode_result("bitcoin_get_block_headers", choices["answer"]))


QUESTIONS: Mapping[MethodName, tuple[Question, tuple[Text, ...]]] = {
    "ecdsa_public_key": (_ecdsa_public_key, ("public_key", "chain_code")),
    "sign_with_ecdsa": (_sign_with_ecdsa, ("signature",)),
    "schnorr_public_key": (_schnorr_public_key, ("public_key", "chain_code")),
    "sign_with_schnorr": (_sign_with_schnorr, ("signature",)),
    "vetkd_public_key": (_vetkd_public_key, ("public_key",)),
    "vetkd_derive_key": (_vetkd_derive_key, ("encrypted_key",)),
    "http_request": (_http_request, ("answer",)),
    "bitcoin_get_utxos": (_get_utxos, ("answer",)),
    "bitcoin_get_balance": (_get_balance, ("satoshi",)),
    "bitcoin_send_transaction": (_send_transaction, ()),
    "bitcoin_get_current_fee_percentiles": (_fee_percentiles, ("percentiles",)),
    "bitcoin_get_block_headers": (_block_headers, ("answer",)),
}
"""For each method that leaves the subnet what it asks, and the names of the choices that answer it."""

CHOICES: Mapping[Text, tuple[Text, ...]] = {name: choices for name, (_, choices) in QUESTIONS.items()}


def _asked(instance: SubnetInstance, call: ManagementCall, arguments: object) -> Asked | Reject:
    """What the call asks, if it may leave the subnet and brings the fee."""
    question, _ = QUESTIONS[call.message.method_name]
    asked = question(instance, call, arguments)
    if isinstance(asked, Asked) and call.message.transferred_cycles < asked.fee:
        return rejection(RejectReason.INSUFFICIENT_CYCLES_ATTACHED)
    return asked


def _burn_fee(instance: SubnetInstance, call: ManagementCall, fee: Cycles) -> None:
    caller = instance.canisters.get(call.caller)
    if caller is None:
        instance.recorder.burned(fee, Purpose.SERVICES)
    else:
        use = "http_outcalls" if call.message.method_name == "http_request" else None
        instance.burn(caller, fee, Purpose.SERVICES, use)


def _method(name: MethodName) -> Callable[[SubnetInstance, ManagementCall, Any], Verdict]:
    names = CHOICES[name]

    def verdict(instance: SubnetInstance, call: ManagementCall, arguments: Any) -> Verdict:
        asked = _asked(instance, call, arguments)
        if isinstance(asked, Reject):
            return asked
        choices: Choices = call.choices
        if names and not choices:
            answer = instance.world.answer(OutsideCall(call.caller, name, arguments))
            if isinstance(answer, Later):
                return Leaves()
            if isinstance(answer, RejectCode):
                return WorldFailed(answer)
            if set(answer) != set(names) or not asked.fits(answer):
                return WorldFailed(RejectCode.SYS_FATAL)
            choices = answer
        if not asked.fits(choices):
            return DoesNotFit("this is no answer to the call")
        reply = asked.reply(choices)

        def apply() -> None:
            _burn_fee(instance, call, asked.fee)
            finish(instance, call, reply, call.message.transferred_cycles - asked.fee)

        return Applies(name, apply, tuple(choices.items()))

    return verdict


METHODS: Mapping[MethodName, Callable[[SubnetInstance, ManagementCall, Any], Verdict]] = {
    name: _method(name) for name in QUESTIONS
}
"""The methods that leave the subnet."""

FAILURES = frozenset(RejectCode) - {RejectCode.SYS_UNKNOWN}
"""It is known that the call failed."""
NOT_OUTSIDE = NotTaken("the message is not a call that leaves the subnet and may be taken")


def _outside_call(instance: SubnetInstance, message_id: int) -> ManagementCall | None:
    message = waiting_call(instance, message_id)
    if message is None or message.callee != MANAGEMENT_CANISTER or message.method_name not in QUESTIONS:
        return None
    return ManagementCall(message_id, message)


def outside_call_failure(instance: SubnetInstance, message_id: int, code: int) -> NotTaken | None:
    """The outside world fails to answer a call; the fee is kept."""
    call = _outside_call(instance, message_id)
    if call is None:
        return NOT_OUTSIDE
    if code not in FAILURES:
        return NotTaken("the outside world does not fail with this code")
    arguments = decode_arguments(call.message.method_name, call.message.argument)
    asked = INVALID if arguments is None else _asked(instance, call, arguments)
    if isinstance(asked, Reject):
        return NotTaken(f"the call is rejected: {asked.message}", asked)
    _burn_fee(instance, call, asked.fee)
    reject = system_reject(RejectCode(code), RejectReason.OUTSIDE_WORLD_FAILED)
    instance.messages.remove(message_id)
    instance.messages.append(ResponseMessage(call.message.origin, reject, call.message.transferred_cycles - asked.fee))
    return None


def outside_call_departure(instance: SubnetInstance, message_id: int) -> NotTaken | None:
    """A call leaves the subnet, and holds up no other call while it is away."""
    call = _outside_call(instance, message_id)
    if call is None or not isinstance(call.message.queue, Between):
        return NOT_OUTSIDE
    instance.messages.replace(message_id, evolve(call.message, queue=Unordered()))
    return None

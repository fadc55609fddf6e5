"""Calls that wait for the outside world: they hold up no others, and they may fail there."""

from attrs import evolve

from spec.rules.conditions import eligible_call
from spec.rules.management import bitcoin
from spec.rules.management.outcalls import http_request_call
from spec.rules.management.services import served
from spec.rules.management.threshold_keys import (
    ecdsa_public_key_call,
    schnorr_public_key_call,
    sign_with_ecdsa_call,
    sign_with_schnorr_call,
    vetkd_derive_key_call,
    vetkd_public_key_call,
)
from spec.state.message import Unordered
from spec.state.state import State
from spec.transition import Step, opaque, require, transition
from spec.values.checklist import defines
from spec.values.identifiers import MANAGEMENT_CANISTER, MessageId, MethodName
from spec.values.quantities import Cycles
from spec.values.rejects import RejectCode, RejectReason, system_reject

FREE_METHODS = (
    "ecdsa_public_key",
    "schnorr_public_key",
    "vetkd_public_key",
    "bitcoin_get_utxos",
    "bitcoin_get_balance",
    "bitcoin_send_transaction",
    "bitcoin_get_current_fee_percentiles",
    "bitcoin_get_block_headers",
)
PRICED_METHODS = ("sign_with_ecdsa", "sign_with_schnorr", "vetkd_derive_key", "http_request")
"""The methods that the outside world answers, without and with a fee."""

NO_FAILURES = (RejectCode.SYS_UNKNOWN,)
"""With which codes it does not fail: it is answered whether the call failed, so that this is known."""


@opaque
def is_answered_outside(method_name: MethodName) -> bool:
    """The outside world answers calls to this method."""
    return method_name in FREE_METHODS + PRICED_METHODS


@transition(title="A call waits for the outside world", source="ours#outside-world")
def outside_call_departure(state: State, *, message_id: MessageId) -> Step:
    """A call that the outside world will answer leaves its queue, so that the calls behind it need not wait."""
    # CONDITIONS
    call = eligible_call(state, message_id)
    require(call.callee == MANAGEMENT_CANISTER, "the callee is the management canister")
    require(is_answered_outside(call.method_name), "the outside world answers the call")
    require(not isinstance(call.queue, Unordered), "the call is in a queue")

    # STATE AFTER
    return Step(evolve(state, messages=state.messages.replace(message_id, evolve(call, queue=Unordered()))))


@transition(title="A call fails in the outside world", source="ours#outside-world")
@defines("unspec.value.http-outcalls", "unspec.value.bitcoin", "unspec.value.threshold-keys")
def outside_call_failure(state: State, *, message_id: MessageId, code: RejectCode) -> Step:
    """The outside world does not answer, or refuses; the fee is kept."""
    # CONDITIONS
    call = eligible_call(state, message_id)
    require(call.callee == MANAGEMENT_CANISTER, "the callee is the management canister")
    require(is_answered_outside(call.method_name), "the outside world answers the call")
    require(code not in NO_FAILURES, "the outside world fails with such a code")
    fee = fee_of(state, message_id, call.method_name)

    # STATE AFTER
    return served(state, message_id, call, system_reject(code, RejectReason.OUTSIDE_WORLD_FAILED), fee)


def fee_of(state: State, message_id: MessageId, method_name: MethodName) -> Cycles:
    """The fee of a call that the outside world can answer. It states that the call can be served."""
    if method_name == "sign_with_ecdsa":
        return sign_with_ecdsa_call(state, message_id)[1]
    if method_name == "sign_with_schnorr":
        return sign_with_schnorr_call(state, message_id)[1]
    if method_name == "vetkd_derive_key":
        return vetkd_derive_key_call(state, message_id)[1]
    if method_name == "http_request":
        return http_request_call(state, message_id)[2]
    require_servable(state, message_id, method_name)
    return 0


def require_servable(state: State, message_id: MessageId, method_name: MethodName) -> None:
    """States that a call to a method without a fee can be served."""
    if method_name == "ecdsa_public_key":
        ecdsa_public_key_call(state, message_id)
    elif method_name == "schnorr_public_key":
        schnorr_public_key_call(state, message_id)
    elif method_name == "vetkd_public_key":
        vetkd_public_key_call(state, message_id)
    elif method_name == "bitcoin_get_utxos":
        bitcoin.get_utxos_call(state, message_id)
    elif method_name == "bitcoin_get_balance":
        bitcoin.get_balance_call(state, message_id)
    elif method_name == "bitcoin_send_transaction":
        bitcoin.send_transaction_call(state, message_id)
    elif method_name == "bitcoin_get_current_fee_percentiles":
        bitcoin.fee_percentiles_call(state, message_id)
    else:
        bitcoin.block_headers_call(state, message_id)

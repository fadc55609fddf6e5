"""What tests of chunks, snapshots, information and the outside world share."""

import hashlib
from typing import Any

from attrs import define, field

from spec.rules.tests.worlds import FAKES, Fake, fire
from spec.rules.tests.writes import WRITES
from spec.state.message import ResponseMessage
from spec.state.state import State
from spec.values.canister_terms import GlobalType
from spec.values.containers import List
from spec.values.rejects import Reject, RejectCode, RejectReason, Reply, Response, system_reject

PAID = {"messages", "balances", "reserved_balances"}
ONLY_ANSWERED = (
    "stored_chunks",
    "install_chunked_code",
    "list_canister_snapshots",
    "read_canister_snapshot_metadata",
    "canister_info",
    "canister_metadata",
    "canister_metrics",
    "node_metrics_history",
    "subnet_info",
    "ecdsa_public_key",
    "sign_with_ecdsa",
    "schnorr_public_key",
    "sign_with_schnorr",
    "vetkd_public_key",
    "vetkd_derive_key",
    "http_request",
    "bitcoin_get_utxos",
    "bitcoin_get_balance",
    "bitcoin_send_transaction",
    "bitcoin_get_current_fee_percentiles",
    "bitcoin_get_block_headers",
    "outside_call_departure",
    "outside_call_failure",
)
NEW_SNAPSHOT = PAID | {"snapshots", "used_snapshot_ids"}

WRITES.update({name: {"messages"} for name in ONLY_ANSWERED})
WRITES.update(
    {
        "upload_chunk": PAID | {"chunk_store"},
        "clear_chunk_store": {"messages", "chunk_store"},
        "take_canister_snapshot": NEW_SNAPSHOT,
        "take_canister_snapshot_and_uninstall": NEW_SNAPSHOT | WRITES["uninstall_code"],
        "upload_canister_snapshot_metadata": NEW_SNAPSHOT,
        "upload_canister_snapshot_data": PAID | {"snapshots"},
        "read_canister_snapshot_data": PAID,
        "delete_canister_snapshot": {"messages", "snapshots"},
        "load_canister_snapshot": PAID
        | {
            "canisters",
            "chunk_store",
            "certified_data",
            "global_timer",
            "on_low_wasm_memory_hook_status",
            "canister_history",
            "canister_version",
            "last_install_timestamp",
        },
    }
)


@define
class FakeWithGlobals(Fake):
    """A fake module of which a test says which globals it has."""

    global_types: List[GlobalType] = field(factory=List)


def module_with_globals(*types: GlobalType, **given: Any) -> bytes:
    """The bytes that stand for a new fake module with globals of these types."""
    raw_module = b"module %d" % len(FAKES)
    FAKES[raw_module] = FakeWithGlobals(global_types=List(types), **given)
    return raw_module


def sha256(content: bytes) -> bytes:
    """The hash of some bytes."""
    return hashlib.sha256(content).digest()


def answer(state: State, number: int = 0) -> tuple[Response, int]:
    """The response given by a step, and the cycles refunded with it. `number` counts those given before the last."""
    message = list(state.messages)[-1 - number]
    assert isinstance(message, ResponseMessage)
    return message.response, message.refunded_cycles


def reply_of(state: State) -> bytes:
    """The reply given by a step."""
    response, _ = answer(state)
    assert isinstance(response, Reply), response
    return response.data


def rejection(state: State) -> RejectReason:
    """Why message 0, a call to the management canister, is rejected; everything is refunded."""
    call = state.messages[0]
    code = RejectCode.CANISTER_REJECT
    response, refunded = answer(fire(state, "management_call_rejection", message_id=0, code=code).state)
    assert isinstance(response, Reject)
    assert response == system_reject(code, response.reason)
    assert refunded == call.transferred_cycles
    return response.reason
